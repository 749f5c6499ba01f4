// The reference is src/ops/cpu/predict.rs. Softmax of each row over all V, the rank of a token, the divergence of two
// rows. A row is cut into chunks, one workgroup each; what a row comes to depends on no other row but the one
// it is compared with, and every sum has one order.

// What a row comes to.
struct Settled {
    top: f32,      // the largest logit
    sum: f32,      // of e^(z - top)
    log_sum: f32,  // ln of that
    is_bad: u32,   // whether a logit is not finite
    drawn: u32,    // NOBODY where nothing is drawn
    next: u32,     // the known token, else the drawn one, else NOBODY
}

// What one chunk adds to ranks and divergence.
struct Compared {
    n_better: u32,       // ids before the next token
    n_better_other: u32, // ids before the other row's next token
    kl: f32,
}

// Words of the head of a row's results.
const HEAD_WORDS = 9u;

// scan: a chunk of a row.
@group(0) @binding(3) var<storage, read_write> scanned_out: array<Scanned>; // [asks, chunks]

@compute @workgroup_size(256)
fn scan(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let ask = asks[group.y];
    let row = group.y * params.n_vocab;
    let first = group.x * params.chunk;
    let end = min(first + params.chunk, params.n_vocab);
    let draws = (ask.flags & DRAWS) != 0u;
    let is_noisy = (ask.flags & NOISY) != 0u;
    var out = Scanned(nothing(), nothing(), 0.0, 0u);
    for (var v = first + lane.index; v < end; v += 256u) {
        let bits = logits[row + v];
        let it = Best(key_of(bits), v);
        out.best = best_of(out.best, it);
        out.is_bad |= u32((bits & 0x7f800000u) == 0x7f800000u);
        if draws && v < params.n_drawable {
            if is_noisy {
                out.drawn = best_of(out.drawn, noisy(ask, bits, v));
            } else {
                out.drawn = best_of(out.drawn, it);
            }
        }
    }
    out.best = best_all(out.best, lane);
    if draws {
        out.drawn = best_all(out.drawn, lane);
    }
    out.is_bad = max_word_all(out.is_bad, lane);
    let top = float_of(out.best.key);
    var sum = 0.0;
    for (var v = first + lane.index; v < end; v += 256u) {
        sum += exp_negative(bitcast<f32>(logits[row + v]) - top);
    }
    out.sum = sum_all(sum, lane);
    if lane.index == 0u {
        scanned_out[group.y * params.n_chunks + group.x] = out;
    }
}

// settle: the chunks of a row together.
@group(0) @binding(3) var<storage, read> scanned: array<Scanned>;           // [asks, chunks]
@group(0) @binding(4) var<storage, read> filtered: array<u32>;              // [asks], ids drawn among what filters leave
@group(0) @binding(5) var<storage, read_write> settled_out: array<Settled>; // [asks]
@group(0) @binding(6) var<storage, read_write> chosen_out: array<u32>;      // [asks, CHOSEN_WORDS]
@group(0) @binding(7) var<storage, read_write> drawn_out: array<u32>;       // [asks], 0 where nothing is drawn

var<workgroup> chunk_bests: array<Best, 256>;

@compute @workgroup_size(256)
fn settle(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let i = group.x;
    let ask = asks[i];
    let is_chunk = lane.index < params.n_chunks;
    var mine = Scanned(nothing(), nothing(), 0.0, 0u);
    if is_chunk {
        mine = scanned[i * params.n_chunks + lane.index];
    }
    let top = float_of(best_all(mine.best, lane).key);
    var part = 0.0;
    if is_chunk {
        part = mine.sum * exp_negative(float_of(mine.best.key) - top);
    }
    let sum = sum_all(part, lane);
    let is_bad = max_word_all(mine.is_bad, lane);
    var drawn = best_all(mine.drawn, lane).id;
    if (ask.flags & FILTERED) != 0u {
        drawn = filtered[i];
    }
    if drawn >= params.n_drawable {
        drawn = 0u;
    }
    if (ask.flags & READS) != 0u {
        choose_chunks(i, mine.best, lane);
    }
    if lane.index == 0u {
        let draws = (ask.flags & DRAWS) != 0u;
        var next = select(ask.next, select(NOBODY, drawn, draws), ask.next == NOBODY);
        if next >= params.n_vocab {
            next = NOBODY;
        }
        settled_out[i] = Settled(top, sum, ln(sum), is_bad, select(NOBODY, drawn, draws), next);
        drawn_out[i] = select(0u, drawn, draws);
    }
}

