//! What is wrong with a model beyond its load, each with the numbers that say so: weights that are no numbers, experts
//! that are copies or put out next to nothing, routers that look at no token, biases out of line.
//!
//! **Invariant:** a sound model has none; what one broken part causes is said
//! once, as the most telling of them.

mod advice;
mod words;

use std::collections::BTreeSet;

use serde::{Serialize, Serializer};

use super::{Choices, Report, SelectionBias, Verdict};
use crate::spec::{
    Action, Amount, ExpertId, Intervention, ModelSpec, RouterId, RouterRef, RouterSpec, Score,
    Site, Span, StackId,
};
use crate::trace::{Copies, GateFacts, NotFinite, PositionKind, WeightPart};

pub use advice::{Advice, advice_on_load};

/// An output is next to nothing below this part of the layer's median.
const NOTHING_BELOW: f32 = 0.01;
/// Information about the token below this part of the entropy of the choice is none.
const INFORMED_FROM: f64 = 0.01;
/// Median absolute deviations from the median beyond which a bias is out of line.
const MOST_DEVIATIONS: f64 = 6.0;
/// How far from the median it is at least, where scores are at most 1 apart.
const LEAST_BIAS: f64 = 0.5;
/// Tokens that a judgement on a router's choices needs.
const LEAST_TOKENS: usize = 2000;
/// Tokens after which a choice that was always the same one is no chance.
const LEAST_SAME: usize = 200;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A weight is NaN or infinite.
    NotFinite,
    /// A router chooses without looking at the token.
    TokenIndependent,
    /// Experts are copies of each other.
    Copies,
    /// An expert puts out next to nothing.
    NoOutput,
    /// A selection bias far from the others.
    BiasOutlier,
    /// Experts have the same row in the gate.
    SameGateRow,
    /// An expert's row in the gate is next to nothing.
    EmptyGateRow,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub kind: FindingKind,
    /// The router it is about; none where it is about no layer with one.
    pub router: Option<RouterId>,
    /// Where, in words: `layer 3`.
    pub place: String,
    /// The experts it is about.
    pub experts: Vec<ExpertId>,
    /// What is wrong and by which numbers, a sentence.
    pub evidence: String,
    /// What it means and what to do.
    #[serde(flatten)]
    pub advice: Advice,
}

impl Finding {
    /// The same, said of what stands at the positions of the model: of points where those do.
    fn said(self, kind: PositionKind) -> Self {
        Self {
            evidence: kind.said(self.evidence).into_owned(),
            advice: self.advice.said(kind),
            ..self
        }
    }
}

/// What findings are made from, all that is known of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Evidence<'a> {
    /// Of each router.
    pub gates: &'a [GateFacts],
    /// Of the weights, as far as they were looked at.
    pub weights: &'a [WeightPart],
    /// Of the tokens that were read.
    pub choices: Option<&'a Choices>,
    /// The judgement on the load.
    pub report: Option<&'a Report>,
}

/// All that is wrong, router by router.
#[must_use]
pub fn findings(spec: &ModelSpec, evidence: &Evidence<'_>) -> Vec<Finding> {
    let broken = evidence.weights.iter().flat_map(|it| &it.not_finite);
    let mut out: Vec<Finding> = broken.map(|it| not_finite(spec, it)).collect();
    for (id, router) in spec.router_ids() {
        let gate = evidence.gates.get(id.idx());
        let part = evidence.weights.iter().find(|it| it.router == Some(id));
        let at = At { id, router };
        let blind = at.token_independent(gate, evidence);
        let is_blind = blind.is_some();
        out.extend(blind);
        let mut copied: Vec<&Copies> = Vec::new();
        if let Some(part) = part {
            copied.extend(&part.copies);
            out.extend(part.copies.iter().map(|it| at.copies(it, gate)));
            out.extend(at.no_output(part));
        }
        if let Some(gate) = gate {
            out.extend(at.bias_outliers(gate));
            if !is_blind {
                out.extend(at.gate_rows(gate, &copied));
            }
        }
    }
    let kind = PositionKind::of(spec);
    out.into_iter().map(|it| it.said(kind)).collect()
}

