//! The command line: one file per command, each with its `Args` and a `run`.
//!
//! Exit status: 0 on success, 1 on a finding, 2 on misuse or unusable input or output, 3 when a run failed
//! part-way. Progress goes to stderr, results to stdout or to `--out`; both go through `Output`.

pub mod bench;
pub mod check;
mod devices;
pub mod eval;
mod exit;
mod experts;
pub mod inspect;
mod model;
mod outfile;
mod output;
mod pass;
pub mod run;
mod runner;
pub mod screenshot;
mod series;
mod series_page;
mod start;
pub mod tokenize;
mod values;
mod verify;

use std::ffi::OsString;

use clap::{Parser, Subcommand};

pub use exit::{Failure, Status};
pub use model::Device;
pub use outfile::OutFile;
pub use output::{Output, end, end_of_usage, json_text};
pub use start::{Start, StartArgs};

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
    pub command: Option<CliCommand>,
    /// The model to open in the window: a folder, or `tour` or `tour-collapsed` for one inside the program.
    pub model: Option<OsString>,
    /// Where models run in the window, this time; else as its settings say.
    #[arg(long, value_enum)]
    pub device: Option<Device>,
    /// What the window begins with.
    #[command(flatten)]
    pub start: StartArgs,
    /// Open the window as a class sees it: the text and one panel, light and large; F5 ends it.
    #[arg(long)]
    pub present: bool,
    /// Close after the first frame, and say so: what `bench` times.
    #[arg(long, hide = true)]
    pub first_frame: bool,
}

