//! Before there is a load to judge: what will be here, and the two ways to begin; then how far it is.

use eframe::egui::{self, ProgressBar, RichText, Ui};

use crate::analysis::{PhaseFilter, Preset, Thresholds};
use crate::trace::PositionKind;
use crate::ui::theme::{BODY_SIZE, LABEL_SIZE};
use crate::ui::widgets::{chip_button, note, strong_button};
use crate::ui::words::{count_of, grouped};
use crate::ui::{Command, Cx, Drawing, SERIES_PRESETS, Survey, SurveyOf};

/// The sample texts inside the program.
const SAMPLES: [&str; 8] = [
    "arithmetic",
    "french",
    "german",
    "json",
    "python",
    "story",
    "tinytale",
    "verse",
];

/// Draws what stands before or above the report; true where there is no report yet.
pub fn ui(cx: &mut Cx<'_>, ui: &mut Ui) -> bool {
    let Some(survey) = &cx.session.survey else {
        scrolled(ui, |ui| begin_ui(cx, ui, None));
        return true;
    };
    let texts = survey.texts.iter();
    let n_tokens: u64 = texts.map(|it| it.load.n_tokens(PhaseFilter::All)).sum();
    if let Some(progress) = survey.progress {
        progress_ui(cx, ui, progress);
        return n_tokens == 0;
    }
    if n_tokens == 0 {
        scrolled(ui, |ui| begin_ui(cx, ui, Some(survey)));
    }
    n_tokens == 0
}

/// Where there is little room the buttons are still reached.
fn scrolled(ui: &mut Ui, add: impl FnOnce(&mut Ui)) {
    let area = egui::ScrollArea::vertical().auto_shrink([false, true]);
    area.min_scrolled_height(0.0).show(ui, add);
}

fn begin_ui(cx: &mut Cx<'_>, ui: &mut Ui, last: Option<&Survey>) {
    let n = cx.spec().map_or(0, |it| it.routers.len());
    let needed = needed(cx);
    let text = "Is the load even, skewed or collapsed?";
    let words = RichText::new(text).size(BODY_SIZE).color(cx.palette.text);
    ui.add(egui::Label::new(words).wrap());
    let routers = if n == 1 {
        "The router is".to_owned()
    } else {
        format!("Each of the {} is", count_of(n, "router"))
    };
    note(
        ui,
        format!(
            "{routers} judged by the texts you choose, read beside the run with no edit in force. A verdict takes {} or more, of several kinds of text.{}",
            count_of(needed, "token"),
            windows_words(cx)
        ),
    );
    if cx.drawing == Drawing::Paper {
        return;
    }
    if !cx.session.facts.as_ref().is_some_and(|it| it.reads_texts()) {
        note(
            ui,
            "This checkpoint has no tokenizer, so no text can be read: choose the tokens seen so far, above on the right.",
        );
        return;
    }
    ui.add_space(2.0);
    let is_series = cx.session.position_kind() == PositionKind::Point;
    let samples: Vec<&str> = if is_series {
        SERIES_PRESETS.iter().map(|it| it.name).collect()
    } else {
        SAMPLES.to_vec()
    };
    ui.horizontal_wrapped(|ui| {
        let (read, hover) = if is_series {
            let n = grouped(samples.len() as u64);
            let read = format!("Read the {n} sample series");
            (read, "Series inside the program, made by formulas")
        } else {
            (
                format!("Read the {}", count_of(samples.len(), "sample text")),
                "Texts inside the program, one for each kind the Tour model learned",
            )
        };
        let read = strong_button(ui, read).on_hover_text(hover);
        if read.clicked() {
            cx.push(Command::Survey(SurveyOf::Samples));
        }
        let (choose, hover) = if is_series {
            (
                "Choose series files…",
                "Numbers or tables; each column of numbers is read as a series of its own",
            )
        } else {
            (
                "Choose text files…",
                "Plain text, documents parted by a line <|endoftext|>, or JSONL with a field text",
            )
        };
        if chip_button(ui, choose, hover).clicked() {
            cx.push(Command::Survey(SurveyOf::Asked));
        }
    });
    ui.add_space(2.0);
    if let Some(why) = last.and_then(|it| it.failed.as_ref()) {
        let words = RichText::new(format!("Nothing was read: {why}"))
            .size(LABEL_SIZE)
            .color(cx.palette.red);
        ui.add(egui::Label::new(words).wrap());
    } else if last.is_some() {
        note(ui, "No token was read.");
    }
    note(ui, format!("The samples: {}.", samples.join(", ")));
}

/// How a text becomes a source and what is written; nothing where a model reads all with the same layers.
fn windows_words(cx: &Cx<'_>) -> &'static str {
    if cx.spec().is_some_and(|it| it.groups().len() > 1) {
        " Of each window the encoder reads the first half as the source, and the decoder the second as what is written."
    } else {
        ""
    }
}

/// Tokens that the most demanding router needs.
fn needed(cx: &Cx<'_>) -> u64 {
    let thresholds = Thresholds::from(Preset::Default);
    let routers = cx.spec().into_iter().flat_map(|it| &it.routers);
    routers
        .map(|it| thresholds.needed(it.n_experts, it.top_k))
        .max()
        .unwrap_or(thresholds.min_tokens)
}

fn progress_ui(cx: &mut Cx<'_>, ui: &mut Ui, (n_done, n_total): (usize, usize)) {
    let words = format!(
        "{} of about {} read",
        grouped(n_done as u64),
        count_of(n_total, cx.noun())
    );
    let share = n_done as f32 / n_total.max(1) as f32;
    let palette = cx.palette;
    let layout = egui::Layout::right_to_left(egui::Align::Center);
    let row = egui::vec2(ui.available_width(), 22.0);
    ui.allocate_ui_with_layout(row, layout, |ui| {
        if cx.drawing == Drawing::Screen
            && chip_button(ui, "Cancel", "Stop reading; what was read is judged").clicked()
        {
            cx.push(Command::CancelSurvey);
        }
        let words = RichText::new(words).size(LABEL_SIZE).color(palette.text);
        ui.add(
            ProgressBar::new(share)
                .desired_width(ui.available_width())
                .desired_height(18.0)
                .corner_radius(4.0)
                .fill(palette.quiet(palette.accent, 0.45))
                .text(words),
        );
    });
}
