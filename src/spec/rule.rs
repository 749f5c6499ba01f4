//! A model in words: its shape line by line, and the rule of a router as a formula with its numbers.
//! For whoever prints it and whoever draws it, so that both say the same.

use super::{
    Algo, Ffn, Gate, GroupScore, Mask, Mixer, ModelSpec, QkNorm, RecurrentSpec, Renorm,
    RopeScaling, RouterId, RouterInput, RouterSpec, Score, SharedGate, Weight, WeightOn,
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
        format!("{chosen}, {}{scale}", self.weights(score).formula)
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
                format!("T = sparsemixer(z, {eps})"),
                "one after the other, each among those near the best",
            ),
            Algo::Top1Capacity { cap, .. } => step(
                format!("T = best of {selects}, {cap} tokens an expert"),
                "a token whose expert is full is dropped",
            ),
            Algo::HashTable => step("T = table(token)", "looked up by token, nothing is scored"),
        }
    }

    fn weights(&self, score: &str) -> RuleStep {
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
    /// Routers of one rule, in the order of the model.
    #[must_use]
    pub fn router_kinds(&self) -> Vec<(Vec<RouterId>, &RouterSpec)> {
        let mut kinds: Vec<(Vec<RouterId>, &RouterSpec)> = Vec::new();
        for (id, router) in self.router_ids() {
            let place = router.place;
            let is_same = |it: &&mut (Vec<RouterId>, &RouterSpec)| {
                *router
                    == RouterSpec {
                        place,
                        ..it.1.clone()
                    }
            };
            match kinds.iter_mut().find(is_same) {
                Some(kind) => kind.0.push(id),
                None => kinds.push((vec![id], router)),
            }
        }
        kinds
    }

    /// The layers of some routers: `layers 0-2, 4`.
    #[must_use]
    pub fn layers_words(&self, routers: &[RouterId]) -> String {
        let layers: Vec<usize> = routers
            .iter()
            .filter_map(|it| self.router(*it))
            .map(|it| it.place.layer.idx())
            .collect();
        format!("layers {}", runs(&layers))
    }

    /// The last step of a router's rule: what becomes of its experts' outputs; none for a router of attention.
    #[must_use]
    pub fn output_step(&self, router: RouterId) -> Option<RuleStep> {
        let moe = self.layers.iter().find_map(|it| match &it.ffn {
            Ffn::Moe(moe) if moe.router == router => Some(moe),
            _ => None,
        })?;
        let spec = self.router(router)?;
        let experts = match moe.weight_on {
            WeightOn::Output => "y = Σ w · expert(x) over T",
            WeightOn::Input => "y = Σ expert(w · x) over T",
        };
        let shared = match moe.shared.map(|it| it.gate) {
            None => "",
            Some(SharedGate::None) => " + shared(x)",
            Some(SharedGate::SigmoidScalar) => " + sigmoid(g · x) · shared(x)",
        };
        Some(step(
            format!("{experts}{shared}"),
            format!("{} of {} experts are run", spec.top_k, spec.n_experts),
        ))
    }

    /// Layers, widths, attention, context, head: a name and what it is, line by line.
    #[must_use]
    pub fn shape_lines(&self) -> Vec<(&'static str, String)> {
        let mut out = vec![
            ("layers", self.layers.len().to_string()),
            ("width", self.d_model.to_string()),
            ("vocabulary", self.n_vocab.to_string()),
            ("context", self.n_ctx.to_string()),
        ];
        let first = self.layers.iter().find_map(|it| match &it.mixer {
            Mixer::Gqa(it) => Some(it),
            _ => None,
        });
        if let Some(attn) = first {
            let norm = match attn.qk_norm {
                QkNorm::None => "",
                QkNorm::PerHead => ", q and k normed per head",
                QkNorm::Full | QkNorm::L2 => ", q and k normed",
            };
            out.push((
                "attention",
                format!(
                    "{} heads, {} of keys and values, {} wide{norm}",
                    attn.n_heads, attn.n_kv_heads, attn.head_dim
                ),
            ));
            if let Some(rope) = &attn.rope {
                let words = format!("rotary, base {}{}", rope.theta, scaling(&rope.scaling));
                out.push(("positions", words));
            }
        }
        out.extend(self.latent_lines());
        out.extend(self.window_line());
        out.extend(self.state_line());
        let head = if self.head.tied {
            "the embedding"
        } else {
            "its own"
        };
        out.push(("head", head.to_owned()));
        out
    }

    /// Widths of experts and shared experts, and the layers that have none.
    #[must_use]
    pub fn expert_lines(&self) -> Vec<(&'static str, String)> {
        let mut out = Vec::new();
        let moe = self.layers.iter().find_map(|it| match &it.ffn {
            Ffn::Moe(it) => Some(it),
            Ffn::Dense(_) | Ffn::None => None,
        });
        if let Some(moe) = moe {
            out.push(("expert width", moe.expert.d_ff.to_string()));
            if let Some(shared) = moe.shared {
                out.push(("shared expert width", shared.mlp.d_ff.to_string()));
            }
        }
        let dense: Vec<usize> = self
            .layers
            .iter()
            .enumerate()
            .filter(|(_, it)| matches!(it.ffn, Ffn::Dense(_)))
            .map(|it| it.0)
            .collect();
        if !dense.is_empty() {
            out.push(("dense layers", runs(&dense)));
        }
        out
    }

    /// Latent attention, where a layer has it.
    fn latent_lines(&self) -> Vec<(&'static str, String)> {
        let first = self.layers.iter().find_map(|it| match &it.mixer {
            Mixer::Mla(it) => Some(it),
            _ => None,
        });
        let Some(it) = first else {
            return Vec::new();
        };
        let mut words = format!(
            "latent, {} heads, keys of {} + {} rotated, values of {}, {} + {} kept of a position",
            it.n_heads, it.nope_dim, it.rope_dim, it.v_dim, it.kv_lora, it.rope_dim
        );
        if it.rope.is_none() {
            words = words.replace(" rotated", " shared");
        }
        let positions = match &it.rope {
            Some(rope) => format!("rotary, base {}{}", rope.theta, scaling(&rope.scaling)),
            None => "none in latent attention".to_owned(),
        };
        vec![("attention", words), ("positions", positions)]
    }

    /// The layers that fold positions into a state, and what by.
    fn state_line(&self) -> Option<(&'static str, String)> {
        let states: Vec<(usize, &RecurrentSpec)> = self
            .layers
            .iter()
            .enumerate()
            .filter_map(|(l, it)| match &it.mixer {
                Mixer::Recurrent(it) => Some((l, it)),
                _ => None,
            })
            .collect();
        let label = states.first()?.1.label();
        let layers: Vec<usize> = states.iter().map(|it| it.0).collect();
        Some(("states", format!("{label} in layers {}", runs(&layers))))
    }

    fn window_line(&self) -> Option<(&'static str, String)> {
        let windows: Vec<(usize, usize)> = self
            .layers
            .iter()
            .enumerate()
            .filter_map(|(l, it)| match &it.mixer {
                Mixer::Gqa(it) => match it.mask {
                    Mask::Window(n) => Some((l, n)),
                    _ => None,
                },
                _ => None,
            })
            .collect();
        let n = windows.first()?.1;
        let layers: Vec<usize> = windows.iter().map(|it| it.0).collect();
        let words = format!("{n} positions in layers {}", runs(&layers));
        Some(("window", words))
    }
}

fn scaling(scaling: &RopeScaling) -> String {
    match scaling {
        RopeScaling::None => String::new(),
        RopeScaling::Linear { factor } => format!(", linear × {factor}"),
        RopeScaling::Yarn {
            factor,
            original_ctx,
            ..
        } => format!(", yarn × {factor} from {original_ctx}"),
        RopeScaling::Llama3 {
            factor,
            original_ctx,
            ..
        } => format!(", llama3 × {factor} from {original_ctx}"),
        RopeScaling::LongRope { original_ctx, .. } => format!(", longrope from {original_ctx}"),
    }
}

/// `0-2, 4`: whole numbers with runs drawn together.
fn runs(numbers: &[usize]) -> String {
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
