//! What an edit starts in the window, case by case. `Watch::check` holds each row against an
//! oracle that computes it token by token, to the bit.

use super::{
    cut_every,
    toy::{EOS, POSITION_BYTES, Toy},
    watch::{Watch, World, experiment},
};
use crate::engine::{Event, Pace, Request, StopReason};
use crate::spec::{Experiment, Position};
use crate::trace::RowEvent;

const PROMPT: &[u32] = &[2, 9, 17, 30, 5, 11];

/// The prompt, 20 tokens of baseline, then `edits`.
fn started(edits: &[&str]) -> Watch {
    let mut it = Watch::new(Toy::default());
    it.show(&experiment(PROMPT, 1, &[]));
    it.play(20);
    it.show(&experiment(PROMPT, 1, edits));
    it.check();
    it
}

/// Shows an experiment that was there before: lengths as they were, no token read.
fn check_comes_back(it: &mut Watch, shown: &Experiment, lens: (usize, usize)) {
    let n_tokens = it.toy.n_tokens();
    it.show(shown);
    assert_eq!((it.lens(), it.toy.n_tokens()), (lens, n_tokens));
    it.check();
}

#[test]
fn without_edits_only_the_baseline_is_written() {
    let it = started(&[]);
    let rows = it.recording.shown().unwrap();
    assert_eq!(
        (rows.edited, rows.counterfactual, it.lens()),
        (None, None, (26, 0))
    );
    assert_eq!(it.toy.n_tokens(), 26, "every token is read once");
    it.check();
}

#[test]
fn an_edit_at_the_newest_token_parts_the_rows_there() {
    let mut it = started(&["mask:0.1@15.."]);
    assert_eq!(
        it.recording.shown().unwrap().edited_from,
        Some(Position(15))
    );
    assert_eq!(it.lens(), (26, 16));
    it.play(30);
    assert_eq!(it.lens(), (46, 46));
    assert_ne!(it.baseline().tokens, it.edited().tokens);
    it.check();
}

#[test]
fn an_edit_at_a_prompt_token_keeps_the_prompt_and_compares_there_too() {
    let mut it = started(&["mask:0.1@2.."]);
    assert_eq!(it.lens(), (26, 6));
    assert_eq!(
        it.counterfactual().comparisons.first().unwrap().at,
        Position(2)
    );
    assert!(it.counterfactual().comparison(Position(3)).unwrap().kl > 0.0);
    it.play(12);
    assert_eq!(it.lens(), (26, 18));
    it.check();
}

#[test]
fn a_second_edit_earlier_keeps_the_baseline_and_compares_the_whole_list() {
    let mut it = started(&["mask:0.1@15.."]);
    it.play(5);
    it.show(&experiment(PROMPT, 1, &["mask:0.1@15..", "mask:1.2@9.."]));
    assert_eq!(it.lens(), (26, 10));
    it.check();
    it.play(8);
    it.check();
}

#[test]
fn a_second_edit_later_keeps_the_edited_tokens_up_to_it() {
    let mut it = started(&["mask:0.1@15.."]);
    it.play(5);
    let before = it.edited().tokens.clone();
    it.show(&experiment(PROMPT, 1, &["mask:0.1@15..", "mask:1.2@18.."]));
    assert_eq!(it.lens(), (26, 19));
    assert_eq!(it.edited().tokens, before[..19]);
    assert_ne!(
        before[..19],
        it.baseline().tokens[..19],
        "a token of the edited row"
    );
    it.check();
}

#[test]
fn an_edit_at_the_first_position_not_yet_computed_keeps_the_drawn_token() {
    let mut it = started(&[]);
    let n_tokens = it.toy.n_tokens();
    it.show(&experiment(PROMPT, 1, &["mask:0.1@26.."]));
    assert_eq!((it.lens(), it.toy.n_tokens()), ((26, 26), n_tokens));
    it.play(4);
    assert_eq!(it.lens(), (30, 30));
    assert_eq!(
        it.baseline().tokens[26],
        it.edited().tokens[26],
        "drawn before the edit"
    );
    it.check();
}

