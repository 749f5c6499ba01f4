//! A folder or file on disk, or bytes in the program, to a `ModelSpec`, weights and a tokenizer.

mod weights;

pub use weights::{Blob, Dtype, LayerSlot, Numbers, Part, Slot, WeightView, Weights};
