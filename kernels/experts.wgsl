// The reference is src/ops/cpu/experts.rs. The gated networks that the rows of a batch chose:
// into[t] += scale · Σ_picks factor · down(act(gate x[t]) · up x[t]), in the order the routing gives.
//
// A slot is one pick of one row. Few slots: `gate_up` and `down`, a matrix-vector product a slot.
// Many: `group` sorts them by network into tiles, `grouped_gate_up` and `grouped_down` are tiled
// products, `combine` sums. Weights come shard by shard; a workgroup whose network lies in
// another shard exits.

struct Params {
    n_cols: u32,        // numbers of a row of x
    row_units: u32,     // units of a row of weights
    scales_at: u32,     // word where the scales of a block format begin
    first_network: u32, // of this shard
    n_networks: u32,    // of this shard; of the layer in `group`
    first_row: u32,     // output row of a network where this shard begins
    n_rows: u32,        // output rows of a network in this shard
    n_out: u32,         // output rows of a network
    n_picks: u32,      // K
    first_slot: u32,    // of this chunk
    n_slots: u32,       // of this chunk
    n_tiles: u32,       // in the plan, those without rows too
    networks_at: u32,   // parts 1 and 4 of the routing
    by_id_at: u32,
    factors_at: u32,
    scale: f32,
    alpha: f32,
    limit: f32,
    has_biases: u32,
    d_ff: u32,          // inner rows of a network, all shards together
    width: u32,         // its output rows
    weights_at: u32,    // part 2 of the routing
    is_on_input: u32,   // networks read x times their weights, and their outputs are summed as they are
}

// Which activation.
override act: u32 = 0u;
const SILU: u32 = 0u;
const GELU_TANH: u32 = 1u;
const RELU: u32 = 2u;
const RELU2: u32 = 3u;
const GPT_OSS: u32 = 4u;
const SILU_CLAMP: u32 = 5u;
const IDENTITY: u32 = 6u;
const CLAMPED_SILU: u32 = 7u;
// Whether `gate_or_up` computes ups.
override is_up: bool = false;
// Whether those stand alone: the networks have no gate.
override is_alone: bool = false;
// Whether rows of x are whole quads.
override is_wide: bool = false;
// Lanes that share ROWS rows of a matrix-vector product, a power of two.
override team: u32 = 256u;

const NOBODY: u32 = 0xffffffffu;
// Output rows of a team in `gate_up` and `down`.
const ROWS: u32 = 4u;
// Slots of a tile, and the weight rows it is multiplied with.
const TILE_SLOTS: u32 = 32u;
const TILE_ROWS: u32 = 128u;
// Inner rows of a tile: half of its weight rows are gates, half are ups.
const TILE_INNER: u32 = 64u;
// Quads of a row that are in workgroup memory at once, and the distance between two rows there.
const STEP: u32 = 4u;
const PITCH: u32 = 5u;
// Networks of a layer at most.
const MAX_EXPERTS: u32 = 2048u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> routing: array<u32>;        // GpuRouting, of all T rows
@group(0) @binding(2) var<storage, read> x: array<vec4<f32>>;        // [T, H]; the inner [slots, F] for down
@group(0) @binding(3) var<storage, read> weights: array<Stored>;      // [networks, 2 n_rows, H], gates then ups; [networks, n_rows, F]
@group(0) @binding(4) var<storage, read_write> out: array<f32>;      // [slots, F]; [slots, H]; the residual [T, H] in down, combine
@group(0) @binding(5) var<storage, read> factors: array<f32>;        // [T, K] from factors_at on
@group(0) @binding(5) var<storage, read> plan: array<u32>;           // tiles of (network, first, slots), then slots by network
@group(0) @binding(6) var<storage, read> biases: array<f32>;         // [networks of the layer, 2 d_ff + width]: of gates, ups, downs
@group(0) @binding(2) var<storage, read_write> new_plan: array<u32>;
@group(0) @binding(3) var<storage, read> outer: array<f32>;          // [slots, H]

