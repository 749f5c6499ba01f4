// The reference is src/ops/cpu/route.rs. Chooses the experts of each token in the reference's order of work: edits, score,
// group filter, top-k, weights. One workgroup a token; lane l owns the experts l, l + 256, …
//
// Experts are ranked by what selects, to the bit, and not by z, although softmax keeps the order of z: far below
// the largest z the reference's scores have few bits left and then none, they tie where z does not, and ties go to the
// lowest id. So the exponential is our own, right to the last bits on every driver, and scores below 2^-126,
// which a driver may take for 0, are rounded to what f32 holds by hand. A bias that adds 0 then changes no pick.
//
// Barriers stand only where `params` decides: what the edits of one row do never parts the lanes.

// Experts of one lane.
override PER_LANE: u32 = 8u;

struct Params {
    n_rows: u32,       // T
    n_experts: u32,    // E
    n_picks: u32,     // K
    top_k: u32,
    score: u32,
    weight: u32,
    renorm: u32,
    flags: u32,
    n_groups: u32,     // G, 0 without groups
    n_groups_kept: u32,
    softcap: f32,
    scale: f32,
    eps: f32,
    min: f32,
    p: f32,
    threshold: f32,    // of sparsemixer
}

// params.score
const SOFTMAX = 0u;
const SIGMOID = 1u;
const SQRT_SOFTPLUS = 2u;
const LOGIT = 3u;

// params.weight
const OF_SCORE = 0u;
const SOFTMAX_OVER_CHOSEN = 1u;
const SIGMOID_OF_LOGIT = 2u;

// params.renorm
const NO_RENORM = 0u;
const BY_SUM = 1u;
const BY_P_NORM = 2u;

// States of a pick.
const NOT_CHOSEN = 0u;
const CHOSEN = 1u;
const FORCED = 2u;

// Bits of params.flags.
const HAS_MODEL_BIAS = 1u;
const RECORDS_SELECTION = 2u;
const IS_EDITED = 4u;
const HAS_SHARES = 8u;
const BY_TOP_2 = 16u;
const IS_SCALED = 32u;
const HAS_SOFTCAP = 64u;
const BY_TURNS = 128u;
const HAS_OWN_FACTORS = 256u;

// A record of edits: its words, src/ops/gpu/control.rs. Places of tables are words of `control`, 0 where there is none.
const AT_K = 0u;
const AT_FLAGS = 1u;
const AT_RANDOM_KEY = 2u;
const AT_N_FORCED = 3u;
const AT_N_SHARED = 4u;
const AT_GIVEN = 5u;
const AT_LOGIT_BIAS = 6u;
const AT_SELECT_BIAS = 7u;
const AT_ALLOWED = 8u;
const AT_FORCED = 9u;
const AT_SHARES = 10u;
const AT_NETWORKS = 11u;
const AT_FORCED_LIST = 12u;
const IS_UNIFORM = 1u;
const IS_RANDOM = 2u;

const NOBODY = 0xffffffffu;
const INFINITY_BITS = 0x7f800000u;
const NAN_BITS = 0x7fc00000u;
// `ordered` of -inf; a number that is none ranks like it. 0 stays free for who takes no part.
const LAST_KEY = 0x007fffffu;
// Workgroups along x.
const MAX_GROUPS = 65535u;
// A sum of softmax scores whose parts have lost digits, or are 0.
const FAINT = 1e-30;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<f32>;          // [T, E]
@group(0) @binding(2) var<storage, read> model_bias: array<f32>;      // [E] where there is one, then factors on the weights
@group(0) @binding(3) var<storage, read> control: array<u32>;         // [T, 2] record and position, then the records
@group(0) @binding(4) var<storage, read_write> out: array<u32>;       // the parts of GpuRouting

// Numbers that all lanes compare or sum: keys of experts, worths of groups, then one of each chosen expert.
var<workgroup> room: array<u32, 2048>;
var<workgroup> chosen_bits: array<atomic<u32>, 64>;
// Groups that are kept; later the experts that tie with the weakest pick.
var<workgroup> marks: array<atomic<u32>, 64>;
// `ordered` of the largest z of the chosen.
var<workgroup> best_chosen: atomic<u32>;
// Keys of the weakest pick that was not forced, and of the best that was left out; 0 where there is none.
var<workgroup> edge: array<atomic<u32>, 2>;

