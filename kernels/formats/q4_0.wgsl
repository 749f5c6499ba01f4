// Weights in blocks of 32 levels of 4 bits and a scale. The reference is src/formats/q4_0.rs.
// A unit is 16 bytes of `weights`, here a block: level i + 8 is nibble i, from the lowest on.
// The kernel declares `weights: array<Stored>` and `params.scales_at`, the word of `weights` where
// the scales begin: two f16 a word, one a block.
// A level becomes a float as the lower bits of a power of two, which costs less than a conversion.

const UNIT_NUMBERS: u32 = 32u;
const UNIT_QUADS: u32 = 8u;
const UNITS_PER_BLOCK: u32 = 1u;

alias Stored = vec4<u32>;

struct Unit {
    words: vec4<u32>,
    scale: f32,
}

fn unit(unit_at: u32) -> Unit {
    let block = unit_at / UNITS_PER_BLOCK;
    let word = params.scales_at + block / 2u;
    let pair = unpack2x16float(weights[word / 4u][word % 4u]);
    return Unit(weights[unit_at], select(pair.x, pair.y, block % 2u == 1u));
}

// Numbers 4q..4q+4, before they are scaled.
fn levels(it: Unit, q: u32) -> vec4<f32> {
    let word = it.words[q / 2u] >> (16u * (q % 2u));
    let bits = vec4<u32>(word) & vec4<u32>(0xfu, 0xf0u, 0xf00u, 0xf000u);
    // 2^23, 2^19, 2^15, 2^11.
    let powers = vec4<u32>(0x4b000000u, 0x49000000u, 0x47000000u, 0x45000000u);
    let floats = bitcast<vec4<f32>>(bits | powers);
    return floats - vec4<f32>(8388616.0, 524296.0, 32776.0, 2056.0);
}

// What the levels of a unit are multiplied by.
fn scale_of(it: Unit) -> f32 {
    return it.scale;
}

// Numbers 4q..4q+4 of a unit.
fn quad(unit_at: u32, q: u32) -> vec4<f32> {
    let it = unit(unit_at);
    return levels(it, q) * it.scale;
}
