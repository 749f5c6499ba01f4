//! Products of each head's numbers with rows of the weight that are the head's own. The kernel is
//! `kernels/heads.wgsl`, the reference `src/ops/cpu/heads.rs`.

use bytemuck::{Pod, Zeroable};

use super::{
    device::Gpu,
    pipeline::Bind,
    record::{Launch, MAX_GROUPS},
    tensor::GpuTensor,
    weight::GpuWeight,
};
use crate::ops::cpu::heads::{HeadCols, HeadRows, Side};

/// Rows a workgroup takes.
const ROWS: usize = 8;
/// Columns a workgroup takes.
const COLUMNS: usize = 256;

/// Mirrors `Params` of the kernel.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    row_units: u32,
    scales_at: u32,
    n_rows: u32,
    first_row: u32,
    row_step: u32,
    row_first: u32,
    n_in: u32,
    n_out: u32,
    x_step: u32,
    out_step: u32,
    n_heads: u32,
    adds: u32,
}

/// Per head a product of its numbers in `x` with its rows of `weight`, written to its numbers in `out`.
///
/// * `x`: `[T, heads · from.step]`; `out`: `[T, heads · to.step]`
/// * `side`: `from.n` is the number of columns and `to.n` that of rows, or the other way round
pub fn per_head(
    gpu: &Gpu,
    (x, from): (&GpuTensor, HeadCols),
    weight: &GpuWeight,
    rows: HeadRows,
    side: Side,
    (out, to): (&GpuTensor, HeadCols),
) {
    debug_assert!(x.rows <= MAX_GROUPS as usize);
    let n_heads = x.cols / from.step.max(1);
    let (entry, blocks) = match side {
        Side::Rows => ("rows", to.n.div_ceil(ROWS)),
        Side::Columns => ("columns", to.n.div_ceil(COLUMNS)),
    };
    let grid = [blocks as u32, n_heads as u32, x.rows as u32];
    for shard in &weight.shards {
        let binds = [
            Bind::Read(&shard.slice),
            Bind::ReadSome(&x.slice, (4 * x.rows * n_heads * from.n) as u64),
            Bind::WriteSome(&out.slice, (4 * out.rows * n_heads * to.n) as u64),
        ];
        let params = Params {
            row_units: shard.row_units as u32,
            scales_at: shard.scales_at,
            n_rows: shard.rows as u32,
            first_row: shard.first_row as u32,
            row_step: rows.step as u32,
            row_first: rows.first as u32,
            n_in: from.n as u32,
            n_out: to.n as u32,
            x_step: from.step as u32,
            out_step: to.step as u32,
            n_heads: n_heads as u32,
            adds: u32::from(shard.first_row > 0),
        };
        let launch = Launch {
            weight_bytes: shard.slice.n_bytes,
            ..shard.launch("heads", entry, &binds, grid)
        };
        gpu.launch(&launch, &params);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::Dtype;
    use crate::ops::CpuWeight;
    use crate::ops::cpu::{Matrix, heads::per_head as reference};
    use crate::ops::gpu::testing::{assert_near, gpus, numbers, read, stored, whole_blocks};

    /// Both sides of a weight with rows of another part between those of a head, in one piece and in several.
    fn check(gpu: &Gpu, dtype: Dtype, [heads, n, cols]: [usize; 3], shard_bytes: u64) {
        let cols = whole_blocks(cols, dtype);
        let rows = HeadRows {
            step: n + 3,
            first: 2,
            n,
        };
        let n_rows = heads * rows.step;
        let view = stored(&numbers(n_rows * cols, 5), n_rows, dtype);
        let on_gpu = gpu.weight_in("test", &[&view], shard_bytes).unwrap();
        let on_cpu = CpuWeight::new(&[&view]);
        let part = |n| HeadCols { step: n + 5, n };
        for (side, from, to) in [
            (Side::Rows, part(cols), part(n)),
            (Side::Columns, part(n), part(cols)),
        ] {
            for n_tokens in [1, 3] {
                let x = numbers(n_tokens * heads * from.step, 7);
                let before = vec![0.5; n_tokens * heads * to.step];
                let got = gpu.tensor_from(&before, heads * to.step);
                let tensor = gpu.tensor_from(&x, heads * from.step);
                per_head(gpu, (&tensor, from), &on_gpu, rows, side, (&got, to));
                let matrix = |data: Vec<f32>, step: usize| Matrix {
                    data,
                    cols: heads * step,
                };
                let mut want = matrix(before, to.step);
                let x = matrix(x, from.step);
                reference((&x, from), &on_cpu, rows, side, (&mut want, to));
                let what = format!("{} {side:?} {heads} × {n} × {cols}", dtype.label());
                assert_near(&read(gpu, &got), &want.data, 2e-5, &what);
            }
        }
    }

    #[test]
    fn products_by_head_are_those_of_the_reference() {
        for gpu in gpus() {
            for shape in [[1, 1, 1], [3, 7, 33], [2, 20, 301]] {
                check(&gpu, Dtype::F32, shape, 1 << 20);
                check(&gpu, Dtype::Bf16, shape, 1 << 20);
            }
            check(&gpu, Dtype::F32, [3, 7, 40], 5 * 160);
            for dtype in Dtype::ALL {
                check(&gpu, dtype, [2, 5, 64], 1 << 20);
            }
        }
    }
}
