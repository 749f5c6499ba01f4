//! Every token the expert was picked for, in its context.

use std::sync::Arc;

use eframe::egui::{
    self, Align2, Color32, FontId, Galley, Rect, Response, ScrollArea, Sense, StrokeKind, Ui, pos2,
    vec2,
};

use crate::analysis::Occurrence;
use crate::spec::Position;
use crate::ui::theme::{BODY_SIZE, LABEL_SIZE};
use crate::ui::widgets::{chip_button, choices, menu_chip, note, nothing_yet, said};
use crate::ui::words::{count_of, grouped, token_words};
use crate::ui::{Command, Cx, Drawing, Hover, Selection};

use super::{card::Card, expert_color};

const ROW: f32 = 21.0;
/// Rows a list never has fewer of.
const LEAST_ROWS: f32 = 3.0;
/// Rows on paper, which does not scroll.
const PAPER_ROWS: usize = 16;
/// Below this width the words given and drawn are left out.
const WIDE: f32 = 300.0;

/// View state of the list.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    /// Only those for which it was the strongest pick.
    pub only_strongest: bool,
    /// The row to bring into sight.
    jump: Option<usize>,
    /// The token selected when it was last drawn.
    seen: Option<Position>,
}

/// The occurrences shown: all, or those in `strongest`.
#[derive(Clone, Copy)]
pub struct ShownOccurrences<'a> {
    card: &'a Card,
    only_strongest: bool,
}

impl<'a> ShownOccurrences<'a> {
    /// Of a card.
    pub fn of(card: &'a Card, only_strongest: bool) -> Self {
        Self {
            card,
            only_strongest,
        }
    }

    /// Number of tokens listed.
    pub fn len(self) -> usize {
        if self.only_strongest {
            self.card.uses.strongest.len()
        } else {
            self.card.uses.occurrences.len()
        }
    }

    /// The `n`-th.
    pub fn get(self, n: usize) -> Option<&'a Occurrence> {
        let uses = &self.card.uses;
        let n = if self.only_strongest {
            *uses.strongest.get(n)?
        } else {
            n
        };
        uses.occurrences.get(n)
    }

    /// How many lie before a position.
    fn before(self, at: Position) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.get(middle).is_some_and(|it| it.at < at) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The row of a position, where it is one of those shown.
    fn row_of(self, at: Position) -> Option<usize> {
        let n = self.before(at);
        (self.get(n)?.at == at).then_some(n)
    }

    /// The one after a position, or before it, round the ends; the first or last where none is selected.
    fn beside(self, at: Option<Position>, back: bool) -> Option<usize> {
        let last = self.len().checked_sub(1)?;
        Some(match (at, back) {
            (None, false) => 0,
            (None, true) => last,
            (Some(at), true) => self.before(at).checked_sub(1).unwrap_or(last),
            (Some(at), false) => {
                let n = self.row_of(at).map_or(self.before(at), |it| it + 1);
                if n > last { 0 } else { n }
            }
        })
    }
}

