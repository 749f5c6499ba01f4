// Dot products with units of the weight, for kernels that declare `x_at(quad)`, four activations.

// Multiplied and added one after the other, so that each step is one fused instruction.
fn dot_add(sum: f32, a: vec4<f32>, b: vec4<f32>) -> f32 {
    return a.w * b.w + (a.z * b.z + (a.y * b.y + (a.x * b.x + sum)));
}

// A unit times the activations from `x_quad` on.
fn dot_unit(unit_at: u32, x_quad: u32) -> f32 {
    let it = unit(unit_at);
    var sum = 0.0;
    for (var q = 0u; q < UNIT_QUADS; q++) {
        sum = dot_add(sum, levels(it, q), x_at(x_quad + q));
    }
    return sum * scale_of(it);
}
