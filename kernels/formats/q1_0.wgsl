// Weights in blocks of 128 signs and a scale. The reference is src/formats/q1_0.rs.
// A unit is a quarter of a block, a word: bit i set is 1, else -1. Apart: an f16 a block.

const UNIT_NUMBERS: u32 = 32u;
const UNIT_QUADS: u32 = 8u;
const PART_QUADS: u32 = 8u;
const LEVEL_SCALE: f32 = 1.0;
const HAS_MINIMUM: bool = false;

struct Unit {
    signs: u32,
    scale: f32,
}

fn unit(unit_at: u32) -> Unit {
    return Unit(~word(unit_at), half_float(2u * params.scales_at + unit_at / 4u));
}

// Numbers 4q..4q+4, before they are scaled.
fn levels(it: Unit, q: u32) -> vec4<f32> {
    return with_signs(vec4<f32>(1.0), it.signs >> (4u * q));
}

// What the levels of a part are multiplied by, beside LEVEL_SCALE.
fn scale_of(it: Unit, part: u32) -> f32 {
    return it.scale;
}

// What is added to them then.
fn minimum_of(it: Unit, part: u32) -> f32 {
    return 0.0;
}

// Numbers 4q..4q+4 of a unit.
fn quad(unit_at: u32, q: u32) -> vec4<f32> {
    let it = unit(unit_at);
    return levels(it, q) * it.scale;
}
