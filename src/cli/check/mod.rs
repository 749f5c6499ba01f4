//! `check`: whether a model's load is even over texts, layer by layer, and what else is wrong with it, with an exit
//! status for scripts. Several models make a timeline.
//!
//! The report goes to stdout, progress to stderr.

mod edited;
mod paths;
mod report;
mod steps;

use std::{ffi::OsString, path::PathBuf};

use serde_json::json;

use super::{
    Failure, OutFile, Output, Status, experts, json_text,
    model::{Device, parse_edits},
    runner::{Listener, Runner, loading_words, opened_words},
    values::path_parser,
};
use crate::analysis::{
    Choices, Evidence, Finding, FindingKind, LoadStats, Outcome, Preset, Report, Thresholds,
    Verdict, findings, judge,
};
use crate::checkpoint::{self, Source};
use crate::corpus::{TextSource, names};
use crate::engine::{Examiner, LoadProgress, ModelOpener};
use crate::spec::{InterventionSet, ModelSpec, TokenId, count_of, grouped};
use crate::trace::{ModelFacts, PositionKind};

/// Judge whether the load is even over texts, and look for what else is wrong: weights that are no numbers, copied or
/// silent experts, routers that look at no token. Exits 0 if even and sound; 1 if skewed, collapsed, or anything is
/// found; 3 if the verdict is withheld or there are too few tokens. Several models are steps of one: how each expert's
/// load went.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A model folder or a file in it, a GGUF file, or `tour` or `tour-collapsed` for a model inside the program. Several
    /// are taken in the order of the numbers in their names: `RUN/step-*`.
    #[arg(required = true, num_args = 1.., value_name = "MODEL")]
    models: Vec<OsString>,
    /// Text files: plain, documents parted by a line `<|endoftext|>`, or JSONL or JSON with a field `text`; for a model of time series, numbers or tables, each column of numbers a series of its own. A mix of kinds tells most. A name that begins with `-` is written `./-name`.
    #[arg(long, value_name = "FILE", num_args = 1.., required_unless_present = "samples")]
    text: Vec<PathBuf>,
    /// The sample texts inside the program: English, French, German, Python, JSON, arithmetic; for a model of time series the sample series.
    #[arg(long)]
    samples: bool,
    /// Say that a text given alone holds several kinds of text. Otherwise a verdict other than even on one text is withheld: it cannot tell a specialist from a dead expert.
    #[arg(long)]
    mixed: bool,
    /// An edit of the routing, as `mask:4.5`; may be given again. The load under the edits is told beside the one without, and no verdict is given.
    #[arg(long = "edit", value_name = "EDIT", allow_hyphen_values = true)]
    edits: Vec<String>,
    /// Where it runs.
    #[arg(long, value_enum, default_value_t)]
    device: Device,
    /// By which limits.
    #[arg(long, value_enum, default_value_t)]
    thresholds: Limits,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write the report to this file, as JSON
    #[arg(long, value_name = "FILE", allow_hyphen_values = true, value_parser = path_parser())]
    out: Option<PathBuf>,
}

/// By which limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Limits {
    /// Dead experts, evenness, the busiest expert.
    #[default]
    Default,
    /// Those of `MoEWatch`: entropy, the busiest expert.
    Moewatch,
}

impl From<Limits> for Thresholds {
    fn from(limits: Limits) -> Self {
        match limits {
            Limits::Default => Preset::Default,
            Limits::Moewatch => Preset::MoeWatch,
        }
        .into()
    }
}

/// Runs the command.
///
/// # Errors
/// A load that is not even or anything else that is wrong (1), unusable input (2), a verdict that is withheld, too few
/// tokens or a run that failed part-way (3).
pub fn run(args: &Args) -> Result<(), Failure> {
    check(args, Output::standard())
}

/// What was found out about one model.
struct Checked {
    name: String,
    findings: Vec<Finding>,
    /// None where weights are no numbers or no text can be read, so that no load was judged.
    report: Option<Report>,
    /// Why no text can be read, a sentence without its full stop.
    why_no_load: Option<String>,
    /// The load under the edits, where there are any.
    edited: Option<Report>,
    choices: Choices,
    spec: ModelSpec,
}

