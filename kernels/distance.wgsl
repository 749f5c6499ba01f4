// Attention where a row sees all that is cached, or a bias is added by the distance of query and key. `scores` says
// what each key is to each row and head, `soften` makes shares of them, `values` takes the values. One span at a time,
// and of its cache a block at a time.
//
// The reference is src/ops/cpu/distance.rs with src/ops/cpu/attention.rs.

struct Params {
    row: u32,           // the first row of the batch that this run takes
    position: u32,      // its position
    n_heads: u32,
    n_kv_heads: u32,
    head_dim: u32,
    head_room: u32,     // numbers a head takes in the cache
    v_dim: u32,         // numbers of a head that come out
    sees_all: u32,      // all of the cache, not only what is before a row
    n_cached: u32,      // positions of the cache
    scale: f32,
    has_bias: u32,
    zero_at: u32,       // where in `buckets` a key at the place of its query stands
    room: u32,          // scores of a row and head there is room for
    block_first: u32,   // the first position of the block
    block_end: u32,     // and the one behind its last
    base_first: u32,    // the first position of the block that lies in rows of another cache
    base_n: u32,        // how many
    base_at: u32,       // its row there
}

const LOWEST: f32 = -3.0e38;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> queries: array<f32>;          // [T, heads · head_dim]
@group(0) @binding(2) var<storage, read> own: array<f32>;              // keys, or values: [positions, kv heads · head_room]
@group(0) @binding(3) var<storage, read> base: array<f32>;             // the same in rows of another cache
@group(0) @binding(4) var<storage, read_write> scored: array<f32>;     // [rows of this run, heads, room]
@group(0) @binding(5) var<storage, read> buckets: array<u32>;          // by distance
@group(0) @binding(6) var<storage, read> table: array<f32>;            // [buckets, heads]
@group(0) @binding(1) var<storage, read_write> shares: array<f32>;     // as `scored`
@group(0) @binding(1) var<storage, read> weights: array<f32>;          // the same
@group(0) @binding(4) var<storage, read_write> mixed: array<f32>;      // [T, heads · v_dim]

// Number `d` of a position's key or value.
fn cached_number(place: CachedRow, head: u32, d: u32) -> f32 {
    let kv_head = head / (params.n_heads / params.n_kv_heads);
    let at = (place.row * params.n_kv_heads + kv_head) * params.head_room + d;
    if place.in_base {
        return base[at];
    }
    return own[at];
}

fn n_seen(row: u32) -> u32 {
    return select(params.position + row + 1u, params.n_cached, params.sees_all != 0u);
}

// Grid: blocks of 256 positions of the cache's block, rows, heads.
@compute @workgroup_size(256)
fn scores(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let at = params.block_first + group.x * 256u + lane.index;
    if at >= params.block_end {
        return;
    }
    let to = (group.y * params.n_heads + group.z) * params.room + at;
    if at >= n_seen(group.y) {
        scored[to] = LOWEST;
        return;
    }
    let place = cached_row(at - params.block_first);
    let first = ((params.row + group.y) * params.n_heads + group.z) * params.head_dim;
    var sum = 0.0;
    for (var d = 0u; d < params.head_dim; d++) {
        sum += queries[first + d] * cached_number(place, group.z, d);
    }
    sum *= params.scale;
    if params.has_bias != 0u {
        let bucket = buckets[params.zero_at + at - params.position - group.y];
        sum += table[bucket * params.n_heads + group.z];
    }
    scored[to] = sum;
}

// Grid: rows, heads.
@compute @workgroup_size(256)
fn soften(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let first = (group.x * params.n_heads + group.y) * params.room;
    let n = n_seen(group.x);
    var highest = LOWEST;
    for (var t = lane.index; t < n; t += 256u) {
        highest = max(highest, shares[first + t]);
    }
    highest = max_all(highest, lane);
    var sum = 0.0;
    for (var t = lane.index; t < n; t += 256u) {
        let it = exp(shares[first + t] - highest);
        shares[first + t] = it;
        sum += it;
    }
    let all = sum_all(sum, lane);
    for (var t = lane.index; t < n; t += 256u) {
        shares[first + t] /= all;
    }
}

// Grid: rows, heads. A lane takes numbers of the head, and adds to what earlier blocks left.
@compute @workgroup_size(256)
fn values(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let first = (group.x * params.n_heads + group.y) * params.room;
    let to = ((params.row + group.x) * params.n_heads + group.y) * params.v_dim;
    let end = min(n_seen(group.x), params.block_end);
    for (var d = lane.index; d < params.v_dim; d += 256u) {
        var sum = 0.0;
        for (var t = params.block_first; t < end; t++) {
            sum += weights[first + t] * cached_number(cached_row(t - params.block_first), group.y, d);
        }
        mixed[to + d] = select(mixed[to + d], 0.0, params.block_first == 0u) + sum;
    }
}
