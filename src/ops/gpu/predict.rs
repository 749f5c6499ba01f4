//! What is read off the logits on the device, and how it comes back to the host.
//! The kernel is `kernels/predict.wgsl`, the reference `src/ops/cpu/predict.rs`.

use bytemuck::{Pod, Zeroable};

use super::{
    best,
    control::NOBODY,
    device::Gpu,
    draw,
    logits::{Params, Rows},
    memory::Slice,
    pipeline::Bind,
    record::Launch,
    tensor::GpuTensor,
};
use crate::ops::{Ask, Prediction, hash::pcg};
use crate::spec::{Position, TokenId};
use crate::trace::{Candidate, Comparison, N_TOP};

/// Logits one workgroup reads at least.
const CHUNK: usize = 1024;
/// Chunks of a row at most: one for each lane of a workgroup.
const MAX_CHUNKS: usize = 256;
/// Tokens of a vocabulary at most: `best` has room for what may reach its bound in a chunk of 2,048.
pub const MAX_VOCAB: usize = 2 * CHUNK * MAX_CHUNKS;
/// Words of what one chunk comes to.
const SCANNED_WORDS: usize = 6;
/// Words of what one row comes to.
const SETTLED_WORDS: usize = 6;
/// Words of a row's list of chunks: the chunks, and what an id must reach.
const CHOSEN_WORDS: usize = N_TOP + 2;
/// Words of what one chunk adds to ranks and divergence.
const COMPARED_WORDS: usize = 3;
/// Words of the head of a row's results.
const HEAD_WORDS: usize = 9;
/// Words of a row's likeliest: ids, then their ln p.
const TOP_WORDS: usize = 2 * N_TOP;

const DRAWS: u32 = 1;
const NOISY: u32 = 2;
const FILTERED: u32 = 4;
const READS: u32 = 8;
const RANKS: u32 = 16;

/// Mirrors `Ask` of the kernels.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct AskWords {
    flags: u32,
    next: u32,
    compared: u32,
    noise: u32,
    temperature: f32,
    top_k: u32,
    top_p: f32,
    min_p: f32,
}

/// What the host remembers of an ask.
#[derive(Clone, Copy, Debug)]
struct RememberedAsk {
    at: Position,
    draws: bool,
    reads: bool,
    against: Option<usize>,
}

/// What was read off some rows of logits.
///
/// The region of the host holds heads `[asks, 9]`: whether a logit is not finite; the drawn id; the
/// next id, its ln p (f32), its rank; KL (f32); the next id of the row it is compared with, its ln p
/// (f32) and rank here. Behind them, where any ask is a readout, `[asks, 2, 20]`: ids of the likeliest,
/// and their ln p (f32). `NOBODY` is no id.
#[derive(Clone, Debug)]
pub struct GpuPredicted {
    asks: Vec<RememberedAsk>,
    n_vocab: usize,
    results: Slice,
    /// The id drawn by each ask, u32, 0 where none was asked for: always below `n_drawable`, so that the
    /// next step may read it as it is. It lasts as long as this is held.
    pub(super) drawn: Slice,
}

