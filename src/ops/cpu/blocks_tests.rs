//! Laws of the block formats.

use std::sync::Arc;

use super::*;
use crate::formats::{Block as _, F16};

/// Numbers of a block.
const BLOCK: usize = 32;

/// Numbers that look random, of very different sizes from block to block.
fn numbers(n: usize) -> Vec<f32> {
    let one = |i: u32| {
        let bits = i.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        let unit = (bits >> 8) as f32 / 8_388_608.0 - 1.0;
        unit * (2.0f32).powi(((i / BLOCK as u32) % 9).cast_signed() - 4)
    };
    (0..n as u32).map(one).collect()
}

fn stored(data: &[f32], rows: usize) -> WeightView {
    let words = data.iter().map(|it| it.to_bits()).collect();
    let blob = Blob::Memory(Arc::new(words));
    WeightView::new(&blob, 0, Dtype::F32, rows, data.len() / rows).unwrap()
}

fn largest(block: &[f32]) -> f32 {
    block.iter().fold(0.0, |most, it| most.max(it.abs()))
}

/// `bound`: how far off a number may be, as a part of the largest of its block.
fn check_error(dtype: Dtype, bound: f32) {
    let data = numbers(7 * 96);
    let view = quantized(&stored(&data, 7), dtype).unwrap();
    assert_eq!((view.shape(), view.dtype()), ((7, 96), dtype));
    let mut is_exact = true;
    for (got, want) in view.to_f32().chunks(BLOCK).zip(data.chunks(BLOCK)) {
        for (got, want) in got.iter().zip(want) {
            is_exact &= got.to_bits() == want.to_bits();
        }
        let worst = got.iter().zip(want).map(|(a, b)| (a - b).abs());
        let worst = worst.fold(0.0, f32::max);
        assert!(worst <= bound * largest(want), "{worst} of {want:?}");
    }
    assert!(!is_exact, "random numbers cannot come back as they were");
}

/// Half a level, and what an f16 scale loses at level 127.
#[test]
fn eight_bits_are_off_by_half_a_level() {
    check_error(Dtype::Q8_0, 0.5 / 127.0 + 1.0 / 2048.0);
}

/// A whole level at the end that has none of its own, and what an f16 scale loses.
#[test]
fn four_bits_are_off_by_a_level_at_most() {
    check_error(Dtype::Q4_0, 1.0 / 8.0 + 1.0 / 2048.0);
}

#[test]
fn what_blocks_can_hold_comes_back_exactly() {
    let q8_0 = Q8_0 {
        d: F16::from_f32(0.0123),
        qs: std::array::from_fn(|i| (i as i16 * 8 - 127) as i8),
    };
    assert_eq!(Q8_0::nearest(&q8_0.decode()), q8_0);
    for scale in [0.37, -2.5] {
        let q4_0 = Q4_0 {
            d: F16::from_f32(scale),
            qs: std::array::from_fn(|i| i as u8 | ((i as u8 * 7) << 4)),
        };
        assert_eq!(Q4_0::nearest(&q4_0.decode()), q4_0);
    }
    let nothing = [0.0; BLOCK];
    assert!(largest(&Q8_0::nearest(&nothing).decode()) <= 0.0);
    assert!(largest(&Q4_0::nearest(&nothing).decode()) <= 0.0);
}

/// The layout of GGUF files, byte for byte.
#[test]
fn a_block_lies_in_memory_as_in_a_file() {
    let mut numbers = [0.0; BLOCK];
    (numbers[0], numbers[1], numbers[17]) = (-8.0, 7.0, 3.0);
    let data: Vec<f32> = numbers.iter().chain(&numbers).copied().collect();
    let view = quantized(&stored(&data, 2), Dtype::Q4_0).unwrap();
    let mut want = [0x88u8; 18];
    // f16 of 1; levels -8, 7 and 3 are nibbles 0, 15 and 11.
    want[..4].copy_from_slice(&[0x00, 0x3c, 0x80, 0xbf]);
    assert_eq!(view.row_bytes(1), want);
    numbers[0] = -127.0;
    let data: Vec<f32> = numbers.iter().chain(&numbers).copied().collect();
    let view = quantized(&stored(&data, 2), Dtype::Q8_0).unwrap();
    let mut want = [0u8; 34];
    want[..4].copy_from_slice(&[0x00, 0x3c, 0x81, 0x07]);
    want[2 + 17] = 3;
    assert_eq!(view.row_bytes(1), want);
    assert_eq!(view.n_bytes(), 68);
}

#[test]
fn rows_of_blocks_are_found_where_they_lie() {
    for dtype in [Dtype::Q8_0, Dtype::Q4_0] {
        let view = quantized(&stored(&numbers(5 * 96), 5), dtype).unwrap();
        let part = view.rows(2..4).unwrap();
        assert_eq!(part.shape(), (2, 96));
        assert_eq!(part.to_f32(), view.to_f32()[2 * 96..4 * 96]);
        assert_eq!(part.row_bytes(1), view.row_bytes(3));
        assert_eq!(
            part.bytes(),
            &view.bytes()[2 * part.row_bytes(0).len()..][..part.n_bytes()]
        );
    }
}

#[test]
fn what_has_no_blocks_stays_as_it_is() {
    assert!(quantized(&stored(&numbers(64), 1), Dtype::Q8_0).is_none());
    assert!(quantized(&stored(&numbers(2 * 33), 2), Dtype::Q4_0).is_none());
    assert!(quantized(&stored(&numbers(64), 2), Dtype::Bf16).is_none());
    assert!(WeightView::new(&Blob::Static(&[0; 200]), 0, Dtype::Q8_0, 2, 33).is_none());
    assert!(WeightView::new(&Blob::Static(&[0; 67]), 0, Dtype::Q8_0, 2, 32).is_none());
}

#[test]
fn a_number_that_is_not_finite_shows() {
    for bad in [f32::NAN, f32::INFINITY] {
        let mut data = numbers(2 * 64);
        data[40] = bad;
        for dtype in [Dtype::Q8_0, Dtype::Q4_0] {
            let got = quantized(&stored(&data, 2), dtype).unwrap().to_f32();
            let is_nan: Vec<bool> = got.iter().map(|it| it.is_nan()).collect();
            let want: Vec<bool> = (0..128).map(|it| (32..64).contains(&it)).collect();
            assert_eq!(is_nan, want);
        }
    }
}
