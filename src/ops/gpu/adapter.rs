//! Which graphics processors this machine has, which one is taken, and why the others are not.

use std::task::{Context, Poll, Waker};

use super::abilities::Abilities;
use crate::checkpoint::gigabytes;
use crate::ops::DeviceError;

/// Storage buffers one kernel binds at most.
const N_BINDINGS: u32 = 8;
/// Threads of a workgroup.
const N_THREADS: u32 = 256;

/// What is told of one adapter.
#[derive(Clone, Debug, PartialEq)]
pub struct AdapterFacts {
    /// As the driver calls it.
    pub name: String,
    /// Discrete, integrated, virtual, software.
    pub kind: &'static str,
    /// Vulkan, Metal, DirectX 12, OpenGL.
    pub backend: &'static str,
    /// The driver, with its version.
    pub driver: String,
    /// Whether it is a program on the CPU.
    pub is_software: bool,
    /// Bytes of one binding at most.
    pub binding_bytes: u64,
    /// Bytes of one buffer at most.
    pub buffer_bytes: u64,
    /// Bytes of its own memory, where the driver says.
    pub memory_bytes: Option<u64>,
    /// Lanes of a subgroup, where there are subgroups.
    pub subgroup: Option<(u32, u32)>,
    /// 16-bit floats as a type.
    pub has_f16: bool,
    /// Whether it tells how long it computed.
    pub has_timestamps: bool,
    /// Why it cannot run the kernels.
    pub lacks: Option<String>,
}

impl AdapterFacts {
    /// What a graphics card of these years has, and no card in particular: bindings as large as wgpu gives.
    #[must_use]
    pub fn of_a_card() -> Self {
        Self {
            name: "a plan".to_owned(),
            kind: "discrete",
            backend: "none",
            driver: String::new(),
            is_software: false,
            binding_bytes: (1 << 31) - 1,
            buffer_bytes: u64::MAX,
            memory_bytes: None,
            subgroup: Some((32, 32)),
            has_f16: true,
            has_timestamps: false,
            lacks: None,
        }
    }

    /// Whether its buffers lie in the machine's memory: a program on the CPU, or a processor without memory of its own.
    #[must_use]
    pub fn shares_memory(&self) -> bool {
        matches!(self.kind, "software" | "integrated")
    }

    /// What it can do, each a name and a value.
    #[must_use]
    pub fn details(&self) -> Vec<(String, String)> {
        let pair = |name: &str, value: String| (name.to_owned(), value);
        let subgroup = self.subgroup.map_or("none".to_owned(), |(min, max)| {
            if min == max {
                format!("{min} lanes")
            } else {
                format!("{min} to {max} lanes")
            }
        });
        let yes = |it: bool| if it { "yes" } else { "no" }.to_owned();
        vec![
            pair("kind", format!("{}, through {}", self.kind, self.backend)),
            pair("driver", self.driver.clone()),
            pair(
                "memory",
                self.memory_bytes.map_or("not told".to_owned(), gigabytes),
            ),
            pair("largest buffer", gigabytes(self.buffer_bytes)),
            pair("largest binding", gigabytes(self.binding_bytes)),
            pair("subgroups", subgroup),
            pair("16-bit floats", yes(self.has_f16)),
            pair("timestamps", yes(self.has_timestamps)),
        ]
    }
}

/// Which adapter is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdapterChoice {
    /// A graphics processor.
    Hardware,
    /// The best there is, a program on the CPU too.
    Any,
    /// A program on the CPU, as tests run on.
    Software,
}

/// An instance without a window. OpenGL is left out: its compute is too small for the kernels.
pub fn instance() -> wgpu::Instance {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12;
    // Validation layers are for whoever writes drivers; the kernels are checked by tests.
    descriptor.flags = wgpu::InstanceFlags::empty();
    wgpu::Instance::new(descriptor)
}

/// The result of a future that is ready at once, as all of wgpu's are outside the browser.
pub fn ready<T>(future: impl Future<Output = T>) -> Option<T> {
    let future = std::pin::pin!(future);
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(it) => Some(it),
        Poll::Pending => None,
    }
}

