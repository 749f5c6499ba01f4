//! What folds positions into the state of one head: the gated delta rule and the selective state space, in lanes.
//!
//! **Invariant:** what is done to a number of the state, and in which order sums run, does not depend on how many
//! positions are folded at once: a text read at once and token by token leaves the same bits.

use super::level::{LaneWork, tree};
use crate::formats::{Lanes, N_LANES};

/// Columns of a state of the delta rule that pass through all positions together: two registers of each row, so that
/// they stay in the first cache.
const SLAB: usize = 2 * N_LANES;

/// A row of a slab.
type Pair = [[f32; N_LANES]; 2];

/// Positions of one value head of the delta rule.
pub struct DeltaHead<'a> {
    /// What the convolution put out, `[n, n_channels]`, queries and keys at their lengths.
    pub mixed: &'a [f32],
    /// Width of a row.
    pub n_channels: usize,
    /// The columns at which the head's query, key and value begin.
    pub columns: [usize; 3],
    /// Width of keys, and of values.
    pub dims: [usize; 2],
    /// What the state is multiplied by: `[n]`, or `[n, key_dim]`.
    pub decays: &'a [f32],
    /// β, `[n]`.
    pub betas: &'a [f32],
    /// `[key_dim, value_dim]`.
    pub state: &'a mut [f32],
    /// `[n, value_dim]`.
    pub out: &'a mut [f32],
}

impl LaneWork for DeltaHead<'_> {
    #[inline(always)]
    fn run<L: Lanes>(mut self) {
        let [dk, dv] = self.dims;
        let is_each = self.decays.len() > self.betas.len();
        let mut decayed = Vec::with_capacity(self.betas.len() * dk);
        for t in 0..self.betas.len() {
            for (i, k) in self.part(t, 1, 0, dk).iter().enumerate() {
                let at = if is_each { t * dk + i } else { t };
                decayed.push(self.decays[at] * k);
            }
        }
        let mut slab = vec![Pair::default(); dk];
        for first in (0..dv).step_by(SLAB) {
            let width = SLAB.min(dv - first);
            for (pair, row) in slab.iter_mut().zip(self.state.chunks_exact(dv)) {
                pair.as_flattened_mut()[..width].copy_from_slice(&row[first..first + width]);
            }
            if is_each {
                self.columns::<L, true>(&decayed, &mut slab, first, width);
            } else {
                self.columns::<L, false>(&decayed, &mut slab, first, width);
            }
            for (pair, row) in slab.iter().zip(self.state.chunks_exact_mut(dv)) {
                row[first..first + width].copy_from_slice(&pair.as_flattened()[..width]);
            }
        }
    }
}

impl DeltaHead<'_> {
    /// Numbers of query, key or value (0, 1, 2) at one position.
    #[inline(always)]
    fn part(&self, t: usize, which: usize, first: usize, n: usize) -> &[f32] {
        let at = t * self.n_channels + self.columns[which] + first;
        &self.mixed[at..at + n]
    }

    /// Folds all positions into some columns, and reads them.
    #[inline(always)]
    fn columns<L: Lanes, const EACH: bool>(
        &mut self,
        decayed: &[f32],
        slab: &mut [Pair],
        first: usize,
        width: usize,
    ) {
        let [dk, dv] = self.dims;
        let n = self.betas.len();
        let mut known = known::<L>(slab, &decayed[..dk]);
        for t in 0..n {
            let mut value = Pair::default();
            value.as_flattened_mut()[..width].copy_from_slice(self.part(t, 2, first, width));
            let (beta, less) = (L::splat(self.betas[t]), L::splat(-1.0));
            let mut news = [L::zero(); 2];
            for j in 0..2 {
                news[j] = L::f32(&value[j]).add_product(known[j], less).times(beta);
            }
            let next = (t + 1).min(n - 1) * dk;
            let decays = if EACH { t * dk..(t + 1) * dk } else { t..t + 1 };
            let (outs, seen) = fold::<L, EACH>(
                slab,
                &self.decays[decays],
                [self.part(t, 0, 0, dk), self.part(t, 1, 0, dk)],
                &decayed[next..next + dk],
                news,
            );
            known = seen;
            let outs = [outs[0].to_array(), outs[1].to_array()];
            let at = t * dv + first;
            self.out[at..at + width].copy_from_slice(&outs.as_flattened()[..width]);
        }
    }
}

/// What a slab says of a key.
#[inline(always)]
fn known<L: Lanes>(slab: &[Pair], key: &[f32]) -> [L; 2] {
    let mut out = [L::zero(); 2];
    for (row, k) in slab.iter().zip(key) {
        let k = L::splat(*k);
        for j in 0..2 {
            out[j] = out[j].add_product(L::f32(&row[j]), k);
        }
    }
    out
}

