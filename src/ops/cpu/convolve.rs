//! The depthwise causal convolution before a state, and what is done to its rows at once.

use rayon::prelude::*;

use super::{
    dot::dot,
    exp::silu,
    level::{LaneWork, on_lanes},
    matrix::is_large,
};
use crate::formats::Lanes;

/// Rows one task takes.
const BAND: usize = 8;
/// What an exponential takes, in multiply-adds.
const OF_EXP: usize = 16;

/// A convolution over the channels of consecutive positions.
#[derive(Clone, Copy)]
pub struct Convolution<'a> {
    /// `[channels, kernel]`, the oldest position first.
    pub taps: &'a [f32],
    /// `[channels]`.
    pub bias: Option<&'a [f32]>,
    /// Channels.
    pub n_channels: usize,
    /// Positions.
    pub kernel: usize,
    /// What its rows are made into.
    pub then: Then,
}

/// What is done to a row that a convolution put out.
#[derive(Clone, Copy)]
pub enum Then {
    /// Nothing.
    Nothing,
    /// `silu` of all numbers.
    Silu,
    /// The same; then queries and keys, `keys` numbers each in heads of `dim`, are brought to length: keys to 1, queries
    /// to `1 / √dim`.
    SiluAndLengths {
        /// Width of all keys.
        keys: usize,
        /// Width of one.
        dim: usize,
    },
}

impl Convolution<'_> {
    /// `[n, channels]` of inputs `[kernel − 1 + n, channels]`.
    pub fn of(self, inputs: &[f32]) -> Vec<f32> {
        let c = self.n_channels;
        let before = (self.kernel - 1) * c;
        let mut out = vec![0.0; inputs.len() - before];
        let work = out.len() * (self.kernel + OF_EXP);
        in_bands(&mut out, c, work, |first, out| {
            let range = first * c..first * c + before + out.len();
            let inputs = &inputs[range];
            on_lanes(Convolved {
                of: self,
                inputs,
                out,
            });
        });
        out
    }
}

/// Runs `one` over bands of rows of `width` numbers, given the first row of each, on all cores where so many
/// multiply-adds are worth it.
pub fn in_bands(
    out: &mut [f32],
    width: usize,
    work: usize,
    one: impl Fn(usize, &mut [f32]) + Sync,
) {
    if is_large(work) {
        let bands = out.par_chunks_mut((BAND * width).max(1)).enumerate();
        bands.for_each(|(i, out)| one(i * BAND, out));
    } else {
        one(0, out);
    }
}

/// Some rows of a convolution.
struct Convolved<'a> {
    of: Convolution<'a>,
    /// `[kernel − 1 + n, channels]`.
    inputs: &'a [f32],
    /// `[n, channels]`.
    out: &'a mut [f32],
}

impl LaneWork for Convolved<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { of, inputs, out } = self;
        let c = of.n_channels;
        for (t, out) in out.chunks_exact_mut(c).enumerate() {
            let seen = &inputs[t * c..(t + of.kernel) * c];
            match of.kernel {
                2 => convolve::<2>(of.taps, seen, out),
                3 => convolve::<3>(of.taps, seen, out),
                4 => convolve::<4>(of.taps, seen, out),
                _ => convolve_any(of.taps, seen, out),
            }
            if let Some(bias) = of.bias {
                for (out, bias) in out.iter_mut().zip(bias) {
                    *out += bias;
                }
            }
            match of.then {
                Then::Nothing => {}
                Then::Silu => silu_of(out),
                Then::SiluAndLengths { keys, dim } => {
                    silu_of(out);
                    let (q, rest) = out.split_at_mut(keys);
                    to_lengths(q, dim, 1.0 / (dim as f32).sqrt());
                    to_lengths(&mut rest[..keys], dim, 1.0);
                }
            }
        }
    }
}

/// One row of a kernel of so many positions.
#[inline(always)]
fn convolve<const K: usize>(taps: &[f32], seen: &[f32], out: &mut [f32]) {
    let n = out.len();
    let taps = &taps.as_chunks::<K>().0[..n];
    let mut rows: [&[f32]; K] = [&[]; K];
    for (row, seen) in rows.iter_mut().zip(seen.chunks_exact(n)) {
        *row = seen;
    }
    for c in 0..n {
        let mut sum = 0.0;
        for j in 0..K {
            sum += taps[c][j] * rows[j][c];
        }
        out[c] = sum;
    }
}

/// One row of a kernel of any number of positions.
#[inline(always)]
fn convolve_any(taps: &[f32], seen: &[f32], out: &mut [f32]) {
    let n = out.len();
    let kernel = seen.len() / n;
    for (c, out) in out.iter_mut().enumerate() {
        let mut sum = 0.0;
        for j in 0..kernel {
            sum += taps[c * kernel + j] * seen[j * n + c];
        }
        *out = sum;
    }
}

#[inline(always)]
fn silu_of(x: &mut [f32]) {
    for it in x {
        *it = silu(*it);
    }
}

/// `x / √(Σx² + 1e-6) · length` of each head, in place.
#[inline(always)]
fn to_lengths(x: &mut [f32], dim: usize, length: f32) {
    for head in x.chunks_exact_mut(dim) {
        let scale = length / (dot(head, head) + 1e-6).sqrt();
        for it in head {
            *it *= scale;
        }
    }
}
