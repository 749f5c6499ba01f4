// The reference is src/ops/cpu/normed.rs. RMS norm of a few rows, and stored rows times them, in one go:
// `out[t, r] = w[r] · n[t] + b[r]`, where `n[t] = x[t] / sqrt(mean(x[t]²) + eps) · weight`. Every workgroup takes the
// mean of its rows in the order of `norm`, which costs less than a dispatch that all of them wait for; one of them leaves
// the rows, for whoever reads them next.

struct Params {
    row_units: u32,     // of a row of the weight, whose numbers are as many as a row's of x
    scales_at: u32,
    n_rows: u32,        // of the weight, columns of `out`
    n_tokens: u32,
    groups_x: u32,      // workgroups along x
    has_bias: u32,
    eps: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weights: array<Stored>;        // [R, row_units], then scales
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;           // [T, row_units · UNIT_QUADS]
@group(0) @binding(3) var<storage, read> norm_weight: array<vec4<f32>>; // [row_units · UNIT_QUADS]
@group(0) @binding(4) var<storage, read> bias: array<f32>;              // [R]
@group(0) @binding(5) var<storage, read_write> out: array<f32>;         // [T, R]
@group(0) @binding(6) var<storage, read_write> normed: array<vec4<f32>>; // as x

// Of the rows of the workgroup, what `x` is multiplied by before the weight of the norm.
var<private> norm_scales: array<f32, 4>;

fn x_at(t: u32, token: u32, quad: u32) -> vec4<f32> {
    return x[token * params.row_units * UNIT_QUADS + quad] * norm_scales[t] * norm_weight[quad];
}

fn put(token: u32, row: u32, value: f32) {
    if token >= params.n_tokens || row >= params.n_rows {
        return;
    }
    var it = value;
    if params.has_bias == 1u {
        it += bias[row];
    }
    out[token * params.n_rows + row] = it;
}

// What the t-th row of the workgroup is multiplied by.
fn norm_scale(token: u32, lane: Lane) -> f32 {
    let n_cols = params.row_units * UNIT_NUMBERS;
    let first = token * params.row_units * UNIT_QUADS;
    var squares = 0.0;
    for (var c = lane.index; c < n_cols; c += 256u) {
        let it = x[first + c / 4u][c % 4u];
        squares += it * it;
    }
    let mean = sum_all(squares, lane) / f32(n_cols);
    return 1.0 / sqrt(mean + params.eps);
}

@compute @workgroup_size(256)
fn gemv(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let first_token = group.z * TOKENS;
    for (var t = 0u; t < TOKENS; t++) {
        norm_scales[t] = norm_scale(min(first_token + t, params.n_tokens - 1u), lane);
    }
    if group.x == 0u && group.y == 0u {
        let x_quads = params.row_units * UNIT_QUADS;
        for (var t = 0u; t < TOKENS; t++) {
            let token = first_token + t;
            for (var i = lane.index; i < x_quads && token < params.n_tokens; i += 256u) {
                normed[token * x_quads + i] = x_at(t, token, i);
            }
        }
    }
    products(lane, group);
}
