//! The transcript as numbers: a row per token of the baseline, then of the edited text from where it may differ.

use crate::document::{Cell, Table};
use crate::spec::{Position, RouterId, RouterSpec, Score, TokenId};
use crate::ui::words::token_words;
use crate::ui::{Cx, RowChoice, RowView};

use super::line::entropy;
use super::sentence::kl_at;

/// Every token shown, with the numbers of a router.
pub fn table(cx: &Cx<'_>, router: RouterId) -> Option<Table> {
    let baseline = cx.session.baseline()?;
    let spec = cx.spec().and_then(|it| it.router(router));
    let label = spec.map_or_else(String::new, RouterSpec::label);
    let mut out = Table::new(
        format!("Transcript, {label}"),
        &[
            ("row", ""),
            ("position", ""),
            ("token", "id"),
            ("text", ""),
            ("given or drawn", ""),
            ("strongest expert", ""),
            ("weight", ""),
            ("router entropy", "of the most"),
            ("margin", ""),
            ("surprise", "nats"),
            ("rank", ""),
            ("KL", "nats"),
            ("edited token", "id"),
            ("edited text", ""),
        ],
    );
    let edited = cx.session.edited();
    for n in 0..baseline.record.tokens.len() {
        let at = Position::new(n);
        out.push(row(cx, RowChoice::Baseline, baseline, router, at));
    }
    let from = cx.session.shown().and_then(|it| it.edited_from);
    if let Some((edited, from)) = edited.zip(from) {
        for n in from.idx() + 1..edited.record.tokens.len() {
            let at = Position::new(n);
            out.push(row(cx, RowChoice::Edited, edited, router, at));
        }
    }
    Some(out)
}

fn row(
    cx: &Cx<'_>,
    choice: RowChoice,
    view: RowView<'_>,
    router: RouterId,
    at: Position,
) -> [Cell; 14] {
    let spec = cx.spec().and_then(|it| it.router(router));
    let score = spec.map_or(Score::Softmax, |it| it.score);
    let words = |it| token_words(cx.session.tokens(), it);
    let token = view.record.tokens.get(at.idx()).copied();
    let routed = view.record.store.at(router, at);
    let strongest = routed.and_then(|it| it.strongest());
    let before = at.idx().checked_sub(1);
    let next = before.and_then(|it| view.record.readouts.get(it)?.next);
    let baseline = choice == RowChoice::Baseline;
    let other = cx.session.edited().filter(|_| baseline);
    let other = other.and_then(|it| it.record.tokens.get(at.idx()).copied());
    [
        if baseline { "baseline" } else { "edited" }.into(),
        at.idx().into(),
        token.map(TokenId::idx).into(),
        token.map(words).into(),
        if at.idx() < view.record.n_given {
            "given"
        } else {
            "drawn"
        }
        .into(),
        strongest.map(|it| it.expert.idx()).into(),
        strongest.map(|it| it.weight).into(),
        entropy(view, router, at, score).into(),
        routed.and_then(|it| it.margin()).into(),
        view.record.surprise(at).into(),
        next.map(|it| u64::from(it.rank)).into(),
        kl_at(cx, at).filter(|_| baseline).into(),
        other.map(TokenId::idx).into(),
        other.map(words).into(),
    ]
}
