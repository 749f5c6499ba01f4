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
fn the_control_has_as_many_other_experts_of_the_same_layers() {
    let (mut window, _script) = with_prompt(baseline(TOUR_LIKE, 30));
    for text in LIST {
        let edit = text.parse().unwrap();
        window.state_mut().command(Command::AddEdit(edit));
    }
    settle(&mut window);
    click(&mut window, "Make the control");
    let edits = window.state().experiment().edits.clone();
    assert_eq!(edits.entries.len(), 8);
    let (own, control) = edits.entries.split_at(4);
    for (own, control) in own.iter().zip(control) {
        assert!(!own.enabled && control.enabled);
        assert_eq!(
            (own.edit.at, own.edit.span),
            (control.edit.at, control.edit.span)
        );
        assert_eq!(own.edit.action.keyword(), control.edit.action.keyword());
        assert_ne!(own.edit.action.expert(), control.edit.action.expert());
    }
    let message = window.state().session().message.clone().unwrap().text;
    assert!(message.starts_with("Control with seed 1"), "{message}");
    click(&mut window, "Swap on and off");
    let on: Vec<String> = window
        .state()
        .experiment()
        .edits
        .active()
        .map(ToString::to_string)
        .collect();
    assert_eq!(on, LIST);
    undo(&mut window);
    undo(&mut window);
    assert_eq!(list(&window), LIST, "the whole control is one change");
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
