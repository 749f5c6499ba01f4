//! Whether the load is even, layer by layer, with the numbers behind the verdict.

mod cells;
mod detail;
mod findings;
mod rows;
mod source;
mod start;
mod steps;

use std::sync::Arc;

use eframe::egui::{self, RichText, Ui};

use crate::analysis::{
    Finding, LoadStats, Outcome, PhaseFilter, Preset, Report, Thresholds, Verdict,
};
use crate::document::{Table, health_table, steps_table};
use crate::spec::RouterId;
use crate::ui::theme::{BODY_SIZE, LABEL_SIZE};
use crate::ui::widgets::{choice, choices, menu_chip, note, note_height, nothing_yet, row_chip};
use crate::ui::{Command, Cx, Drawing, ExpertAt, Memo, Panel, SurveyOf};

use findings::Shown;
use source::{FoundFor, Judging, Over, ReportFor, ReportStatus};

/// Lower than this, the sentence scrolls along.
const LOW: f32 = 130.0;
/// Lower than this, the texts are named on hover only.
const TALL: f32 = 300.0;
/// A head narrower than this has no room for more than what is counted and how.
const WIDE_HEAD: f32 = 420.0;

/// What the chip says by which a text alone is said to hold several kinds of text.
pub const MIXED_TEXT: &str = "mixed text";

/// View state of the panel.
#[derive(Default)]
pub struct Health {
    over: Over,
    limits: Judging,
    /// Whether the load of the selected router is shown text by text.
    by_text: bool,
    /// The report last made, and what of.
    made: Memo<ReportFor, Option<Arc<Report>>>,
    /// What was found beyond the load, and what of.
    found: Memo<FoundFor, Arc<Vec<Finding>>>,
    shown: Shown,
    /// The router shown last, so that another one is scrolled to.
    router: Option<RouterId>,
    /// The expert a menu was opened on, where cells are too narrow to have one each.
    menu: Option<ExpertAt>,
}

impl Panel for Health {
    fn title(&self) -> &'static str {
        "Health"
    }

    fn help(&self) -> &'static str {
        "Whether the load is even, layer by layer, with the numbers behind the verdict"
    }

    fn head_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        if cx.spec().is_none() {
            return;
        }
        let is_wide = ui.available_width() > WIDE_HEAD;
        self.limits_chip(cx, ui);
        self.over_chip(cx, ui);
        if self.over == Over::Row {
            row_chip(cx, ui);
        } else if is_wide {
            self.by_text_chip(cx, ui);
        }
        self.mixed_chip(ui);
    }

    fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let Some(spec) = cx.spec() else {
            nothing_yet(ui, "Open a model to judge its load");
            return;
        };
        if spec.routers.is_empty() {
            nothing_yet(ui, "This model has no router, so there is no load to judge");
            return;
        }
        if self.over == Over::Texts && self.begin_ui(cx, ui) {
            return;
        }
        if self.over == Over::Steps {
            return steps::ui(cx, ui);
        }
        if self.over == Over::Row && cx.row().is_none() {
            nothing_yet(
                ui,
                "Space writes the first tokens: their load is judged as they come",
            );
            return;
        }
        if let Some(report) = self.report(cx) {
            self.report_ui(cx, ui, &report);
        }
    }

    fn modes(&self) -> Vec<&'static str> {
        let mut out = Over::ALL.map(Over::label).to_vec();
        out.push(MIXED_TEXT);
        out
    }

    fn set_mode(&mut self, at: usize) {
        match Over::ALL.get(at) {
            Some(over) => self.over = *over,
            None => self.limits.is_mixed = true,
        }
    }

    fn table(&self, cx: &Cx<'_>) -> Option<Table> {
        if self.over == Over::Steps {
            let steps = cx.session.steps.as_ref()?;
            return steps.timeline.as_deref().map(steps_table);
        }
        let report = source::report(cx, self.over, self.limits)?;
        let is_empty = report.n_tokens == 0;
        let is_provisional = ReportStatus::of(cx, self.over) == ReportStatus::Provisional;
        let judged = source::judged(cx, self.over);
        let found = source::found(cx, self.over, Some(&report));
        (!is_empty).then(|| health_table(&report, &found, judged, is_provisional))
    }
}

impl Health {
    fn limits_chip(&mut self, cx: &Cx<'_>, ui: &mut Ui) {
        let now = self.limits.preset;
        let hover = "By which limits a load is called skewed or collapsed";
        menu_chip(ui, "limits", now.label(), hover, |ui| {
            let label = |it: Preset| it.label().to_owned();
            if let Some(it) = choices(ui, Preset::ALL, now, label) {
                self.limits.preset = it;
            }
            ui.set_max_width(300.0);
            for preset in Preset::ALL {
                note(
                    ui,
                    format!("{}: {}", preset.label(), limits_words(cx, preset)),
                );
            }
        });
    }

    /// Shows or hides the texts one by one, where there are several.
    fn by_text_chip(&mut self, cx: &Cx<'_>, ui: &mut Ui) {
        let survey = cx.session.survey.as_ref();
        if survey.is_none_or(|it| it.texts.len() < 2) {
            return;
        }
        let hover = "The selected layer's load in each of the texts";
        toggle_chip(ui, &mut self.by_text, "by text", hover);
    }

