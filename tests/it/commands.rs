//! What every command does alike: values it takes, how it ends, what it leaves of what others wrote.

use std::process::Command;

/// Exit status, stdout, stderr.
fn moescope(args: &[&str]) -> (Option<i32>, String, String) {
    let run = Command::new(env!("CARGO_BIN_EXE_moescope"))
        .args(args)
        .output()
        .unwrap();
    let text = |it: Vec<u8>| String::from_utf8(it).unwrap();
    (run.status.code(), text(run.stdout), text(run.stderr))
}

#[test]
fn a_prompt_may_begin_with_a_hyphen() {
    for prompt in ["- a list", "-x", "--chat"] {
        let (status, out, log) = moescope(&["run", "tour", "--prompt", prompt, "-n", "1"]);
        assert_eq!(status, Some(0), "{out}{log}");
    }
    let (status, _, log) = moescope(&["run", "tour", "--prompt", "a", "--edit", "-mask:4.5"]);
    assert_eq!(status, Some(2));
    assert!(log.contains("unknown edit \"-mask\""), "{log}");
}
