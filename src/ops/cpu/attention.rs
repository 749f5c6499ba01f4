//! The cache of keys and values, and attention over it. Twin of `kernels/attention.wgsl`.

use rayon::prelude::*;

use super::{
    dot::dot,
    matrix::{Matrix, is_large},
};
use crate::ops::Span;
use crate::spec::{GqaSpec, KvMap, Mask};

/// Keys and values of one sequence at one layer, one row a position.
#[derive(Clone, Debug, Default)]
pub struct CpuCache {
    pub(in crate::ops) keys: Vec<f32>,
    pub(in crate::ops) values: Vec<f32>,
    pub(super) width: usize,
}

impl CpuCache {
    pub(super) fn new(width: usize) -> Self {
        Self {
            keys: Vec::new(),
            values: Vec::new(),
            width,
        }
    }

    pub(super) fn fork(&self, len: usize) -> Self {
        let n = len * self.width;
        Self {
            keys: self.keys[..n].to_vec(),
            values: self.values[..n].to_vec(),
            width: self.width,
        }
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.keys.truncate(len * self.width);
        self.values.truncate(len * self.width);
    }
}

/// Attention of every row and head over its own sequence: `[T, heads × width]`.
pub fn attend(q: &Matrix, spec: &GqaSpec, spans: &[Span<'_>], caches: &[&mut CpuCache]) -> Matrix {
    let mut out = Matrix::zeros(q.n_rows(), q.cols);
    let owner: Vec<(usize, usize)> = spans
        .iter()
        .enumerate()
        .flat_map(|(s, span)| {
            span.positions()
                .map(move |(_, position)| (s, position.idx()))
        })
        .collect();
    let work: usize = owner
        .iter()
        .map(|(_, position)| (position + 1) * q.cols)
        .sum();
    let one = |(i, out): (usize, &mut [f32])| {
        let (row, head) = (i / spec.n_heads, i % spec.n_heads);
        let (span, position) = owner[row];
        let query = &q.row(row)[head * spec.head_dim..(head + 1) * spec.head_dim];
        attend_head(query, head, position, spec, &*caches[span], out);
    };
    let heads = spec.head_dim.max(1);
    if is_large(work) {
        out.data
            .par_chunks_exact_mut(heads)
            .enumerate()
            .for_each(one);
    } else {
        out.data.chunks_exact_mut(heads).enumerate().for_each(one);
    }
    out
}

fn attend_head(
    query: &[f32],
    head: usize,
    position: usize,
    spec: &GqaSpec,
    cache: &CpuCache,
    out: &mut [f32],
) {
    let kv_head = match spec.kv_map {
        KvMap::Grouped => head / (spec.n_heads / spec.n_kv_heads),
        KvMap::Tiled => head % spec.n_kv_heads,
    };
    let first = match spec.mask {
        Mask::Window(n) => (position + 1).saturating_sub(n),
        Mask::Chunk(n) => position / n.max(1) * n,
        Mask::Causal | Mask::Full => 0,
    };
    let at = |t: usize| t * cache.width + kv_head * spec.head_dim;
    let score = |t: usize| {
        let score = dot(query, &cache.keys[at(t)..at(t) + spec.head_dim]) * spec.scale;
        spec.softcap.map_or(score, |cap| cap * (score / cap).tanh())
    };
    let mut probs: Vec<f32> = (first..=position).map(score).collect();
    let max = probs.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    probs.iter_mut().for_each(|it| *it = (*it - max).exp());
    let sum: f32 = probs.iter().sum();
    for (t, p) in (first..=position).zip(probs) {
        let weight = p / sum;
        let value = &cache.values[at(t)..at(t) + spec.head_dim];
        out.iter_mut()
            .zip(value)
            .for_each(|(out, value)| *out += weight * value);
    }
}
