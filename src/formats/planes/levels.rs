//! Sixteen levels of a row at a time, from each way they are packed in. What lies beyond a plane reads as 0.

use super::{
    super::{
        COUNT, F8E4M3, N_LANES,
        lanes::{Bytes as _, Lanes},
        mxfp4::FP4_DOUBLED,
    },
    AWQ_PLACES, NV_BLOCK, NV_BLOCK_BYTES, NV_SCALES, PlaneRows,
};

/// The levels of a row.
pub(super) trait Levels {
    /// Those of the columns from `col` on, a multiple of sixteen. Of 4-bit floats, twice what they say.
    fn sixteen<L: Lanes>(&self, col: usize) -> L;
}

/// How a level of a byte, or half of one, is read.
pub(super) trait LevelKind {
    /// Bits of a level.
    const BITS: usize;
    /// Of sixteen bytes.
    fn lanes<L: Lanes>(bytes: [u8; 16]) -> L;
}

/// Whole numbers of 4 bits.
pub(super) struct U4;
/// Floats of 4 bits.
pub(super) struct Fp4;
/// Whole numbers of 8 bits.
pub(super) struct U8;
/// The same with a sign.
pub(super) struct I8;
/// Floats of 8 bits.
pub(super) struct F8;

impl LevelKind for U4 {
    const BITS: usize = 4;

    #[inline(always)]
    fn lanes<L: Lanes>(bytes: [u8; 16]) -> L {
        L::f32(&COUNT).look_up(L::places(L::Bytes::load(&bytes)))
    }
}

impl LevelKind for Fp4 {
    const BITS: usize = 4;

    #[inline(always)]
    fn lanes<L: Lanes>(bytes: [u8; 16]) -> L {
        L::f32(&FP4_DOUBLED.map(f32::from)).look_up(L::places(L::Bytes::load(&bytes)))
    }
}

impl LevelKind for U8 {
    const BITS: usize = 8;

    #[inline(always)]
    fn lanes<L: Lanes>(bytes: [u8; 16]) -> L {
        L::unsigned(L::Bytes::load(&bytes))
    }
}

impl LevelKind for I8 {
    const BITS: usize = 8;

    #[inline(always)]
    fn lanes<L: Lanes>(bytes: [u8; 16]) -> L {
        L::signed(L::Bytes::load(&bytes))
    }
}

impl LevelKind for F8 {
    const BITS: usize = 8;

    #[inline(always)]
    fn lanes<L: Lanes>(bytes: [u8; 16]) -> L {
        L::f8_e4m3(bytemuck::cast_ref::<[u8; 16], [F8E4M3; N_LANES]>(&bytes))
    }
}

/// Levels that follow each other, from the first of a row on.
pub(super) struct RowLevels<'a, K> {
    bytes: &'a [u8],
    kind: std::marker::PhantomData<K>,
}

impl<'a, K: LevelKind> RowLevels<'a, K> {
    /// Those of a row.
    pub(super) fn of(it: &PlaneRows<'a>, row: usize) -> Self {
        let start = row * it.cols * K::BITS / 8;
        Self {
            bytes: it.levels.get(start..).unwrap_or_default(),
            kind: std::marker::PhantomData,
        }
    }
}

impl<K: LevelKind> Levels for RowLevels<'_, K> {
    #[inline(always)]
    fn sixteen<L: Lanes>(&self, col: usize) -> L {
        let start = col * K::BITS / 8;
        K::lanes(if K::BITS == 8 {
            bytes_at(self.bytes, start)
        } else {
            let halves = u64::from_le_bytes(bytes_at(self.bytes, start));
            sixteen_halves(halves as u32, (halves >> 32) as u32)
        })
    }
}

/// The levels of ggml's blocks of `NVFP4`, of a row.
pub(super) struct NvBlockLevels<'a> {
    blocks: &'a [[u8; NV_BLOCK_BYTES]],
}

impl<'a> NvBlockLevels<'a> {
    /// Those of a row.
    pub(super) fn of(it: &PlaneRows<'a>, row: usize) -> Self {
        let (blocks, _) = it.levels.as_chunks();
        let start = row * it.cols / NV_BLOCK;
        Self {
            blocks: blocks.get(start..).unwrap_or_default(),
        }
    }
}

