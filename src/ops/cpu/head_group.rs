//! Attention of a few heads of one row that read the same keys and values, in lanes.
//!
//! **Invariant:** every score and every mean is summed in one order, whatever heads stand beside it.

use super::{
    dot::tile,
    exp::{fading, max},
    level::{LaneWork, tree},
};
use crate::formats::{F32, Lanes, N_LANES};

/// Heads that one task takes, at most: they share what is read of keys and values.
const MOST: usize = 4;

/// How many of `n` heads are taken together: a divisor of it.
pub fn together(n: usize) -> usize {
    (1..=MOST)
        .rev()
        .find(|it| n.is_multiple_of(*it))
        .unwrap_or(1)
}

/// Heads of one row that read the same keys and values.
pub struct HeadGroup<'a> {
    /// `[n, dim]`.
    pub queries: &'a [f32],
    /// One a position, `[dim]` each; one at least.
    pub keys: &'a [&'a [f32]],
    /// One a position, `[v_dim]` each.
    pub values: &'a [&'a [f32]],
    /// A factor on scores.
    pub scale: f32,
    /// What is added to scores, `[n, keys]`.
    pub added: Option<&'a [f32]>,
    /// `c · tanh(s / c)` on scores.
    pub softcap: Option<f32>,
    /// One logit more per head, which has no value.
    pub sinks: Option<&'a [f32]>,
    /// `[n, v_dim]`.
    pub out: &'a mut [f32],
}

impl LaneWork for HeadGroup<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let n_seen = self.keys.len();
        let (dim, v_dim) = (self.keys[0].len(), self.values[0].len());
        let n = self.queries.len() / dim.max(1);
        let mut probs = vec![0.0; n * n_seen];
        let mut head = 0;
        while head < n {
            let two = head + 2 <= n;
            let n_heads = 1 + usize::from(two);
            let queries = &self.queries[head * dim..(head + n_heads) * dim];
            let probs = &mut probs[head * n_seen..(head + n_heads) * n_seen];
            let out = &mut self.out[head * v_dim..(head + n_heads) * v_dim];
            if two {
                scores::<L, 2>(queries, self.keys, probs);
            } else {
                scores::<L, 1>(queries, self.keys, probs);
            }
            for (i, probs) in probs.chunks_exact_mut(n_seen).enumerate() {
                for it in &mut *probs {
                    *it *= self.scale;
                }
                if let Some(added) = self.added {
                    for (it, added) in probs.iter_mut().zip(&added[(head + i) * n_seen..]) {
                        *it += added;
                    }
                }
                let sink = self.sinks.map(|it| it[head + i]);
                to_shares(probs, self.softcap, sink);
            }
            if two {
                mean::<L, 2>(probs, self.values, out);
            } else {
                mean::<L, 1>(probs, self.values, out);
            }
            head += n_heads;
        }
    }
}

/// `query · key` for N heads, `[N, n]`.
#[inline(always)]
fn scores<L: Lanes, const N: usize>(queries: &[f32], keys: &[&[f32]], out: &mut [f32]) {
    let (dim, n) = (keys[0].len(), keys.len());
    let mut of_heads: [&[f32]; N] = [&[]; N];
    for (head, query) in of_heads.iter_mut().zip(queries.chunks_exact(dim.max(1))) {
        *head = query;
    }
    let (fours, rest) = keys.as_chunks::<4>();
    for (i, four) in fours.iter().enumerate() {
        let mut rows: [&[F32]; 4] = [&[]; 4];
        for (row, key) in rows.iter_mut().zip(four) {
            *row = bytemuck::cast_slice(key);
        }
        let sums = tile::<L, F32, 4, N>(rows, of_heads);
        for r in 0..4 {
            for head in 0..N {
                out[head * n + 4 * i + r] = sums[r][head];
            }
        }
    }
    for (i, key) in rest.iter().enumerate() {
        let sums = tile::<L, F32, 1, N>([bytemuck::cast_slice(key)], of_heads);
        for head in 0..N {
            out[head * n + 4 * fours.len() + i] = sums[0][head];
        }
    }
}

