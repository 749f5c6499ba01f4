//! What stands in Rust and in WGSL is the same: structs, field by field, and constants. Every struct and every constant
//! of a kernel is in one list here: that of its partner in Rust, or that of what only the device knows.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Structs that the host fills: kernel and struct, file and struct in Rust. Paths are those in `kernels` and in
/// `src/ops/gpu`.
const STRUCTS: &[[&str; 4]] = &[
    ["attention.wgsl", "Params", "attention.rs", "Params"],
    ["capacity.wgsl", "Params", "capacity.rs", "Params"],
    ["distance.wgsl", "Params", "distance.rs", "Params"],
    ["embed.wgsl", "Params", "embed.rs", "Params"],
    ["experts.wgsl", "Params", "experts.rs", "Params"],
    ["heads.wgsl", "Params", "heads.rs", "Params"],
    ["indexer.wgsl", "Params", "indexer.rs", "Params"],
    ["latent.wgsl", "Params", "latent.rs", "Params"],
    ["linear.wgsl", "Params", "linear.rs", "Params"],
    ["norm.wgsl", "Params", "norm.rs", "Params"],
    ["normed.wgsl", "Params", "normed.rs", "Params"],
    ["parts/logits.wgsl", "Ask", "predict.rs", "AskWords"],
    ["parts/logits.wgsl", "Params", "logits.rs", "Params"],
    ["pointwise.wgsl", "Params", "pointwise.rs", "Params"],
    ["recurrent.wgsl", "Params", "recurrent.rs", "Params"],
    ["rope.wgsl", "Params", "rope.rs", "Params"],
    ["route.wgsl", "Params", "route.rs", "Params"],
];

/// Structs that the host only makes room for: kernel and struct, file and the constant that says how many words one
/// takes.
const ROOMS: &[[&str; 4]] = &[
    ["draw.wgsl", "Noised", "draw.rs", "NOISED_WORDS"],
    ["draw.wgsl", "Sieve", "draw.rs", "SIEVE_WORDS"],
    [
        "parts/logits.wgsl",
        "Scanned",
        "predict.rs",
        "SCANNED_WORDS",
    ],
    ["predict.wgsl", "Compared", "predict.rs", "COMPARED_WORDS"],
    ["predict.wgsl", "Settled", "predict.rs", "SETTLED_WORDS"],
];

/// Structs that never leave the device.
const DEVICE_STRUCTS: &[(&str, &str)] = &[
    ("attention.wgsl", "Cached"),
    ("experts.wgsl", "Four Tile"),
    ("parts/cached.wgsl", "CachedRow"),
    ("parts/logits.wgsl", "Best"),
    ("parts/reduce_shared.wgsl", "Lane"),
    ("parts/reduce_subgroup.wgsl", "Lane"),
    ("planes/grouped.wgsl", "Unit"),
    ("planes/listed.wgsl", "Unit"),
    ("pointwise.wgsl", "At"),
    ("rope.wgsl", "Place"),
];

