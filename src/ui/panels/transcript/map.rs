//! The narrow map of the whole text.

use eframe::egui::{self, Rect, Sense, Ui, pos2, vec2};

use crate::analysis::places;
use crate::ui::{Cx, RowView};

use super::sentence::LEAST_FULL_KL;

/// The whole text from top to bottom: KL as amber bars, the selected token, the part in sight. A click
/// gives the offset to scroll to.
pub fn map_ui(cx: &Cx<'_>, ui: &mut Ui, map: Rect, content: f32, offset: f32) -> Option<f32> {
    let len = |it: Option<&RowView>| it.map_or(0, |it| it.record.tokens.len());
    let n = len(cx.session.baseline()).max(len(cx.session.edited()));
    // A change of next to nothing is not drawn as if it were large.
    let largest = cx.session.concentration()?.largest.kl.max(LEAST_FULL_KL);
    let painter = ui.painter();
    painter.rect_filled(map, 3.0, cx.palette.raised);
    let y = |at: f32| map.top() + map.height() * at / n.max(1) as f32;
    if content > map.height() {
        let share = |it: f32| map.top() + map.height() * (it / content).clamp(0.0, 1.0);
        let sight = share(offset)..=share(offset + map.height());
        painter.rect_filled(
            Rect::from_x_y_ranges(map.x_range(), sight),
            3.0,
            cx.palette.hovered,
        );
    }
    for change in cx
        .session
        .twin()
        .into_iter()
        .flat_map(|it| places(&it.record))
    {
        let width = (map.width() * change.kl / largest).clamp(0.0, map.width());
        let height = (map.height() / n.max(1) as f32).clamp(1.0, 4.0);
        let bar = Rect::from_min_size(
            pos2(map.right() - width, y(change.at.idx() as f32)),
            vec2(width, height),
        );
        painter.rect_filled(bar, 0.0, cx.palette.amber);
    }
    if let Some(at) = cx.selection.position {
        let at = y(at.idx() as f32 + 0.5);
        painter.hline(map.x_range(), at, (1.5, cx.palette.selected));
    }
    let response = ui.interact(map, ui.scope_id().with("map"), Sense::click());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "Map of the text"));
    let response = response
        .on_hover_text("The whole text from top to bottom; amber: how much the edits change");
    let at = response
        .interact_pointer_pos()
        .filter(|_| response.clicked())?;
    let share = (at.y - map.top()) / map.height();
    Some((share * content - map.height() / 2.0).max(0.0))
}