// This lane's experts.
var<private> z: array<f32, 8>;
var<private> score: array<f32, 8>;
var<private> selects: array<f32, 8>;
var<private> open: array<bool, 8>;
var<private> state: array<u32, 8>;     // NOT_CHOSEN, CHOSEN or FORCED
var<private> index: array<u32, 8>;     // among the chosen by ascending id
var<private> weight: array<f32, 8>;
var<private> turn: array<u32, 8>;      // of sparsemixer: when it is taken
// What this lane ranks: key, place in the room (NOBODY: takes no part), how many go before.
var<private> key: array<u32, 8>;
var<private> at: array<u32, 8>;
var<private> rank: array<u32, 8>;

// Of the softmax over all experts.
var<private> top: f32;
var<private> total: f32;
var<private> n_chosen: u32;

// A call, since a constant may be neither infinite nor no number.
fn from_bits(bits: u32) -> f32 {
    return bitcast<f32>(bits);
}

fn is_nan(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) > INFINITY_BITS;
}

fn is_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & INFINITY_BITS) != INFINITY_BITS;
}

// Bits in the total order of floats.
fn ordered(x: f32) -> u32 {
    let bits = bitcast<u32>(x);
    return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}

fn unordered(key: u32) -> f32 {
    return bitcast<f32>(select(~key, key ^ 0x80000000u, key >= 0x80000000u));
}

fn rank_key(x: f32) -> u32 {
    return select(ordered(x), LAST_KEY, is_nan(x));
}

// e^x within 2e-7 relative, 0 below -86. Cody and Waite: 2^n · e^r with r in ± ln 2 / 2.
fn exp_of(x: f32) -> f32 {
    if !(x > -86.0) {
        return 0.0;
    }
    if x > 88.7228 {
        return from_bits(INFINITY_BITS);
    }
    let n = round(x * 1.442695);
    let r = fma(n, 2.1219444e-4, fma(n, -0.69335938, x));
    let p = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0))))));
    return p * bitcast<f32>(u32(i32(n) + 126) << 23u) * 2.0;
}

// e^x / sum for x <= 0 as f32 holds it, also below 2^-126.
fn softmax_of(x: f32, sum: f32) -> f32 {
    if x > -78.0 {
        return exp_of(x) / sum;
    }
    if !(x > -104.0) {
        return 0.0;
    }
    // Counted in 2^-149, the last bit there is: e^x = e^(x + 64) · e^-64.
    var count = exp_of(x + 64.0) * 1.1445177e17;
    if count < 8388608.0 {
        count = round(count);
    }
    count /= sum;
    if count < 8388608.0 {
        return from_bits(u32(round(count)));
    }
    return count * 7.888609e-31 * 1.7763568e-15;
}

fn sigmoid_of(x: f32) -> f32 {
    if is_nan(x) {
        return x;
    }
    return select(1.0 / (1.0 + exp_of(-x)), 0.0, x < -88.7);
}

// ln(1 + u) for u in 0 to 1, by the series of artanh in u / (u + 2).
fn ln_1p(u: f32) -> f32 {
    let is_large = u > 0.41421357;
    let s = select(u / (u + 2.0), (u - 1.0) / (u + 3.0), is_large);
    let s2 = s * s;
    let series = 2.0 * s * (1.0 + s2 * (1.0 / 3.0 + s2 * (1.0 / 5.0 + s2 * (1.0 / 7.0 + s2 * (1.0 / 9.0)))));
    return series + select(0.0, 0.6931472, is_large);
}

fn sqrt_softplus_of(x: f32) -> f32 {
    if is_nan(x) {
        return x;
    }
    // Far below 0 softplus is e^x, whose root has digits where it has none itself.
    if x < -20.0 {
        return select(exp_of(0.5 * x), 0.0, x < -104.0);
    }
    return sqrt(max(x, 0.0) + ln_1p(exp_of(-abs(x))));
}

// A driver's own is too coarse near 0.
fn tanh_of(x: f32) -> f32 {
    let u = abs(x);
    let u2 = u * u;
    let series = u * (1.0 + u2 * (-1.0 / 3.0 + u2 * (2.0 / 15.0 + u2 * (-17.0 / 315.0 + u2 * (62.0 / 2835.0 + u2 * (-1382.0 / 155925.0))))));
    let e = exp_of(-2.0 * u);
    let it = select((1.0 - e) / (1.0 + e), series, u < 0.3);
    return select(it, -it, x < 0.0);
}

