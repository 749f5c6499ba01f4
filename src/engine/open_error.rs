//! Why a model does not open, or does not come to another device.

use crate::checkpoint::{CheckpointError, gigabytes};
use crate::model::{ModelError, Unsupported};
use crate::ops::DeviceError;
use crate::spec::ModelChoice;

/// Why there is no model to run.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The checkpoint cannot be read, or takes more memory than there may be.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// It needs what is not computed.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// Its weights cannot be made ready.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The device cannot be had.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// There is no code for such a device.
    #[error("this program was built without graphics processors")]
    NoGpu,
    /// It goes beyond what the device's kernels take.
    #[error("{0}")]
    Kernels(String),
    /// The device has less memory than it needs.
    #[error(
        "{device} has {} of memory, and this model needs {}: {} of weights and {} of cache",
        gigabytes(*memory_bytes),
        gigabytes(weight_bytes.saturating_add(*cache_bytes)),
        gigabytes(*weight_bytes),
        gigabytes(*cache_bytes)
    )]
    DeviceMemory {
        /// Display name of the device.
        device: String,
        /// Bytes it has.
        memory_bytes: u64,
        /// Bytes of the weights in its buffers.
        weight_bytes: u64,
        /// Bytes of the keys and values.
        cache_bytes: u64,
    },
    /// A router's weight is no number, so no expert can be chosen.
    #[error(
        "{what}, so no expert can be chosen there; `moescope check` names all that is broken (in {name})"
    )]
    NotFinite {
        /// Which weight, in a sentence.
        what: String,
        /// The model's name.
        name: String,
    },
    /// What was opened was taken already.
    #[error("the model was taken already")]
    Taken,
    /// What cannot be opened, from an opener that reads no checkpoint.
    #[error("{0}")]
    NoModel(String),
}

impl OpenError {
    /// The models of which one has to be named; none where that is not what it is about.
    #[must_use]
    pub fn choices(&self) -> Vec<ModelChoice> {
        match self {
            Self::Checkpoint(CheckpointError::Several { choices, .. }) => choices.clone(),
            _ => Vec::new(),
        }
    }
}
