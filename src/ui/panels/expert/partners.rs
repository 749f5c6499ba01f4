//! With whom: experts of the same layer picked for the same tokens, and where these tokens went in the layers beside.

use eframe::egui::{Sense, Ui};

use crate::analysis::PhaseFilter;
use crate::document::{Partner, partners_beside, partners_together};
use crate::spec::RouterSpec;
use crate::ui::widgets::{expert_gestures, expert_menu, note, nothing_yet};
use crate::ui::words::{count_of, part_of, percent};
use crate::ui::{Cx, Drawing, ExpertAt};

use super::bars::{Bar, ListColumns};
use super::card::Card;
use super::{expert_color, heading_ui};

/// Experts listed of a layer.
const N_LISTED: usize = 5;
const HEADS: [&str; 2] = ["of its tokens", "chance"];

/// Experts of the same layer that share tokens with the card's.
pub fn together(card: &Card, router: &RouterSpec) -> Vec<Partner> {
    partners_together(&card.uses, (card.at.router, router))
}

/// Experts of the layer before (0) or after (1).
pub fn beside(cx: &Cx<'_>, card: &Card, side: usize) -> Vec<Partner> {
    let Some(router) = card.beside()[side] else {
        return Vec::new();
    };
    let load = cx
        .row()
        .and_then(|it| it.load.router(router, PhaseFilter::All));
    partners_beside(&card.uses, (side, router), load.as_ref())
}

fn expert_of(it: &Partner) -> ExpertAt {
    ExpertAt {
        router: it.router,
        expert: it.expert,
    }
}

/// The three lists.
pub fn ui(cx: &mut Cx<'_>, ui: &mut Ui, card: &Card) {
    let Some(router) = cx.spec().and_then(|it| it.router(card.at.router)) else {
        return;
    };
    if card.uses.n() == 0 {
        nothing_yet(
            ui,
            "It was picked for no token of this row, so it shared none.",
        );
        return;
    }
    heading_ui(ui, "Picked together, same layer");
    let list = together(card, router);
    if router.top_k < 2 {
        nothing_yet(
            ui,
            "This router picks one expert a token: nobody shares one.",
        );
    } else {
        list_ui(cx, ui, card, &list);
        note(ui, together_words(card, router));
    }
    for (side, words) in ["Layer before, same tokens", "Layer after, same tokens"]
        .into_iter()
        .enumerate()
    {
        let list = beside(cx, card, side);
        if !list.is_empty() {
            ui.add_space(4.0);
            heading_ui(ui, words);
            list_ui(cx, ui, card, &list);
        }
    }
    note(
        ui,
        "Marks in the layers beside are each expert's share of all tokens of this row; a bar beyond its mark means \
         that these tokens go there more often than others, not that one expert causes the other.",
    );
}

fn together_words(card: &Card, router: &RouterSpec) -> String {
    let chance = together(card, router).first().and_then(|it| it.chance);
    format!(
        "Share of its {} for which the other was picked too; the mark is chance, (k − 1)/(E − 1) = {}.",
        count_of(card.uses.n(), "token"),
        percent(chance.unwrap_or(0.0) as f32)
    )
}

fn list_ui(cx: &mut Cx<'_>, ui: &mut Ui, card: &Card, list: &[Partner]) {
    let bars: Vec<Bar> = list
        .iter()
        .take(N_LISTED)
        .map(|it| bar(cx, card, it))
        .collect();
    let columns = ListColumns::fit(ui, &bars, &HEADS);
    columns.heads_ui(ui, &HEADS);
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        for (bar, it) in bars.iter().zip(list) {
            if cx.drawing == Drawing::Paper {
                columns.bar_ui(ui, bar, Sense::hover());
                continue;
            }
            let response = columns.bar_ui(ui, bar, Sense::click());
            expert_gestures(cx, &response, expert_of(it));
            response.context_menu(|ui| expert_menu(cx, ui, expert_of(it)));
            response.on_hover_text(format!(
                "{}, {:.6}; click selects it",
                part_of(it.n, card.uses.n(), cx.noun()),
                it.share
            ));
        }
    });
    let rest = list.len().saturating_sub(N_LISTED);
    if rest > 0 {
        let rest_n: u64 = list[N_LISTED..].iter().map(|it| it.n).sum();
        note(
            ui,
            format!("{rest} more: {} together", count_of(rest_n, "pick")),
        );
    }
}

fn bar(cx: &Cx<'_>, card: &Card, it: &Partner) -> Bar {
    let at = expert_of(it);
    let chance = it
        .chance
        .map_or("–".to_owned(), |chance| percent(chance as f32));
    let share = percent(it.share as f32);
    let name = cx.spec().map_or_else(String::new, |spec| {
        super::card::name(spec, at).to_lowercase()
    });
    let colour = expert_color(cx, at);
    Bar {
        name: format!(
            "{name} shares {}, {share}, chance {chance}",
            part_of(it.n, card.uses.n(), cx.noun())
        ),
        label: name,
        swatch: Some(colour),
        share: it.share,
        tick: it.chance,
        cells: vec![share, chance],
        color: cx.palette.quiet(colour, 0.8),
        strong: true,
        lit: cx.drawing == Drawing::Screen && cx.hover.expert == Some(at),
    }
}
