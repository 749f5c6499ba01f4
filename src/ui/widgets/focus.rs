//! Custom-drawn grids take the arrow keys while they have the focus; everywhere else these move the shared selection.

use eframe::egui::{self, Context, EventFilter, Id, Key, Modifiers, Response, Ui};

use crate::ui::Direction;

/// Where the id of the widget that takes the arrows is kept from one frame to the next.
fn slot() -> Id {
    Id::unique("takes the arrows")
}

/// Keeps the arrow keys from moving the focus away from a widget: they go on moving what is selected.
pub fn lock_arrows(ui: &Ui, id: Id) {
    let arrows = EventFilter {
        horizontal_arrows: true,
        vertical_arrows: true,
        ..EventFilter::default()
    };
    ui.memory_mut(|it| it.set_focus_lock_filter(id, arrows));
}

/// The arrow pressed while `response` has the focus. Call it in each frame: it is what keeps the keys here.
pub fn focused_arrows(ui: &Ui, response: &Response) -> Option<Direction> {
    if !response.has_focus() {
        return None;
    }
    lock_arrows(ui, response.id);
    ui.data_mut(|it| it.insert_temp(slot(), response.id));
    let keys = [
        (Key::ArrowLeft, Direction::Left),
        (Key::ArrowRight, Direction::Right),
        (Key::ArrowUp, Direction::Up),
        (Key::ArrowDown, Direction::Down),
    ];
    ui.input_mut(|input| {
        keys.into_iter()
            .find(|(key, _)| input.consume_key(Modifiers::NONE, *key))
            .map(|(_, direction)| direction)
    })
}

/// Whether the widget with the focus takes the arrow keys.
#[must_use]
pub fn keeps_arrows(ctx: &Context) -> bool {
    let focused = ctx.memory(egui::Memory::focused);
    focused.is_some() && focused == ctx.data(|it| it.get_temp(slot()))
}
