//! `bench`: how fast a model runs here, what tracing costs, how much memory it takes.
//!
//! Speeds are medians of one run; tracing on and off are taken in turns on the same token, so that
//! what else the machine does falls on both alike.

use std::ffi::OsString;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Failure;
use super::model::{Device, Quantize};
use super::stopwatch::{Sample, Stopwatch, Versus, first_frame_secs, peak_bytes};
use crate::checkpoint::{self, Bundled, Checkpoint, Share, Source};
use crate::engine::open_backend;
use crate::ops::copy_bandwidth;

/// Of the random weights.
const WEIGHT_SEED: u64 = 1;

/// Measure how fast a model runs here, and what tracing costs.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A model folder, or `tour` or `tour-collapsed` for a model inside the program.
    #[arg(required_unless_present_any = ["synthetic", "ui"], conflicts_with = "synthetic")]
    model: Option<OsString>,
    /// Random weights at a known model's shapes: `olmoe-1b-7b`, `granite-1b-a400m`, `qwen3-30b-a3b`, `mixtral-8x7b`, `tour`; or at your own: `custom:hidden=2048,ffn=1024,experts=64,k=8,layers=16,heads=16,kv=4,width=128,vocab=50304,context=4096`.
    #[arg(long, value_name = "PRESET")]
    synthetic: Option<String>,
    /// Only this many layers of the preset.
    #[arg(long, value_name = "N", requires = "synthetic")]
    layers: Option<usize>,
    /// Where it runs.
    #[arg(long, value_enum, default_value_t)]
    device: Device,
    /// Hold weights in blocks of this format.
    #[arg(long, value_enum, value_name = "FORMAT")]
    quantize: Option<Quantize>,
    /// Tokens read at once.
    #[arg(long, value_name = "N", default_value_t = 128)]
    prompt_tokens: usize,
    /// Tokens written one by one.
    #[arg(long, value_name = "N", default_value_t = 64)]
    tokens: usize,
    /// Measure the window instead: milliseconds a frame with every panel open on a large made-up trace.
    #[arg(long, conflicts_with_all = ["model", "synthetic"])]
    pub ui: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What was measured.
struct Report {
    name: String,
    /// Where it ran.
    device: String,
    /// Weights all, and those one token passes.
    weight_bytes: u64,
    token_bytes: u64,
    prefill: Sample,
    decode: Sample,
    tracing: Versus,
    first_frame: Option<Sample>,
    peak_bytes: Option<u64>,
    copy_bytes_per_sec: f64,
    n_prompt: usize,
}

/// Runs the command.
///
/// # Errors
/// Unusable input (2), or a step that failed (3).
pub fn run(args: &Args) -> Result<(), Failure> {
    let checkpoint = open(args)?;
    let (n, n_ctx) = (args.prompt_tokens + args.tokens, checkpoint.spec.n_ctx);
    if args.prompt_tokens == 0 || args.tokens == 0 || n > n_ctx {
        let what = format!(
            "--prompt-tokens and --tokens must be 1 or more and fit the context of {n_ctx}, not {n} together"
        );
        return Err(Failure::misuse(what));
    }
    let report = measure(args, &checkpoint)?;
    if args.json {
        println!("{:#}", report.as_json());
    } else {
        print!("{}", report.as_text());
    }
    Ok(())
}

fn open(args: &Args) -> Result<Checkpoint, Failure> {
    let opened = match (&args.synthetic, &args.model) {
        (Some(preset), _) => {
            let is_shared = args.device == Device::Gpu;
            Checkpoint::synthetic(preset, args.layers, WEIGHT_SEED, is_shared)
        }
        (None, model) => checkpoint::open(&Source::parse(model.as_deref().unwrap_or_default())),
    };
    opened.map_err(Failure::misuse)
}

fn measure(args: &Args, checkpoint: &Checkpoint) -> Result<Report, Failure> {
    let opened = open_backend(checkpoint, args.device.placement(args.quantize));
    let (mut backend, device) = opened.map_err(Failure::misuse)?;
    let mut watch = Stopwatch::new(&mut *backend, args.prompt_tokens);
    eprintln!("reading {} tokens at once, five times", args.prompt_tokens);
    let prefill = watch.prefill()?;
    eprintln!("writing {} tokens one by one", args.tokens);
    let decode = watch.decode(args.tokens)?;
    eprintln!("the same token with tracing on and off, in turns");
    let tracing = watch.tracing()?;
    // Before the yardstick, which takes a gigabyte of its own.
    let peak_bytes = peak_bytes();
    let is_window = args
        .model
        .as_ref()
        .is_some_and(|it| Source::parse(it) == Source::Bundled(Bundled::Tour));
    let (weight_bytes, token_bytes) = held_bytes(checkpoint, args.quantize);
    Ok(Report {
        name: checkpoint.name.clone(),
        device: device.label,
        weight_bytes,
        token_bytes,
        prefill,
        decode,
        tracing,
        first_frame: if is_window { first_frame_secs() } else { None },
        peak_bytes,
        copy_bytes_per_sec: copy_bandwidth(),
        n_prompt: args.prompt_tokens,
    })
}

