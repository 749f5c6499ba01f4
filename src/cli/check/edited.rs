//! The load under edits beside the one without, router by router; a verdict is given on neither.

use std::fmt::Write as _;

use crate::analysis::{Report, RouterReport, grouped};
use crate::spec::shown;

/// Experts whose change is told for each router.
const N_TOLD: usize = 3;

/// Both loads, and which experts changed most.
pub(super) fn table(out: &mut String, name: &str, plain: &Report, edited: &Report) {
    let width = plain.routers.iter().map(|it| it.label.len()).max();
    let width = width.unwrap_or(0).max(5);
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{}: no verdict: edits are in force", shown(name));
    let _ = writeln!(
        out,
        "over {} tokens, special tokens left out, without the edits and under them\n",
        grouped(plain.n_tokens)
    );
    let _ = writeln!(
        out,
        "{:<width$}  {:>17}  {:>17}  changed most (times even)",
        "layer", "evenness", "max/mean"
    );
    for (before, after) in plain.routers.iter().zip(&edited.routers) {
        let number = |of: fn(&crate::analysis::Numbers) -> f64| {
            let one = |it: &RouterReport| {
                it.numbers
                    .map_or_else(|| "–".to_owned(), |it| format!("{:.3}", of(&it)))
            };
            format!("{} → {}", one(before), one(after))
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
    let utilisation = |it: &RouterReport| {
        let mean = it.n.iter().sum::<u64>() as f64 / it.n.len().max(1) as f64;
        let of = |n: &u64| if mean > 0.0 { *n as f64 / mean } else { 0.0 };
        it.n.iter().map(of).collect::<Vec<f64>>()
    };
    let (from, to) = (utilisation(before), utilisation(after));
    let mut all: Vec<(usize, f64, f64)> = from
        .into_iter()
        .zip(to)
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
