//! The list of edits: undo, redo, the text field, order and scope; on a script, which computes nothing.

use eframe::egui::{Key, Theme};
use egui_kittest::kittest::Queryable as _;
use moescope::engine::Request;

use super::drive::{Window, click, click_token, key, list, redo, scripted, settle, undo};
use super::script::{Script, TOUR_LIKE, baseline};

fn window() -> (Window, Script) {
    let (mut window, script) = scripted((1440.0, 900.0), Theme::Dark, Vec::new(), false);
    script.say(baseline(TOUR_LIKE, 30));
    settle(&mut window);
    // The engine would answer the prompt that opening reads.
    let tag = script.asked.borrow().iter().find_map(|it| match it {
        Request::Encode { tag, .. } => Some(*tag),
        _ => None,
    });
    script.say([moescope::engine::Event::Encoded {
        tag: tag.unwrap(),
        tokens: Ok((0..9).map(moescope::spec::TokenId).collect()),
    }]);
    settle(&mut window);
    (window, script)
}

fn mask(window: &mut Window, label: &str) {
    click(window, label);
    key(window, Key::M);
}

/// The list in the last experiment the engine was told of.
fn told(script: &Script) -> Vec<String> {
    let asked = script.asked.borrow();
    let last = asked.iter().rev().find_map(|it| match it {
        Request::SetExperiment(it) => Some(it.edits.clone()),
        _ => None,
    });
    let entries = last.unwrap().entries;
    entries.iter().map(|it| it.edit.to_string()).collect()
}

#[test]
fn a_key_in_the_frame_of_a_click_acts_on_what_was_clicked() {
    let (mut window, _) = window();
    click_token(&mut window, 8);
    window.get_by_label("layer 2 expert 5").click();
    window.key_press(Key::M);
    settle(&mut window);
    assert_eq!(list(&window), ["mask:2.5@8.."]);
}

#[test]
fn three_masks_in_a_row_are_three_undos() {
    let (mut window, script) = window();
    click_token(&mut window, 8);
    for label in ["layer 2 expert 5", "layer 3 expert 6", "layer 4 expert 5"] {
        mask(&mut window, label);
    }
    let all = ["mask:2.5@8..", "mask:3.6@8..", "mask:4.5@8.."];
    assert_eq!(list(&window), all);
    for n in [2, 1, 0] {
        undo(&mut window);
        assert_eq!(list(&window), all[..n]);
        assert_eq!(told(&script), all[..n]);
    }
    for n in [1, 2, 3] {
        redo(&mut window);
        assert_eq!(list(&window), all[..n]);
    }
}

#[test]
fn mask_undo_another_mask_leaves_nothing_to_redo() {
    let (mut window, _script) = window();
    click_token(&mut window, 8);
    mask(&mut window, "layer 2 expert 5");
    undo(&mut window);
    mask(&mut window, "layer 3 expert 6");
    redo(&mut window);
    assert_eq!(list(&window), ["mask:3.6@8.."]);
    undo(&mut window);
    assert!(list(&window).is_empty());
}

#[test]
fn space_never_clears_what_can_be_redone() {
    let (mut window, _script) = window();
    mask(&mut window, "layer 2 expert 5");
    undo(&mut window);
    key(&mut window, Key::Space);
    redo(&mut window);
    assert_eq!(
        list(&window),
        ["mask:2.5@30.."],
        "nothing selected: the first not computed"
    );
}

#[test]
fn m_on_a_masked_expert_takes_that_edit_away() {
    let (mut window, _script) = window();
    click_token(&mut window, 4);
    mask(&mut window, "layer 2 expert 5");
    click_token(&mut window, 12);
    key(&mut window, Key::M);
    assert!(list(&window).is_empty());
    click_token(&mut window, 12);
    key(&mut window, Key::M);
    click_token(&mut window, 4);
    key(&mut window, Key::M);
    assert_eq!(
        list(&window),
        ["mask:2.5@12..", "mask:2.5@4.."],
        "not masked at 4"
    );
}

#[test]
fn double_click_masks_and_f_forces() {
    let (mut window, _script) = window();
    click_token(&mut window, 4);
    // Else the click on the token would count as the first of three.
    (0..30).for_each(|_| window.step());
    window.get_by_label("layer 1 expert 3").click();
    window.get_by_label("layer 1 expert 3").click();
    settle(&mut window);
    assert_eq!(list(&window), ["mask:1.3@4.."]);
    key(&mut window, Key::F);
    assert_eq!(list(&window), ["mask:1.3@4..", "force:1.3@4.."]);
    key(&mut window, Key::F);
    assert_eq!(list(&window), ["mask:1.3@4.."]);
}

#[test]
fn the_field_takes_every_form_and_keeps_what_it_cannot_read() {
    let (mut window, _script) = window();
    let enter = |window: &mut Window, text: &str| {
        window.get_by_label("Edit as text").click();
        settle(window);
        window.key_press_modifiers(eframe::egui::Modifiers::COMMAND, Key::A);
        window.step();
        window.get_by_label("Edit as text").type_text(text);
        settle(window);
        key(window, Key::Enter);
    };
    for text in ["bias:4.5=2", "k:1=3@4..", "swap:0.3>5", "random:2=7@..9"] {
        enter(&mut window, text);
        assert_eq!(list(&window).last().unwrap(), text);
    }
    enter(&mut window, "mask:9.1");
    assert_eq!(list(&window).len(), 4);
    assert_eq!(
        window.get_by_label("Edit as text").value().as_deref(),
        Some("mask:9.1")
    );
    window.get_by_label_contains("layer 9 has no router");
    enter(&mut window, "mask:1.");
    window.get_by_label_contains("(in edit \"mask:1.\")");
}

#[test]
fn lines_are_switched_moved_and_removed() {
    let (mut window, _script) = window();
    click_token(&mut window, 8);
    mask(&mut window, "layer 2 expert 5");
    mask(&mut window, "layer 3 expert 6");
    click(&mut window, "Mask expert 5 in layer 2 on");
    assert!(!window.state().experiment().edits.entries[0].enabled);
    click(&mut window, "Move edit up 2");
    assert_eq!(list(&window), ["mask:3.6@8..", "mask:2.5@8.."]);
    undo(&mut window);
    undo(&mut window);
    assert!(window.state().experiment().edits.entries[0].enabled);
    click(&mut window, "Remove edit 2");
    assert_eq!(list(&window), ["mask:2.5@8.."]);
}

#[test]
fn an_edit_not_reached_says_so_and_offers_the_start() {
    let (mut window, _script) = window();
    mask(&mut window, "layer 2 expert 5");
    window.get_by_label_contains("Not reached yet");
    click(&mut window, "from the start");
    assert_eq!(list(&window), ["mask:2.5"]);
}

#[test]
fn a_list_that_leaves_nothing_to_pick_is_refused_in_a_sentence() {
    let (mut window, _script) = window();
    click_token(&mut window, 8);
    for expert in 0..8 {
        mask(&mut window, &format!("layer 2 expert {expert}"));
    }
    assert_eq!(list(&window).len(), 7);
    let message = window.state().session().message.clone().unwrap();
    assert!(
        message.text.contains("no expert left to pick"),
        "{}",
        message.text
    );
}
