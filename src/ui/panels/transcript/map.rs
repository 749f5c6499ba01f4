//! The narrow map of the whole text: where the edits change it, and where pinned experts were picked.

use eframe::egui::{self, Rect, Sense, Ui, pos2, vec2};

use crate::analysis::places;
use crate::spec::Position;
use crate::ui::widgets::{MOST_PINS, pin_of};
use crate::ui::{Change, Cx, Drawing, ExpertAt, LEAST_FULL_KL, Memo, RowKey, RowView};

use super::lit;

/// Its width, points.
pub const WIDTH: f32 = 10.0;
/// The mark of the expert pointed at or selected.
const LIT_WIDTH: f32 = 4.0;
/// What each pin adds to it.
const PIN_WIDTH: f32 = 3.0;

/// What it is made from.
#[derive(Clone, PartialEq)]
struct MapFor {
    row: RowKey,
    counterfactual: Option<RowKey>,
    n_tokens: usize,
    n_bins: usize,
    pins: Vec<ExpertAt>,
    lit: Option<ExpertAt>,
}

/// The map; one bin a point of height, so that a long text takes no longer to draw than a short one.
#[derive(Default)]
pub struct Map {
    bins: Memo<MapFor, Bins>,
}

#[derive(Default)]
struct Bins {
    /// The largest KL of each bin, nats.
    kl: Vec<f32>,
    /// Which pins were picked in it.
    pins: Vec<[bool; MOST_PINS]>,
    /// Whether the expert pointed at or selected was picked in it.
    lit: Vec<bool>,
}

/// How wide it is for as many pins.
pub fn width(cx: &Cx<'_>) -> f32 {
    WIDTH + PIN_WIDTH * cx.pins.len() as f32
}

impl Map {
    /// The whole text from top to bottom: KL as amber bars from the right, pins from the left, the
    /// selected token, the part in sight. A click gives the offset to scroll to.
    pub fn ui(
        &mut self,
        cx: &Cx<'_>,
        ui: &mut Ui,
        map: Rect,
        (content, offset): (f32, f32),
        change: &Change,
    ) -> Option<f32> {
        let lit = lit::expert(cx);
        if change.concentration.is_none() && cx.pins.is_empty() && lit.is_none() {
            return None;
        }
        let n_tokens = self.update(cx, map.height());
        let bins = self.bins.value();
        let painter = ui.painter();
        painter.rect_filled(map, 3.0, cx.palette.raised);
        if content > map.height() {
            let share = |it: f32| map.top() + map.height() * (it / content).clamp(0.0, 1.0);
            let sight = share(offset)..=share(offset + map.height());
            let sight = Rect::from_x_y_ranges(map.x_range(), sight);
            painter.rect_filled(sight, 3.0, cx.palette.hovered);
        }
        bins.ui(cx, ui, map, change);
        if let Some(at) = cx.selection.position {
            let share = (at.idx() as f32 + 0.5) / n_tokens.max(1) as f32;
            let y = map.top() + map.height() * share;
            painter.hline(map.x_range(), y, (1.5, cx.palette.selected));
        }
        if cx.drawing == Drawing::Paper {
            return None;
        }
        let response = ui.interact(map, ui.scope_id().with("map"), Sense::click());
        response
            .widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "Map of the text"));
        let response = response.on_hover_text(
            "The whole text from top to bottom; amber: how much the edits change; colours: where the expert pointed at or selected and those pinned were picked",
        );
        let at = response
            .interact_pointer_pos()
            .filter(|_| response.clicked())?;
        let share = (at.y - map.top()) / map.height();
        Some((share * content - map.height() / 2.0).max(0.0))
    }

    /// Sorts the text into bins anew where it, the pins or the height changed. Returns its tokens.
    fn update(&mut self, cx: &Cx<'_>, height: f32) -> usize {
        let len = |it: Option<RowView<'_>>| it.map_or(0, |it| it.record.tokens.len());
        let n_tokens = len(cx.session.baseline()).max(len(cx.session.edited()));
        let n_bins = (height.floor() as usize).clamp(1, n_tokens.max(1));
        let key = MapFor {
            row: cx.session.row_key(cx.selection.row).unwrap_or_default(),
            counterfactual: cx.session.counterfactual_key(),
            n_tokens,
            n_bins,
            pins: cx.pins.to_vec(),
            lit: lit::expert(cx),
        };
        self.bins.get(key, |it| Bins::of(cx, it));
        n_tokens
    }
}

impl Bins {
    fn of(cx: &Cx<'_>, key: &MapFor) -> Self {
        let (n_tokens, n_bins) = (key.n_tokens, key.n_bins);
        let bin = |at: usize| (at * n_bins / n_tokens.max(1)).min(n_bins - 1);
        let mut kl = vec![0.0f32; n_bins];
        let counterfactual = cx.session.counterfactual().into_iter();
        for change in counterfactual.flat_map(|it| places(it.record)) {
            let bin = &mut kl[bin(change.at.idx())];
            *bin = bin.max(change.kl);
        }
        let mut pins = vec![[false; MOST_PINS]; n_bins];
        if let Some(view) = cx.row() {
            for (slot, pin) in cx.pins.iter().enumerate().take(MOST_PINS) {
                for at in 0..view.record.store.len() {
                    pins[bin(at)][slot] |= lit::picked(view, Position::new(at), *pin);
                }
            }
        }
        let mut lit = vec![false; n_bins];
        if let (Some(view), Some(expert)) = (cx.row(), key.lit) {
            for at in 0..view.record.store.len() {
                lit[bin(at)] |= lit::picked(view, Position::new(at), expert);
            }
        }
        Self { kl, pins, lit }
    }

    fn ui(&self, cx: &Cx<'_>, ui: &Ui, map: Rect, change: &Change) {
        let painter = ui.painter();
        let height = map.height() / self.kl.len().max(1) as f32;
        // A change of next to nothing is not drawn as if it were large.
        let largest = change
            .concentration
            .map_or(LEAST_FULL_KL, |it| it.largest.kl.max(LEAST_FULL_KL));
        let pins: Vec<_> = cx.pins.iter().map(|it| pin_of(cx, *it)).collect();
        let lit = lit::expert(cx).map(|it| lit::color(cx, it));
        for (n, (kl, picked)) in self.kl.iter().zip(&self.pins).enumerate() {
            let top = map.top() + n as f32 * height;
            if *kl > 0.0 {
                let width = (WIDTH * kl / largest).clamp(0.0, WIDTH);
                let bar = Rect::from_min_size(pos2(map.right() - width, top), vec2(width, height));
                painter.rect_filled(bar, 0.0, cx.palette.amber);
            }
            if let Some(color) = lit.filter(|_| self.lit[n]) {
                let mark = Rect::from_min_size(pos2(map.left(), top), vec2(LIT_WIDTH, height));
                painter.rect_filled(mark, 0.0, color);
            }
            for (slot, pin) in pins.iter().enumerate().filter(|(slot, _)| picked[*slot]) {
                let left = map.left() + slot as f32 * PIN_WIDTH;
                let mark = Rect::from_min_size(pos2(left, top), vec2(PIN_WIDTH - 1.0, height));
                if let Some(pin) = pin {
                    painter.rect_filled(mark, 0.0, pin.color);
                }
            }
        }
    }
}
