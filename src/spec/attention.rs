//! Attention as data: heads, norms of queries and keys, rotary positions, which keys are seen.

use serde::{Deserialize, Serialize};

use super::LayerId;

/// How query heads share key-value heads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KvMap {
    /// Head h reads `h / (H / KV)`.
    Grouped,
    /// Head h reads `h mod KV`.
    Tiled,
}

/// Norm of queries and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum QkNorm {
    /// Queries and keys are used as projected.
    None,
    /// Over each head, one weight `[head_dim]` for all.
    PerHead,
    /// Over the whole projection, before the heads are split.
    Full,
    /// L2 without weights.
    L2,
}

/// Which keys a query sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mask {
    /// All earlier ones and its own.
    Causal,
    /// Key j for query i where `j <= i` and `i - j < n`.
    Window(usize),
    /// Those of its own chunk of n positions.
    Chunk(usize),
    /// Every position of the sequence, later ones too.
    Full,
}

/// What a gate's numbers go through before they multiply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum GateAct {
    /// `1 / (1 + e⁻ˣ)`.
    Sigmoid,
    /// `ln(1 + eˣ)`.
    Softplus,
    /// `x / (1 + e⁻ˣ)`.
    Silu,
}

/// A gate on what attention puts out, read from the layer's normed input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutGate {
    /// What its numbers go through.
    pub act: GateAct,
    /// One number a head; else one for each of a head.
    pub per_head: bool,
    /// Whether its rows stand behind the queries of each head, in one tensor with them.
    pub is_in_q: bool,
}

/// Grouped-query attention.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of its own, as configs have them"
)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GqaSpec {
    /// Number of query heads.
    pub n_heads: usize,
    /// Number of key-value heads; divides `n_heads`.
    pub n_kv_heads: usize,
    /// Width of a head; heads × width need not be H.
    pub head_dim: usize,
    /// Width of a head of values, `head_dim` at most.
    pub v_dim: usize,
    /// A factor on values.
    pub v_scale: f32,
    /// How heads are shared.
    pub kv_map: KvMap,
    /// Biases on q, k, v, o.
    pub bias: [bool; 4],
    /// Norm of q and k.
    pub qk_norm: QkNorm,
    /// The norm's epsilon.
    pub qk_norm_eps: f32,
    /// Whether that norm comes after `RoPE`.
    pub qk_norm_after_rope: bool,
    /// Whether each head of values is RMS-normed, without weights (Gemma 4).
    #[serde(default)]
    pub v_norm: bool,
    /// Whether values are what keys are before their norm and rotation (Gemma 4).
    #[serde(default)]
    pub k_is_v: bool,
    /// q, k, v clamped to ± this.
    pub clip: Option<f32>,
    /// Factor on `q · k`.
    pub scale: f32,
    /// `c · tanh(s / c)` on scores.
    pub softcap: Option<f32>,
    /// One learned extra logit per head.
    pub sinks: bool,
    /// How the output is gated.
    pub out_gate: Option<OutGate>,
    /// Rotary positions; none means no position at all.
    pub rope: Option<RopeSpec>,
    /// Which keys are seen.
    pub mask: Mask,
    /// Queries far into the text scaled up (Llama 4, layers without rotation).
    pub query_temperature: Option<QueryTemperature>,
    /// A learned bias by distance (Switch).
    pub relative_bias: Option<RelativeBias>,
}

impl GqaSpec {
    /// Numbers of a row of queries, of keys and of values.
    #[must_use]
    pub fn widths(&self) -> [usize; 3] {
        [
            self.n_heads * self.head_dim,
            self.n_kv_heads * self.head_dim,
            self.n_kv_heads * self.v_dim,
        ]
    }

    /// Numbers of a row that comes out.
    #[must_use]
    pub fn out_width(&self) -> usize {
        self.n_heads * self.v_dim
    }

    /// Numbers of a row of gates; 0 where there are none.
    #[must_use]
    pub fn gate_width(&self) -> usize {
        match self.out_gate {
            None => 0,
            Some(it) if it.per_head => self.n_heads,
            Some(_) => self.out_width(),
        }
    }
}

