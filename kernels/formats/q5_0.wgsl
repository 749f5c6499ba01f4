// Weights in blocks of 32 levels of 5 bits and a scale. The reference is src/formats/q5_0.rs.
// A unit is a block, 16 bytes: the lower bits of level i + 16 are nibble i, from the lowest on. Apart: three
// half words a block, its fifth bits as `one_bit` has them and an f16.

const UNIT_NUMBERS: u32 = 32u;
const UNIT_QUADS: u32 = 8u;
const PART_QUADS: u32 = 8u;
const LEVEL_SCALE: f32 = 1.0;
const HAS_MINIMUM: bool = false;

struct Unit {
    words: vec4<u32>,
    high: u32,
    scale: f32,
}

fn unit(unit_at: u32) -> Unit {
    let at = 3u * unit_at;
    let first = word(params.scales_at + at / 2u);
    let second = word(params.scales_at + at / 2u + 1u);
    let is_odd = at % 2u == 1u;
    let high = select(first, (first >> 16u) | (second << 16u), is_odd);
    let pair = unpack2x16float(second);
    return Unit(weights[unit_at], high, select(pair.x, pair.y, is_odd));
}

// Numbers 4q..4q+4, before they are scaled.
fn levels(it: Unit, q: u32) -> vec4<f32> {
    return spaced(four_bits(it.words, q) | one_bit(it.high, q, 4u), 16.0);
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
