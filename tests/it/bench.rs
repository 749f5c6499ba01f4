//! `bench`, run as people do: every number is there, and they agree with each other.

use std::process::Command;

use serde_json::Value;

const TINY: &str =
    "custom:hidden=64,ffn=48,experts=8,k=2,layers=2,heads=4,kv=2,width=16,vocab=300,context=256";

fn bench(args: &[&str]) -> Value {
    let run = Command::new(env!("CARGO_BIN_EXE_moescope"))
        .args(["bench", "--synthetic", TINY, "--json"])
        .args(["--prompt-tokens", "40", "--tokens", "8"])
        .args(args)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    serde_json::from_slice(&run.stdout).unwrap()
}

fn number(it: &Value, path: &str) -> f64 {
    it.pointer(path)
        .and_then(Value::as_f64)
        .unwrap_or_else(|| panic!("no number at {path} of {it}"))
}

#[test]
fn the_cpu_tells_speeds_and_what_tracing_and_edits_cost() {
    let it = bench(&["--device", "cpu"]);
    for path in [
        "/prefill/tokens_per_sec",
        "/reread/tokens_per_sec",
        "/decode/tokens_per_sec",
        "/copy_bytes_per_sec",
        "/tracing/on_over_off",
        "/ten_edits/on_over_off",
    ] {
        assert!(number(&it, path) > 0.0, "{path}");
    }
    let share = number(&it, "/weight_bytes_per_token") * number(&it, "/decode/tokens_per_sec")
        / number(&it, "/copy_bytes_per_sec");
    assert!((share / number(&it, "/decode_share_of_copy_bandwidth") - 1.0).abs() < 1e-9);
    // Nothing is handed over to another processor.
    assert!(it["token"].is_null());
}

#[cfg(feature = "gpu")]
#[test]
fn a_graphics_processor_tells_where_the_time_of_a_token_goes() {
    let it = bench(&["--device", "gpu", "--profile"]);
    for path in [
        "/chained_dispatch_secs",
        "/token/encode_secs",
        "/token/device_secs",
        "/token/readback_secs",
    ] {
        assert!(number(&it, path) > 0.0, "{path}");
    }
    let profiles = it["profiles"].as_array().unwrap();
    let tokens: Vec<f64> = profiles.iter().map(|it| number(it, "/tokens")).collect();
    assert_eq!(tokens, [1.0, 40.0]);
    let runs = |it: &Value| -> f64 {
        let kernels = it["kernels"].as_array().unwrap();
        kernels.iter().map(|it| number(it, "/runs_per_step")).sum()
    };
    // Each kernel by itself or all as they come: they are the same kernels.
    let dispatches = number(&it, "/token/dispatches");
    assert!((runs(&profiles[0]) - dispatches).abs() < 1e-9, "{it}");
    let kernels = profiles[0]["kernels"].as_array().unwrap();
    let gemv = kernels.iter().find(|it| it["name"] == "linear.gemv bf16");
    assert!(number(gemv.unwrap(), "/weight_bytes_per_sec") > 0.0);
    assert!(kernels.iter().all(|it| number(it, "/secs_per_step") > 0.0));
}