/// Constants that both sides name: kernel, file in Rust, names. `A=B` is `A` in the kernel and `B` in Rust.
const CONSTANTS: &[[&str; 3]] = &[
    ["attention.wgsl", "attention.rs", "ALL WINDOW CHUNK"],
    ["capacity.wgsl", "control.rs", "NOBODY"],
    ["capacity.wgsl", "route.rs", "DROPPED"],
    [
        "draw.wgsl",
        "draw.rs",
        "N_BINS N_PIECES N_LEVELS N_SIEVES IN_THE_END=N_LEVELS",
    ],
    [
        "experts.wgsl",
        "activations.rs",
        "SILU GELU_TANH RELU RELU2 GPT_OSS SILU_CLAMP IDENTITY CLAMPED_SILU",
    ],
    ["experts.wgsl", "control.rs", "NOBODY"],
    ["experts.wgsl", "expert_shards.rs", "MAX_EXPERTS"],
    [
        "experts.wgsl",
        "experts.rs",
        "ROWS TILE_SLOTS TILE_ROWS TILE_INNER",
    ],
    ["heads.wgsl", "heads.rs", "ROWS"],
    ["latent.wgsl", "latent.rs", "TILE"],
    ["linear.wgsl", "linear.rs", "TILE"],
    ["parts/logits.wgsl", "../../trace/readout.rs", "N_TOP"],
    ["parts/logits.wgsl", "control.rs", "NOBODY"],
    [
        "parts/logits.wgsl",
        "predict.rs",
        "DRAWS NOISY FILTERED READS RANKS CHOSEN_WORDS",
    ],
    [
        "planes/shared.wgsl",
        "formats.rs",
        "U4 U8 FP4 F8 OF_F32 OF_F16 OF_BF16 OF_E8M0 OF_E4M3 OF_UE4M3 FIXED ZEROS MINIMUMS",
    ],
    ["pointwise.wgsl", "pointwise.rs", "SIGMOID SOFTPLUS SILU"],
    ["predict.wgsl", "predict.rs", "HEAD_WORDS"],
    ["recurrent.wgsl", "recurrent.rs", "COLUMNS"],
    ["route.wgsl", "../cpu/route.rs", "FAINT"],
    [
        "route.wgsl",
        "control.rs",
        "AT_K AT_FLAGS AT_RANDOM_KEY AT_N_FORCED AT_N_SHARED AT_GIVEN AT_LOGIT_BIAS AT_SELECT_BIAS AT_ALLOWED AT_FORCED \
         AT_SHARES AT_NETWORKS AT_FORCED_LIST IS_UNIFORM IS_RANDOM NOBODY",
    ],
    ["route.wgsl", "device/record.rs", "MAX_GROUPS"],
    [
        "route.wgsl",
        "route.rs",
        "SOFTMAX SIGMOID SQRT_SOFTPLUS LOGIT OF_SCORE SOFTMAX_OVER_CHOSEN SIGMOID_OF_LOGIT NO_RENORM BY_SUM BY_P_NORM \
         CHOSEN FORCED HAS_MODEL_BIAS RECORDS_SELECTION IS_EDITED HAS_SHARES BY_TOP_2 IS_SCALED HAS_SOFTCAP BY_TURNS \
         HAS_OWN_FACTORS",
    ],
];

/// Constants of the device alone: how a workgroup shares its work, bits of numbers, the smallest of a kind.
const DEVICE_CONSTANTS: &[(&str, &str)] = &[
    ("attention.wgsl", "LOWEST KEYS AT_ONCE KEY_STRIDE"),
    ("best.wgsl", "N_GROUPS GROUP_LANES POOL"),
    ("distance.wgsl", "LOWEST"),
    ("experts.wgsl", "STEP PITCH"),
    ("heads.wgsl", "TEAM QUADS SLICES"),
    ("latent.wgsl", "LOWEST NOWHERE KEYS KEY_STRIDE"),
    ("linear.wgsl", "TILE_GROUPS TILE_QUADS"),
    ("parts/dot.wgsl", "UNIT_PARTS"),
    ("parts/reduce_subgroup.wgsl", "FEW_SUBGROUPS"),
    ("planes/grouped.wgsl", "UNIT_GROUPS GROUP_UNITS"),
    ("recurrent.wgsl", "SLICES"),
    ("rope.wgsl", "QUERY KEY VALUE"),
    ("route.wgsl", "NOT_CHOSEN INFINITY_BITS NAN_BITS LAST_KEY"),
];

fn read(folder: &str, path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(folder)
        .join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn kernel(path: &str) -> String {
    read("kernels", path)
}

fn rust(path: &str) -> String {
    read("src/ops/gpu", path)
}

/// The files with that ending in a folder, by their names behind it.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let at = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder);
    let names = fs::read_dir(at).unwrap().map(|it| it.unwrap().file_name());
    let names = names.map(|it| it.into_string().unwrap());
    names.filter(|it| it.ends_with(ending)).collect()
}

/// All kernels and what is put before them. What `formats` say of their units, `ops::gpu::kernel` compares with the
/// layout.
fn kernels() -> Vec<String> {
    let part = |folder: &str| {
        let all = files(&format!("kernels/{folder}"), ".wgsl");
        let named = all.into_iter().map(|it| format!("{folder}{it}"));
        named.collect::<Vec<_>>()
    };
    let mut all = [part(""), part("parts/"), part("planes/")].concat();
    all.sort();
    all
}

