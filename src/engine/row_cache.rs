//! Every row there was since the model was opened, by what it is a function of. A row that comes
//! back is found here at the length it had; a new one takes over what it shares with another.
//!
//! **Invariant:** what is written here about tokens is a function of the row's experiment alone;
//! caches come and go, and may always be made anew from the tokens.

use std::collections::HashMap;

use super::Backend;
use crate::spec::{Experiment, Position, RoutingPolicy, Sampling, SeqId, TokenId};
use crate::trace::RowId;

/// One row.
#[derive(Clone, Debug)]
pub(super) struct CachedRow {
    /// The edits in force, with their number.
    pub policy: RoutingPolicy,
    /// How its tokens are drawn.
    pub sampling: Sampling,
    /// How many of its tokens are given.
    pub n_given: usize,
    /// How many of those are the source of an encoder–decoder model, which is read whole or not at all.
    pub n_source: usize,
    /// Whether it reads another row's tokens and writes none.
    pub is_counterfactual: bool,
    /// All it must have, given ones first.
    pub tokens: Vec<TokenId>,
    /// How many of them were read and told.
    pub n_read: usize,
    /// What comes after the last token, once that is read.
    pub drawn: Option<TokenId>,
    /// Its cache; none where it has none yet, or was dropped for memory.
    pub seq: Option<SeqId>,
    /// When it was last on screen, counted in changes of the screen.
    pub last_shown: u64,
}

impl CachedRow {
    /// Tokens that are not read yet.
    pub fn n_unread(&self) -> usize {
        self.tokens.len() - self.n_read
    }

    /// The token after the first `at`, as the readout before it names it.
    fn next_at(&self, at: usize) -> Option<TokenId> {
        let drawn = (at == self.tokens.len()).then_some(self.drawn).flatten();
        self.tokens.get(at).copied().or(drawn)
    }

    /// What was drawn after the first `at` tokens under `sampling`, where that is known.
    fn drawn_at(&self, at: usize, sampling: &Sampling) -> Option<TokenId> {
        let is_drawn = !self.is_counterfactual && at >= self.n_given && self.sampling == *sampling;
        is_drawn.then(|| self.next_at(at)).flatten()
    }

    /// How many of the first `n` tokens of both are read alike: same tokens, same edits.
    fn n_alike(&self, other: &Self, n: usize) -> usize {
        if self.n_source != other.n_source {
            return 0;
        }
        let differ = self.policy.first_difference(&other.policy, self.n_source);
        let n = differ.map_or(n, |it| it.idx().min(n));
        let pairs = self.tokens.iter().zip(&other.tokens).take(n);
        self.whole(pairs.take_while(|(a, b)| a == b).count())
    }

    /// As many of the first `n` positions as can be read apart from the others: none of a source that is not whole.
    fn whole(&self, n: usize) -> usize {
        if n < self.n_source { 0 } else { n }
    }

    /// How much of `other`'s record this new row takes over, and what it then has drawn. A readout
    /// names the token after it, so a position is taken only where that agrees too.
    fn share(&self, other: &Self) -> (usize, Option<TokenId>) {
        let at = self.n_alike(other, other.n_read);
        if at == self.tokens.len() {
            let drawn = other.drawn_at(at, &self.sampling);
            return (self.whole(at - usize::from(drawn.is_none())), drawn);
        }
        let goes_on = at > 0 && other.next_at(at) == self.tokens.get(at).copied();
        (self.whole(at - usize::from(at > 0 && !goes_on)), None)
    }
}

/// What a row is a function of: given tokens, sampling and the edits switched on; and whether it
/// is the counterfactual under them.
type CacheKey = (Experiment, bool);

/// All rows of the open model.
#[derive(Debug, Default)]
pub(super) struct RowCache {
    rows: Vec<CachedRow>,
    by_key: HashMap<CacheKey, RowId>,
    n_shown: u64,
    counted: Counted,
}

/// All caches, as they were last counted.
#[derive(Debug, Default)]
struct Counted {
    /// What each held.
    positions: Vec<(SeqId, usize)>,
    /// Bytes, what they share counted once.
    n_bytes: usize,
}

/// Where a new row starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub parent: Option<RowId>,
    pub at: Position,
}

impl RowCache {
    /// The row of an experiment, where there is one.
    pub fn find(&self, effective: &Experiment, is_counterfactual: bool) -> Option<RowId> {
        self.by_key
            .get(&(effective.clone(), is_counterfactual))
            .copied()
    }

    pub fn get(&self, id: RowId) -> &CachedRow {
        &self.rows[id.0 as usize]
    }

    pub fn get_mut(&mut self, id: RowId) -> &mut CachedRow {
        &mut self.rows[id.0 as usize]
    }

