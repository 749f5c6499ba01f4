//! A sequence read by hand on a backend, without the engine: what `eval` writes down and a forecast is made of.

use super::Failure;
use crate::engine::{Backend, Capture, Feed, Row, StepRow, Wait};
use crate::spec::{RoutingPolicy, SeqId, TokenId};

/// Points of a series read at a time.
pub(super) const SLICE: usize = 64;

/// One sequence, and what holds for it.
pub(super) struct Pass<'a> {
    backend: &'a mut dyn Backend,
    seq: SeqId,
    policy: &'a RoutingPolicy,
}

impl<'a> Pass<'a> {
    /// An empty one.
    pub fn new(backend: &'a mut dyn Backend, policy: &'a RoutingPolicy) -> Self {
        Self {
            seq: backend.open(),
            backend,
            policy,
        }
    }

    /// Reads on; all that comes of it.
    pub fn read(&mut self, tokens: &[TokenId]) -> Result<StepRow, Failure> {
        let row = Row {
            seq: self.seq,
            feed: Feed::Tokens(tokens),
            next: None,
            policy: self.policy,
            sampling: None,
            against: None,
        };
        let ticket = self
            .backend
            .submit(&[row], Capture::Logits)
            .map_err(Failure::misuse)?;
        let step = self
            .backend
            .poll(ticket, Wait::Done)
            .map_err(Failure::part_way)?;
        step.and_then(|it| it.rows.into_iter().next())
            .ok_or_else(|| Failure::part_way("the step came back empty"))
    }

    /// The same, so many tokens at a time.
    pub fn read_in_slices(
        &mut self,
        tokens: &[TokenId],
        slice: usize,
    ) -> Result<Vec<StepRow>, Failure> {
        tokens.chunks(slice).map(|it| self.read(it)).collect()
    }

    /// Writes tokens behind what was read, each the arg max over the whole vocabulary.
    pub fn continue_greedily(
        &mut self,
        rows: &[StepRow],
        n: usize,
        n_vocab: usize,
    ) -> Result<Vec<TokenId>, Failure> {
        let mut out: Vec<TokenId> = Vec::with_capacity(n);
        let mut next = rows.last().map(|it| best(&it.logits, n_vocab));
        while let Some(token) = next.filter(|_| out.len() < n) {
            out.push(token);
            next = if out.len() < n {
                Some(best(&self.read(&[token])?.logits, n_vocab))
            } else {
                None
            };
        }
        Ok(out)
    }

    /// Continues a series by `n` points: all those of the largest horizon that fits, which are read in turn, until there
    /// are as many (`generate` of Time-MoE, arXiv 2409.16040).
    ///
    /// * `rows`: what was read so far; what is read on is added
    /// * `horizons`: points of each head, ascending from 1
    pub fn forecast(
        &mut self,
        rows: &mut Vec<StepRow>,
        n: usize,
        horizons: &[usize],
    ) -> Result<Vec<f32>, Failure> {
        let width: usize = horizons.iter().sum();
        let heads_of = |row: &StepRow| row.logits[row.logits.len() - width..].to_vec();
        let mut heads = rows.last().map(heads_of).unwrap_or_default();
        let mut out: Vec<f32> = Vec::with_capacity(n);
        while out.len() < n {
            let fits = |it: &&usize| **it <= n - out.len();
            let n_heads = horizons.iter().take_while(fits).count();
            let end: usize = horizons[..n_heads].iter().sum();
            let points = heads[end - horizons[n_heads - 1]..end].to_vec();
            out.extend_from_slice(&points);
            if out.len() < n {
                let points: Vec<TokenId> = points.into_iter().map(TokenId::of_point).collect();
                let row = self.read(&points)?;
                heads = heads_of(&row);
                rows.push(row);
            }
        }
        Ok(out)
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        self.backend.release(self.seq);
    }
}

/// Arg max of the last row of `[T, V]`, ties to the lowest id.
fn best(logits: &[f32], n_vocab: usize) -> TokenId {
    let last = &logits[logits.len() - n_vocab..];
    let better = |a: usize, b: usize| if last[b] > last[a] { b } else { a };
    TokenId::new((1..n_vocab).fold(0, better))
}
