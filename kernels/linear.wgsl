// The reference is src/ops/cpu/linear.rs. Stored rows times activations: `out[t, r] = w[r] · x[t] + b[r]`, or added to what is there.
// `gemv` is for few tokens, where reading the weight takes the time; `gemm` for many.

struct Params {
    row_units: u32,     // of a row of the weight
    scales_at: u32,
    n_rows: u32,        // of this shard
    first_row: u32,     // of this shard in the weight
    n_tokens: u32,
    n_out: u32,         // rows of the whole weight, columns of `out`
    groups_x: u32,      // workgroups along x
    n_narrow: u32,      // columns that `pad` reads
    adds: u32,          // 1: out += scale · it
    has_bias: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weights: array<Stored>;        // [R, row_units], then scales
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;          // [T, row_units · UNIT_QUADS]
@group(0) @binding(3) var<storage, read> bias: array<f32>;             // [n_out]
@group(0) @binding(4) var<storage, read_write> out: array<f32>;        // [T, n_out]

fn x_at(t: u32, token: u32, quad: u32) -> vec4<f32> {
    return x[token * params.row_units * UNIT_QUADS + quad];
}

fn put(token: u32, row: u32, value: f32) {
    if token >= params.n_tokens || row >= params.n_rows {
        return;
    }
    let col = params.first_row + row;
    let at = token * params.n_out + col;
    var it = value;
    if params.has_bias == 1u {
        it += bias[col];
    }
    if params.adds == 1u {
        it = out[at] + params.scale * it;
    }
    out[at] = it;
}

@compute @workgroup_size(256)
fn gemv(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    products(lane, group);
}

const TILE = 64u;               // rows, and tokens, of a workgroup
const TILE_GROUPS = 16u;        // fours of them
const TILE_QUADS = 8u;          // of each row at a time

// Fours of rows and of tokens, for each number of the quads.
var<workgroup> w_tile: array<vec4<f32>, 512>;
var<workgroup> x_tile: array<vec4<f32>, 512>;

// Quad `at` of four rows, turned: the first numbers of all four, the second, and so on.
fn stored_quads(first: u32, at: u32) -> mat4x4<f32> {
    let x_quads = params.row_units * UNIT_QUADS;
    if at >= x_quads {
        return mat4x4<f32>();
    }
    var it: mat4x4<f32>;
    for (var i = 0u; i < 4u; i++) {
        let row = min(first + i, params.n_rows - 1u);
        it[i] = quad(row * params.row_units + at / UNIT_QUADS, at % UNIT_QUADS);
    }
    return transpose(it);
}

fn token_quads(first: u32, at: u32) -> mat4x4<f32> {
    let x_quads = params.row_units * UNIT_QUADS;
    if at >= x_quads {
        return mat4x4<f32>();
    }
    var it: mat4x4<f32>;
    for (var i = 0u; i < 4u; i++) {
        it[i] = x_at(0u, min(first + i, params.n_tokens - 1u), at);
    }
    return transpose(it);
}

// A tile of 64 rows × 64 tokens; each lane sums 4 × 4 of it in registers.
@compute @workgroup_size(256)
fn gemm(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let first_row = group.x * TILE;
    let first_token = group.y * TILE;
    let row_group = index % TILE_GROUPS;
    let token_group = index / TILE_GROUPS;
    // Half of the lanes fetch rows, half tokens.
    let fetched = index % TILE_GROUPS * 4u;
    let fetched_quad = index % 128u / TILE_GROUPS;
    var sums: mat4x4<f32>;
    for (var first_quad = 0u; first_quad < params.row_units * UNIT_QUADS; first_quad += TILE_QUADS) {
        workgroupBarrier();
        let place = fetched_quad * 4u * TILE_GROUPS + index % TILE_GROUPS;
        if index < 128u {
            let it = stored_quads(first_row + fetched, first_quad + fetched_quad);
            for (var i = 0u; i < 4u; i++) {
                w_tile[place + i * TILE_GROUPS] = it[i];
            }
        } else {
            let it = token_quads(first_token + fetched, first_quad + fetched_quad);
            for (var i = 0u; i < 4u; i++) {
                x_tile[place + i * TILE_GROUPS] = it[i];
            }
        }
        workgroupBarrier();
        for (var k = 0u; k < TILE_QUADS * 4u; k++) {
            let w = w_tile[k * TILE_GROUPS + row_group];
            let t = x_tile[k * TILE_GROUPS + token_group];
            sums[0] += w * t.x;
            sums[1] += w * t.y;
            sums[2] += w * t.z;
            sums[3] += w * t.w;
        }
    }
    for (var t = 0u; t < 4u; t++) {
        for (var r = 0u; r < 4u; r++) {
            put(first_token + token_group * 4u + t, first_row + row_group * 4u + r, sums[t][r]);
        }
    }
}

@group(0) @binding(1) var<storage, read> narrow: array<f32>;           // [T, n_narrow]
@group(0) @binding(2) var<storage, read_write> wide: array<f32>;       // [T, row_units · UNIT_NUMBERS]

// Rows of activations that are no whole units, with zeros behind them.
@compute @workgroup_size(256)
fn pad(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let n_wide = params.row_units * UNIT_NUMBERS;
    let col = group.x * 256u + index;
    if col >= n_wide {
        return;
    }
    var it = 0.0;
    if col < params.n_narrow {
        it = narrow[group.y * params.n_narrow + col];
    }
    wide[group.y * n_wide + col] = it;
}
