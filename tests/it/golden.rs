//! Numbers of small checkpoints against Hugging Face Transformers, through the program itself.
//!
//! `tests/golden/fixtures/NAME/expected.safetensors` holds the reference; what is in it, and how the
//! newer ones were made, says `tests/golden/make.py`.

mod converted;
mod edit_laws;
pub mod gguf_file;
mod published;
mod scaled_blocks;
mod shapes;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

const TOLERANCE: f32 = 2e-3;

/// One array of a file.
#[derive(Clone, Debug, PartialEq)]
enum Array {
    Numbers(Vec<usize>, Vec<f32>),
    Ids(Vec<usize>, Vec<i64>),
}

type Arrays = BTreeMap<String, Array>;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn fixture(name: &str) -> PathBuf {
    root().join("tests/golden/fixtures").join(name)
}

fn read(path: &Path) -> Arrays {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let one = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        let shape = view.shape().to_vec();
        let array = match view.dtype() {
            Dtype::F32 => Array::Numbers(shape, words(view.data(), f32::from_le_bytes)),
            Dtype::I64 => Array::Ids(shape, words(view.data(), i64::from_le_bytes)),
            other => panic!("{name} is {other:?}"),
        };
        (name, array)
    };
    file.tensors().into_iter().map(one).collect()
}

fn words<const N: usize, T>(bytes: &[u8], make: fn([u8; N]) -> T) -> Vec<T> {
    bytes
        .as_chunks::<N>()
        .0
        .iter()
        .map(|it| make(*it))
        .collect()
}

fn moescope(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_moescope"))
        .args(args)
        .output()
        .unwrap()
}

/// What `eval` is given of a fixture: ids, a source and ids, or a series.
fn given(expected: &Arrays) -> Vec<String> {
    let listed = |name: &str| {
        let text: Vec<String> = match expected.get(name)? {
            Array::Ids(_, it) => it.iter().map(ToString::to_string).collect(),
            Array::Numbers(_, it) => it.iter().map(|it| format!("{it:.9e}")).collect(),
        };
        Some(text.join(","))
    };
    let options = [
        ("input_ids", "--ids"),
        ("decoder_input_ids", "--decoder-ids"),
        ("series", "--series"),
    ];
    let given = options.into_iter().filter_map(|(name, option)| {
        let list = listed(name)?;
        Some([option.to_owned(), list])
    });
    given.flatten().collect()
}

/// What it is asked to write behind that.
fn continued(expected: &Arrays) -> &'static [&'static str] {
    if expected.contains_key("greedy_series") {
        &["--forecast", "16"]
    } else if expected.contains_key("decoder_input_ids") {
        &[]
    } else {
        &["--greedy", "16"]
    }
}

/// Runs `eval` on what a fixture gives.
fn eval(model: &Path, expected: &Arrays, edits: &[String], device: &str, more: &[&str]) -> Arrays {
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("out.safetensors");
    let given = given(expected);
    let (file_arg, model) = (file.to_str().unwrap(), model.to_str().unwrap());
    let mut args = vec!["eval", model, "--out", file_arg, "--device", device];
    args.extend(given.iter().map(String::as_str));
    for edit in edits {
        args.extend(["--edit", edit]);
    }
    args.extend(more);
    let output = moescope(&args);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    read(&file)
}

fn assert_close(got: &Arrays, want: &Arrays, what: &str) {
    let given = ["input_ids", "decoder_input_ids", "series"];
    for (name, want) in want.iter().filter(|it| !given.contains(&it.0.as_str())) {
        let got = got.get(name).unwrap_or_else(|| panic!("{what}: no {name}"));
        match (got, want) {
            (Array::Ids(..), Array::Ids(..)) => assert_eq!(got, want, "{what}: {name}"),
            (Array::Numbers(shape, got), Array::Numbers(want_shape, want)) => {
                assert_eq!(shape, want_shape, "{what}: {name}");
                let worst = got
                    .iter()
                    .zip(want)
                    .map(|(a, b)| (a - b).abs())
                    .fold(0.0, f32::max);
                let all_numbers = got.iter().all(|it| it.is_finite());
                assert!(
                    all_numbers && worst <= TOLERANCE,
                    "{what}: {name} off by {worst}"
                );
            }
            _ => panic!("{what}: {name} is of another kind"),
        }
    }
}

