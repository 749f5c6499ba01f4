//! Chooses the experts of one token. The reference of `kernels/route.wgsl`.
//!
//! Order of work: bias edits on z, score `s = score(z)`, selection score `c = s + selection bias`, edits of c, masks
//! (`c = -inf`), group filter, forced experts and top-k of c (or random choice), weights from s, given shares, uniform
//! weights, zeroed and swapped experts. Which of them a router has is in [`RouterSpec`].
//!
//! **Invariant:** cannot fail. What could is refused when the list is lowered.

use crate::ops::{EMPTY, Routing, hash::pcg};

use crate::spec::{
    Algo, ExpertId, GroupScore, Groups, Position, Renorm, RouterPolicy, RouterSpec, Score, Weight,
};
use crate::trace::PickState;

/// A sum of softmax scores whose parts have lost digits, or are 0.
const FAINT: f32 = 1e-30;

/// Scratch space of one thread's routing; `[E]` each.
#[derive(Debug, Default)]
struct Scores {
    z: Vec<f32>,
    score: Vec<f32>,
    select: Vec<f32>,
    open: Vec<bool>,
    chosen: Vec<usize>,
    weights: Vec<f32>,
}

/// Routes one more row into `out`.
///
/// * `logits`: raw gate outputs `[E]`
/// * `of_experts`: the model's selection bias `[E]`, where it has one; behind it its factors on the weights `[E]`, where it
///   has those
/// * `edits`: what holds for this router at `at`; `None` is the model's own rule and nothing else
pub fn route(
    logits: &[f32],
    of_experts: Option<&[f32]>,
    spec: &RouterSpec,
    edits: Option<&RouterPolicy>,
    at: Position,
    out: &mut Routing,
) {
    let of_experts = of_experts.unwrap_or(&[]);
    let n_biases = if spec.select_bias { spec.n_experts } else { 0 };
    let (model_bias, factors) = of_experts.split_at(n_biases.min(of_experts.len()));
    let mut it = score(logits, model_bias, spec, edits);
    let kept = spec.groups.map(|groups| close_groups(&mut it, groups));
    let forced = edits.map_or(&[][..], |it| &it.forced);
    let k = edits.map_or(spec.top_k, |it| it.k);
    it.chosen = forced.iter().map(|(e, _)| e.idx()).collect();
    let random = edits.and_then(|it| it.random);
    match random {
        Some(seed) => choose_random(&mut it, k, edits, seed, spec, at),
        None => choose_best(&mut it, k),
    }
    let margin = if random.is_some() {
        f32::NAN
    } else {
        margin(&it, forced.len(), edits)
    };
    let turns = turns(&it, forced, random, spec, at);
    // From here on by id, so that sums do not depend on the order in which experts were found.
    it.chosen.sort_unstable();
    let sum = match spec.algo {
        Algo::SparseMixer { eps } => weigh_by_turns(&mut it, &turns, eps, edits),
        _ => weigh(&mut it, spec),
    };
    if spec.per_expert_scale {
        let weights = it.weights.iter_mut().zip(&it.chosen);
        weights.for_each(|(weight, e)| *weight *= factors.get(*e).copied().unwrap_or(1.0));
    }
    if let Some(edits) = edits {
        share(&mut it, edits);
    }
    record(&it, forced, edits, out);
    out.margin.push(margin);
    out.weight_sum.push(sum);
    if spec.select_bias {
        out.selection.extend_from_slice(&it.select);
    }
    out.groups_kept.extend(kept.into_iter().flatten());
}

