//! Which expert was the strongest choice for which token, where: whether a router looks at its tokens at all.
//!
//! Measured as the mutual information of strongest expert and token id, less that of shuffled token ids, in nats.
//! **Invariant:** the first tokens are kept, so memory is bounded however long texts are; texts take turns while they
//! are read, so all of them are among the first.

use std::collections::HashMap;

use crate::spec::{RouterId, TokenId};
use crate::trace::StepTrace;

/// Tokens that are kept.
const MOST_TOKENS: usize = 1 << 14;
/// Bins of positions.
const N_BINS: usize = 16;

/// The strongest choice of every router, also where it was dropped since its expert was full, for every token that was counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choices {
    tokens: Vec<u32>,
    positions: Vec<u32>,
    /// `[R]`, each as long as `tokens`; `u16::MAX` where nothing was picked.
    strongest: Vec<Vec<u16>>,
    /// Whether all picks are kept.
    keeps_all: bool,
    /// `[R]`: the picks of every token one after the other, each token's in ascending order behind their number.
    all: Vec<Vec<u16>>,
}

/// How much a router's strongest choice tells of a token and of its place, in nats; what chance would give is taken off.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dependence {
    /// Tokens behind it.
    pub n_tokens: usize,
    /// Entropy of the choice.
    pub entropy: f64,
    /// Mutual information of choice and token.
    pub token: f64,
    /// Mutual information of choice and position.
    pub position: f64,
}

impl Choices {
    /// Nothing counted yet; every pick is kept, so that choices of two models can be compared.
    #[must_use]
    pub fn with_all_picks() -> Self {
        Self {
            keeps_all: true,
            ..Self::default()
        }
    }

    /// Counts a step's rows; tokens for which `special` holds are left out.
    pub fn add(&mut self, step: &StepTrace, special: impl Fn(TokenId) -> bool) {
        let n_routers = step.routers.len();
        if self.strongest.len() < n_routers {
            let n = self.tokens.len();
            self.strongest.resize(n_routers, vec![u16::MAX; n]);
        }
        for (row, token) in step.tokens.iter().enumerate() {
            if self.tokens.len() >= MOST_TOKENS {
                return;
            }
            if special(*token) {
                continue;
            }
            self.tokens.push(token.0);
            self.positions.push(step.start.plus(row).0);
            for (all, router) in self.strongest.iter_mut().zip(&step.routers) {
                let strongest = router.choice_of(row).next();
                all.push(strongest.map_or(u16::MAX, |it| it.expert.0));
            }
            if self.keeps_all {
                self.keep_all(step, row);
            }
        }
    }

    fn keep_all(&mut self, step: &StepTrace, row: usize) {
        if self.all.len() < step.routers.len() {
            self.all.resize(step.routers.len(), Vec::new());
        }
        for (all, router) in self.all.iter_mut().zip(&step.routers) {
            let mut picks: Vec<u16> = router.picks_of(row).map(|it| it.expert.0).collect();
            picks.sort_unstable();
            all.push(picks.len() as u16);
            all.extend(picks);
        }
    }

    /// Whether others were counted over the same tokens.
    #[must_use]
    pub fn has_same_tokens(&self, other: &Self) -> bool {
        self.tokens == other.tokens && self.positions == other.positions
    }

    /// `mean_t |S_a ∩ S_b|/k` of a router, over the same tokens: 1 where every choice is the same. None where nothing
    /// was picked, or not all picks were kept.
    #[must_use]
    pub fn overlap(&self, other: &Self, router: RouterId) -> Option<f64> {
        let (mut a, mut b) = (
            self.all.get(router.idx())?.as_slice(),
            other.all.get(router.idx())?.as_slice(),
        );
        let (mut shared, mut n) = (0.0, 0u32);
        while let (Some((of_a, rest_a)), Some((of_b, rest_b))) = (next_set(a), next_set(b)) {
            let most = of_a.len().max(of_b.len());
            if most > 0 {
                let both = of_a
                    .iter()
                    .filter(|it| of_b.binary_search(it).is_ok())
                    .count();
                shared += both as f64 / most as f64;
                n += 1;
            }
            (a, b) = (rest_a, rest_b);
        }
        (n > 0).then(|| shared / f64::from(n))
    }

    /// Tokens kept.
    #[must_use]
    pub fn n_tokens(&self) -> usize {
        self.tokens.len()
    }

