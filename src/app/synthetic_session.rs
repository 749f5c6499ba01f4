//! A made-up session of any size: two rows and a counterfactual, routing from a hash. The window is measured
//! and tested with it where no such model fits the machine.

use crate::engine::Event;
use crate::spec::{
    ExpertId, Ffn, HeadSpec, InputSpec, InterventionSet, LayerId, LayerSpec, Mixer, MlpSpec,
    ModelSpec, MoeSpec, NormSpec, Position, Revision, RouterId, RouterSpec, SeqId, TokenId,
    TokenTable, Topology,
};
use crate::trace::{
    Candidate, Comparison, DeviceFacts, GateFacts, ModelFacts, N_TOP, NearestRows, ParameterCount,
    Phase, Pick, PickState, Readout, RouterTrace, RowEvent, RowId, ShownRows, StepTrace,
    WeightShare,
};

/// The vocabulary, parted by `¦`; the text is these over and over.
const PIECES: &str = "<|endoftext|>¦Il¦ était¦ une¦ fois¦ une¦ petite¦ fille¦ qui¦ avait¦ été¦ occup¦ée¦;¦ elle¦ se¦ trouvait¦ à¦ droite¦\
    ,¦ d'¦un¦ air¦ de¦ cent¦aine¦ de¦ l'¦autre¦.¦\n¦\n¦Elle¦ s'¦avança¦it¦ dans¦ l'¦herbe¦,¦ et¦ c'¦\
    était¦ tout¦ à¦ fait¦ a¦stoni¦ée¦ the¦ lion¦ was¦ very¦ sorry¦ for¦ him¦.¦ He¦ found¦ that¦ it¦ was¦ a¦ good¦ thing¦ to¦ do";

/// How a made-up model is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// L; each layer has one router.
    pub n_layers: u16,
    /// E.
    pub n_experts: usize,
    /// k.
    pub top_k: usize,
}

/// As the Tour model.
pub const TOUR_LIKE: Size = Size {
    n_layers: 6,
    n_experts: 8,
    top_k: 2,
};
/// As Qwen3-235B-A22B.
pub const HUGE: Size = Size {
    n_layers: 94,
    n_experts: 128,
    top_k: 8,
};

/// Its edits.
pub const LIST: [&str; 4] = [
    "mask:2.5@8..",
    "mask:3.6@8..",
    "force:4.1@8..",
    "bias:5.5=2@8..",
];

/// The rows of the session, by their ids.
const BASELINE: u32 = 1;
const EDITED: u32 = 2;
const COUNTERFACTUAL: u32 = 3;

/// A made-up session.
#[derive(Clone, Copy, Debug)]
pub struct SyntheticSession {
    /// The model.
    pub size: Size,
    /// Most positions.
    pub n_ctx: usize,
    /// Given tokens of each row.
    pub n_given: u32,
    /// The edits of the edited row and the counterfactual, as text.
    pub list: &'static [&'static str],
    /// The first position they act on.
    pub edited_from: u32,
}

impl SyntheticSession {
    /// Nine given tokens, four edits from the last of them on.
    #[must_use]
    pub fn new(size: Size) -> Self {
        Self {
            size,
            n_ctx: 512,
            n_given: 9,
            list: &LIST,
            edited_from: 8,
        }
    }

    /// The model is open, `n` tokens of the baseline were read, nothing was edited.
    #[must_use]
    pub fn baseline(&self, n: u32) -> Vec<Event> {
        let given: Vec<u32> = (0..self.n_given).collect();
        let mut out = vec![
            Event::Opened(Box::new(self.facts())),
            self.forked(BASELINE, None, 0),
            self.shown(false),
            Event::Row(RowEvent::Stepped {
                row: RowId(BASELINE),
                step: self.step(0, &given, Phase::Prefill, 0),
                readouts: readouts(0, &given),
                comparisons: Vec::new(),
            }),
        ];
        out.extend((self.n_given..n).map(|at| self.one(BASELINE, at, at)));
        out.push(Event::Speed {
            tokens_per_sec: 310.0,
        });
        out
    }

    /// The same under the list, with the counterfactual and `n_edited` tokens of the edited row.
    #[must_use]
    pub fn edited(&self, n: u32, n_edited: u32) -> Vec<Event> {
        let mut out = self.baseline(n);
        let from = self.edited_from as usize;
        out.push(self.forked(EDITED, Some(BASELINE), from));
        out.push(self.forked(COUNTERFACTUAL, Some(BASELINE), from));
        out.push(self.shown(true));
        out.extend((self.edited_from..n).map(|at| self.one(COUNTERFACTUAL, at, at)));
        out.extend((self.edited_from..n_edited).map(|at| self.one_edited(at)));
        out
    }

