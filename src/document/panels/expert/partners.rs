//! Experts that share tokens with one expert.

use crate::analysis::{ExpertUse, RouterLoad, most_frequent};
use crate::spec::{ExpertId, RouterId, RouterSpec};

/// One expert that shares tokens with another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Partner {
    /// Its router.
    pub router: RouterId,
    /// Index of the expert in its router.
    pub expert: ExpertId,
    /// For how many of the other's tokens it was picked.
    pub n: u64,
    /// The same as a share of the other's tokens, 0 to 1.
    pub share: f64,
    /// What that would be if the two had nothing to do with each other; none where nothing was read.
    pub chance: Option<f64>,
}

/// Experts of the same router by `n_ij/n_i`; chance is `(k − 1)/(E − 1)`.
#[must_use]
pub fn partners_together(uses: &ExpertUse, (id, router): (RouterId, &RouterSpec)) -> Vec<Partner> {
    let others = router.n_experts.saturating_sub(1).max(1) as f64;
    let chance = router.top_k.saturating_sub(1) as f64 / others;
    partners(uses, id, &uses.together, |_| Some(chance))
}

/// Experts of the router before (0) or after (1) by the share of the expert's tokens they were picked for; chance is
/// their share of all tokens, from that router's load.
#[must_use]
pub fn partners_beside(
    uses: &ExpertUse,
    (side, router): (usize, RouterId),
    load: Option<&RouterLoad>,
) -> Vec<Partner> {
    let chance = |expert| load.and_then(|it| it.share(expert));
    partners(uses, router, &uses.neighbours[side], chance)
}

fn partners(
    uses: &ExpertUse,
    router: RouterId,
    counts: &[u64],
    chance: impl Fn(ExpertId) -> Option<f64>,
) -> Vec<Partner> {
    let all = uses.n().max(1) as f64;
    most_frequent(counts)
        .into_iter()
        .map(|(expert, n)| Partner {
            router,
            expert,
            n,
            share: n as f64 / all,
            chance: chance(expert),
        })
        .collect()
}
