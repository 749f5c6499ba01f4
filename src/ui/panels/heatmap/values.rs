//! What the cells show: a number from 0 to 1 per (router, expert), the scale it is read by, and the
//! sentence under the plot.

use crate::analysis::{LoadStats, PhaseFilter, RouterLoad, probabilities};
use crate::spec::{ExpertId, ModelSpec, Position, RouterId, RouterSpec};
use crate::ui::paint::expert_grid::{ABSENT, EMPTY};
use crate::ui::words::{percent, short};
use crate::ui::{Cx, ExpertAt};

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
}

/// What is compared with the baseline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Against {
    /// The twin: the baseline's own tokens under the edits.
    #[default]
    Twin,
    /// The edited text.
    Edited,
}

impl Against {
    /// Both, in the order of the menu.
    pub const ALL: [Self; 2] = [Self::Twin, Self::Edited];

    /// What the chip says.
    pub fn label(self) -> &'static str {
        match self {
            Self::Twin => "same tokens, edited − baseline",
            Self::Edited => "edited text − baseline",
        }
    }
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

/// All that is drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plot {
    /// `[R × E]`: 0 to 1, `EMPTY`, `ABSENT`.
    pub cells: Vec<f32>,
    /// E, the widest router.
    pub n_cols: usize,
    /// How it is read.
    pub scale: Scale,
    /// Whether an empty cell means that the expert was not used.
    pub names_unused: bool,
    /// Whether the diverging ramp is used.
    pub differences: bool,
    /// What it says, in words.
    pub sentence: String,
    /// Which tokens were counted.
    pub phase: PhaseFilter,
}

impl Plot {
    /// The number of a cell.
    pub fn cell(&self, col: usize, row: usize) -> f32 {
        self.cells
            .get(row * self.n_cols + col)
            .copied()
            .unwrap_or(ABSENT)
    }
}

/// The numbers of every cell.
pub fn plot(cx: &Cx<'_>, value: Value, phase: PhaseFilter, against: Against) -> Plot {
    let mut out = match value {
        Value::Pick => picks(cx),
        Value::Share => load(cx, phase, false),
        Value::Mass => load(cx, phase, true),
        Value::Score => scores(cx),
        Value::Difference => difference(cx, phase, against),
    };
    out.phase = phase;
    out
}

/// Fills `[R × E]` from a function of router and expert.
fn fill(cx: &Cx<'_>, of: impl Fn(RouterId, &RouterSpec) -> Vec<f32>) -> (Vec<f32>, usize) {
    let Some(spec) = cx.spec() else {
        return (Vec::new(), 0);
    };
    let n_cols = spec.max_experts();
    let mut cells = Vec::with_capacity(n_cols * spec.routers.len());
    for (id, router) in spec.router_ids() {
        let mut row = of(id, router);
        row.resize(router.n_experts, EMPTY);
        row.resize(n_cols, ABSENT);
        cells.append(&mut row);
    }
    (cells, n_cols)
}

fn picks(cx: &Cx<'_>) -> Plot {
    let at = cx.position();
    let (cells, n_cols) = fill(cx, |id, router| {
        let mut row = vec![EMPTY; router.n_experts];
        let routed = at.and_then(|at| cx.row()?.record.store.at(id, at));
        for pick in routed.into_iter().flat_map(|it| it.picks()) {
            if let Some(cell) = row.get_mut(pick.expert.idx()) {
                *cell = pick.weight.clamp(0.0, 1.0);
            }
        }
        row
    });
    Plot {
        cells,
        n_cols,
        scale: Scale {
            low: "weight 0".to_owned(),
            high: "1".to_owned(),
            even: None,
        },
        sentence: at.map_or_else(String::new, |at| {
            format!(
                "The experts chosen for {} (token {at}) and their weights.",
                cx.quoted(at)
            )
        }),
        ..Plot::default()
    }
}

