//! What the Next token panel is about: which predictions are set beside one another, and what was drawn from them; its
//! sentence and its table.

mod forecast;
mod sentence;
mod table;

use crate::analysis::{Alternative, Candidates, SortBy, alternatives};
use crate::document::token_words;
use crate::spec::{Position, TokenId};
use crate::trace::{Candidate, Comparison, ModelFacts, N_TOP, Readout, RowRecord};

use super::ShownRecords;

pub use forecast::{HeadForecast, forecast_sentence, forecast_table};
pub use sentence::{Detail, next_token_sentence};
pub use table::next_token_table;

/// What is set beside the prediction shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Baseline and edits, on the same tokens.
    Compared,
    /// Nothing: there is no edited row.
    NoEdits,
    /// Nothing: the edits begin at this later position.
    BeforeEdits(Position),
    /// Nothing: the texts part at this earlier position, so the edited row stands alone.
    Parted(Position),
    /// Nothing: the baseline has not come this far.
    NoBaseline,
    /// Nothing yet: the same tokens are still being read under the edits.
    NotRead,
}

/// The prediction after one token, and its like under the edits.
pub struct ShownPrediction<'a> {
    /// The token whose prediction this is.
    pub at: Position,
    /// The tokens of its row.
    pub tokens: &'a [TokenId],
    /// Whether two are compared, and why not.
    pub beside: Beside,
    /// The token that follows in the baseline, where one is known and the text is the baseline's.
    pub baseline_next: Option<TokenId>,
    /// The same of the edited row.
    pub edited_next: Option<TokenId>,
    /// Whether what follows was given, not drawn.
    pub is_given: bool,
    /// KL and log-probs, where two are compared.
    pub comparison: Option<Comparison>,
    before: Candidates<'a>,
    after: Option<Candidates<'a>>,
}

impl<'a> ShownPrediction<'a> {
    /// The prediction after the token at a position; none where it was not read.
    #[must_use]
    pub fn new(rows: &ShownRecords<'a>, at: Position) -> Option<Self> {
        let view = rows.shown()?;
        let own = readout(view, at)?;
        let beside = rows.beside(at);
        let alone = is_alone(beside);
        let edited = if alone {
            Some(view)
        } else {
            rows.edited.filter(|_| rows.is_shared(at))
        };
        let baseline = if alone { None } else { rows.baseline };
        let drawn_edited = edited.and_then(|it| readout(it, at)?.next);
        let compared = beside == Beside::Compared;
        let before = match baseline.filter(|_| compared) {
            Some(it) => readout(it, at)?,
            None => own,
        };
        let after = rows.counterfactual.filter(|_| compared);
        let after = after
            .and_then(|it| readout(it, at))
            .map(|readout| Candidates {
                readout,
                also: drawn_edited,
            });
        Some(Self {
            at,
            tokens: &view.tokens,
            beside,
            baseline_next: baseline.and_then(|it| next_of(it, at)),
            edited_next: edited
                .and_then(|it| next_of(it, at))
                .filter(|_| compared || alone),
            is_given: at.idx() + 1 < view.n_given,
            comparison: rows
                .counterfactual
                .filter(|_| compared)
                .and_then(|it| it.comparison(at))
                .copied(),
            before: Candidates {
                readout: before,
                also: None,
            },
            after,
        })
    }

    /// Whether two predictions are compared.
    #[must_use]
    pub fn is_compared(&self) -> bool {
        self.after.is_some()
    }

    /// Whether the one shown is that of the edited text alone.
    #[must_use]
    pub fn is_edited_alone(&self) -> bool {
        is_alone(self.beside)
    }

    /// The likeliest, and those that follow wherever they stand.
    #[must_use]
    pub fn list(&self, sort: SortBy) -> Vec<Alternative> {
        let always: Vec<TokenId> = self
            .baseline_next
            .into_iter()
            .chain(self.edited_next)
            .collect();
        alternatives(self.before, self.after, &always, sort, N_TOP)
    }

    /// A token in the prediction shown.
    #[must_use]
    pub fn before(&self, token: TokenId) -> Option<Candidate> {
        self.before.of(token).known()
    }

    /// Whether nothing was kept of it: no tokens, no forecast.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.before.readout.top.is_empty() && self.before.readout.forecast.is_empty()
    }
}

fn is_alone(beside: Beside) -> bool {
    matches!(beside, Beside::Parted(_) | Beside::NoBaseline)
}

fn readout(row: &RowRecord, at: Position) -> Option<&Readout> {
    row.readouts.get(at.idx())
}

/// The token that follows: the one read, else the one drawn and not read yet.
fn next_of(row: &RowRecord, at: Position) -> Option<TokenId> {
    let read = row.tokens.get(at.idx() + 1).copied();
    read.or_else(|| Some(readout(row, at)?.next?.token))
}

impl ShownRecords<'_> {
    /// Whether baseline and edited row have the same tokens up to a position.
    fn is_shared(&self, at: Position) -> bool {
        let len = |it: Option<&RowRecord>| it.map_or(0, |it| it.tokens.len());
        let n = len(self.baseline).min(len(self.edited));
        at.idx() < n && self.divergence().is_none_or(|divergence| at < divergence)
    }

    fn beside(&self, at: Position) -> Beside {
        if self.edited.is_none() {
            return Beside::NoEdits;
        }
        if let Some(from) = self.edited_from.filter(|from| at < *from) {
            return Beside::BeforeEdits(from);
        }
        if self.is_edited
            && let Some(divergence) = self.divergence().filter(|divergence| at >= *divergence)
        {
            return Beside::Parted(divergence);
        }
        let is_read = |it: Option<&RowRecord>| it.is_some_and(|it| readout(it, at).is_some());
        if !is_read(self.baseline) {
            Beside::NoBaseline
        } else if is_read(self.counterfactual) {
            Beside::Compared
        } else {
            Beside::NotRead
        }
    }
}

/// A token as the Next token panel writes it: spaces are seen as ·.
#[must_use]
pub fn next_token_words(facts: &ModelFacts, token: TokenId) -> String {
    if facts.eos.contains(&token) && facts.has_tokenizer {
        return "⟨eos⟩".to_owned();
    }
    token_words(&facts.tokens, token).replace(' ', "·")
}
