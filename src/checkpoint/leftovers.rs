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

/// What stands before the tensors of other inputs than text, beside a decoder under `model.` or at the root, and which.
const TOWERS: &[(&str, &str)] = &[
    ("model.visual.", "images"),
    ("model.vision_model.", "images"),
    ("model.vision_tower.", "images"),
    ("model.embed_vision.", "images"),
    ("model.multi_modal_projector.", "images"),
    ("model.audio_tower.", "sound"),
    ("model.embed_audio.", "sound"),
    ("visual.", "images"),
    ("vision_model.", "images"),
    ("vision_tower.", "images"),
    ("multi_modal_projector.", "images"),
    ("vit_large_projector.", "images"),
    ("audio_tower.", "sound"),
];

/// What a tower reads; none where the tensor is of no tower.
fn tower(name: &str) -> Option<&'static str> {
    TOWERS
        .iter()
        .find(|it| name.starts_with(it.0))
        .map(|it| it.1)
}

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
    let known: Vec<&String> = known.iter().map(|it| it.0).collect();
    Ok(note(&known, |it| {
        is_draft(it) || is_beyond(it, names, spec)
    }))
}

/// Towers by what they read, drafts of later tokens, and whatever else is not used.
fn note(names: &[&String], is_draft: impl Fn(&str) -> bool) -> Option<String> {
    let tensors = |n: usize| match n {
        1 => "1 tensor".to_owned(),
        n => format!("{n} tensors"),
    };
    let mut parts: Vec<String> = Vec::new();
    for input in ["images", "sound"] {
        let n = names.iter().filter(|it| tower(it) == Some(input)).count();
        if n > 0 {
            let n = tensors(n);
            parts.push(format!("the tower for {input} is not run ({n})"));
        }
    }
    let rest = || names.iter().filter(|it| tower(it).is_none());
    let n_drafts = rest().filter(|it| is_draft(it)).count();
    if n_drafts > 0 {
        let n = tensors(n_drafts);
        parts.push(format!("what drafts later tokens is not run ({n})"));
    }
    let other: Vec<&&String> = rest().filter(|it| !is_draft(it)).collect();
    if let Some(first) = listed(&other) {
        let (n, are) = (
            tensors(other.len()),
            if other.len() == 1 { "is" } else { "are" },
        );
        parts.push(format!("{n} {are} in the file and not used: {first}"));
    }
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Whether it belongs to what predicts more tokens than the next.
fn is_draft(name: &str) -> bool {
    name.split('.').any(|it| it.starts_with("mtp"))
}

/// Whether it is of a layer beyond the last, which drafts later tokens too.
fn is_beyond(name: &str, names: &Names, spec: &ModelSpec) -> bool {
    names
        .layer_of(name)
        .is_some_and(|it| it >= spec.layers.len())
}

/// What published checkpoints carry beside what they compute with: layers beyond the last, drafts of
/// later tokens, buffers, tensors without a number, and whatever lies outside of the decoder, such as
/// the head of another task.
fn is_of_no_use(name: &str, tensor: &Tensor, names: &Names, spec: &ModelSpec) -> bool {
    if tower(name).is_some() {
        return true;
    }
    let layer = names.layer_of(name);
    let is_gate_of_none = layer.is_some_and(|layer| {
        let mut spellings = names.spellings(Role::In(LayerSlot::SharedGate));
        spellings.any(|it| {
            it.stem(layer).before == name
                && it
                    .sources(Role::In(LayerSlot::SharedGate), spec, layer, false)
                    .is_empty()
        })
    });
    is_beyond(name, names, spec)
        || is_draft(name)
        || is_gate_of_none
        || tensor.shape.contains(&0)
        || is_beside(name)
        || name.ends_with("rotary_emb.inv_freq")
        || name.ends_with(".masked_bias")
        // T5's first code gave cross-attention a table of distances that it never read.
        || name.ends_with(".EncDecAttention.relative_attention_bias.weight")
        // Noise of gates in training.
        || name.ends_with(".weight_noise.weight")
        || !names.is_inside(name)
}
