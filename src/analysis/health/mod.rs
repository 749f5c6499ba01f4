//! Whether a load is even: the verdict on each router and on the model, with the numbers it rests on.
//!
//! With `n_i` picks of expert i, `P = Σ n_i` and `n̄ = P/E`: utilisation `n_i/n̄`, evenness `exp(H(f))/E` of `f_i =
//! n_i/P`, and dead experts, with the limits of [`Preset`]. **Invariant:** too few tokens give no verdict, and what is
//! said is said over named texts.

mod limits;
mod words;

use serde::Serialize;

use super::{LoadStats, PhaseFilter, SelectionBias, spread};
use crate::spec::{ExpertId, ModelSpec, RouterId, RouterSpec};
use crate::trace::{GateFacts, PositionKind};

pub use limits::{DeadLimit, Limits, MaxLimit, Preset, Thresholds};

/// What is said of a router, from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing to say against it.
    Even,
    /// Some experts do much more, or much less, than others.
    Skewed,
    /// Many experts do next to nothing.
    Collapsed,
}

/// A number that limits are set on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// Dead experts.
    Dead,
    /// `exp(H)/N`.
    Evenness,
    /// `H/ln N`.
    Entropy,
    /// The busiest expert's picks over the mean.
    MaxOverMean,
}

/// A limit that was passed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Reason {
    /// Which number.
    pub measure: Measure,
    /// Its value.
    pub value: f64,
    /// The limit it passed; for dead experts the fewest that count.
    pub limit: f64,
}

/// How a router's picks are spread over its experts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Numbers {
    /// `exp(H(f))/N`, `f_i = n_i/P`: 1 is even, `1/N` is one expert alone.
    pub evenness: f64,
    /// `H(f)/ln N`, 0 to 1.
    pub entropy: f64,
    /// `exp(H(f))`, experts.
    pub effective: f64,
    /// `std(n)/n̄`.
    pub cv: f64,
    /// `(max n - n̄)/n̄`.
    pub max_vio: f64,
    /// `max n / n̄`; at most `N/k`.
    pub max_over_mean: f64,
}

/// An expert that is picked for less than a twentieth of an even share.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Idle {
    /// Index of the expert in its router.
    pub expert: ExpertId,
    /// How often it was picked over all texts.
    pub n: u64,
    /// The text that uses it most; none where none does.
    pub text: Option<usize>,
    /// Its utilisation `n_i/n̄` in that text: 1 is even.
    pub utilisation: f64,
}

/// How much an expert is used, and where most.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Utilised {
    /// Index of the expert in its router.
    pub expert: ExpertId,
    /// How often it was picked over all texts.
    pub n: u64,
    /// Its utilisation `n_i/n̄` over all texts: 1 is even.
    pub utilisation: f64,
    /// The text that uses it most.
    pub text: Option<usize>,
    /// Its utilisation there.
    pub in_text: f64,
}

/// What is said of one router.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RouterReport {
    /// Index of the router in the model.
    pub router: RouterId,
    /// What it is called: `layer 4`.
    pub label: String,
    /// N.
    pub n_experts: usize,
    /// k.
    pub top_k: usize,
    /// T: the tokens that the router's stack read, special tokens left out.
    pub n_tokens: u64,
    /// Those of them that were dropped since their expert was full; none where experts take any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n_dropped: Option<u64>,
    /// Tokens a verdict needs.
    pub needed: u64,
    /// None where there are too few tokens, nothing was picked, or it is withheld.
    pub verdict: Option<Verdict>,
    /// What it would be were the one text that was read a mixed one; none where a verdict stands.
    pub withheld: Option<Verdict>,
    /// The limits that were passed to come to it.
    pub reasons: Vec<Reason>,
    /// None where nothing was picked.
    pub numbers: Option<Numbers>,
    /// Experts idle over the whole and in every text; none is called so before there are enough tokens.
    pub dead: Vec<Idle>,
    /// Experts idle over the whole that one of the texts does use.
    pub unused: Vec<Idle>,
    /// Experts that an edit masks.
    pub masked: Vec<ExpertId>,
    /// The expert picked most; none where nothing was picked.
    pub busiest: Option<Utilised>,
    /// The expert picked least of those that no edit masks.
    pub least: Option<Utilised>,
    /// `n_i`, `[N]`.
    pub n: Vec<u64>,
    /// `n_i` in each text, `[texts][N]`.
    pub by_text: Vec<Vec<u64>>,
    /// What the router adds to scores before it chooses; none where it adds nothing, or gates were not looked at.
    pub selection_bias: Option<SelectionBias>,
    /// The verdict with its numbers in words.
    pub evidence: String,
}

