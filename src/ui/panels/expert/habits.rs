//! Which input tokens it takes, and whether it keeps the one after.

use eframe::egui::{Sense, Ui};

use crate::analysis::LEAST_OCCURRENCES;
use crate::document::repetition_words;
use crate::ui::Cx;
use crate::ui::widgets::note;
use crate::ui::words::{count_of, grouped, percent, quoted};

use super::bars::{Bar, ListColumns};
use super::card::Card;
use super::{expert_color, heading_ui};

/// Input tokens listed.
const N_LISTED: usize = 12;
const HEADS: [&str; 2] = ["share", "picked of"];

/// Repetition and the list of input tokens.
pub fn ui(cx: &Cx<'_>, ui: &mut Ui, card: &Card) {
    heading_ui(ui, "Again for the next token");
    note(ui, repetition_words(&card.uses));
    ui.add_space(4.0);
    heading_ui(ui, "Input tokens it takes");
    if card.words.is_empty() {
        let n = grouped(card.uses.n_tokens);
        note(
            ui,
            format!(
                "Too few to say: no token came {LEAST_OCCURRENCES} times or more in these {n}. Write on, or give a longer text."
            ),
        );
        return;
    }
    let bars: Vec<Bar> = bars(cx, card);
    let columns = ListColumns::fit(ui, &bars, &HEADS);
    columns.heads_ui(ui, &HEADS);
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        for bar in &bars {
            let hover = bar.name.clone();
            columns.bar_ui(ui, bar, Sense::hover()).on_hover_text(hover);
        }
    });
    let n = card.words.len();
    note(
        ui,
        format!(
            "Of the {} that came {LEAST_OCCURRENCES} times or more, those it took most often; the mark is its share \
             of all {}, {}.",
            count_of(n, "input token"),
            count_of(card.uses.n_tokens, cx.noun()),
            percent(card.uses.share().unwrap_or(0.0) as f32)
        ),
    );
}

fn bars(cx: &Cx<'_>, card: &Card) -> Vec<Bar> {
    let listed = card.words.iter().take(N_LISTED);
    listed
        .map(|(token, it)| {
            let share = it.n_picked as f64 / it.n as f64;
            let words = quoted(cx.session.tokens(), *token);
            let of = format!("{} of {}", grouped(it.n_picked), grouped(it.n));
            Bar {
                name: format!("{words} {of}, {share:.4}"),
                label: words,
                swatch: None,
                share,
                tick: card.uses.share(),
                cells: vec![percent(share as f32), of],
                color: expert_color(cx, card.at),
                strong: true,
                lit: false,
            }
        })
        .collect()
}
