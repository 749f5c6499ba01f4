// Twin of src/ops/cpu/best.rs. The best of one of the chunks that `settle` of predict.wgsl chose: as many as reach
// the bound, best first. With distinct ids no logit is a tie, so 20 rounds are the most whatever the logits are.

@group(0) @binding(3) var<storage, read> chosen: array<u32>;            // [asks, CHOSEN]
@group(0) @binding(4) var<storage, read_write> lists: array<Best>;      // [asks, N_LIKELY, N_LIKELY], ended by NOBODY

@compute @workgroup_size(256)
fn best(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let i = group.y;
    if (asks[i].flags & READS) == 0u {
        return;
    }
    let chunk = chosen[i * CHOSEN + group.x];
    let bound = Best(chosen[i * CHOSEN + N_LIKELY], chosen[i * CHOSEN + N_LIKELY + 1u]);
    var first = 0u;
    var end = 0u;
    if chunk != NOBODY {
        first = chunk * params.chunk;
        end = min(first + params.chunk, params.n_vocab);
    }
    let at = (i * N_LIKELY + group.x) * N_LIKELY;
    var last = Best(NOBODY, 0u);
    var n = 0u;
    for (; n < N_LIKELY; n++) {
        var mine = nothing();
        for (var v = first + lane.index; v < end; v += 256u) {
            let it = Best(key_of(logits[i * params.n_vocab + v]), v);
            if is_better(last, it) && !is_better(bound, it) {
                mine = best_of(mine, it);
            }
        }
        last = best_all(mine, lane);
        if last.id == NOBODY {
            break;
        }
        if lane.index == 0u {
            lists[at + n] = last;
        }
    }
    if lane.index >= n && lane.index < N_LIKELY {
        lists[at + lane.index] = nothing();
    }
}
