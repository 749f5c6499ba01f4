//! A backend that computes nothing: what a step would hand to a graphics processor is counted from the commands themselves.

use super::{Backend, OpenError};
use crate::checkpoint::Weights;
use crate::spec::ModelSpec;

/// A model on a device of which only the limits are there. Steps are submitted and complete as on any other; what comes
/// back is 0.
///
/// * `weights`: as they are to be held; only their sizes and formats are looked at, and vectors
///
/// # Errors
/// What the model needs and the kernels do not compute, or that this program has none.
#[cfg(feature = "gpu")]
pub fn plan_backend(spec: &ModelSpec, weights: &Weights) -> Result<Box<dyn Backend>, OpenError> {
    use crate::ops::AdapterFacts;

    plan_on(spec, weights, AdapterFacts::of_a_card())
}

/// The same on an adapter with these limits.
#[cfg(feature = "gpu")]
fn plan_on(
    spec: &ModelSpec,
    weights: &Weights,
    facts: crate::ops::AdapterFacts,
) -> Result<Box<dyn Backend>, OpenError> {
    use super::LiveBackend;
    use crate::model::Assembly;
    use crate::ops::{Gpu, exceeds_kernels};

    if let Some(why) = exceeds_kernels(spec) {
        return Err(OpenError::Kernels(why));
    }
    let assembly = Assembly::new(spec.clone(), Gpu::planned(facts), None)?;
    let model = assembly.finish(weights)?;
    Ok(Box::new(LiveBackend::new(model, spec.n_vocab)))
}

/// There are no kernels to count.
///
/// # Errors
/// Always [`OpenError::NoGpu`].
#[cfg(not(feature = "gpu"))]
pub fn plan_backend(_spec: &ModelSpec, _weights: &Weights) -> Result<Box<dyn Backend>, OpenError> {
    Err(OpenError::NoGpu)
}

