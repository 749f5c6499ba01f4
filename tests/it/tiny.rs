//! Tiny checkpoints of every family, written to a folder: right ones, and ones that a test makes wrong.
//!
//! Names and shapes are written out here a second time, so that a table of the program that is
//! wrong is found.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// A tensor as the file holds it.
#[derive(Clone)]
pub struct Tensor {
    pub dtype: &'static str,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

/// A checkpoint before it is written.
#[derive(Clone)]
pub struct Tiny {
    pub config: Value,
    pub tensors: BTreeMap<String, Tensor>,
}

/// Every family that opens.
pub const FAMILIES: [&str; 6] = [
    "mixtral",
    "qwen2_moe",
    "qwen3_moe",
    "olmoe",
    "granitemoe",
    "granitemoeshared",
];

pub const H: usize = 32;
pub const V: usize = 50;
pub const F: usize = 12;
pub const E: usize = 4;
pub const LAYERS: usize = 2;

impl Tiny {
    /// A model of a family: 2 layers, 4 experts, 2 of them a token, width 32.
    pub fn of(family: &str) -> Self {
        let mut tiny = Self {
            config: json!({
                "model_type": family, "hidden_size": H, "intermediate_size": F,
                "moe_intermediate_size": F, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
                "num_key_value_heads": 2, "num_experts_per_tok": 2, "vocab_size": V,
                "max_position_embeddings": 64, "tie_word_embeddings": false, "eos_token_id": 1
            }),
            tensors: BTreeMap::new(),
        };
        let experts = if family == "mixtral" || family.starts_with("granite") {
            "num_local_experts"
        } else {
            "num_experts"
        };
        tiny.set(experts, E);
        tiny.add("model.embed_tokens.weight", &[V, H]);
        tiny.add("model.norm.weight", &[H]);
        tiny.add("lm_head.weight", &[V, H]);
        for l in 0..LAYERS {
            tiny.add_attention(l);
            tiny.add_experts(family, l);
        }
        tiny
    }

    fn add_attention(&mut self, l: usize) {
        let name = |it: &str| format!("model.layers.{l}.{it}.weight");
        self.add(&name("input_layernorm"), &[H]);
        self.add(&name("post_attention_layernorm"), &[H]);
        self.add(&name("self_attn.q_proj"), &[32, H]);
        self.add(&name("self_attn.k_proj"), &[16, H]);
        self.add(&name("self_attn.v_proj"), &[16, H]);
        self.add(&name("self_attn.o_proj"), &[H, 32]);
    }

    fn add_experts(&mut self, family: &str, l: usize) {
        let name = |it: &str| format!("model.layers.{l}.{it}.weight");
        let attn = |it: &str| format!("model.layers.{l}.self_attn.{it}");
        match family {
            "mixtral" => {
                self.add(&name("block_sparse_moe.gate"), &[E, H]);
                for e in 0..E {
                    let expert = |it: &str| name(&format!("block_sparse_moe.experts.{e}.{it}"));
                    self.add(&expert("w1"), &[F, H]);
                    self.add(&expert("w2"), &[H, F]);
                    self.add(&expert("w3"), &[F, H]);
                }
            }
            "granitemoe" | "granitemoeshared" => {
                self.add(&name("block_sparse_moe.router.layer"), &[E, H]);
                self.add(&name("block_sparse_moe.input_linear"), &[E, 2 * F, H]);
                self.add(&name("block_sparse_moe.output_linear"), &[E, H, F]);
                if family == "granitemoeshared" {
                    self.set("shared_intermediate_size", 10);
                    self.add(&name("shared_mlp.input_linear"), &[20, H]);
                    self.add(&name("shared_mlp.output_linear"), &[H, 10]);
                }
            }
            _ => {
                self.add(&name("mlp.gate"), &[E, H]);
                for e in 0..E {
                    self.add_mlp(&format!("model.layers.{l}.mlp.experts.{e}"), F);
                }
            }
        }
        match family {
            "qwen2_moe" => {
                self.set("shared_expert_intermediate_size", 10);
                self.add_mlp(&format!("model.layers.{l}.mlp.shared_expert"), 10);
                self.add(&name("mlp.shared_expert_gate"), &[1, H]);
                for (it, n) in [
                    ("q_proj.bias", 32),
                    ("k_proj.bias", 16),
                    ("v_proj.bias", 16),
                ] {
                    self.add(&attn(it), &[n]);
                }
            }
            "qwen3_moe" => {
                self.add(&attn("q_norm.weight"), &[8]);
                self.add(&attn("k_norm.weight"), &[8]);
            }
            "olmoe" => {
                self.add(&attn("q_norm.weight"), &[32]);
                self.add(&attn("k_norm.weight"), &[16]);
            }
            _ => {}
        }
    }

