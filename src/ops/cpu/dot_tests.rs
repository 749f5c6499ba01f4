//! Products over shapes and formats, against f64 and against each token alone, in all kinds of registers.

use super::*;

fn numbers(n: usize, seed: u32) -> Vec<f32> {
    (0..n as u32)
        .map(|i| ((i.wrapping_mul(747_796_405).wrapping_add(seed) >> 9) as f32 / 4_194_304.0) - 1.0)
        .collect()
}

/// Rows of blocks of random bits, none with a number that is not finite or large.
fn stored(dtype: Dtype, rows: usize, cols: usize) -> Option<Vec<u8>> {
    let n_bytes = rows * dtype.row_bytes(cols)?;
    let mut bytes = Vec::with_capacity(n_bytes);
    let mut numbers = vec![0.0; dtype.block_numbers()];
    let mut state = 1_u64;
    while bytes.len() < n_bytes {
        let mut next = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(99);
            (state >> 56) as u8
        };
        let block: Vec<u8> = (0..dtype.block_bytes()).map(|_| next()).collect();
        dtype.decode(&block, &mut numbers);
        if numbers.iter().all(|it| it.abs() < 1e4) {
            bytes.extend(block);
        }
    }
    Some(bytes)
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
        (13, 256, 6),
        (5, 2048, 2),
    ] {
        for dtype in Dtype::ALL {
            if let Some(bytes) = stored(dtype, rows, cols) {
                let bytes = &bytes;
                check(StoredRows { dtype, bytes, cols }, rows, n);
            }
        }
    }
}

fn check(w: StoredRows<'_>, rows: usize, n: usize) {
    let cols = w.cols;
    let x = numbers(n * cols, 9);
    let mut all = vec![0.0; rows * n];
    dot_rows(w, 0, &x, &mut all);
    let mut wide = vec![0.0; rows * cols];
    w.dtype.decode(w.bytes, &mut wide);
    for (t, x) in x.chunks(cols).enumerate() {
        let mut alone = vec![0.0; rows];
        dot_rows(w, 0, x, &mut alone);
        for (r, wide) in wide.chunks(cols).enumerate() {
            let (batch, alone) = (all[r * n + t], alone[r]);
            let what = format!("{:?} {rows} {cols} {n} at {r} {t}", w.dtype);
            assert_eq!(batch.to_bits(), alone.to_bits(), "{what}");
            let products = x
                .iter()
                .zip(wide)
                .map(|(x, w)| f64::from(*x) * f64::from(*w));
            let size: f64 = products.clone().map(f64::abs).sum();
            let exact: f64 = products.sum();
            let off = (f64::from(alone) - exact).abs();
            assert!(off <= 1e-6 * size, "{what}: {alone} for {exact}");
        }
    }
    let mut part = vec![0.0; n];
    dot_rows(w, rows - 1, &x, &mut part);
    assert_eq!(part, all[(rows - 1) * n..]);
}

/// A kind of registers, and what multiplies in them.
type Kind = (&'static str, fn(Work<'_>, &mut [f32]));

/// Those that this processor has.
fn kinds() -> Vec<Kind> {
    let mut out: Vec<Kind> = vec![("plain Rust", plain)];
    #[cfg(target_arch = "x86_64")]
    if has_avx2() {
        out.push(("AVX2", in_avx2));
        if is_x86_feature_detected!("avx512f") {
            out.push(("AVX-512", in_avx512));
        }
    }
    out
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "listed only where it was detected")]
fn in_avx2(work: Work<'_>, out: &mut [f32]) {
    unsafe { avx2(work, out) }
}

#[cfg(target_arch = "x86_64")]
#[expect(unsafe_code, reason = "listed only where it was detected")]
fn in_avx512(work: Work<'_>, out: &mut [f32]) {
    unsafe { avx512(work, out) }
}

/// Rows and tokens that are no multiples of what is summed together, few columns and many.
#[test]
fn every_kind_of_registers_gives_a_token_the_same_bits_in_any_batch() {
    for (rows, cols, n) in [
        (1, 1, 5),
        (3, 15, 6),
        (8, 16, 5),
        (9, 17, 7),
        (17, 530, 13),
        (15, 1056, 8),
        (24, 512, 19),
        (7, 256, 70),
        (2, 2048, 131),
    ] {
        for dtype in Dtype::ALL {
            let Some(bytes) = stored(dtype, rows, cols) else {
                continue;
            };
            let bytes = &bytes;
            let (w, x) = (StoredRows { dtype, bytes, cols }, numbers(n * cols, 5));
            for (kind, multiply) in kinds() {
                let mut all = vec![f32::NAN; rows * n];
                multiply(Work::Rows(w, &x, false), &mut all);
                for (t, x) in x.chunks(cols).enumerate() {
                    let mut alone = vec![f32::NAN; rows];
                    multiply(Work::Rows(w, x, false), &mut alone);
                    for r in 0..rows {
                        let what = format!("{dtype:?} in {kind}: {rows} {cols} {n} at {r} {t}");
                        assert_eq!(all[r * n + t].to_bits(), alone[r].to_bits(), "{what}");
                    }
                }
            }
        }
    }
}
