//! Kernels made ready for the device, and what they are bound to; both are made once and kept.

use std::{collections::HashMap, sync::Arc};

use super::{
    super::{formats::Coding, kernel::Kernel, memory::Slice},
    Card, Gpu,
};
use crate::ops::DeviceError;

/// Bytes of one dispatch's parameters, and the distance between two.
pub const PARAMS_STRIDE: u64 = 256;

/// One buffer a kernel works on.
#[derive(Clone, Copy, Debug)]
pub enum Bind<'a> {
    /// `var<storage, read>`, all of it read.
    Read(&'a Slice),
    /// `var<storage, read>`, of which so many bytes are read.
    ReadSome(&'a Slice, u64),
    /// `var<storage, read>`, bound because something has to be, and not read.
    Unused(&'a Slice),
    /// `var<storage, read_write>`, all of it written.
    Write(&'a Slice),
    /// `var<storage, read_write>`, of which so many bytes are written.
    WriteSome(&'a Slice, u64),
    /// `var<storage, read_write>`, all of it read and written.
    Change(&'a Slice),
    /// `var<storage, read_write>`, of which so many bytes are read and written.
    ChangeSome(&'a Slice, u64),
}

impl<'a> Bind<'a> {
    fn slice(self) -> &'a Slice {
        match self {
            Self::Read(it)
            | Self::ReadSome(it, _)
            | Self::Unused(it)
            | Self::Write(it)
            | Self::WriteSome(it, _)
            | Self::Change(it)
            | Self::ChangeSome(it, _) => it,
        }
    }

    fn is_read(self) -> bool {
        matches!(self, Self::Read(_) | Self::ReadSome(..) | Self::Unused(_))
    }

    /// Bytes read, and written.
    pub(super) fn traffic(self) -> [u64; 2] {
        match self {
            Self::Read(it) => [it.n_bytes, 0],
            Self::ReadSome(_, n) => [n, 0],
            Self::Unused(_) => [0, 0],
            Self::Write(it) => [0, it.n_bytes],
            Self::WriteSome(_, n) => [0, n],
            Self::Change(it) => [it.n_bytes, it.n_bytes],
            Self::ChangeSome(_, n) => [n, n],
        }
    }

    /// The buffer, and whether it is bound for writing.
    pub(super) fn touched(self) -> (u64, bool) {
        (self.slice().held.id, !self.is_read())
    }
}

/// What a pipeline is made from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PipelineKey {
    pub stem: &'static str,
    pub entry: &'static str,
    pub format: Option<Coding>,
    /// Override constants: name, bits of the value.
    pub constants: Vec<(&'static str, u64)>,
    /// Which bindings are read only.
    pub reads: Vec<bool>,
    /// Whether its format looks codes up.
    pub has_table: bool,
}

/// Where the table of a format's codes is bound, as in `kernels/formats/`: behind the bindings of any kernel.
const TABLE_BINDING: usize = 9;

impl PipelineKey {
    fn name(&self) -> String {
        let kernel = if self.stem == self.entry {
            self.stem.to_owned()
        } else {
            format!("{}.{}", self.stem, self.entry)
        };
        self.format
            .map_or(kernel.clone(), |it| format!("{kernel} {}", it.label()))
    }
}

/// A kernel ready to run.
#[derive(Debug)]
pub struct Pipeline {
    pub id: usize,
    /// As it is told of: `linear.gemv bf16`.
    pub name: String,
    /// None on a device that only plans.
    made: Option<Made>,
}

/// What the driver made of a kernel.
#[derive(Debug)]
struct Made {
    compute: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
}

impl Pipeline {
    /// What a pass runs.
    pub fn compute(&self) -> Option<&wgpu::ComputePipeline> {
        self.made.as_ref().map(|it| &it.compute)
    }
}

/// A pipeline and the regions bound to it.
type BindingKey = (usize, Vec<(u64, u64, u64)>);

/// Bind groups by what they bind. One that was not used for a while is dropped, and with it what
/// it holds of buffers that are gone.
#[derive(Debug, Default)]
pub struct Bindings {
    groups: HashMap<BindingKey, (wgpu::BindGroup, u64)>,
    n_steps: u64,
}

/// Steps a bind group is kept without being used.
const KEEP_STEPS: u64 = 16;

impl Bindings {
    /// Drops them all, and with them what they hold of buffers.
    pub fn forget(&mut self) {
        self.groups.clear();
    }

    /// A step is over.
    pub fn age(&mut self) {
        self.n_steps += 1;
        let now = self.n_steps;
        if now.is_multiple_of(KEEP_STEPS) {
            self.groups.retain(|_, it| it.1 + KEEP_STEPS > now);
        }
    }
}

impl Gpu {
    /// The pipeline of a key, made at first use.
    pub(in crate::ops::gpu) fn pipeline(&self, key: PipelineKey) -> Arc<Pipeline> {
        if let Some(it) = self.pipelines.borrow().get(&key) {
            return Arc::clone(it);
        }
        let id = self.pipelines.borrow().len();
        let made = Arc::new(Pipeline {
            id,
            name: key.name(),
            made: self.card.as_ref().map(|it| self.make_pipeline(it, &key)),
        });
        self.pipelines.borrow_mut().insert(key, Arc::clone(&made));
        made
    }

    fn make_pipeline(&self, card: &Card, key: &PipelineKey) -> Made {
        let Some(kernel) = Kernel::find(key.stem) else {
            unreachable!("{} is not in the list of kernels", key.stem)
        };
        let layout = layout(card, key);
        let pipeline_layout = card
            .device
            .create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: Some(key.entry),
                bind_group_layouts: &[Some(&layout)],
                immediate_size: 0,
            });
        let constants: Vec<(&str, f64)> = key
            .constants
            .iter()
            .map(|(name, bits)| (*name, f64::from_bits(*bits)))
            .collect();
        let module = module(card, key.entry, kernel.source(key.format, self.can));
        let compute = card
            .device
            .create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(key.entry),
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some(key.entry),
                compilation_options: wgpu::PipelineCompilationOptions {
                    constants: &constants,
                    // Every kernel writes what it reads of it.
                    zero_initialize_workgroup_memory: false,
                },
                cache: None,
            });
        Made { compute, layout }
    }

    /// The bind group of some regions.
    pub(in crate::ops::gpu) fn bind_group(
        &self,
        pipeline: &Pipeline,
        binds: &[Bind<'_>],
        table: Option<&Slice>,
    ) -> Option<wgpu::BindGroup> {
        let card = self.card.as_ref()?;
        let region = |it: &Slice| (it.held.id, it.start, it.n_bytes);
        let slices = binds.iter().map(|it| it.slice()).chain(table);
        let key = (pipeline.id, slices.map(region).collect());
        let mut bindings = self.bindings.borrow_mut();
        let now = bindings.n_steps;
        if let Some((group, used)) = bindings.groups.get_mut(&key) {
            *used = now;
            return Some(group.clone());
        }
        let group = self.make_bind_group(card, pipeline, binds, table)?;
        bindings.groups.insert(key, (group.clone(), now));
        Some(group)
    }

    /// None for a buffer that is not there.
    fn make_bind_group(
        &self,
        card: &Card,
        pipeline: &Pipeline,
        binds: &[Bind<'_>],
        table: Option<&Slice>,
    ) -> Option<wgpu::BindGroup> {
        let entry = |binding: usize, buffer, offset, n_bytes| wgpu::BindGroupEntry {
            binding: binding as u32,
            resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer,
                offset,
                size: std::num::NonZero::new(n_bytes),
            }),
        };
        let params = self.params.buffer.as_ref()?;
        let mut entries = vec![entry(0, params, 0, PARAMS_STRIDE)];
        let binds = binds.iter().enumerate().map(|(i, it)| (i + 1, it.slice()));
        for (i, it) in binds.chain(table.map(|it| (TABLE_BINDING, it))) {
            entries.push(entry(i, it.held.buffer.as_ref()?, it.start, it.n_bytes));
        }
        Some(card.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.made.as_ref()?.layout,
            entries: &entries,
        }))
    }

    /// Which of the regions a kernel only reads.
    pub(in crate::ops::gpu) fn reads(binds: &[Bind<'_>]) -> Vec<bool> {
        binds.iter().map(|it| it.is_read()).collect()
    }

    /// Whether a region fits one binding of this adapter.
    ///
    /// # Errors
    /// Both sizes.
    pub(in crate::ops::gpu) fn check_binding(
        &self,
        what: &str,
        n_bytes: u64,
    ) -> Result<(), DeviceError> {
        let most = self.facts.binding_bytes;
        if n_bytes <= most {
            return Ok(());
        }
        Err(DeviceError::TooSmall {
            adapter: self.facts.name.clone(),
            what: format!("{what} takes {n_bytes} bytes, and one binding holds {most}"),
        })
    }
}

