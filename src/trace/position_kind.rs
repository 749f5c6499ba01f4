//! What stands at a position of a row, which decides what is said of it: a token of a text, with letters and
//! probabilities, or a point of a time series, with a value and forecasts.

use crate::spec::ModelSpec;

/// What stands at the positions of a model's rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PositionKind {
    /// A token of a vocabulary: what follows has probabilities, and edits change them by a KL in nats.
    #[default]
    Token,
    /// A point of a time series: what follows is forecast over several horizons, and edits change the forecast by so many
    /// standard deviations of the series.
    Point,
}

impl PositionKind {
    /// That of a model of this shape.
    #[must_use]
    pub fn of(spec: &ModelSpec) -> Self {
        if spec.is_series() {
            Self::Point
        } else {
            Self::Token
        }
    }

    /// What one is called.
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Point => "point",
        }
    }

    /// What the whole is called.
    #[must_use]
    pub fn whole(self) -> &'static str {
        match self {
            Self::Token => "text",
            Self::Point => "series",
        }
    }

    /// What edits change at a position.
    #[must_use]
    pub fn change(self) -> &'static str {
        match self {
            Self::Token => "KL",
            Self::Point => "difference of forecasts",
        }
    }

    /// The unit of that change: `sd` is one standard deviation of the series.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Token => "nats",
            Self::Point => "sd",
        }
    }
}
