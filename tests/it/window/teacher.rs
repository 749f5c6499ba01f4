//! A lesson through real widgets, on the real engine and the Tour model: a first insight, top 2 explained, and the same
//! before a class. And the masks that a lesson begins with cost what is written of them.

use eframe::egui::{Key, Theme};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use moescope::spec::{Intervention, Position};
use moescope::ui::{Command, PRESETS, RowView};

use super::drive::{Window, click, click_token, key, settle, tour, until};
use super::first_minute::n_tokens;
use super::next_token::is_level;

/// Where it is written what the masks cost.
const SOURCES: &str = include_str!("../../../assets/models/SOURCES.md");

fn words(window: &Window, part: &str) -> Option<String> {
    let mut found = window.query_all_by_label_contains(part);
    found.find_map(|it| it.accesskit_node().value().or(it.accesskit_node().label()))
}

/// The weights that the Router panel tells of chosen experts.
fn weights(window: &Window) -> Vec<f32> {
    let all = window.query_all_by_label_contains("picked with weight ");
    let labels = all.filter_map(|it| it.accesskit_node().label());
    let number = |label: String| {
        let rest = label.split_once("picked with weight ")?.1.to_owned();
        rest.split([',', ' ']).next()?.parse().ok()
    };
    labels.filter_map(number).collect()
}

#[test]
fn a_lesson() {
    // First insight: the French preset with its masks turns the text into something else.
    let mut window = tour();
    click(&mut window, "Prompts that show off a domain");
    click(&mut window, "Mask the four experts that carry French");
    until(&mut window, "the masks are there", |it| {
        it.is_idle() && it.experiment().edits.entries.len() == 4
    });
    window.state_mut().command(Command::SetPace(None));
    window.state_mut().command(Command::SetStopAfter(40));
    key(&mut window, Key::Space);
    until(&mut window, "the texts part", |it| {
        is_level(it) && it.session().divergence().is_some() && n_tokens(it.session().edited()) > 40
    });

    // Top 2 explained: a token is clicked, and its router's choice is worked out before the class.
    click_token(&mut window, 12);
    window.state_mut().command(Command::ShowPanel("router"));
    settle(&mut window);
    // As far as the script's window goes letters of 3 % are those of 12 points.
    window.set_size(eframe::egui::vec2(711.0, 400.0));
    key(&mut window, Key::F5);
    assert_eq!(window.ctx.theme(), Theme::Light);
    assert!(
        window.query_by_label("File").is_none(),
        "the menus have gone"
    );
    let router = window.state().selection().router.unwrap();
    let session = window.state().session();
    let row = session.row(window.state().selection().row).unwrap();
    let routed = row.record.store.at(router, Position(12)).unwrap();
    let picks: Vec<f32> = routed.picks().map(|it| it.weight).collect();
    assert_eq!(picks.len(), 2);
    let told = weights(&window);
    for pick in &picks {
        let is_near = |it: &f32| (it - pick).abs() < 1e-3;
        assert!(told.iter().any(is_near), "{pick} is not in {told:?}");
    }
    // Another panel beside the text, from the menu of the one that is there.
    click(&mut window, "Router menu");
    click(&mut window, "Next token");
    assert!(words(&window, "Continue with ").is_some());

    // The lesson goes on, and ends.
    let n = n_tokens(window.state().session().baseline());
    key(&mut window, Key::Escape);
    click(&mut window, "Step");
    until(&mut window, "one token more", |it| {
        it.is_idle() && n_tokens(it.session().baseline()) > n
    });
    click(&mut window, "End presenting");
    assert!(window.query_by_label("File").is_some());
    assert_eq!(window.ctx.theme(), Theme::Dark);
}

/// What the masks of a preset cost the domain they are for, as it is written: nats a token.
fn written_cost(edits: &[&str], domain: &str) -> f32 {
    let list = format!("| `{}` |", edits.join(" "));
    let line = SOURCES.lines().find(|it| it.starts_with(&list));
    let line = line.unwrap_or_else(|| panic!("nothing is written of {list}"));
    let words = line.split('|').nth(2).unwrap().trim();
    let (named, cost) = words.rsplit_once(' ').unwrap();
    assert_eq!(named, domain);
    cost.parse().unwrap()
}

/// What masks at every position cost the beginning of a sample, nats a token.
fn cost(window: &mut Window, edits: &[&str], sample: &str) -> f32 {
    let text: String = sample.chars().take(240).collect();
    window.state_mut().command(Command::ClearEdits);
    window.state_mut().command(Command::SetPrompt(text));
    window.state_mut().command(Command::SetStopAfter(1));
    window.state_mut().command(Command::RunPrompt);
    until(window, "the sample is read", |it| {
        let row = it.session().baseline();
        let is_read = |it: RowView<'_>| it.record.store.len() >= it.record.n_given;
        it.is_idle() && row.is_some_and(|it| it.record.n_given > 50 && is_read(it))
    });
    let edits = edits.iter().map(|it| it.parse::<Intervention>().unwrap());
    let list = edits.collect();
    window.state_mut().command(Command::SetEdits(list));
    settle(window);
    until(window, "it is read under the masks", is_level);
    let session = window.state().session();
    let row = session.counterfactual().unwrap().record;
    let n_given = session.baseline().unwrap().record.n_given;
    let lost: Vec<f32> = row
        .comparisons
        .iter()
        .filter(|it| it.at.idx() + 1 < n_given)
        .filter_map(|it| Some(it.baseline?.log_prob - it.edited?.log_prob))
        .collect();
    assert!(lost.len() > 45, "{}", lost.len());
    lost.iter().sum::<f32>() / lost.len() as f32
}

#[test]
fn the_masks_of_the_presets_cost_what_is_written_of_them() {
    let samples = [
        ("french", include_str!("../../../assets/samples/french.txt")),
        ("german", include_str!("../../../assets/samples/german.txt")),
        ("python", include_str!("../../../assets/samples/python.txt")),
    ];
    let mut window = tour();
    let mut n_tried = 0;
    for preset in PRESETS.iter().filter(|it| !it.edits.is_empty()) {
        let domain = preset.name.to_lowercase();
        let written = written_cost(preset.edits, &domain);
        for (name, sample) in samples {
            let cost = cost(&mut window, preset.edits, sample);
            if name == domain {
                let wide = 0.4 * written..2.2 * written;
                assert!(
                    wide.contains(&cost),
                    "{domain} costs {cost}, written is {written}"
                );
            } else {
                assert!(
                    cost < 0.3 * written,
                    "{name} costs {cost} under the masks of {domain}"
                );
            }
            n_tried += 1;
        }
    }
    assert_eq!(n_tried, 9);
}
