//! The Next token panel: its probabilities are the reference's; a click makes a token given.

use eframe::egui::{Key, Theme};
use egui_kittest::kittest::Queryable as _;
use moescope::app::App;
use moescope::engine::Event;
use moescope::spec::{Position, RouterId, TokenId};
use moescope::trace::{Readout, RowEvent};
use moescope::ui::{Command, RowChoice, RowView, Selection};
use safetensors::SafeTensors;

use super::drive::{Window, click, click_token, key, list, scripted, settle, tour, undo, until};
use super::fixture::{self, answer_prompt, column, is_close, labels, number_after, table};
use super::numbers::f32s;
use super::script::{TOUR_LIKE, baseline};

const START: &str = "Continue with ";

fn softmax(logits: &[f32]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exp: Vec<f64> = logits.iter().map(|it| f64::from(it - most).exp()).collect();
    let sum: f64 = exp.iter().sum();
    exp.iter().map(|it| it / sum).collect()
}

fn check(name: &str) {
    let mut it = fixture::open(name);
    let expected = SafeTensors::deserialize(&it.expected).unwrap();
    let logits = f32s(&expected, "logits");
    for at in [0, 9, 23] {
        click_token(&mut it.window, at);
        let all = softmax(&logits[at * 384..(at + 1) * 384]);
        let mut order: Vec<usize> = (0..384).collect();
        order.sort_by(|a, b| all[*b].total_cmp(&all[*a]));
        let shown = labels(&it.window, START);
        assert!(shown.len() >= 20, "{shown:?}");
        for label in &shown {
            let token = number_after(label, "⟨") as usize;
            let p = all[token] as f32 * 100.0;
            assert!(is_close(number_after(label, "”: "), p), "{label}: {p}");
            let rank = number_after(label, "rank ") as usize;
            let wanted = order.iter().position(|it| *it == token).unwrap() + 1;
            assert!(
                rank.abs_diff(wanted) <= 1,
                "{label}: {wanted}, near ties may change places"
            );
        }
        let next = it
            .window
            .state()
            .session()
            .baseline()
            .unwrap()
            .record
            .tokens[at + 1];
        let followed = format!("“⟨{next}⟩”");
        assert!(
            shown.iter().any(|it| it.contains(&followed)),
            "what follows is always listed"
        );
    }
}

#[test]
fn probabilities_and_ranks_of_mixtral_equal_the_reference() {
    check("mixtral");
}

#[test]
fn probabilities_and_ranks_of_qwen2_moe_equal_the_reference() {
    check("qwen2_moe");
}

#[test]
fn probabilities_and_ranks_of_granite_equal_the_reference() {
    check("granitemoeshared");
}

/// The Tour model with `n` tokens written.
fn written(n: u32) -> Window {
    let mut window = tour();
    window.state_mut().command(Command::SetPace(None));
    window.state_mut().command(Command::SetStopAfter(n));
    window.state_mut().command(Command::PlayPause);
    until(&mut window, "text is written", |it| {
        let row = it.session().baseline();
        it.is_idle()
            && row.is_some_and(|it| it.record.tokens.len() >= it.record.n_given + n as usize)
    });
    window
}

/// The readouts of a row name the tokens that follow there.
fn check_next(app: &App) {
    let row = &app.session().baseline().unwrap().record;
    for (readout, next) in row.readouts.iter().zip(&row.tokens[1..]) {
        let named = readout.next.unwrap().token;
        assert_eq!(named, *next, "after token {}", readout.at);
    }
}

