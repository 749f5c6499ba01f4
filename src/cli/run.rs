//! `run`: writes text on the command line, with any edits; the edited text where there are any.
//!
//! The text goes to stdout as it is made, everything said about it to stderr.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{
    Failure, OutFile, Output, Status, json_text,
    model::{ChatArgs, IdsArgs, ModelArgs, SeriesArgs},
    runner::{Listener, RunResult, Runner, loading_words, opened_words},
    series,
    values::path_parser,
};
use crate::analysis::{ChangedPicks, ControlEffects, first_difference};
use crate::checkpoint::Source;
use crate::document::{SCORES_BUDGET_BYTES, SharedRun, ShownEffect, page};
use crate::engine::{Length, LoadProgress, ModelOpener, Opener, StopReason};
use crate::spec::{Amount, Experiment, Position, Sampling, TokenId, count_of};
use crate::trace::{ModelFacts, RowRecord};

/// Write text, with any edits.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// What the text starts with; the tokenizer's own start token is added.
    #[arg(
        long,
        required_unless_present_any = ["ids", "series"],
        conflicts_with = "ids",
        allow_hyphen_values = true
    )]
    prompt: Option<String>,
    #[command(flatten)]
    ids: IdsArgs,
    #[command(flatten)]
    series: SeriesArgs,
    #[command(flatten)]
    chat: ChatArgs,
    /// How many tokens to write, or points to forecast.
    #[arg(
        short = 'n',
        long = "tokens",
        value_name = "N",
        default_value_t = 64,
        allow_hyphen_values = true
    )]
    n: u32,
    #[command(flatten)]
    sampling: SamplingArgs,
    /// Print one JSON object in place of the text.
    #[arg(long)]
    json: bool,
    /// Also write the run as one HTML file that any browser shows, with nothing to load.
    #[arg(long, value_name = "OUT", allow_hyphen_values = true, value_parser = path_parser())]
    html: Option<PathBuf>,
    /// Read up to N random controls of the edits too: the same on other experts of the same layers. 0 where it is left
    /// out, 8 with --html.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    controls: Option<u32>,
}

/// Controls of a run that is shared, where nothing else is asked for.
const CONTROLS_OF_A_PAGE: u32 = 8;

/// What controls are drawn with.
const CONTROL_SEED: u32 = 1;

/// How tokens are drawn.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct SamplingArgs {
    /// Logits are divided by it; 0 takes the likeliest token.
    #[arg(
        long,
        value_name = "T",
        default_value_t = 0.7,
        allow_hyphen_values = true
    )]
    temp: f32,
    /// Only the K likeliest; 0 is off.
    #[arg(
        long,
        value_name = "K",
        default_value_t = 0,
        allow_hyphen_values = true
    )]
    top_k: u32,
    /// Only the likeliest whose probabilities reach P; 1 is off.
    #[arg(
        long,
        value_name = "P",
        default_value_t = 1.0,
        allow_hyphen_values = true
    )]
    top_p: f32,
    /// Only those with at least this share of the likeliest one's probability; 0 is off.
    #[arg(
        long,
        value_name = "P",
        default_value_t = 0.0,
        allow_hyphen_values = true
    )]
    min_p: f32,
    /// Of the noise.
    #[arg(long, default_value_t = 1, allow_hyphen_values = true)]
    seed: u32,
}

impl SamplingArgs {
    /// The sampling they say.
    ///
    /// # Errors
    /// A value out of range.
    pub fn sampling(&self) -> Result<Sampling, Failure> {
        let sampling = Sampling {
            temperature: Amount(self.temp),
            top_k: self.top_k,
            top_p: Amount(self.top_p),
            min_p: Amount(self.min_p),
            seed: self.seed,
        };
        sampling.check().map_err(Failure::misuse)?;
        Ok(sampling)
    }
}

impl Args {
    /// What controls are drawn with, and how many at most.
    fn controls(&self) -> (u32, usize) {
        let default = self.html.as_ref().map_or(0, |_| CONTROLS_OF_A_PAGE);
        (CONTROL_SEED, self.controls.unwrap_or(default) as usize)
    }
}

/// How long a text will be that begins with a prompt or with ids; what is wrong with them is told when they are read.
#[must_use]
pub fn length(prompt: Option<&str>, ids: &IdsArgs, chat: &ChatArgs, n: u32) -> Length {
    let n_written = n as usize;
    if let Some(text) = prompt {
        return Length::Prompt {
            text: text.to_owned(),
            form: chat.form(),
            n_written,
        };
    }
    let ids = ids.given().ok().flatten().unwrap_or_default();
    let n_given = ids.ids.len() + ids.text.map_or(0, |it| it.len());
    Length::Tokens(n_given.saturating_add(n_written))
}

