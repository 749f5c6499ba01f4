//! A little "model" whose logits are a hash of all tokens so far and of the edits at each position:
//! an edit at p changes what is predicted from p on, and nothing else does. It counts its work.

use std::{
    cmp::Ordering,
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread::sleep,
    time::Duration,
};

use super::cut;
use crate::engine::{
    Backend, BackendError, Capture, Feed, LoadProgress, LoadStep, LoadingJob, ModelSource,
    OpenError, OpenModel, Opener, Row, Step, StepRow, Ticket, Wait,
};
use crate::spec::{
    ExpertId, HeadSpec, InputSpec, LayerId, ModelSpec, NormSpec, Position, Revision, RouterId,
    RouterSpec, RoutingPolicy, Sampling, SeqId, TokenId, TokenTable,
};
use crate::study::EncodeError;
use crate::trace::{
    Candidate, Comparison, DeviceFacts, ModelFacts, N_TOP, ParameterCount, Phase, Pick, PickState,
    Readout, RouterTrace, StepTrace,
};

pub const N_VOCAB: usize = 48;
pub const EOS: TokenId = TokenId(1);
/// Bytes of "cache" a position takes.
pub const POSITION_BYTES: usize = 1000;

/// Work done, seen from outside.
#[derive(Debug, Default)]
pub struct Counts {
    pub steps: AtomicUsize,
    pub tokens: AtomicUsize,
}

/// How the toy behaves.
#[derive(Clone, Debug)]
pub struct Toy {
    pub n_ctx: usize,
    /// Added to the logit of the end-of-text token.
    pub eos_bias: f32,
    /// What a token takes.
    pub token_time: Duration,
    /// Reading this token fails.
    pub bad_token: Option<TokenId>,
    /// Reading this token panics.
    pub deadly_token: Option<TokenId>,
    /// Whether a step is to be submitted before the last one is polled.
    pub runs_ahead: bool,
    pub counts: Arc<Counts>,
}

impl Default for Toy {
    fn default() -> Self {
        Self {
            n_ctx: 400,
            eos_bias: -50.0,
            token_time: Duration::ZERO,
            bad_token: None,
            deadly_token: None,
            runs_ahead: false,
            counts: Arc::default(),
        }
    }
}

impl Toy {
    pub fn n_tokens(&self) -> usize {
        self.counts.tokens.load(SeqCst)
    }

    pub fn backend(&self) -> ToyBackend {
        ToyBackend {
            toy: self.clone(),
            spec: spec(self.n_ctx),
            seqs: HashMap::new(),
            n_opened: 0,
            done: HashMap::new(),
        }
    }
}

pub fn spec(n_ctx: usize) -> ModelSpec {
    ModelSpec {
        family: "toy".to_owned(),
        family_label: "Toy".to_owned(),
        d_model: 8,
        n_vocab: N_VOCAB,
        n_ctx,
        input: InputSpec::Tokens { scale: 1.0 },
        norm: NormSpec::rms(1e-5),
        encoder: None,
        layers: Vec::new(),
        head: HeadSpec::plain(true, 1.0),
        routers: (0..2)
            .map(|it| RouterSpec::softmax_top_k(LayerId(it), 4, 1))
            .collect(),
    }
}

pub fn facts(toy: &Toy) -> ModelFacts {
    ModelFacts {
        name: "Toy".to_owned(),
        spec: spec(toy.n_ctx),
        dtype: "f32".to_owned(),
        parameters: ParameterCount::default(),
        weight_shares: Vec::new(),
        weight_bytes: 0,
        cache_bytes_per_position: POSITION_BYTES as u64,
        available_bytes: None,
        gates: Vec::new(),
        device: DeviceFacts::cpu(),
        tokens: TokenTable {
            pieces: (0..N_VOCAB)
                .map(|it| format!("{it} ").into_bytes())
                .collect(),
            special: (0..N_VOCAB).map(|it| it < 2).collect(),
            ..TokenTable::default()
        },
        has_chat_template: false,
        has_tokenizer: true,
        eos: vec![EOS],
        n_ctx: toy.n_ctx,
        notes: Vec::new(),
    }
}

/// Loads a toy in three slices; `missing` is not there, `broken` fails, `endless` never ends.
pub struct ToyOpener(pub Toy);

