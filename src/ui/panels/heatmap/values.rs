//! The numbers of the cells by what is asked, and the sentence under the plot.

use crate::analysis::{PhaseFilter, RouterLoad, probabilities};
use crate::document::{heatmap_load_sentence, heatmap_picks_sentence, heatmap_scores_sentence};
use crate::spec::{ExpertId, Position, RouterSpec};
use crate::ui::paint::expert_grid::EMPTY;
use crate::ui::widgets::READING;
use crate::ui::words::{percent, short};
use crate::ui::{Cx, ExpertAt, Memo};

use super::difference::{self, Compared};
use super::plot::{CellValue, Plot, PlotSettings, Scale, Value};

/// Loads are drawn on a log₂ scale around even, clamped here.
const LOG2_FLOOR: f64 = -3.0;
const LOG2_CEILING: f64 = 3.0;
/// Counts whose place on the scale is kept while a plot is made.
const MOST_COUNTS: usize = 4_096;

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
        let token = (&*cx.quoted(at), &*cx.token_name(at));
        out.sentence = heatmap_picks_sentence(token, dropped_at(cx, at));
    }
}

/// Whether a router dropped a token of the row shown, since its expert was full.
fn dropped_at(cx: &Cx<'_>, at: Position) -> bool {
    let store = cx.row().map(|it| &it.record.store);
    let mut all = store.into_iter().flat_map(|it| it.all_at(at));
    all.any(|(_, it)| it.dropped().is_some())
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
    let are_kept = out.numbers.iter().any(Option::is_some);
    out.sentence = at.map_or_else(String::new, |at| {
        let token = (&*cx.quoted(at), &*cx.token_name(at));
        heatmap_scores_sentence(token, are_kept)
    });
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

/// Where shares of tokens lie on the scale, by how often an expert was picked: all experts of a model share few counts.
#[derive(Default)]
struct SharePlaces {
    places: Memo<(u64, usize, usize), Vec<f32>>,
}

impl SharePlaces {
    /// The place of an expert picked `n` times of so many tokens, in a router of this shape; not a number where it was
    /// not worked out yet.
    fn of(&mut self, n: u64, n_tokens: u64, router: &RouterSpec) -> Option<&mut f32> {
        let n = usize::try_from(n).ok().filter(|it| *it < MOST_COUNTS)?;
        let shape = (n_tokens, router.n_experts, router.top_k);
        let places = self.places.resume(shape, |_| true);
        if places.len() <= n {
            places.resize(n + 1, f32::NAN);
        }
        places.get_mut(n)
    }

    /// A utilisation on the scale of a router, worked out once for each count.
    fn place(&mut self, n: u64, utilisation: f64, load: &RouterLoad, router: &RouterSpec) -> f32 {
        let range = log2_range(router, false);
        let Some(known) = self.of(n, load.n_tokens, router) else {
            return on_scale(utilisation, range);
        };
        if known.is_nan() {
            *known = on_scale(utilisation, range);
        }
        *known
    }
}

/// The load of every expert of a router and its place on the scale; those not picked are `EMPTY`.
fn load_row(
    load: &RouterLoad,
    router: &RouterSpec,
    mass: bool,
    shares: &mut SharePlaces,
) -> Vec<CellValue> {
    let range = log2_range(router, mass);
    let mean = load.mass.iter().sum::<f64>() / load.mass.len().max(1) as f64;
    let even = f64::from(router.even_share());
    (0..router.n_experts)
        .map(|it| {
            let n = load.n.get(it).copied().unwrap_or(0);
            let share = load.share(ExpertId::new(it));
            let weight = load.mass.get(it).copied();
            let cell = match (n, mass) {
                (0, _) => EMPTY,
                (_, true) => on_scale(weight.unwrap_or(0.0) / mean, range),
                (n, false) => shares.place(n, share.unwrap_or(0.0) / even, load, router),
            };
            (if mass { weight } else { share }, cell)
        })
        .collect()
}

fn load(cx: &Cx<'_>, out: &mut Plot, mass: bool) {
    let phase = out.asked.phase;
    let mut shares = SharePlaces::default();
    out.fill(cx, |id, router| {
        let load = cx.row().and_then(|it| it.load.router(id, phase));
        load.map_or_else(Vec::new, |it| load_row(&it, router, mass, &mut shares))
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
        high: format!(
            "{} ×{} · even is {}",
            short(times),
            cx.said(every),
            percent(even)
        ),
        even: Some((-floor / (ceiling - floor)) as f32),
    }
}

fn load_sentence(cx: &Cx<'_>, phase: PhaseFilter, mass: bool) -> String {
    let Some(row) = cx.row() else {
        return "Space writes the first tokens: the map fills as they come.".to_owned();
    };
    if cx.reads_first() {
        return READING.to_owned();
    }
    let Some(spec) = cx.spec() else {
        return String::new();
    };
    let name = cx.session.row_name(cx.selection.row);
    heatmap_load_sentence((spec, row.load), phase, mass, name)
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
            ..RouterLoad::default()
        };
        let (number, cell) = load_row(&load, &router, false, &mut SharePlaces::default())[expert];
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
            ..RouterLoad::default()
        };
        let row = load_row(&load, &router, true, &mut SharePlaces::default());
        assert_eq!((row[0].0, row[1].0), (Some(3.0), Some(1.0)));
        assert!((row[0].1 - (6f32.log2() + 3.0) / 6.0).abs() < 1e-6);
        assert_eq!(row[2], (Some(0.0), EMPTY));
    }

    #[test]
    fn routers_drawn_one_after_the_other_lie_where_each_lies_alone() {
        let load = |n_tokens: u64, from: u64| {
            let n: Vec<u64> = (0..8).map(|it| (from + it * it * 37) % n_tokens).collect();
            RouterLoad {
                mass: n.iter().map(|it| *it as f64).collect(),
                n,
                n_tokens,
                ..RouterLoad::default()
            }
        };
        let mut shares = SharePlaces::default();
        for (k, n_tokens, from) in [
            (2, 90, 3),
            (2, 90, 5),
            (1, 90, 5),
            (2, 70, 5),
            (2, 9_000, 8_700),
        ] {
            let router = RouterSpec::softmax_top_k(LayerId(0), 8, k);
            let load = load(n_tokens, from);
            let alone = load_row(&load, &router, false, &mut SharePlaces::default());
            let even = f64::from(router.even_share());
            for (n, (number, cell)) in load.n.iter().zip(&alone) {
                let wanted = on_scale(
                    *n as f64 / n_tokens as f64 / even,
                    log2_range(&router, false),
                );
                assert!(*n == 0 || cell.to_bits() == wanted.to_bits());
                assert_eq!(*number, Some(*n as f64 / n_tokens as f64));
            }
            assert_eq!(load_row(&load, &router, false, &mut shares), alone);
        }
    }
}
