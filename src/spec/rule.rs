//! The rule of a router as a formula with its numbers, and what becomes of its experts' outputs.
//! For whoever prints it and whoever draws it, so that both say the same.

use super::{
    Algo, Ffn, Gate, GroupScore, ModelSpec, Renorm, RouterId, RouterInput, RouterSpec, Score,
    SharedGate, Site, Weight, WeightOn, count_of,
};

/// One step of a router's rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleStep {
    /// With this model's numbers: `w = p / Σ p over T`.
    pub formula: String,
    /// What it means: `weights sum to 1`.
    pub meaning: String,
}

fn step(formula: impl Into<String>, meaning: impl Into<String>) -> RuleStep {
    RuleStep {
        formula: formula.into(),
        meaning: meaning.into(),
    }
}

impl RouterSpec {
    /// The rule in two parts: z are the logits, T the chosen, w their weights.
    #[must_use]
    pub fn formula(&self) -> String {
        let score = match self.score {
            Score::Softmax => "softmax(z)",
            Score::Sigmoid => "sigmoid(z)",
            Score::SqrtSoftplus => "√softplus(z)",
            Score::Logit => "z",
        };
        let bias = if self.select_bias { " + b" } else { "" };
        let among = match self.groups {
            Some(it) => format!(" within the {} best of {} groups", it.keep, it.n),
            None => String::new(),
        };
        let chosen = match self.algo {
            Algo::TopK => format!("T = top {} of {score}{bias}{among}", self.top_k),
            _ => self.choice("z").formula,
        };
        let scale = self.factor().map_or(String::new(), |it| format!(" · {it}"));
        let own = if self.per_expert_scale { " · f" } else { "" };
        format!("{chosen}, {}{scale}{own}", self.weights(score).formula)
    }

    /// The rule step by step, from what the gate reads to the weights. `d_model` is H.
    #[must_use]
    pub fn steps(&self, d_model: usize) -> Vec<RuleStep> {
        let mut out = vec![self.gate_step(d_model)];
        if let Some(c) = self.logit_softcap {
            out.push(step(
                format!("z ← {c} · tanh(z / {c})"),
                format!("held between −{c} and {c}"),
            ));
        }
        let score = match self.score {
            Score::Softmax => ("p", "p = softmax(z)", "over all experts, sums to 1"),
            Score::Sigmoid => ("s", "s = sigmoid(z)", "each expert by itself, 0 to 1"),
            Score::SqrtSoftplus => ("s", "s = √softplus(z)", "each expert by itself, 0 or more"),
            Score::Logit => ("z", "", ""),
        };
        if self.score != Score::Logit {
            out.push(step(score.1, score.2));
        }
        let mut selects = score.0;
        if self.select_bias {
            out.push(step(
                format!("c = {} + b", score.0),
                "b acts on the choice, never on the weight",
            ));
            selects = "c";
        }
        if let Some(it) = self.groups {
            let by = match it.by {
                GroupScore::Max => "a group is worth its best expert",
                GroupScore::Top2Sum => "a group is worth its two best experts together",
            };
            out.push(step(format!("{} of {} groups stay", it.keep, it.n), by));
        }
        out.push(self.choice(selects));
        out.push(self.weights(score.0));
        if let Some(factor) = self.factor() {
            out.push(step(
                format!("w ← {factor} · w"),
                "every weight by the same factor",
            ));
        }
        if self.per_expert_scale {
            out.push(step(
                "w ← f · w",
                "each expert by a factor of its own, so that the weights need not sum to 1",
            ));
        }
        out
    }

    fn gate_step(&self, d_model: usize) -> RuleStep {
        let formula = match self.gate {
            Gate::Linear { bias: false } => "z = W · x",
            Gate::Linear { bias: true } => "z = W · x + b",
            Gate::Mlp2Tanh => "z = W₂ · tanh(W₁ · x)",
        };
        let input = match self.input {
            RouterInput::Normed => "the normed input",
            RouterInput::Raw => "the residual stream itself",
            RouterInput::RmsScaled => {
                "the residual stream, RMS-normed by weights of the router's own"
            }
        };
        step(
            formula,
            format!(
                "{} scores, one an expert; x is {input}, {d_model} wide",
                self.n_experts
            ),
        )
    }

