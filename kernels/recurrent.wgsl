// The reference is src/ops/cpu/recurrent.rs. Mixers that fold positions into a state: a depthwise causal convolution
// (`convolve`, `slide`), behind it a gated delta rule (`normed`, `delta`) or a selective state space (`mamba`), and the
// gated norm of what comes out (`gated_norm`). A state space of the first kind reads its steps of the channels
// (`select_norm`), each has decays of its own (`mamba1`), and behind it stands a gate alone (`gate`).

struct Params {
    row: u32,           // the first row of the batch that this run takes
    n_rows: u32,
    is_new: u32,        // nothing was folded yet: the state reads as zeros
    is_gated: u32,      // the convolution stands between two gates, and no activation follows
    has_bias: u32,
    n_in: u32,
    n_out: u32,
    n_channels: u32,
    kernel: u32,
    n_keys: u32,        // channels of all queries, and of all keys
    q_first: u32,       // where parts lie in a row of x: key head h begins at first + h · step
    q_step: u32,
    k_first: u32,
    k_step: u32,
    v_first: u32,
    v_step: u32,
    v_width: u32,       // values of a key head, all its value heads
    z_first: u32,
    z_step: u32,
    b_first: u32,
    b_step: u32,
    a_first: u32,
    a_step: u32,
    n_key_heads: u32,
    per_key_head: u32,  // value heads of a key head
    is_tiled: u32,      // value head h reads key head h mod key heads, not h / per_key_head
    fold_dim: u32,      // numbers of the state behind each number of a head
    head_dim: u32,
    n_heads: u32,
    n_groups: u32,      // of a state space: groups of heads that share what is folded
    norm_dim: u32,      // numbers that are normed together; of those that the steps of a Mamba-1 are made of, how many
    weight_step: u32,   // 0: all norms have one weight
    least: f32,         // bounds of a state space's step
    most: f32,
    eps: f32,
    by_channel: u32,    // of a delta rule: each number of a key has a decay of its own
    floor: f32,         // 0: none
    is_sigmoid: u32,    // the gate behind the norm is a sigmoid
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;                // [T, n_in]
@group(0) @binding(2) var<storage, read_write> state: array<f32>;      // [kernel − 1, channels], then [heads, fold_dim, head_dim]
@group(0) @binding(3) var<storage, read> taps: array<f32>;             // [channels, kernel]
@group(0) @binding(4) var<storage, read> conv_bias: array<f32>;        // [channels]
@group(0) @binding(5) var<storage, read_write> mixed: array<f32>;      // [T, channels]
@group(0) @binding(3) var<storage, read> decay: array<f32>;            // [heads], less than 0
@group(0) @binding(4) var<storage, read> step_bias: array<f32>;        // [heads]
@group(0) @binding(6) var<storage, read_write> out: array<f32>;        // [T, n_out]
@group(0) @binding(7) var<storage, read> skip: array<f32>;             // [heads]
@group(0) @binding(7) var<storage, read> by_channel: array<f32>;       // [T, keys], decays
@group(0) @binding(1) var<storage, read_write> lengths: array<f32>;    // mixed, its queries and keys changed in place
@group(0) @binding(2) var<storage, read> norm_weight: array<f32>;      // [norm_dim] or [n_out]; of a Mamba-1 [norm_dim + 2 · fold_dim]
@group(0) @binding(3) var<storage, read_write> ranks: array<f32>;      // [T, norm_dim], what steps are made of
@group(0) @binding(4) var<storage, read_write> selected: array<f32>;   // [T, 2 · fold_dim], B and C
@group(0) @binding(4) var<storage, read> both: array<f32>;             // the same
@group(0) @binding(3) var<storage, read_write> gated: array<f32>;      // out, changed in place

// Columns of a head, and parts of what is folded for each, that one workgroup takes.
const COLUMNS: u32 = 64u;
const SLICES: u32 = 4u;

fn sigmoid(v: f32) -> f32 {
    return 1.0 / (1.0 + exp(-v));
}

fn silu(v: f32) -> f32 {
    return v * sigmoid(v);
}

// ln(1 + eˣ) by the series of artanh: no digit of a small result is lost.
fn softplus(v: f32) -> f32 {
    let e = exp_negative(-abs(v));
    let s = e / (2.0 + e);
    let t = s * s;
    let series = 1.0 + t * (1.0 / 3.0 + t * (1.0 / 5.0 + t * (1.0 / 7.0 + t * (1.0 / 9.0 + t * (1.0 / 11.0 + t * (1.0 / 13.0 + t / 15.0))))));
    return max(v, 0.0) + 2.0 * s * series;
}

// What the convolution reads of a row.
fn channel(row: u32, c: u32) -> f32 {
    let at = row * params.n_in;
    if params.is_gated != 0u {
        return x[at + c] * x[at + 2u * params.n_channels + c];
    }
    if c < params.n_keys {
        return x[at + params.q_first + c / params.fold_dim * params.q_step + c % params.fold_dim];
    }
    if c < 2u * params.n_keys {
        let i = c - params.n_keys;
        return x[at + params.k_first + i / params.fold_dim * params.k_step + i % params.fold_dim];
    }
    let i = c - 2u * params.n_keys;
    return x[at + params.v_first + i / params.v_width * params.v_step + i % params.v_width];
}

// The same `back` rows before row t of this run; what lies before its first row is in the window.
fn before(t: u32, back: u32, c: u32) -> f32 {
    if back <= t {
        return channel(params.row + t - back, c);
    }
    if params.is_new != 0u {
        return 0.0;
    }
    return state[(params.kernel - 1u + t - back) * params.n_channels + c];
}

// Grid: blocks of 256 channels, rows.
@compute @workgroup_size(256)
fn convolve(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let c = group.x * 256u + index;
    let t = group.y;
    if c >= params.n_channels {
        return;
    }
    var sum = 0.0;
    if params.has_bias != 0u {
        sum = conv_bias[c];
    }
    for (var j = 0u; j < params.kernel; j++) {
        sum += taps[c * params.kernel + j] * before(t, params.kernel - 1u - j, c);
    }
    if params.is_gated != 0u {
        let gate = x[(params.row + t) * params.n_in + params.n_channels + c];
        mixed[(params.row + t) * params.n_channels + c] = gate * sum;
    } else {
        mixed[(params.row + t) * params.n_channels + c] = silu(sum);
    }
}

// Moves the window on by the rows of this run: what it reads lies behind what it has written. Grid: blocks of 256 channels.
@compute @workgroup_size(256)
fn slide(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let c = group.x * 256u + index;
    if c >= params.n_channels {
        return;
    }
    for (var j = 0u; j + 1u < params.kernel; j++) {
        state[j * params.n_channels + c] = before(params.n_rows - 1u, params.kernel - 2u - j, c);
    }
}

// Brings queries and keys to their lengths. Grid: key heads, rows, queries or keys.
@compute @workgroup_size(256)
fn normed(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let first = (params.row + group.y) * params.n_channels + group.z * params.n_keys + group.x * params.fold_dim;
    var squares = 0.0;
    for (var i = lane.index; i < params.fold_dim; i += 256u) {
        let it = lengths[first + i];
        squares += it * it;
    }
    let length = select(1.0 / sqrt(f32(params.fold_dim)), 1.0, group.z == 1u);
    let scale = length / sqrt(sum_all(squares, lane) + 1e-6);
    for (var i = lane.index; i < params.fold_dim; i += 256u) {
        lengths[first + i] *= scale;
    }
}

// The decay of each number of the keys, into `mixed`. Grid: blocks of 256 of them, rows.
@compute @workgroup_size(256)
fn decays(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let i = group.x * 256u + index;
    if i >= params.n_keys {
        return;
    }
    let row = params.row + group.y;
    let head = i / params.fold_dim;
    let a = x[row * params.n_in + params.a_first + head * params.a_step + i % params.fold_dim] + step_bias[i];
    var g = decay[head] * softplus(a);
    if params.floor < 0.0 {
        g = params.floor * sigmoid(-decay[head] * a);
    }
    mixed[row * params.n_keys + i] = exp(g);
}

var<workgroup> slices: array<f32, 256>;

// The sum over the slices of a column, on all its lanes. All 256 must call.
fn sum_slices(index: u32, value: f32) -> f32 {
    workgroupBarrier();
    slices[index] = value;
    workgroupBarrier();
    let c = index % COLUMNS;
    return slices[c] + slices[c + COLUMNS] + slices[c + 2u * COLUMNS] + slices[c + 3u * COLUMNS];
}

// Where the state of a head begins.
fn folded_at(head: u32) -> u32 {
    return (params.kernel - 1u) * params.n_channels + head * params.fold_dim * params.head_dim;
}

// Grid: value heads, blocks of COLUMNS of a head. Each lane keeps to its own numbers of the state.
@compute @workgroup_size(256)
fn delta(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let head = group.x;
    let column = group.y * COLUMNS + index % COLUMNS;
    let is_there = column < params.head_dim;
    let first = index / COLUMNS;
    let key_head = select(head / params.per_key_head, head % params.n_key_heads, params.is_tiled != 0u);
    let home = folded_at(head) + column;
    for (var t = 0u; t < params.n_rows; t++) {
        let row = params.row + t;
        let q = row * params.n_channels + key_head * params.fold_dim;
        let k = q + params.n_keys;
        let own = head / params.per_key_head;
        let place = head % params.per_key_head;
        let gates = row * params.n_in;
        var kept = 1.0;
        if params.by_channel == 0u {
            let step = softplus(x[gates + params.a_first + own * params.a_step + place] + step_bias[head]);
            kept = exp(decay[head] * step);
        }
        let beta = sigmoid(x[gates + params.b_first + own * params.b_step + place]);
        let is_empty = params.is_new != 0u && t == 0u;
        var known = 0.0;
        if is_there {
            for (var i = first; i < params.fold_dim; i += SLICES) {
                let at = home + i * params.head_dim;
                var it = 0.0;
                if !is_empty {
                    if params.by_channel != 0u {
                        kept = by_channel[row * params.n_keys + key_head * params.fold_dim + i];
                    }
                    it = state[at] * kept;
                }
                state[at] = it;
                known += it * mixed[k + i];
            }
        }
        known = sum_slices(index, known);
        var sum = 0.0;
        if is_there {
            let v = mixed[row * params.n_channels + 2u * params.n_keys + head * params.head_dim + column];
            let news = beta * (v - known);
            for (var i = first; i < params.fold_dim; i += SLICES) {
                let at = home + i * params.head_dim;
                let it = state[at] + mixed[k + i] * news;
                state[at] = it;
                sum += it * mixed[q + i];
            }
        }
        sum = sum_slices(index, sum);
        if is_there && first == 0u {
            out[row * params.n_out + head * params.head_dim + column] = sum;
        }
    }
}

// Grid: heads, blocks of COLUMNS of a head. Each lane keeps to its own numbers of the state.
@compute @workgroup_size(256)
fn mamba(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let head = group.x;
    let column = group.y * COLUMNS + index % COLUMNS;
    let is_there = column < params.head_dim;
    let first = index / COLUMNS;
    let home = folded_at(head) + column;
    let own = head * params.n_groups / params.n_heads * params.fold_dim;
    for (var t = 0u; t < params.n_rows; t++) {
        let row = params.row + t;
        let raw = softplus(x[row * params.n_in + params.a_first + head] + step_bias[head]);
        let step = min(max(raw, params.least), params.most);
        let kept = exp(decay[head] * step);
        let is_empty = params.is_new != 0u && t == 0u;
        var sum = 0.0;
        var v = 0.0;
        if is_there {
            let at = row * params.n_channels;
            v = mixed[at + head * params.head_dim + column];
            let b = at + params.n_out + own;
            let c = b + params.n_groups * params.fold_dim;
            for (var i = first; i < params.fold_dim; i += SLICES) {
                let home_i = home + i * params.head_dim;
                var it = 0.0;
                if !is_empty {
                    it = state[home_i] * kept;
                }
                it += step * v * mixed[b + i];
                state[home_i] = it;
                sum += it * mixed[c + i];
            }
        }
        sum = sum_slices(index, sum);
        if is_there && first == 0u {
            out[row * params.n_out + head * params.head_dim + column] = sum + skip[head] * v;
        }
    }
}

// The norms of what a Mamba-1 reads of its channels: of what its steps are made of, of B and of C. `x` is what was read,
// [T, norm_dim + 2 · fold_dim]. Grid: the three, rows.
@compute @workgroup_size(256)
fn select_norm(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let row = params.row + group.y;
    let is_steps = group.x == 0u;
    let n = select(params.fold_dim, params.norm_dim, is_steps);
    let first = select(params.norm_dim + (group.x - 1u) * params.fold_dim, 0u, is_steps);
    let home = row * (params.norm_dim + 2u * params.fold_dim) + first;
    var squares = 0.0;
    for (var i = lane.index; i < n; i += 256u) {
        let it = x[home + i];
        squares += it * it;
    }
    let scale = 1.0 / sqrt(sum_all(squares, lane) / f32(n) + params.eps);
    for (var i = lane.index; i < n; i += 256u) {
        let it = x[home + i] * scale * norm_weight[first + i];
        if is_steps {
            ranks[row * params.norm_dim + i] = it;
        } else {
            selected[row * 2u * params.fold_dim + first - params.norm_dim + i] = it;
        }
    }
}

// A Mamba-1: `x` are the steps of all channels before their softplus, [T, head_dim]. Grid: 1, blocks of COLUMNS channels.
// Each lane keeps to its own numbers of the state.
@compute @workgroup_size(256)
fn mamba1(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let channel = group.y * COLUMNS + index % COLUMNS;
    let is_there = channel < params.head_dim;
    let first = index / COLUMNS;
    let home = folded_at(0u) + channel;
    for (var t = 0u; t < params.n_rows; t++) {
        let row = params.row + t;
        let is_empty = params.is_new != 0u && t == 0u;
        var sum = 0.0;
        var v = 0.0;
        if is_there {
            let step = softplus(x[row * params.head_dim + channel]);
            v = mixed[row * params.n_channels + channel];
            let b = row * 2u * params.fold_dim;
            let c = b + params.fold_dim;
            for (var i = first; i < params.fold_dim; i += SLICES) {
                let at = home + i * params.head_dim;
                var it = 0.0;
                if !is_empty {
                    it = state[at] * exp(decay[channel * params.fold_dim + i] * step);
                }
                it += step * v * both[b + i];
                state[at] = it;
                sum += it * both[c + i];
            }
        }
        sum = sum_slices(index, sum);
        if is_there && first == 0u {
            out[row * params.n_out + channel] = sum + skip[channel] * v;
        }
    }
}

// The gate of what comes out, where no norm stands before it. Grid: blocks of 256 numbers, rows.
@compute @workgroup_size(256)
fn gate(@builtin(local_invocation_index) index: u32, @builtin(workgroup_id) group: vec3<u32>) {
    let i = group.x * 256u + index;
    if i >= params.n_out {
        return;
    }
    let row = params.row + group.y;
    gated[row * params.n_out + i] *= silu(x[row * params.n_in + params.z_first + i]);
}

// The norm of each part of a row, then its gate; of a state space the gate first. Grid: parts of a row, rows.
@compute @workgroup_size(256)
fn gated_norm(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let gate_first = params.weight_step != 0u;
    let row = params.row + group.y;
    let first = row * params.n_out + group.x * params.norm_dim;
    let own = group.x / params.per_key_head;
    let z = row * params.n_in + params.z_first + own * params.z_step + group.x % params.per_key_head * params.norm_dim;
    var squares = 0.0;
    for (var i = lane.index; i < params.norm_dim; i += 256u) {
        var it = gated[first + i];
        if gate_first {
            it *= silu(x[z + i]);
            gated[first + i] = it;
        }
        squares += it * it;
    }
    let mean = sum_all(squares, lane) / f32(params.norm_dim);
    let scale = 1.0 / sqrt(mean + params.eps);
    for (var i = lane.index; i < params.norm_dim; i += 256u) {
        var it = gated[first + i] * scale * norm_weight[group.x * params.weight_step + i];
        if params.is_sigmoid != 0u {
            it *= sigmoid(x[z + i]);
        } else if !gate_first {
            it *= silu(x[z + i]);
        }
        gated[first + i] = it;
    }
}
