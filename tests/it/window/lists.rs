//! What can be done with the list of edits: scopes, the control, a list as it was copied; on a script.

use eframe::egui::{self, Key};
use egui_kittest::kittest::Queryable as _;
use moescope::ui::Command;

use super::cells2::with_prompt;
use super::drive::{Window, click, click_token, key, list, settle, undo};
use super::script::{LIST, TOUR_LIKE, baseline};

#[test]
fn the_scope_chip_sets_every_kind_of_span() {
    let (mut window, _script) = with_prompt(baseline(TOUR_LIKE, 30));
    click_token(&mut window, 8);
    click(&mut window, "layer 2 expert 5");
    key(&mut window, Key::M);
    let pick = |window: &mut Window, start: &str, wanted: &str| {
        click(window, "The tokens it acts on");
        window
            .get_all_by_label_contains(start)
            .next()
            .unwrap()
            .click();
        settle(window);
        assert_eq!(list(window), [wanted]);
    };
    pick(&mut window, "Everywhere", "mask:2.5");
    pick(&mut window, "This token ·", "mask:2.5@8..9");
    pick(&mut window, "The prompt ·", "mask:2.5@..9");
    pick(&mut window, "From here ·", "mask:2.5@8..");
    click(&mut window, "The tokens it acts on");
    for (field, text) in [("First token", "12"), ("Last token", "20")] {
        click(&mut window, field);
        window.key_press_modifiers(egui::Modifiers::COMMAND, Key::A);
        window.step();
        window.get_by_label(field).type_text(text);
        settle(&mut window);
        key(&mut window, Key::Enter);
    }
    click(&mut window, "Set");
    assert_eq!(list(&window), ["mask:2.5@12..21"]);
}

#[test]
fn what_is_switched_off_is_set_against_what_is_on() {
    let (mut window, _script) = with_prompt(baseline(TOUR_LIKE, 30));
    for text in LIST {
        let edit = text.parse().unwrap();
        window.state_mut().command(Command::AddEdit(edit));
    }
    settle(&mut window);
    assert!(window.query_by_label("Swap on and off").is_none());
    window.state_mut().command(Command::ToggleEdit(1));
    settle(&mut window);
    click(&mut window, "Swap on and off");
    let edits = window.state().experiment().edits.clone();
    let on: Vec<String> = edits.active().map(ToString::to_string).collect();
    assert_eq!(on, [LIST[1]]);
    undo(&mut window);
    assert_eq!(list(&window), LIST);
}

#[test]
fn a_copied_list_can_be_put_into_the_field_as_one_change() {
    let (mut window, _script) = with_prompt(baseline(TOUR_LIKE, 30));
    click(&mut window, "Edit as text");
    let text = "--edit 'mask:2.5@8..' --edit 'k:1=1'";
    window.get_by_label("Edit as text").type_text(text);
    settle(&mut window);
    key(&mut window, Key::Enter);
    assert_eq!(list(&window), ["mask:2.5@8..", "k:1=1"]);
    // The field has the focus and keeps its own undo.
    window.state_mut().command(Command::Undo);
    settle(&mut window);
    assert!(list(&window).is_empty());
}
