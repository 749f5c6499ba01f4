//! The 20 likeliest next tokens, before and after the edits.

use eframe::egui::Ui;

use crate::document::Table;
use crate::ui::{Cx, Panel};

/// View state of the panel.
#[derive(Clone, Debug, Default)]
pub struct NextToken {}

impl Panel for NextToken {
    fn title(&self) -> &'static str {
        "Next token"
    }

    fn help(&self) -> &'static str {
        "The 20 likeliest next tokens, before and after the edits"
    }

    fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let _ = (cx, ui);
    }

    fn table(&self, cx: &Cx<'_>) -> Option<Table> {
        let _ = cx;
        None
    }
}
