//! A frame never waits for what is computed: neither for a backend that takes a second for each step,
//! nor for a graphics processor that is never idle.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use eframe::egui::Theme;
use egui_kittest::kittest::Queryable as _;
use moescope::app::App;
use moescope::checkpoint::Bundled;
use moescope::engine::{
    Engine, Event, ModelSource, Options, ReadyOpener, Request, ScriptedBackend, ScriptedRow,
};
use moescope::spec::{DeviceChoice, Placement};
use moescope::trace::{RowEvent, RowRecord};
use moescope::ui::Command;

use super::drive::{Window, builder, scripted, settle, tour, until, whereabouts};
use super::endurance::{MOST_SECS, thread_secs};
use super::fixture::labels;
use super::script::{TOUR_LIKE, baseline};
use crate::gpu::opened_on;

const SIZE: (f32, f32) = (1440.0, 900.0);
const HOLD: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_mins(2);
/// Tokens there are to write, more than are waited for.
const N_HELD: u32 = 24;
/// Tokens written unpaced.
const N_UNPACED: u32 = 96;

/// Most seconds of a frame, waits included: half of what a step is held. A machine may stop a process that used
/// up its share of the cores, and does not count that as standing in line.
const MOST_WITH_WAITS_SECS: f64 = 0.5;

/// Seconds this thread stood in line for a core, where the system says: what else runs takes them, the
/// software driver too, and they are no wait of the window's.
fn queued_secs() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().nth(1);
    nanos.and_then(|it| it.parse::<f64>().ok()).unwrap_or(0.0) * 1e-9
}

/// One frame: seconds that the thread worked or waited for something other than a core. What it worked is
/// within the budget of every frame.
fn frame_secs(window: &mut Window, what: &str) -> f64 {
    // The clock last: to stand in line between the two is no wait of the frame's.
    let (worked, queued) = (thread_secs(), queued_secs());
    let start = Instant::now();
    window.step();
    let secs = start.elapsed().as_secs_f64() - (queued_secs() - queued);
    let worked = worked.zip(thread_secs()).map_or(secs, |(a, b)| b - a);
    assert!(worked <= MOST_SECS, "{worked:.3} s of work until {what}");
    assert!(secs <= MOST_WITH_WAITS_SECS, "{secs:.3} s until {what}");
    secs
}

/// Frames until something holds; the seconds of each, every one within the budget.
fn watched(window: &mut Window, what: &str, holds: impl Fn(&App) -> bool) -> Vec<f64> {
    let start = Instant::now();
    let mut all = Vec::new();
    while !holds(window.state()) {
        all.push(frame_secs(window, what));
        let app = window.state();
        assert!(
            start.elapsed() < PATIENCE,
            "waited in vain until {what}; {}",
            whereabouts(app)
        );
        thread::sleep(Duration::from_millis(2));
    }
    all
}

fn n_tokens(app: &App) -> usize {
    let row = app.session().baseline();
    row.map_or(0, |it| it.record.store.len())
}

fn play(window: &mut Window, n: u32) {
    window.state_mut().command(Command::SetPace(None));
    window.state_mut().command(Command::SetStopAfter(n));
    window.state_mut().command(Command::PlayPause);
}

/// What the Tour model writes after the first prompt.
fn recorded(n: u32) -> RowRecord {
    let mut window = tour();
    let before = n_tokens(window.state());
    play(&mut window, n);
    until(&mut window, "the text is written", |it| {
        it.is_idle() && n_tokens(it) > before
    });
    window.state().session().baseline().unwrap().record.clone()
}

#[test]
fn frames_go_on_while_each_step_takes_a_second() {
    let record = recorded(N_HELD);
    let opener = ReadyOpener(move |_: &ModelSource| {
        let rows = vec![ScriptedRow::plain(record.clone())];
        let open =
            opened_on(|spec| Box::new(ScriptedBackend::new(spec, rows).unwrap().with_hold(HOLD)));
        Ok(open)
    });
    let mut window = builder(SIZE, Theme::Dark).build_eframe(move |cc| {
        let ctx = cc.egui_ctx.clone();
        let wake = Box::new(move || ctx.request_repaint());
        let engine = Engine::spawn(Box::new(opener), Options::default(), wake).unwrap();
        App::new(
            cc,
            Box::new(engine),
            Some(ModelSource::Bundled(Bundled::Tour)),
        )
    });
    // The prompt is read first, which is told.
    watched(&mut window, "the prompt begins to be read", |it| {
        it.session().backlog.is_some()
    });
    window.step();
    window.get_by_label_contains("reading: ");
    watched(&mut window, "the prompt is read", |it| {
        it.is_idle() && n_tokens(it) > 0
    });
    play(&mut window, N_HELD);
    watched(&mut window, "it plays", |it| it.session().playing);
    window.step();
    window.get_by_label("Pause");
    let before = n_tokens(window.state());
    let start = Instant::now();
    let frames = watched(&mut window, "two tokens are written", |it| {
        n_tokens(it) > before + 1
    });
    assert!(start.elapsed() > HOLD, "a step was held");
    assert!(frames.len() >= 10, "{} frames in two steps", frames.len());
}

