//! What stands around the panels: the bars, the tiles, the sheets over them.

mod bottom;
mod dialogs;
mod drop;
mod focus;
mod fuzzy;
mod heads;
mod help;
mod layout;
mod modes;
mod offers;
mod on_paper;
mod palette;
mod panel_menu;
mod path_sheet;
mod preferences;
mod present;
mod sheet;
mod tables;
mod tiles;
mod top;

pub use bottom::bottom_bar;
pub use dialogs::{Dialogs, Sheet, dialogs_ui};
pub use drop::{Dropped, drop_ui};
pub use focus::focus_ring;
pub use modes::{ModeError, same_words};
pub use path_sheet::{PathFor, PathSheet};
pub use present::{present_bar, worked_height, worked_line, worked_ui};
pub use tiles::Frame;
pub use top::top_bar;
