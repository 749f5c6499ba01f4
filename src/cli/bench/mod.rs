//! `bench`: how fast a model runs here, what tracing and edits cost, how much memory it takes, and
//! where the time of a token goes; and, without running it, what a token asks of a graphics processor.
//!
//! Speeds are medians of one run; two ways are taken in turns on the same token, so that what else
//! the machine does falls on both alike.

mod edit_cost;
mod plan;
mod report;
mod sample;
mod startup;
mod stopwatch;

use std::ffi::OsString;

use super::model::{Device, Quantize, say_held};
use super::values::{parse_count, parse_positive};
use super::{Failure, Output};
use crate::checkpoint::{
    self, Allowances, Bundled, Checkpoint, CheckpointError, MadeUp, MemoryNeed, Source,
};
use crate::engine::{Backend, Capture, Extent, Place, open_backend};
use crate::model::{held_bytes, token_bytes};
use crate::ops::{DeviceError, PeakRates};
use crate::spec::{
    Action, Amount, BlockFormat, ExpertId, Intervention, InterventionSet, ModelSpec, Revision,
    RouterRef, RoutingPolicy, Site, Span, count_of,
};
use report::BenchReport;
use startup::{first_frame_secs, peak_bytes};
use stopwatch::Stopwatch;

/// Of the random weights.
const WEIGHT_SEED: u64 = 1;

/// Measure how fast a model runs here, and what tracing costs.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub struct Args {
    /// A model folder or a file in it, a GGUF file, or `tour` or `tour-collapsed` for a model inside the program.
    #[arg(required_unless_present_any = ["synthetic", "ui"], conflicts_with = "synthetic")]
    model: Option<OsString>,
    /// Random weights at a known model's shapes: `olmoe-1b-7b`, `granite-1b-a400m`, `qwen3-30b-a3b`, `mixtral-8x7b`, `deepseek-v2-lite`, `glm-4.7-flash`, `gpt-oss-20b`, `qwen3.6-35b-a3b`, `tour`; or at your own: `custom:hidden=2048,ffn=1024,experts=64,k=8,layers=16,heads=16,kv=4,width=128,vocab=50304,context=4096`.
    #[arg(long, value_name = "PRESET", allow_hyphen_values = true)]
    synthetic: Option<String>,
    /// Only this many layers of the preset.
    #[arg(
        long,
        value_name = "N",
        requires = "synthetic",
        allow_hyphen_values = true,
        value_parser = parse_count
    )]
    layers: Option<usize>,
    /// Where it runs.
    #[arg(long, value_enum, default_value_t)]
    device: Device,
    /// Hold weights in blocks of this format.
    #[arg(long, value_enum, value_name = "FORMAT")]
    quantize: Option<Quantize>,
    /// Tokens read at once.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 128,
        allow_hyphen_values = true,
        value_parser = parse_count
    )]
    prompt_tokens: usize,
    /// Tokens written one by one.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 64,
        allow_hyphen_values = true,
        value_parser = parse_count
    )]
    tokens: usize,
    /// Tell the time of each kernel too, where the device has a clock.
    #[arg(long)]
    profile: bool,
    /// Measure the window instead: milliseconds a frame with every panel open on a large made-up trace.
    #[arg(long, conflicts_with_all = ["model", "synthetic"])]
    pub ui: bool,
    /// Measure an edit instead: what one at the last of `--prompt-tokens` tokens costs in time and memory.
    #[arg(long, conflicts_with_all = ["ui", "profile", "tokens"])]
    edit_cost: bool,
    /// Compute nothing: count what a token after `--prompt-tokens` others asks of a graphics processor (kernels, bytes, barriers), and how fast cards could be at most.
    #[arg(long, conflicts_with_all = ["ui", "edit_cost", "profile", "tokens", "device"])]
    plan: bool,
    /// Ask about a card of this memory bandwidth instead of those that are known.
    #[arg(
        long,
        value_name = "GB/s",
        requires_all = ["plan", "dispatch_us"],
        allow_hyphen_values = true,
        value_parser = parse_positive
    )]
    bandwidth: Option<f64>,
    /// And of this time, in microseconds, from one dispatch to the next that waits for it.
    #[arg(
        long,
        value_name = "N",
        requires_all = ["plan", "bandwidth"],
        allow_hyphen_values = true,
        value_parser = parse_positive
    )]
    dispatch_us: Option<f64>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Runs the command.