#[test]
fn a_clicked_token_becomes_given_in_one_undo() {
    let mut window = written(12);
    let at = 11;
    click_token(&mut window, at);
    let before = window.state().experiment().given.clone();
    let (kept, token, name) = {
        let session = window.state().session();
        let row = session.baseline().unwrap().record;
        let other = |it: &&moescope::trace::Candidate| it.token != row.tokens[at + 1];
        let token = row.readouts[at].top.iter().find(other).unwrap().token;
        let words = moescope::ui::words::token_words(session.tokens(), token);
        let name = format!("{START}“{}”", words.replace(' ', "·"));
        (row.tokens[..=at].to_vec(), token, name)
    };
    let label = labels(&window, &name).remove(0);
    click(&mut window, &label);
    until(&mut window, "it is read", |it| {
        let row = it.session().baseline();
        it.is_idle() && row.is_some_and(|it| it.record.tokens.get(at + 1) == Some(&token))
    });
    let wanted: Vec<TokenId> = kept.iter().copied().chain([token]).collect();
    assert_eq!(window.state().experiment().given, wanted);
    let row = window.state().session().baseline().unwrap();
    assert_eq!((&row.record.tokens, row.record.n_given), (&wanted, at + 2));
    assert_eq!(window.state().selection().position, None);
    check_next(window.state());
    undo(&mut window);
    assert_eq!(window.state().experiment().given, before);
    assert!(
        !window
            .state()
            .session()
            .baseline()
            .unwrap()
            .record
            .tokens
            .is_empty()
    );
}

#[test]
fn tokens_are_reached_and_picked_with_keys() {
    let mut window = written(6);
    click_token(&mut window, 8);
    let label = labels(&window, START).remove(3);
    window.get_by_label(&label).focus();
    settle(&mut window);
    key(&mut window, Key::Enter);
    let given = &window.state().experiment().given;
    assert_eq!(given.len(), 10);
}

/// Whether both texts are written and the one under the edits is compared to its end.
pub fn is_level(app: &App) -> bool {
    let session = app.session();
    let len = |row: Option<RowView<'_>>| row.map(|it| it.record.store.len());
    app.is_idle()
        && session.counterfactual().is_some()
        && len(session.counterfactual()) == len(session.baseline())
}

/// The Tour model, its strongest expert of a layer masked from a token on, both texts written.
fn parted() -> Window {
    let mut window = written(24);
    let expert = {
        let store = &window.state().session().baseline().unwrap().record.store;
        let routed = store.at(RouterId(4), Position(9)).unwrap();
        routed.strongest().unwrap().expert
    };
    for layer in [2, 4] {
        let edit = format!("mask:{layer}.{expert}@9..").parse().unwrap();
        window.state_mut().command(Command::AddEdit(edit));
    }
    until(&mut window, "the counterfactual is level", is_level);
    window.state_mut().command(Command::PlayPause);
    until(&mut window, "both are written", |it| {
        let edited = it.session().edited();
        is_level(it) && edited.is_some_and(|it| it.record.tokens.len() > 24)
    });
    window
}

fn select(window: &mut Window, row: RowChoice, at: usize) {
    let selection = window.state().selection();
    window.state_mut().command(Command::Select(Selection {
        row,
        position: Some(Position::new(at)),
        ..selection
    }));
    settle(window);
}

#[test]
fn before_and_after_are_baseline_and_counterfactual_and_sort_by_change() {
    let mut window = parted();
    let at = 12;
    select(&mut window, RowChoice::Baseline, at);
    click(&mut window, "What the tokens are sorted by");
    click(&mut window, "by change");
    let shown = labels(&window, START);
    let (before, after, kl) = {
        let session = window.state().session();
        let of = |it: Option<RowView<'_>>| it.unwrap().record.readouts[at].clone();
        let kl = session
            .counterfactual()
            .unwrap()
            .record
            .comparison(Position::new(at));
        (
            of(session.baseline()),
            of(session.counterfactual()),
            kl.unwrap().kl,
        )
    };
    let known = |it: &Readout, token: TokenId| {
        let all = it.top.iter().chain(&it.next);
        let found = all.into_iter().find(|it| it.token == token);
        found.map(|it| it.log_prob.exp())
    };
    // The largest change among tokens known on both sides comes before any smaller one.
    let mut changes = Vec::new();
    for candidate in &before.top {
        let words = {
            let tokens = window.state().session().tokens();
            moescope::ui::words::token_words(tokens, candidate.token).replace(' ', "·")
        };
        let Some(p) = known(&after, candidate.token) else {
            continue;
        };
        let start = format!("{START}“{words}”: ");
        if let Some(place) = shown.iter().position(|it| it.starts_with(&start)) {
            let label = &shown[place];
            let p0 = candidate.log_prob.exp();
            assert!(
                is_close(number_after(label, "”: "), p0 * 100.0),
                "{label}: {p0}"
            );
            assert!(
                is_close(number_after(label, "→ "), p * 100.0),
                "{label}: {p}"
            );
            changes.push((place, (p - p0).abs()));
        }
    }
    changes.sort_by_key(|it| it.0);
    assert!(changes.len() > 5, "{shown:?}");
    assert!(
        changes.windows(2).all(|it| it[0].1 >= it[1].1),
        "{changes:?}"
    );
    let table = table(&window, "next_token");
    let edited = column(&table, "log-prob edited");
    for (token, got) in column(&table, "id").iter().zip(edited) {
        let wanted = after
            .top
            .iter()
            .find(|it| it.token.idx() == *token as usize);
        if let Some(wanted) = wanted {
            assert_eq!(got.to_bits(), f64::from(wanted.log_prob).to_bits());
        }
    }
    let sentence = labels(&window, "KL ").remove(0);
    assert!(
        is_close(number_after(&sentence, "KL "), kl),
        "{sentence}: {kl}"
    );
}

