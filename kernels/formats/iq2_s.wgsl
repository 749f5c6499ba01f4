// Weights in blocks of 256: eight are one of 1024 patterns with signs, 16 share a scale of 4 bits. The reference is
// src/formats/iq2_s.rs.
// Twenty words a block: for each unit, an eighth of a block, a word with the lower bits of four codes; one with
// their signs; a byte with the upper two bits of the codes; a byte with two scales. Apart: an f16 a block.
// The table has two words a pattern, its bytes.

const UNIT_NUMBERS: u32 = 32u;
const UNIT_QUADS: u32 = 8u;
const PART_QUADS: u32 = 4u;
const LEVEL_SCALE: f32 = 1.0;
const HAS_MINIMUM: bool = false;

struct Unit {
    codes: u32,
    signs: u32,
    high: u32,
    scales: u32,
    by: f32,
}

fn unit(unit_at: u32) -> Unit {
    let at = 20u * (unit_at / 8u);
    let i = unit_at % 8u;
    return Unit(
        word(at + i),
        word(at + 8u + i),
        byte(4u * (at + 16u) + i),
        byte(4u * (at + 18u) + i),
        half_float(2u * params.scales_at + unit_at / 8u),
    );
}

// What the format's codes stand for.
@group(0) @binding(9) var<storage, read> table: array<u32>;

// Numbers 4q..4q+4, before they are scaled.
fn levels(it: Unit, q: u32) -> vec4<f32> {
    let l = q / 2u;
    let code = ((it.codes >> (8u * l)) & 255u) | (((it.high >> (2u * l)) & 3u) << 8u);
    return with_signs(bytes_less(table[2u * code + q % 2u], 0.0), it.signs >> (4u * q));
}

// What the levels of a part are multiplied by, beside LEVEL_SCALE.
fn scale_of(it: Unit, part: u32) -> f32 {
    return it.by * (0.5 + whole((it.scales >> (4u * part)) & 15u)) * 0.25;
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
