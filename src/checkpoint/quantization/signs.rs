//! What shows that a weight is quantised: the names of its tensors, and their kinds of number.

use safetensors::Dtype as Raw;

use super::{
    super::{
        CheckpointError,
        container::{Tensor, Tensors},
        packed::{MlxMode, PackedWeight, Scheme},
    },
    settings::Settings,
};
use crate::formats::ZeroPlus;

/// What ends or contains the names of tensors in fewer bits that no scheme claims, and who writes them; the first that
/// is found counts.
const SIGNS: &[(&str, &str)] = &[
    (".quant_state.", "bitsandbytes"),
    (".absmax", "bitsandbytes"),
    (".SCB", "bitsandbytes"),
    (".W_q", "HQQ"),
    (".codebooks", "AQLM"),
];

/// What ends the names of tensors that say how activations, and keys and values, are rounded by others; and shapes that
/// other tensors tell too. Nothing of it is computed with.
const BESIDE: &[&str] = &[
    ".input_scale",
    ".input_global_scale",
    ".activation_scale",
    ".k_scale",
    ".v_scale",
    ".output_scale",
    ".weight_shape",
];

/// Whether a tensor says nothing of weights.
pub(in super::super) fn is_beside(name: &str) -> bool {
    BESIDE.iter().any(|it| name.ends_with(it))
}

/// Every weight that several tensors are, by the name it would have as plain numbers.
///
/// # Errors
/// A method that is not read, by name.
pub(super) fn packed(
    settings: &Settings,
    tensors: &Tensors,
) -> Result<Vec<(String, PackedWeight)>, CheckpointError> {
    let mut out = Vec::new();
    for (name, tensor) in &tensors.by_name {
        if let Some((stem, scheme)) = claimed(name, tensor, settings, tensors)? {
            let weight = match scheme {
                Scheme::Fp8(_) | Scheme::Int8 | Scheme::Mxfp4 => stem.clone(),
                _ => format!("{stem}.weight"),
            };
            out.push((weight, PackedWeight { scheme, stem }));
        }
    }
    if out.is_empty()
        && let Some(sign) = unread(settings, tensors)
    {
        return Err(sign);
    }
    match by_sign(tensors) {
        Some((name, tensor, method)) => Err(refused(method, name, tensor, tensors)),
        None => Ok(out),
    }
}

/// The stem and the scheme of a tensor of levels.
fn claimed(
    name: &str,
    tensor: &Tensor,
    settings: &Settings,
    tensors: &Tensors,
) -> Result<Option<(String, Scheme)>, CheckpointError> {
    let has = |name: String| tensors.by_name.contains_key(&name);
    let refuse = |method: &str| refused(method, name, tensor, tensors);
    let read = |methods: &[&str], usual: &str| {
        let method = settings.label().unwrap_or_else(|| usual.to_owned());
        let is_read = settings.is_of(methods);
        is_read.then_some(()).ok_or_else(|| refuse(&method))
    };
    let raw = tensor.raw();
    if let Some(stem) = name.strip_suffix(".qweight") {
        return Ok(Some((stem.to_owned(), words(settings, refuse)?)));
    }
    if let Some(stem) = name.strip_suffix(".weight_packed") {
        read(&["compressed-tensors"], "compressed-tensors")?;
        let scheme = match raw {
            Some(Raw::U8) => Scheme::PackedFp4,
            _ => Scheme::PackedInt {
                needs_zeros: settings.is_asymmetric(),
            },
        };
        return Ok(Some((stem.to_owned(), scheme)));
    }
    if let Some(stem) = name
        .strip_suffix("_blocks")
        .filter(|_| raw == Some(Raw::U8))
    {
        read(&["mxfp4"], "MXFP4")?;
        return Ok(Some((stem.to_owned(), Scheme::Mxfp4)));
    }
    if raw == Some(Raw::F8_E4M3) && !is_scale(name) {
        read(
            &["fp8", "fbgemm_fp8", "compressed-tensors", "modelopt"],
            "FP8",
        )?;
        return Ok(Some((name.to_owned(), Scheme::Fp8(settings.block()?))));
    }
    let Some(stem) = name.strip_suffix(".weight") else {
        return Ok(None);
    };
    Ok(match raw {
        Some(Raw::U32) if settings.is("mlx") || has(format!("{stem}.scales")) => {
            read(&["mlx"], "MLX")?;
            let mode = settings.text("mode")?;
            if has(format!("{stem}.global_scale")) {
                return Err(refuse("MLX with a global_scale"));
            }
            let mode = match mode.as_deref() {
                None | Some("affine") => MlxMode::Affine,
                // Weights of other bits beside them, such as routers, have minimums, and are affine.
                Some("mxfp4" | "mxfp8" | "nvfp4") if has(format!("{stem}.biases")) => {
                    MlxMode::Affine
                }
                Some("mxfp4") => MlxMode::Mxfp4,
                Some("mxfp8") => MlxMode::Mxfp8,
                Some("nvfp4") => MlxMode::Nvfp4,
                Some(other) => return Err(refuse(&format!("MLX, mode {other}"))),
            };
            Some((stem.to_owned(), Scheme::Mlx(mode)))
        }
        Some(Raw::U8) if settings.is("modelopt") || has(format!("{stem}.weight_scale_2")) => {
            read(&["modelopt"], "NVFP4")?;
            Some((stem.to_owned(), Scheme::Nvfp4))
        }
        Some(Raw::I8) if settings.is("compressed-tensors") || has(format!("{name}_scale")) => {
            read(&["compressed-tensors"], "compressed-tensors")?;
            Some((name.to_owned(), Scheme::Int8))
        }
        _ => None,
    })
}