/// The structs of a text, each with the names and types of its fields.
fn structs(text: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let mut out = BTreeMap::new();
    for (i, _) in text.match_indices("struct ") {
        let line_start = text[..i].rfind('\n').map_or(0, |it| it + 1);
        let is_declared = matches!(&text[line_start..i], "" | "pub " | "pub(super) ");
        let Some((name, body)) = text[i + 7..].split_once(" {\n") else {
            continue;
        };
        if !is_declared || name.contains('\n') {
            continue;
        }
        let body = body.split_once("\n}").map_or(body, |it| it.0);
        let lines = body.lines().map(|it| it.split("//").next().unwrap().trim());
        let fields = lines.filter_map(|it| it.trim_end_matches(',').split_once(": "));
        let field = |(name, kind): (&str, &str)| {
            let name = name.rsplit(' ').next().unwrap();
            (name.to_owned(), kind.trim().to_owned())
        };
        out.insert(name.to_owned(), fields.map(field).collect());
    }
    out
}

/// A constant's type, where it is said, and the text of its value.
type Constant = (String, String);

/// The constants of a text that stand alone, not within a function.
fn constants(text: &str) -> BTreeMap<String, Constant> {
    let mut out = BTreeMap::new();
    for line in text.lines() {
        let mut visible = ["pub(super) ", "pub ", ""].iter();
        let line = visible.find_map(|it| line.strip_prefix(it));
        let declared = line.and_then(|it| it.strip_prefix("const "));
        let Some((name, value)) = declared.and_then(|it| it.split_once(" = ")) else {
            continue;
        };
        let (name, kind) = name.split_once(':').unwrap_or((name, ""));
        let value = value.split(';').next().unwrap();
        out.insert(
            name.trim().to_owned(),
            (kind.trim().to_owned(), value.to_owned()),
        );
    }
    out
}

/// The number that an expression of numbers, constants, `+` and `*` says.
fn value(of: &str, constants: &BTreeMap<String, Constant>) -> Option<f64> {
    if let Some((a, b)) = of.split_once(" + ") {
        return Some(value(a, constants)? + value(b, constants)?);
    }
    if let Some((a, b)) = of.split_once(" * ") {
        return Some(value(a, constants)? * value(b, constants)?);
    }
    if of == "u32::MAX" {
        return Some(f64::from(u32::MAX));
    }
    if let Some((_, it)) = constants.get(of) {
        return value(it, constants);
    }
    let plain = of.replace('_', "");
    let digits = plain.trim_end_matches("u32").trim_end_matches('u');
    match digits.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).ok().map(f64::from),
        None => digits.parse().ok(),
    }
}

fn split(names: &str) -> impl Iterator<Item = (&str, &str)> {
    let both = |it| str::split_once(it, '=').unwrap_or((it, it));
    names.split_whitespace().map(both)
}

/// Fails where what a list names is not exactly what there is, each once.
fn same_names(mut listed: Vec<String>, mut there: Vec<String>, what: &str) {
    listed.sort();
    there.sort();
    let missing: Vec<_> = there.iter().filter(|it| !listed.contains(it)).collect();
    assert!(missing.is_empty(), "{what} without a partner: {missing:?}");
    assert_eq!(
        listed, there,
        "{what}: what the lists say is not there, or is there once"
    );
}

