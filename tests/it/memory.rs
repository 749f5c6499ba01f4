//! One rule of memory: what a run would hold is summed from headers and refused before a byte of it is taken. On
//! checkpoints that are larger than this machine, which cost nothing: their files are holes.

#![cfg(target_os = "linux")]

#[cfg(feature = "gpu")]
mod planes;

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::tiny::Tiny;

/// Bytes of all experts of a layer.
const LAYER_BYTES: u64 = 512 * 3 * F * H * 2;
const H: u64 = 1024;
const F: u64 = 10_240;

const MB: u64 = 1_000_000;
/// A program that copies no weights stays far below.
const SMALL: u64 = 200 * MB;

/// A checkpoint of zeros: 512 experts a layer, one of them a token. Where it is odd, no tensor is aligned.
fn holes(n_layers: u64, n_experts: u64, is_odd: bool) -> TempDir {
    let mut tiny = Tiny::of("granitemoe");
    for (key, value) in [
        ("hidden_size", H),
        ("intermediate_size", F),
        ("num_hidden_layers", n_layers),
        ("num_local_experts", n_experts),
        ("num_experts_per_tok", 1),
        ("num_attention_heads", 8),
        ("num_key_value_heads", 2),
        ("max_position_embeddings", 8192),
    ] {
        tiny.set(key, value);
    }
    let (mut header, mut end) = (Map::new(), 0);
    let mut add = |name: String, shape: &[u64]| {
        let start = end;
        end += 2 * shape.iter().product::<u64>();
        let entry = json!({ "dtype": "BF16", "shape": shape, "data_offsets": [start, end] });
        header.insert(name, entry);
    };
    add("model.embed_tokens.weight".to_owned(), &[50, H]);
    add("lm_head.weight".to_owned(), &[50, H]);
    add("model.norm.weight".to_owned(), &[H]);
    for l in 0..n_layers {
        let mut part = |name: &str, shape: &[u64]| {
            add(format!("model.layers.{l}.{name}.weight"), shape);
        };
        part("input_layernorm", &[H]);
        part("post_attention_layernorm", &[H]);
        part("self_attn.q_proj", &[H, H]);
        part("self_attn.k_proj", &[H / 4, H]);
        part("self_attn.v_proj", &[H / 4, H]);
        part("self_attn.o_proj", &[H, H]);
        part("block_sparse_moe.router.layer", &[n_experts, H]);
        part("block_sparse_moe.input_linear", &[n_experts, 2 * F, H]);
        part("block_sparse_moe.output_linear", &[n_experts, H, F]);
    }
    let mut header = Value::Object(header).to_string();
    while header.len() % 2 != usize::from(is_odd) {
        header.push(' ');
    }
    sparse(&tiny.config, &header, end)
}

/// A checkpoint of this header with nothing but holes behind it: it takes no room, however large it is.
///
/// * `n_bytes`: of all tensors
fn sparse(config: &Value, header: &str, n_bytes: u64) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    let mut file = File::create(folder.path().join("model.safetensors")).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes())
        .unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len(8 + header.len() as u64 + n_bytes).unwrap();
    folder
}

/// Layers that make it at least twice as large as this machine.
fn too_many_layers() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let total = text.lines().find(|it| it.starts_with("MemTotal:")).unwrap();
    let kilobytes: u64 = total.split_whitespace().nth(1).unwrap().parse().unwrap();
    2 * 1024 * kilobytes / LAYER_BYTES + 1
}

/// The program, under limits of a shell: `ulimit -v 1000;`.
fn program(limits: &str, args: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("{limits} exec \"$@\""))
        .args(["sh", env!("CARGO_BIN_EXE_moescope")])
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Bytes of memory of its own that a process held at most so far.
fn held(child: &Child) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
    let line = text.lines().find_map(|it| it.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|it| it.split_whitespace().next()?.parse::<u64>().ok());
    1024 * kilobytes.unwrap_or(0)
}

/// What came of it, and the most it was seen to hold.
fn watched(args: &[&str]) -> (Output, u64) {
    let mut child = program("", args).spawn().unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        peak = peak.max(held(&child));
        thread::sleep(Duration::from_millis(2));
    }
    (child.wait_with_output().unwrap(), peak)
}

