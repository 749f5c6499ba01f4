//! What the process itself costs: its memory, and the time until its window stands.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::sample::Sample;
use crate::cli::{Device, Output};

/// Times the window is started.
const N_STARTS: usize = 5;

/// Most memory this process has held, where the system says.
pub fn peak_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes * 1024)
}

/// From the start of the program to its first frame with the Tour model open; none where no window
/// can be opened.
pub fn first_frame_secs(device: Device) -> Option<Sample> {
    let mut output = Output::standard();
    output.remark("opening the window, five times");
    let secs: Option<Vec<f64>> = (0..N_STARTS).map(|_| one_start(device)).collect();
    if secs.is_none() {
        output.remark("no window can be opened here, so the first frame was not timed");
    }
    secs.map(Sample::of)
}

fn one_start(device: Device) -> Option<f64> {
    let clock = Instant::now();
    let mut child = Command::new(env::current_exe().ok()?)
        .args(["tour", "--first-frame", "--device", device.name()])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut said = String::new();
    let read = BufReader::new(child.stdout.take()?).read_line(&mut said);
    let secs = clock.elapsed().as_secs_f64();
    // It has said all it had to say, or never will.
    let _ = child.kill();
    let _ = child.wait();
    (read.is_ok() && said.starts_with("first frame")).then_some(secs)
}
