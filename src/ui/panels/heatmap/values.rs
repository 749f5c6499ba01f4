//! What the cells show: a number per (router, expert), where it lies on the scale, and the sentence under the plot.

use crate::analysis::{LoadStats, PhaseFilter, RouterLoad, probabilities};
use crate::spec::{ExpertId, Position, RouterId, RouterSpec};
use crate::ui::paint::expert_grid::{ABSENT, EMPTY};
use crate::ui::words::{percent, short};
use crate::ui::{Cx, ExpertAt};

use super::difference::{self, Against, Compared};

/// Loads are drawn on a log₂ scale around even, clamped here.
const LOG2_FLOOR: f64 = -3.0;
const LOG2_CEILING: f64 = 3.0;

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
    pub fn fill(&mut self, cx: &Cx<'_>, of: impl Fn(RouterId, &RouterSpec) -> Vec<CellValue>) {
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

/// The numbers of every cell.
pub fn plot(cx: &Cx<'_>, asked: PlotSettings, compared: Option<&Compared>) -> Plot {
    let mut out = Plot {
        asked,
        ..Plot::default()
    };
    match asked.value {
        Value::Pick => picks(cx, &mut out),
        Value::Share => load(cx, &mut out, false),
        Value::Mass => load(cx, &mut out, true),
        Value::Score => scores(cx, &mut out),
        Value::Difference => difference::fill(cx, &mut out, compared),
    }
    out
}

fn picks(cx: &Cx<'_>, out: &mut Plot) {
    let at = cx.position();
    out.fill(cx, |id, router| {
        let mut row = vec![(None, EMPTY); router.n_experts];
        let routed = at.and_then(|at| cx.row()?.record.store.at(id, at));
        for pick in routed.into_iter().flat_map(|it| it.picks()) {
            if let Some(cell) = row.get_mut(pick.expert.idx()) {
                *cell = (Some(f64::from(pick.weight)), pick.weight.clamp(0.0, 1.0));
            }
        }
        row
    });
    out.scale = Scale {
        low: "weight 0".to_owned(),
        high: "1".to_owned(),
        even: None,
    };
    if let Some(at) = at {
        out.sentence = format!(
            "The experts picked for {} (token {at}) and their weights; those not picked are empty.",
            cx.quoted(at)
        );
    }
}

fn scores(cx: &Cx<'_>, out: &mut Plot) {
    let at = cx.position();
    let view = cx.row();
    out.fill(cx, |id, router| {
        let logits = at
            .and_then(|at| view?.record.store.at(id, at))
            .and_then(|it| it.logits());
        let all = logits.map_or_else(Vec::new, |it| probabilities(it, router.score));
        all.into_iter().map(|p| (Some(f64::from(p)), p)).collect()
    });
    let even = cx.spec().map(|it| 1.0 / it.max_experts().max(1) as f32);
    out.scale = Scale {
        low: "0 %".to_owned(),
        high: even.map_or_else(
            || "100 %".to_owned(),
            |it| format!("100 % · even is {}", percent(it)),
        ),
        even,
    };
    out.sentence = match (at, out.numbers.iter().any(Option::is_some)) {
        (None, _) => String::new(),
        (Some(at), true) => format!(
            "What each router thought of {} (token {at}), in shares of its layer, before any edit.",
            cx.quoted(at)
        ),
        (Some(at), false) => format!(
            "The raw scores of {} (token {at}) were forgotten to save memory; its picks and weights stay.",
            cx.quoted(at)
        ),
    };
}

/// Where even lies on the scale of a router, and where its ceiling.
fn log2_range(router: &RouterSpec, mass: bool) -> (f64, f64) {
    let ceiling = if mass {
        router.n_experts as f64
    } else {
        1.0 / f64::from(router.even_share())
    };
    (LOG2_FLOOR, ceiling.log2().clamp(0.5, LOG2_CEILING))
}

/// A utilisation (1 is even) on the scale of a router.
fn on_scale(utilisation: f64, (floor, ceiling): (f64, f64)) -> f32 {
    ((utilisation.log2().clamp(floor, ceiling) - floor) / (ceiling - floor)) as f32
}

/// The load of every expert of a router and its place on the scale; those not picked are `EMPTY`.
fn load_row(load: &RouterLoad, router: &RouterSpec, mass: bool) -> Vec<CellValue> {
    let range = log2_range(router, mass);
    let mean = load.mass.iter().sum::<f64>() / load.mass.len().max(1) as f64;
    let even = f64::from(router.even_share());
    (0..router.n_experts)
        .map(|it| {
            let n = load.n.get(it).copied().unwrap_or(0);
            let share = load.share(ExpertId::new(it));
            let weight = load.mass.get(it).copied();
            let number = if mass { weight } else { share };
            let utilisation = if mass {
                weight.unwrap_or(0.0) / mean
            } else {
                share.unwrap_or(0.0) / even
            };
            let cell = if n == 0 {
                EMPTY
            } else {
                on_scale(utilisation, range)
            };
            (number, cell)
        })
        .collect()
}

fn load(cx: &Cx<'_>, out: &mut Plot, mass: bool) {
    let phase = out.asked.phase;
    out.fill(cx, |id, router| {
        let load = cx.row().and_then(|it| it.load.router(id, phase));
        load.map_or_else(Vec::new, |load| load_row(&load, router, mass))
    });
    out.scale = load_scale(cx, mass);
    out.sentence = load_sentence(cx, phase, mass);
}

fn load_scale(cx: &Cx<'_>, mass: bool) -> Scale {
    let Some(router) = cx.spec().and_then(|it| it.routers.first()) else {
        return Scale::default();
    };
    let (floor, ceiling) = log2_range(router, mass);
    let times = ceiling.exp2();
    let every = if ceiling < LOG2_CEILING && !mass {
        ": every token"
    } else {
        " or more"
    };
    let even = if mass {
        1.0 / router.n_experts as f32
    } else {
        router.even_share()
    };
    Scale {
        low: "⅛ of even".to_owned(),
        high: format!("{} ×{every} · even is {}", short(times), percent(even)),
        even: Some((-floor / (ceiling - floor)) as f32),
    }
}

fn load_sentence(cx: &Cx<'_>, phase: PhaseFilter, mass: bool) -> String {
    let Some(row) = cx.row() else {
        return "Space writes the first tokens: the map fills as they come.".to_owned();
    };
    let what = if mass {
        "Each expert's part of all weight in its layer"
    } else {
        "Share of tokens each expert was picked for"
    };
    format!(
        "{what}, log₂ around even, over {} of the {} text: what this text uses, not the health of the model.",
        n_tokens_words(row.load, phase),
        cx.session.row_name(cx.selection.row),
    )
}

/// `79 tokens`, `8 given tokens`.
pub fn n_tokens_words(load: &LoadStats, phase: PhaseFilter) -> String {
    let n = load.n_tokens(phase);
    let what = match phase {
        PhaseFilter::All => "",
        PhaseFilter::Prefill => "given ",
        PhaseFilter::Decode => "drawn ",
    };
    let plural = if n == 1 { "token" } else { "tokens" };
    format!("{n} {what}{plural}")
}

/// Whether the expert was picked for a token of the row shown.
pub fn is_picked(cx: &Cx<'_>, at: ExpertAt, position: Option<Position>) -> bool {
    position
        .and_then(|it| cx.row()?.record.store.at(at.router, it))
        .is_some_and(|it| it.picks().any(|it| it.expert == at.expert))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::LayerId;

    fn check(n: &[u64], n_tokens: u64, expert: usize, wanted: f32) {
        let router = RouterSpec::softmax_top_k(LayerId(0), 8, 2);
        let load = RouterLoad {
            n: n.to_vec(),
            mass: n.iter().map(|it| *it as f64 / 2.0).collect(),
            n_tokens,
        };
        let (number, cell) = load_row(&load, &router, false)[expert];
        assert!((cell - wanted).abs() < 1e-6, "{cell} is not {wanted}");
        assert_eq!(number, Some(n[expert] as f64 / n_tokens as f64));
    }

    #[test]
    fn load_is_log2_around_even_and_clamped() {
        // E = 8, k = 2: even is a quarter of the tokens, the ceiling 4 ×: the scale runs from -3 to 2.
        check(&[25, 0, 0, 0, 0, 0, 0, 0], 100, 0, 0.6);
        check(&[100, 0, 0, 0, 0, 0, 0, 0], 100, 0, 1.0);
        check(&[50, 0, 0, 0, 0, 0, 0, 0], 100, 0, 0.8);
        check(&[1, 0, 0, 0, 0, 0, 0, 0], 1000, 0, 0.0);
        check(&[1, 0, 0, 0, 0, 0, 0, 0], 100, 1, EMPTY);
    }

    #[test]
    fn gate_mass_is_part_of_all_weight() {
        // 3 of 4 in all over 8 experts: six times even, on a scale from -3 to 3.
        let router = RouterSpec::softmax_top_k(LayerId(0), 8, 2);
        let load = RouterLoad {
            n: vec![2, 2, 0, 0, 0, 0, 0, 0],
            mass: vec![3.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
            n_tokens: 4,
        };
        let row = load_row(&load, &router, true);
        assert_eq!((row[0].0, row[1].0), (Some(3.0), Some(1.0)));
        assert!((row[0].1 - (6f32.log2() + 3.0) / 6.0).abs() < 1e-6);
        assert_eq!(row[2], (Some(0.0), EMPTY));
    }

    #[test]
    fn numbers_read_as_words() {
        let check = |value: Value, number, words: &str| assert_eq!(value.words(number), words);
        check(Value::Share, Some(0.99), "share of tokens 99 %");
        check(Value::Difference, Some(-0.25), "difference −25 %");
        check(Value::Pick, None, "not picked");
        check(Value::Mass, Some(3.154), "gate mass 3.15");
    }
}