/// z with its biases, the score, what selects, and who may be chosen.
fn score(
    logits: &[f32],
    model_bias: &[f32],
    spec: &RouterSpec,
    edits: Option<&RouterPolicy>,
) -> Scores {
    let mut z = logits.to_vec();
    if let Some(cap) = spec.logit_softcap {
        z.iter_mut().for_each(|it| *it = cap * (*it / cap).tanh());
    }
    let add = |to: &mut [f32], by: &[f32]| to.iter_mut().zip(by).for_each(|(to, by)| *to += by);
    add(&mut z, edits.map_or(&[], |it| &it.logit_bias));
    let score = match spec.score {
        Score::Softmax => softmax(&z),
        Score::Sigmoid => z.iter().map(|it| 1.0 / (1.0 + (-it).exp())).collect(),
        Score::SqrtSoftplus => z.iter().map(|it| softplus(*it).sqrt()).collect(),
        Score::Logit => z.clone(),
    };
    let mut select = score.clone();
    add(&mut select, model_bias);
    add(&mut select, edits.map_or(&[], |it| &it.select_bias));
    let open = (0..z.len())
        .map(|e| edits.is_none_or(|it| it.allows(e)))
        .collect();
    Scores {
        z,
        score,
        select,
        open,
        chosen: Vec::new(),
        weights: Vec::new(),
    }
}

fn softplus(z: f32) -> f32 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

fn softmax(z: &[f32]) -> Vec<f32> {
    let max = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut out: Vec<f32> = z.iter().map(|it| (it - max).exp()).collect();
    let sum: f32 = out.iter().sum();
    out.iter_mut().for_each(|it| *it /= sum);
    out
}

/// Better first, ties to the lowest id; not-a-number last.
fn by_rank(select: &[f32]) -> impl Fn(&usize, &usize) -> std::cmp::Ordering + '_ {
    let key = |e: usize| {
        if select[e].is_nan() {
            f32::NEG_INFINITY
        } else {
            select[e]
        }
    };
    move |a, b| key(*b).total_cmp(&key(*a)).then(a.cmp(b))
}

/// Closes the experts of losing groups; a group scores by its unmasked members, one with none is never kept.
fn close_groups(it: &mut Scores, groups: Groups) -> Vec<bool> {
    let size = it.z.len() / groups.n;
    let worth = |g: usize| {
        let mut members: Vec<usize> = (g * size..(g + 1) * size).filter(|e| it.open[*e]).collect();
        members.sort_by(by_rank(&it.select));
        let best = |n: usize| members.iter().take(n).map(|e| it.select[*e]).sum::<f32>();
        match (members.is_empty(), groups.by) {
            (true, _) => f32::NEG_INFINITY,
            (false, GroupScore::Max) => best(1),
            (false, GroupScore::Top2Sum) => best(2),
        }
    };
    let worths: Vec<f32> = (0..groups.n).map(worth).collect();
    let mut order: Vec<usize> = (0..groups.n).collect();
    order.sort_by(by_rank(&worths));
    let mut kept = vec![false; groups.n];
    order
        .iter()
        .take(groups.keep)
        .filter(|g| worths[**g] > f32::NEG_INFINITY)
        .for_each(|g| kept[*g] = true);
    for (e, open) in it.open.iter_mut().enumerate() {
        *open &= kept[e / size];
    }
    kept
}

/// Fills the picks that forced experts leave with the best open ones.
fn choose_best(it: &mut Scores, k: usize) {
    let mut rest: Vec<usize> = (0..it.z.len())
        .filter(|e| it.open[*e] && !it.chosen.contains(e))
        .collect();
    let n = k.saturating_sub(it.chosen.len()).min(rest.len());
    if n < rest.len() && n > 0 {
        rest.select_nth_unstable_by(n - 1, by_rank(&it.select));
    }
    rest.truncate(n);
    it.chosen.extend(rest);
}

/// Fills the picks that forced experts leave with the unmasked experts of the smallest keys; groups do not limit them.
fn choose_random(
    it: &mut Scores,
    k: usize,
    edits: Option<&RouterPolicy>,
    seed: u32,
    spec: &RouterSpec,
    at: Position,
) {
    let key = random_key(seed, spec, at);
    let unmasked = |e: usize| edits.is_none_or(|it| it.allows(e));
    let mut rest: Vec<usize> = (0..it.z.len())
        .filter(|e| unmasked(*e) && !it.chosen.contains(e))
        .collect();
    rest.sort_by_key(|e| (pcg(key ^ *e as u32), *e));
    rest.truncate(k.saturating_sub(it.chosen.len()));
    it.chosen.extend(rest);
}