/// With bounds checks where assertions are on, without where speed counts: a bound on every
/// loop alone once cost a hundredfold (GPU design).
#[expect(
    unsafe_code,
    reason = "the kernels are our own, and the tests run them with every check on"
)]
fn module(card: &Card, label: &str, source: String) -> wgpu::ShaderModule {
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(label),
        source: wgpu::ShaderSource::Wgsl(source.into()),
    };
    if cfg!(debug_assertions) {
        card.device.create_shader_module(descriptor)
    } else {
        let checks = wgpu::ShaderRuntimeChecks::unchecked();
        unsafe { card.device.create_shader_module_trusted(descriptor, checks) }
    }
}

fn layout(card: &Card, key: &PipelineKey) -> wgpu::BindGroupLayout {
    let entry = |binding: usize, ty, has_dynamic_offset| wgpu::BindGroupLayoutEntry {
        binding: binding as u32,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty,
            has_dynamic_offset,
            min_binding_size: None,
        },
        count: None,
    };
    let mut entries = vec![entry(0, wgpu::BufferBindingType::Uniform, true)];
    entries.extend(key.reads.iter().enumerate().map(|(i, read_only)| {
        let ty = wgpu::BufferBindingType::Storage {
            read_only: *read_only,
        };
        entry(i + 1, ty, false)
    }));
    if key.has_table {
        let ty = wgpu::BufferBindingType::Storage { read_only: true };
        entries.push(entry(TABLE_BINDING, ty, false));
    }
    card.device
        .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(key.entry),
            entries: &entries,
        })
}
