//! `bench --ui`: what a frame costs the UI thread, with every panel open on a large made-up trace.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use eframe::egui::{Event as Input, pos2, vec2};
use egui_kittest::Harness;
use serde_json::{Value, json};

use crate::cli::{Failure, Output};
use crate::engine::{Event, Request};
use crate::spec::{ExpertId, Position, RouterId, count_of};
use crate::ui::{Command, PANELS, RowChoice, Selection};

use super::screenshot::check_adapter;
use super::{App, FrameCost, HUGE, HeadlessApp, Link, SyntheticSession};

/// Tokens of each row.
const N_TOKENS: u32 = 2_000;
/// Frames before any counts.
const N_WARM_UP: usize = 60;
/// Frames that count, of each kind.
const N_FRAMES: usize = 240;
/// Tokens of each row, and frames, where painting is timed.
const N_PAINTED: u32 = 200;
const N_PAINTINGS: usize = 15;
/// The window, points.
const SIZE: (f32, f32) = (1920.0, 1080.0);

/// A link whose events are put in by hand; what is asked is not answered.
#[derive(Clone, Default)]
struct Script(Rc<RefCell<Vec<Event>>>);

impl Link for Script {
    fn send(&mut self, _request: Request) -> Result<(), Request> {
        Ok(())
    }

    fn events(&mut self) -> Vec<Event> {
        self.0.take()
    }
}

/// Frames of one kind.
struct Measured {
    name: &'static str,
    /// Seconds, sorted.
    secs: Vec<f64>,
    /// The median frame's tessellation, seconds.
    tessellation: f64,
}

impl Measured {
    fn at(&self, share: f64) -> f64 {
        let last = self.secs.len().saturating_sub(1);
        let index = (last as f64 * share).round() as usize;
        self.secs.get(index).copied().unwrap_or(0.0) * 1e3
    }
}

/// Measures, and prints milliseconds a frame.
///
/// # Errors
/// A result that cannot be printed.
pub fn bench_ui(as_json: bool) -> Result<(), Failure> {
    let size = HUGE;
    let mut output = Output::standard();
    output.remark(format_args!(
        "making up {} of {} layers × {} experts, baseline, edited and counterfactual",
        count_of(N_TOKENS, "token"),
        size.n_layers,
        size.n_experts
    ));
    let synthetic_session = SyntheticSession {
        n_ctx: 4096,
        ..SyntheticSession::new(size)
    };
    let script = Script::default();
    let mut stage = HeadlessApp::new(Box::new(script.clone()), vec2(SIZE.0, SIZE.1));
    *script.0.borrow_mut() = synthetic_session.edited(N_TOKENS, N_TOKENS);
    stage.app_mut().command(Command::ShowAll);
    stage.app_mut().command(Command::Select(Selection {
        row: RowChoice::Baseline,
        position: Some(Position(N_TOKENS / 2)),
        router: Some(RouterId(47)),
        expert: Some(ExpertId(5)),
    }));
    (0..N_WARM_UP).for_each(|_| {
        stage.frame(Vec::new());
    });
    let still = frames(&mut stage, "nothing changes", |_, _| Vec::new());
    let pointed = frames(&mut stage, "the pointer moves", |_, n| pointer(n));
    let moved = frames(&mut stage, "the selection moves", select);
    let written = frames(&mut stage, "three rows grow by a token", |_, n| {
        let events = synthetic_session.next(N_TOKENS + n as u32);
        script.0.borrow_mut().extend(events);
        Vec::new()
    });
    let alone = alone(&mut stage);
    drop(stage);
    let painting = painting(&synthetic_session, &mut output);
    let kinds = [still, pointed, moved, written];
    let all: Vec<Measured> = kinds.into_iter().chain(alone).collect();
    if as_json {
        output.print_json(&object(&all, painting), false)
    } else {
        output.print(&page(&all, painting))
    }
}

