//! What families with Mamba-2 layers share: how the layer is set and what its tensors are called.

use crate::spec::Mamba2Spec;

use super::super::{CheckpointError, config::Config};

/// The names of the settings, which families spell differently, and their defaults.
pub(super) struct MambaKeys {
    pub(super) n_heads: (&'static str, usize),
    pub(super) head_dim: &'static str,
    pub(super) state_dim: (&'static str, usize),
    pub(super) n_groups: (&'static str, usize),
    pub(super) kernel: &'static str,
    pub(super) conv_bias: &'static str,
    pub(super) proj_bias: &'static str,
}

const MAX_HEADS: usize = 1 << 14;
const MAX_DIM: usize = 1 << 16;
/// Positions of a convolution at most.
pub(super) const MAX_KERNEL: usize = 64;

/// Reads the layer. Where nothing else is said a head is as wide as `default_head`.
///
/// # Errors
/// A setting that makes no sense.
pub(super) fn read(
    config: &Config,
    keys: &MambaKeys,
    default_head: impl FnOnce(usize) -> Result<usize, CheckpointError>,
    eps: f32,
) -> Result<Mamba2Spec, CheckpointError> {
    let n_heads = config.whole(keys.n_heads.0, 1..=MAX_HEADS, keys.n_heads.1)?;
    let is_auto = config.get(keys.head_dim).and_then(|it| it.as_str()) == Some("auto");
    let head_dim = if is_auto || config.get(keys.head_dim).is_none() {
        default_head(n_heads)?
    } else {
        config.whole(keys.head_dim, 1..=MAX_DIM, 1)?
    };
    let n_groups = config.whole(keys.n_groups.0, 1..=MAX_HEADS, keys.n_groups.1)?;
    if !n_heads.is_multiple_of(n_groups) {
        return Err(config.refuse(
            keys.n_groups.0,
            n_groups.to_string(),
            format!("a divisor of {}, {n_heads}", keys.n_heads.0),
        ));
    }
    Ok(Mamba2Spec {
        n_heads,
        head_dim,
        state_dim: config.whole(keys.state_dim.0, 1..=MAX_DIM, keys.state_dim.1)?,
        n_groups,
        kernel: config.whole(keys.kernel, 1..=MAX_KERNEL, 4)?,
        conv_bias: config.flag(keys.conv_bias, true)?,
        proj_bias: config.flag(keys.proj_bias, false)?,
        dt_range: [0.0, f32::INFINITY],
        eps,
    })
}

/// The tensors of a Mamba-2 layer, each behind what its family puts before them.
macro_rules! mamba_tensors {
    ($before:literal) => {
        &[
            Tensor::rows(
                concat!($before, "in_proj.weight"),
                &[Role::In(LayerSlot::Recurrent(RecurrentSlot::In(0)))],
            ),
            Tensor::rows(
                concat!($before, "in_proj.bias"),
                &[Role::In(LayerSlot::Recurrent(RecurrentSlot::InBias))],
            ),
            Tensor::rows(
                concat!($before, "conv1d.weight"),
                &[Role::In(LayerSlot::Recurrent(RecurrentSlot::Conv))],
            ),
            Tensor::rows(
                concat!($before, "conv1d.bias"),
                &[Role::In(LayerSlot::Recurrent(RecurrentSlot::ConvBias))],
            ),
            Tensor::read_as(
                Reading::LogOfDecay,
                concat!($before, "A_log"),
                &[Role::In(LayerSlot::Recurrent(RecurrentSlot::Decay))],
            ),
            Tensor::rows(
                concat!($before, "dt_bias"),
                &[Role::In(LayerSlot::Recurrent(RecurrentSlot::StepBias))],
            ),
            Tensor::rows(
                concat!($before, "D"),
                &[Role::In(LayerSlot::Recurrent(RecurrentSlot::Skip))],
            ),
            Tensor::rows(
                concat!($before, "norm.weight"),
                &[Role::In(LayerSlot::Recurrent(RecurrentSlot::Norm))],
            ),
            Tensor::rows(
                concat!($before, "out_proj.weight"),
                &[Role::In(LayerSlot::Recurrent(RecurrentSlot::Out))],
            ),
            Tensor::rows(
                concat!($before, "out_proj.bias"),
                &[Role::In(LayerSlot::Recurrent(RecurrentSlot::OutBias))],
            ),
        ]
    };
}

pub(super) use mamba_tensors;
