//! Small things several panels and bars share.

mod bare_plot;
mod bars;
mod chip;
mod dropped;
mod edit_mark;
mod expert;
mod focus;
mod foot;
mod nothing;
mod pin;
mod row_chip;
mod said;
mod table;
mod words;

pub use bare_plot::bare_plot;
pub use bars::{AXIS, axis, bar, bold, dashed, elided, figure, pitch, top_of_scale};
pub use chip::{button, chip_button, choice, choices, form_chip, menu_chip, note, strong_button};
pub use dropped::{dropped_mark, dropped_on_panel};
pub use edit_mark::{EditMark, edit_mark, edit_marks};
pub use expert::{edit_here, expert_gestures, expert_menu, shared_gestures, state_here};
pub use focus::{focused_arrows, keeps_arrows, lock_arrows};
pub use foot::{Below, FittingWords, note_at, note_height, over, over_sentence};
pub use nothing::{NO_ROUTER, READING, nothing_yet};
pub use pin::{MOST_COLOURS, MOST_PINS, pin_line, pin_of};
pub use row_chip::row_chip;
pub use said::{said, set_kind};
pub use table::TableView;
pub use words::{put, sentence, words, words_width};
