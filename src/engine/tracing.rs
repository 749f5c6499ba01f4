//! What a device hands back, put into the records that are kept.

use std::ops::Range;

use crate::model::RouterOutputs;
use crate::ops::{EMPTY, Ops, Prediction, Routing};
use crate::spec::{ExpertId, Position, RoutingPolicy, SeqId, TokenId};
use crate::trace::{Phase, Pick, Readout, RouterTrace, StepTrace};

/// One router's part of a step on the host: logits, choice, gates, all `[T, …]`.
pub struct Read {
    logits: Vec<f32>,
    routing: Routing,
    gates: Vec<f32>,
}

/// What is wanted of every router, and how to tell it apart when it has arrived.
pub fn wanted<O: Ops>(
    routers: Vec<RouterOutputs<O>>,
) -> (Vec<O::Tensor>, Vec<O::Routing>, Vec<bool>) {
    let has_gates = routers.iter().map(|it| it.gates.is_some()).collect();
    let (mut tensors, mut routings) = (Vec::new(), Vec::new());
    for it in routers {
        tensors.push(it.logits);
        tensors.extend(it.gates);
        routings.push(it.routing);
    }
    (tensors, routings, has_gates)
}

/// Every router's logits, choice and gates, in the order in which they were wanted.
pub fn sort(
    tensors: &mut impl Iterator<Item = Vec<f32>>,
    routings: Vec<Routing>,
    has_gates: &[bool],
) -> Vec<Read> {
    let mut next = || tensors.next().unwrap_or_default();
    let one = |(routing, gated): (Routing, &bool)| Read {
        logits: next(),
        routing,
        gates: if *gated { next() } else { Vec::new() },
    };
    routings.into_iter().zip(has_gates).map(one).collect()
}

/// The first row of the batch in which a router's raw logits or its choice's weights are not finite.
pub fn not_finite(routers: &[Read]) -> Option<usize> {
    let first = |numbers: &[f32], width: usize| {
        let found = numbers.iter().position(|it| !it.is_finite());
        found.map(|it| it / width.max(1))
    };
    let of = |it: &Read| {
        let (logits, weights) = (
            first(&it.logits, it.routing.n_experts),
            first(&it.routing.weights, it.routing.n_picks),
        );
        logits.into_iter().chain(weights).min()
    };
    routers.iter().filter_map(of).min()
}

/// One sequence's part of a step.
pub fn step(
    policy: &RoutingPolicy,
    seq: SeqId,
    (start, rows): (Position, &Range<usize>),
    tokens: &[TokenId],
    routers: &[Read],
) -> StepTrace {
    StepTrace {
        seq,
        phase: Phase::Decode,
        start,
        revision: policy.revision(),
        tokens: tokens.to_vec(),
        routers: routers.iter().map(|it| router(it, rows)).collect(),
    }
}

fn router(read: &Read, rows: &Range<usize>) -> RouterTrace {
    let Read {
        logits,
        routing,
        gates,
    } = read;
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
    }
}
