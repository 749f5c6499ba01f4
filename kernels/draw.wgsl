// The reference is src/ops/cpu/draw.rs. A token drawn among those that top-k, top-p and min-p leave. All three keep the first
// few by (logit, id), so a threshold and a number of ties say what is left. The threshold is found digit by digit:
// a level tallies how many logits, and how much of their mass e^((z - best) / T), each value of the next 8 bits has.
// Masses are added as whole numbers, so that their sum has no order; their rounding is below 1e-12 each.
// With top-k and top-p both on, the mass to reach is known after the first four levels; three more follow.

// What is known of a threshold before a level.
struct Sieve {
    prefix: u32,      // its upper bits
    n_above: u32,     // logits above all that begin with them
    mass_above: f32,  // the mass of those
    wanted: f32,      // the mass to reach, below 0 where it is not known yet
    n_ties: u32,      // logits that begin with them; in the end: how many ties are kept
    best: f32,        // the largest z / T
}

// What one chunk's best are after noise.
struct Noised {
    above: Best,   // of the logits above the threshold
    tied: Best,    // of all those on it
    n_ties: u32,
}

const N_BINS = 256u;
// Counts, then the masses' upper and lower half, each in two pieces of 16 bits.
const N_PIECES = 5u;
const N_LEVELS = 7u;
// Places for what is known: before each level, and in the end.
const N_SIEVES = 8u;
const IN_THE_END = 7u;

@group(0) @binding(3) var<storage, read_write> tallies: array<atomic<u32>>; // [asks, N_LEVELS, N_PIECES, N_BINS]
@group(0) @binding(4) var<storage, read_write> sieves: array<Sieve>;        // [asks, N_SIEVES]

var<workgroup> counts: array<u32, 256>;
var<workgroup> masses: array<f32, 256>;
var<workgroup> bin_counts: array<atomic<u32>, 256>;
var<workgroup> bin_uppers: array<atomic<u32>, 256>;
var<workgroup> bin_lowers: array<atomic<u32>, 256>;

fn has_top_k(ask: Ask) -> bool {
    return ask.top_k > 0u && ask.top_k < params.n_drawable;
}

fn has_top_p(ask: Ask) -> bool {
    return ask.top_p < 1.0;
}

fn n_levels(ask: Ask) -> u32 {
    if (ask.flags & FILTERED) == 0u {
        return 0u;
    }
    return select(0u, 4u, has_top_k(ask) || has_top_p(ask)) + select(0u, 3u, has_top_k(ask) && has_top_p(ask));
}

fn mass_of(ask: Ask, z: f32, best: f32) -> f32 {
    return exp_negative(z / ask.temperature - best);
}

// begin: empty tallies, and the largest logit.
@group(0) @binding(5) var<storage, read> scanned: array<Scanned>; // [asks, chunks]

@compute @workgroup_size(256)
fn begin(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let i = group.x;
    let ask = asks[i];
    let n = n_levels(ask) * N_PIECES * N_BINS;
    for (var word = lane.index; word < n; word += 256u) {
        atomicStore(&tallies[i * N_LEVELS * N_PIECES * N_BINS + word], 0u);
    }
    var mine = nothing();
    if lane.index < params.n_chunks {
        mine = scanned[i * params.n_chunks + lane.index].drawn;
    }
    let best = best_all(mine, lane);
    if lane.index == 0u {
        sieves[i * N_SIEVES] = Sieve(0u, 0u, 0.0, -1.0, 0u, float_of(best.key) / ask.temperature);
    }
}

// sieve: one level over one chunk.
@compute @workgroup_size(256)
fn sieve(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let i = group.y;
    let ask = asks[i];
    let level = params.level;
    if level >= n_levels(ask) {
        return;
    }
    let known = before(i, ask, level, lane);
    if group.x == 0u && lane.index == 0u && level > 0u {
        sieves[i * N_SIEVES + level] = known;
    }
    atomicStore(&bin_counts[lane.index], 0u);
    atomicStore(&bin_uppers[lane.index], 0u);
    atomicStore(&bin_lowers[lane.index], 0u);
    workgroupBarrier();
    let digit = select(level, level - 3u, level >= 4u);
    let unit = f32(1u << params.limb_bits);
    let end = min((group.x + 1u) * params.chunk, params.n_drawable);
    for (var v = group.x * params.chunk + lane.index; v < end; v += 256u) {
        let bits = logits[i * params.n_vocab + v];
        let key = key_of(bits);
        if digit == 0u || (key >> (32u - 8u * digit)) == known.prefix {
            let bin = (key >> (24u - 8u * digit)) & 255u;
            let mass = min(mass_of(ask, bitcast<f32>(bits), known.best), 1.0) * unit;
            atomicAdd(&bin_counts[bin], 1u);
            atomicAdd(&bin_uppers[bin], u32(mass));
            atomicAdd(&bin_lowers[bin], u32((mass - floor(mass)) * unit));
        }
    }
    workgroupBarrier();
    let count = atomicLoad(&bin_counts[lane.index]);
    if count > 0u {
        let at = tally_at(i, level) + lane.index;
        let upper = atomicLoad(&bin_uppers[lane.index]);
        let lower = atomicLoad(&bin_lowers[lane.index]);
        atomicAdd(&tallies[at], count);
        atomicAdd(&tallies[at + N_BINS], upper >> 16u);
        atomicAdd(&tallies[at + 2u * N_BINS], upper & 0xffffu);
        atomicAdd(&tallies[at + 3u * N_BINS], lower >> 16u);
        atomicAdd(&tallies[at + 4u * N_BINS], lower & 0xffffu);
    }
}

