//! Dot products of stored rows with activations: the one loop that all matrices go through.
//!
//! **Invariant:** each (row, token) product is summed in one fixed order, 16 lanes wide, whatever
//! the number of tokens, rows or threads. So a token's numbers do not depend on what it was
//! batched with, and prefill, decode and replay agree to the bit on one machine.
//! A library's matrix product sums in an order that depends on the shape of the batch, and every
//! expert sees another number of tokens; it is no faster either (`speed_beside_candle` in
//! `tests/it/oracle.rs` measures candle's).

use super::formats::{Bf16, F16, F32, Q4_0, Q8_0, Stored};
#[cfg(target_arch = "x86_64")]
use super::lanes::{Avx2, Avx512};
use super::lanes::{Lanes, N_LANES, Plain};
use crate::checkpoint::{BLOCK, Numbers};

/// `out[r, n] = w[r] · x[n]` for the rows `first..first + out.len() / n` of `w`.
///
/// * `w`: stored numbers `[rows, cols]`
/// * `x`: activations `[n, cols]`
/// * `out`: `[rows, n]`, row after row
pub fn dot_rows(w: Numbers<'_>, first: usize, x: &[f32], cols: usize, out: &mut [f32]) {
    if cols == 0 || out.is_empty() {
        return out.fill(0.0);
    }
    let rows = out.len() / (x.len() / cols);
    let range = first * cols..(first + rows) * cols;
    let w = match w {
        Numbers::F32(w) => Numbers::F32(&w[range]),
        Numbers::Bf16(w) => Numbers::Bf16(&w[range]),
        Numbers::F16(w) => Numbers::F16(&w[range]),
        Numbers::Q8_0(w) => Numbers::Q8_0(&w[range.start / BLOCK..range.end / BLOCK]),
        Numbers::Q4_0(w) => Numbers::Q4_0(&w[range.start / BLOCK..range.end / BLOCK]),
    };
    dispatch(w, x, cols, out);
}

/// `a · b` in the same order of summation.
#[must_use]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut out = [0.0];
    dispatch(Numbers::F32(a), b, a.len().max(1), &mut out);
    out[0]
}