    fn choice(&self, selects: &str) -> RuleStep {
        match self.algo {
            Algo::TopK => step(
                format!("T = top {} of {selects}", self.top_k),
                format!(
                    "{} of {}, ties to the lowest id",
                    self.top_k, self.n_experts
                ),
            ),
            Algo::SparseMixer { eps } => step(
                format!("T = top {} of z, one after the other", self.top_k),
                format!("sparsemixer with jitter {eps}: ties to the lowest id"),
            ),
            Algo::Top1Capacity { cap } => step(
                format!(
                    "T = best of {selects}, {} an expert",
                    count_of(cap, "token")
                ),
                "a token whose expert is full is dropped: only the residual stream goes on",
            ),
            Algo::HashTable => step("T = table(token)", "looked up by token, nothing is scored"),
        }
    }

    fn weights(&self, score: &str) -> RuleStep {
        if let Algo::SparseMixer { eps } = self.algo {
            return step(
                format!("w = softmax(z) over (m − z) / max(|z|, m) ≤ {}", 2.0 * eps),
                "one after the other: m is the chosen one's z, those before it are left out, so about 1 each",
            );
        }
        match (self.weight, self.renorm) {
            (Weight::SoftmaxOverTopK, _) => step(
                "w = softmax of z over T",
                format!("over the {} chosen only, sums to 1", self.top_k),
            ),
            (Weight::SigmoidOfLogit, _) => step("w = sigmoid(z)", "each by itself, 0 to 1"),
            (Weight::Score, Renorm::None) => step(
                format!("w = {score}"),
                "as scored; what the others scored is lost, so less than 1 in sum",
            ),
            (Weight::Score, Renorm::Sum { .. }) => step(
                format!("w = {score} / Σ over T"),
                "renormalised: the weights sum to 1",
            ),
            (Weight::Score, Renorm::PNorm(p)) => step(
                format!("w = {score} / {p}-norm over T"),
                "renormalised by their norm",
            ),
        }
    }

    /// The factor on every weight, where it is not 1 and acts.
    fn factor(&self) -> Option<f32> {
        let acts = !self.scale_only_if_not_renorm || self.renorm == Renorm::None;
        (acts && self.scale.to_bits() != 1.0f32.to_bits()).then_some(self.scale)
    }
}

impl ModelSpec {
    /// Routers of one rule in one part of their layers, in the order of the model.
    #[must_use]
    pub fn router_kinds(&self) -> Vec<(Vec<RouterId>, &RouterSpec)> {
        let mut kinds: Vec<(Vec<RouterId>, &RouterSpec)> = Vec::new();
        for (id, router) in self.router_ids() {
            let place = router.place;
            let is_same = |it: &&mut (Vec<RouterId>, &RouterSpec)| {
                let other = RouterSpec {
                    place,
                    ..it.1.clone()
                };
                let has_same_stack_and_site =
                    it.1.place.site == place.site && it.1.place.stack == place.stack;
                has_same_stack_and_site && *router == other
            };
            match kinds.iter_mut().find(is_same) {
                Some(kind) => kind.0.push(id),
                None => kinds.push((vec![id], router)),
            }
        }
        kinds
    }

    /// The layers of some routers: `layers 0-2, 4`, `attention of layers 0-2`.
    #[must_use]
    pub fn layers_words(&self, routers: &[RouterId]) -> String {
        let places = routers.iter().filter_map(|it| self.router(*it));
        let (layers, in_attention): (Vec<usize>, Vec<bool>) = places
            .map(|it| (it.place.layer.idx(), it.place.site == Site::Attention))
            .unzip();
        let part = if in_attention.contains(&true) {
            "attention of "
        } else {
            ""
        };
        let group = routers.first().and_then(|it| self.group_of(*it));
        let group = match group.map_or("", |it| it.name) {
            "" => String::new(),
            name => format!("{name} "),
        };
        format!("{part}{group}layers {}", runs(&layers))
    }

