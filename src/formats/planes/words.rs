//! Levels in 32-bit words, read by lanes that are rows: what the words of sixteen rows, or sixteen words of rows, share.
//!
//! A level is `(bits + 2²³) - (zero + 2²³)`: or-ing bits under an exponent makes them a number, and the difference is
//! exact.

use super::{
    super::{
        N_LANES,
        lanes::{Bytes as _, Lanes},
    },
    AWQ_PLACES, Factor, Offset, Packing, PlaneRows, ScaleOrder, Sharing, ZeroPlus,
    scales::widen,
};

/// 2²³.
const ABOVE: f32 = 8_388_608.0;
/// Rows of a word of AWQ.
const ROWS_OF_WORD: usize = 8;

/// Scales and zero points of rows, a lane each: by group, then by vector of rows.
#[derive(Debug, Default)]
pub struct LaneShared {
    scales: Vec<[f32; N_LANES]>,
    /// Zero points, each 2²³ more.
    zeros: Vec<[f32; N_LANES]>,
}

impl LaneShared {
    /// Those of one vector.
    #[inline(always)]
    #[must_use]
    pub fn of<L: Lanes>(&self, i: usize) -> (L, L) {
        (L::f32(&self.scales[i]), L::f32(&self.zeros[i]))
    }
}

/// The numbers of sixteen levels, one a lane: `places` are words, shifted so that each level has the lowest bits.
#[inline(always)]
pub fn numbers_of_words<L: Lanes>(places: L::Places, mask: u32, (scale, zero): (L, L)) -> L {
    let levels = L::above_2_23(places, mask);
    levels.times_less(L::splat(1.0), zero).times(scale)
}

impl<'a> PlaneRows<'a> {
    /// Rows that lanes can read at a time; `None` where these have to be read one by one.
    #[must_use]
    pub fn rows_in_lanes(&self) -> Option<usize> {
        let of_group = match self.format.sharing {
            Sharing::Row => self.cols,
            Sharing::Group(n) => n,
            Sharing::Matrix | Sharing::Block(..) => return None,
        };
        let is_plain = self.step == 1
            && self.cols.is_multiple_of(N_LANES)
            && self.format.factor == Factor::None
            && self.format.scale_order == ScaleOrder::Groups
            && matches!(self.format.offset, Offset::Zeros { .. });
        match self.format.packing {
            Packing::WordsOfColumns if is_plain => Some(N_LANES),
            Packing::WordsOfRows if is_plain && !self.format.has_order => of_group
                .is_multiple_of(N_LANES)
                .then_some(N_LANES * ROWS_OF_WORD),
            _ => None,
        }
    }

    /// Packed words for the lanes' rows from `first`, and the stride to the next, in words; `None` where these are not
    /// rows of one matrix, begin within a word, or are not all there.
    #[must_use]
    pub fn words_of(&self, first: usize, n_rows: usize) -> Option<(&'a [[u8; 4]], usize)> {
        let (row, rows) = (self.first + first, self.matrix_rows.max(1));
        let (matrix, within) = (row / rows, row % rows);
        if within + n_rows > rows {
            return None;
        }
        let (words, _) = self.levels.as_chunks::<4>();
        let (stride, lines, start) = if self.format.packing == Packing::WordsOfRows {
            if !within.is_multiple_of(ROWS_OF_WORD) || !rows.is_multiple_of(ROWS_OF_WORD) {
                return None;
            }
            (rows / ROWS_OF_WORD, self.cols, within / ROWS_OF_WORD)
        } else {
            let lines = self.cols * self.format.level.bits() / 32;
            (rows, lines, within)
        };
        let matrix_words = lines.checked_mul(stride)?;
        let all = words.get(matrix.checked_mul(matrix_words)?..)?;
        Some((all.get(..matrix_words)?.get(start..)?, stride))
    }

    /// The group of each column; that of none is behind the last.
    #[must_use]
    pub fn groups(&self) -> Vec<usize> {
        let (n, shared) = (
            self.format.n_groups(self.cols),
            self.format.sharing.cols(self.cols),
        );
        (0..self.cols)
            .map(|col| self.group_of(col, shared).min(n))
            .collect()
    }

