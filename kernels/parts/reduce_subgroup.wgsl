// Sums and maxima over a workgroup of 256, subgroup by subgroup. All 256 must call.

struct Lane {
    @builtin(local_invocation_index) index: u32,
    @builtin(subgroup_invocation_id) in_subgroup: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) n_subgroups: u32,
}

// One place per subgroup: the smallest subgroup there is has 4 lanes.
var<workgroup> reduce_room: array<f32, 64>;

// The same on every lane, summed in an order that never changes on one adapter.
fn sum_all(value: f32, lane: Lane) -> f32 {
    let part = subgroupAdd(value);
    workgroupBarrier();
    if lane.in_subgroup == 0u {
        reduce_room[lane.subgroup] = part;
    }
    workgroupBarrier();
    var sum = 0.0;
    for (var i = 0u; i < lane.n_subgroups; i++) {
        sum += reduce_room[i];
    }
    return sum;
}

fn max_all(value: f32, lane: Lane) -> f32 {
    let part = subgroupMax(value);
    workgroupBarrier();
    if lane.in_subgroup == 0u {
        reduce_room[lane.subgroup] = part;
    }
    workgroupBarrier();
    var best = reduce_room[0];
    for (var i = 1u; i < lane.n_subgroups; i++) {
        best = max(best, reduce_room[i]);
    }
    return best;
}
