//! The command line: one file per command, each with its `Args` and a `run`.
//!
//! Exit status: 0 on success, 1 on a finding, 2 on misuse or unusable input, 3 when a run failed
//! part-way. Progress goes to stderr, results to stdout or to `--out`.

pub mod bench;
pub mod check;
mod devices;
pub mod eval;
mod exit;
pub mod inspect;
mod model;
pub mod run;
pub mod screenshot;
mod story;

use std::ffi::OsString;

use clap::{Parser, Subcommand};

pub use exit::{Failure, Status};
pub use model::Device;

/// See inside Mixture-of-Experts models: watch the routing as text is generated, edit it, see what changes.
#[derive(Debug, Parser)]
#[command(
    name = "moescope",
    version,
    about,
    args_conflicts_with_subcommands = true
)]
pub struct Cli {
    /// What to do; without it the window opens.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The model to open in the window: a folder, or `tour` or `tour-collapsed` for one inside the program.
    pub model: Option<OsString>,
    /// Where models run in the window, this time; else as its settings say.
    #[arg(long, value_enum)]
    pub device: Option<Device>,
    /// Close after the first frame, and say so: what `bench` times.
    #[arg(long, hide = true)]
    pub first_frame: bool,
}

/// What can be done without looking at a window.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write logits, router logits and choices for given token ids to a file.
    Eval(eval::Args),
    /// Show what a model is: shapes, routing rules, parameters, memory.
    Inspect(inspect::Args),
    /// Write text, with any edits.
    Run(run::Args),
    /// Judge whether the load is even over texts, layer by layer.
    Check(check::Args),
    /// Draw the window to a file, after writing text.
    Screenshot(screenshot::Args),
    /// Measure how fast a model runs here, and what tracing costs.
    Bench(bench::Args),
}