/// One of the texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TextCount {
    /// What it is called.
    pub name: String,
    /// Its tokens, special ones left out.
    pub n_tokens: u64,
    /// Its special tokens.
    pub n_special: u64,
}

/// What is said of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It has no router.
    NoRouter,
    /// Too few tokens for a verdict.
    TooFew {
        /// Tokens counted.
        have: u64,
        /// Tokens the most demanding router needs.
        need: u64,
    },
    /// One text alone cannot tell a specialist from a dead expert, so what is not even in it is no verdict.
    Withheld {
        /// What the verdict would be were the text mixed.
        verdict: Verdict,
        /// The router it would rest on.
        worst: RouterId,
    },
    /// The verdict of its worst router.
    Judged {
        /// The verdict.
        verdict: Verdict,
        /// Of the routers with that verdict the one of the lowest evenness.
        worst: RouterId,
        /// Routers by verdict.
        n_even: usize,
        /// Routers by verdict.
        n_skewed: usize,
        /// Routers by verdict.
        n_collapsed: usize,
    },
}

/// The whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Of the model.
    pub outcome: Outcome,
    /// That in words.
    pub headline: String,
    /// By what limits.
    pub thresholds: Thresholds,
    /// Tokens of all texts, special ones left out.
    pub n_tokens: u64,
    /// The texts.
    pub texts: Vec<TextCount>,
    /// Of each router, in the order of the model.
    pub routers: Vec<RouterReport>,
}

impl Report {
    /// The verdict on the model; none where there are too few tokens.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        match self.outcome {
            Outcome::Judged { verdict, .. } => Some(verdict),
            Outcome::NoRouter | Outcome::TooFew { .. } | Outcome::Withheld { .. } => None,
        }
    }

    /// The same with what the gates alone tell of the routers' selection biases. It changes no verdict: a bias is what
    /// training set against an uneven load.
    #[must_use]
    pub fn with_gates(mut self, spec: &ModelSpec, gates: &[GateFacts]) -> Self {
        let routers = self.routers.iter_mut().zip(&spec.routers);
        for ((report, router), gate) in routers.zip(gates) {
            report.selection_bias = SelectionBias::of(&gate.selection_bias, router.score);
            if let Some(it) = &report.selection_bias {
                report.evidence += " Its ";
                report.evidence += &it.words();
                report.evidence.push('.');
            }
        }
        self
    }
}

/// Judges the load of every router of a model over texts, each with its name; one without a token is left out. Where
/// but one is left, what is not even is withheld unless `is_mixed` says that it holds several kinds of text. Experts
/// for which `masked` holds were kept from being picked by an edit.
#[must_use]
pub fn judge(
    texts: &[(&str, &LoadStats)],
    spec: &ModelSpec,
    thresholds: &Thresholds,
    is_mixed: bool,
    masked: impl Fn(RouterId, ExpertId) -> bool,
) -> Report {
    let has_tokens = |it: &&(&str, &LoadStats)| it.1.n_tokens(PhaseFilter::All) > 0;
    let texts: Vec<(&str, &LoadStats)> = texts.iter().filter(has_tokens).copied().collect();
    let is_withheld = texts.len() < 2 && !is_mixed;
    let texts_counted: Vec<TextCount> = texts
        .iter()
        .map(|(name, load)| TextCount {
            name: (*name).to_owned(),
            n_tokens: load.n_tokens(PhaseFilter::All),
            n_special: load.n_special(),
        })
        .collect();
    let n_tokens = texts_counted.iter().map(|it| it.n_tokens).sum();
    let kind = PositionKind::of(spec);
    let routers: Vec<RouterReport> = spec
        .router_ids()
        .map(|(id, router)| {
            let is_masked = |it| masked(id, it);
            let mut report = of_router(id, router, &texts, thresholds, is_masked);
            if is_withheld {
                report.withhold();
            }
            report.evidence = words::evidence(&report, thresholds, &texts_counted, kind);
            report
        })
        .collect();
    let have = routers.iter().map(|it| it.n_tokens).min();
    let outcome = outcome(&routers, have.unwrap_or(n_tokens));
    Report {
        headline: words::headline(outcome, &routers, kind),
        outcome,
        thresholds: *thresholds,
        n_tokens,
        texts: texts_counted,
        routers,
    }
}

