//! What can be chosen in the head of the panel; where it is narrow, several choices share one chip.

use eframe::egui::{RichText, ScrollArea, Ui};

use crate::analysis::PhaseFilter;
use crate::document::LoadValue;
use crate::spec::{RouterId, RouterSpec};
use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::{choice, choices, menu_chip, row_chip, said};
use crate::ui::words::count_of;
use crate::ui::{Command, Cx, Drawing, Selection};

use super::{LoadSettings, Over, Scope};

/// Heads narrower than this, points, keep their choices behind fewer chips.
const ROOMY: f32 = 500.0;

/// The windows offered over time.
const WINDOWS: [Option<usize>; 5] = [Some(8), Some(32), Some(128), Some(512), None];

/// The chips, from right to left.
pub fn head_ui(cx: &mut Cx<'_>, ui: &mut Ui, view: &mut LoadSettings) {
    if cx.drawing == Drawing::Paper || cx.spec().is_none() {
        return;
    }
    let roomy = ui.available_width() >= ROOMY;
    more_chip(ui, view, roomy);
    if view.scope == Scope::One && roomy {
        let hover = "The whole text, or token by token";
        menu_chip(ui, "", over_label(view.over), hover, |ui| over_ui(ui, view));
    }
    router_chip(cx, ui, view);
    row_chip(cx, ui);
}

fn over_label(over: Over) -> &'static str {
    match over {
        Over::Total => "in total",
        Over::Time => "over time",
    }
}

fn over_ui(ui: &mut Ui, view: &mut LoadSettings) {
    let all = [Over::Total, Over::Time];
    if let Some(it) = choices(ui, all, view.over, |it| over_label(it).to_owned()) {
        view.over = it;
    }
}

fn window_label(window: Option<usize>) -> String {
    window.map_or_else(
        || "since the start".to_owned(),
        |it| format!("last {}", count_of(it, "token")),
    )
}

/// Value, phase, and what belongs to the view shown.
fn more_chip(ui: &mut Ui, view: &mut LoadSettings, roomy: bool) {
    let mut words = view.value.label().to_owned();
    if view.phase != PhaseFilter::All {
        words = format!("{words}, {}", view.phase.label());
    }
    menu_chip(ui, "", &words, "What is counted", |ui| {
        if view.scope == Scope::One && !roomy {
            over_ui(ui, view);
            ui.separator();
        }
        heading(ui, "value");
        let all = [LoadValue::Share, LoadValue::Mass];
        if let Some(it) = choices(ui, all, view.value, |it| it.label().to_owned()) {
            view.value = it;
        }
        heading(ui, "tokens counted");
        if let Some(it) = choices(ui, PhaseFilter::ALL, view.phase, |it| it.label().to_owned()) {
            view.phase = it;
        }
        if view.scope == Scope::One && view.over == Over::Time {
            heading(ui, "share over");
            if let Some(it) = choices(ui, WINDOWS, view.window, window_label) {
                view.window = it;
            }
        }
        if view.scope == Scope::One && view.over == Over::Total {
            heading(ui, "lines");
            if choice(ui, view.thresholds, "thresholds of the verdict") {
                view.thresholds = !view.thresholds;
            }
        }
    });
}

fn heading(ui: &mut Ui, words: &str) {
    ui.weak(RichText::new(said(ui, words)).size(LABEL_SIZE));
}

fn router_chip(cx: &mut Cx<'_>, ui: &mut Ui, view: &mut LoadSettings) {
    let Some(spec) = cx.spec() else {
        return;
    };
    let now = cx.selection.router.or_else(|| spec.middle_router());
    let label = |it: RouterId| spec.router(it).map_or_else(String::new, RouterSpec::label);
    let name = match view.scope {
        Scope::One => now.map_or_else(String::new, label),
        Scope::All => "all routers".to_owned(),
    };
    let mut chosen = None;
    menu_chip(ui, "", &name, "The router shown", |ui| {
        if choice(ui, view.scope == Scope::All, "all routers") {
            view.scope = Scope::All;
        }
        ui.separator();
        ScrollArea::vertical().max_height(320.0).show(ui, |ui| {
            let one = view.scope == Scope::One;
            for (id, router) in spec.router_ids() {
                if choice(ui, one && now == Some(id), &router.label()) {
                    chosen = Some(id);
                }
            }
        });
    });
    if let Some(router) = chosen {
        view.scope = Scope::One;
        cx.push(Command::Select(Selection {
            router: Some(router),
            ..cx.selection
        }));
    }
}
