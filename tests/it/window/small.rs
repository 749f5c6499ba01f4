//! Small things of the window: menus that open with one click, tabs that are pressed anywhere, a list of every gesture,
//! chips that are never out of reach.

use eframe::egui::{Key, Theme, vec2};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use moescope::app::TOUR_LIKE;
use moescope::spec::Position;
use moescope::ui::{Command, ENTRIES, Menu, PANELS, RowChoice, Selection, key_words};

use super::drive::{Window, click, key, said, scripted, settle};
use super::script::{baseline, edited};

fn open(size: (f32, f32)) -> Window {
    scripted(size, Theme::Dark, baseline(TOUR_LIKE, 30), false).0
}

/// The pointer goes there and rests, as a hand does, before it presses.
fn point_and_click(window: &mut Window, label: &str) {
    let place = window.get_by_label(label).rect().center();
    window.hover_at(place);
    settle(window);
    window.get_by_label(label).click();
    settle(window);
}

#[test]
fn a_menu_beside_an_open_one_opens_with_one_click() {
    let mut window = open((1440.0, 900.0));
    point_and_click(&mut window, "File");
    assert!(said(&window, "Open the Tour model"));
    for (menu, line) in [
        ("Edit", "Remove all edits"),
        ("Run", "Regenerate"),
        ("View", "Zoom in"),
    ] {
        point_and_click(&mut window, menu);
        assert!(said(&window, line), "{menu} is open");
        assert!(
            !said(&window, "Open the Tour model"),
            "{menu} alone is open"
        );
    }
    // Once more closes it.
    point_and_click(&mut window, "View");
    assert!(!said(&window, "Zoom in"));
}

#[test]
fn the_panel_whose_tab_was_clicked_is_the_one_shown_alone() {
    let mut window = open((1440.0, 900.0));
    point_and_click(&mut window, "Health");
    assert!(said(&window, "Health menu"));
    key(&mut window, Key::A);
    assert!(said(&window, "Health menu"), "it is the one alone");
    assert!(!said(&window, "Transcript menu"));
}

#[test]
fn both_models_inside_the_program_stand_together() {
    let file: Vec<_> = ENTRIES.iter().filter(|it| it.menu == Menu::File).collect();
    let place = |name: &str| file.iter().position(|it| it.name == name).unwrap();
    let tour = place("Open the Tour model");
    assert_eq!(
        place("Open the Tour model trained without balancing"),
        tour + 1
    );
    assert_eq!(file[tour].group, file[tour + 1].group);
    for menu in Menu::ALL {
        let groups: Vec<u8> = ENTRIES
            .iter()
            .filter(|it| it.menu == menu)
            .map(|it| it.group)
            .collect();
        assert!(groups.is_sorted(), "{menu:?}: {groups:?}");
    }
}

#[test]
fn the_theme_that_holds_is_marked() {
    let mut window = open((1440.0, 900.0));
    let toggled = |window: &Window, name: &str| {
        let node = window.get_by_label(name);
        node.accesskit_node().toggled() == Some(eframe::egui::accesskit::Toggled::True)
            || node.accesskit_node().is_selected() == Some(true)
    };
    for theme in ["Light", "Dark"] {
        click(&mut window, "View");
        click(&mut window, theme);
        click(&mut window, "View");
        assert!(toggled(&window, theme), "{theme}");
        let other = if theme == "Dark" { "Light" } else { "Dark" };
        assert!(!toggled(&window, other), "{other}");
        point_and_click(&mut window, "View");
        assert!(!said(&window, "Zoom in"));
    }
}

#[test]
fn a_tab_is_pressed_anywhere_over_the_height_of_its_head() {
    let mut window = open((1440.0, 900.0));
    let tab = window.get_by_label("Path").rect();
    assert!(tab.height() >= 29.0, "{tab:?}");
    for (place, title) in [
        (tab.left_top() + vec2(2.0, 2.0), "Path"),
        (
            window.get_by_label("Heatmap").rect().right_bottom() - vec2(2.0, 2.0),
            "Heatmap",
        ),
    ] {
        window.hover_at(place);
        settle(&mut window);
        for pressed in [true, false] {
            window
                .input_mut()
                .events
                .push(eframe::egui::Event::PointerButton {
                    pos: place,
                    button: eframe::egui::PointerButton::Primary,
                    pressed,
                    modifiers: eframe::egui::Modifiers::NONE,
                });
            window.step();
        }
        settle(&mut window);
        let chip = match title {
            "Path" => "The path of a token, or the flow of the text",
            _ => "What the cells show",
        };
        assert!(said(&window, chip), "{title} at {place:?}");
    }
}

#[test]
fn the_list_of_keys_is_tall_begins_with_what_is_used_most_and_has_every_gesture() {
    let mut window = open((1440.0, 900.0));
    key(&mut window, Key::F1);
    let top = |it: &str| {
        let all = window.query_all_by_label(it).map(|it| it.rect().top());
        all.fold(f32::MAX, f32::min)
    };
    assert!(
        top("Run the prompt") < top("Mask or unmask") && top("Mask or unmask") < top("Settings…")
    );
    for gesture in [
        "click",
        "double-click",
        "right-click",
        "hover",
        "drag a bar",
        "click a next token",
        "drag a number",
        "click the map",
        "wheel",
        "drag a tab",
        "drag a border",
        "drop",
    ] {
        assert!(window.query_by_label(gesture).is_some(), "{gesture}");
    }
    let close = window.get_by_label("Close").rect();
    let head = top("Keys and gestures");
    assert!(close.bottom() - head > 780.0, "{head} to {close:?}");
}

