//! The same on a graphics processor, here a software one.

use moescope::{
    checkpoint::Checkpoint,
    model::Model,
    ops::{AdapterChoice, Gpu},
};

use super::tokens;
use crate::read::whole;

/// It gives the CPU's logits, for many tokens at once and for one.
pub fn check(it: &Checkpoint, logits: &[u32], label: &str) {
    for n in [40, 1] {
        let gpu = Gpu::open(AdapterChoice::Software).unwrap();
        let model = Model::new(it.spec.clone(), &it.weights, gpu).unwrap();
        let row = whole(model, &tokens()[..n]);
        let want = logits.iter().map(|it| f32::from_bits(*it));
        assert!(!row.logits.is_empty());
        for (got, want) in row.logits.iter().zip(want) {
            assert!((got - want).abs() < 1e-3, "{label} by {n}: {got} {want}");
        }
    }
}
