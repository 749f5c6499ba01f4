// Weights in blocks of 256 levels of 6 bits, with a scale of 8 bits for 16 of them. The reference is src/formats/q6_k.rs.
// Thirteen times 16 bytes a block: the scales + 128, then three for each unit, a quarter of a block: nibbles
// with the lower bits of level i + 32, from the lowest on, and the upper two, 16 a word as `two_bits` has
// them. Apart: an f16 a block.

const UNIT_NUMBERS: u32 = 64u;
const UNIT_QUADS: u32 = 16u;
const PART_QUADS: u32 = 4u;
const LEVEL_SCALE: f32 = 1.0;
const HAS_MINIMUM: bool = false;

struct Unit {
    first: vec4<u32>,
    second: vec4<u32>,
    high: vec4<u32>,
    scales: u32,
    by: f32,
}

fn unit(unit_at: u32) -> Unit {
    let block = unit_at / 4u;
    let i = unit_at % 4u;
    let at = 13u * block + 1u + 3u * i;
    return Unit(
        weights[at],
        weights[at + 1u],
        weights[at + 2u],
        weights[13u * block][i],
        half_float(2u * params.scales_at + block),
    );
}

// Numbers 4q..4q+4, before they are scaled.
fn levels(it: Unit, q: u32) -> vec4<f32> {
    let low = four_bits(select(it.first, it.second, q >= 8u), q % 8u);
    return spaced(low | two_bits(it.high[q / 4u], q % 4u, 4u), 32.0);
}

// What the levels of a part are multiplied by, beside LEVEL_SCALE.
fn scale_of(it: Unit, part: u32) -> f32 {
    return it.by * (whole((it.scales >> (8u * part)) & 255u) - 128.0);
}

// What is added to them then.
fn minimum_of(it: Unit, part: u32) -> f32 {
    return 0.0;
}

// Numbers 4q..4q+4 of a unit.
fn quad(unit_at: u32, q: u32) -> vec4<f32> {
    let it = unit(unit_at);
    return levels(it, q) * scale_of(it, q / PART_QUADS);
}
