//! `check`: whether a model's load is even over texts, layer by layer, with an exit status for scripts.
//!
//! The report goes to stdout, progress to stderr.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use serde_json::json;

use super::{
    Failure, OutFile, Output, Status, json_text,
    model::Device,
    runner::{Listener, Runner, loading_words, opened_words},
    values::path_parser,
};
use crate::analysis::{
    LoadStats, Outcome, Preset, Report, RouterReport, Thresholds, Verdict, grouped, judge,
};
use crate::checkpoint::Source;
use crate::corpus::{TextSource, names};
use crate::engine::{LoadProgress, ModelOpener, Opener};
use crate::spec::{TokenId, shown};
use crate::trace::ModelFacts;

/// Judge whether the load is even over texts; exits 0 if even, 1 if skewed or collapsed, 3 if the verdict is withheld or there are too few tokens.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// A model folder or a file in it, a GGUF file, or `tour` for the model inside the program.
    model: std::ffi::OsString,
    /// Text files: plain, documents parted by a line `<|endoftext|>`, or JSONL or JSON with a field `text`. A mix of kinds tells most. A name that begins with `-` is written `./-name`.
    #[arg(long, value_name = "FILE", num_args = 1.., required_unless_present = "samples")]
    text: Vec<PathBuf>,
    /// The sample texts inside the program: English, French, German, Python, JSON, arithmetic.
    #[arg(long)]
    samples: bool,
    /// Say that a text given alone holds several kinds of text. Otherwise a verdict other than even on one text is withheld: it cannot tell a specialist from a dead expert.
    #[arg(long)]
    mixed: bool,
    /// Where it runs.
    #[arg(long, value_enum, default_value_t)]
    device: Device,
    /// By which limits.
    #[arg(long, value_enum, default_value_t)]
    thresholds: Limits,
    /// Write the report as JSON to this file; `-` prints it in place of the table.
    #[arg(long, value_name = "OUT", allow_hyphen_values = true, value_parser = path_parser())]
    json: Option<PathBuf>,
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
/// A load that is not even (1), unusable input (2), too few tokens or a run that failed part-way (3).
pub fn run(args: &Args) -> Result<(), Failure> {
    let opener = ModelOpener::on(args.device.placement(None));
    check(args, Box::new(opener), Output::standard())
}

