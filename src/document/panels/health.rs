//! What the Health panel says: over what the load was judged, and the report as a table.

use crate::analysis::{
    Finding, Leaving, Numbers, Outcome, Report, RouterTimeline, Timeline, Verdict,
};
use crate::document::{Cell, Table, percent, short};
use crate::spec::{RouterId, count_of};

/// Texts named one by one; beyond that they are counted.
const N_NAMED: usize = 8;
/// Experts that left the even band named one by one.
const N_LEFT_NAMED: usize = 6;

/// How the reading of texts ended, so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending<'a> {
    /// As it should, or it still goes on.
    Whole,
    /// It was given up.
    Cancelled,
    /// Why it ended on the way, one sentence.
    Failed(&'a str),
}

/// Whose tokens were judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged<'a> {
    /// Those of texts, read with no edit in force.
    Texts(Ending<'a>),
    /// Those of a row.
    Row {
        /// `baseline`.
        name: &'a str,
        /// Whether edits were in force.
        has_edits: bool,
    },
}

/// Over what: `10,233 tokens of 8 texts (arithmetic, french, …)`.
fn basis(report: &Report, judged: Judged<'_>, names_texts: bool) -> String {
    let n = count_of(report.n_tokens, "token");
    if let Judged::Row { name, .. } = judged {
        return format!("{n} of the {name} text");
    }
    let names: Vec<&str> = report.texts.iter().map(|it| &*it.name).collect();
    let n_texts = names.len();
    let shown = names[..n_texts.min(N_NAMED)].join(", ");
    match n_texts {
        0 => n,
        1 => format!("{n} of {shown}"),
        _ if !names_texts => format!("{n} of {}", count_of(n_texts, "text")),
        _ if n_texts > N_NAMED => {
            let more = n_texts - N_NAMED;
            format!(
                "{n} of {} ({shown} and {more} more)",
                count_of(n_texts, "text")
            )
        }
        _ => format!("{n} of {} ({shown})", count_of(n_texts, "text")),
    }
}

/// The sentence under a report, with the names of the texts or without.
///
/// `even` is the share of tokens of an expert where load is even, 0 to 1; none where there is no router.
#[must_use]
pub fn health_sentence(
    report: &Report,
    judged: Judged<'_>,
    even: Option<f32>,
    names_texts: bool,
) -> String {
    let basis = basis(report, judged, names_texts);
    let even = even.map_or_else(String::new, percent);
    let (how, ended) = match judged {
        Judged::Texts(ending) => ("read with no edit in force", ended_words(ending)),
        Judged::Row {
            has_edits: true, ..
        } => ("under the edits, so it judges them too", String::new()),
        Judged::Row { .. } => ("with no edit in force", String::new()),
    };
    format!(
        "Over {basis}, {how}, special tokens left out; even is {even} each.{ended} This tells how the load lies, not what an expert is worth."
    )
}

fn ended_words(ending: Ending<'_>) -> String {
    match ending {
        Ending::Failed(why) => format!(" It ended on the way: {why}."),
        Ending::Cancelled => " It was given up on the way.".to_owned(),
        Ending::Whole => String::new(),
    }
}

/// What was found of a router, one sentence after the other.
fn found_words(found: &[Finding], router: RouterId) -> String {
    let mine = found.iter().filter(|it| it.router == Some(router));
    let words: Vec<&str> = mine.map(|it| &*it.evidence).collect();
    words.join(" ")
}

/// A row per router; what is not known stays empty.
#[must_use]
pub fn health_table(
    report: &Report,
    found: &[Finding],
    judged: Judged<'_>,
    is_provisional: bool,
) -> Table {
    let word = if is_provisional { "provisional, " } else { "" };
    let title = format!("Health, {word}{}", basis(report, judged, true));
    let has_capacity = report.routers.iter().any(|it| it.n_dropped.is_some());
    let mut columns = vec![
        ("router", ""),
        ("verdict", ""),
        ("tokens", ""),
        ("experts", ""),
        ("evenness", "exp(H)/N"),
        ("effective experts", ""),
        ("entropy", "H/ln N"),
        ("CV", ""),
        ("MaxVio", ""),
        ("max/mean", ""),
        ("dead", "experts"),
        ("little used", "experts"),
        ("dead experts", "ids"),
        ("busiest expert", "id"),
        ("least used expert", "id"),
        ("evidence", ""),
        ("found beyond the load", ""),
    ];
    if has_capacity {
        columns.push(("dropped", "tokens"));
    }
    let mut out = Table::new(title, &columns);
    let is_judged = matches!(report.outcome, Outcome::Judged { .. });
    for it in &report.routers {
        let number = |of: fn(&Numbers) -> f64| Cell::from(it.numbers.as_ref().map(of));
        let dead: Vec<String> = it.dead.iter().map(|it| it.expert.to_string()).collect();
        let counted = |n: usize| Cell::from(is_judged.then_some(n));
        let own = [
            Cell::from(&*it.label),
            it.verdict.map(Verdict::word).into(),
            it.n_tokens.into(),
            it.n_experts.into(),
            number(|it| it.evenness),
            number(|it| it.effective),
            number(|it| it.entropy),
            number(|it| it.cv),
            number(|it| it.max_vio),
            number(|it| it.max_over_mean),
            counted(it.dead.len()),
            counted(it.unused.len()),
            dead.join(" ").into(),
            it.busiest.map(|it| it.expert.idx()).into(),
            it.least.map(|it| it.expert.idx()).into(),
            Cell::from(&*it.evidence),
            found_words(found, it.router).into(),
        ];
        let dropped = has_capacity.then(|| Cell::from(it.n_dropped));
        out.push(own.into_iter().chain(dropped));
    }
    out
}

