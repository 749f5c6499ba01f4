//! The architectures of GGUF files. Each is one of the families: the keys of the file become the settings of
//! its config, and what a file says by its tensors (dense layers, biases, widths) is read off them.
//!
//! Most of what a router does stands in no key: llama.cpp's graph of the architecture fixes it, and so does
//! the entry of the architecture here.
//!
//! Source of names, keys and defaults: `src/llama-arch.cpp`, `src/llama-model.cpp` and the converter of llama.cpp.

mod layers;
mod names;
mod settings;
#[cfg(test)]
mod tests;

use std::path::Path;

use serde_json::Value;

use crate::spec::RopeLayout;

use super::{
    super::{CheckpointError, config::Config, container::Tensors},
    Draft, Names, granite, mixtral, olmoe, qwen,
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
}

/// Every architecture that opens.
const ARCHS: &[Arch] = &[
    Arch {
        name: "llama",
        model_types: [mixtral::FAMILY.model_type; 2],
        keys: &[("sliding_window", "attention.sliding_window")],
        expert_width: "intermediate_size",
        renorm: true,
        rope: RopeLayout::Interleaved,
    },
    Arch {
        name: "olmoe",
        model_types: [olmoe::FAMILY.model_type; 2],
        keys: &[("clip_qkv", "attention.clamp_kqv")],
        expert_width: "intermediate_size",
        renorm: false,
        rope: RopeLayout::Half,
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
    },
    Arch {
        name: "qwen3moe",
        model_types: [qwen::QWEN3_MOE.model_type; 2],
        keys: &[],
        expert_width: "moe_intermediate_size",
        renorm: true,
        rope: RopeLayout::Half,
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
    },
];

/// What all of them call their tensors.
pub(in super::super) const NAMES: &Names = names::NAMES;

/// The model of a file.
///
/// # Errors
/// An architecture that does not open, a key that makes no sense, a model without any expert layer.
pub(in super::super) fn draft(file: &GgufModel<'_>) -> Result<(Draft, Config), CheckpointError> {
    const KEY: &str = "general.architecture";
    let Some(Value::String(name)) = (file.get)(KEY) else {
        return Err(CheckpointError::Setting {
            key: KEY.to_owned(),
            got: (file.get)(KEY).map_or_else(|| "missing".to_owned(), |it| it.to_string()),
            want: format!("one of {}", opens()),
            path: file.path.to_owned(),
        });
    };
    let Some(arch) = ARCHS.iter().find(|it| it.name == name) else {
        return Err(unknown(file, &name));
    };
    if !settings::has_experts(file, arch) {
        return Err(dense(file, &name));
    }
    let config = settings::read(file, arch)?;
    let family = super::find(&config)?;
    let mut draft = super::read(family, &config)?;
    layers::complete(&mut draft, file, arch, &config)?;
    super::check_has_experts(family.label, &draft.spec, file.path)?;
    Ok((draft, config))
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
        what: format!("the architecture {name} is not read yet"),
        opens: opens(),
        path: file.path.to_owned(),
    }
}

/// The architectures that open, as a sentence lists them.
fn opens() -> String {
    let names: Vec<&str> = ARCHS.iter().map(|it| it.name).collect();
    format!("GGUF files of {}", names.join(", "))
}
