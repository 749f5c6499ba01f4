//! Norms and clips of queries and keys, and rotary positions. The reference of `kernels/rope.wgsl`.

use std::f32::consts::TAU;

use super::{matrix::Matrix, norm::rms_norm};
use crate::ops::BatchSpan;
use crate::spec::{GqaSpec, QkNorm, RopeLayout, RopeScaling, RopeSpec};

/// Angles per position of one pair of dimensions, and a factor on cos and sin.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    inv_freq: Vec<f32>,
    factor: f32,
    layout: RopeLayout,
}

impl Rope {
    /// The frequencies of a spec, for contexts of up to `n_ctx`: `θ^(-2i/dim)` for pair `i < dim/2`, then
    /// the spec's scaling.
    #[must_use]
    pub fn new(spec: &RopeSpec, n_ctx: usize) -> Self {
        let plain: Vec<f32> = (0..spec.dim / 2)
            .map(|i| 1.0 / spec.theta.powf((2 * i) as f32 / spec.dim as f32))
            .collect();
        let (inv_freq, factor) = match &spec.scaling {
            RopeScaling::None => (plain, 1.0),
            RopeScaling::Partial { n_pairs } => {
                let rotates = |(i, inv)| if i < *n_pairs { inv } else { 0.0 };
                (plain.into_iter().enumerate().map(rotates).collect(), 1.0)
            }
            RopeScaling::Linear { factor } => (plain.iter().map(|it| it / factor).collect(), 1.0),
            RopeScaling::Yarn { .. } => yarn(spec, &plain),
            RopeScaling::Llama3 {
                factor,
                original_ctx,
                low,
                high,
            } => (
                plain
                    .iter()
                    .map(|it| llama3(*it, *factor, *original_ctx, *low, *high))
                    .collect(),
                1.0,
            ),
            RopeScaling::LongRope {
                short,
                long,
                short_scale,
                long_scale,
                original_ctx,
            } => {
                let (ext, scale) = if n_ctx as f32 <= *original_ctx {
                    (short, short_scale)
                } else {
                    (long, long_scale)
                };
                (
                    plain.iter().zip(ext).map(|(it, ext)| it / ext).collect(),
                    *scale,
                )
            }
        };
        Self {
            inv_freq,
            factor,
            layout: spec.layout,
        }
    }

    /// How many pairs of a head rotate.
    #[cfg(feature = "gpu")]
    #[must_use]
    pub fn n_pairs(&self) -> usize {
        self.inv_freq.len()
    }

    /// What a rotation makes of the square of a pair.
    #[cfg(feature = "gpu")]
    #[must_use]
    pub fn stretch(&self) -> f32 {
        self.factor * self.factor
    }

    /// Which dimensions are pairs.
    #[cfg(feature = "gpu")]
    #[must_use]
    pub fn layout(&self) -> RopeLayout {
        self.layout
    }

    /// cos and sin of every pair at one position.
    #[must_use]
    pub fn angles(&self, position: usize) -> (Vec<f32>, Vec<f32>) {
        let angle = |inv: &f32| position as f32 * inv;
        let cos = self
            .inv_freq
            .iter()
            .map(|it| angle(it).cos() * self.factor)
            .collect();
        (
            cos,
            self.inv_freq
                .iter()
                .map(|it| angle(it).sin() * self.factor)
                .collect(),
        )
    }

    /// Rotates one head.
    pub(super) fn rotate(&self, head: &mut [f32], (cos, sin): &(Vec<f32>, Vec<f32>)) {
        let n = self.inv_freq.len();
        for i in 0..n {
            let (a, b) = match self.layout {
                RopeLayout::Half => (i, i + n),
                RopeLayout::Interleaved => (2 * i, 2 * i + 1),
            };
            let (x, y) = (head[a], head[b]);
            head[a] = x * cos[i] - y * sin[i];
            head[b] = y * cos[i] + x * sin[i];
        }
    }
}

fn yarn(spec: &RopeSpec, plain: &[f32]) -> (Vec<f32>, f32) {
    let RopeScaling::Yarn {
        factor,
        original_ctx,
        beta_fast,
        beta_slow,
        attention_factor,
        truncate,
    } = spec.scaling
    else {
        return (plain.to_vec(), 1.0);
    };
    // In f64, so that a turn count at a whole dimension rounds to it.
    let dim = spec.dim as f64;
    let corr = |turns: f32| {
        let turned = f64::from(original_ctx) / (f64::from(turns) * std::f64::consts::TAU);
        dim * turned.ln() / (2.0 * f64::from(spec.theta).ln())
    };
    let (mut low, mut high) = (corr(beta_fast), corr(beta_slow));
    if truncate {
        (low, high) = (low.floor(), high.ceil());
    }
    let (low, mut high) = (low.max(0.0), high.min(dim - 1.0));
    // Ends that have changed places, as beyond the last dimension, make a ramp that falls.
    if (high - low).abs() < 1e-9 {
        high += 0.001;
    }
    let (low, high) = (low as f32, high as f32);
    let blend = |(i, inv): (usize, &f32)| {
        let ramp = ((i as f32 - low) / (high - low)).clamp(0.0, 1.0);
        inv / factor * ramp + inv * (1.0 - ramp)
    };
    (
        plain.iter().enumerate().map(blend).collect(),
        attention_factor,
    )
}

fn llama3(inv: f32, factor: f32, original_ctx: f32, low: f32, high: f32) -> f32 {
    let wavelength = TAU / inv;
    if wavelength < original_ctx / high {
        inv
    } else if wavelength > original_ctx / low {
        inv / factor
    } else {
        let s = (original_ctx / wavelength - low) / (high - low);
        (1.0 - s) * inv / factor + s * inv
    }
}

