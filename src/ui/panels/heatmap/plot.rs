//! The plot as data: what a cell shows, what is asked, and where every number lies on the scale.

use crate::analysis::PhaseFilter;
use crate::spec::{RouterId, RouterSpec};
use crate::ui::paint::expert_grid::{ABSENT, EMPTY};
use crate::ui::words::{percent, short};
use crate::ui::{Cx, ExpertAt};

/// What is compared with the baseline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Against {
    /// The counterfactual: the baseline's own tokens under the edits.
    #[default]
    Counterfactual,
    /// The edited text.
    Edited,
}

impl Against {
    /// Both, in the order of the menu.
    pub const ALL: [Self; 2] = [Self::Counterfactual, Self::Edited];

    /// What the chip says.
    pub fn label(self) -> &'static str {
        match self {
            Self::Counterfactual => "teacher-forced: edited − baseline",
            Self::Edited => "edited text − baseline",
        }
    }
}

/// What a cell shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Value {
    /// The weights of the shown token's picks.
    Pick,
    /// The share of tokens an expert was picked for.
    #[default]
    Share,
    /// The weight an expert was given, summed.
    Mass,
    /// What the routers thought of the shown token.
    Score,
    /// Share of tokens, less that of the baseline.
    Difference,
}

impl Value {
    /// Every choice, in the order of the menu.
    pub const ALL: [Self; 5] = [
        Self::Pick,
        Self::Share,
        Self::Mass,
        Self::Score,
        Self::Difference,
    ];

    /// What the chip says.
    pub fn label(self) -> &'static str {
        match self {
            Self::Pick => "live pick",
            Self::Share => "share of tokens",
            Self::Mass => "gate mass",
            Self::Score => "score",
            Self::Difference => "difference",
        }
    }

    /// Whether it counts tokens, so that prefill and decode can be told apart.
    pub fn is_load(self) -> bool {
        matches!(self, Self::Share | Self::Mass | Self::Difference)
    }

    /// Name and unit of its column in a table.
    pub fn column(self) -> (&'static str, &'static str) {
        match self {
            Self::Pick => ("weight", ""),
            Self::Share => ("share of tokens", ""),
            Self::Mass => ("gate mass", ""),
            Self::Score => ("score", ""),
            Self::Difference => ("difference", "share of tokens"),
        }
    }

    /// Its number inside a cell: per cent, percentage points with a sign, or a weight; none where nothing is to be said.
    pub fn in_cell(self, number: Option<f64>) -> Option<String> {
        let number = number?;
        let points = number * 100.0;
        match self {
            Self::Difference if points.abs() < 0.5 => None,
            Self::Difference if points < 0.0 => Some(format!("−{:.0}", -points)),
            Self::Difference => Some(format!("+{points:.0}")),
            Self::Share | Self::Score if number > 0.0 && points < 0.5 => Some("<1".to_owned()),
            Self::Share | Self::Score => Some(format!("{points:.0}")),
            Self::Mass if number >= 10.0 => Some(format!("{number:.0}")),
            Self::Mass if number >= 1.0 => Some(format!("{number:.1}")),
            Self::Mass | Self::Pick if number > 0.0 && number < 0.005 => Some("<.01".to_owned()),
            Self::Mass | Self::Pick => Some(format!("{number:.2}")),
        }
    }

    /// A number said inside a cell that few others are wider than, and none by more than a digit.
    pub fn widest(self) -> &'static str {
        match self {
            Self::Difference => "−99",
            Self::Share | Self::Score => "99",
            Self::Mass | Self::Pick => "0.99",
        }
    }

    /// Its number in words: `share of tokens 99 %`.
    pub fn words(self, number: Option<f64>) -> String {
        let share = |it: f64| percent(it as f32);
        match (self, number) {
            (Self::Pick, None) => "not picked".to_owned(),
            (Self::Pick, Some(it)) => format!("weight {}", short(it)),
            (Self::Difference, Some(it)) if it >= 0.0 => format!("difference +{}", share(it)),
            (Self::Difference, Some(it)) => format!("difference −{}", share(-it)),
            (Self::Mass, Some(it)) => format!("gate mass {}", short(it)),
            (Self::Share | Self::Score, Some(it)) => format!("{} {}", self.label(), share(it)),
            (_, None) => format!("{} not known", self.label()),
        }
    }
}