fn said(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn check_refused(out: &Output, args: &[&str], words: &[&str]) {
    let (text, log) = (said(&out.stdout), said(&out.stderr));
    assert_eq!(out.status.code(), Some(2), "{args:?}: {text}{log}");
    for words in words {
        assert!(log.contains(words), "{args:?}: no {words:?} in {log}");
    }
    assert!(!log.contains("panicked"), "{args:?}: {log}");
}

/// Commands that run a model, on the CPU; what they write goes into a folder.
fn commands<'a>(model: &'a str, out: &'a str, picture: &'a str) -> Vec<Vec<&'a str>> {
    let mut all = vec![
        vec!["run", model, "--ids", "1,2", "-n", "1"],
        vec![
            "run", model, "--ids", "1,2", "-n", "1", "--edit", "mask:0.1",
        ],
        vec!["eval", model, "--ids", "1,2", "--out", out],
        vec!["bench", model, "--prompt-tokens", "2", "--tokens", "1"],
        vec!["check", model, "--samples"],
    ];
    if cfg!(feature = "gui") {
        all.push(vec![
            "screenshot",
            picture,
            model,
            "--panel",
            "load",
            "--ids",
            "1",
            "-n",
            "0",
        ]);
    }
    for it in &mut all {
        it.extend(["--device", "cpu"]);
    }
    all
}

#[test]
fn copies_that_do_not_fit_are_refused_before_they_are_made() {
    let folder = holes(too_many_layers(), 512, true);
    let model = folder.path().to_str().unwrap();
    let inside = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (out, picture) = (inside("out.safetensors"), inside("picture.svg"));
    for args in commands(model, &out, &picture) {
        let began = Instant::now();
        let (ended, peak) = watched(&args);
        check_refused(
            &ended,
            &args,
            &[
                "running this model needs ",
                " of copies, because tensors are not aligned in the file",
            ],
        );
        assert!(began.elapsed() < Duration::from_secs(20), "{args:?}");
        assert!(peak < SMALL, "{args:?} held {peak} bytes");
    }
    assert!(!Path::new(&out).exists() && !Path::new(&picture).exists());
}

#[test]
fn inspect_copies_nothing_and_says_that_copies_do_not_fit() {
    let folder = holes(too_many_layers(), 512, true);
    let model = folder.path().to_str().unwrap();
    // Under a limit that a single copy of an expert's tensor would break.
    let limited = program("ulimit -d 200000;", &["inspect", model]);
    let (plain, peak) = watched(&["inspect", model]);
    for mut it in [limited, program("", &["inspect", model])] {
        let out = it.output().unwrap();
        let text = said(&out.stdout);
        assert_eq!(out.status.code(), Some(0), "{text}{}", said(&out.stderr));
        assert!(text.contains(" held at 4,096 positions"), "{text}");
        assert!(text.contains(" of copies, because"), "{text}");
        assert!(text.contains("does not fit: "), "{text}");
    }
    assert!(plain.status.success());
    assert!(peak < SMALL, "{peak} bytes");
}

#[test]
fn a_file_larger_than_memory_opens_with_a_note() {
    let folder = holes(too_many_layers(), 512, false);
    let model = folder.path().to_str().unwrap();
    let note = "so that pages are read again from disk";
    let out = program("", &["inspect", model]).output().unwrap();
    let text = said(&out.stdout);
    assert!(out.status.success(), "{text}{}", said(&out.stderr));
    assert!(text.contains("fits: ") && text.contains(note), "{text}");
    assert!(!text.contains("does not fit"), "{text}");
    let args = [
        "run", model, "--ids", "1", "-n", "1", "--device", "cpu", "--json",
    ];
    let (out, peak) = watched(&args);
    let log = said(&out.stderr);
    assert!(out.status.success(), "{log}");
    assert!(log.contains(note), "{log}");
    assert!(peak < 2 * SMALL, "{peak} bytes");
}

#[test]
fn blocks_are_counted_before_they_are_made() {
    let folder = holes(too_many_layers(), 512, false);
    let model = folder.path().to_str().unwrap();
    let args = [
        "run",
        model,
        "--ids",
        "1",
        "-n",
        "1",
        "--device",
        "cpu",
        "--quantize",
        "q8_0",
    ];
    let (out, peak) = watched(&args);
    check_refused(&out, &args, &[" of weights in blocks"]);
    assert!(peak < SMALL, "{peak} bytes");
}

#[test]
fn a_text_too_long_for_the_memory_is_refused_by_its_length() {
    let args = |n: &'static str| {
        [
            "bench",
            "--synthetic",
            "custom:hidden=2048,ffn=64,experts=4,k=1,layers=64,heads=16,kv=16,width=128,vocab=64,context=8000000",
            "--layers",
            "1",
            "--device",
            "cpu",
            "--prompt-tokens",
            "1",
            "--tokens",
            n,
        ]
    };
    let (out, peak) = watched(&args("7000000"));
    check_refused(
        &out,
        &args("7000000"),
        &[" of cache at 7,000,001 positions"],
    );
    assert!(peak < SMALL, "{peak} bytes");
    let (out, _) = watched(&args("2"));
    assert!(out.status.success(), "{}", said(&out.stderr));
}

