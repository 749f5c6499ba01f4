// The reference is src/ops/cpu/norm.rs. RMS norm of each row: x / sqrt(mean(x²) + eps) · weight; and layer norm:
// (x - mean(x)) / sqrt(variance(x) + eps) · weight + bias. One workgroup a row.

struct Params {
    n_cols: u32,
    eps: f32,
    has_bias: u32,      // of layer norm
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;                // [T, H]
@group(0) @binding(2) var<storage, read> weight: array<f32>;           // [H]
@group(0) @binding(3) var<storage, read_write> out: array<f32>;        // [T, H]
@group(0) @binding(4) var<storage, read> bias: array<f32>;             // [H]

@compute @workgroup_size(256)
fn norm(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let first = group.x * params.n_cols;
    var squares = 0.0;
    for (var c = lane.index; c < params.n_cols; c += 256u) {
        let it = x[first + c];
        squares += it * it;
    }
    let mean = sum_all(squares, lane) / f32(params.n_cols);
    let scale = 1.0 / sqrt(mean + params.eps);
    for (var c = lane.index; c < params.n_cols; c += 256u) {
        out[first + c] = x[first + c] * scale * weight[c];
    }
}

@compute @workgroup_size(256)
fn layer_norm(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let first = group.x * params.n_cols;
    var sum = 0.0;
    for (var c = lane.index; c < params.n_cols; c += 256u) {
        sum += x[first + c];
    }
    let mean = sum_all(sum, lane) / f32(params.n_cols);
    var squares = 0.0;
    for (var c = lane.index; c < params.n_cols; c += 256u) {
        let it = x[first + c] - mean;
        squares += it * it;
    }
    let variance = sum_all(squares, lane) / f32(params.n_cols);
    let scale = 1.0 / sqrt(variance + params.eps);
    for (var c = lane.index; c < params.n_cols; c += 256u) {
        var it = (x[first + c] - mean) * scale * weight[c];
        if params.has_bias != 0u {
            it += bias[c];
        }
        out[first + c] = it;
    }
}
