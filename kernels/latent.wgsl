// The reference is src/ops/cpu/latent.rs. Attention over latents: `store` norms the latents of a row, rotates the key beside
// them and the queries of all heads; `attend` sums latents by the softmax of their scores, for 32 queries at a time that
// read the same latents; where few rows look at many positions it takes these in splits, and `combine` puts them together.

struct Params {
    row: u32,           // the first row of the batch that this run takes
    n_rows: u32,
    position: u32,      // of the first of them
    store_at: u32,      // row of the cache's block that takes its latents
    n_heads: u32,
    kv_lora: u32,
    nope_dim: u32,
    rope_dim: u32,
    n_pairs: u32,       // 0: no rotation
    is_interleaved: u32,
    eps: f32,
    room: u32,          // numbers of a row of the cache: whole quads, zeros behind the last
    block_first: u32,   // the first position of the block
    block_end: u32,     // and the one behind its last
    scale: f32,
    base_first: u32,    // the first position of the block that lies in rows of another cache
    base_n: u32,        // how many
    base_at: u32,       // its row there
    n_chosen: u32,      // numbers of a row of `chosen`; 0: all positions are seen
    n_columns: u32,     // lanes side by side on the quads of a latent, a power of two up to 32
    least_split: u32,   // positions of a split where few are seen
    most_split: u32,    // and at most
    n_splits: u32,      // splits of a row beyond which they grow
    split_room: u32,    // splits of a row and head there is room for
    partial_row: u32,   // row of the partial results that takes the first row
    stats_at: u32,      // where maxima and sums stand behind the weighted latents
    slot_first: u32,    // where positions are chosen: the split that takes the first of this block
    n_slots: u32,       // and all splits of a row; 0: as many as its position has
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> down: array<f32>;             // [T, kv_lora + rope_dim]
@group(0) @binding(2) var<storage, read> weight: array<f32>;           // [kv_lora], of the norm
@group(0) @binding(3) var<storage, read> angles: array<f32>;           // [T, n_pairs, 2] cos and sin
@group(0) @binding(4) var<storage, read> q: array<f32>;                // [T, heads · (nope_dim + rope_dim)]
@group(0) @binding(5) var<storage, read_write> queries: array<f32>;    // [T, heads · (kv_lora + rope_dim)]
@group(0) @binding(6) var<storage, read_write> stored: array<f32>;     // [positions, room]
@group(0) @binding(1) var<storage, read> ready: array<f32>;            // queries, rotated
@group(0) @binding(2) var<storage, read> latents: array<vec4<f32>>;    // [positions, room / 4]
@group(0) @binding(3) var<storage, read_write> out: array<f32>;        // all rows at once: [T, heads · kv_lora]; splits: [rows, heads, split_room, kv_lora], then [.., 2]
@group(0) @binding(4) var<storage, read> base: array<vec4<f32>>;       // [rows, room / 4]
@group(0) @binding(5) var<storage, read> chosen: array<f32>;           // [T, n_chosen], positions, ascending, −1 behind the last

// Pair `i` of the numbers from `first` on, rotated as row `row` is.
fn rotated(row: u32, i: u32, pair: vec2<f32>) -> vec2<f32> {
    let angle = (row * params.n_pairs + i) * 2u;
    let cosine = angles[angle];
    let sine = angles[angle + 1u];
    return vec2<f32>(pair.x * cosine - pair.y * sine, pair.y * cosine + pair.x * sine);
}

// Which two numbers are pair `i`.
fn pair_of(i: u32) -> vec2<u32> {
    if params.is_interleaved != 0u {
        return vec2<u32>(2u * i, 2u * i + 1u);
    }
    return vec2<u32>(i, i + params.n_pairs);
}

// Grid: rows.
@compute @workgroup_size(256)
fn store(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let row = params.row + group.x;
    let width = params.kv_lora + params.rope_dim;
    let source = row * width;
    let to = (params.store_at + group.x) * params.room;
    var sum = 0.0;
    for (var i = lane.index; i < params.kv_lora; i += 256u) {
        let it = down[source + i];
        sum += it * it;
    }
    let scale = 1.0 / sqrt(sum_all(sum, lane) / f32(params.kv_lora) + params.eps);
    for (var i = lane.index; i < params.kv_lora; i += 256u) {
        stored[to + i] = down[source + i] * scale * weight[i];
    }
    for (var i = lane.index; i < params.room - width; i += 256u) {
        stored[to + width + i] = 0.0;
    }
    // The key, then the queries of all heads: pairs first, then what does not rotate.
    let n_items = params.rope_dim - params.n_pairs;
    for (var item = lane.index; item < (params.n_heads + 1u) * n_items; item += 256u) {
        let i = item % n_items;
        let is_key = item < n_items;
        let head = item / n_items - 1u;
        let from_q = (row * params.n_heads + head) * (params.nope_dim + params.rope_dim) + params.nope_dim;
        let to_q = (row * params.n_heads + head) * width + params.kv_lora;
        var pair = vec2<u32>(i + params.n_pairs);
        if i < params.n_pairs {
            pair = pair_of(i);
        }
        var it = vec2<f32>();
        if is_key {
            it = vec2<f32>(down[source + params.kv_lora + pair.x], down[source + params.kv_lora + pair.y]);
        } else {
            it = vec2<f32>(q[from_q + pair.x], q[from_q + pair.y]);
        }
        if i < params.n_pairs {
            it = rotated(row, i, it);
        }
        if is_key {
            stored[to + params.kv_lora + pair.x] = it.x;
            stored[to + params.kv_lora + pair.y] = it.y;
        } else {
            queries[to_q + pair.x] = it.x;
            queries[to_q + pair.y] = it.y;
        }
    }
}

const LOWEST: f32 = -3.4e38;
const NOWHERE: u32 = 0xffffffffu;
// Queries of a workgroup, its lanes are laid out for them; and positions that it takes at once.
const TILE: u32 = 32u;
const KEYS: u32 = 64u;
const KEY_STRIDE: u32 = 66u;                       // quads of 64 keys, and two so that lanes do not meet in a bank

// Quads of a latent that a lane takes, one of every 32; at most 8.
override N_COLUMNS: u32 = 1u;
// Whether a workgroup takes queries of several rows over all that they see; else heads of one row over one split.
override IS_FLAT: bool = false;

var<workgroup> query_slice: array<vec4<f32>, 128>; // [4 quads, TILE]
var<workgroup> key_slice: array<vec4<f32>, 264>;   // [4 quads, KEY_STRIDE]; then maxima, at the end sums [8, 32]
var<workgroup> weight_room: array<vec4<f32>, 512>; // [8 groups of 4 queries, KEYS]; at the end weighted latents
var<workgroup> places: array<u32, 64>;             // of the positions taken, counted from the block's first

// Positions of a split for a row that sees so many: of that alone, never of the batch.
fn split_length(n_seen: u32) -> u32 {
    var length = params.least_split;
    while length < params.most_split && n_seen > length * params.n_splits {
        length *= 2u;
    }
    return length;
}

// Where the `i`th position that a row of this run sees lies; NOWHERE where that is another block.
fn place_seen(row: u32, i: u32) -> u32 {
    if params.n_chosen == 0u {
        return i - params.block_first;
    }
    let it = chosen[(params.row + row) * params.n_chosen + i];
    if it < f32(params.block_first) {
        return NOWHERE;
    }
    let at = u32(it);
    if at >= min(params.position + row + 1u, params.block_end) {
        return NOWHERE;
    }
    return at - params.block_first;
}

// Quad `i` of the row of a position, counted from the block's first.
fn latent_quad(position: u32, i: u32) -> vec4<f32> {
    let it = cached_row(position);
    let at = it.row * (params.room / 4u) + i;
    if it.in_base {
        return base[at];
    }
    return latents[at];
}

fn query_number(at: u32, i: u32) -> f32 {
    if i < params.kv_lora + params.rope_dim {
        return ready[at + i];
    }
    return 0.0;
}

// Four numbers of a query of this run, zeros behind the last.
fn query_quad(query: u32, quad: u32) -> vec4<f32> {
    let at = (params.row * params.n_heads + query) * (params.kv_lora + params.rope_dim);
    let i = quad * 4u;
    return vec4(query_number(at, i), query_number(at, i + 1u), query_number(at, i + 2u), query_number(at, i + 3u));
}

// `weight · value` where the position is seen: a value that is no number must not reach rows before it.
fn seen_only(weight: f32, value: vec4<f32>) -> vec4<f32> {
    return select(vec4<f32>(), weight * value, vec4(weight != 0.0));
}

// Writes a quad of the weighted latents of a query of this run.
fn leave(query: u32, slot: u32, quad: u32, sum: vec4<f32>, total: f32) {
    for (var c = 0u; c < 4u; c++) {
        let i = quad * 4u + c;
        if i < params.kv_lora {
            if IS_FLAT {
                out[(params.row * params.n_heads + query) * params.kv_lora + i] = sum[c] / total;
            } else {
                let to = (params.partial_row * params.n_heads + query) * params.split_room + slot;
                out[to * params.kv_lora + i] = sum[c];
            }
        }
    }
}

// Grid: tiles of queries, splits, rows; the queries of all heads and rows stand one behind the other, and all of them read
// the same latents.
@compute @workgroup_size(256)
fn attend(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    var row = group.z;
    var first_query = row * params.n_heads + group.x * TILE;
    var n_queries = min(TILE, params.n_heads - min(group.x * TILE, params.n_heads));
    var n_seen = select(params.position + row + 1u, params.n_chosen, params.n_chosen > 0u);
    let length = split_length(n_seen);
    var begin = group.y * length;
    var end = min(n_seen, begin + length);
    if IS_FLAT {
        row = 0u;
        first_query = group.x * TILE;
        n_queries = min(TILE, params.n_rows * params.n_heads - first_query);
        begin = 0u;
        end = params.position + (first_query + n_queries - 1u) / params.n_heads + 1u;
    } else if begin >= end || (params.n_chosen == 0u && (begin < params.block_first || begin >= params.block_end)) {
        return;
    }
    let last_query = first_query + n_queries - 1u;
    let quads = params.room / 4u;
    let kv_quads = (params.kv_lora + 3u) / 4u;
    let lane = index % 32u;
    let four = index / 32u;
    let position_of = vec4(params.position) + (vec4(first_query + four * 4u) + vec4(0u, 1u, 2u, 3u)) / params.n_heads;
    let quad = lane % params.n_columns;
    let slot = lane / params.n_columns;
    let n_slots = 32u / params.n_columns;
    var highest = vec4(LOWEST);
    var sum = vec4<f32>();
    var share: array<vec4<f32>, 32>;
    for (var at = begin; at < end; at += KEYS) {
        let n = min(KEYS, end - at);
        workgroupBarrier();
        if index < KEYS {
            var place = NOWHERE;
            if index < n {
                place = place_seen(row, at + index);
            }
            places[index] = place;
        }
        var near = vec4<f32>();
        var far = vec4<f32>();
        for (var slice = 0u; slice < quads; slice += 4u) {
            workgroupBarrier();
            if index < 128u {
                query_slice[index] = query_quad(min(first_query + lane, last_query), slice + four);
            }
            let k_quad = slice + index % 4u;
            let place = places[index / 4u];
            var key = vec4<f32>();
            if k_quad < quads && place != NOWHERE {
                key = latent_quad(place, k_quad);
            }
            key_slice[index % 4u * KEY_STRIDE + index / 4u] = key;
            workgroupBarrier();
            for (var i = 0u; i < 4u; i++) {
                let rows = i * TILE + four * 4u;
                let q_0 = query_slice[rows];
                let q_1 = query_slice[rows + 1u];
                let q_2 = query_slice[rows + 2u];
                let q_3 = query_slice[rows + 3u];
                let key_near = key_slice[i * KEY_STRIDE + lane];
                let key_far = key_slice[i * KEY_STRIDE + lane + 32u];
                near += vec4(dot(q_0, key_near), dot(q_1, key_near), dot(q_2, key_near), dot(q_3, key_near));
                far += vec4(dot(q_0, key_far), dot(q_1, key_far), dot(q_2, key_far), dot(q_3, key_far));
            }
        }
        var sees_near = vec4(places[lane] != NOWHERE);
        var sees_far = vec4(places[lane + 32u] != NOWHERE);
        if IS_FLAT {
            sees_near = sees_near & (vec4(at + lane) <= position_of);
            sees_far = sees_far & (vec4(at + lane + 32u) <= position_of);
        }
        near = select(vec4(LOWEST), near * params.scale, sees_near);
        far = select(vec4(LOWEST), far * params.scale, sees_far);
        workgroupBarrier();
        key_slice[index] = max(near, far);
        workgroupBarrier();
        var now = highest;
        for (var i = 0u; i < 32u; i++) {
            now = max(now, key_slice[four * 32u + i]);
        }
        let shrink = exp(highest - now);
        near = select(vec4<f32>(), exp(near - now), sees_near);
        far = select(vec4<f32>(), exp(far - now), sees_far);
        sum = sum * shrink + near + far;
        highest = now;
        weight_room[four * KEYS + lane] = near;
        weight_room[four * KEYS + lane + 32u] = far;
        workgroupBarrier();
        for (var c = 0u; c < N_COLUMNS; c++) {
            for (var j = 0u; j < 4u; j++) {
                share[c * 4u + j] *= shrink[j];
            }
        }
        for (var i = slot; i < n; i += n_slots) {
            let weight = weight_room[four * KEYS + i];
            let place = places[i];
            if place != NOWHERE {
                for (var c = 0u; c < N_COLUMNS; c++) {
                    if quad + c * 32u < kv_quads {
                        let value = latent_quad(place, quad + c * 32u);
                        for (var j = 0u; j < 4u; j++) {
                            share[c * 4u + j] += seen_only(weight[j], value);
                        }
                    }
                }
            }
        }
    }
    workgroupBarrier();
    key_slice[index] = sum;
    workgroupBarrier();
    var total = vec4<f32>();
    for (var i = 0u; i < 32u; i++) {
        total += key_slice[four * 32u + i];
    }
    let slot_here = params.slot_first + group.y;
    for (var c = 0u; c < N_COLUMNS; c++) {
        for (var j = 0u; j < 4u; j++) {
            workgroupBarrier();
            weight_room[index] = share[c * 4u + j];
            workgroupBarrier();
            let query = first_query + four * 4u + j;
            if lane < params.n_columns && quad + c * 32u < kv_quads && query <= last_query {
                var all = vec4<f32>();
                for (var i = 0u; i < 32u; i += params.n_columns) {
                    all += weight_room[index + i];
                }
                leave(query, slot_here, quad + c * 32u, all, total[j]);
            }
        }
    }
    if !IS_FLAT && lane < 4u && first_query + four * 4u + lane <= last_query {
        let query = first_query + four * 4u + lane;
        let to = (params.partial_row * params.n_heads + query) * params.split_room + slot_here;
        out[params.stats_at + 2u * to] = highest[lane];
        out[params.stats_at + 2u * to + 1u] = total[lane];
    }
}

@group(0) @binding(1) var<storage, read> partials: array<f32>;         // as `attend` left them
@group(0) @binding(2) var<storage, read> positions: array<u32>;        // [T]
@group(0) @binding(3) var<storage, read_write> mixed: array<f32>;      // [T, heads · kv_lora]

// One workgroup a head and row; splits in ascending order.
@compute @workgroup_size(256)
fn combine(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let n_seen = positions[params.row + group.y] + 1u;
    let length = split_length(n_seen);
    let n = select((n_seen + length - 1u) / length, params.n_slots, params.n_slots > 0u);
    let source = ((params.partial_row + group.y) * params.n_heads + group.x) * params.split_room;
    let stats = params.stats_at + 2u * source;
    var highest = LOWEST;
    for (var i = lane.index; i < n; i += 256u) {
        highest = max(highest, partials[stats + 2u * i]);
    }
    highest = max_all(highest, lane);
    var lasting = 0.0;
    for (var i = lane.index; i < n; i += 256u) {
        lasting += exp(partials[stats + 2u * i] - highest) * partials[stats + 2u * i + 1u];
    }
    let total = sum_all(lasting, lane);
    let to = ((params.row + group.y) * params.n_heads + group.x) * params.kv_lora;
    for (var d = lane.index; d < params.kv_lora; d += 256u) {
        var sum = 0.0;
        for (var i = 0u; i < n; i++) {
            sum += exp(partials[stats + 2u * i] - highest) * partials[(source + i) * params.kv_lora + d];
        }
        mixed[to + d] = sum / total;
    }
}
