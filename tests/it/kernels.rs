//! What stands in Rust and in WGSL is the same: the fields of a kernel's parameters, one by one, and constants that
//! both sides name.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_default()
}

/// The stems of all kernels.
fn kernels() -> Vec<String> {
    let files = fs::read_dir(root().join("kernels")).unwrap();
    let files = files.map(|it| it.unwrap().path());
    let files = files.filter(|it| it.extension().is_some_and(|it| it == "wgsl"));
    let stem = |it: &Path| it.file_stem().unwrap().to_str().unwrap().to_owned();
    let mut stems: Vec<String> = files.map(|it| stem(&it)).collect();
    stems.sort();
    stems
}

/// Names and types of the fields of `struct Params`; none where a text declares none.
fn params(text: &str) -> Option<Vec<(String, String)>> {
    let (_, body) = text.split_once("struct Params {")?;
    let (body, _) = body.split_once("\n}")?;
    let lines = body.lines().map(|it| it.split("//").next().unwrap().trim());
    let fields = lines.filter_map(|it| it.trim_end_matches(',').split_once(": "));
    let field = |(name, kind): (&str, &str)| {
        let name = name.rsplit(' ').next().unwrap();
        (name.to_owned(), kind.to_owned())
    };
    Some(fields.map(field).collect())
}

/// The constants of a text whose values are plain numbers, by name.
fn constants(text: &str) -> BTreeMap<String, u64> {
    let lines = text.lines().filter_map(|it| it.split_once("const "));
    let constant = |(_, it): (&str, &str)| {
        let (name, value) = it.split_once(" = ")?;
        let name = name.split(':').next()?.trim();
        let value = value.split(';').next()?.trim().replace('_', "");
        let digits = value.trim_end_matches("u32").trim_end_matches('u');
        let number = match (digits.strip_prefix("0x"), digits.split_once("<<")) {
            (Some(hex), _) => u64::from_str_radix(hex, 16).ok()?,
            (None, Some((base, shift))) => {
                let base: u64 = base.trim().parse().ok()?;
                base << shift.trim().parse::<u32>().ok()?
            }
            (None, None) if value == "u32::MAX" => u64::from(u32::MAX),
            (None, None) => digits.parse().ok()?,
        };
        Some((name.to_owned(), number))
    };
    lines.filter_map(constant).collect()
}

#[test]
fn the_parameters_of_a_kernel_are_the_same_on_both_sides_field_by_field() {
    let shared = params(&read("kernels/parts/logits.wgsl"));
    let mut n_compared = 0;
    for stem in kernels() {
        let launch = params(&read(&format!("src/ops/gpu/{stem}.rs")));
        let Some(launch) = launch else { continue };
        let kernel = params(&read(&format!("kernels/{stem}.wgsl"))).or_else(|| shared.clone());
        assert_eq!(Some(launch), kernel, "{stem}");
        n_compared += 1;
    }
    assert!(n_compared >= 9, "only {n_compared} kernels have parameters");
}

#[test]
fn constants_that_both_sides_name_have_one_value() {
    let mut n_compared = 0;
    let mut compare = |wgsl: &str, rust: &[String]| {
        let kernel = constants(&read(wgsl));
        for file in rust {
            for (name, value) in constants(&read(file)) {
                if let Some(it) = kernel.get(&name) {
                    assert_eq!(*it, value, "{name} in {wgsl} and {file}");
                    n_compared += 1;
                }
            }
        }
    };
    for stem in kernels() {
        let sides = ["gpu", "cpu"].map(|it| format!("src/ops/{it}/{stem}.rs"));
        compare(&format!("kernels/{stem}.wgsl"), &sides);
    }
    let logits = ["predict", "draw", "best"].map(|it| format!("src/ops/gpu/{it}.rs"));
    compare("kernels/parts/logits.wgsl", &logits);
    compare(
        "kernels/parts/logits.wgsl",
        &["src/trace/readout.rs".to_owned()],
    );
    assert!(
        n_compared >= 15,
        "only {n_compared} constants have two sides"
    );
}
