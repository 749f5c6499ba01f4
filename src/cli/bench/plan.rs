//! What one token asks of a graphics processor, counted from the commands that a pass hands over, and how fast cards
//! could be at most. No card is needed and no weight is read.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Args, open, planned, stopwatch::spread_prompt};
use crate::checkpoint::{Layout, Slot, Weights};
use crate::cli::Failure;
use crate::engine::{Backend, BackendError, Capture, Feed, Row, Wait, most_tokens, plan_backend};
use crate::model::{held_layout, token_bytes};
use crate::ops::{KernelPlan, Meter, StepPlan};
use crate::spec::{BlockFormat, ModelSpec, RoutingPolicy, Sampling, SeqId, TokenId, shown};

/// A card as far as the bound needs to know it.
#[derive(Clone, Debug)]
pub struct CardRates {
    name: String,
    /// Bytes of memory it reads or writes a second.
    bytes_per_sec: f64,
    /// From one dispatch to the next that waits for it.
    dispatch_secs: f64,
    /// Where both numbers are from.
    source: &'static str,
}

/// Cards people have: name, GB/s, µs a dispatch, where they are from. Nobody measured the dispatches:
/// `bench` on such a card does, as "chained dispatch".
const CARDS: &[(&str, f64, f64, &str)] = &[
    (
        "H200",
        4800.0,
        2.0,
        "bandwidth from NVIDIA's data sheet (HBM3e), dispatches assumed",
    ),
    (
        "RTX 4090",
        1008.0,
        2.0,
        "bandwidth from NVIDIA's specification (GDDR6X, 384 bits at 21 Gb/s), dispatches assumed",
    ),
    (
        "M3 Max",
        400.0,
        3.0,
        "bandwidth from Apple's specification (40-core GPU), dispatches assumed",
    ),
];

/// What one token asks of a graphics processor.
#[derive(Debug)]
pub struct Plan {
    name: String,
    n_layers: usize,
    /// Tokens before it.
    n_prompt: usize,
    /// Bytes of the weights it passes.
    token_bytes: u64,
    step: StepPlan,
    cards: Vec<CardRates>,
}

/// A model of which nothing but sizes is needed.
struct Sketch {
    name: String,
    spec: ModelSpec,
    weights: Weights,
}

/// Counts what the token after `--prompt-tokens` others asks of a device.
///
/// # Errors
/// A model that cannot be planned, or a context that is too short.
pub fn plan(args: &Args) -> Result<Plan, Failure> {
    let Sketch {
        name,
        spec,
        weights,
    } = sketch(args)?;
    let n_prompt = args.prompt_tokens;
    if n_prompt == 0 || n_prompt >= spec.n_ctx {
        let what = format!(
            "--prompt-tokens must be 1 or more and leave room for a token in the context of {}, not {n_prompt}",
            spec.n_ctx
        );
        return Err(Failure::misuse(what));
    }
    let mut backend = plan_backend(&spec, &weights).map_err(Failure::misuse)?;
    let step = of_a_token(&mut *backend, &spread_prompt(n_prompt, spec.n_vocab));
    Ok(Plan {
        name,
        n_layers: spec.layers.len(),
        n_prompt,
        token_bytes: token_bytes(&spec, &weights, None),
        step: step.map_err(Failure::misuse)?,
        cards: cards(args),
    })
}

fn sketch(args: &Args) -> Result<Sketch, Failure> {
    let quantize = args.quantize.map(BlockFormat::from);
    let held = |(slot, it): (Slot, Layout)| (slot, held_layout(slot, it, quantize));
    let (name, spec, weights) = if let Some(preset) = &args.synthetic {
        let it = planned(args, preset).map_err(Failure::misuse)?;
        let weights = Weights::sketched(it.layouts().map(held));
        (it.name.clone(), it.spec().clone(), weights)
    } else {
        let it = open(args)?;
        let weights = Weights::sketched(it.weights.layouts().map(held));
        (it.name.clone(), it.spec.clone(), weights)
    };
    let weights = weights.ok_or_else(|| {
        Failure::misuse(format!(
            "{name} has weights of a size that cannot be addressed"
        ))
    })?;
    Ok(Sketch {
        name,
        spec,
        weights,
    })
}

/// What is handed over for one token after some others; its capture and its draw are those of `bench`.
fn of_a_token(backend: &mut dyn Backend, prompt: &[TokenId]) -> Result<StepPlan, BackendError> {
    let seq = backend.open();
    for slice in prompt.chunks(most_tokens(true, backend.spec().n_out())) {
        step(backend, seq, slice)?;
    }
    let noted = |it: &dyn Backend| it.meter().map_or_else(StepPlan::default, Meter::noted);
    // What the prompt asked for.
    noted(backend);
    step(backend, seq, &prompt[..1])?;
    Ok(noted(backend))
}

fn step(backend: &mut dyn Backend, seq: SeqId, tokens: &[TokenId]) -> Result<(), BackendError> {
    let row = Row {
        seq,
        feed: Feed::Tokens(tokens),
        next: None,
        policy: &RoutingPolicy::default(),
        sampling: Some(&Sampling::default()),
        against: None,
    };
    let ticket = backend.submit(&[row], Capture::Trace)?;
    backend.poll(ticket, Wait::Done).map(drop)
}

