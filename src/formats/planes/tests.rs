//! Planes against numbers worked by hand, and what is at the edges of each.

use super::{
    Factor, Level, Offset, Packing, PlaneFormat, PlaneRows, ScaleOrder, ScaleType, Sharing,
    ZeroPlus,
};
use crate::formats::{Mxfp4, Nvfp4};

fn format(level: Level, sharing: Sharing, scale: ScaleType) -> PlaneFormat {
    PlaneFormat {
        name: "test",
        level,
        packing: Packing::Rows,
        sharing,
        scale,
        scale_order: ScaleOrder::Rows,
        offset: Offset::None,
        factor: Factor::None,
        has_order: false,
    }
}

fn planes<'a>(
    format: PlaneFormat,
    levels: &'a [u8],
    scales: &'a [u8],
    [matrix_rows, cols]: [usize; 2],
) -> PlaneRows<'a> {
    PlaneRows {
        format,
        levels,
        scales,
        offsets: &[],
        factors: &[],
        order: &[],
        matrix_rows,
        cols,
        first: 0,
        step: 1,
    }
}

fn widened(it: &PlaneRows<'_>, rows: usize) -> Vec<f32> {
    let mut out = vec![9.0; rows * it.cols];
    it.widen(0..rows, &mut out);
    out
}

fn f32s(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|it| it.to_le_bytes()).collect()
}

fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|it| it.to_le_bytes()).collect()
}

/// 1, 1.5, -2, 0.25 in e4m3.
const FP8: [u8; 4] = [0x38, 0x3C, 0xC0, 0x28];

#[test]
fn blocks_are_cut_at_the_edge_of_each_matrix() {
    // Two matrices of 3 rows: blocks of 2 × 2 leave one row and none over.
    let sharing = Sharing::Block(2, 2);
    let levels = [FP8; 6].concat();
    let scales = f32s(&[1.0, 10.0, 2.0, 20.0, 3.0, 30.0, 4.0, 40.0]);
    let it = planes(
        format(Level::F8E4M3, sharing, ScaleType::F32),
        &levels,
        &scales,
        [3, 4],
    );
    let row = |a: f32, b: f32| [a, 1.5 * a, -2.0 * b, 0.25 * b];
    let want = [(1, 10), (1, 10), (2, 20), (3, 30), (3, 30), (4, 40)];
    let want: Vec<f32> = want
        .iter()
        .flat_map(|(a, b)| row(*a as f32, *b as f32))
        .collect();
    assert_eq!(widened(&it, 6), want);
    // Every other row, from the second on.
    let some = PlaneRows {
        first: 1,
        step: 2,
        ..it
    };
    assert_eq!(widened(&some, 3)[..4], row(1.0, 10.0));
    assert_eq!(widened(&some, 3)[4..8], row(3.0, 30.0));
    assert_eq!(widened(&some, 3)[8..], row(4.0, 40.0));
}

/// Two rows of two blocks, and the same in another matrix under another factor.
#[test]
fn ggml_s_nvfp4_lies_in_blocks_and_a_factor_stands_on_each_matrix() {
    let byte = |i: usize| (i * 37 + i / 7 * 11) as u8;
    let mut bytes: Vec<u8> = (0..8 * 36).map(byte).collect();
    // A scale that ggml takes for 0, and the largest.
    (bytes[36], bytes[37]) = (0x7F, 0x7E);
    let factors = f32s(&[2.0, 0.5]);
    let format = PlaneFormat {
        packing: Packing::NvBlocks,
        scale_order: ScaleOrder::NvBlocks,
        factor: Factor::Times,
        ..format(Level::Fp4, Sharing::Group(16), ScaleType::Ue4m3)
    };
    assert_eq!(2 * format.n_bytes(2, 128), bytes.len() + 8);
    let it = PlaneRows {
        factors: &factors,
        ..planes(format, &bytes, &bytes, [2, 128])
    };
    let blocks: &[Nvfp4] = bytemuck::cast_slice(&bytes);
    let numbers = blocks.iter().flat_map(crate::formats::Block::decode);
    let want: Vec<f32> = numbers
        .enumerate()
        .map(|(i, it)| it * if i < 256 { 2.0 } else { 0.5 })
        .collect();
    assert_eq!(widened(&it, 4), want);
    assert!(want[64..80].iter().all(|it| *it == 0.0) && want[80..96].iter().any(|it| *it != 0.0));
}

#[test]
fn what_shares_a_scale_is_counted_in_its_bytes() {
    let bytes = |sharing| format(Level::F8E4M3, sharing, ScaleType::F32).n_bytes(130, 200);
    assert_eq!(bytes(Sharing::Matrix), 130 * 200 + 4);
    assert_eq!(bytes(Sharing::Row), 130 * 200 + 4 * 130);
    assert_eq!(bytes(Sharing::Block(128, 128)), 130 * 200 + 4 * 4);
    let of_halves = format(Level::Fp4, Sharing::Group(32), ScaleType::E8M0);
    assert_eq!(of_halves.n_bytes(2, 64), 64 + 4);
    assert_eq!(of_halves.label(), "test by 32");
}