/// Scores to shares of 1, with one logit more in their sum where there is a sink.
#[inline(always)]
fn to_shares(scores: &mut [f32], softcap: Option<f32>, sink: Option<f32>) {
    if let Some(cap) = softcap {
        for it in &mut *scores {
            *it = cap * (*it / cap).tanh();
        }
    }
    let most = max(scores).max(sink.unwrap_or(f32::NEG_INFINITY));
    for it in &mut *scores {
        *it = fading(*it - most);
    }
    let mut sum = sum_in_lanes(scores);
    if let Some(sink) = sink {
        sum += fading(sink - most);
    }
    for it in scores {
        *it /= sum;
    }
}

/// The sum, lane by lane, then the lanes as a tree.
#[inline(always)]
fn sum_in_lanes(x: &[f32]) -> f32 {
    let (whole, rest) = x.as_chunks::<N_LANES>();
    let mut lanes = [0.0; N_LANES];
    for x in whole {
        for i in 0..N_LANES {
            lanes[i] += x[i];
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane += x;
    }
    tree(lanes)
}

/// Registers of each head in which sums run side by side.
const WIDE: usize = 4;

/// `Σ share · value` for N heads, `[N, v_dim]`: position after position.
#[inline(always)]
fn mean<L: Lanes, const N: usize>(shares: &[f32], values: &[&[f32]], out: &mut [f32]) {
    let v_dim = values[0].len();
    let mut at = 0;
    while at + WIDE * N_LANES <= v_dim {
        columns::<L, N, WIDE>(shares, values, at, out);
        at += WIDE * N_LANES;
    }
    while at + N_LANES <= v_dim {
        columns::<L, N, 1>(shares, values, at, out);
        at += N_LANES;
    }
    if at < v_dim {
        for head in 0..N {
            let shares = &shares[head * values.len()..(head + 1) * values.len()];
            let mut lanes = [0.0; N_LANES];
            for (share, value) in shares.iter().zip(values) {
                for (lane, value) in lanes.iter_mut().zip(&value[at..]) {
                    *lane = L::add_one_product(*lane, *share, *value);
                }
            }
            out[head * v_dim + at..(head + 1) * v_dim].copy_from_slice(&lanes[..v_dim - at]);
        }
    }
}

/// Some columns of it, C registers of them.
#[inline(always)]
fn columns<L: Lanes, const N: usize, const C: usize>(
    shares: &[f32],
    values: &[&[f32]],
    at: usize,
    out: &mut [f32],
) {
    let (n, v_dim) = (values.len(), values[0].len());
    let mut of_heads: [&[f32]; N] = [&[]; N];
    for (head, shares) in of_heads.iter_mut().zip(shares.chunks_exact(n)) {
        *head = shares;
    }
    let mut sums = [[L::zero(); C]; N];
    for t in 0..n {
        let (value, _) = values[t][at..at + C * N_LANES].as_chunks::<N_LANES>();
        let mut wide = [L::zero(); C];
        for c in 0..C {
            wide[c] = L::f32(&value[c]);
        }
        for head in 0..N {
            let share = L::splat(of_heads[head][t]);
            for c in 0..C {
                sums[head][c] = sums[head][c].add_product(wide[c], share);
            }
        }
    }
    for head in 0..N {
        let (out, _) = out[head * v_dim + at..][..C * N_LANES].as_chunks_mut::<N_LANES>();
        for c in 0..C {
            out[c] = sums[head][c].to_array();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::cpu::level::on_lanes;

    fn numbers(n: usize, seed: usize) -> Vec<f32> {
        (0..n)
            .map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0)
            .collect()
    }

    fn run(
        (queries, n_heads): (&[f32], usize),
        [keys, values]: [&[&[f32]]; 2],
        softcap: Option<f32>,
        sinks: Option<&[f32]>,
    ) -> Vec<f32> {
        let mut out = vec![0.0; n_heads * values[0].len()];
        on_lanes(HeadGroup {
            queries,
            keys,
            values,
            scale: 0.3,
            added: None,
            softcap,
            sinks,
            out: &mut out,
        });
        out
    }

    /// Against the formula in f64, and to the bit against each head alone.
    fn check([n, dim, v_dim, n_seen]: [usize; 4], softcap: Option<f32>, has_sinks: bool) {
        let (keys, values) = (numbers(n_seen * dim, 1), numbers(n_seen * v_dim, 2));
        let (queries, sinks) = (numbers(n * dim, 3), numbers(n, 4));
        let sinks = has_sinks.then_some(&*sinks);
        let keys: Vec<&[f32]> = keys.chunks(dim).collect();
        let values: Vec<&[f32]> = values.chunks(v_dim).collect();
        let got = run((&queries, n), [&keys, &values], softcap, sinks);
        for head in 0..n {
            let what = format!("{n} {dim} {v_dim} {n_seen} at {head}");
            let query = &queries[head * dim..(head + 1) * dim];
            let sink = sinks.map(|it| &it[head..=head]);
            let mine = &got[head * v_dim..(head + 1) * v_dim];
            assert_eq!(
                run((query, 1), [&keys, &values], softcap, sink),
                mine,
                "{what}"
            );
            let score = |key: &&[f32]| {
                let products = key.iter().zip(query);
                let sum: f64 = products.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                let cap = softcap.map(f64::from);
                cap.map_or(0.3 * sum, |cap| cap * (0.3 * sum / cap).tanh())
                    .exp()
            };
            let shares: Vec<f64> = keys.iter().map(score).collect();
            let of_sink = sink.map_or(0.0, |it| f64::from(it[0]).exp());
            let sum = shares.iter().sum::<f64>() + of_sink;
            for (j, got) in mine.iter().enumerate() {
                let products = shares.iter().zip(&values);
                let want: f64 = products.map(|(p, v)| p / sum * f64::from(v[j])).sum();
                assert!(
                    (f64::from(*got) - want).abs() < 1e-5,
                    "{what}: {got} for {want}"
                );
            }
        }
    }

    #[test]
    fn heads_side_by_side_are_what_each_is_alone() {
        for shape in [
            [1, 1, 1, 1],
            [4, 64, 64, 70],
            [3, 7, 5, 9],
            [2, 130, 100, 33],
            [4, 16, 17, 4],
        ] {
            for (softcap, has_sinks) in [(None, false), (Some(2.0), true)] {
                check(shape, softcap, has_sinks);
            }
        }
    }

    #[test]
    fn what_is_added_to_scores_moves_shares() {
        let (key, values) = ([0.0; 20], [[1.0], [5.0]]);
        let (keys, values) = (
            [&key[..], &key],
            values.each_ref().map(<[f32; 1]>::as_slice),
        );
        let mut out = [0.0; 2];
        on_lanes(HeadGroup {
            queries: &[1.0; 40],
            keys: &keys,
            values: &values,
            scale: 1.0,
            added: Some(&[0.0, 0.0, 3.0_f32.ln(), 0.0]),
            softcap: None,
            sinks: None,
            out: &mut out,
        });
        assert!(
            (out[0] - 3.0).abs() < 1e-6 && (out[1] - 2.0).abs() < 1e-6,
            "{out:?}"
        );
    }

    #[test]
    fn as_many_heads_as_divide_theirs_are_taken_together() {
        let want = [(1, 1), (2, 2), (3, 3), (5, 1), (8, 4), (6, 3), (0, 4)];
        want.iter()
            .for_each(|(n, it)| assert_eq!(together(*n), *it));
    }
}
