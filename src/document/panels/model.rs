//! What the Model panel says of a model, in words and numbers: made once when it is opened; and its table.

use std::sync::Arc;

use crate::analysis::SelectionBias;
use crate::document::{Cell, Table, bytes, percent};
use crate::spec::{RuleStep, count_of, grouped};
use crate::trace::{GateFacts, ModelFacts, WeightShare};

/// What reasons for not taking a graphics processor stand beside.
pub const WHY_CPU: &str = "why the CPU";

/// The rule of some routers.
#[derive(Clone, Debug)]
pub struct ModelRule {
    /// `layers 0-5: 8 experts, softmax, top 2, renormalised`.
    pub title: String,
    /// From what the gate reads to what is added to the residual stream.
    pub steps: Vec<RuleStep>,
}

/// One kind of weights.
#[derive(Clone, Debug)]
pub struct WeightKind {
    /// What they are for.
    pub share: WeightShare,
    /// Of all bytes, 0 to 1.
    pub part: f32,
}

/// One router's gate.
#[derive(Clone, Debug)]
pub struct ModelGate {
    /// `layer 4`.
    pub label: String,
    /// Smallest, mean and largest norm of its rows; none where it was not read.
    pub norms: Option<[f32; 3]>,
    /// What it tells.
    pub facts: GateFacts,
}

/// All of it.
#[derive(Clone, Debug)]
pub struct ModelPage {
    /// Of which model.
    pub facts: Arc<ModelFacts>,
    /// Name and value: layers, widths, experts.
    pub shape: Vec<(&'static str, String)>,
    /// Each distinct rule.
    pub rules: Vec<ModelRule>,
    /// Weights by what they are for, in the order of the model.
    pub kinds: Vec<WeightKind>,
    /// Name and value: weights, cache, what is free.
    pub memory: Vec<(&'static str, String)>,
    /// Each router.
    pub gates: Vec<ModelGate>,
}

impl ModelPage {
    /// Of a model.
    #[must_use]
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
    #[must_use]
    pub fn active_share(&self) -> f32 {
        let it = self.facts.parameters;
        it.active as f32 / it.total.max(1) as f32
    }

    /// What the gates say together, in words.
    #[must_use]
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
             This says nothing of how the experts are used.{}",
            self.bias_words()
        )
    }

