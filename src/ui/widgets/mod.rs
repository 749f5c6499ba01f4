//! Small things several panels and bars share.

mod chip;
mod expert;
mod table;

pub use chip::{button, chip_button, choice, choices, menu_chip, note, strong_button};
pub use expert::{edit_here, expert_gestures, expert_menu, state_here};
pub use table::TableView;