/// A router.
#[derive(Clone, Copy)]
struct At<'a> {
    id: RouterId,
    router: &'a RouterSpec,
}

fn not_finite(spec: &ModelSpec, it: &NotFinite) -> Finding {
    let router = it.router.and_then(|id| spec.routers.get(id.idx()));
    let layer = it.layer.map(|it| format!("layer {it}"));
    Finding {
        kind: FindingKind::NotFinite,
        router: it.router,
        place: router
            .map(RouterSpec::label)
            .or(layer)
            .unwrap_or_else(|| it.part.clone()),
        experts: it.expert.into_iter().collect(),
        evidence: format!("{}.", words::capital(&it.sentence())),
        advice: advice::on(FindingKind::NotFinite, None),
    }
}

impl At<'_> {
    fn finding(
        self,
        kind: FindingKind,
        experts: Vec<ExpertId>,
        evidence: String,
        action: Option<Action>,
    ) -> Finding {
        Finding {
            kind,
            router: Some(self.id),
            place: self.router.label(),
            experts,
            evidence,
            advice: advice::on(kind, action.map(|it| self.edit(it))),
        }
    }

    /// The edit that does this at the router.
    fn edit(self, action: Action) -> Intervention {
        let place = self.router.place;
        let at = match (place.stack, place.site) {
            (StackId::Decoder, Site::Ffn) if place.of_two => {
                RouterRef::InStack(place.stack, place.layer)
            }
            (StackId::Decoder, Site::Ffn) => RouterRef::Layer(place.layer),
            (StackId::Decoder, Site::Attention) => RouterRef::Attention(place.layer),
            (StackId::Encoder, _) => RouterRef::InStack(place.stack, place.layer),
        };
        Intervention {
            at,
            action,
            span: Span::default(),
        }
    }

    fn copies(self, it: &Copies, gate: Option<&GateFacts>) -> Finding {
        let same_rows = gate.is_some_and(|gate| {
            let holds = |group: &&Vec<ExpertId>| it.experts.iter().all(|e| group.contains(e));
            gate.same_rows.iter().any(|group| holds(&group))
        });
        let swap = Action::Swap {
            expert: it.experts[1],
            with: it.experts[0],
        };
        let evidence = words::copies(it, &self.router.label(), same_rows);
        self.finding(
            FindingKind::Copies,
            it.experts.clone(),
            evidence,
            Some(swap),
        )
    }

    /// Experts whose output is next to nothing beside the one in the middle.
    fn no_output(self, part: &WeightPart) -> Option<Finding> {
        let norms = || part.output_norms.iter().zip(&part.has_weights);
        let mut sorted: Vec<f32> = norms().filter(|it| *it.1).map(|it| *it.0).collect();
        sorted.sort_by(f32::total_cmp);
        let median = *sorted.get(sorted.len() / 2)?;
        let is_nothing = |it: f32| it == 0.0 || it < NOTHING_BELOW * median;
        let found: Vec<(ExpertId, f32)> = norms()
            .enumerate()
            .filter(|(_, (norm, has))| **has && is_nothing(**norm))
            .map(|(row, (norm, _))| (ExpertId::new(row), *norm))
            .collect();
        let first = found.first()?.0;
        let evidence = words::no_output(&found, median, &self.router.label());
        let experts = found.iter().map(|it| it.0).collect();
        let action = Action::Zero { expert: first };
        Some(self.finding(FindingKind::NoOutput, experts, evidence, Some(action)))
    }

    /// Biases out of line by their spread, and by a part of what scores can be apart: among few experts chance alone
    /// puts one beyond six deviations.
    fn bias_outliers(self, gate: &GateFacts) -> Option<Finding> {
        let mut bias = SelectionBias::of(&gate.selection_bias, self.router.score)?;
        let least = match self.router.score {
            Score::Softmax | Score::Sigmoid => LEAST_BIAS,
            Score::SqrtSoftplus | Score::Logit => 2.0 * MOST_DEVIATIONS * bias.deviation,
        };
        let is_far = |it: f64| {
            let apart = (it - bias.median).abs();
            it.is_finite() && apart > MOST_DEVIATIONS * bias.deviation && apart > least
        };
        let numbers = gate.selection_bias.iter().map(|it| f64::from(*it));
        bias.outliers = numbers
            .enumerate()
            .filter(|(_, it)| is_far(*it))
            .map(|(row, it)| (ExpertId::new(row), it))
            .collect();
        let (expert, value) = *bias.outliers.first()?;
        let back = Action::Select {
            expert,
            value: Amount((bias.median - value) as f32),
        };
        let experts = bias.outliers.iter().map(|it| it.0).collect();
        let evidence = words::bias(&bias, &self.router.label());
        Some(self.finding(FindingKind::BiasOutlier, experts, evidence, Some(back)))
    }

    /// Rows of the gate that are the same or next to nothing. Where experts are copies their rows are said with them.
    fn gate_rows(self, gate: &GateFacts, copied: &[&Copies]) -> Vec<Finding> {
        let is_told = |group: &Vec<ExpertId>| {
            let told = |it: &&Copies| group.iter().all(|e| it.experts.contains(e));
            copied.iter().any(told)
        };
        let label = self.router.label();
        let same = gate.same_rows.iter().filter(|it| !is_told(it)).map(|it| {
            let mask = Action::Mask { expert: it[1] };
            let evidence = words::same_rows(it, &label);
            self.finding(FindingKind::SameGateRow, it.clone(), evidence, Some(mask))
        });
        let mut out: Vec<Finding> = same.collect();
        if let Some(first) = gate.empty_rows.first() {
            let evidence = words::empty_rows(&gate.empty_rows, &gate.norms, &label);
            let mask = Action::Mask { expert: *first };
            let experts = gate.empty_rows.clone();
            out.push(self.finding(FindingKind::EmptyGateRow, experts, evidence, Some(mask)));
        }
        out
    }

    /// Whether the router chooses without looking at the token: its gate cannot tell tokens apart, or its choices do not.
    fn token_independent(
        self,
        gate: Option<&GateFacts>,
        evidence: &Evidence<'_>,
    ) -> Option<Finding> {
        let label = self.router.label();
        let n = self.router.n_experts;
        let told = gate
            .and_then(|it| by_gate(it, n, &label))
            .or_else(|| self.by_choices(evidence, &label))?;
        let action = Some(Action::Random { seed: 1 });
        Some(self.finding(FindingKind::TokenIndependent, Vec::new(), told, action))
    }

    fn by_choices(self, evidence: &Evidence<'_>, label: &str) -> Option<String> {
        let it = evidence.choices?.dependence(self.id)?;
        if self.router.n_experts < 2 {
            return None;
        }
        if it.entropy == 0.0 {
            return (it.n_tokens >= LEAST_SAME).then(|| words::one_choice(&it, label));
        }
        if it.n_tokens < LEAST_TOKENS {
            return None;
        }
        let report = evidence.report?;
        let router = report.routers.iter().find(|at| at.router == self.id)?;
        let verdict = router.verdict.or(router.withheld)?;
        let least = INFORMED_FROM * it.entropy;
        let is_blind = it.token < least && verdict != Verdict::Even;
        let goes_by_place = it.position > it.token && it.position > least;
        (is_blind || goes_by_place).then(|| words::independent(&it, label))
    }
}

/// Where every row of the gate is the same or nothing, no token is told from another.
fn by_gate(gate: &GateFacts, n_experts: usize, label: &str) -> Option<String> {
    let empty: BTreeSet<ExpertId> = gate.empty_rows.iter().copied().collect();
    let all_same = gate.same_rows.iter().any(|it| it.len() == n_experts);
    if n_experts > 1 && (all_same || empty.len() == n_experts) {
        return Some(words::blind_gate(all_same, n_experts, label));
    }
    gate.is_one_number.then(|| words::one_number(label))
}

/// As it is typed.
#[expect(clippy::ref_option, reason = "the shape that serde calls")]
fn edit_text<S: Serializer>(edit: &Option<Intervention>, to: S) -> Result<S::Ok, S::Error> {
    edit.map(|it| it.to_string()).serialize(to)
}

#[cfg(test)]
mod tests;
