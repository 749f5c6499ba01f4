// Weights in f16, for adapters that have the type. Twin of src/ops/cpu/formats/f16.rs.
// A unit is 16 bytes of `weights`, here 8 numbers; rows are padded with zeros to whole units.
// The kernel declares `weights: array<vec4<u32>>` and `x_at(quad)`, four activations.

const UNIT_NUMBERS: u32 = 8u;
const UNIT_QUADS: u32 = 2u;

fn widened(pair: vec2<u32>) -> vec4<f32> {
    // The translator knows no cast from a word to two of the type.
    return vec4<f32>(unpack2x16float(pair.x), unpack2x16float(pair.y));
}

// Numbers 4q..4q+4 of a unit.
fn quad(unit_at: u32, q: u32) -> vec4<f32> {
    let unit = weights[unit_at];
    return widened(select(unit.xy, unit.zw, q == 1u));
}

// A unit times the activations from `x_quad` on.
fn dot_unit(unit_at: u32, x_quad: u32) -> f32 {
    let unit = weights[unit_at];
    return dot(widened(unit.xy), x_at(x_quad)) + dot(widened(unit.zw), x_at(x_quad + 1u));
}
