//! A graphics processor of the engine's own: its device and queue, what went wrong on it, what it did.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    sync::{Arc, mpsc},
};

use super::{
    adapter::{self, AdapterChoice, AdapterFacts},
    clock::Clock,
    kernel::Abilities,
    memory::{Arena, Held, Memory},
    pipeline::{Bindings, Pipeline, PipelineKey},
    record::{PARAMS_BYTES, Recording},
    rope::Tables,
};
use crate::ops::{DeviceError, cpu::Rope};
use crate::spec::RopeSpec;

/// Faults that are kept until somebody looks; the first one counts.
const N_FAULTS: usize = 16;

/// What a device did since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Kernels started.
    pub dispatches: u64,
    /// Command buffers handed to the driver.
    pub submits: u64,
    /// Buffers mapped for the host to read.
    pub readbacks: u64,
    /// Times the host waited for the device.
    pub waits: u64,
    /// Buffers made.
    pub allocations: u64,
}

/// A graphics processor.
#[derive(Debug)]
pub struct Gpu {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
    pub(super) facts: AdapterFacts,
    pub(super) can: Abilities,
    pub(super) memory: Memory,
    /// Raw scores of routers, read at the end of a step.
    pub(super) scores: Arena,
    /// What was chosen and predicted, read at the end of a step.
    pub(super) choices: Arena,
    pub(super) recording: RefCell<Recording>,
    /// What the rows' positions come to, uploaded once a step.
    pub(super) tables: RefCell<Tables>,
    pub(super) pipelines: RefCell<HashMap<PipelineKey, Arc<Pipeline>>>,
    pub(super) bindings: RefCell<Bindings>,
    /// Parameters of the dispatches of one submit.
    pub(super) params: Arc<Held>,
    pub(super) counters: Cell<Counters>,
    pub(super) clock: Clock,
    /// Frequencies of the rotations a model uses; nearly always one.
    pub(super) ropes: Vec<(RopeSpec, Rope)>,
    faults: mpsc::Receiver<DeviceError>,
    fault: RefCell<Option<DeviceError>>,
}

impl Gpu {
    /// The best adapter that is wanted, with all it can do.
    ///
    /// # Errors
    /// No such adapter, or its driver gives no device.
    pub fn open(wanted: AdapterChoice) -> Result<Self, DeviceError> {
        Self::open_with(wanted, |it| it)
    }

    /// The same with fewer abilities, as `limit` leaves them.
    ///
    /// # Errors
    /// No such adapter, or its driver gives no device.
    pub fn open_with(
        wanted: AdapterChoice,
        limit: impl FnOnce(Abilities) -> Abilities,
    ) -> Result<Self, DeviceError> {
        let (adapter, facts) = adapter::choose(&adapter::instance(), wanted)?;
        let can = limit(adapter::abilities(&facts));
        let request = adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("moescope"),
            required_features: features(&adapter, can),
            required_limits: adapter.limits(),
            ..wgpu::DeviceDescriptor::default()
        });
        let refused =
            |why: String| DeviceError::NoAdapter(format!("{} gives no device: {why}", facts.name));
        let (device, queue) = adapter::ready(request)
            .ok_or_else(|| refused("it never answered".to_owned()))?
            .map_err(|it| refused(it.to_string()))?;
        let faults = listen(&device);
        let memory = Memory::new(&device);
        Ok(Self {
            params: memory.uniform(PARAMS_BYTES),
            memory,
            scores: Arena::default(),
            choices: Arena::default(),
            recording: RefCell::default(),
            tables: RefCell::default(),
            pipelines: RefCell::default(),
            bindings: RefCell::default(),
            counters: Cell::default(),
            clock: Clock::default(),
            ropes: Vec::new(),
            faults,
            fault: RefCell::default(),
            device,
            queue,
            facts,
            can,
        })
    }

    /// What is told of its adapter.
    #[must_use]
    pub fn facts(&self) -> &AdapterFacts {
        &self.facts
    }

    /// What it did so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            allocations: self.memory.n_made(),
            ..self.counters.get()
        }
    }

    /// Bytes of all its buffers.
    #[must_use]
    pub fn n_bytes(&self) -> u64 {
        self.memory.n_bytes()
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Counters)) {
        let mut counters = self.counters.get();
        change(&mut counters);
        self.counters.set(counters);
    }

    /// The first thing that went wrong; nothing on the device can be trusted after it.
    ///
    /// # Errors
    /// That.
    pub fn check(&self) -> Result<(), DeviceError> {
        let mut fault = self.fault.borrow_mut();
        for it in self.faults.try_iter() {
            fault.get_or_insert(it);
        }
        fault.clone().map_or(Ok(()), Err)
    }

    /// What could be had of the device, or something in its place: the fault is told when the step lands.
    pub(super) fn or_fault<T>(
        &self,
        result: Result<T, DeviceError>,
        instead: impl FnOnce() -> T,
    ) -> T {
        result.unwrap_or_else(|error| {
            self.fault.borrow_mut().get_or_insert(error);
            instead()
        })
    }
}

fn features(adapter: &wgpu::Adapter, can: Abilities) -> wgpu::Features {
    let mut wanted = wgpu::Features::TIMESTAMP_QUERY;
    wanted.set(wgpu::Features::SUBGROUP, can.subgroups);
    wanted.set(wgpu::Features::SHADER_F16, can.f16);
    wanted & adapter.features()
}

/// Everything wgpu has to say arrives on the thread that looks for it.
fn listen(device: &wgpu::Device) -> mpsc::Receiver<DeviceError> {
    let (to_engine, faults) = mpsc::sync_channel(N_FAULTS);
    let to_engine_too = to_engine.clone();
    // A queue that is full holds the first faults, which are the ones that count.
    device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        let _ = to_engine.try_send(match error {
            wgpu::Error::OutOfMemory { .. } => {
                DeviceError::OutOfMemory("another buffer".to_owned())
            }
            it => DeviceError::Refused(first_line(&it.to_string())),
        });
    }));
    device.set_device_lost_callback(move |reason, why| {
        // A device that is dropped is not lost.
        if reason != wgpu::DeviceLostReason::Destroyed {
            let _ = to_engine_too.try_send(DeviceError::Lost(first_line(&why)));
        }
    });
    faults
}

fn first_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.join(" ").chars().take(300).collect()
}
