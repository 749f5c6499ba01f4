//! What a model of time series says in the place of probabilities: forecasts over its horizons, the point that is read next,
//! and how far apart the forecasts of two rows are.

use super::{Capture, StepRow};
use crate::spec::{ModelSpec, Position, TokenId, longest_forecasts_apart};
use crate::trace::{Comparison, Readout};

/// What the heads say at some positions of a row.
pub(super) struct Forecasts<'a> {
    /// `[A]`.
    at: &'a [Position],
    /// `[A, Σ horizons]`, in the scale that the model reads.
    said: &'a [f32],
    /// Σ horizons.
    width: usize,
    /// Points of the longest horizon, which stands last.
    longest: usize,
}

impl<'a> Forecasts<'a> {
    /// * `at`: the positions, `[A]`
    /// * `said`: `[A, Σ horizons]`; empty where nothing was read back
    pub fn of(spec: &ModelSpec, at: &'a [Position], said: &'a [f32]) -> Self {
        Self {
            at,
            said,
            width: spec.n_out().max(1),
            longest: spec.head.horizons.last().copied().unwrap_or(0),
        }
    }

    /// Puts into a row what there is to tell of it.
    ///
    /// * `draws`: whether the row writes on
    /// * `against`: `[A, Σ horizons]` of the row it is compared with
    pub fn tell(&self, out: &mut StepRow, draws: bool, capture: Capture, against: Option<&[f32]>) {
        let each = || self.at.iter().zip(self.said.chunks_exact(self.width));
        if capture != Capture::None {
            let readout = |(at, said): (&Position, &[f32])| Readout {
                at: *at,
                forecast: said.to_vec(),
                ..Readout::default()
            };
            out.readouts = each().map(readout).collect();
        }
        // The first head says one point: that which follows.
        let last = self.said.chunks_exact(self.width).last();
        out.drawn = last.filter(|_| draws).map(|it| TokenId::of_point(it[0]));
        if let Some(against) = against {
            let pairs = each().zip(against.chunks_exact(self.width));
            let compared = |((at, edited), baseline): ((&Position, &[f32]), &[f32])| Comparison {
                at: *at,
                kl: longest_forecasts_apart(baseline, edited, self.longest),
                baseline: None,
                edited: None,
            };
            out.comparisons = pairs.map(compared).collect();
        }
    }
}
