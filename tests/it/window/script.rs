//! A made-up session: a model of any size, two rows and a twin, routing from a hash. And a link that
//! says what it was told to say and keeps what it was asked.

use std::{cell::RefCell, rc::Rc};

use moescope::app::Link;
use moescope::engine::{Event, Request, Rows};
use moescope::spec::{
    ExpertId, Ffn, HeadSpec, InputSpec, InterventionSet, LayerId, LayerSpec, Mixer, MlpSpec,
    ModelSpec, MoeSpec, NormSpec, Position, Revision, RouterId, RouterSpec, SeqId, TokenId,
    TokenTable, Topology,
};
use moescope::trace::{
    Candidate, Comparison, ModelFacts, ParameterCount, Phase, Pick, PickState, Readout,
    RouterTrace, RowId, StepTrace,
};

/// What was asked, and what is to be said.
#[derive(Clone, Default)]
pub struct Script {
    pub asked: Rc<RefCell<Vec<Request>>>,
    pub says: Rc<RefCell<Vec<Event>>>,
}

impl Link for Script {
    fn send(&mut self, request: Request) -> Result<(), Request> {
        self.asked.borrow_mut().push(request);
        Ok(())
    }

    fn events(&mut self) -> Vec<Event> {
        self.says.take()
    }
}

impl Script {
    pub fn say(&self, events: impl IntoIterator<Item = Event>) {
        self.says.borrow_mut().extend(events);
    }
}

const WORDS: &[&str] = &[
    "<|endoftext|>",
    "Il",
    " était",
    " une",
    " fois",
    " une",
    " petite",
    " fille",
    " qui",
    " avait",
    " été",
    " occup",
    "ée",
    ";",
    " elle",
    " se",
    " trouvait",
    " à",
    " droite",
    ",",
    " d'",
    "un",
    " air",
    " de",
    " cent",
    "aine",
    " de",
    " l'",
    "autre",
    ".",
    "\n",
    "\n",
    "Elle",
    " s'",
    "avança",
    "it",
    " dans",
    " l'",
    "herbe",
    ",",
    " et",
    " c'",
    "était",
    " tout",
    " à",
    " fait",
    " a",
    "stoni",
    "ée",
    " the",
    " lion",
    " was",
    " very",
    " sorry",
    " for",
    " him",
    ".",
    " He",
    " found",
    " that",
    " it",
    " was",
    " a",
    " good",
    " thing",
    " to",
    " do",
];

/// How a made-up model is built.
#[derive(Clone, Copy)]
pub struct Size {
    pub n_layers: u16,
    pub n_experts: usize,
    pub top_k: usize,
}

pub const TOUR_LIKE: Size = Size {
    n_layers: 6,
    n_experts: 8,
    top_k: 2,
};
pub const HUGE: Size = Size {
    n_layers: 94,
    n_experts: 128,
    top_k: 8,
};

fn hash(seed: u32) -> u32 {
    let x = seed.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let y = ((x >> ((x >> 28) + 4)) ^ x).wrapping_mul(277_803_737);
    (y >> 22) ^ y
}

pub fn facts(size: Size) -> ModelFacts {
    let routers = (0..size.n_layers)
        .map(|it| RouterSpec::softmax_top_k(LayerId(it), size.n_experts, size.top_k))
        .collect();
    ModelFacts {
        name: "Made up".to_owned(),
        spec: ModelSpec {
            family: "mixtral".to_owned(),
            family_label: "Mixtral".to_owned(),
            d_model: 8,
            n_vocab: WORDS.len(),
            n_ctx: 512,
            input: InputSpec::Tokens { scale: 1.0 },
            norm: NormSpec::rms(1e-5),
            encoder: None,
            layers: (0..size.n_layers).map(layer).collect(),
            head: HeadSpec::plain(true, 1.0),
            routers,
        },
        dtype: "bf16".to_owned(),
        parameters: ParameterCount {
            total: 7_221_920,
            active: 4_203_680,
        },
        weight_bytes: 14_443_840,
        device: "CPU".to_owned(),
        tokens: TokenTable {
            pieces: WORDS.iter().map(|it| it.as_bytes().to_vec()).collect(),
            special: WORDS.iter().map(|it| it.starts_with("<|")).collect(),
        },
        has_tokenizer: true,
        has_chat_template: false,
        eos: vec![TokenId(0)],
        n_ctx: 512,
        notes: Vec::new(),
    }
}

fn layer(n: u16) -> LayerSpec {
    LayerSpec {
        mixer: Mixer::Other("made up".to_owned()),
        cross: None,
        ffn: Ffn::Moe(MoeSpec::plain(RouterId(n), MlpSpec::silu(8))),
        topology: Topology::PreNorm,
        residual_scale: 1.0,
        norms: [None; 4],
    }
}

