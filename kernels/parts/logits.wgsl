// What the kernels that read logits share: their parameters, what is asked of each row, logits as whole
// numbers of the same order, and the best of a workgroup. Stands behind reduce_*.wgsl and hash.wgsl;
// mirrored in src/ops/gpu/logits.rs (parameters) and src/ops/gpu/predict.rs (what is asked).

struct Params {
    n_vocab: u32,    // V
    n_drawable: u32, // ids from here on are never drawn; V at most
    chunk: u32,      // logits of a row that one workgroup reads, a multiple of 256
    n_chunks: u32,   // chunks of a row, 256 at most
    level: u32,      // of the sieve
    limb_bits: u32,  // of half a mass, so that a chunk of them fits a word
}

// What is asked of row i, by the words of this table.
struct Ask {
    flags: u32,
    next: u32,       // the token that follows, or NOBODY
    compared: u32,   // the row it is compared with, or NOBODY
    noise: u32,      // pcg(pcg(seed) ^ position)
    temperature: f32,
    top_k: u32,      // 0 is off
    top_p: f32,      // 1 is off
    min_p: f32,      // 0 is off
}

const DRAWS = 1u;    // a token is drawn
const NOISY = 2u;    // with noise and without filters
const FILTERED = 4u; // with noise among what filters leave
const READS = 8u;    // the likeliest are read
const RANKS = 16u;   // the rank of the next token is read

const NOBODY = 0xffffffffu;
const N_TOP = 20u;
// Words of a row's list of chunks: N_TOP chunks, then what an id must reach.
const CHOSEN_WORDS = 22u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<u32>; // [asks, V], bits of f32
@group(0) @binding(2) var<storage, read> asks: array<Ask>;   // [asks]

// A number of the total order of floats, and the id that has it.
struct Best {
    key: u32,
    id: u32,
}

// What one chunk of a row comes to.
struct Scanned {
    best: Best,    // of all V
    drawn: Best,   // of what may be drawn, with noise where it is NOISY
    sum: f32,      // of e^(z - best)
    is_bad: u32,   // whether a logit is not finite
}

// Floats in their total order as whole numbers: what is decided by them is decided exactly.
fn key_of(bits: u32) -> u32 {
    return select(bits | 0x80000000u, ~bits, (bits & 0x80000000u) != 0u);
}

fn float_of(key: u32) -> f32 {
    return bitcast<f32>(select(~key, key & 0x7fffffffu, (key & 0x80000000u) != 0u));
}

// Worse than everything.
fn nothing() -> Best {
    return Best(0u, NOBODY);
}

// Ties go to the lowest id.
fn is_better(a: Best, b: Best) -> bool {
    return a.key > b.key || (a.key == b.key && a.id < b.id);
}

fn best_of(a: Best, b: Best) -> Best {
    if is_better(b, a) {
        return b;
    }
    return a;
}

// The same on every lane. All 256 must call.
fn best_all(mine: Best, lane: Lane) -> Best {
    let key = max_word_all(mine.key, lane);
    let id = ~max_word_all(select(0u, ~mine.id, mine.key == key), lane);
    return Best(key, id);
}

// A logit over the temperature plus the noise of its id.
fn noisy(ask: Ask, bits: u32, v: u32) -> Best {
    let score = bitcast<f32>(bits) / ask.temperature + gumbel(ask.noise, v);
    return Best(key_of(bitcast<u32>(score)), v);
}
