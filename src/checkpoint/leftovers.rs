//! Tensors that no slot uses. Those known to change nothing are noted; any other is refused, because a
//! decoder with parts that are not computed is not the model the file holds.

use std::{collections::HashSet, path::Path};

use crate::spec::ModelSpec;

use super::{
    CheckpointError, LayerSlot,
    config::listed,
    container::{Tensor, Tensors},
    family::{Names, Role},
    quantization::is_beside,
};

/// What stands before the tensors of other inputs than text, beside a decoder under `model.`.
const TOWERS: &[&str] = &[
    "model.visual.",
    "model.vision_tower.",
    "model.embed_vision.",
    "model.audio_tower.",
    "model.embed_audio.",
    "model.multi_modal_projector.",
];

/// A note on tensors of no use.
///
/// # Errors
/// Tensors of an adapter, and tensors in the decoder that the family does not have.
pub(super) fn leftovers(
    names: &Names,
    spec: &ModelSpec,
    tensors: &Tensors,
    used: &HashSet<String>,
    place: &Path,
) -> Result<Option<String>, CheckpointError> {
    let rest = tensors.by_name.iter().filter(|it| !used.contains(it.0));
    let (known, unknown): (Vec<_>, Vec<_>) = rest.partition(|(name, tensor)| {
        is_of_no_use(name, tensor, names, spec) || tensors.is_zero_bias(name, tensor)
    });
    let first = |list: &[(&String, &Tensor)]| {
        let names: Vec<&String> = list.iter().map(|it| it.0).collect();
        listed(&names).unwrap_or_default()
    };
    if !unknown.is_empty() {
        return Err(CheckpointError::Leftover {
            n: unknown.len(),
            names: first(&unknown),
            family: spec.family_label.clone(),
            path: place.to_owned(),
        });
    }
    Ok(match known.len() {
        0 => None,
        1 => Some(format!(
            "1 tensor is in the file and not used: {}",
            first(&known)
        )),
        n => Some(format!(
            "{n} tensors are in the file and not used: {}",
            first(&known)
        )),
    })
}

/// What published checkpoints carry beside what they compute with: layers beyond the last, drafts of
/// later tokens, buffers, tensors without a number, and whatever lies outside of the decoder, such as
/// the head of another task.
fn is_of_no_use(name: &str, tensor: &Tensor, names: &Names, spec: &ModelSpec) -> bool {
    if TOWERS.iter().any(|it| name.starts_with(it)) {
        return true;
    }
    let layer = names.layer_of(name);
    let is_mtp = name.split('.').any(|it| it.starts_with("mtp"));
    let is_gate_of_none = layer.is_some_and(|layer| {
        let mut spellings = names.spellings(Role::In(LayerSlot::SharedGate));
        spellings.any(|it| {
            it.stem(layer).0 == name
                && it
                    .sources(Role::In(LayerSlot::SharedGate), spec, layer)
                    .is_empty()
        })
    });
    layer.is_some_and(|it| it >= spec.layers.len())
        || is_mtp
        || is_gate_of_none
        || tensor.shape.contains(&0)
        || is_beside(name)
        || name.ends_with("rotary_emb.inv_freq")
        || name.ends_with(".masked_bias")
        || !names.is_inside(name)
}