fn expert_of(lane: Lane, j: u32) -> u32 {
    return lane.index + 256u * j;
}

fn edit_word(record: u32, word: u32) -> u32 {
    if record == 0u {
        return 0u;
    }
    return control[record + word];
}

// Whether the table of bits at a place of `control` has this expert.
fn has_bit(table: u32, expert: u32) -> bool {
    return ((control[table + expert / 32u] >> (expert % 32u)) & 1u) != 0u;
}

// z: softcap and biases of edits.
fn read_logits(row: u32, record: u32, lane: Lane) {
    let bias = edit_word(record, AT_LOGIT_BIAS);
    for (var j = 0u; j < PER_LANE; j++) {
        let e = expert_of(lane, j);
        z[j] = from_bits(INFINITY_BITS | 0x80000000u);
        if e < params.n_experts {
            var it = logits[row * params.n_experts + e];
            if (params.flags & HAS_SOFTCAP) != 0u && !is_nan(it) {
                it = params.softcap * tanh_of(it / params.softcap);
            }
            if bias != 0u {
                it += from_bits(control[bias + e]);
            }
            z[j] = it;
        }
    }
}

fn score_softmax(lane: Lane) {
    var best = from_bits(INFINITY_BITS | 0x80000000u);
    for (var j = 0u; j < PER_LANE; j++) {
        best = max(best, select(z[j], from_bits(INFINITY_BITS), is_nan(z[j])));
    }
    top = max_all(best, lane);
    var part = 0.0;
    for (var j = 0u; j < PER_LANE; j++) {
        part += exp_of(z[j] - top);
    }
    total = sum_all(part, lane);
    for (var j = 0u; j < PER_LANE; j++) {
        // One z that is no number, or infinite, leaves no score.
        score[j] = from_bits(NAN_BITS);
        if is_finite(top) {
            score[j] = softmax_of(z[j] - top, total);
        }
    }
}

fn score_each() {
    for (var j = 0u; j < PER_LANE; j++) {
        switch params.score {
            case SIGMOID: {
                score[j] = sigmoid_of(z[j]);
            }
            case SQRT_SOFTPLUS: {
                score[j] = sqrt_softplus_of(z[j]);
            }
            case LOGIT, default: {
                score[j] = z[j];
            }
        }
    }
}

// A sum that keeps a score below 2^-126 where nothing is added to it.
fn biased(it: f32, bias: f32) -> f32 {
    let is_tiny = bitcast<u32>(it) - 1u < 0x007fffffu;
    if is_tiny && bias == 0.0 {
        return it;
    }
    return it + bias;
}

// What selects, and who may be chosen.
fn prepare_choice(row: u32, record: u32, lane: Lane) {
    let bias = edit_word(record, AT_SELECT_BIAS);
    let allowed = edit_word(record, AT_ALLOWED);
    let selection_at = (5u * params.n_picks + 2u) * params.n_rows + row * params.n_experts;
    for (var j = 0u; j < PER_LANE; j++) {
        let e = expert_of(lane, j);
        open[j] = e < params.n_experts;
        if open[j] {
            var it = score[j];
            if (params.flags & HAS_MODEL_BIAS) != 0u {
                it = biased(it, model_bias[e]);
            }
            if bias != 0u {
                it = biased(it, from_bits(control[bias + e]));
            }
            selects[j] = it;
            if (params.flags & RECORDS_SELECTION) != 0u {
                out[selection_at + e] = bitcast<u32>(it);
            }
            if allowed != 0u {
                open[j] = has_bit(allowed, e);
            }
        }
    }
}

// Fills the room with this lane's keys up to n; 0 where there is none, up to a whole four.
fn fill_room(n: u32, lane: Lane) {
    for (var j = 0u; j < PER_LANE; j++) {
        let i = expert_of(lane, j);
        if i < ((n + 3u) & ~3u) {
            room[i] = select(0u, key[j], at[j] != NOBODY);
        }
    }
    workgroupBarrier();
}

