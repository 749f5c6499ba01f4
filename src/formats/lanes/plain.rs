//! Lanes of plain Rust: every processor has them, and all others are compared with them.

use super::{Bytes, Lanes, N_LANES};
use crate::formats::{Bf16, Block as _, F8E4M3, F16, F32, f8_e4m3::SCALE_OF_F16};

/// Sixteen numbers in an array.
#[derive(Clone, Copy)]
pub struct Plain([f32; N_LANES]);

impl Lanes for Plain {
    type Bytes = PlainBytes;
    type Places = [u32; N_LANES];

    #[inline(always)]
    fn zero() -> Self {
        Self([0.0; N_LANES])
    }

    #[inline(always)]
    fn f32(from: &[f32; N_LANES]) -> Self {
        Self(*from)
    }

    #[inline(always)]
    fn stored_f32(from: &[F32; N_LANES]) -> Self {
        Self(from.map(|it| it.decode()[0]))
    }

    #[inline(always)]
    fn bf16(from: &[Bf16; N_LANES]) -> Self {
        Self(from.map(|it| it.decode()[0]))
    }

    #[inline(always)]
    fn f16(from: &[F16; N_LANES]) -> Self {
        Self(from.map(F16::to_f32))
    }

    #[inline(always)]
    fn f8_e4m3(from: &[F8E4M3; N_LANES]) -> Self {
        Self(from.map(F8E4M3::to_f32))
    }

    #[inline(always)]
    fn f8_e4m3_by(from: PlainBytes, by: Self) -> Self {
        // As bits of an f32, whose bias is 112 more than that of an f16: this product is exact, and made of vectors anywhere.
        let bits = from
            .0
            .map(|it| u32::from(it & 0x80) << 24 | u32::from(it & 0x7F) << 20);
        let as_f16 = Self(bits.map(f32::from_bits)).times(Self::splat(2f32.powi(112)));
        as_f16.times(by)
    }

    #[inline(always)]
    fn f8_e4m3_sizes(from: PlainBytes) -> Self {
        let sizes = PlainBytes(from.0.map(|it| it & 0x7F));
        Self::f8_e4m3_by(sizes, Self::splat(SCALE_OF_F16))
    }

    #[inline(always)]
    fn signed(from: PlainBytes) -> Self {
        Self(from.0.map(|it| f32::from(it.cast_signed())))
    }

    #[inline(always)]
    fn unsigned(from: PlainBytes) -> Self {
        Self(from.0.map(f32::from))
    }

    #[inline(always)]
    fn splat(it: f32) -> Self {
        Self([it; N_LANES])
    }

    #[inline(always)]
    fn halves(first: f32, rest: f32) -> Self {
        Self(std::array::from_fn(|i| {
            if i < N_LANES / 2 { first } else { rest }
        }))
    }

    #[inline(always)]
    fn number(it: F16) -> f32 {
        it.to_f32()
    }

    #[inline(always)]
    fn eights(from: [&[f32; 8]; 2]) -> Self {
        let mut out = [0.0; N_LANES];
        for (out, from) in out.as_chunks_mut().0.iter_mut().zip(from) {
            *out = *from;
        }
        Self(out)
    }

    #[inline(always)]
    fn fours(from: [&[f32; 4]; 4]) -> Self {
        let mut out = [0.0; N_LANES];
        for (out, from) in out.as_chunks_mut().0.iter_mut().zip(from) {
            *out = *from;
        }
        Self(out)
    }

    #[inline(always)]
    fn negated(self, bits: u16) -> Self {
        let mut out = self.0;
        for (i, it) in out.iter_mut().enumerate() {
            let sign = u32::from(bits >> i & 1) << 31;
            *it = f32::from_bits(it.to_bits() ^ sign);
        }
        Self(out)
    }

    #[inline(always)]
    fn eight_numbers(from: [F16; 8]) -> [f32; 8] {
        from.map(F16::to_f32)
    }

