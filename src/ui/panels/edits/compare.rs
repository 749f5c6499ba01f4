//! What the list is set beside: other random controls, and the lines that are switched off.

use eframe::egui::Ui;

use crate::spec::{Intervention, InterventionSet};
use crate::ui::widgets::chip_button;
use crate::ui::{Command, Cx};

/// Draws the chips.
pub fn ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    let entries = &cx.experiment.edits.entries;
    let named = |it: &Intervention| it.action.expert().is_some();
    if cx.experiment.edits.active().any(named)
        && chip_button(
            ui,
            "Other controls",
            "The same edits on as many other experts of the same layers, drawn at random with the next seed; yours stay as they are",
        )
        .clicked()
    {
        cx.push(Command::OtherControls);
    }
    let n_on = entries.iter().filter(|it| it.enabled).count();
    if (1..entries.len()).contains(&n_on)
        && chip_button(
            ui,
            "Swap on and off",
            "What is on goes off and the other way round",
        )
        .clicked()
    {
        cx.push(Command::SetEdits(swapped(&cx.experiment.edits)));
    }
}

/// Every line on that was off, and off that was on.
fn swapped(list: &InterventionSet) -> InterventionSet {
    let mut out = list.clone();
    out.entries
        .iter_mut()
        .for_each(|it| it.enabled = !it.enabled);
    out
}
