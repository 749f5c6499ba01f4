//! How one router decided for one token under the edits in force: what selected, who could be
//! chosen, and how far each expert stands from the cut. Deliberately absent: the choice itself,
//! which is recorded and never worked out anew.

use crate::spec::{ExpertId, RouterPolicy, RouterSpec, Score};
use crate::trace::Routed;

use super::scores::{probabilities, score};

/// A selection bias smaller than this is rounding, not a bias.
const NO_BIAS: f64 = 1e-7;

/// Every expert of one router at one token, as the rule saw them; all arrays are `[E]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// z: soft-capped, with the biases of edits.
    pub logits: Vec<f32>,
    /// p of these: softmax, or `s/Σs` where the family scores by sigmoid or √softplus; sums to 1.
    pub shares: Vec<f32>,
    /// s: the family's score of each logit.
    pub scores: Vec<f32>,
    /// c, what selects: the score with the model's selection bias and that of edits.
    pub selects: Vec<f32>,
    /// Whether it could be chosen: not masked, not in a group left out.
    pub open: Vec<bool>,
    /// Whether an edit forced it.
    forced: Vec<bool>,
    /// Places left to those not forced; none where the choice was random.
    n_free: Option<usize>,
    rule: Score,
}

impl Decision {
    /// What a record and the edits in force say; none where the raw logits were dropped for memory.
    #[must_use]
    pub fn of(
        routed: &Routed<'_>,
        spec: &RouterSpec,
        edits: Option<&RouterPolicy>,
    ) -> Option<Self> {
        let logits = routed.logits()?;
        Some(Self::new(
            logits,
            routed.selection(),
            routed.groups_kept(),
            spec,
            edits,
        ))
    }

    /// The same from its parts.
    ///
    /// * `logits`: raw gate outputs `[E]`
    /// * `selection`: what selected `[E]`, where the record has it; else it is the score and the edits' part
    /// * `groups_kept`: `[G]`, empty where nothing limits groups
    #[must_use]
    pub fn new(
        logits: &[f32],
        selection: Option<&[f32]>,
        groups_kept: &[bool],
        spec: &RouterSpec,
        edits: Option<&RouterPolicy>,
    ) -> Self {
        let n = logits.len();
        let added = |biases: Option<&Vec<f32>>, e: usize| {
            biases.and_then(|it| it.get(e)).copied().unwrap_or(0.0)
        };
        let capped = |z: f32| spec.logit_softcap.map_or(z, |cap| cap * (z / cap).tanh());
        let logits: Vec<f32> = logits
            .iter()
            .enumerate()
            .map(|(e, z)| capped(*z) + added(edits.map(|it| &it.logit_bias), e))
            .collect();
        let scores = score(&logits, spec.score);
        let selects = selection.map_or_else(
            || {
                let favour = |e| added(edits.map(|it| &it.select_bias), e);
                scores
                    .iter()
                    .enumerate()
                    .map(|(e, s)| s + favour(e))
                    .collect()
            },
            <[f32]>::to_vec,
        );
        let per_group = n.checked_div(groups_kept.len()).unwrap_or(0).max(1);
        let kept = |e: usize| groups_kept.get(e / per_group).copied().unwrap_or(true);
        let forced =
            |e: usize| edits.is_some_and(|it| it.forced.iter().any(|(id, _)| id.idx() == e));
        let k = edits.map_or(spec.top_k, |it| it.k);
        let n_forced = edits.map_or(0, |it| it.forced.len());
        let is_random = edits.is_some_and(|it| it.random.is_some());
        Self {
            shares: probabilities(&logits, spec.score),
            open: (0..n)
                .map(|e| kept(e) && edits.is_none_or(|it| it.allows(e)))
                .collect(),
            forced: (0..n).map(forced).collect(),
            n_free: (!is_random).then(|| k.saturating_sub(n_forced)),
            rule: spec.score,
            logits,
            scores,
            selects,
        }
    }

    /// E.
    #[must_use]
    pub fn n_experts(&self) -> usize {
        self.logits.len()
    }

    /// Every expert by what selects, best first, ties to the lowest id; those for which `first` holds before all others.
    #[must_use]
    pub fn order(&self, first: impl Fn(ExpertId) -> bool) -> Vec<ExpertId> {
        let mut out: Vec<ExpertId> = (0..self.n_experts()).map(ExpertId::new).collect();
        out.sort_by(|a, b| {
            let c = |it: &ExpertId| self.selects[it.idx()];
            first(*b)
                .cmp(&first(*a))
                .then(c(b).total_cmp(&c(a)))
                .then(a.cmp(b))
        });
        out
    }

    /// Routing confidence: Σ p over the experts chosen.
    #[must_use]
    pub fn confidence(&self, chosen: impl IntoIterator<Item = ExpertId>) -> f32 {
        let share = |it: ExpertId| self.shares.get(it.idx()).copied().unwrap_or(0.0);
        chosen.into_iter().map(share).sum()
    }

