//! The networks that the rows of a batch chose, and one network over all rows. The kernel is
//! `kernels/experts.wgsl`, the reference `src/ops/cpu/experts.rs`.

use bytemuck::{Pod, Zeroable};

use super::{
    activations::act_id,
    device::Gpu,
    expert_shards::{ExpertShard, GpuExperts, Matrices},
    memory::Slice,
    pipeline::Bind,
    record::Launch,
    route::GpuRouting,
    tensor::GpuTensor,
};
use crate::formats::Dtype;
use crate::spec::{Act, MlpSpec, WeightOn};

/// Mirrors `Params` of the kernel.
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
#[repr(C)]
struct Params {
    n_cols: u32,
    row_units: u32,
    scales_at: u32,
    first_network: u32,
    n_networks: u32,
    first_row: u32,
    n_rows: u32,
    n_out: u32,
    n_picks: u32,
    first_slot: u32,
    n_slots: u32,
    n_tiles: u32,
    networks_at: u32,
    by_id_at: u32,
    factors_at: u32,
    scale: f32,
    alpha: f32,
    limit: f32,
    has_biases: u32,
    d_ff: u32,
    width: u32,
    weights_at: u32,
    is_on_input: u32,
}

/// As in the kernel: rows of a team of a matrix-vector product.
const ROWS: usize = 4;
/// Lanes of a workgroup, and of the smallest team: fewer would read too little side by side.
const N_LANES: usize = 256;
const MIN_TEAM: usize = 32;
/// As in the kernel: slots of a tile.
const TILE_SLOTS: usize = 32;
/// As in the kernel: inner rows, and output rows, of a tile.
const TILE_INNER: usize = 64;
const TILE_ROWS: usize = 128;
/// Slots up to which a matrix-vector product each is considered.
const FEW_SLOTS: usize = 64;
/// Bytes of the results between two products, for the rows of a chunk.
const CHUNK_BYTES: usize = 64 << 20;
/// Slots of a chunk at most, so that its tiles are one axis of a grid.
const CHUNK_SLOTS: usize = 1 << 20;

/// How the work is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// A matrix-vector product for each slot.
    PerSlot,
    /// Slots grouped by network, tiled products; so many slots at once.
    Grouped {
        /// Slots of a chunk, but one row of the batch at least.
        chunk: usize,
    },
}

/// What is computed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mix<'a> {
    pub gpu: &'a Gpu,
    /// `[T, H]`, added to.
    pub into: &'a GpuTensor,
    pub scale: f32,
    /// `[T, H]`.
    pub x: &'a GpuTensor,
    pub routing: &'a GpuRouting,
    /// `[T, K]` from this word on.
    pub factors: (&'a Slice, usize),
    pub experts: &'a GpuExperts,
    pub spec: &'a MlpSpec,
    pub weight_on: WeightOn,
}

/// `into[t] += scale · Σ_places weight · network(x[t])`, in ascending order of the experts' ids.
///
/// * `into`, `x`: `[T, H]`, two tensors
pub fn mix_experts(
    gpu: &Gpu,
    into: &GpuTensor,
    scale: f32,
    x: &GpuTensor,
    routing: &GpuRouting,
    experts: &GpuExperts,
    (spec, weight_on): (&MlpSpec, WeightOn),
) {
    let mix = Mix {
        gpu,
        into,
        scale,
        x,
        routing,
        factors: (&routing.slice, routing.part_at(2)),
        experts,
        spec,
        weight_on,
    };
    mix.run(mix.layout());
}

/// What the chosen networks make of `x` between their two products: `[T, K · F]`, place after place.
pub fn inner(
    gpu: &Gpu,
    x: &GpuTensor,
    routing: &GpuRouting,
    experts: &GpuExperts,
    spec: &MlpSpec,
) -> GpuTensor {
    let mix = Mix {
        gpu,
        into: x,
        scale: 1.0,
        x,
        routing,
        factors: (&routing.slice, routing.part_at(2)),
        experts,
        spec,
        weight_on: WeightOn::Output,
    };
    let inner = gpu.tensor(routing.n_rows, routing.n_picks * experts.d_ff);
    if mix.n_slots() > 0 {
        mix.inner_per_slot(&inner);
    }
    inner
}