    /// What is added to scores before the choice, over all routers; empty where nothing is.
    fn bias_words(&self) -> String {
        let routers = self.facts.spec.routers.iter().zip(&self.gates);
        let biases: Vec<(&str, SelectionBias)> = routers
            .filter_map(|(router, gate)| {
                let bias = SelectionBias::of(&gate.facts.selection_bias, router.score)?;
                Some((gate.label.as_str(), bias))
            })
            .collect();
        let min = biases.iter().map(|it| it.1.min).reduce(f64::min);
        let max = biases.iter().map(|it| it.1.max).reduce(f64::max);
        let Some((min, max)) = min.zip(max) else {
            return String::new();
        };
        let far = biases.iter().filter(|it| !it.1.outliers.is_empty());
        let far: Vec<String> = far
            .map(|(label, it)| format!("{} in {label}", it.outliers.len()))
            .collect();
        let far = if far.is_empty() {
            "none stands far from the others of its layer".to_owned()
        } else {
            format!("far from the others of their layer: {}", far.join(", "))
        };
        format!(
            " Selection biases, which act on the choice and on no weight, reach from {min:.3} to {max:.3}; {far}."
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

fn rules(facts: &ModelFacts) -> Vec<ModelRule> {
    let spec = &facts.spec;
    let rule = |(ids, router): &(Vec<crate::spec::RouterId>, &crate::spec::RouterSpec)| {
        let mut steps = router.steps(spec.d_model);
        steps.extend(ids.first().and_then(|it| spec.output_step(*it)));
        ModelRule {
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

fn kinds(facts: &ModelFacts) -> Vec<WeightKind> {
    let all = facts.weight_bytes.max(1) as f32;
    let shares = facts.weight_shares.iter();
    shares
        .map(|it| WeightKind {
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
                "{} at {} of one row",
                bytes(full),
                count_of(facts.n_ctx, "position")
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

fn gates(facts: &ModelFacts) -> Vec<ModelGate> {
    let routers = facts.spec.routers.iter().zip(&facts.gates);
    routers
        .map(|(router, gate)| {
            let norms = || gate.norms.iter().copied();
            let least = norms().reduce(f32::min);
            let most = norms().reduce(f32::max);
            let mean = norms().sum::<f32>() / gate.norms.len().max(1) as f32;
            ModelGate {
                label: router.label(),
                norms: least.zip(most).map(|(least, most)| [least, mean, most]),
                facts: gate.clone(),
            }
        })
        .collect()
}

/// Everything on the page: of what, which, its number with a unit, or its words.
///
/// `speed`: tokens a second, as fast as it goes and at the pace set.
#[must_use]
pub fn model_table(page: &ModelPage, speed: [Option<f32>; 2]) -> Table {
    let [could_do, measured] = speed;
    let facts = &page.facts;
    let title = format!("Model, {}", facts.name);
    let columns = [
        ("section", ""),
        ("name", ""),
        ("number", ""),
        ("unit", ""),
        ("words", ""),
    ];
    let mut out = Table::new(title, &columns);
    let mut number = |section: &str, name: &str, it: Cell, unit: &str| {
        let cells = [section.into(), name.into(), it, unit.into(), Cell::Empty];
        out.push(cells);
    };
    let parameters = facts.parameters;
    number("parameters", "all", parameters.total.into(), "");
    number("parameters", "active", parameters.active.into(), "");
    for it in &facts.weight_shares {
        number("parameters", &it.kind, it.parameters.into(), "");
    }
    number("memory", "weights", facts.weight_bytes.into(), "bytes");
    for it in &facts.weight_shares {
        number("memory", &it.kind, it.bytes.into(), "bytes");
    }
    let one = facts.cache_bytes_per_position;
    number("memory", "cache of a position", one.into(), "bytes");
    let full = one.saturating_mul(facts.n_ctx as u64);
    number("memory", "cache of a full context", full.into(), "bytes");
    number(
        "memory",
        "free when opened",
        facts.available_bytes.into(),
        "bytes",
    );
    number("speed", "could do", could_do.into(), "tokens/s");
    number("speed", "writes now", measured.into(), "tokens/s");
    for gate in &page.gates {
        let section = format!("gate, {}", gate.label);
        for (expert, norm) in gate.facts.norms.iter().enumerate() {
            let name = format!("row norm of expert {expert}");
            number(&section, &name, (*norm).into(), "");
        }
        for (expert, bias) in gate.facts.selection_bias.iter().enumerate() {
            let name = format!("selection bias of expert {expert}");
            number(&section, &name, (*bias).into(), "");
        }
        let near = gate.facts.nearest;
        let name = near.map_or_else(
            || "largest cosine".to_owned(),
            |it| format!("largest cosine, experts {} and {}", it.a, it.b),
        );
        number(&section, &name, near.map(|it| it.cosine).into(), "");
        let broken = gate.facts.n_not_finite;
        number(&section, "numbers NaN or infinite", broken.into(), "");
    }
    words(&mut out, page);
    out
}

fn words(out: &mut Table, page: &ModelPage) {
    let facts = &page.facts;
    let mut words = |section: &str, name: &str, it: &str| {
        let none = || Cell::Empty;
        out.push([section.into(), name.into(), none(), none(), it.into()]);
    };
    words("model", "name", &facts.name);
    words("model", "family", &facts.spec.family_label);
    words("model", "numbers", &facts.dtype);
    words("model", "device", &facts.device.label);
    for (name, value) in &facts.device.details {
        words("device", name, value);
    }
    for why in &facts.device.notes {
        words("device", WHY_CPU, why);
    }
    for (name, it) in &page.shape {
        words("shape", name, it);
    }
    for rule in &page.rules {
        for step in &rule.steps {
            words(&rule.title, &step.formula, &step.meaning);
        }
    }
    for note in &facts.notes {
        words("note", "", note);
    }
}
