//! One row of a shared page: its routing, its predictions, and what they are against the baseline's.

use std::ops::Range;

use serde::Serialize;

use crate::document::token_texts;
use crate::spec::{Position, RouterId, TokenId};
use crate::trace::{
    Candidate, Comparison, ModelFacts, N_TOP, Pick, PickState, Readout, Routed, RouterTrace,
    RowRecord, SharedVec, StepTrace,
};

use super::packed::{floats, halves, wholes};

/// Where there is no token.
const NO_TOKEN: u32 = u32::MAX;

/// A row as it stands in the page: T tokens, of which those before `from` are the baseline's.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct PageRow {
    /// `[T]`.
    tokens: Vec<TokenId>,
    /// `[T]`: what each shows.
    texts: Vec<String>,
    /// Everything below begins here: what lies before is the baseline's to the bit.
    pub from: usize,
    /// `[R]`.
    routers: Vec<Routing>,
    /// Tokens whose raw scores are here.
    pub scores: Range<usize>,
    /// The predictions after each token.
    readouts: Readouts,
    /// What the edits changed on the same tokens, for the baseline's words under them.
    comparisons: Option<Comparisons>,
}

/// One router's part: N tokens from `PageRow::from` on that its stack reads, K picks at most, E experts.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Routing {
    /// The first of its tokens: a router of one stack has none of the other's.
    at: usize,
    /// K.
    k: usize,
    /// `[N, K]` of 16 bits.
    experts: String,
    /// `[N, K]` of single precision.
    weights: String,
    /// `[N, K]`: `c` chosen, `f` forced, `d` dropped, `-` none; empty where all are chosen.
    states: String,
    /// `[N]`, NaN where there is none.
    margins: String,
    /// `[N]`, NaN where there is none.
    weight_sums: String,
    /// `[tokens of PageRow::scores that its stack reads, E]`.
    logits: String,
    /// The same, where something else than the score selects.
    selection: String,
}

/// Predictions, N tokens from `PageRow::from` on.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Readouts {
    /// How many of the likeliest are kept.
    n_top: usize,
    /// `[N]` of 32 bits: the token that follows.
    next: String,
    /// `[N]`: its ln p.
    next_log_probs: String,
    /// `[N]` of 32 bits: its rank.
    next_ranks: String,
    /// `[N, n_top]` of 32 bits, best first.
    top: String,
    /// `[N, n_top]`: ln p.
    top_log_probs: String,
    /// `[N, Σ horizons]`: what the heads say, in standard deviations from the mean of the series; empty of a text.
    forecast: String,
}

/// KL (of a series the difference of forecasts) and the next token's log-probability without and with edits, M positions from `at` on.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Comparisons {
    /// The first position compared; KL is drawn one further on.
    at: usize,
    /// `[M]`.
    kl: String,
    /// `[M]`: ln p of the next token under the baseline.
    baseline: String,
    /// `[M]`: the same under the edits.
    edited: String,
}

impl PageRow {
    /// A row from `from` on, with the raw scores of the tokens `scores` where they are still held.
    pub fn of(facts: &ModelFacts, record: &RowRecord, from: usize, scores: Range<usize>) -> Self {
        let held = record.store.logits_from().idx();
        let scores = scores.start.max(held).min(scores.end)..scores.end;
        let n_routers = facts.spec.routers.len();
        Self {
            tokens: record.tokens.clone(),
            texts: token_texts(&facts.tokens, &record.tokens, &facts.eos),
            from,
            routers: (0..n_routers)
                .map(|it| Routing::of(record, RouterId::new(it), from, &scores))
                .collect(),
            scores,
            readouts: Readouts::of(&record.readouts, from),
            comparisons: Comparisons::of(&record.comparisons),
        }
    }

    /// Every token that is named somewhere.
    pub fn mentioned(record: &RowRecord) -> impl Iterator<Item = TokenId> + '_ {
        let predicted = record.readouts.iter().flat_map(|it| {
            let top = it.top.iter().map(|it| it.token);
            top.chain(it.next.map(|it| it.token))
        });
        record.tokens.iter().copied().chain(predicted)
    }
}

impl Routing {
    fn of(record: &RowRecord, router: RouterId, from: usize, scores: &Range<usize>) -> Self {
        let slices: Vec<Slice<'_>> = record
            .store
            .steps()
            .filter_map(|it| Slice::of(it, router, from))
            .collect();
        let k = slices.iter().map(|it| it.trace.n_picks).max().unwrap_or(0);
        let picks: Vec<Pick> = slices.iter().flat_map(|it| it.picks(k)).collect();
        let plain = picks.iter().all(|it| it.state == PickState::Chosen);
        let states = picks.iter().map(|it| state(it.state)).collect();
        let margins = slices.iter().flat_map(Slice::margins);
        let sums = slices.iter().flat_map(Slice::weight_sums);
        let first = slices.first().map(|it| it.start + it.rows.start);
        Self {
            at: first.unwrap_or(from),
            k,
            experts: halves(picks.iter().map(|it| it.expert.0)),
            weights: floats(picks.iter().map(|it| it.weight)),
            states: if plain { String::new() } else { states },
            margins: floats(margins),
            weight_sums: floats(sums),
            logits: floats(per_expert(&slices, scores, |it| &it.logits)),
            selection: floats(per_expert(&slices, scores, |it| &it.selection)),
        }
    }
}

