//! Where a model comes to run: the device that was chosen, or the one there is, and why.

use super::{Backend, Extent, LiveBackend, OpenError, Place};
use crate::checkpoint::{Allowances, MemoryNeed, Weights};
use crate::model::{Assembly, ModelError};
use crate::ops::{Cpu, Ops};
use crate::spec::{BlockFormat, DeviceChoice, ModelSpec, Placement};
use crate::trace::DeviceFacts;

/// A model on its way to a device, whichever that is.
pub(super) trait Placing {
    /// Pieces still to do, and in all.
    fn n_left(&self) -> (usize, usize);

    /// Makes the next piece ready.
    ///
    /// # Errors
    /// What the device cannot hold.
    fn step(&mut self, weights: &Weights) -> Result<(), ModelError>;

    /// The backend, once no piece is left. No token from `n_drawable` on is ever drawn.
    ///
    /// # Errors
    /// What the device cannot hold.
    fn finish(
        self: Box<Self>,
        weights: &Weights,
        n_drawable: usize,
    ) -> Result<Box<dyn Backend>, ModelError>;
}

impl<O: Ops + 'static> Placing for Assembly<O>
where
    LiveBackend<O>: Backend,
{
    fn n_left(&self) -> (usize, usize) {
        (Assembly::n_left(self), self.n_pieces())
    }

    fn step(&mut self, weights: &Weights) -> Result<(), ModelError> {
        Assembly::step(self, weights)
    }

    fn finish(
        self: Box<Self>,
        weights: &Weights,
        n_drawable: usize,
    ) -> Result<Box<dyn Backend>, ModelError> {
        let model = Assembly::finish(*self, weights)?;
        let backend = LiveBackend::new(model, n_drawable);
        // What runs ahead has memory of its own.
        let is_apart = backend.ops().runs_ahead();
        let files = if is_apart {
            Vec::new()
        } else {
            weights.files()
        };
        Ok(Box::new(backend.over(files)))
    }
}

/// A model to be placed, and how far its run will go.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// Display name.
    pub name: &'a str,
    pub spec: &'a ModelSpec,
    pub weights: &'a Weights,
    pub extent: Extent,
}

impl Asked<'_> {
    fn need(&self, place: Place, quantize: Option<BlockFormat>) -> MemoryNeed {
        let layouts = self.weights.layouts();
        self.extent.need(self.spec, layouts, place, quantize)
    }

    /// Refuses what the process may not take.
    fn check(&self, need: &MemoryNeed) -> Result<(), OpenError> {
        let may = Allowances::now();
        Ok(need.check(&may, "running this model", self.name)?)
    }
}

/// Why a device with so much memory of its own cannot hold it; none where it can, or does not say.
#[cfg(feature = "gpu")]
fn refusal(need: &MemoryNeed, device: &str, memory_bytes: Option<u64>) -> Option<OpenError> {
    let bytes = need.device_bytes.saturating_add(need.cache_bytes);
    let memory_bytes = memory_bytes.filter(|it| *it < bytes)?;
    Some(OpenError::DeviceMemory {
        device: device.to_owned(),
        memory_bytes,
        weight_bytes: need.device_bytes,
        cache_bytes: need.cache_bytes,
    })
}

/// A model that begins to be placed, and what is told of where.
pub(super) struct Begun {
    pub placing: Box<dyn Placing>,
    pub device: DeviceFacts,
    /// What it will hold.
    pub need: MemoryNeed,
}

impl Begun {
    /// Whether no piece is left to do.
    pub fn is_placed(&self) -> bool {
        self.placing.n_left().0 == 0
    }

    /// How many of so many bytes are placed, were all pieces alike.
    pub fn placed(&self, n_bytes: u64) -> u64 {
        let (n_left, n) = self.placing.n_left();
        n_bytes * (n - n_left) as u64 / n.max(1) as u64
    }