#[test]
fn how_much_of_the_weights_was_read_ahead_is_told_until_all_is() {
    let (mut window, script) = scripted(SIZE, Theme::Dark, baseline(TOUR_LIKE, 12), true);
    let told = |window: &Window| labels(window, "7.5 GB of 18.1 GB in memory").len();
    let read = |done_bytes| Event::ReadAhead {
        done_bytes,
        total_bytes: 18_100_000_000,
    };
    for (done_bytes, n) in [(7_500_000_000, 1), (18_100_000_000, 0)] {
        script.say([read(done_bytes)]);
        settle(&mut window);
        assert_eq!(told(&window), n, "{done_bytes}");
    }
}

/// In a narrow window the bar of the tokens that are read has its place, and that of the weights comes after it.
#[test]
fn what_is_read_lies_over_nothing_in_a_narrow_window() {
    for (width, has_pages) in [(1024.0, false), (1440.0, true)] {
        let mut events = baseline(TOUR_LIKE, 12);
        events.retain(|it| !matches!(it, Event::Row(RowEvent::Stepped { .. })));
        let (mut window, script) = scripted((width, 700.0), Theme::Dark, events, true);
        script.say([
            Event::ReadAhead {
                done_bytes: 7_500_000_000,
                total_bytes: 18_100_000_000,
            },
            Event::Backlog {
                n_left: 12,
                n_total: 12,
            },
        ]);
        settle(&mut window);
        let shown = !labels(&window, "7.5 GB of 18.1 GB in memory").is_empty();
        assert_eq!(shown, has_pages, "{width}");
        let words = window.get_by_label("reading: 0 of 12 tokens").rect();
        for before in window.get_all_by_label("seed") {
            let before = before.rect();
            assert!(words.left() > before.right(), "{words} over {before}");
        }
    }
}

/// Of a model on a disk reading the first tokens takes seconds: the bar moves layer by layer.
#[test]
fn how_many_layers_have_run_on_the_first_tokens_is_told() {
    let mut events = baseline(TOUR_LIKE, 12);
    events.retain(|it| !matches!(it, Event::Row(RowEvent::Stepped { .. })));
    events.retain(|it| !matches!(it, Event::Backlog { .. }));
    let (mut window, script) = scripted(SIZE, Theme::Dark, events, true);
    let told = |window: &Window| labels(window, "reading: 0 of 12 tokens");
    script.say([Event::Backlog {
        n_left: 12,
        n_total: 12,
    }]);
    settle(&mut window);
    assert_eq!(told(&window), ["reading: 0 of 12 tokens"]);
    for n_done in [7, 8] {
        script.say([Event::Slice {
            n_tokens: 8,
            n_done,
            n_layers: 48,
        }]);
        settle(&mut window);
        let want = format!("reading: 0 of 12 tokens, {n_done} of 48 layers");
        assert_eq!(told(&window), [want]);
    }
    script.say([Event::Backlog {
        n_left: 4,
        n_total: 12,
    }]);
    settle(&mut window);
    assert_eq!(labels(&window, "reading: "), ["reading: 8 of 12 tokens"]);
    // It can be given up; where nothing is read, K stops what is written.
    let last = || script.asked.borrow().last().cloned();
    window.state_mut().command(Command::Pause);
    settle(&mut window);
    assert_eq!(last(), Some(Request::CancelBacklog));
    script.say([Event::Backlog {
        n_left: 0,
        n_total: 12,
    }]);
    settle(&mut window);
    window.state_mut().command(Command::Pause);
    settle(&mut window);
    assert_eq!(last(), Some(Request::Pause));
}

#[test]
fn frames_stay_quick_while_the_graphics_processor_writes_as_fast_as_it_can() {
    let placement = Placement {
        device: DeviceChoice::Gpu,
        quantize: None,
    };
    let mut window = builder(SIZE, Theme::Dark).build_eframe(move |cc| {
        App::on_engine(cc, ModelSource::Bundled(Bundled::Tour), placement).unwrap()
    });
    watched(&mut window, "the prompt is read", |it| {
        it.is_idle() && n_tokens(it) > 0
    });
    let facts = window.state().session().facts.clone().unwrap();
    assert!(facts.device.is_gpu, "{:?}", facts.device);
    let before = n_tokens(window.state());
    play(&mut window, N_UNPACED);
    let mut frames = watched(&mut window, "the text is written", |it| {
        it.is_idle() && n_tokens(it) > before
    });
    let written = n_tokens(window.state()) - before;
    let failure = window.state().session().message.as_ref();
    assert!(written >= 64, "{written} tokens, {failure:?}");
    frames.sort_by(f64::total_cmp);
    let (median, slowest) = (frames[frames.len() / 2], frames[frames.len() - 1]);
    println!(
        "{written} tokens, {} frames: median {median:.4} s, slowest {slowest:.4} s",
        frames.len()
    );
}
