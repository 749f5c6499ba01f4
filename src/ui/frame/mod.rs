//! What stands around the panels: the bars, the tiles, the sheets over them.

mod bottom;
mod dialogs;
mod panel_menu;
mod tiles;
mod top;
mod twin;

pub use bottom::bottom_bar;
pub use dialogs::{Dialogs, dialogs_ui};
pub use tiles::Frame;
pub use top::top_bar;
