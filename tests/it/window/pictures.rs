//! Pictures of made-up sessions, kept in `tests/snapshots/`. Enforced where the driver that made them
//! runs, told and passed elsewhere: other drivers round differently.

use std::future::Future as _;

use eframe::egui::{Key, Theme};
use eframe::egui_wgpu::wgpu;
use egui_kittest::SnapshotOptions;
use moescope::corpus::SAMPLES;
use moescope::engine::{Event, LoadProgress, Request};
use moescope::spec::{Position, RouterId, TokenId};
use moescope::study::{Study, StudyEvent};
use moescope::trace::RowEvent;
use moescope::ui::{Command, PANELS, RowChoice, Selection, SurveyOf};

use super::drive::{Window, click, key, scripted, settle};
use super::script::{HUGE, LIST, Script, Size, TOUR_LIKE, baseline, edited};

/// The driver the pictures were made with.
const DRIVER: &str = "Mesa 22.3";

fn is_enforced() -> bool {
    let setup = egui_kittest::wgpu::default_wgpu_setup();
    let eframe::egui_wgpu::WgpuSetup::CreateNew(setup) = setup else {
        return false;
    };
    let instance = wgpu::Instance::new(setup.instance_descriptor);
    let adapters = std::pin::pin!(instance.enumerate_adapters(wgpu::Backends::VULKAN));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(adapters) = adapters.poll(&mut context) else {
        return false;
    };
    adapters
        .iter()
        .map(wgpu::Adapter::get_info)
        .any(|it| it.device_type == wgpu::DeviceType::Cpu && it.driver_info.starts_with(DRIVER))
}

pub fn check(window: &mut Window, name: &str) {
    settle(window);
    let options = SnapshotOptions::new();
    let result = window.try_snapshot_options(name, &options);
    match result {
        Ok(()) => {}
        Err(error) if is_enforced() || std::env::var_os("UPDATE_SNAPSHOTS").is_some() => {
            panic!("{error}")
        }
        Err(error) => eprintln!("told and passed, the driver is not {DRIVER}: {error}"),
    }
    // What failed was said above.
    std::mem::forget(window.take_snapshot_results());
}

/// The list of the script, as the app would have it, and a selection that tells something.
fn with_edits(window: &mut Window, script: &Script) {
    answer_prompt(window, script);
    for text in LIST {
        window
            .state_mut()
            .command(Command::AddEdit(text.parse().unwrap()));
        settle(window);
    }
    window.state_mut().command(Command::Select(Selection {
        row: RowChoice::Baseline,
        position: Some(Position(11)),
        router: Some(RouterId(4)),
        expert: Some(moescope::spec::ExpertId(1)),
    }));
    settle(window);
}

fn answer_prompt(window: &mut Window, script: &Script) {
    let tag = script.asked.borrow().iter().find_map(|it| match it {
        Request::Encode { tag, .. } => Some(*tag),
        _ => None,
    });
    script.say([Event::Encoded {
        tag: tag.unwrap(),
        tokens: Ok((0..9).map(TokenId).collect()),
    }]);
    settle(window);
}

fn edited_window(size: (f32, f32), theme: Theme, model: Size) -> Window {
    let (mut window, script) = scripted(size, theme, edited(model, 60, 44), true);
    with_edits(&mut window, &script);
    window
}

#[test]
fn the_whole_window_after_an_edit() {
    for (theme, name) in [(Theme::Dark, "dark"), (Theme::Light, "light")] {
        let mut window = edited_window((1440.0, 900.0), theme, TOUR_LIKE);
        check(&mut window, &format!("window_edited_{name}"));
    }
}

#[test]
fn a_narrow_window_stacks_the_texts() {
    let mut window = edited_window((1000.0, 700.0), Theme::Dark, TOUR_LIKE);
    check(&mut window, "window_narrow");
}

/// Letters of 12 points are 3 % of 400 points: as in a window of 1280 × 720 at 1.8 pixels a point.
#[test]
fn what_a_class_sees() {
    let mut window = edited_window((711.0, 400.0), Theme::Light, TOUR_LIKE);
    window.state_mut().command(Command::TogglePresent);
    check(&mut window, "window_present");
}

#[test]
fn a_large_model() {
    let (mut window, _script) = scripted((1440.0, 900.0), Theme::Dark, baseline(HUGE, 40), true);
    check(&mut window, "window_large");
}