///
/// # Errors
/// Unusable input (2), or a step that failed (3).
pub fn run(args: &Args) -> Result<(), Failure> {
    if args.plan {
        let plan = plan::plan(args)?;
        return if args.json {
            Output::standard().print_json(&plan.as_json(), false)
        } else {
            Output::standard().print(&plan.as_text())
        };
    }
    let checkpoint = open(args)?;
    let n_ctx = checkpoint.spec.n_ctx;
    let n_written = if args.edit_cost { 0 } else { args.tokens };
    let n = args.prompt_tokens.saturating_add(n_written);
    if args.prompt_tokens == 0 || args.tokens == 0 || n > n_ctx {
        let what = format!(
            "--prompt-tokens and --tokens must be 1 or more and fit the context of {n_ctx}, not {n} together"
        );
        return Err(Failure::misuse(what));
    }
    if args.edit_cost {
        return edit_cost(args, &checkpoint);
    }
    let report = measure(args, &checkpoint)?;
    let mut output = Output::standard();
    if args.json {
        output.print_json(&report.as_json(), false)
    } else {
        output.print(&report.as_text())
    }
}

fn open(args: &Args) -> Result<Checkpoint, Failure> {
    let opened = match (&args.synthetic, &args.model) {
        (Some(preset), _) => made_up(args, preset),
        (None, model) => checkpoint::open(&Source::parse(model.as_deref().unwrap_or_default())),
    };
    opened.map_err(Failure::misuse)
}

fn edit_cost(args: &Args, checkpoint: &Checkpoint) -> Result<(), Failure> {
    let placement = args.device.placement(args.quantize);
    let opened = open_backend(checkpoint, placement, extent(args));
    let (mut backend, _) = opened.map_err(Failure::misuse)?;
    let mut output = Output::standard();
    output.remark(format_args!(
        "reading {}",
        count_of(args.prompt_tokens, "token")
    ));
    let policy = ten_edits(&checkpoint.spec)?;
    let cost = edit_cost::measure(&mut *backend, &policy, args.prompt_tokens)?;
    if args.json {
        output.print_json(&cost.as_json(), false)
    } else {
        output.print(&cost.as_text())
    }
}

/// A made-up model before it is made.
fn planned(args: &Args, preset: &str) -> Result<MadeUp, CheckpointError> {
    MadeUp::plan(preset, args.layers, args.plan || args.device == Device::Gpu)
}

/// A made-up model, where there is memory for it and, on the CPU, for the run too: what a device takes is known when
/// it is chosen.
fn made_up(args: &Args, preset: &str) -> Result<Checkpoint, CheckpointError> {
    let plan = planned(args, preset)?;
    let run = if args.device == Device::Cpu {
        let quantize = args.quantize.map(BlockFormat::from);
        extent(args).need(plan.spec(), plan.layouts(), Place::Cpu, quantize)
    } else {
        MemoryNeed::default()
    };
    let need = MemoryNeed {
        made_up_bytes: plan.n_bytes(),
        ..run
    };
    need.check(&Allowances::now(), "making it up", &plan.name)?;
    Ok(plan.make(WEIGHT_SEED))
}

/// The prompt is read at once, and the rest one by one, in one sequence.
fn extent(args: &Args) -> Extent {
    if args.edit_cost {
        return Extent {
            n_sequences: edit_cost::N_ROWS,
            ..Extent::of(args.prompt_tokens, edit_cost::SLICE)
        };
    }
    let n_positions = args.prompt_tokens.saturating_add(args.tokens);
    Extent::of(n_positions, args.prompt_tokens)
}