/// `into[t] += scale · Σ_places weight · down(inner[t, place])`, in ascending order of the experts' ids.
///
/// * `into`: `[T, H]`
/// * `inner`: `[T, K · F]`
pub fn mix_inner(
    gpu: &Gpu,
    into: &GpuTensor,
    scale: f32,
    inner: &GpuTensor,
    routing: &GpuRouting,
    experts: &GpuExperts,
    spec: &MlpSpec,
) {
    let mix = Mix {
        gpu,
        into,
        scale,
        x: inner,
        routing,
        factors: (&routing.slice, routing.part_at(2)),
        experts,
        spec,
        weight_on: WeightOn::Output,
    };
    if mix.n_slots() > 0 {
        mix.down_per_slot(inner);
    }
}

/// `into[t] += scale · gate[t] · down(act(gate x[t]) ⊙ up x[t])`, one network over all rows.
///
/// * `into`, `x`: `[T, H]`, two tensors
/// * `gates`: `[T, 1]`, sigmoids already; 1 without them
/// * `network`: of one expert
pub fn mlp(
    gpu: &Gpu,
    into: &GpuTensor,
    scale: f32,
    x: &GpuTensor,
    network: &GpuExperts,
    gates: Option<&GpuTensor>,
    spec: &MlpSpec,
) {
    let routing = every_row(gpu, x.rows);
    let mix = Mix {
        gpu,
        into,
        scale,
        x,
        routing: &routing,
        factors: gates.map_or((&routing.slice, routing.part_at(2)), |it| (&it.slice, 0)),
        experts: network,
        spec,
        weight_on: WeightOn::Output,
    };
    mix.run(mix.layout());
}

/// Each row at the only network, with weight 1.
fn every_row(gpu: &Gpu, n_rows: usize) -> GpuRouting {
    let mut words = vec![0u32; 5 * n_rows];
    words[2 * n_rows..3 * n_rows].fill(1.0f32.to_bits());
    GpuRouting {
        slice: gpu.upload(&words),
        n_rows,
        n_experts: 1,
        n_picks: 1,
        has_selection: false,
        n_groups: 0,
    }
}

/// Lanes that share rows of so many units. Never by the number of places: the order of a row's sum
/// must not depend on what others of its batch chose.
fn team_of(units: usize) -> usize {
    units.next_power_of_two().clamp(MIN_TEAM, N_LANES)
}

/// Workgroups for so many rows of a matrix-vector product.
fn blocks(rows: usize, team: usize) -> u32 {
    rows.div_ceil(ROWS * N_LANES / team) as u32
}

