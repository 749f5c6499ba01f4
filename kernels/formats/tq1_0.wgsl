// Weights in blocks of 256 digits of base 3, five a byte, less 1, and a scale. The reference is src/formats/tq1_0.rs.
// Thirteen words a block: a digit of eight words after the other, then of four, then of one; a unit is an eighth of
// the numbers. Apart: an f16 a block.

const UNIT_NUMBERS: u32 = 32u;
const UNIT_QUADS: u32 = 8u;
const PART_QUADS: u32 = 8u;
const LEVEL_SCALE: f32 = 1.0;
const HAS_MINIMUM: bool = false;

struct Unit {
    at: u32,
    first_quad: u32,
    scale: f32,
}

fn unit(unit_at: u32) -> Unit {
    return Unit(13u * (unit_at / 8u), 8u * (unit_at % 8u), half_float(2u * params.scales_at + unit_at / 8u));
}

// The word and the digit of a quad of a block.
fn place(q: u32) -> vec2<u32> {
    if q < 40u {
        return vec2<u32>(q % 8u, q / 8u);
    }
    if q < 60u {
        return vec2<u32>(8u + q % 4u, (q - 40u) / 4u);
    }
    return vec2<u32>(12u, q - 60u);
}

// Numbers 4q..4q+4, before they are scaled.
fn levels(it: Unit, q: u32) -> vec4<f32> {
    let source = place(it.first_quad + q);
    let power = select((0x1b090301u >> (8u * source.y)) & 255u, 81u, source.y == 4u);
    let bytes = (vec4<u32>(word(it.at + source.x)) >> vec4<u32>(0u, 8u, 16u, 24u)) & vec4<u32>(255u);
    let digits = (((bytes * power) & vec4<u32>(255u)) * 3u) >> vec4<u32>(8u);
    return vec4<f32>(digits) - 1.0;
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
