//! Weights in FP8 on a device that holds its buffers in this machine's memory: neither there nor on the way is a copy of
//! them in f32.

use super::*;

const EXPERTS: u64 = 8;
/// The experts of the one layer, a byte a number: 252 MB, 1 GB in f32.
const STORED: u64 = EXPERTS * 3 * F * H;

/// A checkpoint of zeros whose experts are FP8, with a scale for 128 × 128.
fn holes() -> TempDir {
    let mut tiny = Tiny::of("granitemoe");
    for (key, value) in [
        ("hidden_size", H),
        ("intermediate_size", F),
        ("num_hidden_layers", 1),
        ("num_local_experts", EXPERTS),
        ("num_experts_per_tok", 1),
        ("num_attention_heads", 8),
        ("num_key_value_heads", 2),
    ] {
        tiny.set(key, value);
    }
    let fp8 = json!({ "quant_method": "fp8", "weight_block_size": [128, 128] });
    tiny.set("quantization_config", fp8);
    let (mut header, mut end) = (Map::new(), 0);
    let mut add = |name: &str, (dtype, size): (&str, u64), shape: &[u64]| {
        let start = end;
        end += size * shape.iter().product::<u64>();
        let entry = json!({ "dtype": dtype, "shape": shape, "data_offsets": [start, end] });
        header.insert(name.to_owned(), entry);
    };
    let bf16 = ("BF16", 2);
    add("model.embed_tokens.weight", bf16, &[50, H]);
    add("lm_head.weight", bf16, &[50, H]);
    add("model.norm.weight", bf16, &[H]);
    let layer = |name: &str| format!("model.layers.0.{name}");
    for (name, shape) in [
        ("input_layernorm", &[H][..]),
        ("post_attention_layernorm", &[H]),
        ("self_attn.q_proj", &[H, H]),
        ("self_attn.k_proj", &[H / 4, H]),
        ("self_attn.v_proj", &[H / 4, H]),
        ("self_attn.o_proj", &[H, H]),
        ("block_sparse_moe.router.layer", &[EXPERTS, H]),
    ] {
        add(&layer(&format!("{name}.weight")), bf16, shape);
    }
    for (name, rows, cols) in [("input_linear", 2 * F, H), ("output_linear", H, F)] {
        let name = layer(&format!("block_sparse_moe.{name}.weight"));
        add(&name, ("F8_E4M3", 1), &[EXPERTS, rows, cols]);
        let blocks = [EXPERTS, rows.div_ceil(128), cols.div_ceil(128)];
        add(&format!("{name}_scale_inv"), ("F32", 4), &blocks);
    }
    let header = Value::Object(header).to_string();
    sparse(&tiny.config, &header, end)
}

#[test]
fn weights_in_fp8_are_never_held_in_f32() {
    let devices = program("", &["inspect", "--devices"]).output().unwrap();
    if said(&devices.stdout).contains("discrete") {
        return;
    }
    let folder = holes();
    let model = folder.path().to_str().unwrap();
    let args = ["run", model, "--ids", "1", "-n", "1", "--device", "gpu"];
    let (out, peak) = watched(&args);
    assert!(out.status.success(), "{}", said(&out.stderr));
    let most = STORED + 2 * SMALL;
    assert!(peak < most, "{peak} bytes were held, at most {most}");
    let limited = |limit: &str| program(limit, &args).output().unwrap();
    let refused = limited("ulimit -d 200000;");
    check_refused(&refused, &args, &[" of weights in buffers of the device"]);
    // In f32 they would be counted as more than this.
    let fits = limited("ulimit -d 900000;");
    assert!(fits.status.success(), "{}", said(&fits.stderr));
}
