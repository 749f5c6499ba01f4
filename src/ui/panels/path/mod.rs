//! The experts each token passes, layer by layer.

use eframe::egui::Ui;

use crate::document::Table;
use crate::ui::{Cx, Panel};

/// View state of the panel.
#[derive(Clone, Debug, Default)]
pub struct Path {}

impl Panel for Path {
    fn title(&self) -> &'static str {
        "Path"
    }

    fn help(&self) -> &'static str {
        "The experts each token passes, layer by layer"
    }

    fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let _ = (cx, ui);
    }

    fn table(&self, cx: &Cx<'_>) -> Option<Table> {
        let _ = cx;
        None
    }
}
