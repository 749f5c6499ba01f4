//! Nothing is cut off and nothing lies over anything else: every text of every panel, at the smallest
//! window that is promised and at twice the size of letters.

use eframe::egui::{
    Event as Input, Modifiers, MouseWheelSource, MouseWheelUnit, Pos2, Rect, Shape, TouchPhase,
    Vec2, epaint::ClippedShape, vec2,
};
use moescope::app::{HUGE, HeadlessApp, Size, SyntheticSession, TOUR_LIKE};
use moescope::spec::{ExpertId, Position, RouterId};
use moescope::ui::{Command, PANELS, RowChoice, Selection};

use super::script::Script;

/// Points a letter may reach over an edge: side bearings, rounding.
const SLACK: f32 = 1.5;

/// One text on screen.
#[derive(Clone, Debug)]
pub struct Text {
    pub words: String,
    pub ink: Rect,
    clip: Rect,
}

impl Text {
    fn is_in_sight(&self) -> bool {
        let seen = self.ink.intersect(self.clip);
        seen.width() > SLACK && seen.height() > SLACK
    }

    /// Cut at the left or right.
    fn is_cut_across(&self) -> bool {
        let clip = self.clip.expand(SLACK);
        self.is_in_sight() && (self.ink.left() < clip.left() || self.ink.right() > clip.right())
    }

    /// Cut, or out of sight, at the top or bottom.
    fn is_cut_down(&self) -> bool {
        let clip = self.clip.expand(SLACK);
        self.ink.top() < clip.top() || self.ink.bottom() > clip.bottom()
    }

    /// Cut at the top, its foot still in sight.
    pub fn is_cut_above(&self) -> bool {
        self.is_in_sight() && self.ink.top() < self.clip.top() - SLACK
    }

    /// Bold letters are the same ones twice, half a point apart.
    fn is_bold_of(&self, other: &Self) -> bool {
        self.words == other.words && (self.ink.min - other.ink.min).length() < 1.0
    }

    fn lies_over(&self, other: &Self) -> bool {
        if self.is_bold_of(other) {
            return false;
        }
        let both = self
            .ink
            .intersect(self.clip)
            .intersect(other.ink.intersect(other.clip));
        both.width() > SLACK && both.height() > SLACK
    }
}

pub fn texts(shapes: &[ClippedShape]) -> Vec<Text> {
    let mut out = Vec::new();
    for it in shapes {
        collect(&it.shape, it.clip_rect, &mut out);
    }
    out
}

fn collect(shape: &Shape, clip: Rect, out: &mut Vec<Text>) {
    match shape {
        Shape::Vec(all) => all.iter().for_each(|it| collect(it, clip, out)),
        // Nothing is seen of what is clipped to nothing.
        Shape::Text(it) if clip.is_positive() && !it.galley.text().trim().is_empty() => {
            let ink = it.galley.mesh_bounds.translate(it.pos.to_vec2());
            let ink = if it.angle == 0.0 {
                ink
            } else {
                it.visual_bounding_rect()
            };
            out.push(Text {
                words: it.galley.text().to_owned(),
                ink,
                clip,
            });
        }
        _ => {}
    }
}

pub fn stage(model: Size, size: Vec2, zoom: f32) -> HeadlessApp {
    let script = Script::default();
    let mut stage = HeadlessApp::new(Box::new(script.clone()), size);
    script.say(SyntheticSession::new(model).edited(60, 44));
    stage.frame(Vec::new());
    stage.ctx().set_zoom_factor(zoom);
    stage.app_mut().command(Command::Select(Selection {
        row: RowChoice::Baseline,
        position: Some(Position(11)),
        router: Some(RouterId(4)),
        expert: Some(ExpertId(1)),
    }));
    settle(&mut stage);
    stage
}

pub fn settle(stage: &mut HeadlessApp) {
    (0..8).for_each(|_| {
        stage.frame(Vec::new());
    });
}

