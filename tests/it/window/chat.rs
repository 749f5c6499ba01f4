//! The chat template in the prompt box: offered where the checkpoint has one, and asked for as chosen.

use eframe::egui;
use egui_kittest::kittest::Queryable as _;
use moescope::engine::{Event, Request};
use moescope::spec::PromptForm;

use super::{
    drive::{Window, click, scripted, settle},
    script::{self, Script, TOUR_LIKE},
};

fn window(has_chat_template: bool) -> (Window, Script) {
    let mut facts = script::facts(TOUR_LIKE);
    facts.has_chat_template = has_chat_template;
    let events = vec![Event::Opened(Box::new(facts))];
    scripted((1440.0, 900.0), egui::Theme::Dark, events, false)
}

/// The form of the last prompt that was asked to be read.
fn asked(script: &Script) -> PromptForm {
    let asked = script.asked.borrow();
    let form = asked.iter().rev().find_map(|it| match it {
        Request::Encode { form, .. } => Some(form.clone()),
        _ => None,
    });
    form.unwrap()
}

const CHIP: &str = "as: plain text";

#[test]
fn a_template_is_offered_only_where_there_is_one() {
    let (without, script) = window(false);
    assert!(without.query_by_label(CHIP).is_none());
    assert_eq!(asked(&script), PromptForm::Plain);
    let (with, script) = window(true);
    assert!(with.query_by_label(CHIP).is_some());
    assert!(with.query_by_label("System message").is_none());
    assert_eq!(asked(&script), PromptForm::Plain, "offered, never forced");
}

#[test]
fn the_chosen_form_and_system_message_go_with_the_prompt() {
    let (mut window, script) = window(true);
    click(&mut window, CHIP);
    click(&mut window, "chat template");
    window.get_by_label("System message").click();
    settle(&mut window);
    window.get_by_label("System message").type_text("Be brief.");
    settle(&mut window);
    window.state_mut().command(moescope::ui::Command::RunPrompt);
    settle(&mut window);
    let system = Some("Be brief.".to_owned());
    assert_eq!(asked(&script), PromptForm::Chat { system });
    click(&mut window, "as: chat template");
    click(&mut window, "plain text");
    window.state_mut().command(moescope::ui::Command::RunPrompt);
    settle(&mut window);
    assert_eq!(asked(&script), PromptForm::Plain);
}
