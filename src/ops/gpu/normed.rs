//! Products of stored weights with a few normed rows, norm and product in one dispatch. The kernel is
//! `kernels/normed.wgsl`, the reference `src/ops/cpu/normed.rs`.

use bytemuck::{Pod, Zeroable};

use super::{
    device::Gpu,
    linear::{GROUP_TOKENS, gemv_shape},
    packing::RowLayout,
    pipeline::Bind,
    record::Launch,
    tensor::GpuTensor,
    weight::{GpuWeight, Shard},
};
use crate::ops::NormOf;
use crate::spec::NormKind;

/// Rows of a weight up to which norms are taken by every workgroup: beyond, a dispatch costs less than so many means.
const MOST_ROWS: usize = 1 << 14;

/// Mirrors `Params` of the kernel.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    row_units: u32,
    scales_at: u32,
    n_rows: u32,
    n_tokens: u32,
    groups_x: u32,
    has_bias: u32,
    eps: f32,
}

/// `out = norm(x) · Wᵀ + b`; returns `norm(x)`: `[T, H]`. None, and nothing done, where norm and product are better two
/// dispatches or cannot be one: more rows than a workgroup takes, layer norms, weights in several shards or in rows that
/// are no whole units.
///
/// The numbers are those of the two, bit for bit.
pub fn linear_into(
    gpu: &Gpu,
    x: &GpuTensor,
    norm: NormOf<'_, GpuWeight>,
    w: &GpuWeight,
    bias: Option<&GpuWeight>,
    out: &GpuTensor,
) -> Option<GpuTensor> {
    let shard = foldable(x, norm, w)?;
    let normed = gpu.tensor(x.rows, x.cols);
    let shape = gemv_shape(shard, x.rows);
    let binds = [
        Bind::ReadSome(&shard.slice, shape.weight_bytes),
        Bind::Read(&x.slice),
        Bind::Read(&norm.weight.vector),
        bias.map_or(Bind::Unused(&w.vector), |it| Bind::Read(&it.vector)),
        Bind::Write(&out.slice),
        Bind::Write(&normed.slice),
    ];
    let launch = Launch {
        constants: &shape.constants(),
        weight_bytes: shape.weight_bytes,
        ..shard.launch("normed", "gemv", &binds, shape.grid)
    };
    let params = Params {
        row_units: shard.row_units as u32,
        scales_at: shard.scales_at,
        n_rows: shard.rows as u32,
        n_tokens: x.rows as u32,
        groups_x: shape.grid[0],
        has_bias: u32::from(bias.is_some()),
        eps: norm.spec.eps,
    };
    gpu.launch(&launch, &params);
    Some(normed)
}

