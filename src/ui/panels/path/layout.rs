//! Where routers and their experts stand: columns from left to right, lanes or stacked nodes in each.

use eframe::egui::{FontId, Rect, Ui, pos2, vec2};

use crate::spec::{ModelSpec, RouterId, Site, StackId};
use crate::ui::Cx;
use crate::ui::Palette;
use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::words_width;

/// Labels inside the plot, points.
const SMALL: f32 = 11.0;

/// The same, as a class reads it.
pub fn small(ui: &Ui) -> f32 {
    Palette::of(ui).letters(SMALL)
}
const BELOW: f32 = 17.0;
/// Between stacked nodes at most, points.
const GAP: f32 = 4.0;
/// An expert that nothing flows through keeps this height, points.
const LEAST: f32 = 1.0;

/// The columns of a plot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PathColumns {
    /// Where the nodes stand.
    pub rect: Rect,
    /// Routers.
    pub n: usize,
    /// Width of a node, points.
    pub node: f32,
}

impl PathColumns {
    /// Places `n` columns inside `area`, with `left` points for labels.
    pub fn fit(area: Rect, n: usize, left: f32) -> Option<Self> {
        let rect = Rect::from_min_max(area.min + vec2(left, 4.0), area.max - vec2(6.0, BELOW));
        let pitch = rect.width() / n.max(1) as f32;
        let node = match pitch {
            it if it >= 44.0 => 16.0,
            it if it >= 18.0 => 6.0,
            _ => 1.5,
        };
        (rect.height() >= 24.0 && rect.width() >= 40.0).then_some(Self { rect, n, node })
    }

    /// Between two columns, points.
    pub fn pitch(&self) -> f32 {
        let inner = self.rect.width() - self.node;
        if self.n > 1 {
            inner / (self.n - 1) as f32
        } else {
            inner
        }
    }

    /// The middle of a column.
    pub fn x(&self, router: usize) -> f32 {
        self.rect.left() + self.node / 2.0 + self.pitch() * router as f32
    }

    /// The column nearest to `x`, and the gap `x` lies in: that after the column it names.
    pub fn under(&self, x: f32) -> (usize, Option<usize>) {
        let at = (x - self.x(0)) / self.pitch();
        let nearest = at.round().clamp(0.0, (self.n - 1) as f32) as usize;
        let gap = (at >= 0.0).then_some(at as usize);
        (nearest, gap.filter(|it| it + 1 < self.n))
    }

    /// Whether `x` is nearer to a column than to the middle of a gap.
    pub fn is_on_column(&self, x: f32) -> bool {
        let (nearest, _) = self.under(x);
        (x - self.x(nearest)).abs() <= (self.node / 2.0 + 2.0).min(self.pitch() * 0.25)
    }

    fn node_rect(&self, router: usize, top: f32, bottom: f32) -> Rect {
        let x = self.x(router);
        Rect::from_min_max(
            pos2(x - self.node / 2.0, top),
            pos2(x + self.node / 2.0, bottom),
        )
    }

    /// A lane an expert, equal in all columns: `[R][E]`.
    pub fn lanes(&self, spec: &ModelSpec) -> Vec<Vec<Rect>> {
        let column = |(router, n_experts): (usize, usize)| {
            let pitch = self.rect.height() / n_experts as f32;
            let half = (pitch * 0.36).clamp(0.5, 7.0);
            (0..n_experts)
                .map(|it| {
                    let y = self.rect.top() + (it as f32 + 0.5) * pitch;
                    self.node_rect(router, y - half, y + half)
                })
                .collect()
        };
        let sizes = spec.routers.iter().map(|it| it.n_experts);
        sizes.enumerate().map(column).collect()
    }

    /// Nodes stacked by expert id, as tall as what flows through them, `n` `[R][E]`.
    pub fn stacks(&self, n: &[Vec<u64>]) -> Vec<Vec<Rect>> {
        let column = |(router, loads): (usize, &Vec<u64>)| {
            let n_experts = loads.len() as f32;
            let total = loads.iter().sum::<u64>().max(1) as f32;
            let gap = GAP.min(self.rect.height() * 0.25 / n_experts.max(1.0));
            let least = LEAST.min(gap);
            let room = self.rect.height() - gap * (n_experts - 1.0) - least * n_experts;
            let mut top = self.rect.top();
            loads
                .iter()
                .map(|load| {
                    let bottom = top + least + room * *load as f32 / total;
                    let rect = self.node_rect(router, top, bottom);
                    top = bottom + gap;
                    rect
                })
                .collect()
        };
        n.iter().enumerate().map(column).collect()
    }
}

/// Which routers have their name under their column: those that fit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Labels {
    in_full: bool,
    /// Every how many columns there is one.
    every: usize,
}

impl Labels {
    /// Measures the names: not to be done in every frame.
    pub fn fit(ui: &Ui, spec: &ModelSpec, columns: &PathColumns) -> Self {
        let pitch = columns.pitch();
        let widths = spec
            .routers
            .iter()
            .map(|it| words_width(ui, &it.label(), LABEL_SIZE));
        let widest = widths.fold(0.0, f32::max);
        let in_full = pitch >= widest + 8.0;
        let needed = if in_full { widest + 8.0 } else { 30.0 };
        Self {
            in_full,
            every: (needed / pitch).ceil().max(1.0) as usize,
        }
    }

    /// Writes them; where not every one fits, those beside the selected one give way to it.
    pub fn ui(&self, cx: &Cx<'_>, ui: &Ui, columns: &PathColumns) {
        let Some(spec) = cx.spec() else {
            return;
        };
        let every = self.every.max(1);
        let y = columns.rect.bottom() + 4.0;
        let selected = cx.selection.router.map(RouterId::idx);
        for (n, router) in spec.routers.iter().enumerate() {
            let is_selected = selected == Some(n);
            let beside = selected.is_some_and(|it| it.abs_diff(n) < every);
            if !is_selected && (n % every != 0 || (every > 1 && beside)) {
                continue;
            }
            let words = match (self.in_full, router.place.site) {
                (true, _) => router.label(),
                (false, _) if router.place.of_two => match router.place.stack {
                    StackId::Encoder => format!("enc {}", router.place.layer),
                    StackId::Decoder => format!("dec {}", router.place.layer),
                },
                (false, Site::Ffn) => router.place.layer.to_string(),
                (false, Site::Attention) => format!("{}a", router.place.layer),
            };
            let color = if is_selected {
                cx.palette.text
            } else {
                cx.palette.second
            };
            let font = FontId::proportional(LABEL_SIZE);
            let galley = ui.painter().layout_no_wrap(words, font, color);
            let width = galley.size().x.ceil();
            let area = ui.max_rect();
            let x = (columns.x(n) - width / 2.0)
                .clamp(area.left(), (area.right() - width).max(area.left()));
            ui.painter().galley(pos2(x, y), galley, color);
        }
    }
}

/// The word for what stands beneath the columns, where it does not stand under each.
pub fn gutter(ui: &Ui, spec: &ModelSpec) -> f32 {
    let most = spec.max_experts().saturating_sub(1).to_string();
    words_width(ui, &most, small(ui)).max(10.0) + 9.0
}
