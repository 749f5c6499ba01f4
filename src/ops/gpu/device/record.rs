//! What a step asks of the device, noted first and handed over in one submit: dispatches in one
//! compute pass, with one write of all their parameters.

use std::sync::Arc;

use super::{
    super::{
        formats::Coding,
        memory::{ALIGN_BYTES, GpuBuffer, Slice},
    },
    Gpu,
    clock::Timing,
    notes::{Notes, Traffic, Uses},
    pipeline::{Bind, PARAMS_STRIDE, Pipeline, PipelineKey},
};

/// Dispatches of one submit at most.
const MAX_DISPATCHES: u64 = 4096;
/// Bytes of all of their parameters.
pub const PARAMS_BYTES: u64 = PARAMS_STRIDE * MAX_DISPATCHES;
/// Bytes of a buffer of uploads at least.
const UPLOAD_BYTES: u64 = 256 << 10;
/// Most workgroups along one axis of a grid that every adapter takes.
pub const MAX_GROUPS: u32 = 65_535;

/// One kernel to run.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// The kernel's file.
    pub stem: &'static str,
    /// Its entry point.
    pub entry: &'static str,
    /// The format of the weight it reads, where its source depends on one.
    pub format: Option<Coding>,
    /// What that format's codes stand for, where its source looks them up.
    pub table: Option<&'a Slice>,
    /// Its override constants.
    pub constants: &'a [(&'static str, f64)],
    /// Its bindings from 1 on; 0 are its parameters.
    pub binds: &'a [Bind<'a>],
    /// Workgroups.
    pub grid: [u32; 3],
    /// Bytes of weights it reads, at most, to be told of its speed.
    pub weight_bytes: u64,
}

impl Launch<'_> {
    /// A kernel without a format or constants.
    pub fn plain<'a>(
        stem: &'static str,
        entry: &'static str,
        binds: &'a [Bind<'a>],
        grid: [u32; 3],
    ) -> Launch<'a> {
        Launch {
            stem,
            entry,
            format: None,
            table: None,
            constants: &[],
            binds,
            grid,
            weight_bytes: 0,
        }
    }
}

enum Command {
    Dispatch {
        pipeline: Arc<Pipeline>,
        /// None on a device that only plans.
        bind_group: Option<wgpu::BindGroup>,
        params_at: u32,
        grid: [u32; 3],
        weight_bytes: u64,
        /// Where somebody wants to know.
        traffic: Option<Traffic>,
    },
    Copy {
        from: Slice,
        to: Arc<GpuBuffer>,
        to_start: u64,
        n_bytes: u64,
    },
}

/// Bytes on their way to the device.
struct Upload {
    held: Arc<GpuBuffer>,
    bytes: Vec<u8>,
    n_written: usize,
}

/// What was noted since the last submit.
#[derive(Default)]
pub struct CommandRecord {
    commands: Vec<Command>,
    params: Vec<u8>,
    uploads: Vec<Upload>,
}

impl std::fmt::Debug for CommandRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommandRecord")
            .field("n_commands", &self.commands.len())
            .finish_non_exhaustive()
    }
}

impl Gpu {
    /// Notes a kernel. Its parameters mirror the kernel's `Params`, 256 bytes at most; a grid
    /// without workgroups is nothing to do.
    pub(in crate::ops::gpu) fn launch<P: bytemuck::Pod>(&self, launch: &Launch<'_>, params: &P) {
        const { assert!(size_of::<P>() <= PARAMS_STRIDE as usize) };
        if launch.grid.contains(&0) {
            return;
        }
        debug_assert!(launch.grid.iter().all(|it| *it <= MAX_GROUPS));
        let pipeline = self.pipeline(PipelineKey {
            stem: launch.stem,
            entry: launch.entry,
            format: launch.format,
            constants: launch
                .constants
                .iter()
                .map(|(name, it)| (*name, it.to_bits()))
                .collect(),
            reads: Self::reads(launch.binds),
            has_table: launch.table.is_some(),
        });
        let bind_group = self.bind_group(&pipeline, launch.binds, launch.table);
        let mut recording = self.recording.borrow_mut();
        let params_at = recording.params.len() as u32;
        recording
            .params
            .extend_from_slice(bytemuck::bytes_of(params));
        let end = u64::from(params_at) + PARAMS_STRIDE;
        recording.params.resize(end as usize, 0);
        recording.commands.push(Command::Dispatch {
            pipeline,
            bind_group,
            params_at,
            grid: launch.grid,
            weight_bytes: launch.weight_bytes,
            traffic: self
                .notes
                .borrow()
                .is_on
                .then(|| Traffic::of(launch.binds, launch.weight_bytes)),
        });
        drop(recording);
        self.count(|it| it.dispatches += 1);
        if end >= PARAMS_STRIDE * self.clock.most_dispatches(MAX_DISPATCHES) {
            self.submit();
        }
    }

    /// Notes a copy between two buffers.
    pub(in crate::ops::gpu) fn copy(
        &self,
        from: &Slice,
        to: &Arc<GpuBuffer>,
        to_start: u64,
        n_bytes: u64,
    ) {
        if n_bytes == 0 {
            return;
        }
        self.recording.borrow_mut().commands.push(Command::Copy {
            from: from.clone(),
            to: Arc::clone(to),
            to_start,
            n_bytes,
        });
    }