/// All adapters, the one that would be taken first.
pub fn adapters(instance: &wgpu::Instance) -> Vec<wgpu::Adapter> {
    let mut all = ready(instance.enumerate_adapters(wgpu::Backends::all())).unwrap_or_default();
    all.sort_by_key(|it| rank(&it.get_info()));
    all
}

/// What there is, in the order of preference.
#[must_use]
pub fn list() -> Vec<AdapterFacts> {
    adapters(&instance()).iter().map(facts).collect()
}

fn rank(info: &wgpu::AdapterInfo) -> u8 {
    match info.device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

/// The first adapter that is wanted and can run the kernels.
///
/// # Errors
/// What there is and why none of it will do.
pub fn choose(
    instance: &wgpu::Instance,
    wanted: AdapterChoice,
) -> Result<(wgpu::Adapter, AdapterFacts), DeviceError> {
    first(
        adapters(instance).into_iter().map(|it| {
            let facts = facts(&it);
            (it, facts)
        }),
        wanted,
    )
}

fn first<A>(
    all: impl Iterator<Item = (A, AdapterFacts)>,
    wanted: AdapterChoice,
) -> Result<(A, AdapterFacts), DeviceError> {
    let mut refused = Vec::new();
    for (adapter, facts) in all {
        match why_not(&facts, wanted) {
            None => return Ok((adapter, facts)),
            Some(why) => refused.push(format!("{}: {why}", facts.name)),
        }
    }
    Err(DeviceError::NoAdapter(if refused.is_empty() {
        "no driver for one is installed".to_owned()
    } else {
        refused.join("; ")
    }))
}

/// Why an adapter is not taken.
#[must_use]
pub fn why_not(facts: &AdapterFacts, wanted: AdapterChoice) -> Option<String> {
    match (wanted, facts.is_software) {
        (AdapterChoice::Hardware, true) => Some("a program on the CPU".to_owned()),
        (AdapterChoice::Software, false) => Some("no program on the CPU".to_owned()),
        _ => facts.lacks.clone(),
    }
}

/// What is told of an adapter.
pub fn facts(adapter: &wgpu::Adapter) -> AdapterFacts {
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    let has_subgroups = features.contains(wgpu::Features::SUBGROUP);
    AdapterFacts {
        name: info.name.clone(),
        kind: match info.device_type {
            wgpu::DeviceType::DiscreteGpu => "discrete",
            wgpu::DeviceType::IntegratedGpu => "integrated",
            wgpu::DeviceType::VirtualGpu => "virtual",
            wgpu::DeviceType::Cpu => "software",
            wgpu::DeviceType::Other => "of another kind",
        },
        backend: match info.backend {
            wgpu::Backend::Vulkan => "Vulkan",
            wgpu::Backend::Metal => "Metal",
            wgpu::Backend::Dx12 => "DirectX 12",
            wgpu::Backend::Gl => "OpenGL",
            _ => "another backend",
        },
        driver: format!("{} {}", info.driver, info.driver_info)
            .trim()
            .to_owned(),
        is_software: info.device_type == wgpu::DeviceType::Cpu,
        binding_bytes: limits.max_storage_buffer_binding_size,
        buffer_bytes: limits.max_buffer_size,
        memory_bytes: memory_bytes(adapter),
        subgroup: has_subgroups.then_some((info.subgroup_min_size, info.subgroup_max_size)),
        has_f16: features.contains(wgpu::Features::SHADER_F16),
        has_timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
        lacks: lacks(adapter.get_downlevel_capabilities().flags, &limits),
    }
}

/// The largest heap of memory the device calls its own.
#[cfg(any(target_os = "linux", target_os = "windows", target_os = "android"))]
#[expect(
    unsafe_code,
    reason = "the driver is asked for a property, through handles that live as long as the call"
)]
fn memory_bytes(adapter: &wgpu::Adapter) -> Option<u64> {
    let vulkan = unsafe { adapter.as_hal::<wgpu::hal::api::Vulkan>() }?;
    let instance = vulkan.shared_instance().raw_instance();
    let device = vulkan.raw_physical_device();
    let heaps = unsafe { instance.get_physical_device_memory_properties(device) };
    let sizes = heaps
        .memory_heaps
        .iter()
        .take(heaps.memory_heap_count as usize);
    sizes.map(|it| it.size).max()
}