fn scores(cx: &Cx<'_>) -> Plot {
    let at = cx.position();
    let (cells, n_cols) = fill(cx, |id, router| {
        let logits = at
            .and_then(|at| cx.row()?.record.store.at(id, at))
            .and_then(|it| it.logits());
        logits.map_or_else(Vec::new, |it| probabilities(it, router.score))
    });
    let even = cx.spec().map(|it| 1.0 / it.max_experts().max(1) as f32);
    Plot {
        cells,
        n_cols,
        scale: Scale {
            low: "0 %".to_owned(),
            high: even.map_or_else(
                || "100 %".to_owned(),
                |it| format!("100 % · even is {}", percent(it)),
            ),
            even,
        },
        sentence: at.map_or_else(String::new, |at| {
            format!(
                "What each router thought of {} (token {at}), before any edit.",
                cx.quoted(at)
            )
        }),
        ..Plot::default()
    }
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

/// Where the load of an expert lies on its router's scale; `EMPTY` where it was not picked.
pub fn load_cell(load: &RouterLoad, router: &RouterSpec, expert: ExpertId, mass: bool) -> f32 {
    if load.n.get(expert.idx()).copied().unwrap_or(0) == 0 {
        return EMPTY;
    }
    let utilisation = if mass {
        let mean = load.mass.iter().sum::<f64>() / load.mass.len() as f64;
        load.mass[expert.idx()] / mean
    } else {
        load.share(expert).unwrap_or(0.0) / f64::from(router.even_share())
    };
    on_scale(utilisation, log2_range(router, mass))
}

fn load(cx: &Cx<'_>, phase: PhaseFilter, mass: bool) -> Plot {
    let (cells, n_cols) = fill(cx, |id, router| {
        let load = cx.row().and_then(|it| it.load.router(id, phase));
        load.map_or_else(Vec::new, |load| {
            (0..router.n_experts)
                .map(|it| load_cell(&load, router, ExpertId::new(it), mass))
                .collect()
        })
    });
    Plot {
        cells,
        n_cols,
        scale: load_scale(cx, mass),
        names_unused: true,
        sentence: load_sentence(cx, phase, mass),
        ..Plot::default()
    }
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
        n_tokens_words(&row.load, phase),
        cx.session.row_name(cx.selection.row),
    )
}

/// `79 tokens (⟨bos⟩ not counted)`.
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

/// Both loads of a comparison, from the first edited position on: baseline, other.
fn compared(cx: &Cx<'_>, against: Against) -> Option<(LoadStats, LoadStats)> {
    let session = cx.session;
    let from = session.shown?.edited_from?;
    let baseline = &session.baseline()?.record.store;
    let other = match against {
        Against::Twin => &session.twin()?.record.store,
        Against::Edited => &session.edited()?.record.store,
    };
    // The twin may still be catching up: the same tokens on both sides.
    let end = |own: Position| match against {
        Against::Twin => baseline.end().min(other.end()),
        Against::Edited => own,
    };
    let special = |it| session.is_left_out(it);
    Some((
        LoadStats::count(baseline, from..end(baseline.end()), special),
        LoadStats::count(other, from..end(other.end()), special),
    ))
}

/// How much more of the tokens an expert takes than in the baseline, -1 to 1.
fn change(loads: &(LoadStats, LoadStats), phase: PhaseFilter, at: ExpertAt) -> Option<f64> {
    let share = |it: &LoadStats| it.router(at.router, phase)?.share(at.expert);
    Some(share(&loads.1)? - share(&loads.0)?)
}

fn difference(cx: &Cx<'_>, phase: PhaseFilter, against: Against) -> Plot {
    let loads = compared(cx, against);
    let of = |router, expert| {
        change(
            loads.as_ref()?,
            phase,
            ExpertAt {
                router,
                expert: ExpertId::new(expert),
            },
        )
    };
    let most = cx
        .spec()
        .into_iter()
        .flat_map(ModelSpec::router_ids)
        .flat_map(|(id, it)| (0..it.n_experts).filter_map(move |e| of(id, e)))
        .map(f64::abs)
        .fold(0.0, f64::max);
    let range = [0.05, 0.1, 0.25, 0.5]
        .into_iter()
        .find(|it| most <= *it)
        .unwrap_or(1.0);
    let (cells, n_cols) = fill(cx, |id, router| {
        (0..router.n_experts)
            .map(|e| of(id, e).map_or(EMPTY, |it| (0.5 + it / range / 2.0) as f32))
            .collect()
    });
    let n = loads.as_ref().map_or(0, |it| it.1.n_tokens(phase));
    let text = match against {
        Against::Twin => "the same tokens",
        Against::Edited => "the edited text",
    };
    Plot {
        cells,
        n_cols,
        scale: Scale {
            low: format!("−{}", percent(range as f32)),
            high: format!("+{} of tokens", percent(range as f32)),
            even: Some(0.5),
        },
        differences: true,
        sentence: format!(
            "How much oftener (orange) or seldomer (blue) each expert is picked under the edits, over {text} from the first edited one on: {n} tokens.",
        ),
        ..Plot::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::LayerId;

    fn check(n: &[u64], n_tokens: u64, expert: u16, wanted: f32) {
        let router = RouterSpec::softmax_top_k(LayerId(0), 8, 2);
        let load = RouterLoad {
            n: n.to_vec(),
            mass: n.iter().map(|it| *it as f64 / 2.0).collect(),
            n_tokens,
        };
        let got = load_cell(&load, &router, ExpertId(expert), false);
        assert!((got - wanted).abs() < 1e-6, "{got} is not {wanted}");
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
}
