//! The architectures of GGUF files. Each is one of the families: the keys of the file become the settings of
//! its config, and what a file says by its tensors (dense layers, biases, widths) is read off them.
//!
//! Most of what a router does stands in no key: llama.cpp's graph of the architecture fixes it, and so does
//! the entry of the architecture here.
//!
//! Source of names, keys and defaults: `src/llama-arch.cpp`, `src/llama-model.cpp` and the converter of llama.cpp.

mod block_names;
mod blocks;
mod channel_names;
mod channels;
mod latent;
#[cfg(test)]
mod latent_tests;
mod layers;
mod names;
mod related;
mod settings;
mod states;
#[cfg(test)]
mod tests;
mod windowed;

use std::path::Path;

use serde_json::Value;

use self::settings::Settings;
use crate::spec::{DeltaLayout, KvMap, RopeLayout};

use super::{
    super::{CheckpointError, config::Config, container::Tensors},
    Draft, Names, deepseek_mla, gpt_oss, granite, jamba, lfm2, mellum, missing, mixtral, nemotron,
    olmoe, qwen, qwen_next,
};

/// What a GGUF file says, and where.
pub(in super::super) struct GgufModel<'a> {
    /// The value of a key as JSON has it; `None` where the file does not have it, or has a list of texts.
    pub(in super::super) get: &'a dyn Fn(&str) -> Option<Value>,
    /// Its tensors.
    pub(in super::super) tensors: &'a Tensors,
    /// The file.
    pub(in super::super) path: &'a Path,
}

/// One architecture.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of an architecture by itself, and most have none of them"
)]
struct Arch {
    /// `general.architecture`.
    name: &'static str,
    /// `model_type` of the family, without a shared expert and with one.
    model_types: [&'static str; 2],
    /// Settings of the family, and what stands behind `ARCH.` in the key they come from.
    keys: &'static [(&'static str, &'static str)],
    /// The setting that is the width of an expert.
    expert_width: &'static str,
    /// Whether the weights of the chosen are divided by their sum.
    renorm: bool,
    /// Which dimensions a rotation pairs, in the rows as the file has them. Where the converter changed their
    /// order, this is the order that it made.
    rope: RopeLayout,
    /// What a head may rotate of.
    rotated: Rotated,
    /// The setting of the norms' epsilon, and its key.
    eps: (&'static str, &'static str),
    /// Whether layers are of several kinds, so that lists of one value a layer have 0 where a part is not there.
    has_kinds: bool,
    /// Settings that may differ from layer to layer: `more` reads which has what.
    by_layer: &'static [&'static str],
    /// Accepted values of `expert_gating_func`; 0 means unset.
    gating: &'static [f64],
    /// How the rows of a delta rule lie, and which key head a value head reads: as the converter left them.
    delta: (DeltaLayout, KvMap),
    /// Whether query heads may differ by layer.
    heads_by_layer: bool,
    /// Whether the factor on weights is one on their sum, and in none of them.
    scales_sum: bool,
    /// What else is read off the file.
    more: fn(&mut Settings<'_>),
    /// What its tensors are called.
    names: &'static Names,
}

/// How much of a head rotates.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rotated {
    /// All of it.
    Whole,
    /// As much as the file says.
    Part,
    /// Nothing, whatever the file says.
    Nothing,
    /// Numbers of its own: heads of latent attention.
    Apart,
}

/// How experts are scored, as llama.cpp counts it (`llama_expert_gating_func_type`).
const SOFTMAX: f64 = 1.0;
const SIGMOID: f64 = 2.0;
const SOFTMAX_OF_CHOSEN: f64 = 3.0;

/// What most architectures are.
const PLAIN: Arch = Arch {
    name: "",
    model_types: [""; 2],
    keys: &[],
    expert_width: "moe_intermediate_size",
    renorm: true,
    rope: RopeLayout::Half,
    rotated: Rotated::Whole,
    eps: ("rms_norm_eps", "attention.layer_norm_rms_epsilon"),
    has_kinds: false,
    by_layer: &[],
    gating: &[0.0, SOFTMAX],
    delta: (DeltaLayout::Split, KvMap::Grouped),
    heads_by_layer: false,
    scales_sum: false,
    more: |_| (),
    names: names::NAMES,
};

/// Every architecture that opens.
fn archs() -> impl Iterator<Item = &'static Arch> {
    let others = [
        related::ARCHS,
        blocks::ARCHS,
        channels::ARCHS,
        windowed::ARCHS,
    ];
    ARCHS.iter().chain(others.into_iter().flatten())
}

/// What files call the architectures that open.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    archs().map(|it| it.name)
}

