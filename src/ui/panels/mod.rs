//! The panels. One line in the list adds one to the layout, the View menu, the help and the snapshot tests.

mod edits;
mod heatmap;
mod transcript;

use eframe::egui::Ui;

use crate::ui::Cx;

pub use edits::{Edits, check_list};
pub use heatmap::Heatmap;
pub use transcript::Transcript;

/// A tile: view state only.
pub trait Panel {
    /// Its name in the head and in menus.
    fn title(&self) -> &'static str;
    /// What it shows, one sentence.
    fn help(&self) -> &'static str;
    /// What can be chosen, on the right of the head; added from right to left.
    fn head_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let _ = (cx, ui);
    }
    /// The panel.
    fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui);
}

/// Makes a panel.
pub type MakePanel = fn() -> Box<dyn Panel>;

/// Every panel, by the name that layouts keep.
pub const PANELS: &[(&str, MakePanel)] = &[
    ("transcript", || Box::<Transcript>::default()),
    ("heatmap", || Box::<Heatmap>::default()),
    ("edits", || Box::<Edits>::default()),
];