/// `[tokens, E]` of some tokens, from whichever steps they lie in.
fn per_expert<'a>(
    slices: &'a [Slice<'a>],
    wanted: &'a Range<usize>,
    get: impl Fn(&RouterTrace) -> &[f32] + 'a,
) -> impl Iterator<Item = f32> + 'a {
    slices.iter().flat_map(move |it| {
        let first = wanted.start.max(it.start);
        let end = wanted.end.min(it.start + it.trace.n_rows());
        let n = it.trace.n_experts;
        let rows = first.saturating_sub(it.start) * n..end.saturating_sub(it.start) * n;
        get(it.trace).get(rows).unwrap_or_default().iter().copied()
    })
}

/// One step's rows of one router, those before `from` left out.
struct Slice<'a> {
    trace: &'a RouterTrace,
    /// Where the step starts.
    start: usize,
    /// Its rows.
    rows: Range<usize>,
}

impl<'a> Slice<'a> {
    fn of(step: &'a StepTrace, router: RouterId, from: usize) -> Option<Self> {
        let trace = step.routers.get(router.idx())?;
        let start = step.start.idx();
        let rows = from.saturating_sub(start)..trace.n_rows();
        (!rows.is_empty()).then_some(Self { trace, start, rows })
    }

    /// `[rows, k]`, filled up with empty ones where other steps have more.
    fn picks(&self, k: usize) -> impl Iterator<Item = Pick> + '_ {
        let n = self.trace.n_picks;
        self.rows.clone().flat_map(move |row| {
            let picks = self.trace.picks.get(row * n..(row + 1) * n);
            let picks = picks.unwrap_or_default();
            (0..k).map(move |it| picks.get(it).copied().unwrap_or_default())
        })
    }

    fn margins(&self) -> impl Iterator<Item = f32> + '_ {
        let margins = self.trace.margin[self.rows.clone()].iter();
        margins.map(|it| it.unwrap_or(f32::NAN))
    }

    fn weight_sums(&self) -> impl Iterator<Item = f32> + '_ {
        let all = &self.trace.weight_sum;
        let rows = self.rows.clone();
        rows.map(|it| all.get(it).copied().unwrap_or(f32::NAN))
    }
}

fn state(it: PickState) -> char {
    match it {
        PickState::Empty => '-',
        PickState::Chosen => 'c',
        PickState::Forced => 'f',
        PickState::Dropped => 'd',
    }
}

impl Readouts {
    fn of(all: &SharedVec<Readout>, from: usize) -> Self {
        let readouts = || all.iter_from(from);
        let n_top = readouts().map(|it| it.top.len()).max().unwrap_or(0);
        let n_top = n_top.min(N_TOP);
        let top = || {
            let cells = readouts().flat_map(|it| (0..n_top).map(|n| it.top.get(n)));
            cells.map(Option::<&Candidate>::copied)
        };
        let next = || readouts().map(|it| it.next);
        Self {
            n_top,
            next: wholes(next().map(token)),
            next_log_probs: floats(next().map(log_prob)),
            next_ranks: wholes(next().map(|it| it.map_or(0, |it| it.rank))),
            top: wholes(top().map(token)),
            top_log_probs: floats(top().map(log_prob)),
            forecast: floats(readouts().flat_map(|it| it.forecast.iter().copied())),
        }
    }
}

fn token(it: Option<Candidate>) -> u32 {
    it.map_or(NO_TOKEN, |it| it.token.0)
}

fn log_prob(it: Option<Candidate>) -> f32 {
    it.map_or(f32::NAN, |it| it.log_prob)
}

impl Comparisons {
    fn of(all: &SharedVec<Comparison>) -> Option<Self> {
        let first = all.first()?;
        Some(Self {
            at: first.at.idx(),
            kl: floats(all.iter().map(|it| it.kl)),
            baseline: floats(all.iter().map(|it| log_prob(it.baseline))),
            edited: floats(all.iter().map(|it| log_prob(it.edited))),
        })
    }
}

/// How many tokens at the start two rows have in common to the bit: tokens, routing and predictions.
pub(super) fn n_shared(a: &RowRecord, b: &RowRecord, n_routers: usize) -> usize {
    let n = a.tokens.len().min(b.tokens.len());
    let same = |at: usize| {
        let position = Position::new(at);
        a.tokens[at] == b.tokens[at]
            && a.readouts.get(at) == b.readouts.get(at)
            && (0..n_routers).map(RouterId::new).all(|router| {
                match (a.store.at(router, position), b.store.at(router, position)) {
                    (Some(a), Some(b)) => same_routing(a, b),
                    (a, b) => a.is_none() && b.is_none(),
                }
            })
    };
    (0..n).position(|it| !same(it)).unwrap_or(n)
}

fn same_routing(a: Routed<'_>, b: Routed<'_>) -> bool {
    a.choice().eq(b.choice())
        && a.logits() == b.logits()
        && a.margin() == b.margin()
        && a.weight_sum() == b.weight_sum()
}