fn check(args: &Args, output: Output<'_>) -> Result<(), Failure> {
    let models = paths::models(args)?;
    let edits = parse_edits(&args.edits)?;
    let several = models.len() > 1;
    if several && !edits.entries.is_empty() {
        return Err(Failure::misuse(
            "edits change one model, and a timeline compares several: give one model, or no --edit",
        ));
    }
    let texts = texts(args)?;
    let file = args.out.as_deref().map(|it| OutFile::at(it, "report"));
    let file = file.transpose()?;
    let mut progress = Progress {
        output,
        kind: PositionKind::default(),
    };
    let mut all = Vec::new();
    for model in &models {
        let one = check_one(args, model, &texts, &edits, several, &mut progress)?;
        let stops = one.report.is_none();
        all.push(one);
        if stops {
            break;
        }
    }
    if all.len() > 1 && all.iter().all(|it| it.report.is_some()) {
        let steps = steps::Steps::of(&models, &all)?;
        let text = |as_json| {
            if as_json {
                steps.json(&all)
            } else {
                Ok(steps.text(&all))
            }
        };
        hand_out(args, file, &mut progress.output, text)?;
    } else if let Some(last) = all.last() {
        let text = |as_json| {
            if as_json {
                last.json()
            } else {
                Ok(last.text())
            }
        };
        hand_out(args, file, &mut progress.output, text)?;
    }
    all.last().map_or(Ok(()), Checked::end)
}

/// Looks at the weights of a model, then reads the texts with it.
fn check_one(
    args: &Args,
    model: &OsString,
    texts: &[TextSource],
    edits: &InterventionSet,
    several: bool,
    progress: &mut Progress<'_>,
) -> Result<Checked, Failure> {
    let source = Source::parse(model);
    // Whether there is memory for it is known before all of it is read.
    let opener = Box::new(ModelOpener {
        tells_series: true,
        ..ModelOpener::on(args.device.placement(None))
    });
    let mut runner = match Runner::open(opener, source.clone().into(), progress) {
        Ok(it) => it,
        Err(why) => return with_broken_routers(&source).ok_or(why),
    };
    let weights = runner.examine()?;
    let facts = runner.facts.clone();
    let by_weights = Evidence {
        gates: &facts.gates,
        weights: &weights,
        ..Evidence::default()
    };
    let found = findings(&facts.spec, &by_weights);
    let mut checked = Checked::of(&facts.name, &facts.spec, found);
    let is_broken = |it: &Finding| it.kind == FindingKind::NotFinite;
    if checked.findings.iter().any(is_broken) {
        return Ok(checked);
    }
    let name = &checked.name;
    if checked.spec.routers.is_empty() {
        return Err(Failure::misuse(format!(
            "{name} has no router: there is no load to judge"
        )));
    }
    if !facts.reads_texts() {
        let why = format!("{name} has no tokenizer, so no text can be read to judge its load");
        if checked.findings.is_empty() {
            return Err(Failure::misuse(why));
        }
        checked.why_no_load = Some(why);
        return Ok(checked);
    }
    let kept = if several {
        Choices::with_all_picks()
    } else {
        Choices::default()
    };
    let texts = &of_kind(texts, facts.spec.is_series());
    let read = runner.survey(texts, &InterventionSet::default(), kept)?;
    let judged = |loads: &[LoadStats]| {
        let names = names(texts);
        let named: Vec<(&str, &LoadStats)> = names.iter().map(String::as_str).zip(loads).collect();
        let limits = args.thresholds.into();
        judge(&named, &facts.spec, &limits, args.mixed, |_, _| false)
            .with_gates(&facts.spec, &facts.gates)
    };
    let report = judged(&read.loads);
    if !edits.entries.is_empty() {
        let edited = runner.survey(texts, edits, Choices::default())?;
        checked.edited = Some(judged(&edited.loads));
    }
    drop(runner);
    let with_load = Evidence {
        choices: Some(&read.choices),
        report: Some(&report),
        ..by_weights
    };
    checked.findings = findings(&facts.spec, &with_load);
    checked.report = Some(report);
    checked.choices = read.choices;
    Ok(checked)
}

/// A model that is not opened to be run because weights of its routers are no numbers: what else is wrong with its weights
/// is named too. None where it is not opened for another reason.
fn with_broken_routers(source: &Source) -> Option<Checked> {
    let checkpoint = checkpoint::open(source).ok()?;
    let is_broken = !Examiner::new(&checkpoint).broken_routers().is_empty();
    is_broken.then(|| {
        let found = experts::found(&checkpoint);
        Checked::of(&checkpoint.name, &checkpoint.spec, found)
    })
}

/// What to read; a file that is not there is found before the model is opened.
fn texts(args: &Args) -> Result<Vec<TextSource>, Failure> {
    let mut texts = Vec::new();
    if args.samples {
        texts = TextSource::samples();
    }
    texts.extend(args.text.iter().cloned().map(TextSource::File));
    for text in &texts {
        text.open().map_err(Failure::misuse)?;
    }
    Ok(texts)
}

/// The texts, the samples among them those of the kind that a model reads.
fn of_kind(texts: &[TextSource], is_series: bool) -> Vec<TextSource> {
    let is_sample = |it: &&TextSource| matches!(it, TextSource::Sample(_));
    let samples = texts.iter().any(|it| is_sample(&it));
    let mut out = if samples {
        TextSource::samples_for(is_series)
    } else {
        Vec::new()
    };
    out.extend(texts.iter().filter(|it| !is_sample(it)).cloned());
    out
}

