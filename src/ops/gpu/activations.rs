//! Activations as `kernels/experts.wgsl` numbers them.

use crate::spec::Act;

const SILU: u32 = 0;
const GELU_TANH: u32 = 1;
const RELU: u32 = 2;
const RELU2: u32 = 3;
const GPT_OSS: u32 = 4;
const SILU_CLAMP: u32 = 5;
const IDENTITY: u32 = 6;
const CLAMPED_SILU: u32 = 7;

/// Which one it is, for the override `act` of the kernel.
pub(super) const fn act_id(act: Act) -> u32 {
    match act {
        Act::Silu => SILU,
        Act::GeluTanh => GELU_TANH,
        Act::Relu => RELU,
        Act::Relu2 => RELU2,
        Act::GptOss { .. } => GPT_OSS,
        Act::SiluClamp { .. } => SILU_CLAMP,
        Act::Identity => IDENTITY,
        Act::ClampedSilu { .. } => CLAMPED_SILU,
    }
}
