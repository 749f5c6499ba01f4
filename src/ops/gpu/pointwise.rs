//! Number by number: scales, sigmoids, rows taken out. The kernel is `kernels/pointwise.wgsl`, the reference
//! of `src/ops/cpu/pointwise.rs`.

use bytemuck::{Pod, Zeroable};

use super::{
    device::Gpu,
    pipeline::Bind,
    record::{Launch, MAX_GROUPS},
    tensor::GpuTensor,
    weight::GpuWeight,
};
use crate::spec::GateAct;

/// Mirrors `Params` of the kernel.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Params {
    n: u32,
    row_of_groups: u32,
    n_cols: u32,
    scale: f32,
    cap: f32,
    first: u32,
    gate_cols: u32,
    each: u32,
    act: u32,
}

/// `Params::act`.
const SIGMOID: u32 = 0;
const SOFTPLUS: u32 = 1;
const SILU: u32 = 2;

/// Numbers of a workgroup.
const GROUP: usize = 256;

/// `into[t] += row · scale`; `row: [H]`.
pub fn add_row(gpu: &Gpu, into: &GpuTensor, row: &GpuWeight, scale: f32) {
    let binds = [Bind::Change(&into.slice), Bind::Read(&row.vector)];
    launch(gpu, "add_row", &binds, into, [scale, 0.0]);
}

/// `c · tanh(x · scale / c)`, or `x · scale` without a cap.
pub fn scale(gpu: &Gpu, x: &GpuTensor, scale: f32, cap: Option<f32>) {
    let binds = [Bind::Change(&x.slice)];
    match cap {
        Some(cap) => launch(gpu, "scale_capped", &binds, x, [scale, cap]),
        None if scale.to_bits() == 1.0f32.to_bits() => {}
        None => launch(gpu, "scale", &binds, x, [scale, 0.0]),
    }
}

/// `1 / (1 + e⁻ˣ)`, in place.
pub fn sigmoid(gpu: &Gpu, x: &GpuTensor) {
    launch(gpu, "sigmoid", &[Bind::Change(&x.slice)], x, [1.0, 0.0]);
}

/// Some rows of it: `[rows, n]`. All of them in their order are `x` itself, not a copy.
pub fn select(gpu: &Gpu, x: &GpuTensor, rows: &[usize]) -> GpuTensor {
    if rows.iter().copied().eq(0..x.rows) {
        return x.clone();
    }
    let out = gpu.tensor(rows.len(), x.cols);
    let ids: Vec<u32> = rows.iter().map(|it| *it as u32).collect();
    let ids = gpu.upload(&ids);
    let binds = [
        Bind::Write(&out.slice),
        Bind::ReadSome(&x.slice, out.slice.n_bytes),
        Bind::Read(&ids),
    ];
    launch(gpu, "take_rows", &binds, &out, [1.0, 0.0]);
    out
}

/// `x[t, c] *= act(by[t, first + c / each])`.
pub fn gate(gpu: &Gpu, x: &GpuTensor, by: &GpuTensor, first: usize, each: usize, act: GateAct) {
    let n_gates = (x.rows * x.cols / each.max(1) * 4) as u64;
    let binds = [Bind::Change(&x.slice), Bind::ReadSome(&by.slice, n_gates)];
    let gates = Gates {
        first,
        cols: by.cols,
        each,
        act: match act {
            GateAct::Sigmoid => SIGMOID,
            GateAct::Softplus => SOFTPLUS,
            GateAct::Silu => SILU,
        },
    };
    launch_gated(gpu, "gate", &binds, x, [1.0, 0.0], &gates);
}

/// Where gates stand: the column of the first, how many numbers their rows have, how many of x each is for.
#[derive(Default)]
struct Gates {
    first: usize,
    cols: usize,
    each: usize,
    act: u32,
}

/// `[rows, cols]`, all 0.
pub fn zeros(gpu: &Gpu, rows: usize, cols: usize) -> GpuTensor {
    let out = gpu.tensor(rows, cols);
    launch(gpu, "zero", &[Bind::Write(&out.slice)], &out, [0.0, 0.0]);
    out
}

/// `into += x · scale`; two tensors.
pub fn add(gpu: &Gpu, into: &GpuTensor, x: &GpuTensor, scale: f32) {
    let binds = [Bind::Change(&into.slice), Bind::Read(&x.slice)];
    launch(gpu, "add", &binds, into, [scale, 0.0]);
}