/// What the hash of each expert begins with.
fn random_key(seed: u32, spec: &RouterSpec, at: Position) -> u32 {
    pcg(pcg(pcg(seed) ^ u32::from(spec.place.layer.0)) ^ at.0)
}

/// The chosen in the order in which sparsemixer takes them: forced ones as listed, then the others, best first.
fn turns(
    it: &Scores,
    forced: &[(ExpertId, Option<f32>)],
    random: Option<u32>,
    spec: &RouterSpec,
    at: Position,
) -> Vec<usize> {
    if !matches!(spec.algo, Algo::SparseMixer { .. }) {
        return Vec::new();
    }
    let n_forced = forced.len().min(it.chosen.len());
    let (first, rest) = it.chosen.split_at(n_forced);
    let mut rest = rest.to_vec();
    match random {
        Some(seed) => {
            let key = random_key(seed, spec, at);
            rest.sort_by_key(|e| (pcg(key ^ *e as u32), *e));
        }
        None => rest.sort_by(by_rank(&it.select)),
    }
    first.iter().copied().chain(rest).collect()
}

/// Weights by sparsemixer (`sparsemixer` in Transformers' `modeling_phimoe.py`, without jitter). In its turn expert e,
/// with `m = z_e`, is weighed by the softmax of z at e over the experts i with `(m - z_i) / max(|z_i|, m) <= 2 eps`
/// that are not masked and had no turn. Returns the sum of the weights.
fn weigh_by_turns(it: &mut Scores, turns: &[usize], eps: f32, edits: Option<&RouterPolicy>) -> f32 {
    let z = &it.z;
    let mut weights = vec![0.0; it.chosen.len()];
    for (turn, e) in turns.iter().enumerate() {
        let takes_part =
            |i: &usize| edits.is_none_or(|it| it.allows(*i)) && !turns[..turn].contains(i);
        let is_near = |i: &usize| {
            let distance = (z[*e] - z[*i]) / z[*i].abs().max(z[*e]);
            // Where both are 0 it is no number, and they are near.
            distance.is_nan() || distance <= 2.0 * eps
        };
        let near: Vec<usize> = (0..z.len()).filter(takes_part).filter(is_near).collect();
        let near_z: Vec<f32> = near.iter().map(|i| z[*i]).collect();
        let at = near.iter().position(|i| i == e);
        let weight = at.map_or(f32::NAN, |at| softmax(&near_z)[at]);
        if let Ok(pick) = it.chosen.binary_search(e) {
            weights[pick] = weight;
        }
    }
    it.weights = weights;
    it.weights.iter().sum()
}

/// The weakest pick that was not forced minus the best open expert left out; NaN where one of them is missing.
fn margin(it: &Scores, n_forced: usize, edits: Option<&RouterPolicy>) -> f32 {
    let free = &it.chosen[n_forced.min(it.chosen.len())..];
    let weakest = free
        .iter()
        .map(|e| it.select[*e])
        .fold(f32::INFINITY, f32::min);
    let left_out =
        |e: &usize| it.open[*e] && edits.is_none_or(|it| it.allows(*e)) && !it.chosen.contains(e);
    let best = (0..it.z.len())
        .filter(left_out)
        .map(|e| it.select[e])
        .fold(f32::NEG_INFINITY, f32::max);
    if weakest.is_finite() && best.is_finite() {
        weakest - best
    } else {
        f32::NAN
    }
}

