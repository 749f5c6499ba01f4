//! A graphics processor of the engine's own: its device and queue, what went wrong on it, what it did.

mod angles;
mod clock;
mod notes;
pub(super) mod pipeline;
pub(super) mod record;

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    sync::{Arc, mpsc},
};

use self::{
    angles::Tables,
    clock::Clock,
    notes::Notes,
    pipeline::{Bindings, Pipeline, PipelineKey},
    record::{CommandRecord, PARAMS_BYTES},
};
use super::{
    abilities::Abilities,
    adapter::{self, AdapterChoice, AdapterFacts},
    formats::Coding,
    memory::{Arena, GpuBuffer, Memory, Slice},
};
use crate::ops::{DeviceError, cpu::Rope};
use crate::panics::caught;
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
    /// None where nothing is computed, only planned.
    pub(super) card: Option<Card>,
    pub(super) facts: AdapterFacts,
    pub(super) can: Abilities,
    pub(super) memory: Memory,
    /// Raw scores of routers, read at the end of a step.
    pub(super) scores: Arena,
    /// What was chosen and predicted, read at the end of a step.
    pub(super) choices: Arena,
    pub(super) recording: RefCell<CommandRecord>,
    /// What the rows' positions come to, uploaded once a step.
    tables: RefCell<Tables>,
    /// What codes of formats stand for.
    pub(super) code_tables: RefCell<HashMap<Coding, Slice>>,
    pub(super) pipelines: RefCell<HashMap<PipelineKey, Arc<Pipeline>>>,
    pub(super) bindings: RefCell<Bindings>,
    /// Parameters of the dispatches of one submit.
    pub(super) params: Arc<GpuBuffer>,
    pub(super) counters: Cell<Counters>,
    pub(super) clock: Clock,
    /// What was handed over, where somebody wants to know.
    pub(super) notes: RefCell<Notes>,
    /// Frequencies of the rotations a model uses; nearly always one.
    pub(super) ropes: Vec<(RopeSpec, Rope)>,
    faults: Faults,
    fault: RefCell<Option<DeviceError>>,
}

/// The driver's side of a graphics processor.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) device: wgpu::Device,
    pub(super) queue: wgpu::Queue,
}

/// Errors reported by wgpu.
#[derive(Debug)]
struct Faults {
    told: mpsc::Receiver<DeviceError>,
    /// Device-lost, on its own channel: other errors follow from it, may come before it, and be many.
    lost: mpsc::Receiver<DeviceError>,
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
        Ok(Self::with(Some(Card { device, queue }), facts, can, faults))
    }

    /// A device of which only the facts are there: it holds nothing and computes nothing, and what is handed over
    /// to it is counted as it comes.
    #[must_use]
    pub fn planned(facts: AdapterFacts) -> Self {
        let (_, told) = mpsc::sync_channel(1);
        let (_, lost) = mpsc::sync_channel(1);
        let can = adapter::abilities(&facts);
        let gpu = Self::with(None, facts, can, Faults { told, lost });
        gpu.notes.borrow_mut().is_on = true;
        gpu
    }

    fn with(card: Option<Card>, facts: AdapterFacts, can: Abilities, faults: Faults) -> Self {
        let memory = Memory::new(card.as_ref().map(|it| &it.device), &facts);
        Self {
            params: memory.uniform(PARAMS_BYTES),
            memory,
            scores: Arena::default(),
            choices: Arena::default(),
            recording: RefCell::default(),
            tables: RefCell::default(),
            code_tables: RefCell::default(),
            pipelines: RefCell::default(),
            bindings: RefCell::default(),
            counters: Cell::default(),
            clock: Clock::default(),
            notes: RefCell::default(),
            ropes: Vec::new(),
            faults,
            fault: RefCell::default(),
            card,
            facts,
            can,
        }
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

    /// Limits total buffer memory to `n_bytes`: a buffer beyond it is refused.
    pub fn limit_memory(&self, n_bytes: u64) {
        self.memory.limit(n_bytes);
    }

    /// Gives the device up at once, as a driver does that was reset or lost the card: whatever is
    /// asked of it from now on fails.
    pub fn lose(&self) {
        if let Some(it) = &self.card {
            it.device.destroy();
        }
    }

    /// Lets the device tell how far it is, or waits for it.
    ///
    /// # Errors
    /// The device was lost: wgpu panics where its driver says so in answer to a poll.
    pub(super) fn poll(&self, poll: wgpu::PollType) -> Result<(), DeviceError> {
        let Some(card) = &self.card else {
            return self.check();
        };
        let polled = or_lost(|| card.device.poll(poll));
        if !matches!(polled, Ok(Ok(_))) {
            // A submit that was refused is none to wait for; a poll without one is told of a loss.
            let _ = or_lost(|| card.device.poll(wgpu::PollType::Poll));
        }
        // What was told meanwhile says more.
        self.check()?;
        polled?.map_err(|it| DeviceError::Lost(it.to_string()))?;
        Ok(())
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Counters)) {
        let mut counters = self.counters.get();
        change(&mut counters);
        self.counters.set(counters);
    }

    /// The first thing that went wrong; nothing on the device can be trusted after it.
    ///
    /// # Errors
    /// The first error that was reported.
    pub fn check(&self) -> Result<(), DeviceError> {
        let mut fault = self.fault.borrow_mut();
        // A refused allocation is reported first; later driver errors follow from it.
        let refused = self.memory.refused();
        for it in refused.into_iter().chain(self.faults.told.try_iter()) {
            fault.get_or_insert(it);
        }
        if let Ok(lost) = self.faults.lost.try_recv() {
            fault.replace(lost);
        }
        fault.clone().map_or(Ok(()), Err)
    }

    /// What could be had of the device, or something in its place: the fault is told when the step completes.
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
fn listen(device: &wgpu::Device) -> Faults {
    let (to_engine, told) = mpsc::sync_channel(N_FAULTS);
    let (to_engine_too, lost) = mpsc::sync_channel(1);
    // A queue that is full holds the first faults, which are the ones that count.
    device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        let _ = to_engine.try_send(fault_of(&error));
    }));
    // Of a device that is dropped nobody is left to hear it.
    device.set_device_lost_callback(move |_, why| {
        let why = if why.is_empty() {
            "the driver gave it up".to_owned()
        } else {
            first_line(&why)
        };
        let _ = to_engine_too.try_send(DeviceError::Lost(why));
    });
    Faults { told, lost }
}

