//! Every format in every kind of registers against its scalar decoder, to the bit.

use super::*;
use crate::formats::{Dtype, Grouped, Single, Visitor};

/// Decodes a row, 16 numbers at a time.
struct Decode<'a, L> {
    bytes: &'a [u8],
    out: Vec<f32>,
    lanes: std::marker::PhantomData<L>,
}

impl<L: Lanes> Visitor for Decode<'_, L> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn single<S: Single>(mut self) -> Vec<f32> {
        let numbers: &[S] = bytemuck::cast_slice(self.bytes);
        for sixteen in numbers.as_chunks().0 {
            self.out.extend(S::lanes::<L>(sixteen).to_array());
        }
        self.out
    }

    #[inline(always)]
    fn grouped<B: Grouped>(mut self) -> Vec<f32> {
        let blocks: &[B] = bytemuck::cast_slice(self.bytes);
        for block in blocks {
            let shared = block.shared::<L>();
            for i in 0..size_of::<B::Numbers>() / 128 {
                for lanes in block.pair::<L>(&shared, i) {
                    self.out.extend(lanes.to_array());
                }
            }
        }
        self.out
    }
}

fn decoded<L: Lanes>(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
    dtype.visit(Decode::<L> {
        bytes,
        out: Vec::new(),
        lanes: std::marker::PhantomData,
    })
}

/// Blocks of random bits, and of one byte over and over.
fn blocks(dtype: Dtype) -> Vec<u8> {
    let (mut state, size) = (7_u64, dtype.block_bytes());
    let mut out: Vec<u8> = (0..=255).flat_map(|it| vec![it; size]).collect();
    for _ in 0..1024 * size {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(99);
        out.push((state >> 56) as u8);
    }
    out
}

fn check(what: &str, decoded: impl Fn(Dtype, &[u8]) -> Vec<f32>) {
    for dtype in Dtype::ALL {
        let bytes = blocks(dtype);
        let n = bytes.len() / dtype.block_bytes() * dtype.block_numbers();
        let mut want = vec![0.0; n];
        dtype.decode(&bytes, &mut want);
        let got = decoded(dtype, &bytes);
        assert_eq!(got.len(), want.len(), "{dtype:?} in {what}");
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            let is_same = got.to_bits() == want.to_bits() || got.is_nan() && want.is_nan();
            assert!(is_same, "{dtype:?} in {what} at {i}: {got} for {want}");
        }
    }
}

/// What planes are read by: halves and words as places, FP8 numbers that are scaled at once.
#[inline(always)]
fn check_planes<L: Lanes>() {
    let bytes: [u8; 64] = std::array::from_fn(|i| (i * 37 + 11) as u8);
    let count = L::f32(&std::array::from_fn(|i| i as f32));
    let same = |got: &[f32], wanted: &[f32]| {
        let bits = |it: &[f32]| it.iter().map(|it| it.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(got), bits(wanted));
    };
    let in_and_out = count.in_order_of_halves().in_order_of_columns();
    same(&in_and_out.to_array(), &count.to_array());
    let f16s: [F16; 8] = std::array::from_fn(|i| F16::from_f32(i as f32 - 2.5));
    same(&L::eight_numbers(f16s), &f16s.map(F16::to_f32));
    let halves = L::places_of_halves(bytes.first_chunk().unwrap());
    let wanted: [f32; N_LANES] =
        std::array::from_fn(|i| f32::from(bytes[i / 2] >> (i % 2 * 4) & 15));
    let found = count.look_up(halves).in_order_of_columns();
    same(&found.to_array(), &wanted);
    let above = L::above_2_23(halves, 15).in_order_of_columns();
    same(&above.to_array(), &wanted.map(|it| it + 8_388_608.0));
    let words = L::places_of_words(bytes.as_chunks().0.first_chunk().unwrap());
    let above = L::above_2_23(L::shifted(words, 8), 255);
    let wanted: [f32; N_LANES] = std::array::from_fn(|i| 8_388_608.0 + f32::from(bytes[4 * i + 1]));
    same(&above.to_array(), &wanted);
    for first in (0..=255_u8).step_by(N_LANES) {
        let numbers: [F8E4M3; N_LANES] = std::array::from_fn(|i| F8E4M3(first + i as u8));
        let sizes = L::f8_e4m3_sizes(L::Bytes::load(&numbers.map(|it| it.0)));
        let wanted = numbers.map(|it| {
            if it.0 & 0x7F == 0x7F {
                480.0
            } else {
                it.to_f32().abs()
            }
        });
        same(&sizes.to_array(), &wanted);
        let by = L::splat(3.0 * 256.0);
        let got = L::f8_e4m3_by(L::Bytes::load(&numbers.map(|it| it.0)), by).to_array();
        for (got, it) in got.iter().zip(numbers) {
            let number = it.to_f32();
            let wanted = if number.is_nan() {
                480.0_f32.copysign(got.signum())
            } else {
                number
            };
            assert_eq!(got.to_bits(), (3.0 * wanted).to_bits(), "{it:?}");
        }
    }
}

/// Sixteen sums at once are those of one after the other, to the bit; every second of 32 numbers is that.
#[inline(always)]
fn check_sums_and_seconds<L: Lanes>() {
    let mut state = 3_u32;
    let mut next = || {
        state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        (state >> 8) as f32 * (-20.0 + (state & 31) as f32).exp2() - 1.0
    };
    let mut from = [[0.0; N_LANES]; N_LANES];
    from.iter_mut().flatten().for_each(|it| *it = next());
    let mut want = from;
    for half in [8, 4, 2, 1] {
        for it in &mut want {
            for i in 0..half {
                it[i] += it[i + half];
            }
        }
    }
    let want = want.map(|it| it[0].to_bits());
    assert_eq!(L::trees(&from).map(f32::to_bits), want);
    let [a, b] = [L::f32(&from[0]), L::f32(&from[1])];
    let both = [from[0], from[1]].concat();
    for (is_odd, first) in [(false, 0), (true, 1)] {
        let want: Vec<u32> = both[first..]
            .iter()
            .map(|it| it.to_bits())
            .step_by(2)
            .collect();
        let got = a.every_second(b, is_odd).to_array().map(f32::to_bits);
        assert_eq!(*want, got, "{first}");
    }
}

#[test]
fn registers_hold_what_blocks_say() {
    check_planes::<Plain>();
    check_sums_and_seconds::<Plain>();
    check("plain Rust", decoded::<Plain>);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
fn planes_in_avx2() {
    check_planes::<Avx2>();
    check_sums_and_seconds::<Avx2>();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma,f16c")]
fn planes_in_avx512() {
    check_planes::<Avx512>();
    check_sums_and_seconds::<Avx512>();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c")]
fn in_avx2(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
    decoded::<Avx2>(dtype, bytes)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma,f16c")]
fn in_avx512(dtype: Dtype, bytes: &[u8]) -> Vec<f32> {
    decoded::<Avx512>(dtype, bytes)
}

/// Where this processor has them.
#[cfg(target_arch = "x86_64")]
#[test]
#[expect(unsafe_code, reason = "the instructions were just detected")]
fn registers_of_x86_hold_what_blocks_say() {
    if is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
    {
        unsafe { planes_in_avx2() };
        check("AVX2", |dtype, bytes| unsafe { in_avx2(dtype, bytes) });
    }
    if is_x86_feature_detected!("avx512f") {
        unsafe { planes_in_avx512() };
        check("AVX-512", |dtype, bytes| unsafe { in_avx512(dtype, bytes) });
    }
}
