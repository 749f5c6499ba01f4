//! The expert's share in each text of the survey beside chance, and whether that is a specialty.

use eframe::egui::{Sense, Ui};

use crate::document::finding_words;
use crate::ui::widgets::{chip_button, note, strong_button};
use crate::ui::words::{count_of, grouped, part_of, percent};
use crate::ui::{Command, Cx, Drawing, Survey, SurveyOf};

use super::bars::{Bar, ListColumns};
use super::card::{Card, Surveyed};
use super::expert_color;

/// Names of the numbers right of a bar.
const HEADS: [&str; 3] = ["share", "lift log₂", "tokens"];

/// The texts, or how to read some.
pub fn ui(cx: &mut Cx<'_>, ui: &mut Ui, card: &Card, surveyed: &Surveyed) {
    let session = cx.session;
    let Some(survey) = session.survey.as_ref().filter(|it| !it.texts.is_empty()) else {
        no_texts_ui(cx, ui);
        return;
    };
    progress_ui(cx, ui, survey);
    let bars = bars(cx, card, survey, surveyed);
    let columns = ListColumns::fit(ui, &bars, &HEADS);
    columns.heads_ui(ui, &HEADS);
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        for (n, bar) in bars.iter().enumerate() {
            let hover = format!("{}: {}", bar.label, cx.said(exact_words(surveyed, n)));
            columns.bar_ui(ui, bar, Sense::hover()).on_hover_text(hover);
        }
    });
    ui.add_space(2.0);
    let names: Vec<&str> = survey.texts.iter().map(|it| it.name.as_str()).collect();
    let mut words = finding_words(surveyed.specialty(), &names, even(cx, card));
    if survey.progress.is_some() {
        words.insert_str(0, "So far: ");
    } else if survey.cancelled {
        words.insert_str(0, "Given up before the end: ");
    }
    note(ui, words);
}

fn even(cx: &Cx<'_>, card: &Card) -> f64 {
    let router = cx.spec().and_then(|it| it.router(card.at.router));
    router.map_or(0.0, |it| it.top_k as f64 / it.n_experts as f64)
}

fn no_texts_ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    if let Some((n_read, n_total)) = cx.session.survey.as_ref().and_then(|it| it.progress) {
        note(
            ui,
            format!("Reading texts: {}", part_of(n_read, n_total, "token")),
        );
        return;
    }
    let words = "Whether an expert has a specialty shows only over several kinds of text. The bundled samples \
                 (French, German, verse, a story, code, arithmetic) are read beside the run, with no edit in force; \
                 each bar is then its share of a text's tokens beside chance.";
    note(ui, words);
    if cx.drawing == Drawing::Screen && strong_button(ui, "Read the sample texts").clicked() {
        cx.push(Command::Survey(SurveyOf::Samples));
    }
}

fn progress_ui(cx: &mut Cx<'_>, ui: &mut Ui, survey: &Survey) {
    let Some((n_read, n_total)) = survey.progress else {
        return;
    };
    ui.horizontal_wrapped(|ui| {
        note(
            ui,
            format!("Reading: {}", part_of(n_read, n_total, "token")),
        );
        let hover = "Keep what was read so far";
        if cx.drawing == Drawing::Screen && chip_button(ui, "Stop reading", hover).clicked() {
            cx.push(Command::CancelSurvey);
        }
    });
}

fn bars(cx: &Cx<'_>, card: &Card, survey: &Survey, surveyed: &Surveyed) -> Vec<Bar> {
    let even = even(cx, card);
    let colour = expert_color(cx, card.at);
    let texts = survey.texts.iter().zip(surveyed.counts());
    texts
        .enumerate()
        .map(|(n, (text, uses))| {
            let compared = surveyed.specialty().texts.get(n).copied().flatten();
            let strong = compared.is_some_and(|it| it.stands_out);
            let share = (uses.n_tokens > 0).then(|| uses.n as f64 / uses.n_tokens as f64);
            let share_words = share.map_or("not read".to_owned(), |it| percent(it as f32));
            let lift = compared.and_then(|it| it.lift);
            let tokens = grouped(uses.n_tokens);
            Bar {
                label: text.name.clone(),
                swatch: None,
                share: share.unwrap_or(0.0),
                tick: Some(even),
                name: format!(
                    "{}: {share_words} of {}, chance {}",
                    text.name,
                    count_of(uses.n_tokens, cx.noun()),
                    percent(even as f32)
                ),
                cells: vec![share_words, lift_words(lift), tokens],
                color: if strong {
                    colour
                } else {
                    cx.palette.quiet(colour, 0.55)
                },
                strong,
                lit: false,
            }
        })
        .collect()
}

/// `+1.75`; `−∞` where it was never picked.
fn lift_words(lift: Option<f64>) -> String {
    match lift {
        None => "–".to_owned(),
        Some(it) if it == f64::NEG_INFINITY => "−∞".to_owned(),
        Some(it) if it < 0.0 => format!("−{:.2}", -it),
        Some(it) => format!("+{it:.2}"),
    }
}

/// Every digit, on hover.
fn exact_words(surveyed: &Surveyed, n: usize) -> String {
    let Some(Some(it)) = surveyed.specialty().texts.get(n) else {
        return "nothing to compare with yet".to_owned();
    };
    format!(
        "picked for {}, {:.6}; in the other texts {:.6}; Fisher's exact test p = {:.3e}, q = {:.3e}",
        part_of(it.uses.n, it.uses.n_tokens, "token"),
        it.share,
        it.elsewhere,
        it.p,
        it.q
    )
}
