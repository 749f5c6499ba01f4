//! Pinned experts: a colour and a pattern each, the same in every panel.

use eframe::egui::{Color32, Painter, Rect, pos2, vec2};

use crate::ui::{Cx, ExpertAt};

/// Most experts pinned at a time: more colours nobody tells apart.
pub const MOST_PINS: usize = 4;
/// Up to this many experts each has a colour of its own, which a pin keeps.
pub const MOST_COLOURS: usize = 16;

/// How a pinned expert is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Its place among the pins: the pattern.
    pub slot: usize,
    /// Its colour.
    pub color: Color32,
}

/// How an expert is drawn where it is pinned.
#[must_use]
pub fn pin_of(cx: &Cx<'_>, at: ExpertAt) -> Option<Pin> {
    let slot = cx.pins.iter().position(|it| *it == at)?;
    let few = cx
        .spec()
        .and_then(|it| it.router(at.router))
        .is_some_and(|it| it.n_experts <= MOST_COLOURS);
    let color = if few {
        cx.palette.expert(at.expert.idx())
    } else {
        cx.palette.pin(slot)
    };
    Some(Pin { slot, color })
}

/// A horizontal line in the colour and pattern of a pin: solid, dashed, dotted, double.
pub fn pin_line(painter: &Painter, rect: Rect, pin: Pin) {
    let pieces = |on: f32, off: f32| {
        let mut x = rect.left();
        while x < rect.right() {
            let piece = Rect::from_min_max(
                pos2(x, rect.top()),
                pos2((x + on).min(rect.right()), rect.bottom()),
            );
            painter.rect_filled(piece, 0.0, pin.color);
            x += on + off;
        }
    };
    match pin.slot {
        0 => {
            painter.rect_filled(rect, 1.0, pin.color);
        }
        1 => pieces(7.0, 3.0),
        2 => pieces(2.0, 2.5),
        _ => {
            let third = vec2(rect.width(), rect.height() * 0.36);
            let low = pos2(rect.left(), rect.bottom() - third.y);
            painter.rect_filled(Rect::from_min_size(rect.min, third), 0.0, pin.color);
            painter.rect_filled(Rect::from_min_size(low, third), 0.0, pin.color);
        }
    }
}
