//! Mixers with a state on the device against the reference, over odd shapes, batches, pieces and forks.

use std::ops::Range;

use super::{
    Gpu, GpuWeight,
    recurrent::{GpuState, recur},
    testing::{assert_near, gpus, matrix, numbers, read, vector},
};
use crate::checkpoint::WeightView;
use crate::ops::{
    BatchSpan, Cpu, CpuState, CpuWeight, Ops as _, RecurrentWeights, SelectionWeights, cpu::Matrix,
};
use crate::spec::{
    DeltaDecay, DeltaGate, DeltaLayout, DeltaSpec, KvMap, Mamba1Spec, Mamba2Spec, Position,
    RecurrentSpec, RoutingPolicy, ShortConvSpec,
};

/// A mixer of each kind and layout, no width a multiple of another.
fn specs() -> Vec<RecurrentSpec> {
    let delta = |layout, kv_map, [keys, values]: [usize; 2]| {
        RecurrentSpec::Delta(DeltaSpec {
            n_key_heads: keys,
            n_value_heads: values,
            kv_map,
            key_dim: 7,
            value_dim: 67,
            kernel: 4,
            layout,
            decay: DeltaDecay::PerHead,
            gate: DeltaGate::Silu,
            rank: None,
            eps: 1e-6,
        })
    };
    let by_channel = |floor| {
        RecurrentSpec::Delta(DeltaSpec {
            n_key_heads: 3,
            n_value_heads: 3,
            kv_map: KvMap::Grouped,
            key_dim: 7,
            value_dim: 67,
            kernel: 4,
            layout: DeltaLayout::Apart,
            decay: DeltaDecay::PerChannel { floor },
            gate: DeltaGate::Sigmoid,
            rank: None,
            eps: 1e-6,
        })
    };
    let mamba = |n_groups, dt_range| {
        RecurrentSpec::Mamba2(Mamba2Spec {
            n_heads: 6,
            head_dim: 9,
            state_dim: 13,
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
    let conv = |kernel, bias| {
        RecurrentSpec::ShortConv(ShortConvSpec {
            width: 301,
            kernel,
            bias,
        })
    };
    vec![
        conv(1, false),
        conv(3, true),
        delta(DeltaLayout::Split, KvMap::Tiled, [2, 6]),
        delta(DeltaLayout::ByKeyHead, KvMap::Grouped, [2, 4]),
        delta(DeltaLayout::SplitPairs, KvMap::Grouped, [3, 3]),
        by_channel(None),
        by_channel(Some(-5.0)),
        mamba(1, [0.0, f32::INFINITY]),
        mamba(3, [0.4, 0.9]),
        channels(67, 5, 3),
        channels(192, 16, 13),
    ]
}

/// Weights of a mixer, as stored.
fn weights(spec: &RecurrentSpec) -> RecurrentWeights<WeightView> {
    let (heads, _) = spec.folded();
    let one = |n: usize, seed| vector(&numbers(n, seed));
    let per_head = |seed| (heads > 0).then(|| one(heads, seed));
    let n_decays = match spec {
        RecurrentSpec::Mamba1(it) => it.width * it.state_dim,
        _ => heads,
    };
    let decays: Vec<f32> = numbers(n_decays, 3)
        .iter()
        .map(|it| -it.abs() - 0.01)
        .collect();
    let norm = match spec {
        RecurrentSpec::ShortConv(_) | RecurrentSpec::Mamba1(_) => None,
        RecurrentSpec::Delta(it) => Some(one(it.value_dim, 7)),
        RecurrentSpec::Mamba2(it) => Some(one(it.width(), 7)),
    };
    RecurrentWeights {
        conv: one(spec.n_channels() * spec.kernel(), 1),
        conv_bias: spec.biases().0.then(|| one(spec.n_channels(), 2)),
        decay: (heads > 0).then(|| vector(&decays)),
        step_bias: match spec {
            RecurrentSpec::Delta(it) => Some(one(it.n_decays(), 4)),
            _ => per_head(4),
        },
        skip: matches!(spec, RecurrentSpec::Mamba2(_) | RecurrentSpec::Mamba1(_))
            .then(|| one(heads, 5)),
        norm,
        selection: match spec {
            RecurrentSpec::Mamba1(it) => {
                let n = it.parts().iter().sum();
                Some(SelectionWeights {
                    read: matrix(&numbers(n * it.width, 8), n),
                    norms: one(n, 9),
                    steps: matrix(&numbers(it.width * it.rank, 10), it.width),
                })
            }
            _ => None,
        },
    }
}

fn ready<W>(
    stored: &RecurrentWeights<WeightView>,
    make: impl Fn(&WeightView) -> W,
) -> RecurrentWeights<W> {
    let some = |it: &Option<WeightView>| it.as_ref().map(&make);
    RecurrentWeights {
        conv: make(&stored.conv),
        conv_bias: some(&stored.conv_bias),
        decay: some(&stored.decay),
        step_bias: some(&stored.step_bias),
        skip: some(&stored.skip),
        norm: some(&stored.norm),
        selection: stored.selection.as_ref().map(|it| SelectionWeights {
            read: make(&it.read),
            norms: make(&it.norms),
            steps: make(&it.steps),
        }),
    }
}

/// The reference and a device, side by side.
struct Both<'a> {
    gpu: &'a Gpu,
    spec: RecurrentSpec,
    on_gpu: RecurrentWeights<GpuWeight>,
    on_cpu: RecurrentWeights<CpuWeight>,
}

impl<'a> Both<'a> {
    fn new(gpu: &'a Gpu, spec: RecurrentSpec) -> Self {
        let stored = weights(&spec);
        Self {
            gpu,
            spec,
            on_gpu: ready(&stored, |it| gpu.weight_of("test", &[it]).unwrap()),
            on_cpu: ready(&stored, |it| CpuWeight::new(&[it])),
        }
    }

    /// Runs so many rows of each sequence on both and compares.
    fn run(&self, n_rows: &[usize], states: &mut [(GpuState, CpuState)], seed: u32, what: &str) {
        let policy = RoutingPolicy::default();
        let n_in = self.spec.n_in();
        let total: usize = n_rows.iter().sum();
        let x = numbers(total * n_in, seed);
        let mut first = 0;
        let spans: Vec<BatchSpan<'_>> = n_rows
            .iter()
            .zip(&*states)
            .map(|(n, state)| {
                first += n;
                BatchSpan {
                    rows: first - n..first,
                    start: Position::new(state.1.len()),
                    policy: &policy,
                }
            })
            .collect();
        let (mut on_gpu, mut on_cpu): (Vec<_>, Vec<_>) =
            states.iter_mut().map(|it| (&mut it.0, &mut it.1)).unzip();
        let tensor = self.gpu.tensor_from(&x, n_in);
        let got = recur(
            self.gpu,
            &tensor,
            &self.on_gpu,
            &self.spec,
            &spans,
            &mut on_gpu,
        )
        .unwrap();
        let matrix = Matrix {
            data: x,
            cols: n_in,
        };
        let cpu = Cpu::default();
        let want = cpu.recur(&matrix, &self.on_cpu, &self.spec, &spans, &mut on_cpu);
        let what = format!("{} {:?}, {what}", self.spec.label(), self.spec.folded());
        assert_near(&read(self.gpu, &got), &want.data, 3e-5, &what);
        for (gpu, cpu) in states {
            assert_eq!(gpu.len(), cpu.len(), "{what}");
            for len in [0, 10, 40, 70, 96] {
                assert_eq!(gpu.cut(len), cpu.cut(len), "{what}");
            }
        }
    }
}

fn fresh(spec: &RecurrentSpec) -> (GpuState, CpuState) {
    (GpuState::new(spec), Cpu::default().state(spec))
}

#[test]
fn every_mixer_with_a_state_puts_out_what_the_reference_does() {
    for gpu in gpus() {
        for spec in specs() {
            let both = Both::new(&gpu, spec);
            let mut states = [fresh(&spec), fresh(&spec)];
            both.run(&[70, 1], &mut states, 1, "a prompt beside one row");
            both.run(&[1, 1], &mut states, 2, "one row each");
            both.run(&[5, 40], &mut states, 3, "on from there");
        }
    }
}

#[test]
fn a_fork_and_its_origin_go_on_each_by_itself() {
    let gpu = gpus().remove(0);
    for spec in specs() {
        let both = Both::new(&gpu, spec);
        let mut origin = [fresh(&spec)];
        both.run(&[75], &mut origin, 1, "origin");
        for len in [75, 64, 40, 10] {
            let mut fork = [(
                origin[0].0.fork(len),
                Cpu::default().fork_state(&origin[0].1, len),
            )];
            both.run(&[3], &mut fork, 4, "fork");
            both.run(&[30], &mut fork, 5, "fork, further");
        }
        both.run(&[3], &mut origin, 6, "origin, further");
        origin[0].0.truncate(64);
        origin[0].1 = Cpu::default().fork_state(&origin[0].1, 64);
        both.run(&[2], &mut origin, 7, "origin, cut");
    }
}

#[test]
fn steps_of_one_row_are_a_prompt_read_at_once() {
    let gpu = gpus().remove(0);
    for spec in specs() {
        let both = Both::new(&gpu, spec);
        let policy = RoutingPolicy::default();
        let n_in = spec.n_in();
        let x = numbers(34 * n_in, 9);
        let run = |rows: Range<usize>, state: &mut GpuState| {
            let x = gpu.tensor_from(&x[rows.start * n_in..rows.end * n_in], n_in);
            let span = BatchSpan {
                rows: 0..rows.len(),
                start: Position::new(rows.start),
                policy: &policy,
            };
            let out = recur(&gpu, &x, &both.on_gpu, &spec, &[span], &mut [state]).unwrap();
            read(&gpu, &out)
        };
        let whole = run(0..34, &mut GpuState::new(&spec));
        let mut state = GpuState::new(&spec);
        let steps: Vec<f32> = (0..34).flat_map(|t| run(t..t + 1, &mut state)).collect();
        assert_near(&steps, &whole, 1e-5, spec.label());
    }
}
