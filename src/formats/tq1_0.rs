//! ggml's `TQ1_0`: -1, 0 or 1, five to a byte as digits of base 3, and a scale.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped,
    lanes::{Bytes as _, Lanes},
};

/// 256 numbers in 54 bytes: number `i` is `d · (digit[i] - 1)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct Tq1_0 {
    /// Digits of 160 numbers in the first 32 bytes, of 80 in the rest: the first digits of all these bytes, then the second ones.
    pub qs: [u8; 48],
    /// Four digits a byte, of the last 16 numbers.
    pub qh: [u8; 4],
    /// The scale.
    pub d: F16,
}

impl Block for Tq1_0 {
    type Numbers = [f32; 256];

    fn decode(&self) -> [f32; 256] {
        let d = self.d.to_f32();
        let (first, rest) = self.qs.split_at(32);
        let places = [(first, 5), (rest, 5), (&self.qh[..], 4)];
        let digits = places.into_iter().flat_map(|(bytes, n)| {
            (0..n).flat_map(move |place| bytes.iter().map(move |it| digit(*it, place)))
        });
        let mut out = [0.0; 256];
        for (out, digit) in out.iter_mut().zip(digits) {
            *out = d * (f32::from(digit) - 1.0);
        }
        out
    }
}

impl Grouped for Tq1_0 {
    /// All levels, and the scale.
    type Shared = ([[i8; 16]; 16], f32);

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> Self::Shared {
        let mut levels = [[0; 16]; 16];
        for (i, bytes) in self.qs.as_chunks().0.iter().enumerate() {
            let mut rest = L::Bytes::load(bytes);
            for place in 0..5 {
                let at = if i < 2 { 2 * place + i } else { 10 + place };
                levels[at] = rest.ternary().to_array();
                rest = tripled::<L>(rest);
            }
        }
        // Four bytes four times, the digits of each four at another place.
        let last = u64::from(u32::from_le_bytes(self.qh));
        let mut rest = L::Bytes::of(last | last << 32, last | last << 32);
        let mut all = rest.and(L::Bytes::of(LAST_FOUR, 0));
        rest = tripled::<L>(rest);
        all = all.or(rest.and(L::Bytes::of(LAST_FOUR << 32, 0)));
        rest = tripled::<L>(rest);
        all = all.or(rest.and(L::Bytes::of(0, LAST_FOUR)));
        rest = tripled::<L>(rest);
        all = all.or(rest.and(L::Bytes::of(0, LAST_FOUR << 32)));
        levels[15] = all.ternary().to_array();
        (bytemuck::cast(levels), L::number(self.d))
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, (levels, d): &Self::Shared, i: usize) -> [L; 2] {
        let d = L::splat(*d);
        let one = L::signed(L::Bytes::load_signed(&levels[2 * i]));
        let other = L::signed(L::Bytes::load_signed(&levels[2 * i + 1]));
        [one.times(d), other.times(d)]
    }
}

/// Four bytes that are kept.
const LAST_FOUR: u64 = 0xFFFF_FFFF;

/// Bytes whose next digit stands at the top.
#[inline(always)]
fn tripled<L: Lanes>(it: L::Bytes) -> L::Bytes {
    it.plus(it).plus(it)
}

/// What brings each digit of a byte to the top.
const POWERS: [u8; 5] = [1, 3, 9, 27, 81];

/// Digit `place` of a byte that is a fraction of 256, the highest first: 0 to 2.
#[must_use]
pub fn digit(byte: u8, place: usize) -> u8 {
    let rest = byte.wrapping_mul(POWERS[place]);
    ((u16::from(rest) * 3) >> 8) as u8
}