/// What can be done without looking at a window.
#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Write logits, router logits and choices for a prompt or given token ids to a file.
    Eval(eval::Args),
    /// Show what a model is: shapes, routing rules, parameters, memory.
    Inspect(inspect::Args),
    /// Show the tokens of a text: ids and pieces of any model's tokenizer.
    Tokenize(tokenize::Args),
    /// Write text, with any edits.
    Run(run::Args),
    /// Judge whether the load is even over texts, layer by layer.
    Check(check::Args),
    /// Draw the window to a file, after writing text.
    Screenshot(screenshot::Args),
    /// Measure how fast a model runs here, and what tracing costs.
    Bench(bench::Args),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// Every option of every command that takes a value, with the command.
    fn options() -> Vec<(String, clap::Arg)> {
        let mut command = Cli::command();
        command.build();
        let of = |it: &clap::Command| {
            let name = it.get_name().to_owned();
            let takes = |it: &&clap::Arg| {
                !it.is_positional() && it.get_num_args().is_some_and(|it| it.takes_values())
            };
            let all = it.get_arguments().filter(takes).cloned();
            all.map(|it| (name.clone(), it)).collect::<Vec<_>>()
        };
        let mut out = of(&command);
        out.extend(command.get_subcommands().flat_map(of));
        out
    }

    /// An option with a fixed list of values names them, and `--text` ends where the next option begins.
    #[test]
    fn every_option_takes_a_value_that_begins_with_a_hyphen() {
        let found = options();
        assert!(found.len() > 30, "{}", found.len());
        let refusing: Vec<String> = found
            .iter()
            .filter(|(_, it)| {
                let is_listed = !it.get_possible_values().is_empty();
                !it.is_allow_hyphen_values_set() && !is_listed && it.get_id() != "text"
            })
            .map(|(command, it)| format!("{command} --{}", it.get_id()))
            .collect();
        assert!(refusing.is_empty(), "{refusing:?}");
    }

    fn check(line: &[&str], wanted: Result<(), &str>) {
        let parsed = Cli::try_parse_from(["moescope"].iter().chain(line));
        match (parsed, wanted) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(words)) => {
                let text = error.to_string();
                assert!(text.contains(words), "{line:?}: {text}");
            }
            (parsed, _) => panic!("{line:?}: {parsed:?}"),
        }
    }

    #[test]
    fn words_and_paths_may_begin_with_a_hyphen() {
        for value in ["- a list", "-x", "--", "---", "-1", "-"] {
            check(&["run", "tour", "--prompt", value], Ok(()));
            let chat = ["run", "tour", "--prompt", "a", "--chat", "--system", value];
            check(&chat, Ok(()));
            check(&["screenshot", "a.png", "--prompt", value], Ok(()));
        }
        check(
            &["run", "tour", "--prompt", "a", "--html", "-x.html"],
            Ok(()),
        );
        check(&["eval", "tour", "--ids", "1", "--out", "-"], Ok(()));
        check(&["check", "tour", "--samples", "--out", "-"], Ok(()));
        let edit = ["run", "tour", "--prompt", "a", "--edit", "-bias:0.1=2"];
        check(&edit, Ok(()));
    }

    #[test]
    fn an_option_in_the_place_of_a_path_is_told() {
        let words = "a file of that name is ./--device";
        check(
            &["check", "tour", "--samples", "--out", "--device"],
            Err(words),
        );
        check(
            &["eval", "tour", "--ids", "1", "--out", "--device"],
            Err(words),
        );
        check(
            &["run", "tour", "--ids", "1", "--html", "--device"],
            Err(words),
        );
    }

    #[test]
    fn numbers_that_make_no_sense_are_refused_with_their_range() {
        let whole = "-1 is not in 0..=4294967295";
        for option in ["-n", "--top-k", "--seed"] {
            check(&["run", "tour", "--prompt", "a", option, "-1"], Err(whole));
        }
        check(&["screenshot", "a.png", "--token", "-1"], Err(whole));
        check(
            &["screenshot", "a.png", "--layer", "-1"],
            Err("expected a whole number in range, not \"-1\""),
        );
        check(
            &["screenshot", "a.png", "--expert", "-1"],
            Err("-1 is not in 0..=2047"),
        );
        check(
            &["screenshot", "a.png", "--size", "-1x5"],
            Err("expected a size"),
        );
        check(
            &["screenshot", "a.png", "--zoom", "-1"],
            Err("a zoom is 0.25 to 8"),
        );
        let count = "expected a whole number from 0 to ";
        for option in ["--tokens", "--prompt-tokens"] {
            check(&["bench", "tour", option, "-1"], Err(count));
            check(&["bench", "tour", option, "1e3"], Err(count));
        }
        let eval = ["eval", "tour", "--ids", "1", "--out", "a", "--greedy"];
        let with = |it: &'static str| [&eval[..], &[it]].concat();
        check(&with("-1"), Err(count));
        check(&with("18446744073709551616"), Err(count));
        check(&with("18446744073709551615"), Ok(()));
        check(&["run", "tour", "--prompt", "a", "--temp", "-1"], Ok(()));
    }

    /// Every flag that several commands have, with these commands: there it means the same and takes the same.
    const FLAGS: [(&str, &[&str]); 25] = [
        ("chat", &["moescope", "eval", "run", "screenshot"]),
        ("column", &["moescope", "run", "screenshot"]),
        ("decoder-ids", &["moescope", "eval", "run", "screenshot"]),
        (
            "device",
            &["moescope", "eval", "run", "check", "screenshot", "bench"],
        ),
        ("edit", &["moescope", "eval", "run", "check", "screenshot"]),
        ("ids", &["moescope", "eval", "run", "screenshot"]),
        ("json", &["inspect", "tokenize", "run", "check", "bench"]),
        ("min-p", &["run", "screenshot"]),
        ("mixed", &["check", "screenshot"]),
        ("out", &["eval", "check"]),
        ("present", &["moescope", "screenshot"]),
        (
            "prompt",
            &["moescope", "eval", "tokenize", "run", "screenshot"],
        ),
        ("quantize", &["eval", "run", "bench"]),
        ("samples", &["check", "screenshot"]),
        // Numbers for `eval`, as its callers give them; a file for the others.
        ("series", &["moescope", "eval", "run", "screenshot"]),
        ("seed", &["moescope", "run", "screenshot"]),
        ("system", &["moescope", "eval", "run", "screenshot"]),
        ("temp", &["moescope", "run", "screenshot"]),
        ("text", &["check", "screenshot"]),
        ("tokens", &["run", "screenshot", "bench"]),
        ("top-k", &["run", "screenshot"]),
        ("top-p", &["run", "screenshot"]),
        // One command each, so that nobody gives them another meaning.
        ("experts", &["inspect"]),
        ("thresholds", &["check"]),
        ("html", &["run"]),
    ];

    #[test]
    fn a_flag_means_the_same_in_every_command_that_has_it() {
        let mut root = Cli::command();
        root.build();
        let commands = || std::iter::once(&root).chain(root.get_subcommands());
        let has = |flag: &str| {
            let all = commands().filter_map(move |command| {
                let mut flags = command.get_arguments();
                let found = flags.find(|it| it.get_long() == Some(flag))?;
                Some((command.get_name().to_owned(), found.clone()))
            });
            all.collect::<Vec<(String, clap::Arg)>>()
        };
        for (flag, wanted) in FLAGS {
            let found = has(flag);
            let names: Vec<&str> = found.iter().map(|it| &*it.0).collect();
            assert_eq!(names, wanted, "--{flag}");
            let takes = |it: &clap::Arg| {
                let values = it.get_num_args().map(|it| it.takes_values());
                let choices: Vec<String> = it
                    .get_possible_values()
                    .iter()
                    .map(|it| it.get_name().to_owned())
                    .collect();
                (values, choices)
            };
            let first = takes(&found[0].1);
            for (command, it) in &found {
                assert_eq!(takes(it), first, "{command} --{flag}");
            }
        }
        // A flag of several commands stands in the table.
        let listed: Vec<&str> = FLAGS.iter().map(|it| it.0).collect();
        for command in commands() {
            for it in command.get_arguments().filter_map(clap::Arg::get_long) {
                let is_told = listed.contains(&it) || ["help", "version"].contains(&it);
                assert!(is_told || has(it).len() == 1, "--{it} is not in the table");
            }
        }
    }
}
