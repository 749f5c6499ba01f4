//! What stands in a panel that has nothing to show yet: what will be here, and what to do for it.

use eframe::egui::{Response, Ui};

use super::chip::note;

/// Of a model in which every token passes every weight.
pub const NO_ROUTER: &str = "This model has no router: every token passes every weight";

/// While no token of the text was read yet.
pub const READING: &str = "The prompt is not read yet";

/// Says what will stand here, or what to do for it, where the picture would begin.
pub fn nothing_yet(ui: &mut Ui, why: &str) -> Response {
    note(ui, why)
}
