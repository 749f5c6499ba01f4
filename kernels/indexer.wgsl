// The reference is src/ops/cpu/indexer.rs. The positions that an indexer lets rows see: `store` keeps keys, `turn` rotates
// queries, `worth` says what each position is worth to each row, `choose` takes the best.

struct Params {
    row: u32,           // the first row of the batch that this run takes
    position: u32,      // its position
    store_at: u32,      // row of the cache's block that takes its key
    n_heads: u32,
    dim: u32,
    n_pairs: u32,       // 0: no rotation
    room: u32,          // numbers of a row of the cache: whole quads, zeros behind the last
    block_first: u32,   // the first position of the block
    block_end: u32,     // and the one behind its last
    worth_row: u32,     // row of `worths` that takes the first
    worth_room: u32,    // numbers of such a row
    n_chosen: u32,      // numbers of a row of `chosen`
    by_key: f32,        // factor on products of a query and a key
    by_head: f32,       // factor on weights
    base_first: u32,    // the first position of the block that lies in rows of another cache
    base_n: u32,        // how many
    base_at: u32,       // its row there
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;                // [T, heads · dim], queries; one head of keys
@group(0) @binding(2) var<storage, read> angles: array<f32>;           // [T, n_pairs, 2] cos and sin
@group(0) @binding(3) var<storage, read_write> turned: array<f32>;     // [T, heads · dim], or rows of the cache [positions, room]
@group(0) @binding(2) var<storage, read> weights: array<f32>;          // [T, heads]
@group(0) @binding(3) var<storage, read> keys: array<f32>;             // [positions, room]
@group(0) @binding(4) var<storage, read> base: array<f32>;             // [rows, room]
@group(0) @binding(5) var<storage, read_write> worths: array<f32>;     // [rows, worth_room]
@group(0) @binding(1) var<storage, read> given: array<f32>;            // worths
@group(0) @binding(2) var<storage, read_write> chosen: array<f32>;     // [T, n_chosen]

// Number `d` of the head that begins at `first`, rotated as row `row` is, in halves.
fn rotated(row: u32, first: u32, d: u32) -> f32 {
    if d >= 2u * params.n_pairs {
        return x[first + d];
    }
    let pair = d % params.n_pairs;
    let angle = (row * params.n_pairs + pair) * 2u;
    let a = x[first + pair];
    let b = x[first + pair + params.n_pairs];
    if d < params.n_pairs {
        return a * angles[angle] - b * angles[angle + 1u];
    }
    return b * angles[angle] + a * angles[angle + 1u];
}

// Grid: rows.
@compute @workgroup_size(256)
fn store(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let row = params.row + group.x;
    for (var d = index; d < params.room; d += 256u) {
        var it = 0.0;
        if d < params.dim {
            it = rotated(row, row * params.dim, d);
        }
        turned[(params.store_at + group.x) * params.room + d] = it;
    }
}

// Grid: rows.
@compute @workgroup_size(256)
fn turn(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let row = params.row + group.x;
    let n = params.n_heads * params.dim;
    for (var i = index; i < n; i += 256u) {
        turned[row * n + i] = rotated(row, row * n + i / params.dim * params.dim, i % params.dim);
    }
}

// Number `d` of a key.
fn key_number(it: CachedRow, d: u32) -> f32 {
    let at = it.row * params.room + d;
    if it.in_base {
        return base[at];
    }
    return keys[at];
}

// Grid: blocks of 256 positions of the cache's block, rows.
@compute @workgroup_size(256)
fn worth(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let at = params.block_first + group.x * 256u + index;
    if at >= min(params.position + group.y + 1u, params.block_end) {
        return;
    }
    let row = params.row + group.y;
    let key = cached_row(at - params.block_first);
    var sum = 0.0;
    for (var h = 0u; h < params.n_heads; h++) {
        let first = (row * params.n_heads + h) * params.dim;
        var product = 0.0;
        for (var d = 0u; d < params.dim; d++) {
            product += x[first + d] * key_number(key, d);
        }
        sum += weights[row * params.n_heads + h] * params.by_head * max(product * params.by_key, 0.0);
    }
    worths[(params.worth_row + group.y) * params.worth_room + at] = sum;
}

// A word that grows with the number.
fn ordered(it: f32) -> u32 {
    let bits = bitcast<u32>(it);
    return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}

var<workgroup> flags: array<u32, 256>;

// How many of the lanes before this one have the flag, and of all.
fn counted(index: u32, flag: u32) -> vec2<u32> {
    workgroupBarrier();
    flags[index] = flag;
    workgroupBarrier();
    var before = 0u;
    var all = 0u;
    for (var i = 0u; i < 256u; i++) {
        before += select(0u, flags[i], i < index);
        all += flags[i];
    }
    return vec2<u32>(before, all);
}

// The n_chosen best of a row, ascending; of equals the first. Grid: rows.
@compute @workgroup_size(256)
fn choose(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let n = params.position + group.x + 1u;
    let source = (params.worth_row + group.x) * params.worth_room;
    let to = (params.row + group.x) * params.n_chosen;
    if n <= params.n_chosen {
        for (var i = lane.index; i < params.n_chosen; i += 256u) {
            chosen[to + i] = select(-1.0, f32(i), i < n);
        }
        return;
    }
    // The word of the last that is chosen, bit by bit: the greatest that as many reach.
    var least = 0u;
    for (var bit = 0x80000000u; bit > 0u; bit >>= 1u) {
        var reach = 0u;
        for (var i = lane.index; i < n; i += 256u) {
            reach += select(0u, 1u, ordered(given[source + i]) >= (least | bit));
        }
        if sum_word_all(reach, lane) >= params.n_chosen {
            least |= bit;
        }
    }
    var above = 0u;
    for (var i = lane.index; i < n; i += 256u) {
        above += select(0u, 1u, ordered(given[source + i]) > least);
    }
    let n_equal = params.n_chosen - sum_word_all(above, lane);
    var taken = 0u;
    var equals = 0u;
    for (var first = 0u; first < n; first += 256u) {
        let i = first + lane.index;
        var word = 0u;
        if i < n {
            word = ordered(given[source + i]);
        }
        let is_equal = i < n && word == least;
        let equal = counted(lane.index, u32(is_equal));
        let is_taken = i < n && (word > least || (is_equal && equals + equal.x < n_equal));
        let place = counted(lane.index, u32(is_taken));
        if is_taken {
            chosen[to + taken + place.x] = f32(i);
        }
        taken += place.y;
        equals += equal.y;
    }
}
