//! How numbers are stored: one list, one file a format. A format is a block of numbers: its fields in
//! bytes, and what they say in f32.
//!
//! Layouts and arithmetic are ggml's (`ggml-common.h`, `dequantize_row_*` in `ggml-quants.c`), to
//! the bit: the products are exact in f32, so a format with a scale alone rounds nothing, and one
//! with a minimum once. Where levels and scales lie in tensors of their own, `planes` reads them.
//! Deliberately absent: files and tensors (that is `checkpoint`), products (that is `ops`).

mod bf16;
mod codes;
mod f16;
mod f32;
mod f8_e4m3;
mod grids;
mod iq1_m;
mod iq1_s;
mod iq2_s;
mod iq2_xs;
mod iq2_xxs;
mod iq3_s;
mod iq3_xxs;
mod iq4_nl;
mod iq4_xs;
mod lanes;
mod list;
mod mxfp4;
mod nearest;
mod nvfp4;
mod planes;
mod q1_0;
mod q2_0;
mod q2_k;
mod q3_k;
mod q4_0;
mod q4_1;
mod q4_k;
mod q5_0;
mod q5_1;
mod q5_k;
mod q6_k;
mod q8_0;
mod second;
mod singles;
#[cfg(test)]
mod tests;
mod tq1_0;
mod tq2_0;

use bytemuck::Pod;

use self::lanes::Bytes as _;

pub use self::{
    bf16::Bf16,
    f8_e4m3::F8E4M3,
    f16::F16,
    f32::F32,
    grids::{IQ1, IQ2_S, IQ2_XS, IQ2_XXS, IQ3_S, IQ3_XXS},
    iq1_m::Iq1M,
    iq1_s::Iq1S,
    iq2_s::Iq2S,
    iq2_xs::Iq2Xs,
    iq2_xxs::Iq2Xxs,
    iq3_s::Iq3S,
    iq3_xxs::Iq3Xxs,
    iq4_nl::{Iq4Nl, LEVELS as IQ4_LEVELS},
    iq4_xs::Iq4Xs,
    lanes::{Lanes, N_LANES, Plain},
    list::{Dtype, Visitor},
    mxfp4::Mxfp4,
    nvfp4::Nvfp4,
    planes::{
        AWQ_PLACES, Factor, LaidGroups, LaidOffset, LaneShared, Level, Offset, Packing,
        PlaneFormat, PlaneLayout, PlaneRows, RowKind, RowShared, RowVisitor, ScaleOrder, ScaleType,
        Sharing, ZeroPlus, numbers_of_words,
    },
    q1_0::Q1_0,
    q2_0::Q2_0,
    q2_k::Q2K,
    q3_k::Q3K,
    q4_0::Q4_0,
    q4_1::Q4_1,
    q4_k::{Q4K, six_bits},
    q5_0::Q5_0,
    q5_1::Q5_1,
    q5_k::Q5K,
    q6_k::Q6K,
    q8_0::Q8_0,
    second::{second_opinion, ulps_between},
    tq1_0::Tq1_0,
    tq2_0::Tq2_0,
};

#[cfg(target_arch = "x86_64")]
pub use self::lanes::{Avx2, Avx512};

/// A block of numbers as it lies in a file: fields of bytes, so that it can be read at any address.
pub trait Block: Pod {
    /// `[f32; n]`: as many as a block holds.
    type Numbers: AsRef<[f32]>;

    /// The numbers, in order, as ggml's `dequantize_row_*` computes them. A scale that is not finite
    /// makes numbers that are not.
    fn decode(&self) -> Self::Numbers;
}

/// A format whose numbers are stored one by one.
pub trait Single: Block {
    /// Sixteen numbers: those of `decode`, to the bit.
    fn lanes<L: Lanes>(from: &[Self; N_LANES]) -> L;
}

/// A format of blocks of whole 32 numbers.
///
/// Its functions are inlined into the loop that is compiled for a processor's registers, and so is
/// what they call; closures would not be, so none does more than scalar arithmetic.
pub trait Grouped: Block {
    /// What the pairs of a block share, computed once: scales.
    type Shared: Copy;

    /// Whether four pairs are best written out one after the other, where there are so many: what bits are shifted by is
    /// then known beforehand.
    const IN_FOURS: bool = true;

    /// See [`Grouped::Shared`].
    fn shared<L: Lanes>(&self) -> Self::Shared;

    /// The same for blocks of four rows: f16 become numbers together.
    #[inline(always)]
    fn shared_of_four<L: Lanes>(rows: [&Self; 4]) -> [Self::Shared; 4] {
        let [a, b, c, d] = rows;
        [
            a.shared::<L>(),
            b.shared::<L>(),
            c.shared::<L>(),
            d.shared::<L>(),
        ]
    }

    /// The numbers `32 i..32 i + 32`: those of `decode`, to the bit.
    fn pair<L: Lanes>(&self, shared: &Self::Shared, i: usize) -> [L; 2];
}

/// From 0 to 15.
const COUNT: [f32; 16] = [
    0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 13.0, 14.0, 15.0,
];

/// What stands in a table at the lower halves of bytes, then at their upper halves.
#[inline(always)]
fn look_up_halves<L: Lanes>(table: L, bytes: &[u8; 16]) -> [L; 2] {
    let places = L::places(L::Bytes::load(bytes));
    [table.look_up(places), table.look_up(L::shifted(places, 4))]
}

/// Four scales as numbers.
#[inline(always)]
fn four_scales<L: Lanes>([a, b, c, d]: [F16; 4]) -> [f32; 4] {
    let [a, b, c, d, ..] = L::eight_numbers([a, b, c, d, a, b, c, d]);
    [a, b, c, d]
}

/// Four scales and minimums as numbers.
#[inline(always)]
fn four_pairs<L: Lanes>([a, b, c, d]: [F16; 4], [e, f, g, h]: [F16; 4]) -> [[f32; 2]; 4] {
    let [a, b, c, d, e, f, g, h] = L::eight_numbers([a, b, c, d, e, f, g, h]);
    [[a, e], [b, f], [c, g], [d, h]]
}

/// Sixteen of many bytes.
#[inline(always)]
fn sixteen(bytes: &[u8], i: usize) -> &[u8; 16] {
    &bytes.as_chunks().0[i]
}

/// The lower half of a byte.
fn lo(byte: u8) -> u8 {
    byte & 15
}

/// The upper half of a byte.
fn hi(byte: u8) -> u8 {
    byte >> 4
}

/// Lower halves, then upper halves.
fn nibbles(bytes: &[u8; 16]) -> [u8; 32] {
    std::array::from_fn(|i| {
        if i < 16 {
            lo(bytes[i])
        } else {
            hi(bytes[i - 16])
        }
    })
}

/// The eight signs of a code of 7 bits (the lowest of `code`): the eighth makes their number even.
#[inline(always)]
fn seven_bit_signs(code: u32) -> u8 {
    let seven = (code & 127) as u8;
    seven | ((seven.count_ones() & 1) << 7) as u8
}

/// A pattern times a scale, below 0 where a bit of `signs` is set.
fn signed(scale: f32, pattern: [u8; 8], signs: u8) -> [f32; 8] {
    std::array::from_fn(|j| {
        let it = scale * f32::from(pattern[j]);
        if signs >> j & 1 == 1 { -it } else { it }
    })
}
