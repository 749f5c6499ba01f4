//! Weights in fewer bits in files of safetensors: which tensors together are one weight, under the name it would have
//! as plain numbers, and how its numbers lie in them.
//!
//! ```text
//! settings   what the config says of it
//! signs      what a tensor's name and kind of number show; methods that are not read, by name
//! parts      a tensor that belongs to a weight, its kind of number and shape checked
//! fp8, fp4, words, mlx, compressed   one file a layout, with the writer it was read from
//! ```
//!
//! The meaning of such a weight is its numbers, decoded: activations stay f32, whatever a config says of theirs.

mod compressed;
mod fp4;
mod fp8;
mod mlx;
mod parts;
mod settings;
mod signs;
#[cfg(test)]
mod tests;
mod words;

use super::{
    CheckpointError, WeightView,
    config::{Config, listed},
    container::{Tensor, Tensors},
    packed::{PackedWeight, Scheme},
};

use crate::formats::Dtype;

use self::settings::Settings;

pub(super) use self::{parts::PlaneTensors, signs::is_beside};

/// Finds the weights that several tensors are. Returns what a person should know.
///
/// # Errors
/// A method that is not read, by name.
pub(super) fn find(config: &Config, tensors: &mut Tensors) -> Result<Vec<String>, CheckpointError> {
    let settings = Settings::read(config)?;
    let packed = signs::packed(&settings, tensors)?;
    let notes = notes(&settings, config, tensors, packed.is_empty());
    tensors.packed = packed.into_iter().collect();
    Ok(notes)
}

/// In a GGUF file: blocks of `NVFP4` beside which an f32 says by what products with them are multiplied.
pub(super) fn find_scaled_blocks(tensors: &mut Tensors) {
    let scaled = |(name, tensor): (&String, &Tensor)| {
        let stem = name.strip_suffix(".weight")?;
        let is_scaled = tensor.dtype.ok() == Some(Dtype::Nvfp4)
            && fp4::scale_of(stem, |it| tensors.by_name.contains_key(it)).is_some();
        let packed = PackedWeight {
            scheme: Scheme::NvBlocks,
            stem: stem.to_owned(),
        };
        is_scaled.then(|| (name.clone(), packed))
    };
    tensors.packed = tensors.by_name.iter().filter_map(scaled).collect();
}

fn notes(settings: &Settings, config: &Config, tensors: &Tensors, is_plain: bool) -> Vec<String> {
    let file = config.file_name();
    match settings.label() {
        Some(method) if is_plain => vec![format!(
            "{file} says that the weights are quantised by {method}, but they are plain numbers"
        )],
        _ if is_plain => Vec::new(),
        _ => {
            let names = tensors.by_name.keys();
            let beside: Vec<&String> = names.filter(|it| is_beside(it)).collect();
            let scaled = settings.scales_activations() || !beside.is_empty();
            let unused = listed(&beside).map_or_else(String::new, |it| format!(" ({it})"));
            let note = || {
                format!(
                    "the weights are decoded as they are stored and activations stay f32: what the file says of activations in fewer bits is not used{unused}"
                )
            };
            scaled.then(note).into_iter().collect()
        }
    }
}

impl PackedWeight {
    /// The weight, whose shape as plain numbers would be `shape`.
    ///
    /// # Errors
    /// A tensor of it that is missing, or has another shape or kind of number.
    pub(super) fn view(
        &self,
        shape: &[usize],
        parts: &mut PlaneTensors<'_>,
    ) -> Result<WeightView, CheckpointError> {
        let stem = &self.stem;
        let want = parts.want(shape, stem)?;
        let (planes, matrices) = (
            match self.scheme {
                Scheme::Fp8(block) => fp8::planes(stem, block, &want, parts)?,
                Scheme::Int8 => fp8::int8(stem, &want, parts)?,
                Scheme::Mxfp4 => fp4::mxfp4(stem, &want, parts)?,
                Scheme::Nvfp4 => fp4::nvfp4(stem, &want, parts)?,
                Scheme::NvBlocks => fp4::nv_blocks(stem, &want, parts)?,
                Scheme::PackedFp4 => compressed::floats(stem, &want, parts)?,
                Scheme::PackedInt { needs_zeros } => {
                    compressed::whole(stem, needs_zeros, &want, parts)?
                }
                Scheme::Gptq(bits, group, plus) => {
                    words::gptq(stem, bits, group, plus, &want, parts)?
                }
                Scheme::Awq(group) => words::awq(stem, group, &want, parts)?,
                Scheme::Mlx(mode) => mlx::planes(stem, mode, &want, parts)?,
            },
            want.matrices(),
        );
        Ok(WeightView::in_planes(planes, matrices))
    }
}
