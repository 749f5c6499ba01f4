//! What the program is made of is in the repository, not only on one disk.

use std::process::Command;

use super::root;

/// Files below the folders of the program and of its tests that git neither has nor ignores; none where this is no
/// checkout of it, or there is no git.
fn unknown_to_git() -> Vec<String> {
    if !root().join(".git").exists() {
        return Vec::new();
    }
    let told = Command::new("git")
        // Whoever the checkout belongs to: it is only looked at.
        .args(["-c", "safe.directory=*"])
        .args(["ls-files", "--others", "--exclude-standard", "--"])
        .args(["assets", "fuzz", "kernels", "script", "shaders", "src"])
        .args(["tests/it", "tests/golden"])
        .current_dir(root())
        .output();
    let Ok(told) = told else {
        return Vec::new();
    };
    let error = String::from_utf8_lossy(&told.stderr);
    assert!(told.status.success(), "git: {error}");
    String::from_utf8_lossy(&told.stdout)
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_clean_checkout_has_every_file() {
    assert_eq!(
        unknown_to_git(),
        Vec::<String>::new(),
        "a checkout by someone else lacks these: `git add` them, or name them in .gitignore"
    );
}
