//! The report on one model in lines.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::analysis::{Numbers, Report, RouterReport, Verdict, advice_on_load};
use crate::cli::experts::advise;
use crate::spec::{ModelSpec, count_of, grouped, shown};
use crate::trace::PositionKind;

/// What is not counted, where there are special tokens.
pub(super) const WITHOUT_SPECIAL: &str = ", special tokens left out";

/// The verdict, the numbers of every router, and the evidence where there is something to say.
pub(super) fn table(out: &mut String, name: &str, spec: &ModelSpec, report: &Report) {
    let names: Vec<String> = report
        .texts
        .iter()
        .map(|it| format!("{} {}", shown(&it.name), grouped(it.n_tokens)))
        .collect();
    let kind = PositionKind::of(spec);
    let n_tokens = count_of(report.n_tokens, kind.noun());
    let width = report.routers.iter().map(|it| it.label.len()).max();
    let width = width.unwrap_or(0).max(5);
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{}: {}", shown(name), report.headline);
    let _ = writeln!(
        out,
        "over {n_tokens} ({}){}, no edit in force, limits: {}",
        names.join(", "),
        kind.said(WITHOUT_SPECIAL),
        report.thresholds.preset.label()
    );
    let _ = writeln!(
        out,
        "\n{:<width$}  {:<9}  {:>8}  {:>8}  {:>6}  {:>6}  {:>4}  {:>11}",
        "layer", "verdict", "evenness", "max/mean", "CV", "MaxVio", "dead", "little used"
    );
    for it in &report.routers {
        line(out, it, width);
    }
    let is_told = |it: &&RouterReport| {
        let bias = it.selection_bias.as_ref();
        it.verdict.is_some_and(|it| it != Verdict::Even)
            || !it.unused.is_empty()
            || bias.is_some_and(|it| !it.outliers.is_empty() || it.n_not_finite > 0)
    };
    let told = report.routers.iter().filter(is_told);
    for (n, it) in told.enumerate() {
        let gap = if n == 0 { "\n" } else { "" };
        let _ = writeln!(out, "{gap}{}: {}", it.label, shown(&it.evidence));
        if let Some(advice) = advice_on_load(it, spec) {
            advise(out, &advice);
        }
    }
}

fn line(out: &mut String, it: &RouterReport, width: usize) {
    let verdict = it.verdict.map_or("–", Verdict::word);
    let number = |of| number(it, of);
    let _ = writeln!(
        out,
        "{:<width$}  {verdict:<9}  {:>8}  {:>8}  {:>6}  {:>6}  {:>4}  {:>11}",
        it.label,
        number(|it| it.evenness),
        number(|it| it.max_over_mean),
        number(|it| it.cv),
        number(|it| it.max_vio),
        it.dead.len(),
        it.unused.len(),
    );
}

/// One of a router's numbers; a dash where nothing was picked.
pub(super) fn number(it: &RouterReport, of: fn(&Numbers) -> f64) -> String {
    it.numbers
        .map_or_else(|| "–".to_owned(), |it| format!("{:.3}", of(&it)))
}

/// What to do about each router that is not even.
pub(super) fn load_advice(report: &Report, spec: &ModelSpec) -> Value {
    let of = |it: &RouterReport| {
        let advice = advice_on_load(it, spec)?;
        Some(json!({ "router": it.router, "place": it.label, "advice": advice }))
    };
    report.routers.iter().filter_map(of).collect()
}
