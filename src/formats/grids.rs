//! The patterns of the IQ formats: what a code stands for, four or eight numbers without their signs.
//!
//! Constants of ggml (`ggml-common.h`, MIT licence, Copyright 2023–2026 The ggml authors), one byte
//! a number, in the order of the tables below.

use super::lanes::{Bytes as _, Lanes};

static BYTES: [u8; 33_792] = *include_bytes!("../../assets/formats/iq_grids.bin");

/// Patterns of 8, 25 and 43.
pub static IQ2_XXS: [[u8; 8]; 256] = table(0);
/// Patterns of 8, 25 and 43.
pub static IQ2_XS: [[u8; 8]; 512] = table(2048);
/// Patterns of 8, 25 and 43.
pub static IQ2_S: [[u8; 8]; 1024] = table(6144);
/// Patterns of 4, 12, 20, 28, 36, 44, 52 and 62.
pub static IQ3_XXS: [[u8; 4]; 256] = table(14_336);
/// Patterns of the odd numbers from 1 to 15.
pub static IQ3_S: [[u8; 4]; 512] = table(15_360);
/// Patterns of -1, 0 and 1, for `IQ1_S` and `IQ1_M`.
pub static IQ1: [[i8; 8]; 2048] = signed_table(17_408);

const fn table<const N: usize, const ROWS: usize>(start: usize) -> [[u8; N]; ROWS] {
    let mut out = [[0; N]; ROWS];
    let mut i = 0;
    while i < N * ROWS {
        out[i / N][i % N] = BYTES[start + i];
        i += 1;
    }
    out
}

const fn signed_table<const ROWS: usize>(start: usize) -> [[i8; 8]; ROWS] {
    let mut out = [[0; 8]; ROWS];
    let mut i = 0;
    while i < 8 * ROWS {
        out[i / 8][i % 8] = BYTES[start + i].cast_signed();
        i += 1;
    }
    out
}

/// The same as numbers, for registers to load.
pub static IQ2_XXS_NUMBERS: GridNumbers<8, 256> = numbers(&IQ2_XXS);
/// See [`IQ2_XXS_NUMBERS`].
pub static IQ2_XS_NUMBERS: GridNumbers<8, 512> = numbers(&IQ2_XS);
/// See [`IQ2_XXS_NUMBERS`].
pub static IQ2_S_NUMBERS: GridNumbers<8, 1024> = numbers(&IQ2_S);
/// See [`IQ2_XXS_NUMBERS`].
pub static IQ3_XXS_NUMBERS: GridNumbers<4, 256> = numbers(&IQ3_XXS);
/// See [`IQ2_XXS_NUMBERS`].
pub static IQ3_S_NUMBERS: GridNumbers<4, 512> = numbers(&IQ3_S);
/// The patterns of `IQ1` in eighths, a byte a number: each moved up by one, then each moved down by one.
pub static IQ1_EIGHTHS: Eighths = eighths();

/// Patterns of whole lines of the cache.
#[repr(C, align(64))]
pub struct GridNumbers<const N: usize, const ROWS: usize>(pub [[f32; N]; ROWS]);

/// See [`IQ1_EIGHTHS`].
#[repr(C, align(64))]
pub struct Eighths(pub [u64; 4096]);

const fn numbers<const N: usize, const ROWS: usize>(
    from: &[[u8; N]; ROWS],
) -> GridNumbers<N, ROWS> {
    let mut out = [[0.0; N]; ROWS];
    let mut i = 0;
    while i < N * ROWS {
        out[i / N][i % N] = from[i / N][i % N] as f32;
        i += 1;
    }
    GridNumbers(out)
}

#[expect(clippy::large_stack_arrays, reason = "made by the compiler")]
const fn eighths() -> Eighths {
    let mut out = [0; 4096];
    let mut i = 0;
    while i < 8 * 4096 {
        let by = if i < 8 * 2048 { 1 } else { -1 };
        let number = 8 * IQ1[i / 8 % 2048][i % 8] + by;
        out[i / 8] |= (number.cast_unsigned() as u64) << (i % 8 * 8);
        i += 1;
    }
    Eighths(out)
}

/// Two patterns of four, one after the other.
pub fn joined([a, b, c, d]: [u8; 4], [e, f, g, h]: [u8; 4]) -> [u8; 8] {
    [a, b, c, d, e, f, g, h]
}

/// Two patterns of `IQ1_EIGHTHS`.
#[inline(always)]
pub fn in_eighths<L: Lanes>(first: usize, rest: usize) -> L {
    L::signed(L::Bytes::of(IQ1_EIGHTHS.0[first], IQ1_EIGHTHS.0[rest]))
}
