//! Verdicts in words: one sentence on the model, and the evidence on a router.

use super::{
    Idle, Limits, Measure, Numbers, Outcome, Reason, RouterReport, TextCount, Thresholds, Utilised,
    Verdict,
};
use crate::spec::{count_of, grouped, part_of};
use crate::trace::PositionKind;

/// Why one text gives no verdict but even.
const ONE_TEXT: &str = "one text alone cannot tell a specialist from a dead expert";

/// Routers or experts named one by one; beyond that they are counted.
const N_NAMED: usize = 6;

impl Verdict {
    /// As a word: `even`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Even => "even",
            Self::Skewed => "skewed",
            Self::Collapsed => "collapsed",
        }
    }
}

/// A number with two decimals at most: `0.8`, `3.25`.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl Thresholds {
    /// What they come to where k of N experts are picked: `Skewed with 1 dead expert or …`.
    #[must_use]
    pub fn words(&self, n_experts: usize, top_k: usize) -> String {
        let of = |name: &str, limits: &Limits| {
            let dead = limits.dead.map(|it| {
                let n = it.fewest(n_experts);
                format!("{} dead or more", count_of(n, "expert"))
            });
            let evenness = limits.evenness.map(|it| format!("evenness below {it}"));
            let entropy = limits.entropy.map(|it| format!("entropy below {it}"));
            let most = limits.max_over_mean.map(|it| {
                let times = number(it.times(n_experts, top_k));
                format!("max/mean above {times}")
            });
            let all: Vec<String> = [dead, evenness, entropy, most]
                .into_iter()
                .flatten()
                .collect();
            format!("{name} with {}", all.join(" or "))
        };
        let skewed = of("Skewed", &self.skewed);
        format!("{skewed}; {}.", of("collapsed", &self.collapsed))
    }
}

/// The verdict on the model, in one sentence without a full stop.
pub(super) fn headline(outcome: Outcome, routers: &[RouterReport], kind: PositionKind) -> String {
    match outcome {
        Outcome::NoRouter => "This model has no router to judge".to_owned(),
        Outcome::TooFew { have, need } => {
            let were = if have == 1 { "was" } else { "were" };
            let (have, need) = (count_of(have, kind.noun()), grouped(need));
            format!("No verdict: {have} {were} counted, and {need} are needed")
        }
        Outcome::Withheld { verdict, worst } => {
            let worst = routers.iter().find(|it| it.router == worst);
            format!(
                "No verdict: {}; were this one mixed, it would be {}{}",
                kind.said(ONE_TEXT),
                verdict.word(),
                worst.map_or_else(String::new, worst_words)
            )
        }
        Outcome::Judged { verdict, worst, .. } => {
            let n = routers.len();
            if verdict == Verdict::Even {
                let all = if n == 1 { "the one" } else { "all" };
                let lowest = lowest(routers);
                return format!("Even: {all} {}{lowest}", name_of(routers, n));
            }
            let mut out = format!("Collapsed: {}", listed(routers, Verdict::Collapsed));
            if verdict == Verdict::Skewed {
                out = format!("Skewed: {}", listed(routers, Verdict::Skewed));
            } else if routers.iter().any(|it| it.verdict == Some(Verdict::Skewed)) {
                out += "; skewed: ";
                out += &listed(routers, Verdict::Skewed);
            }
            let worst = routers.iter().find(|it| it.router == worst);
            out + &worst.map_or_else(String::new, worst_words)
        }
    }
}

/// `3 of 6 layers (2, 3, 4)`.
fn listed(routers: &[RouterReport], verdict: Verdict) -> String {
    let of = |it: &&RouterReport| it.verdict == Some(verdict);
    let labels: Vec<&str> = routers.iter().filter(of).map(|it| &*it.label).collect();
    let n = labels.len();
    let mut names: Vec<&str> = labels.iter().take(N_NAMED).copied().collect();
    if are_layers(routers) {
        names
            .iter_mut()
            .for_each(|it| *it = it.trim_start_matches("layer "));
    }
    let more = if n > N_NAMED { ", …" } else { "" };
    let all = name_of(routers, routers.len());
    format!("{n} of {all} ({}{more})", names.join(", "))
}

