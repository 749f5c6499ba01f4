//! Levels that follow each other row by row, sixteen at a time in registers as numbers: for products that decode as they
//! go. What is in other orders, or at the edges of groups, goes through [`PlaneRows::decode`].

use std::ops::Range;

use bytemuck::Pod;

use super::{
    super::{
        COUNT, N_LANES,
        f8_e4m3::SCALE_OF_F16,
        lanes::{Bytes as _, Lanes},
        mxfp4::FP4_DOUBLED,
    },
    Level, Offset, Packing, PlaneRows,
    scales::RowScales,
};

/// What sixteen levels say together with the scale of their group.
pub trait RowKind {
    /// The bytes of sixteen levels.
    type Levels: Pod;
    /// What a group shares, ready in registers.
    type Shared<L: Lanes>: Copy;

    /// See [`RowKind::Shared`].
    fn shared<L: Lanes>(scale: f32, offset: f32) -> Self::Shared<L>;

    /// Sixteen numbers, those of [`PlaneRows::decode`] to the bit, in the order of [`RowKind::in_order`].
    fn numbers<L: Lanes>(levels: &Self::Levels, shared: Self::Shared<L>) -> L;

    /// Activations in the order of the numbers.
    #[inline(always)]
    fn in_order<L: Lanes>(x: L) -> L {
        x
    }

    /// Sums in the order of columns again.
    #[inline(always)]
    fn from_order<L: Lanes>(sums: L) -> L {
        sums
    }

    /// Whether levels and scales are such that `numbers` says what they mean.
    #[inline(always)]
    #[must_use]
    fn is_plain(_levels: &[u8], _scales: &[f32]) -> bool {
        true
    }
}

/// How levels are scaled.
pub trait Scaling {
    /// Levels to numbers.
    fn scaled<L: Lanes>(levels: L, scale: L, offset: L) -> L;
}

/// `level · scale`.
pub struct Alone;
/// `(level - zero) · scale`; the difference is exact.
pub struct FromZero;
/// `level · scale + minimum`.
pub struct WithMinimum;

impl Scaling for Alone {
    #[inline(always)]
    fn scaled<L: Lanes>(levels: L, scale: L, _offset: L) -> L {
        levels.times(scale)
    }
}

impl Scaling for FromZero {
    #[inline(always)]
    fn scaled<L: Lanes>(levels: L, scale: L, zero: L) -> L {
        levels.times_less(L::splat(1.0), zero).times(scale)
    }
}

impl Scaling for WithMinimum {
    #[inline(always)]
    fn scaled<L: Lanes>(levels: L, scale: L, minimum: L) -> L {
        levels.times_less(scale, L::zero().times_less(L::zero(), minimum))
    }
}

/// Half bytes: what they mean is looked up among the sixteen numbers of their group.
pub struct Halves<T, S>(std::marker::PhantomData<(T, S)>);

/// The levels that half bytes stand for.
pub trait LevelTable {
    /// In order.
    const LEVELS: [f32; 16];
}

/// Whole numbers.
pub struct Whole;
/// Floats, twice what they say.
pub struct Floats;

impl LevelTable for Whole {
    const LEVELS: [f32; 16] = COUNT;
}

impl LevelTable for Floats {
    const LEVELS: [f32; 16] = {
        let mut out = [0.0; 16];
        let mut i = 0;
        while i < 16 {
            out[i] = FP4_DOUBLED[i] as f32;
            i += 1;
        }
        out
    };
}

impl<T: LevelTable, S: Scaling> RowKind for Halves<T, S> {
    type Levels = [u8; 8];
    type Shared<L: Lanes> = L;

    #[inline(always)]
    fn shared<L: Lanes>(scale: f32, offset: f32) -> L {
        S::scaled(L::f32(&T::LEVELS), L::splat(scale), L::splat(offset))
    }

    #[inline(always)]
    fn numbers<L: Lanes>(levels: &[u8; 8], table: L) -> L {
        table.look_up(L::places_of_halves(levels))
    }

    #[inline(always)]
    fn in_order<L: Lanes>(x: L) -> L {
        x.in_order_of_halves()
    }

    #[inline(always)]
    fn from_order<L: Lanes>(sums: L) -> L {
        sums.in_order_of_columns()
    }
}

/// Whole numbers of a byte each, without a sign.
pub struct Unsigned<S>(std::marker::PhantomData<S>);
/// Whole numbers of a byte each, with one.
pub struct Signed;
/// Floats of a byte each.
pub struct Fp8;

impl<S: Scaling> RowKind for Unsigned<S> {
    type Levels = [u8; 16];
    type Shared<L: Lanes> = (L, L);

    #[inline(always)]
    fn shared<L: Lanes>(scale: f32, offset: f32) -> (L, L) {
        (L::splat(scale), L::splat(offset))
    }

    #[inline(always)]
    fn numbers<L: Lanes>(levels: &[u8; 16], (scale, offset): (L, L)) -> L {
        S::scaled(L::unsigned(L::Bytes::load(levels)), scale, offset)
    }
}