/// The numbers of gpt-oss's blocks are those of GGUF's, which orders them otherwise.
#[test]
fn powers_of_two_scale_as_in_blocks_of_gguf() {
    let levels: Vec<u8> = (0..16)
        .map(|i| (i * 2 % 16) | (((i * 2 + 1) % 16) << 4))
        .collect();
    for e in [0, 1, 2, 119, 127, 254, 255] {
        let it = planes(
            format(Level::Fp4, Sharing::Group(32), ScaleType::E8M0),
            &levels,
            std::slice::from_ref(&e),
            [1, 32],
        );
        // Levels 0 to 15, twice.
        let qs = std::array::from_fn(|j| (j as u8) | (j as u8) << 4);
        let want = crate::formats::Block::decode(&Mxfp4 { e, qs });
        let bits = |it: &[f32]| it.iter().map(|it| it.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&widened(&it, 1)), bits(&want), "{e}");
    }
}

/// Beside floats of 8 bits they are no halves.
#[test]
fn powers_of_two_scale_floats_of_8_bits() {
    let levels = FP8.repeat(8);
    for e in [0, 1, 2, 119, 127, 253, 254] {
        let it = planes(
            format(Level::F8E4M3, Sharing::Group(32), ScaleType::E8M0),
            &levels,
            std::slice::from_ref(&e),
            [1, 32],
        );
        let scale = 2f64.powi(i32::from(e) - 127);
        let want = [1.0, 1.5, -2.0, 0.25].map(|it| (it * scale) as f32);
        assert_eq!(widened(&it, 1), want.repeat(8), "{e}");
    }
}

#[test]
fn words_of_rows_are_in_the_order_of_awq() {
    // One column: the word holds rows 0, 2, 4, 6, 1, 3, 5, 7, from the lowest half byte.
    let mut of_awq = format(Level::U4, Sharing::Row, ScaleType::F32);
    of_awq.packing = Packing::WordsOfRows;
    of_awq.scale_order = ScaleOrder::Groups;
    let levels = words(&[0x7531_6420]);
    let scales = f32s(&[1.0, 1.0, 1.0, 1.0, 10.0, 10.0, 10.0, 10.0]);
    let it = planes(of_awq, &levels, &scales, [8, 1]);
    let want = [0.0, 1.0, 2.0, 3.0, 40.0, 50.0, 60.0, 70.0];
    assert_eq!(widened(&it, 8), want);
    let some = PlaneRows {
        first: 3,
        step: 2,
        ..it
    };
    assert_eq!(widened(&some, 3), [3.0, 50.0, 70.0]);
    // Zero points in the same order, one taken off each.
    of_awq.offset = Offset::Zeros {
        bits: 4,
        is_awq: true,
        plus: ZeroPlus::One,
    };
    let zeros = words(&[0x7531_6420]);
    let it = PlaneRows {
        format: of_awq,
        offsets: &zeros,
        ..it
    };
    let want = [-1.0, -1.0, -1.0, -1.0, -10.0, -10.0, -10.0, -10.0];
    assert_eq!(widened(&it, 8), want);
}

#[test]
fn words_of_columns_begin_with_the_lowest_bits() {
    let mut of_gptq = format(Level::U4, Sharing::Group(4), ScaleType::F32);
    of_gptq.packing = Packing::WordsOfColumns;
    of_gptq.scale_order = ScaleOrder::Groups;
    let levels = words(&[0x7654_3210, 0xFEDC_BA98]);
    let scales = f32s(&[1.0, 2.0, 10.0, 20.0]);
    let it = planes(of_gptq, &levels, &scales, [2, 8]);
    let want = [0.0, 1.0, 2.0, 3.0, 40.0, 50.0, 60.0, 70.0];
    assert_eq!(widened(&it, 1), want);
    assert_eq!(widened(&it, 2)[8..10], [16.0, 18.0]);
    // Groups the other way round, and one that there is not.
    of_gptq.has_order = true;
    let order = words(&[1, 1, 1, 1, 0, 0, 0, 7]);
    let it = PlaneRows {
        format: of_gptq,
        order: &order,
        ..it
    };
    let out = widened(&it, 1);
    assert_eq!(out[..7], [0.0, 10.0, 20.0, 30.0, 4.0, 5.0, 6.0]);
    assert!(out[7].is_nan());
}

#[test]
fn what_is_no_longer_there_is_nan_and_nothing_else_happens() {
    for packing in [Packing::Rows, Packing::WordsOfColumns, Packing::WordsOfRows] {
        let mut it = format(Level::U4, Sharing::Group(16), ScaleType::F32);
        it.packing = packing;
        let rows = planes(it, &[], &[], [8, 48]);
        assert!(
            widened(&rows, 8).iter().all(|it| it.is_nan()),
            "{packing:?}"
        );
        assert!(widened(&planes(it, &[], &[], [8, 0]), 8).is_empty());
    }
}
