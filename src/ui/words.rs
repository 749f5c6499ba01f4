//! Tokens, edits and numbers in words: one way to say each, for every panel.

pub use crate::document::{
    big, bytes, change_words, counted, covers, edit_words, facts_words, list_words, percent,
    printable, quoted, router_ref, sampling_words, short, signed, span_words, special_words,
    token_words,
};
use crate::spec::{Action, InterventionSet, ModelSpec, Position};
pub use crate::spec::{count_of, grouped, part_of, plural};
use crate::ui::ExpertAt;

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