#[test]
fn limits_of_the_process_count() {
    // 0.8 GB, none of it aligned.
    let folder = holes(1, 13, true);
    let model = folder.path().to_str().unwrap();
    let args = ["run", model, "--ids", "1", "-n", "1", "--device", "cpu"];
    // Each thread takes address space, so that there are to be as many everywhere.
    let one_thread = "export RAYON_NUM_THREADS=1;";
    let no_room = "the limit of the address space (ulimit -v) leaves ";
    for (limit, words) in [
        (
            format!("{one_thread} ulimit -v 500000;"),
            ["mapping the weights needs ", no_room],
        ),
        (
            format!("{one_thread} ulimit -v 1400000;"),
            [" of copies, because", no_room],
        ),
        (
            "ulimit -d 500000;".to_owned(),
            [
                " of copies, because",
                "the limit of the data (ulimit -d) leaves ",
            ],
        ),
    ] {
        let out = program(&limit, &args).output().unwrap();
        check_refused(&out, &args, &words);
    }
    let enough = format!("{one_thread} ulimit -v 6000000;");
    let out = program(&enough, &args).output().unwrap();
    assert!(out.status.success(), "{}", said(&out.stderr));
}

#[test]
fn a_made_up_model_beyond_all_memory_is_refused_before_it_is_planned() {
    let shape = "custom:hidden=1048576,ffn=1048576,experts=2048,layers=4096";
    let args = ["bench", "--synthetic", shape, "--device", "cpu"];
    let (out, peak) = watched(&args);
    let words = ["making it up needs ", " of its 4096 layers"];
    check_refused(&out, &args, &words);
    assert!(peak < SMALL, "{peak} bytes");
}

#[test]
fn made_up_weights_and_their_blocks_are_summed_first() {
    let args = [
        "bench",
        "--synthetic",
        "granite-1b-a400m",
        "--layers",
        "8",
        "--device",
        "cpu",
        "--quantize",
        "q8_0",
    ];
    // Room for the one, not for both.
    let out = program("ulimit -d 1200000;", &args).output().unwrap();
    check_refused(
        &out,
        &args,
        &[
            "making it up needs ",
            " of weights that are made up, ",
            " of weights in blocks",
            "(ulimit -d)",
        ],
    );
}

/// A program that plays a graphics processor, or one without memory of its own, holds its buffers in this machine's.
#[cfg(feature = "gpu")]
#[test]
fn buffers_of_a_device_without_memory_of_its_own_count() {
    let devices = program("", &["inspect", "--devices"]).output().unwrap();
    if said(&devices.stdout).contains("discrete") {
        return;
    }
    let folder = holes(1, 16, true);
    let model = folder.path().to_str().unwrap();
    let args = ["run", model, "--ids", "1", "-n", "1", "--device", "gpu"];
    let out = program("ulimit -d 900000;", &args).output().unwrap();
    let words = " of weights in buffers of the device";
    check_refused(&out, &args, &[words, "(ulimit -d)"]);
    assert!(!said(&out.stderr).contains("of copies"));
}

/// A fixture, and the same with every tensor moved by one byte.
fn moved() -> [TempDir; 2] {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fixtures/mixtral");
    [0, 1].map(|n_spaces| {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(
            fixture.join("config.json"),
            folder.path().join("config.json"),
        )
        .unwrap();
        let file = fs::read(fixture.join("model.safetensors")).unwrap();
        let n_header = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
        let (header, data) = file[8..].split_at(n_header);
        let header = [header, " ".repeat(n_spaces).as_bytes()].concat();
        let n = (header.len() as u64).to_le_bytes();
        let whole = [&n[..], &header, data].concat();
        fs::write(folder.path().join("model.safetensors"), whole).unwrap();
        folder
    })
}

#[test]
fn a_model_one_byte_off_computes_the_same_numbers() {
    let devices: &[&str] = if cfg!(feature = "gpu") {
        &["cpu", "gpu"]
    } else {
        &["cpu"]
    };
    let folders = moved();
    for device in devices {
        for more in [&[][..], &["--quantize", "q8_0"], &["--quantize", "q4_0"]] {
            let [even, odd] = [0, 1].map(|i| {
                let model = folders[i].path().to_str().unwrap();
                let file = folders[i].path().join("out.safetensors");
                let out = file.to_str().unwrap();
                let args = [
                    "eval",
                    model,
                    "--ids",
                    "1,2,3,4,5",
                    "--greedy",
                    "3",
                    "--out",
                    out,
                    "--device",
                    device,
                ];
                let ended = program("", &[&args[..], more].concat()).output().unwrap();
                assert!(ended.status.success(), "{}", said(&ended.stderr));
                fs::read(file).unwrap()
            });
            assert!(even == odd, "{device} {more:?}");
        }
    }
}