/// Draws, reads out and compares `logits: [asks, V]`; no token from `n_drawable` on is ever drawn.
/// Five kernels, and 7 to 10 more where any ask has filters (3 for min-p alone), however many asks.
pub fn predict(gpu: &Gpu, logits: &GpuTensor, asks: &[Ask<'_>], n_drawable: usize) -> GpuPredicted {
    let rows = Rows {
        logits: &logits.slice,
        table: gpu.upload(&table(asks, n_drawable.min(logits.cols) as u32)),
        params: params(logits.cols, n_drawable),
        n_asks: asks.len() as u32,
    };
    let n_chunks = rows.params.n_chunks as usize;
    let scanned = rows.scratch(gpu, SCANNED_WORDS * n_chunks);
    launch(gpu, &rows, "scan", &[Bind::Write(&scanned)], n_chunks);
    let filtered = draw::draw(gpu, &rows, asks, &scanned);
    let settled = rows.scratch(gpu, SETTLED_WORDS);
    let chosen = rows.scratch(gpu, CHOSEN_WORDS);
    let drawn = rows.scratch(gpu, 1);
    let settle = [
        Bind::Read(&scanned),
        Bind::Read(&filtered),
        Bind::Write(&settled),
        Bind::Write(&chosen),
        Bind::Write(&drawn),
    ];
    launch(gpu, &rows, "settle", &settle, 0);
    GpuPredicted {
        asks: asks.iter().map(asked).collect(),
        n_vocab: logits.cols,
        results: results(gpu, &rows, asks, &settled, &chosen),
        drawn,
    }
}

/// What the host reads, from what the rows come to.
fn results(gpu: &Gpu, rows: &Rows<'_>, asks: &[Ask<'_>], settled: &Slice, chosen: &Slice) -> Slice {
    let n_chunks = rows.params.n_chunks as usize;
    let compared = rows.scratch(gpu, COMPARED_WORDS * n_chunks);
    let compare = [Bind::Read(settled), Bind::Write(&compared)];
    launch(gpu, rows, "compare", &compare, n_chunks);
    let has_tops = asks.iter().any(|it| it.readout);
    let lists = if has_tops {
        best::best(gpu, rows, chosen)
    } else {
        rows.scratch(gpu, 1)
    };
    let per_ask = HEAD_WORDS + if has_tops { TOP_WORDS } else { 0 };
    let n_bytes = (asks.len() * per_ask * 4) as u64;
    let out = gpu.choices.take(&gpu.memory, n_bytes);
    let finish = [
        Bind::Read(settled),
        Bind::Read(&compared),
        Bind::Read(&lists),
        Bind::Write(&out),
    ];
    launch(gpu, rows, "finish", &finish, 0);
    out
}

/// One workgroup a row, or one for each of so many chunks of it.
fn launch(gpu: &Gpu, rows: &Rows<'_>, entry: &'static str, binds: &[Bind<'_>], n_chunks: usize) {
    // What is settled of a row reads a few of its logits at most.
    let logits = if n_chunks > 0 {
        Bind::Read(rows.logits)
    } else {
        Bind::ReadSome(rows.logits, u64::from(4 * rows.n_asks))
    };
    let read = [logits, Bind::Read(&rows.table)];
    let grid = if n_chunks > 0 {
        [n_chunks as u32, rows.n_asks, 1]
    } else {
        [rows.n_asks, 1, 1]
    };
    let binds = [&read, binds].concat();
    gpu.launch(&Launch::plain("predict", entry, &binds, grid), &rows.params);
}

fn params(n_vocab: usize, n_drawable: usize) -> Params {
    let chunk = CHUNK * n_vocab.div_ceil(CHUNK * MAX_CHUNKS).max(1);
    Params {
        n_vocab: n_vocab as u32,
        n_drawable: n_drawable.min(n_vocab) as u32,
        chunk: chunk as u32,
        n_chunks: n_vocab.div_ceil(chunk).max(1) as u32,
        level: 0,
        // A chunk of masses of 1 stays within 31 bits.
        limb_bits: 31 - chunk.next_power_of_two().ilog2(),
    }
}

/// What is asked, for the kernels.
fn table(asks: &[Ask<'_>], n_drawable: u32) -> Vec<AskWords> {
    let mut flags = vec![0; asks.len()];
    for (i, ask) in asks.iter().enumerate() {
        if let Some(it) = ask.sampling {
            flags[i] |= match (it.temperature.0 == 0.0, draw::is_filtered(it, n_drawable)) {
                (true, _) => DRAWS,
                (_, true) => DRAWS | FILTERED,
                _ => DRAWS | NOISY,
            };
        }
        if ask.readout {
            flags[i] |= READS | RANKS;
        }
        if let Some(there) = ask.against {
            flags[there] |= RANKS;
        }
    }
    let one = |(ask, flags): (&Ask<'_>, u32)| {
        let sampling = ask.sampling.copied().unwrap_or_default();
        AskWords {
            flags,
            next: ask.next.map_or(NOBODY, |it| it.0),
            compared: ask.against.map_or(NOBODY, |it| it as u32),
            noise: pcg(pcg(sampling.seed) ^ ask.at.0),
            temperature: sampling.temperature.0,
            top_k: sampling.top_k,
            top_p: sampling.top_p.0,
            min_p: sampling.min_p.0,
        }
    };
    asks.iter().zip(flags).map(one).collect()
}

fn asked(ask: &Ask<'_>) -> RememberedAsk {
    RememberedAsk {
        at: ask.at,
        draws: ask.sampling.is_some(),
        reads: ask.readout,
        against: ask.against,
    }
}

/// One row's results.
struct Head<'a> {
    words: &'a [u32],
}

impl Head<'_> {
    fn finite(&self) -> bool {
        self.words[0] == 0
    }

    /// The token whose id, ln p and rank lie at these words. A row that is not finite has no ln p.
    fn candidate(&self, [id, log_prob, rank]: [usize; 3]) -> Option<Candidate> {
        let is_somebody = self.words[id] != NOBODY;
        is_somebody.then(|| Candidate {
            token: TokenId(self.words[id]),
            log_prob: self.number(log_prob),
            rank: self.words[rank],
        })
    }

    fn number(&self, at: usize) -> f32 {
        if self.finite() {
            f32::from_bits(self.words[at])
        } else {
            f32::NAN
        }
    }
}