    /// Words the kernels of this step can read: token ids, edits, angles.
    pub(in crate::ops::gpu) fn upload<T: bytemuck::Pod>(&self, data: &[T]) -> Slice {
        let bytes: &[u8] = bytemuck::cast_slice(data);
        let n_bytes = (bytes.len() as u64).max(4).next_multiple_of(ALIGN_BYTES);
        let mut recording = self.recording.borrow_mut();
        let room = |it: &Upload| it.held.n_bytes - it.bytes.len() as u64;
        let found = recording.uploads.iter().position(|it| room(it) >= n_bytes);
        let row = found.unwrap_or_else(|| {
            let size = n_bytes.max(UPLOAD_BYTES).next_power_of_two();
            recording.uploads.push(Upload {
                held: self.memory.lasting("uploads", size),
                bytes: Vec::new(),
                n_written: 0,
            });
            recording.uploads.len() - 1
        });
        let upload = &mut recording.uploads[row];
        let start = upload.bytes.len() as u64;
        upload.bytes.extend_from_slice(bytes);
        upload.bytes.resize((start + n_bytes) as usize, 0);
        Slice {
            held: Arc::clone(&upload.held),
            start,
            n_bytes,
        }
    }

    /// Bytes for a buffer, which are there before what is submitted next runs.
    pub(in crate::ops::gpu) fn write(&self, to: &GpuBuffer, at: u64, bytes: &[u8]) {
        if let (Some(card), Some(buffer)) = (&self.card, &to.buffer) {
            card.queue.write_buffer(buffer, at, bytes);
        }
    }

    /// Hands over what was noted; the device begins with it.
    ///
    /// Returns nothing to wait for on a device that only plans.
    pub(in crate::ops::gpu) fn submit(&self) -> Option<wgpu::SubmissionIndex> {
        let mut recording = self.recording.borrow_mut();
        if !recording.params.is_empty() {
            self.write(&self.params, 0, &recording.params);
            recording.params.clear();
        }
        for it in &mut recording.uploads {
            let new = &it.bytes[it.n_written..];
            if !new.is_empty() {
                self.write(&it.held, it.n_written as u64, new);
                it.n_written = it.bytes.len();
            }
        }
        let commands = std::mem::take(&mut recording.commands);
        drop(recording);
        self.count(|it| it.submits += 1);
        note(&mut self.notes.borrow_mut(), &commands);
        let card = self.card.as_ref()?;
        let descriptor = wgpu::CommandEncoderDescriptor { label: None };
        let mut encoder = card.device.create_command_encoder(&descriptor);
        let mut timing = self.clock.begin();
        encode(&mut encoder, commands, timing.as_mut());
        let timed = timing.map(|it| it.end(self, &mut encoder));
        let submission = card.queue.submit([encoder.finish()]);
        self.clock.wait_for(timed);
        Some(submission)
    }

    /// The step is over: the regions of its uploads can be used again by the next.
    pub(in crate::ops::gpu) fn end_step(&self) {
        for it in &mut self.recording.borrow_mut().uploads {
            it.bytes.clear();
            it.n_written = 0;
        }
        self.scores.clear();
        self.choices.clear();
        self.tables.borrow_mut().clear();
        self.bindings.borrow_mut().age();
    }
}

/// Counts what is handed over, where somebody wants to know.
fn note(notes: &mut Notes, commands: &[Command]) {
    if !notes.is_on {
        return;
    }
    let mut uses = Uses::default();
    for it in commands {
        match it {
            Command::Dispatch {
                pipeline,
                traffic: Some(traffic),
                ..
            } => notes.kernel(&pipeline.name, traffic, &mut uses),
            Command::Dispatch { .. } => {}
            Command::Copy {
                from, to, n_bytes, ..
            } => notes.copy([from.held.id, to.id], *n_bytes, &mut uses),
        }
    }
}

/// One pass after another, each of as many dispatches as follow each other; of one where each is timed.
fn encode(
    encoder: &mut wgpu::CommandEncoder,
    commands: Vec<Command>,
    mut timing: Option<&mut Timing>,
) {
    let is_dispatch = |it: &Command| matches!(it, Command::Dispatch { .. });
    let each = timing.as_ref().is_some_and(|it| it.is_each());
    let most = if each { 1 } else { usize::MAX };
    let mut rest = commands.into_iter().peekable();
    while let Some(command) = rest.next() {
        match command {
            Command::Copy {
                from,
                to,
                to_start,
                n_bytes,
            } => {
                if let (Some(held), Some(to)) = (&from.held.buffer, &to.buffer) {
                    encoder.copy_buffer_to_buffer(held, from.start, to, to_start, n_bytes);
                }
            }
            first @ Command::Dispatch { .. } => {
                let mut run = vec![first];
                while run.len() < most {
                    let Some(next) = rest.next_if(is_dispatch) else {
                        break;
                    };
                    run.push(next);
                }
                one_pass(encoder, &run, timing.as_deref_mut());
            }
        }
    }
}

fn one_pass(
    encoder: &mut wgpu::CommandEncoder,
    dispatches: &[Command],
    timing: Option<&mut Timing>,
) {
    let what = match dispatches {
        [
            Command::Dispatch {
                pipeline,
                weight_bytes,
                ..
            },
        ] => Some((pipeline, *weight_bytes)),
        _ => None,
    };
    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
        label: None,
        timestamp_writes: timing.and_then(|it| it.pass(what)),
    });
    for it in dispatches {
        if let Command::Dispatch {
            pipeline,
            bind_group: Some(bind_group),
            params_at,
            grid,
            ..
        } = it
            && let Some(compute) = pipeline.compute()
        {
            pass.set_pipeline(compute);
            pass.set_bind_group(0, bind_group, &[*params_at]);
            pass.dispatch_workgroups(grid[0], grid[1], grid[2]);
        }
    }
}