// The N_TOP chunks with the best bests: the N_TOP best of the row lie in them, and each of those reaches
// the last of these bests.
fn choose_chunks(i: u32, best: Best, lane: Lane) {
    chunk_bests[lane.index] = best;
    workgroupBarrier();
    var rank = 0u;
    for (var c = 0u; c < params.n_chunks; c++) {
        rank += u32(is_better(chunk_bests[c], best));
    }
    let at = i * CHOSEN_WORDS;
    if lane.index == 0u && params.n_chunks < N_TOP {
        chosen_out[at + N_TOP] = nothing().key;
        chosen_out[at + N_TOP + 1u] = nothing().id;
    }
    if lane.index < params.n_chunks && rank < N_TOP {
        chosen_out[at + rank] = lane.index;
        if rank == N_TOP - 1u {
            chosen_out[at + N_TOP] = best.key;
            chosen_out[at + N_TOP + 1u] = best.id;
        }
    }
}

// compare: a chunk of a row against the same of another.
@group(0) @binding(3) var<storage, read> settled: array<Settled>;             // [asks]
@group(0) @binding(4) var<storage, read_write> compared_out: array<Compared>; // [asks, chunks]

@compute @workgroup_size(256)
fn compare(lane: Lane, @builtin(workgroup_id) group: vec3<u32>) {
    let ask = asks[group.y];
    let is_compared = ask.compared != NOBODY;
    if !is_compared && (ask.flags & RANKS) == 0u {
        return;
    }
    let other = select(group.y, ask.compared, is_compared);
    let here = settled[group.y];
    let there = settled[other];
    let row = group.y * params.n_vocab;
    let other_row = other * params.n_vocab;
    let next = place(row, here.next);
    let other_next = place(row, there.next);
    let ratio = select(ln(there.sum / here.sum), 0.0, there.sum == here.sum);
    let shift = (there.top - here.top) + ratio;
    var out = Compared();
    let end = min((group.x + 1u) * params.chunk, params.n_vocab);
    for (var v = group.x * params.chunk + lane.index; v < end; v += 256u) {
        let bits = logits[row + v];
        let it = Best(key_of(bits), v);
        out.n_better += u32(is_better(it, next));
        out.n_better_other += u32(is_better(it, other_next));
        if is_compared {
            let a = bitcast<f32>(logits[other_row + v]);
            let b = bitcast<f32>(bits);
            let p = exp_negative(a - there.top) / there.sum;
            out.kl += kl_term(p, exp_negative(b - here.top) / here.sum, (a - b) - shift);
        }
    }
    out = compared_all(out, is_compared, lane);
    if lane.index == 0u {
        compared_out[group.y * params.n_chunks + group.x] = out;
    }
}

// The sums over a workgroup; of what compares two rows only where two are compared.
fn compared_all(it: Compared, is_compared: bool, lane: Lane) -> Compared {
    let n_better = sum_word_all(it.n_better, lane);
    if !is_compared {
        return Compared(n_better, 0u, 0.0);
    }
    let n_better_other = sum_word_all(it.n_better_other, lane);
    return Compared(n_better, n_better_other, sum_all(it.kl, lane));
}