/// A row per step, router and expert.
#[must_use]
pub fn steps_table(timeline: &Timeline) -> Table {
    let title = format!("Health, {}", count_of(timeline.steps.len(), "checkpoint"));
    let mut out = Table::new(
        title,
        &[
            ("step", ""),
            ("router", ""),
            ("expert", "id"),
            ("utilisation", "times even"),
            ("left the even band at", "step"),
            ("evenness of the router", "exp(H)/N"),
            (
                "churn of the router",
                "share of picks since the step before",
            ),
        ],
    );
    for it in &timeline.routers {
        for (step, name) in timeline.steps.iter().enumerate() {
            let churn = step.checked_sub(1).and_then(|before| it.churn[before]);
            for (expert, utilisation) in it.utilisation[step].iter().enumerate() {
                let left = it.left.iter().find(|it| it.expert.idx() == expert);
                let left = left.and_then(|it| timeline.steps.get(it.step));
                out.push([
                    Cell::from(&**name),
                    Cell::from(&*it.label),
                    expert.into(),
                    (*utilisation).into(),
                    left.map(|it| &**it).into(),
                    it.evenness[step].into(),
                    churn.into(),
                ]);
            }
        }
    }
    out
}

/// What the timeline shows, in a sentence or two.
#[must_use]
pub fn steps_sentence(timeline: &Timeline) -> String {
    let (low, high) = timeline.band;
    let n_left: usize = timeline.routers.iter().map(|it| it.left.len()).sum();
    let routers = &timeline.routers;
    let parts = routers
        .iter()
        .find(|it| Some(it.router) == timeline.parts_at);
    let (Some(first), Some(last)) = (timeline.steps.first(), timeline.steps.last()) else {
        return String::new();
    };
    let divergence = match parts {
        Some(it) => format!(
            "The choices of {first} and {last} part first at {}.",
            it.label
        ),
        None => format!("{first} and {last} choose the same everywhere."),
    };
    format!(
        "Each strip is a layer: steps down, experts across; over {}, the same for all. {n_left} experts were outside the even band of {low} to {high} at some step. {divergence}",
        count_of(timeline.n_tokens, "token")
    )
}

/// Which experts of a router left the even band, at which step, and which moved most.
#[must_use]
pub fn leaving_sentence(timeline: &Timeline, it: &RouterTimeline) -> String {
    let leaving = |it: &Leaving| {
        let back = if it.is_back { ", back at the last" } else { "" };
        let step = &timeline.steps[it.step];
        let value = short(it.utilisation);
        format!("expert {} at {step} ({value}{back})", it.expert)
    };
    let named: Vec<String> = it.left.iter().take(N_LEFT_NAMED).map(leaving).collect();
    let named = named.join("; ");
    let label = &it.label;
    let mut out = match it.left.len().checked_sub(N_LEFT_NAMED) {
        _ if it.left.is_empty() => format!("{label}: every expert stays in the even band."),
        None | Some(0) => format!("{label} left the even band: {named}."),
        Some(more) => format!("{label} left the even band: {named}; and {more} more."),
    };
    let moved = it.moved.iter().map(|it| {
        let (from, to) = (short(it.from), short(it.to));
        format!("expert {} from {from} to {to}", it.expert)
    });
    let moved: Vec<String> = moved.collect();
    if !moved.is_empty() {
        out.extend([" Moved most: ", &*moved.join("; "), "."]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Moved;
    use crate::spec::ExpertId;

    #[test]
    fn experts_that_left_are_named_up_to_six() {
        let leaving = |expert: usize, is_back| Leaving {
            expert: ExpertId::new(expert),
            step: 1,
            utilisation: 0.25,
            is_back,
        };
        let mut it = RouterTimeline {
            router: RouterId(0),
            label: "layer 3".to_owned(),
            utilisation: Vec::new(),
            evenness: Vec::new(),
            left: Vec::new(),
            churn: Vec::new(),
            moved: Vec::new(),
        };
        let all = Timeline {
            steps: ["step-1", "step-2"].map(str::to_owned).to_vec(),
            n_tokens: 10,
            band: (0.5, 2.0),
            routers: Vec::new(),
            parts_at: None,
        };
        let stays = "layer 3: every expert stays in the even band.";
        assert_eq!(leaving_sentence(&all, &it), stays);
        it.left = vec![leaving(4, false), leaving(7, true)];
        it.moved = vec![Moved {
            expert: ExpertId(4),
            from: 1.0,
            to: 0.25,
        }];
        assert_eq!(
            leaving_sentence(&all, &it),
            "layer 3 left the even band: expert 4 at step-2 (0.25); expert 7 at step-2 (0.25, back at the last). Moved most: expert 4 from 1 to 0.25."
        );
        it.left = (0..8).map(|expert| leaving(expert, false)).collect();
        let many = leaving_sentence(&all, &it);
        assert!(
            many.contains("expert 5 at step-2 (0.25); and 2 more."),
            "{many}"
        );
        assert!(!many.contains("expert 6"), "{many}");
    }
}