struct ToyLoad {
    toy: Toy,
    n_slices: u64,
    fails: bool,
}

impl Opener for ToyOpener {
    fn open(&mut self, source: &ModelSource) -> Result<Box<dyn LoadingJob>, OpenError> {
        let name = match source {
            ModelSource::Bundled(_) => String::new(),
            ModelSource::Path(path) => path.display().to_string(),
        };
        match name.as_str() {
            "missing" => Err(OpenError::NoModel("there is no folder missing".to_owned())),
            name => Ok(Box::new(ToyLoad {
                toy: self.0.clone(),
                n_slices: if name == "endless" { u64::MAX } else { 3 },
                fails: name == "broken",
            })),
        }
    }
}

impl LoadingJob for ToyLoad {
    fn advance(&mut self) -> Result<LoadStep, OpenError> {
        self.n_slices -= 1;
        if self.n_slices == 0 && self.fails {
            return Err(OpenError::NoModel("the last tensor is missing".to_owned()));
        }
        if self.n_slices > 0 {
            sleep(Duration::from_millis(1));
            return Ok(LoadStep::Going(LoadProgress {
                done_bytes: 3u64.saturating_sub(self.n_slices),
                total_bytes: 3,
                needed_bytes: 3,
                available_bytes: None,
            }));
        }
        Ok(LoadStep::Done(Box::new(OpenModel {
            examiner: None,
            mover: None,
            ahead: None,
            backend: Box::new(self.toy.backend()),
            facts: facts(&self.toy),
            encode: Some(Box::new(|text, _form| {
                let ids = text.split_whitespace().map(|it| it.parse().map(TokenId));
                ids.collect::<Result<_, _>>()
                    .map_err(|_| EncodeError::Text(format!("no token for \"{text}\"")))
            })),
        })))
    }
}

#[derive(Clone, Debug, Default)]
struct Seq {
    /// Hash up to each position, and the token there.
    held: Vec<(u64, TokenId)>,
    drawn: Option<TokenId>,
}

pub struct ToyBackend {
    toy: Toy,
    spec: ModelSpec,
    seqs: HashMap<SeqId, Seq>,
    n_opened: u32,
    done: HashMap<Ticket, Step>,
}

