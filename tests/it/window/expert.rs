//! The card of an expert: its numbers are a recount of the trace, and the trace is the reference's.

use eframe::egui::{Key, Theme};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use moescope::analysis::LoadStats;
use moescope::app::App;
use moescope::document::Cell;
use moescope::spec::{ExpertId, Position, Revision, RouterId, SeqId, TokenId};
use moescope::trace::{Phase, Pick, PickState, RouterTrace, StepTrace, TraceStore};
use moescope::ui::{
    Command, ExpertAt, RowChoice, Selection, Session, Survey, SurveyOf, SurveyedText,
};
use safetensors::SafeTensors;

use super::drive::{Window, click, key, scripted, settle, tour, until};
use super::fixture::{self, Fixture};
use super::numbers::{f32s, i64s};
use super::script::{TOUR_LIKE, baseline};
use super::stage::{HeadlessApp, Staged};

/// Labels of a staged panel that start so.
fn labels(stage: &Staged, start: &str) -> Vec<String> {
    let found = stage.query_all_by_label_contains(start);
    let all = found.filter_map(|it| it.accesskit_node().label());
    all.filter(|it| it.starts_with(start)).collect()
}

fn words(stage: &Staged, part: &str) -> String {
    let found = stage.query_all_by_label_contains(part).next();
    let node = found.unwrap_or_else(|| panic!("no words {part:?} in sight"));
    let node = node.accesskit_node();
    node.label().or(node.value()).unwrap_or_default()
}

#[test]
fn the_tokens_of_an_expert_are_those_of_the_reference() {
    let Fixture {
        window,
        expected: bytes,
        folder: _folder,
    } = fixture::open("mixtral");
    let expected = SafeTensors::deserialize(&bytes).unwrap();
    let ids = i64s(&expected, "input_ids");
    let session = window.state().session().clone();
    for router in 0..3 {
        let chosen = i64s(&expected, &format!("topk_ids.{router}"));
        let weights = f32s(&expected, &format!("topk_weights.{router}"));
        let mut n_seen = 0;
        for expert in 0..8 {
            n_seen += check_expert(&session, &ids, (&chosen, &weights), (router, expert));
        }
        let text = ids.iter().filter(|it| **it != 0).count();
        assert_eq!(n_seen, 2 * text, "two picks a token, each on one card");
    }
}

/// Table and lines of one expert; how many tokens of the reference it was picked for.
fn check_expert(
    session: &Session,
    ids: &[i64],
    (chosen, weights): (&[i64], &[f32]),
    (router, expert): (usize, usize),
) -> usize {
    // 0 is the end of a text, the one special token known without a tokenizer.
    let wanted: Vec<(usize, f32)> = (0..ids.len() * 2)
        .filter(|it| chosen[*it] == expert as i64 && ids[it / 2] != 0)
        .map(|it| (it / 2, weights[it]))
        .collect();
    let mut stage = HeadlessApp::new("expert", session.clone()).at(router, expert, None);
    let table = stage.table().unwrap();
    let rows: Vec<(usize, f64)> = table
        .rows
        .iter()
        .map(|it| match (&it[0], &it[2]) {
            (Cell::Count(at), Cell::Number(weight)) => (*at as usize, *weight),
            other => panic!("{other:?}"),
        })
        .filter(|it| it.0 < ids.len())
        .collect();
    assert_eq!(rows.len(), wanted.len(), "router {router} expert {expert}");
    for ((at, weight), (wanted_at, wanted)) in rows.iter().zip(&wanted) {
        assert_eq!(at, wanted_at);
        assert!((weight - f64::from(*wanted)).abs() < 2e-3);
    }
    let n = table.rows.len();
    let n_tokens = session.baseline().unwrap().record.store.len();
    let n_text = n_tokens - ids.iter().filter(|it| **it == 0).count();
    let shown = stage.show((420.0, 900.0), Theme::Dark, false);
    if n > 0 {
        words(&shown, &format!("Picked for {n} of {n_text} tokens"));
    }
    assert_eq!(labels(&shown, "picked at ").len(), n);
    for (at, weight) in rows {
        let lines = labels(&shown, &format!("picked at {at} "));
        assert!(
            lines[0].contains(&format!("weight {weight:.4}")),
            "{lines:?}"
        );
    }
    wanted.len()
}