    /// Says that the one text that is judged holds several kinds, where a verdict waits for that or was made by it.
    fn mixed_chip(&mut self, ui: &mut Ui) {
        let Some(report) = self.made.value() else {
            return;
        };
        let is_withheld = matches!(report.outcome, Outcome::Withheld { .. });
        let was_called_mixed = self.limits.is_mixed && report.texts.len() == 1;
        if !(is_withheld || was_called_mixed) {
            return;
        }
        let hover = "Say that this one text holds several kinds of text. Otherwise what is not even in it is no verdict: an expert idle in a story may be busy in a program.";
        toggle_chip(ui, &mut self.limits.is_mixed, MIXED_TEXT, hover);
    }

    fn over_chip(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let now = self.over;
        let hover = "Whose tokens are counted";
        menu_chip(ui, "over", now.label(), hover, |ui| {
            let label = |it: Over| it.label().to_owned();
            if let Some(it) = choices(ui, Over::ALL, now, label) {
                self.over = it;
            }
            ui.separator();
            if choice(ui, false, "Read the sample texts") {
                self.over = Over::Texts;
                cx.push(Command::Survey(SurveyOf::Samples));
            }
            if choice(ui, false, "Follow experts through checkpoints…") {
                self.over = Over::Steps;
                cx.push(Command::Steps(Vec::new()));
            }
            if choice(ui, false, "Read text files…") {
                self.over = Over::Texts;
                cx.push(Command::Survey(SurveyOf::Asked));
            }
        });
    }

    /// The report on what is shown, made anew only where that has changed.
    fn report(&mut self, cx: &Cx<'_>) -> Option<Arc<Report>> {
        let key = ReportFor::of(cx, self.over, self.limits)?;
        let (over, limits) = (self.over, self.limits);
        let make = |_: &ReportFor| source::report(cx, over, limits).map(Arc::new);
        self.made.get(key, make).clone()
    }

    /// What stands before or above a report on texts; true where there is none yet.
    fn begin_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) -> bool {
        // What weights tell needs no text; where a report is made it stands under its headline.
        let survey = cx.session.survey.as_ref();
        let is_read = survey.is_some_and(|it| it.texts.iter().any(|it| has_tokens(&it.load)));
        if !is_read {
            let found = self.found(cx, None);
            findings::ui(cx, ui, &found, &mut self.shown);
        }
        start::ui(cx, ui)
    }

    /// What was found beyond the load, made anew only where more is known.
    fn found(&mut self, cx: &Cx<'_>, report: Option<&Report>) -> Arc<Vec<Finding>> {
        let over = self.over;
        let Some(key) = FoundFor::of(cx, over, self.limits) else {
            return Arc::default();
        };
        let make = |_: &FoundFor| Arc::new(source::found(cx, over, report));
        Arc::clone(self.found.get(key, make))
    }

    /// What was found beyond the load, and the rows of every router; both scroll together.
    fn all_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui, report: &Report, found: &[Finding]) {
        if !found.is_empty() {
            findings::ui(cx, ui, found, &mut self.shown);
            rows::header_ui(cx, ui, report);
        }
        self.rows_ui(cx, ui, report);
    }

    fn report_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui, report: &Report) {
        headline_ui(cx, ui, report, ReportStatus::of(cx, self.over));
        let found = self.found(cx, Some(report));
        if found.is_empty() {
            rows::header_ui(cx, ui, report);
        }
        if cx.drawing == Drawing::Paper {
            self.all_ui(cx, ui, report, &found);
            note(ui, source::sentence(cx, self.over, report, true));
            return;
        }
        let is_tall = ui.available_height() > TALL;
        let sentence = source::sentence(cx, self.over, report, is_tall);
        let width = ui.available_width();
        let below = note_height(ui, &sentence, width) + 6.0;
        let is_low = ui.available_height() < LOW;
        let height = ui.available_height() - if is_low { 0.0 } else { below };
        egui::ScrollArea::vertical()
            .id_salt("routers")
            .max_height(height.max(24.0))
            .min_scrolled_height(height.max(24.0))
            .auto_shrink([false, false])
            .show(ui, |ui| {
                self.all_ui(cx, ui, report, &found);
                if is_low {
                    note(ui, &*sentence);
                }
            });
        if !is_low {
            let names: Vec<&str> = report.texts.iter().map(|it| &*it.name).collect();
            note(ui, sentence).on_hover_text(names.join(", "));
        }
    }
}

fn has_tokens(load: &LoadStats) -> bool {
    load.n_tokens(PhaseFilter::All) > 0
}

/// A chip that is switched on and off.
fn toggle_chip(ui: &mut Ui, on: &mut bool, words: &str, hover: &str) {
    let text = RichText::new(words).size(LABEL_SIZE);
    let button = egui::Button::selectable(*on, text).min_size(egui::vec2(0.0, 20.0));
    *on ^= ui.add(button).on_hover_text(hover).clicked();
}

/// The verdict on the model. Red only where it is bad, and only once it stands.
fn headline_ui(cx: &Cx<'_>, ui: &mut Ui, report: &Report, status: ReportStatus) {
    let color = match report.verdict() {
        _ if status == ReportStatus::Provisional => cx.palette.second,
        Some(Verdict::Even) => cx.palette.selected,
        Some(_) => cx.palette.red,
        None => cx.palette.text,
    };
    let words = match status {
        ReportStatus::Provisional => format!("Provisional: {}", report.headline),
        ReportStatus::Final => report.headline.clone(),
    };
    let text = RichText::new(words).size(BODY_SIZE).color(color).strong();
    ui.add(egui::Label::new(text).wrap());
}

/// What the limits of a preset come to in the open model, where its routers are alike in the first.
fn limits_words(cx: &Cx<'_>, preset: Preset) -> String {
    let Some(router) = cx.spec().and_then(|it| it.routers.first()) else {
        return String::new();
    };
    Thresholds::from(preset).words(router.n_experts, router.top_k)
}
