//! The exact numbers of one expert at one token.

use eframe::egui::Ui;

use crate::document::{Decided, ListedMark, full_words, lacking};
use crate::spec::ExpertId;
use crate::trace::PickState;
use crate::ui::words::signed;

/// Draws them.
pub fn ui(ui: &mut Ui, it: &Decided<'_>, expert: ExpertId, mark: &ListedMark) {
    ui.strong(format!("{}, expert {expert}", it.spec.label()));
    if let Some(decision) = it.decision.as_ref() {
        let e = expert.idx();
        let biased = if it.bias(expert) == 0.0 {
            String::new()
        } else {
            format!(" with a bias of {}", signed(it.bias(expert)))
        };
        let (z, p) = (decision.logits[e], decision.shares[e] * 100.0);
        ui.label(format!("z = {z:.4}{biased}, p = {p:.4} %"));
        let bias = decision.select_bias(expert);
        if it.selection_bias(expert).is_some() || bias != 0.0 {
            let (c, s) = (decision.selects[e], decision.scores[e]);
            ui.label(format!(
                "selected by {c:.4}: score {s:.4}, selection bias {bias:.4}"
            ));
        }
    }
    let place = it.order.iter().position(|it| *it == expert);
    match (it.pick(expert), place) {
        (Some(pick), _) if pick.state == PickState::Dropped => {
            ui.label(full_words(it.spec, pick));
            ui.label(format!(
                "the token passes no expert here, only the residual stream goes on; the weight would have been {:.4}",
                pick.weight
            ));
        }
        (Some(pick), _) => {
            ui.label(format!("picked with weight {:.4}", pick.weight));
        }
        (None, Some(place)) => {
            ui.label(format!(
                "not picked, number {} of {}",
                place + 1,
                it.order.len()
            ));
        }
        (None, None) => {}
    }
    if let Some(words) = cut_words(it, expert) {
        ui.label(words);
    }
    if let Some(group) = it.group(expert) {
        let kept = it.routed.groups_kept().get(group) == Some(&true);
        ui.label(format!(
            "group {group}, {}",
            if kept { "kept" } else { "left out" }
        ));
    }
    if mark.any() {
        ui.label(format!("edits here: {}", mark.words));
    }
    ui.weak("click selects · drag biases · double-click or M masks · right-click lists every edit");
}

/// How far it stands from the cut.
fn cut_words(it: &Decided<'_>, expert: ExpertId) -> Option<String> {
    let cut = it.decision.as_ref()?.distance_to_cut(expert)?;
    let amount = lacking(cut);
    Some(if it.pick(expert).is_some() {
        format!("loses its place below {amount} on its logit")
    } else {
        format!("needs {amount} on its logit to be picked")
    })
}