fn x_number(i: u32) -> f32 {
    return x[i / 4u][i % 4u];
}

// Numbers c..c+4 of a row of x, zeros past its end.
fn x_quad(row: u32, c: u32) -> vec4<f32> {
    let at = row * params.n_cols + c;
    var out = vec4<f32>();
    if is_wide {
        if c < params.n_cols {
            out = x[at / 4u];
        }
        return out;
    }
    let left = params.n_cols - min(c, params.n_cols);
    if left > 0u { out.x = x_number(at); }
    if left > 1u { out.y = x_number(at + 1u); }
    if left > 2u { out.z = x_number(at + 2u); }
    if left > 3u { out.w = x_number(at + 3u); }
    return out;
}

struct Four {
    a: Unit,
    b: Unit,
    c: Unit,
    d: Unit,
}

// A unit of ROWS rows of the weights, `first` the first of them counted from row `base`; past the
// last of `params.n_rows` the last one again.
fn four(base: u32, first: u32, at: u32) -> Four {
    let rows = min(vec4<u32>(first, first + 1u, first + 2u, first + 3u), vec4<u32>(params.n_rows - 1u));
    let units = (base + rows) * params.row_units + at;
    return Four(unit(units.x), unit(units.y), unit(units.z), unit(units.w));
}

// Their quads times one of x, before they are scaled.
fn dot_four(sum: vec4<f32>, it: Four, q: u32, by: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(
        dot_add(sum.x, levels(it.a, q), by),
        dot_add(sum.y, levels(it.b, q), by),
        dot_add(sum.z, levels(it.c, q), by),
        dot_add(sum.w, levels(it.d, q), by),
    );
}

// The products of a part of theirs, of sums as `dot_four` makes them and the sum of x.
fn scaled(it: Four, part: u32, sums: vec4<f32>, x_sum: f32) -> vec4<f32> {
    let scales = vec4<f32>(scale_of(it.a, part), scale_of(it.b, part), scale_of(it.c, part), scale_of(it.d, part));
    let products = sums * LEVEL_SCALE * scales;
    if HAS_MINIMUM {
        return products + x_sum * vec4<f32>(
            minimum_of(it.a, part),
            minimum_of(it.b, part),
            minimum_of(it.c, part),
            minimum_of(it.d, part),
        );
    }
    return products;
}

// Unit `at` of four rows times its numbers of a row of x.
fn unit_times(it: Four, x_row: u32, at: u32) -> vec4<f32> {
    var sum = vec4<f32>();
    for (var p = 0u; p < UNIT_PARTS; p++) {
        var part = vec4<f32>();
        var x_sum = 0.0;
        for (var q = p * PART_QUADS; q < (p + 1u) * PART_QUADS; q++) {
            let by = x_quad(x_row, (at * UNIT_QUADS + q) * 4u);
            part = dot_four(part, it, q, by);
            if HAS_MINIMUM {
                x_sum = sum_add(x_sum, by);
            }
        }
        sum += scaled(it, p, part, x_sum);
    }
    return sum;
}

fn silu(v: f32) -> f32 {
    return v / (1.0 + exp(-v));
}

// A NaN stays one where the reference keeps it: `max` and `clamp` may lose it.
fn clamped(v: f32, limit: f32) -> f32 {
    return select(select(v, -limit, v < -limit), limit, v > limit);
}

fn activated(g: f32, u: f32) -> f32 {
    switch act {
        case SILU: {
            return silu(g) * u;
        }
        case GELU_TANH: {
            let v = 0.7978846 * (g + 0.044715 * g * g * g);
            // The driver's tanh may be NaN where the exponential overflows.
            return 0.5 * g * (1.0 + select(tanh(v), sign(v), abs(v) > 15.0)) * u;
        }
        case RELU: {
            return select(0.0, g, g > 0.0) * u;
        }
        case RELU2: {
            let it = select(0.0, g, g > 0.0);
            return it * it * u;
        }
        case GPT_OSS: {
            let it = select(params.limit, g, g < params.limit);
            return (clamped(u, params.limit) + 1.0) * it / (1.0 + exp(-params.alpha * it));
        }
        case IDENTITY: {
            return g * u;
        }
        case CLAMPED_SILU: {
            let it = silu(g);
            return select(it, params.limit, it > params.limit) * clamped(u, params.limit);
        }
        case SILU_CLAMP, default: {
            return silu(select(params.limit, g, g < params.limit)) * clamped(u, params.limit);
        }
    }
}