/// Each panel alone in the window, the selection moving: where the time goes.
fn alone(stage: &mut HeadlessApp) -> Vec<Measured> {
    let panel = |(name, _): &(&'static str, _)| {
        stage.app_mut().command(Command::ToggleAlone(name));
        (0..N_WARM_UP).for_each(|_| {
            stage.frame(Vec::new());
        });
        let still = frames(stage, name, |_, _| Vec::new());
        [still, frames(stage, "  selection moves", select)]
    };
    PANELS.iter().flat_map(panel).collect()
}

/// Another token, layer and expert each frame.
fn select(stage: &mut HeadlessApp, n: usize) -> Vec<Input> {
    stage.app_mut().command(Command::Select(Selection {
        row: RowChoice::Baseline,
        position: Some(Position(N_TOKENS / 2 + n as u32)),
        router: Some(RouterId::new(n % usize::from(HUGE.n_layers))),
        expert: Some(ExpertId::new(n % HUGE.n_experts)),
    }));
    Vec::new()
}

/// Milliseconds to paint a frame off screen, read back included; none where there is nothing to draw with.
fn painting(synthetic_session: &SyntheticSession, output: &mut Output<'_>) -> Option<f64> {
    check_adapter().ok()?;
    output.remark("painting");
    let script = Script::default();
    let link = script.clone();
    let mut window = Harness::builder()
        .with_size(vec2(SIZE.0, SIZE.1))
        .allow_missing_glyphs()
        .with_accessibility_check(false)
        .wgpu()
        .build_eframe(move |cc| App::new(cc, Box::new(link), None));
    *script.0.borrow_mut() = synthetic_session.edited(N_PAINTED, N_PAINTED);
    window.state_mut().command(Command::ShowAll);
    (0..N_WARM_UP).for_each(|_| window.step());
    let mut millis: Vec<f64> = (0..N_PAINTINGS)
        .filter_map(|_| {
            let start = Instant::now();
            window.render().ok()?;
            Some(start.elapsed().as_secs_f64() * 1e3)
        })
        .collect();
    millis.sort_by(f64::total_cmp);
    millis.get(millis.len() / 2).copied()
}

fn frames(
    stage: &mut HeadlessApp,
    name: &'static str,
    mut before: impl FnMut(&mut HeadlessApp, usize) -> Vec<Input>,
) -> Measured {
    let mut costs: Vec<FrameCost> = (0..N_FRAMES)
        .map(|n| {
            let events = before(stage, n);
            stage.frame(events)
        })
        .collect();
    costs.sort_by_key(FrameCost::total);
    let median = costs.get(N_FRAMES / 2).copied().unwrap_or_default();
    Measured {
        name,
        secs: costs.iter().map(|it| it.total().as_secs_f64()).collect(),
        tessellation: Duration::as_secs_f64(&median.tessellation),
    }
}

/// Across the whole window, from left to right and a little down each frame.
fn pointer(n: usize) -> Vec<Input> {
    let t = n as f32 / N_FRAMES as f32;
    let x = (t * 7.0).fract() * SIZE.0;
    vec![Input::PointerMoved(pos2(x, t * SIZE.1))]
}

fn object(all: &[Measured], painting: Option<f64>) -> Value {
    let kinds: Vec<_> = all
        .iter()
        .map(|it| {
            json!({
                "frames": it.name, "n": it.secs.len(), "median_ms": it.at(0.5),
                "p99_ms": it.at(0.99), "tessellation_ms": it.tessellation * 1e3,
            })
        })
        .collect();
    json!({ "tokens": N_TOKENS, "ui": kinds, "painting_ms": painting })
}

fn page(all: &[Measured], painting: Option<f64>) -> String {
    let mut lines = vec![
        "UI thread, milliseconds a frame: logic, widgets, tessellation; every panel open"
            .to_owned(),
    ];
    lines.extend(all.iter().map(|it| {
        format!(
            "{:<28}median {:5.2}, 99th percentile {:6.2}, of the median {:.2} tessellation",
            it.name,
            it.at(0.5),
            it.at(0.99),
            it.tessellation * 1e3
        )
    }));
    lines.push(match painting {
        Some(it) => format!("painting a frame off screen, read back included: {it:.0} ms"),
        None => "painting: there is nothing to draw with here".to_owned(),
    });
    lines.join("\n") + "\n"
}
