//! The control of the list: the same edits on other experts of the same layers, and the way back.

use eframe::egui::Ui;

use crate::analysis::control;
use crate::spec::{Intervention, InterventionSet};
use crate::ui::widgets::chip_button;
use crate::ui::words::covers;
use crate::ui::{Command, Cx};

/// Draws the chips; `seed` is that of the next control.
pub fn ui(cx: &mut Cx<'_>, ui: &mut Ui, seed: &mut u32) {
    let entries = &cx.experiment.edits.entries;
    let named = |it: &Intervention| it.action.expert().is_some();
    if cx.experiment.edits.active().any(named)
        && chip_button(
            ui,
            "Make the control",
            "The same edits on as many other experts of the same layers, drawn at random; yours are switched off meanwhile",
        )
        .clicked()
    {
        make(cx, *seed);
        *seed = seed.wrapping_add(1);
    }
    let n_on = entries.iter().filter(|it| it.enabled).count();
    if (1..entries.len()).contains(&n_on)
        && chip_button(
            ui,
            "Swap on and off",
            "What is on goes off and the other way round: your edits against their control",
        )
        .clicked()
    {
        cx.push(Command::SetEdits(swapped(&cx.experiment.edits)));
    }
}

fn make(cx: &mut Cx<'_>, seed: u32) {
    let Some(spec) = cx.spec() else {
        return;
    };
    let edits = &cx.experiment.edits;
    let load = cx.session.baseline().map(|it| it.load);
    let made = control(edits, spec, load, seed, |at, it| covers(at, &it.place));
    let names: Vec<String> = made
        .edits
        .iter()
        .filter_map(|it| Some(format!("{}.{}", it.at, it.action.expert()?)))
        .collect();
    if names.is_empty() {
        let none = "There is no other expert to compare with: every one of these layers is edited";
        return cx.push(Command::Say(none.to_owned()));
    }
    let mut list = edits.clone();
    list.entries.iter_mut().for_each(|it| it.enabled = false);
    made.edits.iter().for_each(|it| list.push(*it));
    let mut words = format!(
        "Control with seed {seed}: the same on {}, drawn at random; your edits are switched off",
        names.join(", ")
    );
    let left_out = made.n_without + made.n_left_out;
    if left_out > 0 {
        let more = format!(" ({left_out} without another expert left out)");
        words.push_str(&more);
    }
    cx.push(Command::SetEdits(list));
    cx.push(Command::Say(words));
}

/// Every line on that was off, and off that was on.
fn swapped(list: &InterventionSet) -> InterventionSet {
    let mut out = list.clone();
    out.entries
        .iter_mut()
        .for_each(|it| it.enabled = !it.enabled);
    out
}
