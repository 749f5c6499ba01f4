//! One token that could follow: its words, its bars before and after, its figures; a click continues with it.

use std::sync::Arc;

use eframe::egui::{
    self, Color32, FontId, Galley, Painter, Rect, Role, Sense, StrokeKind, Ui, pos2, vec2,
};

use crate::analysis::{Alternative, Likelihood};
use crate::document::ShownPrediction;
use crate::trace::Candidate;
use crate::ui::theme::{BODY_SIZE, LABEL_SIZE};
use crate::ui::widgets::{bar, bold, elided, figure, lock_arrows, words};
use crate::ui::words::{change_words, count_of, grouped, percent};
use crate::ui::{Command, Cx, Drawing};

use super::token_text;

/// Between figures and their arrow.
const ARROW: f32 = 20.0;
/// Between the columns.
const GAP: f32 = 10.0;

/// Where the parts of every line stand, widths in points.
#[derive(Clone, Copy, Debug, Default)]
pub struct LineColumns {
    /// Of the words.
    pub words: f32,
    /// Of the figures before.
    pub before: f32,
    /// Of those after; 0 where nothing is compared.
    pub after: f32,
    /// Of the sign.
    pub sign: f32,
    /// The share at the end of the scale.
    pub top: f32,
}

impl LineColumns {
    /// Widths at which nothing in the list is cut off but very long tokens.
    pub fn of(cx: &Cx<'_>, ui: &Ui, list: &[Alternative], width: f32, top: f32) -> Self {
        let painter = ui.painter();
        let wide = |it: String, size: f32| words(painter, it, size).size().x.ceil();
        let widest = |all: &mut dyn Iterator<Item = f32>| all.fold(0.0, f32::max);
        let tokens = &mut list
            .iter()
            .map(|it| wide(token_text(cx, it.token), BODY_SIZE));
        let before = &mut list.iter().map(|it| wide(figure_of(it.before), LABEL_SIZE));
        let after = list.iter().filter_map(|it| it.after);
        let after = &mut after.map(|it| wide(figure_of(it), LABEL_SIZE));
        Self {
            words: widest(tokens).clamp(40.0, (width * 0.3).max(40.0)) + 2.0,
            before: widest(before),
            after: widest(after),
            sign: wide(" %".to_owned(), LABEL_SIZE),
            top,
        }
    }

    /// From where to where bars reach in a list.
    pub fn bars(&self, list: Rect) -> std::ops::RangeInclusive<f32> {
        let left = list.left() + self.words + GAP;
        let most = (list.right() - self.figures() - GAP - 4.0 - left).max(6.0);
        left..=left + most
    }

    /// Width of all figures.
    fn figures(&self) -> f32 {
        let arrow = if self.after > 0.0 { ARROW } else { 0.0 };
        self.before + arrow + self.after + self.sign
    }
}

/// `3.9`, or `<0.4` where only a bound is known.
fn figure_of(it: Likelihood) -> String {
    let words = figure(it.probability());
    match it {
        Likelihood::AtMost(_) if !words.starts_with('<') => format!("<{words}"),
        _ => words,
    }
}

/// One line.
pub struct Line<'a, 'b> {
    /// What the panel is about.
    pub shown: &'a ShownPrediction<'b>,
    /// The token.
    pub it: Alternative,
    /// Where it stands.
    pub rect: Rect,
    /// Where its parts stand.
    pub columns: LineColumns,
    /// Whether it stands at the foot, with its rank, for it was drawn.
    pub is_pinned: bool,
}

impl Line<'_, '_> {
    fn is_baseline_next(&self) -> bool {
        self.shown.baseline_next == Some(self.it.token)
    }

    fn is_edited_next(&self) -> bool {
        self.shown.edited_next == Some(self.it.token)
    }

    /// Draws it, and answers to the pointer where there is one.
    pub fn ui(&self, cx: &mut Cx<'_>, ui: &mut Ui) {
        if cx.drawing == Drawing::Paper {
            return self.paint(cx, ui);
        }
        let id = ui.scope_id().with(self.it.token.0);
        let response = ui.interact(self.rect, id, Sense::click());
        response.widget_info(|| egui::WidgetInfo::labeled(Role::Button, true, self.name(cx)));
        if response.gained_focus() {
            response.scroll_to_me(None);
        }
        lock_arrows(ui, id);
        if response.hovered() {
            ui.painter().rect_filled(self.rect, 4.0, cx.palette.raised);
        }
        if response.has_focus() {
            let inside = StrokeKind::Inside;
            ui.painter()
                .rect_stroke(self.rect, 4.0, (1.0, cx.palette.accent), inside);
        }
        self.paint(cx, ui);
        if response.clicked() {
            cx.push(Command::ContinueWith {
                row: cx.selection.row,
                at: self.shown.at,
                token: self.it.token,
            });
        }
        response.on_hover_ui_at_pointer(|ui| self.hover_ui(cx, ui));
    }