fn check(name: &str) {
    check_folder(&fixture(name), "cpu");
}

/// A folder with its reference beside it: on the CPU one token at a time gives the bits of all at once.
fn check_folder(folder: &Path, device: &str) {
    let expected = read(&folder.join("expected.safetensors"));
    let more = continued(&expected);
    let name = format!("{} on {device}", folder.display());
    let batch = eval(folder, &expected, &[], device, more);
    assert_close(&batch, &expected, &name);
    let more = [more, &["--stepwise"]].concat();
    let stepwise = eval(folder, &expected, &[], device, &more);
    if device == "cpu" {
        assert_eq!(
            stepwise, batch,
            "{name}: one token at a time gives other bits than all at once"
        );
    }
    assert_close(&stepwise, &expected, &format!("{name}, token by token"));
}

/// On the software adapter, or whatever graphics processor there is; a machine without any fails.
#[cfg(feature = "gpu")]
fn check_gpu(name: &str) {
    check_folder(&fixture(name), "gpu");
}

fn check_edits(name: &str, device: &str, more: &[&str]) {
    let expected = read(&fixture(name).join("expected.safetensors"));
    let edited = read(&fixture(name).join("edits.safetensors"));
    let cases: Vec<Value> =
        serde_json::from_slice(&fs::read(fixture(name).join("edits.json")).unwrap()).unwrap();
    for case in cases {
        let (label, edits) = (
            case["name"].as_str().unwrap(),
            case["edits"].as_array().unwrap(),
        );
        let edits: Vec<String> = edits
            .iter()
            .map(|it| it.as_str().unwrap().to_owned())
            .collect();
        let of_case = |(name, array): (&String, &Array)| {
            let mut parts: Vec<&str> = name.split('.').collect();
            (parts.get(1) == Some(&label)).then(|| {
                parts.remove(1);
                (parts.join("."), array.clone())
            })
        };
        let want: Arrays = edited.iter().filter_map(of_case).collect();
        assert!(want.len() > 1, "no reference for {label}");
        assert_close(
            &eval(&fixture(name), &expected, &edits, device, more),
            &want,
            &format!("{name} on {device} under {label}"),
        );
    }
}

#[test]
fn mixtral_equals_the_reference() {
    check("mixtral");
}

#[test]
fn qwen2_moe_equals_the_reference() {
    check("qwen2_moe");
}

#[test]
fn granitemoeshared_equals_the_reference() {
    check("granitemoeshared");
}

#[test]
fn a_window_a_tied_head_and_scaled_positions_equal_the_reference() {
    check("mixtral_window");
}

#[test]
fn clipped_attention_with_biases_equals_the_reference() {
    check("olmoe_clip");
}

#[test]
fn yarn_and_many_narrow_experts_equal_the_reference() {
    check("granitemoe_yarn");
}

#[test]
fn experts_fused_as_transformers_5_saves_them_equal_the_reference() {
    for family in ["mixtral", "qwen3_moe", "granitemoe"] {
        check(&format!("experts_fused_{family}"));
    }
}

#[test]
fn a_head_beside_a_config_that_ties_it_equals_the_reference() {
    check("tied_but_other_head");
    check("tied_stored_as_head");
}

#[test]
fn gated_convolutions_equal_the_reference() {
    check("lfm2_moe");
}

#[test]
fn selective_state_spaces_equal_the_reference() {
    check("granitemoehybrid");
    check("nemotron_h");
}

#[test]
fn delta_rules_with_gated_attention_equal_the_reference() {
    check("qwen3_next");
    check("qwen3_5_moe");
    check("qwen3_5_moe_each");
}

