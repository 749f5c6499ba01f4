//! The section shown, as numbers at full precision.

use crate::document::{
    Table, expert_texts_table, expert_words_table, occurrences_table, partners_table,
};
use crate::ui::Cx;

use super::card::{Card, Surveyed};
use super::{Section, partners, tokens::ShownOccurrences};

/// The table of a section.
pub fn table(
    cx: &Cx<'_>,
    card: &Card,
    surveyed: &Surveyed,
    section: Section,
    strongest: bool,
) -> Table {
    let row = cx.session.row_name(cx.selection.row);
    let title = format!("{}, {}, {row}", card.name(), section.label());
    match section {
        Section::Tokens => {
            let shown = ShownOccurrences::of(card, strongest);
            let all = (0..shown.len()).filter_map(|n| shown.get(n));
            let n_given = cx.row().map_or(0, |it| it.record.n_given);
            occurrences_table(title, all, card.texts(), (n_given, cx.parts()))
        }
        Section::Texts => {
            let texts = cx.session.survey.iter().flat_map(|it| &it.texts);
            let names = texts.map(|it| it.name.as_str());
            expert_texts_table(title, names, surveyed.counts(), surveyed.specialty())
        }
        Section::Partners => {
            let own = cx.spec().and_then(|it| it.router(card.at.router));
            let together = own.map(|it| partners::together(card, it));
            let beside = [0, 1].map(|side| partners::beside(cx, card, side));
            let all = together.into_iter().chain(beside).flatten();
            partners_table(title, cx.spec(), all)
        }
        Section::Habits => expert_words_table(title, cx.session.tokens(), &card.words),
    }
}