#[test]
fn past_the_divergence_the_edited_row_stands_alone() {
    let mut window = parted();
    let divergence = window
        .state()
        .session()
        .divergence()
        .expect("the texts part");
    let at = divergence.idx();
    select(&mut window, RowChoice::Edited, at);
    let said = |window: &Window, words: &str| window.query_all_by_label_contains(words).count();
    assert_eq!(said(&window, "this is the edited text alone"), 1);
    let shown = labels(&window, START);
    assert!(shown.iter().all(|it| !it.contains('→')), "{shown:?}");
    // One token earlier both rows predict from the same tokens, and what each drew is listed.
    select(&mut window, RowChoice::Edited, at - 1);
    assert_eq!(said(&window, "this is the edited text alone"), 0);
    let shown = labels(&window, START);
    let n = |words: &str| shown.iter().filter(|it| it.ends_with(words)).count();
    let drawn = (n("drawn by the baseline"), n("drawn under the edits"));
    assert_eq!(drawn, (1, 1), "{shown:?}");
    // Before the first edited token nothing can differ.
    select(&mut window, RowChoice::Baseline, 5);
    assert_eq!(said(&window, "The edits begin at token 9"), 1);
    assert_eq!(list(&window).len(), 2);
}

#[test]
fn before_anything_is_read_it_says_what_to_press() {
    let events = baseline(TOUR_LIKE, 30);
    let opened = events.into_iter().take(1).collect();
    let (window, _script) = scripted((1440.0, 900.0), Theme::Dark, opened, false);
    let said = |words: &str| window.query_all_by_label_contains(words).count();
    assert_eq!(
        said("Press Space: the prompt is read, and what could come next"),
        1
    );
    assert_eq!(
        said("Press Space: the prompt is read, and the choice of this router"),
        1
    );
}

/// Of a large model reading the first tokens takes a while.
#[test]
fn while_the_first_token_is_read_panels_say_so() {
    let mut events = baseline(TOUR_LIKE, 30);
    events.retain(|it| !matches!(it, Event::Row(RowEvent::Stepped { .. })));
    let (window, _script) = scripted((1440.0, 900.0), Theme::Dark, events, false);
    let row = window.state().session().baseline();
    assert!(row.is_some_and(|it| it.record.tokens.is_empty()));
    // The text, what comes next, the router, the load.
    assert!(labels(&window, "The prompt is not read yet").len() >= 4);
    assert!(labels(&window, "Press Space").is_empty());
    assert!(labels(&window, "tokens given").is_empty());
}

#[test]
fn the_newest_token_has_a_prediction_too() {
    let (mut window, script) =
        scripted((1440.0, 900.0), Theme::Dark, baseline(TOUR_LIKE, 30), false);
    answer_prompt(&mut window, &script);
    assert_eq!(labels(&window, START).len(), 20);
    fixture::check_paper(&window, "next_token");
}