/// Words of a head: the next token's.
const NEXT: [usize; 3] = [2, 3, 4];
/// Words of a head: those of the next token of the row it is compared with.
const OTHER_NEXT: [usize; 3] = [6, 7, 8];

impl GpuPredicted {
    /// The one region the host reads.
    pub fn slices(&self) -> &[Slice] {
        std::slice::from_ref(&self.results)
    }

    /// What was asked for, from the words of that region.
    pub fn decode(&self, words: &[u32]) -> Vec<Prediction> {
        let head = |i: usize| Head {
            words: &words[i * HEAD_WORDS..(i + 1) * HEAD_WORDS],
        };
        let one = |(i, ask): (usize, &RememberedAsk)| {
            let here = head(i);
            Prediction {
                at: ask.at,
                drawn: ask.draws.then(|| TokenId(here.words[1])),
                next: here.candidate(NEXT).filter(|_| ask.reads),
                top: if ask.reads {
                    self.top(
                        &here,
                        &words[self.asks.len() * HEAD_WORDS + i * TOP_WORDS..],
                    )
                } else {
                    Vec::new()
                },
                comparison: ask
                    .against
                    .map(|there| comparison(ask.at, &head(there), &here)),
                finite: here.finite(),
            }
        };
        self.asks.iter().enumerate().map(one).collect()
    }

    fn top(&self, head: &Head<'_>, words: &[u32]) -> Vec<Candidate> {
        let candidate = |i: usize| Candidate {
            token: TokenId(words[i]),
            log_prob: if head.finite() {
                f32::from_bits(words[N_TOP + i])
            } else {
                f32::NAN
            },
            rank: i as u32 + 1,
        };
        (0..N_TOP.min(self.n_vocab)).map(candidate).collect()
    }
}

fn comparison(at: Position, there: &Head<'_>, here: &Head<'_>) -> Comparison {
    let is_finite = there.finite() && here.finite();
    Comparison {
        at,
        // What is no number becomes 0, as with the reference.
        kl: if is_finite { here.number(5) } else { 0.0 },
        baseline: there.candidate(NEXT),
        edited: here.candidate(OTHER_NEXT),
    }
}