impl Tokens {
    /// The bar above the list and the list, `height` points in all at the least.
    pub fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui, card: &Card, height: f32) {
        let top = ui.cursor().top();
        let shown = ShownOccurrences::of(card, self.only_strongest);
        if cx.drawing == Drawing::Screen {
            self.bar_ui(cx, ui, shown);
        }
        let shown = ShownOccurrences::of(card, self.only_strongest);
        if shown.len() == 0 {
            let words = if card.uses.n() == 0 {
                "It was picked for no token of this row, so there is nothing to list."
            } else {
                "It was picked, but never as the strongest: show all picks."
            };
            nothing_yet(ui, words);
            return;
        }
        if cx.drawing == Drawing::Paper {
            paper_ui(cx, ui, shown);
            return;
        }
        self.follow(cx, shown);
        // Whole rows: none is cut at the end of a jump.
        let left = height - (ui.cursor().top() - top);
        let n_rows = (left / ROW).floor().max(LEAST_ROWS);
        let mut list = ScrollArea::vertical()
            .id_salt("tokens of the expert")
            .max_height(n_rows * ROW)
            .min_scrolled_height(LEAST_ROWS * ROW)
            .auto_shrink([false, true]);
        if let Some(row) = self.jump.take() {
            let first = row as f32 - (n_rows / 2.0).floor();
            list = list.vertical_scroll_offset(first.max(0.0) * ROW);
        }
        ui.spacing_mut().item_spacing.y = 0.0;
        list.show_rows(ui, ROW, shown.len(), |ui, rows| {
            for n in rows {
                if let Some(it) = shown.get(n) {
                    row_ui(cx, ui, card, it);
                }
            }
        });
    }

    /// A token selected elsewhere is brought into sight.
    fn follow(&mut self, cx: &Cx<'_>, shown: ShownOccurrences<'_>) {
        let now = cx.selection.position;
        if now != self.seen {
            self.seen = now;
            self.jump = self.jump.or(now.and_then(|it| shown.row_of(it)));
        }
    }

    fn bar_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui, shown: ShownOccurrences<'_>) {
        let at = cx.selection.position;
        ui.horizontal_wrapped(|ui| {
            let n = shown.len();
            let mut step = None;
            ui.add_enabled_ui(n > 0, |ui| {
                for (sign, name, back) in [
                    ("◀", "Previous token of this expert", true),
                    ("▶", "Next token of this expert", false),
                ] {
                    if chip_button(ui, sign, name)
                        .accessible_name(cx.said(name))
                        .clicked()
                    {
                        step = shown.beside(at, back);
                    }
                }
            });
            let here = at.and_then(|it| shown.row_of(it)).or(step);
            let place = here.map_or_else(
                || count_of(n, cx.noun()),
                |it| format!("{} of {}", grouped(it as u64 + 1), grouped(n as u64)),
            );
            note_fixed(ui, &place);
            let label = |it: bool| {
                let word = if it { "strongest only" } else { "all picks" };
                word.to_owned()
            };
            let hover = "Which of its tokens are listed";
            menu_chip(ui, "", &label(self.only_strongest), hover, |ui| {
                if let Some(it) = choices(ui, [false, true], self.only_strongest, label) {
                    self.only_strongest = it;
                }
            });
            if let Some(row) = step
                && let Some(it) = shown.get(row)
            {
                self.jump = Some(row);
                select(cx, it.at);
            }
        });
    }
}

/// The first rows, for a page that does not scroll.
fn paper_ui(cx: &mut Cx<'_>, ui: &mut Ui, shown: ShownOccurrences<'_>) {
    ui.spacing_mut().item_spacing.y = 0.0;
    for n in 0..shown.len().min(PAPER_ROWS) {
        if let Some(it) = shown.get(n) {
            row_ui(cx, ui, shown.card, it);
        }
    }
    if shown.len() > PAPER_ROWS {
        let more = grouped((shown.len() - PAPER_ROWS) as u64);
        note(ui, format!("{more} more; the table has them all"));
    }
}

/// Words of the second grey that do not wrap.
fn note_fixed(ui: &mut Ui, words: &str) {
    let palette = crate::ui::Palette::of(ui);
    let text = egui::RichText::new(words)
        .size(LABEL_SIZE)
        .color(palette.second);
    ui.label(text);
}

fn select(cx: &mut Cx<'_>, at: Position) {
    let selection = Selection {
        position: Some(at),
        ..cx.selection
    };
    cx.push(Command::Select(selection));
}

/// One token: its place, itself in the middle of its context, its weight.
fn row_ui(cx: &mut Cx<'_>, ui: &mut Ui, card: &Card, it: &Occurrence) {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW), Sense::click());
    let given = cx.row().is_some_and(|row| it.at.idx() < row.record.n_given);
    let origin = if given { "given" } else { "drawn" };
    let n = it.at.idx();
    response.widget_info(|| {
        let words = card.texts().get(n).map_or("", |it| it.trim());
        let label = format!("picked at {n} “{words}”, weight {:.4}, {origin}", it.weight);
        egui::WidgetInfo::labeled(egui::Role::Button, true, label)
    });
    back_ui(cx, ui, rect, it.at, &response);
    let (palette, painter) = (cx.palette, ui.painter());
    let font = FontId::proportional(LABEL_SIZE);
    let y = rect.center().y;
    let text = |x: f32, words: String, color: Color32| {
        let at = pos2(x, y);
        painter.text(at, Align2::RIGHT_CENTER, words, font.clone(), color)
    };
    text(rect.left() + 32.0, n.to_string(), palette.second);
    let mut right = rect.right() - 7.0;
    text(right, format!("{:.3}", it.weight), palette.text);
    right -= 40.0;
    if rect.width() >= WIDE {
        text(right, origin.to_owned(), palette.second);
        right -= 42.0;
    }
    let context = Rect::from_x_y_ranges(rect.left() + 42.0..=right, rect.y_range());
    context_ui(cx, ui, card, context, n);
    gestures(cx, &response, it.at);
    let name = cx.token_name(it.at);
    response.on_hover_ui(|ui| hover_ui(ui, card, (it, &name), origin));
}

