//! What a device hands back, put into the records that are kept.

use super::passes::Placed;
use crate::model::RouterOutputs;
use crate::ops::{EMPTY, Ops, Prediction, Routing};
use crate::spec::{
    ExpertId, ModelSpec, Position, RouterSpec, RoutingPolicy, SeqId, StackId, TokenId,
};
use crate::trace::{Phase, Pick, Readout, RouterTrace, StepTrace};

/// What is read back of a router: where it stands, whether it ran, and whether it has gates of a shared expert.
#[derive(Clone, Copy, Debug)]
pub struct Expected {
    stack: StackId,
    n_experts: usize,
    ran: bool,
    has_gates: bool,
}

/// One router's part of a step on the host: logits, choice, gates, all `[T, …]` of the rows of its stack.
pub struct Read {
    of: Expected,
    logits: Vec<f32>,
    routing: Routing,
    gates: Vec<f32>,
}

/// What is wanted of every router of both stacks, encoder first, and how to tell it apart when it has arrived.
pub fn wanted<O: Ops>(
    spec: &ModelSpec,
    [encoded, decoded]: [Option<Vec<RouterOutputs<O>>>; 2],
) -> (Vec<O::Tensor>, Vec<O::Routing>, Vec<Expected>) {
    let mut encoded = encoded.into_iter().flatten();
    let mut decoded = decoded.into_iter().flatten();
    let (mut tensors, mut routings) = (Vec::new(), Vec::new());
    let one = |router: &RouterSpec| {
        let stack = router.place.stack;
        let out = match stack {
            StackId::Encoder => encoded.next(),
            StackId::Decoder => decoded.next(),
        };
        let expected = Expected {
            stack,
            n_experts: router.n_experts,
            ran: out.is_some(),
            has_gates: out.as_ref().is_some_and(|it| it.gates.is_some()),
        };
        if let Some(it) = out {
            tensors.push(it.logits);
            tensors.extend(it.gates);
            routings.push(it.routing);
        }
        expected
    };
    let expected = spec.routers.iter().map(one).collect();
    (tensors, routings, expected)
}

/// Every router's logits, choice and gates, in the order in which they were wanted; nothing of one that did not run.
pub fn sort(
    tensors: &mut impl Iterator<Item = Vec<f32>>,
    routings: Vec<Routing>,
    expected: &[Expected],
) -> Vec<Read> {
    let mut routings = routings.into_iter();
    let mut next = |is_there: bool| {
        let tensor = is_there.then(|| tensors.next());
        tensor.flatten().unwrap_or_default()
    };
    let one = |of: &Expected| Read {
        of: *of,
        logits: next(of.ran),
        routing: of
            .ran
            .then(|| routings.next())
            .flatten()
            .unwrap_or_default(),
        gates: next(of.has_gates),
    };
    expected.iter().map(one).collect()
}

/// The first row of a stack in which a router's raw logits or its choice's weights are not finite.
pub fn not_finite(routers: &[Read]) -> Option<(StackId, usize)> {
    let first = |numbers: &[f32], width: usize| {
        let found = numbers.iter().position(|it| !it.is_finite());
        found.map(|it| it / width.max(1))
    };
    let of = |it: &Read| {
        let (logits, weights) = (
            first(&it.logits, it.routing.n_experts),
            first(&it.routing.weights, it.routing.n_picks),
        );
        let row = logits.into_iter().chain(weights).min()?;
        Some((it.of.stack, row))
    };
    routers.iter().filter_map(of).min_by_key(|it| it.1)
}

/// One sequence's part of a step. Routers of the stack it did not go through have no rows.
pub fn step(
    policy: &RoutingPolicy,
    seq: SeqId,
    placed: &Placed,
    tokens: &[TokenId],
    routers: &[Read],
) -> StepTrace {
    StepTrace {
        seq,
        phase: Phase::Decode,
        start: placed.at,
        revision: policy.revision(),
        tokens: tokens.to_vec(),
        routers: routers.iter().map(|it| router(it, placed)).collect(),
    }
}

fn router(read: &Read, placed: &Placed) -> RouterTrace {
    let Read {
        of,
        logits,
        routing,
        gates,
    } = read;
    if of.stack != placed.stack {
        return RouterTrace {
            n_experts: of.n_experts,
            ..RouterTrace::default()
        };
    }
    let rows = &placed.rows;
    let (e, k) = (routing.n_experts, routing.n_picks);
    let part = |values: &[f32], n: usize| {
        values
            .get(rows.start * n..rows.end * n)
            .unwrap_or(&[])
            .to_vec()
    };
    let n_groups = routing
        .groups_kept
        .len()
        .checked_div(routing.n_rows())
        .unwrap_or(0);
    RouterTrace {
        n_experts: e,
        n_picks: k,
        logits: part(logits, e),
        picks: (rows.start * k..rows.end * k)
            .map(|i| pick(routing, i))
            .collect(),
        margin: routing.margin[rows.clone()]
            .iter()
            .map(|it| Some(*it).filter(|it| !it.is_nan()))
            .collect(),
        weight_sum: part(&routing.weight_sum, 1),
        shared_gate: part(gates, 1),
        selection: part(&routing.selection, e),
        groups_kept: routing.groups_kept[rows.start * n_groups..rows.end * n_groups].to_vec(),
    }
}

fn pick(routing: &Routing, i: usize) -> Pick {
    let expert = if routing.experts[i] == EMPTY {
        0
    } else {
        routing.experts[i]
    };
    Pick {
        expert: ExpertId(expert),
        weight: routing.weights[i],
        state: routing.states[i],
    }
}

/// What was predicted at one position; takes the list out of the prediction.
pub fn readout(it: &mut Prediction) -> Readout {
    Readout {
        at: it.at,
        next: it.next,
        top: std::mem::take(&mut it.top),
        forecast: Vec::new(),
    }
}

/// What is predicted at a position of a source: nothing.
pub fn silence((_, at): (usize, Position)) -> Readout {
    Readout {
        at,
        ..Readout::default()
    }
}
