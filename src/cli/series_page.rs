//! `run --series --html`: what was read and forecast as rows, and the page that shows them.

use super::{
    Failure,
    pass::{Pass, SLICE},
};
use crate::analysis::{ControlEffects, ControlReading, LoadStats};
use crate::document::{SCORES_BUDGET_BYTES, SharedRun, ShownEffect, covers, page};
use crate::engine::{Backend, StepRow};
use crate::spec::{
    Experiment, InterventionSet, ModelSpec, Revision, RoutingPolicy, longest_forecasts_apart,
};
use crate::trace::{Comparison, ModelFacts, Phase, Readout, RowRecord, SharedVec};

/// The rows of a run.
pub(super) struct SeriesRows {
    baseline: RowRecord,
    /// The edited row and the counterfactual.
    edited: Option<(RowRecord, RowRecord)>,
    /// Random controls of the edits; none where none were asked for.
    pub controls: Option<ControlEffects>,
}

/// What reads the rows of a run.
pub(super) struct SeriesReading<'a> {
    backend: &'a mut dyn Backend,
    spec: &'a ModelSpec,
    experiment: &'a Experiment,
}

impl<'a> SeriesReading<'a> {
    /// Of a model, on what an experiment gives it.
    pub fn new(
        backend: &'a mut dyn Backend,
        spec: &'a ModelSpec,
        experiment: &'a Experiment,
    ) -> Self {
        Self {
            backend,
            spec,
            experiment,
        }
    }

    /// Makes rows of what was read, and reads the baseline's points under the edits and under random controls of them.
    ///
    /// * `policy`: the edits, lowered
    /// * `seed`, `n`: what controls are drawn with, and how many at most
    /// * `own`, `baseline`: every point of both read; the second one where there are edits
    ///
    /// # Errors
    /// A run that failed part-way.
    pub fn rows(
        &mut self,
        policy: &RoutingPolicy,
        (seed, n): (u32, usize),
        (own, baseline): (Vec<StepRow>, Option<Vec<StepRow>>),
    ) -> Result<SeriesRows, Failure> {
        let n_given = self.experiment.given.len();
        let Some(baseline) = baseline else {
            let baseline = record(n_given, &InterventionSet::default(), own)?;
            return Ok(SeriesRows {
                baseline,
                edited: None,
                controls: None,
            });
        };
        let edits = &self.experiment.edits;
        let baseline = record(n_given, &InterventionSet::default(), baseline)?;
        let edited = record(n_given, edits, own)?;
        let counterfactual = self.under(&baseline, edits, policy)?;
        let controls = match n {
            0 => None,
            n => Some(self.controls(&baseline, (seed, n))?),
        };
        Ok(SeriesRows {
            baseline,
            edited: Some((edited, counterfactual)),
            controls,
        })
    }

    /// The points of the baseline, read under a list of edits and compared with it.
    fn under(
        &mut self,
        baseline: &RowRecord,
        edits: &InterventionSet,
        policy: &RoutingPolicy,
    ) -> Result<RowRecord, Failure> {
        let horizons = &self.spec.head.horizons;
        let longest = horizons.last().copied().unwrap_or_default();
        let mut pass = Pass::new(&mut *self.backend, policy);
        let read = pass.read_in_slices(&baseline.tokens, SLICE)?;
        let mut row = record(self.experiment.given.len(), edits, read)?;
        row.comparisons = comparisons(baseline, &row, longest);
        Ok(row)
    }

    /// Up to `n` controls of the edits, drawn with a seed.
    fn controls(
        &mut self,
        baseline: &RowRecord,
        asked: (u32, usize),
    ) -> Result<ControlEffects, Failure> {
        let mut load = LoadStats::default();
        for step in baseline.store.steps() {
            // No point is special.
            load.add(step, |_| false);
        }
        let edits = &self.experiment.edits;
        let (mut reading, plan) =
            ControlReading::plan(edits, self.spec, (baseline, &load), asked, |at, it| {
                covers(at, &it.place)
            });
        for (control, list) in plan.lists.iter().enumerate() {
            let policy = RoutingPolicy::lower(list, self.spec, Revision(1));
            let policy = policy.map_err(Failure::part_way)?;
            let row = self.under(baseline, list, &policy)?;
            let is_touched = |it: &&Comparison| it.at >= plan.from;
            let compared = row.comparisons.iter().filter(is_touched).copied();
            reading.add(control, &compared.collect::<Vec<_>>(), true);
        }
        Ok(reading.so_far)
    }
}

impl SeriesRows {
    /// What the edits change at each point, beside the controls, and where; nothing where there are none.
    pub fn effect_words(&self, spec: &ModelSpec, edits: &InterventionSet) -> Vec<String> {
        let Some(effect) = self.effect(spec, edits) else {
            return Vec::new();
        };
        let mut out = vec![effect.sentence(), effect.place_sentence()];
        out.retain(|it| !it.is_empty());
        out
    }

    /// How far the edits move the forecasts of all points, as the controls are measured: in standard deviations a point.
    pub fn mean_difference(&self, spec: &ModelSpec, edits: &InterventionSet) -> Option<f64> {
        Some(self.effect(spec, edits)?.effect?.mean_kl)
    }

    fn effect<'a>(
        &'a self,
        spec: &'a ModelSpec,
        edits: &'a InterventionSet,
    ) -> Option<ShownEffect<'a>> {
        let (_, counterfactual) = self.edited.as_ref()?;
        let controls = self.controls.as_ref();
        let of = (spec, edits);
        Some(ShownEffect::of(
            of,
            &self.baseline,
            Some(counterfactual),
            controls,
        ))
    }

    /// The page.
    pub fn page(&self, facts: &ModelFacts, experiment: &Experiment, model: &str) -> String {
        page(&SharedRun {
            facts,
            model,
            experiment,
            baseline: &self.baseline,
            edited: self.edited.as_ref().map(|it| (&it.0, &it.1)),
            controls: self.controls.as_ref(),
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
