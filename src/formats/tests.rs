//! Every format against ggml's own numbers, to the bit.

use std::collections::HashMap;

use safetensors::SafeTensors;

use super::*;

/// Blocks and what ggml makes of them: edge cases first (scales of 0, below 0, subnormal, largest; all
/// bits set, none), then random ones. `tests/golden/README.md` says where they are from.
const BLOCKS: &[u8] = include_bytes!("../../tests/golden/blocks.safetensors");

/// `Q4_K` for `q4_k`.
fn ggml_name(dtype: Dtype) -> String {
    dtype.label().to_uppercase()
}

/// Blocks of a format, and their numbers.
fn golden(file: &SafeTensors<'_>, dtype: Dtype) -> Option<(Vec<u8>, Vec<f32>)> {
    let part = |it: &str| file.tensor(&format!("{}.{it}", ggml_name(dtype))).ok();
    let values = part("values")?.data().as_chunks().0;
    let values = values.iter().map(|it| f32::from_le_bytes(*it));
    Some((part("blocks")?.data().to_vec(), values.collect()))
}

fn bits(numbers: &[f32]) -> Vec<u32> {
    numbers.iter().map(|it| it.to_bits()).collect()
}

#[test]
fn every_block_says_what_ggml_reads_in_it() {
    let file = SafeTensors::deserialize(BLOCKS).unwrap();
    let mut n_compared = 0;
    for dtype in Dtype::ALL {
        let Some((blocks, want)) = golden(&file, dtype) else {
            assert!(matches!(dtype, Dtype::F32 | Dtype::F8E4M3), "{dtype:?}");
            continue;
        };
        let n_blocks = blocks.len() / dtype.block_bytes();
        assert_eq!(n_blocks * dtype.block_numbers(), want.len(), "{dtype:?}");
        assert!(n_blocks >= 16, "{dtype:?}");
        let mut got = vec![0.0; want.len()];
        dtype.decode(&blocks, &mut got);
        for (i, (got, want)) in bits(&got).into_iter().zip(bits(&want)).enumerate() {
            let (got_number, want_number) = (f32::from_bits(got), f32::from_bits(want));
            assert_eq!(
                got, want,
                "{dtype:?} at {i}: {got_number} for {want_number}"
            );
        }
        n_compared += 1;
    }
    assert_eq!(n_compared, Dtype::ALL.len() - 2);
}

/// candle reads every format it knows as ggml does, numbers and what are none.
#[test]
fn candle_reads_the_same_numbers() {
    let file = SafeTensors::deserialize(BLOCKS).unwrap();
    let mut known = Vec::new();
    for dtype in Dtype::ALL {
        let Some(theirs) = second_opinion(dtype, &[]) else {
            continue;
        };
        assert!(theirs.is_empty());
        known.push(dtype.label());
        let Some((blocks, want)) = golden(&file, dtype) else {
            continue;
        };
        let theirs = second_opinion(dtype, &blocks).unwrap();
        assert_eq!(theirs.len(), want.len());
        for (i, (got, want)) in theirs.into_iter().zip(want).enumerate() {
            assert_eq!(
                ulps_between(got, want),
                0,
                "{dtype:?} at {i}: {got} for {want}"
            );
        }
    }
    let all = "f32 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 q2_k q3_k q4_k q5_k q6_k";
    assert_eq!(known.join(" "), all);
}

#[test]
fn distances_are_counted_in_steps_of_f32() {
    let check = |a: f32, b: f32, want| {
        assert_eq!(ulps_between(a, b), want);
        assert_eq!(ulps_between(b, a), want);
    };
    check(1.0, 1.0, 0);
    check(1.0, 1.0 + f32::EPSILON, 1);
    check(0.0, -0.0, 0);
    check(f32::from_bits(1), -f32::from_bits(1), 2);
    check(f32::MAX, f32::INFINITY, 1);
    check(f32::NAN, -f32::NAN, 0);
    check(f32::NAN, 1.0, u32::MAX);
    check(f32::INFINITY, f32::NEG_INFINITY, 0xFF00_0000);
}

/// What is not aligned is read as well, and what is no whole block is left alone.
#[test]
fn blocks_are_read_at_any_address() {
    let file = SafeTensors::deserialize(BLOCKS).unwrap();
    for (dtype, (blocks, want)) in Dtype::ALL
        .iter()
        .filter_map(|it| Some((it, golden(&file, *it)?)))
    {
        for shift in 1..4 {
            let moved = [&vec![0xFF; shift][..], &blocks[..blocks.len() - 1]].concat();
            let mut got = vec![7.0; want.len()];
            dtype.decode(&moved[shift..], &mut got);
            let n_whole = want.len() - dtype.block_numbers();
            assert_eq!(bits(&got[..n_whole]), bits(&want[..n_whole]), "{dtype:?}");
            assert!(
                got[n_whole..]
                    .iter()
                    .all(|it| it.to_bits() == 7f32.to_bits())
            );
        }
    }
}

/// Scales of every kind: none panics, and only what is not finite makes numbers that are not.
#[test]
fn no_block_panics() {
    for dtype in Dtype::ALL {
        let mut out = vec![0.0; dtype.block_numbers()];
        for byte in 0..=255 {
            dtype.decode(&vec![byte; dtype.block_bytes()], &mut out);
        }
    }
    let infinite = Q4K {
        d: F16([0x00, 0x7C]),
        dmin: F16([0; 2]),
        scales: [1; 12],
        qs: [0x10; 128],
    };
    let got = infinite.decode();
    assert!(got[0].is_nan() && got[32].is_infinite());
}

