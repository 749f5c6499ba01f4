//! What is said of a model, in words and numbers: made once when it is opened.

use std::sync::Arc;

use crate::spec::RuleStep;
use crate::trace::{GateFacts, ModelFacts, WeightShare};
use crate::ui::words::{bytes, grouped, percent};

/// What reasons for not taking a graphics processor stand beside.
pub const WHY_CPU: &str = "why the CPU";

/// The rule of some routers.
#[derive(Clone, Debug)]
pub struct Rule {
    /// `layers 0-5: 8 experts, softmax, top 2, renormalised`.
    pub title: String,
    /// From what the gate reads to what is added to the residual stream.
    pub steps: Vec<RuleStep>,
}

/// One kind of weights.
#[derive(Clone, Debug)]
pub struct Kind {
    /// What they are for.
    pub share: WeightShare,
    /// Of all bytes, 0 to 1.
    pub part: f32,
}

/// One router's gate.
#[derive(Clone, Debug)]
pub struct Gate {
    /// `layer 4`.
    pub label: String,
    /// Smallest, mean and largest norm of its rows; none where it was not read.
    pub norms: Option<[f32; 3]>,
    /// What it tells.
    pub facts: GateFacts,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Page {
    /// Of which model.
    pub facts: Arc<ModelFacts>,
    /// Name and value: layers, widths, experts.
    pub shape: Vec<(&'static str, String)>,
    /// Each distinct rule.
    pub rules: Vec<Rule>,
    /// Weights by what they are for, in the order of the model.
    pub kinds: Vec<Kind>,
    /// Name and value: weights, cache, what is free.
    pub memory: Vec<(&'static str, String)>,
    /// Each router.
    pub gates: Vec<Gate>,
}

impl Page {
    /// Of a model.
    pub fn new(facts: &Arc<ModelFacts>) -> Self {
        Self {
            facts: Arc::clone(facts),
            shape: shape(facts),
            rules: rules(facts),
            kinds: kinds(facts),
            memory: memory(facts),
            gates: gates(facts),
        }
    }

    /// The share of parameters that one token passes, 0 to 1.
    pub fn active_share(&self) -> f32 {
        let it = self.facts.parameters;
        it.active as f32 / it.total.max(1) as f32
    }

    /// What the gates say together, in words.
    pub fn gates_words(&self) -> String {
        let n_broken: u64 = self.gates.iter().map(|it| it.facts.n_not_finite).sum();
        let finite = match n_broken {
            0 => "every number of the gates is finite".to_owned(),
            1 => "one number of the gates is NaN or infinite".to_owned(),
            n => format!("{} numbers of the gates are NaN or infinite", grouped(n)),
        };
        let norms = || self.gates.iter().filter_map(|it| it.norms);
        let width = 1.0 / (self.facts.spec.d_model.max(1) as f32).sqrt();
        let spread = norms()
            .map(|it| it[2] / it[0])
            .filter(|it| it.is_finite())
            .fold(1.0f32, f32::max);
        format!(
            "Read from the gates alone: {finite}; within a router the longest row is at most {spread:.2} × the shortest. \
             A long row scores far from 0; rows of a cosine near 1 score alike; cosines of unrelated rows scatter by about {width:.2} around 0. \
             This says nothing of how the experts are used."
        )
    }
}

fn shape(facts: &ModelFacts) -> Vec<(&'static str, String)> {
    let spec = &facts.spec;
    let mut out = spec.shape_lines();
    for it in &mut out {
        if matches!(it.0, "width" | "vocabulary" | "context")
            && let Ok(n) = it.1.parse()
        {
            it.1 = grouped(n);
        }
    }
    let mut counts: Vec<String> = spec
        .router_kinds()
        .iter()
        .map(|(ids, it)| {
            let where_ = spec.layers_words(ids);
            format!("{} in {where_}, {} a token", it.n_experts, it.top_k)
        })
        .collect();
    counts.dedup();
    out.push(("experts", counts.join("; ")));
    out.extend(spec.expert_lines());
    out
}

fn rules(facts: &ModelFacts) -> Vec<Rule> {
    let spec = &facts.spec;
    let rule = |(ids, router): &(Vec<crate::spec::RouterId>, &crate::spec::RouterSpec)| {
        let mut steps = router.steps(spec.d_model);
        steps.extend(ids.first().and_then(|it| spec.output_step(*it)));
        Rule {
            title: format!(
                "{}: {} experts, {}",
                spec.layers_words(ids),
                router.n_experts,
                router.rule()
            ),
            steps,
        }
    };
    spec.router_kinds().iter().map(rule).collect()
}

fn kinds(facts: &ModelFacts) -> Vec<Kind> {
    let all = facts.weight_bytes.max(1) as f32;
    let shares = facts.weight_shares.iter();
    shares
        .map(|it| Kind {
            share: it.clone(),
            part: it.bytes as f32 / all,
        })
        .collect()
}

fn memory(facts: &ModelFacts) -> Vec<(&'static str, String)> {
    let one = facts.cache_bytes_per_position;
    let full = one.saturating_mul(facts.n_ctx as u64);
    let mut out = vec![
        ("weights", bytes(facts.weight_bytes)),
        ("KV cache", format!("{} a position", bytes(one))),
        (
            "full context",
            format!(
                "{} at {} positions of one row",
                bytes(full),
                grouped(facts.n_ctx as u64)
            ),
        ),
    ];
    // The machine's memory says nothing of a device's own.
    if let Some(free) = facts.available_bytes.filter(|_| !facts.device.is_gpu) {
        let part = full as f32 / free.max(1) as f32;
        let words = format!(
            "{} when it was opened; a full context is {} of that",
            bytes(free),
            percent(part)
        );
        out.push(("free", words));
    }
    out
}

fn gates(facts: &ModelFacts) -> Vec<Gate> {
    let routers = facts.spec.routers.iter().zip(&facts.gates);
    routers
        .map(|(router, gate)| {
            let norms = || gate.norms.iter().copied();
            let least = norms().reduce(f32::min);
            let most = norms().reduce(f32::max);
            let mean = norms().sum::<f32>() / gate.norms.len().max(1) as f32;
            Gate {
                label: router.label(),
                norms: least.zip(most).map(|(least, most)| [least, mean, most]),
                facts: gate.clone(),
            }
        })
        .collect()
}
