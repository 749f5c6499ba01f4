// The reference is src/ops/cpu/embed.rs. Rows of the table times a scale, by token ids that lie on the device. One workgroup a token.

struct Params {
    row_units: u32,
    scales_at: u32,
    n_rows: u32,        // of this shard
    first_row: u32,     // of this shard in the table
    n_table: u32,       // rows of the whole table
    n_cols: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> weights: array<Stored>;        // [R, row_units], then scales
@group(0) @binding(2) var<storage, read> ids: array<u32>;
@group(0) @binding(3) var<storage, read> places: array<vec2<u32>>;     // where its id lies in `ids`, its row in `out`
@group(0) @binding(4) var<storage, read_write> out: array<f32>;        // [T, H]

@compute @workgroup_size(256)
fn embed(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let place = places[group.x];
    var id = params.n_table;
    if place.x < arrayLength(&ids) {
        id = ids[place.x];
    }
    let is_token = id < params.n_table;
    let row = id - params.first_row;
    // What is no token has no row: the first shard writes its zeros.
    if select(params.first_row != 0u, id < params.first_row || row >= params.n_rows, is_token) {
        return;
    }
    let n_quads = (params.n_cols + 3u) / 4u;
    for (var q = index; q < n_quads; q += 256u) {
        var it = vec4<f32>();
        if is_token {
            it = quad(row * params.row_units + q / UNIT_QUADS, q % UNIT_QUADS) * params.scale;
        }
        for (var i = 0u; i < min(4u, params.n_cols - q * 4u); i++) {
            out[place.y * params.n_cols + q * 4u + i] = it[i];
        }
    }
}
