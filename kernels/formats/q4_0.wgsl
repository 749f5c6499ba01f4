// Weights in blocks of 32 levels of 4 bits and a scale. The reference is src/formats/q4_0.rs.
// A unit is a block, 16 bytes: level i + 8 is nibble i, from the lowest on. Apart: an f16 a block.

const UNIT_NUMBERS: u32 = 32u;
const UNIT_QUADS: u32 = 8u;
const PART_QUADS: u32 = 8u;
const LEVEL_SCALE: f32 = 1.0;
const HAS_MINIMUM: bool = false;

struct Unit {
    words: vec4<u32>,
    scale: f32,
}

fn unit(unit_at: u32) -> Unit {
    return Unit(weights[unit_at], half_float(2u * params.scales_at + unit_at));
}

// Numbers 4q..4q+4, before they are scaled.
fn levels(it: Unit, q: u32) -> vec4<f32> {
    return spaced(four_bits(it.words, q), 8.0);
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
