// Weights in blocks of 256 levels of 4 bits, with a scale and a minimum for 32 of them. The reference is src/formats/q4_k.rs.
// A unit is an eighth of a block, 16 bytes: level i is nibble i, from the lowest on. Apart: four words a block,
// two f16 that scales and minima are counted in, and nibbles for each unit: the lower four bits of its
// scale, those of its minimum, the upper two of both.

const UNIT_NUMBERS: u32 = 32u;
const UNIT_QUADS: u32 = 8u;
const PART_QUADS: u32 = 8u;
const LEVEL_SCALE: f32 = 1.0;
const HAS_MINIMUM: bool = true;

struct Unit {
    words: vec4<u32>,
    scale: f32,
    minimum: f32,
}

fn unit(unit_at: u32) -> Unit {
    let side = weights[params.scales_at / 4u + unit_at / 8u];
    let counts = side.yzw >> vec3<u32>(4u * (unit_at % 8u));
    let scale = (counts.x & 15u) | ((counts.z & 3u) << 4u);
    let minimum = (counts.y & 15u) | ((counts.z & 12u) << 2u);
    let by = unpack2x16float(side.x);
    return Unit(weights[unit_at], by.x * whole(scale), -by.y * whole(minimum));
}

// Numbers 4q..4q+4, before they are scaled.
fn levels(it: Unit, q: u32) -> vec4<f32> {
    return spaced(four_bits(it.words, q), 0.0);
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