fn are_layers(routers: &[RouterReport]) -> bool {
    let is_plain = |it: &RouterReport| {
        it.label
            .strip_prefix("layer ")
            .is_some_and(|it| it.bytes().all(|it| it.is_ascii_digit()))
    };
    routers.iter().all(is_plain)
}

fn name_of(routers: &[RouterReport], n: usize) -> String {
    let one = if are_layers(routers) {
        "layer"
    } else {
        "router"
    };
    count_of(n, one)
}

fn lowest(routers: &[RouterReport]) -> String {
    let all = routers.iter().filter_map(|it| it.numbers);
    all.map(|it| it.evenness)
        .reduce(f64::min)
        .map_or_else(String::new, |it| {
            format!(", lowest evenness {}", number(it))
        })
}

fn worst_words(it: &RouterReport) -> String {
    let evenness = it.numbers.map_or(0.0, |it| it.evenness);
    // Of a verdict that is withheld none is called dead.
    let (n, what) = match it.withheld {
        Some(_) => (it.unused.len(), "little used"),
        None => (it.dead.len(), "dead"),
    };
    let idle = match n {
        0 => format!("none {what}"),
        n => format!("{n} of {} experts {what}", it.n_experts),
    };
    let label = &it.label;
    let busiest = it.busiest.map_or_else(String::new, |it| {
        format!(
            ", expert {} at {} × even",
            it.expert,
            number(it.utilisation)
        )
    });
    format!(
        "; worst {label}, evenness {}, {idle}{busiest}",
        number(evenness)
    )
}

/// The verdict on a router with the numbers behind it, in sentences.
pub(super) fn evidence(
    report: &RouterReport,
    thresholds: &Thresholds,
    texts: &[TextCount],
    kind: PositionKind,
) -> String {
    let Some(numbers) = &report.numbers else {
        return format!("Nothing was picked yet.{}", dropped_words(report, kind));
    };
    let mut out = match report.verdict.or(report.withheld) {
        None => format!(
            "No verdict: {} {} counted, and {} are needed; evenness {} so far.",
            count_of(report.n_tokens, kind.noun()),
            if report.n_tokens == 1 { "was" } else { "were" },
            grouped(report.needed),
            number(numbers.evenness)
        ),
        Some(Verdict::Even) => even_words(numbers, report, thresholds),
        Some(verdict) => {
            let reasons: Vec<String> = report
                .reasons
                .iter()
                .map(|it| reason_words(it, report))
                .collect();
            let name = if verdict == Verdict::Collapsed {
                "Collapsed"
            } else {
                "Skewed"
            };
            let reasons = reasons.join("; ");
            if report.withheld.is_some() {
                let name = name.to_lowercase();
                let why = kind.said(ONE_TEXT);
                format!("No verdict: {why}. Were it mixed, it would be {name}: {reasons}.")
            } else {
                format!("{name}: {reasons}.")
            }
        }
    };
    out.push_str(&busiest_and_least(report, texts));
    out.push_str(&dropped_words(report, kind));
    for (idle, is_dead) in [(&report.dead, true), (&report.unused, false)] {
        for it in idle.iter().take(N_NAMED) {
            out.push(' ');
            out.push_str(&idle_words(it, is_dead, report, thresholds, (texts, kind)));
        }
        if idle.len() > N_NAMED {
            let what = if is_dead { "dead" } else { "little used" };
            let n = idle.len() - N_NAMED;
            let more = [" ", &n.to_string(), " more are ", what, "."];
            out.extend(more);
        }
    }
    out
}

/// ` Dropped: 31 of 1,204 tokens (2.6 %), whose expert was full.`; nothing where experts take any number.
fn dropped_words(report: &RouterReport, kind: PositionKind) -> String {
    let Some(n) = report.n_dropped else {
        return String::new();
    };
    if n == 0 {
        return format!(" No {} was dropped.", kind.noun());
    }
    let share = n as f64 / report.n_tokens.max(1) as f64 * 100.0;
    format!(
        " Dropped: {} ({share:.1} %), whose expert was full.",
        part_of(n, report.n_tokens, kind.noun())
    )
}