impl Mix<'_> {
    fn n_slots(&self) -> usize {
        self.routing.n_rows * self.routing.n_picks
    }

    /// Grouping pays where a network is read for several rows.
    fn layout(&self) -> Layout {
        let n = self.n_slots();
        if self.x.rows == 1 || n <= FEW_SLOTS.min(2 * self.experts.n_experts) {
            return Layout::PerSlot;
        }
        let widest = self.experts.width.max(self.experts.d_ff).max(1);
        Layout::Grouped {
            chunk: (CHUNK_BYTES / (4 * widest)).min(CHUNK_SLOTS),
        }
    }

    /// Notes all of it.
    pub fn run(&self, layout: Layout) {
        if self.n_slots() == 0 || self.experts.n_experts == 0 {
            return;
        }
        match layout {
            Layout::PerSlot => self.per_slot(),
            Layout::Grouped { chunk } => {
                let rows = (chunk / self.routing.n_picks).max(1);
                for first in (0..self.routing.n_rows).step_by(rows) {
                    self.grouped(first, rows.min(self.routing.n_rows - first));
                }
            }
        }
    }

    fn per_slot(&self) {
        let inner = self.gpu.tensor(self.n_slots(), self.experts.d_ff);
        self.inner_per_slot(&inner);
        self.down_per_slot(&inner);
    }

    /// `inner`: `[slots, F]`.
    fn inner_per_slot(&self, inner: &GpuTensor) {
        let n_slots = self.n_slots() as u32;
        for it in &self.experts.gate_up {
            let unused = Bind::Unused(&self.routing.slice);
            let binds = self.binds(&self.x.slice, it, &inner.slice, unused);
            let team = team_of(it.weight.row_units / 4);
            let grid = [blocks(it.rows.len(), team), n_slots, 1];
            let entry = match it.of {
                Matrices::GateUp => "gate_up",
                _ => "gate_or_up",
            };
            self.launch((entry, team), it, &binds, grid, &self.of_gate_up(it));
        }
    }

    /// `inner`: `[slots, F]`.
    fn down_per_slot(&self, inner: &GpuTensor) {
        let n_rows = self.routing.n_rows as u32;
        for it in &self.experts.down {
            let factors = Bind::Read(self.factors.0);
            let mut binds = self.binds(&inner.slice, it, &self.into.slice, factors);
            binds[3] = Bind::ChangeSome(
                &self.into.slice,
                (4 * self.routing.n_rows * it.rows.len()) as u64,
            );
            let team = team_of(it.weight.row_units * 2);
            let grid = [blocks(it.rows.len(), team), n_rows, 1];
            self.launch(("down", team), it, &binds, grid, &self.of_down(it));
        }
    }

    /// The rows `first..first + n` of the batch.
    fn grouped(&self, first: usize, n: usize) {
        let n_slots = n * self.routing.n_picks;
        let n_tiles = n_slots / TILE_SLOTS + n_slots.min(self.experts.n_experts);
        let chunk = |params: Params| Params {
            first_slot: (first * self.routing.n_picks) as u32,
            n_slots: n_slots as u32,
            n_tiles: n_tiles as u32,
            ..params
        };
        let plan = self.gpu.tensor(1, 3 * n_tiles + n_slots);
        let inner = self.gpu.tensor(n_slots, self.experts.d_ff);
        let outer = self.gpu.tensor(n_slots, self.experts.width);
        self.group(&plan, chunk(self.params()));
        for it in &self.experts.gate_up {
            let binds = self.binds(&self.x.slice, it, &inner.slice, Bind::Read(&plan.slice));
            let (entry, rows) = match it.of {
                Matrices::GateUp => ("grouped_gate_up", TILE_INNER),
                _ => ("grouped_gate_or_up", TILE_ROWS),
            };
            let blocks = it.rows.len().div_ceil(rows) as u32;
            let grid = [n_tiles as u32, blocks, 1];
            self.launch(
                (entry, N_LANES),
                it,
                &binds,
                grid,
                &chunk(self.of_gate_up(it)),
            );
        }
        for it in &self.experts.down {
            let binds = self.binds(&inner.slice, it, &outer.slice, Bind::Read(&plan.slice));
            let blocks = it.rows.len().div_ceil(TILE_ROWS) as u32;
            let grid = [n_tiles as u32, blocks, 1];
            self.launch(
                ("grouped_down", N_LANES),
                it,
                &binds,
                grid,
                &chunk(self.of_down(it)),
            );
        }
        self.combine(&outer, n, chunk(self.params()));
    }

    fn group(&self, plan: &GpuTensor, params: Params) {
        let params = Params {
            n_networks: self.experts.n_experts as u32,
            ..params
        };
        let binds = [Bind::Read(&self.routing.slice), Bind::Write(&plan.slice)];
        self.launch_plain("group", &binds, [1, 1, 1], &params);
    }

    fn combine(&self, outer: &GpuTensor, n_rows: usize, params: Params) {
        let binds = [
            Bind::Read(&self.routing.slice),
            // Not used here.
            Bind::Unused(&self.routing.slice),
            Bind::Read(&outer.slice),
            Bind::ChangeSome(&self.into.slice, (4 * n_rows * self.experts.width) as u64),
            Bind::Read(self.factors.0),
        ];
        let params = Params {
            n_out: self.experts.width as u32,
            ..params
        };
        let grid = [self.experts.width.div_ceil(256) as u32, n_rows as u32, 1];
        self.launch_plain("combine", &binds, grid, &params);
    }

    /// In the order of the kernel; `last` are the factors or the plan.
    fn binds<'b>(
        &'b self,
        x: &'b Slice,
        shard: &'b ExpertShard,
        out: &'b Slice,
        last: Bind<'b>,
    ) -> [Bind<'b>; 6] {
        // Where there are none, something has to be bound.
        let biases = self.experts.biases.as_ref();
        [
            Bind::Read(&self.routing.slice),
            Bind::Read(x),
            // How many of them is counted by the launch.
            Bind::Read(&shard.weight.slice),
            Bind::WriteSome(out, self.experts.written_bytes(shard, self.n_slots())),
            last,
            biases.map_or(Bind::Unused(&self.routing.slice), Bind::Read),
        ]
    }

    /// One that reads no weight, whatever the formats.
    fn launch_plain(
        &self,
        entry: &'static str,
        binds: &[Bind<'_>],
        grid: [u32; 3],
        params: &Params,
    ) {
        let launch = Launch {
            format: Some(Dtype::F32.into()),
            ..Launch::plain("experts", entry, binds, grid)
        };
        self.gpu.launch(&launch, params);
    }

    fn launch(
        &self,
        (entry, team): (&'static str, usize),
        shard: &ExpertShard,
        binds: &[Bind<'_>],
        grid: [u32; 3],
        params: &Params,
    ) {
        let is_wide = params.n_cols.is_multiple_of(4);
        let constants = [
            ("act", f64::from(act_id(self.spec.act))),
            ("is_wide", f64::from(u8::from(is_wide))),
            ("is_up", f64::from(u8::from(shard.of == Matrices::Up))),
            ("is_alone", f64::from(u8::from(shard.of == Matrices::Alone))),
            ("team", team as f64),
        ];
        let is_grouped = params.n_tiles > 0;
        let weight_bytes = self.experts.weight_bytes(shard, self.n_slots(), is_grouped);
        let mut binds = binds.to_vec();
        binds[2] = Bind::ReadSome(&shard.weight.slice, weight_bytes);
        let binds = &binds;
        let launch = Launch {
            constants: &constants,
            weight_bytes,
            ..shard.weight.launch("experts", entry, binds, grid)
        };
        self.gpu.launch(&launch, params);
    }

    /// What all kernels share.
    fn params(&self) -> Params {
        let (alpha, limit) = match self.spec.act {
            Act::GptOss { alpha, limit } => (alpha, limit),
            Act::SiluClamp { limit } | Act::ClampedSilu { limit } => (0.0, limit),
            Act::Silu | Act::GeluTanh | Act::Identity | Act::Relu | Act::Relu2 => (0.0, 0.0),
        };
        Params {
            n_picks: self.routing.n_picks as u32,
            networks_at: self.routing.part_at(1) as u32,
            by_id_at: self.routing.part_at(4) as u32,
            factors_at: self.factors.1 as u32,
            scale: self.scale,
            alpha,
            limit,
            has_biases: u32::from(self.experts.biases.is_some()),
            d_ff: self.experts.d_ff as u32,
            width: self.experts.width as u32,
            weights_at: self.routing.part_at(2) as u32,
            is_on_input: u32::from(self.weight_on == WeightOn::Input),
            ..Params::default()
        }
    }

    fn of_shard(&self, shard: &ExpertShard) -> Params {
        Params {
            row_units: shard.weight.row_units as u32,
            scales_at: shard.weight.scales_at,
            first_network: shard.experts.start as u32,
            n_networks: shard.experts.len() as u32,
            first_row: shard.rows.start as u32,
            n_rows: shard.rows.len() as u32,
            ..self.params()
        }
    }

    fn of_gate_up(&self, shard: &ExpertShard) -> Params {
        Params {
            n_cols: self.experts.width as u32,
            n_out: self.experts.d_ff as u32,
            ..self.of_shard(shard)
        }
    }

    fn of_down(&self, shard: &ExpertShard) -> Params {
        Params {
            n_cols: self.experts.d_ff as u32,
            n_out: self.experts.width as u32,
            ..self.of_shard(shard)
        }
    }
}
