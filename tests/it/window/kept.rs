//! What is kept from frame to frame is never stale: a window that was looked at through every change draws what one
//! draws that is looked at for the first time after them.

use eframe::egui::{Rect, Shape, Theme, ThemePreference, Vec2, epaint::ClippedShape, vec2};
use moescope::app::{HUGE, HeadlessApp, Size, SyntheticSession, TOUR_LIKE};
use moescope::engine::Event;
use moescope::spec::{ExpertId, Position, RouterId};
use moescope::ui::{Command, ExpertAt, PANELS, RowChoice, Selection};

use super::drive::{Window, scripted};
use super::script::Script;

/// Tokens of each row: few enough for no panel to scroll, where sight would depend on what was seen before.
const N: u32 = 40;
/// More routers, and more experts of each, than have widgets of their own.
const MANY: Size = Size {
    n_layers: 24,
    n_experts: 64,
    top_k: 4,
};
/// The panel that is shown while another is not looked at.
const ASIDE: &str = "edits";

/// Something that changes what is drawn.
enum Change {
    Asks(Command),
    Says(Vec<Event>),
    Grows(Vec2),
}

fn select(row: RowChoice, position: u32, router: u16, expert: u16) -> Change {
    Change::Asks(Command::Select(Selection {
        row,
        position: Some(Position(position)),
        router: Some(RouterId::new(usize::from(router))),
        expert: Some(ExpertId(expert)),
    }))
}

/// One of each kind, in an order in which each follows another kind.
fn changes(size: Size) -> Vec<(&'static str, Change)> {
    let pin = ExpertAt {
        router: RouterId(2),
        expert: ExpertId(3),
    };
    let baseline = RowChoice::Baseline;
    let synthetic_session = SyntheticSession::new(size);
    let light = Command::SetTheme(ThemePreference::Light);
    let mask: Command = Command::AddEdit("mask:1.4@3..".parse().unwrap());
    vec![
        ("a token", select(baseline, 11, 2, 1)),
        ("a layer", select(baseline, 11, 4, 1)),
        ("a pin", Change::Asks(Command::TogglePin(pin))),
        ("an expert", select(baseline, 11, 4, 6)),
        ("new tokens", Change::Says(synthetic_session.next(N).into())),
        ("the other row", select(RowChoice::Edited, 12, 4, 6)),
        ("light", Change::Asks(light)),
        ("an edit", Change::Asks(mask)),
        (
            "more new tokens",
            Change::Says(synthetic_session.next(N + 1).into()),
        ),
        ("the pin gone", Change::Asks(Command::TogglePin(pin))),
        ("a larger window", Change::Grows(vec2(1980.0, 1120.0))),
        ("larger letters", Change::Asks(Command::ZoomIn)),
        ("another token", select(baseline, 5, 1, 0)),
    ]
}

/// A window, and what is behind it.
struct Seen {
    stage: HeadlessApp,
    script: Script,
}

impl Seen {
    /// Looked at through all of `changes`, or only after them.
    fn through(size: Size, panel: &'static str, changes: &[(&str, Change)], always: bool) -> Self {
        let script = Script::default();
        let stage = HeadlessApp::new(Box::new(script.clone()), vec2(1920.0, 1080.0));
        let mut out = Self { stage, script };
        out.script.say(SyntheticSession::new(size).edited(N, N));
        let first = if always { panel } else { ASIDE };
        out.stage.app_mut().command(Command::ToggleAlone(first));
        out.settle();
        for (_, change) in changes {
            out.change(change);
        }
        if !always {
            out.stage.app_mut().command(Command::ToggleAlone(panel));
            out.settle();
        }
        out
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Asks(it) => self.stage.app_mut().command(it.clone()),
            Change::Says(it) => self.script.say(it.clone()),
            Change::Grows(it) => self.stage.resize(*it),
        }
        self.settle();
    }

    /// Until everything has its place, and what is made a portion a frame is made.
    fn settle(&mut self) {
        (0..12).for_each(|_| {
            self.stage.frame(Vec::new());
        });
    }

    fn drawn(&self) -> Vec<String> {
        let mut out = Vec::new();
        for ClippedShape {
            clip_rect, shape, ..
        } in self.stage.shapes()
        {
            told(shape, *clip_rect, &mut out);
        }
        out
    }
}

