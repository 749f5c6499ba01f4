//! Adapters, which are no model: their tensors are what a model is changed by.

use super::{CheckpointError, container::Tensors};

/// Refuses weights of an adapter.
///
/// # Errors
/// One of its tensors.
pub(super) fn check(tensors: &Tensors) -> Result<(), CheckpointError> {
    let adapter = tensors.by_name.iter().find(|(name, _)| {
        [".lora_A.", ".lora_B.", ".lora_embedding_", ".base_layer."]
            .iter()
            .any(|it| name.contains(it))
    });
    match adapter {
        None => Ok(()),
        Some((name, tensor)) => Err(CheckpointError::Broken {
            what: format!(
                "tensor {name} is part of an adapter, expected a whole model, into which its adapter is merged"
            ),
            path: tensors.path_of(tensor),
        }),
    }
}
