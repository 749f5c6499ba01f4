//! Norms of rows. The kernel is `kernels/norm.wgsl`, the reference `src/ops/cpu/norm.rs`.

use bytemuck::{Pod, Zeroable};

use super::{device::Gpu, pipeline::Bind, record::Launch, tensor::GpuTensor, weight::GpuWeight};
use crate::spec::{NormKind, NormSpec};

/// Mirrors `Params` of the kernel.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    n_cols: u32,
    eps: f32,
    has_bias: u32,
}

/// Each row normed: `[T, H]`.
///
/// * `weight`, `bias`: `[H]`
pub fn norm(
    gpu: &Gpu,
    x: &GpuTensor,
    weight: &GpuWeight,
    bias: Option<&GpuWeight>,
    spec: NormSpec,
) -> GpuTensor {
    let out = gpu.tensor(x.rows, x.cols);
    let entry = match spec.kind {
        NormKind::Layer => "layer_norm",
        // The model refuses other kinds when it is opened.
        NormKind::Rms | NormKind::L2NoWeight => "norm",
    };
    let mut binds = vec![
        Bind::Read(&x.slice),
        Bind::Read(&weight.vector),
        Bind::Write(&out.slice),
    ];
    if spec.kind == NormKind::Layer {
        // What is not there is not read; something has to be bound.
        binds.push(bias.map_or(Bind::Unused(&weight.vector), |it| Bind::Read(&it.vector)));
    }
    let launch = Launch::plain("norm", entry, &binds, [x.rows as u32, 1, 1]);
    gpu.launch(
        &launch,
        &Params {
            n_cols: x.cols as u32,
            eps: spec.eps,
            has_bias: u32::from(bias.is_some()),
        },
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::cpu::norm::{layer_norm, rms_norm};
    use crate::ops::gpu::testing::{assert_near, gpus, numbers, read, vector};

    #[test]
    fn every_row_is_normed_as_by_the_reference() {
        for gpu in gpus() {
            for (rows, cols) in [(1, 1), (1, 7), (7, 160), (65, 257), (2, 4096)] {
                let x = numbers(rows * cols, 1);
                let w = numbers(cols, 2);
                let weight = gpu.weight_of("norm", &[&vector(&w)]).unwrap();
                let spec = NormSpec::rms(1e-5);
                let got = norm(&gpu, &gpu.tensor_from(&x, cols), &weight, None, spec);
                let mut want = x;
                want.chunks_exact_mut(cols)
                    .for_each(|it| rms_norm(it, &w, 1e-5));
                assert_near(&read(&gpu, &got), &want, 1e-6, &format!("{rows} × {cols}"));
            }
        }
    }

    #[test]
    fn a_mean_is_taken_off_and_a_bias_added_as_by_the_reference() {
        for gpu in gpus() {
            for (rows, cols) in [(1, 3), (7, 160), (65, 257), (2, 4096)] {
                // Far from 0, so that a mean that is left shows.
                let x: Vec<f32> = numbers(rows * cols, 1).iter().map(|it| it + 3.0).collect();
                let (w, b) = (numbers(cols, 2), numbers(cols, 3));
                let weight = gpu.weight_of("norm", &[&vector(&w)]).unwrap();
                let bias = gpu.weight_of("norm", &[&vector(&b)]).unwrap();
                for has_bias in [false, true] {
                    let spec = NormSpec::layer(1e-5, has_bias);
                    let bias = has_bias.then_some(&bias);
                    let got = norm(&gpu, &gpu.tensor_from(&x, cols), &weight, bias, spec);
                    let mut want = x.clone();
                    let b = has_bias.then_some(b.as_slice());
                    let rows = want.chunks_exact_mut(cols);
                    rows.for_each(|it| layer_norm(it, &w, b, 1e-5));
                    assert_near(&read(&gpu, &got), &want, 1e-5, &format!("{cols}"));
                }
            }
        }
    }
}