#[test]
fn numbers_of_fp8_are_those_of_its_standard() {
    let check = |byte: u8, want: f32| assert_eq!(F8E4M3(byte).to_f32().to_bits(), want.to_bits());
    check(0x00, 0.0);
    check(0x80, -0.0);
    check(0x01, 0.001_953_125);
    check(0x07, 0.013_671_875);
    check(0x08, 0.015_625);
    check(0x38, 1.0);
    check(0xBC, -1.5);
    check(0x7E, 448.0);
    check(0xFE, -448.0);
    assert!(F8E4M3(0x7F).to_f32().is_nan() && F8E4M3(0xFF).to_f32().is_nan());
    let sizes: Vec<f32> = (0..0x7F).map(|it| F8E4M3(it).to_f32()).collect();
    assert!(sizes.is_sorted_by(|a, b| a < b));
}

/// Ids, names and sizes as in `ggml.h` and `ggml-common.h`; ids of no format of weights.
#[test]
fn the_list_is_that_of_ggml() {
    let known = [
        (0, "f32", 1, 4),
        (1, "f16", 1, 2),
        (2, "q4_0", 32, 18),
        (3, "q4_1", 32, 20),
        (6, "q5_0", 32, 22),
        (7, "q5_1", 32, 24),
        (8, "q8_0", 32, 34),
        (10, "q2_k", 256, 84),
        (11, "q3_k", 256, 110),
        (12, "q4_k", 256, 144),
        (13, "q5_k", 256, 176),
        (14, "q6_k", 256, 210),
        (16, "iq2_xxs", 256, 66),
        (17, "iq2_xs", 256, 74),
        (18, "iq3_xxs", 256, 98),
        (19, "iq1_s", 256, 50),
        (20, "iq4_nl", 32, 18),
        (21, "iq3_s", 256, 110),
        (22, "iq2_s", 256, 82),
        (23, "iq4_xs", 256, 136),
        (29, "iq1_m", 256, 56),
        (30, "bf16", 1, 2),
        (34, "tq1_0", 256, 54),
        (35, "tq2_0", 256, 66),
        (39, "mxfp4", 32, 17),
        (40, "nvfp4", 64, 36),
        (41, "q1_0", 128, 18),
        (42, "q2_0", 64, 18),
    ];
    let known: HashMap<u32, _> = known.into_iter().map(|it| (it.0, it)).collect();
    for id in 0..100 {
        let got = Dtype::from_ggml(id);
        let got = got.map(|it| (id, it.label(), it.block_numbers(), it.block_bytes()));
        assert_eq!(got, known.get(&id).copied());
    }
    let without: Vec<Dtype> = Dtype::ALL
        .into_iter()
        .filter(|it| it.ggml_id().is_none())
        .collect();
    assert_eq!(without, [Dtype::F8E4M3]);
}

#[test]
fn rows_are_whole_blocks() {
    assert_eq!(Dtype::F32.row_bytes(7), Some(28));
    assert_eq!(Dtype::Q4K.row_bytes(512), Some(288));
    assert_eq!(Dtype::Q4K.row_bytes(128), None);
    assert_eq!(Dtype::Mxfp4.row_bytes(96), Some(51));
    assert_eq!(Dtype::Q1_0.row_bytes(192), None);
    assert_eq!(Dtype::F32.row_bytes(usize::MAX), None);
    assert_eq!(Dtype::Q8_0.row_bytes(0), Some(0));
}

/// The tables are not damaged: sums over all of them, and what values they have.
#[test]
fn the_patterns_are_those_of_ggml() {
    use super::grids::{IQ1, IQ2_S, IQ2_XS, IQ2_XXS, IQ3_S, IQ3_XXS};
    fn check<T: Copy + Into<i64>>(numbers: impl Iterator<Item = T>, values: &[i64], hash: u64) {
        let numbers: Vec<i64> = numbers.map(Into::into).collect();
        assert!(numbers.iter().all(|it| values.contains(it)));
        // FNV-1a of the bytes.
        let got = numbers.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, it| {
            (hash ^ u64::from(*it as u8)).wrapping_mul(0x100_0000_01b3)
        });
        assert_eq!(got, hash, "{got:#x}");
    }
    let two_bits = [8, 25, 43];
    check(
        IQ2_XXS.iter().flatten().copied(),
        &two_bits,
        0xbb4e_e025_b5ac_6e8e,
    );
    check(
        IQ2_XS.iter().flatten().copied(),
        &two_bits,
        0xc9b1_ee61_e799_09bd,
    );
    check(
        IQ2_S.iter().flatten().copied(),
        &two_bits,
        0x123e_dd38_a3b6_2b90,
    );
    let three_bits = [4, 12, 20, 28, 36, 44, 52, 62];
    check(
        IQ3_XXS.iter().flatten().copied(),
        &three_bits,
        0xdfa5_dc83_d6a1_55d5,
    );
    let odd = [1, 3, 5, 7, 9, 11, 13, 15];
    check(IQ3_S.iter().flatten().copied(), &odd, 0xfa37_020c_25b4_4829);
    check(
        IQ1.iter().flatten().copied(),
        &[-1, 0, 1],
        0x6703_ed86_3501_ae2e,
    );
}
