//! The program: arguments in, a command or the window out.

use std::process::ExitCode;

use clap::Parser as _;
use moescope::cli::{self, Cli, Command, Failure};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match &cli.command {
        Some(Command::Eval(args)) => cli::eval::run(args),
        Some(Command::Inspect(args)) => cli::inspect::run(args),
        Some(Command::Run(args)) => cli::run::run(args),
        None => Err(Failure::misuse("the window is not here yet")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("moescope: {failure}");
            ExitCode::from(failure.status as u8)
        }
    }
}