/// Other backends do not say.
#[cfg(not(any(target_os = "linux", target_os = "windows", target_os = "android")))]
fn memory_bytes(_adapter: &wgpu::Adapter) -> Option<u64> {
    None
}

fn lacks(flags: wgpu::DownlevelFlags, limits: &wgpu::Limits) -> Option<String> {
    if !flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS) {
        return Some("it does not compute".to_owned());
    }
    if limits.max_compute_invocations_per_workgroup < N_THREADS {
        return Some(format!(
            "{} threads in a workgroup, and {N_THREADS} are needed",
            limits.max_compute_invocations_per_workgroup
        ));
    }
    if limits.max_storage_buffers_per_shader_stage < N_BINDINGS {
        return Some(format!(
            "{} buffers for one kernel, and {N_BINDINGS} are needed",
            limits.max_storage_buffers_per_shader_stage
        ));
    }
    None
}

/// What its sources may use. Subgroups of fewer than 4 lanes gain nothing.
pub fn abilities(facts: &AdapterFacts) -> Abilities {
    Abilities {
        subgroups: facts.subgroup.is_some_and(|(min, _)| min >= 4),
        f16: facts.has_f16,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, is_software: bool, lacks: Option<String>) -> ((), AdapterFacts) {
        let facts = AdapterFacts {
            name: name.to_owned(),
            kind: "discrete",
            backend: "Vulkan",
            driver: String::new(),
            is_software,
            binding_bytes: 0,
            buffer_bytes: 0,
            memory_bytes: None,
            subgroup: None,
            has_f16: false,
            has_timestamps: false,
            lacks,
        };
        ((), facts)
    }

    #[test]
    fn buffers_lie_in_the_machines_memory_where_there_is_no_other() {
        for (kind, shares) in [
            ("discrete", false),
            ("integrated", true),
            ("software", true),
            ("virtual", false),
        ] {
            let ((), facts) = named("a", false, None);
            let facts = AdapterFacts { kind, ..facts };
            assert_eq!(facts.shares_memory(), shares, "{kind}");
        }
    }

    #[test]
    fn what_is_too_small_or_missing_is_said_with_numbers() {
        let (all, none) = (wgpu::DownlevelFlags::all(), wgpu::DownlevelFlags::empty());
        let enough = wgpu::Limits::default();
        assert_eq!(lacks(all, &enough), None);
        assert_eq!(lacks(none, &enough).unwrap(), "it does not compute");
        let few_threads = wgpu::Limits {
            max_compute_invocations_per_workgroup: 128,
            ..enough.clone()
        };
        let why = "128 threads in a workgroup, and 256 are needed";
        assert_eq!(lacks(all, &few_threads).unwrap(), why);
        let few_buffers = wgpu::Limits {
            max_storage_buffers_per_shader_stage: 4,
            ..enough
        };
        let why = "4 buffers for one kernel, and 8 are needed";
        assert_eq!(lacks(all, &few_buffers).unwrap(), why);
    }

    #[test]
    fn the_first_that_will_do_is_taken_and_else_every_one_is_named_with_its_reason() {
        let old = || named("Old card", false, Some("it does not compute".to_owned()));
        let (card, program) = (named("Card", false, None), named("Program", true, None));
        let all = [old(), card, program.clone()];
        let taken = |wanted| first(all.iter().cloned(), wanted).unwrap().1.name;
        assert_eq!(taken(AdapterChoice::Any), "Card");
        assert_eq!(taken(AdapterChoice::Software), "Program");
        let error = first([old(), program].into_iter(), AdapterChoice::Hardware).unwrap_err();
        let why = "no graphics processor can be used: Old card: it does not compute; \
                   Program: a program on the CPU";
        assert_eq!(error.to_string(), why);
        let error = first(std::iter::empty::<((), _)>(), AdapterChoice::Any).unwrap_err();
        let why = "no graphics processor can be used: no driver for one is installed";
        assert_eq!(error.to_string(), why);
    }
}
