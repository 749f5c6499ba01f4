// The reference is src/ops/cpu/heads.rs. Per head a product of its numbers with the rows of the weight that are its own:
// `rows` gives a number for each row, `columns` one for each column.

struct Params {
    row_units: u32,     // of a row of the weight
    scales_at: u32,
    n_rows: u32,        // of this shard
    first_row: u32,     // of this shard in the weight
    row_step: u32,      // rows of the weight from one head to the next
    row_first: u32,     // the first that is meant of a head's own
    n_in: u32,          // numbers of a head that are read
    n_out: u32,         // and written
    x_step: u32,        // numbers of `x` from one head to the next
    out_step: u32,      // the same of `out`
    n_heads: u32,
    adds: u32,          // 1: a shard before this one has written
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weights: array<Stored>;        // [R, row_units], then scales
@group(0) @binding(2) var<storage, read> x: array<f32>;                // [T, heads · x_step]
@group(0) @binding(3) var<storage, read_write> out: array<f32>;        // [T, heads · out_step]

// Rows a workgroup of `rows` takes, a team of lanes each.
const ROWS: u32 = 8u;
const TEAM: u32 = 32u;

// Numbers 4 q..4 q + 4 of a head in `x`; those behind its last are 0.
fn x_quad(first: u32, q: u32) -> vec4<f32> {
    var it = vec4<f32>();
    for (var i = 0u; i < 4u; i++) {
        if q * 4u + i < params.n_in {
            it[i] = x[first + q * 4u + i];
        }
    }
    return it;
}

// Grid: eights of rows, heads, tokens.
@compute @workgroup_size(256)
fn rows(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let place = place_of(lane);
    let head = group.y;
    let row = group.x * ROWS + place / TEAM;
    let stored = head * params.row_step + params.row_first + row;
    let is_there = row < params.n_out && stored >= params.first_row && stored - params.first_row < params.n_rows;
    let first = (group.z * params.n_heads + head) * params.x_step;
    var sum = 0.0;
    if is_there {
        let n_quads = (params.n_in + 3u) / 4u;
        for (var q = place % TEAM; q < n_quads; q += TEAM) {
            let at = (stored - params.first_row) * params.row_units + q / UNIT_QUADS;
            sum = dot_add(sum, quad(at, q % UNIT_QUADS), x_quad(first, q));
        }
    }
    let total = sum_team(vec4<f32>(sum, 0.0, 0.0, 0.0), TEAM, lane);
    if is_there && place % TEAM == 0u {
        out[(group.z * params.n_heads + head) * params.out_step + row] = total.x;
    }
}

// Fours of columns a workgroup of `columns` takes, and parts of a head's rows.
const QUADS: u32 = 64u;
const SLICES: u32 = 4u;

var<workgroup> slices: array<vec4<f32>, 256>;

// Grid: blocks of QUADS, heads, tokens. A head's rows may lie in several shards: each adds its own.
@compute @workgroup_size(256)
fn columns(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let head = group.y;
    let q = group.x * QUADS + index % QUADS;
    let first = (group.z * params.n_heads + head) * params.x_step;
    var sum = vec4<f32>();
    if q * 4u < params.n_out {
        for (var i = index / QUADS; i < params.n_in; i += SLICES) {
            let stored = head * params.row_step + params.row_first + i;
            if stored >= params.first_row && stored - params.first_row < params.n_rows {
                let at = (stored - params.first_row) * params.row_units + q / UNIT_QUADS;
                sum += x[first + i] * quad(at, q % UNIT_QUADS);
            }
        }
    }
    slices[index] = sum;
    workgroupBarrier();
    if index < QUADS && q * 4u < params.n_out {
        let all = slices[index] + slices[index + QUADS] + slices[index + 2u * QUADS] + slices[index + 3u * QUADS];
        let to = (group.z * params.n_heads + head) * params.out_step + q * 4u;
        for (var i = 0u; i < min(4u, params.n_out - q * 4u); i++) {
            if params.adds == 1u {
                out[to + i] += all[i];
            } else {
                out[to + i] = all[i];
            }
        }
    }
}