/// The card that is asked about, or those people have.
fn cards(args: &Args) -> Vec<CardRates> {
    let card = |(name, gb, us, source): (&str, f64, f64, &'static str)| CardRates {
        name: name.to_owned(),
        bytes_per_sec: gb * 1e9,
        dispatch_secs: us * 1e-6,
        source,
    };
    match (args.bandwidth, args.dispatch_us) {
        (Some(gb), Some(us)) => vec![card(("a card", gb, us, "as given"))],
        _ => CARDS.iter().copied().map(card).collect(),
    }
}

impl CardRates {
    /// Seconds a token takes at least: for its bytes, and for its dispatches, each of which waits for the one before.
    fn least_secs(&self, step: &StepPlan) -> [f64; 2] {
        let n_bytes = step.sum(|it| it.read_bytes + it.written_bytes);
        let n = step.sum(|it| it.n);
        [
            n_bytes as f64 / self.bytes_per_sec,
            n as f64 * self.dispatch_secs,
        ]
    }

    fn words(&self, step: &StepPlan) -> String {
        let [bytes, dispatches] = self.least_secs(step);
        format!(
            "at most {:.0} tokens/s: {:.3} ms for bytes at {:.0} GB/s, {:.3} ms for dispatches at {} µs",
            1.0 / (bytes + dispatches),
            1e3 * bytes,
            self.bytes_per_sec / 1e9,
            1e3 * dispatches,
            rounded(1e6 * self.dispatch_secs)
        )
    }

    fn as_json(&self, step: &StepPlan) -> Value {
        let [bytes, dispatches] = self.least_secs(step);
        json!({
            "name": self.name,
            "bytes_per_sec": self.bytes_per_sec,
            "dispatch_secs": self.dispatch_secs,
            "source": self.source,
            "bytes_secs": bytes,
            "dispatches_secs": dispatches,
            "tokens_per_sec": 1.0 / (bytes + dispatches),
        })
    }
}

/// Without digits that a product with a power of ten leaves behind.
fn rounded(it: f64) -> f64 {
    (it * 1e6).round() / 1e6
}

fn mb(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

impl Plan {
    fn n_barriers(&self) -> u64 {
        self.step.sum(|it| it.n_barriers) + self.step.n_copy_barriers
    }

    /// A line each, then a table of kernels, then where the numbers of cards are from.
    pub fn as_text(&self) -> String {
        let mut out = String::new();
        let cards = self
            .cards
            .iter()
            .map(|it| (it.name.clone(), it.words(&self.step)));
        let lines = self.lines().into_iter().map(|it| (it.0.to_owned(), it.1));
        // Writing to a string cannot fail.
        for (name, text) in lines.chain(cards) {
            let _ = writeln!(out, "{name:<18}{}", shown(text));
        }
        let _ = writeln!(
            out,
            "\n{:<28}{:>6}{:>10}{:>14}{:>14}{:>14}",
            "kernels of a token", "runs", "barriers", "weights, MB", "read, MB", "written, MB"
        );
        for it in &self.step.kernels {
            let weights = if it.weight_bytes > 0 {
                format!("{:.3}", mb(it.weight_bytes))
            } else {
                String::new()
            };
            let _ = writeln!(
                out,
                "{:<28}{:>6}{:>10}{weights:>14}{:>14.3}{:>14.3}",
                it.name,
                it.n,
                it.n_barriers,
                mb(it.read_bytes),
                mb(it.written_bytes)
            );
        }
        out.push('\n');
        for it in &self.cards {
            let _ = writeln!(out, "{}: {}", it.name, it.source);
        }
        out
    }

    fn lines(&self) -> Vec<(&'static str, String)> {
        let gb = |bytes: u64| bytes as f64 / 1e9;
        let n = self.step.sum(|it| it.n);
        vec![
            (
                "model",
                format!(
                    "{}, {:.3} GB of weights a token",
                    self.name,
                    gb(self.token_bytes)
                ),
            ),
            (
                "dispatches",
                format!(
                    "{n} for the token after {}, {:.1} for each of {} layers",
                    self.n_prompt,
                    n as f64 / self.n_layers.max(1) as f64,
                    self.n_layers
                ),
            ),
            ("barriers", self.n_barriers().to_string()),
            (
                "read",
                format!(
                    "{:.3} GB, weights among them",
                    gb(self.step.sum(|it| it.read_bytes))
                ),
            ),
            (
                "written",
                format!(
                    "{:.3} MB, and {:.3} MB copied for the host",
                    mb(self.step.sum(|it| it.written_bytes)),
                    mb(self.step.copied_bytes)
                ),
            ),
        ]
    }

    /// The same for programs, all of it in base units.
    pub fn as_json(&self) -> Value {
        let kernel = |it: &KernelPlan| {
            json!({
                "name": it.name,
                "runs": it.n,
                "barriers": it.n_barriers,
                "weight_bytes": it.weight_bytes,
                "read_bytes": it.read_bytes,
                "written_bytes": it.written_bytes,
            })
        };
        let cards = self.cards.iter().map(|it| it.as_json(&self.step));
        json!({
            "model": self.name,
            "layers": self.n_layers,
            "prompt_tokens": self.n_prompt,
            "weight_bytes_per_token": self.token_bytes,
            "dispatches": self.step.sum(|it| it.n),
            "barriers": self.n_barriers(),
            "read_bytes": self.step.sum(|it| it.read_bytes),
            "written_bytes": self.step.sum(|it| it.written_bytes),
            "copies": self.step.n_copies,
            "copied_bytes": self.step.copied_bytes,
            "kernels": self.step.kernels.iter().map(kernel).collect::<Vec<_>>(),
            "cards": cards.collect::<Vec<_>>(),
        })
    }
}
