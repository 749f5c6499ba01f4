//! Mixers that fold positions into a state. The kernel is `kernels/recurrent.wgsl`, the reference
//! `src/ops/cpu/recurrent.rs`.

mod mamba1;

use std::{ops::Range, sync::Arc};

use bytemuck::{Pod, Zeroable};

use self::mamba1::Selected;
use super::{
    device::Gpu, memory::Slice, pipeline::Bind, record::Launch, tensor::GpuTensor,
    weight::GpuWeight,
};
use crate::ops::{BatchSpan, DeviceError, RecurrentWeights, State};
use crate::spec::{
    DeltaDecay, DeltaGate, DeltaSpec, Heads, KvMap, Mamba1Spec, Mamba2Spec, RecurrentSpec,
    until_kept,
};

/// The state of one sequence at one layer that folds positions: `[heads, fold_dim, head_dim]` behind the window.
pub type GpuState = State<Slice>;

/// Channels of a workgroup.
const GROUP: usize = 256;
/// Columns of a head that one workgroup takes.
const COLUMNS: u32 = 64;

/// Mirrors `Params` of the kernel.
#[derive(Clone, Copy, Default, Pod, Zeroable)]
#[repr(C)]
struct Params {
    row: u32,
    n_rows: u32,
    is_new: u32,
    is_gated: u32,
    has_bias: u32,
    n_in: u32,
    n_out: u32,
    n_channels: u32,
    kernel: u32,
    n_keys: u32,
    q_first: u32,
    q_step: u32,
    k_first: u32,
    k_step: u32,
    v_first: u32,
    v_step: u32,
    v_width: u32,
    z_first: u32,
    z_step: u32,
    b_first: u32,
    b_step: u32,
    a_first: u32,
    a_step: u32,
    n_key_heads: u32,
    per_key_head: u32,
    is_tiled: u32,
    fold_dim: u32,
    head_dim: u32,
    n_heads: u32,
    n_groups: u32,
    norm_dim: u32,
    weight_step: u32,
    least: f32,
    most: f32,
    eps: f32,
    by_channel: u32,
    floor: f32,
    is_sigmoid: u32,
}

impl Params {
    /// What all runs of a mixer share.
    fn of(spec: &RecurrentSpec, has_bias: bool) -> Self {
        let shared = Self {
            has_bias: u32::from(has_bias),
            n_in: spec.n_in() as u32,
            n_out: spec.n_out() as u32,
            n_channels: spec.n_channels() as u32,
            kernel: spec.kernel() as u32,
            v_width: spec.n_channels() as u32,
            fold_dim: 1,
            per_key_head: 1,
            ..Self::default()
        };
        match spec {
            RecurrentSpec::ShortConv(_) => Self {
                is_gated: 1,
                ..shared
            },
            RecurrentSpec::Delta(it) => shared.with_delta(it),
            RecurrentSpec::Mamba2(it) => shared.with_mamba2(it),
            RecurrentSpec::Mamba1(it) => shared.with_mamba1(it),
        }
    }

    fn with_delta(self, spec: &DeltaSpec) -> Self {
        let parts = spec.parts();
        let at = |it: Heads| [it.first as u32, it.step as u32];
        let ([q_first, q_step], [k_first, k_step]) = (at(parts.q), at(parts.k));
        let ([v_first, v_step], [z_first, z_step]) = (at(parts.v), at(parts.z));
        let ([b_first, b_step], [a_first, a_step]) = (at(parts.b), at(parts.a));
        let r = spec.per_key_head();
        Self {
            n_keys: spec.keys_width() as u32,
            q_first,
            q_step,
            k_first,
            k_step,
            v_first,
            v_step,
            v_width: (r * spec.value_dim) as u32,
            z_first,
            z_step,
            b_first,
            b_step,
            a_first,
            a_step,
            n_key_heads: spec.n_key_heads as u32,
            per_key_head: r as u32,
            is_tiled: u32::from(spec.kv_map == KvMap::Tiled),
            fold_dim: spec.key_dim as u32,
            head_dim: spec.value_dim as u32,
            n_heads: spec.n_value_heads as u32,
            norm_dim: spec.value_dim as u32,
            eps: spec.eps,
            by_channel: u32::from(spec.decay != DeltaDecay::PerHead),
            floor: match spec.decay {
                DeltaDecay::PerChannel { floor } => floor.unwrap_or(0.0),
                DeltaDecay::PerHead => 0.0,
            },
            is_sigmoid: u32::from(spec.gate == DeltaGate::Sigmoid),
            ..self
        }
    }

