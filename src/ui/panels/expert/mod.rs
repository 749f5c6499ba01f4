//! One expert: where it was picked, by which texts, and with whom.

use eframe::egui::Ui;

use crate::document::Table;
use crate::ui::{Cx, Panel};

/// View state of the panel.
#[derive(Clone, Debug, Default)]
pub struct ExpertCard {}

impl Panel for ExpertCard {
    fn title(&self) -> &'static str {
        "Expert"
    }

    fn help(&self) -> &'static str {
        "One expert: where it was picked, by which texts, and with whom"
    }

    fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let _ = (cx, ui);
    }

    fn table(&self, cx: &Cx<'_>) -> Option<Table> {
        let _ = cx;
        None
    }
}