    /// Adds a row that writes; it takes over what it shares with the row most like it.
    pub fn add(&mut self, effective: Experiment, mut row: CachedRow) -> (RowId, Origin) {
        let writers = self
            .rows
            .iter()
            .enumerate()
            .filter(|(_, it)| !it.is_counterfactual);
        let best = writers
            .map(|(idx, it)| (row.share(it), it.seq.is_some(), idx))
            .max_by_key(|((at, drawn), is_live, _)| (*at, drawn.is_some(), *is_live));
        let mut origin = Origin {
            parent: None,
            at: Position(0),
        };
        if let Some(((at, drawn), _, idx)) = best.filter(|((at, _), _, _)| *at > 0) {
            origin = Origin {
                parent: Some(row_id(idx)),
                at: Position::new(at),
            };
            row.n_read = at;
            row.drawn = drawn;
        }
        (self.put(effective, row), origin)
    }

    /// Adds the counterfactual of a baseline; up to the first position the edits touch they are one.
    pub fn add_counterfactual(
        &mut self,
        effective: Experiment,
        baseline: RowId,
        policy: RoutingPolicy,
    ) -> (RowId, Origin) {
        let source = self.get(baseline);
        let first = policy.first_difference(&source.policy, source.n_source);
        let at = first.map_or(source.n_read, |it| it.idx().min(source.n_read));
        let row = CachedRow {
            policy,
            is_counterfactual: true,
            tokens: source.tokens[..at].to_vec(),
            n_read: at,
            drawn: None,
            seq: None,
            ..source.clone()
        };
        let origin = Origin {
            parent: Some(baseline),
            at: Position::new(at),
        };
        (self.put(effective, row), origin)
    }

    fn put(&mut self, effective: Experiment, row: CachedRow) -> RowId {
        let id = row_id(self.rows.len());
        self.by_key.insert((effective, row.is_counterfactual), id);
        self.rows.push(row);
        id
    }

    /// No row has a cache any more: the backend they were on is gone.
    pub fn forget_caches(&mut self) {
        self.rows.iter_mut().for_each(|it| it.seq = None);
        self.counted = Counted::default();
    }

    /// These rows are on screen now.
    pub fn show(&mut self, rows: &[RowId]) {
        self.n_shown += 1;
        for id in rows {
            self.rows[id.0 as usize].last_shown = self.n_shown;
        }
    }

    /// The cache that holds most of what a row has read, and how much of it.
    pub fn cache_for(&self, id: RowId, backend: &dyn Backend) -> Option<(SeqId, Position)> {
        let row = self.get(id);
        let live = self
            .rows
            .iter()
            .filter_map(|it| it.seq.map(|seq| (it, seq)));
        let (seq, at) = live
            .map(|(it, seq)| (seq, row.n_alike(it, row.n_read.min(backend.len(seq)))))
            .max_by_key(|(_, at)| *at)?;
        (at > 0).then_some((seq, Position::new(at)))
    }

    /// Drops the caches of rows long not shown until the rest fits. Rows on screen keep theirs.
    pub fn keep_within(&mut self, budget_bytes: usize, backend: &mut dyn Backend) {
        while let Some(oldest) = self.oldest_hidden() {
            if self.is_within(budget_bytes, backend) {
                return;
            }
            let oldest = self.get_mut(oldest);
            if let Some(seq) = oldest.seq.take() {
                backend.release(seq);
            }
        }
    }

    /// Of the rows that have a cache and are not on screen, the one that was there longest ago.
    fn oldest_hidden(&self) -> Option<RowId> {
        let rows = self.rows.iter().enumerate();
        let hidden = rows.filter(|(_, it)| it.seq.is_some() && it.last_shown < self.n_shown);
        let oldest = hidden.min_by_key(|(_, it)| it.last_shown);
        oldest.map(|(idx, _)| row_id(idx))
    }

    /// Rows share what they have in common, and to count that takes time. It is only done where the caches would be
    /// too large had each taken memory of its own for all it grew by since.
    fn is_within(&mut self, budget_bytes: usize, backend: &dyn Backend) -> bool {
        let live = self.rows.iter().filter_map(|it| it.seq);
        let now: Vec<(SeqId, usize)> = live.map(|seq| (seq, backend.len(seq))).collect();
        let before = |seq: SeqId| self.counted.positions.iter().find(|it| it.0 == seq);
        let grown = now
            .iter()
            .map(|(seq, n)| n - before(*seq).map_or(0, |it| it.1.min(*n)));
        let grown_bytes = grown.sum::<usize>() * backend.cache_bytes_per_position();
        if self.counted.n_bytes + grown_bytes <= budget_bytes {
            return true;
        }
        self.counted = Counted {
            positions: now,
            n_bytes: usize::try_from(backend.cache_bytes()).unwrap_or(usize::MAX),
        };
        self.counted.n_bytes <= budget_bytes
    }
}

fn row_id(idx: usize) -> RowId {
    RowId(u32::try_from(idx).unwrap_or(u32::MAX))
}
