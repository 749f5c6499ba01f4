//! `run --series --html`: what was read and forecast as rows, and the page that shows them.

use super::{
    Failure,
    pass::{Pass, SLICE},
};
use crate::document::{SCORES_BUDGET_BYTES, SharedRun, page};
use crate::engine::{Backend, StepRow};
use crate::spec::{Experiment, InterventionSet, Revision, RoutingPolicy, longest_forecasts_apart};
use crate::trace::{Comparison, ModelFacts, Phase, Readout, RowRecord, SharedVec};

/// The rows of a run.
pub(super) struct SeriesRows {
    baseline: RowRecord,
    /// The edited row and the counterfactual.
    edited: Option<(RowRecord, RowRecord)>,
}

impl SeriesRows {
    /// Makes rows of what was read, and reads the baseline's points under the edits.
    ///
    /// * `longest`: points of the longest horizon
    /// * `own`, `baseline`: every point of both read; the second one where there are edits
    ///
    /// # Errors
    /// A run that failed part-way.
    pub fn of(
        backend: &mut dyn Backend,
        experiment: &Experiment,
        (policy, longest): (&RoutingPolicy, usize),
        (own, baseline): (Vec<StepRow>, Option<Vec<StepRow>>),
    ) -> Result<Self, Failure> {
        let n_given = experiment.given.len();
        let Some(baseline) = baseline else {
            let baseline = record(n_given, &InterventionSet::default(), own)?;
            return Ok(Self {
                baseline,
                edited: None,
            });
        };
        let edits = &experiment.edits;
        let baseline = record(n_given, &InterventionSet::default(), baseline)?;
        let edited = record(n_given, edits, own)?;
        let read = Pass::new(backend, policy).read_in_slices(&baseline.tokens, SLICE)?;
        let mut counterfactual = record(n_given, edits, read)?;
        counterfactual.comparisons = comparisons(&baseline, &counterfactual, longest);
        Ok(Self {
            baseline,
            edited: Some((edited, counterfactual)),
        })
    }

    /// The page.
    pub fn page(&self, facts: &ModelFacts, experiment: &Experiment, model: &str) -> String {
        page(&SharedRun {
            facts,
            model,
            experiment,
            baseline: &self.baseline,
            edited: self.edited.as_ref().map(|it| (&it.0, &it.1)),
            controls: None,
            scores_budget_bytes: SCORES_BUDGET_BYTES,
        })
    }
}

fn record(
    n_given: usize,
    edits: &InterventionSet,
    rows: Vec<StepRow>,
) -> Result<RowRecord, Failure> {
    let revision = Revision(u32::from(!edits.entries.is_empty()));
    let mut out = RowRecord {
        n_given,
        edits: (revision, edits.clone()),
        ..RowRecord::default()
    };
    for row in rows {
        let mut step = row.trace;
        if step.start.idx() >= n_given {
            step.phase = Phase::Decode;
        }
        out.push(step, row.readouts, Vec::new())
            .map_err(Failure::part_way)?;
    }
    Ok(out)
}

/// How far apart the forecasts of two rows of the same points are, at each.
///
/// * `longest`: points of the longest horizon, which stands last and is compared
fn comparisons(baseline: &RowRecord, edited: &RowRecord, longest: usize) -> SharedVec<Comparison> {
    let pairs = baseline.readouts.iter().zip(edited.readouts.iter());
    let one = |(a, b): (&Readout, &Readout)| Comparison {
        at: a.at,
        kl: longest_forecasts_apart(&a.forecast, &b.forecast, longest),
        baseline: None,
        edited: None,
    };
    pairs.map(one).collect()
}
