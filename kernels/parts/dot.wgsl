// Dot products with units of the weight.

const UNIT_PARTS: u32 = UNIT_QUADS / PART_QUADS;

// Multiplied and added one after the other, so that each step is one fused instruction.
fn dot_add(sum: f32, a: vec4<f32>, b: vec4<f32>) -> f32 {
    return a.w * b.w + (a.z * b.z + (a.y * b.y + (a.x * b.x + sum)));
}

// What the minimum of a part is multiplied by.
fn sum_add(sum: f32, it: vec4<f32>) -> f32 {
    return it.w + (it.z + (it.y + (it.x + sum)));
}