    /// What is added to an expert's score before the choice: the model's selection bias and that of edits.
    #[must_use]
    pub fn select_bias(&self, expert: ExpertId) -> f32 {
        self.selects[expert.idx()] - self.scores[expert.idx()]
    }

    /// How much must be added to an expert's logit until it stands at the cut, all other logits as
    /// they are. Positive: it lacks so much to be chosen; negative: so much can be taken away before
    /// it loses its place. None where no amount decides: it is masked or forced, its group was left
    /// out, the choice was random, every open expert is chosen, or no bias is large enough.
    ///
    /// With n free places an expert is chosen where fewer than n of the other open experts are
    /// better, so the n-th largest of the amounts at which it draws level with each of them counts.
    #[must_use]
    pub fn distance_to_cut(&self, expert: ExpertId) -> Option<f32> {
        let e = expert.idx();
        let n_free = self.n_free.filter(|it| *it > 0)?;
        if !self.open.get(e).copied()? || self.forced[e] {
            return None;
        }
        let is_rival = |i: &usize| *i != e && self.open[*i] && !self.forced[*i];
        let rest = self.rest_of_softmax(e);
        let mut level: Vec<f64> = (0..self.n_experts())
            .filter(is_rival)
            .map(|i| self.draws_level(e, i, rest))
            .collect();
        if level.len() < n_free {
            return None;
        }
        let (_, cut, _) = level.select_nth_unstable_by(n_free - 1, |a, b| b.total_cmp(a));
        cut.is_finite().then_some(*cut as f32)
    }

    /// p of an expert with `more` added to its logit.
    #[must_use]
    pub fn share_with(&self, expert: ExpertId, more: f32) -> f32 {
        let mut logits = self.logits.clone();
        logits[expert.idx()] += more;
        probabilities(&logits, self.rule)[expert.idx()]
    }

    /// `Σ exp(z_i − z_e)` over all others: what a softmax sets against e.
    fn rest_of_softmax(&self, e: usize) -> f64 {
        if self.rule != Score::Softmax {
            return 0.0;
        }
        let far = |i: usize| f64::from(self.logits[i]) - f64::from(self.logits[e]);
        (0..self.n_experts())
            .filter(|i| *i != e)
            .map(|i| far(i).exp())
            .sum()
    }

    /// What must be added to `z_e` so that `c_e = c_i`; infinite where it always or never does.
    fn draws_level(&self, e: usize, i: usize, rest: f64) -> f64 {
        let bias = |it: usize| f64::from(self.selects[it]) - f64::from(self.scores[it]);
        let apart = f64::from(self.logits[i]) - f64::from(self.logits[e]);
        let ahead = bias(i) - bias(e);
        if ahead.abs() < NO_BIAS {
            // Every score grows with its logit, so equal logits are equal scores.
            return apart;
        }
        let wanted = f64::from(self.selects[i]) - bias(e);
        match self.rule {
            // x = e^δ in x + b_e(x + R) = exp(z_i − z_e) + b_i(x + R), R the rest.
            Score::Softmax if ahead >= 1.0 => f64::INFINITY,
            Score::Softmax => ln_or_never((apart.exp() + ahead * rest) / (1.0 - ahead)),
            Score::Sigmoid if wanted >= 1.0 => f64::INFINITY,
            Score::Sigmoid => ln_or_never(wanted / (1.0 - wanted)) - f64::from(self.logits[e]),
            Score::SqrtSoftplus if wanted <= 0.0 => f64::NEG_INFINITY,
            Score::SqrtSoftplus => (wanted * wanted).exp_m1().ln() - f64::from(self.logits[e]),
            Score::Logit => wanted - f64::from(self.logits[e]),
        }
    }
}

