//! The first minute of somebody who has read nothing: start, Space, click, double-click, Space, undo,
//! through real widgets on the real engine and the Tour model.

use eframe::egui::Key;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use moescope::app::App;
use moescope::spec::{ExpertId, Position, RouterId};
use moescope::ui::RowView;

use super::drive::{Window, click, click_token, key, list, settle, tour, undo, until};
use super::next_token::is_level;

/// The token clicked on: a word of the prompt's continuation.
const CLICKED: u32 = 11;

/// Tokens of a row, 0 where it is not there.
pub fn n_tokens(row: Option<RowView<'_>>) -> usize {
    row.map_or(0, |it| it.record.tokens.len())
}

fn labels(window: &Window, part: &str) -> Vec<String> {
    let found = window.query_all_by_label_contains(part);
    found.filter_map(|it| it.accesskit_node().label()).collect()
}

/// What the engine recorded at the clicked token in the router shown.
fn strongest(window: &Window) -> (RouterId, ExpertId) {
    let router = window.state().selection().router.unwrap();
    let session = window.state().session();
    let row = session.baseline().unwrap();
    let routed = row.record.store.at(router, Position(CLICKED)).unwrap();
    (router, routed.strongest().unwrap().expert)
}

#[test]
fn the_first_minute() {
    // Start: the Tour model is there, a prompt is in the box and was read.
    let mut window = tour();
    let facts = window.state().session().facts.clone().unwrap();
    assert_eq!(facts.name, "Tour");
    let n_prompt = n_tokens(window.state().session().baseline());
    assert!(n_prompt > 4);

    // Space: text appears, at reading pace.
    let start = std::time::Instant::now();
    key(&mut window, Key::Space);
    until(&mut window, "text appears", |it| {
        n_tokens(it.session().baseline()) >= n_prompt + 12
    });
    let secs = start.elapsed().as_secs_f32();
    assert!(secs > 1.0, "12 tokens in {secs} s is no reading pace");
    key(&mut window, Key::Space);
    until(&mut window, "Space pauses", App::is_idle);
    let n = n_tokens(window.state().session().baseline());

    // Click a token: heatmap, router bars and next tokens show that token.
    click_token(&mut window, CLICKED as usize);
    let (router, expert) = strongest(&window);
    assert_eq!(
        labels(&window, &format!("of layer {}: ", router.idx())).len(),
        8
    );
    let bar = labels(
        &window,
        &format!("expert {expert} of layer {}", router.idx()),
    );
    assert!(
        bar.iter().any(|it| it.contains("picked with weight")),
        "{bar:?}"
    );
    let session = window.state().session();
    let row = session.baseline().unwrap();
    let best = row.record.readouts[CLICKED as usize].top[0].token;
    let words = session.tokens().text(&[best]);
    let next = labels(&window, words.trim());
    assert!(
        next.iter().any(|it| it.contains('%')),
        "{words:?} is not among {next:?}"
    );

    // Double-click the bar: that expert is masked from that token on.
    let label = bar
        .iter()
        .find(|it| it.starts_with("expert"))
        .unwrap()
        .clone();
    // Else the click on the token would count as the first of three.
    (0..30).for_each(|_| window.step());
    window.get_by_label(&label).click();
    window.get_by_label(&label).click();
    settle(&mut window);
    let mask = format!("mask:{}.{expert}@{CLICKED}..", router.idx());
    assert_eq!(list(&window), [mask]);
    until(&mut window, "the counterfactual has caught up", is_level);

    // Space: the edited text runs beside the baseline, KL above the baseline's words.
    key(&mut window, Key::Space);
    until(&mut window, "the edited text is as long", |it| {
        n_tokens(it.session().edited()) >= n
    });
    key(&mut window, Key::Space);
    until(&mut window, "it is paused", is_level);
    let session = window.state().session();
    let counterfactual = session.counterfactual().unwrap();
    assert!(
        counterfactual
            .record
            .comparisons
            .iter()
            .any(|it| it.kl > 0.0)
    );
    assert!(!labels(&window, "edited token ").is_empty());

    // Ctrl+Z brings it back.
    undo(&mut window);
    assert!(list(&window).is_empty());
    until(&mut window, "the baseline stands alone", |it| {
        it.session().edited().is_none()
    });
    assert!(n_tokens(window.state().session().baseline()) >= n);
}

#[test]
fn the_preset_turns_french_into_something_else() {
    let mut window = tour();
    click(&mut window, "Prompts that show off a domain");
    click(&mut window, "Mask the four experts that carry French");
    until(&mut window, "the masks are there", |it| {
        it.is_idle() && it.experiment().edits.entries.len() == 4
    });
    window
        .state_mut()
        .command(moescope::ui::Command::SetPace(None));
    key(&mut window, Key::Space);
    until(&mut window, "the texts part", |it| {
        it.session().divergence().is_some()
    });
    key(&mut window, Key::K);
    until(&mut window, "it is paused", App::is_idle);
    let divergence = window.state().session().divergence().unwrap();
    assert!(
        divergence.idx() >= 9,
        "the prompt is the same: {divergence}"
    );
}