fn tally_at(i: u32, level: u32) -> u32 {
    return (i * N_LEVELS + level) * N_PIECES * N_BINS;
}

// What is known before a level, the same on every lane.
fn before(i: u32, ask: Ask, level: u32, lane: Lane) -> Sieve {
    let at = i * N_SIEVES;
    if level == 0u {
        return sieves[at];
    }
    if level < 4u {
        return narrow(i, ask, sieves[at + level - 1u], level - 1u, !has_top_k(ask), lane);
    }
    if level > 4u {
        return narrow(i, ask, sieves[at + level - 1u], level - 1u, true, lane);
    }
    let kept = keep(ask, narrow(i, ask, sieves[at + 3u], 3u, false, lane), false);
    let mass = f32(kept.n_ties) * mass_of(ask, float_of(kept.prefix), kept.best);
    var start = sieves[at];
    start.wanted = ask.top_p * (kept.mass_above + mass);
    return narrow(i, ask, start, 0u, true, lane);
}

// The bin the threshold lies in: the last that is not empty and begins before enough are kept.
fn narrow(i: u32, ask: Ask, known: Sieve, level: u32, by_mass: bool, lane: Lane) -> Sieve {
    let bin = N_BINS - 1u - lane.index;
    let at = tally_at(i, level) + bin;
    let unit = 1.0 / f32(1u << params.limb_bits);
    let upper = f32(atomicLoad(&tallies[at + N_BINS])) * 65536.0 + f32(atomicLoad(&tallies[at + 2u * N_BINS]));
    let lower = f32(atomicLoad(&tallies[at + 3u * N_BINS])) * 65536.0 + f32(atomicLoad(&tallies[at + 4u * N_BINS]));
    let count = atomicLoad(&tallies[at]);
    add_up(count, (upper + lower * unit) * unit, lane);
    var out = known;
    if known.wanted < 0.0 {
        out.wanted = ask.top_p * masses[N_BINS - 1u];
    }
    var n_before = known.n_above;
    var mass_before = known.mass_above;
    if lane.index > 0u {
        n_before += counts[lane.index - 1u];
        mass_before += masses[lane.index - 1u];
    }
    let is_short = select(n_before < ask.top_k, mass_before < out.wanted, by_mass);
    let is_open = count > 0u && (n_before == 0u || is_short);
    let last = max(max_word_all(select(0u, lane.index + 1u, is_open), lane), 1u) - 1u;
    out.prefix = (known.prefix << 8u) | (N_BINS - 1u - last);
    out.n_ties = counts[last];
    if last > 0u {
        out.n_above += counts[last - 1u];
        out.mass_above += masses[last - 1u];
        out.n_ties -= counts[last - 1u];
    }
    return out;
}

// Sums over this lane and those before it, in `counts` and `masses`: sixteen runs, then what lies before each.
// All 256 must call.
fn add_up(count: u32, mass: f32, lane: Lane) {
    workgroupBarrier();
    counts[lane.index] = count;
    masses[lane.index] = mass;
    workgroupBarrier();
    if lane.index < 16u {
        for (var at = lane.index * 16u + 1u; at < lane.index * 16u + 16u; at++) {
            counts[at] += counts[at - 1u];
            masses[at] += masses[at - 1u];
        }
    }
    workgroupBarrier();
    var n_before = 0u;
    var mass_before = 0.0;
    for (var end = 15u; end < lane.index / 16u * 16u; end += 16u) {
        n_before += counts[end];
        mass_before += masses[end];
    }
    workgroupBarrier();
    counts[lane.index] += n_before;
    masses[lane.index] += mass_before;
    workgroupBarrier();
}

// How many of the ties are kept, the lowest ids first: at least one.
fn keep(ask: Ask, known: Sieve, by_mass: bool) -> Sieve {
    var out = known;
    if by_mass {
        let each = mass_of(ask, float_of(known.prefix), known.best);
        let wanted = ceil((known.wanted - known.mass_above) / max(each, 1e-37));
        out.n_ties = clamp(u32(clamp(wanted, 1.0, f32(known.n_ties))), 1u, known.n_ties);
    } else {
        out.n_ties = min(ask.top_k - known.n_above, known.n_ties);
    }
    return out;
}