#[test]
fn sinks_and_biases_of_experts_equal_the_reference() {
    check("gpt_oss_mxfp4");
}

/// `[E, in, out]`, gates and ups in turns.
#[test]
fn experts_stored_the_other_way_round_equal_the_reference() {
    check("gpt_oss");
}

/// Behind parts alone, around them, seven a layer, of other kinds, beside experts that read what attention reads.
#[test]
fn blocks_whose_norms_stand_elsewhere_equal_the_reference() {
    for name in ["flex_olmo", "grok1", "gemma4", "dbrx", "arctic"] {
        check(name);
    }
}

#[test]
fn sparsemixer_and_layer_norms_with_biases_equal_the_reference() {
    check("phimoe");
}

#[test]
fn a_gate_of_two_matrices_equals_the_reference() {
    check("llama_moe");
}

#[test]
fn experts_in_attention_equal_the_reference() {
    check("jetmoe");
}

#[test]
fn layers_that_rotate_by_bases_of_their_own_equal_the_reference() {
    check("mellum");
}

#[test]
fn delta_rules_that_forget_by_channel_equal_the_reference() {
    check("kimi_linear");
    check("bailing_hybrid");
}

#[test]
fn attention_over_latents_equals_the_reference() {
    check("glm4_moe_lite");
    check("deepseek_v2");
    check("deepseek_v3");
    check("deepseek_v3_fp8");
}

#[test]
fn positions_that_an_indexer_chooses_equal_the_reference() {
    check("deepseek_v32");
}

/// DeepSeek's kin without latent attention: dense layers first, ungated shared experts, sigmoid routing under a bias.
#[test]
fn kin_of_deepseek_equal_the_reference() {
    for name in ["deepseek", "glm4_moe", "dots1", "minimax_m2"] {
        check(name);
    }
}

#[test]
fn norms_behind_the_rotation_and_softmax_under_a_bias_equal_the_reference() {
    check("hunyuan_v1_moe");
    check("ernie4_5_moe");
}

/// Values narrower than keys, heads by layer, gates of several kinds, norms around each part, clamps behind the
/// activation.
#[test]
fn attention_that_differs_by_layer_equals_the_reference() {
    for name in ["mimo_v2_flash", "laguna", "step3p7", "afmoe"] {
        check(name);
    }
}

#[test]
fn weights_on_the_input_of_experts_equal_the_reference() {
    check("llama4_text");
}

/// Two stacks, biases by distance, experts that take so many tokens: read at once or one by one the same are dropped.
#[test]
fn an_encoder_and_a_decoder_with_capacity_equal_the_reference() {
    check("switch");
}

/// Points in place of tokens, heads of several horizons.
#[test]
fn forecasts_of_a_series_equal_the_reference() {
    check("time_moe");
}

/// Of every architecture.
#[test]
fn models_in_gguf_files_equal_the_reference() {
    for arch in [
        "llama",
        "olmoe",
        "qwen2moe",
        "granitemoe-shared",
        "qwen3moe",
        "qwen3next",
        "qwen35moe",
        "lfm2moe",
        "granitehybrid",
        "nemotron_h_moe",
        "mellum",
        "gpt-oss",
        "deepseek2-yarn",
        "deepseek2-v3",
        "deepseek2-glm47flash",
        "gemma4",
        "phimoe",
        "dbrx",
        "arctic",
        "grok",
        "deepseek",
        "glm4moe",
        "dots1",
        "minimax-m2",
        "hunyuan-moe",
        "ernie4_5-moe",
        "laguna",
        "afmoe",
        "llama4",
        "exaone-moe",
        "hy_v3",
        "cohere2moe",
        "jamba",
    ] {
        check(&format!("gguf_{arch}"));
    }
}

#[test]
fn the_tour_model_equals_the_reference() {
    let folder = root().join("assets/models/tour");
    let expected = read(&folder.join("expected.safetensors"));
    let got = eval(&folder, &expected, &[], "cpu", &["--greedy", "16"]);
    assert_close(&got, &expected, "tour");
    let inside = eval(
        Path::new("tour"),
        &expected,
        &[],
        "cpu",
        &["--greedy", "16"],
    );
    assert_eq!(got, inside, "the model inside the program is another");
}