fn fault_of(error: &wgpu::Error) -> DeviceError {
    match error {
        wgpu::Error::OutOfMemory { .. } => DeviceError::OutOfMemory("another buffer".to_owned()),
        it => DeviceError::Refused(first_line(&it.to_string())),
    }
}

/// What a call of wgpu returns, or that the device was lost where it panics instead.
fn or_lost<T>(call: impl FnOnce() -> T) -> Result<T, DeviceError> {
    // The device is not used again after it.
    caught(call).ok_or_else(|| DeviceError::Lost("the driver does not answer any more".to_owned()))
}

fn first_line(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.join(" ").chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{
        Wait,
        gpu::testing::{gpus, numbers},
    };

    #[test]
    fn a_device_that_is_lost_says_so_at_the_next_result_and_ever_after() {
        let gpu = gpus().remove(0);
        let tensor = gpu.tensor_from(&numbers(64, 1), 64);
        let sound = gpu.read_back(std::slice::from_ref(&tensor.slice));
        assert!(gpu.complete(&sound, Wait::Done).unwrap().is_some());
        gpu.lose();
        for _ in 0..2 {
            let in_flight = gpu.read_back(std::slice::from_ref(&tensor.slice));
            let error = gpu.complete(&in_flight, Wait::Done).unwrap_err();
            let why = "the graphics processor was lost: the driver gave it up";
            assert_eq!(error.to_string(), why);
        }
        assert!(gpu.room("weights", 64).is_err(), "it takes nothing more");
    }

    #[test]
    fn a_panic_of_the_library_is_a_lost_device() {
        assert_eq!(or_lost(|| 1), Ok(1));
        let lost: Result<(), _> = or_lost(|| panic!("Error in Device::poll"));
        assert!(matches!(lost, Err(DeviceError::Lost(_))));
    }

    #[test]
    fn memory_that_is_short_is_a_sentence_with_numbers() {
        let gpu = gpus().remove(0);
        let most = gpu.n_bytes() + (4 << 20);
        gpu.limit_memory(most);
        let held = gpu.room("weights", 3 << 20).unwrap();
        let error = gpu.room("weights", 2 << 20).unwrap_err();
        let why = "the graphics processor has no memory left for weights: 2.1 MB, with ";
        assert!(error.to_string().starts_with(why), "{error}");
        gpu.check().unwrap();
        drop(held);
        gpu.room("weights", 2 << 20).unwrap();
    }

    #[test]
    fn a_buffer_of_a_step_that_cannot_be_had_is_told_when_the_step_lands() {
        let gpu = gpus().remove(0);
        gpu.limit_memory(gpu.n_bytes() + (1 << 20));
        let tensor = gpu.tensor_from(&vec![1.0; 1 << 20], 1 << 10);
        let in_flight = gpu.read_back(std::slice::from_ref(&tensor.slice));
        let error = gpu.complete(&in_flight, Wait::Done).unwrap_err();
        assert!(matches!(error, DeviceError::OutOfMemory(_)), "{error}");
    }

    #[test]
    fn a_buffer_larger_than_any_is_no_memory() {
        let gpu = gpus().remove(0);
        let error = gpu.room("weights", 1 << 50).unwrap_err();
        let why = "has no memory left for weights: 1125899.9 GB, and one buffer holds";
        assert!(error.to_string().contains(why), "{error}");
        gpu.check().unwrap();
    }

    #[test]
    fn what_a_driver_refuses_is_a_sentence() {
        let none = wgpu::Error::OutOfMemory {
            source: "no room".into(),
        };
        let why = "the graphics processor has no memory left for another buffer";
        assert_eq!(fault_of(&none).to_string(), why);
        let wrong = wgpu::Error::Validation {
            source: "two\nlines".into(),
            description: "two\n  lines".to_owned(),
        };
        let why = fault_of(&wrong).to_string();
        assert!(
            why.starts_with("the graphics driver refused a command: "),
            "{why}"
        );
        assert!(!why.contains('\n'), "{why}");
    }
}