// The bias of a network's row, counted over its gates, ups and downs.
fn bias(network: u32, row: u32) -> f32 {
    if params.has_biases == 0u {
        return 0.0;
    }
    return biases[network * (2u * params.d_ff + params.width) + row];
}

// What a slot's row of x is multiplied by; its products are.
fn input_weight(slot: u32) -> f32 {
    if params.is_on_input == 0u {
        return 1.0;
    }
    return bitcast<f32>(routing[params.weights_at + slot]);
}

// What a slot's output is multiplied by.
fn factor(slot: u32) -> f32 {
    if params.is_on_input != 0u {
        return 1.0;
    }
    return factors[params.factors_at + slot];
}

// Whether this shard has it; NOBODY is in no shard.
fn is_here(network: u32) -> bool {
    return network - params.first_network < params.n_networks;
}

// Grid: inner rows, ROWS for each team; slots.
@compute @workgroup_size(256)
fn gate_up(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let slot = group.y;
    let network = routing[params.networks_at + slot];
    if !is_here(network) {
        return;
    }
    let gates = (network - params.first_network) * 2u * params.n_rows;
    let place = place_of(lane);
    let first = (group.x * (256u / team) + place / team) * ROWS;
    var gate = vec4<f32>();
    var up = vec4<f32>();
    for (var at = place % team; at < params.row_units; at += team) {
        let g = four(gates, first, at);
        let u = four(gates + params.n_rows, first, at);
        for (var p = 0u; p < UNIT_PARTS; p++) {
            var g_part = vec4<f32>();
            var u_part = vec4<f32>();
            var x_sum = 0.0;
            for (var q = p * PART_QUADS; q < (p + 1u) * PART_QUADS; q++) {
                let it = x_quad(slot / params.n_picks, (at * UNIT_QUADS + q) * 4u);
                g_part = dot_four(g_part, g, q, it);
                u_part = dot_four(u_part, u, q, it);
                if HAS_MINIMUM {
                    x_sum = sum_add(x_sum, it);
                }
            }
            gate += scaled(g, p, g_part, x_sum);
            up += scaled(u, p, u_part, x_sum);
        }
    }
    gate = sum_team(gate, team, lane);
    up = sum_team(up, team, lane);
    if place % team == 0u {
        let at = slot * params.n_out + params.first_row + first;
        for (var r = 0u; r < ROWS && first + r < params.n_rows; r++) {
            let row = params.first_row + first + r;
            let by = input_weight(slot);
            out[at + r] = with_biases(network, row, by * gate[r], by * up[r]);
        }
    }
}

// The same where gates and ups lie apart, because they are stored in different formats: first `out` becomes
// what the gates make, then what the ups make of that. `weights` is [networks, n_rows, H].
@compute @workgroup_size(256)
fn gate_or_up(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let slot = group.y;
    let network = routing[params.networks_at + slot];
    if !is_here(network) {
        return;
    }
    let base = (network - params.first_network) * params.n_rows;
    let place = place_of(lane);
    let first = (group.x * (256u / team) + place / team) * ROWS;
    var sum = vec4<f32>();
    for (var at = place % team; at < params.row_units; at += team) {
        sum += unit_times(four(base, first, at), slot / params.n_picks, at);
    }
    sum = sum_team(sum, team, lane);
    if place % team == 0u {
        let at = slot * params.n_out + params.first_row + first;
        for (var r = 0u; r < ROWS && first + r < params.n_rows; r++) {
            put_half(at + r, input_weight(slot) * sum[r] + half_bias(network, params.first_row + first + r));
        }
    }
}

