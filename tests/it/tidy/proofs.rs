//! What the README says is proved names a proof that is there.

use std::{collections::BTreeSet, fs, path::Path};

use super::{read_below, root};

/// The words between backticks.
fn code(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The cells of a row of a table.
fn cells(row: &str) -> Vec<&str> {
    let row = row.trim_start_matches('|').trim_end_matches('|');
    row.split('|').map(str::trim).collect()
}

/// The rows of the table with this head, without the line under it.
fn table<'a>(readme: &'a str, head: &str) -> Vec<Vec<&'a str>> {
    let lines = readme.lines().skip_while(|it| !it.starts_with(head));
    let rows = lines.skip(2).take_while(|it| it.starts_with('|'));
    rows.map(cells).collect()
}

/// Names of all functions of tests.
fn tests() -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for folder in ["src", "tests/it"] {
        for (_, text) in read_below(&root().join(folder)) {
            let names = text.split("fn ").skip(1);
            let names = names.filter_map(|it| it.split(['(', '<']).next());
            out.extend(names.map(str::to_owned));
        }
    }
    out
}

/// A function, a module of tests, or a folder or file of them.
fn is_there(name: &str, tests: &BTreeSet<String>) -> bool {
    if name.contains('/') {
        return root().join(name).exists() || root().join(format!("{name}.rs")).exists();
    }
    match name.strip_suffix("::tests") {
        Some(room) => {
            let room = Path::new("src").join(room.replace("::", "/"));
            root().join(room).join("tests.rs").exists()
        }
        None => tests.contains(name),
    }
}

#[test]
fn every_test_that_the_readme_names_is_there() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let tests = tests();
    let formats = table(&readme, "| numbers | GGUF |");
    assert!(formats.len() >= 4, "{formats:?}");
    for row in &formats {
        let proofs = code(row.last().unwrap());
        assert!(!proofs.is_empty(), "{row:?} names no test");
        for name in proofs {
            assert!(is_there(name, &tests), "{row:?}: there is no {name}");
        }
    }
    // The list under the table of families, each a number and a name.
    let mut listed: Vec<&str> = Vec::new();
    for line in readme.lines() {
        let Some((number, rest)) = line.split_once(". `") else {
            continue;
        };
        if number.parse() == Ok(listed.len() + 1) {
            listed.push(rest.split('`').next().unwrap());
        }
    }
    assert!(listed.len() > 30, "{listed:?}");
    for name in &listed {
        assert!(is_there(name, &tests), "there is no {name}");
    }
    let families = table(&readme, "| family | `model_type` | safetensors |");
    assert!(families.len() > 30, "{families:?}");
    for row in families {
        let numbers = row[2..].iter().flat_map(|it| it.split(", "));
        for number in numbers.filter(|it| *it != "–") {
            let known = number
                .parse::<usize>()
                .is_ok_and(|it| (1..=listed.len()).contains(&it));
            assert!(known, "{row:?}: no test is listed as {number}");
        }
    }
}