/// `q · (1 + scale · ln(1 + ⌊(t + 1) / floor⌋))`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct QueryTemperature {
    /// Positions from which it grows.
    pub floor: f32,
    /// How fast.
    pub scale: f32,
}

/// A learned bias on scores by the distance of query and key (T5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelativeBias {
    /// Distances told apart.
    pub n_buckets: usize,
    /// Beyond it all distances share a bucket.
    pub max_distance: usize,
    /// Whether keys before and after are told apart.
    pub bidirectional: bool,
    /// The layer that holds the table for its stack.
    pub owner: LayerId,
}

impl RelativeBias {
    /// The bucket of a key that stands `distance` positions behind its query, before it where that is negative
    /// (`_relative_position_bucket` of Transformers' `T5Attention`). Each side has `n` buckets: distances below `n/2`
    /// one each, others `n/2 + ln(distance / (n/2)) / ln(max_distance / (n/2)) · n/2`, at most `n - 1`.
    #[must_use]
    pub fn bucket(&self, distance: isize) -> usize {
        let (n, first, far) = if self.bidirectional {
            let n = self.n_buckets / 2;
            let first = if distance > 0 { n } else { 0 };
            (n, first, distance.unsigned_abs())
        } else {
            (self.n_buckets, 0, distance.min(0).unsigned_abs())
        };
        let n_exact = n / 2;
        if far < n_exact {
            return first + far;
        }
        let steps = (n - n_exact) as f32;
        let most = (self.max_distance as f64 / n_exact.max(1) as f64).ln() as f32;
        let grown = (far as f32 / n_exact.max(1) as f32).ln() / most * steps;
        first + (n_exact + grown as usize).min(n.saturating_sub(1))
    }
}

/// How the matrices that make keys and values of a latent row are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LatentUp {
    /// In one, `[heads · (nope_dim + v_dim), kv_lora]`: of each head the rows of keys, then those of values.
    Whole,
    /// In two: of keys turned over, `[heads · kv_lora, nope_dim]`; of values `[heads · v_dim, kv_lora]`.
    Split,
}

/// What chooses the positions that latent attention sees (DeepSeek-V3.2's lightning indexer). With queries `q` of its
/// heads, one key `k` a position and weights `w` of the heads, a position is worth
/// `Σ w / √n_heads · max(0, q · k / √dim)`, and each row sees the `top_k` that are worth most, those before others among
/// equals (`DeepseekV32Indexer` in Transformers' `modeling_deepseek_v32.py`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IndexerSpec {
    /// Number of heads.
    pub n_heads: usize,
    /// Width of a head, and of a key.
    pub dim: usize,
    /// Positions that are seen at most.
    pub top_k: usize,
    /// Epsilon of the keys' layer norm.
    pub eps: f32,
    /// Rotary positions of the first numbers of queries and keys.
    pub rope: Option<RopeSpec>,
}

/// Multi-head latent attention (`DeepSeek`): of each position only one row is kept, the latent `c` of all keys and values
/// and one rotated key `p` for all heads. With `K` and `V` of a head, its score is `(Kᵀ q_nope) · c + q_rope · p`, and what
/// comes out of it is `V Σ p c` (arXiv 2405.04434, section 2.1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MlaSpec {
    /// Number of query heads.
    pub n_heads: usize,
    /// Rank of the query's bottleneck.
    pub q_lora: Option<usize>,
    /// Rank of the key-value bottleneck.
    pub kv_lora: usize,
    /// Head width without position.
    pub nope_dim: usize,
    /// Head width with position.
    pub rope_dim: usize,
    /// Width of a value head.
    pub v_dim: usize,
    /// Epsilon of the bottleneck norms.
    pub lora_eps: f32,
    /// Whether both bottlenecks and the output have biases.
    pub bias: bool,
    /// How keys and values are made of the latent.
    pub up: LatentUp,
    /// Whether what comes out of each head is multiplied by `sigmoid(g · x)`, one number a head.
    pub head_gate: bool,
    /// Factor on scores.
    pub scale: f32,
    /// Rotary positions of the `rope_dim` numbers; none leaves them as they are.
    pub rope: Option<RopeSpec>,
    /// What chooses the positions that are seen; none sees all.
    pub indexer: Option<IndexerSpec>,
}

