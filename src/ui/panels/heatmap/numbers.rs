//! Numbers in cells, and the place of rings and strikes beside them: neither lies over the other.

use eframe::egui::{self, Rect, Ui, vec2};

use crate::ui::widgets::words as words_of;
use crate::ui::{Cx, ExpertAt, GridView};

use super::order::Order;
use super::plot::Plot;

/// The largest ring of a pick, points.
const RING: f32 = 6.0;
/// Cells from this width on have differences in them, points.
const WIDE: f32 = 40.0;
/// What a ring, or a strike, takes of a cell with a number in it, points.
const MARKS: f32 = 12.5;
/// What an id takes of the width of its cell, points.
const ID: f32 = 22.0;
/// The largest ring there.
const SMALL_RING: f32 = 4.75;
/// Around a number in a cell, points.
const AROUND: egui::Vec2 = vec2(3.0, 0.0);

/// Whether cells have numbers in them: wide ones with a difference, and all that have room before a class.
fn shows_numbers(cx: &Cx<'_>, grid: &GridView, plot: &Plot) -> bool {
    let is_wide = plot.differences() && fits(grid.cell(0, 0), WIDE);
    !grid.is_small() && (is_wide || cx.palette.presents())
}

/// Whether a cell is as wide, and as high as a line of words.
pub fn fits(cell: Rect, width: f32) -> bool {
    cell.width() >= width && cell.height() >= 12.0
}

/// What a ring or a strike takes of each cell with a number in it, and what it leaves the number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MarkRoom {
    /// The left of it.
    Left,
    /// Its upper part.
    Above,
    /// Its upper part, right of an id.
    AboveBesideId,
}

impl MarkRoom {
    /// Where a cell has room for the widest number of its kind beside a ring; none where it has none.
    pub fn of(
        cx: &Cx<'_>,
        ui: &Ui,
        grid: &GridView,
        (plot, order): (&Plot, Order),
    ) -> Option<Self> {
        if !shows_numbers(cx, grid, plot) {
            return None;
        }
        let widest = plot.asked.value.widest();
        let number = words_of(ui.painter(), widest, cx.palette.letters(11.0));
        let number = number.size() + 2.0 * AROUND;
        let cell = grid.cell(0, 0).size();
        // Ids have the corner where columns do not say them.
        if order != Order::Id {
            let fits =
                cell.y >= MARKS + number.y - 2.0 && cell.x >= (ID + MARKS).max(number.x - 4.0);
            return fits.then_some(Self::AboveBesideId);
        }
        if cell.x >= MARKS + number.x && cell.y >= MARKS.max(number.y - 2.0) {
            Some(Self::Left)
        } else if cell.y >= MARKS + number.y - 2.0 && cell.x >= number.x - 4.0 {
            Some(Self::Above)
        } else {
            None
        }
    }

    /// The part for marks, and the part for the number.
    pub fn parts(self, cell: Rect) -> (Rect, Rect) {
        match self {
            Self::Left => cell.split_left_right_at_x(cell.left() + MARKS),
            Self::Above => cell.split_top_bottom_at_y(cell.top() + MARKS),
            Self::AboveBesideId => {
                let (above, rest) = cell.split_top_bottom_at_y(cell.top() + MARKS);
                (above.with_min_x(cell.left() + ID), rest)
            }
        }
    }
}

/// Where the ring of a pick stands, and how large it is.
pub fn ring_of(beside: Option<MarkRoom>, cell: Rect) -> (egui::Pos2, f32) {
    let radius = (cell.size().min_elem() * 0.22).clamp(3.0, RING);
    beside.map_or((cell.center(), radius), |it| {
        (it.parts(cell).0.center(), radius.min(SMALL_RING))
    })
}

/// A number on a plate of the panel's colour, so that it is read on any cell; false where there is none to write.
///
/// * `rest`: what marks leave of the cell
pub fn number_ui(cx: &Cx<'_>, ui: &Ui, plot: &Plot, rest: Rect, at: ExpertAt) -> bool {
    let Some(words) = plot.asked.value.in_cell(plot.number(at)) else {
        return false;
    };
    if plot.is_empty(at) {
        return false;
    }
    let (painter, palette) = (ui.painter(), cx.palette);
    let galley = words_of(painter, words, palette.letters(11.0));
    let size = galley.size() + 2.0 * AROUND;
    let plate = Rect::from_center_size(rest.center(), size).intersect(rest);
    painter.rect_filled(plate, 3.0, palette.panel);
    let place = rest.center() - galley.size() / 2.0;
    painter.galley(place, galley, palette.text);
    true
}