    /// Its place in the prediction it was drawn from.
    fn rank(&self) -> Option<u32> {
        let drawn_edited = self.is_edited_next() && !self.is_baseline_next();
        let of = self.it.after.filter(|_| drawn_edited);
        Some(of.unwrap_or(self.it.before).known()?.rank)
    }

    /// Its words and numbers, read aloud.
    fn name(&self, cx: &Cx<'_>) -> String {
        let of = |it: Likelihood| match it {
            Likelihood::Known(it) => {
                format!(
                    "{} rank {}",
                    percent(it.log_prob.exp()),
                    grouped(u64::from(it.rank))
                )
            }
            Likelihood::AtMost(most) => format!("less than {}", percent(most)),
        };
        let words = token_text(cx, self.it.token);
        let before = of(self.it.before);
        let after = self.it.after.map(|it| format!(" → {}", of(it)));
        let (after, followed) = (after.unwrap_or_default(), self.followed());
        format!("Continue with “{words}”: {before}{after}{followed}")
    }

    /// Whether and where it followed.
    fn followed(&self) -> &'static str {
        match (self.is_baseline_next(), self.is_edited_next()) {
            _ if self.shown.is_given && (self.is_baseline_next() || self.is_edited_next()) => {
                ", given next"
            }
            (true, true) => ", drawn by both",
            (true, false) if self.shown.edited_next.is_none() => ", drawn next",
            (true, false) => ", drawn by the baseline",
            (false, true) => ", drawn under the edits",
            (false, false) => "",
        }
    }

    fn paint(&self, cx: &Cx<'_>, ui: &Ui) {
        let (painter, palette) = (ui.painter(), cx.palette);
        let follows = self.is_baseline_next() || self.is_edited_next();
        let color = match (self.is_baseline_next(), follows) {
            (true, _) => palette.selected,
            (false, true) => palette.amber,
            (false, false) => palette.text,
        };
        let mut text = token_text(cx, self.it.token);
        if let Some(rank) = self.rank().filter(|_| self.is_pinned) {
            text = format!("{}. {text}", grouped(u64::from(rank)));
        }
        let mut words = words(painter, &text, BODY_SIZE);
        if words.size().x > self.columns.words {
            let font = FontId::proportional(BODY_SIZE);
            words = elided(painter, &text, font, color, self.columns.words);
        }
        let at = pos2(
            self.rect.left() + 2.0,
            self.rect.center().y - words.size().y / 2.0,
        );
        if follows {
            bold(painter, at, words, color);
        } else {
            painter.galley(at, words, color);
        }
        self.bars_ui(cx, painter);
        self.figures_ui(
            painter,
            if follows {
                palette.text
            } else {
                palette.second
            },
        );
    }

    fn bars_ui(&self, cx: &Cx<'_>, painter: &Painter) {
        let palette = cx.palette;
        let bars = self.columns.bars(self.rect);
        let (left, most) = (*bars.start(), bars.end() - bars.start());
        let middle = self.rect.center().y;
        let high = (self.rect.height() * 0.29).clamp(4.0, 7.0);
        let one = |it: Likelihood, y: f32, high: f32, color: Color32| {
            let width = (most * (it.probability() / self.columns.top).min(1.0)).max(1.5);
            let rect = Rect::from_min_size(pos2(left, y), vec2(width, high));
            match it {
                Likelihood::Known(_) => bar(painter, rect, color, false, palette.panel),
                // At most so likely: an outline, nothing that is known.
                Likelihood::AtMost(_) => {
                    let color = palette.quiet(color, 0.6);
                    painter.rect_stroke(rect, 1.0, (1.0, color), StrokeKind::Inside);
                }
            }
        };
        if let Some(after) = self.it.after {
            one(self.it.before, middle - high - 0.5, high, palette.second);
            one(after, middle + 0.5, high, palette.amber);
        } else {
            let color = if self.shown.is_edited_alone() {
                palette.amber
            } else {
                palette.second
            };
            one(self.it.before, middle - high * 0.75, high * 1.5, color);
        }
    }

    /// Right-aligned, so that digits of one place stand under one another.
    fn figures_ui(&self, painter: &Painter, color: Color32) {
        let lay = |it: String| words(painter, it, LABEL_SIZE);
        let put = |right: f32, galley: Arc<Galley>| {
            let at = pos2(
                right - galley.size().x,
                self.rect.center().y - galley.size().y / 2.0,
            );
            painter.galley(at, galley, color);
        };
        let mut right = self.rect.right() - 2.0;
        put(right, lay(" %".to_owned()));
        right -= self.columns.sign;
        if let Some(after) = self.it.after {
            put(right, lay(figure_of(after)));
            right -= self.columns.after;
            let arrow = lay("→".to_owned());
            let inset = (ARROW - arrow.size().x) / 2.0;
            put(right - inset, arrow);
            right -= ARROW;
        }
        put(right, lay(figure_of(self.it.before)));
    }

    fn hover_ui(&self, cx: &Cx<'_>, ui: &mut Ui) {
        ui.strong(format!(
            "“{}” · id {}",
            token_text(cx, self.it.token),
            self.it.token
        ));
        match self.it.after {
            None => numbers_ui(ui, "", self.it.before),
            Some(after) => {
                numbers_ui(ui, "baseline: ", self.it.before);
                numbers_ui(ui, "edited: ", after);
                change_ui(ui, self.it.before, after);
            }
        }
        let followed = self.followed().trim_start_matches(", ");
        if !followed.is_empty() {
            ui.label(followed);
        }
        ui.weak(format!(
            "click continues with it: {} and this one become given, what followed is written anew; undo returns it",
            count_of(self.shown.at.idx() as u64 + 1, "token")
        ));
    }
}

