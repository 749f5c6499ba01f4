//! Mixers with a state against their formulas in f64, and a text read at once against one read in any other way.

use super::*;
use crate::checkpoint::{Blob, WeightView};
use crate::formats::Dtype;
use crate::ops::{SelectionWeights, State};
use crate::spec::{DeltaLayout, KvMap, Mamba1Spec, Position, RoutingPolicy};

fn random(n: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1u32 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

fn vector(numbers: &[f32]) -> CpuWeight {
    matrix(numbers, 1)
}

fn matrix(numbers: &[f32], rows: usize) -> CpuWeight {
    let words: Vec<u32> = numbers.iter().map(|it| it.to_bits()).collect();
    let view = WeightView::new(
        &Blob::Memory(Arc::new(words)),
        0,
        Dtype::F32,
        rows,
        numbers.len() / rows,
    );
    CpuWeight::new(&[&view.unwrap()])
}

fn delta(layout: DeltaLayout, kv_map: KvMap, heads: [usize; 2], dims: [usize; 2]) -> DeltaSpec {
    DeltaSpec {
        n_key_heads: heads[0],
        n_value_heads: heads[1],
        kv_map,
        key_dim: dims[0],
        value_dim: dims[1],
        kernel: 4,
        layout,
        decay: DeltaDecay::PerHead,
        gate: DeltaGate::Silu,
        rank: None,
        eps: 1e-6,
    }
}

/// A mixer of each kind: widths that are whole lanes, more, less, and odd.
fn specs() -> Vec<RecurrentSpec> {
    let conv = |kernel, bias, width| {
        RecurrentSpec::ShortConv(ShortConvSpec {
            width,
            kernel,
            bias,
        })
    };
    let by_channel = |floor, dims: [usize; 2]| {
        RecurrentSpec::Delta(DeltaSpec {
            decay: DeltaDecay::PerChannel { floor },
            gate: DeltaGate::Sigmoid,
            ..delta(DeltaLayout::Apart, KvMap::Grouped, [3, 3], dims)
        })
    };
    let mamba = |[n_heads, head_dim, state_dim]: [usize; 3], n_groups, dt_range| {
        RecurrentSpec::Mamba2(Mamba2Spec {
            n_heads,
            head_dim,
            state_dim,
            n_groups,
            kernel: 3,
            conv_bias: n_groups > 1,
            proj_bias: false,
            dt_range,
            eps: 1e-5,
        })
    };
    let channels = |width, state_dim, rank| {
        RecurrentSpec::Mamba1(Mamba1Spec {
            width,
            state_dim,
            rank,
            kernel: 4,
            conv_bias: rank > 5,
            proj_bias: false,
            eps: 1e-6,
        })
    };
    vec![
        conv(1, false, 33),
        conv(3, true, 301),
        conv(5, false, 7),
        RecurrentSpec::Delta(delta(DeltaLayout::Split, KvMap::Tiled, [2, 6], [128, 64])),
        RecurrentSpec::Delta(delta(
            DeltaLayout::ByKeyHead,
            KvMap::Grouped,
            [2, 4],
            [7, 67],
        )),
        RecurrentSpec::Delta(delta(
            DeltaLayout::SplitPairs,
            KvMap::Grouped,
            [3, 3],
            [1, 1],
        )),
        by_channel(None, [32, 32]),
        by_channel(Some(-5.0), [7, 67]),
        mamba([6, 9, 13], 1, [0.0, f32::INFINITY]),
        mamba([6, 8, 128], 3, [0.4, 0.9]),
        mamba([2, 1, 1], 2, [0.0, f32::INFINITY]),
        channels(67, 5, 3),
        channels(192, 16, 13),
    ]
}

fn weights(spec: &RecurrentSpec) -> RecurrentWeights<CpuWeight> {
    let (heads, _) = spec.folded();
    let one = |n: usize, seed| vector(&random(n, seed));
    let n_decays = match spec {
        RecurrentSpec::Mamba1(it) => it.width * it.state_dim,
        _ => heads,
    };
    let decays: Vec<f32> = random(n_decays, 3)
        .iter()
        .map(|it| -it.abs() - 0.01)
        .collect();
    let (n_bias, n_norm) = match spec {
        RecurrentSpec::ShortConv(_) => (0, 0),
        RecurrentSpec::Delta(it) => (it.n_decays(), it.value_dim),
        RecurrentSpec::Mamba2(it) => (heads, it.width()),
        RecurrentSpec::Mamba1(it) => (it.width, 0),
    };
    let has_skip = matches!(spec, RecurrentSpec::Mamba2(_) | RecurrentSpec::Mamba1(_));
    RecurrentWeights {
        conv: one(spec.n_channels() * spec.kernel(), 1),
        conv_bias: spec.biases().0.then(|| one(spec.n_channels(), 2)),
        decay: (heads > 0).then(|| vector(&decays)),
        step_bias: (heads > 0).then(|| one(n_bias, 4)),
        skip: has_skip.then(|| one(heads, 5)),
        norm: (n_norm > 0).then(|| one(n_norm, 7)),
        selection: match spec {
            RecurrentSpec::Mamba1(it) => {
                let n = it.parts().iter().sum();
                Some(SelectionWeights {
                    read: matrix(&random(n * it.width, 8), n),
                    norms: one(n, 9),
                    steps: matrix(&random(it.width * it.rank, 10), it.width),
                })
            }
            _ => None,
        },
    }
}

/// Reads the next rows of a sequence.
fn read(
    spec: &RecurrentSpec,
    weights: &RecurrentWeights<CpuWeight>,
    state: &mut CpuState,
    x: &[f32],
) -> Vec<f32> {
    let policy = RoutingPolicy::default();
    let x = Matrix {
        data: x.to_vec(),
        cols: spec.n_in(),
    };
    let span = BatchSpan {
        rows: 0..x.n_rows(),
        start: Position::new(state.len()),
        policy: &policy,
    };
    recur(&x, weights, spec, &[span], &mut [state]).data
}

#[test]
fn a_text_read_at_once_in_pieces_and_token_by_token_leaves_the_same_bits() {
    for spec in specs() {
        let (weights, n_in) = (weights(&spec), spec.n_in());
        let x = random(70 * n_in, 9);
        let mut at_once = State::new(&spec);
        let whole = read(&spec, &weights, &mut at_once, &x);
        for n in [1, 3, 31, 33, 64] {
            let mut state = State::new(&spec);
            let pieces = x.chunks(n * n_in);
            let out: Vec<f32> = pieces
                .flat_map(|x| read(&spec, &weights, &mut state, x))
                .collect();
            let what = format!("{} {:?} by {n}", spec.label(), spec.folded());
            assert!(
                bytemuck::cast_slice::<f32, u32>(&out) == bytemuck::cast_slice::<f32, u32>(&whole),
                "{what}"
            );
            assert!(state.now().as_deref() == at_once.now().as_deref(), "{what}");
            for len in [0, 40, 64] {
                let mut cut = [state.fork(len), at_once.fork(len)];
                let [a, b] = cut.each_mut().map(|it| it.now().as_deref().cloned());
                assert!(a == b, "{what}, cut at {len}");
            }
        }
    }
}

#[test]
fn every_mixer_puts_out_what_its_formula_says() {
    for spec in specs() {
        let weights = weights(&spec);
        let x = random(40 * spec.n_in(), 11);
        let got = read(&spec, &weights, &mut State::new(&spec), &x);
        let wide: Vec<f64> = x.iter().map(|it| f64::from(*it)).collect();
        let want = formula(&spec, &weights, &wide);
        let size = want.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            let off = (f64::from(*got) - want).abs();
            assert!(
                off <= 1e-5 * size.max(1e-3),
                "{} {:?}: {got} for {want} at {i}",
                spec.label(),
                spec.folded()
            );
        }
        assert_eq!(got.len(), want.len());
    }
}