/// What is asked of the plot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlotSettings {
    /// What a cell shows.
    pub value: Value,
    /// Which tokens count.
    pub phase: PhaseFilter,
    /// What a difference is taken of.
    pub against: Against,
}

/// How the scale is written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scale {
    /// Its low end.
    pub low: String,
    /// Its high end.
    pub high: String,
    /// Where even lies, 0 to 1.
    pub even: Option<f32>,
}

/// The number of a cell, and where it lies on the scale.
pub type CellValue = (Option<f64>, f32);

/// All that is drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plot {
    /// What was asked.
    pub asked: PlotSettings,
    /// `[R × E]`: place on the scale, 0 to 1, `EMPTY`, `ABSENT`.
    pub cells: Vec<f32>,
    /// `[R × E]`: the numbers themselves.
    pub numbers: Vec<Option<f64>>,
    /// E, the widest router.
    pub n_cols: usize,
    /// How it is read.
    pub scale: Scale,
    /// What it says, in words.
    pub sentence: String,
}

impl Plot {
    /// Where an expert lies on the scale.
    pub fn cell(&self, at: ExpertAt) -> f32 {
        let place = at.router.idx() * self.n_cols + at.expert.idx();
        self.cells.get(place).copied().unwrap_or(ABSENT)
    }

    /// Whether its cell has nothing to show.
    pub fn is_empty(&self, at: ExpertAt) -> bool {
        self.cell(at).to_bits() == EMPTY.to_bits()
    }

    /// The number of an expert.
    pub fn number(&self, at: ExpertAt) -> Option<f64> {
        let place = at.router.idx() * self.n_cols + at.expert.idx();
        self.numbers.get(place).copied().flatten()
    }

    /// Whether the diverging ramp is used.
    pub fn differences(&self) -> bool {
        self.asked.value == Value::Difference
    }

    /// Whether an empty cell means that the expert was not used.
    pub fn names_unused(&self) -> bool {
        matches!(self.asked.value, Value::Share | Value::Mass)
    }

    /// Fills `[R × E]` from a function of router and expert; a row too short is of experts without a number.
    pub fn fill(
        &mut self,
        cx: &Cx<'_>,
        mut of: impl FnMut(RouterId, &RouterSpec) -> Vec<CellValue>,
    ) {
        let Some(spec) = cx.spec() else {
            return;
        };
        self.n_cols = spec.max_experts();
        for (id, router) in spec.router_ids() {
            let mut row = of(id, router);
            row.resize(router.n_experts, (None, EMPTY));
            row.resize(self.n_cols, (None, ABSENT));
            self.numbers.extend(row.iter().map(|it| it.0));
            self.cells.extend(row.iter().map(|it| it.1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_words() {
        let check = |value: Value, number, words: &str| assert_eq!(value.words(number), words);
        check(Value::Share, Some(0.99), "share of tokens 99 %");
        check(Value::Difference, Some(-0.25), "difference −25 %");
        check(Value::Pick, None, "not picked");
        check(Value::Mass, Some(3.154), "gate mass 3.15");
    }

    #[test]
    fn a_cell_has_room_for_few_digits() {
        let check = |value: Value, number, words: Option<&str>| {
            assert_eq!(value.in_cell(number).as_deref(), words);
        };
        check(Value::Share, Some(0.994), Some("99"));
        check(Value::Share, Some(0.001), Some("<1"));
        check(Value::Difference, Some(-0.124), Some("−12"));
        check(Value::Difference, Some(0.3), Some("+30"));
        check(Value::Difference, Some(0.004), None);
        check(Value::Pick, None, None);
        check(Value::Pick, Some(0.127), Some("0.13"));
        check(Value::Mass, Some(0.464), Some("0.46"));
        check(Value::Mass, Some(0.004), Some("<.01"));
        check(Value::Mass, Some(0.0), Some("0.00"));
        check(Value::Mass, Some(3.154), Some("3.2"));
        check(Value::Mass, Some(31.54), Some("32"));
    }
}
