//! The panel as tables: an expert a row, a token and expert a row, or a router a row.

use crate::analysis::{ShareSeries, Spread};
use crate::document::{Cell, Table};
use crate::spec::{ExpertId, count_of};

use super::{LoadValue, ShownLoad};

const COLUMNS: [(&str, &str); 9] = [
    ("expert", ""),
    ("picked", "tokens"),
    ("of", "tokens"),
    ("share of tokens", "%"),
    ("even", "%"),
    ("load over mean", "times"),
    ("gate mass", ""),
    ("share of gate mass", "%"),
    ("state", ""),
];

const ROUTER_COLUMNS: [(&str, &str); 10] = [
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
];

fn title(shown: &ShownLoad<'_>, what: &str) -> String {
    format!(
        "Load{what}, {}, over {}",
        shown.spec.label(),
        shown.tokens_words()
    )
}

/// One router's load over the whole text.
#[must_use]
pub fn load_table(shown: &ShownLoad<'_>) -> Table {
    let mut out = Table::new(title(shown, ""), &COLUMNS);
    for expert in (0..shown.spec.n_experts).map(ExpertId::new) {
        let e = expert.idx();
        let state = match (shown.is_masked(e), shown.is_unused(e)) {
            (true, _) => Cell::from("masked"),
            (false, true) => Cell::from("unused here"),
            (false, false) => Cell::Empty,
        };
        let percent = |it: Option<f64>| it.map(|it| it * 100.0);
        out.push([
            e.into(),
            shown.load.n[e].into(),
            shown.load.n_tokens.into(),
            percent(shown.load.share(expert)).into(),
            (f64::from(shown.spec.even_share()) * 100.0).into(),
            shown.load.utilisation(expert).into(),
            shown.load.mass[e].into(),
            percent(shown.load.mass_share(expert)).into(),
            state,
        ]);
    }
    if shown.spec.capacity().is_some() {
        out.push(dropped_line(shown));
    }
    out
}

/// The tokens that no expert took since theirs was full: no expert's load, and a line of their own.
fn dropped_line(shown: &ShownLoad<'_>) -> [Cell; 9] {
    [
        "dropped".into(),
        shown.load.n_dropped.into(),
        shown.load.n_tokens.into(),
        shown.load.dropped_share().map(|it| it * 100.0).into(),
        Cell::Empty,
        Cell::Empty,
        Cell::Number(0.0),
        Cell::Number(0.0),
        "over capacity".into(),
    ]
}

/// One router's load along the text, at the places sampled.
#[must_use]
pub fn load_over_time_table(shown: &ShownLoad<'_>, series: &ShareSeries) -> Table {
    let what = if (series.len() as u64) < shown.load.n_tokens {
        format!(" at {} of the text", count_of(series.len(), "place"))
    } else {
        " over time".to_owned()
    };
    let share = match shown.of.value {
        LoadValue::Share => "share of tokens",
        LoadValue::Mass => "share of gate mass",
    };
    let columns = [
        ("token", ""),
        ("over", "tokens"),
        ("effective experts", ""),
        ("CV", ""),
        ("expert", ""),
        (share, "%"),
    ];
    let mut out = Table::new(title(shown, &what), &columns);
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
    out
}

/// How even each router's load is; none where nothing was counted.
#[must_use]
pub fn routers_table(routers: &[ShownLoad<'_>]) -> Option<Table> {
    let first = routers.first()?;
    let of = match first.of.value {
        LoadValue::Share => "counts",
        LoadValue::Mass => "gate mass",
    };
    let title = format!("Load of every router, {of}, over {}", first.tokens_words());
    let has_capacity = routers.iter().any(|it| it.spec.capacity().is_some());
    let mut columns = ROUTER_COLUMNS.to_vec();
    if has_capacity {
        columns.extend([("tokens", ""), ("dropped", "tokens")]);
    }
    let mut out = Table::new(title, &columns);
    for shown in routers {
        let Some(spread) = shown.spread() else {
            continue;
        };
        let dropped = [shown.load.n_tokens.into(), shown.load.n_dropped.into()];
        let dropped = dropped.into_iter().filter(|_| has_capacity);
        out.push(router_line(shown, spread).into_iter().chain(dropped));
    }
    (!out.rows.is_empty()).then_some(out)
}

fn router_line(shown: &ShownLoad<'_>, spread: Spread) -> [Cell; 10] {
    [
        shown.spec.label().into(),
        shown.spec.n_experts.into(),
        spread.effective.into(),
        spread.evenness.into(),
        spread.cv.into(),
        spread.max_vio.into(),
        spread.gini.into(),
        spread.entropy.into(),
        shown.unused().len().into(),
        shown.load.mass_spread().map(|it| it.cv).into(),
    ]
}
