//! How one router decided for one token: every score, the cut, the weights.

use eframe::egui::Ui;

use crate::document::Table;
use crate::ui::{Cx, Panel};

/// View state of the panel.
#[derive(Clone, Debug, Default)]
pub struct Router {}

impl Panel for Router {
    fn title(&self) -> &'static str {
        "Router"
    }

    fn help(&self) -> &'static str {
        "How one router decided for one token: every score, the cut, the weights"
    }

    fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let _ = (cx, ui);
    }

    fn table(&self, cx: &Cx<'_>) -> Option<Table> {
        let _ = cx;
        None
    }
}
