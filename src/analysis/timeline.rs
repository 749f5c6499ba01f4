//! Several checkpoints of one model over the same tokens: how each expert's load went, when it left the even band, and
//! how much the choice changed from one to the next.
//!
//! Formulas: utilisation `u_i = n_i/n̄`; saturation `mean_t |S_a ∩ S_b|/k` (OLMoE, arXiv 2409.02060). **Invariant:**
//! all steps have the same routers and read the same tokens.

use serde::Serialize;

use super::{Choices, Report, RouterReport};
use crate::spec::{ExpertId, RouterId, count_of};

/// The even band: from half to twice an even share.
pub const EVEN_BAND: (f64, f64) = (0.5, 2.0);
/// A change of utilisation that is told between two models.
const MOVED_FROM: f64 = 0.1;
/// Experts told for each layer between two models.
const N_MOVED: usize = 4;

/// One step: a checkpoint, judged.
#[derive(Clone, Copy, Debug)]
pub struct TimelineStep<'a> {
    /// What it is called: `step-2000`.
    pub name: &'a str,
    /// Its load.
    pub report: &'a Report,
    /// Its choices, with all picks kept.
    pub choices: &'a Choices,
}

/// When an expert left the even band.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Leaving {
    /// Index of the expert in its router.
    pub expert: ExpertId,
    /// The first step at which it was outside, a row of `steps`.
    pub step: usize,
    /// Its utilisation there.
    pub utilisation: f64,
    /// Whether it is inside again at the last step.
    pub is_back: bool,
}

/// An expert whose load changed from the first step to the last.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Moved {
    /// Index of the expert in its router.
    pub expert: ExpertId,
    /// Utilisation at the first step.
    pub from: f64,
    /// At the last.
    pub to: f64,
}

/// One router through all steps.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RouterTimeline {
    /// Index of the router in the model.
    pub router: RouterId,
    /// `layer 3`.
    pub label: String,
    /// `[steps][E]`: utilisation, 1 is even; 0 where nothing was picked.
    pub utilisation: Vec<Vec<f64>>,
    /// Evenness at each step; none where nothing was picked.
    pub evenness: Vec<Option<f64>>,
    /// Experts that were outside the even band at some step.
    pub left: Vec<Leaving>,
    /// `[steps − 1]`: share of the picks that changed to the next step, 0 to 1; none where nothing was picked.
    pub churn: Vec<Option<f64>>,
    /// The experts whose load changed most from the first step to the last.
    pub moved: Vec<Moved>,
}

/// The whole.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Timeline {
    /// The steps in order.
    pub steps: Vec<String>,
    /// Tokens whose choices were compared.
    pub n_tokens: usize,
    /// The band an expert is called even in, times an even share.
    pub band: (f64, f64),
    /// Router by router.
    pub routers: Vec<RouterTimeline>,
    /// The first router, from the input on, whose choices differ between the first step and the last; none where all
    /// are the same.
    pub parts_at: Option<RouterId>,
}

/// Why there is no timeline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimelineError {
    /// Fewer than two steps.
    #[error("a timeline takes two models or more")]
    TooFew,
    /// Routers differ.
    #[error(
        "{one} and {other} have routers of different shapes ({of_one} and {of_other}), and a timeline needs the same"
    )]
    Shapes {
        /// Name of one step.
        one: String,
        /// Name of the other step.
        other: String,
        /// `6 routers of 8 experts, 2 of them picked`.
        of_one: String,
        /// The same of the other.
        of_other: String,
    },
    /// The same texts became other tokens.
    #[error(
        "{one} and {other} read other tokens of the same texts, so their choices cannot be compared"
    )]
    Tokens {
        /// Name of one step.
        one: String,
        /// Name of the other step.
        other: String,
    },
}