#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "the instructions a function is compiled for were just detected"
)]
fn dispatch(w: Numbers<'_>, x: &[f32], cols: usize, out: &mut [f32]) {
    if is_x86_feature_detected!("avx512f") {
        unsafe { avx512(w, x, cols, out) }
    } else if is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
    {
        unsafe { avx2(w, x, cols, out) }
    } else {
        run::<Plain, 2, 2>(w, x, cols, out);
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn dispatch(w: Numbers<'_>, x: &[f32], cols: usize, out: &mut [f32]) {
    run::<Plain, 2, 2>(w, x, cols, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma,f16c")]
fn avx512(w: Numbers<'_>, x: &[f32], cols: usize, out: &mut [f32]) {
    run::<Avx512, 4, 4>(w, x, cols, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
fn avx2(w: Numbers<'_>, x: &[f32], cols: usize, out: &mut [f32]) {
    run::<Avx2, 2, 3>(w, x, cols, out);
}

/// `R` rows by `N` tokens are summed at a time: what fits the registers.
#[inline(always)]
fn run<L: Lanes, const R: usize, const N: usize>(
    w: Numbers<'_>,
    x: &[f32],
    cols: usize,
    out: &mut [f32],
) {
    match w {
        Numbers::F32(w) => all_rows::<L, F32, R, N>(w, x, cols, out),
        Numbers::F16(w) => all_rows::<L, F16, R, N>(w, x, cols, out),
        Numbers::Bf16(w) => all_rows::<L, Bf16, R, N>(w, x, cols, out),
        Numbers::Q8_0(w) => all_rows::<L, Q8_0, R, N>(w, x, cols, out),
        Numbers::Q4_0(w) => all_rows::<L, Q4_0, R, N>(w, x, cols, out),
    }
}

/// Tiles of R rows × N tokens, of 4 rows × 1 token where there is one: enough sums in flight to
/// hide the time a multiply-add takes. Tokens are the outer loop, so that N of them stay in the
/// first cache while the rows pass.
#[inline(always)]
fn all_rows<L: Lanes, W: Stored, const R: usize, const N: usize>(
    w: &[W::Item],
    x: &[f32],
    cols: usize,
    out: &mut [f32],
) {
    let n = x.len() / cols;
    let mut t = 0;
    while t + N <= n {
        token_rows::<L, W, R, N>(w, x, cols, out, t);
        t += N;
    }
    while t + 2 <= n {
        token_rows::<L, W, R, 2>(w, x, cols, out, t);
        t += 2;
    }
    if t < n {
        token_rows::<L, W, 4, 1>(w, x, cols, out, t);
    }
}

/// All rows by the N tokens from `t` on.
#[inline(always)]
fn token_rows<L: Lanes, W: Stored, const R: usize, const N: usize>(
    w: &[W::Item],
    x: &[f32],
    cols: usize,
    out: &mut [f32],
    t: usize,
) {
    let n = x.len() / cols;
    let rows = out.len() / n;
    let tokens: [&[f32]; N] = std::array::from_fn(|i| &x[(t + i) * cols..(t + i + 1) * cols]);
    let items = cols / W::NUMBERS;
    let row = |r: usize| &w[r * items..(r + 1) * items];
    let mut r = 0;
    while r + R <= rows {
        let sums = tile::<L, W, R, N>(std::array::from_fn(|i| row(r + i)), tokens);
        for i in 0..R {
            out[(r + i) * n + t..(r + i) * n + t + N].copy_from_slice(&sums[i]);
        }
        r += R;
    }
    for r in r..rows {
        let sums = tile::<L, W, 1, N>([row(r)], tokens);
        out[r * n + t..r * n + t + N].copy_from_slice(&sums[0]);
    }
}

/// A token as whole lanes and what stands over.
type Split<'a> = (&'a [[f32; N_LANES]], &'a [f32]);

/// `[R, N]` dot products, each summed in the same order: lane by lane, then the lanes as a tree.
#[inline(always)]
fn tile<L: Lanes, W: Stored, const R: usize, const N: usize>(
    w: [&[W::Item]; R],
    x: [&[f32]; N],
) -> [[f32; N]; R] {
    let xs: [Split<'_>; N] = x.map(<[f32]>::as_chunks);
    let mut sums = [[L::zero(); N]; R];
    for c in 0..xs[0].0.len() {
        let mut tokens = [L::zero(); N];
        for n in 0..N {
            tokens[n] = L::f32(&xs[n].0[c]);
        }
        for r in 0..R {
            let row: L = W::lanes(w[r], c);
            for n in 0..N {
                sums[r][n] = sums[r][n].add_product(row, tokens[n]);
            }
        }
    }
    // Loops and no closures: a closure would be compiled without the wider instructions.
    let mut out = [[0.0; N]; R];
    for r in 0..R {
        for n in 0..N {
            let mut lanes = sums[r][n].to_array();
            let whole = xs[n].0.len() * N_LANES;
            for (i, (lane, x)) in lanes.iter_mut().zip(xs[n].1).enumerate() {
                *lane = L::add_one_product(*lane, W::one(w[r], whole + i), *x);
            }
            out[r][n] = tree(lanes);
        }
    }
    out
}

#[inline(always)]
fn tree(mut lanes: [f32; N_LANES]) -> f32 {
    let mut half = N_LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
        half /= 2;
    }
    lanes[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{BlockQ4_0, BlockQ8_0};

    fn numbers(n: usize, seed: u32) -> Vec<f32> {
        (0..n as u32)
            .map(|i| {
                ((i.wrapping_mul(747_796_405).wrapping_add(seed) >> 9) as f32 / 4_194_304.0) - 1.0
            })
            .collect()
    }

    /// Every shape, every format, against f64, and to the bit against the same token alone.
    #[test]
    fn a_token_alone_and_in_a_batch_give_the_same_bits() {
        for (rows, cols, n) in [
            (1, 1, 1),
            (7, 15, 3),
            (9, 64, 4),
            (33, 161, 7),
            (64, 160, 65),
            (5, 2048, 2),
        ] {
            let w = numbers(rows * cols, 3);
            let x = numbers(n * cols, 9);
            let bf16: Vec<u16> = w
                .iter()
                .map(|it| half::bf16::from_f32(*it).to_bits())
                .collect();
            let f16: Vec<u16> = w
                .iter()
                .map(|it| half::f16::from_f32(*it).to_bits())
                .collect();
            let (q8_0, q4_0) = (blocks_q8_0(rows * cols), blocks_q4_0(rows * cols));
            let plain = [Numbers::F32(&w), Numbers::Bf16(&bf16), Numbers::F16(&f16)];
            let in_blocks = [Numbers::Q8_0(&q8_0), Numbers::Q4_0(&q4_0)];
            let has_blocks = cols.is_multiple_of(BLOCK);
            let in_blocks = in_blocks.into_iter().filter(|_| has_blocks);
            for stored in plain.into_iter().chain(in_blocks) {
                let mut all = vec![0.0; rows * n];
                dot_rows(stored, 0, &x, cols, &mut all);
                for t in 0..n {
                    let mut alone = vec![0.0; rows];
                    dot_rows(stored, 0, &x[t * cols..(t + 1) * cols], cols, &mut alone);
                    for r in 0..rows {
                        assert_eq!(
                            all[r * n + t].to_bits(),
                            alone[r].to_bits(),
                            "{rows} {cols} {n} at {r} {t}"
                        );
                        let exact = exact(stored, r, &x[t * cols..(t + 1) * cols]);
                        assert!(
                            (f64::from(alone[r]) - exact).abs() < 1e-4,
                            "{} against {exact}",
                            alone[r]
                        );
                    }
                }
                let mut part = vec![0.0; n];
                dot_rows(stored, rows - 1, &x, cols, &mut part);
                assert_eq!(part, all[(rows - 1) * n..]);
            }
        }
    }

    fn blocks_q8_0(n: usize) -> Vec<BlockQ8_0> {
        let one = |it: &[f32; BLOCK]| BlockQ8_0 {
            scale: half::f16::from_f32(it[0] / 127.0).to_bits(),
            levels: it.map(|it| (it * 127.0) as i8),
        };
        numbers(n, 5).as_chunks().0.iter().map(one).collect()
    }

    fn blocks_q4_0(n: usize) -> Vec<BlockQ4_0> {
        let one = |it: &[f32; BLOCK / 2]| BlockQ4_0 {
            scale: half::f16::from_f32(it[0] / 8.0).to_bits(),
            nibbles: it.map(|it| (it * 127.0) as i8 as u8),
        };
        numbers(n / 2, 7).as_chunks().0.iter().map(one).collect()
    }

    fn exact(w: Numbers<'_>, r: usize, x: &[f32]) -> f64 {
        let at = |i: usize| match w {
            Numbers::F32(it) => it[i],
            Numbers::Bf16(it) => half::bf16::from_bits(it[i]).to_f32(),
            Numbers::F16(it) => half::f16::from_bits(it[i]).to_f32(),
            Numbers::Q8_0(it) => it[i / BLOCK].widened()[i % BLOCK],
            Numbers::Q4_0(it) => it[i / BLOCK].widened()[i % BLOCK],
        };
        let first = r * x.len();
        x.iter()
            .enumerate()
            .map(|(c, x)| f64::from(*x) * f64::from(at(first + c)))
            .sum()
    }
}