/// Norms the heads of each row.
fn norm_heads(x: &mut Matrix, weight: Option<&[f32]>, spec: &GqaSpec) {
    let ones = vec![1.0; spec.head_dim];
    let (weight, width) = match (spec.qk_norm, weight) {
        (QkNorm::None, _) | (QkNorm::Full | QkNorm::PerHead, None) => return,
        (QkNorm::Full, Some(weight)) => (weight, x.cols),
        (QkNorm::PerHead, Some(weight)) => (weight, spec.head_dim),
        (QkNorm::L2, _) => (ones.as_slice(), spec.head_dim),
    };
    x.data
        .chunks_exact_mut(width)
        .for_each(|it| rms_norm(it, weight, spec.qk_norm_eps));
}

/// What a query at a position is multiplied by.
fn temperature(spec: &GqaSpec, position: usize) -> f32 {
    spec.query_temperature.map_or(1.0, |it| {
        1.0 + it.scale * (((position + 1) as f32 / it.floor).floor()).ln_1p()
    })
}

/// Heads of values as wide as those of keys, zeros behind their own numbers.
pub fn spread(v: Matrix, spec: &GqaSpec) -> Matrix {
    if spec.v_dim == spec.head_dim {
        return v;
    }
    let mut out = Matrix::zeros(v.n_rows(), spec.n_kv_heads * spec.head_dim);
    let heads = out.data.chunks_exact_mut(spec.head_dim);
    heads
        .zip(v.data.chunks_exact(spec.v_dim))
        .for_each(|(out, it)| out[..spec.v_dim].copy_from_slice(it));
    out
}

/// Norms, clips and rotates q and k, clips and scales v, in place.
pub fn prepare(
    q: &mut Matrix,
    k: &mut Matrix,
    v: &mut Matrix,
    norms: [Option<&[f32]>; 2],
    spec: &GqaSpec,
    rope: Option<&Rope>,
    spans: &[BatchSpan<'_>],
) {
    if !spec.qk_norm_after_rope {
        norm_heads(q, norms[0], spec);
        norm_heads(k, norms[1], spec);
    }
    if spec.v_norm {
        let ones = vec![1.0; spec.head_dim];
        let heads = v.data.chunks_exact_mut(spec.head_dim);
        heads.for_each(|it| rms_norm(it, &ones, spec.qk_norm_eps));
    }
    if let Some(clip) = spec.clip {
        for x in [&mut *q, &mut *k, &mut *v] {
            x.data.iter_mut().for_each(|it| *it = it.clamp(-clip, clip));
        }
    }
    if spec.v_scale.to_bits() != 1.0f32.to_bits() {
        v.data.iter_mut().for_each(|it| *it *= spec.v_scale);
    }
    if let Some(rope) = rope {
        for (row, position) in spans.iter().flat_map(BatchSpan::positions) {
            let angles = rope.angles(position.idx());
            for x in [&mut *q, &mut *k] {
                let cols = x.cols;
                let heads = x.data[row * cols..(row + 1) * cols].chunks_exact_mut(spec.head_dim);
                heads.for_each(|head| rope.rotate(head, &angles));
            }
        }
    }
    if spec.qk_norm_after_rope {
        norm_heads(q, norms[0], spec);
        norm_heads(k, norms[1], spec);
    }
    if spec.query_temperature.is_some() {
        for (row, position) in spans.iter().flat_map(BatchSpan::positions) {
            let by = temperature(spec, position.idx());
            let cols = q.cols;
            let row = &mut q.data[row * cols..(row + 1) * cols];
            row.iter_mut().for_each(|it| *it *= by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yarn_frequencies_are_the_published_ones() {
        let spec = RopeSpec {
            theta: 150_000.0,
            dim: 64,
            layout: RopeLayout::Half,
            scaling: RopeScaling::Yarn {
                factor: 32.0,
                original_ctx: 4096.0,
                beta_fast: 32.0,
                beta_slow: 1.0,
                attention_factor: 0.1 * 32f32.ln() + 1.0,
                truncate: false,
            },
        };
        let rope = Rope::new(&spec, 131_072);
        assert!((rope.factor - 1.346_573_6).abs() < 1e-6);
        for (i, want) in [
            (0, 1.0),
            (8, 0.050_813_3),
            (9, 0.031_705_7),
            (16, 4.564_84e-4),
            (17, 1.293_19e-4),
            (18, 3.830_88e-5),
            (31, 3.023_51e-7),
        ] {
            assert!(
                (rope.inv_freq[i] / want - 1.0).abs() < 2e-4,
                "{i}: {} against {want}",
                rope.inv_freq[i]
            );
        }
    }

    #[test]
    fn a_yarn_ramp_whose_ends_change_places_falls() {
        let rope = |original_ctx, beta_fast, beta_slow| {
            let spec = RopeSpec {
                theta: 100.0,
                dim: 8,
                layout: RopeLayout::Half,
                scaling: RopeScaling::Yarn {
                    factor: 4.0,
                    original_ctx,
                    beta_fast,
                    beta_slow,
                    attention_factor: 1.0,
                    truncate: true,
                },
            };
            Rope::new(&spec, 1024).inv_freq
        };
        // Both ends lie beyond the last dimension: the whole ramp is on the side of dividing.
        let all_divided = rope(1e8, 32.0, 1.0);
        assert!((all_divided[0] - 0.25).abs() < 1e-6, "{all_divided:?}");
        // From 4 down to 0 dimensions.
        let falling = rope(64.0, 1.0, 32.0);
        assert!((falling[0] - 0.25).abs() < 1e-6, "{falling:?}");
    }
}
