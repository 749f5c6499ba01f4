//! Tokens, edits and numbers in words: one way to say each, for every panel.

use crate::spec::{Action, InterventionSet, ModelSpec, Position};
use crate::ui::ExpertAt;

pub use crate::analysis::grouped;
pub use crate::document::{
    big, bytes, counted, covers, edit_words, facts_words, list_words, percent, printable,
    router_ref, short, signed, span_words, special_words, token_words,
};

/// The last line of the list, switched on, that masks or forces the expert at a position: its place and whether it masks.
#[must_use]
pub fn deciding_edit(
    edits: &InterventionSet,
    spec: &ModelSpec,
    at: ExpertAt,
    position: Position,
) -> Option<(usize, bool)> {
    let place = spec.router(at.router)?.place;
    let found = edits.entries.iter().enumerate().rev().find(|(_, it)| {
        it.enabled
            && matches!(it.edit.action, Action::Mask { .. } | Action::Force { .. })
            && it.edit.action.expert() == Some(at.expert)
            && covers(it.edit.at, &place)
            && it.edit.span.contains(position)
    })?;
    Some((found.0, matches!(found.1.edit.action, Action::Mask { .. })))
}

/// A sentence on what an edit means, beneath the list.
#[must_use]
pub fn edit_meaning(action: &Action) -> &'static str {
    match action {
        Action::Bias { .. } => {
            "Added to the raw score before the router's rule: it changes who is picked and the weight."
        }
        Action::Select { .. } => {
            "Added to what selects: it changes who is picked, never the weight."
        }
        Action::K { .. } => "The layer picks this many experts for each token.",
        Action::Mask { .. } => {
            "Never picked; the other scores stay, and the router's own rule weighs those picked in its place."
        }
        Action::Force { .. } => {
            "Always picked, in place of the weakest pick; the others stay as the router ranks them."
        }
        Action::Uniform => "Every picked expert counts the same; who is picked stays.",
        Action::Random { .. } => {
            "Experts are drawn by a hash of seed, layer, position and id; the weights are their true ones."
        }
        Action::Zero { .. } => "Still picked and recorded, but its output adds nothing.",
        Action::Swap { .. } => {
            "Still recorded as picked, but the other expert's network runs in its place."
        }
    }
}
