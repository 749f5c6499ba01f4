//! Lanes in two registers of AVX2.

use std::arch::x86_64::{
    __m256, __m256i, _MM_HINT_T0, _mm_cvtph_ps, _mm_cvtsi32_si128, _mm_cvtss_f32, _mm_loadu_ps,
    _mm_loadu_si128, _mm_prefetch, _mm_set_epi16, _mm_srli_si128, _mm256_add_ps, _mm256_and_si256,
    _mm256_blendv_ps, _mm256_castps_si256, _mm256_castps128_ps256, _mm256_castsi256_ps,
    _mm256_castsi256_si128, _mm256_cmpeq_epi32, _mm256_cvtepi8_epi16, _mm256_cvtepi8_epi32,
    _mm256_cvtepi32_ps, _mm256_cvtepu8_epi16, _mm256_cvtepu8_epi32, _mm256_cvtepu16_epi32,
    _mm256_cvtph_ps, _mm256_extracti128_si256, _mm256_fmadd_ps, _mm256_fmsub_ps,
    _mm256_insertf128_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_mul_ps, _mm256_or_si256,
    _mm256_permute2f128_ps, _mm256_permute4x64_epi64, _mm256_permutevar8x32_ps, _mm256_set1_epi16,
    _mm256_set1_epi32, _mm256_set1_ps, _mm256_setr_epi32, _mm256_setzero_ps, _mm256_shuffle_ps,
    _mm256_slli_epi16, _mm256_slli_epi32, _mm256_sllv_epi32, _mm256_srl_epi32, _mm256_srlv_epi32,
    _mm256_storeu_ps, _mm256_xor_ps,
};

use super::{Lanes, N_LANES, xmm::Xmm};
use crate::formats::{Bf16, F8E4M3, F16, F32, f8_e4m3::SCALE_OF_F16};

/// Two registers of AVX2.
#[derive(Clone, Copy)]
pub struct Avx2([__m256; 2]);

#[expect(
    unsafe_code,
    reason = "std::arch: reached only where AVX2 was detected"
)]
impl Avx2 {
    /// Sixteen f16 in one register.
    #[inline(always)]
    fn numbers_of_f16(from: __m256i) -> Self {
        unsafe {
            let low = _mm256_cvtph_ps(_mm256_castsi256_si128(from));
            let high = _mm256_cvtph_ps(_mm256_extracti128_si256::<1>(from));
            Self([low, high])
        }
    }
}

/// Of sixteen numbers the eight at even places, or those at odd ones.
#[expect(
    unsafe_code,
    reason = "std::arch: reached only where AVX2 was detected"
)]
#[inline(always)]
fn second_of([a, b]: [__m256; 2], is_odd: bool) -> __m256 {
    unsafe {
        let pairs = if is_odd {
            _mm256_shuffle_ps::<0xDD>(a, b)
        } else {
            _mm256_shuffle_ps::<0x88>(a, b)
        };
        let pairs = _mm256_permute4x64_epi64::<0xD8>(_mm256_castps_si256(pairs));
        _mm256_castsi256_ps(pairs)
    }
}

#[expect(
    unsafe_code,
    reason = "std::arch: reached only where AVX2 was detected, and inside arrays"
)]
impl Lanes for Avx2 {
    type Bytes = Xmm;
    type Places = [__m256i; 2];

    #[inline(always)]
    fn zero() -> Self {
        unsafe { Self([_mm256_setzero_ps(); 2]) }
    }

    #[inline(always)]
    fn f32(from: &[f32; N_LANES]) -> Self {
        unsafe {
            Self([
                _mm256_loadu_ps(from.as_ptr()),
                _mm256_loadu_ps(from.as_ptr().add(8)),
            ])
        }
    }

    #[inline(always)]
    fn stored_f32(from: &[F32; N_LANES]) -> Self {
        unsafe {
            Self([
                _mm256_loadu_ps(from.as_ptr().cast()),
                _mm256_loadu_ps(from.as_ptr().add(8).cast()),
            ])
        }
    }

