//! What the panel shows, as numbers at full precision.

use crate::analysis::{LoadSeries, Spread};
use crate::document::{Cell, Table};
use crate::spec::RouterId;
use crate::ui::Cx;

use super::numbers::ShownLoad;
use super::time::series_of;
use super::{LoadSettings, Over, Scope, Value};

/// Lines of a table over time at most, a line for each expert at each place.
const MOST_CELLS: usize = 50_000;

/// The numbers of the view chosen; none where nothing was counted.
pub fn table(cx: &Cx<'_>, view: LoadSettings, router: RouterId) -> Option<Table> {
    if view.scope == Scope::All {
        return routers(cx, view);
    }
    let shown = ShownLoad::of(cx, view, router)?;
    match view.over {
        Over::Total => Some(experts(cx, &shown)),
        Over::Time => over_time(cx, &shown),
    }
}

fn title(cx: &Cx<'_>, shown: &ShownLoad<'_>, what: &str) -> String {
    format!(
        "Load{what}, {}, over {}",
        shown.spec.label(),
        shown.tokens_words(cx)
    )
}

fn experts(cx: &Cx<'_>, shown: &ShownLoad<'_>) -> Table {
    let mut out = Table::new(
        title(cx, shown, ""),
        &[
            ("expert", ""),
            ("picked", "tokens"),
            ("of", "tokens"),
            ("share of tokens", "%"),
            ("even", "%"),
            ("load over mean", "times"),
            ("gate mass", ""),
            ("share of gate mass", "%"),
            ("state", ""),
        ],
    );
    for expert in 0..shown.spec.n_experts {
        let at = shown.at(expert);
        let state = match (shown.is_masked(cx, expert), shown.is_unused(expert)) {
            (true, _) => Cell::from("masked"),
            (false, true) => Cell::from("unused here"),
            (false, false) => Cell::Empty,
        };
        let percent = |it: Option<f64>| it.map(|it| it * 100.0);
        out.push([
            expert.into(),
            shown.load.n[expert].into(),
            shown.load.n_tokens.into(),
            percent(shown.load.share(at.expert)).into(),
            (f64::from(shown.spec.even_share()) * 100.0).into(),
            shown.load.utilisation(at.expert).into(),
            shown.load.mass[expert].into(),
            percent(shown.load.mass_share(at.expert)).into(),
            state,
        ]);
    }
    out
}

fn over_time(cx: &Cx<'_>, shown: &ShownLoad<'_>) -> Option<Table> {
    let store = &cx.row()?.record.store;
    let mut read = LoadSeries::default();
    read.extend(store, shown.router, |it| cx.session.is_special(it));
    let n_samples = (MOST_CELLS / shown.spec.n_experts.max(1)).max(1);
    let series = read.series(series_of(shown.view, n_samples));
    let what = if (series.len() as u64) < shown.load.n_tokens {
        format!(" at {} places of the text", series.len())
    } else {
        " over time".to_owned()
    };
    let share = match shown.view.value {
        Value::Share => "share of tokens",
        Value::Mass => "share of gate mass",
    };
    let columns = [
        ("token", ""),
        ("over", "tokens"),
        ("effective experts", ""),
        ("CV", ""),
        ("expert", ""),
        (share, "%"),
    ];
    let mut out = Table::new(title(cx, shown, &what), &columns);
    for sample in 0..series.len() {
        for (expert, share) in series.shares(sample).iter().enumerate() {
            out.push([
                series.at[sample].idx().into(),
                series.n_tokens[sample].into(),
                series.effective[sample].into(),
                series.cv[sample].into(),
                expert.into(),
                (share * 100.0).into(),
            ]);
        }
    }
    Some(out)
}

fn routers(cx: &Cx<'_>, view: LoadSettings) -> Option<Table> {
    let mut out = Table::default();
    for (router, _) in cx.spec()?.router_ids() {
        let Some(shown) = ShownLoad::of(cx, view, router) else {
            continue;
        };
        if out.columns.is_empty() {
            let of = match view.value {
                Value::Share => "counts",
                Value::Mass => "gate mass",
            };
            let title = format!(
                "Load of every router, {of}, over {}",
                shown.tokens_words(cx)
            );
            out = Table::new(
                title,
                &[
                    ("router", ""),
                    ("experts", ""),
                    ("effective experts", ""),
                    ("evenness", ""),
                    ("CV", ""),
                    ("MaxVio", ""),
                    ("Gini", ""),
                    ("H(f)/ln N", ""),
                    ("unused here", "experts"),
                    ("CV of gate mass", ""),
                ],
            );
        }
        if let Some(spread) = shown.spread() {
            out.push(line(cx, &shown, spread));
        }
    }
    (!out.rows.is_empty()).then_some(out)
}

fn line(cx: &Cx<'_>, shown: &ShownLoad<'_>, spread: Spread) -> Vec<Cell> {
    let unmasked = |it: &usize| shown.is_unused(*it) && !shown.is_masked(cx, *it);
    vec![
        shown.spec.label().into(),
        shown.spec.n_experts.into(),
        spread.effective.into(),
        spread.evenness.into(),
        spread.cv.into(),
        spread.max_vio.into(),
        spread.gini.into(),
        spread.entropy.into(),
        (0..shown.spec.n_experts).filter(unmasked).count().into(),
        shown.load.mass_spread().map(|it| it.cv).into(),
    ]
}
