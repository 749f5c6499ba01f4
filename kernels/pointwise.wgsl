// The reference is src/ops/cpu/pointwise.rs. Number by number: scales, sigmoids, rows taken out. One lane a number.

struct Params {
    n: u32,             // numbers worked on
    row_of_groups: u32, // numbers of one row of the grid
    n_cols: u32,
    scale: f32,
    cap: f32,
    first: u32,         // column of the first gate in a row of y
    gate_cols: u32,     // numbers of such a row
    each: u32,          // numbers of x that one gate is for
    act: u32,           // what a gate goes through: SIGMOID, SOFTPLUS, or SILU: x · sigmoid(x)
}

const SIGMOID: u32 = 0u;
const SOFTPLUS: u32 = 1u;
const SILU: u32 = 2u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> x: array<f32>;       // [n], changed in place
@group(0) @binding(2) var<storage, read> y: array<f32>;             // the rows taken from, [T, n_cols]
@group(0) @binding(1) var<storage, read_write> taken: array<f32>;   // [n / n_cols, n_cols]
@group(0) @binding(3) var<storage, read> rows: array<u32>;          // [n / n_cols], rows of y

struct At {
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
}

fn number_of(at: At) -> u32 {
    return at.group.y * params.row_of_groups + at.group.x * 256u + at.lane;
}

// The driver's may be NaN where the exponential overflows.
fn safe_tanh(v: f32) -> f32 {
    return select(tanh(v), sign(v), abs(v) > 15.0);
}

// Of a number that is none it is none: no `max`.
fn softplus(v: f32) -> f32 {
    let small = exp(-abs(v));
    // 1 + small loses the digits of a small one.
    let log_of_more = select(log(1.0 + small), small * (1.0 - 0.5 * small), small < 1e-3);
    return select(v, 0.0, v < 0.0) + log_of_more;
}

@compute @workgroup_size(256)
fn scale(at: At) {
    let i = number_of(at);
    if i < params.n {
        x[i] *= params.scale;
    }
}

@compute @workgroup_size(256)
fn zero(at: At) {
    let i = number_of(at);
    if i < params.n {
        x[i] = 0.0;
    }
}

@compute @workgroup_size(256)
fn add(at: At) {
    let i = number_of(at);
    if i < params.n {
        x[i] += y[i] * params.scale;
    }
}

@compute @workgroup_size(256)
fn add_row(at: At) {
    let i = number_of(at);
    if i < params.n {
        x[i] += y[i % params.n_cols] * params.scale;
    }
}

@compute @workgroup_size(256)
fn scale_capped(at: At) {
    let i = number_of(at);
    if i < params.n {
        x[i] = params.cap * safe_tanh(x[i] * params.scale / params.cap);
    }
}

@compute @workgroup_size(256)
fn sigmoid(at: At) {
    let i = number_of(at);
    if i < params.n {
        x[i] = 1.0 / (1.0 + exp(-x[i]));
    }
}

@compute @workgroup_size(256)
fn gate(at: At) {
    let i = number_of(at);
    if i < params.n {
        let it = y[i / params.n_cols * params.gate_cols + params.first + i % params.n_cols / params.each];
        switch params.act {
            case SOFTPLUS: { x[i] *= softplus(it); }
            case SILU: { x[i] *= it / (1.0 + exp(-it)); }
            case SIGMOID, default: { x[i] *= 1.0 / (1.0 + exp(-it)); }
        }
    }
}

// Rows of `n_cols` into the columns from `first` on of rows of `gate_cols`.
@compute @workgroup_size(256)
fn put_columns(at: At) {
    let i = number_of(at);
    if i < params.n {
        taken[i / params.n_cols * params.gate_cols + params.first + i % params.n_cols] = y[i];
    }
}

@compute @workgroup_size(256)
fn take_rows(at: At) {
    let i = number_of(at);
    if i < params.n {
        taken[i] = y[rows[i / params.n_cols] * params.n_cols + i % params.n_cols];
    }
}
