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

/// Two patterns of four, one after the other.
pub fn joined([a, b, c, d]: [u8; 4], [e, f, g, h]: [u8; 4]) -> [u8; 8] {
    [a, b, c, d, e, f, g, h]
}

/// A pattern as a word, a byte each.
#[inline(always)]
pub fn word(pattern: [u8; 8]) -> u64 {
    u64::from_le_bytes(pattern)
}

/// Two patterns of -1, 0 and 1 in eighths, each moved by some of them.
#[inline(always)]
pub fn in_eighths<L: Lanes>([a, b]: [usize; 2], [first, rest]: [i8; 2]) -> L {
    let word = |code: usize| u64::from_le_bytes(IQ1[code].map(i8::cast_unsigned));
    let eight_times = |it: i8| u64::from_le_bytes([it.cast_unsigned(); 8]);
    let pattern = L::Bytes::of(word(a), word(b));
    let delta = L::Bytes::of(eight_times(first), eight_times(rest));
    L::signed(pattern.up(3).plus(delta))
}
