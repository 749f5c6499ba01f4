//! Lanes in one register of AVX-512.

use std::arch::x86_64::{
    __m512, __m512i, _MM_HINT_T0, _mm_cvtph_ps, _mm_cvtsi32_si128, _mm_cvtss_f32, _mm_loadu_ps,
    _mm_loadu_si128, _mm_prefetch, _mm_set_epi16, _mm256_and_si256, _mm256_castps_pd,
    _mm256_cvtepi8_epi16, _mm256_cvtepu8_epi16, _mm256_cvtph_ps, _mm256_loadu_ps,
    _mm256_loadu_si256, _mm256_set1_epi16, _mm256_slli_epi16, _mm256_storeu_ps, _mm512_add_ps,
    _mm512_and_si512, _mm512_castpd_ps, _mm512_castps_pd, _mm512_castps_si512,
    _mm512_castps128_ps512, _mm512_castps256_ps512, _mm512_castsi512_ps, _mm512_cmpeq_epi32_mask,
    _mm512_cvtepi8_epi32, _mm512_cvtepi32_ps, _mm512_cvtepu8_epi32, _mm512_cvtepu16_epi32,
    _mm512_cvtph_ps, _mm512_fmadd_ps, _mm512_fmsub_ps, _mm512_insertf64x4, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_mask_blend_ps, _mm512_mask_broadcast_f32x4, _mm512_mask_xor_epi32,
    _mm512_mul_ps, _mm512_or_si512, _mm512_permutex2var_ps, _mm512_permutexvar_ps,
    _mm512_set1_epi32, _mm512_set1_epi64, _mm512_set1_ps, _mm512_setr_epi32, _mm512_setzero_ps,
    _mm512_shuffle_f32x4, _mm512_shuffle_ps, _mm512_slli_epi32, _mm512_srl_epi32,
    _mm512_srlv_epi32, _mm512_storeu_ps,
};

use super::{Lanes, N_LANES, xmm::Xmm};
use crate::formats::{Bf16, F8E4M3, F16, F32, f8_e4m3::SCALE_OF_F16};

/// One register of AVX-512.
#[derive(Clone, Copy)]
pub struct Avx512(__m512);

#[expect(
    unsafe_code,
    reason = "std::arch: reached only where AVX-512F was detected, and inside arrays"
)]
impl Lanes for Avx512 {
    type Bytes = Xmm;
    type Places = __m512i;

    #[inline(always)]
    fn zero() -> Self {
        unsafe { Self(_mm512_setzero_ps()) }
    }

    #[inline(always)]
    fn f32(from: &[f32; N_LANES]) -> Self {
        unsafe { Self(_mm512_loadu_ps(from.as_ptr())) }
    }

    #[inline(always)]
    fn stored_f32(from: &[F32; N_LANES]) -> Self {
        unsafe { Self(_mm512_loadu_ps(from.as_ptr().cast())) }
    }

    #[inline(always)]
    fn bf16(from: &[Bf16; N_LANES]) -> Self {
        unsafe {
            let bits = _mm512_cvtepu16_epi32(_mm256_loadu_si256(from.as_ptr().cast()));
            Self(_mm512_castsi512_ps(_mm512_slli_epi32::<16>(bits)))
        }
    }

    #[inline(always)]
    fn f16(from: &[F16; N_LANES]) -> Self {
        unsafe { Self(_mm512_cvtph_ps(_mm256_loadu_si256(from.as_ptr().cast()))) }
    }

    #[inline(always)]
    fn f8_e4m3(from: &[F8E4M3; N_LANES]) -> Self {
        unsafe {
            let bytes = _mm_loadu_si128(from.as_ptr().cast());
            let numbers = Self::f8_e4m3_by(Xmm(bytes), Self::splat(SCALE_OF_F16)).0;
            let seven = _mm512_set1_epi32(0x7F);
            let sizes = _mm512_and_si512(_mm512_cvtepu8_epi32(bytes), seven);
            let is_nan = _mm512_cmpeq_epi32_mask(sizes, seven);
            Self(_mm512_mask_blend_ps(
                is_nan,
                numbers,
                _mm512_set1_ps(f32::NAN),
            ))
        }
    }

