// Weights in blocks of 256: eight are one of 512 patterns with signs, 16 share a scale of 4 bits. The reference is
// src/formats/iq2_xs.rs.
// Eighteen words a block: two for each unit, an eighth of a block, a half word with a code of 9 bits and a sign code
// of 7 for eight numbers, then the scales, a nibble each. Apart: an f16 a block. The table has two words a
// pattern, its bytes.

const UNIT_NUMBERS: u32 = 32u;
const UNIT_QUADS: u32 = 8u;
const PART_QUADS: u32 = 4u;
const LEVEL_SCALE: f32 = 1.0;
const HAS_MINIMUM: bool = false;

struct Unit {
    codes: vec2<u32>,
    scales: u32,
    by: f32,
}

fn unit(unit_at: u32) -> Unit {
    let at = 18u * (unit_at / 8u);
    let i = unit_at % 8u;
    let codes = vec2<u32>(word(at + 2u * i), word(at + 2u * i + 1u));
    return Unit(codes, byte(4u * (at + 16u) + i), half_float(2u * params.scales_at + unit_at / 8u));
}

// What the format's codes stand for.
@group(0) @binding(9) var<storage, read> table: array<u32>;

// Numbers 4q..4q+4, before they are scaled.
fn levels(it: Unit, q: u32) -> vec4<f32> {
    let code = it.codes[q / 4u] >> (8u * (q & 2u));
    let signs = seven_bit_signs(code >> 9u);
    return with_signs(bytes_less(table[2u * (code & 511u) + q % 2u], 0.0), signs >> (4u * (q % 2u)));
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
