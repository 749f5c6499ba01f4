//! One expert: where it was picked, by which texts, and with whom.
//!
//! The numbers are those of the row shown (`card`); a survey's texts are read with no edit in force. A narrow
//! tile shows one section at a time, a wide one the tokens on the left and the rest beside them.

mod bars;
mod card;
mod habits;
mod head;
mod numbers;
mod partners;
mod texts;
mod tokens;

use eframe::egui::{Button, Color32, Rect, RichText, ScrollArea, Ui, UiBuilder, pos2, vec2};

use crate::document::Table;
use crate::ui::theme::{LABEL_SIZE, SCROLL_BAR};
use crate::ui::widgets::{MOST_COLOURS, nothing_yet, row_chip, said};
use crate::ui::{Cx, Drawing, ExpertAt, Palette, Panel};

use card::{Card, Surveyed};
use tokens::Tokens;

/// From here on all sections are shown at once.
const WIDE: f32 = 780.0;
const BETWEEN: f32 = 24.0;

/// A part of the card.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Section {
    /// Every token it was picked for.
    #[default]
    Tokens,
    /// Its share in each text of the survey.
    Texts,
    /// Experts that share its tokens.
    Partners,
    /// Input tokens and repetition.
    Habits,
}

impl Section {
    const ALL: [Self; 4] = [Self::Tokens, Self::Texts, Self::Partners, Self::Habits];

    fn label(self) -> &'static str {
        match self {
            Self::Tokens => "in context",
            Self::Texts => "by text",
            Self::Partners => "with whom",
            Self::Habits => "by word",
        }
    }

    fn help(self) -> &'static str {
        match self {
            Self::Tokens => "Every token it was picked for, in its context",
            Self::Texts => "Its share of the tokens of each sample text, beside chance",
            Self::Partners => {
                "Experts picked for the same tokens, in this layer and in those beside"
            }
            Self::Habits => "Input tokens it takes most often, and whether it keeps the next one",
        }
    }
}

/// View state of the panel, and what was computed of the expert last shown.
#[derive(Clone, Debug, Default)]
pub struct ExpertCard {
    section: Section,
    tokens: Tokens,
    card: Option<Card>,
    surveyed: Surveyed,
}

impl Panel for ExpertCard {
    fn title(&self) -> &'static str {
        "Expert"
    }

    fn help(&self) -> &'static str {
        "One expert: where it was picked, by which texts, and with whom"
    }

    fn head_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        row_chip(cx, ui);
    }

    fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        if cx.spec().is_none() {
            nothing_yet(ui, "Open a model to see what its experts are used for");
            return;
        }
        let Some(at) = cx.selection.expert_at() else {
            nothing_yet(
                ui,
                "Click a cell of the heatmap, a bar or a lane: the expert's card will stand here, with every token it \
                 was picked for.",
            );
            return;
        };
        // Taken out while it is drawn, so that sections may change the rest of the panel.
        let Some(card) = Card::caught_up(self.card.take(), cx, at) else {
            nothing_yet(
                ui,
                "Enter in the prompt box reads a text; then this expert has something to show.",
            );
            return;
        };
        self.surveyed.refresh(cx, at);
        if cx.drawing == Drawing::Paper {
            self.paper_ui(cx, ui, &card);
        } else if ui.available_width() >= WIDE {
            self.wide_ui(cx, ui, &card);
        } else {
            self.narrow_ui(cx, ui, &card);
        }
        self.card = Some(card);
    }

    fn table(&self, cx: &Cx<'_>) -> Option<Table> {
        let at = cx.selection.expert_at()?;
        let anew;
        let card = if let Some(it) = self.card.as_ref().filter(|it| it.is_current(cx, at)) {
            it
        } else {
            anew = Card::caught_up(None, cx, at)?;
            &anew
        };
        let mut surveyed = self.surveyed.clone();
        surveyed.refresh(cx, at);
        let strongest = self.tokens.only_strongest;
        Some(numbers::table(cx, card, &surveyed, self.section, strongest))
    }
}