    /// As f16, whose exponents count from 8 lower: small ones take no longer.
    #[inline(always)]
    fn f8_e4m3_by(from: Xmm, by: Self) -> Self {
        unsafe {
            let bits = _mm256_slli_epi16::<7>(_mm256_cvtepi8_epi16(from.0));
            let kept = _mm256_set1_epi16(0xBF80_u16.cast_signed());
            Self(_mm512_cvtph_ps(_mm256_and_si256(bits, kept))).times(by)
        }
    }

    #[inline(always)]
    fn f8_e4m3_sizes(from: Xmm) -> Self {
        unsafe {
            let sizes = _mm256_slli_epi16::<7>(_mm256_cvtepu8_epi16(from.0));
            let sizes = _mm256_and_si256(sizes, _mm256_set1_epi16(0x3F80));
            Self(_mm512_cvtph_ps(sizes)).times(Self::splat(SCALE_OF_F16))
        }
    }

    #[inline(always)]
    fn signed(from: Xmm) -> Self {
        unsafe { Self(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(from.0))) }
    }

    #[inline(always)]
    fn unsigned(from: Xmm) -> Self {
        unsafe { Self(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(from.0))) }
    }

    #[inline(always)]
    fn splat(it: f32) -> Self {
        unsafe { Self(_mm512_set1_ps(it)) }
    }

    #[inline(always)]
    fn halves(first: f32, rest: f32) -> Self {
        unsafe {
            let (first, rest) = (_mm512_set1_ps(first), _mm512_set1_ps(rest));
            Self(_mm512_mask_blend_ps(0xFF00, first, rest))
        }
    }

    #[inline(always)]
    fn number(it: F16) -> f32 {
        let bits = i32::from(it.to_bits());
        unsafe { _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(bits))) }
    }

    #[inline(always)]
    fn eights([first, rest]: [&[f32; 8]; 2]) -> Self {
        unsafe {
            let first = _mm512_castps256_ps512(_mm256_loadu_ps(first.as_ptr()));
            let rest = _mm256_castps_pd(_mm256_loadu_ps(rest.as_ptr()));
            let both = _mm512_insertf64x4::<1>(_mm512_castps_pd(first), rest);
            Self(_mm512_castpd_ps(both))
        }
    }

    #[inline(always)]
    fn fours([a, b, c, d]: [&[f32; 4]; 4]) -> Self {
        unsafe {
            // Each in all quarters, of which one is kept: nothing is shuffled.
            let it = _mm512_castps128_ps512(_mm_loadu_ps(a.as_ptr()));
            let it = _mm512_mask_broadcast_f32x4(it, 0x00F0, _mm_loadu_ps(b.as_ptr()));
            let it = _mm512_mask_broadcast_f32x4(it, 0x0F00, _mm_loadu_ps(c.as_ptr()));
            let d = _mm_loadu_ps(d.as_ptr());
            Self(_mm512_mask_broadcast_f32x4(it, 0xF000, d))
        }
    }

    #[inline(always)]
    fn negated(self, bits: u16) -> Self {
        unsafe {
            let it = _mm512_castps_si512(self.0);
            let sign = _mm512_set1_epi32(i32::MIN);
            Self(_mm512_castsi512_ps(_mm512_mask_xor_epi32(
                it, bits, it, sign,
            )))
        }
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
        unsafe { Self(_mm512_mul_ps(self.0, by.0)) }
    }

    #[inline(always)]
    fn times_less(self, by: Self, less: Self) -> Self {
        unsafe { Self(_mm512_fmsub_ps(self.0, by.0, less.0)) }
    }

    #[inline(always)]
    fn add_product(self, a: Self, b: Self) -> Self {
        unsafe { Self(_mm512_fmadd_ps(a.0, b.0, self.0)) }
    }

    #[inline(always)]
    fn add_one_product(sum: f32, a: f32, b: f32) -> f32 {
        a.mul_add(b, sum)
    }

    #[inline(always)]
    fn places(from: Xmm) -> __m512i {
        unsafe { _mm512_cvtepu8_epi32(from.0) }
    }

    #[inline(always)]
    fn shifted(places: __m512i, by: usize) -> __m512i {
        unsafe { _mm512_srl_epi32(places, _mm_cvtsi32_si128(by as i32)) }
    }

    /// Of two words side by side in all lanes: half `j` of the first in lane `2 j`, of the second in the next.
    #[inline(always)]
    fn places_of_halves(from: &[u8; 8]) -> __m512i {
        unsafe {
            let both = _mm512_set1_epi64(i64::from_le_bytes(*from));
            let by = _mm512_setr_epi32(0, 0, 4, 4, 8, 8, 12, 12, 16, 16, 20, 20, 24, 24, 28, 28);
            _mm512_srlv_epi32(both, by)
        }
    }

    #[inline(always)]
    fn in_order_of_halves(self) -> Self {
        unsafe {
            let from = _mm512_setr_epi32(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
            Self(_mm512_permutexvar_ps(from, self.0))
        }
    }

    #[inline(always)]
    fn in_order_of_columns(self) -> Self {
        unsafe {
            let from = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
            Self(_mm512_permutexvar_ps(from, self.0))
        }
    }

    #[inline(always)]
    fn places_of_words(from: &[[u8; 4]; N_LANES]) -> __m512i {
        unsafe { _mm512_loadu_si512(from.as_ptr().cast()) }
    }

    #[inline(always)]
    fn above_2_23(places: __m512i, mask: u32) -> Self {
        unsafe {
            let kept = _mm512_and_si512(places, _mm512_set1_epi32(mask.cast_signed()));
            let bits = _mm512_or_si512(kept, _mm512_set1_epi32(0x4B00_0000));
            Self(_mm512_castsi512_ps(bits))
        }
    }

    #[inline(always)]
    fn look_up(self, places: __m512i) -> Self {
        unsafe { Self(_mm512_permutexvar_ps(places, self.0)) }
    }

    /// Two registers at a time become one, whose lanes are the sums of both: after four steps each lane is one sum. They
    /// are taken in the order in which they come out.
    #[inline(always)]
    fn trees(from: &[[f32; N_LANES]; N_LANES]) -> [f32; N_LANES] {
        const ORDER: [usize; N_LANES] = [0, 2, 1, 3, 8, 10, 9, 11, 4, 6, 5, 7, 12, 14, 13, 15];
        let mut it = [Self::zero(); N_LANES];
        for i in 0..N_LANES {
            it[i] = Self::f32(&from[ORDER[i]]);
        }
        unsafe {
            for i in 0..8 {
                let (a, b) = (it[i].0, it[i + 8].0);
                let low = _mm512_shuffle_f32x4::<0x44>(a, b);
                it[i].0 = _mm512_add_ps(low, _mm512_shuffle_f32x4::<0xEE>(a, b));
            }
            for i in 0..4 {
                let (a, b) = (it[i].0, it[i + 4].0);
                let even = _mm512_shuffle_f32x4::<0x88>(a, b);
                it[i].0 = _mm512_add_ps(even, _mm512_shuffle_f32x4::<0xDD>(a, b));
            }
            for i in 0..2 {
                let (a, b) = (it[i].0, it[i + 2].0);
                let low = _mm512_shuffle_ps::<0x44>(a, b);
                it[i].0 = _mm512_add_ps(low, _mm512_shuffle_ps::<0xEE>(a, b));
            }
            let (a, b) = (it[0].0, it[1].0);
            let even = _mm512_shuffle_ps::<0x88>(a, b);
            it[0].0 = _mm512_add_ps(even, _mm512_shuffle_ps::<0xDD>(a, b));
        }
        it[0].to_array()
    }

    #[inline(always)]
    fn every_second(self, next: Self, is_odd: bool) -> Self {
        unsafe {
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let from = _mm512_or_si512(even, _mm512_set1_epi32(i32::from(is_odd)));
            Self(_mm512_permutex2var_ps(self.0, from, next.0))
        }
    }

    #[inline(always)]
    fn to_array(self) -> [f32; N_LANES] {
        let mut out = [0.0; N_LANES];
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), self.0) };
        out
    }

    #[inline(always)]
    fn prefetch(from: *const u8) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(from.cast()) }
    }
}