/// Folds one position in: returns what the query reads, and what is known of the position that follows.
#[inline(always)]
fn fold<L: Lanes, const EACH: bool>(
    slab: &mut [Pair],
    decays: &[f32],
    [q, k]: [&[f32]; 2],
    next: &[f32],
    news: [L; 2],
) -> ([L; 2], [L; 2]) {
    let n = slab.len();
    let (q, k, next) = (&q[..n], &k[..n], &next[..n]);
    let decays = if EACH { &decays[..n] } else { decays };
    let one = L::splat(decays[0]);
    let (mut outs, mut known) = ([L::zero(); 2], [L::zero(); 2]);
    for i in 0..n {
        let decay = if EACH { L::splat(decays[i]) } else { one };
        let (q, k, next) = (L::splat(q[i]), L::splat(k[i]), L::splat(next[i]));
        for j in 0..2 {
            let s = L::f32(&slab[i][j]).times(decay).add_product(k, news[j]);
            outs[j] = outs[j].add_product(s, q);
            known[j] = known[j].add_product(s, next);
            slab[i][j] = s.to_array();
        }
    }
    (outs, known)
}

/// Rows of a state space that pass through all positions together.
const ROWS: usize = 4;

/// Positions of one head of Mamba-2.
pub struct MambaHead<'a> {
    /// What the convolution put out, `[n, n_channels]`.
    pub mixed: &'a [f32],
    /// Width of a row.
    pub n_channels: usize,
    /// The columns at which the head's x, B and C begin.
    pub columns: [usize; 3],
    /// Width of the head, and of the state of each of its numbers.
    pub dims: [usize; 2],
    /// What the state is multiplied by, and `dt`: `[n]`.
    pub steps: &'a [[f32; 2]],
    /// D.
    pub skip: f32,
    /// `[head_dim, state_dim]`.
    pub state: &'a mut [f32],
    /// `[n, head_dim]`.
    pub out: &'a mut [f32],
}

impl LaneWork for MambaHead<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let [p, n] = self.dims;
        let wide = n.div_ceil(N_LANES);
        let [b, c] = [self.padded(1, wide), self.padded(2, wide)];
        let mut rows = vec![[[0.0; N_LANES]; ROWS]; wide];
        let states = self.state.chunks_mut(ROWS * n);
        for (first, states) in (0..p).step_by(ROWS).zip(states) {
            for (r, state) in states.chunks_exact(n).enumerate() {
                for (row, state) in rows.iter_mut().zip(state.chunks(N_LANES)) {
                    row[r][..state.len()].copy_from_slice(state);
                }
            }
            let n_rows = ROWS.min(p - first);
            for (t, [decay, dt]) in self.steps.iter().enumerate() {
                let at = t * self.n_channels + self.columns[0] + first;
                let x = &self.mixed[at..at + n_rows];
                let mut added = [L::zero(); ROWS];
                for r in 0..n_rows {
                    added[r] = L::splat(dt * x[r]);
                }
                let here = t * wide..(t + 1) * wide;
                let sums = advance(
                    &mut rows,
                    &b[here.clone()],
                    &c[here],
                    L::splat(*decay),
                    added,
                );
                let at = t * p + first;
                for (r, out) in self.out[at..at + n_rows].iter_mut().enumerate() {
                    *out = tree(sums[r].to_array()) + self.skip * x[r];
                }
            }
            for (r, state) in states.chunks_exact_mut(n).enumerate() {
                for (row, state) in rows.iter().zip(state.chunks_mut(N_LANES)) {
                    state.copy_from_slice(&row[r][..state.len()]);
                }
            }
        }
    }
}

impl MambaHead<'_> {
    /// B or C of every position, with zeros behind them.
    #[inline(always)]
    fn padded(&self, which: usize, wide: usize) -> Vec<[f32; N_LANES]> {
        let mut out = vec![[0.0; N_LANES]; self.steps.len() * wide];
        for (t, out) in out.chunks_exact_mut(wide).enumerate() {
            let at = t * self.n_channels + self.columns[which];
            let n = self.dims[1];
            out.as_flattened_mut()[..n].copy_from_slice(&self.mixed[at..at + n]);
        }
        out
    }
}

/// Folds one position into rows, and multiplies them with C.
#[inline(always)]
fn advance<L: Lanes>(
    rows: &mut [[[f32; N_LANES]; ROWS]],
    b: &[[f32; N_LANES]],
    c: &[[f32; N_LANES]],
    decay: L,
    added: [L; ROWS],
) -> [L; ROWS] {
    let mut sums = [L::zero(); ROWS];
    for ((row, b), c) in rows.iter_mut().zip(b).zip(c) {
        let (b, c) = (L::f32(b), L::f32(c));
        for r in 0..ROWS {
            let s = L::f32(&row[r]).times(decay).add_product(b, added[r]);
            sums[r] = sums[r].add_product(s, c);
            row[r] = s.to_array();
        }
    }
    sums
}
