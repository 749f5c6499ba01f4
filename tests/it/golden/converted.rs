//! Models of families for which there is no file of llama.cpp's converter: written here as the converter writes them
//! (`conversion/*.py` and `src/models/*.cpp` of llama.cpp), from checkpoints whose numbers are known, or the other way
//! round.

use std::{collections::BTreeMap, fs, path::Path};

use safetensors::SafeTensors;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    assert_close, eval, fixture,
    gguf_file::{GgufFile, Of},
    read, words,
};
use crate::tiny::{Tensor, Tiny};

/// A checkpoint in f32: settings, and shapes and numbers of tensors.
struct Source {
    config: Value,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Source {
    fn of(name: &str) -> Self {
        let folder = fixture(name);
        let config = fs::read_to_string(folder.join("config.json")).unwrap();
        let mut config: Value = serde_json::from_str(&config).unwrap();
        if let Some(text) = config.get("text_config") {
            config = text.clone();
        }
        let bytes = fs::read(folder.join("model.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let one = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
            let numbers = match view.dtype() {
                safetensors::Dtype::F32 => words(view.data(), f32::from_le_bytes),
                safetensors::Dtype::BF16 => {
                    let wide =
                        |it: [u8; 2]| f32::from_bits(u32::from(u16::from_le_bytes(it)) << 16);
                    words(view.data(), wide)
                }
                other => panic!("{name} is {other:?}"),
            };
            (name, (view.shape().to_vec(), numbers))
        };
        Self {
            config,
            tensors: file.tensors().into_iter().map(one).collect(),
        }
    }

    fn number(&self, key: &str) -> usize {
        self.config[key].as_u64().unwrap() as usize
    }

    fn float(&self, key: &str) -> f64 {
        self.config[key].as_f64().unwrap()
    }

    /// The file, its tensors under the names of the table; `*` stands for an expert, which come together. What the table
    /// does not have is left out.
    fn converted(&self, arch: &str, table: &[(&str, &str)]) -> GgufFile {
        const OUTER: &[(&str, &str)] = &[
            ("model.embed_tokens.weight", "token_embd.weight"),
            ("model.word_embeddings.weight", "token_embd.weight"),
            ("model.norm.weight", "output_norm.weight"),
            ("lm_head.weight", "output.weight"),
        ];
        let n_layers = self.number("num_hidden_layers");
        let mut file = self.keys(arch);
        let mut experts = BTreeMap::<String, BTreeMap<usize, &(Vec<usize>, Vec<f32>)>>::new();
        for (name, tensor) in &self.tensors {
            if let Some((_, to)) = OUTER.iter().find(|it| it.0 == name) {
                file.add(to, &tensor.0, &tensor.1);
            }
            let Some((layer, rest)) = name
                .strip_prefix("model.layers.")
                .and_then(|it| it.split_once('.'))
            else {
                continue;
            };
            if layer.parse::<usize>().unwrap() >= n_layers {
                continue;
            }
            for (from, to) in table {
                let to = format!("blk.{layer}.{to}");
                match from.split_once('*') {
                    None if *from == rest => file.add(&to, &tensor.0, &tensor.1),
                    Some((before, after)) => {
                        let e = rest.strip_prefix(before);
                        let e = e.and_then(|it| it.strip_suffix(after)?.parse().ok());
                        if let Some(e) = e {
                            experts.entry(to).or_default().insert(e, tensor);
                        }
                    }
                    None => {}
                }
            }
        }
        for (name, all) in experts {
            let one = &all[&0].0;
            let shape = [&[all.len()], one.as_slice()].concat();
            let numbers: Vec<f32> = all.values().flat_map(|it| it.1.clone()).collect();
            file.add(&name, &shape, &numbers);
        }
        file
    }

    /// Keys of every architecture.
    fn keys(&self, arch: &str) -> GgufFile {
        let mut file = GgufFile::default();
        file.set("general.architecture", &Of::Text(arch));
        let n_ctx = self.config.get("max_position_embeddings");
        let n_ctx = n_ctx.map_or(256, |it| it.as_u64().unwrap() as usize);
        for (key, value) in [
            ("context_length", n_ctx),
            ("embedding_length", self.number("hidden_size")),
            ("block_count", self.number("num_hidden_layers")),
            ("attention.head_count", self.number("num_attention_heads")),
            ("feed_forward_length", self.number("intermediate_size")),
            (
                "expert_feed_forward_length",
                self.number("moe_intermediate_size"),
            ),
            ("expert_gating_func", 2),
        ] {
            file.set(&format!("{arch}.{key}"), &Of::Number(value));
        }
        let eps = format!("{arch}.attention.layer_norm_rms_epsilon");
        file.set(&eps, &Of::Float(self.float("rms_norm_eps")));
        file
    }

    /// Keys and values of latent attention apart, as `attn_k_b` and `attn_v_b`, and their keys.
    fn split_latent(&self, file: &mut GgufFile, arch: &str, at: &str) {
        let [nope, rope, v, rank, heads] = [
            "qk_nope_head_dim",
            "qk_rope_head_dim",
            "v_head_dim",
            "kv_lora_rank",
            "num_attention_heads",
        ]
        .map(|it| self.number(it));
        for (key, value) in [
            ("attention.key_length", rank + rope),
            ("attention.value_length", rank),
            ("attention.key_length_mla", nope + rope),
            ("attention.value_length_mla", v),
            ("attention.kv_lora_rank", rank),
            ("rope.dimension_count", rope),
        ] {
            file.set(&format!("{arch}.{key}"), &Of::Number(value));
        }
        for l in 0..self.number("num_hidden_layers") {
            let name = format!("model.layers.{l}.{at}.kv_b_proj.weight");
            let Some((_, up)) = self.tensors.get(&name) else {
                continue;
            };
            let row = |h: usize, i: usize| (h * (nope + v) + i) * rank;
            let mut keys = Vec::new();
            let mut values = Vec::new();
            for h in 0..heads {
                for r in 0..rank {
                    keys.extend((0..nope).map(|i| up[row(h, i) + r]));
                }
                for i in nope..nope + v {
                    values.extend(&up[row(h, i)..row(h, i) + rank]);
                }
            }
            let keys_name = format!("blk.{l}.attn_k_b.weight");
            file.add(&keys_name, &[heads, rank, nope], &keys);
            let values_name = format!("blk.{l}.attn_v_b.weight");
            file.add(&values_name, &[heads, v, rank], &values);
        }
    }

    /// Every vector of that name, changed.
    fn change(&mut self, end: &str, change: fn(f32) -> f32) {
        let mut found = self.tensors.iter_mut().filter(|it| it.0.ends_with(end));
        let first = found.next().unwrap();
        for (_, (_, numbers)) in [first].into_iter().chain(found) {
            numbers.iter_mut().for_each(|it| *it = change(*it));
        }
    }
}

/// Names that most families have.
const PLAIN: &[(&str, &str)] = &[
    ("input_layernorm.weight", "attn_norm.weight"),
    ("post_attention_layernorm.weight", "ffn_norm.weight"),
    ("mlp.gate_proj.weight", "ffn_gate.weight"),
    ("mlp.up_proj.weight", "ffn_up.weight"),
    ("mlp.down_proj.weight", "ffn_down.weight"),
    ("self_attn.q_proj.weight", "attn_q.weight"),
    ("self_attn.k_proj.weight", "attn_k.weight"),
    ("self_attn.v_proj.weight", "attn_v.weight"),
    ("self_attn.o_proj.weight", "attn_output.weight"),
    ("mlp.gate.weight", "ffn_gate_inp.weight"),
    ("mlp.gate.e_score_correction_bias", "exp_probs_b.bias"),
    ("mlp.experts.*.gate_proj.weight", "ffn_gate_exps.weight"),
    ("mlp.experts.*.up_proj.weight", "ffn_up_exps.weight"),
    ("mlp.experts.*.down_proj.weight", "ffn_down_exps.weight"),
    (
        "mlp.shared_experts.gate_proj.weight",
        "ffn_gate_shexp.weight",
    ),
    ("mlp.shared_experts.up_proj.weight", "ffn_up_shexp.weight"),
    (
        "mlp.shared_experts.down_proj.weight",
        "ffn_down_shexp.weight",
    ),
];

fn table(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    [PLAIN, more].concat()
}

/// The model of a file says what a fixture expects.
fn check(file: &GgufFile, name: &str, what: &str) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.gguf");
    file.write(&path);
    check_at(&path, name, what);
}

fn check_at(path: &Path, name: &str, what: &str) {
    let expected = read(&fixture(name).join("expected.safetensors"));
    let got = eval(path, &expected, &[], "cpu", &["--greedy", "16"]);
    assert_close(&got, &expected, what);
}

fn gguf(name: &str) -> GgufFile {
    GgufFile::read(&fixture(name).join("model.gguf"))
}

#[test]
fn ling_1_and_2_equal_models_of_the_same_mathematics() {
    let file = gguf("gguf_deepseek");
    let mut file = file.of_arch("deepseek", "bailingmoe");
    check(&file, "gguf_deepseek", "bailingmoe");
    file.set("bailingmoe.expert_weights_norm", &Of::Flag(false));
    check(
        &file,
        "gguf_deepseek",
        "bailingmoe, not renormalised by its key",
    );
    let file = gguf("gguf_dots1");
    check(
        &file.of_arch("dots1", "bailingmoe2"),
        "gguf_dots1",
        "bailingmoe2",
    );
    // Half of a head rotates, biases, a block that drafts.
    let file = gguf("gguf_glm4moe");
    let file = file.of_arch("glm4moe", "bailingmoe2");
    let file = file.with_names("post_attention_norm", "ffn_norm");
    check(&file, "gguf_glm4moe", "bailingmoe2 that rotates in part");
}

#[test]
fn kimi_linear_as_a_gguf_file_equals_the_reference() {
    const ARCH: &str = "kimi-linear";
    let mut source = Source::of("kimi_linear");
    source.change("A_log", |it| -it.exp());
    let mut file = source.converted(
        ARCH,
        &table(&[
            ("self_attn.q_conv1d.weight", "ssm_conv1d_q.weight"),
            ("self_attn.k_conv1d.weight", "ssm_conv1d_k.weight"),
            ("self_attn.v_conv1d.weight", "ssm_conv1d_v.weight"),
            ("self_attn.A_log", "ssm_a"),
            ("self_attn.dt_bias", "ssm_dt.bias"),
            ("self_attn.b_proj.weight", "ssm_beta.weight"),
            ("self_attn.f_a_proj.weight", "ssm_f_a.weight"),
            ("self_attn.f_b_proj.weight", "ssm_f_b.weight"),
            ("self_attn.g_a_proj.weight", "ssm_g_a.weight"),
            ("self_attn.g_b_proj.weight", "ssm_g_b.weight"),
            ("self_attn.o_norm.weight", "ssm_norm.weight"),
            (
                "self_attn.kv_a_proj_with_mqa.weight",
                "attn_kv_a_mqa.weight",
            ),
            ("self_attn.kv_a_layernorm.weight", "attn_kv_a_norm.weight"),
            ("block_sparse_moe.gate.weight", "ffn_gate_inp.weight"),
            (
                "block_sparse_moe.gate.e_score_correction_bias",
                "exp_probs_b.bias",
            ),
            (
                "block_sparse_moe.experts.*.w1.weight",
                "ffn_gate_exps.weight",
            ),
            ("block_sparse_moe.experts.*.w3.weight", "ffn_up_exps.weight"),
            (
                "block_sparse_moe.experts.*.w2.weight",
                "ffn_down_exps.weight",
            ),
            (
                "block_sparse_moe.shared_experts.gate_proj.weight",
                "ffn_gate_shexp.weight",
            ),
            (
                "block_sparse_moe.shared_experts.up_proj.weight",
                "ffn_up_shexp.weight",
            ),
            (
                "block_sparse_moe.shared_experts.down_proj.weight",
                "ffn_down_shexp.weight",
            ),
        ]),
    );
    source.split_latent(&mut file, ARCH, "self_attn");
    for (key, value) in [
        ("attention.head_count_kv", Of::Numbers(&[0, 0, 0, 1])),
        ("expert_count", Of::Number(8)),
        ("expert_used_count", Of::Number(2)),
        ("expert_shared_count", Of::Number(1)),
        ("expert_weights_scale", Of::Float(2.446)),
        ("leading_dense_block_count", Of::Number(1)),
        ("ssm.conv_kernel", Of::Number(4)),
        ("kda.head_dim", Of::Number(16)),
    ] {
        file.set(&format!("{ARCH}.{key}"), &value);
    }
    check(&file, "kimi_linear", ARCH);
    // What rotates in other models is as wide as the tensor says, whatever the key does.
    file.set("kimi-linear.rope.dimension_count", &Of::Number(72));
    check(&file, "kimi_linear", "kimi-linear with a width of 72");
}

#[test]
fn ling_3_as_a_gguf_file_equals_the_reference() {
    const ARCH: &str = "bailingmoe3";
    // The decay with either sign: the file has its size.
    for change in [f32::exp as fn(f32) -> f32, |it: f32| -it.exp()] {
        let mut source = Source::of("bailing_hybrid");
        source.change("A_log", change);
        let mut file = source.converted(
            ARCH,
            &table(&[
                ("attention.q_proj.weight", "attn_q.weight"),
                ("attention.k_proj.weight", "attn_k.weight"),
                ("attention.v_proj.weight", "attn_v.weight"),
                ("attention.q_conv1d.weight", "ssm_conv1d_q.weight"),
                ("attention.k_conv1d.weight", "ssm_conv1d_k.weight"),
                ("attention.v_conv1d.weight", "ssm_conv1d_v.weight"),
                ("attention.A_log", "ssm_a"),
                ("attention.dt_bias", "ssm_dt.bias"),
                ("attention.b_proj.weight", "ssm_beta.weight"),
                ("attention.f_proj.weight", "ssm_f_a.weight"),
                ("attention.g_proj.weight", "ssm_g_a.weight"),
                ("attention.o_norm.weight", "ssm_norm.weight"),
                ("attention.dense.weight", "attn_output.weight"),
                (
                    "attention.kv_a_proj_with_mqa.weight",
                    "attn_kv_a_mqa.weight",
                ),
                ("attention.kv_a_layernorm.weight", "attn_kv_a_norm.weight"),
                ("mlp.gate.expert_bias", "exp_probs_b.bias"),
            ]),
        );
        let gate = file.tensors.remove("blk.3.ssm_g_a.weight").unwrap();
        file.tensors
            .insert("blk.3.attn_gate.weight".to_owned(), gate);
        source.split_latent(&mut file, ARCH, "attention");
        for (key, value) in [
            ("attention.head_count_kv", Of::Numbers(&[0, 0, 0, 1])),
            ("expert_count", Of::Number(8)),
            ("expert_used_count", Of::Number(2)),
            ("expert_shared_count", Of::Number(1)),
            ("expert_group_count", Of::Number(4)),
            ("expert_group_used_count", Of::Number(2)),
            ("expert_weights_scale", Of::Float(2.5)),
            ("expert_weights_norm", Of::Flag(true)),
            ("leading_dense_block_count", Of::Number(1)),
            ("rope.freq_base", Of::Float(6e6)),
            ("ssm.conv_kernel", Of::Number(4)),
            ("kda.head_dim", Of::Number(16)),
            ("kda.gate_lower_bound", Of::Float(-5.0)),
        ] {
            file.set(&format!("{ARCH}.{key}"), &value);
        }
        check(&file, "bailing_hybrid", ARCH);
    }
}

#[test]
fn deepseek_v32_as_a_gguf_file_equals_the_reference() {
    const ARCH: &str = "deepseek32";
    let source = Source::of("deepseek_v32");
    let mut file = source.converted(
        ARCH,
        &table(&[
            ("self_attn.q_a_proj.weight", "attn_q_a.weight"),
            ("self_attn.q_a_layernorm.weight", "attn_q_a_norm.weight"),
            ("self_attn.q_b_proj.weight", "attn_q_b.weight"),
            (
                "self_attn.kv_a_proj_with_mqa.weight",
                "attn_kv_a_mqa.weight",
            ),
            ("self_attn.kv_a_layernorm.weight", "attn_kv_a_norm.weight"),
            ("self_attn.indexer.wq_b.weight", "indexer.attn_q_b.weight"),
            ("self_attn.indexer.wk.weight", "indexer.attn_k.weight"),
            ("self_attn.indexer.k_norm.weight", "indexer.k_norm.weight"),
            ("self_attn.indexer.k_norm.bias", "indexer.k_norm.bias"),
            (
                "self_attn.indexer.weights_proj.weight",
                "indexer.proj.weight",
            ),
        ]),
    );
    source.split_latent(&mut file, ARCH, "self_attn");
    for (key, value) in [
        // A block that drafts is counted, and its tensors may be in another file.
        ("block_count", Of::Number(4)),
        ("nextn_predict_layers", Of::Number(1)),
        ("attention.head_count_kv", Of::Number(1)),
        ("attention.q_lora_rank", Of::Number(32)),
        ("attention.indexer.head_count", Of::Number(4)),
        ("attention.indexer.key_length", Of::Number(16)),
        ("attention.indexer.top_k", Of::Number(8)),
        ("expert_count", Of::Number(8)),
        ("expert_used_count", Of::Number(2)),
        ("expert_shared_count", Of::Number(1)),
        ("expert_group_count", Of::Number(4)),
        ("expert_group_used_count", Of::Number(2)),
        ("expert_weights_scale", Of::Float(2.5)),
        ("expert_weights_norm", Of::Flag(true)),
        ("leading_dense_block_count", Of::Number(1)),
        ("rope.freq_base", Of::Float(1e4)),
    ] {
        file.set(&format!("{ARCH}.{key}"), &value);
    }
    check(&file, "deepseek_v32", ARCH);
}

#[test]
fn mimo_v2_as_a_gguf_file_equals_the_reference() {
    const ARCH: &str = "mimo2";
    let source = Source::of("mimo_v2_flash");
    let sinks = [("self_attn.attention_sink_bias", "attn_sinks.weight")];
    let mut file = source.converted(ARCH, &table(&sinks));
    for (key, value) in [
        ("attention.head_count_kv", Of::Numbers(&[1, 2, 2, 2, 2, 1])),
        ("attention.key_length", Of::Number(24)),
        ("attention.value_length", Of::Number(16)),
        ("attention.value_scale", Of::Float(0.707)),
        ("attention.sliding_window", Of::Number(6)),
        (
            "attention.sliding_window_pattern",
            Of::Flags(&[false, true, true, true, true, false]),
        ),
        ("expert_count", Of::Number(8)),
        ("expert_used_count", Of::Number(2)),
        ("rope.dimension_count", Of::Number(8)),
        ("rope.freq_base", Of::Float(5e6)),
        ("rope.freq_base_swa", Of::Float(1e4)),
    ] {
        file.set(&format!("{ARCH}.{key}"), &value);
    }
    check(&file, "mimo_v2_flash", ARCH);
}

#[test]
fn step_35_as_a_gguf_file_equals_the_reference() {
    const ARCH: &str = "step35";
    let mut source = Source::of("step3p7");
    source.change("norm.weight", |it| it + 1.0);
    let mut file = source.converted(
        ARCH,
        &table(&[
            ("self_attn.q_norm.weight", "attn_q_norm.weight"),
            ("self_attn.k_norm.weight", "attn_k_norm.weight"),
            ("self_attn.g_proj.weight", "attn_gate.weight"),
            ("moe.gate.weight", "ffn_gate_inp.weight"),
            ("moe.router_bias", "exp_probs_b.bias"),
            ("moe.gate_proj.weight", "ffn_gate_exps.weight"),
            ("moe.up_proj.weight", "ffn_up_exps.weight"),
            ("moe.down_proj.weight", "ffn_down_exps.weight"),
            ("share_expert.gate_proj.weight", "ffn_gate_shexp.weight"),
            ("share_expert.up_proj.weight", "ffn_up_shexp.weight"),
            ("share_expert.down_proj.weight", "ffn_down_shexp.weight"),
        ]),
    );
    for (key, value) in [
        ("attention.head_count", Of::Numbers(&[4, 6, 6, 4])),
        ("attention.head_count_kv", Of::Numbers(&[2, 2, 2, 2])),
        ("attention.key_length", Of::Number(16)),
        ("attention.value_length", Of::Number(16)),
        ("attention.sliding_window", Of::Number(8)),
        (
            "attention.sliding_window_pattern",
            Of::Flags(&[false, true, true, false]),
        ),
        ("expert_count", Of::Number(8)),
        ("expert_used_count", Of::Number(2)),
        ("expert_shared_feed_forward_length", Of::Number(24)),
        ("expert_weights_scale", Of::Float(3.0)),
        ("expert_weights_norm", Of::Flag(true)),
        ("rope.dimension_count", Of::Number(16)),
        ("rope.freq_base", Of::Float(5e6)),
        ("rope.freq_base_swa", Of::Float(1e4)),
        ("swiglu_clamp_exp", Of::Floats(&[0.0, 0.0, 0.0, 0.7])),
        ("swiglu_clamp_shexp", Of::Floats(&[0.0, 0.0, 0.0, 0.6])),
    ] {
        file.set(&format!("{ARCH}.{key}"), &value);
    }
    check(&file, "step3p7", ARCH);
}

/// Experts inputs by outputs, behind a tower; and as a GGUF file, whose positions have sections.
#[test]
fn the_text_part_of_qwen3_vl_equals_the_reference() {
    let name = "experts_fused_qwen3_moe";
    let source = Source::of(name);
    let mut text = source.config.clone();
    text["model_type"] = json!("qwen3_vl_moe_text");
    text["rope_parameters"]["mrope_section"] = json!([2, 1, 1]);
    text["rope_parameters"]["mrope_interleaved"] = json!(true);
    let config = json!({
        "model_type": "qwen3_vl_moe",
        "architectures": ["Qwen3VLMoeForConditionalGeneration"],
        "text_config": text,
        "vision_config": { "depth": 1 },
    });
    let mut tiny = Tiny {
        config,
        tensors: BTreeMap::new(),
    };
    for (name, (shape, numbers)) in &source.tensors {
        let to = match name.strip_prefix("model.") {
            Some(rest) => format!("model.language_model.{rest}"),
            None => name.clone(),
        };
        let (mut shape, mut numbers) = (shape.clone(), numbers.clone());
        if let [e, rows, cols] = shape[..] {
            let at = |i: usize| i / (rows * cols) * rows * cols + i % rows * cols + i / rows % cols;
            numbers = (0..numbers.len()).map(|i| numbers[at(i)]).collect();
            shape = vec![e, cols, rows];
        }
        tiny.tensors.insert(to, tensor(&shape, &numbers));
    }
    let tower = tensor(&[2, 3], &[0.0; 6]);
    tiny.tensors
        .insert("model.visual.patch_embed.proj.weight".to_owned(), tower);
    check_at(tiny.save().path(), name, "qwen3_vl_moe");
    let file = gguf("gguf_qwen3moe");
    let mut file = file.of_arch("qwen3moe", "qwen3vlmoe");
    file.set(
        "qwen3vlmoe.rope.dimension_sections",
        &Of::Numbers(&[6, 5, 5, 0]),
    );
    file.set("qwen3vlmoe.n_deepstack_layers", &Of::Number(3));
    check(&file, "gguf_qwen3moe", "qwen3vlmoe");
}

fn tensor(shape: &[usize], numbers: &[f32]) -> Tensor {
    Tensor {
        dtype: "F32",
        shape: shape.to_vec(),
        bytes: numbers.iter().flat_map(|it| it.to_le_bytes()).collect(),
    }
}

/// Names of Jamba in a layer of a GGUF file, and those of Transformers.
const JAMBA: &[(&str, &str)] = &[
    ("attn_norm.weight", "input_layernorm.weight"),
    ("ffn_norm.weight", "pre_ff_layernorm.weight"),
    ("attn_q.weight", "self_attn.q_proj.weight"),
    ("attn_k.weight", "self_attn.k_proj.weight"),
    ("attn_v.weight", "self_attn.v_proj.weight"),
    ("attn_output.weight", "self_attn.o_proj.weight"),
    ("ffn_gate.weight", "feed_forward.gate_proj.weight"),
    ("ffn_up.weight", "feed_forward.up_proj.weight"),
    ("ffn_down.weight", "feed_forward.down_proj.weight"),
    ("ffn_gate_inp.weight", "feed_forward.router.weight"),
    ("ssm_in.weight", "mamba.in_proj.weight"),
    ("ssm_conv1d.weight", "mamba.conv1d.weight"),
    ("ssm_conv1d.bias", "mamba.conv1d.bias"),
    ("ssm_x.weight", "mamba.x_proj.weight"),
    ("ssm_dt.weight", "mamba.dt_proj.weight"),
    ("ssm_dt.bias", "mamba.dt_proj.bias"),
    ("ssm_dt_norm.weight", "mamba.dt_layernorm.weight"),
    ("ssm_b_norm.weight", "mamba.b_layernorm.weight"),
    ("ssm_c_norm.weight", "mamba.c_layernorm.weight"),
    ("ssm_a", "mamba.A_log"),
    ("ssm_d", "mamba.D"),
    ("ssm_out.weight", "mamba.out_proj.weight"),
];
/// The same outside of the layers.
const JAMBA_OUTER: &[(&str, &str)] = &[
    ("token_embd.weight", "model.embed_tokens.weight"),
    ("output_norm.weight", "model.final_layernorm.weight"),
    ("output.weight", "lm_head.weight"),
];

/// The file of llama.cpp's converter, back under the names of Transformers.
#[test]
fn jamba_in_safetensors_is_what_it_is_in_a_gguf_file() {
    let mut tiny = Tiny {
        config: json!({
            "model_type": "jamba", "architectures": ["JambaForCausalLM"], "vocab_size": 384,
            "hidden_size": 64, "intermediate_size": 40, "num_hidden_layers": 4,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
            "rms_norm_eps": 1e-6, "num_experts": 8, "num_experts_per_tok": 2,
            "expert_layer_period": 2, "expert_layer_offset": 1, "attn_layer_period": 4,
            "attn_layer_offset": 2, "mamba_d_state": 16, "mamba_d_conv": 4, "mamba_expand": 2,
            "mamba_dt_rank": 16, "use_mamba_kernels": false, "tie_word_embeddings": false,
        }),
        tensors: BTreeMap::new(),
    };
    let file = gguf("gguf_jamba");
    for (name, it) in &file.tensors {
        let dtype = if it.kind == 0 { "F32" } else { "F16" };
        let shape: Vec<usize> = it.sizes.iter().rev().map(|it| *it as usize).collect();
        let each = if it.kind == 0 { 4 } else { 2 };
        let mut bytes = it.bytes[..shape.iter().product::<usize>() * each].to_vec();
        if let Some((_, to)) = JAMBA_OUTER.iter().find(|it| it.0 == name) {
            let tensor = Tensor {
                dtype,
                shape,
                bytes,
            };
            tiny.tensors.insert((*to).to_owned(), tensor);
            continue;
        }
        let (layer, rest) = name.strip_prefix("blk.").unwrap().split_once('.').unwrap();
        let before = format!("model.layers.{layer}");
        if let Some(part) = rest.strip_suffix("_exps.weight") {
            let part = part.strip_prefix("ffn_").unwrap();
            let n = bytes.len() / shape[0];
            for (e, bytes) in bytes.chunks_exact(n).enumerate() {
                let tensor = Tensor {
                    dtype,
                    shape: shape[1..].to_vec(),
                    bytes: bytes.to_vec(),
                };
                let to = format!("{before}.feed_forward.experts.{e}.{part}_proj.weight");
                tiny.tensors.insert(to, tensor);
            }
            continue;
        }
        if rest == "ssm_a" {
            let logs = words(&bytes, f32::from_le_bytes);
            let logs = logs.into_iter().map(|it: f32| (-it).ln());
            bytes = logs.flat_map(f32::to_le_bytes).collect();
        }
        let (_, to) = JAMBA.iter().find(|it| it.0 == rest).unwrap();
        let tensor = Tensor {
            dtype,
            shape,
            bytes,
        };
        tiny.tensors.insert(format!("{before}.{to}"), tensor);
    }
    check_at(tiny.save().path(), "gguf_jamba", "jamba");
}

/// A number of experts for each layer is the same as that many asked for by an edit.
#[test]
fn a_gguf_file_may_say_layer_by_layer_how_many_experts_are_chosen() {
    const KEY: &str = "qwen3moe.expert_used_count";
    let name = "gguf_qwen3moe";
    let expected = read(&fixture(name).join("expected.safetensors"));
    let mut file = gguf(name);
    file.set(KEY, &Of::Numbers(&[4, 4, 4]));
    check(&file, name, "as many in every layer");
    file.set(KEY, &Of::Numbers(&[3, 4, 2]));
    let folder = TempDir::new().unwrap();
    let changed = folder.path().join("model.gguf");
    file.write(&changed);
    let edits = ["k:0=3".to_owned(), "k:2=2".to_owned()];
    let got = eval(&changed, &expected, &[], "cpu", &["--greedy", "16"]);
    let path = fixture(name).join("model.gguf");
    let want = eval(&path, &expected, &edits, "cpu", &["--greedy", "16"]);
    let tokens = |it: &super::Arrays| {
        let shown = it
            .iter()
            .filter(|it| it.0 == "logits" || it.0 == "greedy_ids");
        shown.map(|it| (it.0.clone(), it.1.clone())).collect()
    };
    let (got, want): (super::Arrays, super::Arrays) = (tokens(&got), tokens(&want));
    assert_eq!(got.len(), 2);
    assert_close(&got, &want, "another number in each layer");
}
