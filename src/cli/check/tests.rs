//! What is asked for, before anything is read.

use clap::Parser as _;

use super::*;
use crate::cli::Status;

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn parsed(line: &[&str]) -> Result<Args, clap::Error> {
    Line::try_parse_from(["check"].iter().chain(line)).map(|it| it.args)
}

#[test]
fn texts_are_asked_for_and_looked_at_first() {
    assert!(parsed(&["tour"]).is_err());
    assert!(parsed(&["tour", "--text"]).is_err());
    assert!(parsed(&["tour", "--samples", "--thresholds", "mine"]).is_err());
    let args = parsed(&["tour", "--text", "a.txt", "b.txt", "--samples"]).unwrap();
    assert_eq!(args.text.len(), 2);
    let (mut out, mut log) = (Vec::new(), Vec::new());
    let output = Output::to(&mut out, &mut log);
    let ended = check(&args, output);
    let failure = ended.unwrap_err();
    assert_eq!(failure.status, Status::Misuse);
    assert_eq!(failure.what, "there is no such file: a.txt");
    assert!(out.is_empty() && log.is_empty(), "nothing was opened");
}
