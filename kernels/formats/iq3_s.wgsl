// Weights in blocks of 256: four are one of 512 patterns with signs, 32 share a scale of 4 bits. The reference is
// src/formats/iq3_s.rs.
// Twenty-seven words a block: for each unit, an eighth of a block, two with the lower bits of eight codes; a byte
// with their ninth bits; a word with the signs; a nibble, the scale. Apart: an f16 a block. The table has a
// word a pattern, its bytes.

const UNIT_NUMBERS: u32 = 32u;
const UNIT_QUADS: u32 = 8u;
const PART_QUADS: u32 = 8u;
const LEVEL_SCALE: f32 = 1.0;
const HAS_MINIMUM: bool = false;

struct Unit {
    codes: vec2<u32>,
    high: u32,
    signs: u32,
    scale: f32,
}

fn unit(unit_at: u32) -> Unit {
    let at = 27u * (unit_at / 8u);
    let i = unit_at % 8u;
    let by = half_float(2u * params.scales_at + unit_at / 8u);
    let scale = (word(at + 26u) >> (4u * i)) & 15u;
    return Unit(
        vec2<u32>(word(at + 2u * i), word(at + 2u * i + 1u)),
        byte(4u * (at + 16u) + i),
        word(at + 18u + i),
        by * (1.0 + 2.0 * whole(scale)),
    );
}

// What the format's codes stand for.
@group(0) @binding(9) var<storage, read> table: array<u32>;

// Numbers 4q..4q+4, before they are scaled.
fn levels(it: Unit, q: u32) -> vec4<f32> {
    let low = (it.codes[q / 4u] >> (8u * (q % 4u))) & 255u;
    let code = low | (((it.high >> q) & 1u) << 8u);
    return with_signs(bytes_less(table[code], 0.0), it.signs >> (4u * q));
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
