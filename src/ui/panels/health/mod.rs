//! Whether the load is even, layer by layer, with the numbers behind the verdict.

use eframe::egui::Ui;

use crate::document::Table;
use crate::ui::{Cx, Panel};

/// View state of the panel.
#[derive(Clone, Debug, Default)]
pub struct Health {}

impl Panel for Health {
    fn title(&self) -> &'static str {
        "Health"
    }

    fn help(&self) -> &'static str {
        "Whether the load is even, layer by layer, with the numbers behind the verdict"
    }

    fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let _ = (cx, ui);
    }

    fn table(&self, cx: &Cx<'_>) -> Option<Table> {
        let _ = cx;
        None
    }
}
