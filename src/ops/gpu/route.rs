//! The choice of one router on the device, and how it comes back to the host.
//! The kernel is `kernels/route.wgsl`, the reference `src/ops/cpu/route.rs`.

use bytemuck::{Pod, Zeroable};

use super::{
    control::{EditRecords, NOBODY},
    device::Gpu,
    memory::Slice,
    pipeline::Bind,
    record::{Launch, MAX_GROUPS},
    tensor::GpuTensor,
    weight::GpuWeight,
};
use crate::ops::{BatchSpan, EMPTY, Routing, routing::n_picks};

use crate::spec::{Algo, GroupScore, MAX_EXPERTS, Renorm, RouterId, RouterSpec, Score, Weight};
use crate::trace::PickState;

/// The choice of one router for T rows, K picks each, as words of one region, part after part:
///
/// | part | words | what |
/// |---|---|---|
/// | 0 | `[T, K]` | experts by applied weight, strongest first; `NOBODY` last |
/// | 1 | `[T, K]` | the expert whose network runs for that pick; `NOBODY` where nothing does |
/// | 2 | `[T, K]` | applied weights, f32 |
/// | 3 | `[T, K]` | 0 empty, 1 chosen, 2 forced, 3 dropped |
/// | 4 | `[T, K]` | picks in ascending order of their expert's id, empty ones last: the order of sums |
/// | 5 | `[T]` | margin, f32, NaN where there is none |
/// | 6 | `[T]` | sum of the weights before they were renormalised, f32 |
/// | 7 | `[T, E]` | what selected, f32, where the model has a selection bias |
/// | 8 | `[T, G]` | 1 for a group kept, where the family limits them |
#[derive(Clone, Debug)]
pub struct GpuRouting {
    /// The region, of the arena the host reads at the end of the step.
    pub(super) slice: Slice,
    /// T.
    pub(super) n_rows: usize,
    /// E.
    pub(super) n_experts: usize,
    /// K.
    pub(super) n_picks: usize,
    /// Whether part 7 is there.
    pub(super) has_selection: bool,
    /// G, 0 without groups.
    pub(super) n_groups: usize,
}

impl GpuRouting {
    /// The region without what rounds it up.
    pub fn exact(&self) -> Slice {
        self.slice.first((self.n_words() * 4) as u64)
    }

    /// Words of the region.
    pub fn n_words(&self) -> usize {
        let per_row = 5 * self.n_picks
            + 2
            + if self.has_selection {
                self.n_experts
            } else {
                0
            }
            + self.n_groups;
        self.n_rows * per_row
    }

    /// The first word of a part.
    pub fn part_at(&self, part: usize) -> usize {
        let picks = self.n_rows * self.n_picks;
        match part {
            0..=5 => part * picks,
            6 => 5 * picks + self.n_rows,
            7 => 5 * picks + 2 * self.n_rows,
            _ => 5 * picks + 2 * self.n_rows + self.selection_words(),
        }
    }

    fn selection_words(&self) -> usize {
        if self.has_selection {
            self.n_rows * self.n_experts
        } else {
            0
        }
    }

    /// The choice on the host.
    pub fn decode(&self, words: &[u32]) -> Routing {
        let part = |i: usize, n: usize| &words[self.part_at(i)..self.part_at(i) + n];
        let picks = self.n_rows * self.n_picks;
        let id = |it: &u32| if *it == NOBODY { EMPTY } else { *it as u16 };
        let float = |it: &u32| f32::from_bits(*it);
        Routing {
            n_experts: self.n_experts,
            n_picks: self.n_picks,
            experts: part(0, picks).iter().map(id).collect(),
            networks: part(1, picks).iter().map(id).collect(),
            weights: part(2, picks).iter().map(float).collect(),
            states: part(3, picks)
                .iter()
                .map(|it| match *it {
                    CHOSEN => PickState::Chosen,
                    FORCED => PickState::Forced,
                    DROPPED => PickState::Dropped,
                    _ => PickState::Empty,
                })
                .collect(),
            margin: part(5, self.n_rows).iter().map(float).collect(),
            weight_sum: part(6, self.n_rows).iter().map(float).collect(),
            selection: part(7, self.selection_words()).iter().map(float).collect(),
            groups_kept: part(8, self.n_rows * self.n_groups)
                .iter()
                .map(|it| *it != 0)
                .collect(),
        }
    }
}

/// Mirrors `Params` of the kernel.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    n_rows: u32,
    n_experts: u32,
    n_picks: u32,
    top_k: u32,
    score: u32,
    weight: u32,
    renorm: u32,
    flags: u32,
    n_groups: u32,
    n_groups_kept: u32,
    softcap: f32,
    scale: f32,
    eps: f32,
    min: f32,
    p: f32,
    threshold: f32,
}

/// Lanes of a workgroup.
const LANES: usize = 256;

/// `Params::score`.
const SOFTMAX: u32 = 0;
const SIGMOID: u32 = 1;
const SQRT_SOFTPLUS: u32 = 2;
const LOGIT: u32 = 3;

/// `Params::weight`.
const OF_SCORE: u32 = 0;
const SOFTMAX_OVER_CHOSEN: u32 = 1;
const SIGMOID_OF_LOGIT: u32 = 2;

