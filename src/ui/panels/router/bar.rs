//! One expert's bar: what it shows and how it is marked; its gestures, its numbers on hover.

use std::sync::Arc;

use eframe::egui::{
    self, Color32, FontId, Galley, Rect, Role, Sense, StrokeKind, Ui, pos2,
    text::{LayoutJob, TextFormat},
    vec2,
};

use crate::document::{Decided, ListedMark, full_words, pick_state_words};
use crate::spec::ExpertId;
use crate::trace::PickState;
use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::{
    MOST_COLOURS, bar, dropped_mark, expert_gestures, expert_menu, figure, lock_arrows,
};
use crate::ui::words::short;
use crate::ui::{Cx, Drawing, ExpertAt};

use super::decided::expert_at;
use super::drag::{self, Drag};
use super::{hover, quick};

/// So many experts have a colour without stripes.
const N_COLOURS: usize = 8;
/// How strongly bars are drawn that were not chosen.
const QUIET: f32 = 0.55;

/// Where the parts of every line stand.
#[derive(Clone, Copy, Debug)]
pub struct BarColumns {
    /// Where bars begin, from the left of a line.
    pub gutter: f32,
    /// Width of the words on the right.
    pub right: f32,
    /// Width of the figure after a bar.
    pub figure: f32,
    /// The share at the end of the scale.
    pub top: f32,
    /// Whether names are cut to the id.
    pub is_narrow: bool,
    /// Whether score and selection bias are told beside the bar.
    pub tells_bias: bool,
}

impl BarColumns {
    /// From where to where bars reach.
    pub fn reach(&self, lines: Rect) -> std::ops::RangeInclusive<f32> {
        let left = lines.left() + self.gutter;
        left..=left + (lines.right() - self.right - self.figure - left).max(8.0)
    }

    /// The bar of a share in a line.
    pub fn bar(&self, line: Rect, share: f32) -> Rect {
        let reach = self.reach(line);
        let (left, most) = (*reach.start(), reach.end() - reach.start());
        let width = (most * (share / self.top).clamp(0.0, 1.0)).max(1.5);
        let height = (line.height() - 7.0).clamp(7.0, 14.0);
        Rect::from_min_size(
            pos2(left, line.center().y - height / 2.0),
            vec2(width, height),
        )
    }
}

/// One line: the bar of an expert.
pub struct Line<'a, 'b> {
    /// What the panel is about.
    pub decided: &'a Decided<'b>,
    /// Whose bar.
    pub expert: ExpertId,
    /// What the list does to it here.
    pub mark: ListedMark,
    /// Where it stands.
    pub rect: Rect,
    /// Where its parts stand.
    pub columns: BarColumns,
}

impl Line<'_, '_> {
    fn at(&self) -> ExpertAt {
        expert_at(self.decided, self.expert)
    }

    /// Draws it, and answers to the pointer where there is one.
    pub fn ui(&self, cx: &mut Cx<'_>, ui: &mut Ui, drag: &mut Option<Drag>) {
        if cx.drawing == Drawing::Paper {
            self.paint(cx, ui, None, false);
            self.right_ui(cx, ui, None);
            return;
        }
        let at = self.at();
        let id = ui.scope_id().with((at.router.0, at.expert.0));
        let response = ui.interact(self.rect, id, Sense::click_and_drag());
        response.widget_info(|| egui::WidgetInfo::labeled(Role::Button, true, self.name()));
        if response.gained_focus() {
            response.scroll_to_me(None);
        }
        // The arrows go to the next token or layer, as they do everywhere.
        lock_arrows(ui, id);
        expert_gestures(cx, &response, at);
        drag::gesture(cx, &response, at, drag);
        let dragged = drag.filter(|it| it.at == at);
        // Not on focus: the buttons would go with it as soon as Tab leads to them. Keys mask and force.
        let is_hot = drag.is_none() && ui.rect_contains_pointer(self.rect);
        self.states_ui(cx, ui, is_hot, response.has_focus());
        self.paint(cx, ui, dragged.as_ref(), is_hot);
        if !(is_hot && quick::ui(cx, ui, self.rect, at)) {
            self.right_ui(cx, ui, dragged.as_ref());
        }
        response.context_menu(|ui| expert_menu(cx, ui, at));
        if dragged.is_none() {
            response
                .on_hover_ui_at_pointer(|ui| hover::ui(ui, self.decided, self.expert, &self.mark));
        }
    }