/// Positions at which the expert was picked, and all that are no special token.
fn recount(window: &Window, at: ExpertAt) -> (Vec<usize>, usize) {
    let session = window.state().session();
    let store = &session
        .row(window.state().selection().row)
        .unwrap()
        .record
        .store;
    let text: Vec<usize> = (0..store.len())
        .filter(|it| {
            !session
                .tokens()
                .is_special(store.token(Position::new(*it)).unwrap())
        })
        .collect();
    let picked = |it: &usize| {
        let routed = store.at(at.router, Position::new(*it)).unwrap();
        routed.picks().any(|it| it.expert == at.expert)
    };
    (text.iter().copied().filter(picked).collect(), text.len())
}

#[test]
fn next_and_previous_go_through_the_tokens_of_an_expert_in_the_real_window() {
    let mut window = tour();
    window.state_mut().command(Command::SetStopAfter(30));
    window.state_mut().command(Command::SetPace(None));
    let stops = |it: &App| it.session().baseline().unwrap().record.store.len();
    key(&mut window, Key::Space);
    until(&mut window, "thirty tokens are written", |it| {
        it.is_idle() && stops(it) >= 30
    });
    click(&mut window, "layer 4 expert 5");
    window.state_mut().command(Command::ShowPanel("expert"));
    settle(&mut window);
    let at = ExpertAt {
        router: RouterId(4),
        expert: ExpertId(5),
    };
    let (picked, n_text) = recount(&window, at);
    assert!(picked.len() > 3);
    let head = format!("Picked for {} of {n_text} tokens", picked.len());
    window.get_by_label_contains(&head);
    for wanted in picked.iter().chain(&picked[..1]) {
        click(&mut window, "Next token of this expert");
        let now = window.state().selection();
        assert_eq!(now.position, Some(Position::new(*wanted)));
        assert_eq!(now.expert_at(), Some(at), "the expert stays");
        window.get_by_label_contains(&format!("picked at {wanted} "));
    }
    click(&mut window, "Previous token of this expert");
    let last = Position::new(*picked.last().unwrap());
    assert_eq!(window.state().selection().position, Some(last));
    // A token selected in the transcript is found from there.
    let other = Selection {
        position: Some(Position::new(picked[1])),
        ..window.state().selection()
    };
    window.state_mut().command(Command::Select(other));
    settle(&mut window);
    window.get_by_label(&format!("2 of {}", picked.len()));
    click(&mut window, "Mask expert 4.5");
    let list = super::drive::list(&window);
    assert_eq!(list, [format!("mask:4.5@{}..", picked[1])]);
}

/// A session of `n` tokens of a made-up model.
fn session(n: u32) -> Session {
    let size = (1440.0, 900.0);
    let (window, _script) = scripted(size, Theme::Dark, baseline(TOUR_LIKE, n), false);
    window.state().session().clone()
}

/// A text of `n_tokens`, for `n` of which expert 1 of router 0 was picked, else expert 2.
fn text(name: &str, n: usize, n_tokens: usize) -> SurveyedText {
    let pick = |it: usize| Pick {
        expert: ExpertId(if it < n { 1 } else { 2 }),
        weight: 1.0,
        state: PickState::Chosen,
    };
    let mut store = TraceStore::default();
    store
        .push(StepTrace {
            seq: SeqId(0),
            phase: Phase::Prefill,
            start: Position(0),
            revision: Revision(0),
            tokens: vec![TokenId(1); n_tokens],
            routers: vec![RouterTrace {
                n_experts: 8,
                n_picks: 1,
                picks: (0..n_tokens).map(pick).collect(),
                margin: vec![None; n_tokens],
                ..RouterTrace::default()
            }],
        })
        .unwrap();
    SurveyedText {
        name: name.to_owned(),
        load: LoadStats::count(&store, Position(0)..store.end(), |_| false),
    }
}