/// What the program looks for in the pointer and the keyboard beside the keys of commands, and what the list calls it.
const LOOKED_FOR: [(&str, &str); 14] = [
    (".clicked()", "click"),
    ("double_clicked()", "double-click"),
    ("secondary_clicked()", "right-click"),
    ("context_menu(", "right-click"),
    ("hover_pos()", "hover"),
    ("drag_started_by(", "drag a bar"),
    ("dragged()", "drag a number"),
    ("dropped_files", "drop"),
    ("ScrollArea", "wheel"),
    ("Key::Enter", "Enter"),
    ("Key::PageUp", "Page Up, Page Down"),
    ("Key::PageDown", "Page Up, Page Down"),
    ("Key::Home", "Home"),
    ("Key::End", "End"),
];

/// What starts a name that would be a gesture or a key.
const NAMES: [&str; 4] = ["_clicked()", "drag_started", "Key::", "zoom_delta"];

fn sources(folder: &std::path::Path, out: &mut Vec<String>) {
    for it in std::fs::read_dir(folder).unwrap() {
        let path = it.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.file_name().is_some_and(|it| it != "command.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            out.push(text.split("#[cfg(test)]").next().unwrap().to_owned());
        }
    }
}

#[test]
fn every_key_and_every_gesture_of_the_program_is_in_the_list() {
    let mut window = scripted(
        (1440.0, 2400.0),
        Theme::Dark,
        baseline(TOUR_LIKE, 30),
        false,
    )
    .0;
    key(&mut window, Key::F1);
    let ctx = window.ctx.clone();
    let is_listed = |words: &str| window.query_all_by_label(words).next().is_some();
    for entry in ENTRIES {
        if let Some(key) = &entry.key {
            let key = key_words(key, &ctx);
            assert!(
                is_listed(&key) && is_listed(entry.help),
                "{}: {key}",
                entry.name
            );
        }
    }
    let mut all = Vec::new();
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ui");
    sources(&root, &mut all);
    let of_entries: Vec<String> = ENTRIES
        .iter()
        .filter_map(|it| Some(format!("Key::{:?}", it.key?.logical_key)))
        .collect();
    for text in &all {
        for (call, name) in LOOKED_FOR {
            let is_said = is_listed(name) || said(&window, name);
            assert!(!text.contains(call) || is_said, "{call}: {name}");
        }
        // Nothing else is looked for that nobody wrote into the table above.
        for start in NAMES {
            for (at, _) in text.match_indices(start) {
                let before =
                    text[..at].rfind(|it: char| !it.is_alphanumeric() && it != '_' && it != ':');
                let after = &text[at + start.len()..];
                let end = after.find(|it: char| !it.is_alphanumeric() && it != '_');
                let word =
                    &text[before.map_or(0, |it| it + 1)..at + start.len() + end.unwrap_or(0)];
                // `RowKey::of` is no key.
                if word.contains("Key::") && !word.starts_with("Key::") {
                    continue;
                }
                let is_known = LOOKED_FOR
                    .iter()
                    .any(|it| word.contains(it.0) || it.0.contains(word))
                    || of_entries.iter().any(|it| word.ends_with(it.as_str()));
                assert!(is_known, "{word} is in no line of the list");
            }
        }
    }
}

/// A panel, its title, and a chip of its head.
const CHIPS: [(&str, &str, &str); 8] = [
    ("heatmap", "Heatmap", "What the cells show"),
    ("load", "Load", "What is counted"),
    ("transcript", "Transcript", "strongest expert"),
    (
        "path",
        "Path",
        "The path of a token, or the flow of the text",
    ),
    ("next_token", "Next token", "What the tokens are sorted by"),
    ("router", "Router", "Choose a router"),
    ("health", "Health", "over: "),
    ("edits", "Edits", "Undo"),
];

/// At twice the size of letters, and in the smallest window, every chip of a panel is there: in its head, under it, or in
/// its menu.
#[test]
fn chips_are_never_out_of_reach() {
    let named = CHIPS.map(|it| it.0);
    let is_panel = |it: &&str| PANELS.iter().any(|panel| panel.0 == *it);
    assert!(named.iter().all(is_panel));
    for (size, zoom) in [
        ((1440.0, 900.0), 2.0),
        ((1024.0, 700.0), 1.0),
        ((1024.0, 700.0), 1.5),
    ] {
        let builder_size = (size.0 / zoom, size.1 / zoom);
        let (mut window, _script) =
            scripted(builder_size, Theme::Dark, edited(TOUR_LIKE, 60, 44), false);
        for (panel, title, chip) in CHIPS {
            let selection = Selection {
                row: RowChoice::Baseline,
                position: Some(Position(11)),
                ..window.state().selection()
            };
            window.state_mut().command(Command::Select(selection));
            window.state_mut().command(Command::ShowPanel(panel));
            settle(&mut window);
            let is_there = said(&window, chip);
            if !is_there {
                click(&mut window, &format!("{title} menu"));
                assert!(
                    said(&window, chip),
                    "{title} at {size:?} and {zoom}: no {chip}"
                );
                key(&mut window, Key::Escape);
            }
        }
    }
}
