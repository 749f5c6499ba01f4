//! Products of stored weights with activations. The kernel is `kernels/linear.wgsl`, the reference
//! `src/ops/cpu/linear.rs`.

use bytemuck::{Pod, Zeroable};

use super::{
    device::Gpu,
    packing::RowLayout,
    pipeline::Bind,
    record::{Launch, MAX_GROUPS},
    tensor::GpuTensor,
    weight::{GpuWeight, Shard},
};

/// Up to this many tokens the weight is read once for each four of them, which is faster than tiles
/// that are half empty; more are tiled.
const FEW_TOKENS: usize = 32;
/// Tokens one workgroup of a `gemv` takes at most.
pub(super) const GROUP_TOKENS: usize = 4;
/// Rows a team of a `gemv` takes.
const TEAM_ROWS: usize = 4;
/// Threads of a workgroup.
const N_THREADS: usize = 256;
/// The smallest team: fewer lanes would read less than 128 bytes of a row side by side.
const MIN_TEAM: usize = 8;
/// Rows, and tokens, of a tile of a `gemm`.
const TILE: usize = 64;

/// Mirrors `Params` of the kernel.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    row_units: u32,
    scales_at: u32,
    n_rows: u32,
    first_row: u32,
    n_tokens: u32,
    n_out: u32,
    groups_x: u32,
    n_narrow: u32,
    adds: u32,
    has_bias: u32,
    scale: f32,
}

/// `x · Wᵀ + b`: `[T, rows]`.
pub fn linear(gpu: &Gpu, x: &GpuTensor, w: &GpuWeight, bias: Option<&GpuWeight>) -> GpuTensor {
    let out = gpu.tensor(x.rows, w.rows);
    linear_into(gpu, x, w, bias, &out, None);
    out
}

/// `into = x · Wᵀ + b`, or `into += scale · (x · Wᵀ + b)`.
///
/// * `x`: `[T, cols]`, another buffer than `into`
/// * `into`: `[T, rows]`
/// * `add`: the scale, where it is added
pub fn linear_into(
    gpu: &Gpu,
    x: &GpuTensor,
    w: &GpuWeight,
    bias: Option<&GpuWeight>,
    into: &GpuTensor,
    add: Option<f32>,
) {
    let mut wide = x.clone();
    for shard in &w.shards {
        let width = shard.row_units * RowLayout::of(shard.format).unit_numbers();
        if wide.cols != width {
            wide = whole_units(gpu, x, shard, width);
        }
        let params = Params {
            row_units: shard.row_units as u32,
            scales_at: shard.scales_at,
            n_rows: shard.rows as u32,
            first_row: shard.first_row as u32,
            n_tokens: x.rows as u32,
            n_out: w.rows as u32,
            groups_x: 0,
            n_narrow: 0,
            adds: u32::from(add.is_some()),
            has_bias: u32::from(bias.is_some()),
            scale: add.unwrap_or(1.0),
        };
        let n_written = (4 * x.rows * shard.rows) as u64;
        let few = x.rows <= FEW_TOKENS;
        let weight_bytes = shard.slice.n_bytes * if few { n_groups(x.rows) as u64 } else { 1 };
        let binds = [
            Bind::ReadSome(&shard.slice, weight_bytes),
            Bind::Read(&wide.slice),
            bias.map_or(Bind::Unused(&w.vector), |it| Bind::Read(&it.vector)),
            match add {
                Some(_) => Bind::ChangeSome(&into.slice, n_written),
                None => Bind::WriteSome(&into.slice, n_written),
            },
        ];
        if few {
            gemv(gpu, shard, &binds, params);
        } else {
            gemm(gpu, shard, &binds, &params);
        }
    }
}

fn gemv(gpu: &Gpu, shard: &Shard, binds: &[Bind<'_>], params: Params) {
    let shape = gemv_shape(shard, params.n_tokens as usize);
    let launch = Launch {
        constants: &shape.constants(),
        weight_bytes: shape.weight_bytes,
        ..shard.launch("linear", "gemv", binds, shape.grid)
    };
    gpu.launch(
        &launch,
        &Params {
            groups_x: shape.grid[0],
            ..params
        },
    );
}

/// How products with few tokens are laid out.
pub(super) struct GemvShape {
    team: usize,
    tokens: usize,
    /// Workgroups.
    pub(super) grid: [u32; 3],
    /// Bytes of the weight that are read, again for each workgroup along the tokens.
    pub(super) weight_bytes: u64,
}

impl GemvShape {
    /// Override constants of the kernel.
    pub(super) fn constants(&self) -> [(&'static str, f64); 2] {
        [("TEAM", self.team as f64), ("TOKENS", self.tokens as f64)]
    }
}

/// The layout for so many tokens.
pub(super) fn gemv_shape(shard: &Shard, n_tokens: usize) -> GemvShape {
    let z = n_groups(n_tokens);
    let team = team_of(shard.row_units);
    let groups = shard.rows.div_ceil(TEAM_ROWS * N_THREADS / team) as u32;
    let x = groups.min(MAX_GROUPS);
    GemvShape {
        team,
        tokens: n_tokens.div_ceil(z.max(1)),
        grid: [x, groups.div_ceil(x.max(1)), z as u32],
        weight_bytes: shard.slice.n_bytes * z as u64,
    }
}

/// Times a `gemv` reads the weight.
fn n_groups(n_tokens: usize) -> usize {
    n_tokens.div_ceil(GROUP_TOKENS)
}

/// Lanes that share rows of so many units: most of them have one to read.
fn team_of(row_units: usize) -> usize {
    row_units.next_power_of_two().clamp(MIN_TEAM, N_THREADS)
}

fn gemm(gpu: &Gpu, shard: &Shard, binds: &[Bind<'_>], params: &Params) {
    let tiles = |n: u32| n.div_ceil(TILE as u32);
    let grid = [tiles(params.n_rows), tiles(params.n_tokens), 1];
    let launch = Launch {
        weight_bytes: shard.slice.n_bytes,
        ..shard.launch("linear", "gemm", binds, grid)
    };
    gpu.launch(&launch, params);
}

/// The activations in rows of whole units of a weight, `width` numbers; most are so wide from the beginning.
fn whole_units(gpu: &Gpu, x: &GpuTensor, shard: &Shard, width: usize) -> GpuTensor {
    if x.cols == width {
        return x.clone();
    }
    let wide = gpu.tensor(x.rows, width);
    let binds = [Bind::Read(&x.slice), Bind::Write(&wide.slice)];
    let grid = [width.div_ceil(N_THREADS) as u32, x.rows as u32, 1];
    let launch = Launch {
        format: Some(shard.format),
        ..Launch::plain("linear", "pad", &binds, grid)
    };
    let params = Params {
        row_units: shard.row_units as u32,
        n_narrow: x.cols as u32,
        ..Params::zeroed()
    };
    gpu.launch(&launch, &params);
    wide
}

#[cfg(test)]
#[path = "linear_tests.rs"]
mod tests;