/// Rows side by side: `[T, Σ n]`.
pub fn beside(gpu: &Gpu, parts: &[&GpuTensor]) -> GpuTensor {
    let rows = parts.first().map_or(0, |it| it.rows);
    let out = gpu.tensor(rows, parts.iter().map(|it| it.cols).sum());
    let mut first = 0;
    for it in parts {
        let binds = [
            Bind::WriteSome(&out.slice, it.slice.n_bytes),
            Bind::Read(&it.slice),
        ];
        let to = Gates {
            first,
            cols: out.cols,
            ..Gates::default()
        };
        launch_gated(gpu, "put_columns", &binds, it, [1.0, 0.0], &to);
        first += it.cols;
    }
    out
}

/// One lane for each number of `over`.
fn launch(gpu: &Gpu, entry: &'static str, binds: &[Bind<'_>], over: &GpuTensor, by: [f32; 2]) {
    launch_gated(gpu, entry, binds, over, by, &Gates::default());
}

/// The same with gates.
fn launch_gated(
    gpu: &Gpu,
    entry: &'static str,
    binds: &[Bind<'_>],
    over: &GpuTensor,
    by: [f32; 2],
    gates: &Gates,
) {
    let n = over.rows * over.cols;
    let groups = n.div_ceil(GROUP);
    let x = groups.min(MAX_GROUPS as usize);
    let y = groups.checked_div(x).map_or(0, |_| groups.div_ceil(x));
    let params = Params {
        n: n as u32,
        row_of_groups: (x * GROUP) as u32,
        n_cols: over.cols as u32,
        scale: by[0],
        cap: by[1],
        first: gates.first as u32,
        gate_cols: gates.cols as u32,
        each: gates.each as u32,
        act: gates.act,
    };
    let launch = Launch::plain("pointwise", entry, binds, [x as u32, y as u32, 1]);
    gpu.launch(&launch, &params);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::cpu::{Matrix, pointwise as reference};
    use crate::ops::gpu::testing::{assert_near, gpus, numbers, read, vector};

    const SHAPES: [(usize, usize); 4] = [(1, 1), (7, 33), (65, 257), (1, 5000)];

    fn both(gpu: &Gpu, data: Vec<f32>, cols: usize) -> (GpuTensor, Matrix) {
        (gpu.tensor_from(&data, cols), Matrix { data, cols })
    }

    #[test]
    fn scales_are_the_references() {
        for gpu in gpus() {
            for (rows, cols) in SHAPES {
                let (x, mut want) = both(&gpu, numbers(rows * cols, 1), cols);
                scale(&gpu, &x, 3.0, None);
                reference::scale(&mut want, 3.0, None);
                assert_near(&read(&gpu, &x), &want.data, 1e-6, "scaled");
                scale(&gpu, &x, 40.0, Some(30.0));
                reference::scale(&mut want, 40.0, Some(30.0));
                assert_near(&read(&gpu, &x), &want.data, 1e-5, "capped");
            }
        }
    }

    #[test]
    fn a_cap_and_a_sigmoid_hold_for_numbers_of_any_size_and_show_what_is_none() {
        let data = vec![
            -3e38,
            -200.0,
            -1.0,
            0.0,
            1.0,
            200.0,
            3e38,
            f32::INFINITY,
            f32::NAN,
        ];
        for gpu in gpus() {
            let (x, mut want) = both(&gpu, data.clone(), 3);
            scale(&gpu, &x, 1.0, Some(2.0));
            reference::scale(&mut want, 1.0, Some(2.0));
            let got = read(&gpu, &x);
            assert!(got[8].is_nan());
            assert_near(&got[..8], &want.data[..8], 1e-6, "capped");
            let (x, _) = both(&gpu, data.clone(), 3);
            sigmoid(&gpu, &x);
            let mut reference = Matrix {
                data: data.clone(),
                cols: data.len(),
            };
            reference::sigmoid(&mut reference);
            let want = reference.data;
            let got = read(&gpu, &x);
            assert!(got[8].is_nan());
            assert_near(&got[..8], &want[..8], 1e-6, "sigmoids");
        }
    }

    #[test]
    fn sums_are_the_references() {
        for gpu in gpus() {
            for (rows, cols) in SHAPES {
                let (x, y) = both(&gpu, numbers(rows * cols, 1), cols);
                let (into, mut want) = both(&gpu, numbers(rows * cols, 2), cols);
                add(&gpu, &into, &x, 0.5);
                reference::add(&mut want, &y, 0.5);
                assert_near(&read(&gpu, &into), &want.data, 1e-6, "sums");
                // In memory that was used before.
                drop(into);
                let none = zeros(&gpu, rows, cols);
                assert!(read(&gpu, &none).iter().all(|it| it.to_bits() == 0));
            }
        }
    }

    #[test]
    fn a_row_is_added_to_every_row_as_by_the_reference() {
        for gpu in gpus() {
            for (rows, cols) in SHAPES {
                let (x, mut want) = both(&gpu, numbers(rows * cols, 1), cols);
                let row = numbers(cols, 2);
                let weight = gpu.weight_of("row", &[&vector(&row)]).unwrap();
                add_row(&gpu, &x, &weight, 0.5);
                reference::add_row(&mut want, &row, 0.5);
                assert_near(&read(&gpu, &x), &want.data, 1e-6, "rows added");
            }
        }
    }

    #[test]
    fn gates_are_taken_from_the_columns_they_stand_in() {
        for gpu in gpus() {
            for (rows, cols) in SHAPES {
                for each in [1, 2, 7, cols] {
                    for act in [GateAct::Sigmoid, GateAct::Softplus, GateAct::Silu] {
                        let (x, mut want) = both(&gpu, numbers(rows * cols, 1), cols);
                        let all = numbers(rows * (cols + 7), 2);
                        let far = all.iter().map(|it| it * 30.0).collect();
                        let (by, gates) = both(&gpu, far, cols + 7);
                        gate(&gpu, &x, &by, 5, each, act);
                        reference::gate(&mut want, &gates, 5, each, act);
                        let what = format!("gated by {act:?}, {each} each");
                        assert_near(&read(&gpu, &x), &want.data, 1e-6, &what);
                    }
                }
            }
        }
    }

    #[test]
    fn a_gate_of_a_head_is_for_all_its_numbers() {
        for gpu in gpus() {
            for (rows, heads, each) in [(1, 1, 1), (7, 3, 11), (3, 16, 65)] {
                let (x, mut want) = both(&gpu, numbers(rows * heads * each, 1), heads * each);
                let (by, gates) = both(&gpu, numbers(rows * heads, 2), heads);
                gate(&gpu, &x, &by, 0, each, GateAct::Sigmoid);
                reference::gate(&mut want, &gates, 0, each, GateAct::Sigmoid);
                assert_near(&read(&gpu, &x), &want.data, 1e-6, "gated");
            }
        }
    }

    #[test]
    fn rows_are_put_side_by_side() {
        for gpu in gpus() {
            for cols in [[1, 1, 1], [7, 33, 300], [257, 1, 64]] {
                let parts = cols.map(|it| both(&gpu, numbers(5 * it, it as u32), it));
                let got = beside(&gpu, &parts.each_ref().map(|it| &it.0));
                let want = reference::beside(&parts.each_ref().map(|it| &it.1));
                assert_eq!(got.cols, want.cols);
                assert_near(&read(&gpu, &got), &want.data, 0.0, "side by side");
            }
        }
    }

    #[test]
    fn a_scale_of_one_asks_nothing_of_the_device() {
        let gpu = &gpus()[0];
        let x = gpu.tensor_from(&[1.0, 2.0], 2);
        let before = gpu.counters().dispatches;
        scale(gpu, &x, 1.0, None);
        assert_eq!(gpu.counters().dispatches, before);
        scale(gpu, &x, 2.0, None);
        assert_eq!(gpu.counters().dispatches, before + 1);
    }

    #[test]
    fn rows_are_taken_in_the_order_asked_and_all_of_them_without_a_copy() {
        for gpu in gpus() {
            for (rows, cols) in SHAPES {
                let (x, want) = both(&gpu, numbers(rows * cols, 3), cols);
                let wanted: Vec<usize> = (0..rows).rev().chain([0]).collect();
                let got = select(&gpu, &x, &wanted);
                let want = reference::select(&want, &wanted).data;
                assert_near(&read(&gpu, &got), &want, 0.0, "rows");
                let before = gpu.counters().dispatches;
                let all: Vec<usize> = (0..rows).collect();
                assert_eq!(select(&gpu, &x, &all).slice.held.id, x.slice.held.id);
                assert_eq!(gpu.counters().dispatches, before);
            }
        }
    }

    #[test]
    fn no_rows_are_no_work() {
        let gpu = &gpus()[0];
        let x = gpu.tensor_from(&[1.0, 2.0], 2);
        let got = select(gpu, &x, &[]);
        assert_eq!((got.rows, got.cols), (0, 2));
    }

    #[test]
    fn more_numbers_than_one_axis_of_a_grid_has_lanes_are_all_scaled() {
        let gpu = &gpus()[0];
        let n = MAX_GROUPS as usize * GROUP + 300;
        let x = gpu.tensor_from(&vec![2.0; n], n);
        scale(gpu, &x, 2.0, None);
        assert!(
            read(gpu, &x)
                .iter()
                .all(|it| it.to_bits() == 4.0f32.to_bits())
        );
    }
}
