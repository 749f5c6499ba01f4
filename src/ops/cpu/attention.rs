//! Attention over the cache of keys and values. The reference of `kernels/attention.wgsl`.

use rayon::prelude::*;

use super::{
    dot::dot,
    kv::CpuCache,
    matrix::{Matrix, is_large},
};
use crate::ops::BatchSpan;
use crate::spec::{GqaSpec, KvMap, Mask};

/// What takes part in scores beside products of queries and keys: a logit more per head, which has no value, and what is
/// added by distance, `[buckets, heads]`.
#[derive(Clone, Copy, Default)]
pub struct Terms<'a> {
    pub sinks: Option<&'a [f32]>,
    pub distances: Option<&'a [f32]>,
}

/// Attention of every row and head over its own sequence: `[T, heads × width of values]`.
pub fn attend(
    q: &Matrix,
    terms: Terms<'_>,
    spec: &GqaSpec,
    spans: &[BatchSpan<'_>],
    caches: &[&mut CpuCache],
) -> Matrix {
    let mut out = Matrix::zeros(q.n_rows(), spec.out_width());
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
        attend_head(query, (head, terms), position, spec, &*caches[span], out);
    };
    let heads = spec.v_dim.max(1);
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
    (head, terms): (usize, Terms<'_>),
    position: usize,
    spec: &GqaSpec,
    cache: &CpuCache,
    out: &mut [f32],
) {
    let kv_head = match spec.kv_map {
        KvMap::Grouped => head / (spec.n_heads / spec.n_kv_heads),
        KvMap::Tiled => head % spec.n_kv_heads,
    };
    let seen = match spec.mask {
        Mask::Window(n) => (position + 1).saturating_sub(n)..position + 1,
        Mask::Chunk(n) => position / n.max(1) * n..position + 1,
        Mask::Causal => 0..position + 1,
        Mask::Full => 0..cache.len(),
    };
    let sink = terms.sinks.map(|it| it[head]);
    // By the place of a key among those seen.
    let by_distance = |i: usize| match (terms.distances, &spec.relative_bias) {
        (Some(table), Some(bias)) => {
            let distance = (seen.start + i) as isize - position as isize;
            table[bias.bucket(distance) * spec.n_heads + head]
        }
        _ => 0.0,
    };
    let head = kv_head * spec.head_dim..(kv_head + 1) * spec.head_dim;
    let mut probs: Vec<f32> = Vec::with_capacity(seen.len());
    for rows in cache.rows(seen.clone()) {
        for key in rows.keys.chunks_exact(cache.width()) {
            let score = dot(query, &key[head.clone()]) * spec.scale + by_distance(probs.len());
            probs.push(spec.softcap.map_or(score, |cap| cap * (score / cap).tanh()));
        }
    }
    let all = probs.iter().copied().chain(sink);
    let max = all.fold(f32::NEG_INFINITY, f32::max);
    probs.iter_mut().for_each(|it| *it = (*it - max).exp());
    let sum: f32 = probs.iter().sum::<f32>() + sink.map_or(0.0, |it| (it - max).exp());
    let mut probs = probs.into_iter();
    for rows in cache.rows(seen.clone()) {
        for (value, p) in rows.values.chunks_exact(cache.width()).zip(&mut probs) {
            let weight = p / sum;
            out.iter_mut()
                .zip(&value[head.clone()])
                .for_each(|(out, value)| *out += weight * value);
        }
    }
}