#[test]
fn taking_the_mask_away_and_putting_it_back_recomputes_nothing() {
    let masked = experiment(PROMPT, 1, &["mask:0.1@15.."]);
    let mut it = started(&["mask:0.1@15.."]);
    it.play(14);
    assert_eq!(it.lens(), (30, 30));
    check_comes_back(&mut it, &experiment(PROMPT, 1, &[]), (30, 0));
    check_comes_back(&mut it, &masked, (30, 30));
    let mut off = masked.clone();
    off.edits.entries[0].enabled = false;
    check_comes_back(&mut it, &off, (30, 0));
    check_comes_back(&mut it, &masked, (30, 30));
}

#[test]
fn the_counterfactual_follows_a_baseline_that_grew_in_the_meantime() {
    let mut it = started(&["mask:0.1@15.."]);
    it.play(3);
    it.show(&experiment(PROMPT, 1, &[]));
    it.play(9);
    it.show(&experiment(PROMPT, 1, &["mask:0.1@15.."]));
    assert_eq!(it.lens(), (35, 19));
    it.check();
}

#[test]
fn a_new_prompt_starts_both_rows_anew_and_the_old_ones_are_kept() {
    let mut it = started(&["mask:0.1@15.."]);
    it.play(4);
    let other = experiment(&[2, 40, 41], 1, &["mask:0.1@15.."]);
    let rows = it.show(&other);
    assert_eq!(it.lens(), (3, 3));
    assert_eq!(rows.edited_from, Some(Position(15)), "not reached");
    it.check();
    it.play(30);
    it.check();
    check_comes_back(
        &mut it,
        &experiment(PROMPT, 1, &["mask:0.1@15.."]),
        (26, 20),
    );
}

#[test]
fn an_edit_not_reached_changes_nothing_until_it_is() {
    let mut it = started(&["mask:0.1@40.."]);
    assert_eq!(it.lens(), (26, 26));
    it.play(10);
    assert_eq!(it.baseline().tokens, it.edited().tokens);
    assert!(
        it.counterfactual()
            .comparisons
            .iter()
            .all(|it| it.kl == 0.0)
    );
    it.play(20);
    assert_ne!(it.baseline().tokens, it.edited().tokens);
    it.check();
}

#[test]
fn regenerating_takes_the_next_seed_and_undo_returns_the_old_pair() {
    let mut it = started(&["mask:0.1@2.."]);
    it.play(25);
    let old = it.baseline().tokens.clone();
    it.show(&experiment(PROMPT, 2, &["mask:0.1@2.."]));
    assert_eq!(it.lens(), (6, 6));
    it.play(10);
    it.check();
    assert_ne!(it.baseline().tokens, old[..16]);
    check_comes_back(&mut it, &experiment(PROMPT, 1, &["mask:0.1@2.."]), (31, 31));
}

#[test]
fn an_edit_while_playing_plays_on_from_the_fork() {
    let toy = Toy {
        token_time: std::time::Duration::from_millis(1),
        ..Toy::default()
    };
    let mut it = Watch::new(toy);
    it.show(&experiment(PROMPT, 1, &[]));
    it.ask(Request::Play {
        stop_after: Some(40),
    });
    for _ in 0..12 {
        it.until(|it| matches!(it, Event::Row(RowEvent::Stepped { .. })));
    }
    it.experiment = experiment(PROMPT, 1, &["mask:0.1@10.."]);
    it.ask(Request::SetExperiment(Box::new(it.experiment.clone())));
    assert_eq!(it.until_stopped(), StopReason::Count);
    it.settle_by(7);
    let n_off = it
        .log
        .iter()
        .filter(|it| **it == Event::Playing(false))
        .count();
    assert_eq!(n_off, 1, "it never stopped in between");
    let (baseline, edited) = it.lens();
    assert!(edited > 11 && baseline >= edited, "{baseline} {edited}");
    it.check();
}

#[test]
fn at_the_end_of_the_context_both_rows_stop_and_say_so() {
    let toy = Toy {
        n_ctx: 24,
        ..Toy::default()
    };
    let mut it = Watch::new(toy);
    it.show(&experiment(PROMPT, 1, &[]));
    assert_eq!(it.play(100), StopReason::ContextFull);
    it.show(&experiment(PROMPT, 1, &["mask:0.1@15.."]));
    assert_eq!(it.play(100), StopReason::ContextFull);
    assert_eq!(it.lens(), (24, 24));
    it.check();
    assert_eq!(it.baseline().readouts[23].next, None);
    let why = it.refused(Request::Play { stop_after: None });
    assert!(
        why.contains("24 tokens is full") && why.contains("earlier token"),
        "{why}"
    );
}

