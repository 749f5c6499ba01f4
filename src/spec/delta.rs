//! Linear attention by the gated delta rule, as data: sizes, what is forgotten, and where its parts lie in the rows that it
//! reads.

use serde::{Deserialize, Serialize};

use super::KvMap;

/// How the rows of queries, keys, values, gates, β and decays lie in those that a delta rule reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeltaLayout {
    /// `[all q | all k | all v]`, `[all z]`, `[all b]`, `[all a]`: four projections (Qwen3.5).
    Split,
    /// Per key head `[q | k | v | z]`, per key head `[b | a]`: two projections (Qwen3-Next).
    ByKeyHead,
    /// `[all q | all k | all v]`, `[all z]`, per key head `[b | a]`: three projections (Qwen3-Next in GGUF files).
    SplitPairs,
    /// `[all q]`, `[all k]`, `[all v]`, `[all b]`, `[all z]`, `[all a]`: six projections, and three convolutions
    /// (Kimi-Linear, Ling).
    Apart,
}

/// What a state is multiplied by before a position is folded in.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum DeltaDecay {
    /// One number a head.
    PerHead,
    /// One for each number of a key: `a` and `dt_bias` are as wide as all keys.
    PerChannel {
        /// Where it is there, `g = floor · sigmoid(−A · (a + dt_bias))`, and less than 0.
        floor: Option<f32>,
    },
}

/// The gate behind the norm of what comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeltaGate {
    /// `silu(z)`.
    Silu,
    /// `sigmoid(z)`.
    Sigmoid,
}

/// The gated delta rule. Per value head a state `S [key_dim, value_dim]`:
/// `S ← e^g · S`, `S ← S + k ⊗ β(v − Sᵀk)`, `o = Sᵀq`, with `g = A · softplus(a + dt_bias)`, `β = sigmoid(b)`, queries and
/// keys of length 1 and queries divided by `√key_dim`; then an RMS norm of each head and the gate
/// (arXiv 2412.06464; `Qwen3NextGatedDeltaNet` of Transformers; with a decay for each key channel, Kimi-Linear's
/// arXiv 2510.26692).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeltaSpec {
    /// Heads of queries and keys.
    pub n_key_heads: usize,
    /// Heads of values, a multiple of those of keys.
    pub n_value_heads: usize,
    /// Which key head a value head reads.
    pub kv_map: KvMap,
    /// Width of a head of queries and keys.
    pub key_dim: usize,
    /// Width of a head of values.
    pub value_dim: usize,
    /// Positions of the convolution.
    pub kernel: usize,
    /// How the rows read lie.
    pub layout: DeltaLayout,
    /// How much is forgotten.
    pub decay: DeltaDecay,
    /// The gate of what comes out.
    pub gate: DeltaGate,
    /// Numbers of the bottlenecks that `z` and `a` pass, where they pass any.
    pub rank: Option<usize>,
    /// Epsilon of the norm behind it.
    pub eps: f32,
}

/// Where a part lies in the rows read: that of key head h, or of the value heads `h·r ..= h·r + r − 1`, begins at
/// `first + h · step`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// Column of the first head.
    pub first: usize,
    /// Columns from one head to the next.
    pub step: usize,
}

/// Where the parts of a delta rule lie in the rows read; values, gates, β and decays per key head, each with those of
/// all the value heads that it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeltaParts {
    /// Columns of queries.
    pub q: Heads,
    /// Columns of keys.
    pub k: Heads,
    /// Columns of values.
    pub v: Heads,
    /// Columns of output gates.
    pub z: Heads,
    /// β before its sigmoid.
    pub b: Heads,
    /// Decays before their softplus.
    pub a: Heads,
}

impl DeltaSpec {
    /// Projections of `Apart` that never pass a bottleneck.
    pub(super) const N_DIRECT: usize = 4;

    /// Decays of a position.
    #[must_use]
    pub fn n_decays(&self) -> usize {
        match self.decay {
            DeltaDecay::PerHead => self.n_value_heads,
            DeltaDecay::PerChannel { .. } => self.keys_width(),
        }
    }