fn by_text(texts: Vec<SurveyedText>) -> Staged {
    let mut session = session(40);
    session.survey = Some(Survey {
        texts,
        ..Survey::default()
    });
    let mut shown =
        HeadlessApp::new("expert", session)
            .at(0, 1, None)
            .show((420.0, 600.0), Theme::Dark, false);
    shown.get_by_label("by text").click();
    (0..3).for_each(|_| shown.step());
    shown
}

#[test]
fn an_even_expert_has_no_specialty_and_a_skewed_one_has() {
    let even = by_text(vec![
        text("french", 250, 1000),
        text("verse", 255, 1000),
        text("python", 246, 1000),
    ]);
    let found = words(&even, "specialty");
    assert!(found.starts_with("No specialty found"), "{found}");
    assert!(
        found.contains("24.6 % to 25.5 %") && found.contains("3,000 tokens"),
        "{found}"
    );
    words(&even, "french: 25 % of 1,000 tokens, chance 25 %");

    let skewed = by_text(vec![
        text("french", 990, 1000),
        text("verse", 210, 1000),
        text("python", 190, 1000),
    ]);
    let found = words(&skewed, "pecialty");
    // 0.99 / 0.2 = 4.95
    assert!(found.starts_with("Specialty found: picked 4.95 × as often in french, 99 % of its 1,000 tokens, 20 % elsewhere"), "{found}");

    let slight = by_text(vec![
        text("french", 5_500, 20_000),
        text("verse", 5_000, 20_000),
    ]);
    let found = words(&slight, "specialty");
    assert!(
        found.starts_with("No specialty found") && found.contains("more than chance"),
        "{found}"
    );
}

#[test]
fn without_texts_it_says_how_to_read_some() {
    let mut shown = HeadlessApp::new("expert", session(40)).at(0, 1, None).show(
        (420.0, 400.0),
        Theme::Dark,
        false,
    );
    shown.get_by_label("by text").click();
    (0..3).for_each(|_| shown.step());
    shown.get_by_label("Read the sample texts").click();
    (0..3).for_each(|_| shown.step());
    assert_eq!(shown.state().asked, [Command::Survey(SurveyOf::Samples)]);
}

#[test]
fn those_picked_together_are_counted_and_lead_to_their_own_card() {
    let session = session(60);
    let view = session.baseline().unwrap();
    let picks = |it: &u16| view.load.picks(RouterId(2), ExpertId(*it));
    let own = (0..8).max_by_key(picks).unwrap();
    let store = &view.record.store;
    let mut together = [0u64; 8];
    let mut n = 0u64;
    for at in (0..store.len()).map(Position::new) {
        let routed = store.at(RouterId(2), at).unwrap();
        let has = |expert| routed.picks().any(|it| it.expert == ExpertId(expert));
        if store.token(at) != Some(TokenId(0)) && has(own) {
            n += 1;
            (0..8)
                .filter(|it| *it != own && has(*it))
                .for_each(|it| together[usize::from(it)] += 1);
        }
    }
    let (best, most) = (0..8)
        .map(|it| (it, together[it]))
        .max_by_key(|it| (it.1, 8 - it.0))
        .unwrap();
    let mut shown = HeadlessApp::new("expert", session)
        .at(2, usize::from(own), None)
        .show((420.0, 700.0), Theme::Dark, false);
    shown.get_by_label("with whom").click();
    (0..3).for_each(|_| shown.step());
    let label = words(&shown, &format!("expert 2.{best} shares "));
    // (k − 1)/(E − 1) = 1/7
    assert!(
        label.starts_with(&format!("expert 2.{best} shares {most} of {n} tokens")),
        "{label}"
    );
    assert!(label.ends_with("chance 14.3 %"), "{label}");
    shown.get_by_label(&label).click();
    (0..3).for_each(|_| shown.step());
    let now = shown.state().selection;
    assert_eq!(
        (now.row, now.expert),
        (RowChoice::Baseline, Some(ExpertId::new(best)))
    );
}

#[test]
fn a_word_needs_ten_occurrences() {
    let few = HeadlessApp::new("expert", session(60)).at(2, 3, None);
    let mut few = few.show((420.0, 500.0), Theme::Dark, false);
    few.get_by_label("by word").click();
    (0..3).for_each(|_| few.step());
    words(&few, "Too few to say: no token came 10 times or more");
}