    /// The last step of a router's rule: what becomes of its experts' outputs; none for a router of attention.
    #[must_use]
    pub fn output_step(&self, router: RouterId) -> Option<RuleStep> {
        let spec = self.router(router)?;
        let mut layers = self.layers_of(spec.place.stack).iter();
        let moe = layers.find_map(|it| match &it.ffn {
            Ffn::Moe(moe) if moe.router == router => Some(moe),
            _ => None,
        })?;
        let experts = match moe.weight_on {
            WeightOn::Output => "Σ w · expert(x) over T",
            WeightOn::Input => "Σ expert(w · x) over T",
        };
        let factor = if moe.routed_scale.to_bits() == 1.0f32.to_bits() {
            String::new()
        } else {
            format!("{} · ", moe.routed_scale)
        };
        let experts = match (moe.latent, moe.out_bias) {
            (Some(n), _) => format!("y = U · Σ w · expert(D · x) over T, {n} wide within"),
            (None, true) => format!("{experts} + b"),
            (None, false) => experts.to_owned(),
        };
        let shared = match moe.shared.map(|it| it.gate) {
            None => "",
            Some(SharedGate::None) => " + shared(x)",
            Some(SharedGate::SigmoidScalar) => " + sigmoid(g · x) · shared(x)",
        };
        let shared = if moe.shared_scale.to_bits() == 1.0f32.to_bits() {
            shared.to_owned()
        } else {
            shared.replacen("+ ", &format!("+ {} · ", moe.shared_scale), 1)
        };
        Some(step(
            format!("y = {factor}{experts}{shared}"),
            format!("{} of {} experts are run", spec.top_k, spec.n_experts),
        ))
    }
}

/// `0-2, 4`: whole numbers with runs drawn together.
pub(super) fn runs(numbers: &[usize]) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for &it in numbers {
        match runs.last_mut() {
            Some((_, end)) if *end + 1 == it => *end = it,
            _ => runs.push((it, it)),
        }
    }
    let words: Vec<String> = runs
        .into_iter()
        .map(|(from, to)| {
            if from == to {
                from.to_string()
            } else {
                format!("{from}-{to}")
            }
        })
        .collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Groups, LayerId};

    fn check(router: &RouterSpec, wanted: &[&str]) {
        let got: Vec<String> = router.steps(16).into_iter().map(|it| it.formula).collect();
        assert_eq!(got, wanted);
    }

    #[test]
    fn the_steps_of_a_rule_carry_its_numbers() {
        let plain = RouterSpec::softmax_top_k(LayerId(0), 8, 2);
        check(
            &plain,
            &["z = W · x", "p = softmax(z)", "T = top 2 of p", "w = p"],
        );
        let mixtral = RouterSpec {
            renorm: Renorm::Sum { eps: 0.0, min: 0.0 },
            ..plain.clone()
        };
        check(
            &mixtral,
            &[
                "z = W · x",
                "p = softmax(z)",
                "T = top 2 of p",
                "w = p / Σ over T",
            ],
        );
        assert_eq!(
            mixtral.steps(16)[0].meaning,
            "8 scores, one an expert; x is the normed input, 16 wide"
        );
        let granite = RouterSpec {
            score: Score::Logit,
            weight: Weight::SoftmaxOverTopK,
            ..plain.clone()
        };
        check(
            &granite,
            &["z = W · x", "T = top 2 of z", "w = softmax of z over T"],
        );
    }

    #[test]
    fn bias_groups_and_factor_have_their_steps() {
        let deepseek = RouterSpec {
            score: Score::Sigmoid,
            select_bias: true,
            groups: Some(Groups {
                n: 8,
                keep: 4,
                by: GroupScore::Top2Sum,
            }),
            renorm: Renorm::Sum { eps: 0.0, min: 0.0 },
            scale: 2.5,
            ..RouterSpec::softmax_top_k(LayerId(0), 256, 8)
        };
        check(
            &deepseek,
            &[
                "z = W · x",
                "s = sigmoid(z)",
                "c = s + b",
                "4 of 8 groups stay",
                "T = top 8 of c",
                "w = s / Σ over T",
                "w ← 2.5 · w",
            ],
        );
        assert_eq!(
            deepseek.formula(),
            "T = top 8 of sigmoid(z) + b within the 4 best of 8 groups, w = sigmoid(z) / Σ over T · 2.5"
        );
        // The factor of this one acts only on weights that are not renormalised.
        let second = RouterSpec {
            scale_only_if_not_renorm: true,
            ..deepseek
        };
        assert!(!second.formula().ends_with("2.5"));
    }

    #[test]
    fn runs_are_drawn_together() {
        assert_eq!(runs(&[0, 1, 2, 4, 6, 7]), "0-2, 4, 6-7");
        assert_eq!(runs(&[]), "");
    }
}
