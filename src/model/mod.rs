//! The forward pass, written once over `Ops` for every family: attention, router, experts, cache.
//!
//! **Invariant:** no family has a branch here; what differs is in `ModelSpec`. What chooses the
//! experts is what is handed out to be drawn.

mod cross;
mod encode;
mod expert_weights;
mod experts;
mod forward;
mod held;
mod latent;
mod norms;
mod parts;
mod sequence;
mod source;
mod support;
mod weights;

pub use encode::encode;
pub use forward::{Batch, Outputs, forward};
pub use held::{HeldWeights, held_bytes, held_layout, not_quantized, token_bytes};
pub use parts::RouterOutputs;
pub use sequence::Sequence;
pub use source::ModelError;
pub use support::Unsupported;
pub use weights::{Assembly, Model};
