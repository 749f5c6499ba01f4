//! The families that open. One entry in one list: how its config is read, and what its tensors are
//! called. To add a family, write a file beside the others and add its line to `FAMILIES`.

mod afmoe;
mod arctic;
mod bailing;
#[cfg(test)]
mod blocks_tests;
mod cohere;
mod dbrx;
mod deepseek;
mod deepseek_mla;
mod dots;
mod ernie;
mod exaone;
mod flex_olmo;
mod gemma;
pub(super) mod gguf;
mod glm;
mod gpt_oss;
mod granite;
mod grok;
mod hunyuan;
mod jamba;
mod jetmoe;
mod kda;
mod laguna;
mod latent;
mod lfm2;
mod llama4;
mod llama_moe;
mod llama_names;
mod mamba;
mod mellum;
mod mimo;
mod minimax;
mod missing;
#[cfg(test)]
mod missing_tests;
mod mixtral;
mod names;
mod nemotron;
mod olmoe;
mod phimoe;
mod plain;
mod prefix;
mod qwen;
mod qwen_next;
#[cfg(test)]
mod related_tests;
mod step;
mod switch;
mod time_moe;

use std::path::Path;

use crate::spec::{Ffn, LayerSpec, ModelSpec};

use super::{CheckpointError, config::Config};

pub(super) use names::{NameStem, Names, Prefix, Role, Spelling, TensorSource};

/// One family.
pub(super) struct Family {
    /// `model_type` of its configs.
    pub(super) model_type: &'static str,
    /// As people write it.
    pub(super) label: &'static str,
    /// Reads its config.
    pub(super) read: fn(&Config) -> Result<Draft, CheckpointError>,
    /// What its tensors are called.
    pub(super) names: &'static Names,
}

/// What a config says.
pub(super) struct Draft {
    /// The model; its head may turn out to be tied.
    pub(super) spec: ModelSpec,
    /// What a person should know.
    pub(super) notes: Vec<String>,
    /// Tensors that were read as settings.
    pub(super) read: Vec<String>,
}

/// Every family that opens.
pub(super) const FAMILIES: &[Family] = &[
    mixtral::FAMILY,
    olmoe::FAMILY,
    deepseek_mla::DEEPSEEK_V2,
    deepseek_mla::DEEPSEEK_V3,
    deepseek_mla::DEEPSEEK_V32,
    deepseek_mla::KIMI_K2,
    deepseek_mla::KIMI_K25,
    deepseek_mla::KIMI_VL,
    deepseek_mla::GLM4_MOE_LITE,
    kda::KIMI_LINEAR,
    kda::BAILING_HYBRID,
    flex_olmo::FLEX_OLMO,
    gemma::GEMMA4,
    gemma::GEMMA4_TEXT,
    phimoe::PHIMOE,
    dbrx::DBRX,
    arctic::ARCTIC,
    grok::GROK1,
    llama_moe::LLAMA_MOE,
    jamba::JAMBA,
    jetmoe::JETMOE,
    qwen::QWEN2_MOE,
    qwen::QWEN3_MOE,
    qwen::QWEN3_VL_MOE,
    qwen::QWEN3_VL_MOE_TEXT,
    gpt_oss::GPT_OSS,
    granite::GRANITE_MOE,
    granite::GRANITE_MOE_SHARED,
    granite::GRANITE_MOE_HYBRID,
    lfm2::LFM2_MOE,
    mellum::MELLUM,
    nemotron::NEMOTRON_H,
    qwen_next::QWEN3_NEXT,
    qwen_next::QWEN3_5_MOE,
    qwen_next::QWEN3_5_MOE_TEXT,
    deepseek::DEEPSEEK,
    glm::GLM4_MOE,
    dots::DOTS1,
    minimax::MINIMAX_M2,
    ernie::ERNIE4_5_MOE,
    hunyuan::HUNYUAN_V1_MOE,
    mimo::MIMO_V2_FLASH,
    laguna::LAGUNA,
    step::STEP3P7,
    step::STEP3P5,
    afmoe::AFMOE,
    cohere::COHERE2_MOE,
    exaone::EXAONE_MOE,
    exaone::HY_V3,
    llama4::LLAMA4,
    llama4::LLAMA4_TEXT,
    switch::FAMILY,
    time_moe::FAMILY,
];