    /// Makes the next piece ready.
    ///
    /// # Errors
    /// What the device cannot hold.
    pub fn step(&mut self, weights: &Weights) -> Result<(), OpenError> {
        Ok(self.placing.step(weights)?)
    }

    /// The backend, once no layer is left.
    ///
    /// # Errors
    /// What the device cannot hold.
    pub fn finish(
        self,
        weights: &Weights,
        n_drawable: usize,
    ) -> Result<Box<dyn Backend>, OpenError> {
        Ok(self.placing.finish(weights, n_drawable)?)
    }
}

/// Takes the device that was chosen. Nothing of the weights is read or copied yet.
///
/// # Errors
/// What the model needs and is not computed, why the device cannot be had, or that it takes more memory
/// than there may be.
pub(super) fn begin(asked: Asked<'_>, placement: Placement) -> Result<Begun, OpenError> {
    match placement.device {
        DeviceChoice::Cpu => on_cpu(asked, placement, Vec::new()),
        DeviceChoice::Gpu => on_gpu(asked, placement),
        DeviceChoice::Auto => match on_gpu(asked, placement) {
            Ok(it) => Ok(it),
            Err(why) => on_cpu(asked, placement, vec![why.to_string()]),
        },
    }
}

fn on_cpu(asked: Asked<'_>, placement: Placement, notes: Vec<String>) -> Result<Begun, OpenError> {
    let device = DeviceFacts {
        notes,
        ..DeviceFacts::cpu()
    };
    let need = asked.need(Place::Cpu, placement.quantize);
    asked.check(&need)?;
    let assembly = Assembly::new(asked.spec.clone(), Cpu::default(), placement.quantize)?;
    Ok(Begun {
        placing: Box::new(assembly),
        device,
        need,
    })
}

#[cfg(not(feature = "gpu"))]
fn on_gpu(_asked: Asked<'_>, _placement: Placement) -> Result<Begun, OpenError> {
    Err(OpenError::NoGpu)
}

#[cfg(feature = "gpu")]
fn on_gpu(asked: Asked<'_>, placement: Placement) -> Result<Begun, OpenError> {
    use crate::ops::{AdapterChoice, Gpu, exceeds_kernels};

    let wanted = if placement.device == DeviceChoice::Auto {
        AdapterChoice::Hardware
    } else {
        AdapterChoice::Any
    };
    if let Some(why) = exceeds_kernels(asked.spec) {
        return Err(OpenError::Kernels(why));
    }
    let gpu = Gpu::open(wanted)?;
    let facts = gpu.facts();
    let need = asked.need(Place::Device, placement.quantize);
    if let Some(why) = refusal(&need, &facts.name, facts.memory_bytes) {
        return Err(why);
    }
    asked.check(&if facts.shares_memory() {
        need
    } else {
        need.beside_device()
    })?;
    let device = DeviceFacts {
        label: gpu.label(),
        is_gpu: true,
        details: facts.details(),
        notes: Vec::new(),
    };
    let assembly = Assembly::new(asked.spec.clone(), gpu, placement.quantize)?;
    Ok(Begun {
        placing: Box::new(assembly),
        device,
        need,
    })
}

#[cfg(all(test, feature = "gpu"))]
mod tests {
    use super::*;

    #[test]
    fn a_model_too_large_for_a_device_is_refused_with_numbers_before_it_is_read() {
        let need = MemoryNeed {
            device_bytes: 13_800_000_000,
            cache_bytes: 500_000_000,
            ..MemoryNeed::default()
        };
        assert!(refusal(&need, "Card", None).is_none());
        assert!(refusal(&need, "Card", Some(14_300_000_000)).is_none());
        assert_eq!(
            refusal(&need, "Card", Some(8_000_000_000))
                .unwrap()
                .to_string(),
            "Card has 8.0 GB of memory, and this model needs 14.3 GB: 13.8 GB of weights and 500.0 MB of cache"
        );
    }
}
