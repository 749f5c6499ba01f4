// Weights in blocks of 256 levels of 3 bits, with a scale for 16 of them. The reference is src/formats/q3_k.rs.
// Six times 16 bytes a block: four with the lower two bits, 16 levels + 4 a word as `two_bits` has them, two
// with the third bits, 32 a word as `one_bit` has them; a unit is a quarter of a block. Apart: seven half
// words a block, the lower four bits of 16 scales + 32, the upper two of them, and an f16.

const UNIT_NUMBERS: u32 = 64u;
const UNIT_QUADS: u32 = 16u;
const PART_QUADS: u32 = 4u;
const LEVEL_SCALE: f32 = 1.0;
const HAS_MINIMUM: bool = false;

struct Unit {
    words: vec4<u32>,
    high: vec2<u32>,
    low_scales: u32,
    high_scales: u32,
    by: f32,
}

fn unit(unit_at: u32) -> Unit {
    let block = unit_at / 4u;
    let i = unit_at % 4u;
    let high = weights[6u * block + 4u + i / 2u];
    let at = 2u * params.scales_at + 7u * block;
    return Unit(
        weights[6u * block + i],
        select(high.xy, high.zw, i % 2u == 1u),
        half_word(at + i),
        half_word(at + 4u + i / 2u) >> (8u * (i % 2u)),
        half_float(at + 6u),
    );
}

// Numbers 4q..4q+4, before they are scaled.
fn levels(it: Unit, q: u32) -> vec4<f32> {
    let low = two_bits(it.words[q / 4u], q % 4u, 0u);
    return spaced(low | one_bit(it.high[q / 8u], q % 8u, 2u), 4.0);
}

// What the levels of a part are multiplied by, beside LEVEL_SCALE.
fn scale_of(it: Unit, part: u32) -> f32 {
    return it.by * (whole(((it.low_scales >> (4u * part)) & 15u) | (((it.high_scales >> (2u * part)) & 3u) << 4u)) - 32.0);
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