    /// The next token of all three rows, where they hold `at` positions each.
    #[must_use]
    pub fn next(&self, at: u32) -> [Event; 3] {
        [
            self.one(BASELINE, at, at),
            self.one_edited(at),
            self.one(COUNTERFACTUAL, at, at),
        ]
    }

    /// What is shown of the model.
    #[must_use]
    pub fn facts(&self) -> ModelFacts {
        let Size {
            n_layers,
            n_experts,
            top_k,
        } = self.size;
        let n_ctx = self.n_ctx;
        let words: Vec<&str> = pieces().collect();
        let routers =
            (0..n_layers).map(|it| RouterSpec::softmax_top_k(LayerId(it), n_experts, top_k));
        ModelFacts {
            name: "Made up".to_owned(),
            spec: ModelSpec {
                family: "mixtral".to_owned(),
                family_label: "Mixtral".to_owned(),
                d_model: 8,
                n_vocab: words.len(),
                n_ctx,
                input: InputSpec::Tokens { scale: 1.0 },
                norm: NormSpec::rms(1e-5),
                encoder: None,
                layers: (0..n_layers).map(layer).collect(),
                head: HeadSpec::plain(true, 1.0),
                routers: routers.collect(),
            },
            dtype: "bf16".to_owned(),
            parameters: ParameterCount {
                total: 7_221_920,
                active: 4_203_680,
            },
            weight_shares: weight_shares(),
            weight_bytes: 14_443_840,
            cache_bytes_per_position: 3_072,
            available_bytes: Some(22_000_000_000),
            gates: (0..n_layers).map(|it| gate(it, n_experts)).collect(),
            device: DeviceFacts::cpu(),
            tokens: TokenTable {
                pieces: words.iter().map(|it| it.as_bytes().to_vec()).collect(),
                special: words.iter().map(|it| it.starts_with("<|")).collect(),
                scale: None,
                start: None,
            },
            has_tokenizer: true,
            has_chat_template: false,
            eos: vec![TokenId(0)],
            n_ctx,
            notes: Vec::new(),
        }
    }

    fn forked(&self, row: u32, parent: Option<u32>, at: usize) -> Event {
        let list = if parent.is_some() { self.list } else { &[] };
        let edits: InterventionSet = list.iter().filter_map(|it| it.parse().ok()).collect();
        Event::Row(RowEvent::Forked {
            row: RowId(row),
            parent: parent.map(RowId),
            at: Position::new(at),
            n_given: self.n_given as usize,
            edits: (Revision(u32::from(parent.is_some())), edits),
        })
    }

    fn shown(&self, edited: bool) -> Event {
        Event::Row(RowEvent::Shown(ShownRows {
            baseline: RowId(BASELINE),
            edited: edited.then_some(RowId(EDITED)),
            counterfactual: edited.then_some(RowId(COUNTERFACTUAL)),
            edited_from: edited.then_some(Position(self.edited_from)),
            revision: Revision(u32::from(edited)),
        }))
    }

    fn one_edited(&self, at: u32) -> Event {
        let same = at <= self.edited_from.max(self.n_given + 1);
        let token = if same { at } else { 35 + at };
        self.one(EDITED, at, token)
    }

    fn one(&self, row: u32, at: u32, token: u32) -> Event {
        let token = token % n_vocab();
        let phase = if at < self.n_given {
            Phase::Prefill
        } else {
            Phase::Decode
        };
        let kl = (hash(at) % 1000) as f32 / 1000.0;
        let own = Candidate {
            token: TokenId((at + 1) % n_vocab()),
            log_prob: -((hash(at) % 500) as f32) / 100.0,
            rank: 1 + hash(at) % 9,
        };
        let comparison = Comparison {
            at: Position(at),
            kl: kl.powi(6) * 6.2,
            baseline: Some(own),
            edited: Some(Candidate {
                log_prob: own.log_prob - kl,
                rank: own.rank + 1,
                ..own
            }),
        };
        Event::Row(RowEvent::Stepped {
            row: RowId(row),
            step: self.step(at as usize, &[token], phase, row - BASELINE),
            readouts: readouts(at as usize, &[token]),
            comparisons: (row == COUNTERFACTUAL)
                .then_some(comparison)
                .into_iter()
                .collect(),
        })
    }

