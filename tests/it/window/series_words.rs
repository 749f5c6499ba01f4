//! The words of the window where a series is read: nothing that can be seen, heard or hovered speaks of tokens.

use std::collections::BTreeMap;

use eframe::egui::{Key, Modifiers, Pos2, Shape};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use moescope::app::App;
use moescope::spec::{ExpertId, Position, RouterId};
use moescope::ui::{Command, ENTRIES, PANELS, RowChoice, Selection, SurveyOf};

use super::drive::{Window, key, settle, until};
use super::series::{edit, opened, write};

/// Most things of a panel that are hovered.
const MOST_HOVERED: usize = 70;

fn collect(shape: &Shape, out: &mut Vec<String>) {
    match shape {
        Shape::Vec(all) => all.iter().for_each(|it| collect(it, out)),
        Shape::Text(it) => out.push(it.galley.text().to_owned()),
        _ => {}
    }
}

/// Everything that is drawn or told now.
fn words(window: &Window) -> Vec<String> {
    let mut out = Vec::new();
    let shapes = &window.output().shapes;
    shapes.iter().for_each(|it| collect(&it.shape, &mut out));
    for node in window.root().children_recursive() {
        let it = node.accesskit_node();
        out.extend(
            [it.label(), it.value(), it.description()]
                .into_iter()
                .flatten(),
        );
    }
    out
}

/// Remembers what speaks of tokens, and where it was seen first.
#[derive(Default)]
struct Found {
    wrong: BTreeMap<String, String>,
    n_seen: usize,
}

impl Found {
    fn look(&mut self, window: &Window, place: &str) {
        for it in words(window) {
            self.n_seen += 1;
            if it.to_lowercase().replace("tokenizer", "").contains("token") {
                self.wrong.entry(it).or_insert_with(|| place.to_owned());
            }
        }
    }

    /// Looks while one thing after the other is pointed at.
    fn hover(&mut self, window: &mut Window, place: &str) {
        let mut all: Vec<Pos2> = window
            .root()
            .children_recursive()
            .filter(|it| it.accesskit_node().bounding_box().is_some())
            .map(|it| it.rect())
            .filter(|it| it.is_finite() && it.width() < 700.0 && it.height() < 300.0)
            .map(|it| it.center())
            .collect();
        all.dedup_by(|a, b| a.distance(*b) < 2.0);
        let step = all.len().div_ceil(MOST_HOVERED).max(1);
        for at in all.into_iter().step_by(step) {
            window.hover_at(at);
            (0..3).for_each(|_| window.step());
            self.look(window, &format!("{place}, hovered"));
        }
        window.hover_at(Pos2::new(1.0, 1.0));
        settle(window);
    }
}

/// Menus, the keys, every command by its name, and what those that need no answer say.
fn look_at_commands(window: &mut Window, found: &mut Found) {
    for menu in ["File", "Edit", "View", "Run", "Help"] {
        window.get_by_label(menu).click();
        settle(window);
        found.look(window, menu);
        key(window, Key::Escape);
    }
    for sheet in [Key::F1, Key::P] {
        let held = if sheet == Key::P {
            Modifiers::COMMAND
        } else {
            Modifiers::NONE
        };
        window.key_press_modifiers(held, sheet);
        settle(window);
        found.look(window, "a sheet");
        key(window, Key::Escape);
    }
    let selection = window.state().selection();
    for entry in ENTRIES.iter().filter(|it| it.menu.title() == "Run") {
        if let Some(command) = (entry.command)(&selection) {
            window.state_mut().command(command);
            settle(window);
            found.look(window, entry.name);
        }
    }
}

#[test]
fn nothing_in_the_window_of_a_series_speaks_of_tokens() {
    let mut window = opened();
    window.ctx.all_styles_mut(|it| {
        it.interaction.tooltip_delay = 0.0;
        it.interaction.show_tooltips_only_when_still = false;
    });
    let mut found = Found::default();
    for (name, _) in PANELS {
        window.state_mut().command(Command::ToggleAlone(name));
        settle(&mut window);
        found.look(&window, name);
        window.state_mut().command(Command::ToggleAlone(name));
    }
    write(&mut window, 6);
    edit(&mut window, "mask:1.0@40..");
    edit(&mut window, "k:0=1@50..");
    write(&mut window, 4);
    until(&mut window, "controls are read", App::has_controls);
    window.state_mut().command(Command::Select(Selection {
        row: RowChoice::Edited,
        position: Some(Position(45)),
        router: Some(RouterId(1)),
        expert: Some(ExpertId(3)),
    }));
    settle(&mut window);
    for (name, _) in PANELS {
        window.state_mut().command(Command::ToggleAlone(name));
        settle(&mut window);
        found.look(&window, name);
        found.hover(&mut window, name);
        window.state_mut().command(Command::ToggleTable(name));
        settle(&mut window);
        found.look(&window, &format!("{name} as a table"));
        window.state_mut().command(Command::ToggleTable(name));
        window.state_mut().command(Command::ToggleAlone(name));
        settle(&mut window);
    }
    window
        .state_mut()
        .command(Command::Survey(SurveyOf::Samples));
    window.state_mut().command(Command::ShowPanel("health"));
    until(&mut window, "the series are read", |it: &App| {
        let survey = it.session().survey.as_ref();
        it.is_idle() && survey.is_some_and(|it| it.progress.is_none())
    });
    for name in ["health", "expert"] {
        window.state_mut().command(Command::ToggleAlone(name));
        settle(&mut window);
        found.look(&window, &format!("{name} over a file"));
        found.hover(&mut window, &format!("{name} over a file"));
        window.state_mut().command(Command::ToggleAlone(name));
    }
    look_at_commands(&mut window, &mut found);
    assert!(found.n_seen > 3000, "{}", found.n_seen);
    let wrong: Vec<String> = found
        .wrong
        .iter()
        .map(|(a, b)| format!("{a}: {b}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
