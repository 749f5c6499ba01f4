//! Small things several panels and bars share.

mod bars;
mod chip;
mod expert;
mod foot;

pub use bars::{bar, bold, dashed, elided, figure, pitch, top_of_scale};
pub use chip::{button, chip_button, choice, choices, menu_chip, note, strong_button};
pub use expert::{edit_here, expert_gestures, expert_menu, state_here};
pub use foot::fitting;
