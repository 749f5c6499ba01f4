//! Sixteen f32 lanes in whatever registers this processor has.
//!
//! Every level does the same operations lane by lane; they differ only where a processor without a
//! fused multiply-add rounds once more.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m128i, __m256, __m512, _mm_and_si128, _mm_cvtsi32_si128, _mm_loadu_si128, _mm_set1_epi8,
    _mm_set1_epi16, _mm_srl_epi16, _mm_srli_si128, _mm_sub_epi8, _mm256_castsi256_ps,
    _mm256_cvtepi8_epi32, _mm256_cvtepi32_ps, _mm256_cvtepu16_epi32, _mm256_cvtph_ps,
    _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_mul_ps, _mm256_set1_epi16,
    _mm256_setzero_ps, _mm256_slli_epi32, _mm256_storeu_ps, _mm512_castsi512_ps,
    _mm512_cvtepi8_epi32, _mm512_cvtepi32_ps, _mm512_cvtepu16_epi32, _mm512_cvtph_ps,
    _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mul_ps, _mm512_setzero_ps, _mm512_slli_epi32,
    _mm512_storeu_ps,
};

use crate::formats::{Bf16, Block as _, F16, F32};

/// Lanes summed side by side.
pub const N_LANES: usize = 16;

/// Sixteen numbers.
pub trait Lanes: Copy {
    /// All 0.
    fn zero() -> Self;
    /// Sixteen f32.
    fn f32(from: &[f32; N_LANES]) -> Self;
    /// Sixteen f32 of a weight.
    fn stored_f32(from: &[F32; N_LANES]) -> Self;
    /// Sixteen bf16.
    fn bf16(from: &[Bf16; N_LANES]) -> Self;
    /// Sixteen f16.
    fn f16(from: &[F16; N_LANES]) -> Self;
    /// Sixteen signed bytes.
    fn i8(from: &[i8; N_LANES]) -> Self;
    /// Sixteen nibbles less 8: the lower half of each byte, or (`half` 1) the upper.
    fn nibbles(from: &[u8; N_LANES], half: usize) -> Self;
    /// All times one f16.
    fn times_f16(self, scale: F16) -> Self;
    /// `self + a · b`.
    fn add_product(self, a: Self, b: Self) -> Self;
    /// The same for a single number: what stands over at the end of a row.
    fn add_one_product(sum: f32, a: f32, b: f32) -> f32;
    /// As numbers.
    fn to_array(self) -> [f32; N_LANES];
}

/// Lanes of plain Rust.
#[derive(Clone, Copy)]
pub struct Plain([f32; N_LANES]);

impl Lanes for Plain {
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
        Self(from.map(|it| f32::from_le_bytes(it.0)))
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
    fn i8(from: &[i8; N_LANES]) -> Self {
        Self(from.map(f32::from))
    }

    #[inline(always)]
    fn nibbles(from: &[u8; N_LANES], half: usize) -> Self {
        Self(from.map(|it| f32::from(it >> (4 * half) & 15) - 8.0))
    }

    #[inline(always)]
    fn times_f16(self, scale: F16) -> Self {
        let scale = scale.to_f32();
        Self(self.0.map(|it| it * scale))
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
    fn to_array(self) -> [f32; N_LANES] {
        self.0
    }
}

/// Sixteen nibbles less 8, as bytes.
#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "std::arch: reached only where AVX2 was detected, and inside an array"
)]
#[inline(always)]
fn levels(from: &[u8; N_LANES], half: usize) -> __m128i {
    unsafe {
        let bytes = _mm_loadu_si128(from.as_ptr().cast());
        let shifted = _mm_srl_epi16(bytes, _mm_cvtsi32_si128(4 * half as i32));
        _mm_sub_epi8(_mm_and_si128(shifted, _mm_set1_epi8(15)), _mm_set1_epi8(8))
    }
}

/// Two registers of AVX2.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub struct Avx2([__m256; 2]);

#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "std::arch: reached only where AVX2 was detected"
)]
impl Avx2 {
    /// Sixteen signed bytes.
    #[inline(always)]
    fn bytes(it: __m128i) -> Self {
        unsafe {
            let low = _mm256_cvtepi8_epi32(it);
            let high = _mm256_cvtepi8_epi32(_mm_srli_si128::<8>(it));
            Self([_mm256_cvtepi32_ps(low), _mm256_cvtepi32_ps(high)])
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "std::arch: reached only where AVX2, FMA and F16C were detected, and inside arrays"
)]
impl Lanes for Avx2 {
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
    fn i8(from: &[i8; N_LANES]) -> Self {
        unsafe { Self::bytes(_mm_loadu_si128(from.as_ptr().cast())) }
    }

    #[inline(always)]
    fn nibbles(from: &[u8; N_LANES], half: usize) -> Self {
        Self::bytes(levels(from, half))
    }

    #[inline(always)]
    fn times_f16(self, scale: F16) -> Self {
        unsafe {
            let scale = _mm256_cvtph_ps(_mm_set1_epi16(scale.to_bits().cast_signed()));
            Self(self.0.map(|it| _mm256_mul_ps(it, scale)))
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
    fn to_array(self) -> [f32; N_LANES] {
        let mut out = [0.0; N_LANES];
        unsafe {
            _mm256_storeu_ps(out.as_mut_ptr(), self.0[0]);
            _mm256_storeu_ps(out.as_mut_ptr().add(8), self.0[1]);
        }
        out
    }
}

/// One register of AVX-512.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub struct Avx512(__m512);

#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "std::arch: reached only where AVX-512F was detected, and inside arrays"
)]
impl Lanes for Avx512 {
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
    fn i8(from: &[i8; N_LANES]) -> Self {
        unsafe {
            let levels = _mm_loadu_si128(from.as_ptr().cast());
            Self(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(levels)))
        }
    }

    #[inline(always)]
    fn nibbles(from: &[u8; N_LANES], half: usize) -> Self {
        unsafe { Self(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(levels(from, half)))) }
    }

    #[inline(always)]
    fn times_f16(self, scale: F16) -> Self {
        unsafe {
            let scale = _mm512_cvtph_ps(_mm256_set1_epi16(scale.to_bits().cast_signed()));
            Self(_mm512_mul_ps(self.0, scale))
        }
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
    fn to_array(self) -> [f32; N_LANES] {
        let mut out = [0.0; N_LANES];
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), self.0) };
        out
    }
}