#[test]
fn the_collapsed_tour_equals_the_reference() {
    let name = "tour-collapsed";
    let expected = read(
        &root()
            .join("assets/models")
            .join(name)
            .join("expected.safetensors"),
    );
    let got = eval(Path::new(name), &expected, &[], "cpu", &["--greedy", "16"]);
    assert_close(&got, &expected, name);
}

#[test]
fn every_edit_on_mixtral_equals_the_reference() {
    check_edits("mixtral", "cpu", &[]);
}

#[test]
fn every_edit_on_qwen2_moe_equals_the_reference() {
    check_edits("qwen2_moe", "cpu", &[]);
}

#[test]
fn every_edit_beside_groups_and_a_selection_bias_equals_the_reference() {
    check_edits("deepseek_v3", "cpu", &[]);
    check_edits("deepseek_v3", "cpu", &["--stepwise"]);
}

/// Fixtures whose edits have `tests/golden/edits.py` as their reference, a forward of its own: sinks and biases of
/// experts, delta rules, state spaces with a selection bias, a router on the residual stream with factors of experts,
/// a sparsemixer, two routers a layer, a series, and two stacks with capacity.
const OWN_EDITS: [&str; 8] = [
    "gpt_oss_mxfp4",
    "qwen3_next",
    "nemotron_h",
    "gemma4",
    "phimoe",
    "jetmoe",
    "time_moe",
    "switch",
];

#[test]
fn every_edit_by_a_forward_of_its_own_equals_the_reference() {
    for name in OWN_EDITS {
        check_edits(name, "cpu", &[]);
        check_edits(name, "cpu", &["--stepwise"]);
    }
}

/// `mask` leaves the scores of the others as they are, however small an expert that is out makes them.
#[test]
fn an_expert_that_takes_all_and_is_masked_leaves_weights_that_sum_to_one() {
    let expected = read(&fixture("mixtral").join("expected.safetensors"));
    for bias in [50, 90, 100, 1000] {
        let edits = [format!("bias:*.1={bias}"), "mask:*.1".to_owned()];
        let got = eval(&fixture("mixtral"), &expected, &edits, "cpu", &[]);
        for layer in 0..3 {
            let Array::Numbers(_, weights) = &got[&format!("topk_weights.{layer}")] else {
                panic!("weights are ids");
            };
            for pair in weights.as_chunks::<2>().0 {
                let sum = pair[0] + pair[1];
                assert!((sum - 1.0).abs() < 1e-5, "bias {bias}: {pair:?}");
            }
        }
    }
}

/// A copy of a fixture with one number of a bf16 tensor replaced.
pub fn spoiled(name: &str, tensor: &str, bits: u16) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(
        fixture(name).join("config.json"),
        folder.path().join("config.json"),
    )
    .unwrap();
    let mut bytes = fs::read(fixture(name).join("model.safetensors")).unwrap();
    let n_header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..n_header]).unwrap();
    assert_eq!(header[tensor]["dtype"], "BF16");
    let at = n_header + header[tensor]["data_offsets"][0].as_u64().unwrap() as usize;
    bytes[at..at + 2].copy_from_slice(&bits.to_le_bytes());
    fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
    folder
}

