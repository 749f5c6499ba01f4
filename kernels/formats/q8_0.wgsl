// Weights in blocks of 32 levels of 8 bits and a scale. The reference is src/formats/q8_0.rs.
// A unit is 16 bytes of `weights`, here half a block: level i + 128 is byte i.
// The kernel declares `weights: array<Stored>` and `params.scales_at`, the word of `weights` where
// the scales begin: two f16 a word, one a block.
// A level becomes a float as the lower bits of 2^23 or 2^15, which costs less than a conversion.

const UNIT_NUMBERS: u32 = 16u;
const UNIT_QUADS: u32 = 4u;
const UNITS_PER_BLOCK: u32 = 2u;

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
    let word = it.words[q];
    let bits = vec2<u32>(word, word >> 16u).xxyy & vec2<u32>(0xffu, 0xff00u).xyxy;
    let floats = bitcast<vec4<f32>>(bits | vec2<u32>(0x4b000000u, 0x47000000u).xyxy);
    return floats - vec2<f32>(8388736.0, 32896.0).xyxy;
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
