//! The program: arguments in, a command or the window out.

use std::process::ExitCode;

use clap::Parser as _;
use moescope::cli::{self, Cli, CliCommand, Failure, Output};
use moescope::ops::start_threads;

fn main() -> ExitCode {
    keep_caches_together();
    match Cli::try_parse() {
        Ok(cli) => cli::end(run(&cli)),
        Err(error) => cli::end_of_usage(&error),
    }
}

fn run(cli: &Cli) -> Result<(), Failure> {
    if let Some(note) = start_threads().map_err(Failure::misuse)? {
        Output::standard().remark(note);
    }
    match &cli.command {
        Some(CliCommand::Eval(args)) => cli::eval::run(args),
        Some(CliCommand::Inspect(args)) => cli::inspect::run(args),
        Some(CliCommand::Tokenize(args)) => cli::tokenize::run(args),
        Some(CliCommand::Run(args)) => cli::run::run(args),
        Some(CliCommand::Check(args)) => cli::check::run(args),
        Some(CliCommand::Screenshot(args)) => screenshot(args),
        Some(CliCommand::Bench(args)) if args.ui => bench_ui(args.json),
        Some(CliCommand::Bench(args)) => cli::bench::run(args),
        None => window(cli),
    }
}

/// Where the settings have a folder of their own, what graphics drivers and the system's fonts keep for the next start
/// goes there, too: nothing is written elsewhere.
#[expect(
    unsafe_code,
    reason = "libraries of the system are told where to write by the environment alone"
)]
fn keep_caches_together() {
    let folder = std::env::var_os(moescope::document::CONFIG_DIR).filter(|it| !it.is_empty());
    if let Some(folder) = folder {
        let caches = std::path::Path::new(&folder).join("cache");
        // SAFETY: nothing but this thread is running yet.
        unsafe { std::env::set_var("XDG_CACHE_HOME", caches) };
    }
}

/// Opens the window with a model, the Tour model where none is named.
#[cfg(feature = "gui")]
fn window(cli: &Cli) -> Result<(), Failure> {
    use moescope::app::{Opening, open_window, source};
    let path = cli
        .model
        .as_ref()
        .map_or("tour".as_ref(), |it| it.as_os_str());
    let opening = Opening {
        once: cli.first_frame,
        device: cli.device.map(cli::Device::choice),
        present: cli.present,
        start: cli.start.start()?,
    };
    open_window(source(path), opening).map_err(Failure::misuse)
}

/// There is no window in a program built without one.
#[cfg(not(feature = "gui"))]
fn window(_: &Cli) -> Result<(), Failure> {
    no_window()
}

#[cfg(not(feature = "gui"))]
fn no_window() -> Result<(), Failure> {
    Err(Failure::misuse(
        "this program was built without a window; see moescope --help",
    ))
}

/// Draws the window to a file.
#[cfg(feature = "gui")]
fn screenshot(args: &cli::screenshot::Args) -> Result<(), Failure> {
    moescope::app::screenshot(args)
}

/// Measures what a frame costs.
#[cfg(feature = "gui")]
fn bench_ui(as_json: bool) -> Result<(), Failure> {
    moescope::app::bench_ui(as_json)
}

/// There is no window to measure in a program built without one.
#[cfg(not(feature = "gui"))]
fn bench_ui(_as_json: bool) -> Result<(), Failure> {
    no_window()
}

/// There is no window to draw in a program built without one.
#[cfg(not(feature = "gui"))]
fn screenshot(_args: &cli::screenshot::Args) -> Result<(), Failure> {
    no_window()
}