    /// Gate, up and down of one network.
    pub fn add_mlp(&mut self, prefix: &str, f: usize) -> &mut Self {
        self.add(&format!("{prefix}.gate_proj.weight"), &[f, H]);
        self.add(&format!("{prefix}.up_proj.weight"), &[f, H]);
        self.add(&format!("{prefix}.down_proj.weight"), &[H, f])
    }

    /// Adds or replaces a bf16 tensor of made-up numbers, ones where it is a norm.
    pub fn add(&mut self, name: &str, shape: &[usize]) -> &mut Self {
        let n: usize = shape.iter().product();
        let mut state = name.bytes().fold(17u32, |it, byte| {
            it.wrapping_mul(31).wrapping_add(u32::from(byte))
        });
        let bytes = (0..n)
            .flat_map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let x = if name.contains("norm") {
                    1.0
                } else {
                    ((state >> 8) as f32 / (1u32 << 24) as f32 - 0.5) * 0.4
                };
                ((x.to_bits() >> 16) as u16).to_le_bytes()
            })
            .collect();
        let tensor = Tensor {
            dtype: "BF16",
            shape: shape.to_vec(),
            bytes,
        };
        self.tensors.insert(name.to_owned(), tensor);
        self
    }

    /// Sets a key of the config.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        self.config[key] = value.into();
        self
    }

    /// Takes a key out of the config.
    pub fn unset(&mut self, key: &str) -> &mut Self {
        self.config.as_object_mut().unwrap().remove(key);
        self
    }

    /// Takes tensors out whose name contains a text.
    pub fn without(&mut self, text: &str) -> &mut Self {
        self.tensors.retain(|it, _| !it.contains(text));
        self
    }

    /// Writes config and one file of weights into a new folder.
    pub fn save(&self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        self.save_config(folder.path());
        fs::write(folder.path().join("model.safetensors"), self.file(|_| true)).unwrap();
        folder
    }

    /// Writes config, index and `n` shards into a new folder.
    pub fn save_sharded(&self, n: usize) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        self.save_config(folder.path());
        let shard_of = |row: usize| format!("model-{:05}-of-{n:05}.safetensors", row % n + 1);
        let names: Vec<&String> = self.tensors.keys().collect();
        let map: BTreeMap<&String, String> = names
            .iter()
            .enumerate()
            .map(|(row, name)| (*name, shard_of(row)))
            .collect();
        for row in 0..n {
            let file = self.file(|name| map[&name.to_owned()] == shard_of(row));
            fs::write(folder.path().join(shard_of(row)), file).unwrap();
        }
        let index = json!({ "metadata": {}, "weight_map": map });
        fs::write(index_path(folder.path()), index.to_string()).unwrap();
        folder
    }

    fn save_config(&self, folder: &Path) {
        fs::write(folder.join("config.json"), self.config.to_string()).unwrap();
    }

    /// A safetensors file of some of the tensors.
    pub fn file(&self, wanted: impl Fn(&str) -> bool) -> Vec<u8> {
        let mut header = serde_json::Map::new();
        let mut data = Vec::new();
        for (name, tensor) in self.tensors.iter().filter(|it| wanted(it.0)) {
            let start = data.len();
            data.extend(&tensor.bytes);
            let entry = json!({
                "dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [start, data.len()]
            });
            header.insert(name.clone(), entry);
        }
        container(&padded(&Value::Object(header).to_string()), &data)
    }
}

/// Where the index of a folder is.
pub fn index_path(folder: &Path) -> PathBuf {
    folder.join("model.safetensors.index.json")
}

/// A header filled up to a multiple of eight, as writers do.
pub fn padded(header: &str) -> String {
    let n = header.len().next_multiple_of(8) - header.len();
    format!("{header}{}", " ".repeat(n))
}

/// Length, header, data.
pub fn container(header: &str, data: &[u8]) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.extend(data);
    file
}
