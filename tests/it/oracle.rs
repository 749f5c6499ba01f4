//! Our product of stored rows and tokens beside candle's, which somebody else wrote.

use std::{hint::black_box, sync::Arc, time::Instant};

use candle_core::{Device, Tensor};
use moescope::checkpoint::{Blob, WeightView};
use moescope::formats::Dtype;
use moescope::ops::{Cpu, Input, Ops as _};
use moescope::spec::TokenId;

/// Made-up numbers from -1 to 1.
fn numbers(n: usize, seed: u32) -> Vec<f32> {
    let one =
        |i: u32| (i.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 8) as f32 / 8_388_608.0 - 1.0;
    (0..n as u32).map(one).collect()
}

/// The same numbers as a bf16 weight, and widened for candle.
fn weight(rows: usize, cols: usize) -> (WeightView, Vec<f32>) {
    let bits: Vec<u16> = numbers(rows * cols, 5)
        .iter()
        .map(|it| half::bf16::from_f32(*it).to_bits())
        .collect();
    let words = bits
        .as_chunks::<2>()
        .0
        .iter()
        .map(|[a, b]| u32::from(*a) | u32::from(*b) << 16)
        .collect();
    let view = WeightView::new(&Blob::Memory(Arc::new(words)), 0, Dtype::Bf16, rows, cols).unwrap();
    let wide = bits
        .iter()
        .map(|it| half::bf16::from_bits(*it).to_f32())
        .collect();
    (view, wide)
}

fn activations(
    cpu: &Cpu,
    n: usize,
    cols: usize,
) -> (<Cpu as moescope::ops::Ops>::Tensor, Vec<f32>) {
    let x = numbers(n * cols, 11);
    let words = x.iter().map(|it| it.to_bits()).collect();
    let table = WeightView::new(&Blob::Memory(Arc::new(words)), 0, Dtype::F32, n, cols).unwrap();
    let rows: Vec<_> = (0..n).map(|it| Input::Known(TokenId::new(it))).collect();
    (cpu.embed(&cpu.weight(&[&table]).unwrap(), &rows, 1.0), x)
}

fn candle(x: &[f32], w: &[f32], n: usize, rows: usize, cols: usize) -> Vec<f32> {
    product(x, &matrix(w, rows, cols), n, cols)
}

fn matrix(w: &[f32], rows: usize, cols: usize) -> Tensor {
    Tensor::from_slice(w, (rows, cols), &Device::Cpu).unwrap()
}

fn product(x: &[f32], w: &Tensor, n: usize, cols: usize) -> Vec<f32> {
    let x = Tensor::from_slice(x, (n, cols), &Device::Cpu).unwrap();
    x.matmul(&w.t().unwrap())
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1()
        .unwrap()
}

#[test]
fn products_are_those_of_candle() {
    let cpu = Cpu::default();
    for (rows, cols, n) in [(8, 16, 1), (34, 62, 7), (128, 80, 33), (70, 512, 65)] {
        let (view, wide) = weight(rows, cols);
        let (tensor, x) = activations(&cpu, n, cols);
        let weight = cpu.weight(&[&view]).unwrap();
        let ours = cpu.linear(&tensor, &weight, None).data;
        let worst = ours
            .iter()
            .zip(candle(&x, &wide, n, rows, cols))
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(
            worst < 1e-6 * cols as f32,
            "{rows} × {cols} by {n}: off by {worst}"
        );
    }
}

/// `cargo test --release --config 'profile.release.package."*".opt-level=3' --test it -- --ignored --nocapture speed_beside_candle`,
/// since dependencies that run once are built without optimisation.
#[test]
#[ignore = "a measurement, not a check"]
fn speed_beside_candle() {
    let (cpu, rows, cols) = (Cpu::default(), 2048, 2048);
    let (view, wide) = weight(rows, cols);
    let ready = cpu.weight(&[&view]).unwrap();
    let kept = matrix(&wide, rows, cols);
    for n in [1, 3, 8, 32, 64, 128] {
        let (tensor, x) = activations(&cpu, n, cols);
        let mut times: [Vec<f64>; 3] = Default::default();
        for _ in 0..15 {
            let clock = Instant::now();
            black_box(cpu.linear(&tensor, &ready, None));
            times[0].push(clock.elapsed().as_secs_f64());
            let clock = Instant::now();
            black_box(candle(&x, &view.to_f32(), n, rows, cols));
            times[1].push(clock.elapsed().as_secs_f64());
            let clock = Instant::now();
            black_box(product(&x, &kept, n, cols));
            times[2].push(clock.elapsed().as_secs_f64());
        }
        times.iter_mut().for_each(|it| it.sort_by(f64::total_cmp));
        let speed = |it: &Vec<f64>| 2e-9 * (n * rows * cols) as f64 / it[it.len() / 2];
        let [ours, widened, kept] = &times;
        println!(
            "{n:4} tokens: ours {:6.1}, candle from bf16 {:6.1}, from f32 kept in memory {:6.1} GFLOP/s",
            speed(ours),
            speed(widened),
            speed(kept)
        );
    }
}