    /// The key head that a value head reads.
    #[must_use]
    pub fn key_head_of(&self, value_head: usize) -> usize {
        match self.kv_map {
            KvMap::Grouped => value_head / self.per_key_head().max(1),
            KvMap::Tiled => value_head % self.n_key_heads.max(1),
        }
    }

    /// Value heads that one key head serves.
    #[must_use]
    pub fn per_key_head(&self) -> usize {
        self.n_value_heads / self.n_key_heads.max(1)
    }

    /// Width of all queries, and of all keys.
    #[must_use]
    pub fn keys_width(&self) -> usize {
        self.n_key_heads * self.key_dim
    }

    /// Width of all values.
    #[must_use]
    pub fn values_width(&self) -> usize {
        self.n_value_heads * self.value_dim
    }

    /// Where the parts lie in the rows read.
    #[must_use]
    pub fn parts(&self) -> DeltaParts {
        let (keys, values, r) = (self.keys_width(), self.values_width(), self.per_key_head());
        let at = |first, step| Heads { first, step };
        let split_z = 2 * keys + values;
        let by_key_head = 2 * (self.key_dim + r * self.value_dim);
        let pairs = self.n_key_heads * by_key_head;
        let apart_z = split_z + self.n_value_heads;
        let n_decays = self.n_decays() / self.n_key_heads.max(1);
        let [q, k, v, z] = match self.layout {
            DeltaLayout::Split | DeltaLayout::SplitPairs => [
                at(0, self.key_dim),
                at(keys, self.key_dim),
                at(2 * keys, r * self.value_dim),
                at(split_z, r * self.value_dim),
            ],
            DeltaLayout::Apart => [
                at(0, self.key_dim),
                at(keys, self.key_dim),
                at(2 * keys, r * self.value_dim),
                at(apart_z, r * self.value_dim),
            ],
            DeltaLayout::ByKeyHead => [
                at(0, by_key_head),
                at(self.key_dim, by_key_head),
                at(2 * self.key_dim, by_key_head),
                at(2 * self.key_dim + r * self.value_dim, by_key_head),
            ],
        };
        let [b, a] = match self.layout {
            DeltaLayout::Split => [at(pairs, r), at(pairs + self.n_value_heads, r)],
            DeltaLayout::Apart => [at(split_z, r), at(apart_z + values, n_decays)],
            DeltaLayout::ByKeyHead | DeltaLayout::SplitPairs => {
                [at(pairs, 2 * r), at(pairs + r, 2 * r)]
            }
        };
        DeltaParts { q, k, v, z, b, a }
    }

    /// First column of `part` for `value_head`; each head has `width` columns.
    #[must_use]
    pub fn column_of(&self, part: Heads, value_head: usize, width: usize) -> usize {
        let r = self.per_key_head();
        part.first + value_head / r * part.step + value_head % r * width
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::RecurrentSpec;

    #[test]
    fn the_parts_of_a_delta_rule_fill_the_rows_read_without_a_gap() {
        for layout in [
            DeltaLayout::Split,
            DeltaLayout::ByKeyHead,
            DeltaLayout::SplitPairs,
            DeltaLayout::Apart,
        ] {
            let is_apart = layout == DeltaLayout::Apart;
            let spec = DeltaSpec {
                n_key_heads: 2,
                n_value_heads: 6,
                kv_map: KvMap::Grouped,
                key_dim: 4,
                value_dim: 5,
                kernel: 4,
                layout,
                decay: if is_apart {
                    DeltaDecay::PerChannel { floor: None }
                } else {
                    DeltaDecay::PerHead
                },
                gate: DeltaGate::Silu,
                rank: None,
                eps: 1e-6,
            };
            let parts = spec.parts();
            let r = spec.per_key_head();
            let wide = [
                (parts.q, 4),
                (parts.k, 4),
                (parts.v, 5 * r),
                (parts.z, 5 * r),
                (parts.b, r),
                (parts.a, spec.n_decays() / 2),
            ];
            let n = RecurrentSpec::Delta(spec).n_in();
            let mut times = vec![0; n];
            for (part, width) in wide {
                for head in 0..2 {
                    let first = part.first + head * part.step;
                    times[first..first + width]
                        .iter_mut()
                        .for_each(|it| *it += 1);
                }
            }
            assert_eq!(times, vec![1; n], "{layout:?}");
        }
    }
}