// A token in a row; where there is none nothing lies before it.
fn place(row: u32, id: u32) -> Best {
    if id == NOBODY {
        return Best(NOBODY, 0u);
    }
    return Best(key_of(logits[row + id]), id);
}

// p ln(p / q) - p + q with x = ln(p / q): never below 0, and small errors of the two sums cancel. Near 0, where
// the terms cancel, p times the series of x - 1 + e^-x.
fn kl_term(p: f32, q: f32, x: f32) -> f32 {
    if abs(x) < 0.5 {
        return p * x * x * (1.0 / 2.0 - x * (1.0 / 6.0 - x * (1.0 / 24.0 - x * (1.0 / 120.0
            - x * (1.0 / 720.0 - x * (1.0 / 5040.0 - x * (1.0 / 40320.0)))))));
    }
    return p * (x - 1.0) + q;
}

// finish: what the host reads.
@group(0) @binding(4) var<storage, read> compared: array<Compared>;     // [asks, chunks]
@group(0) @binding(5) var<storage, read> lists: array<Best>;            // [asks, N_TOP, N_TOP]
@group(0) @binding(6) var<storage, read_write> results: array<u32>;     // [asks, HEAD_WORDS], [asks, 2, N_TOP]

var<workgroup> candidates: array<Best, 400>;

@compute @workgroup_size(256)
fn finish(lane: Lane, @builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) n_groups: vec3<u32>) {
    let i = group.x;
    let here = settled[i];
    var all = Compared();
    if asks[i].compared != NOBODY || (asks[i].flags & RANKS) != 0u {
        all = add_chunks(i, asks[i].compared != NOBODY, lane);
    }
    if (asks[i].flags & READS) != 0u {
        rank_candidates(i, here, n_groups.x * HEAD_WORDS + i * 2u * N_TOP, lane);
    }
    if lane.index == 0u {
        let row = i * params.n_vocab;
        let at = i * HEAD_WORDS;
        results[at] = here.is_bad;
        results[at + 1u] = here.drawn;
        results[at + 2u] = here.next;
        results[at + 3u] = log_prob(place(row, here.next).key, here);
        results[at + 4u] = all.n_better + 1u;
        // What is no number becomes 0, as with the reference.
        results[at + 5u] = bitcast<u32>(select(0.0, all.kl, all.kl > 0.0));
        var other_next = NOBODY;
        if asks[i].compared != NOBODY {
            other_next = settled[asks[i].compared].next;
        }
        results[at + 6u] = other_next;
        results[at + 7u] = log_prob(place(row, other_next).key, here);
        results[at + 8u] = all.n_better_other + 1u;
    }
}

fn add_chunks(i: u32, is_compared: bool, lane: Lane) -> Compared {
    var mine = Compared();
    if lane.index < params.n_chunks {
        mine = compared[i * params.n_chunks + lane.index];
    }
    return compared_all(mine, is_compared, lane);
}

fn log_prob(key: u32, here: Settled) -> u32 {
    return bitcast<u32>((float_of(key) - here.top) - here.log_sum);
}

// Each candidate counts those before it; the lists are as short as they are few, a list a chunk that was chosen.
fn rank_candidates(i: u32, here: Settled, at: u32, lane: Lane) {
    let n = min(params.n_chunks, N_TOP) * N_TOP;
    for (var c = lane.index; c < n; c += 256u) {
        candidates[c] = lists[i * 400u + c];
    }
    workgroupBarrier();
    for (var c = lane.index; c < n; c += 256u) {
        let mine = candidates[c];
        var rank = 0u;
        for (var list = 0u; list < n && mine.id != NOBODY; list += N_TOP) {
            for (var j = list; j < list + N_TOP && candidates[j].id != NOBODY; j++) {
                rank += u32(is_better(candidates[j], mine));
            }
        }
        if mine.id != NOBODY && rank < N_TOP {
            results[at + rank] = mine.id;
            results[at + N_TOP + rank] = log_prob(mine.key, here);
        }
    }
}
