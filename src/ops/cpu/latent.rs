//! Attention over latents: keys and values of all heads are made of one row a position, which is all that is kept. The
//! reference of `kernels/latent.wgsl`.

use rayon::prelude::*;

use super::{
    head_group::{HeadGroup, together},
    heads::{HeadCols, HeadRows, Side, per_head},
    kv::CpuCache,
    level::on_lanes,
    matrix::{CpuWeight, Matrix, is_large},
    norm::rms_norm,
    rope::Rope,
};
use crate::ops::{BatchSpan, LatentUps};
use crate::spec::MlaSpec;

/// Norms latents, rotates the keys beside them and writes both behind the rows of the caches.
pub fn store(
    down: &Matrix,
    norm: &[f32],
    spec: &MlaSpec,
    rope: Option<&Rope>,
    spans: &[BatchSpan<'_>],
    caches: &mut [&mut CpuCache],
) {
    for (span, cache) in spans.iter().zip(caches) {
        for (row, position) in span.positions() {
            let mut it = down.row(row).to_vec();
            let (latent, key) = it.split_at_mut(spec.kv_lora);
            rms_norm(latent, norm, spec.lora_eps);
            if let Some(rope) = rope {
                rope.rotate(key, &rope.angles(position.idx()));
            }
            cache.push(&it, &[]);
        }
    }
}

/// Queries in the space of the latents: `[T, heads × (kv_lora + rope_dim)]`.
pub fn queries(
    q: &Matrix,
    ups: &LatentUps<CpuWeight>,
    spec: &MlaSpec,
    rope: Option<&Rope>,
    spans: &[BatchSpan<'_>],
) -> Matrix {
    let mut out = Matrix::zeros(q.n_rows(), spec.n_heads * spec.width());
    let from = HeadCols {
        step: spec.q_dim(),
        n: spec.nope_dim,
    };
    let to = HeadCols {
        step: spec.width(),
        n: spec.kv_lora,
    };
    let (weight, rows, side) = keys_of(ups, spec);
    per_head((q, from), weight, rows, side, (&mut out, to));
    for (row, position) in spans.iter().flat_map(BatchSpan::positions) {
        let angles = rope.map(|it| (it, it.angles(position.idx())));
        let cols = out.cols;
        let heads = out.data[row * cols..(row + 1) * cols].chunks_exact_mut(spec.width());
        for (head, query) in heads.zip(q.row(row).chunks_exact(spec.q_dim())) {
            let turned = &mut head[spec.kv_lora..];
            turned.copy_from_slice(&query[spec.nope_dim..]);
            if let Some((rope, angles)) = &angles {
                rope.rotate(turned, angles);
            }
        }
    }
    out
}

/// What makes queries of the space of latents: the weight, a head's rows, and which product.
pub(in crate::ops) fn keys_of<'a, W>(
    ups: &'a LatentUps<W>,
    spec: &MlaSpec,
) -> (&'a W, HeadRows, Side) {
    match ups {
        LatentUps::Whole(it) => {
            let rows = HeadRows {
                step: spec.nope_dim + spec.v_dim,
                first: 0,
                n: spec.nope_dim,
            };
            (it, rows, Side::Columns)
        }
        LatentUps::Split(it, _) => {
            let rows = HeadRows {
                step: spec.kv_lora,
                first: 0,
                n: spec.kv_lora,
            };
            (it, rows, Side::Rows)
        }
    }
}

/// Weighted means of latents, `[T, heads × kv_lora]`.
pub fn attend(
    queries: &Matrix,
    chosen: Option<&Matrix>,
    spec: &MlaSpec,
    spans: &[BatchSpan<'_>],
    caches: &[&mut CpuCache],
) -> Matrix {
    let mut out = Matrix::zeros(queries.n_rows(), spec.n_heads * spec.kv_lora);
    let owner: Vec<(usize, usize)> = spans
        .iter()
        .enumerate()
        .flat_map(|(s, span)| span.positions().map(move |(_, at)| (s, at.idx())))
        .collect();
    let work: usize = owner.iter().map(|(_, at)| (at + 1) * queries.cols).sum();
    let n = together(spec.n_heads);
    let groups = spec.n_heads / n;
    let one = |(i, out): (usize, &mut [f32])| {
        let (row, head) = (i / groups, i % groups * n);
        let (span, position) = owner[row];
        let width = spec.width();
        let seen = Seen {
            position,
            chosen: chosen.map(|it| it.row(row)),
        };
        let keys = seen.rows(&*caches[span]);
        if keys.is_empty() {
            return;
        }
        let values: Vec<&[f32]> = keys.iter().map(|it| &it[..spec.kv_lora]).collect();
        on_lanes(HeadGroup {
            queries: &queries.row(row)[head * width..(head + n) * width],
            keys: &keys,
            values: &values,
            scale: spec.scale,
            added: None,
            softcap: None,
            sinks: None,
            out,
        });
    };
    let width = (n * spec.kv_lora).max(1);
    if is_large(work) {
        let heads = out.data.par_chunks_exact_mut(width);
        heads.enumerate().for_each(one);
    } else {
        out.data.chunks_exact_mut(width).enumerate().for_each(one);
    }
    out
}

/// What a row sees.
struct Seen<'a> {
    position: usize,
    /// Positions, ascending, −1 behind the last; none sees all.
    chosen: Option<&'a [f32]>,
}

impl Seen<'_> {
    /// The rows of the cache that are seen, in order.
    fn rows<'a>(&self, cache: &'a CpuCache) -> Vec<&'a [f32]> {
        let Some(chosen) = self.chosen else {
            let all = cache.rows(0..self.position + 1);
            let rows = all.flat_map(|it| it.keys.chunks_exact(cache.width()));
            return rows.collect();
        };
        let some = chosen.iter().take_while(|it| **it >= 0.0);
        let rows = some.flat_map(|it| {
            let at = *it as usize;
            cache.rows(at..at + 1).map(|it| it.keys)
        });
        rows.collect()
    }
}

/// The values of means of latents: `[T, heads × v_dim]`.
pub fn values(mixed: &Matrix, ups: &LatentUps<CpuWeight>, spec: &MlaSpec) -> Matrix {
    let mut out = Matrix::zeros(mixed.n_rows(), spec.n_heads * spec.v_dim);
    let from = HeadCols {
        step: spec.kv_lora,
        n: spec.kv_lora,
    };
    let to = HeadCols {
        step: spec.v_dim,
        n: spec.v_dim,
    };
    let (weight, rows) = values_of(ups, spec);
    per_head((mixed, from), weight, rows, Side::Rows, (&mut out, to));
    out
}

/// What makes values of latents: the weight, and a head's rows.
pub(in crate::ops) fn values_of<'a, W>(ups: &'a LatentUps<W>, spec: &MlaSpec) -> (&'a W, HeadRows) {
    match ups {
        LatentUps::Whole(it) => {
            let rows = HeadRows {
                step: spec.nope_dim + spec.v_dim,
                first: spec.nope_dim,
                n: spec.v_dim,
            };
            (it, rows)
        }
        LatentUps::Split(_, it) => {
            let rows = HeadRows {
                step: spec.v_dim,
                first: 0,
                n: spec.v_dim,
            };
            (it, rows)
        }
    }
}
