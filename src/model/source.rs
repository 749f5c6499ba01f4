//! Where a model's weights come from: slot by slot, as they are held while it runs.

use super::{Unsupported, held::is_quantized};
use crate::checkpoint::{Slot, WeightView, Weights};
use crate::ops::{DeviceError, Ops, quantized};
use crate::spec::BlockFormat;

/// Why a model cannot be made of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// A part that is not computed.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// A weight the checkpoint should have been refused for.
    #[error("the checkpoint has no weight for {0}")]
    Missing(String),
    /// What the device cannot hold.
    #[error(transparent)]
    Device(#[from] DeviceError),
}

/// Where the weights of a model come from, and where they go.
pub(super) struct WeightSource<'a, O: Ops> {
    pub(super) weights: &'a Weights,
    pub(super) ops: &'a O,
    pub(super) quantize: Option<BlockFormat>,
}

impl<O: Ops> WeightSource<'_, O> {
    /// A weight as it is held; one that is not there is an error.
    pub(super) fn view(&self, slot: Slot) -> Result<WeightView, ModelError> {
        let found = self.view_of(slot);
        found.ok_or_else(|| ModelError::Missing(format!("{slot:?}")))
    }

    /// The same where the model has it.
    pub(super) fn view_of(&self, slot: Slot) -> Option<WeightView> {
        self.weights.get(slot).map(|it| self.held(slot, it))
    }

    /// A weight as it is held: in blocks where that was asked for and can be.
    fn held(&self, slot: Slot, view: &WeightView) -> WeightView {
        let blocks = self.quantize.filter(|_| is_quantized(slot));
        let made = blocks.and_then(|it| quantized(view, it.into()));
        made.unwrap_or_else(|| view.clone())
    }

    /// A weight that the model has to have.
    pub(super) fn need(&self, slot: Slot) -> Result<O::Weight, ModelError> {
        Ok(self.ops.weight(&[&self.view(slot)?])?)
    }

    /// A weight, where the model has it.
    pub(super) fn find(&self, slot: Slot) -> Result<Option<O::Weight>, ModelError> {
        let found = self.view_of(slot).map(|it| self.ops.weight(&[&it]));
        Ok(found.transpose()?)
    }

    /// Weights row upon row.
    pub(super) fn stack(&self, slots: &[Slot]) -> Result<O::Weight, ModelError> {
        let views: Vec<WeightView> = slots
            .iter()
            .map(|it| self.view(*it))
            .collect::<Result<_, _>>()?;
        Ok(self.ops.weight(&views.iter().collect::<Vec<_>>())?)
    }
}