    #[inline(always)]
    fn times(self, by: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] * by.0[i]))
    }

    #[inline(always)]
    fn times_less(self, by: Self, less: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] * by.0[i] - less.0[i]))
    }

    #[inline(always)]
    fn add_product(self, a: Self, b: Self) -> Self {
        Self(std::array::from_fn(|i| {
            Self::add_one_product(self.0[i], a.0[i], b.0[i])
        }))
    }

    #[inline(always)]
    fn add_one_product(sum: f32, a: f32, b: f32) -> f32 {
        // On x86 without a fused multiply-add `mul_add` would be a function call.
        if cfg!(target_arch = "x86_64") {
            a * b + sum
        } else {
            a.mul_add(b, sum)
        }
    }

    #[inline(always)]
    fn places(from: PlainBytes) -> [u32; N_LANES] {
        from.0.map(u32::from)
    }

    #[inline(always)]
    fn shifted(places: [u32; N_LANES], by: usize) -> [u32; N_LANES] {
        places.map(|it| it >> by)
    }

    #[inline(always)]
    fn places_of_halves(from: &[u8; 8]) -> [u32; N_LANES] {
        let halves = u64::from_le_bytes(*from);
        std::array::from_fn(|i| (halves >> (4 * i) & 15) as u32)
    }

    #[inline(always)]
    fn in_order_of_halves(self) -> Self {
        self
    }

    #[inline(always)]
    fn in_order_of_columns(self) -> Self {
        self
    }

    #[inline(always)]
    fn places_of_words(from: &[[u8; 4]; N_LANES]) -> [u32; N_LANES] {
        from.map(u32::from_le_bytes)
    }

    #[inline(always)]
    fn above_2_23(places: [u32; N_LANES], mask: u32) -> Self {
        Self(places.map(|it| f32::from_bits(it & mask | 0x4B00_0000)))
    }

    #[inline(always)]
    fn look_up(self, places: [u32; N_LANES]) -> Self {
        Self(places.map(|it| self.0[(it & 15) as usize]))
    }

    #[inline(always)]
    fn trees(from: &[[f32; N_LANES]; N_LANES]) -> [f32; N_LANES] {
        let mut out = [0.0; N_LANES];
        for (out, from) in out.iter_mut().zip(from) {
            let mut lanes = *from;
            let mut half = N_LANES / 2;
            while half > 0 {
                for i in 0..half {
                    lanes[i] += lanes[i + half];
                }
                half /= 2;
            }
            *out = lanes[0];
        }
        out
    }

    #[inline(always)]
    fn every_second(self, next: Self, is_odd: bool) -> Self {
        let mut out = [0.0; N_LANES];
        for i in 0..N_LANES / 2 {
            out[i] = self.0[2 * i + usize::from(is_odd)];
            out[N_LANES / 2 + i] = next.0[2 * i + usize::from(is_odd)];
        }
        Self(out)
    }

    #[inline(always)]
    fn to_array(self) -> [f32; N_LANES] {
        self.0
    }

    #[inline(always)]
    fn prefetch(_from: *const u8) {}
}

/// Sixteen bytes in an array.
#[derive(Clone, Copy)]
pub struct PlainBytes([u8; 16]);

impl PlainBytes {
    #[inline(always)]
    fn with(self, other: Self, what: impl Fn(u8, u8) -> u8) -> Self {
        Self(std::array::from_fn(|i| what(self.0[i], other.0[i])))
    }
}

impl Bytes for PlainBytes {
    #[inline(always)]
    fn load(from: &[u8; 16]) -> Self {
        Self(*from)
    }

    #[inline(always)]
    fn load_signed(from: &[i8; 16]) -> Self {
        Self(from.map(i8::cast_unsigned))
    }

    #[inline(always)]
    fn of(first: u64, rest: u64) -> Self {
        Self((u128::from(first) | u128::from(rest) << 64).to_le_bytes())
    }

    #[inline(always)]
    fn splat(it: u8) -> Self {
        Self([it; 16])
    }

    #[inline(always)]
    fn mask(bits: u16) -> Self {
        Self(std::array::from_fn(|i| {
            if bits >> i & 1 == 1 { 0xFF } else { 0 }
        }))
    }

    #[inline(always)]
    fn bits(self, from: usize, mask: u8) -> Self {
        Self(self.0.map(|it| it >> from & mask))
    }

    #[inline(always)]
    fn up(self, by: usize) -> Self {
        Self(self.0.map(|it| it << by))
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        self.with(other, |a, b| a | b)
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        self.with(other, |a, b| a & b)
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        self.with(other, u8::wrapping_add)
    }

    #[inline(always)]
    fn less(self, other: Self) -> Self {
        self.with(other, u8::wrapping_sub)
    }

    #[inline(always)]
    fn equal(self, other: Self) -> Self {
        self.with(other, |a, b| if a == b { 0xFF } else { 0 })
    }

    #[inline(always)]
    fn ternary(self) -> Self {
        let mut out = self.0;
        for it in &mut out {
            *it = ((u16::from(*it) * 3) >> 8) as u8;
            *it = it.wrapping_sub(1);
        }
        Self(out)
    }

    #[inline(always)]
    fn to_array(self) -> [u8; 16] {
        self.0
    }

    #[inline(always)]
    fn in_turn(self, other: Self) -> [[u8; 16]; 2] {
        let mut out = [[0; 16]; 2];
        for i in 0..16 {
            out[i / 8][2 * i % 16] = self.0[i];
            out[i / 8][2 * i % 16 + 1] = other.0[i];
        }
        out
    }
}
