//! The line under a token, drawn: solid, dashed, in the patterns of pins, or hardly at all.

use eframe::egui::{Rect, Ui, pos2, vec2};

use crate::ui::Cx;
use crate::ui::widgets::{pin_line, pin_of};

use super::line::Ink;
use super::part::LINE;

/// The line under a token.
pub fn line_ui(cx: &Cx<'_>, ui: &Ui, rect: Rect, ink: Option<Ink>) {
    let painter = ui.painter();
    let bar = Rect::from_min_max(
        pos2(rect.left() + 0.5, rect.bottom() - LINE),
        pos2(rect.right() - 1.0, rect.bottom()),
    );
    let thin = bar.with_min_y(bar.bottom() - 1.0);
    match ink {
        None => {
            painter.rect_filled(thin, 0.0, cx.palette.line);
        }
        Some(Ink::Quiet) => {
            painter.rect_filled(bar.shrink2(vec2(0.0, 1.0)), 0.0, cx.palette.line);
        }
        Some(Ink::Solid(color)) => {
            painter.rect_filled(bar, 1.0, color);
        }
        Some(Ink::Dashed(color)) => {
            let mut x = bar.left();
            while x < bar.right() {
                let end = pos2((x + 4.0).min(bar.right()), bar.bottom());
                let dash = Rect::from_min_max(pos2(x, bar.top()), end);
                painter.rect_filled(dash, 0.0, color);
                x += 6.0;
            }
        }
        Some(Ink::Pins(picked)) => {
            let pins: Vec<_> = (cx.pins.iter().zip(picked))
                .filter(|it| it.1)
                .filter_map(|it| pin_of(cx, *it.0))
                .collect();
            let width = bar.width() / pins.len().max(1) as f32;
            for (n, pin) in pins.into_iter().enumerate() {
                let left = bar.left() + n as f32 * width;
                let part = Rect::from_min_size(pos2(left, bar.top()), vec2(width, LINE));
                pin_line(painter, part, pin);
            }
        }
    }
}