fn mix(a: u64, b: u64) -> u64 {
    let mut x = a.rotate_left(25) ^ b.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    for _ in 0..2 {
        x = (x ^ (x >> 31)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    }
    x ^ (x >> 29)
}

fn policy_hash(policy: &RoutingPolicy, at: Position) -> u64 {
    let touched = (0..2u16).filter_map(|it| policy.at(RouterId(it), at).map(|row| (it, row)));
    touched.fold(0, |hash, (it, row)| {
        let text = format!("{it} {row:?}");
        text.bytes().fold(hash, |hash, it| mix(hash, u64::from(it)))
    })
}

/// From -1 to 1.
fn unit(hash: u64) -> f32 {
    (hash >> 40) as f32 / (1u32 << 23) as f32 - 1.0
}

impl ToyBackend {
    fn log_probs(&self, hash: u64) -> Vec<f32> {
        let mut logits: Vec<f32> = (0..N_VOCAB)
            .map(|v| 3.0 * unit(mix(hash, v as u64 + 1)))
            .collect();
        logits[EOS.idx()] += self.toy.eos_bias;
        let max = logits.iter().copied().fold(f32::MIN, f32::max);
        let sum: f32 = logits.iter().map(|it| (it - max).exp()).sum();
        logits.iter().map(|it| it - max - sum.ln()).collect()
    }

    fn routed(
        hash: u64,
        policy: &RoutingPolicy,
        at: Position,
        router: u16,
    ) -> (Vec<f32>, ExpertId) {
        let logits: Vec<f32> = (0..4)
            .map(|e| unit(mix(hash, 1000 + u64::from(router) * 10 + e)))
            .collect();
        let allows = |e: &usize| {
            policy
                .at(RouterId(router), at)
                .is_none_or(|it| it.allows(*e))
        };
        let best = (0..4)
            .filter(allows)
            .max_by(|a, b| logits[*a].total_cmp(&logits[*b]));
        (logits, ExpertId::new(best.unwrap_or(0)))
    }

    fn row(
        &self,
        row: &Row<'_>,
        tokens: &[TokenId],
        capture: Capture,
    ) -> (Seq, StepRow, Vec<Vec<f32>>) {
        let mut seq = self.seqs[&row.seq].clone();
        let start = seq.held.len();
        let mut routers = vec![
            RouterTrace {
                n_experts: 4,
                n_picks: 1,
                ..RouterTrace::default()
            };
            2
        ];
        let mut log_probs = Vec::new();
        for (t, token) in tokens.iter().enumerate() {
            let at = Position::new(start + t);
            let before = seq.held.last().map_or(7, |it| it.0);
            let hash = mix(
                mix(before, u64::from(token.0) + 1),
                policy_hash(row.policy, at),
            );
            seq.held.push((hash, *token));
            log_probs.push(self.log_probs(hash));
            for (router, trace) in (0..).zip(&mut routers) {
                let (logits, expert) = Self::routed(hash, row.policy, at, router);
                trace.logits.extend(logits);
                trace.picks.push(Pick {
                    expert,
                    weight: 1.0,
                    state: PickState::Chosen,
                });
                trace.margin.push(None);
                trace.weight_sum.push(1.0);
            }
        }
        let end = seq.held.len();
        let last = log_probs.last().map_or(&[][..], |it| it);
        let drawn = row.sampling.map(|it| draw(last, it, end - 1));
        seq.drawn = drawn;
        let readouts = log_probs.iter().enumerate().map(|(t, it)| {
            let next = tokens.get(t + 1).copied().or(row.next).or(drawn);
            readout(it, Position::new(start + t), next)
        });
        let is_told = capture != Capture::None;
        let step = StepRow {
            trace: StepTrace {
                seq: row.seq,
                phase: Phase::Decode,
                start: Position::new(start),
                revision: Revision(0),
                tokens: tokens.to_vec(),
                routers: if is_told { routers } else { Vec::new() },
            },
            readouts: if is_told {
                readouts.collect()
            } else {
                Vec::new()
            },
            drawn,
            comparisons: Vec::new(),
            logits: Vec::new(),
        };
        (seq, step, log_probs)
    }
}

fn draw(log_probs: &[f32], sampling: &Sampling, at: usize) -> TokenId {
    let seed = mix(u64::from(sampling.seed), at as u64 + 1);
    let key = |v: usize| {
        let share = unit(mix(seed, v as u64 + 1)) * 0.499_999 + 0.5;
        let noise = -(-share.ln()).ln();
        log_probs[v] + sampling.temperature.0 * noise
    };
    let best = (0..log_probs.len()).max_by(|a, b| key(*a).total_cmp(&key(*b)));
    TokenId::new(best.unwrap_or(0))
}

fn candidate(log_probs: &[f32], token: TokenId) -> Candidate {
    let log_prob = log_probs[token.idx()];
    let is_before = |(v, it): (usize, &f32)| match it.total_cmp(&log_prob) {
        Ordering::Greater => true,
        Ordering::Equal => v < token.idx(),
        Ordering::Less => false,
    };
    let n_before = log_probs
        .iter()
        .enumerate()
        .filter(|it| is_before(*it))
        .count();
    Candidate {
        token,
        log_prob,
        rank: n_before as u32 + 1,
    }
}

fn readout(log_probs: &[f32], at: Position, next: Option<TokenId>) -> Readout {
    let mut top: Vec<Candidate> = (0..log_probs.len())
        .map(|v| candidate(log_probs, TokenId::new(v)))
        .collect();
    top.sort_by_key(|it| it.rank);
    top.truncate(N_TOP);
    Readout {
        at,
        next: next.map(|it| candidate(log_probs, it)),
        top,
        forecast: Vec::new(),
    }
}

/// Two rows on the same tokens.
fn compare(baseline: &[Vec<f32>], edited: &[Vec<f32>], readouts: &[Readout]) -> Vec<Comparison> {
    let rows = baseline.iter().zip(edited).zip(readouts);
    rows.map(|((p, q), readout)| Comparison {
        at: readout.at,
        kl: p
            .iter()
            .zip(q)
            .map(|(p, q)| p.exp() * (p - q))
            .sum::<f32>()
            .max(0.0),
        baseline: readout.next,
        edited: readout.next.map(|it| candidate(q, it.token)),
    })
    .collect()
}

impl Backend for ToyBackend {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn open(&mut self) -> SeqId {
        self.n_opened += 1;
        self.seqs.insert(SeqId(self.n_opened), Seq::default());
        SeqId(self.n_opened)
    }

    fn submit(&mut self, batch: &[Row<'_>], capture: Capture) -> Result<Ticket, BackendError> {
        let mut done = Vec::new();
        for row in batch {
            let seq = self
                .seqs
                .get(&row.seq)
                .ok_or(BackendError::NoSequence(row.seq))?;
            let tokens = match row.feed {
                Feed::Tokens(it) => it.to_vec(),
                Feed::Drawn(it) => self.seqs[&it].drawn.into_iter().collect(),
            };
            let (n_ctx, wanted) = (self.toy.n_ctx, seq.held.len() + tokens.len());
            if wanted > n_ctx {
                return Err(BackendError::ContextFull { n_ctx, wanted });
            }
            if tokens.is_empty() {
                return Err(BackendError::BadBatch("a row reads nothing".to_owned()));
            }
            if let Some(it) = tokens.iter().find(|it| Some(**it) == self.toy.bad_token) {
                return Err(BackendError::NotANumber(format!("token {it} gave NaN")));
            }
            assert!(
                !tokens.iter().any(|it| Some(*it) == self.toy.deadly_token),
                "the toy broke"
            );
            self.toy.counts.tokens.fetch_add(tokens.len(), SeqCst);
            done.push(self.row(row, &tokens, capture));
        }
        self.toy.counts.steps.fetch_add(1, SeqCst);
        for (at, row) in batch.iter().enumerate() {
            let Some(other) = row.against else { continue };
            let ((_, a, p), (_, b, q)) = (&done[other], &done[at]);
            assert_eq!(
                (a.trace.start, &a.trace.tokens),
                (b.trace.start, &b.trace.tokens)
            );
            done[at].1.comparisons = compare(p, q, &a.readouts);
        }
        let mut rows = Vec::new();
        for (row, (seq, step, _)) in batch.iter().zip(done) {
            self.seqs.insert(row.seq, seq);
            rows.push(step);
        }
        let ticket = Ticket(self.toy.counts.steps.load(SeqCst) as u64);
        self.done.insert(ticket, Step { rows });
        Ok(ticket)
    }

    fn poll(&mut self, ticket: Ticket, _wait: Wait) -> Result<Option<Step>, BackendError> {
        sleep(self.toy.token_time);
        self.done
            .remove(&ticket)
            .map(Some)
            .ok_or(BackendError::Dropped)
    }

    fn fork(&mut self, seq: SeqId, at: Position) -> Result<(SeqId, Position), BackendError> {
        let mut copy = self
            .seqs
            .get(&seq)
            .ok_or(BackendError::NoSequence(seq))?
            .clone();
        if copy.held.len() < at.idx() {
            return Err(BackendError::BadBatch(format!(
                "{seq} is shorter than {at}"
            )));
        }
        copy.held.truncate(cut(at));
        copy.drawn = None;
        let id = self.open();
        let at = Position::new(copy.held.len());
        self.seqs.insert(id, copy);
        Ok((id, at))
    }

    fn rewind(&mut self, seq: SeqId, to: Position) -> Position {
        let seq_held = self.seqs.get_mut(&seq);
        if let Some(it) = seq_held.filter(|it| it.held.len() > to.idx()) {
            it.held.truncate(cut(to));
        }
        Position::new(self.len(seq))
    }

    fn release(&mut self, seq: SeqId) {
        assert!(self.seqs.remove(&seq).is_some(), "released twice");
    }

    fn runs_ahead(&self) -> bool {
        self.toy.runs_ahead
    }

    fn len(&self, seq: SeqId) -> usize {
        self.seqs.get(&seq).map_or(0, |it| it.held.len())
    }

    fn cache_bytes(&self) -> u64 {
        (self.seqs.keys().map(|it| self.len(*it)).sum::<usize>() * POSITION_BYTES) as u64
    }

    fn cache_bytes_per_position(&self) -> usize {
        POSITION_BYTES
    }
}
