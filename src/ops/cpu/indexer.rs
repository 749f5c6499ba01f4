//! The positions that an indexer lets rows of latent attention see. The reference of `kernels/indexer.wgsl`.

use rayon::prelude::*;

use super::{
    dot::dot,
    kv::CpuCache,
    matrix::{Matrix, is_large},
    rope::Rope,
};
use crate::ops::BatchSpan;
use crate::spec::IndexerSpec;

/// Rotates keys and writes them behind those of the caches.
pub fn store(
    keys: &Matrix,
    rope: Option<&Rope>,
    spans: &[BatchSpan<'_>],
    caches: &mut [&mut CpuCache],
) {
    for (span, cache) in spans.iter().zip(caches) {
        for (row, position) in span.positions() {
            let mut key = keys.row(row).to_vec();
            if let Some(rope) = rope {
                rope.rotate(&mut key, &rope.angles(position.idx()));
            }
            cache.push(&key, &[]);
        }
    }
}

/// The positions that each row sees, ascending: `[T, P]`, −1 behind the last.
///
/// * `queries`: `[T, heads × dim]`; `weights`: `[T, heads]`
pub fn choose(
    [queries, weights]: [&Matrix; 2],
    spec: &IndexerSpec,
    rope: Option<&Rope>,
    spans: &[BatchSpan<'_>],
    caches: &[&mut CpuCache],
) -> Matrix {
    let rows: Vec<(usize, usize, usize)> = spans
        .iter()
        .enumerate()
        .flat_map(|(s, span)| span.positions().map(move |(row, at)| (s, row, at.idx())))
        .collect();
    let most = rows.iter().map(|it| it.2 + 1).max().unwrap_or(0);
    let width = most.min(spec.top_k);
    let work: usize = rows.iter().map(|it| (it.2 + 1) * queries.cols).sum();
    let mut out = Matrix {
        data: vec![-1.0; queries.n_rows() * width],
        cols: width,
    };
    let one = |(out, (span, row, position)): (&mut [f32], &(usize, usize, usize))| {
        let mut query = queries.row(*row).to_vec();
        if let Some(rope) = rope {
            let angles = rope.angles(*position);
            let heads = query.chunks_exact_mut(spec.dim);
            heads.for_each(|head| rope.rotate(head, &angles));
        }
        let worth = worths(&query, weights.row(*row), *position, spec, &*caches[*span]);
        for (out, at) in out.iter_mut().zip(best(&worth, spec.top_k)) {
            *out = at as f32;
        }
    };
    // Rows of spans follow each other.
    let width = width.max(1);
    if is_large(work) {
        let all = out.data.par_chunks_exact_mut(width);
        all.zip(&rows).for_each(one);
    } else {
        out.data.chunks_exact_mut(width).zip(&rows).for_each(one);
    }
    out
}

/// What each position up to a row's own is worth to it.
fn worths(
    query: &[f32],
    weights: &[f32],
    position: usize,
    spec: &IndexerSpec,
    cache: &CpuCache,
) -> Vec<f32> {
    let (by_key, by_head) = (
        1.0 / (spec.dim as f32).sqrt(),
        1.0 / (spec.n_heads as f32).sqrt(),
    );
    let keys = cache.rows(0..position + 1);
    let keys = keys.flat_map(|it| it.keys.chunks_exact(spec.dim));
    let worth = |key: &[f32]| {
        let heads = query.chunks_exact(spec.dim).zip(weights);
        let each = heads.map(|(q, w)| w * by_head * (dot(q, key) * by_key).max(0.0));
        each.sum::<f32>()
    };
    keys.map(worth).collect()
}

/// The positions that are worth most, ascending; among equals those before.
fn best(worth: &[f32], n: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..worth.len()).collect();
    if all.len() > n {
        all.sort_by(|a, b| worth[*b].total_cmp(&worth[*a]).then(a.cmp(b)));
        all.truncate(n);
        all.sort_unstable();
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_ascending_and_the_first_of_equals() {
        assert_eq!(best(&[0.0, 3.0, 0.0, 2.0, 0.0], 3), [0, 1, 3]);
        assert_eq!(best(&[1.0, 1.0, 1.0], 2), [0, 1]);
        assert_eq!(best(&[-1.0, 2.0], 5), [0, 1]);
    }
}