    /// Its name and numbers, read aloud.
    fn name(&self) -> String {
        let share = self.decided.share(self.expert);
        let share = share.map(|it| format!(": {} %", short(f64::from(it) * 100.0)));
        let picked = match self.decided.pick(self.expert) {
            Some(pick) if pick.state == PickState::Dropped => full_words(self.decided.spec, pick),
            Some(pick) => format!("picked with weight {}", short(f64::from(pick.weight))),
            None => "not picked".to_owned(),
        };
        let name = format!("expert {} of {}", self.expert, self.decided.spec.label());
        let mark = if self.mark.any() { ", " } else { "" };
        let share = share.unwrap_or_default();
        format!("{name}{share}, {picked}{mark}{}", self.mark.words)
    }

    /// Lit, selected, focused.
    fn states_ui(&self, cx: &Cx<'_>, ui: &Ui, is_hot: bool, has_focus: bool) {
        let (painter, palette) = (ui.painter(), cx.palette);
        let around = self.rect.shrink2(vec2(0.5, 0.5));
        if is_hot || cx.hover.expert == Some(self.at()) {
            painter.rect_filled(around, 4.0, palette.raised);
        }
        if cx.selection.expert_at() == Some(self.at()) {
            painter.rect_stroke(around, 4.0, (1.5, palette.selected), StrokeKind::Inside);
        }
        if has_focus {
            painter.rect_stroke(around, 4.0, (1.0, palette.accent), StrokeKind::Outside);
        }
    }

    /// Name, bar, figure and marks.
    fn paint(&self, cx: &Cx<'_>, ui: &Ui, dragged: Option<&Drag>, is_hot: bool) {
        let (painter, palette) = (ui.painter(), cx.palette);
        let pick = self.decided.pick(self.expert);
        let words = if pick.is_some() {
            palette.text
        } else {
            palette.second
        };
        let font = FontId::proportional(LABEL_SIZE);
        let name = if self.columns.is_narrow {
            self.expert.to_string()
        } else {
            format!("expert {}", self.expert)
        };
        let name = painter.layout_no_wrap(name, font.clone(), words);
        let y = |galley: &Galley| self.rect.center().y - galley.size().y / 2.0;
        let left = self.rect.left() + self.columns.gutter - 10.0 - name.size().x;
        let name_rect = Rect::from_min_size(pos2(left, y(&name)), name.size());
        painter.galley(name_rect.min, name, words);

        let share = self.decided.share(self.expert);
        let length = share.or(pick.map(|it| it.weight)).unwrap_or(0.0);
        let rect = self.columns.bar(self.rect, length);
        let (color, striped) = self.color(cx);
        let is_dropped = pick.is_some_and(|it| it.state == PickState::Dropped);
        let fill = if pick.is_some() && !is_dropped {
            color
        } else {
            palette.quiet(color, QUIET)
        };
        bar(painter, rect, fill, striped, palette.panel);
        if is_dropped {
            let radius = (rect.height() * 0.3).clamp(2.5, 4.5);
            let place = rect.left_center() + vec2(radius + 3.0, 0.0);
            dropped_mark(painter, place, radius, palette);
        }
        self.mark_ui(cx, ui, rect, name_rect);
        let mut right = rect.right();
        if let Some((decision, drag)) = self.decided.decision.as_ref().zip(dragged) {
            let share = decision.share_with(self.expert, drag.more(self.decided));
            let preview = self.columns.bar(self.rect, share).expand(1.0);
            painter.rect_stroke(preview, 2.0, (1.5, palette.amber), StrokeKind::Outside);
            right = right.max(preview.right());
        }
        let (text, color) = match (dragged, share) {
            (Some(drag), _) => (drag.words(), palette.amber),
            (None, Some(share)) => (format!("{} %", figure(share)), words),
            (None, None) => return,
        };
        let text = painter.layout_no_wrap(text, font, color);
        let at = pos2(right + 7.0, y(&text));
        // The line of an even share does not run through a figure.
        let behind = if is_hot {
            palette.raised
        } else {
            palette.panel
        };
        let around = Rect::from_min_size(at, text.size()).expand2(vec2(2.0, -1.0));
        painter.rect_filled(around, 0.0, behind);
        painter.galley(at, text, color);
    }

    /// The colour of the expert, and whether it is striped; grey where there are too many, but for those pinned.
    fn color(&self, cx: &Cx<'_>) -> (Color32, bool) {
        let e = self.expert.idx();
        if self.decided.routed.n_experts() <= MOST_COLOURS {
            return (cx.palette.expert(e), e >= N_COLOURS);
        }
        let pinned = cx.pins.iter().position(|it| *it == self.at());
        pinned.map_or((cx.palette.second, false), |it| {
            (cx.palette.expert(it), true)
        })
    }