// How many of the first n numbers of the room go before each of this lane's: greater ones, and equal ones that
// stand before it. A key of 0 has no equals: it is nobody's, or of a hash that comes once.
fn rank_own(n: u32) {
    var takes_part = false;
    for (var j = 0u; j < PER_LANE; j++) {
        rank[j] = 0u;
        takes_part |= at[j] != NOBODY;
    }
    if !takes_part {
        return;
    }
    for (var i = 0u; i < n; i += 4u) {
        let a = room[i];
        let b = room[i + 1u];
        let c = room[i + 2u];
        let d = room[i + 3u];
        for (var j = 0u; j < PER_LANE; j++) {
            // Whole fours before its own: equal ones count as well.
            let counts_equal = key[j] != 0u && i < (at[j] & ~3u);
            let bar = select(key[j], key[j] - 1u, counts_equal);
            rank[j] += u32(a > bar) + u32(b > bar) + u32(c > bar) + u32(d > bar);
        }
    }
    for (var j = 0u; j < PER_LANE; j++) {
        if at[j] != NOBODY && key[j] != 0u {
            for (var i = at[j] & ~3u; i < at[j]; i++) {
                rank[j] += u32(room[i] == key[j]);
            }
        }
    }
}

// What a group is worth: its best unmasked member, or its two best together. 0 where it has none.
fn worth_of(group: u32, size: u32) -> u32 {
    var first = 0u;
    var second = 0u;
    for (var i = group * size; i < (group + 1u) * size; i++) {
        let it = room[i];
        second = max(second, min(first, it));
        first = max(first, it);
    }
    if (params.flags & BY_TOP_2) == 0u || second == 0u {
        return first;
    }
    return rank_key(unordered(first) + unordered(second));
}

// Closes the experts of losing groups.
fn close_groups(row: u32, lane: Lane) {
    for (var j = 0u; j < PER_LANE; j++) {
        key[j] = rank_key(selects[j]);
        at[j] = select(NOBODY, expert_of(lane, j), open[j]);
    }
    if lane.index < 64u {
        atomicStore(&marks[lane.index], 0u);
    }
    fill_room(params.n_experts, lane);
    let size = params.n_experts / params.n_groups;
    for (var j = 0u; j < PER_LANE; j++) {
        let group = expert_of(lane, j);
        at[j] = NOBODY;
        if group < params.n_groups {
            at[j] = group;
            key[j] = worth_of(group, size);
        }
    }
    workgroupBarrier();
    fill_room(params.n_groups, lane);
    rank_own(params.n_groups);
    let selection_size = select(0u, params.n_experts, (params.flags & RECORDS_SELECTION) != 0u);
    let kept_at = (5u * params.n_picks + 2u + selection_size) * params.n_rows + row * params.n_groups;
    for (var j = 0u; j < PER_LANE; j++) {
        let group = at[j];
        if group != NOBODY {
            let is_kept = rank[j] < params.n_groups_kept && key[j] > LAST_KEY;
            out[kept_at + group] = u32(is_kept);
            if is_kept {
                atomicOr(&marks[group / 32u], 1u << (group % 32u));
            }
        }
    }
    workgroupBarrier();
    for (var j = 0u; j < PER_LANE; j++) {
        if open[j] {
            let group = expert_of(lane, j) / size;
            open[j] = ((atomicLoad(&marks[group / 32u]) >> (group % 32u)) & 1u) != 0u;
        }
    }
}

// Who may be chosen and what ranks it: open experts by what selects, or at random the unmasked ones by the smallest
// hash, where groups do not limit them. Forced experts are chosen already.
fn prepare_keys(record: u32, position: u32, is_random: bool, lane: Lane) {
    let seed = pcg(edit_word(record, AT_RANDOM_KEY) ^ position);
    let forced = edit_word(record, AT_FORCED);
    let allowed = edit_word(record, AT_ALLOWED);
    for (var j = 0u; j < PER_LANE; j++) {
        let e = expert_of(lane, j);
        state[j] = NOT_CHOSEN;
        key[j] = rank_key(selects[j]);
        if is_random && e < params.n_experts {
            key[j] = ~pcg(seed ^ e);
            open[j] = true;
            if allowed != 0u {
                open[j] = has_bit(allowed, e);
            }
        }
        if forced != 0u && e < params.n_experts && has_bit(forced, e) {
            state[j] = FORCED;
        }
        at[j] = select(NOBODY, e, open[j] && state[j] == NOT_CHOSEN);
    }
    if lane.index < 64u {
        atomicStore(&chosen_bits[lane.index], 0u);
    }
    if lane.index == 0u {
        atomicStore(&best_chosen, 0u);
        atomicStore(&edge[0], 0u);
        atomicStore(&edge[1], 0u);
    }
}

