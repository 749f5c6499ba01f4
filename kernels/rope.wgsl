// The reference is src/ops/cpu/rope.rs. Norms, clips and rotates queries and keys, clips values, and writes
// keys and values where the cache has room for them.

struct Params {
    row: u32,           // the first row of the batch that this run takes
    row_len: u32,       // numbers of a row of qkv
    store_at: u32,      // row of the cache's block that takes its key
    n_heads: u32,
    n_kv_heads: u32,
    head_dim: u32,
    v_dim: u32,         // numbers of a head of values
    head_room: u32,     // numbers a head takes in the cache: head_dim in whole quads, zeros behind it
    n_pairs: u32,       // pairs of a head that rotate; 0: no rotation
    is_interleaved: u32,
    has_norm_q: u32,
    has_norm_k: u32,
    has_weights: u32,   // of the norms
    is_norm_behind: u32, // norms come after the rotation
    eps: f32,
    clip: f32,          // infinity: none
    v_scale: f32,
    stretch: f32,       // what the rotation makes of the square of a pair
    position: u32,      // of the first row
    floor: f32,         // queries grow with every so many positions; 0: none do
    growth: f32,
    has_norm_v: u32,    // over each head, without weights
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> qkv: array<f32>;              // [T, row_len], in each row queries, keys, values
@group(0) @binding(2) var<storage, read> norm_q: array<f32>;           // [head_dim] or [heads · head_dim]
@group(0) @binding(3) var<storage, read> norm_k: array<f32>;           // [head_dim] or [kv heads · head_dim]
@group(0) @binding(4) var<storage, read> angles: array<f32>;           // [T, n_pairs, 2] cos and sin
@group(0) @binding(5) var<storage, read_write> queries: array<f32>;    // [T, heads · head_dim]
@group(0) @binding(6) var<storage, read_write> keys: array<f32>;       // [positions, kv heads · head_room]
@group(0) @binding(7) var<storage, read_write> values: array<f32>;     // the same

const QUERY: u32 = 0u;
const KEY: u32 = 1u;
const VALUE: u32 = 2u;

// One head of one row, or all heads of one part of it.
struct Place {
    part: u32,
    row: u32,       // from params.row on
    head: u32,
    source: u32,      // its first number in qkv
    weight: u32,    // its first number in the weight of the norm
    scale: f32,     // 1 / root mean square
}

var<workgroup> squares: array<f32, 256>;

fn part_at(part: u32) -> u32 {
    return select(0u, params.n_heads + (part - 1u) * params.n_kv_heads, part > QUERY) * params.head_dim;
}

fn n_heads_of(part: u32) -> u32 {
    return select(params.n_kv_heads, params.n_heads, part == QUERY);
}

fn width_of(part: u32) -> u32 {
    return select(params.head_dim, params.v_dim, part == VALUE);
}

fn row_at(row: u32) -> u32 {
    return (params.row + row) * params.row_len;
}

fn is_normed(part: u32) -> bool {
    return (part == QUERY && params.has_norm_q != 0u) || (part == KEY && params.has_norm_k != 0u)
        || (part == VALUE && params.has_norm_v != 0u);
}

fn normed(place: Place, d: u32, it: f32) -> f32 {
    if !is_normed(place.part) {
        return it;
    }
    if params.has_weights == 0u || place.part == VALUE {
        return it * place.scale;
    }
    if place.part == QUERY {
        return it * place.scale * norm_q[place.weight + d];
    }
    return it * place.scale * norm_k[place.weight + d];
}

// One number, normed where that comes first, and clipped. Comparisons, so that what is no number stays none.
fn number(place: Place, d: u32) -> f32 {
    var it = qkv[place.source + d];
    if params.is_norm_behind == 0u {
        it = normed(place, d, it);
    }
    if it > params.clip {
        return params.clip;
    }
    if it < -params.clip {
        return -params.clip;
    }
    return it;
}

// A query's factor by its position.
fn temperature(row: u32) -> f32 {
    if params.floor == 0.0 {
        return 1.0;
    }
    return 1.0 + params.growth * log(1.0 + floor(f32(params.position + row + 1u) / params.floor));
}

fn put(place: Place, d: u32, number: f32) {
    var it = number;
    if params.is_norm_behind != 0u && d < params.head_dim {
        it = normed(place, d, it);
    }
    if place.part == QUERY {
        if d < params.head_dim {
            it *= temperature(place.row);
            queries[((params.row + place.row) * params.n_heads + place.head) * params.head_dim + d] = it;
        }
        return;
    }
    let at = ((params.store_at + place.row) * params.n_kv_heads + place.head) * params.head_room + d;
    if place.part == KEY {
        keys[at] = it;
    } else {
        values[at] = it;
    }
}

// Pairs first, then what does not rotate, then the room behind the head.
fn n_items(part: u32) -> u32 {
    return params.head_room - select(params.n_pairs, 0u, part == VALUE);
}

fn do_item(place: Place, item: u32) {
    let n_pairs = select(params.n_pairs, 0u, place.part == VALUE);
    if item >= n_pairs {
        // Behind the pairs, which are the first numbers of a head.
        let d = item + n_pairs;
        if d < width_of(place.part) {
            let by = select(1.0, params.v_scale, place.part == VALUE);
            put(place, d, number(place, d) * by);
        } else {
            put(place, d, 0.0);
        }
        return;
    }
    let a = select(item, 2u * item, params.is_interleaved != 0u);
    let b = select(item + n_pairs, 2u * item + 1u, params.is_interleaved != 0u);
    let x = number(place, a);
    let y = number(place, b);
    let angle = ((params.row + place.row) * n_pairs + item) * 2u;
    let cosine = angles[angle];
    let sine = angles[angle + 1u];
    put(place, a, x * cosine - y * sine);
    put(place, b, y * cosine + x * sine);
}

// Eight heads a workgroup, 32 lanes a head; the norm is over each head.
@compute @workgroup_size(256)
fn heads(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let slot = group.x * 8u + index / 32u;
    let lane = index % 32u;
    let part = select(select(VALUE, KEY, slot < params.n_heads + params.n_kv_heads), QUERY, slot < params.n_heads);
    let is_there = slot < params.n_heads + 2u * params.n_kv_heads;
    let head = slot - part_at(part) / params.head_dim;
    let source = row_at(group.y) + part_at(part) + head * width_of(part);
    var sum = 0.0;
    if is_there && is_normed(part) {
        for (var d = lane; d < params.head_dim; d += 32u) {
            let it = qkv[source + d];
            let is_stretched = params.is_norm_behind != 0u && d < 2u * params.n_pairs;
            sum += it * it * select(1.0, params.stretch, is_stretched);
        }
    }
    squares[index] = sum;
    workgroupBarrier();
    if !is_there {
        return;
    }
    var total = 0.0;
    if is_normed(part) {
        for (var i = 0u; i < 32u; i++) {
            total += squares[index - lane + i];
        }
    }
    let scale = 1.0 / sqrt(total / f32(params.head_dim) + params.eps);
    let place = Place(part, group.y, head, source, 0u, scale);
    for (var item = lane; item < n_items(part); item += 32u) {
        do_item(place, item);
    }
}

// One part of a row a workgroup; the norm is over all its heads.
@compute @workgroup_size(256)
fn whole(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let part = group.x;
    let n_heads = n_heads_of(part);
    let source = row_at(group.y) + part_at(part);
    let n = n_heads * width_of(part);
    var sum = 0.0;
    for (var i = lane.index; i < n; i += 256u) {
        let it = qkv[source + i];
        sum += it * it;
    }
    let scale = 1.0 / sqrt(sum_all(sum, lane) / f32(n) + params.eps);
    let per_head = n_items(part);
    for (var i = lane.index; i < n_heads * per_head; i += 256u) {
        let head = i / per_head;
        let at = head * width_of(part);
        do_item(Place(part, group.y, head, source + at, at, scale), i % per_head);
    }
}
