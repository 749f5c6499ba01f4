//! Where lines of the strip begin, where the texts part, where the token selected stands.

use crate::spec::Position;
use crate::ui::Cx;

use super::heads::HEADER;
use super::part::{PartLayout, TokenRun};
use super::sight::{Places, Spot};

/// The places that may be kept in sight, of a strip that was drawn at `top`.
///
/// * `strip`: its parts, and where their words stand
pub fn places(
    cx: &Cx<'_>,
    (parts, layouts): (&[TokenRun], &[PartLayout]),
    divergence: Option<Position>,
    top: f32,
) -> Places {
    let rects = || parts.iter().zip(layouts);
    let of = |part: &TokenRun, layout: &PartLayout, at: Position| {
        let n = at.idx().checked_sub(part.range.start)?;
        layout.rect(part, n)
    };
    // A line of a column begins under the head, which stays in sight.
    let spot = |part: &TokenRun, line: f32| Spot {
        line: line - top,
        start: line - top - head_of(part),
    };
    let columns = || rects().filter(|it| it.0.header);
    let parted = columns().filter_map(|(part, layout)| {
        let line = of(part, layout, divergence?)?.top();
        Some(spot(part, line))
    });
    let head = columns().map(|it| it.1.origin.y - HEADER - top);
    let head = head.reduce(f32::min).map(|it| Spot {
        line: it,
        start: it,
    });
    let parted = parted.reduce(|a, b| if b.line < a.line { b } else { a });
    let own = || rects().filter(|(part, _)| !part.header || part.row == cx.selection.row);
    let newest = own().filter_map(|(part, layout)| {
        let last = part.range.len().checked_sub(1)?;
        // The number under the line belongs to it.
        let number = if part.n_digits > 0 { part.after() } else { 0.0 };
        Some(layout.rect(part, last)?.bottom() + number)
    });
    let selected = own().find_map(|(part, layout)| {
        let at = cx.selection.position?;
        let is_here = part.range.contains(&at.idx());
        let line = of(part, layout, at).filter(|_| is_here)?.top();
        Some(spot(part, line))
    });
    Places {
        top,
        divergence: parted.or(head),
        selected,
        newest: newest.reduce(f32::max).map_or(0.0, |it| it - top),
    }
}

/// Height of what stands over the lines of a part and stays in sight, points.
fn head_of(part: &TokenRun) -> f32 {
    if part.header { HEADER } else { 0.0 }
}

/// The first line that begins at `y` or under it, points from the top of the strip, which was drawn at `top`; `y` where there is
/// none. The lines of a column begin under its head, which stays in sight.
pub fn line_start(parts: &[TokenRun], layouts: &[PartLayout], top: f32, y: f32) -> f32 {
    let starts = parts.iter().zip(layouts).filter_map(|(part, layout)| {
        let first = layout.origin.y - top - head_of(part);
        let n = ((y - 0.5 - first) / part.pitch()).ceil().max(0.0);
        let is_line = (n as usize) < layout.n_lines().max(1);
        is_line.then_some(first + n * part.pitch())
    });
    starts.reduce(f32::min).unwrap_or(y)
}