impl Levels for NvBlockLevels<'_> {
    /// Of a byte the lower half is in the first eight, the upper one in the others.
    #[inline(always)]
    fn sixteen<L: Lanes>(&self, col: usize) -> L {
        let block = self.blocks.get(col / NV_BLOCK);
        let bytes = block.map_or(&[][..], |it| &it[NV_SCALES..]);
        let qs = u64::from_le_bytes(bytes_at(bytes, col % NV_BLOCK / 2));
        let (low, high) = (qs & 0x0F0F_0F0F_0F0F_0F0F, qs >> 4 & 0x0F0F_0F0F_0F0F_0F0F);
        Fp4::lanes((u128::from(low) | u128::from(high) << 64).to_le_bytes())
    }
}

/// Words of consecutive columns, a row's each so many words behind the last.
pub(super) struct ColumnWords<'a, K> {
    all: &'a [[u8; 4]],
    stride: usize,
    kind: std::marker::PhantomData<K>,
}

impl<'a, K: LevelKind> ColumnWords<'a, K> {
    /// Those of a row.
    pub(super) fn of(it: &PlaneRows<'a>, row: usize) -> Self {
        let rows = it.matrix_rows.max(1);
        let n_words = it.cols * K::BITS / 32;
        let start = row / rows * rows * n_words + row % rows;
        Self {
            all: it.levels.as_chunks().0.get(start..).unwrap_or_default(),
            stride: rows,
            kind: std::marker::PhantomData,
        }
    }

    #[inline(always)]
    fn word(&self, i: usize) -> u32 {
        let word = self.all.get(i * self.stride);
        u32::from_le_bytes(word.copied().unwrap_or_default())
    }
}

impl<K: LevelKind> Levels for ColumnWords<'_, K> {
    #[inline(always)]
    fn sixteen<L: Lanes>(&self, col: usize) -> L {
        let first = col * K::BITS / 32;
        K::lanes(if K::BITS == 8 {
            let mut bytes = [0; 16];
            for (i, out) in bytes.as_chunks_mut::<4>().0.iter_mut().enumerate() {
                *out = self.word(first + i).to_le_bytes();
            }
            bytes
        } else {
            sixteen_halves(self.word(first), self.word(first + 1))
        })
    }
}

/// Words of eight rows, one a column: those of sixteen columns, for each of these rows.
pub(super) struct RowWords<'a> {
    words: &'a [[u8; 4]],
    stride: usize,
}

impl<'a> RowWords<'a> {
    /// The rows of the word that has a row.
    pub(super) fn of(it: &PlaneRows<'a>, row: usize) -> Self {
        let stride = it.matrix_rows.div_ceil(8).max(1);
        let rows = it.matrix_rows.max(1);
        let start = row / rows * it.cols * stride + row % rows / 8;
        Self {
            words: it.levels.as_chunks().0.get(start..).unwrap_or_default(),
            stride,
        }
    }

    /// The words of sixteen columns.
    #[inline(always)]
    pub(super) fn sixteen(&self, col: usize) -> [u32; N_LANES] {
        let mut out = [0; N_LANES];
        for (i, out) in out.iter_mut().enumerate() {
            let word = self.words.get((col + i) * self.stride);
            *out = u32::from_le_bytes(word.copied().unwrap_or_default());
        }
        out
    }
}

/// The levels of a row, the `i`th of its word.
#[inline(always)]
pub(super) fn of_row_words<L: Lanes>(words: &[u32; N_LANES], i: usize) -> L {
    let shift = 4 * AWQ_PLACES[i % 8];
    let mut out = [0.0; N_LANES];
    for (out, word) in out.iter_mut().zip(words) {
        *out = (word >> shift & 15).cast_signed() as f32;
    }
    L::f32(&out)
}

/// The bytes from a place on, filled up with 0.
#[inline(always)]
fn bytes_at<const N: usize>(bytes: &[u8], start: usize) -> [u8; N] {
    if let Some(it) = bytes.get(start..).and_then(<[u8]>::first_chunk) {
        return *it;
    }
    let mut out = [0; N];
    let rest = bytes.get(start..).unwrap_or_default();
    out[..rest.len()].copy_from_slice(rest);
    out
}

/// Sixteen half bytes, a byte each, the lowest first.
#[inline(always)]
fn sixteen_halves(first: u32, rest: u32) -> [u8; 16] {
    let whole = u128::from(spread(first)) | u128::from(spread(rest)) << 64;
    whole.to_le_bytes()
}

/// Eight half bytes, a byte each.
#[inline(always)]
fn spread(halves: u32) -> u64 {
    let it = u64::from(halves);
    let it = (it | it << 16) & 0x0000_FFFF_0000_FFFF;
    let it = (it | it << 8) & 0x00FF_00FF_00FF_00FF;
    (it | it << 4) & 0x0F0F_0F0F_0F0F_0F0F
}
