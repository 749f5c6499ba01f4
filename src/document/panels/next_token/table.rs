//! The panel as a table: a token a row.

use crate::analysis::{Likelihood, SortBy};
use crate::document::{Cell, Table};
use crate::spec::TokenId;
use crate::trace::ModelFacts;

use super::{ShownPrediction, next_token_words};

const COLUMNS: [(&str, &str); 11] = [
    ("token", ""),
    ("id", ""),
    ("p", "%"),
    ("log-prob", "nats"),
    ("rank", ""),
    ("p edited", "%"),
    ("log-prob edited", "nats"),
    ("rank edited", ""),
    ("follows in", ""),
    ("KL", "nats"),
    ("by chance", "%"),
];

/// Every token of the list with its numbers; what is not known stays empty.
///
/// * `token`: the words in quotes of the one before
/// * `row`: `baseline` or `edited`
#[must_use]
pub fn next_token_table(
    facts: &ModelFacts,
    shown: &ShownPrediction<'_>,
    sort: SortBy,
    (token, row): (&str, &str),
) -> Table {
    let called = facts.spec.parts(shown.tokens).name(shown.at);
    let title = format!("Next token after {token}, {called}, {row}");
    let mut out = Table::new(title, &COLUMNS);
    let n_vocab = facts.spec.n_vocab.max(1);
    for it in shown.list(sort) {
        let (before, after) = (it.before.known(), it.after.and_then(Likelihood::known));
        let p = |log_prob: f32| f64::from(log_prob).exp() * 100.0;
        let cells: [Cell; 11] = [
            next_token_words(facts, it.token).into(),
            it.token.idx().into(),
            before.map(|it| p(it.log_prob)).into(),
            before.map(|it| it.log_prob).into(),
            before.map(|it| u64::from(it.rank)).into(),
            after.map(|it| p(it.log_prob)).into(),
            after.map(|it| it.log_prob).into(),
            after.map(|it| u64::from(it.rank)).into(),
            drawn_words(shown, it.token).into(),
            shown.comparison.map(|it| it.kl).into(),
            (100.0 / n_vocab as f64).into(),
        ];
        out.push(cells);
    }
    out
}

/// Which row the token follows in.
fn drawn_words(shown: &ShownPrediction<'_>, token: TokenId) -> &'static str {
    match (
        shown.baseline_next == Some(token),
        shown.edited_next == Some(token),
    ) {
        (true, true) => "both",
        (true, false) => "baseline",
        (false, true) => "edited",
        (false, false) => "",
    }
}
