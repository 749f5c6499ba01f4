// Weights in blocks of 256: eight are one of 2048 patterns of -1, 0 and 1, moved by an eighth; 32 share a scale of 3
// bits. The reference is src/formats/iq1_s.rs.
// Twelve words a block: for each unit, an eighth of a block, a word with the lower bits of four codes; a half word
// with their upper three bits, the scale, and whether an eighth is taken away. Apart: an f16 a block. The
// table has two words a pattern, its bytes + 1.

const UNIT_NUMBERS: u32 = 32u;
const UNIT_QUADS: u32 = 8u;
const PART_QUADS: u32 = 8u;
const LEVEL_SCALE: f32 = 1.0;
const HAS_MINIMUM: bool = false;

struct Unit {
    codes: u32,
    high: u32,
    scale: f32,
}

fn unit(unit_at: u32) -> Unit {
    let at = 12u * (unit_at / 8u);
    let i = unit_at % 8u;
    let high = half_word(2u * (at + 8u) + i);
    let by = half_float(2u * params.scales_at + unit_at / 8u);
    return Unit(word(at + i), high, by * (2.0 * whole((high >> 12u) & 7u) + 1.0));
}

// What the format's codes stand for.
@group(0) @binding(9) var<storage, read> table: array<u32>;

// Numbers 4q..4q+4, before they are scaled.
fn levels(it: Unit, q: u32) -> vec4<f32> {
    let l = q / 2u;
    let code = ((it.codes >> (8u * l)) & 255u) | (((it.high >> (3u * l)) & 7u) << 8u);
    return bytes_less(table[2u * code + q % 2u], 1.0) + select(0.125, -0.125, it.high >= 0x8000u);
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