// Every expert counts those that go before it.
fn pick_by_rank(n_free: u32, lane: Lane) {
    fill_room(params.n_experts, lane);
    rank_own(params.n_experts);
    for (var j = 0u; j < PER_LANE; j++) {
        if at[j] != NOBODY {
            if rank[j] < n_free {
                state[j] = CHOSEN;
            }
            if rank[j] + 1u == n_free {
                atomicStore(&edge[0], key[j]);
            }
            if rank[j] == n_free {
                atomicStore(&edge[1], key[j]);
            }
        }
    }
}

// Of many experts: the key of the weakest pick bit by bit, by how many have at least that; then ties by id.
fn pick_by_halving(n_free: u32, lane: Lane) {
    var bar = 0u;
    for (var bit = 0x80000000u; bit > 0u; bit >>= 1u) {
        if sum_all(count_from(bar | bit), lane) >= f32(n_free) {
            bar |= bit;
        }
    }
    let n_above = u32(sum_all(select(0.0, count_from(bar + 1u), bar != NOBODY), lane));
    if lane.index < 64u {
        atomicStore(&marks[lane.index], 0u);
    }
    workgroupBarrier();
    for (var j = 0u; j < PER_LANE; j++) {
        if at[j] != NOBODY && key[j] == bar {
            atomicOr(&marks[at[j] / 32u], 1u << (at[j] % 32u));
        }
    }
    workgroupBarrier();
    var best_left = 0u;
    for (var j = 0u; j < PER_LANE; j++) {
        if at[j] != NOBODY {
            if key[j] > bar || (key[j] == bar && n_above + marks_before(at[j]) < n_free) {
                state[j] = CHOSEN;
                if key[j] == bar {
                    atomicStore(&edge[0], bar);
                }
            } else {
                best_left = max(best_left, key[j]);
            }
        }
    }
    if best_left > 0u {
        atomicMax(&edge[1], best_left);
    }
}

// How many of this lane's keys are at least this.
fn count_from(least: u32) -> f32 {
    var n = 0.0;
    for (var j = 0u; j < PER_LANE; j++) {
        n += select(0.0, 1.0, at[j] != NOBODY && key[j] >= least);
    }
    return n;
}

fn marks_before(expert: u32) -> u32 {
    var n = 0u;
    for (var word = 0u; word < expert / 32u; word++) {
        n += countOneBits(atomicLoad(&marks[word]));
    }
    return n + countOneBits(atomicLoad(&marks[expert / 32u]) & ((1u << (expert % 32u)) - 1u));
}

// Forced experts, then the best of the others, or those at random.
fn choose(record: u32, position: u32, lane: Lane) {
    let k = select(edit_word(record, AT_K), params.top_k, record == 0u);
    let n_free = k - min(k, edit_word(record, AT_N_FORCED));
    let is_random = (edit_word(record, AT_FLAGS) & IS_RANDOM) != 0u;
    prepare_keys(record, position, is_random, lane);
    // Each expert looks at all others, so that from some number on it is quicker to count them 32 times.
    if PER_LANE > 2u && (params.flags & BY_TURNS) == 0u {
        pick_by_halving(n_free, lane);
    } else {
        pick_by_rank(n_free, lane);
    }
    if (params.flags & BY_TURNS) != 0u {
        number_turns(record, k - n_free, lane);
    }
    for (var j = 0u; j < PER_LANE; j++) {
        if state[j] != NOT_CHOSEN {
            let e = expert_of(lane, j);
            atomicOr(&chosen_bits[e / 32u], 1u << (e % 32u));
            // What is no number counts as +inf: no softmax over it.
            atomicMax(&best_chosen, select(ordered(z[j]), INFINITY_BITS | 0x80000000u, is_nan(z[j])));
        }
    }
    workgroupBarrier();
    number_chosen(lane);
}