fn numbers_ui(ui: &mut Ui, row: &str, it: Likelihood) {
    match it {
        Likelihood::Known(it) => ui.label(format!(
            "{row}p = {:.4} %, log-prob {:.4} nats, rank {}",
            it.log_prob.exp() * 100.0,
            it.log_prob,
            grouped(u64::from(it.rank))
        )),
        Likelihood::AtMost(most) => ui.label(format!(
            "{row}p below {:.4} %: not among the 20 that are kept",
            most * 100.0
        )),
    };
}

/// How log-prob and rank changed, where both are known.
fn change_ui(ui: &mut Ui, before: Likelihood, after: Likelihood) {
    if let (Some(before), Some(after)) = (before.known(), after.known()) {
        ui.label(change_sentence(&before, &after));
    }
}

/// `log-prob changes by +0.256 nats, 3 up in rank, 5 → 2`.
fn change_sentence(before: &Candidate, after: &Candidate) -> String {
    let apart = change_words(f64::from(after.log_prob) - f64::from(before.log_prob));
    let rank = match (before.rank, after.rank) {
        (before, after) if before == after => format!("rank stays {}", grouped(u64::from(before))),
        (before, after) => {
            let up = if after < before { "up" } else { "down" };
            let n = grouped(u64::from(before.abs_diff(after)));
            let (before, after) = (grouped(u64::from(before)), grouped(u64::from(after)));
            format!("{n} {up} in rank, {before} → {after}")
        }
    };
    format!("log-prob changes by {apart} nats, {rank}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::TokenId;

    #[test]
    fn a_change_says_its_sign_three_digits_and_never_nothing() {
        let check = |log_probs: [f32; 2], ranks: [u32; 2], wanted: &str| {
            let [before, after] = [0, 1].map(|it| Candidate {
                token: TokenId(1),
                log_prob: log_probs[it],
                rank: ranks[it],
            });
            assert_eq!(change_sentence(&before, &after), wanted);
        };
        check(
            [-1.5, -1.2437],
            [5, 2],
            "log-prob changes by +0.256 nats, 3 up in rank, 5 → 2",
        );
        check(
            [-1.5, -3.25],
            [1, 1201],
            "log-prob changes by −1.75 nats, 1,200 down in rank, 1 → 1,201",
        );
        check(
            [-1.5, -1.500_01],
            [1, 1],
            "log-prob changes by less than 0.001 nats, rank stays 1",
        );
        check(
            [-1.5, -1.5],
            [1, 1],
            "log-prob changes by 0 nats, rank stays 1",
        );
    }
}
