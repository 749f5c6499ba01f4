// The reference is src/ops/cpu/best.rs. The best of one of the chunks that `settle` of predict.wgsl chose: as many as reach
// the bound, best first.

@group(0) @binding(3) var<storage, read> chosen: array<u32>;            // [asks, CHOSEN_WORDS]
@group(0) @binding(4) var<storage, read_write> lists: array<Best>;      // [asks, N_TOP, N_TOP], ended by NOBODY

// The lanes in groups: the N_TOP best of a chunk reach what the N_TOP-th best of these groups has.
const N_GROUPS = 32u;
const GROUP_LANES = 8u;
// As many groups as can reach it, each with all it read of a chunk of 2,048.
const POOL = 1280u;

var<workgroup> lane_bests: array<Best, 256>;
var<workgroup> group_bests: array<Best, N_GROUPS>;
var<workgroup> group_bound: Best;
// What reaches both bounds, in no certain order.
var<workgroup> pool: array<Best, POOL>;
var<workgroup> n_pooled: atomic<u32>;

@compute @workgroup_size(256)
fn best(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let i = group.y;
    if (asks[i].flags & READS) == 0u {
        return;
    }
    let chunk = chosen[i * CHOSEN_WORDS + group.x];
    let at = (i * N_TOP + group.x) * N_TOP;
    let row_bound = Best(chosen[i * CHOSEN_WORDS + N_TOP], chosen[i * CHOSEN_WORDS + N_TOP + 1u]);
    let first = chunk * params.chunk;
    let end = min(first + params.chunk, params.n_vocab);
    var mine = nothing();
    for (var v = first + lane.index; v < end; v += 256u) {
        mine = best_of(mine, Best(key_of(logits[i * params.n_vocab + v]), v));
    }
    let bound = best_of(row_bound, bound_of(mine, lane));
    for (var v = first + lane.index; v < end; v += 256u) {
        let it = Best(key_of(logits[i * params.n_vocab + v]), v);
        if !is_better(bound, it) {
            let place = atomicAdd(&n_pooled, 1u);
            if place < POOL {
                pool[place] = it;
            }
        }
    }
    workgroupBarrier();
    rank_pool(at, min(atomicLoad(&n_pooled), POOL), lane);
}

// The N_TOP-th best of the groups' bests, the same on every lane; nothing where they are fewer. Empties the pool.
fn bound_of(mine: Best, lane: Lane) -> Best {
    lane_bests[lane.index] = mine;
    if lane.index == 0u {
        group_bound = nothing();
        atomicStore(&n_pooled, 0u);
    }
    workgroupBarrier();
    var ours = nothing();
    if lane.index < N_GROUPS {
        for (var j = 0u; j < GROUP_LANES; j++) {
            ours = best_of(ours, lane_bests[lane.index * GROUP_LANES + j]);
        }
        group_bests[lane.index] = ours;
    }
    workgroupBarrier();
    if lane.index < N_GROUPS {
        var rank = 0u;
        for (var j = 0u; j < N_GROUPS; j++) {
            rank += u32(is_better(group_bests[j], ours));
        }
        if rank == N_TOP - 1u {
            group_bound = ours;
        }
    }
    workgroupBarrier();
    return group_bound;
}

// Each counts those before it: no order of the pool changes that.
fn rank_pool(at: u32, n: u32, lane: Lane) {
    for (var c = lane.index; c < n; c += 256u) {
        let mine = pool[c];
        var rank = 0u;
        for (var j = 0u; j < n; j++) {
            rank += u32(is_better(pool[j], mine));
        }
        if rank < N_TOP {
            lists[at + rank] = mine;
        }
    }
    if lane.index >= n && lane.index < N_TOP {
        lists[at + lane.index] = nothing();
    }
}
