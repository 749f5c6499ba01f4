//! The sentence under the text: where it parts, how concentrated the change is, what the tokens stand for.

use crate::spec::Position;
use crate::ui::words::{percent, quoted};
use crate::ui::{Cx, RowChoice};

use super::change::Change;

/// A KL lower than this fills no lane, nats: what changes little must not look large.
pub const LEAST_FULL_KL: f32 = 0.5;
/// Below this the change is said to be none, nats.
const NEXT_TO_NOTHING: f32 = 0.05;

/// A KL in two digits or so: `6.2`, `0.03`.
pub fn kl_words(kl: f32) -> String {
    match kl {
        0.1.. => format!("{kl:.1}"),
        0.001.. => format!("{kl:.3}"),
        _ => "less than 0.001".to_owned(),
    }
}

/// The sentence for what is shown.
pub fn sentence(cx: &Cx<'_>, change: &Change) -> String {
    if cx.session.edited().is_some() {
        return changed(cx, change);
    }
    let Some(row) = cx.row() else {
        return String::new();
    };
    let drawn = row.record.tokens.len().saturating_sub(row.record.n_given);
    let line = if cx.selection.position.is_some() {
        "Esc follows the newest token"
    } else {
        "click a token to see its routing"
    };
    match drawn {
        0 => format!(
            "{} tokens given. Space writes on; {line}.",
            row.record.tokens.len()
        ),
        _ => format!(
            "{} tokens given, {drawn} drawn; {line}.",
            row.record.n_given
        ),
    }
}

fn changed(cx: &Cx<'_>, change: &Change) -> String {
    let mut out = match change.divergence {
        Some(at) => {
            let word = |row: RowChoice| {
                let tokens = &cx.session.row(row)?.record.tokens;
                Some(quoted(cx.session.tokens(), *tokens.get(at.idx())?))
            };
            let quoted = |row| word(row).unwrap_or_else(|| "“”".to_owned());
            format!(
                "Texts part at token {at}: {}, {} (n, p: next, previous change).",
                quoted(RowChoice::Baseline),
                quoted(RowChoice::Edited)
            )
        }
        None => same_so_far(cx),
    };
    let concentration = change.concentration;
    if let Some(it) = concentration.filter(|it| it.largest.kl < NEXT_TO_NOTHING) {
        let little = format!(
            " The edits change next to nothing: at most {} nats at one of {} tokens.",
            kl_words(it.largest.kl),
            it.n_tokens,
        );
        out.push_str(&little);
    } else if let Some(it) = concentration {
        let concentrated = format!(
            " {} of the change sits in {} of {} tokens, the largest {} nats.",
            percent((it.share * 100.0).round() / 100.0),
            it.n_largest,
            it.n_tokens,
            kl_words(it.largest.kl),
        );
        out.push_str(&concentrated);
    }
    out
}

fn same_so_far(cx: &Cx<'_>) -> String {
    let len = |row: RowChoice| cx.session.row(row).map_or(0, |it| it.record.tokens.len());
    let n = len(RowChoice::Baseline).min(len(RowChoice::Edited));
    let from = cx.session.shown().and_then(|it| it.edited_from);
    match from {
        Some(from) if from.idx() + 1 >= n => {
            "Space writes the edited text beside the baseline.".to_owned()
        }
        _ => format!("The texts are the same so far, over {n} tokens."),
    }
}

/// KL drawn at a token of the baseline.
pub fn kl_at(cx: &Cx<'_>, at: Position) -> Option<f32> {
    let before = at.idx().checked_sub(1)?;
    let counterfactual = cx.session.counterfactual()?;
    counterfactual
        .record
        .comparison(Position::new(before))
        .map(|it| it.kl)
}
