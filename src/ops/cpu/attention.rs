//! Attention over the cache of keys and values. The reference of `kernels/attention.wgsl`.

use std::ops::Range;

use rayon::prelude::*;

use super::{
    distance::added,
    head_group::{HeadGroup, together},
    kv::CpuCache,
    level::on_lanes,
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
    // Heads that follow each other read the same keys where they are grouped.
    let n = match spec.kv_map {
        KvMap::Grouped => together(spec.n_heads / spec.n_kv_heads),
        KvMap::Tiled => 1,
    };
    let groups = spec.n_heads / n;
    let one = |(i, out): (usize, &mut [f32])| {
        let (row, head) = (i / groups, i % groups * n);
        let (span, position) = owner[row];
        let queries = &q.row(row)[head * spec.head_dim..(head + n) * spec.head_dim];
        attend_heads(
            (queries, head..head + n),
            terms,
            position,
            spec,
            &*caches[span],
            out,
        );
    };
    let width = (n * spec.v_dim).max(1);
    if is_large(work) {
        out.data
            .par_chunks_exact_mut(width)
            .enumerate()
            .for_each(one);
    } else {
        out.data.chunks_exact_mut(width).enumerate().for_each(one);
    }
    out
}

/// A few heads of one row, which read the same keys and values.
fn attend_heads(
    (queries, heads): (&[f32], Range<usize>),
    terms: Terms<'_>,
    position: usize,
    spec: &GqaSpec,
    cache: &CpuCache,
    out: &mut [f32],
) {
    let kv_head = match spec.kv_map {
        KvMap::Grouped => heads.start / (spec.n_heads / spec.n_kv_heads),
        KvMap::Tiled => heads.start % spec.n_kv_heads,
    };
    let seen = match spec.mask {
        Mask::Window(n) => (position + 1).saturating_sub(n)..position + 1,
        Mask::Chunk(n) => position / n.max(1) * n..position + 1,
        Mask::Causal => 0..position + 1,
        Mask::Full => 0..cache.len(),
    };
    let at = kv_head * spec.head_dim;
    let room = || Vec::with_capacity(seen.len());
    let (mut keys, mut values) = (room(), room());
    for rows in cache.rows(seen.clone()) {
        let of_rows = rows.keys.chunks_exact(cache.width());
        keys.extend(of_rows.map(|it| &it[at..at + spec.head_dim]));
        let of_rows = rows.values.chunks_exact(cache.width());
        values.extend(of_rows.map(|it| &it[at..at + spec.v_dim]));
    }
    if keys.is_empty() {
        return;
    }
    let by_distance = match (terms.distances, &spec.relative_bias) {
        (Some(table), Some(bias)) => {
            let of_key =
                |head: usize, key: usize| added(table, bias, (spec.n_heads, head), [position, key]);
            let heads = heads.clone();
            let all = heads.flat_map(|head| seen.clone().map(move |key| of_key(head, key)));
            Some(all.collect::<Vec<f32>>())
        }
        _ => None,
    };
    on_lanes(HeadGroup {
        queries,
        keys: &keys,
        values: &values,
        scale: spec.scale,
        added: by_distance.as_deref(),
        softcap: spec.softcap,
        sinks: terms.sinks.map(|it| &it[heads]),
        out,
    });
}
