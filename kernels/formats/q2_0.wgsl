// Weights in blocks of 64 levels of 2 bits, less 1, and a scale. The reference is src/formats/q2_0.rs.
// A unit is half a block, two words, 16 levels each as `two_bits` has them. Apart: an f16 a block.

const UNIT_NUMBERS: u32 = 32u;
const UNIT_QUADS: u32 = 8u;
const PART_QUADS: u32 = 8u;
const LEVEL_SCALE: f32 = 1.0;
const HAS_MINIMUM: bool = false;

struct Unit {
    words: vec2<u32>,
    scale: f32,
}

fn unit(unit_at: u32) -> Unit {
    let words = vec2<u32>(word(2u * unit_at), word(2u * unit_at + 1u));
    return Unit(words, half_float(2u * params.scales_at + unit_at / 2u));
}

// Numbers 4q..4q+4, before they are scaled.
fn levels(it: Unit, q: u32) -> vec4<f32> {
    return spaced(two_bits(it.words[q / 4u], q % 4u, 0u), 1.0);
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
