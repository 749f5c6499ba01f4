//! What is wrong with routers and experts, by their weights alone: `inspect --experts`, and what `check` begins with.

use std::fmt::Write as _;

use super::Failure;
use crate::analysis::{Advice, Evidence, Finding, findings};
use crate::checkpoint::Checkpoint;
use crate::engine::{Examiner, gate_facts};
use crate::spec::shown;

/// All that is found, every weight read.
pub(super) fn found(checkpoint: &Checkpoint) -> Vec<Finding> {
    let examiner = Examiner::new(checkpoint);
    let weights: Vec<_> = (0..examiner.n_parts())
        .map(|at| examiner.part(at))
        .collect();
    let gates = gate_facts(checkpoint);
    let evidence = Evidence {
        gates: &gates,
        weights: &weights,
        ..Evidence::default()
    };
    findings(&checkpoint.spec, &evidence)
}

/// Each with what to do; a line where there is none.
pub(super) fn text(found: &[Finding]) -> String {
    let mut out = String::new();
    if found.is_empty() {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{:<20} nothing is wrong with their weights", "experts");
    }
    list(&mut out, found);
    out
}

/// Each with what to do, under a heading.
pub(super) fn list(out: &mut String, found: &[Finding]) {
    for (n, it) in found.iter().enumerate() {
        if n == 0 {
            let _ = writeln!(out, "\nfound beyond the load:");
        }
        let _ = writeln!(out, "{}: {}", it.place, shown(&it.evidence));
        advise(out, &it.advice);
    }
}

/// What it means, what to look at, which edit shows it.
pub(super) fn advise(out: &mut String, it: &Advice) {
    let _ = writeln!(out, "    {} {}", it.means, it.next);
    if let Some(edit) = &it.edit {
        let _ = writeln!(out, "    To see it: --edit {edit}. {}", it.seen);
    }
}

/// The finding where there is any.
///
/// # Errors
/// There is.
pub(super) fn judge(found: &[Finding]) -> Result<(), Failure> {
    match found {
        [] => Ok(()),
        [one] => Err(Failure::finding(&one.evidence)),
        [first, rest @ ..] => Err(Failure::finding(format!(
            "{} And {} more.",
            first.evidence,
            rest.len()
        ))),
    }
}
