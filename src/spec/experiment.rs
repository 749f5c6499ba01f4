//! All that the user can set and that changes the run, as one value: the unit of undo and of saving.

use serde::{Deserialize, Serialize};

use super::{Amount, InterventionSet, SeriesScale, TokenId};

/// How a token is drawn from logits: divided by the temperature, then each filter on what the last left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sampling {
    /// Above 0; 0 takes the arg max.
    pub temperature: Amount,
    /// Only the n best; 0 is off.
    pub top_k: u32,
    /// Only the best whose probabilities reach this sum; 1 is off.
    pub top_p: Amount,
    /// Only those with at least this share of the best one's probability; 0 is off.
    pub min_p: Amount,
    /// Of the noise.
    pub seed: u32,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: Amount(0.7),
            top_k: 0,
            top_p: Amount(1.0),
            min_p: Amount(0.0),
            seed: 1,
        }
    }
}

/// Why a way of drawing tokens makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SamplingError {
    /// Below 0, or no number.
    #[error("temperature must be 0 or more, not {0}")]
    Temperature(Amount),
    /// Outside `(0, 1]`.
    #[error("top-p must lie above 0 and up to 1, not {0}")]
    TopP(Amount),
    /// Outside `[0, 1]`.
    #[error("min-p must lie from 0 to 1, not {0}")]
    MinP(Amount),
}

impl Sampling {
    /// Takes the likeliest token, ties to the lowest id.
    #[must_use]
    pub fn greedy() -> Self {
        Self {
            temperature: Amount(0.0),
            ..Self::default()
        }
    }

    /// Whether the values make sense; a sentence where they don't.
    ///
    /// # Errors
    /// A temperature below 0, a top-p outside `(0, 1]`, a min-p outside `[0, 1]`, or what is not a number.
    pub fn check(&self) -> Result<(), SamplingError> {
        let Self {
            temperature,
            top_p,
            min_p,
            ..
        } = self;
        if !(temperature.0.is_finite() && temperature.0 >= 0.0) {
            return Err(SamplingError::Temperature(*temperature));
        }
        if !(top_p.0 > 0.0 && top_p.0 <= 1.0) {
            return Err(SamplingError::TopP(*top_p));
        }
        if !(0.0..=1.0).contains(&min_p.0) {
            return Err(SamplingError::MinP(*min_p));
        }
        Ok(())
    }
}

/// Given tokens, sampling and edits. A row of the window is a function of this and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Experiment {
    /// The prompt with its BOS, and what "continue from here" has fixed since.
    pub given: Vec<TokenId>,
    /// Of a time series: what brings the given points, and what is forecast, back to the units they were given in.
    #[serde(default)]
    pub scale: SeriesScale,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// The edits, those switched off included.
    pub edits: InterventionSet,
}

impl Experiment {
    /// The same without edits: what the baseline is a function of.
    #[must_use]
    pub fn baseline(&self) -> Self {
        Self {
            edits: InterventionSet::default(),
            ..self.clone()
        }
    }

    /// The same with only the edits that are switched on: the key under which a text is kept.
    #[must_use]
    pub fn effective(&self) -> Self {
        Self {
            edits: self.edits.effective(),
            ..self.clone()
        }
    }

    /// Whether both give the same rows: edits that are switched off make no other text.
    #[must_use]
    pub fn has_text_of(&self, other: &Self) -> bool {
        self.given == other.given
            && self.scale == other.scale
            && self.sampling == other.sampling
            && self.edits.active().eq(other.edits.active())
    }
}
