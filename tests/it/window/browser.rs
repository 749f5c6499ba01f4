//! A real browser without a window, where one is installed: what the program exports is opened with it.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command as Process, Stdio},
    time::{Duration, Instant},
};

/// A browser to open pages with; none where none is installed.
pub fn browser() -> Option<PathBuf> {
    let found = std::env::split_paths(&std::env::var_os("PATH")?)
        .flat_map(|it| ["chromium", "chromium-browser", "google-chrome"].map(|name| it.join(name)))
        .find(|it| it.is_file());
    if found.is_none() {
        eprintln!("no chromium on the PATH: pages are not opened");
    }
    found
}

/// Longest wait for a browser, and how often one is started that shows nothing: it may die of what else the machine does.
const PATIENCE: Duration = Duration::from_mins(1);
const ATTEMPTS: usize = 3;

/// The page, or the drawing, as a browser shows it at a place.
pub fn dom(browser: &Path, page: &Path, place: &str) -> String {
    dom_sized(browser, page, place, (1024, 768))
}

/// The same in a window of so many pixels.
pub fn dom_sized(browser: &Path, page: &Path, place: &str, size: (u32, u32)) -> String {
    let shown = (0..ATTEMPTS).map(|_| dom_once(browser, page, place, size));
    let found = shown
        .into_iter()
        .find(|it| it.contains("<html") || it.contains("<svg"));
    found.unwrap_or_else(|| panic!("{} shows nothing", browser.display()))
}

fn dom_once(browser: &Path, page: &Path, place: &str, (width, height): (u32, u32)) -> String {
    let profile = tempfile::tempdir().unwrap();
    let out = profile.path().join("dom.html");
    let mut process = Process::new(browser);
    process.args(
        "--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking \
         --disable-component-update --disable-sync --virtual-time-budget=4000 --dump-dom"
            .split_whitespace(),
    );
    let mut own = std::ffi::OsString::from("--user-data-dir=");
    own.push(profile.path());
    let address: &OsStr = page.as_os_str();
    let mut child = process
        .arg(own)
        .arg(format!("--window-size={width},{height}"))
        .arg(format!("file://{}#{place}", address.to_str().unwrap()))
        .stdout(fs::File::create(&out).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() && start.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(20));
    }
    // Where it has ended there is nothing to end.
    let _ = child.kill();
    let _ = child.wait();
    String::from_utf8(fs::read(&out).unwrap()).unwrap()
}