fn measure(args: &Args, checkpoint: &Checkpoint) -> Result<BenchReport, Failure> {
    let placement = args.device.placement(args.quantize);
    let opened = open_backend(checkpoint, placement, extent(args));
    let (mut backend, device) = opened.map_err(Failure::misuse)?;
    say_held(checkpoint, args.quantize, extent(args), &device);
    let mut watch = Stopwatch::new(&mut *backend, args.prompt_tokens);
    let mut output = Output::standard();
    output.remark(format_args!(
        "reading {} at once, several times",
        count_of(args.prompt_tokens, "token")
    ));
    let reread = watch.prefill(Capture::None)?;
    let prefill = watch.prefill(Capture::Trace)?;
    output.remark(format_args!(
        "writing {} one by one",
        count_of(args.tokens, "token")
    ));
    let decode = watch.decode(args.tokens)?;
    output.remark("the same token with tracing on and off, in turns");
    let tracing = watch.tracing()?;
    output.remark("the same token with ten edits and without, in turns");
    let edits = watch.edits(&ten_edits(&checkpoint.spec)?)?;
    let parts = watch.parts()?;
    let profiles = if args.profile {
        watch.profile()?
    } else {
        Vec::new()
    };
    // Before the peak rates are measured, which takes a gigabyte of its own.
    let peak_bytes = peak_bytes();
    let is_window = args
        .model
        .as_ref()
        .is_some_and(|it| Source::parse(it) == Source::Bundled(Bundled::Tour));
    let quantize = args.quantize.map(BlockFormat::from);
    Ok(BenchReport {
        name: checkpoint.name.clone(),
        device: device.label,
        weight_bytes: held_bytes(&checkpoint.weights, quantize),
        token_bytes: token_bytes(&checkpoint.spec, &checkpoint.weights, quantize),
        prefill,
        reread,
        decode,
        tracing,
        edits,
        parts,
        profiles,
        first_frame: if is_window {
            first_frame_secs(args.device)
        } else {
            None
        },
        peak_bytes,
        peak_rates: peak_rates(&*backend),
        n_prompt: args.prompt_tokens,
    })
}

/// What the device can do at best; a device without the room for it has to do without.
fn peak_rates(backend: &dyn Backend) -> Option<PeakRates> {
    let measured = backend.meter()?.peak_rates();
    let say = |it: &DeviceError| {
        Output::standard().remark(format_args!("the copy bandwidth was not measured: {it}"));
    };
    measured.inspect_err(say).ok()
}

/// Ten edits that leave a token as much to compute as it had, spread over the routers.
fn ten_edits(spec: &ModelSpec) -> Result<RoutingPolicy, Failure> {
    let routers: Vec<_> = spec
        .routers
        .iter()
        .filter(|it| it.place.site == Site::Ffn)
        .collect();
    let edit = |i: usize| {
        let router = routers.get(i % routers.len().max(1))?;
        let expert = ExpertId::new((i + 1) % router.n_experts);
        let value = Amount(0.5);
        let can_mask = router.top_k < router.n_experts;
        let action = match i {
            0 if can_mask => Action::Mask { expert },
            1 => Action::Force {
                expert,
                share: None,
            },
            2 => Action::Swap {
                expert,
                with: ExpertId(0),
            },
            3 => Action::Uniform,
            _ if i.is_multiple_of(2) => Action::Bias { expert, value },
            _ => Action::Select { expert, value },
        };
        Some(Intervention {
            action,
            at: RouterRef::Layer(router.place.layer),
            span: Span::default(),
        })
    };
    let edits: InterventionSet = (0..10).filter_map(edit).collect();
    RoutingPolicy::lower(&edits, spec, Revision(1)).map_err(Failure::part_way)
}