// What is kept in the end. Without top-k and top-p that is everything.
fn in_the_end(i: u32, ask: Ask, lane: Lane) -> Sieve {
    let at = i * N_SIEVES;
    let n = n_levels(ask);
    if n == 0u {
        var all = sieves[at];
        all.n_ties = NOBODY;
        return all;
    }
    let by_mass = has_top_p(ask);
    if n == 4u {
        return keep(ask, narrow(i, ask, sieves[at + 3u], 3u, by_mass, lane), by_mass);
    }
    let kept = keep(ask, narrow(i, ask, sieves[at + 3u], 3u, false, lane), false);
    var out = keep(ask, narrow(i, ask, sieves[at + 6u], 6u, true, lane), true);
    // Rounding must not let in what top-k left out.
    if out.prefix < kept.prefix {
        out = kept;
    } else if out.prefix == kept.prefix {
        out.n_ties = min(out.n_ties, kept.n_ties);
    }
    return out;
}

// noise: the best of one chunk.
@group(0) @binding(5) var<storage, read_write> noised_out: array<Noised>; // [asks, chunks]

@compute @workgroup_size(256)
fn noise(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let i = group.y;
    let ask = asks[i];
    if (ask.flags & FILTERED) == 0u {
        return;
    }
    let kept = in_the_end(i, ask, lane);
    if group.x == 0u && lane.index == 0u {
        sieves[i * N_SIEVES + IN_THE_END] = kept;
    }
    var above = nothing();
    var tied = nothing();
    var n_ties = 0u;
    let end = min((group.x + 1u) * params.chunk, params.n_drawable);
    for (var v = group.x * params.chunk + lane.index; v < end; v += 256u) {
        let bits = logits[i * params.n_vocab + v];
        let key = key_of(bits);
        if key >= kept.prefix && mass_of(ask, bitcast<f32>(bits), kept.best) >= ask.min_p {
            let it = noisy(ask, bits, v);
            if key > kept.prefix {
                above = best_of(above, it);
            } else {
                tied = best_of(tied, it);
                n_ties++;
            }
        }
    }
    above = best_all(above, lane);
    tied = best_all(tied, lane);
    n_ties = sum_word_all(n_ties, lane);
    if lane.index == 0u {
        noised_out[i * params.n_chunks + group.x] = Noised(above, tied, n_ties);
    }
}

// pick: the best of a row.
@group(0) @binding(5) var<storage, read> noised: array<Noised>;         // [asks, chunks]
@group(0) @binding(6) var<storage, read_write> filtered: array<u32>;    // [asks]

@compute @workgroup_size(256)
fn pick(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let i = group.x;
    let ask = asks[i];
    if (ask.flags & FILTERED) == 0u {
        return;
    }
    let kept = sieves[i * N_SIEVES + IN_THE_END];
    var mine = Noised(nothing(), nothing(), 0u);
    if lane.index < params.n_chunks {
        mine = noised[i * params.n_chunks + lane.index];
    }
    add_up(mine.n_ties, 0.0, lane);
    let n_so_far = counts[lane.index];
    let n_before = n_so_far - mine.n_ties;
    var best = mine.above;
    if n_so_far <= kept.n_ties {
        best = best_of(best, mine.tied);
    }
    // Of one chunk at most some ties are kept and others are not.
    let is_cut = n_before < kept.n_ties && n_so_far > kept.n_ties;
    let cut = max_word_all(select(0u, lane.index + 1u, is_cut), lane);
    if cut > 0u {
        let left = max_word_all(select(0u, kept.n_ties - n_before, is_cut), lane);
        best = best_of(best, first_ties(i, ask, cut - 1u, kept.prefix, left, lane));
    }
    best = best_all(best, lane);
    if lane.index == 0u {
        filtered[i] = best.id;
    }
}

// The best of the first few ties of a chunk; each lane reads neighbours.
fn first_ties(i: u32, ask: Ask, chunk: u32, key: u32, n: u32, lane: Lane) -> Best {
    let share = params.chunk / 256u;
    let first = min(chunk * params.chunk + lane.index * share, params.n_drawable);
    let end = min(first + share, params.n_drawable);
    var n_mine = 0u;
    for (var v = first; v < end; v++) {
        n_mine += u32(key_of(logits[i * params.n_vocab + v]) == key);
    }
    add_up(n_mine, 0.0, lane);
    var n_so_far = counts[lane.index] - n_mine;
    var best = nothing();
    for (var v = first; v < end; v++) {
        let bits = logits[i * params.n_vocab + v];
        if key_of(bits) == key {
            if n_so_far < n {
                best = best_of(best, noisy(ask, bits, v));
            }
            n_so_far++;
        }
    }
    return best;
}