/// The weights of the chosen by the family's rule; returns their sum before renormalising.
fn weigh(it: &mut Scores, spec: &RouterSpec) -> f32 {
    let mut weights: Vec<f32> = match spec.weight {
        Weight::Score => it.chosen.iter().map(|e| it.score[*e]).collect(),
        Weight::SoftmaxOverTopK => softmax(&it.chosen.iter().map(|e| it.z[*e]).collect::<Vec<_>>()),
        Weight::SigmoidOfLogit => it
            .chosen
            .iter()
            .map(|e| 1.0 / (1.0 + (-it.z[*e]).exp()))
            .collect(),
    };
    let sum: f32 = weights.iter().sum();
    // Scores below what f32 holds, as under the bias of an expert that is masked: their proportions are still in z.
    if sum < FAINT && spec.score == Score::Softmax && spec.renorm != Renorm::None {
        weights = softmax(&it.chosen.iter().map(|e| it.z[*e]).collect::<Vec<_>>());
    }
    let total: f32 = weights.iter().sum();
    let divisor = match spec.renorm {
        Renorm::None => None,
        Renorm::Sum { eps, min } => Some(total.max(min) + eps),
        Renorm::PNorm(p) => Some(
            weights
                .iter()
                .map(|it| it.abs().powf(p))
                .sum::<f32>()
                .powf(1.0 / p),
        ),
    };
    if let Some(divisor) = divisor {
        weights.iter_mut().for_each(|it| *it /= divisor);
    }
    if divisor.is_none() || !spec.scale_only_if_not_renorm {
        weights.iter_mut().for_each(|it| *it *= spec.scale);
    }
    it.weights = weights;
    sum
}

/// Shares of forced experts, or all weights made equal.
fn share(it: &mut Scores, edits: &RouterPolicy) {
    let total: f32 = it.weights.iter().sum();
    if edits.uniform {
        let equal = total / it.weights.len().max(1) as f32;
        return it.weights.fill(equal);
    }
    let share_of = |e: usize| {
        edits
            .forced
            .iter()
            .find(|(id, _)| id.idx() == e)
            .and_then(|(_, share)| *share)
    };
    let shares: Vec<Option<f32>> = it.chosen.iter().map(|e| share_of(*e)).collect();
    if shares.iter().all(Option::is_none) {
        return;
    }
    let given: f32 = shares.iter().flatten().sum();
    let n_free = shares.iter().filter(|it| it.is_none()).count();
    let free: f32 = it
        .weights
        .iter()
        .zip(&shares)
        .filter(|(_, share)| share.is_none())
        .map(|(w, _)| w)
        .sum();
    // Where group limits left only shared picks, the shares are scaled to sum to 1.
    let scale = if n_free == 0 { 1.0 / given } else { 1.0 };
    for (weight, share) in it.weights.iter_mut().zip(&shares) {
        *weight = match share {
            Some(share) => share * scale * total,
            None if free > 0.0 => *weight / free * (1.0 - given) * total,
            None => (1.0 - given) * total / n_free as f32,
        };
    }
}

fn record(
    it: &Scores,
    forced: &[(ExpertId, Option<f32>)],
    edits: Option<&RouterPolicy>,
    out: &mut Routing,
) {
    let mut order: Vec<usize> = (0..it.chosen.len()).collect();
    order.sort_by(|a, b| {
        it.weights[*b]
            .total_cmp(&it.weights[*a])
            .then(it.chosen[*a].cmp(&it.chosen[*b]))
    });
    for pick in 0..out.n_picks {
        let Some(i) = order.get(pick) else {
            out.experts.push(EMPTY);
            out.networks.push(EMPTY);
            out.weights.push(0.0);
            out.states.push(PickState::Empty);
            continue;
        };
        let expert = ExpertId::new(it.chosen[*i]);
        let network = edits.map_or(Some(expert), |it| it.network(expert));
        let state = if forced.iter().any(|(id, _)| *id == expert) {
            PickState::Forced
        } else {
            PickState::Chosen
        };
        out.experts.push(expert.0);
        out.networks.push(network.map_or(EMPTY, |it| it.0));
        out.weights.push(it.weights[*i]);
        out.states.push(state);
    }
}