/// ` Busiest: expert 5, 1.8 × even, 2.4 in python; least: expert 2, 0.3, 0.9 in json.`
fn busiest_and_least(report: &RouterReport, texts: &[TextCount]) -> String {
    let words = |it: &Utilised, unit: &str| {
        let text = it.text.and_then(|at| texts.get(at));
        let text = text.filter(|_| texts.len() > 1).map(|text| {
            let most = number(it.in_text);
            format!(", at most {most} in {}", text.name)
        });
        let (n, text) = (number(it.utilisation), text.unwrap_or_default());
        format!("expert {}, {n}{unit}{text}", it.expert)
    };
    let busiest = report.busiest.as_ref().map(|it| words(it, " × even"));
    // Those that are dead or little used are named one by one.
    let are_named = !report.dead.is_empty() || !report.unused.is_empty();
    let least = report.least.as_ref().filter(|_| !are_named);
    let least = least.map(|it| format!("; least: {}", words(it, "")));
    busiest.map_or_else(String::new, |it| {
        format!(" Busiest: {it}{}.", least.unwrap_or_default())
    })
}

fn reason_words(reason: &Reason, report: &RouterReport) -> String {
    let Reason {
        measure,
        value,
        limit,
    } = *reason;
    match measure {
        Measure::Dead => {
            let (n, n_experts) = (value as usize, report.n_experts);
            let are = if n == 1 { "is" } else { "are" };
            format!("{n} of {n_experts} experts {are} dead (limit {limit})")
        }
        Measure::Evenness => format!("evenness {} (below {limit})", number(value)),
        Measure::Entropy => format!("entropy H/ln N {} (below {limit})", number(value)),
        Measure::MaxOverMean => {
            format!(
                "expert {} takes {} × even (above {})",
                report.busiest.map_or(0, |it| it.expert.idx()),
                number(value),
                number(limit)
            )
        }
    }
}

fn even_words(numbers: &Numbers, report: &RouterReport, thresholds: &Thresholds) -> String {
    let Limits {
        evenness,
        entropy,
        max_over_mean,
        ..
    } = thresholds.skewed;
    let mut parts = Vec::new();
    if let Some(limit) = evenness {
        let value = number(numbers.evenness);
        parts.push(format!("evenness {value} (skewed below {limit})"));
    }
    if let Some(limit) = entropy {
        let value = number(numbers.entropy);
        parts.push(format!("entropy H/ln N {value} (skewed below {limit})"));
    }
    if let Some(limit) = max_over_mean {
        parts.push(format!(
            "the busiest expert takes {} × even (skewed above {})",
            number(numbers.max_over_mean),
            number(limit.times(report.n_experts, report.top_k))
        ));
    }
    if report.dead.is_empty() {
        parts.push("none dead".to_owned());
    }
    format!("Even: {}.", parts.join("; "))
}

fn idle_words(
    it: &Idle,
    is_dead: bool,
    report: &RouterReport,
    thresholds: &Thresholds,
    (texts, kind): (&[TextCount], PositionKind),
) -> String {
    let picked = format!(
        "Expert {} was picked for {}",
        it.expert,
        part_of(it.n, report.n_tokens, kind.noun())
    );
    let text = it.text.and_then(|at| texts.get(at));
    let used = number(it.utilisation);
    let limit = number(thresholds.alive_above);
    match text {
        Some(TextCount { name, .. }) if is_dead => {
            format!(
                "{picked}, in no {} above {limit} of even (most in {name}: {used}).",
                kind.whole()
            )
        }
        Some(TextCount { name, .. }) => {
            format!("{picked}, yet at {used} × even in {name}: little used, not dead.")
        }
        None => format!("{picked}, in none of the {}.", kind.wholes()),
    }
}