    /// How much a router's choice depends on what it reads; none where nothing was counted.
    #[must_use]
    pub fn dependence(&self, router: RouterId) -> Option<Dependence> {
        let experts = self.strongest.get(router.idx())?;
        if experts.is_empty() {
            return None;
        }
        // A router of one stack chose nothing for the tokens of the other.
        let chosen = |it: &[u32]| -> Vec<u32> {
            let pairs = it.iter().zip(experts);
            let pairs = pairs.filter(|(_, expert)| **expert != u16::MAX);
            pairs.map(|it| *it.0).collect()
        };
        let (tokens, positions) = (chosen(&self.tokens), chosen(&self.positions));
        let experts: Vec<u16> = experts
            .iter()
            .copied()
            .filter(|it| *it != u16::MAX)
            .collect();
        if experts.is_empty() {
            return None;
        }
        let bin_of = bins(&positions);
        Some(Dependence {
            n_tokens: experts.len(),
            entropy: entropy(experts.iter().copied()),
            token: beyond_chance(&tokens, &experts),
            position: beyond_chance(&bin_of, &experts),
        })
    }
}

/// The picks of a token, and what follows.
fn next_set(all: &[u16]) -> Option<(&[u16], &[u16])> {
    let (n, rest) = all.split_first()?;
    rest.split_at_checked(usize::from(*n))
}

/// The bin of each position: as many bins, each about as full.
fn bins(positions: &[u32]) -> Vec<u32> {
    let mut sorted = positions.to_vec();
    sorted.sort_unstable();
    let edges: Vec<u32> = (1..N_BINS)
        .map(|it| sorted[it * sorted.len() / N_BINS])
        .collect();
    let bin = |it: &u32| edges.partition_point(|edge| edge <= it) as u32;
    positions.iter().map(bin).collect()
}

/// Mutual information, less that of the same experts with shuffled partners; not below 0.
fn beyond_chance(partners: &[u32], experts: &[u16]) -> f64 {
    let told = information(partners, experts);
    let mut shuffled = partners.to_vec();
    shuffle(&mut shuffled);
    (told - information(&shuffled, experts)).max(0.0)
}

/// `I = H(x) + H(y) − H(x, y)`, nats.
fn information(partners: &[u32], experts: &[u16]) -> f64 {
    let pairs = partners.iter().copied().zip(experts.iter().copied());
    entropy(partners.iter().copied()) + entropy(experts.iter().copied()) - entropy(pairs)
}

fn entropy<T: std::hash::Hash + Eq>(all: impl Iterator<Item = T>) -> f64 {
    let mut counts: HashMap<T, u32> = HashMap::new();
    let mut n = 0.0;
    for it in all {
        *counts.entry(it).or_default() += 1;
        n += 1.0;
    }
    // Summed in the order of their sizes, so that it does not depend on the order of the map.
    let mut counts: Vec<u32> = counts.into_values().collect();
    counts.sort_unstable();
    let of = |count: u32| {
        let p = f64::from(count) / n;
        -p * p.ln()
    };
    counts.into_iter().map(of).sum()
}

/// The same order each time.
fn shuffle(all: &mut [u32]) {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for at in (1..all.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        all.swap(at, (state % (at as u64 + 1)) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of made-up choices: for each row its token, its place and its expert.
    fn check(of: impl Fn(u32) -> (u32, u16), n: u32) -> Dependence {
        let rows: Vec<(u32, u16)> = (0..n).map(of).collect();
        let choices = Choices {
            tokens: rows.iter().map(|it| it.0).collect(),
            positions: (0..n).collect(),
            strongest: vec![rows.iter().map(|it| it.1).collect()],
            ..Choices::default()
        };
        choices.dependence(RouterId(0)).unwrap()
    }

    fn hash(n: u32) -> u32 {
        let x = n.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        let y = ((x >> ((x >> 28) + 4)) ^ x).wrapping_mul(277_803_737);
        (y >> 22) ^ y
    }

    #[test]
    fn a_choice_made_by_token_tells_all_of_it() {
        let it = check(|row| (hash(row) % 50, (hash(row) % 50 % 8) as u16), 4000);
        assert!(it.entropy > 2.0);
        assert!(it.token > 0.9 * it.entropy, "{it:?}");
        assert!(it.position < 0.01 * it.entropy, "{it:?}");
    }

    #[test]
    fn a_choice_made_by_chance_or_by_place_tells_nothing_of_the_token() {
        let by_chance = check(|row| (hash(row) % 50, (hash(row + 9999) % 8) as u16), 4000);
        assert!(by_chance.token < 0.01 * by_chance.entropy, "{by_chance:?}");
        let by_place = check(|row| (hash(row) % 50, (row / 500) as u16), 4000);
        assert!(by_place.token < 0.01 * by_place.entropy, "{by_place:?}");
        assert!(by_place.position > 0.9 * by_place.entropy, "{by_place:?}");
    }

    #[test]
    fn one_choice_for_all_has_no_entropy() {
        let it = check(|row| (hash(row) % 50, 3), 100);
        assert_eq!((it.entropy, it.token, it.position), (0.0, 0.0, 0.0));
    }
}