/// `Params::renorm`.
const NO_RENORM: u32 = 0;
const BY_SUM: u32 = 1;
const BY_P_NORM: u32 = 2;

/// States of a pick, in part 3; the kernel's `NOT_CHOSEN` is every other.
const CHOSEN: u32 = 1;
const FORCED: u32 = 2;
/// As `kernels/capacity.wgsl` writes it.
const DROPPED: u32 = 3;

/// Bits of `Params::flags`.
const HAS_MODEL_BIAS: u32 = 1;
const RECORDS_SELECTION: u32 = 2;
const IS_EDITED: u32 = 4;
const HAS_SHARES: u32 = 8;
const BY_TOP_2: u32 = 16;
const IS_SCALED: u32 = 32;
const HAS_SOFTCAP: u32 = 64;
const BY_TURNS: u32 = 128;
const HAS_OWN_FACTORS: u32 = 256;

/// Chooses the experts of every row from raw logits `[T, E]`, under each span's edits: one dispatch,
/// however many edits there are. `logits` may lie anywhere but among the choices.
pub fn route(
    gpu: &Gpu,
    logits: &GpuTensor,
    of_experts: Option<&GpuWeight>,
    id: RouterId,
    spec: &RouterSpec,
    spans: &[BatchSpan<'_>],
) -> GpuRouting {
    debug_assert!(spec.n_experts <= MAX_EXPERTS);
    let control = EditRecords::of(id, spec, spans, logits.rows);
    let mut out = GpuRouting {
        slice: logits.slice.clone(),
        n_rows: logits.rows,
        n_experts: spec.n_experts,
        n_picks: n_picks(id, spec, spans),
        has_selection: spec.select_bias,
        n_groups: spec.groups.map_or(0, |it| it.n),
    };
    out.slice = gpu.choices.take(&gpu.memory, (out.n_words() * 4) as u64);
    let mut params = params(spec, &out);
    params.flags |= if of_experts.is_some() && spec.select_bias {
        HAS_MODEL_BIAS
    } else {
        0
    };
    params.flags |= match &control {
        None => 0,
        Some(it) if it.has_shares => IS_EDITED | HAS_SHARES,
        Some(_) => IS_EDITED,
    };
    let control = control.map(|it| gpu.upload(&it.words));
    // What the flags say is not there is never read.
    let nothing = &logits.slice;
    let binds = [
        Bind::Read(&logits.slice),
        of_experts.map_or(Bind::Unused(nothing), |it| Bind::Read(&it.vector)),
        control.as_ref().map_or(Bind::Unused(nothing), Bind::Read),
        Bind::Write(&out.slice),
    ];
    let rows = out.n_rows as u32;
    let per_lane = spec.n_experts.div_ceil(LANES) as f64;
    let launch = Launch {
        constants: &[("PER_LANE", per_lane)],
        ..Launch::plain(
            "route",
            "route",
            &binds,
            [rows.min(MAX_GROUPS), rows.div_ceil(MAX_GROUPS), 1],
        )
    };
    gpu.launch(&launch, &params);
    out
}

/// The family's rule in the kernel's words.
fn params(spec: &RouterSpec, out: &GpuRouting) -> Params {
    let groups = spec.groups;
    let jitter = match spec.algo {
        Algo::SparseMixer { eps } => Some(eps),
        _ => None,
    };
    let (renorm, eps, min, p) = match spec.renorm {
        Renorm::None => (NO_RENORM, 0.0, 0.0, 1.0),
        Renorm::Sum { eps, min } => (BY_SUM, eps, min, 1.0),
        Renorm::PNorm(p) => (BY_P_NORM, 0.0, 0.0, p),
    };
    let is_scaled = spec.renorm == Renorm::None || !spec.scale_only_if_not_renorm;
    let flags = [
        (spec.select_bias, RECORDS_SELECTION),
        (
            groups.is_some_and(|it| it.by == GroupScore::Top2Sum),
            BY_TOP_2,
        ),
        (is_scaled, IS_SCALED),
        (spec.logit_softcap.is_some(), HAS_SOFTCAP),
        (jitter.is_some(), BY_TURNS),
        (spec.per_expert_scale, HAS_OWN_FACTORS),
    ];
    Params {
        n_rows: out.n_rows as u32,
        n_experts: out.n_experts as u32,
        n_picks: out.n_picks as u32,
        top_k: spec.top_k as u32,
        score: match spec.score {
            Score::Softmax => SOFTMAX,
            Score::Sigmoid => SIGMOID,
            Score::SqrtSoftplus => SQRT_SOFTPLUS,
            Score::Logit => LOGIT,
        },
        weight: match spec.weight {
            Weight::Score => OF_SCORE,
            Weight::SoftmaxOverTopK => SOFTMAX_OVER_CHOSEN,
            Weight::SigmoidOfLogit => SIGMOID_OF_LOGIT,
        },
        renorm,
        flags: flags.iter().filter(|it| it.0).map(|it| it.1).sum(),
        n_groups: out.n_groups as u32,
        n_groups_kept: groups.map_or(0, |it| it.keep as u32),
        softcap: spec.logit_softcap.unwrap_or(1.0),
        scale: spec.scale,
        eps,
        min,
        p,
        threshold: 2.0 * jitter.unwrap_or(0.0),
    }
}
