//! T5's relative position bias: `score(q, k) += table[bucket(k - q), head]` (arXiv 1910.10683, section 2.1). With
//! `attention.rs`, the reference of `kernels/distance.wgsl`.

use crate::spec::RelativeBias;

/// What is added to the score of a head for a key at `key` and a query at `query`.
///
/// * `table`: `[buckets, heads]`
pub fn added(
    table: &[f32],
    bias: &RelativeBias,
    (n_heads, head): (usize, usize),
    [query, key]: [usize; 2],
) -> f32 {
    let distance = key.cast_signed() - query.cast_signed();
    table[bias.bucket(distance) * n_heads + head]
}
