//! What the codes of a format stand for, in the words its kernel looks them up in.

use crate::formats::{IQ1, IQ2_S, IQ2_XS, IQ2_XXS, IQ3_S, IQ3_XXS, IQ4_LEVELS};

/// The 16 levels, in f32.
pub fn iq4_nl() -> Vec<u32> {
    IQ4_LEVELS.map(|it| f32::from(it).to_bits()).to_vec()
}

/// The bytes of patterns.
fn words<const N: usize>(patterns: &[[u8; N]]) -> Vec<u32> {
    let (words, _) = patterns.as_flattened().as_chunks();
    words.iter().map(|it| u32::from_le_bytes(*it)).collect()
}

pub fn iq3_xxs() -> Vec<u32> {
    words(&IQ3_XXS)
}

pub fn iq3_s() -> Vec<u32> {
    words(&IQ3_S)
}

pub fn iq2_xxs() -> Vec<u32> {
    words(&IQ2_XXS)
}

pub fn iq2_xs() -> Vec<u32> {
    words(&IQ2_XS)
}

pub fn iq2_s() -> Vec<u32> {
    words(&IQ2_S)
}

/// One more than the numbers, which are -1, 0 and 1.
pub fn iq1() -> Vec<u32> {
    let more = |it: &[i8; 8]| it.map(|it| (it + 1).cast_unsigned());
    words(&IQ1.iter().map(more).collect::<Vec<_>>())
}