#[cfg(feature = "gpu")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::{Checkpoint, MadeUp, PRESETS};
    use crate::engine::{Capture, Feed, LiveBackend, Row, Wait};
    use crate::model::{Model, held_layout, token_bytes};
    use crate::ops::{AdapterChoice, Gpu, KernelPlan, StepPlan};
    use crate::spec::{BlockFormat, RoutingPolicy, Sampling, SeqId, TokenId};

    const TINY: &str = "custom:hidden=64,ffn=96,experts=8,k=2,layers=2,heads=4,kv=2,width=16,vocab=300,context=256";

    /// What is handed over for each of some slices of one sequence.
    fn noted(backend: &mut dyn Backend, slices: &[usize]) -> Vec<StepPlan> {
        let seq = backend.open();
        backend.meter().unwrap().note_commands(true);
        let mut all = Vec::new();
        for n in slices {
            step(backend, seq, *n);
            all.push(backend.meter().unwrap().noted());
        }
        all
    }

    fn step(backend: &mut dyn Backend, seq: SeqId, n: usize) {
        let tokens: Vec<TokenId> = (0..n).map(TokenId::new).collect();
        let row = Row {
            seq,
            feed: Feed::Tokens(&tokens),
            next: None,
            policy: &RoutingPolicy::default(),
            sampling: Some(&Sampling::default()),
            against: None,
        };
        let ticket = backend.submit(&[row], Capture::Trace).unwrap();
        backend.poll(ticket, Wait::Done).unwrap();
    }

    /// A made-up model on the software driver, and what is planned of it on an adapter with the same limits.
    fn both(preset: &str, n_layers: usize, slices: &[usize]) -> [Vec<StepPlan>; 2] {
        let made = Checkpoint::synthetic(preset, Some(n_layers), 1, true).unwrap();
        let gpu = Gpu::open(AdapterChoice::Software).unwrap();
        let facts = gpu.facts().clone();
        let model = Model::new(made.spec.clone(), &made.weights, gpu).unwrap();
        let mut live = LiveBackend::new(model, made.spec.n_vocab);
        let computed = noted(&mut live, slices);
        let before = live.ops().counters().dispatches;
        assert_eq!(
            before,
            computed.iter().map(|it| it.sum(|it| it.n)).sum::<u64>()
        );
        let sketch = Weights::sketched(made.weights.layouts()).unwrap();
        let mut plan = plan_on(&made.spec, &sketch, facts).unwrap();
        [computed, noted(&mut *plan, slices)]
    }

    #[test]
    fn what_is_planned_is_what_the_software_driver_is_handed() {
        for slices in [&[40, 1, 1][..], &[64, 40, 1], &[3, 1]] {
            let [computed, planned] = both(TINY, 2, slices);
            assert_eq!(computed, planned, "{slices:?}");
        }
        let [computed, planned] = both("tour", 2, &[20, 1]);
        assert_eq!(computed, planned);
    }

    /// What a plan says of a token after so many.
    fn planned(preset: &str, quantize: Option<BlockFormat>, n: usize) -> (StepPlan, u64) {
        let plan = MadeUp::plan(preset, None, true).unwrap();
        let layouts: Vec<_> = plan.layouts().collect();
        let held = layouts
            .iter()
            .map(|(slot, it)| (*slot, held_layout(*slot, *it, quantize)));
        let weights = Weights::sketched(held).unwrap();
        // Norms, biases and what else is one row.
        let vectors: u64 = weights
            .layouts()
            .filter(|it| it.1.rows == 1)
            .map(|it| it.1.n_bytes())
            .sum();
        let bytes = token_bytes(plan.spec(), &weights, None) - vectors;
        let mut backend = plan_backend(plan.spec(), &weights).unwrap();
        let mut steps = noted(&mut *backend, &[n, 1]);
        (steps.remove(1), bytes)
    }

    fn is_product(it: &KernelPlan) -> bool {
        let stems = [
            "linear.gemv",
            "normed.gemv",
            "experts.gate_up",
            "experts.down",
            "heads.",
        ];
        stems.iter().any(|stem| it.name.starts_with(stem))
    }

    /// Models without gates of their own that are vectors, and whose heads' matrices are read once.
    #[test]
    fn products_of_a_token_read_the_weights_a_token_passes() {
        for preset in ["olmoe-1b-7b", "qwen3-30b-a3b", "mixtral-8x7b"] {
            for quantize in [None, Some(BlockFormat::Q8_0), Some(BlockFormat::Q4_0)] {
                let (plan, bytes) = planned(preset, quantize, 100);
                let products = plan.kernels.iter().filter(|it| is_product(it));
                let read: u64 = products.map(|it| it.weight_bytes).sum();
                assert_eq!(read, bytes, "{preset} {quantize:?}");
                assert_eq!(plan.sum(|it| it.weight_bytes), bytes);
            }
        }
    }

    /// Dispatches of one more layer: of a token that sees `n` others.
    fn of_a_layer(preset: &str, n: usize) -> u64 {
        let [fewer, more] = [2, 3].map(|n_layers| {
            let plan = MadeUp::plan(preset, Some(n_layers), true).unwrap();
            let weights = Weights::sketched(plan.layouts()).unwrap();
            let mut backend = plan_backend(plan.spec(), &weights).unwrap();
            noted(&mut *backend, &[n, 1])[1].sum(|it| it.n)
        });
        more - fewer
    }

    /// Norm and q, k, v; rotation; attention; its splits put together where there are several; o; norm and router; choice;
    /// gate and up; down.
    #[test]
    fn a_layer_takes_nine_dispatches_and_eight_where_a_row_sees_one_split() {
        for preset in ["olmoe-1b-7b", "qwen3-30b-a3b", "mixtral-8x7b"] {
            assert_eq!(of_a_layer(preset, 100), 9, "{preset}");
            assert_eq!(of_a_layer(preset, 63), 8, "{preset}");
        }
    }

    #[test]
    fn every_preset_is_planned_without_its_weights() {
        for preset in PRESETS {
            let (plan, bytes) = planned(preset, None, 100);
            assert!(plan.sum(|it| it.n) > 0 && plan.n_copies > 0, "{preset}");
            let [read, written] = [
                plan.sum(|it| it.read_bytes),
                plan.sum(|it| it.written_bytes),
            ];
            assert!(read >= bytes, "{preset}: {read} of {bytes}");
            assert!(written > 0 && written < bytes / 10, "{preset}: {written}");
            for it in &plan.kernels {
                assert!(
                    it.n_barriers <= it.n && it.weight_bytes <= it.read_bytes,
                    "{it:?}"
                );
            }
        }
    }
}