impl RowKind for Signed {
    type Levels = [i8; 16];
    type Shared<L: Lanes> = L;

    #[inline(always)]
    fn shared<L: Lanes>(scale: f32, _offset: f32) -> L {
        L::splat(scale)
    }

    #[inline(always)]
    fn numbers<L: Lanes>(levels: &[i8; 16], scale: L) -> L {
        L::signed(L::Bytes::load_signed(levels)).times(scale)
    }
}

impl RowKind for Fp8 {
    type Levels = [u8; 16];
    type Shared<L: Lanes> = L;

    #[inline(always)]
    fn shared<L: Lanes>(scale: f32, _offset: f32) -> L {
        L::splat(scale * SCALE_OF_F16)
    }

    #[inline(always)]
    fn numbers<L: Lanes>(levels: &[u8; 16], scale: L) -> L {
        L::f8_e4m3_by(L::Bytes::load(levels), scale)
    }

    /// No level is NaN, and no scale so large that it could not be 2⁸ times as large.
    #[inline(always)]
    fn is_plain(levels: &[u8], scales: &[f32]) -> bool {
        let (chunks, rest) = levels.as_chunks::<64>();
        let mut some = false;
        for chunk in chunks {
            let mut here = 0;
            for it in chunk {
                here |= u8::from(it & 0x7F == 0x7F);
            }
            some |= here != 0;
        }
        let last = rest.iter().any(|it| it & 0x7F == 0x7F);
        !some && !last && scales.iter().all(|it| it.abs() <= f32::MAX / SCALE_OF_F16)
    }
}

/// What is done with rows of any kind.
pub trait RowVisitor {
    /// What comes of it.
    type Output;
    /// For one kind.
    fn rows<K: RowKind>(self) -> Self::Output;
}

/// The scales of one row at a time.
#[derive(Debug, Default)]
pub struct RowShared(RowScales);

impl RowShared {
    /// Scale and offset of a group; NaN where there is none.
    #[inline(always)]
    #[must_use]
    pub fn of_group(&self, group: usize) -> (f32, f32) {
        let scale = self.0.scales.get(group).copied().unwrap_or(f32::NAN);
        (scale, self.0.offsets.get(group).copied().unwrap_or(0.0))
    }

    /// All scales, by group.
    #[must_use]
    pub fn scales(&self) -> &[f32] {
        &self.0.scales
    }
}

impl<'a> PlaneRows<'a> {
    /// Columns of a group, where rows can be read as a [`RowKind`]: levels follow each other, and sixteen of them are of
    /// one group.
    #[must_use]
    pub fn cols_of_group(&self) -> Option<usize> {
        let shared = self.format.sharing.cols(self.cols).min(self.cols);
        let is_whole = shared.is_multiple_of(N_LANES) && self.cols.is_multiple_of(N_LANES);
        let is_direct = self.format.packing == Packing::Rows && !self.format.has_order;
        (is_whole && is_direct).then_some(shared)
    }

    /// Does what a visitor does with rows of any kind; `None` where no kind says what these are.
    pub fn visit_rows<V: RowVisitor>(&self, visitor: V) -> Option<V::Output> {
        Some(match (self.format.level, self.format.offset) {
            (Level::U4, Offset::Zero(_) | Offset::Zeros { .. }) => {
                visitor.rows::<Halves<Whole, FromZero>>()
            }
            (Level::U4, Offset::Minimums) => visitor.rows::<Halves<Whole, WithMinimum>>(),
            (Level::Fp4, Offset::None) => visitor.rows::<Halves<Floats, Alone>>(),
            (Level::U8, Offset::Zero(_) | Offset::Zeros { .. }) => {
                visitor.rows::<Unsigned<FromZero>>()
            }
            (Level::U8, Offset::Minimums) => visitor.rows::<Unsigned<WithMinimum>>(),
            (Level::I8, Offset::None) => visitor.rows::<Signed>(),
            (Level::F8E4M3, Offset::None) => visitor.rows::<Fp8>(),
            _ => return None,
        })
    }

    /// The levels of some of these rows, of R that follow each other; `None` where they are not all there.
    #[must_use]
    pub fn levels_of<const R: usize>(&self, first: usize) -> Option<[&'a [u8]; R]> {
        let row_bytes = self.cols * self.format.level.bits() / 8;
        let mut out: [&[u8]; R] = [&[]; R];
        for (r, out) in out.iter_mut().enumerate() {
            let start = (self.first + (first + r) * self.step).checked_mul(row_bytes)?;
            *out = self.levels.get(Range {
                start,
                end: start.checked_add(row_bytes)?,
            })?;
        }
        Some(out)
    }

    /// Reads the scales of one of these rows.
    #[inline(always)]
    pub fn read_shared<L: Lanes>(&self, row: usize, shared: &mut RowShared) {
        shared.0.read::<L>(self, self.first + row * self.step);
    }
}