/// Runs the command.
///
/// # Errors
/// Unusable input (2), or a run that failed part-way (3).
pub fn run(args: &Args) -> Result<(), Failure> {
    if let Some(file) = &args.series.file() {
        let asked = series::SeriesRun {
            model: &args.model,
            file,
            n: args.n as usize,
            is_json: args.json,
            html: args.html.as_deref(),
            controls: args.controls(),
        };
        return series::run(&asked, &mut Output::standard());
    }
    let opener = ModelOpener {
        placement: args.model.placement(),
        length: length(args.prompt.as_deref(), &args.ids, &args.chat, args.n),
        is_edited: !args.model.edits.is_empty(),
        tells_series: false,
    };
    write(args, Box::new(opener), Output::standard())
}

fn write(args: &Args, opener: Box<dyn Opener>, output: Output<'_>) -> Result<(), Failure> {
    let mut output = RunOutput {
        output,
        is_silent: args.json,
        pending: Vec::new(),
        goes_on: args.html.is_some(),
    };
    tell(args, opener, &mut output)
}

fn tell(args: &Args, opener: Box<dyn Opener>, output: &mut RunOutput<'_>) -> Result<(), Failure> {
    let edits = args.model.edits()?;
    let sampling = args.sampling.sampling()?;
    let ids = args.ids.given()?;
    let html = args.html.as_deref();
    let html = html.map(|it| OutFile::at(it, "page")).transpose()?;
    let source = Source::parse(&args.model.model).into();
    let mut runner = Runner::open(opener, source, output)?;
    let given = match (ids, &args.prompt) {
        (Some(ids), _) => ids.given(&runner.facts.spec).map_err(Failure::misuse)?,
        (None, text) => runner.encode(text.as_deref().unwrap_or_default(), args.chat.form())?,
    };
    let facts = runner.facts.clone();
    let experiment = Experiment {
        given,
        sampling,
        edits,
        ..Experiment::default()
    };
    let result = runner.run(&experiment, args.n)?;
    let controls = match args.controls() {
        (_, 0) => None,
        asked => Some(runner.controls(&result.baseline, &experiment.edits, asked)?),
    };
    let counterfactual = result.edited.as_ref().map(|it| &it.1);
    let effect = ShownEffect::of(
        (&facts.spec, &experiment.edits),
        &result.baseline,
        counterfactual,
        controls.as_ref(),
    );
    let ended = output.end(&result, &facts, &experiment, &effect);
    if let Some((html, path)) = html.zip(args.html.as_ref()) {
        let model = args.model.model.to_string_lossy();
        let page = shared(&result, &facts, &experiment, &model, controls.as_ref());
        html.write(page.as_bytes())?;
        output.remark(&format!("the run is in {}", path.display()));
    }
    ended
}

/// The run as a page.
fn shared(
    result: &RunResult,
    facts: &ModelFacts,
    experiment: &Experiment,
    model: &str,
    controls: Option<&ControlEffects>,
) -> String {
    page(&SharedRun {
        facts,
        model,
        experiment,
        baseline: &result.baseline,
        edited: result
            .edited
            .as_ref()
            .map(|(edited, counterfactual)| (edited, counterfactual)),
        controls,
        scores_budget_bytes: SCORES_BUDGET_BYTES,
    })
}

/// Where text and remarks go.
struct RunOutput<'a> {
    output: Output<'a>,
    /// Whether the text comes as a part of something else.
    is_silent: bool,
    /// Bytes of a character that is not whole yet.
    pending: Vec<u8>,
    /// Whether the run is wanted for more than its text, so that a reader who leaves does not end it.
    goes_on: bool,
}

impl RunOutput<'_> {
    fn print(&mut self, text: &str) -> Result<(), Failure> {
        match self.output.print(text) {
            Err(it) if it.status == Status::Left && self.goes_on => Ok(()),
            printed => printed,
        }
    }

    fn remark(&mut self, text: &str) {
        self.output.remark(text);
    }

    /// Writes what is whole of the bytes so far.
    fn say(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.pending.extend_from_slice(bytes);
        let n_whole = match std::str::from_utf8(&self.pending) {
            Ok(_) => self.pending.len(),
            Err(it) => match it.error_len() {
                None => it.valid_up_to(),
                Some(_) => self.pending.len(),
            },
        };
        let whole: Vec<u8> = self.pending.drain(..n_whole).collect();
        self.print(&String::from_utf8_lossy(&whole))
    }

    fn end(
        &mut self,
        result: &RunResult,
        facts: &ModelFacts,
        experiment: &Experiment,
        effect: &ShownEffect<'_>,
    ) -> Result<(), Failure> {
        if self.is_silent {
            let object = object(result, facts, experiment, effect);
            self.print(&json_text(&object, true)?)?;
        } else {
            let rest = std::mem::take(&mut self.pending);
            self.print(&format!("{}\n", String::from_utf8_lossy(&rest)))?;
        }
        let n = result.watched().tokens.len() - result.n_given;
        let speed = result.tokens_per_sec;
        self.remark(&format!("{}, {speed:.1} a second", count_of(n, "token")));
        match result.stopped {
            StopReason::EndOfText => self.remark("the model ended the text"),
            StopReason::ContextFull => {
                let n_ctx = count_of(facts.n_ctx, "token");
                self.remark(&format!("the context of {n_ctx} is full"));
            }
            _ => {}
        }
        if let Some((edited, _)) = &result.edited {
            self.remark(
                &match first_difference(&result.baseline.tokens, &edited.tokens) {
                    Some(at) => format!("the texts with and without edits part at position {at}"),
                    None => "the texts with and without edits are the same so far".to_owned(),
                },
            );
            for sentence in [effect.sentence(), effect.place_sentence()] {
                if !sentence.is_empty() {
                    self.remark(&sentence);
                }
            }
        }
        Ok(())
    }
}

