//! What stands in the place of likely tokens where the model reads a time series: what each head says of the points that
//! follow, before and after the edits, in the units of the series.

// Writing to a string cannot fail.
use std::fmt::Write as _;

use crate::document::{Cell, Table, short};
use crate::spec::{SeriesScale, TokenTable, count_of, forecasts_apart, value_words};
use crate::trace::PositionKind;

use super::{ShownPrediction, sentence::why};

const COLUMNS: [(&str, &str); 6] = [
    ("horizon", "points"),
    ("step", ""),
    ("position", ""),
    ("forecast", ""),
    ("forecast edited", ""),
    ("difference", "sd"),
];

/// What one head says.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadForecast {
    /// Its points in the prediction shown, or the one before the edits, in the units of the series.
    pub before: Vec<f64>,
    /// The same under the edits, where two are compared.
    pub after: Option<Vec<f64>>,
    /// The mean distance of both, in standard deviations of the series.
    pub apart: Option<f64>,
}

impl HeadForecast {
    /// Points it says.
    #[must_use]
    pub fn horizon(&self) -> usize {
        self.before.len()
    }
}

impl ShownPrediction<'_> {
    /// What each head says, the shortest horizon first; none of a text, or where it was not recorded.
    ///
    /// * `horizons`: points of each head
    #[must_use]
    pub fn forecasts(&self, tokens: &TokenTable, horizons: &[usize]) -> Vec<HeadForecast> {
        let Some(scale) = tokens.scale else {
            return Vec::new();
        };
        let before = &self.before.readout.forecast;
        let after = self.after.map(|it| &it.readout.forecast);
        let mut from = 0;
        let one = |n: &usize| {
            let range = from..from + n;
            from += n;
            let said = before.get(range.clone())?;
            let under = after.and_then(|it| it.get(range));
            Some(HeadForecast {
                before: in_units(scale, said),
                after: under.map(|it| in_units(scale, it)),
                apart: under.map(|it| f64::from(forecasts_apart(said, it))),
            })
        };
        horizons.iter().filter_map(one).collect()
    }
}

fn in_units(scale: SeriesScale, said: &[f32]) -> Vec<f64> {
    said.iter().map(|it| scale.back(*it)).collect()
}

/// The sentence under the forecast: the next point, and how far the edits move the longest forecast.
#[must_use]
pub fn forecast_sentence(
    shown: &ShownPrediction<'_>,
    heads: &[HeadForecast],
    tokens: &TokenTable,
) -> String {
    let (Some(first), Some(longest)) = (heads.first(), heads.last()) else {
        return String::new();
    };
    let next = first.before.first().copied().unwrap_or_default();
    let after = first.after.as_ref().and_then(|it| it.first());
    let mut out = match after {
        Some(after) => format!(
            "The next point: {}, under the edits {}.",
            value_words(next),
            value_words(*after)
        ),
        None => format!("The next point: {}.", value_words(next)),
    };
    let deviation = tokens.scale.map_or(1.0, |it| it.deviation);
    if let Some(apart) = longest.apart {
        let _ = write!(
            out,
            " Over {} the forecasts differ by {} sd on average, {} in the units of the series.",
            count_of(longest.horizon(), "point"),
            short(apart),
            value_words(apart * deviation)
        );
    } else {
        let _ = write!(
            out,
            " The longest head says {} at once; the row goes on by the next point alone, so that edits act on every point.",
            count_of(longest.horizon(), "point")
        );
    }
    if let Some(why) = why(shown, PositionKind::Point, |at| format!("point {at}")) {
        out.push(' ');
        out.push_str(&why);
    }
    out
}

/// Every point of every head.
///
/// * `row`: `baseline` or `edited`
#[must_use]
pub fn forecast_table(
    shown: &ShownPrediction<'_>,
    heads: &[HeadForecast],
    tokens: &TokenTable,
    row: &str,
) -> Table {
    let title = format!("Forecast after point {}, {row}", shown.at);
    let mut out = Table::new(title, &COLUMNS);
    let deviation = tokens.scale.map_or(1.0, |it| it.deviation);
    for head in heads {
        for (n, before) in head.before.iter().enumerate() {
            let after = head.after.as_ref().and_then(|it| it.get(n)).copied();
            let apart = after.map(|it| (it - before).abs() / deviation);
            out.push([
                head.horizon().into(),
                (n + 1).into(),
                (shown.at.idx() + n + 1).into(),
                Cell::Number(*before),
                after.into(),
                apart.into(),
            ]);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::ShownRecords;
    use crate::spec::{Position, TokenId};
    use crate::trace::{Comparison, Readout, RowRecord};

    /// A row of two points whose heads of 1 and 2 say this after each.
    fn row(forecast: [f32; 3]) -> RowRecord {
        let readout = |at| Readout {
            at: Position(at),
            forecast: forecast.to_vec(),
            ..Readout::default()
        };
        RowRecord {
            n_given: 2,
            tokens: [0.0, 1.0].map(TokenId::of_point).into(),
            readouts: [readout(0), readout(1)].into_iter().collect(),
            comparisons: [0, 1]
                .map(|at| Comparison {
                    at: Position(at),
                    kl: 0.5,
                    baseline: None,
                    edited: None,
                })
                .into_iter()
                .collect(),
            ..RowRecord::default()
        }
    }

    #[test]
    fn forecasts_stand_beside_each_other_in_the_units_of_the_series() {
        let (baseline, edited) = (row([1.0, 2.0, 0.0]), row([1.5, 1.0, 0.5]));
        let rows = ShownRecords {
            baseline: Some(&baseline),
            edited: Some(&edited),
            counterfactual: Some(&edited),
            edited_from: Some(Position(0)),
            is_edited: false,
        };
        let tokens = TokenTable::points(SeriesScale {
            mean: 100.0,
            deviation: 10.0,
        });
        let shown = ShownPrediction::new(&rows, Position(1)).unwrap();
        assert!(!shown.is_empty());
        let heads = shown.forecasts(&tokens, &[1, 2]);
        assert_eq!(heads.len(), 2);
        assert_eq!(heads[0].before, [110.0]);
        assert_eq!(heads[1].after, Some(vec![110.0, 105.0]));
        assert_eq!(heads[1].apart, Some(0.75));
        assert_eq!(
            forecast_sentence(&shown, &heads, &tokens),
            "The next point: 110, under the edits 115. Over 2 points the forecasts differ by 0.75 sd on average, 7.5 in the units of the series."
        );
        let table = forecast_table(&shown, &heads, &tokens, "baseline");
        let cells: Vec<String> = table.rows[1].iter().map(Cell::words).collect();
        assert_eq!(cells, ["2", "1", "2", "120", "110", "1"]);
        let alone = ShownRecords {
            edited: None,
            counterfactual: None,
            ..rows
        };
        let shown = ShownPrediction::new(&alone, Position(1)).unwrap();
        let heads = shown.forecasts(&tokens, &[1, 2]);
        assert_eq!(
            forecast_sentence(&shown, &heads, &tokens),
            "The next point: 110. The longest head says 2 points at once; the row goes on by the next point alone, so that edits act on every point."
        );
        assert!(shown.forecasts(&TokenTable::default(), &[1, 2]).is_empty());
    }
}