#[test]
fn what_is_seen_before_a_model_is_open() {
    let (mut window, script) = scripted((1000.0, 640.0), Theme::Dark, Vec::new(), true);
    check(&mut window, "window_empty");
    script.say([Event::Loading(LoadProgress {
        done_bytes: 1_200_000_000,
        total_bytes: 3_800_000_000,
        needed_bytes: 4_100_000_000,
        available_bytes: Some(22_000_000_000),
    })]);
    check(&mut window, "window_loading");
    script.say([Event::OpenFailed {
        why:
            "model.safetensors is missing; a folder needs config.json and safetensors (in models/x)"
                .to_owned(),
        cancelled: false,
        choices: Vec::new(),
    }]);
    check(&mut window, "window_failed");
}

#[test]
fn the_offer_to_go_on_after_a_device_is_lost() {
    for (theme, name) in [(Theme::Dark, "dark"), (Theme::Light, "light")] {
        let events = baseline(TOUR_LIKE, 40);
        let (mut window, script) = scripted((1000.0, 640.0), theme, events, true);
        script.say([Event::Failed {
            why: "the graphics processor was lost: the driver gave it up".to_owned(),
            device_is_lost: true,
        }]);
        check(&mut window, &format!("window_lost_{name}"));
    }
}

#[test]
fn the_list_of_keys() {
    let (mut window, _script) =
        scripted((1000.0, 900.0), Theme::Light, baseline(TOUR_LIKE, 12), true);
    key(&mut window, Key::F1);
    check(&mut window, "window_keys");
}

/// What a survey would have told of the made-up model: every layer but one even, two experts of that one idle.
fn surveyed(script: &Script, window: &mut Window) {
    window
        .state_mut()
        .command(Command::Survey(SurveyOf::Samples));
    settle(window);
    let tag = script.asked.borrow().iter().find_map(|it| match it {
        Request::Study {
            tag,
            study: Study::Survey { .. },
        } => Some(*tag),
        _ => None,
    });
    let tag = tag.unwrap();
    let steps = baseline(TOUR_LIKE, 500).into_iter();
    let steps = steps.filter_map(|it| match it {
        Event::Row(RowEvent::Stepped { step, .. }) => Some(step),
        _ => None,
    });
    for (n, step) in steps.enumerate() {
        for text in 0..8 {
            let step = step.clone();
            let text = (n + text) % 8;
            let event = StudyEvent::Surveyed { text, step };
            script.say([Event::Study { tag, event }]);
        }
    }
    let event = StudyEvent::Ended {
        result: Ok(()),
        cancelled: false,
    };
    script.say([Event::Study { tag, event }]);
    settle(window);
}

#[test]
fn every_panel_alone() {
    for (theme, name) in [(Theme::Dark, "dark"), (Theme::Light, "light")] {
        let events = edited(TOUR_LIKE, 60, 44);
        let (mut window, script) = scripted((640.0, 460.0), theme, events, true);
        with_edits(&mut window, &script);
        surveyed(&script, &mut window);
        for (panel, _) in PANELS {
            window.state_mut().command(Command::ToggleAlone(panel));
            check(&mut window, &format!("panel_{panel}_{name}"));
        }
    }
}

/// Four steps of one model over a mix of texts, one layer told.
#[test]
fn experts_followed_through_checkpoints() {
    let (folder, paths) = crate::broken::steps([(0.0, 0), (0.03, 50), (0.2, 100), (1.0, 200)]);
    let paths = paths.map(std::path::PathBuf::from);
    let text = folder.path().join("mixed.txt");
    let parts = SAMPLES.iter();
    let parts = parts.map(|(_, text)| text.chars().take(160).collect::<String>());
    std::fs::write(&text, parts.collect::<Vec<_>>().join("\n")).unwrap();
    for (theme, name) in [(Theme::Dark, "dark"), (Theme::Light, "light")] {
        let events = baseline(TOUR_LIKE, 40);
        let (mut window, _script) = scripted((640.0, 520.0), theme, events, true);
        let app = window.state_mut();
        app.command(Command::Survey(SurveyOf::Files(vec![text.clone()])));
        app.command(Command::ToggleAlone("health"));
        app.command(Command::Select(Selection {
            router: Some(RouterId(3)),
            expert: None,
            ..Selection::default()
        }));
        settle(&mut window);
        click(&mut window, "over: texts");
        click(&mut window, "several checkpoints");
        window.state_mut().command(Command::Steps(paths.to_vec()));
        super::health::read_until(&mut window, |it| {
            let steps = it.session().steps.as_ref();
            steps.is_some_and(|it| it.progress.is_none())
        });
        check(&mut window, &format!("panel_health_steps_{name}"));
    }
}
