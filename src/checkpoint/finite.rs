//! Which numbers of a weight are none: NaN, or infinite.
//!
//! f32, f16 and bf16 are told by the bits of their exponents, at the speed of memory; numbers in blocks and planes are
//! widened row by row.

use rayon::prelude::*;

use super::{Stored, WeightView};
use crate::formats::Dtype;

/// Numbers that a thread looks at in one go.
const TURN: usize = 1 << 16;

/// The first number of a weight that is none, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoNumber {
    /// Row of the tensor it stands in, from 0.
    pub row: usize,
    /// Its place in the row.
    pub col: usize,
    /// NaN, or an infinity.
    pub value: f32,
    /// How many there are.
    pub n: u64,
}

impl WeightView {
    /// The first number that is NaN or infinite, row by row; none where every one is finite.
    #[must_use]
    pub fn no_number(&self) -> Option<NoNumber> {
        let (rows, cols) = self.shape();
        if rows * cols == 0 {
            return None;
        }
        if let Stored::Rows(dtype, bytes) = self.stored()
            && is_finite_by_bits(dtype, bytes) == Some(true)
        {
            return None;
        }
        let rows_a_turn = (TURN / cols).max(1);
        let found = (0..rows.div_ceil(rows_a_turn)).into_par_iter().map(|turn| {
            let first = turn * rows_a_turn;
            self.in_these(first..(first + rows_a_turn).min(rows))
        });
        found.reduce(|| None, earlier)
    }

    fn in_these(&self, rows: std::ops::Range<usize>) -> Option<NoNumber> {
        let mut numbers = vec![0.0f32; self.shape().1];
        let mut first = None;
        for row in rows {
            self.widen_row(row, &mut numbers);
            let bad = numbers.iter().enumerate().filter(|it| !it.1.is_finite());
            for (col, value) in bad {
                let one = NoNumber {
                    row,
                    col,
                    value: *value,
                    n: 1,
                };
                first = earlier(first, Some(one));
            }
        }
        first
    }
}

/// The one that comes first, with the number of both.
fn earlier(a: Option<NoNumber>, b: Option<NoNumber>) -> Option<NoNumber> {
    match (a, b) {
        (Some(a), Some(b)) => {
            let first = if (b.row, b.col) < (a.row, a.col) {
                b
            } else {
                a
            };
            Some(NoNumber {
                n: a.n + b.n,
                ..first
            })
        }
        (a, b) => a.or(b),
    }
}

/// Whether no exponent is all ones; none where numbers lie in blocks.
fn is_finite_by_bits(dtype: Dtype, bytes: &[u8]) -> Option<bool> {
    let of_two = |mask: u16| {
        let turns = bytes.par_chunks(2 * TURN);
        turns.all(|it| {
            let (numbers, _) = it.as_chunks::<2>();
            numbers
                .iter()
                .all(|it| u16::from_le_bytes(*it) & mask != mask)
        })
    };
    match dtype {
        Dtype::Bf16 => Some(of_two(0x7f80)),
        Dtype::F16 => Some(of_two(0x7c00)),
        Dtype::F32 => Some(bytes.par_chunks(4 * TURN).all(|it| {
            let (numbers, _) = it.as_chunks::<4>();
            numbers
                .iter()
                .all(|it| u32::from_le_bytes(*it) & 0x7f80_0000 != 0x7f80_0000)
        })),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::checkpoint::Blob;
    use crate::formats::F16;

    fn view(dtype: Dtype, numbers: &[f32], cols: usize) -> WeightView {
        let mut bytes: Vec<u8> = numbers
            .iter()
            .flat_map(|it| match dtype {
                Dtype::Bf16 => it.to_le_bytes()[2..].to_vec(),
                Dtype::F16 => F16::from_f32(*it).0.to_vec(),
                _ => it.to_le_bytes().to_vec(),
            })
            .collect();
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        let (words, _) = bytes.as_chunks::<4>();
        let words = words.iter().map(|it| u32::from_ne_bytes(*it)).collect();
        let blob = Blob::Memory(Arc::new(words));
        WeightView::new(&blob, 0, dtype, numbers.len() / cols, cols).unwrap()
    }

    #[test]
    fn the_first_that_is_none_is_named_and_all_are_counted() {
        for dtype in [Dtype::F32, Dtype::F16, Dtype::Bf16] {
            let mut numbers = vec![0.5f32; 6 * 7];
            assert_eq!(view(dtype, &numbers, 7).no_number(), None);
            numbers[3 * 7 + 4] = f32::NAN;
            numbers[5 * 7] = f32::NEG_INFINITY;
            let it = view(dtype, &numbers, 7).no_number().unwrap();
            assert_eq!((it.row, it.col, it.n), (3, 4, 2), "{dtype:?}");
            assert!(it.value.is_nan());
            numbers[2] = f32::INFINITY;
            let it = view(dtype, &numbers, 7).no_number().unwrap();
            assert_eq!((it.row, it.col, it.n), (0, 2, 3), "{dtype:?}");
            assert!(it.value.is_infinite() && it.value > 0.0);
        }
    }

    #[test]
    fn the_largest_numbers_of_a_format_are_numbers() {
        for (dtype, most) in [
            (Dtype::F32, f32::MAX),
            (Dtype::F16, 65504.0),
            (Dtype::Bf16, f32::from_bits(0x7f7f_0000)),
        ] {
            assert_eq!(view(dtype, &[most, -most, 0.0, -0.0], 2).no_number(), None);
        }
    }
}