    fn with_mamba1(self, spec: &Mamba1Spec) -> Self {
        Self {
            z_first: spec.width as u32,
            fold_dim: spec.state_dim as u32,
            head_dim: spec.width as u32,
            // Channels side by side, as if all were one head.
            n_heads: 1,
            norm_dim: spec.rank as u32,
            eps: spec.eps,
            ..self
        }
    }

    fn with_mamba2(self, spec: &Mamba2Spec) -> Self {
        let group = spec.width() / spec.n_groups;
        let [least, most] = spec.dt_range;
        Self {
            v_first: spec.width() as u32,
            a_first: (2 * spec.width() + 2 * spec.groups_width()) as u32,
            z_step: group as u32,
            fold_dim: spec.state_dim as u32,
            head_dim: spec.head_dim as u32,
            n_heads: spec.n_heads as u32,
            n_groups: spec.n_groups as u32,
            norm_dim: group as u32,
            weight_step: group as u32,
            least,
            most,
            eps: spec.eps,
            ..self
        }
    }
}

/// What comes out of a mixer with a state: `[T, n_out]`.
///
/// * `x`: `[T, n_in]`, the rows of its input projections
/// * `states`: one per span; each grows by its span's rows
///
/// # Errors
/// The device has no memory for a state; those that come after are then as they were.
pub fn recur(
    gpu: &Gpu,
    x: &GpuTensor,
    weights: &RecurrentWeights<GpuWeight>,
    spec: &RecurrentSpec,
    spans: &[BatchSpan<'_>],
    states: &mut [&mut GpuState],
) -> Result<GpuTensor, DeviceError> {
    let folds = !matches!(spec, RecurrentSpec::ShortConv(_));
    let mixed = gpu.tensor(x.rows, spec.n_channels());
    let by_channel = match spec {
        RecurrentSpec::Delta(it) if it.decay != DeltaDecay::PerHead => {
            Some(gpu.tensor(x.rows, it.n_decays()))
        }
        _ => None,
    };
    let run = Run {
        by_channel,
        gpu,
        x,
        weights,
        spec,
        out: if folds {
            gpu.tensor(x.rows, spec.n_out())
        } else {
            mixed.clone()
        },
        mixed,
        params: Params::of(spec, weights.conv_bias.is_some()),
    };
    run.decays();
    let mut sequences: Vec<(Range<usize>, &mut GpuState)> = spans
        .iter()
        .zip(states)
        .filter(|it| !it.0.rows.is_empty())
        .map(|(span, state)| (span.rows.clone(), &mut **state))
        .collect();
    for (rows, state) in &mut sequences {
        let is_new = state.len() == 0;
        let buffer = to_write(gpu, state)?;
        run.convolve(rows, &buffer, is_new);
    }
    let selected = run.select();
    for (rows, state) in sequences {
        run.sequence(rows, state, selected.as_ref())?;
    }
    match spec {
        RecurrentSpec::ShortConv(_) => {}
        RecurrentSpec::Delta(_) | RecurrentSpec::Mamba2(_) => run.norm(),
        RecurrentSpec::Mamba1(_) => run.gate(),
    }
    Ok(run.out)
}

/// What all dispatches of one mixer share.
struct Run<'a> {
    gpu: &'a Gpu,
    x: &'a GpuTensor,
    weights: &'a RecurrentWeights<GpuWeight>,
    spec: &'a RecurrentSpec,
    mixed: GpuTensor,
    /// Decays of all channels, `[T, keys]`, where each has its own.
    by_channel: Option<GpuTensor>,
    out: GpuTensor,
    params: Params,
}