impl MlaSpec {
    /// Numbers that are kept of a position, and of a query that is ready to attend.
    #[must_use]
    pub fn width(&self) -> usize {
        self.kv_lora + self.rope_dim
    }

    /// Width of a head of queries.
    #[must_use]
    pub fn q_dim(&self) -> usize {
        self.nope_dim + self.rope_dim
    }
}

/// Which dimensions a rotation pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RopeLayout {
    /// `(i, i + R/2)`.
    Half,
    /// `(2i, 2i + 1)`.
    Interleaved,
}

/// Rotary positions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RopeSpec {
    /// Base of the frequencies.
    pub theta: f32,
    /// R, how many dimensions of a head rotate.
    pub dim: usize,
    /// Which are paired.
    pub layout: RopeLayout,
    /// How frequencies are stretched for long contexts.
    pub scaling: RopeScaling,
}

/// How frequencies are stretched for long contexts (`modeling_rope_utils.py` of Transformers).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// Only the first so many pairs rotate (Gemma 4); the others keep their place in the head.
    Partial {
        /// Pairs that rotate.
        n_pairs: usize,
    },
    /// Every frequency divided by the factor.
    Linear {
        /// Context length over that of training, 1 or more.
        factor: f32,
    },
    /// `YaRN`: low frequencies divided, high ones kept, a ramp between.
    Yarn {
        /// Context length over that of training, 1 or more.
        factor: f32,
        /// Context the model was first trained at.
        original_ctx: f32,
        /// Turns above which a frequency is kept.
        beta_fast: f32,
        /// Turns below which it is divided.
        beta_slow: f32,
        /// Factor on cos and sin.
        attention_factor: f32,
        /// Whether the ramp's ends are rounded to whole dimensions.
        truncate: bool,
    },
    /// Llama 3: by wavelength.
    Llama3 {
        /// Context length over that of training, 1 or more.
        factor: f32,
        /// Context the model was first trained at.
        original_ctx: f32,
        /// Wavelengths longer than `original_ctx / low` are divided.
        low: f32,
        /// Wavelengths shorter than `original_ctx / high` are kept.
        high: f32,
    },
    /// One factor per dimension, one set for short and one for long contexts.
    LongRope {
        /// `[R/2]` up to `original_ctx`.
        short: Vec<f32>,
        /// `[R/2]`: divisors of the frequencies for longer contexts.
        long: Vec<f32>,
        /// Factor on cos and sin with `short`.
        short_scale: f32,
        /// Factor on cos and sin with `long`.
        long_scale: f32,
        /// Context the model was first trained at.
        original_ctx: f32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bias: RelativeBias, want: &[(isize, usize)]) {
        for (distance, bucket) in want {
            assert_eq!(bias.bucket(*distance), *bucket, "{distance}");
        }
    }

    /// As Transformers gives them for the sizes of T5.
    #[test]
    fn near_distances_have_buckets_of_their_own_and_far_ones_share() {
        let bias = RelativeBias {
            n_buckets: 32,
            max_distance: 128,
            bidirectional: true,
            owner: LayerId(0),
        };
        let both = [
            (0, 0),
            (-1, 1),
            (1, 17),
            (-7, 7),
            (7, 23),
            (-8, 8),
            (-11, 8),
        ];
        check(bias, &both);
        check(bias, &[(-12, 9), (-16, 10), (-32, 12), (-64, 14), (64, 30)]);
        check(
            bias,
            &[(-91, 15), (-127, 15), (-128, 15), (-5000, 15), (5000, 31)],
        );
        let causal = RelativeBias {
            bidirectional: false,
            ..bias
        };
        check(
            causal,
            &[(5, 0), (0, 0), (-1, 1), (-15, 15), (-16, 16), (-32, 21)],
        );
        check(causal, &[(-64, 26), (-127, 31), (-128, 31), (-9999, 31)]);
    }
}
