// Sums and maxima over a workgroup of 256, subgroup by subgroup. All 256 must call.

struct Lane {
    @builtin(local_invocation_index) index: u32,
    @builtin(subgroup_invocation_id) in_subgroup: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) n_subgroups: u32,
}

// One place per subgroup: the smallest subgroup there is has 4 lanes.
var<workgroup> reduce_room: array<f32, 64>;

// Up to so many partial results every lane adds up itself. Many small subgroups would spend their time on it.
const FEW_SUBGROUPS: u32 = 16u;

// The same on every lane, summed in an order that never changes on one adapter.
fn sum_all(value: f32, lane: Lane) -> f32 {
    let part = subgroupAdd(value);
    workgroupBarrier();
    if lane.in_subgroup == 0u {
        reduce_room[lane.subgroup] = part;
    }
    workgroupBarrier();
    var sum = 0.0;
    if lane.n_subgroups <= FEW_SUBGROUPS {
        for (var i = 0u; i < lane.n_subgroups; i++) {
            sum += reduce_room[i];
        }
        return sum;
    }
    for (var i = lane.in_subgroup; i < lane.n_subgroups; i += 256u / lane.n_subgroups) {
        sum += reduce_room[i];
    }
    return subgroupAdd(sum);
}

fn max_all(value: f32, lane: Lane) -> f32 {
    let part = subgroupMax(value);
    workgroupBarrier();
    if lane.in_subgroup == 0u {
        reduce_room[lane.subgroup] = part;
    }
    workgroupBarrier();
    var best = part;
    if lane.n_subgroups <= FEW_SUBGROUPS {
        for (var i = 0u; i < lane.n_subgroups; i++) {
            best = max(best, reduce_room[i]);
        }
        return best;
    }
    for (var i = lane.in_subgroup; i < lane.n_subgroups; i += 256u / lane.n_subgroups) {
        best = max(best, reduce_room[i]);
    }
    return subgroupMax(best);
}

var<workgroup> team_room: array<vec4<f32>, 64>;

// A lane's place among the 256; the lanes of a team have neighbouring places.
fn place_of(lane: Lane) -> u32 {
    return lane.subgroup * (256u / lane.n_subgroups) + lane.in_subgroup;
}

// Four sums over each team of `team` lanes, a power of two; only the first lane of a team has them.
fn sum_team(value: vec4<f32>, team: u32, lane: Lane) -> vec4<f32> {
    let size = 256u / lane.n_subgroups;
    var sum = value;
    for (var step = min(team, size) / 2u; step > 0u; step /= 2u) {
        sum += subgroupShuffleXor(sum, step);
    }
    workgroupBarrier();
    if lane.in_subgroup == 0u {
        team_room[lane.subgroup] = sum;
    }
    workgroupBarrier();
    // The other lanes have nothing to do with it: thirty-two small subgroups would each add up all.
    if team <= size || lane.in_subgroup != 0u || lane.subgroup % (team / size) != 0u {
        return sum;
    }
    for (var i = 1u; i < team / size; i++) {
        sum += team_room[lane.subgroup + i];
    }
    return sum;
}

fn sum_word_all(value: u32, lane: Lane) -> u32 {
    let part = subgroupAdd(value);
    clear_word(lane);
    if lane.in_subgroup == 0u {
        atomicAdd(&reduce_word, part);
    }
    workgroupBarrier();
    return atomicLoad(&reduce_word);
}

fn max_word_all(value: u32, lane: Lane) -> u32 {
    let part = subgroupMax(value);
    clear_word(lane);
    if lane.in_subgroup == 0u {
        atomicMax(&reduce_word, part);
    }
    workgroupBarrier();
    return atomicLoad(&reduce_word);
}
