// Weights in blocks of 32 4-bit floats and a power of two. The reference is src/formats/mxfp4.rs.
// A unit is a block, 16 bytes: nibbles as `small_floats` has them. Apart: a byte a block, the exponent + 127.

const UNIT_NUMBERS: u32 = 32u;
const UNIT_QUADS: u32 = 8u;
const PART_QUADS: u32 = 8u;
const LEVEL_SCALE: f32 = 16384.0;
const HAS_MINIMUM: bool = false;

struct Unit {
    words: vec4<u32>,
    exponent: u32,
}

fn unit(unit_at: u32) -> Unit {
    return Unit(weights[unit_at], byte(4u * params.scales_at + unit_at));
}

// Numbers 4q..4q+4, before they are scaled.
fn levels(it: Unit, q: u32) -> vec4<f32> {
    return small_floats(it.words, q);
}

// What the levels of a part are multiplied by, beside LEVEL_SCALE.
fn scale_of(it: Unit, part: u32) -> f32 {
    return bitcast<f32>(it.exponent << 23u);
}

// What is added to them then.
fn minimum_of(it: Unit, part: u32) -> f32 {
    return 0.0;
}

// Numbers 4q..4q+4 of a unit.
fn quad(unit_at: u32, q: u32) -> vec4<f32> {
    let it = unit(unit_at);
    // Two factors, because 2^-127 and 2^128 are no f32 that every adapter has.
    let power = i32(it.exponent) - 113;
    let first = power >> 1u;
    let factor = vec2<f32>(bitcast<f32>((first + 127) << 23u), bitcast<f32>((power - first + 127) << 23u));
    return levels(it, q) * factor.x * factor.y;
}
