//! Settings and layout from one start to the next.

use std::{cell::Cell, fs, mem, path::Path, rc::Rc};

use eframe::egui::accesskit::Toggled;
use eframe::egui::{Key, Modifiers, Theme, ThemePreference};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use moescope::app::App;
use moescope::checkpoint::Bundled;
use moescope::document::{SavedSettings, SettingsFile};
use moescope::engine::{Event, ModelSource, Request};
use moescope::spec::DeviceChoice;
use moescope::ui::Command;

use super::drive::{Window, builder, click, settle};
use super::script::{Script, TOUR_LIKE, baseline};

/// Frames until a change is written: 0.5 s at 60 a second, and some.
const N_SOON: usize = 40;

fn start(folder: &Path) -> (Window, Script) {
    start_and_see(folder, Rc::default())
}

/// The same; `theme` is the one that was set at the start: the harness sets its own after that.
fn start_and_see(folder: &Path, theme: Rc<Cell<ThemePreference>>) -> (Window, Script) {
    let script = Script::default();
    let (link, file) = (script.clone(), SettingsFile::in_folder(folder));
    let builder = builder((1440.0, 900.0), Theme::Dark);
    let mut window = builder.build_eframe(move |cc| {
        let kept = file.load();
        let app = App::new(cc, Box::new(link), None).kept_in(&cc.egui_ctx, file, kept);
        theme.set(cc.egui_ctx.options(|it| it.theme_preference));
        app
    });
    script.say(baseline(TOUR_LIKE, 20));
    settle(&mut window);
    (window, script)
}

fn is_in_front(window: &Window, panel: &str) -> bool {
    let mut tabs = window.query_all_by_label(panel);
    tabs.any(|it| it.accesskit_node().toggled() == Some(Toggled::True))
}

fn saved(folder: &Path) -> SavedSettings {
    let (settings, complaint) = SettingsFile::in_folder(folder).load();
    assert_eq!(complaint, None);
    settings
}

fn soon(window: &mut Window) {
    (0..N_SOON).for_each(|_| window.step());
}

#[test]
fn settings_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, script) = start(folder.path());
    let app = window.state_mut();
    app.command(Command::SetTheme(ThemePreference::Light));
    app.command(Command::ZoomIn);
    app.command(Command::SetPace(Some(3.0)));
    app.command(Command::SetStopAfter(17));
    app.command(Command::SetReducedMotion(true));
    app.command(Command::SetDevice(DeviceChoice::Cpu));
    app.command(Command::ShowPanel("model"));
    app.command(Command::OpenPath("/models/x".into()));
    settle(&mut window);
    script.say(baseline(TOUR_LIKE, 20));
    soon(&mut window);
    let kept = window.state().saved().clone();
    // Nothing of it runs any more, neither its exit nor its drop.
    mem::forget(window);

    let theme = Rc::default();
    let (window, script) = start_and_see(folder.path(), Rc::clone(&theme));
    // The harness has a size of its own, whatever was kept.
    let now = SavedSettings {
        window: kept.window,
        ..window.state().saved().clone()
    };
    assert_eq!(now, kept);
    assert_eq!(kept.recents, [Path::new("/models/x")]);
    assert_eq!((kept.pace, kept.stop_after), (Some(3.0), 17));
    assert_eq!(kept.device, DeviceChoice::Cpu);
    assert!(kept.reduced_motion && kept.zoom > 1.0 && kept.layout.is_some());
    assert!((window.ctx.zoom_factor() - kept.zoom).abs() < 1e-6);
    assert_eq!(theme.get(), ThemePreference::Light);
    assert!(is_in_front(&window, "Model"));
    let pace = moescope::engine::Pace::TokensPerSec(3.0);
    let asked = script.asked.borrow();
    let mut paces = asked.iter().filter_map(|it| match it {
        Request::SetPace(it) => Some(*it),
        _ => None,
    });
    assert_eq!(
        paces.next_back(),
        Some(pace),
        "the engine knows the pace too"
    );
}

#[test]
fn a_layout_is_kept_and_reset() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, _script) = start(folder.path());
    assert!(is_in_front(&window, "Load"));
    click(&mut window, "Health");
    assert!(is_in_front(&window, "Health"));
    soon(&mut window);
    assert!(saved(folder.path()).layout.is_some());
    drop(window);

    let (mut window, _script) = start(folder.path());
    assert!(is_in_front(&window, "Health"));
    window.state_mut().command(Command::ResetLayout);
    soon(&mut window);
    assert!(is_in_front(&window, "Load"));
    assert_eq!(saved(folder.path()).layout, None);
}

