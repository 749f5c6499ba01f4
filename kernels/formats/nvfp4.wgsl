// Weights in blocks of 64 4-bit floats, with an 8-bit float as scale for 16 of them. The reference is src/formats/nvfp4.rs.
// A unit is half a block, 16 bytes: nibbles as `small_floats` has them. Apart: four bytes a block, the
// scales: 4 bits of exponent, 3 of mantissa, no sign.

const UNIT_NUMBERS: u32 = 32u;
const UNIT_QUADS: u32 = 8u;
const PART_QUADS: u32 = 4u;
const LEVEL_SCALE: f32 = 16384.0;
const HAS_MINIMUM: bool = false;

struct Unit {
    words: vec4<u32>,
    scales: u32,
}

fn unit(unit_at: u32) -> Unit {
    return Unit(weights[unit_at], half_word(2u * params.scales_at + unit_at));
}

// Numbers 4q..4q+4, before they are scaled.
fn levels(it: Unit, q: u32) -> vec4<f32> {
    return small_floats(it.words, q);
}

// What the levels of a part are multiplied by, beside LEVEL_SCALE.
fn scale_of(it: Unit, part: u32) -> f32 {
    // An f16 with the same exponent and mantissa is 2^-8 of it.
    return unpack2x16float(((it.scales >> (8u * part)) & 127u) << 7u).x * 256.0;
}

// What is added to them then.
fn minimum_of(it: Unit, part: u32) -> f32 {
    return 0.0;
}

// Numbers 4q..4q+4 of a unit.
fn quad(unit_at: u32, q: u32) -> vec4<f32> {
    let it = unit(unit_at);
    return levels(it, q) * LEVEL_SCALE * scale_of(it, q / PART_QUADS);
}