/// A toy and a seed whose baseline and edited row end at different lengths: baseline first, or edited first.
fn ending(is_baseline_first: bool) -> (Toy, Experiment, usize, usize) {
    let toy = Toy {
        eos_bias: 1.0,
        ..Toy::default()
    };
    let world = World::toy(&toy);
    let end = |it: &Experiment| {
        let records = (7..60).map(|n| world.oracle(it, n));
        let ended = records
            .map(|it| it.tokens)
            .find(|it| it.last() == Some(&EOS));
        ended.map(|it| it.len())
    };
    for seed in 1..200 {
        let edited = experiment(PROMPT, seed, &["mask:0.1@2.."]);
        let (Some(a), Some(b)) = (end(&edited.baseline()), end(&edited)) else {
            continue;
        };
        if (a + 3 < b && is_baseline_first) || (b + 3 < a && !is_baseline_first) {
            return (toy, edited, a, b);
        }
    }
    panic!("no such seed");
}

#[test]
fn where_the_baseline_ends_the_edited_row_goes_on_and_the_counterfactual_stops() {
    let (toy, shown, n_baseline, n_edited) = ending(true);
    let mut it = Watch::new(toy);
    it.show(&shown);
    assert_eq!(it.play(100), StopReason::EndOfText);
    assert_eq!(it.lens(), (n_baseline, n_edited));
    assert_eq!(it.counterfactual().tokens.len(), n_baseline);
    it.check();
    let why = it.refused(Request::Play { stop_after: None });
    assert!(why.contains("Regenerate"), "{why}");
    assert!(it.refused(Request::Step).contains("Regenerate"));
}

#[test]
fn where_the_edited_row_ends_the_baseline_goes_on() {
    let (toy, shown, n_baseline, n_edited) = ending(false);
    let mut it = Watch::new(toy);
    it.show(&shown);
    assert_eq!(it.play(100), StopReason::EndOfText);
    assert_eq!(it.lens(), (n_baseline, n_edited));
    assert_eq!(it.baseline().readouts.last().unwrap().next, None);
    it.check();
}

#[test]
fn an_end_token_that_was_given_ends_nothing() {
    let mut it = Watch::new(Toy::default());
    it.show(&experiment(&[1, 9, 1], 1, &[]));
    assert_eq!(it.play(5), StopReason::Count);
    it.check();
}

#[test]
fn going_back_makes_the_rest_given_and_undo_returns_it() {
    let mut it = started(&["mask:0.1@10.."]);
    it.play(10);
    let lens = it.lens();
    let back = Experiment {
        given: it.edited().tokens[..18].to_vec(),
        ..it.experiment.clone()
    };
    let old = it.experiment.clone();
    it.show(&back);
    assert_eq!(it.lens(), (18, 18));
    it.check();
    it.play(6);
    it.check();
    check_comes_back(&mut it, &old, lens);
}

#[test]
fn going_back_one_token_reads_nothing() {
    let mut it = started(&[]);
    let back = Experiment {
        given: it.baseline().tokens[..25].to_vec(),
        ..it.experiment.clone()
    };
    let n_tokens = it.toy.n_tokens();
    let tokens = it.baseline().tokens.clone();
    it.show(&back);
    assert_eq!(it.toy.n_tokens(), n_tokens);
    it.play(1);
    assert_eq!(
        it.baseline().tokens,
        tokens,
        "the same noise draws the same token"
    );
    it.check();
}

#[test]
fn a_clicked_candidate_becomes_given_and_its_surprise_is_its_own() {
    let mut it = started(&[]);
    let mut given = it.baseline().tokens[..12].to_vec();
    let other = it.baseline().readouts[11]
        .top
        .iter()
        .find(|top| top.token != it.baseline().tokens[12]);
    given.push(other.unwrap().token);
    let n_tokens = it.toy.n_tokens();
    let at = Position(12);
    it.show(&Experiment {
        given,
        ..it.experiment.clone()
    });
    // The last token kept and the one chosen, and what lies before them where the sequence cannot be cut there.
    assert_eq!(it.toy.n_tokens(), n_tokens + 2 + 11 % cut_every());
    assert_eq!(
        it.baseline().readouts[11].next.unwrap().token,
        it.baseline().tokens[12]
    );
    assert!(it.baseline().surprise(at).is_some());
    it.play(5);
    it.check();
}