    #[inline(always)]
    fn bf16(from: &[Bf16; N_LANES]) -> Self {
        unsafe {
            let low = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.as_ptr().cast()));
            let high = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.as_ptr().add(8).cast()));
            Self([
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(low)),
                _mm256_castsi256_ps(_mm256_slli_epi32::<16>(high)),
            ])
        }
    }

    #[inline(always)]
    fn f16(from: &[F16; N_LANES]) -> Self {
        unsafe {
            let low = _mm_loadu_si128(from.as_ptr().cast());
            let high = _mm_loadu_si128(from.as_ptr().add(8).cast());
            Self([_mm256_cvtph_ps(low), _mm256_cvtph_ps(high)])
        }
    }

    #[inline(always)]
    fn f8_e4m3(from: &[F8E4M3; N_LANES]) -> Self {
        unsafe {
            let bytes = _mm_loadu_si128(from.as_ptr().cast());
            let mut out = Self::f8_e4m3_by(Xmm(bytes), Self::splat(SCALE_OF_F16)).0;
            let (seven, nan) = (_mm256_set1_epi32(0x7F), _mm256_set1_ps(f32::NAN));
            let sizes = Self::places(Xmm(bytes));
            for i in 0..2 {
                let is_nan = _mm256_cmpeq_epi32(_mm256_and_si256(sizes[i], seven), seven);
                out[i] = _mm256_blendv_ps(out[i], nan, _mm256_castsi256_ps(is_nan));
            }
            Self(out)
        }
    }

    /// As f16, whose exponents count from 8 lower: small ones take no longer.
    #[inline(always)]
    fn f8_e4m3_by(from: Xmm, by: Self) -> Self {
        unsafe {
            let bits = _mm256_slli_epi16::<7>(_mm256_cvtepi8_epi16(from.0));
            let kept = _mm256_set1_epi16(0xBF80_u16.cast_signed());
            Self::numbers_of_f16(_mm256_and_si256(bits, kept)).times(by)
        }
    }

    #[inline(always)]
    fn f8_e4m3_sizes(from: Xmm) -> Self {
        unsafe {
            let sizes = _mm256_slli_epi16::<7>(_mm256_cvtepu8_epi16(from.0));
            let sizes = _mm256_and_si256(sizes, _mm256_set1_epi16(0x3F80));
            Self::numbers_of_f16(sizes).times(Self::splat(SCALE_OF_F16))
        }
    }

    #[inline(always)]
    fn signed(from: Xmm) -> Self {
        unsafe {
            let low = _mm256_cvtepi8_epi32(from.0);
            let high = _mm256_cvtepi8_epi32(_mm_srli_si128::<8>(from.0));
            Self([_mm256_cvtepi32_ps(low), _mm256_cvtepi32_ps(high)])
        }
    }

    #[inline(always)]
    fn unsigned(from: Xmm) -> Self {
        let [low, high] = Self::places(from);
        unsafe { Self([_mm256_cvtepi32_ps(low), _mm256_cvtepi32_ps(high)]) }
    }

    #[inline(always)]
    fn splat(it: f32) -> Self {
        unsafe { Self([_mm256_set1_ps(it); 2]) }
    }

    #[inline(always)]
    fn halves(first: f32, rest: f32) -> Self {
        unsafe { Self([_mm256_set1_ps(first), _mm256_set1_ps(rest)]) }
    }

    #[inline(always)]
    fn number(it: F16) -> f32 {
        let bits = i32::from(it.to_bits());
        unsafe { _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits))) }
    }

    #[inline(always)]
    fn eights([first, rest]: [&[f32; 8]; 2]) -> Self {
        unsafe {
            Self([
                _mm256_loadu_ps(first.as_ptr()),
                _mm256_loadu_ps(rest.as_ptr()),
            ])
        }
    }

    #[inline(always)]
    fn fours([a, b, c, d]: [&[f32; 4]; 4]) -> Self {
        unsafe {
            let first = _mm256_castps128_ps256(_mm_loadu_ps(a.as_ptr()));
            let rest = _mm256_castps128_ps256(_mm_loadu_ps(c.as_ptr()));
            Self([
                _mm256_insertf128_ps::<1>(first, _mm_loadu_ps(b.as_ptr())),
                _mm256_insertf128_ps::<1>(rest, _mm_loadu_ps(d.as_ptr())),
            ])
        }
    }

    #[inline(always)]
    fn negated(self, bits: u16) -> Self {
        let mut out = self.0;
        unsafe {
            // Bit `i` of each half to the sign of lane `i`.
            let all = _mm256_set1_epi32(i32::from(bits));
            let by = [
                _mm256_setr_epi32(31, 30, 29, 28, 27, 26, 25, 24),
                _mm256_setr_epi32(23, 22, 21, 20, 19, 18, 17, 16),
            ];
            let sign = _mm256_set1_epi32(i32::MIN);
            for i in 0..2 {
                let signs = _mm256_and_si256(_mm256_sllv_epi32(all, by[i]), sign);
                out[i] = _mm256_xor_ps(out[i], _mm256_castsi256_ps(signs));
            }
        }
        Self(out)
    }

    #[inline(always)]
    fn eight_numbers(from: [F16; 8]) -> [f32; 8] {
        let [a, b, c, d, e, f, g, h] = from.map(|it| it.to_bits().cast_signed());
        let mut out = [0.0; 8];
        unsafe {
            let numbers = _mm256_cvtph_ps(_mm_set_epi16(h, g, f, e, d, c, b, a));
            _mm256_storeu_ps(out.as_mut_ptr(), numbers);
        }
        out
    }

    #[inline(always)]
    fn times(self, by: Self) -> Self {
        unsafe {
            Self([
                _mm256_mul_ps(self.0[0], by.0[0]),
                _mm256_mul_ps(self.0[1], by.0[1]),
            ])
        }
    }

    #[inline(always)]
    fn times_less(self, by: Self, less: Self) -> Self {
        unsafe {
            Self([
                _mm256_fmsub_ps(self.0[0], by.0[0], less.0[0]),
                _mm256_fmsub_ps(self.0[1], by.0[1], less.0[1]),
            ])
        }
    }

    #[inline(always)]
    fn add_product(self, a: Self, b: Self) -> Self {
        unsafe {
            Self([
                _mm256_fmadd_ps(a.0[0], b.0[0], self.0[0]),
                _mm256_fmadd_ps(a.0[1], b.0[1], self.0[1]),
            ])
        }
    }

    #[inline(always)]
    fn add_one_product(sum: f32, a: f32, b: f32) -> f32 {
        a.mul_add(b, sum)
    }

    #[inline(always)]
    fn places(from: Xmm) -> [__m256i; 2] {
        unsafe {
            let high = _mm_srli_si128::<8>(from.0);
            [_mm256_cvtepu8_epi32(from.0), _mm256_cvtepu8_epi32(high)]
        }
    }

    #[inline(always)]
    fn shifted([low, high]: [__m256i; 2], by: usize) -> [__m256i; 2] {
        unsafe {
            let by = _mm_cvtsi32_si128(by as i32);
            [_mm256_srl_epi32(low, by), _mm256_srl_epi32(high, by)]
        }
    }

    #[inline(always)]
    fn places_of_halves(from: &[u8; 8]) -> [__m256i; 2] {
        let (words, _) = from.as_chunks::<4>();
        let by = |it: [u8; 4]| i32::from_le_bytes(it);
        unsafe {
            let shift = _mm256_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28);
            let [low, high] = [by(words[0]), by(words[1])];
            [
                _mm256_srlv_epi32(_mm256_set1_epi32(low), shift),
                _mm256_srlv_epi32(_mm256_set1_epi32(high), shift),
            ]
        }
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
    fn places_of_words(from: &[[u8; 4]; N_LANES]) -> [__m256i; 2] {
        let start = from.as_ptr();
        unsafe {
            [
                _mm256_loadu_si256(start.cast()),
                _mm256_loadu_si256(start.add(8).cast()),
            ]
        }
    }

    #[inline(always)]
    fn above_2_23([low, high]: [__m256i; 2], mask: u32) -> Self {
        unsafe {
            let mask = _mm256_set1_epi32(mask.cast_signed());
            let above = _mm256_set1_epi32(0x4B00_0000);
            let low = _mm256_or_si256(_mm256_and_si256(low, mask), above);
            let high = _mm256_or_si256(_mm256_and_si256(high, mask), above);
            Self([_mm256_castsi256_ps(low), _mm256_castsi256_ps(high)])
        }
    }

    #[inline(always)]
    fn look_up(self, places: [__m256i; 2]) -> Self {
        let mut out = self.0;
        for i in 0..2 {
            unsafe {
                let first = _mm256_permutevar8x32_ps(self.0[0], places[i]);
                let rest = _mm256_permutevar8x32_ps(self.0[1], places[i]);
                // Bit 3 of a place as a sign: which half of the table it means.
                let which = _mm256_castsi256_ps(_mm256_slli_epi32::<28>(places[i]));
                out[i] = _mm256_blendv_ps(first, rest, which);
            }
        }
        Self(out)
    }

    /// Two registers at a time become one, whose lanes are the sums of both: after three steps each lane is one sum. They
    /// are taken in the order in which they come out.
    #[inline(always)]
    fn trees(from: &[[f32; N_LANES]; N_LANES]) -> [f32; N_LANES] {
        const ORDER: [usize; 8] = [0, 2, 1, 3, 4, 6, 5, 7];
        let mut out = [Self::zero().0[0]; 2];
        for (eight, out) in out.iter_mut().enumerate() {
            let mut it = [*out; 8];
            unsafe {
                for i in 0..8 {
                    let Self([low, high]) = Self::f32(&from[8 * eight + ORDER[i]]);
                    it[i] = _mm256_add_ps(low, high);
                }
                for i in 0..4 {
                    let (a, b) = (it[i], it[i + 4]);
                    let low = _mm256_permute2f128_ps::<0x20>(a, b);
                    it[i] = _mm256_add_ps(low, _mm256_permute2f128_ps::<0x31>(a, b));
                }
                for i in 0..2 {
                    let (a, b) = (it[i], it[i + 2]);
                    let low = _mm256_shuffle_ps::<0x44>(a, b);
                    it[i] = _mm256_add_ps(low, _mm256_shuffle_ps::<0xEE>(a, b));
                }
                let (a, b) = (it[0], it[1]);
                let even = _mm256_shuffle_ps::<0x88>(a, b);
                *out = _mm256_add_ps(even, _mm256_shuffle_ps::<0xDD>(a, b));
            }
        }
        Self(out).to_array()
    }

    #[inline(always)]
    fn every_second(self, next: Self, is_odd: bool) -> Self {
        Self([second_of(self.0, is_odd), second_of(next.0, is_odd)])
    }

    #[inline(always)]
    fn to_array(self) -> [f32; N_LANES] {
        let mut out = [0.0; N_LANES];
        unsafe {
            _mm256_storeu_ps(out.as_mut_ptr(), self.0[0]);
            _mm256_storeu_ps(out.as_mut_ptr().add(8), self.0[1]);
        }
        out
    }

    #[inline(always)]
    fn prefetch(from: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }
}