impl ExpertCard {
    /// One section at a time; everything scrolls together where the tile is too low for it.
    fn narrow_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui, card: &Card) {
        let height = ui.available_height();
        let area = ScrollArea::vertical().id_salt("card");
        area.auto_shrink([false, false]).show(ui, |ui| {
            ui.set_max_width(ui.available_width() - SCROLL_BAR);
            let top = ui.cursor().top();
            head::ui(cx, ui, card, height);
            self.sections_ui(ui);
            let left = height - (ui.cursor().top() - top);
            self.section_ui(cx, ui, card, self.section, left);
        });
    }

    fn wide_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui, card: &Card) {
        head::ui(cx, ui, card, ui.available_height());
        ui.add_space(6.0);
        let area = ui.available_rect_before_wrap();
        let middle = area.center().x;
        let left = Rect::from_min_max(area.min, pos2(middle - BETWEEN / 2.0, area.bottom()));
        let right = Rect::from_min_max(pos2(middle + BETWEEN / 2.0, area.top()), area.max);
        ui.scope_builder(UiBuilder::new().max_rect(left), |ui| {
            heading_ui(ui, "In context");
            let height = ui.available_height();
            self.section_ui(cx, ui, card, Section::Tokens, height);
        });
        ui.scope_builder(UiBuilder::new().max_rect(right), |ui| {
            let area = ScrollArea::vertical().id_salt("beside the tokens");
            area.auto_shrink([false, false]).show(ui, |ui| {
                ui.set_max_width(ui.available_width() - SCROLL_BAR);
                self.rest_ui(cx, ui, card);
            });
        });
    }

    fn paper_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui, card: &Card) {
        head::ui(cx, ui, card, ui.available_height());
        ui.add_space(6.0);
        heading_ui(ui, self.section.label());
        let height = ui.available_height();
        self.section_ui(cx, ui, card, self.section, height);
    }

    /// All but the tokens, one under the other.
    fn rest_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui, card: &Card) {
        heading_ui(ui, "By text");
        for section in [Section::Texts, Section::Partners, Section::Habits] {
            self.section_ui(cx, ui, card, section, 0.0);
            ui.add_space(8.0);
        }
    }

    fn sections_ui(&mut self, ui: &mut Ui) {
        let palette = Palette::of(ui);
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = 2.0;
            ui.spacing_mut().button_padding.x = 6.0;
            for section in Section::ALL {
                let on = self.section == section;
                let color = if on { palette.text } else { palette.second };
                let words = RichText::new(section.label()).size(LABEL_SIZE).color(color);
                let fill = if on {
                    palette.raised
                } else {
                    Color32::TRANSPARENT
                };
                let button = Button::selectable(on, words)
                    .fill(fill)
                    .min_size(vec2(0.0, 20.0));
                let response = ui.add(button).on_hover_text(said(ui, section.help()));
                if response.clicked() {
                    self.section = section;
                }
            }
        });
    }

    fn section_ui(
        &mut self,
        cx: &mut Cx<'_>,
        ui: &mut Ui,
        card: &Card,
        section: Section,
        height: f32,
    ) {
        match section {
            Section::Tokens => self.tokens.ui(cx, ui, card, height),
            Section::Texts => texts::ui(cx, ui, card, &self.surveyed),
            Section::Partners => partners::ui(cx, ui, card),
            Section::Habits => habits::ui(cx, ui, card),
        }
    }
}

/// A heading: told by brightness, not by size.
fn heading_ui(ui: &mut Ui, words: &str) {
    let palette = Palette::of(ui);
    let words = said(ui, words);
    let text = RichText::new(words).size(LABEL_SIZE).color(palette.text);
    ui.label(text);
}

/// The colour of an expert; among many only pinned ones have one.
fn expert_color(cx: &Cx<'_>, at: ExpertAt) -> Color32 {
    let n_experts = cx
        .spec()
        .and_then(|it| it.router(at.router))
        .map_or(0, |it| it.n_experts);
    if n_experts <= MOST_COLOURS {
        return cx.palette.expert(at.expert.idx());
    }
    let pin = cx.pins.iter().position(|it| *it == at);
    pin.map_or(cx.palette.second, |it| cx.palette.expert(it))
}