// What becomes of a gate and an up, each with its bias.
fn with_biases(network: u32, row: u32, gate: f32, up: f32) -> f32 {
    return activated(gate + bias(network, row), up + bias(network, params.d_ff + row));
}

// The bias of a row of gates, or of ups.
fn half_bias(network: u32, row: u32) -> f32 {
    return bias(network, select(row, params.d_ff + row, is_up || is_alone));
}

// A gate, or what becomes of it, or of an up that stands alone.
fn put_half(at: u32, value: f32) {
    if is_alone {
        out[at] = activated(value, 1.0);
    } else if is_up {
        out[at] = activated(out[at], value);
    } else {
        out[at] = value;
    }
}

// Grid: rows of the residual, ROWS for each team; rows of the batch. A team runs over the units of
// all places at once, so that narrow networks keep it busy too.
@compute @workgroup_size(256)
fn down(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let first_slot = group.y * params.n_picks;
    let place = place_of(lane);
    let first = (group.x * (256u / team) + place / team) * ROWS;
    var sum = vec4<f32>();
    for (var i = place % team; i < params.n_picks * params.row_units; i += team) {
        let slot = first_slot + routing[params.by_id_at + first_slot + i / params.row_units];
        let network = routing[params.networks_at + slot];
        if is_here(network) {
            let at = i % params.row_units;
            let it = four((network - params.first_network) * params.n_rows, first, at);
            sum += factor(slot) * unit_times(it, slot, at);
        }
    }
    sum = sum_team(sum, team, lane);
    if place % team == 0u {
        let at = group.y * params.n_out + params.first_row + first;
        for (var r = 0u; r < ROWS && first + r < params.n_rows; r++) {
            out[at + r] += params.scale * (sum[r] + down_biases(first_slot, params.first_row + first + r));
        }
    }
}

// What the biases of the networks of this shard add to a row of the residual, each by its weight.
fn down_biases(first_slot: u32, row: u32) -> f32 {
    var sum = 0.0;
    if params.has_biases != 0u {
        for (var i = 0u; i < params.n_picks; i++) {
            let slot = first_slot + routing[params.by_id_at + first_slot + i];
            let network = routing[params.networks_at + slot];
            if is_here(network) {
                sum += factor(slot) * bias(network, 2u * params.d_ff + row);
            }
        }
    }
    return sum;
}

var<workgroup> counts: array<atomic<u32>, MAX_EXPERTS>;
// Slots and tiles of all networks up to those of a lane.
var<workgroup> totals: array<vec2<u32>, 256>;

fn network_of(i: u32) -> u32 {
    return routing[params.networks_at + params.first_slot + i];
}

// The plan of a chunk, by one workgroup. Slots of one network stand in no certain order: no
// result depends on it.
@compute @workgroup_size(256)
fn group(lane: Lane) {
    for (var e = lane.index; e < params.n_networks; e += 256u) {
        atomicStore(&counts[e], 0u);
    }
    workgroupBarrier();
    for (var i = lane.index; i < params.n_slots; i += 256u) {
        let network = network_of(i);
        if network < params.n_networks {
            atomicAdd(&counts[network], 1u);
        }
    }
    workgroupBarrier();
    let per_lane = (params.n_networks + 255u) / 256u;
    let first = min(lane.index * per_lane, params.n_networks);
    let end = min(first + per_lane, params.n_networks);
    var mine = vec2<u32>();
    for (var e = first; e < end; e++) {
        let n = atomicLoad(&counts[e]);
        mine += vec2<u32>(n, (n + TILE_SLOTS - 1u) / TILE_SLOTS);
    }
    let upto = scanned(mine, lane.index);
    var at = upto - mine;
    for (var e = first; e < end; e++) {
        let n = atomicLoad(&counts[e]);
        // From here on: the place of its next slot.
        atomicStore(&counts[e], at.x);
        for (var i = 0u; i < n; i += TILE_SLOTS) {
            new_plan[3u * at.y] = e;
            new_plan[3u * at.y + 1u] = at.x + i;
            new_plan[3u * at.y + 2u] = min(n - i, TILE_SLOTS);
            at.y += 1u;
        }
        at.x += n;
    }
    for (var i = totals[255].y + lane.index; i < params.n_tiles; i += 256u) {
        new_plan[3u * i] = NOBODY;
    }
    workgroupBarrier();
    for (var i = lane.index; i < params.n_slots; i += 256u) {
        let network = network_of(i);
        if network < params.n_networks {
            new_plan[3u * params.n_tiles + atomicAdd(&counts[network], 1u)] = i;
        }
    }
}

