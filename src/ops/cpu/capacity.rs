//! Experts that take so many tokens of a sequence and no more. The reference of `kernels/capacity.wgsl`.

use super::kv::CpuCache;
use crate::ops::{BatchSpan, EMPTY, Routing, taken_width};
use crate::trace::PickState;

/// Drops the choices of experts that have taken `cap` tokens of their sequence, in the order of positions, and notes all
/// choices in the caches. One that is dropped counts too: the first `cap` of an expert are kept, whatever comes later.
pub fn limit(
    routing: &mut Routing,
    cap: usize,
    spans: &[BatchSpan<'_>],
    caches: &mut [&mut CpuCache],
) {
    for (span, cache) in spans.iter().zip(caches) {
        let mut counts = counts(cache, routing.n_experts);
        for row in span.rows.clone() {
            let mut bits = vec![0u32; taken_width(routing.n_experts)];
            for place in row * routing.n_picks..(row + 1) * routing.n_picks {
                let expert = usize::from(routing.experts[place]);
                if routing.experts[place] == EMPTY {
                    continue;
                }
                bits[expert / 32] |= 1 << (expert % 32);
                counts[expert] += 1;
                if counts[expert] > cap {
                    routing.states[place] = PickState::Dropped;
                    routing.networks[place] = EMPTY;
                }
            }
            let bits: Vec<f32> = bits.into_iter().map(f32::from_bits).collect();
            cache.push(&bits, &[]);
        }
    }
}

/// How often each expert was chosen at the positions of a cache.
fn counts(cache: &CpuCache, n_experts: usize) -> Vec<usize> {
    let mut out = vec![0; n_experts];
    for rows in cache.rows(0..cache.len()) {
        for row in rows.keys.chunks_exact(cache.width()) {
            for (word, bits) in row.iter().enumerate() {
                let mut bits = bits.to_bits();
                while bits != 0 {
                    out[word * 32 + bits.trailing_zeros() as usize] += 1;
                    bits &= bits - 1;
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Position, RoutingPolicy};

    fn routing(experts: &[u16]) -> Routing {
        Routing {
            n_experts: 40,
            n_picks: 1,
            experts: experts.to_vec(),
            weights: vec![0.5; experts.len()],
            states: vec![PickState::Chosen; experts.len()],
            networks: experts.to_vec(),
            margin: vec![0.0; experts.len()],
            ..Routing::default()
        }
    }

    fn run(cache: &mut CpuCache, experts: &[u16], cap: usize) -> Vec<bool> {
        let mut it = routing(experts);
        let policy = RoutingPolicy::default();
        let spans = [BatchSpan {
            rows: 0..experts.len(),
            start: Position(0),
            policy: &policy,
        }];
        limit(&mut it, cap, &spans, &mut [cache]);
        let dropped = it.states.iter().map(|it| *it == PickState::Dropped);
        let dropped: Vec<bool> = dropped.collect();
        for (i, dropped) in dropped.iter().enumerate() {
            assert_eq!(it.networks[i] == EMPTY, *dropped);
            assert_eq!(it.experts[i], experts[i]);
        }
        dropped
    }

    #[test]
    fn an_expert_keeps_the_first_tokens_of_a_sequence() {
        let mut cache = CpuCache::of_rows(taken_width(40));
        let got = run(&mut cache, &[3, 39, 3, 3, 39, 3], 2);
        assert_eq!(got, [false, false, false, true, false, true]);
    }

    #[test]
    fn one_at_a_time_drops_the_same_and_a_fork_forgets_what_came_later() {
        let all = [3, 39, 3, 3, 39, 3, 0, 39];
        let mut whole = CpuCache::of_rows(taken_width(40));
        let want = run(&mut whole, &all, 2);
        let mut cache = CpuCache::of_rows(taken_width(40));
        let got: Vec<bool> = all
            .iter()
            .flat_map(|it| run(&mut cache, &[*it], 2))
            .collect();
        assert_eq!(got, want);
        let mut fork = whole.fork(1);
        assert_eq!(run(&mut fork, &all[1..], 2), want[1..]);
    }
}
