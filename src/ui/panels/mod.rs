//! The panels. One line in the list adds one to the layout, the View menu, the help and the snapshot tests.

mod edits;
mod expert;
mod health;
mod heatmap;
mod load;
mod model;
mod next_token;
mod path;
mod router;
mod texts;
mod transcript;

use eframe::egui::Ui;

use crate::document::Table;
use crate::ui::Cx;

pub use edits::{Edits, check_list};
pub use expert::ExpertCard;
pub use health::{Health, MIXED_TEXT};
pub use heatmap::Heatmap;
pub use load::LoadPanel;
pub use model::ModelPanel;
pub use next_token::NextToken;
pub use path::Path;
pub use router::Router;
pub use texts::Texts;
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
    /// What it can show, as its chips say it; empty where there is one thing only.
    fn modes(&self) -> Vec<&'static str> {
        Vec::new()
    }
    /// Shows one of them.
    fn set_mode(&mut self, at: usize) {
        let _ = at;
    }
    /// What it shows now, as numbers at full precision: exported, copied, shown instead of the picture. None where
    /// there is nothing to show yet.
    fn table(&self, cx: &Cx<'_>) -> Option<Table>;
}

/// Makes a panel.
pub type MakePanel = fn() -> Box<dyn Panel>;

/// Every panel, by the name that layouts keep.
pub const PANELS: &[(&str, MakePanel)] = &[
    ("transcript", || Box::<Transcript>::default()),
    ("heatmap", || Box::<Heatmap>::default()),
    ("path", || Box::<Path>::default()),
    ("router", || Box::<Router>::default()),
    ("load", || Box::<LoadPanel>::default()),
    ("health", || Box::<Health>::default()),
    ("model", || Box::<ModelPanel>::default()),
    ("next_token", || Box::<NextToken>::default()),
    ("edits", || Box::<Edits>::default()),
    ("texts", || Box::<Texts>::default()),
    ("expert", || Box::<ExpertCard>::default()),
];
