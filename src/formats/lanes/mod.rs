//! Sixteen f32 lanes, and sixteen bytes on the way to them, in whatever registers this processor has.
//!
//! Every level does the same operations lane by lane; they differ only where a processor without a
//! fused multiply-add rounds once more. That never concerns what a block says: its products are
//! exact.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod plain;
#[cfg(test)]
mod tests;
#[cfg(target_arch = "x86_64")]
mod xmm;

pub use self::plain::Plain;
#[cfg(target_arch = "x86_64")]
pub use self::{avx2::Avx2, avx512::Avx512};

use super::{Bf16, F8E4M3, F16, F32};

/// Lanes summed side by side.
pub const N_LANES: usize = 16;

/// Sixteen numbers.
pub trait Lanes: Copy {
    /// Sixteen bytes.
    type Bytes: Bytes;
    /// Sixteen places of a table.
    type Places: Copy;

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
    /// Sixteen FP8 numbers.
    fn f8_e4m3(from: &[F8E4M3; N_LANES]) -> Self;
    /// Sixteen FP8 numbers times a number 2⁸ times too large; what stands for NaN counts as 480.
    fn f8_e4m3_by(from: Self::Bytes, by: Self) -> Self;
    /// Sixteen FP8 numbers without their signs; what stands for NaN counts as 480.
    fn f8_e4m3_sizes(from: Self::Bytes) -> Self;
    /// Bytes with a sign.
    fn signed(from: Self::Bytes) -> Self;
    /// Bytes without a sign.
    fn unsigned(from: Self::Bytes) -> Self;
    /// One number in all lanes.
    fn splat(it: f32) -> Self;
    /// One number in the first eight lanes, another in the rest.
    fn halves(first: f32, rest: f32) -> Self;
    /// An f16 as f32.
    fn number(it: F16) -> f32;
    /// Two patterns of eight numbers, one after the other.
    fn eights(from: [&[f32; 8]; 2]) -> Self;
    /// Four patterns of four numbers, one after the other.
    fn fours(from: [&[f32; 4]; 4]) -> Self;
    /// With the other sign where a bit of `bits` is set, from the lowest up.
    #[must_use]
    fn negated(self, bits: u16) -> Self;
    /// Eight f16 as f32.
    fn eight_numbers(from: [F16; 8]) -> [f32; 8];
    /// `self · by`.
    #[must_use]
    fn times(self, by: Self) -> Self;
    /// `self · by - less`, rounded once or twice: for products that are exact.
    #[must_use]
    fn times_less(self, by: Self, less: Self) -> Self;
    /// `self + a · b`.
    #[must_use]
    fn add_product(self, a: Self, b: Self) -> Self;
    /// The same for a single number: what stands over at the end of a row.
    fn add_one_product(sum: f32, a: f32, b: f32) -> f32;
    /// Bytes as places of a table: the lower half of each counts.
    fn places(from: Self::Bytes) -> Self::Places;
    /// The bytes shifted right: by 4, the upper half counts.
    fn shifted(places: Self::Places, by: usize) -> Self::Places;
    /// The halves of eight bytes as places of a table, in the order of `in_order_of_halves`.
    fn places_of_halves(from: &[u8; 8]) -> Self::Places;
    /// Numbers in the order in which this processor takes halves of bytes apart.
    #[must_use]
    fn in_order_of_halves(self) -> Self;
    /// The same numbers in their own order again.
    #[must_use]
    fn in_order_of_columns(self) -> Self;
    /// Sixteen 32-bit words as places.
    fn places_of_words(from: &[[u8; 4]; N_LANES]) -> Self::Places;
    /// 2²³ more than the lowest bits of each word, as many as `mask` has.
    fn above_2_23(places: Self::Places, mask: u32) -> Self;
    /// What stands at the places of a table: `self[places[i]]` in lane `i`.
    #[must_use]
    fn look_up(self, places: Self::Places) -> Self;
    /// Of these sixteen and the next those at even places, or those at odd ones.
    #[must_use]
    fn every_second(self, next: Self, is_odd: bool) -> Self;
    /// The sum of each sixteen: halves upon halves, in the same order at every level.
    fn trees(from: &[[f32; N_LANES]; N_LANES]) -> [f32; N_LANES];
    /// As numbers.
    fn to_array(self) -> [f32; N_LANES];
    /// Asks for the cache line of an address that will be read soon; it may be any.
    fn prefetch(from: *const u8);
}

/// Sixteen bytes.
pub trait Bytes: Copy {
    /// As they lie in memory.
    fn load(from: &[u8; 16]) -> Self;
    /// The same, with a sign.
    fn load_signed(from: &[i8; 16]) -> Self;
    /// Two words of eight, little-endian.
    fn of(first: u64, rest: u64) -> Self;
    /// One byte sixteen times.
    fn splat(it: u8) -> Self;
    /// All bits set where a bit of `bits` is, from the lowest up; else none.
    fn mask(bits: u16) -> Self;
    /// Some bits of each: shifted right, then masked.
    #[must_use]
    fn bits(self, from: usize, mask: u8) -> Self;
    /// Each shifted left by less than 8; upper bits get lost.
    #[must_use]
    fn up(self, by: usize) -> Self;
    /// Bits of both.
    #[must_use]
    fn or(self, other: Self) -> Self;
    /// Bits that both have.
    #[must_use]
    fn and(self, other: Self) -> Self;
    /// The sum, wrapping.
    #[must_use]
    fn plus(self, other: Self) -> Self;
    /// The difference, wrapping.
    #[must_use]
    fn less(self, other: Self) -> Self;
    /// All bits set where both are equal, else none.
    #[must_use]
    fn equal(self, other: Self) -> Self;
    /// The upper digit of base 3 of each, less 1: `((it · 3) >> 8) - 1`.
    #[must_use]
    fn ternary(self) -> Self;
    /// As they lie in memory.
    fn to_array(self) -> [u8; 16];
    /// Bytes of both in turn: sixteen of the first eight of each, then of the rest.
    fn in_turn(self, other: Self) -> [[u8; 16]; 2];
}