/// Routing of `tokens` at `start`; `salt` tells rows apart.
fn step(size: Size, start: usize, tokens: &[u32], phase: Phase, salt: u32) -> StepTrace {
    let routers = (0..u32::from(size.n_layers)).map(|layer| {
        let mut out = RouterTrace {
            n_experts: size.n_experts,
            n_picks: size.top_k,
            ..RouterTrace::default()
        };
        for (n, token) in tokens.iter().enumerate() {
            route(&mut out, size, hash(layer ^ hash(*token ^ salt)), start + n);
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

/// One row: a few experts are liked more than others, the last of them never.
fn route(out: &mut RouterTrace, size: Size, seed: u32, _at: usize) {
    let logits: Vec<f32> = (0..size.n_experts as u32)
        .map(|e| (hash(seed ^ hash(e)) >> 16) as f32 / 16_384.0 - (hash(e ^ 0x4d) % 3) as f32)
        .collect();
    let mut order: Vec<usize> = (0..size.n_experts).collect();
    order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]).then(a.cmp(b)));
    let total: f32 = order[..size.top_k].iter().map(|it| logits[*it].exp()).sum();
    out.picks.extend(order[..size.top_k].iter().map(|it| Pick {
        expert: ExpertId::new(*it),
        weight: logits[*it].exp() / total,
        state: PickState::Chosen,
    }));
    out.margin.push(Some(
        logits[order[size.top_k - 1]] - logits[order[size.top_k]],
    ));
    out.weight_sum.push(1.0);
    out.logits.extend(logits);
}

fn readouts(start: usize, tokens: &[u32]) -> Vec<Readout> {
    (0..tokens.len())
        .map(|n| Readout {
            at: Position::new(start + n),
            next: tokens.get(n + 1).map(|it| Candidate {
                token: TokenId(*it),
                log_prob: -((hash(*it) % 500) as f32) / 100.0,
                rank: 1 + hash(*it) % 9,
            }),
            top: Vec::new(),
        })
        .collect()
}

fn forked(row: u32, parent: Option<u32>, at: usize, n_given: usize, list: &[&str]) -> Event {
    let edits: InterventionSet = list.iter().map(|it| it.parse().unwrap()).collect();
    Event::Forked {
        row: RowId(row),
        parent: parent.map(RowId),
        at: Position::new(at),
        n_given,
        edits: (Revision(u32::from(!list.is_empty())), edits),
    }
}

/// Given tokens of the baseline.
pub const N_GIVEN: u32 = 9;
/// Where the list of the made-up session starts to act.
pub const EDITED_FROM: u32 = 8;
/// The list of the made-up session.
pub const LIST: [&str; 4] = [
    "mask:2.5@8..",
    "mask:3.6@8..",
    "force:4.1@8..",
    "bias:5.5=2@8..",
];

/// A model is open, `n` tokens were written, nothing was edited.
pub fn baseline(size: Size, n: u32) -> Vec<Event> {
    let given: Vec<u32> = (0..N_GIVEN).collect();
    let mut out = vec![
        Event::Opened(Box::new(facts(size))),
        forked(1, None, 0, given.len(), &[]),
        shown(false),
        Event::Stepped {
            row: RowId(1),
            step: step(size, 0, &given, Phase::Prefill, 0),
            readouts: readouts(0, &given),
            comparisons: Vec::new(),
        },
    ];
    out.extend((N_GIVEN..n).map(|at| one(size, 1, at, at, 0, false)));
    out.push(Event::Speed {
        tokens_per_sec: 310.0,
    });
    out
}

/// The same under `LIST`, with the twin and `n_edited` tokens of the edited row.
pub fn edited(size: Size, n: u32, n_edited: u32) -> Vec<Event> {
    let mut out = baseline(size, n);
    let from = EDITED_FROM as usize;
    out.push(forked(2, Some(1), from, N_GIVEN as usize, &LIST));
    out.push(forked(3, Some(1), from, N_GIVEN as usize, &LIST));
    out.push(shown(true));
    out.extend((EDITED_FROM..n).map(|at| one(size, 3, at, at, 2, true)));
    for at in EDITED_FROM..n_edited {
        let token = if at < N_GIVEN + 2 { at } else { 35 + at };
        out.push(one(size, 2, at, token, 1, false));
    }
    out
}

fn one(size: Size, row: u32, at: u32, token: u32, salt: u32, compared: bool) -> Event {
    let token = token % WORDS.len() as u32;
    let phase = if at < N_GIVEN {
        Phase::Prefill
    } else {
        Phase::Decode
    };
    let kl = (hash(at) % 1000) as f32 / 1000.0;
    let comparison = Comparison {
        at: Position(at),
        kl: kl.powi(6) * 6.2,
        baseline: None,
        edited: None,
    };
    Event::Stepped {
        row: RowId(row),
        step: step(size, at as usize, &[token], phase, salt),
        readouts: readouts(at as usize, &[token]),
        comparisons: compared.then_some(comparison).into_iter().collect(),
    }
}

fn shown(edited: bool) -> Event {
    Event::Shown(Rows {
        baseline: RowId(1),
        edited: edited.then_some(RowId(2)),
        twin: edited.then_some(RowId(3)),
        edited_from: edited.then_some(Position(EDITED_FROM)),
        revision: Revision(u32::from(edited)),
    })
}
