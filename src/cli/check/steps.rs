//! Several checkpoints of one model: the timeline in lines and as JSON.

use std::{ffi::OsString, fmt::Write as _, path::Path};

use serde_json::{Value, json};

use super::Checked;
use crate::analysis::{Leaving, RouterTimeline, Timeline, TimelineStep, Verdict, timeline};
use crate::cli::{Failure, experts::list, json_text};
use crate::spec::{count_of, shown};
use crate::trace::PositionKind;

/// Experts of a layer up to which every utilisation is printed.
const N_SHOWN: usize = 16;
/// Experts of a layer whose leaving is told; beyond that they are counted.
const N_TOLD: usize = 8;

/// The timeline, and what each step is called.
pub(super) struct Steps {
    names: Vec<String>,
    timeline: Timeline,
    kind: PositionKind,
}

impl Steps {
    /// Of models that were all judged.
    ///
    /// # Errors
    /// Their shapes or tokens differ.
    pub fn of(models: &[OsString], all: &[Checked]) -> Result<Self, Failure> {
        let names = names(models, all);
        let steps = all.iter().zip(&names).filter_map(|(it, name)| {
            Some(TimelineStep {
                name,
                report: it.report.as_ref()?,
                choices: &it.choices,
            })
        });
        let steps: Vec<TimelineStep<'_>> = steps.collect();
        let timeline = timeline(&steps).map_err(Failure::misuse)?;
        let kind = all.first().map(|it| PositionKind::of(&it.spec));
        Ok(Self {
            names,
            timeline,
            kind: kind.unwrap_or_default(),
        })
    }

    pub fn json(&self, all: &[Checked]) -> Result<String, Failure> {
        let models: Vec<Value> = all.iter().map(Checked::object).collect();
        let last = all.last();
        let object = json!({
            "verdict": last.and_then(Checked::verdict),
            "timeline": self.timeline,
            "models": models,
        });
        json_text(&object, false)
    }

    pub fn text(&self, all: &[Checked]) -> String {
        let mut out = String::new();
        self.verdicts(&mut out, all);
        let n_tokens = count_of(self.timeline.n_tokens, self.kind.noun());
        let (low, high) = self.timeline.band;
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "\ntimes even, layer by layer; * is outside the even band of {low} to {high}; churn is the share of picks that changed since the step before, over {n_tokens}"
        );
        for it in &self.timeline.routers {
            self.router(&mut out, it);
        }
        self.divergence(&mut out);
        if let Some(last) = all.last() {
            list(&mut out, &last.findings);
        }
        out
    }

    /// A line a step: its verdict, what was found.
    fn verdicts(&self, out: &mut String, all: &[Checked]) {
        let width = self.width();
        for (it, name) in all.iter().zip(&self.names) {
            let verdict = it.verdict().map_or("no verdict", Verdict::word);
            let headline = it.report.as_ref().map_or("", |it| &it.headline);
            let found = match it.findings.len() {
                0 => String::new(),
                n => format!("; {n} found beyond the load"),
            };
            let _ = writeln!(
                out,
                "{:<width$}  {verdict:<10}  {}{found}",
                shown(name),
                shown(headline)
            );
        }
    }

    fn width(&self) -> usize {
        let names = self.names.iter();
        names.map(|it| it.chars().count()).max().unwrap_or(0).max(4)
    }

    fn router(&self, out: &mut String, it: &RouterTimeline) {
        let width = self.width();
        let n_experts = it.utilisation.first().map_or(0, Vec::len);
        let is_whole = n_experts <= N_SHOWN;
        let _ = write!(
            out,
            "\n{:<width$}  {:>6}  {:>8}",
            it.label, "churn", "evenness"
        );
        if is_whole {
            for expert in 0..n_experts {
                let _ = write!(out, " {expert:>6}");
            }
        }
        let _ = writeln!(out);
        for (step, name) in self.names.iter().enumerate() {
            let number =
                |it: Option<f64>| it.map_or_else(|| "–".to_owned(), |it| format!("{it:.3}"));
            let churn = step
                .checked_sub(1)
                .and_then(|it_before| it.churn[it_before]);
            let _ = write!(
                out,
                "{:<width$}  {:>6}  {:>8}",
                shown(name),
                number(churn),
                number(it.evenness[step])
            );
            if is_whole {
                for value in &it.utilisation[step] {
                    let (low, high) = self.timeline.band;
                    let mark = if (low..=high).contains(value) {
                        ' '
                    } else {
                        '*'
                    };
                    let _ = write!(out, " {value:>5.2}{mark}");
                }
            }
            let _ = writeln!(out);
        }
        let told: Vec<String> = it
            .left
            .iter()
            .take(N_TOLD)
            .map(|it| self.leaving(it))
            .collect();
        let more = it.left.len().saturating_sub(N_TOLD);
        if !told.is_empty() {
            let more = if more > 0 {
                format!("; and {more} more")
            } else {
                String::new()
            };
            let _ = writeln!(out, "left the even band: {}{more}", told.join("; "));
        }
        if self.names.len() == 2 && !it.moved.is_empty() {
            let moved = it.moved.iter();
            let moved: Vec<String> = moved
                .map(|it| format!("expert {} from {:.2} to {:.2}", it.expert, it.from, it.to))
                .collect();
            let _ = writeln!(out, "moved most: {}", moved.join("; "));
        }
    }

    /// `expert 5 at step-200 (0.31)`.
    fn leaving(&self, it: &Leaving) -> String {
        let back = if it.is_back { ", back at the last" } else { "" };
        format!(
            "expert {} at {} ({:.2}{back})",
            it.expert,
            shown(&self.names[it.step]),
            it.utilisation
        )
    }

    /// Between two models: where their choices part.
    fn divergence(&self, out: &mut String) {
        let (Some(first), Some(last)) = (self.names.first(), self.names.last()) else {
            return;
        };
        let (first, last) = (shown(first), shown(last));
        let parts_at = self.timeline.parts_at;
        let at = self
            .timeline
            .routers
            .iter()
            .find(|it| Some(it.router) == parts_at);
        let words = match at {
            Some(it) => format!(
                "the choices of {first} and {last} part first at {}",
                it.label
            ),
            None => format!("{first} and {last} choose the same everywhere"),
        };
        let _ = writeln!(out, "\n{words}");
    }
}

/// What each step is called: the part of its path that tells it from the others.
fn names(models: &[OsString], all: &[Checked]) -> Vec<String> {
    let last = |it: &OsString| {
        let name = Path::new(it).file_name();
        name.map(|it| it.to_string_lossy().into_owned())
    };
    let short: Vec<String> = models
        .iter()
        .zip(all)
        .map(|(path, it)| last(path).unwrap_or_else(|| it.name.clone()))
        .collect();
    let are_apart = (1..short.len()).all(|at| !short[..at].contains(&short[at]));
    if are_apart {
        return short;
    }
    models
        .iter()
        .map(|it| it.to_string_lossy().into_owned())
        .collect()
}