fn of_router(
    id: RouterId,
    router: &RouterSpec,
    texts: &[(&str, &LoadStats)],
    thresholds: &Thresholds,
    masked: impl Fn(ExpertId) -> bool,
) -> RouterReport {
    let n_experts = router.n_experts;
    let (mut n_tokens, mut n_dropped) = (0, 0);
    let by_text: Vec<Vec<u64>> = texts
        .iter()
        .map(|(_, load)| {
            let load = load.router(id, PhaseFilter::All).unwrap_or_default();
            n_tokens += load.n_tokens;
            n_dropped += load.n_dropped;
            let mut n = load.n;
            n.resize(n_experts, 0);
            n
        })
        .collect();
    let n: Vec<u64> = (0..n_experts)
        .map(|it| by_text.iter().map(|text| text[it]).sum())
        .collect();
    let experts = || (0..n_experts).map(ExpertId::new);
    let numbers = numbers(&n);
    let needed = thresholds.needed(n_experts, router.top_k);
    let (dead, unused) = if n_tokens >= needed {
        idle(&n, &by_text, thresholds, &masked)
    } else {
        (Vec::new(), Vec::new())
    };
    let used = uses(&n, &by_text);
    let judged = numbers
        .filter(|_| n_tokens >= needed)
        .map(|it| verdict(&it, dead.len(), n_experts, router.top_k, thresholds));
    RouterReport {
        router: id,
        label: router.label(),
        n_experts,
        top_k: router.top_k,
        n_tokens,
        n_dropped: router.capacity().map(|_| n_dropped),
        needed,
        verdict: judged.as_ref().map(|it| it.0),
        withheld: None,
        reasons: judged.map_or_else(Vec::new, |it| it.1),
        numbers,
        dead,
        unused,
        masked: experts().filter(|it| masked(*it)).collect(),
        busiest: used
            .iter()
            .copied()
            .reduce(|most, it| if it.n > most.n { it } else { most }),
        least: used
            .into_iter()
            .filter(|it| !masked(it.expert))
            .reduce(|least, it| if it.n < least.n { it } else { least }),
        n,
        by_text,
        selection_bias: None,
        evidence: String::new(),
    }
}

impl RouterReport {
    /// Utilisation of every expert, `[N]`: its picks as times an even share; 0 where nothing was picked.
    #[must_use]
    pub fn utilisation(&self) -> Vec<f64> {
        let even = mean(&self.n);
        let of = |n: &u64| if even > 0.0 { *n as f64 / even } else { 0.0 };
        self.n.iter().map(of).collect()
    }

    /// A verdict that is not even becomes none: the experts it called dead may be busy in another text.
    fn withhold(&mut self) {
        if self.verdict.is_some_and(|it| it != Verdict::Even) {
            self.withheld = self.verdict.take();
        }
        self.unused.append(&mut self.dead);
        self.unused.sort_by_key(|it| it.expert);
    }
}

/// How much each expert is used, in the order of ids; nothing where nothing was picked.
fn uses(n: &[u64], by_text: &[Vec<u64>]) -> Vec<Utilised> {
    let all = mean(n);
    if all == 0.0 {
        return Vec::new();
    }
    let means: Vec<f64> = by_text.iter().map(|it| mean(it)).collect();
    let used = n.iter().enumerate().map(|(expert, n)| {
        let most = most_used_in(by_text, &means, expert);
        Utilised {
            expert: ExpertId::new(expert),
            n: *n,
            utilisation: *n as f64 / all,
            text: most.map(|it| it.0),
            in_text: most.map_or(0.0, |it| it.1),
        }
    });
    used.collect()
}

