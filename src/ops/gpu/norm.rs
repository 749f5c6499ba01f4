//! RMS norm of rows. The kernel is `kernels/norm.wgsl`, the reference `src/ops/cpu/norm.rs`.

use bytemuck::{Pod, Zeroable};

use super::{device::Gpu, pipeline::Bind, record::Launch, tensor::GpuTensor, weight::GpuWeight};

/// Mirrors `Params` of the kernel.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    n_cols: u32,
    eps: f32,
}

/// `x / sqrt(mean(x²) + eps) · weight`, row by row: `[T, H]`.
pub fn norm(gpu: &Gpu, x: &GpuTensor, weight: &GpuWeight, eps: f32) -> GpuTensor {
    let out = gpu.tensor(x.rows, x.cols);
    let binds = [
        Bind::Read(&x.slice),
        Bind::Read(&weight.vector),
        Bind::Write(&out.slice),
    ];
    let launch = Launch::plain("norm", "norm", &binds, [x.rows as u32, 1, 1]);
    gpu.launch(
        &launch,
        &Params {
            n_cols: x.cols as u32,
            eps,
        },
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::cpu::norm::rms_norm;
    use crate::ops::gpu::testing::{assert_near, gpus, numbers, read, vector};

    #[test]
    fn every_row_is_normed_as_by_the_reference() {
        for gpu in gpus() {
            for (rows, cols) in [(1, 1), (1, 7), (7, 160), (65, 257), (2, 4096)] {
                let x = numbers(rows * cols, 1);
                let w = numbers(cols, 2);
                let weight = gpu.weight_of("norm", &[&vector(&w)]).unwrap();
                let got = norm(&gpu, &gpu.tensor_from(&x, cols), &weight, 1e-5);
                let mut want = x;
                want.chunks_exact_mut(cols)
                    .for_each(|it| rms_norm(it, &w, 1e-5));
                assert_near(&read(&gpu, &got), &want, 1e-6, &format!("{rows} × {cols}"));
            }
        }
    }
}
