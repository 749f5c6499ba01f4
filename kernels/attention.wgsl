// The reference is src/ops/cpu/attention.rs. Softmax attention of each row and head over its own sequence.
//
// `decode`: few rows. Each workgroup takes one split of what a row sees, for up to four heads that
// read the same keys, and leaves maximum, sum and weighted values; `combine` puts splits together. Where every row has
// one split, `decode` leaves what `combine` would.
// `prefill`: 32 rows of one head a workgroup, keys 64 at a time.

struct Params {
    n_heads: u32,
    n_kv_heads: u32,
    head_dim: u32,
    v_dim: u32,         // numbers of a head that come out
    is_tiled: u32,      // head h reads h mod kv heads, not h / (heads / kv heads)
    row: u32,           // the first row of the batch that this run takes
    n_rows: u32,
    position: u32,      // of the first of them
    mask: u32,          // ALL before it, the last `mask_n` (WINDOW), those of its CHUNK of `mask_n`
    mask_n: u32,
    scale: f32,
    cap: f32,           // 0: none
    block_first: u32,   // positions of the cache's block that is bound
    block_end: u32,
    least_split: u32,   // positions of a split where few are seen, a multiple of 64
    most_split: u32,    // and at most
    n_splits: u32,      // splits of a row beyond which they grow
    split_room: u32,    // splits of a row and head there is room for
    partial_row: u32,   // row of the partial results that takes the first row
    stats_at: u32,      // where maxima and sums stand behind the weighted values
    n_columns: u32,     // prefill: lanes side by side on the quads of a head, a power of two up to 32
    has_sinks: u32,
    base_first: u32,    // the first position of the block that lies in the base
    base_n: u32,        // how many
    base_at: u32,       // its row there
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> queries: array<f32>;          // [T, heads · head_dim]
@group(0) @binding(2) var<storage, read> keys: array<vec4<f32>>;       // [positions, kv heads, N_QUADS]
@group(0) @binding(3) var<storage, read> values: array<vec4<f32>>;     // the same
@group(0) @binding(5) var<storage, read> sinks: array<f32>;            // [heads]: a logit more in the sum of each head
@group(0) @binding(6) var<storage, read> base_keys: array<vec4<f32>>;  // [rows, kv heads, N_QUADS]
@group(0) @binding(7) var<storage, read> base_values: array<vec4<f32>>; // the same
@group(0) @binding(4) var<storage, read_write> out: array<f32>;        // prefill: [T, heads · v_dim]; decode: [rows, heads, split_room, head_dim], then [.., 2]

// Quads of a head in the cache; at most 64. A constant, so that drivers unroll what loops over it.
override N_QUADS: u32 = 1u;
// Query heads that share what a workgroup of `decode` reads; at most 4.
override N_SHARED: u32 = 1u;
// Rows of a workgroup of `prefill`: its lanes are laid out for 32.
override ROWS: u32 = 32u;

// Whether some positions of the block lie in rows of another cache, and the others, in their order, in `keys`.
override HAS_BASE: bool = false;

// Whether every row has one split: `out` of `decode` is then [T, heads · v_dim].
override IS_WHOLE: bool = false;

const ALL: u32 = 0u;
const WINDOW: u32 = 1u;
const CHUNK: u32 = 2u;

const LOWEST: f32 = -3.4e38;
const KEYS: u32 = 64u;
const AT_ONCE: u32 = 4u;

fn first_seen(position: u32) -> u32 {
    switch params.mask {
        case WINDOW: { return select(0u, position + 1u - params.mask_n, position + 1u > params.mask_n); }
        case CHUNK: { return position / max(params.mask_n, 1u) * params.mask_n; }
        case ALL, default: { return 0u; }
    }
}

// Positions of a split for a row that sees so many: of its position alone, never of the batch.
fn split_length(n_seen: u32) -> u32 {
    var length = params.least_split;
    while length < params.most_split && n_seen > length * params.n_splits {
        length *= 2u;
    }
    return length;
}

fn head_of(kv_head: u32, member: u32) -> u32 {
    let members = params.n_heads / params.n_kv_heads;
    return select(kv_head * members + member, member * params.n_kv_heads + kv_head, params.is_tiled != 0u);
}

fn kv_head_of(head: u32) -> u32 {
    return select(head / (params.n_heads / params.n_kv_heads), head % params.n_kv_heads, params.is_tiled != 0u);
}

fn query_number(at: u32, d: u32) -> f32 {
    if d < params.head_dim {
        return queries[at + d];
    }
    return 0.0;
}

// What a head's sink adds to a sum whose largest logit is `highest`.
fn sink(head: u32, highest: f32) -> f32 {
    if params.has_sinks == 0u {
        return 0.0;
    }
    return exp(sinks[head] - highest);
}

// Four numbers of a query's head, zeros behind the last.
fn query_quad(row: u32, head: u32, quad: u32) -> vec4<f32> {
    let at = ((params.row + row) * params.n_heads + head) * params.head_dim;
    let d = quad * 4u;
    return vec4(query_number(at, d), query_number(at, d + 1u), query_number(at, d + 2u), query_number(at, d + 3u));
}

// Where a head of a position starts, in quads, and in which rows.
struct Cached {
    at: u32,
    in_base: bool,
}

fn cached(position: u32, kv_head: u32) -> Cached {
    var it = CachedRow(position - params.block_first, false);
    if HAS_BASE {
        it = cached_row(it.row);
    }
    return Cached((it.row * params.n_kv_heads + kv_head) * N_QUADS, it.in_base);
}

fn key_quad(it: Cached, quad: u32) -> vec4<f32> {
    if HAS_BASE && it.in_base {
        return base_keys[it.at + quad];
    }
    return keys[it.at + quad];
}

fn value_quad(it: Cached, quad: u32) -> vec4<f32> {
    if HAS_BASE && it.in_base {
        return base_values[it.at + quad];
    }
    return values[it.at + quad];
}

// Some drivers' tanh overflows; beyond 15 it is 1. What is no number passes.
fn capped(dots: f32) -> f32 {
    let it = dots * params.scale;
    if params.cap == 0.0 {
        return it;
    }
    var ratio = it / params.cap;
    if ratio > 15.0 {
        ratio = 15.0;
    }
    if ratio < -15.0 {
        ratio = -15.0;
    }
    return params.cap * tanh(ratio);
}

var<workgroup> query_room: array<vec4<f32>, 256>;  // [N_SHARED, N_QUADS]
var<workgroup> dot_room: array<f32, 1024>;         // [N_SHARED, KEYS, 4] parts of dots; at the end [4, 256] weighted values
var<workgroup> weights: array<f32, 256>;           // [N_SHARED, KEYS]
var<workgroup> lane_room: array<f32, 256>;         // [N_SHARED, KEYS] scores, at the end sums
var<workgroup> eighth_room: array<f32, 32>;        // [N_SHARED, 8] the same of eight lanes each
var<workgroup> fade: array<f32, 4>;                // what an earlier sum shrinks by; at the end, of whole rows, sums with the sink

// The most of what the 64 lanes of a head have, by eights.
fn head_max(index: u32, value: f32) -> f32 {
    lane_room[index] = value;
    workgroupBarrier();
    if index < 32u {
        var most = lane_room[index * 8u];
        for (var i = 1u; i < 8u; i++) {
            most = max(most, lane_room[index * 8u + i]);
        }
        eighth_room[index] = most;
    }
    workgroupBarrier();
    let first = index / KEYS * 8u;
    var most = eighth_room[first];
    for (var i = 1u; i < 8u; i++) {
        most = max(most, eighth_room[first + i]);
    }
    return most;
}

// Their sum, by eights.
fn head_sum(index: u32, value: f32) -> f32 {
    lane_room[index] = value;
    workgroupBarrier();
    if index < 32u {
        var sum = 0.0;
        for (var i = 0u; i < 8u; i++) {
            sum += lane_room[index * 8u + i];
        }
        eighth_room[index] = sum;
    }
    workgroupBarrier();
    let first = index / KEYS * 8u;
    var sum = 0.0;
    for (var i = 0u; i < 8u; i++) {
        sum += eighth_room[first + i];
    }
    return sum;
}

// Sums the lanes' shares of the weighted values of one head, in the order of the lanes, and writes them: of the workgroup's
// head `place`, which is `head` of the model.
fn leave(index: u32, share: vec4<f32>, n_lanes: u32, row: u32, split: u32, head: u32, place: u32) {
    workgroupBarrier();
    for (var c = 0u; c < 4u; c++) {
        dot_room[c * 256u + index] = share[c];
    }
    workgroupBarrier();
    if index < params.head_dim {
        let first = (index % 4u) * 256u + index / 4u;
        var sum = 0.0;
        for (var i = 0u; i < n_lanes; i++) {
            sum += dot_room[first + i * N_QUADS];
        }
        if IS_WHOLE {
            if index < params.v_dim {
                out[((params.row + row) * params.n_heads + head) * params.v_dim + index] = (0.0 + sum) / fade[place];
            }
        } else {
            let to = ((params.partial_row + row) * params.n_heads + head) * params.split_room + split;
            out[to * params.head_dim + index] = sum;
        }
    }
}

@compute @workgroup_size(256)
fn decode(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let members = params.n_heads / params.n_kv_heads;
    let n_tiles = (members + N_SHARED - 1u) / N_SHARED;
    let kv_head = group.x / n_tiles;
    let member = (group.x % n_tiles) * N_SHARED;
    let row = group.z;
    let position = params.position + row;
    let first = first_seen(position);
    let length = split_length(position + 1u - first);
    let split = first / length + group.y;
    let begin = max(first, split * length);
    let end = min(position + 1u, (split + 1u) * length);
    if begin >= end || begin < params.block_first || begin >= params.block_end {
        return;
    }
    for (var i = index; i < N_SHARED * N_QUADS; i += 256u) {
        // The last tile of a group may have fewer heads; a head twice does no harm.
        let it = min(member + i / N_QUADS, members - 1u);
        query_room[i] = query_quad(row, head_of(kv_head, it), i % N_QUADS);
    }
    // Dots: four lanes a key. Weights: one lane a key and head. Values: a lane a quad, and as many
    // keys side by side as there are lanes for.
    let near = index / 4u;
    let mine = index / KEYS;
    let quad = index % N_QUADS;
    let lane = index / N_QUADS;
    let n_lanes = min(256u / N_QUADS, KEYS);
    // Where there are many lanes, more would lie behind the last key.
    let at_once = min(AT_ONCE, KEYS / n_lanes);
    var highest = LOWEST;
    var sum = 0.0;
    var share_0 = vec4<f32>();
    var share_1 = vec4<f32>();
    var share_2 = vec4<f32>();
    var share_3 = vec4<f32>();
    workgroupBarrier();
    for (var at = begin; at < end; at += KEYS) {
        let n = min(KEYS, end - at);
        let place = cached(min(at + near, end - 1u), kv_head);
        var dots = vec4<f32>();
        for (var i = index % 4u; i < N_QUADS; i += 4u) {
            let key = key_quad(place, i);
            dots.x += dot(key, query_room[i]);
            if N_SHARED > 1u {
                dots.y += dot(key, query_room[N_QUADS + i]);
            }
            if N_SHARED > 2u {
                dots.z += dot(key, query_room[2u * N_QUADS + i]);
            }
            if N_SHARED > 3u {
                dots.w += dot(key, query_room[3u * N_QUADS + i]);
            }
        }
        dot_room[index] = dots.x;
        if N_SHARED > 1u {
            dot_room[256u + index] = dots.y;
        }
        if N_SHARED > 2u {
            dot_room[512u + index] = dots.z;
        }
        if N_SHARED > 3u {
            dot_room[768u + index] = dots.w;
        }
        workgroupBarrier();
        let is_mine = mine < N_SHARED && index % KEYS < n;
        var score = LOWEST;
        if is_mine {
            let source = index * 4u;
            score = capped(dot_room[source] + dot_room[source + 1u] + dot_room[source + 2u] + dot_room[source + 3u]);
        }
        let now = max(highest, head_max(index, score));
        let shrink = exp(highest - now);
        let weight = select(0.0, exp(score - now), is_mine);
        weights[index] = weight;
        if index % KEYS == 0u {
            fade[mine] = shrink;
        }
        sum = sum * shrink + weight;
        highest = now;
        workgroupBarrier();
        share_0 *= fade[0];
        if N_SHARED > 1u {
            share_1 *= fade[1];
        }
        if N_SHARED > 2u {
            share_2 *= fade[2];
        }
        if N_SHARED > 3u {
            share_3 *= fade[3];
        }
        if lane < n_lanes {
            // Several at once, so that none waits for the one before; weights behind the last are 0.
            for (var first_key = lane; first_key < n; first_key += at_once * n_lanes) {
                for (var j = 0u; j < at_once; j++) {
                    let i = min(first_key + j * n_lanes, KEYS - 1u);
                    let counts = first_key + j * n_lanes < n;
                    let value = value_quad(cached(min(at + i, end - 1u), kv_head), quad);
                    share_0 += select(0.0, weights[i], counts) * value;
                    if N_SHARED > 1u {
                        share_1 += select(0.0, weights[KEYS + i], counts) * value;
                    }
                    if N_SHARED > 2u {
                        share_2 += select(0.0, weights[2u * KEYS + i], counts) * value;
                    }
                    if N_SHARED > 3u {
                        share_3 += select(0.0, weights[3u * KEYS + i], counts) * value;
                    }
                }
            }
        }
    }
    let total = head_sum(index, sum);
    let has_stats = mine < N_SHARED && index % KEYS == 0u && member + mine < members;
    if IS_WHOLE && has_stats {
        fade[mine] = total + sink(head_of(kv_head, member + mine), highest);
    }
    leave(index, share_0, n_lanes, row, group.y, head_of(kv_head, member), 0u);
    if N_SHARED > 1u && member + 1u < members {
        leave(index, share_1, n_lanes, row, group.y, head_of(kv_head, member + 1u), 1u);
    }
    if N_SHARED > 2u && member + 2u < members {
        leave(index, share_2, n_lanes, row, group.y, head_of(kv_head, member + 2u), 2u);
    }
    if N_SHARED > 3u && member + 3u < members {
        leave(index, share_3, n_lanes, row, group.y, head_of(kv_head, member + 3u), 3u);
    }
    if !IS_WHOLE && has_stats {
        let partial = (params.partial_row + row) * params.n_heads;
        let to = (partial + head_of(kv_head, member + mine)) * params.split_room + group.y;
        out[params.stats_at + 2u * to] = highest;
        out[params.stats_at + 2u * to + 1u] = total;
    }
}

@group(0) @binding(1) var<storage, read> partials: array<f32>;         // as `decode` left them
@group(0) @binding(2) var<storage, read> positions: array<u32>;        // [T]
@group(0) @binding(3) var<storage, read_write> combined: array<f32>;   // [T, heads · v_dim]

// One workgroup a head and row; splits in ascending order.
@compute @workgroup_size(256)
fn combine(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let index = lane.index;
    let position = positions[params.row + group.y];
    let first = first_seen(position);
    let to = ((params.row + group.y) * params.n_heads + group.x) * params.v_dim;
    let length = split_length(position + 1u - first);
    let n = select(0u, position / length - first / length + 1u, first <= position);
    let source = ((params.partial_row + group.y) * params.n_heads + group.x) * params.split_room;
    var highest = LOWEST;
    for (var i = index; i < n; i += 256u) {
        highest = max(highest, partials[params.stats_at + 2u * (source + i)]);
    }
    highest = max_all(highest, lane);
    // Lanes: a number of the head each, and as many splits side by side as there are lanes for.
    let d = index % params.head_dim;
    let slot = index / params.head_dim;
    let n_slots = 256u / params.head_dim;
    var lasting = 0.0;
    var sum = 0.0;
    for (var at = 0u; at < n; at += 256u) {
        let here = min(256u, n - at);
        workgroupBarrier();
        var weight = 0.0;
        if index < here {
            let stats = params.stats_at + 2u * (source + at + index);
            weight = exp(partials[stats] - highest);
            lasting += weight * partials[stats + 1u];
        }
        weights[index] = weight;
        workgroupBarrier();
        if slot < n_slots {
            for (var first_split = slot; first_split < here; first_split += AT_ONCE * n_slots) {
                for (var j = 0u; j < AT_ONCE; j++) {
                    let i = first_split + j * n_slots;
                    let value = partials[(source + at + min(i, here - 1u)) * params.head_dim + d];
                    sum += select(0.0, weights[min(i, 255u)], i < here) * value;
                }
            }
        }
    }
    let total = sum_all(lasting, lane) + sink(group.x, highest);
    lane_room[index] = sum;
    workgroupBarrier();
    if index < params.v_dim {
        var all = 0.0;
        for (var i = 0u; i < n_slots; i++) {
            all += lane_room[i * params.head_dim + index];
        }
        // Nothing seen leaves nothing.
        combined[to + index] = select(all / total, 0.0, n == 0u);
    }
}

const KEY_STRIDE: u32 = 66u;                       // quads of 64 keys, and two so that lanes do not meet in a bank

var<workgroup> query_slice: array<vec4<f32>, 128>; // [4 quads, 32 rows]
var<workgroup> key_slice: array<vec4<f32>, 264>;   // [4 quads, KEY_STRIDE]; then maxima, at the end sums [8, 32]
var<workgroup> weight_room: array<vec4<f32>, 512>; // [8 groups of 4 rows, KEYS]; at the end weighted values

fn capped_all(dots: vec4<f32>) -> vec4<f32> {
    return vec4(capped(dots.x), capped(dots.y), capped(dots.z), capped(dots.w));
}

// `weight · value` where the key is seen: a value that is no number must not reach rows before it.
fn seen_only(weight: f32, value: vec4<f32>) -> vec4<f32> {
    return select(vec4<f32>(), weight * value, vec4(weight != 0.0));
}

// Sums the lanes' shares of one row, and writes it.
fn leave_row(index: u32, share: vec4<f32>, total: f32, row: u32, head: u32, quad: u32) {
    workgroupBarrier();
    weight_room[index] = share;
    workgroupBarrier();
    let lane = index % 32u;
    if lane >= params.n_columns || quad >= N_QUADS || row >= params.n_rows {
        return;
    }
    var sum = vec4<f32>();
    for (var i = 0u; i < 32u; i += params.n_columns) {
        sum += weight_room[index + i];
    }
    let position = params.position + row;
    let sees = first_seen(position) <= position;
    let to = ((params.row + row) * params.n_heads + head) * params.v_dim;
    for (var c = 0u; c < 4u; c++) {
        if quad * 4u + c < params.v_dim {
            out[to + quad * 4u + c] = select(0.0, sum[c] / total, sees);
        }
    }
}

@compute @workgroup_size(256)
fn prefill(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let head = group.x;
    let kv_head = kv_head_of(head);
    let first_row = group.y * ROWS;
    let last_row = min(first_row + ROWS, params.n_rows) - 1u;
    let begin = first_seen(params.position + first_row);
    let end = params.position + last_row + 1u;
    // Keys that every row sees need no mask.
    let masked_to = first_seen(params.position + last_row);
    let masked_from = params.position + first_row + 1u;
    let lane = index % 32u;
    let four = index / 32u;
    let at_row = vec4(params.position + first_row + four * 4u) + vec4(0u, 1u, 2u, 3u);
    let firsts = vec4(first_seen(at_row.x), first_seen(at_row.y), first_seen(at_row.z), first_seen(at_row.w));
    let quad = lane % params.n_columns;
    let slot = lane / params.n_columns;
    let n_slots = 32u / params.n_columns;
    let has_quad = quad < N_QUADS;
    let has_more = quad + 32u < N_QUADS;
    var highest = vec4(LOWEST);
    var sum = vec4<f32>();
    var share_0 = vec4<f32>();
    var share_1 = vec4<f32>();
    var share_2 = vec4<f32>();
    var share_3 = vec4<f32>();
    var more_0 = vec4<f32>();
    var more_1 = vec4<f32>();
    var more_2 = vec4<f32>();
    var more_3 = vec4<f32>();
    for (var at = begin; at < end; at += KEYS) {
        let n = min(KEYS, end - at);
        var near = vec4<f32>();
        var far = vec4<f32>();
        for (var slice = 0u; slice < N_QUADS; slice += 4u) {
            workgroupBarrier();
            if index < 128u {
                let q_quad = slice + index / 32u;
                let q_row = min(first_row + lane, last_row);
                query_slice[index] = query_quad(q_row, head, q_quad);
            }
            let k_quad = slice + index % 4u;
            var key = vec4<f32>();
            if k_quad < N_QUADS {
                key = key_quad(cached(min(at + index / 4u, end - 1u), kv_head), k_quad);
            }
            key_slice[index % 4u * KEY_STRIDE + index / 4u] = key;
            workgroupBarrier();
            for (var i = 0u; i < 4u; i++) {
                let rows = i * 32u + four * 4u;
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
        let at_near = vec4(at + lane);
        let at_far = vec4(at + lane + 32u);
        let sees_near = (at_near >= firsts) & (at_near <= at_row);
        let sees_far = (at_far >= firsts) & (at_far <= at_row);
        near = select(vec4(LOWEST), capped_all(near), sees_near);
        far = select(vec4(LOWEST), capped_all(far), sees_far);
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
        share_0 *= shrink.x;
        share_1 *= shrink.y;
        share_2 *= shrink.z;
        share_3 *= shrink.w;
        more_0 *= shrink.x;
        more_1 *= shrink.y;
        more_2 *= shrink.z;
        more_3 *= shrink.w;
        let is_masked = at < masked_to || at + n > masked_from;
        if has_quad {
            for (var i = slot; i < n; i += n_slots) {
                let weight = weight_room[four * KEYS + i];
                let place = cached(at + i, kv_head);
                let value = value_quad(place, quad);
                if is_masked {
                    share_0 += seen_only(weight.x, value);
                    share_1 += seen_only(weight.y, value);
                    share_2 += seen_only(weight.z, value);
                    share_3 += seen_only(weight.w, value);
                } else {
                    share_0 += weight.x * value;
                    share_1 += weight.y * value;
                    share_2 += weight.z * value;
                    share_3 += weight.w * value;
                }
                if has_more {
                    let value_more = value_quad(place, quad + 32u);
                    more_0 += seen_only(weight.x, value_more);
                    more_1 += seen_only(weight.y, value_more);
                    more_2 += seen_only(weight.z, value_more);
                    more_3 += seen_only(weight.w, value_more);
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
    total += vec4(sink(head, highest.x), sink(head, highest.y), sink(head, highest.z), sink(head, highest.w));
    let row = first_row + four * 4u;
    leave_row(index, share_0, total.x, row, head, quad);
    leave_row(index, share_1, total.y, row + 1u, head, quad);
    leave_row(index, share_2, total.z, row + 2u, head, quad);
    leave_row(index, share_3, total.w, row + 3u, head, quad);
    if N_QUADS > 32u {
        leave_row(index, more_0, total.x, row, head, quad + 32u);
        leave_row(index, more_1, total.y, row + 1u, head, quad + 32u);
        leave_row(index, more_2, total.z, row + 2u, head, quad + 32u);
        leave_row(index, more_3, total.w, row + 3u, head, quad + 32u);
    }
}