/// A shape in words. Where letters lie on their texture depends on what was written before.
fn told(shape: &Shape, clip: Rect, out: &mut Vec<String>) {
    match shape {
        Shape::Vec(all) => all.iter().for_each(|it| told(it, clip, out)),
        Shape::Text(it) => {
            let sections = it.galley.job.sections.iter();
            let colors: Vec<_> = sections.map(|it| it.format.color).collect();
            let (text, fallback) = (it.galley.text(), it.fallback_color);
            out.push(format!(
                "{clip:?} {:?} {text:?} {colors:?} {fallback:?}",
                it.pos
            ));
        }
        // Told apart by the pictures below.
        Shape::Callback(it) => out.push(format!("{clip:?} callback {:?}", it.rect)),
        Shape::Noop => {}
        other => out.push(format!("{clip:?} {other:?}")),
    }
}

fn check(size: Size, panels: impl IntoIterator<Item = &'static str>) {
    for panel in panels {
        let all = changes(size);
        let mut warm = Seen::through(size, panel, &[], true);
        for (n, (name, change)) in all.iter().enumerate() {
            warm.change(change);
            let cold = Seen::through(size, panel, &all[..=n], false);
            let (warm, cold) = (warm.drawn(), cold.drawn());
            assert!(
                cold.len() > 20,
                "{panel} after {name}: {} shapes",
                cold.len()
            );
            let differs = warm.iter().zip(&cold).find(|(a, b)| a != b);
            assert_eq!(differs, None, "{panel} after {name}");
            assert_eq!(warm.len(), cold.len(), "{panel} after {name}");
        }
    }
}

#[test]
fn every_panel_draws_after_each_change_what_a_new_one_draws() {
    let all = PANELS.iter().map(|it| it.0);
    check(TOUR_LIKE, all.filter(|it| *it != ASIDE));
}

#[test]
fn so_it_does_where_experts_are_too_many_for_widgets() {
    check(MANY, ["heatmap", "path", "load", "expert", "router"]);
}

/// Meshes that stay on the device are seen only where one paints.
struct Painted {
    window: Window,
    script: Script,
}

impl Painted {
    fn new(first: &'static str) -> Self {
        let events = SyntheticSession::new(HUGE).edited(N, N);
        let (window, script) = scripted((700.0, 460.0), Theme::Dark, events, true);
        let mut out = Self { window, script };
        out.ask(Command::ToggleAlone(first));
        out
    }

    fn ask(&mut self, command: Command) {
        self.window.state_mut().command(command);
        (0..4).for_each(|_| self.window.step());
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Asks(it) => self.ask(it.clone()),
            Change::Says(it) => {
                self.script.say(it.clone());
                (0..4).for_each(|_| self.window.step());
            }
            Change::Grows(_) => {}
        }
    }
}

#[test]
fn paths_kept_on_the_device_are_painted_as_new_ones() {
    let all = changes(HUGE);
    let mut warm = Painted::new("path");
    let mut before = warm.window.render().unwrap();
    for (n, (name, change)) in all.iter().enumerate() {
        warm.change(change);
        let painted = warm.window.render().unwrap();
        let mut cold = Painted::new(ASIDE);
        all[..=n].iter().for_each(|it| cold.change(&it.1));
        cold.ask(Command::ToggleAlone("path"));
        let new = cold.window.render().unwrap();
        let pairs = painted.pixels().zip(new.pixels());
        // Where a letter lies on its texture may move a value by rounding.
        let differ = |(a, b): (&u8, &u8)| a.abs_diff(*b) > 3;
        let n_other = pairs
            .filter(|(a, b)| a.0.iter().zip(&b.0).any(differ))
            .count();
        assert_eq!(n_other, 0, "pixels differ after {name}");
        if name.ends_with("a token") || name.ends_with("other row") {
            assert_ne!(before, painted, "{name} is seen");
        }
        before = painted;
    }
}