/// Prints the report, and writes it where that was asked for.
fn hand_out(
    args: &Args,
    file: Option<OutFile>,
    output: &mut Output<'_>,
    text: impl Fn(bool) -> Result<String, Failure>,
) -> Result<(), Failure> {
    if let Some(file) = file {
        file.write(text(true)?.as_bytes())?;
    }
    match output.print(&text(args.json)?) {
        // The verdict stands, however much of it was read.
        Err(it) if it.status == Status::Left => Ok(()),
        printed => printed,
    }
}

impl Checked {
    /// By the weights alone.
    fn of(name: &str, spec: &ModelSpec, findings: Vec<Finding>) -> Self {
        Self {
            name: name.to_owned(),
            findings,
            report: None,
            why_no_load: None,
            edited: None,
            choices: Choices::default(),
            spec: spec.clone(),
        }
    }

    /// How the program ends: what is wrong is a finding, no verdict a failure.
    fn end(&self) -> Result<(), Failure> {
        let first = self.findings.first().map(|it| {
            let more = match self.findings.len() {
                1 => String::new(),
                n => format!(" And {} more of the kind.", n - 1),
            };
            format!("{}{more}", it.evidence)
        });
        let Some(report) = &self.report else {
            let why = self.why_no_load.as_deref();
            return Err(Failure::finding(format!(
                "{} {}.",
                first.unwrap_or_default(),
                why.unwrap_or("No load was judged")
            )));
        };
        let headline = &report.headline;
        if let Some(first) = first {
            return Err(Failure::finding(format!("{first} {headline}")));
        }
        if self.edited.is_some() {
            return Err(Failure::part_way(format!(
                "no verdict under edits; without them: {headline}"
            )));
        }
        match report.outcome {
            Outcome::Judged {
                verdict: Verdict::Even,
                ..
            } => Ok(()),
            Outcome::Judged { .. } => Err(Failure::finding(format!(
                "the load is not even. {headline}"
            ))),
            Outcome::Withheld { .. } => Err(Failure::part_way(format!(
                "{headline}; --mixed says that it is, more --text files tell"
            ))),
            Outcome::TooFew { .. } | Outcome::NoRouter => Err(Failure::part_way(headline)),
        }
    }

    fn verdict(&self) -> Option<Verdict> {
        let report = self.report.as_ref().filter(|_| self.edited.is_none());
        report.and_then(Report::verdict)
    }

    fn json(&self) -> Result<String, Failure> {
        json_text(&self.object(), false)
    }

    fn object(&self) -> serde_json::Value {
        let mut out = json!({
            "model": self.name,
            "verdict": self.verdict(),
            "findings": self.findings,
            "report": self.report,
        });
        if let Some(report) = &self.report {
            out["advice"] = report::load_advice(report, &self.spec);
        }
        if let Some(edited) = &self.edited {
            out["edited"] = json!(edited);
        }
        out
    }

    fn text(&self) -> String {
        let mut out = String::new();
        match (&self.report, &self.edited) {
            (None, _) => out = format!("{}: no load was judged\n", self.name),
            (Some(report), None) => report::table(&mut out, &self.name, &self.spec, report),
            (Some(report), Some(edited)) => {
                let kind = PositionKind::of(&self.spec);
                edited::table(&mut out, &self.name, kind, (report, edited));
            }
        }
        experts::list(&mut out, &self.findings);
        out
    }
}

/// What is said while it runs.
struct Progress<'a> {
    output: Output<'a>,
    /// What the model reads.
    kind: PositionKind,
}

impl Listener for Progress<'_> {
    fn loading(&mut self, it: &LoadProgress) {
        self.output.progress(&loading_words(it));
    }

    fn opened(&mut self, facts: &ModelFacts) {
        self.kind = facts.position_kind();
        self.output.end_progress("\r");
        self.output.remark(opened_words(facts));
        for note in &facts.notes {
            self.output.remark(note);
        }
    }

    fn wrote(&mut self, _token: TokenId, _facts: &ModelFacts) -> Result<(), Failure> {
        Ok(())
    }

    fn examining(&mut self, n_done: usize, n_total: usize) {
        self.output.progress(&format!(
            "looking at the weights, part {n_done} of {n_total} "
        ));
        if n_done == n_total {
            self.output.end_progress("\n");
        }
    }

    fn surveying(&mut self, n_done: usize, n_total: usize) {
        let (done, total) = (grouped(n_done as u64), count_of(n_total, self.kind.noun()));
        self.output
            .progress(&format!("reading {done} of about {total} "));
        if n_done == n_total {
            self.output.end_progress("\n");
        }
    }
}

#[cfg(test)]
mod tests;