// When each of this lane's chosen experts is taken: forced ones as listed, then the others, best first.
fn number_turns(record: u32, n_forced: u32, lane: Lane) {
    let list = edit_word(record, AT_FORCED_LIST);
    for (var j = 0u; j < PER_LANE; j++) {
        turn[j] = n_forced + rank[j];
        if state[j] == FORCED {
            for (var i = 0u; i < n_forced; i++) {
                if control[list + i] == expert_of(lane, j) {
                    turn[j] = i;
                }
            }
        }
    }
}

// What selected the weakest pick that was not forced, less that of the best that was left out.
fn margin_of(record: u32) -> u32 {
    let weakest = unordered(atomicLoad(&edge[0]));
    let left = unordered(atomicLoad(&edge[1]));
    let is_random = (edit_word(record, AT_FLAGS) & IS_RANDOM) != 0u;
    return select(NAN_BITS, bitcast<u32>(weakest - left), is_finite(weakest) && is_finite(left) && !is_random);
}

// Numbers the chosen by ascending id, the order of all sums.
fn number_chosen(lane: Lane) {
    n_chosen = 0u;
    let n_words = (params.n_experts + 31u) / 32u;
    for (var word = 0u; word < n_words; word++) {
        let bits = atomicLoad(&chosen_bits[word]);
        for (var j = 0u; j < PER_LANE; j++) {
            let e = expert_of(lane, j);
            if e / 32u == word {
                index[j] = n_chosen + countOneBits(bits & ((1u << (e % 32u)) - 1u));
            }
        }
        n_chosen += countOneBits(bits);
    }
}

// Puts a number of each chosen expert into the room, in the order of their ids. All lanes are past reading it.
fn gather(only_unshared: bool, shares: u32, lane: Lane) {
    for (var j = 0u; j < PER_LANE; j++) {
        if state[j] != NOT_CHOSEN {
            var it = weight[j];
            if only_unshared && share_of(shares, expert_of(lane, j)) >= 0.0 {
                it = 0.0;
            }
            room[index[j]] = bitcast<u32>(it);
        }
    }
    workgroupBarrier();
}

// The same on every lane, in the reference's order.
fn sum_room() -> f32 {
    var sum = 0.0;
    for (var i = 0u; i < n_chosen; i++) {
        sum += from_bits(room[i]);
    }
    return sum;
}

// The p-norm of what is in the room, each number taken by the largest, so that no power leaves f32.
fn norm_room() -> f32 {
    var largest = 0.0;
    for (var i = 0u; i < n_chosen; i++) {
        let it = from_bits(room[i]);
        if is_nan(it) {
            return it;
        }
        largest = max(largest, abs(it));
    }
    var sum = 0.0;
    for (var i = 0u; i < n_chosen; i++) {
        let it = abs(from_bits(room[i])) / largest;
        if it > 1e-30 {
            sum += exp_of(params.p * ln(it));
        }
    }
    return largest * exp_of(ln(max(sum, 1.0)) / params.p);
}

// Below 0 where the expert has none.
fn share_of(shares: u32, expert: u32) -> f32 {
    if shares == 0u {
        return -1.0;
    }
    return from_bits(control[shares + expert]);
}

// What the weights are in proportion to, without the factor they have in common. Softmax scores are taken relative
// to the best chosen one, so that their proportions outlive scores f32 does not hold.
fn base_of(j: u32, best: f32) -> f32 {
    if params.weight == OF_SCORE {
        if params.score != SOFTMAX || params.renorm == NO_RENORM {
            return score[j];
        }
        return select(from_bits(NAN_BITS), exp_of(z[j] - best), is_finite(best) && is_finite(top));
    }
    if params.weight == SOFTMAX_OVER_CHOSEN {
        return select(from_bits(NAN_BITS), exp_of(z[j] - best), is_finite(best));
    }
    if best <= 0.0 && is_finite(best) {
        return exp_of(z[j] - best) / (1.0 + exp_of(z[j]));
    }
    return sigmoid_of(z[j]);
}

// The factor they have in common, where `sum` is that of all bases.
fn factor_of(best: f32, sum: f32) -> f32 {
    if params.weight == OF_SCORE {
        if params.score != SOFTMAX || params.renorm == NO_RENORM {
            return 1.0;
        }
        return softmax_of(best - top, total);
    }
    if params.weight == SOFTMAX_OVER_CHOSEN {
        return 1.0 / sum;
    }
    return select(1.0, exp_of(best), best <= 0.0 && is_finite(best));
}