/// Bytes of all weights as they are held, and of those one token passes: k of E experts, one row of an
/// embedding that is not the head too.
fn held_bytes(checkpoint: &Checkpoint, quantize: Option<Quantize>) -> (u64, u64) {
    let spec = &checkpoint.spec;
    let census = checkpoint.census();
    let of_32 = quantize.map(|it| if it == Quantize::Q8_0 { 34 } else { 18 });
    // Gates and norms stay as they are.
    let held = |it: Share| of_32.map_or(it.bytes, |n| it.parameters * n / 32);
    let chosen: f64 = spec
        .routers
        .iter()
        .map(|it| f64::from(it.even_share()))
        .sum::<f64>()
        / spec.routers.len().max(1) as f64;
    let (experts, ends) = (held(census.experts), held(census.embedding_and_head));
    let head = if spec.head.tied { ends } else { ends / 2 };
    let always = held(census.attention)
        + held(census.shared)
        + held(census.dense)
        + census.routers.bytes
        + census.norms.bytes;
    let token = always + head + (experts as f64 * chosen) as u64;
    (always + ends + experts, token)
}

impl Report {
    /// Decode's share of the machine's copy bandwidth.
    fn bandwidth_share(&self) -> f64 {
        self.token_bytes as f64 / self.decode.median / self.copy_bytes_per_sec
    }

    fn as_text(&self) -> String {
        let mut out = String::new();
        let mut line = |name: &str, text: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{name:<18}{text}");
        };
        let gb = |bytes: f64| bytes / 1e9;
        let speed = |it: &Sample, n: usize| {
            let per_sec = |secs: f64| n as f64 / secs;
            format!(
                "{:.1} tokens/s (middle half {:.1} to {:.1}, {} runs)",
                per_sec(it.median),
                per_sec(it.upper),
                per_sec(it.lower),
                it.n
            )
        };
        line(
            "model",
            format!(
                "{}, {:.2} GB of weights",
                self.name,
                gb(self.weight_bytes as f64)
            ),
        );
        line("device", self.device.clone());
        line(
            "prefill",
            format!(
                "{}, {} at once",
                speed(&self.prefill, self.n_prompt),
                self.n_prompt
            ),
        );
        line("decode", speed(&self.decode, 1));
        let token_speed = self.token_bytes as f64 / self.decode.median;
        line(
            "weights a token",
            format!(
                "{:.3} GB, so {:.2} GB/s",
                gb(self.token_bytes as f64),
                gb(token_speed)
            ),
        );
        line(
            "copy bandwidth",
            format!(
                "{:.2} GB/s read and written; decode is {:.0} % of it",
                gb(self.copy_bytes_per_sec),
                100.0 * self.bandwidth_share()
            ),
        );
        let tracing = &self.tracing;
        line(
            "tracing",
            format!(
                "on takes {:.3} × off (± {:.3}, {} pairs)",
                tracing.ratio, tracing.half_width, tracing.n
            ),
        );
        if let Some(it) = &self.first_frame {
            line(
                "first frame",
                format!(
                    "{:.2} s from start, model open (median of {})",
                    it.median, it.n
                ),
            );
        }
        if let Some(bytes) = self.peak_bytes {
            line(
                "peak memory",
                format!(
                    "{:.0} MB, mapped or made-up weights counted",
                    bytes as f64 / 1e6
                ),
            );
        }
        out
    }

    fn as_json(&self) -> Value {
        let sample = |it: &Sample| json!({ "median_secs": it.median, "lower_secs": it.lower, "upper_secs": it.upper, "runs": it.n });
        json!({
            "model": self.name,
            "device": self.device,
            "weight_bytes": self.weight_bytes,
            "prefill": { "tokens": self.n_prompt, "tokens_per_sec": self.n_prompt as f64 / self.prefill.median, "time": sample(&self.prefill) },
            "decode": { "tokens_per_sec": 1.0 / self.decode.median, "time": sample(&self.decode) },
            "weight_bytes_per_token": self.token_bytes,
            "copy_bytes_per_sec": self.copy_bytes_per_sec,
            "decode_share_of_copy_bandwidth": self.bandwidth_share(),
            "tracing": { "on_over_off": self.tracing.ratio, "half_width": self.tracing.half_width, "pairs": self.tracing.n },
            "first_frame": self.first_frame.as_ref().map(sample),
            "peak_bytes": self.peak_bytes,
        })
    }
}
