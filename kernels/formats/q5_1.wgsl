// Weights in blocks of 32 levels of 5 bits, a scale and a minimum. The reference is src/formats/q5_1.rs.
// A unit is a block, 16 bytes: the lower bits of level i are nibble i, from the lowest on. Apart: two words a
// block, its fifth bits as `one_bit` has them, and two f16, scale and minimum.

const UNIT_NUMBERS: u32 = 32u;
const UNIT_QUADS: u32 = 8u;
const PART_QUADS: u32 = 8u;
const LEVEL_SCALE: f32 = 1.0;
const HAS_MINIMUM: bool = true;

struct Unit {
    words: vec4<u32>,
    high: u32,
    scale: f32,
    minimum: f32,
}

fn unit(unit_at: u32) -> Unit {
    let at = params.scales_at + 2u * unit_at;
    let pair = unpack2x16float(word(at + 1u));
    return Unit(weights[unit_at], word(at), pair.x, pair.y);
}

// Numbers 4q..4q+4, before they are scaled.
fn levels(it: Unit, q: u32) -> vec4<f32> {
    return spaced(four_bits(it.words, q) | one_bit(it.high, q, 4u), 0.0);
}

// What the levels of a part are multiplied by, beside LEVEL_SCALE.
fn scale_of(it: Unit, part: u32) -> f32 {
    return it.scale;
}

// What is added to them then.
fn minimum_of(it: Unit, part: u32) -> f32 {
    return it.minimum;
}

// Numbers 4q..4q+4 of a unit.
fn quad(unit_at: u32, q: u32) -> vec4<f32> {
    let it = unit(unit_at);
    return levels(it, q) * it.scale + it.minimum;
}
