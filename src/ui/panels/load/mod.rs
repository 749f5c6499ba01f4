//! How often each expert was picked, beside an even share.

use eframe::egui::Ui;

use crate::document::Table;
use crate::ui::{Cx, Panel};

/// View state of the panel.
#[derive(Clone, Debug, Default)]
pub struct Load {}

impl Panel for Load {
    fn title(&self) -> &'static str {
        "Load"
    }

    fn help(&self) -> &'static str {
        "How often each expert was picked, beside an even share"
    }

    fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let _ = (cx, ui);
    }

    fn table(&self, cx: &Cx<'_>) -> Option<Table> {
        let _ = cx;
        None
    }
}
