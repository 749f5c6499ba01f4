//! The real window under Xvfb: paused it sleeps, by its CPU time as the system counts it; it writes where it may.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Most CPU seconds of a paused window in `WATCHED`.
const MOST_CPU_SECS: f64 = 0.1;
const WATCHED: Duration = Duration::from_secs(10);
/// A window that did less than this in a second has nothing left to do.
const QUIET_SECS: f64 = 0.02;
const PATIENCE: Duration = Duration::from_mins(2);
/// Clock ticks a second in /proc, the same on every Linux.
const TICKS: f64 = 100.0;

/// A process that ends with the test.
struct Ends(Child);

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A display that no screen shows, and its name; none where Xvfb is not installed.
fn display() -> Option<(Ends, String)> {
    let mut server = Command::new("Xvfb")
        .args([
            "-displayfd",
            "1",
            "-screen",
            "0",
            "1440x900x24",
            "-nolisten",
            "tcp",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let out = server.stdout.take()?;
    let server = Ends(server);
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line).ok()?;
    let number = line.trim();
    (!number.is_empty()).then(|| (server, format!(":{number}")))
}

/// CPU seconds of a process and its threads: user and system.
fn cpu_secs(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name, the second field, may hold spaces.
    let after = text.rsplit_once(')').unwrap().1;
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks = |it: usize| fields[it].parse::<f64>().unwrap();
    (ticks(11) + ticks(12)) / TICKS
}

#[test]
fn a_paused_window_uses_next_to_no_cpu() {
    if !cfg!(target_os = "linux") {
        eprintln!("told and passed: CPU time is read from /proc");
        return;
    }
    let Some((_server, name)) = display() else {
        eprintln!("told and passed: Xvfb is not installed");
        return;
    };
    let settings = tempfile::tempdir().unwrap();
    let window = Command::new(env!("CARGO_BIN_EXE_moescope"))
        .env("DISPLAY", &name)
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("WAYLAND_SOCKET")
        .env("XDG_CONFIG_HOME", settings.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut window = Ends(window.unwrap());
    let pid = window.0.id();
    let start = Instant::now();
    let mut before = 0.0;
    loop {
        thread::sleep(Duration::from_secs(1));
        assert!(window.0.try_wait().unwrap().is_none(), "the window closed");
        let now = cpu_secs(pid);
        if now > 0.1 && now - before < QUIET_SECS {
            break;
        }
        before = now;
        assert!(start.elapsed() < PATIENCE, "the window never came to rest");
    }
    let before = cpu_secs(pid);
    thread::sleep(WATCHED);
    let used = cpu_secs(pid) - before;
    println!("{used:.2} s of CPU in {WATCHED:?}");
    assert!(used <= MOST_CPU_SECS, "{used:.2} s of CPU in {WATCHED:?}");
}

#[test]
fn with_a_folder_of_its_own_for_settings_nothing_is_written_elsewhere() {
    let Some((_server, name)) = display() else {
        eprintln!("told and passed: Xvfb is not installed");
        return;
    };
    let (home, settings) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut window = Command::new(env!("CARGO_BIN_EXE_moescope"));
    window
        .arg("--first-frame")
        .current_dir(home.path())
        .env("DISPLAY", &name)
        .env("HOME", home.path())
        .env("MOESCOPE_CONFIG_DIR", settings.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    for name in ["WAYLAND_DISPLAY", "WAYLAND_SOCKET", "XDG_CONFIG_HOME"] {
        window.env_remove(name);
    }
    for name in ["XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"] {
        window.env_remove(name);
    }
    assert!(window.status().unwrap().success());
    let left: Vec<_> = fs::read_dir(home.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}