/// Bytes of a row's cache grow in powers of two on a GPU: 250 positions have room for 512 of them.
fn check_edit_cost(device: &str) {
    let run = Command::new(env!("CARGO_BIN_EXE_moescope"))
        .args(["bench", "--synthetic", TINY, "--json", "--device", device])
        .args(["--edit-cost", "--prompt-tokens", "250"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    let it: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(it["n_tokens"], 250);
    assert!(number(&it, "/record_secs") > 0.0 && number(&it, "/fork_secs") > 0.0);
    for kind in ["trace", "cache"] {
        let (row, edit) = ("row_bytes", "edit_bytes");
        let [row, edit] = [row, edit].map(|it_is| number(&it, &format!("/{kind}/{it_is}")));
        // Two rows that each take room for the slice or block the edit lies in, and no more.
        assert!(
            edit > 0.0 && edit < row * 2.0 * 64.0 / 250.0 * 1.2,
            "{kind} on {device}: {edit} of {row}"
        );
    }
}

#[test]
fn an_edit_late_in_a_text_adds_little_and_says_how_much() {
    check_edit_cost("cpu");
}

#[cfg(feature = "gpu")]
#[test]
fn an_edit_late_in_a_text_adds_little_on_a_gpu_too() {
    check_edit_cost("gpu");
}

#[cfg(feature = "gpu")]
fn plan(args: &[&str]) -> (bool, String) {
    let run = Command::new(env!("CARGO_BIN_EXE_moescope"))
        .args(["bench", "--plan"])
        .args(args)
        .output()
        .unwrap();
    let said = [run.stdout, run.stderr].concat();
    (run.status.success(), String::from_utf8(said).unwrap())
}

#[cfg(feature = "gpu")]
#[test]
fn a_plan_counts_the_kernels_that_a_run_starts() {
    let (is_well, said) = plan(&["--synthetic", TINY, "--prompt-tokens", "40", "--json"]);
    assert!(is_well, "{said}");
    let it: Value = serde_json::from_str(&said).unwrap();
    let sum = |it: &Value, what: &str| -> f64 {
        let kernels = it["kernels"].as_array().unwrap();
        kernels.iter().map(|it| number(it, what)).sum()
    };
    let dispatches = number(&it, "/dispatches");
    assert!((sum(&it, "/runs") - dispatches).abs() < 0.5);
    let run = bench(&["--device", "gpu"]);
    assert!((number(&run, "/token/dispatches") - dispatches).abs() < 0.5);
    // All weights of a token but the vectors: norms of two layers and the last, those of queries and keys of each layer.
    let vectors = 2.0 * (5.0 * 64.0 + 4.0 * 16.0);
    let weights = number(&run, "/weight_bytes_per_token");
    assert!((number(&it, "/weight_bytes_per_token") - weights).abs() < 0.5);
    assert!(
        (sum(&it, "/weight_bytes") + vectors - weights).abs() < 0.5,
        "{it}"
    );
    for card in it["cards"].as_array().unwrap() {
        let n_bytes = number(&it, "/read_bytes") + number(&it, "/written_bytes");
        let bytes_secs = n_bytes / number(card, "/bytes_per_sec");
        let dispatches_secs = dispatches * number(card, "/dispatch_secs");
        let least = bytes_secs + dispatches_secs;
        assert!(
            (number(card, "/tokens_per_sec") * least - 1.0).abs() < 1e-9,
            "{card}"
        );
    }
}

#[cfg(feature = "gpu")]
#[test]
fn a_plan_of_a_model_too_large_for_any_memory_here_says_what_known_cards_could_do_at_most() {
    let (is_well, said) = plan(&["--synthetic", "mixtral-8x7b", "--quantize", "q4_0"]);
    assert!(is_well, "{said}");
    for word in [
        "H200",
        "RTX 4090",
        "M3 Max",
        "assumed",
        "linear.gemv q4_0",
        "barriers",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let (is_well, said) = plan(&["tour", "--bandwidth", "100", "--dispatch-us", "5"]);
    assert!(
        is_well && said.contains("at 100 GB/s") && said.contains("at 5 µs"),
        "{said}"
    );
    assert!(!said.contains("H200"), "{said}");
    for (args, word) in [
        (&["tour", "--bandwidth", "100"][..], "--dispatch-us"),
        (
            &["tour", "--bandwidth", "0", "--dispatch-us", "5"],
            "above 0",
        ),
        (&["tour", "--prompt-tokens", "0"], "--prompt-tokens"),
        (&["tour", "--profile"], "--profile"),
    ] {
        let (is_well, said) = plan(args);
        assert!(!is_well && said.contains(word), "{args:?}: {said}");
    }
}
