//! ggml's `TQ1_0`: -1, 0 or 1, five to a byte as digits of base 3, and a scale.

use bytemuck::{Pod, Zeroable};

use super::{
    Block, F16, Grouped,
    lanes::{Bytes as _, Lanes},
    sixteen,
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
    type Shared = f32;

    #[inline(always)]
    fn shared<L: Lanes>(&self) -> f32 {
        L::number(self.d)
    }

    #[inline(always)]
    fn pair<L: Lanes>(&self, shared: &f32, i: usize) -> [L; 2] {
        let (d, ones) = (L::splat(*shared), L::Bytes::splat(1));
        let one = self.digits::<L>(2 * i).less(ones);
        let other = self.digits::<L>(2 * i + 1).less(ones);
        [L::signed(one).times(d), L::signed(other).times(d)]
    }
}

impl Tq1_0 {
    /// The digits of the numbers `16 c..16 c + 16`.
    #[inline(always)]
    fn digits<L: Lanes>(&self, c: usize) -> L::Bytes {
        match c {
            0..10 => L::Bytes::load(sixteen(&self.qs, c % 2)).digits(POWERS[c / 2]),
            10..15 => L::Bytes::load(sixteen(&self.qs, 2)).digits(POWERS[c - 10]),
            _ => L::Bytes::load(&std::array::from_fn(|i| digit(self.qh[i % 4], i / 4))),
        }
    }
}

/// What brings each digit of a byte to the top.
const POWERS: [u8; 5] = [1, 3, 9, 27, 81];

/// Digit `place` of a byte that is a fraction of 256, the highest first: 0 to 2.
#[must_use]
pub fn digit(byte: u8, place: usize) -> u8 {
    let rest = byte.wrapping_mul(POWERS[place]);
    ((u16::from(rest) * 3) >> 8) as u8
}
