//! The sentence under the list: how far the prediction moved, what became of the token that followed, by chance.

use crate::document::{percent, short};
use crate::spec::{Position, TokenId, grouped};
use crate::trace::{Candidate, ModelFacts, PositionKind};

use super::{Beside, ShownPrediction, next_token_words};

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Everything.
    All,
    /// Chance and what the probabilities are of left out.
    Most,
    /// The one thing that must be said.
    Least,
}

/// What the numbers say.
///
/// `hint` ends the longest form: what a click does; empty where nothing can be clicked.
#[must_use]
pub fn next_token_sentence(
    facts: &ModelFacts,
    it: &ShownPrediction<'_>,
    detail: Detail,
    hint: &str,
) -> String {
    let mut parts = Vec::new();
    if let Some(comparison) = it.comparison {
        parts.push(format!("KL {} nats", amount(comparison.kl)));
        let both = comparison.baseline.zip(comparison.edited);
        if let Some((before, after)) = both.filter(|_| detail != Detail::Least) {
            parts.push(moved(facts, before, after));
        }
    } else if let Some(next) = it.baseline_next.or(it.edited_next) {
        parts.push(follows(facts, it, next));
    }
    let name = |at| facts.spec.parts(it.tokens).name(at);
    let why = why(it, PositionKind::Token, name);
    if detail == Detail::Least {
        return why.unwrap_or_else(|| parts.join(" · "));
    }
    if detail == Detail::All {
        let n_vocab = facts.spec.n_vocab.max(1);
        parts.push(format!("by chance {} each", percent(1.0 / n_vocab as f32)));
    }
    let mut out = parts.join(" · ");
    if !out.is_empty() {
        out.push('.');
    }
    if let Some(why) = why {
        out.push(' ');
        out.push_str(&why);
    } else if detail == Detail::All {
        out.push_str(" Probabilities before any sampling filter");
        out.push_str(hint);
        out.push('.');
    }
    // A figure stays with its sign.
    out.replace(" %", "\u{a0}%")
}

/// A divergence, three digits; what is next to nothing is said so.
fn amount(kl: f32) -> String {
    if kl < 0.001 {
        "less than 0.001".to_owned()
    } else {
        short(f64::from(kl))
    }
}

/// The baseline's next token under both.
fn moved(facts: &ModelFacts, before: Candidate, after: Candidate) -> String {
    let apart = after.log_prob - before.log_prob;
    let words = next_token_words(facts, before.token);
    let changed = match apart {
        -0.001..0.001 => " as before".to_owned(),
        0.0.. => format!(" changes by +{} nats", short(f64::from(apart))),
        _ => format!(" changes by −{} nats", short(f64::from(-apart))),
    };
    let ranks = format!(
        "rank {} → {}",
        grouped(u64::from(before.rank)),
        grouped(u64::from(after.rank))
    );
    format!("log-prob of “{words}”{changed}, {ranks}")
}

/// The token that follows, in the one prediction shown.
fn follows(facts: &ModelFacts, it: &ShownPrediction<'_>, next: TokenId) -> String {
    let how = if it.is_given { "is given" } else { "was drawn" };
    let words = next_token_words(facts, next);
    match it.before(next) {
        Some(known) => format!(
            "“{words}” {how}: {}, rank {}",
            percent(known.log_prob.exp()),
            grouped(u64::from(known.rank))
        ),
        None => format!("“{words}” {how}"),
    }
}

/// Why nothing is set beside, where that must be said.
///
/// * `name`: how a position is called
pub(super) fn why(
    it: &ShownPrediction<'_>,
    kind: PositionKind,
    name: impl Fn(Position) -> String,
) -> Option<String> {
    let (texts, alone) = match kind {
        PositionKind::Token => ("texts", "edited text"),
        PositionKind::Point => ("series", "edited series"),
    };
    Some(match it.beside {
        Beside::Compared | Beside::NoEdits => return None,
        Beside::BeforeEdits(from) => {
            format!("The edits begin at {}: nothing differs here.", name(from))
        }
        Beside::Parted(at) => {
            format!(
                "The {texts} part at {}: this is the {alone} alone.",
                name(at)
            )
        }
        Beside::NoBaseline => {
            format!("The baseline has not come this far: this is the {alone} alone.")
        }
        Beside::NotRead => format!(
            "These {}s are still being read under the edits.",
            kind.noun()
        ),
    })
}