/// Whether what is cut off at `at` can be brought into sight with the wheel.
fn scrolls(stage: &mut HeadlessApp, text: &Text) -> bool {
    let top = |stage: &HeadlessApp| {
        let found = texts(stage.shapes());
        let same =
            |it: &&Text| it.words == text.words && (it.ink.left() - text.ink.left()).abs() < 1.0;
        found.iter().find(same).map(|it| it.ink.top())
    };
    // What was moved out of sight while another part of its list was looked at scrolls.
    let Some(before) = top(stage) else {
        return true;
    };
    let places: [Pos2; 2] = [
        text.clip.center(),
        text.clip.left_bottom() + vec2(12.0, -6.0),
    ];
    for (place, way) in places.iter().flat_map(|it| [(it, -60.0), (it, 60.0)]) {
        stage.frame(vec![Input::PointerMoved(*place)]);
        stage.frame(vec![Input::MouseWheel {
            unit: MouseWheelUnit::Point,
            source: MouseWheelSource::Unknown,
            delta: vec2(0.0, way),
            phase: TouchPhase::Move,
            modifiers: Modifiers::NONE,
        }]);
        (0..20).for_each(|_| {
            stage.frame(Vec::new());
        });
        if top(stage) != Some(before) {
            stage.frame(vec![Input::PointerGone]);
            return true;
        }
    }
    stage.frame(vec![Input::PointerGone]);
    false
}

pub fn faults(stage: &mut HeadlessApp) -> Vec<String> {
    let found = texts(stage.shapes());
    let mut out = Vec::new();
    for text in found.iter().filter(|it| it.is_cut_across()) {
        out.push(format!(
            "“{}” is cut off: {:?} in {:?}",
            text.words, text.ink, text.clip
        ));
    }
    let mut clips: Vec<Rect> = Vec::new();
    for text in found.iter().filter(|it| it.is_cut_down()) {
        if clips.contains(&text.clip) {
            continue;
        }
        clips.push(text.clip);
        if !scrolls(stage, text) {
            out.push(format!(
                "“{}” is cut off and does not scroll: {:?} in {:?}",
                text.words, text.ink, text.clip
            ));
        }
    }
    let seen: Vec<&Text> = found.iter().filter(|it| it.is_in_sight()).collect();
    for (n, text) in seen.iter().enumerate() {
        for other in seen[..n].iter().filter(|it| it.lies_over(text)) {
            out.push(format!(
                "“{}” lies over “{}”: {:?} {:?}",
                text.words, other.words, text.ink, other.ink
            ));
        }
    }
    out
}

/// Every panel in front once, in the layout that a new user sees.
fn check(model: Size, size: Vec2, zoom: f32) {
    let mut all = Vec::new();
    for (name, _) in PANELS {
        let mut stage = stage(model, size, zoom);
        stage.app_mut().command(Command::ShowPanel(name));
        settle(&mut stage);
        all.extend(
            faults(&mut stage)
                .into_iter()
                .map(|it| format!("{name}: {it}")),
        );
    }
    all.sort();
    all.dedup();
    let n = all.len();
    all.truncate(30);
    assert!(all.is_empty(), "{n} faults, among them {all:#?}");
}

#[test]
fn no_label_is_cut_or_covered_in_the_smallest_window() {
    check(TOUR_LIKE, vec2(1024.0, 700.0), 1.0);
    check(HUGE, vec2(1024.0, 700.0), 1.0);
}

#[test]
fn no_label_is_cut_or_covered_at_twice_the_size() {
    check(TOUR_LIKE, vec2(1440.0, 900.0), 2.0);
    check(HUGE, vec2(1440.0, 900.0), 2.0);
}

#[test]
fn no_label_is_cut_or_covered_at_first() {
    check(TOUR_LIKE, vec2(1440.0, 900.0), 1.0);
    check(HUGE, vec2(1440.0, 900.0), 1.0);
}
