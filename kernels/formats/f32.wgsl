// Weights in f32. Twin of src/ops/cpu/formats/f32.rs.
// A unit is 16 bytes of `weights`, here 4 numbers; rows are padded with zeros to whole units.
// The kernel declares `weights: array<vec4<u32>>` and `x_at(quad)`, four activations.

const UNIT_NUMBERS: u32 = 4u;
const UNIT_QUADS: u32 = 1u;

// Numbers 4q..4q+4 of a unit.
fn quad(unit_at: u32, q: u32) -> vec4<f32> {
    return bitcast<vec4<f32>>(weights[unit_at]);
}

// A unit times the activations from `x_quad` on.
fn dot_unit(unit_at: u32, x_quad: u32) -> f32 {
    return dot(bitcast<vec4<f32>>(weights[unit_at]), x_at(x_quad));
}
