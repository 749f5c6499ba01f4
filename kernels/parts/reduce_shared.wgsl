// Sums and maxima over a workgroup of 256, for adapters without subgroups. All 256 must call.

struct Lane {
    @builtin(local_invocation_index) index: u32,
}

var<workgroup> reduce_room: array<f32, 256>;

// The same on every lane, summed as a tree whose shape never changes.
fn sum_all(value: f32, lane: Lane) -> f32 {
    workgroupBarrier();
    reduce_room[lane.index] = value;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if lane.index < half {
            reduce_room[lane.index] += reduce_room[lane.index + half];
        }
        workgroupBarrier();
    }
    return reduce_room[0];
}

fn max_all(value: f32, lane: Lane) -> f32 {
    workgroupBarrier();
    reduce_room[lane.index] = value;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if lane.index < half {
            reduce_room[lane.index] = max(reduce_room[lane.index], reduce_room[lane.index + half]);
        }
        workgroupBarrier();
    }
    return reduce_room[0];
}

var<workgroup> team_room: array<vec4<f32>, 256>;

// A lane's place among the 256; the lanes of a team have neighbouring places.
fn place_of(lane: Lane) -> u32 {
    return lane.index;
}

// Four sums over each team of `team` lanes, a power of two; only the first lane of a team has them.
fn sum_team(value: vec4<f32>, team: u32, lane: Lane) -> vec4<f32> {
    let member = lane.index % team;
    workgroupBarrier();
    team_room[lane.index] = value;
    workgroupBarrier();
    for (var half = team / 2u; half > 0u; half /= 2u) {
        if member < half {
            team_room[lane.index] += team_room[lane.index + half];
        }
        workgroupBarrier();
    }
    return team_room[lane.index];
}

fn sum_word_all(value: u32, lane: Lane) -> u32 {
    clear_word(lane);
    if value > 0u {
        atomicAdd(&reduce_word, value);
    }
    workgroupBarrier();
    return atomicLoad(&reduce_word);
}

fn max_word_all(value: u32, lane: Lane) -> u32 {
    clear_word(lane);
    if value > 0u {
        atomicMax(&reduce_word, value);
    }
    workgroupBarrier();
    return atomicLoad(&reduce_word);
}