impl Listener for RunOutput<'_> {
    fn loading(&mut self, it: &LoadProgress) {
        self.output.progress(&loading_words(it));
    }

    fn opened(&mut self, facts: &ModelFacts) {
        self.output.end_progress("\r");
        self.remark(&opened_words(facts));
        for note in &facts.notes {
            self.remark(note);
        }
    }

    fn wrote(&mut self, token: TokenId, facts: &ModelFacts) -> Result<(), Failure> {
        if self.is_silent {
            return Ok(());
        }
        if !facts.has_tokenizer {
            return self.say(format!("{token} ").as_bytes());
        }
        if facts.tokens.is_special(token) {
            return Ok(());
        }
        self.say(facts.tokens.piece(token))
    }
}

fn object(
    result: &RunResult,
    facts: &ModelFacts,
    experiment: &Experiment,
    effect: &ShownEffect<'_>,
) -> Value {
    let mut out = written(result.watched(), result.n_given, facts);
    out["model"] = json!(facts.name);
    let (spec, given) = (&facts.spec, &experiment.given);
    let ids: Vec<TokenId> = given.iter().map(|it| spec.in_vocabulary(*it)).collect();
    out["prompt_ids"] = json!(ids);
    if spec.encoder.is_some() {
        // What `--ids` and `--decoder-ids` take.
        let (source, text) = ids.split_at(spec.n_source(given));
        (out["source_ids"], out["decoder_ids"]) = (json!(source), json!(text));
    }
    out["sampling"] = json!(experiment.sampling);
    out["edits"] = experiment.edits.active().map(ToString::to_string).collect();
    out["stopped"] = json!(match result.stopped {
        StopReason::EndOfText => "end of text",
        StopReason::ContextFull => "context full",
        _ => "count",
    });
    out["tokens_per_sec"] = json!(result.tokens_per_sec);
    if let Some((edited, counterfactual)) = &result.edited {
        out["baseline"] = written(&result.baseline, result.n_given, facts);
        out["first_difference"] = json!(first_difference(&result.baseline.tokens, &edited.tokens));
        out["mean_kl"] = json!(effect.effect.map(|it| it.mean_kl));
        out["loss"] = json!(effect.effect.map(|it| it.loss));
        out["loss_change"] = json!(effect.effect.map(|it| it.loss_change));
        let edits = &experiment.edits;
        let from = facts.spec.first_edited(edits, &result.baseline.tokens);
        let picks = ChangedPicks::of(&result.baseline, counterfactual, from);
        out["picks_changed"] = json!(picks.by_router());
        if let Some(it) = effect.controls {
            let mean_kl: Vec<f64> = it.effects.iter().map(|it| it.mean_kl).collect();
            let loss_change: Vec<f64> = it.effects.iter().map(|it| it.loss_change).collect();
            out["controls"] = json!({
                "seed": it.seed,
                "n": it.effects.len(),
                "mean_kl": mean_kl,
                "loss_change": loss_change,
                "edits_without": it.n_without,
                "edits_left_out": it.n_left_out,
            });
        }
        // Before the first position compared the two are one.
        let at = (0..counterfactual.tokens.len()).map(Position::new);
        out["kl"] = at
            .map(|it| counterfactual.comparison(it).map_or(0.0, |it| it.kl))
            .collect();
    }
    out
}

/// The tokens a row wrote, their text, and the log-probability of each.
fn written(row: &RowRecord, n_given: usize, facts: &ModelFacts) -> Value {
    let tokens = &row.tokens[n_given.min(row.tokens.len())..];
    let at = (n_given..row.tokens.len()).map(Position::new);
    let log_probs: Vec<Option<f32>> = at.map(|it| row.surprise(it).map(|it| -it)).collect();
    json!({
        "tokens": tokens,
        "text": facts.tokens.text(tokens),
        "log_probs": log_probs,
    })
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