// The sum over all lanes up to this one.
fn scanned(mine: vec2<u32>, index: u32) -> vec2<u32> {
    var upto = mine;
    totals[index] = upto;
    workgroupBarrier();
    for (var step = 1u; step < 256u; step *= 2u) {
        if index >= step {
            upto += totals[index - step];
        }
        workgroupBarrier();
        totals[index] = upto;
        workgroupBarrier();
    }
    return upto;
}

struct Tile {
    network: u32,
    first: u32,
    n: u32,
}

fn tile_of(i: u32) -> Tile {
    return Tile(plan[3u * i], plan[3u * i + 1u], plan[3u * i + 2u]);
}

// A slot of a tile, counted from the chunk's first; past its end the last one again.
fn slot_of(tile: Tile, i: u32) -> u32 {
    return plan[3u * params.n_tiles + tile.first + min(i, tile.n - 1u)];
}

var<workgroup> x_tile: array<vec4<f32>, TILE_SLOTS * PITCH>;
var<workgroup> weight_tile: array<vec4<f32>, TILE_ROWS * PITCH>;
// Of slots 4·(lane / 32)..+4 with the tile's weight rows lane % 32 + 32 · component.
var<private> sums: array<vec4<f32>, 4>;

// Fills `sums` of a tile. Each lane brings quads of the row `x_row` and of the row `weight_row`.
fn multiply(lane: u32, n: u32, x_row: u32, weight_row: u32) {
    for (var i = 0u; i < 4u; i++) {
        sums[i] = vec4<f32>();
    }
    let n_quads = params.row_units * UNIT_QUADS;
    for (var step = 0u; step < n_quads; step += STEP) {
        workgroupBarrier();
        if lane < TILE_SLOTS * STEP {
            let q = lane % STEP;
            x_tile[lane / STEP * PITCH + q] = x_quad(x_row, (step + q) * 4u);
        }
        for (var i = 0u; i < 2u; i++) {
            let q = lane % 2u * 2u + i;
            var it = vec4<f32>();
            if step + q < n_quads {
                let at = (step + q) / UNIT_QUADS;
                it = quad(weight_row * params.row_units + at, (step + q) % UNIT_QUADS);
            }
            weight_tile[lane / 2u * PITCH + q] = it;
        }
        workgroupBarrier();
        if lane / 32u * 4u < n {
            for (var q = 0u; q < STEP; q++) {
                let w0 = weight_tile[lane % 32u * PITCH + q];
                let w1 = weight_tile[(lane % 32u + 32u) * PITCH + q];
                let w2 = weight_tile[(lane % 32u + 64u) * PITCH + q];
                let w3 = weight_tile[(lane % 32u + 96u) * PITCH + q];
                for (var i = 0u; i < 4u; i++) {
                    let it = x_tile[(lane / 32u * 4u + i) * PITCH + q];
                    sums[i] += vec4<f32>(dot(it, w0), dot(it, w1), dot(it, w2), dot(it, w3));
                }
            }
        }
    }
}

