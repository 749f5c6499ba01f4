// The reference is src/ops/cpu/capacity.rs. Experts that take so many tokens of a sequence: `note` keeps which experts each
// position chose, `count` counts for each choice of a row how often its expert was chosen up to there, `leave_out` drops those
// that are too many. One span at a time.

struct Params {
    row: u32,           // the first row of the batch that this run takes
    n_rows: u32,        // of the batch
    n_picks: u32,       // K
    store_at: u32,      // row of the cache's block that takes the first row's choices
    room: u32,          // words of a row of the cache
    position: u32,      // of the first row
    block_first: u32,   // the first position of the block
    block_end: u32,     // and the one behind its last
    cap: u32,           // tokens an expert takes
    n: u32,             // choices of the span
    base_first: u32,    // the first position of the block that lies in rows of another cache
    base_n: u32,        // how many
    base_at: u32,       // its row there
}

const NOBODY: u32 = 0xffffffffu;
const DROPPED: u32 = 3u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> choice: array<u32>;     // parts of a routing, see src/ops/gpu/route.rs
@group(0) @binding(2) var<storage, read_write> noted: array<u32>;      // [positions, room], a bit an expert
@group(0) @binding(2) var<storage, read> own: array<u32>;              // the same
@group(0) @binding(3) var<storage, read> base: array<u32>;             // rows of another cache
@group(0) @binding(4) var<storage, read_write> counts: array<f32>;     // [rows of the span, K]
@group(0) @binding(2) var<storage, read> counted: array<f32>;          // the same

// Grid: rows.
@compute @workgroup_size(256)
fn note(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let first = (params.row + group.x) * params.n_picks;
    for (var word = lane.index; word < params.room; word += 256u) {
        var bits = 0u;
        for (var i = 0u; i < params.n_picks; i++) {
            let expert = choice[first + i];
            if expert != NOBODY && expert / 32u == word {
                bits |= 1u << (expert % 32u);
            }
        }
        noted[(params.store_at + group.x) * params.room + word] = bits;
    }
}

fn has_chosen(position: u32, expert: u32) -> bool {
    let it = cached_row(position - params.block_first);
    let at = it.row * params.room + expert / 32u;
    var word = 0u;
    if it.in_base {
        word = base[at];
    } else {
        word = own[at];
    }
    return (word & (1u << (expert % 32u))) != 0u;
}

// Grid: rows, places. Whole numbers below 2^24, so their sum is exact.
@compute @workgroup_size(256)
fn count(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let expert = choice[(params.row + group.x) * params.n_picks + group.y];
    let end = min(params.position + group.x + 1u, params.block_end);
    var n = 0.0;
    for (var t = params.block_first + lane.index; t < end; t += 256u) {
        if expert != NOBODY && has_chosen(t, expert) {
            n += 1.0;
        }
    }
    let all = sum_all(n, lane);
    if lane.index == 0u {
        let to = group.x * params.n_picks + group.y;
        counts[to] = select(counts[to], 0.0, params.block_first == 0u) + all;
    }
}

// Grid: choices of the span, 256 a workgroup.
@compute @workgroup_size(256)
fn leave_out(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let i = group.x * 256u + lane.index;
    if i >= params.n || counted[i] <= f32(params.cap) {
        return;
    }
    let place = params.row * params.n_picks + i;
    let part = params.n_rows * params.n_picks;
    choice[part + place] = NOBODY;
    choice[3u * part + place] = DROPPED;
}
