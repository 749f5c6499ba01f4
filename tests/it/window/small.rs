//! Small things of the window: menus that open with one click, tabs that are pressed anywhere, a list of every gesture,
//! chips that are never out of reach.

use eframe::egui::{Key, Theme, vec2};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use moescope::app::TOUR_LIKE;
use moescope::spec::Position;
use moescope::ui::{Command, ENTRIES, Menu, Selection};

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

/// At twice the size of letters, and in the smallest window, every chip of a panel is there: in its head, under it, or in
/// its menu.
#[test]
fn chips_are_never_out_of_reach() {
    for (size, zoom) in [
        ((1440.0, 900.0), 2.0),
        ((1024.0, 700.0), 1.0),
        ((1024.0, 700.0), 1.5),
    ] {
        let builder_size = (size.0 / zoom, size.1 / zoom);
        let (mut window, _script) =
            scripted(builder_size, Theme::Dark, edited(TOUR_LIKE, 60, 44), false);
        for (panel, title, chip) in [
            ("heatmap", "Heatmap", "What the cells show"),
            ("load", "Load", "What is counted"),
            ("transcript", "Transcript", "strongest expert"),
        ] {
            let selection = Selection {
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