fn back_ui(cx: &Cx<'_>, ui: &Ui, rect: Rect, at: Position, response: &Response) {
    if cx.drawing == Drawing::Paper {
        return;
    }
    let lit = response.hovered() || cx.hover.token == Some((cx.selection.row, at));
    if lit {
        ui.painter().rect_filled(rect, 4.0, cx.palette.hovered);
    }
    if cx.selection.position == Some(at) {
        let stroke = (1.5, cx.palette.selected);
        ui.painter()
            .rect_stroke(rect.shrink(0.5), 4.0, stroke, StrokeKind::Inside);
    }
}

/// The token lit in the middle, whole tokens to its left and right as far as they fit.
fn context_ui(cx: &Cx<'_>, ui: &Ui, card: &Card, rect: Rect, n: usize) {
    let (palette, painter) = (cx.palette, ui.painter());
    let layout = |words: &str, color: Color32| -> Arc<Galley> {
        painter.layout_no_wrap(words.to_owned(), FontId::proportional(BODY_SIZE), color)
    };
    let own = card.texts().get(n).map_or("", String::as_str);
    let bytes;
    let own = if own.is_empty() {
        // Part of a character that a later token completes.
        bytes = cx.row().map_or_else(String::new, |it| {
            token_words(cx.session.tokens(), it.record.tokens[n])
        });
        bytes.as_str()
    } else {
        own
    };
    let lit = layout(own, palette.text);
    let left = (rect.center().x - lit.size().x / 2.0).max(rect.left());
    let span = Rect::from_min_size(pos2(left, rect.top()), vec2(lit.size().x, rect.height()));
    let y = |it: &Galley| rect.center().y - it.size().y / 2.0 - 1.0;
    let space = layout("…", palette.second).size().x;
    let mut x = span.left();
    // What the same layers read stands around it.
    let parts = cx.parts();
    let mine = parts.range(parts.stack(Position::new(n)), card.texts().len());
    for before in (mine.start..n).rev() {
        let words = layout(&card.texts()[before], palette.second);
        let room = x - rect.left() - if before > mine.start { space } else { 0.0 };
        if words.size().x > room {
            let dots = layout("…", palette.second);
            painter.galley(pos2(x - space, y(&dots)), dots, palette.second);
            break;
        }
        x -= words.size().x;
        painter.galley(pos2(x, y(&words)), words, palette.second);
    }
    let mut x = span.right();
    for after in n + 1..mine.end {
        let words = layout(&card.texts()[after], palette.second);
        let last = after + 1 == mine.end;
        let room = rect.right() - x - if last { 0.0 } else { space };
        if words.size().x > room {
            let dots = layout("…", palette.second);
            painter.galley(pos2(x, y(&dots)), dots, palette.second);
            break;
        }
        let width = words.size().x;
        painter.galley(pos2(x, y(&words)), words, palette.second);
        x += width;
    }
    let clip = painter.with_clip_rect(rect.intersect(painter.clip_rect()));
    let line = Rect::from_x_y_ranges(
        span.left() + 0.5..=(span.right() - 1.0).min(rect.right()),
        rect.bottom() - 4.5..=rect.bottom() - 2.0,
    );
    clip.rect_filled(line, 1.0, expert_color(cx, card.at));
    let at = pos2(span.left(), y(&lit));
    clip.galley(at, lit, palette.text);
}

fn gestures(cx: &mut Cx<'_>, response: &Response, at: Position) {
    if response.hovered() {
        cx.push(Command::Hover(Hover {
            token: Some((cx.selection.row, at)),
            ..Hover::default()
        }));
    }
    if response.clicked() {
        select(cx, at);
    }
}

fn hover_ui(ui: &mut Ui, card: &Card, (it, name): (&Occurrence, &str), origin: &str) {
    let n = it.at.idx();
    let words = card.texts().get(n).map_or("", |it| it.trim());
    ui.strong(format!("{name} “{words}”, {origin}"));
    let place = match it.rank {
        0 => "the strongest pick".to_owned(),
        n => format!("pick {} by weight", n + 1),
    };
    ui.label(format!("weight {:.6}, {place}", it.weight));
    ui.weak(said(ui, "click selects the token"));
}