/// Families of which only GGUF files open.
const GGUF_ONLY: &[Family] = &[bailing::BAILING_MOE, bailing::BAILING_MOE_V2];

/// Families without experts, so that a person who tries one is told so.
const DENSE: &[&str] = &[
    "bert",
    "bloom",
    "cohere",
    "falcon",
    "gemma",
    "gemma2",
    "gemma3",
    "gpt2",
    "gpt_neox",
    "granite",
    "llama",
    "mistral",
    "mpt",
    "olmo",
    "olmo2",
    "opt",
    "phi",
    "phi3",
    "qwen2",
    "qwen3",
    "smollm3",
    "stablelm",
    "starcoder2",
    "t5",
];

/// The family of a config.
///
/// # Errors
/// One that does not open, by name: known and not read yet, dense, or unknown.
pub(super) fn find(config: &Config) -> Result<&'static Family, CheckpointError> {
    let Some(model_type) = config.text("model_type")? else {
        return Err(without_type(config));
    };
    if let Some(family) = FAMILIES.iter().find(|it| it.model_type == model_type) {
        return Ok(family);
    }
    if DENSE.contains(&model_type) {
        return Err(CheckpointError::Dense {
            what: format!("{model_type} is a dense model"),
            path: config.path().to_owned(),
        });
    }
    let what = match GGUF_ONLY.iter().find(|it| it.model_type == model_type) {
        Some(it) => format!(
            "{} ({model_type}) opens as a GGUF file, and not from safetensors",
            it.label
        ),
        None => sentence(model_type, class(config).map(stem)),
    };
    Err(CheckpointError::Family {
        what,
        opens: opens(),
        path: config.path().to_owned(),
    })
}

/// The family of the settings that a GGUF file was read as.
///
/// # Errors
/// One that does not open.
pub(super) fn find_of_gguf(config: &Config) -> Result<&'static Family, CheckpointError> {
    let model_type = config.text("model_type")?;
    let only = GGUF_ONLY
        .iter()
        .find(|it| Some(it.model_type) == model_type);
    only.map_or_else(|| find(config), Ok)
}

/// What is known of a family of configs that does not open.
fn sentence(name: &str, class: Option<&str>) -> String {
    let opens: Vec<&str> = FAMILIES.iter().map(|it| it.model_type).collect();
    missing::sentence(name, class, missing::Place::Config, &opens)
}

/// The class that a config names.
fn class(config: &Config) -> Option<&str> {
    config.get("architectures")?.get(0)?.as_str()
}

/// A class without what it is for: `Qwen3Moe` of `Qwen3MoeForCausalLM`.
fn stem(class: &str) -> &str {
    class.split_once("For").map_or(class, |it| it.0)
}

/// Of a config that does not say what it is of: what the name of its class is near to.
fn without_type(config: &Config) -> CheckpointError {
    let want = match class(config) {
        None => format!("one of {}", opens()),
        Some(class) => {
            let near = sentence(stem(class), None);
            format!("one of {}; by its class {class}, {near}", opens())
        }
    };
    config.wrong("model_type", want)
}

/// The `model_type`s that open, as a sentence lists them.
pub(super) fn opens() -> String {
    let names: Vec<&str> = FAMILIES.iter().map(|it| it.model_type).collect();
    names.join(", ")
}

/// Reads a config by its family.
///
/// # Errors
/// A setting that makes no sense, or a model without any expert layer.
pub(super) fn read(family: &Family, config: &Config) -> Result<Draft, CheckpointError> {
    let draft = (family.read)(config)?;
    check_has_experts(family.label, &draft.spec, config.path())?;
    Ok(draft)
}

fn check_has_experts(label: &str, spec: &ModelSpec, path: &Path) -> Result<(), CheckpointError> {
    if spec.routers.is_empty() {
        return Err(CheckpointError::Dense {
            what: format!("every layer of this {label} model is dense"),
            path: path.to_owned(),
        });
    }
    Ok(())
}

/// Whether a layer has experts.
pub(super) fn has_experts(layer: &LayerSpec) -> bool {
    matches!(layer.ffn, Ffn::Moe(_))
}
