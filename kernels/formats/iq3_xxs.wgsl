// Weights in blocks of 256: four are one of 256 patterns, eight share a sign code, 32 a scale of 4 bits. The reference is
// src/formats/iq3_xxs.rs.
// Twenty-four words a block: for each unit, an eighth of a block, two with eight codes; one with four sign codes of 7
// bits and the scale. Apart: an f16 a block. The table has a word a pattern, its bytes.

const UNIT_NUMBERS: u32 = 32u;
const UNIT_QUADS: u32 = 8u;
const PART_QUADS: u32 = 8u;
const LEVEL_SCALE: f32 = 1.0;
const HAS_MINIMUM: bool = false;

struct Unit {
    codes: vec2<u32>,
    signs: u32,
    scale: f32,
}

fn unit(unit_at: u32) -> Unit {
    let at = 24u * (unit_at / 8u);
    let i = unit_at % 8u;
    let signs = word(at + 16u + i);
    let by = half_float(2u * params.scales_at + unit_at / 8u);
    let codes = vec2<u32>(word(at + 2u * i), word(at + 2u * i + 1u));
    return Unit(codes, signs, by * (0.5 + whole(signs >> 28u)) * 0.5);
}

// What the format's codes stand for.
@group(0) @binding(9) var<storage, read> table: array<u32>;

// Numbers 4q..4q+4, before they are scaled.
fn levels(it: Unit, q: u32) -> vec4<f32> {
    let code = (it.codes[q / 4u] >> (8u * (q % 4u))) & 255u;
    let signs = seven_bit_signs(it.signs >> (7u * (q / 2u)));
    return with_signs(bytes_less(table[code], 0.0), signs >> (4u * (q % 2u)));
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
