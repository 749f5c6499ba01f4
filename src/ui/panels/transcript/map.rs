//! The narrow map of the whole text: where the edits change it, and where pinned experts were picked.

use eframe::egui::{self, Rect, Sense, Ui, pos2, vec2};

use crate::analysis::places;
use crate::spec::Position;
use crate::ui::widgets::{MOST_PINS, pin_of};
use crate::ui::{Change, Cx, Drawing, ExpertAt, LEAST_FULL_KL, Memo, RowKey, RowView};

use super::lit::{self, Picked};

/// Its width, points.
pub const WIDTH: f32 = 10.0;
/// The mark of the expert pointed at or selected.
const LIT_WIDTH: f32 = 4.0;
/// What each pin adds to it.
const PIN_WIDTH: f32 = 3.0;

/// The map; one bin a point of height, so that a long text takes no longer to draw than a short one.
#[derive(Default)]
pub struct Map {
    /// The tokens of the expert pointed at or selected.
    lit: Picked,
    /// Those of each pin.
    pins: [Picked; MOST_PINS],
    /// The largest KL of each bin, nats.
    kl: Memo<(Bins, Option<RowKey>), Vec<f32>>,
    marks: Memo<MarksFor, Marks>,
}

/// How the tokens are parted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bins {
    n_tokens: usize,
    n: usize,
}

impl Bins {
    /// That of a token.
    fn of(self, at: Position) -> usize {
        (at.idx() * self.n / self.n_tokens.max(1)).min(self.n - 1)
    }
}

/// What the marks are made from.
#[derive(Clone, PartialEq)]
struct MarksFor {
    bins: Bins,
    row: RowKey,
    pins: Vec<ExpertAt>,
    lit: Option<ExpertAt>,
}

/// By bin, which experts were picked in it.
#[derive(Default)]
struct Marks {
    pins: Vec<[bool; MOST_PINS]>,
    /// The one pointed at or selected.
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
        let painter = ui.painter();
        painter.rect_filled(map, 3.0, cx.palette.raised);
        if content > map.height() {
            let share = |it: f32| map.top() + map.height() * (it / content).clamp(0.0, 1.0);
            let sight = share(offset)..=share(offset + map.height());
            let sight = Rect::from_x_y_ranges(map.x_range(), sight);
            painter.rect_filled(sight, 3.0, cx.palette.hovered);
        }
        self.bins_ui(cx, ui, map, change);
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
        let n = (height.floor() as usize).clamp(1, n_tokens.max(1));
        let bins = Bins { n_tokens, n };
        self.kl.get((bins, cx.session.counterfactual_key()), |_| {
            let counterfactual = cx.session.counterfactual().into_iter();
            let mut kl = vec![0.0f32; bins.n];
            for change in counterfactual.flat_map(|it| places(it.record)) {
                let most = &mut kl[bins.of(change.at)];
                *most = most.max(change.kl);
            }
            kl
        });
        let lit = lit::expert(cx);
        let key = MarksFor {
            bins,
            row: cx.session.row_key(cx.selection.row).unwrap_or_default(),
            pins: cx.pins.to_vec(),
            lit,
        };
        let (of_lit, of_pins) = (&mut self.lit, &mut self.pins);
        self.marks.get(key, |_| {
            let mut out = Marks {
                pins: vec![[false; MOST_PINS]; bins.n],
                lit: vec![false; bins.n],
            };
            for at in of_lit.follow(cx, lit) {
                out.lit[bins.of(*at)] = true;
            }
            for (slot, (read, pin)) in of_pins.iter_mut().zip(cx.pins).enumerate() {
                for at in read.follow(cx, Some(*pin)) {
                    out.pins[bins.of(*at)][slot] = true;
                }
            }
            out
        });
        n_tokens
    }

    fn bins_ui(&self, cx: &Cx<'_>, ui: &Ui, map: Rect, change: &Change) {
        let (kl, marks) = (self.kl.value(), self.marks.value());
        let painter = ui.painter();
        let height = map.height() / kl.len().max(1) as f32;
        // A change of next to nothing is not drawn as if it were large.
        let largest = change
            .concentration
            .map_or(LEAST_FULL_KL, |it| it.largest.kl.max(LEAST_FULL_KL));
        let pins: Vec<_> = cx.pins.iter().map(|it| pin_of(cx, *it)).collect();
        let lit = lit::expert(cx).map(|it| lit::color(cx, it));
        for (n, (kl, picked)) in kl.iter().zip(&marks.pins).enumerate() {
            let top = map.top() + n as f32 * height;
            if *kl > 0.0 {
                let width = (WIDTH * kl / largest).clamp(0.0, WIDTH);
                let bar = Rect::from_min_size(pos2(map.right() - width, top), vec2(width, height));
                painter.rect_filled(bar, 0.0, cx.palette.amber);
            }
            if let Some(color) = lit.filter(|_| marks.lit[n]) {
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