#[test]
fn numbers_that_are_none_end_in_one_sentence_and_no_file() {
    // Routers are looked through while a model is opened; elsewhere the step that meets such a number ends.
    for (tensor, status, wanted) in [
        ("lm_head.weight", 3, "not finite"),
        ("model.norm.weight", 3, "not finite"),
        (
            "model.layers.1.block_sparse_moe.gate.weight",
            2,
            "layer 1, expert 0, gate of the router, row 0",
        ),
        ("model.layers.0.self_attn.v_proj.weight", 3, "not finite"),
    ] {
        for bits in [0x7fc0, 0x7f80, 0xff80] {
            let folder = spoiled("mixtral", tensor, bits);
            let out = folder.path().join("out.safetensors");
            let model = folder.path().to_str().unwrap();
            let output = moescope(&[
                "eval",
                model,
                "--ids",
                "5,17,3,9,100,200",
                "--device",
                "cpu",
                "--out",
                out.to_str().unwrap(),
            ]);
            let said = String::from_utf8_lossy(&output.stderr);
            let code = output.status.code();
            assert_eq!(code, Some(status), "{tensor} {bits:x}: {said}");
            assert_eq!(said.trim_end().lines().count(), 1, "{said}");
            assert!(said.contains(wanted), "{said}");
            assert!(!out.exists(), "{tensor} {bits:x} left a file");
        }
    }
}

