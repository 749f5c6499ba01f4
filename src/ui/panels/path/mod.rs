//! Tokens through the layers: which experts a token passed one after the other, and which follow which over a text.
//!
//! Routers stand side by side in the order of the model. What follows what is counted, not what causes what.

mod flow;
mod lanes;
mod layout;
mod nodes;
mod ribbon;
mod table;
mod tokens;
mod words;

use eframe::egui::Ui;

use crate::analysis::{FlowOf, PhaseFilter};
use crate::document::{Table, flow_of_words};
use crate::ui::widgets::{NO_ROUTER, READING, choices, menu_chip, nothing_yet, row_chip};
use crate::ui::{Cx, Drawing, ExpertAt, Memo, Panel, RowOf};

/// Heads narrower than this, points, keep the choice of tokens behind another chip.
const ROOMY: f32 = 480.0;

/// What is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Mode {
    /// The token shown, and those around it.
    #[default]
    Token,
    /// Every token of a phase.
    Flow,
}

impl Mode {
    const ALL: [Self; 2] = [Self::Token, Self::Flow];

    fn label(self) -> &'static str {
        match self {
            Self::Token => "this token",
            Self::Flow => "flow of the text",
        }
    }
}

/// How much of the flow is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum FlowAmount {
    /// As few as carry most of it.
    #[default]
    Strongest,
    /// All that can be told apart.
    All,
}

impl FlowAmount {
    const ALL: [Self; 2] = [Self::Strongest, Self::All];

    fn label(self) -> &'static str {
        match self {
            Self::Strongest => "strongest 60 %",
            Self::All => "all pairs",
        }
    }
}

/// What can be chosen in the head.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct PathSettings {
    mode: Mode,
    of: FlowOf,
    phase: PhaseFilter,
    amount: FlowAmount,
}

/// View state of the panel, and what it keeps between frames.
#[derive(Clone, Debug, Default)]
pub struct Path {
    view: PathSettings,
    tokens: tokens::TokenPaths,
    flow: Memo<RowOf, flow::FlowPlot>,
    /// The expert a menu was opened on, where experts have no widget each.
    menu: Option<ExpertAt>,
}

impl Panel for Path {
    fn title(&self) -> &'static str {
        "Path"
    }

    fn help(&self) -> &'static str {
        "The experts each token passed, layer by layer"
    }

    fn head_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        if cx.drawing == Drawing::Paper || cx.spec().is_none() {
            return;
        }
        let roomy = ui.available_width() >= ROOMY;
        if self.view.mode == Mode::Flow && roomy {
            phase_chip(ui, &mut self.view);
            amount_chip(ui, &mut self.view);
        }
        of_chip(ui, &mut self.view, roomy);
        mode_chip(ui, &mut self.view);
        row_chip(cx, ui);
    }

    fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        if let Some(why) = nothing_to_show(cx) {
            nothing_yet(ui, why);
            return;
        }
        match self.view.mode {
            Mode::Token => tokens::ui(cx, ui, self.view, &mut self.tokens, &mut self.menu),
            Mode::Flow => flow::ui(cx, ui, self.view, &mut self.flow, &mut self.menu),
        }
    }

    fn modes(&self) -> Vec<&'static str> {
        Mode::ALL.map(Mode::label).to_vec()
    }

    fn set_mode(&mut self, at: usize) {
        self.view.mode = Mode::ALL[at];
    }

    fn table(&self, cx: &Cx<'_>) -> Option<Table> {
        if nothing_to_show(cx).is_some() {
            return None;
        }
        match self.view.mode {
            Mode::Token => table::token(cx),
            Mode::Flow => table::flow(cx, self.view, self.flow.value()),
        }
    }
}

fn nothing_to_show(cx: &Cx<'_>) -> Option<&'static str> {
    let Some(spec) = cx.spec() else {
        return Some("Open a model to follow its tokens through the experts");
    };
    if spec.routers.is_empty() {
        return Some(NO_ROUTER);
    }
    if cx.reads_first() {
        return Some(READING);
    }
    let nothing_read = cx.row().is_none_or(|it| it.record.store.is_empty());
    nothing_read.then_some("Space writes the first tokens: their paths are drawn as they come")
}

fn mode_chip(ui: &mut Ui, view: &mut PathSettings) {
    let hover = "The path of a token, or the flow of the text";
    menu_chip(ui, "", view.mode.label(), hover, |ui| {
        let all = [Mode::Token, Mode::Flow];
        if let Some(it) = choices(ui, all, view.mode, |it| it.label().to_owned()) {
            view.mode = it;
        }
    });
}

fn of_chip(ui: &mut Ui, view: &mut PathSettings, roomy: bool) {
    menu_chip(
        ui,
        "",
        flow_of_words(view.of),
        "Which picks are joined",
        |ui| {
            let all = [FlowOf::AllPicks, FlowOf::Strongest];
            if let Some(it) = choices(ui, all, view.of, |it| flow_of_words(it).to_owned()) {
                view.of = it;
            }
            if view.mode == Mode::Flow && !roomy {
                ui.separator();
                phase_ui(ui, view);
                ui.separator();
                amount_ui(ui, view);
            }
        },
    );
}

fn phase_chip(ui: &mut Ui, view: &mut PathSettings) {
    let hover = "Which tokens of the text flow";
    menu_chip(ui, "", view.phase.label(), hover, |ui| phase_ui(ui, view));
}

fn amount_chip(ui: &mut Ui, view: &mut PathSettings) {
    let hover = "How much of the flow is drawn: as few pairs as carry 60 % of it between two layers, or all";
    menu_chip(ui, "", view.amount.label(), hover, |ui| amount_ui(ui, view));
}

fn amount_ui(ui: &mut Ui, view: &mut PathSettings) {
    let label = |it: FlowAmount| it.label().to_owned();
    if let Some(it) = choices(ui, FlowAmount::ALL, view.amount, label) {
        view.amount = it;
    }
}

fn phase_ui(ui: &mut Ui, view: &mut PathSettings) {
    if let Some(it) = choices(ui, PhaseFilter::ALL, view.phase, |it| it.label().to_owned()) {
        view.phase = it;
    }
}
