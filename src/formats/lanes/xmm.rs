//! Sixteen bytes in a register of x86.

use std::arch::x86_64::{
    __m128i, _mm_add_epi8, _mm_and_si128, _mm_cmpeq_epi8, _mm_cvtsi32_si128, _mm_loadu_si128,
    _mm_max_epu8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8, _mm_set1_epi16, _mm_set1_epi64x,
    _mm_setzero_si128, _mm_shuffle_epi8, _mm_sll_epi16, _mm_srl_epi16, _mm_storeu_si128,
    _mm_sub_epi8, _mm_unpackhi_epi8, _mm_unpacklo_epi8,
};

use super::Bytes;

/// Sixteen bytes.
#[derive(Clone, Copy)]
pub struct Xmm(pub(super) __m128i);

#[expect(
    unsafe_code,
    reason = "std::arch: reached only where AVX2 was detected, and loads inside arrays"
)]
impl Bytes for Xmm {
    #[inline(always)]
    fn load(from: &[u8; 16]) -> Self {
        unsafe { Self(_mm_loadu_si128(from.as_ptr().cast())) }
    }

    #[inline(always)]
    fn load_signed(from: &[i8; 16]) -> Self {
        unsafe { Self(_mm_loadu_si128(from.as_ptr().cast())) }
    }

    #[inline(always)]
    fn of(first: u64, rest: u64) -> Self {
        unsafe { Self(_mm_set_epi64x(rest.cast_signed(), first.cast_signed())) }
    }

    #[inline(always)]
    fn splat(it: u8) -> Self {
        unsafe { Self(_mm_set1_epi8(it.cast_signed())) }
    }

    #[inline(always)]
    fn mask(bits: u16) -> Self {
        // The lower byte eight times, then the upper; in each the bit of its place.
        let halves = Self::of(0, 0x0101_0101_0101_0101).0;
        unsafe {
            let places = _mm_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
            let bytes = _mm_shuffle_epi8(_mm_set1_epi16(bits.cast_signed()), halves);
            Self(_mm_cmpeq_epi8(_mm_and_si128(bytes, places), places))
        }
    }

    #[inline(always)]
    fn bits(self, from: usize, mask: u8) -> Self {
        unsafe {
            let shifted = _mm_srl_epi16(self.0, _mm_cvtsi32_si128(from as i32));
            Self(_mm_and_si128(shifted, Self::splat(mask).0))
        }
    }

    #[inline(always)]
    fn up(self, by: usize) -> Self {
        unsafe {
            let kept = _mm_and_si128(self.0, Self::splat(0xFF >> by).0);
            Self(_mm_sll_epi16(kept, _mm_cvtsi32_si128(by as i32)))
        }
    }

    #[inline(always)]
    fn or(self, other: Self) -> Self {
        unsafe { Self(_mm_or_si128(self.0, other.0)) }
    }

    #[inline(always)]
    fn and(self, other: Self) -> Self {
        unsafe { Self(_mm_and_si128(self.0, other.0)) }
    }

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        unsafe { Self(_mm_add_epi8(self.0, other.0)) }
    }

    #[inline(always)]
    fn less(self, other: Self) -> Self {
        unsafe { Self(_mm_sub_epi8(self.0, other.0)) }
    }

    #[inline(always)]
    fn equal(self, other: Self) -> Self {
        unsafe { Self(_mm_cmpeq_epi8(self.0, other.0)) }
    }

    /// Digits are 1 from 86 on and 2 from 171 on.
    #[inline(always)]
    fn ternary(self) -> Self {
        unsafe {
            let one = _mm_cmpeq_epi8(_mm_max_epu8(self.0, Self::splat(86).0), self.0);
            let two = _mm_cmpeq_epi8(_mm_max_epu8(self.0, Self::splat(171).0), self.0);
            // What is equal is -1.
            let less = _mm_add_epi8(_mm_add_epi8(one, two), Self::splat(1).0);
            Self(_mm_sub_epi8(_mm_setzero_si128(), less))
        }
    }

    #[inline(always)]
    fn to_array(self) -> [u8; 16] {
        let mut out = [0; 16];
        unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), self.0) };
        out
    }

    #[inline(always)]
    fn in_turn(self, other: Self) -> [[u8; 16]; 2] {
        let mut out = [[0; 16]; 2];
        unsafe {
            let first = _mm_unpacklo_epi8(self.0, other.0);
            _mm_storeu_si128(out[0].as_mut_ptr().cast(), first);
            let rest = _mm_unpackhi_epi8(self.0, other.0);
            _mm_storeu_si128(out[1].as_mut_ptr().cast(), rest);
        }
        out
    }
}
