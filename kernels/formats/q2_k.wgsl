// Weights in blocks of 256 levels of 2 bits, with a scale and a minimum for 16 of them. The reference is src/formats/q2_k.rs.
// A unit is a quarter of a block, 16 bytes: a word has 16 levels as `two_bits` has them. Apart: five words a
// block, a byte for 16 levels with the scale in its lower half and the minimum in its upper, and two f16
// these are counted in.

const UNIT_NUMBERS: u32 = 64u;
const UNIT_QUADS: u32 = 16u;
const PART_QUADS: u32 = 4u;
const LEVEL_SCALE: f32 = 1.0;
const HAS_MINIMUM: bool = true;

struct Unit {
    words: vec4<u32>,
    scales: u32,
    by: vec2<f32>,
}

fn unit(unit_at: u32) -> Unit {
    let at = params.scales_at + 5u * (unit_at / 4u);
    return Unit(weights[unit_at], word(at + unit_at % 4u), unpack2x16float(word(at + 4u)));
}

// Numbers 4q..4q+4, before they are scaled.
fn levels(it: Unit, q: u32) -> vec4<f32> {
    return spaced(two_bits(it.words[q / 4u], q % 4u, 0u), 0.0);
}

// What the levels of a part are multiplied by, beside LEVEL_SCALE.
fn scale_of(it: Unit, part: u32) -> f32 {
    return it.by.x * whole((it.scales >> (8u * part)) & 15u);
}

// What is added to them then.
fn minimum_of(it: Unit, part: u32) -> f32 {
    return -it.by.y * whole((it.scales >> (8u * part + 4u)) & 15u);
}

// Numbers 4q..4q+4 of a unit.
fn quad(unit_at: u32, q: u32) -> vec4<f32> {
    let it = unit(unit_at);
    return levels(it, q) * scale_of(it, q / PART_QUADS) + minimum_of(it, q / PART_QUADS);
}
