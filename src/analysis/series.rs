//! How the load of one router went over the text: shares over a sliding window, or since the start.
//!
//! **Invariant:** adding steps one by one gives the same series as reading the whole store anew.

use super::{PhaseFilter, spread};
use crate::spec::{ExpertId, Position, RouterId, TokenId};
use crate::trace::{Phase, StepTrace, TraceStore};

/// One counted token.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Token {
    at: Position,
    phase: Phase,
    /// Where its picks end in the list of all.
    end: usize,
}

/// The picks of one router, token after token, special ones left out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoadSeries {
    n_experts: usize,
    tokens: Vec<Token>,
    picks: Vec<(ExpertId, f32)>,
    end: Position,
}

/// What is asked of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesOf {
    /// Which tokens are counted.
    pub phase: PhaseFilter,
    /// Over how many of the last counted tokens; none counts from the first.
    pub window: Option<usize>,
    /// Gate mass in place of counts.
    pub mass: bool,
    /// Samples at most: long texts are thinned evenly, the last token is always one.
    pub n_samples: usize,
}

/// Values at some of the tokens, S samples in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ShareSeries {
    /// E.
    pub n_experts: usize,
    /// `[S]`: the token a sample ends at.
    pub at: Vec<Position>,
    /// `[S]`: tokens behind it.
    pub n_tokens: Vec<usize>,
    /// `[S, E]`: share of tokens, or of all gate mass; 0 to 1.
    pub share: Vec<f64>,
    /// `[S]`: effective experts, `exp(H(f))`.
    pub effective: Vec<f64>,
    /// `[S]`: coefficient of variation.
    pub cv: Vec<f64>,
}

impl ShareSeries {
    /// Samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.at.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.at.is_empty()
    }

    /// The shares of a sample `[E]`.
    #[must_use]
    pub fn shares(&self, sample: usize) -> &[f64] {
        let range = sample * self.n_experts..(sample + 1) * self.n_experts;
        self.share.get(range).unwrap_or(&[])
    }

    /// The sample nearest to a token.
    #[must_use]
    pub fn nearest(&self, at: Position) -> Option<usize> {
        let after = self.at.partition_point(|it| *it < at);
        [after.checked_sub(1), Some(after)]
            .into_iter()
            .flatten()
            .filter(|it| *it < self.len())
            .min_by_key(|it| self.at[*it].0.abs_diff(at.0))
    }
}

impl LoadSeries {
    /// The position after the last one read.
    #[must_use]
    pub fn end(&self) -> Position {
        self.end
    }

    /// Reads what a store has beyond the last position read.
    pub fn extend(
        &mut self,
        store: &TraceStore,
        router: RouterId,
        special: impl Fn(TokenId) -> bool,
    ) {
        for step in store.steps_from(self.end) {
            self.add(step, router, &special);
        }
    }

    /// Adds the rows of a step that were not read yet.
    pub fn add(&mut self, step: &StepTrace, router: RouterId, special: impl Fn(TokenId) -> bool) {
        let first = self.end.idx().saturating_sub(step.start.idx());
        self.end = self.end.max(step.end());
        let Some(trace) = step.routers.get(router.idx()) else {
            return;
        };
        self.n_experts = self.n_experts.max(trace.n_experts);
        let tokens = step.tokens.iter().take(trace.n_rows()).enumerate();
        for (row, token) in tokens.skip(first) {
            if special(*token) {
                continue;
            }
            let picks = trace.picks_of(row);
            self.picks.extend(picks.map(|it| (it.expert, it.weight)));
            self.tokens.push(Token {
                at: step.start.plus(row),
                phase: step.phase,
                end: self.picks.len(),
            });
        }
    }

    fn picks_of(&self, token: usize) -> &[(ExpertId, f32)] {
        let start = token.checked_sub(1).map_or(0, |it| self.tokens[it].end);
        &self.picks[start..self.tokens[token].end]
    }

    /// The values asked for, in one pass over the picks.
    #[must_use]
    pub fn series(&self, of: SeriesOf) -> ShareSeries {
        let counted: Vec<usize> = (0..self.tokens.len())
            .filter(|it| of.phase.holds(self.tokens[*it].phase))
            .collect();
        let mut out = ShareSeries {
            n_experts: self.n_experts,
            ..ShareSeries::default()
        };
        let mut now = vec![0.0; self.n_experts];
        let n_samples = of.n_samples.min(counted.len());
        let mut n_done = 0;
        for (n, token) in counted.iter().enumerate() {
            self.move_picks(&mut now, *token, of.mass, 1.0);
            if let Some(left) = of.window.and_then(|it| n.checked_sub(it)) {
                self.move_picks(&mut now, counted[left], of.mass, -1.0);
            }
            // The last token of each of `n_samples` equal parts.
            if (n_done + 1) * counted.len() <= (n + 1) * n_samples {
                n_done += 1;
                let behind = of.window.map_or(n + 1, |it| it.min(n + 1));
                out.push(self.tokens[*token].at, behind, &now, of.mass);
            }
        }
        out
    }

