//! The groups of experts of a router that limits them: which were kept for the token.

use eframe::egui::{self, Align2, FontId, Rect, Role, Sense, StrokeKind, Ui, pos2, vec2};

use crate::document::Decided;
use crate::ui::Cx;
use crate::ui::theme::LABEL_SIZE;

/// Room the strip takes, points.
pub const HEIGHT: f32 = 24.0;
const GAP: f32 = 3.0;

/// A box a group: filled where it was kept, struck through where it was left out.
pub fn ui(cx: &Cx<'_>, ui: &Ui, rect: Rect, gutter: f32, it: &Decided<'_>) {
    let kept = it.routed.groups_kept();
    let (painter, palette) = (ui.painter(), cx.palette);
    let font = FontId::proportional(LABEL_SIZE);
    let y = rect.top() + (HEIGHT - 4.0) / 2.0;
    painter.text(
        pos2(rect.left() + gutter - 10.0, y),
        Align2::RIGHT_CENTER,
        "groups",
        font.clone(),
        palette.second,
    );
    let words = format!(
        "{} of {} kept",
        kept.iter().filter(|it| **it).count(),
        kept.len()
    );
    let words = painter.layout_no_wrap(words, font.clone(), palette.second);
    let at = pos2(
        rect.right() - words.size().x - 4.0,
        y - words.size().y / 2.0,
    );
    let room = at.x - 10.0 - rect.left() - gutter;
    painter.galley(at, words, palette.second);
    let strip = rect.with_max_y(rect.top() + HEIGHT);
    let response = ui.interact(strip, ui.scope_id().with("groups"), Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(Role::Label, true, names(kept)));
    response.on_hover_text(names(kept));
    let pitch = (room / kept.len() as f32).min(44.0);
    for (group, is_kept) in kept.iter().enumerate() {
        let left = rect.left() + gutter + group as f32 * pitch;
        let size = vec2((pitch - GAP).max(1.0), HEIGHT - 8.0);
        let cell = Rect::from_min_size(pos2(left, y - size.y / 2.0), size);
        if *is_kept {
            painter.rect_filled(cell, 3.0, palette.quiet(palette.second, 0.45));
        } else {
            painter.rect_stroke(cell, 3.0, (1.0, palette.line), StrokeKind::Inside);
        }
        if pitch > 20.0 {
            let color = if *is_kept {
                palette.text
            } else {
                palette.third
            };
            let number = painter.text(
                cell.center(),
                Align2::CENTER_CENTER,
                group.to_string(),
                font.clone(),
                color,
            );
            if !is_kept {
                painter.hline(number.expand(3.0).x_range(), cell.center().y, (1.0, color));
            }
        }
    }
}

/// `groups kept: 0, 3 of 4`.
fn names(kept: &[bool]) -> String {
    let all = kept.iter().enumerate();
    let ids: Vec<String> = all
        .filter(|(_, it)| **it)
        .map(|(group, _)| group.to_string())
        .collect();
    format!("groups kept: {} of {}", ids.join(", "), kept.len())
}