#[test]
fn a_broken_file_is_said_and_a_strange_layout_is_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let file = SettingsFile::in_folder(folder.path());
    fs::write(file.path(), "{ not json").unwrap();
    let (window, _script) = start(folder.path());
    assert_eq!(window.state().saved().stop_after, 128);
    drop(window);

    for layout in [
        r#"{"root": 1}"#,
        r#"{"id":1,"root":7,"tiles":{"next_tile_id":1,"tiles":{},"invisible":[]},"height":null,"width":null}"#,
    ] {
        fs::write(
            file.path(),
            format!(r#"{{"stop_after": 9, "layout": {layout}}}"#),
        )
        .unwrap();
        let (window, _script) = start(folder.path());
        assert_eq!(window.state().saved().stop_after, 9);
        assert!(is_in_front(&window, "Load"), "{layout}");
    }
}

#[test]
fn nothing_is_written_while_nothing_changes_and_nothing_without_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, _script) = start(folder.path());
    soon(&mut window);
    let file = SettingsFile::in_folder(folder.path());
    fs::remove_file(file.path()).unwrap();
    (0..4).for_each(|_| soon(&mut window));
    assert!(!file.path().exists());
}

#[test]
fn what_changed_last_is_written_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, _script) = start(folder.path());
    window.state_mut().command(Command::SetStopAfter(5));
    window.step();
    eframe::App::on_exit(window.state_mut());
    assert_eq!(saved(folder.path()).stop_after, 5);
}

#[test]
fn the_settings_sheet_sets_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let (mut window, _script) = start(folder.path());
    window.key_press_modifiers(Modifiers::COMMAND, Key::Comma);
    settle(&mut window);
    click(&mut window, "Reduce motion");
    click(&mut window, "Light");
    click(&mut window, "Larger");
    click(&mut window, "CPU");
    assert!(!window.ctx.global_style().visuals.text_cursor.blink);
    assert!(!window.ctx.global_style().visuals.dark_mode);
    window.key_press(Key::Escape);
    soon(&mut window);
    let kept = saved(folder.path());
    assert_eq!(kept.device, DeviceChoice::Cpu);
    assert!(kept.reduced_motion && kept.zoom > 1.0);
    assert!(window.query_by_label("Reduce motion").is_none());
}

/// A window that opens its first model and may do so on the CPU.
fn starting() -> (Window, Script) {
    let script = Script::default();
    let link = script.clone();
    let mut window = builder((1440.0, 900.0), Theme::Dark).build_eframe(move |cc| {
        let source = ModelSource::Bundled(Bundled::Tour);
        App::new(cc, Box::new(link), Some(source)).else_on_cpu()
    });
    settle(&mut window);
    (window, script)
}

fn failed(why: &str) -> [Event; 1] {
    [Event::OpenFailed {
        why: why.to_owned(),
        cancelled: false,
        choices: Vec::new(),
    }]
}

#[test]
fn a_device_that_is_not_there_at_the_start_gives_way_to_the_cpu_and_is_said() {
    let (mut window, script) = starting();
    script.say(failed("no graphics processor can be used: none"));
    settle(&mut window);
    let asked = script.asked.borrow().clone();
    let place = |it: &Request| asked.iter().rposition(|asked| asked == it).unwrap();
    let open = Request::Open(ModelSource::Bundled(Bundled::Tour));
    assert!(place(&Request::SetDevice(DeviceChoice::Cpu)) < place(&open));
    script.say(baseline(TOUR_LIKE, 20));
    settle(&mut window);
    let message = window.state().session().message.clone().unwrap();
    assert_eq!(
        (message.text.as_str(), message.failure),
        (
            "running on the CPU: no graphics processor can be used: none",
            false
        )
    );
    assert_eq!(window.state().saved().device, DeviceChoice::Auto);
}

#[test]
fn a_first_model_that_opens_nowhere_is_tried_twice_and_no_more() {
    let (mut window, script) = starting();
    for why in ["it needs a card", "it is no model"] {
        script.say(failed(why));
        settle(&mut window);
    }
    let message = window.state().session().message.clone().unwrap();
    assert_eq!(message.text, "it is no model");
    let asked = script.asked.borrow();
    let opens = asked.iter().filter(|it| matches!(it, Request::Open(_)));
    assert_eq!(opens.count(), 2);
    let device = asked.iter().rfind(|it| matches!(it, Request::SetDevice(_)));
    assert_eq!(device, Some(&Request::SetDevice(DeviceChoice::Gpu)));
}
