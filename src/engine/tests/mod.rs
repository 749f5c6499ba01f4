//! The engine on a toy model: what each request starts, forks and replays.

mod ahead;
mod controls;
mod cut;
mod edits;
mod jobs;
mod life;
mod live;
mod scripted;
mod scripts;
mod series;
mod spy;
mod states;
mod survey;
mod time;
mod tour;
mod toy;
mod watch;

use cut::{CUT_EVERY, cut, cut_every};

/// Tests that are not run so, each with why.
const UNCUT: [&str; 7] = [
    // How many milliseconds or tokens a second: positions read once more take time, and the machine runs all others
    // meanwhile.
    "time::a_request_lands_within_50_ms",
    "time::at_8_tokens_a_second",
    "time::the_speed_told",
    "tour::a_request_lands_within_50_ms",
    "tour::at_8_tokens_a_second",
    "survey::a_request_in_between",
    // Where a rewind of the backend that computes ends, which is not cut; nothing of the engine is in it.
    "live::a_rewind_leaves_the_steps_that_end_before_it",
];

/// What is read once more must change nothing that is told.
#[test]
fn all_of_this_holds_where_sequences_are_cut_at_every_seventh_position_only() {
    if cut_every() != 1 {
        return;
    }
    let tests = std::env::current_exe().unwrap();
    let skipped = UNCUT.map(|it| format!("engine::tests::{it}"));
    let run = std::process::Command::new(tests)
        .arg("engine::tests::")
        .args(skipped.iter().flat_map(|it| ["--skip", it]))
        .env(CUT_EVERY, "7")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{said}");
    assert!(said.matches("... ok").count() > 80, "{said}");
}
