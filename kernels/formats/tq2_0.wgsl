// Weights in blocks of 256 levels of 2 bits, less 1, and a scale. The reference is src/formats/tq2_0.rs.
// Sixteen words a block, two halves of eight: two bits of each of their bytes are a unit, an eighth of a block.
// Apart: an f16 a block.

const UNIT_NUMBERS: u32 = 32u;
const UNIT_QUADS: u32 = 8u;
const PART_QUADS: u32 = 8u;
const LEVEL_SCALE: f32 = 1.0;
const HAS_MINIMUM: bool = false;

struct Unit {
    at: u32,
    right: u32,
    scale: f32,
}

fn unit(unit_at: u32) -> Unit {
    let i = unit_at % 8u;
    return Unit(16u * (unit_at / 8u) + 8u * (i / 4u), 2u * (i % 4u), half_float(2u * params.scales_at + unit_at / 8u));
}

// Numbers 4q..4q+4, before they are scaled.
fn levels(it: Unit, q: u32) -> vec4<f32> {
    return bytes_less((word(it.at + q) >> it.right) & 0x03030303u, 1.0);
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