/// AWQ or GPTQ: the config alone tells which.
fn words(
    settings: &Settings,
    refuse: impl Fn(&str) -> CheckpointError,
) -> Result<Scheme, CheckpointError> {
    let (bits, group) = (settings.bits()?, settings.group()?);
    match settings.method.as_deref() {
        Some("awq") => {
            let version = settings
                .text("version")?
                .unwrap_or_else(|| "gemm".to_owned());
            if bits != 4 || version != "gemm" {
                return Err(refuse(&format!("AWQ of {bits} bits, version {version}")));
            }
            Ok(Scheme::Awq(group))
        }
        Some("gptq") => {
            let format = settings.text("checkpoint_format")?;
            let plus = match format.as_deref() {
                None | Some("gptq") if settings.is_of_gptqmodel() => Some(ZeroPlus::OneCarried),
                None | Some("gptq") => Some(ZeroPlus::One),
                Some("gptq_v2") => Some(ZeroPlus::Nothing),
                Some(_) => None,
            };
            match plus {
                Some(plus) if matches!(bits, 4 | 8) => Ok(Scheme::Gptq(bits, group, plus)),
                _ => {
                    let format = format.as_deref().unwrap_or("gptq");
                    Err(refuse(&format!("GPTQ of {bits} bits, format {format}")))
                }
            }
        }
        Some(_) => Err(refuse(&settings.label().unwrap_or_default())),
        None => Err(refuse("GPTQ or AWQ, which no quant_method tells apart")),
    }
}

/// Whether an 8-bit float scales others.
fn is_scale(name: &str) -> bool {
    name.ends_with("_scale") || name.ends_with("_scale_inv") || name.ends_with(".scales")
}

/// The refusal of numbers that no scheme claims, where the config speaks of fewer bits.
fn unread(settings: &Settings, tensors: &Tensors) -> Option<CheckpointError> {
    let method = settings.label()?;
    let (name, tensor) = tensors.by_name.iter().find(|it| it.1.dtype.is_err())?;
    Some(refused(&method, name, tensor, tensors))
}

fn by_sign(tensors: &Tensors) -> Option<(&String, &Tensor, &'static str)> {
    SIGNS.iter().find_map(|(end, method)| {
        let mut names = tensors.by_name.iter();
        let found = names
            .find(|(name, _)| name.ends_with(end) || (end.ends_with('.') && name.contains(end)))?;
        Some((found.0, found.1, *method))
    })
}

fn refused(method: &str, name: &str, tensor: &Tensor, tensors: &Tensors) -> CheckpointError {
    CheckpointError::Quantised {
        method: method.to_owned(),
        tensor: name.to_owned(),
        path: tensors.path_of(tensor),
    }
}