fn wide(weight: Option<&CpuWeight>) -> Vec<f64> {
    numbers(weight).iter().map(|it| f64::from(*it)).collect()
}

fn sigmoid64(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Mixers as their specs describe them, one position after the other.
fn formula(spec: &RecurrentSpec, weights: &RecurrentWeights<CpuWeight>, x: &[f64]) -> Vec<f64> {
    let rows: Vec<&[f64]> = x.chunks(spec.n_in()).collect();
    match spec {
        RecurrentSpec::ShortConv(it) => {
            let w = it.width;
            let gated = rows
                .iter()
                .map(|row| (0..w).map(|c| row[c] * row[2 * w + c]).collect());
            let mixed = convolution(spec, weights, &gated.collect::<Vec<_>>());
            let of_row = |(row, mixed): (&&[f64], Vec<f64>)| {
                (0..w).map(|c| row[w + c] * mixed[c]).collect::<Vec<_>>()
            };
            rows.iter().zip(mixed).flat_map(of_row).collect()
        }
        RecurrentSpec::Delta(it) => delta_formula(spec, it, weights, &rows),
        RecurrentSpec::Mamba2(it) => mamba_formula(spec, it, weights, &rows),
        RecurrentSpec::Mamba1(it) => channels_formula(spec, it, weights, &rows),
    }
}

fn convolution(
    spec: &RecurrentSpec,
    weights: &RecurrentWeights<CpuWeight>,
    x: &[Vec<f64>],
) -> Vec<Vec<f64>> {
    let taps = wide(Some(&weights.conv));
    let bias = wide(weights.conv_bias.as_ref());
    let kernel = spec.kernel();
    let one = |t: usize, c: usize| {
        let products = (0..kernel).filter(|j| t + j + 1 >= kernel);
        let sum: f64 = products
            .map(|j| taps[c * kernel + j] * x[t + j + 1 - kernel][c])
            .sum();
        sum + bias.get(c).copied().unwrap_or(0.0)
    };
    let row = |t| (0..spec.n_channels()).map(|c| one(t, c)).collect();
    (0..x.len()).map(row).collect()
}

fn normed(x: &mut [f64], weight: &[f64], eps: f32) {
    let mean: f64 = x.iter().map(|it| it * it).sum::<f64>() / x.len() as f64;
    let scale = 1.0 / (mean + f64::from(eps)).sqrt();
    x.iter_mut().zip(weight).for_each(|(x, w)| *x *= scale * w);
}

fn delta_formula(
    all: &RecurrentSpec,
    spec: &DeltaSpec,
    weights: &RecurrentWeights<CpuWeight>,
    rows: &[&[f64]],
) -> Vec<f64> {
    let (parts, r) = (spec.parts(), spec.per_key_head());
    let (dk, dv, keys) = (spec.key_dim, spec.value_dim, spec.keys_width());
    let channels = |row: &&[f64]| {
        let mut out = Vec::new();
        for (part, width) in [(parts.q, dk), (parts.k, dk), (parts.v, r * dv)] {
            for h in 0..spec.n_key_heads {
                out.extend_from_slice(&row[part.first + h * part.step..][..width]);
            }
        }
        out
    };
    let mixed = convolution(all, weights, &rows.iter().map(channels).collect::<Vec<_>>());
    let [decay, bias, norm] =
        [&weights.decay, &weights.step_bias, &weights.norm].map(|it| wide(it.as_ref()));
    let mut states = vec![vec![vec![0.0; dv]; dk]; spec.n_value_heads];
    let mut out = Vec::new();
    for (row, mixed) in rows.iter().zip(mixed) {
        let mixed: Vec<f64> = mixed.iter().map(|it| it * sigmoid64(*it)).collect();
        for (head, state) in states.iter_mut().enumerate() {
            let key = spec.key_head_of(head) * dk;
            let length = |x: &[f64]| (x.iter().map(|it| it * it).sum::<f64>() + 1e-6).sqrt();
            let (q, k) = (&mixed[key..key + dk], &mixed[keys + key..keys + key + dk]);
            let (of_q, of_k) = (length(q) * (dk as f64).sqrt(), length(k));
            let v = &mixed[2 * keys + head * dv..][..dv];
            for (i, state) in state.iter_mut().enumerate() {
                let by = match spec.decay {
                    DeltaDecay::PerHead => {
                        let a = row[parts.a.first + head / r * parts.a.step + head % r];
                        (decay[head] * (a + bias[head]).exp().ln_1p()).exp()
                    }
                    DeltaDecay::PerChannel { floor } => {
                        let step =
                            row[parts.a.first + head * parts.a.step + i] + bias[head * dk + i];
                        match floor {
                            None => (decay[head] * step.exp().ln_1p()).exp(),
                            Some(it) => (f64::from(it) * sigmoid64(-decay[head] * step)).exp(),
                        }
                    }
                };
                state.iter_mut().for_each(|it| *it *= by);
            }
            let beta = sigmoid64(row[parts.b.first + head / r * parts.b.step + head % r]);
            let mut read = vec![0.0; dv];
            for j in 0..dv {
                let known: f64 = (0..dk).map(|i| state[i][j] * k[i] / of_k).sum();
                for i in 0..dk {
                    state[i][j] += k[i] / of_k * beta * (v[j] - known);
                }
                read[j] = (0..dk).map(|i| state[i][j] * q[i] / of_q).sum();
            }
            normed(&mut read, &norm, spec.eps);
            let z = parts.z.first + head / r * parts.z.step + head % r * dv;
            out.extend(read.iter().zip(&row[z..]).map(|(it, z)| {
                it * sigmoid64(*z)
                    * if spec.gate == DeltaGate::Silu {
                        *z
                    } else {
                        1.0
                    }
            }));
        }
    }
    out
}

fn mamba_formula(
    all: &RecurrentSpec,
    spec: &Mamba2Spec,
    weights: &RecurrentWeights<CpuWeight>,
    rows: &[&[f64]],
) -> Vec<f64> {
    let (width, groups) = (spec.width(), spec.groups_width());
    let channels = |row: &&[f64]| row[width..2 * width + 2 * groups].to_vec();
    let mixed = convolution(all, weights, &rows.iter().map(channels).collect::<Vec<_>>());
    let [decay, bias, skip, norm] = [
        &weights.decay,
        &weights.step_bias,
        &weights.skip,
        &weights.norm,
    ]
    .map(|it| wide(it.as_ref()));
    let (p, n) = (spec.head_dim, spec.state_dim);
    let mut states = vec![vec![vec![0.0; n]; p]; spec.n_heads];
    let mut out = Vec::new();
    for (row, mixed) in rows.iter().zip(mixed) {
        let mixed: Vec<f64> = mixed.iter().map(|it| it * sigmoid64(*it)).collect();
        let mut read = Vec::new();
        for (head, state) in states.iter_mut().enumerate() {
            let group = head * spec.n_groups / spec.n_heads * n;
            let [least, most] = spec.dt_range.map(f64::from);
            let dt = row[2 * width + 2 * groups + head] + bias[head];
            let dt = dt.exp().ln_1p().max(least).min(most);
            for (i, state) in state.iter_mut().enumerate() {
                let x = mixed[head * p + i];
                let mut sum = skip[head] * x;
                for (j, s) in state.iter_mut().enumerate() {
                    *s = (decay[head] * dt).exp() * *s + dt * x * mixed[width + group + j];
                    sum += *s * mixed[width + groups + group + j];
                }
                read.push(sum);
            }
        }
        read.iter_mut()
            .zip(*row)
            .for_each(|(it, z)| *it *= z * sigmoid64(*z));
        let each = width / spec.n_groups;
        let parts = read.chunks_mut(each).zip(norm.chunks(each));
        parts.for_each(|(x, norm)| normed(x, norm, spec.eps));
        out.extend(read);
    }
    out
}

fn channels_formula(
    all: &RecurrentSpec,
    spec: &Mamba1Spec,
    weights: &RecurrentWeights<CpuWeight>,
    rows: &[&[f64]],
) -> Vec<f64> {
    let (width, n) = (spec.width, spec.state_dim);
    let channels = rows.iter().map(|row| row[..width].to_vec());
    let mixed = convolution(all, weights, &channels.collect::<Vec<_>>());
    let selection = weights.selection.as_ref().unwrap();
    let matrix = |it: &CpuWeight| {
        let numbers = it.view().to_f32();
        numbers.into_iter().map(f64::from).collect::<Vec<_>>()
    };
    let times = |w: &[f64], x: &[f64]| {
        let products = |row: &[f64]| row.iter().zip(x).map(|(w, x)| w * x).sum();
        w.chunks(x.len()).map(products).collect::<Vec<f64>>()
    };
    let [read, to_steps] = [&selection.read, &selection.steps].map(matrix);
    let norms = wide(Some(&selection.norms));
    let [decay, bias, skip] =
        [&weights.decay, &weights.step_bias, &weights.skip].map(|it| wide(it.as_ref()));
    let mut states = vec![vec![0.0; n]; width];
    let mut out = Vec::new();
    for (row, mixed) in rows.iter().zip(mixed) {
        let mixed: Vec<f64> = mixed.iter().map(|it| it * sigmoid64(*it)).collect();
        let mut parts = times(&read, &mixed);
        let mut first = 0;
        for part in spec.parts() {
            normed(
                &mut parts[first..first + part],
                &norms[first..first + part],
                spec.eps,
            );
            first += part;
        }
        let steps = times(&to_steps, &parts[..spec.rank]);
        let (b, c) = parts[spec.rank..].split_at(n);
        for (channel, state) in states.iter_mut().enumerate() {
            let step = (steps[channel] + bias[channel]).exp().ln_1p();
            let mut sum = skip[channel] * mixed[channel];
            for (j, s) in state.iter_mut().enumerate() {
                let by = (decay[channel * n + j] * step).exp();
                *s = by * *s + step * mixed[channel] * b[j];
                sum += *s * c[j];
            }
            let z = row[width + channel];
            out.push(sum * z * sigmoid64(z));
        }
    }
    out
}