    /// Reads what the groups of the rows of lanes share, and NaN behind the last; `None` where they are not all there.
    #[inline(always)]
    pub fn read_lanes<L: Lanes>(
        &self,
        first: usize,
        n_rows: usize,
        shared: &mut LaneShared,
    ) -> Option<()> {
        let (row, rows) = (self.first + first, self.matrix_rows.max(1));
        let (matrix, within) = (row / rows, row % rows);
        let n_groups = self.format.n_groups(self.cols);
        let n_vectors = n_rows / N_LANES;
        let size = self.format.scale.n_bytes();
        let Offset::Zeros { bits, is_awq, plus } = self.format.offset else {
            return None;
        };
        let of_word = 32 / bits as usize;
        if !within.is_multiple_of(of_word) || !rows.is_multiple_of(of_word) {
            return None;
        }
        let is_turned = self.format.packing == Packing::WordsOfRows;
        let (zero_words, _) = self.offsets.as_chunks::<4>();
        let n_all = (n_groups + 1) * n_vectors;
        shared.scales.resize(n_all, [f32::NAN; N_LANES]);
        shared.zeros.resize(n_all, [f32::NAN; N_LANES]);
        let mut wide = [0.0; N_LANES * ROWS_OF_WORD];
        for group in 0..n_groups {
            let line = matrix * n_groups + group;
            let start = line.checked_mul(rows)? + within;
            let stored = self.scales.get(start * size..(start + n_rows) * size)?;
            let scales = &mut shared.scales[group * n_vectors..][..n_vectors];
            widen::<L>(&mut wide[..n_rows], stored, self.format.scale);
            for (v, out) in scales.iter_mut().enumerate() {
                for (lane, out) in out.iter_mut().enumerate() {
                    *out = wide[if is_turned {
                        lane * ROWS_OF_WORD + v
                    } else {
                        v * N_LANES + lane
                    }];
                }
            }
            let start = line * (rows / of_word) + within / of_word;
            let words = zero_words.get(start..start + n_rows / of_word)?;
            let zeros = &mut shared.zeros[group * n_vectors..][..n_vectors];
            read_zeros::<L>(words, (bits, is_awq, plus), is_turned, zeros)?;
        }
        Some(())
    }
}

/// Zero points of rows in lanes, each 2²³ more; `None` in an order that no file has.
#[inline(always)]
fn read_zeros<L: Lanes>(
    words: &[[u8; 4]],
    (bits, is_awq, plus): (u32, bool, ZeroPlus),
    is_turned: bool,
    out: &mut [[f32; N_LANES]],
) -> Option<()> {
    let less = L::splat(-plus.to_each());
    let mut carried = [[0; 4]; N_LANES];
    let words = match plus.to_word(bits) {
        0 => words,
        more => {
            for (out, word) in carried.iter_mut().zip(words) {
                *out = u32::from_le_bytes(*word).wrapping_add(more).to_le_bytes();
            }
            carried.get(..words.len())?
        }
    };
    match (is_turned, is_awq, bits) {
        (true, true, 4) => {
            let places = L::places_of_words(words.first_chunk()?);
            for (out, place) in out.iter_mut().zip(AWQ_PLACES) {
                let zeros = L::above_2_23(L::shifted(places, 4 * place as usize), 15);
                *out = zeros.times_less(L::splat(1.0), less).to_array();
            }
        }
        (false, false, 4) => {
            let places = L::places_of_halves(words.as_flattened().first_chunk()?);
            let zeros = L::above_2_23(places, 15).times_less(L::splat(1.0), less);
            *out.first_mut()? = zeros.in_order_of_columns().to_array();
        }
        (false, false, 8) => {
            let zeros = L::unsigned(L::Bytes::load(words.as_flattened().first_chunk()?));
            let above = L::splat(-ABOVE - plus.to_each());
            *out.first_mut()? = zeros.times_less(L::splat(1.0), above).to_array();
        }
        _ => return None,
    }
    Some(())
}
