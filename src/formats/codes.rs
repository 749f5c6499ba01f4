//! Codes, signs and scales of the IQ formats, those of a whole block at once: most are loops over arrays, which become
//! vectors of whatever width there is.

use super::lanes::{Bytes as _, Lanes};

/// Signs of 32 numbers each, from words of four codes of 7 bits, the lowest first. What stands above them is not looked
/// at.
#[inline(always)]
fn signs_of_words<const N: usize>(words: &[u32; N]) -> [u32; N] {
    let mut out = *words;
    for it in &mut out {
        let two = *it & 0x3FFF | (*it & 0x0FFF_C000) << 2;
        *it = with_eighth(two & 0x007F_007F | (two & 0x3F80_3F80) << 1);
    }
    out
}

/// Signs and scales of a block of a row, 8 groups of 32.
pub type SignsAndScales = ([u32; 8], [f32; 8]);

/// Those of four rows, from words `[rows · groups]` of four codes of 7 bits and a scale of 4 bits, each scale
/// `unit · (0.5 + it) · times`: words of all rows side by side become wide vectors.
#[inline(always)]
pub fn signs_and_scales_of_four(
    words: &[u32; 32],
    units: [f32; 4],
    times: f32,
) -> [SignsAndScales; 4] {
    let signs = signs_of_words(words);
    let mut out = [([0; 8], [0.0; 8]); 4];
    for (r, (of_row, scales)) in out.iter_mut().enumerate() {
        of_row.copy_from_slice(&signs[8 * r..8 * r + 8]);
        for i in 0..8 {
            scales[i] = units[r] * (0.5 + (words[8 * r + i] >> 28) as f32) * times;
        }
    }
    out
}

/// Signs of 32 numbers, from those of seven of eight, a byte each: the eighth makes their number even.
#[inline(always)]
fn with_eighth(sevens: u32) -> u32 {
    // The lowest bit of a byte becomes 1 where the number of its bits is odd.
    let mut odd = sevens ^ sevens >> 4;
    odd ^= odd >> 2;
    odd ^= odd >> 1;
    sevens | (odd & 0x0101_0101) << 7
}

/// The same in bytes: words would be put together one by one.
#[inline(always)]
pub fn with_eighths(sevens: &mut [u8; 32]) {
    for it in sevens {
        let mut odd = *it ^ *it >> 4;
        odd ^= odd >> 2;
        odd ^= odd >> 1;
        *it |= odd << 7;
    }
}

/// Sixteen codes of two bytes, from their lower bytes and their upper ones.
#[inline(always)]
pub fn sixteen_codes<L: Lanes>(low: &[u8; 16], high: L::Bytes) -> [[u8; 2]; 16] {
    bytemuck::cast(L::Bytes::load(low).in_turn(high))
}

/// Halves of eight bytes as numbers, the lower half first, each `(half + 0.5) · unit`: the products are exact.
#[inline(always)]
pub fn halves_and_a_half<L: Lanes>(bytes: &[u8; 8], unit: f32) -> [f32; 16] {
    let both = L::Bytes::of(u64::from_le_bytes(*bytes), 0);
    let [halves, _] = both.bits(0, 15).in_turn(both.bits(4, 15));
    let halves = L::unsigned(L::Bytes::load(&halves));
    let more = halves.times_less(L::splat(1.0), L::splat(-0.5));
    more.times(L::splat(unit)).to_array()
}

/// Four codes of 3 bits, the lowest first, a byte each. What stands above them is not looked at.
#[inline(always)]
pub fn threes(it: u32) -> u32 {
    it & 7 | (it & 0o70) << 5 | (it & 0o700) << 10 | (it & 0o7000) << 15
}

/// Code `j` of four in a word, of as many bits as `mask` has. From a word, since loads of single ones would be put
/// together again and taken apart.
#[inline(always)]
pub fn code(four: [u8; 8], j: usize, mask: usize) -> usize {
    (u64::from_le_bytes(four) >> (16 * j)) as usize & mask
}

/// Code `j` of bytes in a word.
#[inline(always)]
pub fn short_code(word: u64, j: usize) -> usize {
    (word >> (8 * j)) as usize & 255
}

/// 32 numbers times a scale each sixteen, below 0 where a bit of `signs` is set.
#[inline(always)]
pub fn signed_pair<L: Lanes>([first, rest]: [L; 2], scales: [f32; 2], signs: u32) -> [L; 2] {
    [
        first.times(L::splat(scales[0])).negated(signs as u16),
        rest.times(L::splat(scales[1]))
            .negated((signs >> 16) as u16),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::{
        IQ1, IQ2_S, Plain,
        grids::{IQ1_EIGHTHS, IQ2_S_NUMBERS},
        seven_bit_signs,
    };

    #[test]
    fn signs_of_a_block_are_those_of_each_code() {
        for code in 0..1_u32 << 7 {
            // What stands above the codes, and neighbours that are all set or none.
            for others in [0, u32::MAX] {
                for place in 0..4 {
                    let at = 7 * place;
                    let word = others & !(127 << at) | code << at;
                    let [got] = signs_of_words(&[word]);
                    let want = [0, 7, 14, 21].map(|it| seven_bit_signs(word >> it));
                    assert_eq!(got.to_le_bytes(), want, "{code} at {place}");
                }
            }
            let mut bytes = [0; 32];
            bytes[code as usize % 32] = code as u8;
            with_eighths(&mut bytes);
            assert_eq!(bytes[code as usize % 32], seven_bit_signs(code));
        }
    }

    #[test]
    fn codes_are_put_together_and_taken_apart() {
        let bytes: [u8; 16] = std::array::from_fn(|i| (i * 37 + 11) as u8);
        let high: [u8; 16] = std::array::from_fn(|i| (i * 5 % 16) as u8);
        let high_bytes = <Plain as Lanes>::Bytes::load(&high);
        let codes = sixteen_codes::<Plain>(&bytes, high_bytes);
        let fours: [[u8; 8]; 4] = bytemuck::cast(codes);
        let word = u64::from_le_bytes(*bytes.first_chunk().unwrap());
        for i in 0..16 {
            let want = usize::from(bytes[i]) | usize::from(high[i]) << 8;
            assert_eq!(code(fours[i / 4], i % 4, 4095), want);
            assert_eq!(code(fours[i / 4], i % 4, 511), want & 511);
            if i < 8 {
                assert_eq!(short_code(word, i), usize::from(bytes[i]));
            }
        }
        for it in 0..1 << 12 {
            let want = [it & 7, it >> 3 & 7, it >> 6 & 7, it >> 9].map(|it| it as u8);
            assert_eq!(threes(it | 0xF000).to_le_bytes(), want);
        }
    }

    #[test]
    fn tables_say_what_patterns_say() {
        for (numbers, pattern) in IQ2_S_NUMBERS.0.iter().zip(&IQ2_S) {
            assert_eq!(numbers.map(|it| it as u8), *pattern);
        }
        for (i, word) in IQ1_EIGHTHS.0.iter().enumerate() {
            let by = if i < IQ1.len() { 1 } else { -1 };
            let want = IQ1[i % IQ1.len()].map(|it| (8 * it + by).cast_unsigned());
            assert_eq!(word.to_le_bytes(), want, "{i}");
        }
    }
}
