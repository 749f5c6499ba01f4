//! Mask and Force as small buttons on the bar under the pointer.

use eframe::egui::{Align, Button, Layout, Rect, RichText, Ui, UiBuilder, pos2, vec2};

use crate::ui::widgets::state_here;
use crate::ui::{Command, Cx, ExpertAt, Selection};

/// Room they take, points.
pub const WIDTH: f32 = 108.0;
/// Narrower lines have none: the menu and the keys remain.
const LEAST: f32 = 250.0;

/// Draws them at the right of a line; false where there is no room.
pub fn ui(cx: &mut Cx<'_>, ui: &mut Ui, line: Rect, at: ExpertAt) -> bool {
    if line.width() < LEAST {
        return false;
    }
    let rect = Rect::from_min_max(pos2(line.right() - WIDTH, line.top()), line.max);
    let builder = UiBuilder::new()
        .max_rect(rect.shrink2(vec2(2.0, 1.0)))
        .layout(Layout::right_to_left(Align::Center));
    let (masked, forced) = state_here(cx, at);
    let (mask, force) = (
        if masked { "Unmask" } else { "Mask" },
        if forced { "Release" } else { "Force" },
    );
    ui.scope_builder(builder, |ui| {
        ui.spacing_mut().button_padding = vec2(6.0, 0.0);
        ui.spacing_mut().interact_size.y = line.height() - 3.0;
        ui.spacing_mut().item_spacing.x = 4.0;
        let noun = cx.noun();
        let mut press = |name: &str, key: &str, is_on: bool, command: Command| {
            let color = if is_on {
                cx.palette.amber
            } else {
                cx.palette.text
            };
            let text = RichText::new(name)
                .size(cx.palette.letters(11.0))
                .color(color);
            let button = Button::new(text).fill(cx.palette.hovered);
            let pressed = ui
                .add(button)
                .on_hover_text(format!("{name} from the selected {noun} on ({key})"))
                .accessible_name(format!("{name} expert {} here", at.expert))
                .clicked();
            if pressed {
                cx.push(Command::Select(Selection {
                    router: Some(at.router),
                    expert: Some(at.expert),
                    ..cx.selection
                }));
                cx.push(command);
            }
        };
        press(force, "F", forced, Command::ToggleForce(at));
        press(mask, "M", masked, Command::ToggleMask(at));
    });
    true
}
