//! A whole model with its weights in blocks, against the same model with those blocks widened to f32
//! beforehand: what is stored differs, what is computed may not.

use std::sync::Arc;

use moescope::checkpoint::{Blob, Checkpoint, LayerSlot, Slot, WeightView, Weights};
use moescope::engine::{Backend, LiveBackend, StepRow};
use moescope::formats::Dtype;
use moescope::model::{Assembly, Model};
use moescope::ops::{Cpu, Ops, quantized};
use moescope::spec::{BlockFormat, ModelSpec, TokenId};

use super::read::whole;

const SHAPE: &str =
    "custom:hidden=96,ffn=64,experts=8,k=2,layers=3,heads=4,kv=2,width=32,vocab=300,context=64";
/// Of the largest number, as of the references.
const TOLERANCE: f32 = 2e-3;

/// The blocks of every matrix but the gates, widened.
fn widened(weights: &Weights, dtype: Dtype) -> Weights {
    let mut out = Weights::default();
    let mut n_blocks = 0;
    for (slot, view) in weights.iter() {
        let is_gate = matches!(
            slot,
            Slot::Layer(_, LayerSlot::Router | LayerSlot::SharedGate)
        );
        let blocks = quantized(view, dtype).filter(|_| !is_gate);
        n_blocks += usize::from(blocks.is_some());
        out.insert(*slot, blocks.map_or(view.clone(), |it| in_f32(&it)));
    }
    assert!(n_blocks > 3 * 24, "experts and attention are in blocks");
    out
}

fn in_f32(view: &WeightView) -> WeightView {
    let (rows, cols) = view.shape();
    let words: Vec<u32> = view.to_f32().into_iter().map(f32::to_bits).collect();
    WeightView::new(&Blob::Memory(Arc::new(words)), 0, Dtype::F32, rows, cols).unwrap()
}

fn model<O: Ops>(
    spec: &ModelSpec,
    weights: &Weights,
    ops: O,
    format: Option<BlockFormat>,
) -> Model<O> {
    let assembly = Assembly::new(spec.clone(), ops, format).unwrap();
    assembly.finish(weights).unwrap()
}

fn numbers<O: Ops>(model: Model<O>) -> Vec<Vec<f32>>
where
    LiveBackend<O>: Backend,
{
    let tokens: Vec<TokenId> = (0..21).map(|i| TokenId(i * 13 % 300)).collect();
    numbers_of(whole(model, &tokens))
}

/// Logits, and raw scores of every router.
pub fn numbers_of(row: StepRow) -> Vec<Vec<f32>> {
    let mut out: Vec<Vec<f32>> = row.trace.routers.into_iter().map(|it| it.logits).collect();
    out.push(row.logits);
    out
}

/// Each number within the tolerance, of the largest of its list.
pub fn assert_near(got: &[Vec<f32>], want: &[Vec<f32>], what: &str) {
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let scale = want.iter().fold(0f32, |most, it| most.max(it.abs()));
        assert!(scale > 0.0 && got.len() == want.len());
        for (a, b) in got.iter().zip(want) {
            assert!(
                (a - b).abs() <= TOLERANCE * scale,
                "{what}, list {i}: {a} for {b}"
            );
        }
    }
}

#[test]
fn blocks_and_the_same_blocks_widened_give_the_same_numbers() {
    let made = Checkpoint::synthetic(SHAPE, None, 3, false).unwrap();
    let (spec, weights) = (&made.spec, &made.weights);
    let stored = numbers(model(spec, weights, Cpu::default(), None));
    for (format, dtype) in [
        (BlockFormat::Q8_0, Dtype::Q8_0),
        (BlockFormat::Q4_0, Dtype::Q4_0),
    ] {
        let widened = widened(weights, dtype);
        let want = numbers(model(spec, &widened, Cpu::default(), None));
        assert_ne!(want, stored, "rounding to blocks changes numbers");
        let on_cpu = numbers(model(spec, weights, Cpu::default(), Some(format)));
        assert_near(&on_cpu, &want, &format!("{format} on the CPU"));
        #[cfg(feature = "gpu")]
        {
            use moescope::ops::{AdapterChoice, Gpu};
            let gpu = Gpu::open(AdapterChoice::Software).unwrap();
            let on_gpu = numbers(model(spec, weights, gpu, Some(format)));
            assert_near(&on_gpu, &want, &format!("{format} on the device"));
        }
    }
}
