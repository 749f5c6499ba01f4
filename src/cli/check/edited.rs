//! The load under edits beside the one without, router by router; a verdict is given on neither.

use std::fmt::Write as _;

use super::report;
use crate::analysis::{Numbers, Report, RouterReport};
use crate::spec::{count_of, shown};
use crate::trace::PositionKind;

/// Experts whose change is told for each router.
const N_TOLD: usize = 3;

/// Both loads, and which experts changed most.
pub(super) fn table(
    out: &mut String,
    name: &str,
    kind: PositionKind,
    (plain, edited): (&Report, &Report),
) {
    let width = plain.routers.iter().map(|it| it.label.len()).max();
    let width = width.unwrap_or(0).max(5);
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{}: no verdict: edits are in force", shown(name));
    let _ = writeln!(
        out,
        "over {}{}, without the edits and under them\n",
        count_of(plain.n_tokens, kind.noun()),
        kind.said(report::WITHOUT_SPECIAL)
    );
    let _ = writeln!(
        out,
        "{:<width$}  {:>17}  {:>17}  changed most (times even)",
        "layer", "evenness", "max/mean"
    );
    for (before, after) in plain.routers.iter().zip(&edited.routers) {
        let number = |of: fn(&Numbers) -> f64| {
            format!(
                "{} → {}",
                report::number(before, of),
                report::number(after, of)
            )
        };
        let _ = writeln!(
            out,
            "{:<width$}  {:>17}  {:>17}  {}",
            before.label,
            number(|it| it.evenness),
            number(|it| it.max_over_mean),
            changes(before, after)
        );
    }
}

/// `5: 1.04 → 0, 3: 0.98 → 1.41`.
fn changes(before: &RouterReport, after: &RouterReport) -> String {
    let mut all: Vec<(usize, f64, f64)> = before
        .utilisation()
        .into_iter()
        .zip(after.utilisation())
        .enumerate()
        .map(|(expert, (from, to))| (expert, from, to))
        .filter(|it| (it.2 - it.1).abs() >= 0.005)
        .collect();
    all.sort_by(|a, b| (b.2 - b.1).abs().total_cmp(&(a.2 - a.1).abs()));
    let told = all.iter().take(N_TOLD);
    let words: Vec<String> = told
        .map(|(expert, from, to)| format!("{expert}: {from:.2} → {to:.2}"))
        .collect();
    if words.is_empty() {
        return "nothing".to_owned();
    }
    words.join(", ")
}
