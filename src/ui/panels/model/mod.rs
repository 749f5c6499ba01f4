//! What is open: its shape, its routing rule with its numbers, its memory.

use eframe::egui::Ui;

use crate::document::Table;
use crate::ui::{Cx, Panel};

/// View state of the panel.
#[derive(Clone, Debug, Default)]
pub struct Model {}

impl Panel for Model {
    fn title(&self) -> &'static str {
        "Model"
    }

    fn help(&self) -> &'static str {
        "What is open: its shape, its routing rule with its numbers, its memory"
    }

    fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let _ = (cx, ui);
    }

    fn table(&self, cx: &Cx<'_>) -> Option<Table> {
        let _ = cx;
        None
    }
}
