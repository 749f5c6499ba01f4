//! Findings in sentences.

use crate::analysis::{Dependence, SelectionBias};
use crate::spec::{ExpertId, count_of};
use crate::trace::{Copies, SameBy};

/// Experts named one by one; beyond that they are counted.
const N_NAMED: usize = 6;

/// With its first letter large.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|it| it.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// `Expert 3`, `Experts 2 and 5`, `Experts 1, 2, 3, 4, 5, 6 and 12 more`.
fn named(experts: &[ExpertId]) -> String {
    let shown: Vec<String> = experts
        .iter()
        .take(N_NAMED)
        .map(ToString::to_string)
        .collect();
    match (&*shown, experts.len()) {
        ([one], 1) => format!("Expert {one}"),
        (shown, n) if n > N_NAMED => {
            format!("Experts {} and {} more", shown.join(", "), n - N_NAMED)
        }
        ([first @ .., last], _) => format!("Experts {} and {last}", first.join(", ")),
        ([], _) => "No expert".to_owned(),
    }
}

pub(super) fn copies(it: &Copies, label: &str, same_rows: bool) -> String {
    let by = match it.by {
        SameBy::Weights => format!(
            "all their matrices have a cosine of {:.4} or more",
            it.likeness
        ),
        SameBy::Outputs => {
            format!(
                "they put out the same for 64 random inputs, within {:.1e}",
                1.0 - it.likeness
            )
        }
    };
    let rows = if same_rows {
        "; their rows of the gate are the same too"
    } else {
        ""
    };
    format!("{} of {label} are copies: {by}{rows}.", named(&it.experts))
}

pub(super) fn no_output(found: &[(ExpertId, f32)], median: f32, label: &str) -> String {
    let experts: Vec<ExpertId> = found.iter().map(|it| it.0).collect();
    let most = found.iter().map(|it| it.1).fold(0.0, f32::max);
    let (puts, its) = if found.len() == 1 {
        ("puts", "its output is")
    } else {
        ("put", "their outputs are at most")
    };
    format!(
        "{} of {label} {puts} out next to nothing: on random inputs {its} {most:.2e} long, the layer's median {median:.2e} (limit a hundredth of it).",
        named(&experts)
    )
}

pub(super) fn bias(bias: &SelectionBias, label: &str) -> String {
    let values: Vec<String> = bias
        .outliers
        .iter()
        .take(N_NAMED)
        .map(|it| format!("{:.3}", it.1))
        .collect();
    let experts: Vec<ExpertId> = bias.outliers.iter().map(|it| it.0).collect();
    let (has, out) = if experts.len() == 1 {
        ("has a selection bias", "it is")
    } else {
        ("have selection biases", "they are")
    };
    format!(
        "{} of {label} {has} of {}, out of line: {out} more than six times the median deviation {:.3} from the median {:.3}, and far beside what scores can be apart.",
        named(&experts),
        values.join(", "),
        bias.deviation,
        bias.median
    )
}

pub(super) fn same_rows(experts: &[ExpertId], label: &str) -> String {
    format!(
        "{} of {label} have the same row in the gate (cosine above 0.9999, the same length): no token tells them apart.",
        named(experts)
    )
}

pub(super) fn empty_rows(experts: &[ExpertId], norms: &[f32], label: &str) -> String {
    let most = experts.iter().filter_map(|it| norms.get(it.idx()).copied());
    let most = most.fold(0.0, f32::max);
    let rows = if experts.len() == 1 {
        "has a row in the gate that is"
    } else {
        "have rows in the gate that are"
    };
    format!(
        "{} of {label} {rows} next to nothing: {most:.2e} long, under a hundredth of the layer's median.",
        named(experts)
    )
}

pub(super) fn blind_gate(all_same: bool, n_experts: usize, label: &str) -> String {
    let rows = if all_same { "the same" } else { "zero" };
    format!(
        "The router of {label} looks at no token: all {n_experts} rows of its gate are {rows}, so no expert scores more for one token than for another."
    )
}

pub(super) fn one_number(label: &str) -> String {
    format!(
        "The router of {label} hardly looks at the token: all rows of its gate are parallel (cosine above 0.9999), so a token is one number to it, and experts come in one order or the other way round."
    )
}

pub(super) fn one_choice(it: &Dependence, label: &str) -> String {
    format!(
        "The router of {label} looks at no token: its strongest choice is the same expert for all {}.",
        count_of(it.n_tokens, "token")
    )
}

pub(super) fn independent(it: &Dependence, label: &str) -> String {
    let share = |part: f64| 100.0 * part / it.entropy;
    format!(
        "The router of {label} hardly looks at the token: over {} its strongest choice tells {:.1} % of its entropy of the token and {:.1} % of the position, beyond chance.",
        count_of(it.n_tokens, "token"),
        share(it.token),
        share(it.position)
    )
}