    /// Masked: struck through. Forced: a solid border and a dot. Else changed: a border.
    fn mark_ui(&self, cx: &Cx<'_>, ui: &Ui, bar: Rect, name: Rect) {
        if !self.mark.any() {
            return;
        }
        let (painter, amber) = (ui.painter(), cx.palette.amber);
        let width = if self.mark.forced { 2.5 } else { 1.5 };
        painter.rect_stroke(bar, 2.0, (width, amber), StrokeKind::Outside);
        if self.mark.forced {
            let at = pos2(bar.left() - 5.5, bar.center().y);
            painter.circle_filled(at, 2.5, amber);
        }
        if self.mark.masked {
            let y = name.center().y + 1.0;
            let strike = |x: egui::Rangef| painter.hline(x, y, (1.5, amber));
            strike(name.x_range());
            let through = bar.expand2(vec2(3.0, 2.0));
            painter.line_segment([through.left_bottom(), through.right_top()], (1.5, amber));
        }
    }

    /// Weight and marks in words, or what a drag would do.
    fn right_ui(&self, cx: &Cx<'_>, ui: &Ui, dragged: Option<&Drag>) {
        let galley = self.right(cx, ui, dragged);
        let at = pos2(
            self.rect.right() - galley.size().x - 4.0,
            self.rect.center().y - galley.size().y / 2.0,
        );
        ui.painter().galley(at, galley, cx.palette.text);
    }

    /// The words on the right.
    pub fn right(&self, cx: &Cx<'_>, ui: &Ui, dragged: Option<&Drag>) -> Arc<Galley> {
        let palette = cx.palette;
        let mut job = LayoutJob::default();
        let mut add = |text: &str, color: Color32| {
            let gap = if job.is_empty() { 0.0 } else { 6.0 };
            let format = TextFormat {
                font_id: FontId::proportional(LABEL_SIZE),
                color,
                ..TextFormat::default()
            };
            job.append(text, gap, format);
        };
        if let Some(drag) = dragged {
            add(self.outcome(drag), palette.amber);
        } else {
            add(&self.mark.words, palette.amber);
            if let Some(group) = self.closed_group().filter(|_| self.columns.tells_bias) {
                add(&format!("group {group} left out"), palette.third);
            }
            if let Some(words) = self.selected_by().filter(|_| self.columns.tells_bias) {
                add(&words, palette.second);
            }
            if let Some(pick) = self.decided.pick(self.expert) {
                // Forced by the list is said already.
                if !self.mark.words.contains(pick_state_words(pick.state)) {
                    add(pick_state_words(pick.state), palette.amber);
                }
                let word = if self.columns.is_narrow {
                    ""
                } else {
                    "weight "
                };
                // What was dropped weighs nothing.
                if pick.state != PickState::Dropped {
                    add(&format!("{word}{:.3}", pick.weight), palette.text);
                }
            }
        }
        ui.painter().layout_job(job)
    }

    /// Its group, where that was left out, so that no score could bring it in.
    fn closed_group(&self) -> Option<usize> {
        let group = self.decided.group(self.expert)?;
        let kept = self.decided.routed.groups_kept().get(group);
        (kept == Some(&false) && self.decided.pick(self.expert).is_none()).then_some(group)
    }

    /// `0.357 + 0.012`: its score and what is added to that before the choice, where anything is.
    fn selected_by(&self) -> Option<String> {
        let decision = self.decided.decision.as_ref()?;
        let bias = decision.select_bias(self.expert);
        let is_biased = self.decided.spec.select_bias || bias != 0.0;
        let sign = if bias < 0.0 { '−' } else { '+' };
        let score = decision.scores[self.expert.idx()];
        is_biased.then(|| format!("{score:.3} {sign} {:.3}", bias.abs()))
    }

    /// What the bias dragged to does to the choice for the token shown.
    fn outcome(&self, drag: &Drag) -> &'static str {
        let decision = self.decided.decision.as_ref();
        let cut = decision.and_then(|it| it.distance_to_cut(self.expert));
        let is_picked = self.decided.pick(self.expert).is_some();
        match cut {
            Some(cut) if drag.more(self.decided) > cut => "picked",
            Some(_) if is_picked => "no longer picked",
            Some(_) => "not picked",
            None => "",
        }
    }
}