/// The text in which an expert's utilisation is highest, the first of several; none where it is picked in none.
fn most_used_in(by_text: &[Vec<u64>], means: &[f64], expert: usize) -> Option<(usize, f64)> {
    let texts = by_text.iter().zip(means).enumerate();
    let used = texts.filter(|(_, (text, _))| text[expert] > 0);
    used.map(|(at, (text, mean))| (at, text[expert] as f64 / mean))
        .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
}

/// `n̄ = P/N`.
fn mean(n: &[u64]) -> f64 {
    n.iter().sum::<u64>() as f64 / n.len().max(1) as f64
}

/// The experts below the limit over the whole: those dead, and those that a text uses.
fn idle(
    n: &[u64],
    by_text: &[Vec<u64>],
    thresholds: &Thresholds,
    masked: &impl Fn(ExpertId) -> bool,
) -> (Vec<Idle>, Vec<Idle>) {
    let most = thresholds.dead_below * mean(n);
    let means: Vec<f64> = by_text.iter().map(|it| mean(it)).collect();
    let below = n
        .iter()
        .enumerate()
        .filter(|(_, n)| (**n as f64) < most)
        .map(|(expert, n)| (ExpertId::new(expert), *n))
        .filter(|(expert, _)| !masked(*expert));
    let found = below.map(|(expert, n)| {
        let used = most_used_in(by_text, &means, expert.idx());
        Idle {
            expert,
            n,
            text: used.map(|it| it.0),
            utilisation: used.map_or(0.0, |it| it.1),
        }
    });
    found.partition(|it| it.utilisation <= thresholds.alive_above)
}

fn numbers(n: &[u64]) -> Option<Numbers> {
    let n: Vec<f64> = n.iter().map(|n| *n as f64).collect();
    let spread = spread(&n)?;
    Some(Numbers {
        evenness: spread.evenness,
        // A single expert has all there is.
        entropy: spread.entropy.unwrap_or(1.0),
        effective: spread.effective,
        cv: spread.cv,
        max_vio: spread.max_vio,
        max_over_mean: spread.max_vio + 1.0,
    })
}

/// The verdict, and the limits passed to come to it.
fn verdict(
    numbers: &Numbers,
    n_dead: usize,
    n_experts: usize,
    top_k: usize,
    thresholds: &Thresholds,
) -> (Verdict, Vec<Reason>) {
    for (verdict, limits) in [
        (Verdict::Collapsed, &thresholds.collapsed),
        (Verdict::Skewed, &thresholds.skewed),
    ] {
        let reasons = limits.passed(numbers, n_dead, n_experts, top_k);
        if !reasons.is_empty() {
            return (verdict, reasons);
        }
    }
    (Verdict::Even, Vec::new())
}

fn outcome(routers: &[RouterReport], have: u64) -> Outcome {
    if routers.is_empty() {
        return Outcome::NoRouter;
    }
    let need = routers.iter().map(|it| it.needed).max().unwrap_or(0);
    let evenness = |it: &RouterReport| it.numbers.map_or(1.0, |it| it.evenness);
    let worst = routers
        .iter()
        .filter_map(|it| Some((it.verdict.or(it.withheld)?, it)))
        .max_by(|a, b| {
            let by_verdict = a.0.cmp(&b.0);
            by_verdict.then(evenness(b.1).total_cmp(&evenness(a.1)))
        });
    let Some((verdict, worst)) = worst.filter(|_| have >= need) else {
        return Outcome::TooFew { have, need };
    };
    if worst.withheld.is_some() {
        let worst = worst.router;
        return Outcome::Withheld { verdict, worst };
    }
    let count = |verdict| {
        routers
            .iter()
            .filter(|it| it.verdict == Some(verdict))
            .count()
    };
    Outcome::Judged {
        verdict,
        worst: worst.router,
        n_even: count(Verdict::Even),
        n_skewed: count(Verdict::Skewed),
        n_collapsed: count(Verdict::Collapsed),
    }
}

#[cfg(test)]
mod dropped_tests;
#[cfg(test)]
mod tests;