/// ln x; where x is 0 or less every amount suffices.
fn ln_or_never(x: f64) -> f64 {
    if x > 0.0 { x.ln() } else { f64::NEG_INFINITY }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::LayerId;

    fn spec(score: Score, top_k: usize) -> RouterSpec {
        RouterSpec {
            score,
            ..RouterSpec::softmax_top_k(LayerId(0), 4, top_k)
        }
    }

    fn untouched(top_k: usize) -> RouterPolicy {
        RouterPolicy {
            k: top_k,
            logit_bias: Vec::new(),
            select_bias: Vec::new(),
            allowed: Vec::new(),
            forced: Vec::new(),
            uniform: false,
            random: None,
            zeroed: Vec::new(),
            swapped: Vec::new(),
        }
    }

    fn check(it: &Decision, wanted: [Option<f32>; 4]) {
        for (e, wanted) in wanted.into_iter().enumerate() {
            let got = it.distance_to_cut(ExpertId::new(e));
            let close = match (got, wanted) {
                (Some(got), Some(wanted)) => (got - wanted).abs() < 1e-5,
                (None, None) => true,
                _ => false,
            };
            assert!(close, "expert {e}: {got:?} is not {wanted:?}");
        }
    }

    const Z: [f32; 4] = [1.0, 4.0, 2.5, 2.0];

    #[test]
    fn without_a_selection_bias_the_distance_is_one_of_logits() {
        // Two places: 4 and 2.5 are in, the cut lies between 2.5 and 2.
        let wanted = [Some(1.5), Some(-2.0), Some(-0.5), Some(0.5)];
        for score in [
            Score::Softmax,
            Score::Sigmoid,
            Score::SqrtSoftplus,
            Score::Logit,
        ] {
            check(&Decision::new(&Z, None, &[], &spec(score, 2), None), wanted);
        }
        let all = Decision::new(&Z, None, &[], &spec(Score::Softmax, 4), None);
        check(&all, [None; 4]);
    }

    #[test]
    fn masks_forces_biases_and_groups_move_the_cut() {
        let rule = spec(Score::Softmax, 2);
        let mut edits = untouched(2);
        edits.allowed = vec![true, false, true, true];
        let masked = Decision::new(&Z, None, &[], &rule, Some(&edits));
        // 2.5 and 2 are in, 1 is left out.
        check(&masked, [Some(1.0), None, Some(-1.5), Some(-1.0)]);

        let mut edits = untouched(2);
        edits.forced = vec![(ExpertId(0), None)];
        let forced = Decision::new(&Z, None, &[], &rule, Some(&edits));
        check(&forced, [None, Some(-1.5), Some(1.5), Some(2.0)]);

        let mut edits = untouched(2);
        edits.logit_bias = vec![2.0, 0.0, 0.0, 0.0];
        let biased = Decision::new(&Z, None, &[], &rule, Some(&edits));
        check(&biased, [Some(-0.5), Some(-1.5), Some(0.5), Some(1.0)]);

        let grouped = Decision::new(&Z, None, &[false, true], &spec(Score::Softmax, 1), None);
        check(&grouped, [None, None, Some(-0.5), Some(0.5)]);

        let mut edits = untouched(2);
        edits.random = Some(7);
        check(
            &Decision::new(&Z, None, &[], &rule, Some(&edits)),
            [None; 4],
        );
    }

    #[test]
    fn a_selection_bias_is_overcome_by_the_score_not_by_the_logit() {
        // s = 1/2, 1/2; c = 1/2, 3/4: expert 0 needs a score of 3/4, so a logit of ln 3.
        let rule = spec(Score::Sigmoid, 1);
        let it = Decision::new(&[0.0, 0.0], Some(&[0.5, 0.75]), &[], &rule, None);
        let got = it.distance_to_cut(ExpertId(0)).unwrap();
        assert!((got - 3f32.ln()).abs() < 1e-6, "{got}");
        // Expert 1 has 1/4 to give: a score of 1/4, a logit of -ln 3.
        let got = it.distance_to_cut(ExpertId(1)).unwrap();
        assert!((got + 3f32.ln()).abs() < 1e-6, "{got}");
        // No score reaches 1.2.
        let it = Decision::new(&[0.0, 0.0], Some(&[0.5, 1.2]), &[], &rule, None);
        assert_eq!(it.distance_to_cut(ExpertId(0)), None);
        assert!((it.select_bias(ExpertId(1)) - 0.7).abs() < 1e-6);
    }

    #[test]
    fn in_a_softmax_what_one_expert_gains_the_others_lose() {
        // p = 1/2, 1/2; c = 1/2, 1. With x = e^δ: x/(x + 1) = 1/(x + 1) + 1/2, so x = 3.
        let rule = spec(Score::Softmax, 1);
        let mut edits = untouched(1);
        edits.select_bias = vec![0.0, 0.5];
        let it = Decision::new(&[0.0, 0.0], None, &[], &rule, Some(&edits));
        let got = it.distance_to_cut(ExpertId(0)).unwrap();
        assert!((got - 3f32.ln()).abs() < 1e-6, "{got}");
        assert!((it.share_with(ExpertId(0), got) - 0.75).abs() < 1e-6);
    }

    #[test]
    fn order_and_confidence_are_those_worked_by_hand() {
        let it = Decision::new(&Z, None, &[], &spec(Score::Softmax, 2), None);
        let ids = |it: Vec<ExpertId>| it.iter().map(|it| it.0).collect::<Vec<_>>();
        assert_eq!(ids(it.order(|_| false)), [1, 2, 3, 0]);
        assert_eq!(ids(it.order(|it| it.0 == 0)), [0, 1, 2, 3]);
        // e^0 : e^ln3 = 1 : 3
        let two = Decision::new(&[0.0, 3f32.ln()], None, &[], &spec(Score::Softmax, 1), None);
        assert!((two.confidence([ExpertId(1)]) - 0.75).abs() < 1e-6);
        assert!((two.confidence([ExpertId(0), ExpertId(1)]) - 1.0).abs() < 1e-6);
    }
}