const ARCHS: &[Arch] = &[
    Arch {
        name: "llama",
        model_types: [mixtral::FAMILY.model_type; 2],
        keys: &[("sliding_window", "attention.sliding_window")],
        expert_width: "intermediate_size",
        renorm: true,
        rope: RopeLayout::Interleaved,
        ..PLAIN
    },
    Arch {
        name: "olmoe",
        model_types: [olmoe::FAMILY.model_type; 2],
        keys: &[("clip_qkv", "attention.clamp_kqv")],
        expert_width: "intermediate_size",
        renorm: false,
        rope: RopeLayout::Half,
        ..PLAIN
    },
    Arch {
        name: "qwen2moe",
        model_types: [qwen::QWEN2_MOE.model_type; 2],
        keys: &[(
            "shared_expert_intermediate_size",
            "expert_shared_feed_forward_length",
        )],
        expert_width: "moe_intermediate_size",
        renorm: false,
        rope: RopeLayout::Half,
        ..PLAIN
    },
    Arch {
        name: "qwen3moe",
        model_types: [qwen::QWEN3_MOE.model_type; 2],
        keys: &[],
        expert_width: "moe_intermediate_size",
        renorm: true,
        rope: RopeLayout::Half,
        ..PLAIN
    },
    // Positions of pictures and texts are apart in three sections: of a text all are the same.
    Arch {
        name: "qwen3vlmoe",
        model_types: [qwen::QWEN3_VL_MOE_TEXT.model_type; 2],
        ..PLAIN
    },
    Arch {
        name: "granitemoe",
        model_types: [
            granite::GRANITE_MOE.model_type,
            granite::GRANITE_MOE_SHARED.model_type,
        ],
        keys: &[
            ("embedding_multiplier", "embedding_scale"),
            ("residual_multiplier", "residual_scale"),
            ("logits_scaling", "logit_scale"),
            (
                "shared_intermediate_size",
                "expert_shared_feed_forward_length",
            ),
        ],
        expert_width: "intermediate_size",
        renorm: true,
        rope: RopeLayout::Interleaved,
        ..PLAIN
    },
    Arch {
        name: "qwen3next",
        model_types: [qwen_next::QWEN3_NEXT.model_type; 2],
        keys: DELTA_KEYS,
        rotated: Rotated::Part,
        delta: (DeltaLayout::SplitPairs, KvMap::Grouped),
        has_kinds: true,
        more: states::qwen_next,
        names: names::QWEN_NEXT,
        ..PLAIN
    },
    Arch {
        name: "qwen35moe",
        model_types: [qwen_next::QWEN3_5_MOE_TEXT.model_type; 2],
        keys: DELTA_KEYS,
        rotated: Rotated::Part,
        delta: (DeltaLayout::Split, KvMap::Tiled),
        has_kinds: true,
        more: states::qwen_next,
        names: names::QWEN_NEXT,
        ..PLAIN
    },
    Arch {
        name: "lfm2moe",
        model_types: [lfm2::LFM2_MOE.model_type; 2],
        keys: &[
            ("conv_L_cache", "shortconv.l_cache"),
            ("num_dense_layers", "leading_dense_block_count"),
        ],
        eps: ("norm_eps", "attention.layer_norm_rms_epsilon"),
        has_kinds: true,
        gating: &[0.0, SIGMOID],
        more: states::lfm2,
        names: names::SHORT_CONV,
        ..PLAIN
    },
    Arch {
        name: "granitehybrid",
        model_types: [granite::GRANITE_MOE_HYBRID.model_type; 2],
        keys: &[
            ("embedding_multiplier", "embedding_scale"),
            ("residual_multiplier", "residual_scale"),
            ("logits_scaling", "logit_scale"),
            (
                "shared_intermediate_size",
                "expert_shared_feed_forward_length",
            ),
            ("mamba_n_heads", "ssm.time_step_rank"),
            ("mamba_d_state", "ssm.state_size"),
            ("mamba_n_groups", "ssm.group_count"),
            ("mamba_d_conv", "ssm.conv_kernel"),
        ],
        expert_width: "intermediate_size",
        rope: RopeLayout::Interleaved,
        has_kinds: true,
        more: states::granite_hybrid,
        names: names::MAMBA,
        ..PLAIN
    },
    Arch {
        name: "nemotron_h_moe",
        model_types: [nemotron::NEMOTRON_H.model_type; 2],
        keys: &[
            (
                "moe_shared_expert_intermediate_size",
                "expert_shared_feed_forward_length",
            ),
            ("mamba_num_heads", "ssm.time_step_rank"),
            ("ssm_state_size", "ssm.state_size"),
            ("n_groups", "ssm.group_count"),
            ("conv_kernel", "ssm.conv_kernel"),
            ("n_group", "expert_group_count"),
            ("topk_group", "expert_group_used_count"),
        ],
        rotated: Rotated::Nothing,
        eps: ("layer_norm_epsilon", "attention.layer_norm_epsilon"),
        has_kinds: true,
        gating: &[0.0, SIGMOID],
        more: states::nemotron,
        names: names::ONE_PART,
        ..PLAIN
    },
    Arch {
        name: "jamba",
        model_types: [jamba::JAMBA.model_type; 2],
        keys: &[
            ("mamba_d_state", "ssm.state_size"),
            ("mamba_d_conv", "ssm.conv_kernel"),
            ("mamba_dt_rank", "ssm.time_step_rank"),
        ],
        expert_width: "intermediate_size",
        renorm: false,
        rotated: Rotated::Nothing,
        has_kinds: true,
        gating: &[0.0, SOFTMAX],
        more: states::jamba,
        names: names::MAMBA1,
        ..PLAIN
    },
    Arch {
        name: "gpt-oss",
        model_types: [gpt_oss::GPT_OSS.model_type; 2],
        keys: &[("sliding_window", "attention.sliding_window")],
        expert_width: "intermediate_size",
        gating: &[0.0, SOFTMAX_OF_CHOSEN],
        more: states::gpt_oss,
        names: names::GPT_OSS,
        ..PLAIN
    },
    Arch {
        name: "deepseek2",
        model_types: [deepseek_mla::DEEPSEEK_V3.model_type; 2],
        keys: latent::KEYS,
        renorm: false,
        rope: RopeLayout::Interleaved,
        rotated: Rotated::Apart,
        gating: &[0.0, SOFTMAX, SIGMOID],
        more: latent::deepseek,
        names: names::LATENT,
        ..PLAIN
    },
    Arch {
        name: "deepseek32",
        model_types: [deepseek_mla::DEEPSEEK_V32.model_type; 2],
        keys: latent::INDEXED_KEYS,
        renorm: false,
        rope: RopeLayout::Interleaved,
        rotated: Rotated::Apart,
        gating: &[0.0, SOFTMAX, SIGMOID],
        more: latent::indexed,
        names: names::INDEXED,
        ..PLAIN
    },
    Arch {
        name: "mellum",
        model_types: [mellum::MELLUM.model_type; 2],
        keys: &[("sliding_window", "attention.sliding_window")],
        more: states::mellum,
        ..PLAIN
    },
];

