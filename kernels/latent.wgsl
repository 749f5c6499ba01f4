// The reference is src/ops/cpu/latent.rs. Attention over latents: `store` norms the latents of a row, rotates the key beside
// them and the queries of all heads, `attend` sums latents by the softmax of their scores.

struct Params {
    row: u32,           // the first row of the batch that this run takes
    position: u32,      // its position
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
    is_last: u32,       // no block follows
    scale: f32,
    base_first: u32,    // the first position of the block that lies in rows of another cache
    base_n: u32,        // how many
    base_at: u32,       // its row there
    n_chosen: u32,      // numbers of a row of `chosen`; 0: all positions are seen
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
@group(0) @binding(3) var<storage, read_write> sums: array<f32>;       // [T, heads · (kv_lora + 2)]: weighted latents, sum of weights, highest score
@group(0) @binding(5) var<storage, read> base: array<vec4<f32>>;       // [rows, room / 4]
@group(0) @binding(6) var<storage, read> chosen: array<f32>;           // [T, n_chosen], positions, ascending, −1 behind the last
@group(0) @binding(4) var<storage, read_write> mixed: array<f32>;      // [T, heads · kv_lora]

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
// Positions a workgroup takes at once, one a lane.
const KEYS: u32 = 256u;
// Numbers of a query, and of the latents of a position, that there is room for.
const MAX_WIDTH: u32 = 1024u;

var<workgroup> query: array<vec4<f32>, 256>;
var<workgroup> shares: array<f32, 256>;
var<workgroup> places: array<u32, 256>;

const NOWHERE: u32 = 0xffffffffu;

// The `i`th position that a row sees, counted from the block's first; NOWHERE where it lies in another block.
fn place_seen(row: u32, i: u32, end: u32) -> u32 {
    var at = params.block_first + i;
    if params.n_chosen > 0u {
        if i >= params.n_chosen {
            return NOWHERE;
        }
        let it = chosen[row * params.n_chosen + i];
        if it < f32(params.block_first) {
            return NOWHERE;
        }
        at = u32(it);
    }
    if at >= end {
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

// Grid: heads, rows. Positions are taken in the same portions whatever the batch; where the cache has several blocks, what
// came of those before is in `sums`.
@compute @workgroup_size(256)
fn attend(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let head = group.x;
    let row = params.row + group.y;
    let width = params.kv_lora + params.rope_dim;
    let quads = params.room / 4u;
    let begin = (row * params.n_heads + head) * width;
    for (var i = lane.index; i < quads; i += 256u) {
        var it = vec4<f32>();
        for (var c = 0u; c < 4u; c++) {
            if i * 4u + c < width {
                it[c] = ready[begin + i * 4u + c];
            }
        }
        query[i] = it;
    }
    let state = (row * params.n_heads + head) * (params.kv_lora + 2u);
    var share = vec4<f32>();
    var total = 0.0;
    var highest = LOWEST;
    if params.block_first > 0u {
        total = sums[state + params.kv_lora];
        highest = sums[state + params.kv_lora + 1u];
        for (var c = 0u; c < 4u; c++) {
            if lane.index * 4u + c < params.kv_lora {
                share[c] = sums[state + lane.index * 4u + c];
            }
        }
    }
    workgroupBarrier();
    let end = min(params.position + group.y + 1u, params.block_end);
    let n_seen = select(end - min(end, params.block_first), params.n_chosen, params.n_chosen > 0u);
    for (var first = 0u; first < n_seen; first += KEYS) {
        let n = min(KEYS, n_seen - first);
        var score = LOWEST;
        var place = NOWHERE;
        if lane.index < n {
            place = place_seen(row, first + lane.index, end);
        }
        if place != NOWHERE {
            var sum = 0.0;
            for (var i = 0u; i < quads; i++) {
                sum += dot(query[i], latent_quad(place, i));
            }
            score = sum * params.scale;
        }
        let now = max(highest, max_all(score, lane));
        var weight_here = 0.0;
        if place != NOWHERE {
            weight_here = exp(score - now);
        }
        workgroupBarrier();
        shares[lane.index] = weight_here;
        places[lane.index] = place;
        let shrink = exp(highest - now);
        total = total * shrink + sum_all(weight_here, lane);
        highest = now;
        share *= shrink;
        workgroupBarrier();
        if lane.index * 4u < params.kv_lora {
            for (var i = 0u; i < n; i++) {
                if places[i] != NOWHERE {
                    share += shares[i] * latent_quad(places[i], lane.index);
                }
            }
        }
    }
    let to = (row * params.n_heads + head) * params.kv_lora;
    for (var c = 0u; c < 4u; c++) {
        let i = lane.index * 4u + c;
        if i < params.kv_lora {
            if params.is_last == 1u {
                mixed[to + i] = share[c] / total;
            } else {
                sums[state + i] = share[c];
            }
        }
    }
    if params.is_last == 0u && lane.index == 0u {
        sums[state + params.kv_lora] = total;
        sums[state + params.kv_lora + 1u] = highest;
    }
}
