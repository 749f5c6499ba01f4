// What matrices share whose levels and scales came from tensors of their own. The reference is src/formats/planes.
// Before it stand constants of the layout: LEVEL, SCALE, OFFSET, ZERO, LEVEL_BY, and GROUP_NUMBERS or ROW_WORDS.

// What a level is.
const U4: u32 = 0u;
const U8: u32 = 1u;
const FP4: u32 = 2u;
const F8: u32 = 3u;
// How a scale is stored.
const OF_F32: u32 = 0u;
const OF_F16: u32 = 1u;
const OF_BF16: u32 = 2u;
const OF_E8M0: u32 = 3u;
const OF_E4M3: u32 = 4u;
// The same without a sign, where all bits are a number too.
const OF_UE4M3: u32 = 5u;
// What is taken off or added: the same everywhere, a whole number of each group, a minimum of each.
const FIXED: u32 = 0u;
const ZEROS: u32 = 1u;
const MINIMUMS: u32 = 2u;

// Levels 4q..4q+4 of a unit, those of whole numbers less one.
fn levels_less(words: vec4<u32>, q: u32, less: f32) -> vec4<f32> {
    if LEVEL == U4 {
        return spaced(four_bits(words, q), less);
    }
    if LEVEL == U8 {
        return bytes_less(words[q], less);
    }
    if LEVEL == FP4 {
        return small_floats(words, q);
    }
    return byte_floats(words[q]);
}

// A scale, or a minimum, of 16 bits.
fn of_half(bits: u32) -> f32 {
    if SCALE == OF_F16 {
        return unpack2x16float(bits).x;
    }
    return bitcast<f32>(bits << 16u);
}

// Scale and offset of group i of those that begin at a word, where they are whole half words.
fn shared_by(first: u32, i: u32) -> vec2<f32> {
    if OFFSET == FIXED {
        if SCALE == OF_F32 {
            return vec2<f32>(bitcast<f32>(word(first + i)), ZERO);
        }
        return vec2<f32>(of_half(half_word(2u * first + i)), ZERO);
    }
    if SCALE == OF_F32 {
        return bitcast<vec2<f32>>(vec2<u32>(word(first + 2u * i), word(first + 2u * i + 1u)));
    }
    let both = word(first + i);
    if OFFSET == ZEROS {
        return vec2<f32>(of_half(both & 0xffffu), whole(both >> 16u));
    }
    return vec2<f32>(of_half(both & 0xffffu), of_half(both >> 16u));
}
