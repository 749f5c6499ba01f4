// Weights in blocks of 256: eight are one of 2048 patterns of -1, 0 and 1, moved by an eighth; 16 share a scale of 3
// bits. The reference is src/formats/iq1_m.rs.
// Fourteen words a block: for each unit, an eighth of a block, a word with the lower bits of four codes; a half word
// with four nibbles, the upper three bits of a code and whether an eighth is taken away; then four half words
// with four scales each, whose upper four bits are an f16, the lowest first. The table has two words a
// pattern, its bytes + 1.

const UNIT_NUMBERS: u32 = 32u;
const UNIT_QUADS: u32 = 8u;
const PART_QUADS: u32 = 4u;
const LEVEL_SCALE: f32 = 1.0;
const HAS_MINIMUM: bool = false;

struct Unit {
    codes: u32,
    high: u32,
    scales: u32,
    by: f32,
}

fn unit(unit_at: u32) -> Unit {
    let at = 14u * (unit_at / 8u);
    let i = unit_at % 8u;
    let first = word(at + 12u);
    let second = word(at + 13u);
    let bits = ((first >> 12u) & 0xfu) | ((first >> 24u) & 0xf0u) | ((second >> 4u) & 0xf00u) | ((second >> 16u) & 0xf000u);
    let scales = half_word(2u * (at + 12u) + i / 2u) >> (6u * (i % 2u));
    return Unit(word(at + i), half_word(2u * (at + 8u) + i), scales, unpack2x16float(bits).x);
}

// What the format's codes stand for.
@group(0) @binding(9) var<storage, read> table: array<u32>;

// Numbers 4q..4q+4, before they are scaled.
fn levels(it: Unit, q: u32) -> vec4<f32> {
    let l = q / 2u;
    let high = it.high >> (4u * l);
    let code = ((it.codes >> (8u * l)) & 255u) | ((high & 7u) << 8u);
    return bytes_less(table[2u * code + q % 2u], 1.0) + select(0.125, -0.125, (high & 8u) != 0u);
}

// What the levels of a part are multiplied by, beside LEVEL_SCALE.
fn scale_of(it: Unit, part: u32) -> f32 {
    return it.by * (2.0 * whole((it.scales >> (3u * part)) & 7u) + 1.0);
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