// Grid: tiles, blocks of TILE_INNER inner rows.
@compute @workgroup_size(256)
fn grouped_gate_up(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let tile = tile_of(group.x);
    if !is_here(tile.network) {
        return;
    }
    let mine = lane.index / 2u;
    let half = mine / TILE_INNER;
    let inner = min(group.y * TILE_INNER + mine % TILE_INNER, params.n_rows - 1u);
    let weight_row = ((tile.network - params.first_network) * 2u + half) * params.n_rows + inner;
    let x_row = (params.first_slot + slot_of(tile, lane.index / STEP)) / params.n_picks;
    multiply(lane.index, tile.n, x_row, weight_row);
    for (var i = 0u; i < 4u; i++) {
        let place = lane.index / 32u * 4u + i;
        if place < tile.n {
            let slot = slot_of(tile, place);
            let at = slot * params.n_out + params.first_row;
            let by = sums[i] * input_weight(params.first_slot + slot);
            let row = group.y * TILE_INNER + lane.index % 32u;
            let own = params.first_row + row;
            if row < params.n_rows {
                out[at + row] = with_biases(tile.network, own, by.x, by.z);
            }
            if row + 32u < params.n_rows {
                out[at + row + 32u] = with_biases(tile.network, own + 32u, by.y, by.w);
            }
        }
    }
}

// Grid: tiles, blocks of TILE_ROWS inner rows. As `gate_or_up`.
@compute @workgroup_size(256)
fn grouped_gate_or_up(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let tile = tile_of(group.x);
    if !is_here(tile.network) {
        return;
    }
    let mine = min(group.y * TILE_ROWS + lane.index / 2u, params.n_rows - 1u);
    let weight_row = (tile.network - params.first_network) * params.n_rows + mine;
    let x_row = (params.first_slot + slot_of(tile, lane.index / STEP)) / params.n_picks;
    multiply(lane.index, tile.n, x_row, weight_row);
    for (var i = 0u; i < 4u; i++) {
        let place = lane.index / 32u * 4u + i;
        if place < tile.n {
            let slot = slot_of(tile, place);
            let at = slot * params.n_out + params.first_row;
            let by = sums[i] * input_weight(params.first_slot + slot);
            for (var j = 0u; j < 4u; j++) {
                let row = group.y * TILE_ROWS + lane.index % 32u + 32u * j;
                if row < params.n_rows {
                    put_half(at + row, by[j] + half_bias(tile.network, params.first_row + row));
                }
            }
        }
    }
}

// Grid: tiles, blocks of TILE_ROWS output rows.
@compute @workgroup_size(256)
fn grouped_down(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let tile = tile_of(group.x);
    if !is_here(tile.network) {
        return;
    }
    let mine = min(group.y * TILE_ROWS + lane.index / 2u, params.n_rows - 1u);
    let weight_row = (tile.network - params.first_network) * params.n_rows + mine;
    multiply(lane.index, tile.n, slot_of(tile, lane.index / STEP), weight_row);
    for (var i = 0u; i < 4u; i++) {
        let place = lane.index / 32u * 4u + i;
        if place < tile.n {
            let at = slot_of(tile, place) * params.n_out + params.first_row;
            for (var j = 0u; j < 4u; j++) {
                let row = group.y * TILE_ROWS + lane.index % 32u + 32u * j;
                if row < params.n_rows {
                    out[at + row] = sums[i][j] + bias(tile.network, 2u * params.d_ff + params.first_row + row);
                }
            }
        }
    }
}

// Grid: blocks of 256 numbers of the residual, rows of the chunk.
@compute @workgroup_size(256)
fn combine(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let c = group.x * 256u + lane.index;
    if c >= params.n_out {
        return;
    }
    let first = group.y * params.n_picks;
    var sum = 0.0;
    for (var i = 0u; i < params.n_picks; i++) {
        let slot = first + routing[params.by_id_at + params.first_slot + first + i];
        if network_of(slot) != NOBODY {
            sum += factor(params.first_slot + slot) * outer[slot * params.n_out + c];
        }
    }
    out[(params.first_slot + first) / params.n_picks * params.n_out + c] += params.scale * sum;
}
