//! The operations on a graphics processor: our own kernels through wgpu, on a device of the
//! engine's own. `src/ops/cpu` is the reference of every one.
//!
//! **Invariant:** nothing here waits inside a step. What a step needs is noted, handed over in one
//! submit, and comes back in one readback.

mod abilities;
mod activations;
mod adapter;
mod attention;
#[cfg(test)]
mod attention_tests;
mod best;
mod cache;
mod capacity;
mod control;
mod device;
mod distance;
mod draw;
mod embed;
mod expert_shards;
mod experts;
#[cfg(test)]
mod experts_format_tests;
#[cfg(test)]
mod experts_halves_tests;
#[cfg(test)]
mod experts_tests;
mod formats;
mod heads;
mod indexer;
mod kernel;
mod latent;
mod limits;
mod linear;
mod logits;
mod memory;
mod norm;
mod normed;
mod ops;
mod packing;
mod peak_rates;
#[cfg(test)]
mod plane_cases;
#[cfg(test)]
mod planes_tests;
mod pointwise;
mod predict;
#[cfg(test)]
mod predict_tests;
mod readback;
mod recurrent;
#[cfg(test)]
mod recurrent_tests;
mod relaid;
mod rope;
#[cfg(test)]
mod rope_tests;
mod route;
#[cfg(test)]
mod route_cases;
#[cfg(test)]
mod route_edit_tests;
#[cfg(test)]
mod route_tests;
mod tables;
mod tensor;
#[cfg(test)]
mod testing;
mod weight;

pub use adapter::{AdapterChoice, AdapterFacts, list, why_not};
pub use device::{Counters, Gpu};
// The parts of the device, by short paths for those that run kernels on it.
use device::{pipeline, record};
pub use limits::exceeded;
pub use tensor::GpuTensor;
pub use weight::GpuWeight;