/// What cannot be run ends in one sentence and status 2, and leaves no file.
#[test]
fn misuse_of_eval_is_one_sentence_and_no_file() {
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("out.safetensors");
    let file = file.to_str().unwrap();
    let mixtral = fixture("mixtral");
    let mixtral = mixtral.to_str().unwrap();
    for (args, word) in [
        (vec!["eval", mixtral, "--ids", "5,384"], "384"),
        (vec!["eval", mixtral, "--ids", "5,x"], "\"x\""),
        (vec!["eval", mixtral, "--ids", ""], "\"\""),
        (
            vec!["eval", mixtral, "--ids", "5", "--greedy", "257"],
            "256",
        ),
        (
            vec!["eval", mixtral, "--ids", "5", "--edit", "mask:9.0"],
            "layers 0 to 2",
        ),
        (
            vec!["eval", mixtral, "--ids", "5", "--edit", "mask:0.8"],
            "experts 0 to 7",
        ),
        (
            vec!["eval", mixtral, "--ids", "5", "--edit", "k:0=9"],
            "at most 8",
        ),
        (
            vec!["eval", mixtral, "--ids", "5", "--edit", "boost:0.1"],
            "unknown edit",
        ),
        (
            vec![
                "eval",
                mixtral,
                "--ids",
                "5",
                "--edit",
                "force:0.1",
                "--edit",
                "force:0.2",
                "--edit",
                "force:0.3",
            ],
            "forced",
        ),
        (vec!["eval", "no/such/model", "--ids", "5"], "no/such/model"),
    ] {
        let output = moescope(&[args.as_slice(), &["--out", file]].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert_eq!(said.trim().lines().count(), 1, "{args:?}: {said}");
        assert!(said.contains(word), "{args:?}: {said}");
        assert!(
            fs::read_dir(out.path()).unwrap().next().is_none(),
            "{args:?} left a file"
        );
    }
}

#[cfg(feature = "gpu")]
#[test]
fn the_graphics_processor_equals_the_reference_where_top_2_is_renormalised() {
    check_gpu("mixtral");
    check_gpu("mixtral_window");
}

#[cfg(feature = "gpu")]
#[test]
fn the_graphics_processor_equals_the_reference_with_shared_experts() {
    check_gpu("qwen2_moe");
    check_gpu("granitemoeshared");
}

#[cfg(feature = "gpu")]
#[test]
fn the_graphics_processor_equals_the_reference_with_two_stacks_or_a_series() {
    check_gpu("switch");
    check_gpu("time_moe");
}

#[cfg(feature = "gpu")]
#[test]
fn the_graphics_processor_equals_the_reference_with_states_and_sinks() {
    for name in [
        "lfm2_moe",
        "granitemoehybrid",
        "nemotron_h",
        "qwen3_next",
        "qwen3_5_moe",
        "mellum",
        "gpt_oss_mxfp4",
        "glm4_moe_lite",
        "deepseek_v3",
        "deepseek_v3_fp8",
        "gguf_deepseek2-yarn",
        "kimi_linear",
        "bailing_hybrid",
        "deepseek_v32",
        "gguf_jamba",
    ] {
        check_gpu(name);
    }
}

#[cfg(feature = "gpu")]
#[test]
fn the_graphics_processor_equals_the_reference_where_attention_differs_by_layer() {
    // Each shows a kernel what the others do not.
    for name in [
        "hunyuan_v1_moe",
        "mimo_v2_flash",
        "laguna",
        "step3p7",
        "afmoe",
        "llama4_text",
    ] {
        check_gpu(name);
    }
}

#[cfg(feature = "gpu")]
#[test]
fn the_graphics_processor_equals_the_reference_where_routers_or_blocks_differ() {
    for name in [
        "gemma4",
        "phimoe",
        "jetmoe",
        "dbrx",
        "arctic",
        "grok1",
        "flex_olmo",
        "llama_moe",
        "deepseek",
        "deepseek_v2",
        "glm4_moe",
        "dots1",
        "minimax_m2",
        "ernie4_5_moe",
        "gpt_oss",
        "experts_fused_qwen3_moe",
    ] {
        check_gpu(name);
    }
}

#[cfg(feature = "gpu")]
#[test]
fn the_graphics_processor_equals_the_reference_with_clips_norms_and_yarn() {
    check_gpu("olmoe_clip");
    check_gpu("granitemoe_yarn");
}

#[cfg(feature = "gpu")]
#[test]
fn edits_on_the_graphics_processor_equal_the_reference() {
    check_edits("mixtral", "gpu", &[]);
    check_edits("mixtral", "gpu", &["--stepwise"]);
}

#[cfg(feature = "gpu")]
#[test]
fn edits_beside_a_shared_expert_on_the_graphics_processor_equal_the_reference() {
    check_edits("qwen2_moe", "gpu", &[]);
    check_edits("qwen2_moe", "gpu", &["--stepwise"]);
}

#[cfg(feature = "gpu")]
#[test]
fn edits_by_a_forward_of_its_own_on_the_graphics_processor_equal_the_reference() {
    for name in OWN_EDITS {
        check_edits(name, "gpu", &[]);
        check_edits(name, "gpu", &["--stepwise"]);
    }
}

/// Weights in blocks, on both devices.
#[cfg(feature = "gpu")]
fn check_blocks(name: &str, format: &str) {
    let expected = read(&fixture(name).join("expected.safetensors"));
    let eval = |device| {
        let more = ["--greedy", "8", "--quantize", format];
        eval(&fixture(name), &expected, &[], device, &more)
    };
    let (cpu, gpu) = (eval("cpu"), eval("gpu"));
    assert_close(&gpu, &cpu, &format!("{name} in {format}"));
    assert_ne!(
        cpu["logits"], expected["logits"],
        "{name} was not put in blocks"
    );
}

#[cfg(feature = "gpu")]
#[test]
fn weights_in_blocks_give_the_same_numbers_on_both_devices() {
    check_blocks("mixtral", "q8_0");
    check_blocks("mixtral", "q4_0");
    check_blocks("granitemoeshared", "q8_0");
}

/// Rows of 80 are no whole blocks.
#[test]
fn what_quantize_leaves_as_stored_is_said_by_every_command_that_runs() {
    let out = tempfile::tempdir().unwrap();
    let out = out.path().join("out.safetensors");
    let (model, out) = (fixture("mixtral"), out.to_str().unwrap());
    let commands = [
        vec!["eval", "--ids", "5,17,3", "--out", out],
        vec!["run", "--ids", "5,17,3", "-n", "2"],
        vec!["bench", "--prompt-tokens", "4", "--tokens", "2"],
    ];
    for mut args in commands {
        args.insert(1, model.to_str().unwrap());
        args.extend(["--device", "cpu", "--quantize", "q4_0"]);
        let output = moescope(&args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {said}");
        let is_note = |it: &&str| it.contains("as stored, since their rows are no multiple of 32");
        let notes: Vec<&str> = said.lines().filter(is_note).collect();
        assert_eq!(notes.len(), 1, "{args:?}: {said}");
        assert!(notes[0].contains("Down of experts, rows of 80"), "{said}");
    }
}
