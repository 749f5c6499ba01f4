// Weights in blocks of 32 codes of 4 bits for uneven levels, and a scale. The reference is src/formats/iq4_nl.rs.
// A unit is a block, 16 bytes: code i is nibble i, from the lowest on. Apart: an f16 a block. The table has
// the 16 levels in f32.

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

// What the format's codes stand for.
@group(0) @binding(9) var<storage, read> table: array<u32>;

// Numbers 4q..4q+4, before they are scaled.
fn levels(it: Unit, q: u32) -> vec4<f32> {
    let i = it.words[q / 2u] >> (16u * (q % 2u));
    return bitcast<vec4<f32>>(vec4<u32>(
        table[i & 15u],
        table[(i >> 4u) & 15u],
        table[(i >> 8u) & 15u],
        table[(i >> 12u) & 15u],
    ));
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
