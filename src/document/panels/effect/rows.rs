//! The effect as rows of numbers: baseline, edits, and the mean of the random controls.

use super::{LEAST_NATS, ShownEffect};
use crate::analysis::{ControlEffects, Range};
use crate::document::{Cell, Table, short};
use crate::trace::PositionKind;

const COLUMNS: [(&str, &str); 9] = [
    ("row", ""),
    ("mean KL", "nats a token"),
    ("loss", "nats a token"),
    ("change of loss", "nats a token"),
    ("least KL", "nats a token"),
    ("most KL", "nats a token"),
    ("tokens", ""),
    ("controls", ""),
    ("picks changed most in", "share of those changed"),
];

/// The same of a series, which has no probabilities and so no loss.
const SERIES_COLUMNS: [(&str, &str); 9] = [
    ("row", ""),
    ("mean difference", "sd a point"),
    ("loss", ""),
    ("change of loss", ""),
    ("least difference", "sd a point"),
    ("most difference", "sd a point"),
    ("points", ""),
    ("controls", ""),
    ("picks changed most in", "share of those changed"),
];

/// One row. Numbers are means over its tokens in nats a token; of a series, in standard deviations a point.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectNumbers {
    /// `baseline`, `edited`, `control, mean of 8 (seed 1)`.
    pub name: String,
    /// Whether it is the row of the edits.
    pub is_edited: bool,
    /// KL(baseline‖this row), 0 or more; 0 of the baseline itself.
    pub kl: f64,
    /// −ln p of the baseline's next token; none where there is none to predict.
    pub loss: Option<f64>,
    /// `loss` less that of the baseline; none of the baseline itself.
    pub loss_change: Option<f64>,
    /// The least and the largest KL of the controls.
    pub kl_range: Option<Range>,
    /// The same of their changes of loss; none where there is none to predict.
    pub loss_change_range: Option<Range>,
    /// Tokens or points compared.
    pub n_tokens: usize,
    /// Controls it is the mean of.
    pub n_controls: Option<usize>,
    /// `layer 4 62 %, layer 5 31 %`; empty where no pick changed, and of rows that are not the edits'.
    pub layers_changed_most: String,
}

impl ShownEffect<'_> {
    /// Baseline, edits and controls. Empty where nothing was compared.
    #[must_use]
    pub fn rows(&self) -> Vec<EffectNumbers> {
        let Some(effect) = self.effect else {
            return Vec::new();
        };
        let loss = |it: f64| (effect.n_scored > 0).then_some(it);
        let baseline = EffectNumbers {
            name: "baseline".to_owned(),
            is_edited: false,
            kl: 0.0,
            loss: loss(effect.loss),
            loss_change: None,
            kl_range: None,
            loss_change_range: None,
            n_tokens: effect.n_tokens,
            n_controls: None,
            layers_changed_most: String::new(),
        };
        let edited = EffectNumbers {
            name: "edited".to_owned(),
            is_edited: true,
            kl: effect.mean_kl,
            loss: loss(effect.loss + effect.loss_change),
            loss_change: loss(effect.loss_change),
            layers_changed_most: self.most_changed(),
            ..baseline.clone()
        };
        let controls = self.controls.and_then(ControlEffects::summary);
        let controls = controls.map(|it| EffectNumbers {
            name: self.control_name(),
            is_edited: false,
            kl: it.mean_kl.mean,
            loss: loss(it.loss + it.loss_change.mean),
            loss_change: loss(it.loss_change.mean),
            kl_range: Some(it.mean_kl),
            loss_change_range: (effect.n_scored > 0).then_some(it.loss_change),
            n_tokens: it.n_tokens,
            n_controls: Some(it.n),
            layers_changed_most: String::new(),
        });
        [baseline, edited].into_iter().chain(controls).collect()
    }

    /// The same as a table. None where nothing was compared.
    #[must_use]
    pub fn table(&self) -> Option<Table> {
        let rows = self.rows();
        if rows.is_empty() {
            return None;
        }
        let columns = match self.kind {
            PositionKind::Token => &COLUMNS,
            PositionKind::Point => &SERIES_COLUMNS,
        };
        let mut out = Table::new("Effect of the edits", columns);
        let number = |it: Option<f64>| it.map_or(Cell::Empty, Cell::Number);
        for it in rows {
            let layers = match it.layers_changed_most {
                words if words.is_empty() => Cell::Empty,
                words => words.into(),
            };
            out.push([
                it.name.into(),
                Cell::Number(it.kl),
                number(it.loss),
                number(it.loss_change),
                number(it.kl_range.as_ref().map(|it| it.least)),
                number(it.kl_range.as_ref().map(|it| it.most)),
                Cell::from(it.n_tokens),
                it.n_controls.map_or(Cell::Empty, Cell::from),
                layers,
            ]);
        }
        Some(out)
    }
}

/// A number of a row: `0.52`, `< 0.001`, `–` where there is none. `has_sign`: as a change, `+0.52`, `−0.52`, `>
/// −0.001`.
#[must_use]
pub fn effect_number_words(number: Option<f64>, has_sign: bool) -> String {
    let Some(it) = number else {
        return "–".to_owned();
    };
    if it != 0.0 && it.abs() < LEAST_NATS {
        return match (has_sign, it < 0.0) {
            (_, true) => format!("> −{LEAST_NATS}"),
            (true, false) => format!("< +{LEAST_NATS}"),
            (false, false) => format!("< {LEAST_NATS}"),
        };
    }
    let size = short(it.abs());
    match (has_sign && it != 0.0, it < 0.0) {
        (true, false) => format!("+{size}"),
        (_, true) => format!("−{size}"),
        (false, false) => size,
    }
}