    fn move_picks(&self, now: &mut [f64], token: usize, mass: bool, sign: f64) {
        for (expert, weight) in self.picks_of(token) {
            if let Some(it) = now.get_mut(expert.idx()) {
                *it += sign * if mass { f64::from(*weight) } else { 1.0 };
            }
        }
    }
}

impl ShareSeries {
    fn push(&mut self, at: Position, n_tokens: usize, now: &[f64], mass: bool) {
        let whole = if mass {
            now.iter().sum::<f64>().max(f64::MIN_POSITIVE)
        } else {
            n_tokens as f64
        };
        // What a window took in and gave back again may leave a trace of rounding.
        let clean = |it: &f64| if *it < 1e-9 { 0.0 } else { *it };
        let loads: Vec<f64> = now.iter().map(clean).collect();
        let spread = spread(&loads);
        self.at.push(at);
        self.n_tokens.push(n_tokens);
        self.share.extend(loads.iter().map(|it| it / whole));
        self.effective.push(spread.map_or(0.0, |it| it.effective));
        self.cv.push(spread.map_or(0.0, |it| it.cv));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Revision, SeqId};
    use crate::trace::{Pick, PickState, RouterTrace};

    /// One router of three experts, one pick a token.
    fn step(start: usize, phase: Phase, picks: &[u16]) -> StepTrace {
        let flat = picks.iter().map(|expert| Pick {
            expert: ExpertId(*expert),
            weight: 0.5,
            state: PickState::Chosen,
        });
        StepTrace {
            seq: SeqId(0),
            phase,
            start: Position::new(start),
            revision: Revision(0),
            tokens: (start..start + picks.len()).map(TokenId::new).collect(),
            routers: vec![RouterTrace {
                n_experts: 3,
                n_picks: 1,
                picks: flat.collect(),
                margin: vec![None; picks.len()],
                ..RouterTrace::default()
            }],
        }
    }

    /// Token 0 is special; then experts 0 0 1 given, 2 0 drawn.
    fn store() -> TraceStore {
        let mut out = TraceStore::default();
        out.push(step(0, Phase::Prefill, &[2, 0, 0, 1])).unwrap();
        out.push(step(4, Phase::Decode, &[2])).unwrap();
        out.push(step(5, Phase::Decode, &[0])).unwrap();
        out
    }

    fn read(store: &TraceStore) -> LoadSeries {
        let mut out = LoadSeries::default();
        out.extend(store, RouterId(0), |it| it == TokenId(0));
        out
    }

    const ALL: SeriesOf = SeriesOf {
        phase: PhaseFilter::All,
        window: None,
        mass: false,
        n_samples: 100,
    };

    fn of(series: &ShareSeries, expert: usize) -> Vec<f64> {
        (0..series.len())
            .map(|it| series.shares(it)[expert])
            .collect()
    }

    #[test]
    fn shares_are_those_worked_by_hand() {
        let series = read(&store());
        let all = series.series(ALL);
        assert_eq!(all.at, [1, 2, 3, 4, 5].map(Position));
        assert_eq!(of(&all, 0), [1.0, 1.0, 2.0 / 3.0, 0.5, 0.6]);
        assert!((all.effective[1] - 1.0).abs() < 1e-9);
        let last_two = series.series(SeriesOf {
            window: Some(2),
            ..ALL
        });
        assert_eq!(of(&last_two, 0), [1.0, 1.0, 0.5, 0.0, 0.5]);
        assert_eq!(last_two.n_tokens, [1, 2, 2, 2, 2]);
        assert!((last_two.effective[4] - 2.0).abs() < 1e-9);
        let drawn = series.series(SeriesOf {
            phase: PhaseFilter::Decode,
            mass: true,
            ..ALL
        });
        assert_eq!(drawn.at, [4, 5].map(Position));
        assert_eq!(of(&drawn, 2), [1.0, 0.5]);
    }

    #[test]
    fn thinning_keeps_the_last_token_and_the_values() {
        let series = read(&store());
        let two = series.series(SeriesOf {
            n_samples: 2,
            ..ALL
        });
        assert_eq!(two.at, [3, 5].map(Position));
        assert_eq!(of(&two, 0), [2.0 / 3.0, 0.6]);
        assert_eq!(two.nearest(Position(0)), Some(0));
        assert_eq!(two.nearest(Position(9)), Some(1));
        assert_eq!(ShareSeries::default().nearest(Position(0)), None);
    }

    #[test]
    fn growing_step_by_step_equals_reading_at_once() {
        let full = store();
        let mut grown = LoadSeries::default();
        for step in full.steps() {
            grown.add(step, RouterId(0), |it| it == TokenId(0));
        }
        assert_eq!(grown, read(&full));
        grown.extend(&full, RouterId(0), |_| false);
        assert_eq!(grown, read(&full), "what was read is not read again");
    }
}