impl Run<'_> {
    /// What is folded of the rows of one sequence, up to each position at which the state is kept.
    fn sequence(
        &self,
        rows: Range<usize>,
        state: &mut GpuState,
        selected: Option<&Selected>,
    ) -> Result<(), DeviceError> {
        let start = state.len();
        for piece in until_kept(rows, start) {
            let buffer = to_write(self.gpu, state)?;
            self.fold(&piece, &buffer, state.len() == 0, selected);
            state.grow(piece.len());
        }
        Ok(())
    }

    /// A vector that is there, or something that is not read.
    fn vector<'a>(&'a self, weight: Option<&'a GpuWeight>) -> Bind<'a> {
        weight.map_or(Bind::Unused(&self.x.slice), |it| Bind::Read(&it.vector))
    }

    fn params(&self, rows: &Range<usize>, is_new: bool) -> Params {
        Params {
            row: rows.start as u32,
            n_rows: rows.len() as u32,
            is_new: u32::from(is_new),
            ..self.params
        }
    }

    fn launch(&self, entry: &'static str, binds: &[Bind<'_>], grid: [u32; 3], params: &Params) {
        let launch = Launch::plain("recurrent", entry, binds, grid);
        self.gpu.launch(&launch, params);
    }

    fn convolve(&self, rows: &Range<usize>, state: &Slice, is_new: bool) {
        let params = self.params(rows, is_new);
        let binds = [
            Bind::Read(&self.x.slice),
            Bind::Write(state),
            Bind::Read(&self.weights.conv.vector),
            self.vector(self.weights.conv_bias.as_ref()),
            Bind::Write(&self.mixed.slice),
        ];
        let blocks = self.spec.n_channels().div_ceil(GROUP) as u32;
        self.launch("convolve", &binds, [blocks, params.n_rows, 1], &params);
        if params.n_keys > 0 {
            let binds = [Bind::Change(&self.mixed.slice)];
            let grid = [params.n_key_heads, params.n_rows, 2];
            self.launch("normed", &binds, grid, &params);
        }
    }

    /// The decays of all channels, where each has its own.
    fn decays(&self) {
        let Some(decays) = &self.by_channel else {
            return;
        };
        let params = self.params(&(0..self.x.rows), false);
        let binds = [
            Bind::Read(&self.x.slice),
            // Not used here.
            Bind::WriteSome(&self.out.slice, 0),
            self.vector(self.weights.decay.as_ref()),
            self.vector(self.weights.step_bias.as_ref()),
            Bind::Write(&decays.slice),
        ];
        let blocks = decays.cols.div_ceil(GROUP) as u32;
        self.launch("decays", &binds, [blocks, params.n_rows, 1], &params);
    }

    fn fold(&self, rows: &Range<usize>, state: &Slice, is_new: bool, selected: Option<&Selected>) {
        let params = self.params(rows, is_new);
        let entry = match self.spec {
            RecurrentSpec::ShortConv(_) => None,
            RecurrentSpec::Delta(_) => Some("delta"),
            RecurrentSpec::Mamba2(_) => Some("mamba"),
            RecurrentSpec::Mamba1(_) => Some("mamba1"),
        };
        if let Some(entry) = entry {
            let (steps, beside) = match selected {
                Some(it) => (&it.steps.slice, Bind::Read(&it.both.slice)),
                None => (&self.x.slice, self.vector(self.weights.step_bias.as_ref())),
            };
            let binds = [
                Bind::Read(steps),
                Bind::Change(state),
                self.vector(self.weights.decay.as_ref()),
                beside,
                Bind::Write(&self.mixed.slice),
                Bind::Write(&self.out.slice),
                match &self.by_channel {
                    Some(it) => Bind::Read(&it.slice),
                    None => self.vector(self.weights.skip.as_ref()),
                },
            ];
            let blocks = params.head_dim.div_ceil(COLUMNS);
            self.launch(entry, &binds, [params.n_heads, blocks, 1], &params);
        }
        let blocks = self.spec.n_channels().div_ceil(GROUP) as u32;
        let binds = [Bind::Read(&self.x.slice), Bind::Change(state)];
        self.launch("slide", &binds, [blocks, 1, 1], &params);
    }

    fn norm(&self) {
        let params = self.params(&(0..self.x.rows), false);
        let binds = [
            Bind::Read(&self.x.slice),
            self.vector(self.weights.norm.as_ref()),
            Bind::Change(&self.out.slice),
        ];
        let parts = params.n_out / params.norm_dim.max(1);
        self.launch("gated_norm", &binds, [parts, params.n_rows, 1], &params);
    }
}

/// The buffer of a state, to be written: its own, or a copy of what it shares. What it holds is of no meaning before the
/// first position.
///
/// # Errors
/// The device has no memory for it.
fn to_write(gpu: &Gpu, state: &mut GpuState) -> Result<Slice, DeviceError> {
    let n_bytes = (4 * state.n_numbers()) as u64;
    let now = state.now();
    let own = now.as_ref().filter(|it| Arc::strong_count(it) == 1);
    if let Some(it) = own {
        return Ok(it.as_ref().clone());
    }
    gpu.check_binding("the state of a layer", n_bytes)?;
    let room = Slice::whole(gpu.cache_room(n_bytes.max(4))?);
    if let Some(shared) = now {
        gpu.copy(shared, &room.held, room.start, n_bytes);
    }
    *now = Some(Arc::new(room.clone()));
    Ok(room)
}
