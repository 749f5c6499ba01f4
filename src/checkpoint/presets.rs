//! Shapes of models with random weights: those of known checkpoints (by their `config.json`), and any others, spelled
//! out.

use serde_json::{Map, Value, json};

use super::{CheckpointError, bundled};

/// The models that can be made up by name.
pub const PRESETS: &[&str] = &[
    "olmoe-1b-7b",
    "granite-1b-a400m",
    "qwen3-30b-a3b",
    "mixtral-8x7b",
    "deepseek-v2-lite",
    "glm-4.7-flash",
    "gpt-oss-20b",
    "qwen3.6-35b-a3b",
    bundled::TOUR,
];

/// What starts a model that is spelled out: `custom:hidden=2048,experts=64,k=8`.
const CUSTOM: &str = "custom:";

/// A key that is typed, the key of config.json it sets, and what it is where it is not typed.
const KEYS: &[(&str, &str, u64)] = &[
    ("layers", "num_hidden_layers", 16),
    ("hidden", "hidden_size", 2048),
    ("ffn", "moe_intermediate_size", 1024),
    ("experts", "num_experts", 64),
    ("k", "num_experts_per_tok", 8),
    ("heads", "num_attention_heads", 16),
    ("kv", "num_key_value_heads", 4),
    ("width", "head_dim", 128),
    ("vocab", "vocab_size", 50_304),
    ("context", "max_position_embeddings", 4096),
];

/// The settings of a preset, as its config.json has them.
///
/// # Errors
/// An unknown preset, or a key or value that is none.
pub fn settings(preset: &str) -> Result<Value, CheckpointError> {
    if let Some(list) = preset.strip_prefix(CUSTOM) {
        return custom(list);
    }
    Ok(match preset {
        "olmoe-1b-7b" => json!({
            "model_type": "olmoe", "hidden_size": 2048, "intermediate_size": 1024,
            "num_hidden_layers": 16, "num_attention_heads": 16, "num_key_value_heads": 16,
            "num_experts": 64, "num_experts_per_tok": 8, "norm_topk_prob": false,
            "vocab_size": 50304, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
            "rope_theta": 10000.0, "tie_word_embeddings": false
        }),
        "granite-1b-a400m" => json!({
            "model_type": "granitemoe", "hidden_size": 1024, "intermediate_size": 512,
            "num_hidden_layers": 24, "num_attention_heads": 16, "num_key_value_heads": 8,
            "num_local_experts": 32, "num_experts_per_tok": 8, "vocab_size": 49155,
            "max_position_embeddings": 4096, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
            "attention_multiplier": 0.015_625, "embedding_multiplier": 12.0,
            "logits_scaling": 6.0, "residual_multiplier": 0.22, "tie_word_embeddings": true
        }),
        "qwen3-30b-a3b" => json!({
            "model_type": "qwen3_moe", "hidden_size": 2048, "intermediate_size": 6144,
            "moe_intermediate_size": 768, "num_hidden_layers": 48, "num_attention_heads": 32,
            "num_key_value_heads": 4, "head_dim": 128, "num_experts": 128,
            "num_experts_per_tok": 8, "norm_topk_prob": true, "vocab_size": 151_936,
            "max_position_embeddings": 40960, "rms_norm_eps": 1e-6, "rope_theta": 1_000_000.0,
            "tie_word_embeddings": false
        }),
        "mixtral-8x7b" => json!({
            "model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336,
            "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8,
            "num_local_experts": 8, "num_experts_per_tok": 2, "vocab_size": 32000,
            "max_position_embeddings": 32768, "rms_norm_eps": 1e-5, "rope_theta": 1_000_000.0,
            "tie_word_embeddings": false
        }),
        bundled::TOUR => serde_json::from_slice(bundled::CONFIG).unwrap_or_default(),
        _ => {
            return of_later_families(preset).ok_or_else(|| CheckpointError::Preset {
                name: preset.to_owned(),
                known: PRESETS.to_vec(),
            });
        }
    })
}

