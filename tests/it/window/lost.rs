//! A device that is lost: what the window says, and the way to go on.

use eframe::egui::Theme;
use egui_kittest::kittest::Queryable as _;
use moescope::engine::{Event, Request};
use moescope::spec::DeviceChoice;
use moescope::trace::DeviceFacts;
use moescope::ui::Command;

use super::drive::{Window, click, scripted, settle};
use super::script::{Script, TOUR_LIKE, baseline};

const WHY: &str = "the graphics processor was lost: the driver gave it up";
const BUTTON: &str = "Run on the CPU";

fn lost() -> (Window, Script) {
    let events = baseline(TOUR_LIKE, 20);
    let (mut window, script) = scripted((1440.0, 900.0), Theme::Dark, events, false);
    script.say([Event::Failed {
        why: WHY.to_owned(),
        device_is_lost: true,
    }]);
    settle(&mut window);
    (window, script)
}

fn is_offered(window: &Window) -> bool {
    window.query_by_label(BUTTON).is_some() && window.query_by_label(WHY).is_some()
}

#[test]
fn the_offer_stays_until_it_is_taken_and_one_click_takes_it() {
    let (mut window, script) = lost();
    assert!(is_offered(&window));
    // What else is done and said does not hide it.
    window.state_mut().command(Command::PlayPause);
    window.state_mut().command(Command::Say("words".to_owned()));
    settle(&mut window);
    window.get_by_label("words");
    assert!(is_offered(&window));

    click(&mut window, BUTTON);
    let wanted = Request::SetDevice(DeviceChoice::Cpu);
    assert!(script.asked.borrow().contains(&wanted));
    let saved = window.state().saved().device;
    assert_eq!(saved, DeviceChoice::Auto, "the next start tries again");
    assert!(is_offered(&window), "it has not moved yet");
    script.say([Event::MoveFailed {
        why: "there is no room".to_owned(),
        cancelled: false,
    }]);
    settle(&mut window);
    assert!(is_offered(&window));
    window.get_by_label("the model stays where it is: there is no room");
    script.say([Event::Moved(Box::new(DeviceFacts::cpu()))]);
    settle(&mut window);
    assert!(!is_offered(&window));
    window.get_by_label("running on CPU");
    let rows = window.state().session().baseline();
    assert_eq!(rows.unwrap().record.store.len(), 20, "the text stays");
}

#[test]
fn the_offer_can_be_put_away() {
    let (mut window, _script) = lost();
    click(&mut window, "Not now");
    assert!(!is_offered(&window));
    assert_eq!(window.state().session().message, None);
}