// Whether an expert takes part in a turn of sparsemixer: not masked, had no turn, z near that of whose turn it is.
fn is_near(j: u32, now: u32, z_now: f32, allowed: u32, lane: Lane) -> bool {
    let e = expert_of(lane, j);
    if e >= params.n_experts || (state[j] != NOT_CHOSEN && turn[j] < now) {
        return false;
    }
    if allowed != 0u && !has_bit(allowed, e) {
        return false;
    }
    return !((z_now - z[j]) / max(abs(z[j]), z_now) > params.threshold);
}

// Weights by sparsemixer: each of a softmax over the experts near the one whose turn it is. Returns their sum.
fn weigh_by_turns(record: u32, lane: Lane) -> f32 {
    let allowed = edit_word(record, AT_ALLOWED);
    let lowest = from_bits(INFINITY_BITS | 0x80000000u);
    for (var now = 0u; now < params.n_picks; now++) {
        var own = lowest;
        for (var j = 0u; j < PER_LANE; j++) {
            if state[j] != NOT_CHOSEN && turn[j] == now {
                own = z[j];
            }
        }
        let z_now = max_all(own, lane);
        var best = lowest;
        for (var j = 0u; j < PER_LANE; j++) {
            if is_near(j, now, z_now, allowed, lane) {
                // One z that is no number leaves no weight.
                best = max(best, select(z[j], from_bits(INFINITY_BITS), is_nan(z[j])));
            }
        }
        let peak = max_all(best, lane);
        var part = 0.0;
        for (var j = 0u; j < PER_LANE; j++) {
            if is_near(j, now, z_now, allowed, lane) {
                part += exp_of(z[j] - peak);
            }
        }
        let all = sum_all(part, lane);
        for (var j = 0u; j < PER_LANE; j++) {
            if state[j] != NOT_CHOSEN && turn[j] == now {
                weight[j] = select(from_bits(NAN_BITS), exp_of(z[j] - peak) / all, is_finite(peak));
            }
        }
    }
    workgroupBarrier();
    gather(false, 0u, lane);
    return sum_room();
}

// Each weight times the factor of its expert; returns their sum.
fn scale_each(lane: Lane) -> f32 {
    let first = select(0u, params.n_experts, (params.flags & HAS_MODEL_BIAS) != 0u);
    for (var j = 0u; j < PER_LANE; j++) {
        if state[j] != NOT_CHOSEN {
            weight[j] *= model_bias[first + expert_of(lane, j)];
        }
    }
    workgroupBarrier();
    gather(false, 0u, lane);
    return sum_room();
}

// The applied weights of the chosen; returns their sum before they were renormalised.
fn weigh(record: u32, lane: Lane) -> f32 {
    if (params.flags & BY_TURNS) != 0u {
        let by_turns = weigh_by_turns(record, lane);
        if (params.flags & IS_EDITED) != 0u {
            share(record, by_turns, lane);
        }
        return select(by_turns, 0.0, n_chosen == 0u);
    }
    let best = unordered(atomicLoad(&best_chosen));
    for (var j = 0u; j < PER_LANE; j++) {
        weight[j] = base_of(j, best);
    }
    gather(false, 0u, lane);
    let bases = sum_room();
    var factor = factor_of(best, bases);
    var sum = factor * bases;
    let is_softmax = params.score == SOFTMAX && params.renorm != NO_RENORM;
    if is_softmax && params.weight == OF_SCORE && is_finite(top) && !is_finite(best) {
        // All that were chosen score 0.
        sum = 0.0;
    }
    if is_softmax && sum < FAINT {
        // Scores below what f32 holds, as under the bias of an expert that is masked: their proportions still hold.
        factor = 1.0 / bases;
    }
    var divisor = 1.0;
    if params.renorm == BY_SUM {
        let all = factor * bases;
        divisor = select(params.min, all, all >= params.min) + params.eps;
    } else if params.renorm == BY_P_NORM {
        divisor = abs(factor) * norm_room();
    }
    let scale = select(1.0, params.scale, (params.flags & IS_SCALED) != 0u);
    for (var j = 0u; j < PER_LANE; j++) {
        weight[j] = weight[j] * factor / divisor * scale;
    }
    var all_together = bases * factor / divisor * scale;
    if (params.flags & HAS_OWN_FACTORS) != 0u {
        all_together = scale_each(lane);
    }
    if (params.flags & IS_EDITED) != 0u {
        share(record, all_together, lane);
    }
    return select(sum, 0.0, n_chosen == 0u);
}

