//! An order of a router's experts in which those picked together stand side by side.
//!
//! Ids of experts carry no order of their own: training hands them out at random. A chain grown
//! greedily from the pair most often picked together is no optimum, but it is fast, gives the same
//! order for the same counts, and puts what belongs together next to each other.

use crate::spec::{ExpertId, RouterId, TokenId};
use crate::trace::TraceStore;

/// Co-picks of one router over a trace: `n_ij`, `[E, E]`, symmetric, `n_i` on the diagonal. Tokens for
/// which `special` holds are left out.
#[must_use]
pub fn pair_counts(
    store: &TraceStore,
    router: RouterId,
    n_experts: usize,
    special: impl Fn(TokenId) -> bool,
) -> Vec<u32> {
    let mut out = vec![0; n_experts * n_experts];
    for step in store.steps() {
        let Some(trace) = step.routers.get(router.idx()) else {
            continue;
        };
        let rows = 0..trace.n_rows().min(step.tokens.len());
        for row in rows.filter(|it| !special(step.tokens[*it])) {
            let picks = trace.picks_of(row).map(|it| it.expert.idx());
            for a in picks.clone().filter(|it| *it < n_experts) {
                for b in picks.clone().filter(|it| *it < n_experts) {
                    out[a * n_experts + b] += 1;
                }
            }
        }
    }
    out
}

/// Every expert once, from counts as `pair_counts` gives them. Pairs are weighed by
/// `n_ij / √(n_i · n_j)`, so that an expert picked for everything is nobody's neighbour for that alone.
/// Each chain starts with the pair that weighs most and grows at the end that has the heavier
/// neighbour; what is left starts the next; experts never picked with another come last, by id.
#[must_use]
pub fn chained(counts: &[u32], n_experts: usize) -> Vec<ExpertId> {
    let weight = |a: usize, b: usize| {
        let n = |a: usize, b: usize| f64::from(counts[a * n_experts + b]);
        if a == b || counts[a * n_experts + b] == 0 {
            0.0
        } else {
            n(a, b) / (n(a, a) * n(b, b)).sqrt()
        }
    };
    let mut free: Vec<usize> = (0..n_experts).collect();
    let mut out: Vec<usize> = Vec::with_capacity(n_experts);
    while let Some((a, b)) = heaviest_pair(&free, &weight) {
        let mut chain = std::collections::VecDeque::from([a, b]);
        free.retain(|it| *it != a && *it != b);
        loop {
            let (first, last) = (chain[0], chain[chain.len() - 1]);
            let before = heaviest(&free, |it| weight(first, it));
            let after = heaviest(&free, |it| weight(last, it));
            let (next, at_front) = match (before, after) {
                (Some(before), Some(after)) if before.1 > after.1 => (before.0, true),
                (_, Some(after)) => (after.0, false),
                (Some(before), None) => (before.0, true),
                (None, None) => break,
            };
            if at_front {
                chain.push_front(next);
            } else {
                chain.push_back(next);
            }
            free.retain(|it| *it != next);
        }
        out.extend(chain);
    }
    out.extend(free);
    out.into_iter().map(ExpertId::new).collect()
}

/// The one that weighs most, the lowest id of equals; none where all weigh nothing.
fn heaviest(free: &[usize], weight: impl Fn(usize) -> f64) -> Option<(usize, f64)> {
    let mut out = None;
    for it in free {
        let now = weight(*it);
        if now > out.map_or(0.0, |(_, most)| most) {
            out = Some((*it, now));
        }
    }
    out
}

fn heaviest_pair(free: &[usize], weight: &impl Fn(usize, usize) -> f64) -> Option<(usize, usize)> {
    let mut out = None;
    let mut most = 0.0;
    for (n, a) in free.iter().enumerate() {
        if let Some((b, now)) = heaviest(&free[n + 1..], |b| weight(*a, b))
            && now > most
        {
            (out, most) = (Some((*a, b)), now);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Position, Revision, SeqId};
    use crate::trace::{Phase, Pick, PickState, RouterTrace, StepTrace};

    fn check(picks: &[[u16; 2]], n_experts: usize, wanted: &[u16]) {
        let flat = picks.iter().flatten().map(|expert| Pick {
            expert: ExpertId(*expert),
            weight: 0.5,
            state: PickState::Chosen,
        });
        let mut store = TraceStore::default();
        let step = StepTrace {
            seq: SeqId(0),
            phase: Phase::Prefill,
            start: Position(0),
            revision: Revision(0),
            tokens: (0..picks.len()).map(TokenId::new).collect(),
            routers: vec![RouterTrace {
                n_experts,
                n_picks: 2,
                picks: flat.collect(),
                margin: vec![None; picks.len()],
                ..RouterTrace::default()
            }],
        };
        store.push(step).unwrap();
        let counts = pair_counts(&store, RouterId(0), n_experts, |it| it == TokenId(0));
        let got: Vec<u16> = chained(&counts, n_experts).iter().map(|it| it.0).collect();
        assert_eq!(got, wanted);
    }

    #[test]
    fn experts_picked_together_stand_side_by_side() {
        // Token 0 is special: its pair would else weigh most. 1–4 twice of two and three, 4–2 once, 0–3 apart, 5 never.
        check(
            &[[0, 5], [1, 4], [1, 4], [4, 2], [0, 3]],
            6,
            // 0–3 weighs 1 and starts; then 1–4 with 2 / √6, and 2 behind 4 with 1 / √3.
            &[0, 3, 1, 4, 2, 5],
        );
    }

    #[test]
    fn a_chain_grows_at_both_ends() {
        // 2–0 and 0–1 and 1–3: whatever the first pair, the chain is 2 0 1 3 or its mirror.
        check(&[[9, 9], [0, 1], [0, 1], [0, 2], [1, 3]], 4, &[2, 0, 1, 3]);
    }

    #[test]
    fn without_any_pair_the_order_is_by_id() {
        assert_eq!(chained(&[3, 0, 0, 5], 2), [ExpertId(0), ExpertId(1)]);
        assert!(chained(&[], 0).is_empty());
    }
}