    /// Routing of `tokens` at `start`; `salt` tells rows apart.
    fn step(&self, start: usize, tokens: &[u32], phase: Phase, salt: u32) -> StepTrace {
        let routers = (0..u32::from(self.size.n_layers)).map(|layer| {
            let mut out = RouterTrace {
                n_experts: self.size.n_experts,
                n_picks: self.size.top_k,
                ..RouterTrace::default()
            };
            for token in tokens {
                self.route(&mut out, hash(layer ^ hash(*token ^ salt)));
            }
            out
        });
        StepTrace {
            seq: SeqId(salt),
            phase,
            start: Position::new(start),
            revision: Revision(u32::from(salt > 0)),
            tokens: tokens.iter().copied().map(TokenId).collect(),
            routers: routers.collect(),
        }
    }

    /// One row: some experts are liked less than others.
    fn route(&self, out: &mut RouterTrace, seed: u32) {
        let Size {
            n_experts, top_k, ..
        } = self.size;
        let logits: Vec<f32> = (0..n_experts as u32)
            .map(|e| (hash(seed ^ hash(e)) >> 16) as f32 / 16_384.0 - (hash(e ^ 0x4d) % 3) as f32)
            .collect();
        let mut order: Vec<usize> = (0..n_experts).collect();
        order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b)));
        let total: f32 = order[..top_k].iter().map(|it| logits[*it].exp()).sum();
        out.picks.extend(order[..top_k].iter().map(|it| Pick {
            expert: ExpertId::new(*it),
            weight: logits[*it].exp() / total,
            state: PickState::Chosen,
        }));
        out.margin
            .push(Some(logits[order[top_k - 1]] - logits[order[top_k]]));
        out.weight_sum.push(1.0);
        out.logits.extend(logits);
    }
}

fn readouts(start: usize, tokens: &[u32]) -> Vec<Readout> {
    let readout = |n: usize| Readout {
        at: Position::new(start + n),
        next: tokens.get(n + 1).map(|it| Candidate {
            token: TokenId(*it),
            log_prob: -((hash(*it) % 500) as f32) / 100.0,
            rank: 1 + hash(*it) % 9,
        }),
        top: top(start + n, tokens[n]),
        forecast: Vec::new(),
    };
    (0..tokens.len()).map(readout).collect()
}

/// The likeliest tokens: probabilities that fall off, other tokens at each place, others in each row.
fn top(at: usize, token: u32) -> Vec<Candidate> {
    let seed = hash(at as u32 ^ hash(token)) % n_vocab();
    (0..N_TOP as u32)
        .map(|place| Candidate {
            token: TokenId((seed + place * 3) % n_vocab()),
            log_prob: (0.3f32 * 0.8f32.powi(place as i32)).ln(),
            rank: place + 1,
        })
        .collect()
}

fn pieces() -> impl Iterator<Item = &'static str> {
    PIECES.split('¦')
}

fn n_vocab() -> u32 {
    pieces().count() as u32
}

fn weight_shares() -> Vec<WeightShare> {
    let kinds = [
        ("embedding and head", 1_048_576),
        ("attention", 1_179_648),
        ("routers", 12_288),
        ("experts", 4_978_048),
        ("norms", 3_360),
    ];
    let share = |(kind, parameters): (&str, u64)| WeightShare {
        kind: kind.to_owned(),
        parameters,
        bytes: 2 * parameters,
    };
    kinds.map(share).into()
}

/// Norms between 1 and 2, the first two rows most alike.
fn gate(layer: u16, n_experts: usize) -> GateFacts {
    let norm = |e: u32| 1.0 + (hash(u32::from(layer) ^ hash(e)) >> 16) as f32 / 65_536.0;
    GateFacts {
        same_rows: Vec::new(),
        empty_rows: Vec::new(),
        is_one_number: false,
        selection_bias: Vec::new(),
        norms: (0..n_experts as u32).map(norm).collect(),
        nearest: Some(NearestRows {
            a: ExpertId(0),
            b: ExpertId(1),
            cosine: 0.25 + f32::from(layer) / 512.0,
        }),
        n_not_finite: 0,
    }
}

fn layer(n: u16) -> LayerSpec {
    LayerSpec {
        mixer: Mixer::None,
        cross: None,
        ffn: Ffn::Moe(MoeSpec::plain(RouterId(n), MlpSpec::silu(8))),
        topology: Topology::PreNorm,
        residual_scale: 1.0,
        norms: [None; 4],
        is_scaled: false,
    }
}

fn hash(seed: u32) -> u32 {
    let x = seed.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let y = ((x >> ((x >> 28) + 4)) ^ x).wrapping_mul(277_803_737);
    (y >> 22) ^ y
}