/// Latent attention, sinks, states.
fn of_later_families(preset: &str) -> Option<Value> {
    Some(match preset {
        "deepseek-v2-lite" => json!({
            "model_type": "deepseek_v2", "hidden_size": 2048, "intermediate_size": 10944,
            "moe_intermediate_size": 1408, "num_hidden_layers": 27, "num_attention_heads": 16,
            "q_lora_rank": null, "kv_lora_rank": 512, "qk_nope_head_dim": 128,
            "qk_rope_head_dim": 64, "v_head_dim": 128, "n_routed_experts": 64,
            "n_shared_experts": 2, "num_experts_per_tok": 6, "first_k_dense_replace": 1,
            "topk_method": "greedy", "norm_topk_prob": false, "routed_scaling_factor": 1.0,
            "vocab_size": 102_400, "max_position_embeddings": 163_840, "rms_norm_eps": 1e-6,
            "rope_theta": 10000.0, "tie_word_embeddings": false,
            "rope_scaling": {
                "type": "yarn", "factor": 40, "mscale": 0.707, "mscale_all_dim": 0.707,
                "original_max_position_embeddings": 4096
            }
        }),
        "glm-4.7-flash" => json!({
            "model_type": "glm4_moe_lite", "hidden_size": 2048, "intermediate_size": 10240,
            "moe_intermediate_size": 1536, "num_hidden_layers": 47, "num_attention_heads": 20,
            "q_lora_rank": 768, "kv_lora_rank": 512, "qk_nope_head_dim": 192,
            "qk_rope_head_dim": 64, "v_head_dim": 256, "n_routed_experts": 64,
            "n_shared_experts": 1, "num_experts_per_tok": 4, "first_k_dense_replace": 1,
            "n_group": 1, "topk_group": 1, "norm_topk_prob": true, "routed_scaling_factor": 1.8,
            "vocab_size": 154_880, "max_position_embeddings": 202_752, "rms_norm_eps": 1e-5,
            "rope_theta": 1_000_000.0, "tie_word_embeddings": false
        }),
        "gpt-oss-20b" => json!({
            "model_type": "gpt_oss", "hidden_size": 2880, "intermediate_size": 2880,
            "num_hidden_layers": 24, "num_attention_heads": 64, "num_key_value_heads": 8,
            "head_dim": 64, "num_local_experts": 32, "num_experts_per_tok": 4,
            "vocab_size": 201_088, "max_position_embeddings": 131_072, "rms_norm_eps": 1e-5,
            "sliding_window": 128, "attention_bias": true, "swiglu_limit": 7.0,
            "rope_theta": 150_000.0, "tie_word_embeddings": false,
            "rope_scaling": {
                "rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0,
                "original_max_position_embeddings": 4096, "truncate": false
            }
        }),
        "qwen3.6-35b-a3b" => json!({
            "model_type": "qwen3_5_moe_text", "hidden_size": 2048, "num_hidden_layers": 40,
            "num_attention_heads": 16, "num_key_value_heads": 2, "head_dim": 256,
            "full_attention_interval": 4, "attn_output_gate": true,
            "linear_num_key_heads": 16, "linear_num_value_heads": 32,
            "linear_key_head_dim": 128, "linear_value_head_dim": 128,
            "linear_conv_kernel_dim": 4, "num_experts": 256, "num_experts_per_tok": 8,
            "moe_intermediate_size": 512, "shared_expert_intermediate_size": 512,
            "vocab_size": 248_320, "max_position_embeddings": 262_144, "rms_norm_eps": 1e-6,
            "rope_parameters": {
                "rope_type": "default", "rope_theta": 10_000_000.0, "partial_rotary_factor": 0.25
            },
            "tie_word_embeddings": false
        }),
        _ => return None,
    })
}

/// The rule of Qwen3's routers in shapes of one's own.
fn custom(list: &str) -> Result<Value, CheckpointError> {
    let fixed = json!({
        "model_type": "qwen3_moe", "intermediate_size": 64, "norm_topk_prob": true,
        "rms_norm_eps": 1e-6, "rope_theta": 1_000_000.0, "tie_word_embeddings": false
    });
    let mut settings = match fixed {
        Value::Object(it) => it,
        _ => Map::new(),
    };
    for (_, key, usual) in KEYS {
        settings.insert((*key).to_owned(), (*usual).into());
    }
    for pair in list.split(',').filter(|it| !it.is_empty()) {
        let bad = || CheckpointError::CustomKey {
            pair: pair.to_owned(),
            known: KEYS.iter().map(|it| it.0).collect(),
        };
        let (key, value) = pair.split_once('=').ok_or_else(bad)?;
        let known = KEYS.iter().find(|it| it.0 == key.trim()).ok_or_else(bad)?;
        let value: u32 = value.trim().parse().map_err(|_| bad())?;
        settings.insert(known.1.to_owned(), value.into());
    }
    Ok(Value::Object(settings))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::checkpoint::{config::Config, family};

    /// Layers, width, experts, chosen, vocabulary of a preset, read as a checkpoint's settings are.
    fn check(preset: &str, want: [usize; 5]) {
        let text = settings(preset).unwrap().to_string();
        let config = Config::parse(text.as_bytes(), Path::new(preset)).unwrap();
        let draft = family::read(family::find(&config).unwrap(), &config).unwrap();
        let (spec, router) = (&draft.spec, &draft.spec.routers[0]);
        let got = [
            spec.layers.len(),
            spec.d_model,
            router.n_experts,
            router.top_k,
            spec.n_vocab,
        ];
        assert_eq!(got, want, "{preset}");
    }

    #[test]
    fn presets_have_the_published_shapes() {
        check("olmoe-1b-7b", [16, 2048, 64, 8, 50_304]);
        check("granite-1b-a400m", [24, 1024, 32, 8, 49_155]);
        check("qwen3-30b-a3b", [48, 2048, 128, 8, 151_936]);
        check("mixtral-8x7b", [32, 4096, 8, 2, 32_000]);
        check("deepseek-v2-lite", [27, 2048, 64, 6, 102_400]);
        check("glm-4.7-flash", [47, 2048, 64, 4, 154_880]);
        check("gpt-oss-20b", [24, 2880, 32, 4, 201_088]);
        check("qwen3.6-35b-a3b", [40, 2048, 256, 8, 248_320]);
        check(
            "custom:layers=3,experts=7,k=2,vocab=99",
            [3, 2048, 7, 2, 99],
        );
    }

    #[test]
    fn what_is_no_shape_is_told() {
        for (text, word) in [
            ("custom:depth=3", "depth"),
            ("custom:layers", "layers"),
            ("custom:layers=-1", "-1"),
            ("gpt-5", "gpt-5"),
        ] {
            let why = settings(text).unwrap_err().to_string();
            assert!(why.contains(word) && why.contains("expected"), "{why}");
        }
    }
}
