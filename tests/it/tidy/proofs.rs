//! What the README says is proved names a proof that is there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use moescope::formats::Dtype;

use super::{read_below, root};

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

/// Every format has a row, every cell names a test of the list under the table, and every test of the list is there.
fn check_formats(readme: &str, tests: &BTreeSet<String>) {
    let listed: BTreeMap<&str, &str> = readme
        .lines()
        .filter_map(|it| it.strip_prefix("- ")?.split_once(": `"))
        .filter(|(letter, _)| letter.len() == 1)
        .collect();
    assert!(listed.len() > 10, "{listed:?}");
    for name in listed.values().map(|it| it.trim_end_matches('`')) {
        assert!(tests.contains(name), "there is no {name}");
    }
    let rows = table(readme, "| numbers | GGUF |");
    let names: Vec<&str> = rows.iter().map(|it| it[0]).collect();
    for dtype in Dtype::ALL.iter().filter(|it| it.ggml_id().is_some()) {
        let label = dtype.label();
        assert!(names.contains(&label), "{label} has no row");
    }
    let mut named = BTreeSet::new();
    for row in &rows {
        for cell in &row[1..5] {
            let letters: Vec<&str> = cell.split(", ").filter(|it| *it != "–").collect();
            for letter in &letters {
                assert!(
                    listed.contains_key(letter),
                    "{row:?}: no test is listed as {letter}"
                );
            }
            named.extend(letters);
        }
        let is_proved = row[3..5].iter().all(|it| *it != "–");
        assert!(is_proved, "{row:?} is not proved on both devices");
        for ratio in &row[5..7] {
            assert!(*ratio == "–" || ratio.parse::<f32>().is_ok(), "{row:?}");
        }
    }
    assert!(named.iter().eq(listed.keys()), "tests that no cell names");
}

#[test]
fn every_test_that_the_readme_names_is_there() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let tests = tests();
    check_formats(&readme, &tests);
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
        assert!(tests.contains(*name), "there is no {name}");
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