fn check(args: &Args, opener: Box<dyn Opener>, output: Output<'_>) -> Result<(), Failure> {
    let texts = texts(args)?;
    let file = args.json.as_deref().filter(|it| *it != Path::new("-"));
    let file = file.map(|it| OutFile::at(it, "report")).transpose()?;
    let mut progress = Progress(output);
    let mut runner = Runner::open(opener, Source::parse(&args.model).into(), &mut progress)?;
    if runner.facts.spec.routers.is_empty() {
        let name = &runner.facts.name;
        return Err(Failure::misuse(format!(
            "{name} has no router: there is no load to judge"
        )));
    }
    if !runner.facts.has_tokenizer {
        let name = &runner.facts.name;
        return Err(Failure::misuse(format!(
            "{name} has no tokenizer, so no text can be read to judge its load"
        )));
    }
    let loads = runner.survey(&texts)?;
    let facts = runner.facts.clone();
    let names = names(&texts);
    let named: Vec<(&str, &LoadStats)> = names.iter().map(String::as_str).zip(&loads).collect();
    let limits = args.thresholds.into();
    let report = judge(&named, &facts.spec, &limits, args.mixed, |_, _| false)
        .with_gates(&facts.spec, &facts.gates);
    drop(runner);
    hand_out(args, &facts, &report, file, &mut progress.0)?;
    end(&report)
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

fn hand_out(
    args: &Args,
    facts: &ModelFacts,
    report: &Report,
    file: Option<OutFile>,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let is_printed = file.is_none() && args.json.is_some();
    if let Some(file) = file {
        file.write(object(facts, report)?.as_bytes())?;
    }
    let text = if is_printed {
        object(facts, report)?
    } else {
        table(facts, report)
    };
    match output.print(&text) {
        // The verdict stands, however much of it was read.
        Err(it) if it.status == Status::Left => Ok(()),
        printed => printed,
    }
}

/// How the program ends: a verdict that is not even is a finding, none at all a failure.
fn end(report: &Report) -> Result<(), Failure> {
    let headline = &report.headline;
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

fn object(facts: &ModelFacts, report: &Report) -> Result<String, Failure> {
    let verdict = report.verdict();
    let object = json!({ "model": facts.name, "verdict": verdict, "report": report });
    json_text(&object, false)
}

fn table(facts: &ModelFacts, report: &Report) -> String {
    let mut out = String::new();
    let names: Vec<String> = report
        .texts
        .iter()
        .map(|it| format!("{} {}", shown(&it.name), grouped(it.n_tokens)))
        .collect();
    let n_tokens = grouped(report.n_tokens);
    let width = report.routers.iter().map(|it| it.label.len()).max();
    let width = width.unwrap_or(0).max(5);
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{}: {}", shown(&facts.name), report.headline);
    let _ = writeln!(
        out,
        "over {n_tokens} tokens ({}), special tokens left out, no edit in force, limits: {}",
        names.join(", "),
        report.thresholds.preset.label()
    );
    let _ = writeln!(
        out,
        "\n{:<width$}  {:<9}  {:>8}  {:>8}  {:>6}  {:>6}  {:>4}  {:>11}",
        "layer", "verdict", "evenness", "max/mean", "CV", "MaxVio", "dead", "little used"
    );
    for it in &report.routers {
        line(&mut out, it, width);
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
    }
    out
}

fn line(out: &mut String, it: &RouterReport, width: usize) {
    let verdict = it.verdict.map_or("–", Verdict::word);
    let number = |of: fn(&crate::analysis::Numbers) -> f64| {
        it.numbers
            .map_or_else(|| "–".to_owned(), |it| format!("{:.3}", of(&it)))
    };
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

/// What is said while it runs.
struct Progress<'a>(Output<'a>);

impl Listener for Progress<'_> {
    fn loading(&mut self, it: &LoadProgress) {
        self.0.progress(&loading_words(it));
    }

    fn opened(&mut self, facts: &ModelFacts) {
        self.0.end_progress("\r");
        self.0.remark(opened_words(facts));
        for note in &facts.notes {
            self.0.remark(note);
        }
    }

    fn wrote(&mut self, _token: TokenId, _facts: &ModelFacts) -> Result<(), Failure> {
        Ok(())
    }

    fn surveying(&mut self, n_done: usize, n_total: usize) {
        let (done, total) = (grouped(n_done as u64), grouped(n_total as u64));
        self.0
            .progress(&format!("reading {done} of about {total} tokens "));
        if n_done == n_total {
            self.0.end_progress("\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Status;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parsed(line: &[&str]) -> Result<Args, clap::Error> {
        Line::try_parse_from(["check"].iter().chain(line)).map(|it| it.args)
    }

    #[test]
    fn texts_are_asked_for_and_looked_at_first() {
        assert!(parsed(&["tour"]).is_err());
        assert!(parsed(&["tour", "--text"]).is_err());
        assert!(parsed(&["tour", "--samples", "--thresholds", "mine"]).is_err());
        let args = parsed(&["tour", "--text", "a.txt", "b.txt", "--samples"]).unwrap();
        assert_eq!(args.text.len(), 2);
        let (mut out, mut log) = (Vec::new(), Vec::new());
        let output = Output::to(&mut out, &mut log);
        let ended = check(&args, Box::new(ModelOpener::default()), output);
        let failure = ended.unwrap_err();
        assert_eq!(failure.status, Status::Misuse);
        assert_eq!(failure.what, "there is no such file: a.txt");
        assert!(out.is_empty() && log.is_empty(), "nothing was opened");
    }
}
