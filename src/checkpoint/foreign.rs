//! What lies where a model is expected and is none: pointers and pages saved in place of files, weights
//! in formats that are not read, adapters.

use serde_json::Value;

use super::{
    CheckpointError,
    config::{self, Config},
    container::{Tensor, Tensors},
};

/// The first bytes of what is known, and what it is.
const STARTS: &[(&[u8], &str)] = &[
    (
        b"version https://git-lfs",
        "this is a Git LFS pointer and not the file itself, which `git lfs pull` fetches",
    ),
    (b"GGUF", "this is a GGUF file"),
    (
        b"PK\x03\x04",
        "this is a zip archive or a pickle, which is never loaded",
    ),
    (b"\x80\x02", "this is a pickle, which is never loaded"),
    (b"\x80\x03", "this is a pickle, which is never loaded"),
    (b"\x80\x04", "this is a pickle, which is never loaded"),
    (b"\x1F\x8B", "this is a gzip archive"),
    (b"\xFD7zXZ", "this is an xz archive"),
    (b"\x28\xB5\x2F\xFD", "this is a zstd archive"),
    (b"\xFF\xFE", "this is a text in UTF-16 or no text"),
    (b"\xFE\xFF", "this is a text in UTF-16 or no text"),
];

/// How pages of the web begin, in small letters.
const PAGES: [&[u8]; 4] = [b"<!doctype", b"<html", b"<?xml", b"<!--"];

/// What the bytes of a file are, where they are something known that is no model's file.
pub(super) fn recognised(bytes: &[u8]) -> Option<&'static str> {
    let known = STARTS.iter().find(|it| bytes.starts_with(it.0));
    if let Some((_, what)) = known {
        return Some(what);
    }
    let text = bytes.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(bytes);
    let text = text.trim_ascii_start();
    let is_page = PAGES.iter().any(|it| {
        let start = text.get(..it.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(it))
    });
    is_page.then_some("this is a web page saved in place of the file")
}

/// What ends or contains the names of tensors in fewer bits, and who writes them; the first that is
/// found counts.
const SIGNS: &[(&str, &str)] = &[
    (".qweight", "GPTQ or AWQ"),
    (".qzeros", "GPTQ or AWQ"),
    (".quant_state.", "bitsandbytes"),
    (".absmax", "bitsandbytes"),
    (".SCB", "bitsandbytes"),
    (".weight_packed", "compressed-tensors"),
    (".weight_scale_inv", "FP8 blocks"),
    (".weight_scale", "compressed-tensors"),
    ("_blocks", "MXFP4"),
    (".scales", "MLX"),
];

/// `quant_method` of configs, and what people call it.
const METHODS: &[(&str, &str)] = &[
    ("gptq", "GPTQ"),
    ("awq", "AWQ"),
    ("fp8", "FP8 blocks"),
    ("mxfp4", "MXFP4"),
];

/// A note where a config speaks of quantised weights, but they are plain.
///
/// # Errors
/// Quantised weights, which are not read, and weights of an adapter.
pub(super) fn check(config: &Config, tensors: &Tensors) -> Result<Option<String>, CheckpointError> {
    let path = |it: &Tensor| tensors.path_of(it);
    let adapter = tensors.by_name.iter().find(|(name, _)| {
        [".lora_A.", ".lora_B.", ".lora_embedding_", ".base_layer."]
            .iter()
            .any(|it| name.contains(it))
    });
    if let Some((name, tensor)) = adapter {
        return Err(CheckpointError::Broken {
            what: format!(
                "tensor {name} is part of an adapter, expected a whole model, into which its adapter is merged"
            ),
            path: path(tensor),
        });
    }
    let method = method(config);
    let sign = SIGNS.iter().find_map(|(end, method)| {
        let mut names = tensors.by_name.iter();
        let found = names
            .find(|(name, _)| name.ends_with(end) || (end.ends_with('.') && name.contains(end)))?;
        Some((found, *method))
    });
    let unread = || tensors.by_name.iter().find(|it| it.1.dtype.is_err());
    let found = match (&method, sign) {
        (Some(method), Some((found, _))) => Some((found, method.clone())),
        (None, Some((found, method))) => Some((found, method.to_owned())),
        (Some(method), None) => unread().map(|it| (it, method.clone())),
        (None, None) => None,
    };
    match (found, method) {
        (Some(((name, tensor), method)), _) => Err(CheckpointError::Quantised {
            method,
            tensor: name.clone(),
            path: path(tensor),
        }),
        (None, Some(method)) => Ok(Some(format!(
            "{} says that the weights are quantised by {method}, but they are plain numbers",
            config.file_name()
        ))),
        (None, None) => Ok(None),
    }
}

/// The method of quantisation that a config names.
fn method(config: &Config) -> Option<String> {
    let named = |it: &Value| {
        let name = it.get("quant_method").and_then(Value::as_str)?;
        let known = METHODS.iter().find(|it| it.0 == name);
        Some(known.map_or_else(|| config::shorten(name), |it| it.1.to_owned()))
    };
    let settings = config
        .get("quantization_config")
        .or_else(|| config.get("compression_config"));
    if let Some(it) = settings.filter(|it| it.is_object()) {
        let is_bits = ["load_in_4bit", "load_in_8bit"]
            .iter()
            .any(|key| it.get(key).is_some());
        let usual = if is_bits {
            "bitsandbytes"
        } else {
            "a method without a name"
        };
        return Some(named(it).unwrap_or_else(|| usual.to_owned()));
    }
    let mlx = config.get("quantization")?;
    mlx.get("bits").map(|_| "MLX".to_owned())
}