/// What the routers of a report are, in words.
fn shape(report: &Report) -> String {
    let routers = &report.routers;
    let of = |it: &RouterReport| (it.n_experts, it.top_k);
    let Some(first) = routers.first() else {
        return "no router".to_owned();
    };
    let n = routers.len();
    let n_words = count_of(n, "router");
    if routers.iter().all(|it| of(it) == of(first)) {
        let (experts, k) = of(first);
        return format!("{n_words} of {experts} experts, {k} of them picked");
    }
    let each: Vec<String> = routers.iter().map(|it| it.n_experts.to_string()).collect();
    format!("{n_words} of {} experts", each.join(", "))
}

/// Follows experts through the steps.
///
/// # Errors
/// Fewer than two, other shapes, other tokens.
pub fn timeline(steps: &[TimelineStep<'_>]) -> Result<Timeline, TimelineError> {
    let [first, rest @ ..] = steps else {
        return Err(TimelineError::TooFew);
    };
    if rest.is_empty() {
        return Err(TimelineError::TooFew);
    }
    for it in rest {
        let (one, other) = (first.name.to_owned(), it.name.to_owned());
        let key = |it: &RouterReport| (it.label.clone(), it.n_experts, it.top_k);
        let (a, b) = (&first.report.routers, &it.report.routers);
        if !a.iter().map(key).eq(b.iter().map(key)) {
            return Err(TimelineError::Shapes {
                one,
                other,
                of_one: shape(first.report),
                of_other: shape(it.report),
            });
        }
        if !first.choices.has_same_tokens(it.choices) {
            return Err(TimelineError::Tokens { one, other });
        }
    }
    let last = rest.last().unwrap_or(first);
    let n = first.report.routers.len();
    let routers: Vec<RouterTimeline> = (0..n).map(|row| of_router(steps, row)).collect();
    let parts_at = first.report.routers.iter().map(|it| it.router).find(|it| {
        let overlap = first.choices.overlap(last.choices, *it);
        overlap.is_some_and(|it| it < 1.0)
    });
    Ok(Timeline {
        steps: steps.iter().map(|it| it.name.to_owned()).collect(),
        n_tokens: first.choices.n_tokens(),
        band: EVEN_BAND,
        routers,
        parts_at,
    })
}

fn of_router(steps: &[TimelineStep<'_>], row: usize) -> RouterTimeline {
    let reports: Vec<&RouterReport> = steps.iter().map(|it| &it.report.routers[row]).collect();
    let utilisation: Vec<Vec<f64>> = reports.iter().map(|it| it.utilisation()).collect();
    let router = reports[0].router;
    let pairs = steps.windows(2);
    let churn = pairs.map(|it| Some(1.0 - it[0].choices.overlap(it[1].choices, router)?));
    RouterTimeline {
        router,
        label: reports[0].label.clone(),
        evenness: reports
            .iter()
            .map(|it| Some(it.numbers?.evenness))
            .collect(),
        left: left(&utilisation),
        churn: churn.collect(),
        moved: moved(&utilisation),
        utilisation,
    }
}

fn is_even(utilisation: f64) -> bool {
    (EVEN_BAND.0..=EVEN_BAND.1).contains(&utilisation)
}

fn left(utilisation: &[Vec<f64>]) -> Vec<Leaving> {
    let n_experts = utilisation.first().map_or(0, Vec::len);
    let of = |expert: usize| {
        let step = utilisation.iter().position(|it| !is_even(it[expert]))?;
        let last = utilisation.last()?;
        Some(Leaving {
            expert: ExpertId::new(expert),
            step,
            utilisation: utilisation[step][expert],
            is_back: is_even(last[expert]),
        })
    };
    (0..n_experts).filter_map(of).collect()
}

fn moved(utilisation: &[Vec<f64>]) -> Vec<Moved> {
    let (Some(first), Some(last)) = (utilisation.first(), utilisation.last()) else {
        return Vec::new();
    };
    let pairs = first.iter().zip(last).enumerate();
    let mut all: Vec<Moved> = pairs
        .map(|(expert, (from, to))| Moved {
            expert: ExpertId::new(expert),
            from: *from,
            to: *to,
        })
        .filter(|it| (it.to - it.from).abs() >= MOVED_FROM)
        .collect();
    all.sort_by(|a, b| (b.to - b.from).abs().total_cmp(&(a.to - a.from).abs()));
    all.truncate(N_MOVED);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{LoadStats, Thresholds, judge};
    use crate::spec::{LayerId, ModelSpec, Position, Revision, RouterSpec, SeqId, TokenId};
    use crate::trace::{Phase, Pick, PickState, RouterTrace, StepTrace};

    /// One router of 4 experts, one picked; the expert of each of the tokens.
    fn step(picks: &[u16]) -> (Report, Choices) {
        let spec = ModelSpec::with_routers([RouterSpec::softmax_top_k(LayerId(0), 4, 1)]);
        let pick = |it: &u16| Pick {
            expert: ExpertId(*it),
            weight: 1.0,
            state: PickState::Chosen,
        };
        let trace = StepTrace {
            seq: SeqId(0),
            phase: Phase::Prefill,
            start: Position(0),
            revision: Revision(0),
            tokens: (0..picks.len()).map(|it| TokenId(it as u32)).collect(),
            routers: vec![RouterTrace {
                n_experts: 4,
                n_picks: 1,
                picks: picks.iter().map(pick).collect(),
                margin: vec![None; picks.len()],
                ..RouterTrace::default()
            }],
        };
        let mut load = LoadStats::default();
        load.add(&trace, |_| false);
        let mut choices = Choices::with_all_picks();
        choices.add(&trace, |_| false);
        let report = judge(
            &[("text", &load)],
            &spec,
            &Thresholds::default(),
            true,
            |_, _| false,
        );
        (report, choices)
    }

    fn check(steps: &[&[u16]]) -> Timeline {
        let made: Vec<(Report, Choices)> = steps.iter().map(|it| step(it)).collect();
        let names: Vec<String> = (0..made.len()).map(|it| format!("step-{it}")).collect();
        let steps: Vec<TimelineStep<'_>> = made
            .iter()
            .zip(&names)
            .map(|((report, choices), name)| TimelineStep {
                name,
                report,
                choices,
            })
            .collect();
        timeline(&steps).unwrap()
    }

    #[test]
    fn the_first_step_outside_the_band_is_named_and_what_came_back_is_told() {
        let even = [0, 1, 2, 3, 0, 1, 2, 3];
        let it = check(&[&even, &[0, 0, 0, 0, 0, 1, 2, 3], &[0, 1, 1, 1, 0, 1, 2, 1]]);
        let router = &it.routers[0];
        assert_eq!(router.utilisation[0], [1.0; 4]);
        assert_eq!(router.utilisation[1], [2.5, 0.5, 0.5, 0.5]);
        let told: Vec<(u16, usize, bool)> = router
            .left
            .iter()
            .map(|it| (it.expert.0, it.step, it.is_back))
            .collect();
        assert_eq!(told, [(0, 1, true), (1, 2, false), (3, 2, false)]);
        assert_eq!(router.churn, [Some(3.0 / 8.0), Some(4.0 / 8.0)]);
        let moved: Vec<u16> = router.moved.iter().map(|it| it.expert.0).collect();
        assert_eq!(moved[0], 1);
        assert_eq!(it.parts_at, Some(RouterId(0)));
    }

    #[test]
    fn the_same_model_twice_never_parts() {
        let it = check(&[&[0, 1, 2, 3], &[0, 1, 2, 3]]);
        assert_eq!(it.parts_at, None);
        assert_eq!(it.routers[0].churn, [Some(0.0)]);
        assert!(it.routers[0].moved.is_empty() && it.routers[0].left.is_empty());
    }

    #[test]
    fn one_model_and_other_tokens_are_no_timeline() {
        let (report, choices) = step(&[0, 1]);
        let (other_report, other) = step(&[0, 1, 2]);
        let of = |report, choices| TimelineStep {
            name: "a",
            report,
            choices,
        };
        let one = of(&report, &choices);
        assert_eq!(timeline(&[one]), Err(TimelineError::TooFew));
        let two = timeline(&[one, of(&other_report, &other)]);
        assert!(matches!(two, Err(TimelineError::Tokens { .. })));
    }
}
