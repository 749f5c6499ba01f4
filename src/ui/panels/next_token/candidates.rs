//! What the panel is about, gathered once a frame: which predictions are set beside one another, and
//! what was drawn from them.

use crate::analysis::{Alternative, Candidates, SortBy, alternatives};
use crate::spec::{Position, TokenId};
use crate::trace::{Candidate, Comparison, N_TOP, Readout};
use crate::ui::{Cx, RowChoice, RowView};

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
    /// What is selected, where it was read.
    pub fn of(cx: &Cx<'a>) -> Option<Self> {
        let session = cx.session;
        let view = session.row(cx.selection.row)?;
        let at = cx.position()?;
        let own = readout(view, at)?;
        let beside = beside(cx, at);
        let shares = |row: Option<RowView<'a>>| row.filter(|_| is_shared(cx, at));
        let alone = is_alone(beside);
        let edited = if alone {
            Some(view)
        } else {
            shares(session.edited())
        };
        let baseline = if alone { None } else { session.baseline() };
        let drawn_edited = edited.and_then(|it| readout(it, at)?.next);
        let compared = beside == Beside::Compared;
        let before = match baseline.filter(|_| compared) {
            Some(it) => readout(it, at)?,
            None => own,
        };
        let after = session.counterfactual().filter(|_| compared);
        let after = after
            .and_then(|it| readout(it, at))
            .map(|readout| Candidates {
                readout,
                also: drawn_edited,
            });
        Some(Self {
            at,
            beside,
            baseline_next: baseline.and_then(|it| next_of(it, at)),
            edited_next: edited
                .and_then(|it| next_of(it, at))
                .filter(|_| compared || alone),
            is_given: at.idx() + 1 < view.record.n_given,
            comparison: session
                .counterfactual()
                .filter(|_| compared)
                .and_then(|it| it.record.comparison(at))
                .copied(),
            before: Candidates {
                readout: before,
                also: None,
            },
            after,
        })
    }

    /// Whether two predictions are compared.
    pub fn is_compared(&self) -> bool {
        self.after.is_some()
    }

    /// Whether the one shown is that of the edited text alone.
    pub fn is_edited_alone(&self) -> bool {
        is_alone(self.beside)
    }

    /// The likeliest, and those that follow wherever they stand.
    pub fn list(&self, sort: SortBy) -> Vec<Alternative> {
        let always: Vec<TokenId> = self
            .baseline_next
            .into_iter()
            .chain(self.edited_next)
            .collect();
        alternatives(self.before, self.after, &always, sort, N_TOP)
    }

    /// A token in the prediction shown.
    pub fn before(&self, token: TokenId) -> Option<Candidate> {
        self.before.of(token).known()
    }

    /// Whether any tokens were kept of it.
    pub fn is_empty(&self) -> bool {
        self.before.readout.top.is_empty()
    }
}

fn is_alone(beside: Beside) -> bool {
    matches!(beside, Beside::Parted(_) | Beside::NoBaseline)
}

fn readout(view: RowView<'_>, at: Position) -> Option<&Readout> {
    view.record.readouts.get(at.idx())
}

/// The token that follows: the one read, else the one drawn and not read yet.
fn next_of(view: RowView<'_>, at: Position) -> Option<TokenId> {
    let read = view.record.tokens.get(at.idx() + 1).copied();
    read.or_else(|| Some(readout(view, at)?.next?.token))
}

/// Whether baseline and edited row have the same tokens up to a position.
fn is_shared(cx: &Cx<'_>, at: Position) -> bool {
    let len = |it: Option<RowView<'_>>| it.map_or(0, |it| it.record.tokens.len());
    let (baseline, edited) = (cx.session.baseline(), cx.session.edited());
    let n = len(baseline).min(len(edited));
    at.idx() < n
        && cx
            .session
            .divergence()
            .is_none_or(|divergence| at < divergence)
}

fn beside(cx: &Cx<'_>, at: Position) -> Beside {
    let session = cx.session;
    if session.edited().is_none() {
        return Beside::NoEdits;
    }
    let from = session.shown().and_then(|it| it.edited_from);
    if let Some(from) = from.filter(|from| at < *from) {
        return Beside::BeforeEdits(from);
    }
    if cx.selection.row == RowChoice::Edited
        && let Some(divergence) = session.divergence().filter(|divergence| at >= *divergence)
    {
        return Beside::Parted(divergence);
    }
    let is_read = |it: Option<RowView<'_>>| it.is_some_and(|it| readout(it, at).is_some());
    if !is_read(session.baseline()) {
        Beside::NoBaseline
    } else if is_read(session.counterfactual()) {
        Beside::Compared
    } else {
        Beside::NotRead
    }
}