const DELTA_KEYS: &[(&str, &str)] = &[
    (
        "shared_expert_intermediate_size",
        "expert_shared_feed_forward_length",
    ),
    ("full_attention_interval", "full_attention_interval"),
    ("linear_conv_kernel_dim", "ssm.conv_kernel"),
    ("linear_key_head_dim", "ssm.state_size"),
    ("linear_num_key_heads", "ssm.group_count"),
    ("linear_num_value_heads", "ssm.time_step_rank"),
];

/// What a file says of its model.
pub(in super::super) struct Found {
    /// The model.
    pub(in super::super) draft: Draft,
    /// Its settings.
    pub(in super::super) config: Config,
    /// What its tensors are called.
    pub(in super::super) names: &'static Names,
}

/// The model of a file.
///
/// # Errors
/// An architecture that does not open, a key that makes no sense, a model without any expert layer.
pub(in super::super) fn draft(file: &GgufModel<'_>) -> Result<Found, CheckpointError> {
    const KEY: &str = "general.architecture";
    let Some(Value::String(name)) = (file.get)(KEY) else {
        return Err(CheckpointError::Setting {
            key: KEY.to_owned(),
            got: (file.get)(KEY).map_or_else(|| "missing".to_owned(), |it| it.to_string()),
            want: format!("one of {}", opens()),
            path: file.path.to_owned(),
        });
    };
    let Some(arch) = archs().find(|it| it.name == name) else {
        return Err(unknown(file, &name));
    };
    if !settings::has_experts(file, arch) {
        return Err(dense(file, &name));
    }
    let config = settings::read(file, arch)?;
    let family = super::find_of_gguf(&config)?;
    let mut draft = super::read(family, &config)?;
    layers::complete(&mut draft, file, arch, &config)?;
    super::check_has_experts(family.label, &draft.spec, file.path)?;
    Ok(Found {
        draft,
        config,
        names: arch.names,
    })
}

fn dense(file: &GgufModel<'_>, name: &str) -> CheckpointError {
    CheckpointError::Dense {
        what: format!("this {name} model is dense"),
        path: file.path.to_owned(),
    }
}

fn unknown(file: &GgufModel<'_>, name: &str) -> CheckpointError {
    let n_experts = (file.get)(&format!("{name}.expert_count"));
    if n_experts.and_then(|it| it.as_u64()).unwrap_or(0) == 0 {
        return dense(file, name);
    }
    CheckpointError::Family {
        what: missing::sentence(
            name,
            None,
            missing::Place::Gguf,
            &names().collect::<Vec<_>>(),
        ),
        opens: opens(),
        path: file.path.to_owned(),
    }
}

/// The architectures that open, as a sentence lists them.
fn opens() -> String {
    let names: Vec<&str> = names().collect();
    format!("GGUF files of {}", names.join(", "))
}