#[test]
fn every_struct_of_a_kernel_is_the_same_on_both_sides_field_by_field() {
    for [wgsl, name, file, partner] in STRUCTS {
        let (here, there) = (structs(&kernel(wgsl)), structs(&rust(file)));
        assert_eq!(here[*name], there[*partner], "{name} of {wgsl}, {file}");
        assert!(!here[*name].is_empty(), "{name} of {wgsl}");
    }
    // Best is 2 words; all else is one.
    for [wgsl, name, file, partner] in ROOMS {
        let fields = &structs(&kernel(wgsl))[*name];
        let n_words: usize = fields
            .iter()
            .map(|it| 1 + usize::from(it.1 == "Best"))
            .sum();
        let known = constants(&rust(file));
        assert_eq!(
            value(partner, &known),
            Some(n_words as f64),
            "{name} of {wgsl}"
        );
    }
    let both = STRUCTS.iter().chain(ROOMS);
    let both = both.map(|[wgsl, name, ..]| format!("{wgsl} {name}"));
    let alone = DEVICE_STRUCTS.iter().flat_map(|(wgsl, names)| {
        let names = names.split_whitespace();
        names.map(move |it| format!("{wgsl} {it}"))
    });
    let there = kernels().into_iter().flat_map(|wgsl| {
        let names: Vec<_> = structs(&kernel(&wgsl)).into_keys().collect();
        names.into_iter().map(move |it| format!("{wgsl} {it}"))
    });
    same_names(
        both.chain(alone).collect(),
        there.collect(),
        "structs of kernels",
    );
    // And what the host sends is in the list, too.
    let sent = files("src/ops/gpu", ".rs").into_iter().flat_map(|file| {
        let text = rust(&file);
        let is_sent = |it: &String| {
            let declared = text.split_once(&format!("struct {it} {{")).map(|it| it.0);
            let attributes = declared.and_then(|it| it.rsplit("\n\n").next());
            attributes.is_some_and(|it| it.contains("Pod"))
        };
        let names: Vec<_> = structs(&text).into_keys().filter(is_sent).collect();
        names.into_iter().map(move |it| format!("{file} {it}"))
    });
    let listed = STRUCTS.iter().map(|it| format!("{} {}", it[2], it[3]));
    same_names(listed.collect(), sent.collect(), "structs that are sent");
}

#[test]
fn every_constant_that_both_sides_name_has_one_value() {
    let shared = constants(&rust("../../trace/readout.rs"));
    for [wgsl, file, names] in CONSTANTS {
        let here = constants(&kernel(wgsl));
        let mut there = shared.clone();
        there.extend(constants(&rust(file)));
        for (name, partner) in split(names) {
            let numbers = (value(name, &here), value(partner, &there));
            assert!(numbers.0.is_some(), "{name} is no number of {wgsl}");
            assert_eq!(
                numbers.0, numbers.1,
                "{name} of {wgsl}, {partner} of {file}"
            );
        }
    }
    let both = CONSTANTS.iter().map(|[wgsl, _, names]| (*wgsl, *names));
    let listed = both.chain(DEVICE_CONSTANTS.iter().copied());
    let listed = listed.flat_map(|(wgsl, names)| {
        let names = split(names).map(|it| it.0);
        names.map(move |it| format!("{wgsl} {it}"))
    });
    let there = kernels().into_iter().flat_map(|wgsl| {
        let names: Vec<_> = constants(&kernel(&wgsl)).into_keys().collect();
        names.into_iter().map(move |it| format!("{wgsl} {it}"))
    });
    same_names(listed.collect(), there.collect(), "constants of kernels");
}

/// A flag, an id or a word of a record that only Rust names is one that no kernel reads.
#[test]
fn every_flag_and_id_of_the_host_is_read_by_a_kernel() {
    let mut of_file: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for [_, file, names] in CONSTANTS {
        let names = split(names).map(|it| it.1);
        of_file.entry(file).or_default().extend(names);
    }
    for (file, names) in of_file {
        for (name, (kind, _)) in constants(&rust(file)) {
            let is_word = kind == "u32" || name.starts_with("AT_");
            let has_partner = names.contains(&name.as_str());
            assert!(!is_word || has_partner, "{name} of {file} has no partner");
        }
    }
}

/// Kernels choose by names, which the tests above compare, never by bare numbers.
#[test]
fn no_kernel_chooses_by_a_bare_number() {
    for wgsl in kernels() {
        for line in kernel(&wgsl).lines() {
            let case = line.trim_start().strip_prefix("case ");
            let is_bare = case.is_some_and(|it| it.starts_with(|c: char| c.is_ascii_digit()));
            assert!(!is_bare, "{wgsl}: {line}");
        }
    }
}
