//! Small things several panels and bars share.

mod chip;
mod expert;
mod focus;
mod pin;

pub use chip::{button, chip_button, choice, choices, form_chip, menu_chip, note, strong_button};
pub use expert::{edit_here, expert_gestures, expert_menu, state_here};
pub use focus::{focused_arrows, keeps_arrows};
pub use pin::{MOST_COLOURS, MOST_PINS, pin_line, pin_of};