#[test]
fn a_cache_dropped_for_memory_is_replayed_at_the_next_space() {
    let masked = experiment(PROMPT, 1, &["mask:0.1@15.."]);
    let other = experiment(&[3, 4, 5], 1, &[]);
    let mut it = Watch::with_budget(Toy::default(), 30 * POSITION_BYTES);
    it.show(&experiment(PROMPT, 1, &[]));
    it.play(20);
    it.show(&masked);
    it.play(14);
    it.show(&other);
    it.play(20);
    let n_stepped = |it: &Watch| {
        it.log
            .iter()
            .filter(|it| matches!(it, Event::Row(RowEvent::Stepped { .. })))
            .count()
    };
    check_comes_back(&mut it, &masked, (30, 30));
    let before = n_stepped(&it);
    it.ask(Request::Step);
    it.until(|it| matches!(it, Event::Backlog { n_left, .. } if *n_left > 30));
    it.until_stopped();
    assert_eq!(
        n_stepped(&it),
        before + 3,
        "what was replayed is not told again"
    );
    assert_eq!(it.lens(), (31, 31));
    it.check();
}

#[test]
fn a_replay_no_longer_wanted_is_said_to_be_over() {
    let masked = experiment(PROMPT, 1, &["mask:0.1@15.."]);
    let mut it = Watch::with_budget(Toy::default(), 1);
    it.show(&masked);
    it.play(14);
    for _ in 0..20 {
        it.show(&experiment(PROMPT, 1, &[]));
        it.ask(Request::SetPace(Pace::TokensPerSec(0.01)));
        it.ask(Request::Play { stop_after: None });
        it.ask(Request::SetExperiment(Box::new(masked.clone())));
        it.ask(Request::Pause);
        it.until(|it| matches!(it, Event::Row(RowEvent::Shown(rows)) if rows.edited.is_some()));
        it.settle();
    }
}

#[test]
fn a_list_that_cannot_act_is_refused_and_nothing_changes() {
    let mut it = started(&["mask:0.1@15.."]);
    let shown = it.recording.shown();
    let ask = |given: &[u32], edits: &[&str]| {
        Request::SetExperiment(Box::new(experiment(given, 1, edits)))
    };
    let why = it.refused(ask(
        PROMPT,
        &["mask:0.0", "mask:0.1", "mask:0.2", "mask:0.3"],
    ));
    assert!(why.contains("layer 0"), "{why}");
    assert!(it.refused(ask(PROMPT, &["mask:7.0"])).contains("layer 7"));
    assert!(it.refused(ask(&[], &[])).contains("empty"));
    assert!(it.refused(ask(&[2, 48], &[])).contains("48"));
    assert!(it.refused(ask(&[3; 401], &[])).contains("401"));
    assert_eq!(it.recording.shown(), shown);
    it.play(5);
    it.check();
}

#[test]
fn lists_have_numbers_and_every_step_carries_one() {
    let mut it = started(&["mask:0.1@15.."]);
    let first = it.recording.shown().unwrap().revision;
    it.show(&experiment(PROMPT, 1, &["mask:0.1@15..", "mask:1.1@17.."]));
    let second = it.recording.shown().unwrap().revision;
    it.show(&experiment(&[3], 1, &["mask:0.1@15.."]));
    assert_eq!((first.0, second.0), (1, 2));
    assert_eq!(
        it.recording.shown().unwrap().revision,
        first,
        "a list keeps its number"
    );
    assert!(it.edited().store.steps().all(|it| it.revision == first));
    assert!(it.baseline().store.steps().all(|it| it.revision.0 == 0));
}

#[test]
fn a_long_prompt_under_edits_is_read_in_slices() {
    let given: Vec<u32> = (0..300).map(|it| 2 + it % 40).collect();
    let mut it = Watch::new(Toy::default());
    it.show(&experiment(&given, 1, &["mask:0.1"]));
    it.check();
    assert_eq!(
        it.toy.n_tokens(),
        900,
        "baseline and counterfactual together, then the edited row"
    );
    it.ask(Request::SetPace(Pace::TokensPerSec(1000.0)));
    it.play(9);
    it.check();
}