// Shares of forced experts, or all weights made equal; `all` is the sum of the weights.
fn share(record: u32, all: f32, lane: Lane) {
    let shares = edit_word(record, AT_SHARES);
    var free = 0.0;
    if (params.flags & HAS_SHARES) != 0u {
        workgroupBarrier();
        gather(true, shares, lane);
        free = sum_room();
    }
    let is_uniform = (edit_word(record, AT_FLAGS) & IS_UNIFORM) != 0u;
    let given = from_bits(edit_word(record, AT_GIVEN));
    let n_unshared = n_chosen - min(n_chosen, edit_word(record, AT_N_SHARED));
    for (var j = 0u; j < PER_LANE; j++) {
        if state[j] == NOT_CHOSEN {
            continue;
        }
        if is_uniform {
            weight[j] = all / f32(n_chosen);
        } else if shares != 0u {
            let own = share_of(shares, expert_of(lane, j));
            if own >= 0.0 {
                // Where group limits left only shared picks, the shares are scaled to sum to 1.
                weight[j] = own * select(1.0, 1.0 / given, n_unshared == 0u) * all;
            } else if free > 0.0 {
                weight[j] = weight[j] / free * (1.0 - given) * all;
            } else {
                weight[j] = (1.0 - given) * all / f32(n_unshared);
            }
        }
    }
}

fn network_of(record: u32, expert: u32) -> u32 {
    let networks = edit_word(record, AT_NETWORKS);
    if networks == 0u {
        return expert;
    }
    return control[networks + expert];
}

// Places by applied weight, strongest first, ties to the lowest id.
fn write_choice(row: u32, record: u32, lane: Lane) {
    workgroupBarrier();
    for (var j = 0u; j < PER_LANE; j++) {
        at[j] = NOBODY;
        if state[j] != NOT_CHOSEN {
            at[j] = index[j];
            key[j] = ordered(weight[j]);
            room[index[j]] = key[j];
        }
    }
    let filled = (n_chosen + 3u) & ~3u;
    if n_chosen + lane.index < filled {
        room[n_chosen + lane.index] = 0u;
    }
    workgroupBarrier();
    rank_own(n_chosen);
    let part = params.n_rows * params.n_picks;
    let first = row * params.n_picks;
    for (var j = 0u; j < PER_LANE; j++) {
        if at[j] != NOBODY && rank[j] < params.n_picks && index[j] < params.n_picks {
            let e = expert_of(lane, j);
            let place = first + rank[j];
            out[place] = e;
            out[part + place] = network_of(record, e);
            out[2u * part + place] = bitcast<u32>(weight[j]);
            out[3u * part + place] = state[j];
            out[4u * part + first + index[j]] = rank[j];
        }
    }
    for (var i = n_chosen + lane.index; i < params.n_picks; i += 256u) {
        out[first + i] = NOBODY;
        out[part + first + i] = NOBODY;
        out[2u * part + first + i] = 0u;
        out[3u * part + first + i] = NOT_CHOSEN;
        out[4u * part + first + i] = i;
    }
}

@compute @workgroup_size(256)
fn route(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let row = group.y * MAX_GROUPS + group.x;
    if row >= params.n_rows {
        return;
    }
    var record = 0u;
    var position = 0u;
    if (params.flags & IS_EDITED) != 0u {
        record = control[2u * row];
        position = control[2u * row + 1u];
    }
    read_logits(row, record, lane);
    if params.score == SOFTMAX {
        score_softmax(lane);
    } else {
        score_each();
    }
    prepare_choice(row, record, lane);
    if params.n_groups > 0u {
        close_groups(row, lane);
    }
    choose(record, position, lane);
    let sum = weigh(record, lane);
    if lane.index == 0u {
        out[5u * params.n_picks * params.n_rows + row] = margin_of(record);
        out[(5u * params.n_picks + 1u) * params.n_rows + row] = bitcast<u32>(sum);
    }
    write_choice(row, record, lane);
}
