//! The engine on a toy model: what each request starts, forks and replays.

mod ahead;
mod controls;
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

use crate::spec::Position;

/// Set for a run of the tests over backends that are cut at every so many positions only.
pub const CUT_EVERY: &str = "MOESCOPE_TEST_CUT_EVERY";

/// Forks and rewinds hold a multiple of this.
pub fn cut_every() -> usize {
    let asked = std::env::var(CUT_EVERY).ok();
    asked.map_or(1, |it| it.parse().unwrap())
}

pub fn cut(at: Position) -> usize {
    at.idx() / cut_every() * cut_every()
}

/// What is read once more must change nothing that is told.
#[test]
fn all_of_this_holds_where_sequences_are_cut_at_every_seventh_position_only() {
    if cut_every() != 1 {
        return;
    }
    let tests = std::env::current_exe().unwrap();
    // Not those of time, which measure the machine, and of the Tour model, which is not cut.
    let skipped = ["time::", "tour::", "live::", "survey::a_request_in_between"];
    let skipped = skipped.map(|it| format!("engine::tests::{it}"));
    let run = std::process::Command::new(tests)
        .arg("engine::tests::")
        .args(skipped.iter().flat_map(|it| ["--skip", it]))
        .env(CUT_EVERY, "7")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    assert!(run.status.success(), "{said}");
    assert!(said.matches("... ok").count() > 30, "{said}");
}
