//! Dot products of stored rows with activations: the one loop that all matrices go through.
//!
//! **Invariant:** each (row, token) product is summed in one fixed order, 16 lanes wide, whatever
//! the number of tokens, rows or threads. So a token's numbers do not depend on what it was
//! batched with, and prefill, decode and replay agree to the bit on one machine.
//! candle's matrix product is faster for long prompts, but its order of summation depends on the
//! shape of the batch, and it widens bf16 weights at every call.

use crate::checkpoint::Numbers;

/// Lanes summed side by side.
const LANES: usize = 16;

/// Which instructions this processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Plain,
}

fn level() -> Level {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
            return Level::Avx512;
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return Level::Avx2;
        }
    }
    Level::Plain
}

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
    match w {
        Numbers::F32(w) => dispatch(Rows::F32(&w[range]), x, cols, out),
        Numbers::Bf16(w) => dispatch(Rows::Bf16(&w[range]), x, cols, out),
        Numbers::F16(w) => dispatch(Rows::F16(&w[range]), x, cols, out),
    }
}

/// `a · b` in the same order of summation.
#[must_use]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut out = [0.0];
    dispatch(Rows::F32(a), b, a.len().max(1), &mut out);
    out[0]
}

#[derive(Clone, Copy)]
enum Rows<'a> {
    F32(&'a [f32]),
    F16(&'a [u16]),
    Bf16(&'a [u16]),
}

#[expect(
    unsafe_code,
    reason = "the instructions a function is compiled for were just detected"
)]
fn dispatch(w: Rows<'_>, x: &[f32], cols: usize, out: &mut [f32]) {
    match level() {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { avx512(w, x, cols, out) },
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { avx2(w, x, cols, out) },
        Level::Plain => plain(w, x, cols, out),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma,f16c")]
fn avx512(w: Rows<'_>, x: &[f32], cols: usize, out: &mut [f32]) {
    run::<true, 4, 4>(w, x, cols, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
fn avx2(w: Rows<'_>, x: &[f32], cols: usize, out: &mut [f32]) {
    run::<true, 2, 3>(w, x, cols, out);
}

fn plain(w: Rows<'_>, x: &[f32], cols: usize, out: &mut [f32]) {
    // On x86 without a fused multiply-add `mul_add` would be a function call.
    run::<{ cfg!(not(target_arch = "x86_64")) }, 2, 2>(w, x, cols, out);
}

/// `R` rows by `N` tokens are summed at a time: what fits the registers.
#[inline(always)]
fn run<const FUSED: bool, const R: usize, const N: usize>(
    w: Rows<'_>,
    x: &[f32],
    cols: usize,
    out: &mut [f32],
) {
    let n = x.len() / cols;
    match w {
        Rows::F32(w) => all_rows::<FUSED, f32, R, N>(w, x, cols, out),
        Rows::Bf16(w) if n <= N => all_rows::<FUSED, u16, R, N>(w, x, cols, out),
        Rows::Bf16(w) => {
            let mut buffer = vec![0.0; R * cols];
            for (from, out) in w.chunks(R * cols).zip(out.chunks_mut(R * n)) {
                let rows = &mut buffer[..from.len()];
                for (to, it) in rows.iter_mut().zip(from) {
                    *to = it.widen();
                }
                all_rows::<FUSED, f32, R, N>(rows, x, cols, out);
            }
        }
        Rows::F16(w) => {
            use half::slice::{HalfBitsSliceExt as _, HalfFloatSliceExt as _};
            let mut buffer = vec![0.0; R * cols];
            for (from, out) in w.chunks(R * cols).zip(out.chunks_mut(R * n)) {
                let rows = &mut buffer[..from.len()];
                from.reinterpret_cast::<half::f16>()
                    .convert_to_f32_slice(rows);
                all_rows::<FUSED, f32, R, N>(rows, x, cols, out);
            }
        }
    }
}

/// A stored number that widens to f32 in a register.
trait Stored: Copy {
    fn widen(self) -> f32;
}

impl Stored for f32 {
    #[inline(always)]
    fn widen(self) -> f32 {
        self
    }
}

/// Bits of a bf16.
impl Stored for u16 {
    #[inline(always)]
    fn widen(self) -> f32 {
        f32::from_bits(u32::from(self) << 16)
    }
}

/// Blocks of R rows × N tokens, of 4 rows × 1 token where there is one: enough sums in flight to
/// hide the time a multiply-add takes.
#[inline(always)]
fn all_rows<const FUSED: bool, W: Stored, const R: usize, const N: usize>(
    w: &[W],
    x: &[f32],
    cols: usize,
    out: &mut [f32],
) {
    let n = x.len() / cols;
    let rows = out.len() / n;
    let mut r = 0;
    if n == 1 {
        r = band::<FUSED, W, 4, 1>(w, x, cols, out, 0);
    }
    r = band::<FUSED, W, R, N>(w, x, cols, out, r);
    debug_assert!(r + R > rows);
    band::<FUSED, W, 1, N>(w, x, cols, out, r);
}

/// Whole bands of R rows from row `first` on; returns the first row not done.
#[inline(always)]
fn band<const FUSED: bool, W: Stored, const R: usize, const N: usize>(
    w: &[W],
    x: &[f32],
    cols: usize,
    out: &mut [f32],
    first: usize,
) -> usize {
    let n = x.len() / cols;
    let rows = out.len() / n;
    let mut r = first;
    while r + R <= rows {
        let band: [&[W]; R] = std::array::from_fn(|i| &w[(r + i) * cols..(r + i + 1) * cols]);
        let mut t = 0;
        while t + N <= n {
            tile::<FUSED, W, R, N>(band, x, t, &mut out[r * n..], n);
            t += N;
        }
        if t + 2 <= n {
            tile::<FUSED, W, R, 2>(band, x, t, &mut out[r * n..], n);
            t += 2;
        }
        for t in t..n {
            tile::<FUSED, W, R, 1>(band, x, t, &mut out[r * n..], n);
        }
        r += R;
    }
    r
}

/// R rows by the N tokens from `t` on, into `out: [R.., n]`.
#[inline(always)]
fn tile<const FUSED: bool, W: Stored, const R: usize, const N: usize>(
    band: [&[W]; R],
    x: &[f32],
    t: usize,
    out: &mut [f32],
    n: usize,
) {
    let cols = band[0].len();
    let tokens: [&[f32]; N] = std::array::from_fn(|i| &x[(t + i) * cols..(t + i + 1) * cols]);
    let sums = block::<FUSED, W, R, N>(band, tokens);
    for i in 0..R {
        out[i * n + t..i * n + t + N].copy_from_slice(&sums[i]);
    }
}

/// `[R, N]` dot products, each summed in the same order: lane by lane, then the lanes as a tree.
#[inline(always)]
fn block<const FUSED: bool, W: Stored, const R: usize, const N: usize>(
    w: [&[W]; R],
    x: [&[f32]; N],
) -> [[f32; N]; R] {
    let cols = x[0].len();
    let whole = cols - cols % LANES;
    let mut sums = [[[0.0f32; LANES]; N]; R];
    let mut c = 0;
    while c < whole {
        let mut xs = [[0.0f32; LANES]; N];
        for n in 0..N {
            xs[n].copy_from_slice(&x[n][c..c + LANES]);
        }
        for r in 0..R {
            let mut ws = [0.0f32; LANES];
            let from = &w[r][c..c + LANES];
            for i in 0..LANES {
                ws[i] = from[i].widen();
            }
            for n in 0..N {
                for i in 0..LANES {
                    sums[r][n][i] = add_product::<FUSED>(ws[i], xs[n][i], sums[r][n][i]);
                }
            }
        }
        c += LANES;
    }
    let mut out = [[0.0; N]; R];
    for r in 0..R {
        for n in 0..N {
            let lanes = &mut sums[r][n];
            for i in whole..cols {
                lanes[i - whole] = add_product::<FUSED>(w[r][i].widen(), x[n][i], lanes[i - whole]);
            }
            out[r][n] = tree(lanes);
        }
    }
    out
}

#[inline(always)]
fn add_product<const FUSED: bool>(a: f32, b: f32, sum: f32) -> f32 {
    if FUSED {
        a.mul_add(b, sum)
    } else {
        a * b + sum
    }
}

#[inline(always)]
fn tree(lanes: &mut [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
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
            for stored in [Numbers::F32(&w), Numbers::Bf16(&bf16), Numbers::F16(&f16)] {
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

    fn exact(w: Numbers<'_>, r: usize, x: &[f32]) -> f64 {
        let at = |i: usize| match w {
            Numbers::F32(it) => it[i],
            Numbers::Bf16(it) => half::bf16::from_bits(it[i]).to_f32(),
            Numbers::F16(it) => half::f16::from_bits(it[i]).to_f32(),
        };
        let first = r * x.len();
        x.iter()
            .enumerate()
            .map(|(c, x)| f64::from(*x) * f64::from(at(first + c)))
            .sum()
    }
}