/// The one shard of a weight whose product can take the norm along.
fn foldable<'a>(x: &GpuTensor, norm: NormOf<'_, GpuWeight>, w: &'a GpuWeight) -> Option<&'a Shard> {
    let [shard] = w.shards.as_slice() else {
        return None;
    };
    let width = shard.row_units * RowLayout::of(shard.format).unit_numbers();
    let fits = x.cols == width && x.rows <= GROUP_TOKENS && w.rows <= MOST_ROWS;
    (fits && norm.spec.kind == NormKind::Rms && norm.bias.is_none()).then_some(shard)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::Dtype;
    use crate::ops::cpu::{Cpu, CpuWeight, Matrix, normed::linear as reference};
    use crate::ops::gpu::{
        linear::linear,
        norm::norm,
        testing::{assert_near, bits, gpus, numbers, read, stored, vector, whole_blocks},
    };
    use crate::spec::NormSpec;

    /// Rows, columns, tokens.
    fn check(gpu: &Gpu, [rows, cols, n]: [usize; 3], dtype: Dtype, has_bias: bool) {
        let cols = whole_blocks(cols, dtype);
        let view = stored(&numbers(rows * cols, 5), rows, dtype);
        let (b, norm_weight) = (numbers(rows, 9), numbers(cols, 4));
        let data = numbers(n * cols, 77);
        let spec = NormSpec::rms(1e-5);
        let w = gpu.weight_of("w", &[&view]).unwrap();
        let bias = gpu.weight_of("b", &[&vector(&b)]).unwrap();
        let bias = has_bias.then_some(&bias);
        let weight = gpu.weight_of("norm", &[&vector(&norm_weight)]).unwrap();
        let x = gpu.tensor_from(&data, cols);
        let by = NormOf {
            weight: &weight,
            bias: None,
            spec: &spec,
        };
        let what = format!("{rows} × {cols} in {} by {n}", dtype.label());
        // In memory that was used before, so that what is not written shows.
        let out = gpu.tensor_from(&vec![f32::NAN; n * rows], rows);
        let before = gpu.counters().dispatches;
        let normed = linear_into(gpu, &x, by, &w, bias, &out).unwrap();
        assert_eq!(gpu.counters().dispatches - before, 1, "{what}");
        let apart = norm(gpu, &x, &weight, None, spec);
        let product = linear(gpu, &apart, &w, bias);
        let [normed, apart] = [normed, apart].map(|it| bits(&read(gpu, &it)));
        assert_eq!(normed, apart, "{what}: the rows");
        let got = read(gpu, &out);
        assert_eq!(
            bits(&got),
            bits(&read(gpu, &product)),
            "{what}: the product"
        );
        let on_cpu = [norm_weight, b].map(|it| CpuWeight::new(&[&vector(&it)]));
        let by = NormOf {
            weight: &on_cpu[0],
            bias: None,
            spec: &spec,
        };
        let of = (CpuWeight::new(&[&view]), has_bias.then_some(&on_cpu[1]));
        let (_, want) = reference(&Cpu::default(), &Matrix { data, cols }, by, &of.0, of.1);
        assert_near(&got, &want.data, 3e-6, &what);
    }

    #[test]
    fn norm_and_product_in_one_are_those_of_two_bit_for_bit() {
        let gpus = gpus();
        for (dtype, gpu) in Dtype::ALL.into_iter().zip(gpus.iter().cycle()) {
            check(gpu, [67, 512, 3], dtype, false);
        }
        for gpu in &gpus {
            for shape in [[64, 2048, 1], [200, 64, 2], [9, 1024, 4], [1, 8, 1]] {
                check(gpu, shape, Dtype::Bf16, true);
            }
        }
    }

    #[test]
    fn what_cannot_be_one_dispatch_is_left_to_two() {
        let gpu = gpus().remove(0);
        let fits = |rows: usize, cols: usize, n: usize, spec: NormSpec, shard_bytes: u64| {
            let view = stored(&numbers(rows * cols, 5), rows, Dtype::Bf16);
            let w = gpu.weight_in("w", &[&view], shard_bytes).unwrap();
            let weight = gpu
                .weight_of("norm", &[&vector(&numbers(cols, 4))])
                .unwrap();
            let by = NormOf {
                weight: &weight,
                bias: None,
                spec: &spec,
            };
            let x = gpu.tensor(n, cols);
            foldable(&x, by, &w).is_some()
        };
        let rms = NormSpec::rms(1e-5);
        assert!(fits(16, 64, 4, rms, 1 << 20));
        assert!(
            !fits(16, 64, 5, rms, 1 << 20),
            "more rows than a workgroup takes"
        );
        assert!(
            !fits(16, 36, 1, rms, 1 << 20),
            "rows that are no whole units"
        );
        assert!(!fits(16, 64, 1, rms, 1 << 10), "several shards");
        assert!(!fits(16, 64, 1, NormSpec::layer(1e-5, false), 1 << 20));
        assert!(!fits(MOST_ROWS + 1, 8, 1, rms, 1 << 20), "many workgroups");
    }
}
