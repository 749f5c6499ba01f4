//! The engine on the Tour model: the rows of the window equal, to the bit, what the model says one
//! token at a time, however they came about.

use std::time::{Duration, Instant};

use super::{
    cut::{CutBackend, CutOpener},
    time::quickest,
    watch::{Watch, World, experiment},
};
use crate::checkpoint::{self, Bundled, Source};
use crate::engine::{Event, Extent, ModelOpener, Options, Pace, Request, StopReason, open_backend};
use crate::spec::{Amount, Experiment, Placement, Position, TokenId};
use crate::trace::RowEvent;

pub fn tour() -> Watch {
    let opener = Box::new(CutOpener(ModelOpener::default()));
    Watch::with_opener(tour_world(), opener, Options::default())
}

/// The Tour model on the CPU.
pub fn tour_world() -> World {
    let checkpoint = checkpoint::open(&Source::Bundled(Bundled::Tour)).unwrap();
    World {
        spec: checkpoint.spec.clone(),
        n_ctx: checkpoint.spec.n_ctx,
        eos: checkpoint.eos.clone(),
        backend: Box::new(move || {
            let extent = Extent::first_pages(&checkpoint.spec);
            let opened = open_backend(&checkpoint, Placement::default(), extent);
            Box::new(CutBackend(opened.unwrap().0))
        }),
    }
}

fn encode(it: &mut Watch, text: &str) -> Vec<TokenId> {
    it.ask(Request::Encode {
        tag: 1,
        text: text.to_owned(),
        form: crate::spec::PromptForm::Plain,
    });
    match it.until(|it| matches!(it, Event::Encoded { .. })) {
        Event::Encoded { tokens, .. } => tokens.unwrap(),
        other => panic!("{other:?}"),
    }
}

const STORY: &str = "Once upon a time there was a little girl who lived in a house at the edge of a dark wood, \
    and every morning she walked to the river with a basket of bread for her grandmother. One day she met a wolf.";

fn story(it: &mut Watch, edits: &[&str]) -> Experiment {
    let given = encode(it, STORY);
    assert!(given.len() > 40, "several slices");
    Experiment {
        given,
        ..experiment(&[], 1, edits)
    }
}

#[test]
fn a_prompt_read_in_slices_and_a_text_played_equal_single_steps() {
    let mut it = tour();
    let shown = story(&mut it, &[]);
    it.show(&shown);
    it.play(20);
    it.check();
}

#[test]
fn edits_early_and_late_undone_and_redone_are_what_the_model_says() {
    let mut it = tour();
    let plain = story(&mut it, &[]);
    it.show(&plain);
    it.play(12);
    let n = plain.given.len();
    let late = format!("mask:4.5@{}..", n + 6);
    let one = story(&mut it, &[&late, "k:2=1@9.."]);
    it.show(&Experiment {
        edits: experiment(&[], 1, &[&late]).edits,
        ..one.clone()
    });
    it.play(8);
    it.check();
    it.show(&one);
    assert_eq!(it.lens(), (n + 15, n), "the earlier edit leaves the prompt");
    it.play(16);
    it.check();
    it.show(&plain);
    it.check();
    it.show(&one);
    assert_eq!(it.lens(), (n + 16, n + 16));
    it.check();
}

#[test]
fn where_no_edit_acts_yet_the_comparison_is_exactly_zero() {
    let mut it = tour();
    let shown = story(&mut it, &["mask:*.2@30.."]);
    it.show(&shown);
    it.check();
    let kl = |t: usize| {
        it.counterfactual()
            .comparison(Position::new(t))
            .map_or(0.0, |it| it.kl)
    };
    assert!((0..30).all(|t| kl(t) == 0.0) && (30..40).any(|t| kl(t) > 0.0));
}

#[test]
fn a_bias_of_nothing_writes_the_baseline_letter_for_letter() {
    let mut it = tour();
    let mut shown = story(&mut it, &["bias:*.0=0"]);
    shown.sampling.temperature = Amount(1.0);
    it.show(&shown);
    it.play(40);
    assert_eq!(it.baseline().tokens, it.edited().tokens);
    assert!(
        it.counterfactual()
            .comparisons
            .iter()
            .all(|it| it.kl == 0.0)
    );
}

#[test]
fn a_request_lands_within_50_ms_while_it_plays_and_reads() {
    let mut it = tour();
    let mut shown = story(&mut it, &["mask:0.0"]);
    it.show(&shown);
    it.ask(Request::Play { stop_after: None });
    let answer = |it: &mut Watch| {
        it.until(|it| matches!(it, Event::Row(RowEvent::Stepped { .. })));
        let began = Instant::now();
        encode(it, "a");
        began.elapsed()
    };
    let limit = Duration::from_millis(50);
    assert!(quickest(|| answer(&mut it)) < limit, "while playing");
    shown.given = shown.given.repeat(8);
    it.ask(Request::SetExperiment(Box::new(shown)));
    assert!(quickest(|| answer(&mut it)) < limit, "while reading");
}

#[test]
fn at_8_tokens_a_second_16_take_2_seconds() {
    let mut it = tour();
    let shown = story(&mut it, &["mask:0.0"]);
    it.show(&shown);
    it.ask(Request::SetPace(Pace::TokensPerSec(8.0)));
    let mut secs = || {
        let began = Instant::now();
        assert_eq!(it.play(16), StopReason::Count);
        began.elapsed().as_secs_f32()
    };
    let tries = [secs(), secs(), secs()];
    assert!(tries.iter().any(|it| (1.8..2.2).contains(it)), "{tries:?}");
}

#[test]
fn an_edit_at_the_first_position_not_yet_computed_acts_from_there() {
    let mut it = tour();
    let plain = story(&mut it, &[]);
    it.show(&plain);
    for k in [1, 7] {
        it.play(k);
        let next = it.lens().0;
        let edit = format!("mask:*.5@{next}..");
        let edited = story(&mut it, &[&edit]);
        it.show(&edited);
        it.play(5);
        it.check();
        it.show(&plain);
    }
}
