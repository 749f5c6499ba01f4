//! The static view of the routers: what their gates tell before any token is read. Reads the routers'
//! weights and no others, so it is cheap: a thousandth of most models.

use crate::checkpoint::{Checkpoint, LayerSlot, Slot, WeightView};
use crate::spec::{ExpertId, RouterSpec, Site, StackId};
use crate::trace::{GateFacts, NearestRows};

/// Partial sums of a product, so that it fills a vector register.
const LANES: usize = 8;

/// The cosine above which two rows are the same, and how much their lengths may differ.
const SAME_COSINE: f32 = 0.9999;
const SAME_LENGTH: f32 = 1e-2;

/// A row shorter than this part of the one in the middle tells no token from another.
const EMPTY_BELOW: f32 = 0.01;

/// The gate of each router `[R]`; an empty one for a router whose gate is no matrix `[E, H]` of a layer.
#[must_use]
pub fn gate_facts(checkpoint: &Checkpoint) -> Vec<GateFacts> {
    let at = |router: &RouterSpec, slot| {
        let place = router.place;
        checkpoint
            .weights
            .get(Slot::in_stack(place.stack, place.layer, slot))
    };
    let routers = checkpoint.spec.routers.iter();
    routers
        .map(|it| {
            let (gate, second) = match it.place.site {
                Site::Ffn => (LayerSlot::Router, Some(LayerSlot::RouterOut)),
                Site::Attention => (LayerSlot::AttentionRouter, None),
            };
            let second = second.and_then(|slot| at(it, slot));
            let mut facts = match (at(it, gate), second) {
                (Some(first), Some(second)) => of_two(first, second),
                (Some(gate), None) => of_gate(gate),
                (None, _) => GateFacts::default(),
            };
            facts.selection_bias = selection_bias(checkpoint, it);
            facts
        })
        .collect()
}

/// A gate of two matrices, `z = W₂ · tanh(W₁ · x)`: the rows of the second are the experts'. Where all rows of the first
/// are parallel, a token is one number to it; where they are nothing, none.
fn of_two(first: &WeightView, second: &WeightView) -> GateFacts {
    let n_hidden = first.shape().0;
    let first = of_gate(first);
    let mut facts = of_gate(second);
    facts.n_not_finite += first.n_not_finite;
    facts.is_one_number |= first.is_one_number;
    if first.empty_rows.len() == n_hidden {
        facts.empty_rows = (0..facts.norms.len()).map(ExpertId::new).collect();
    }
    facts
}

/// `[E]`; empty where the router has none.
fn selection_bias(checkpoint: &Checkpoint, router: &RouterSpec) -> Vec<f32> {
    let place = router.place;
    let has_one = router.select_bias && place.stack == StackId::Decoder && place.site == Site::Ffn;
    let slot = Slot::Layer(place.layer, LayerSlot::SelectBias);
    let bias = checkpoint.weights.get(slot).filter(|_| has_one);
    bias.map_or_else(Vec::new, WeightView::to_f32)
}

fn of_gate(weight: &WeightView) -> GateFacts {
    let (_, width) = weight.shape();
    of_rows(weight.to_f32(), width)
}

/// `rows` is `[E, H]`, row-major; `width` is H.
fn of_rows(mut rows: Vec<f32>, width: usize) -> GateFacts {
    let n_not_finite = rows.iter().filter(|it| !it.is_finite()).count() as u64;
    let mut norms: Vec<f32> = Vec::new();
    for row in rows.chunks_exact_mut(width.max(1)) {
        let norm = dot(row, row).sqrt();
        norms.push(norm);
        row.iter_mut().for_each(|it| *it /= norm);
    }
    let nearest = nearest(&rows, width);
    // All pairs were compared: where the nearest two differ, no others are the same.
    let same_rows = match nearest {
        Some(it) if it.cosine > SAME_COSINE => same_rows(&rows, &norms, width),
        _ => Vec::new(),
    };
    GateFacts {
        is_one_number: is_one_number(&rows, width),
        same_rows,
        empty_rows: empty_rows(&norms),
        norms,
        nearest,
        n_not_finite,
        ..GateFacts::default()
    }
}

/// Whether all rows point one way or the other, so that of a token they tell one number; `rows` have length 1. Two may
/// well do so: the sign of that number chooses between them.
fn is_one_number(rows: &[f32], width: usize) -> bool {
    let mut rows = rows.chunks_exact(width.max(1));
    let Some(first) = rows.next() else {
        return false;
    };
    rows.len() > 1 && rows.all(|it| dot(first, it).abs() > SAME_COSINE)
}

/// Groups of rows that are the same in direction and length; `rows` have length 1.
fn same_rows(rows: &[f32], norms: &[f32], width: usize) -> Vec<Vec<ExpertId>> {
    let rows: Vec<&[f32]> = rows.chunks_exact(width.max(1)).collect();
    let is_same = |a: usize, b: usize| {
        let are_as_long = (norms[a] - norms[b]).abs() <= SAME_LENGTH * norms[a];
        are_as_long && dot(rows[a], rows[b]) > SAME_COSINE
    };
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for row in 0..rows.len() {
        match groups.iter_mut().find(|it| is_same(it[0], row)) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    let several = groups.into_iter().filter(|it| it.len() > 1);
    several
        .map(|it| it.into_iter().map(ExpertId::new).collect())
        .collect()
}

/// Rows shorter than a hundredth of the one in the middle, and those of length 0.
fn empty_rows(norms: &[f32]) -> Vec<ExpertId> {
    let mut sorted = norms.to_vec();
    sorted.sort_by(f32::total_cmp);
    let middle = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
    let is_empty = |it: &f32| *it == 0.0 || *it < EMPTY_BELOW * middle;
    let norms = norms.iter().enumerate();
    norms
        .filter(|(_, it)| is_empty(it))
        .map(|(row, _)| ExpertId::new(row))
        .collect()
}

/// The two rows of the largest cosine, ties to the lowest ids; `rows` have length 1, those that cannot have NaN.
fn nearest(rows: &[f32], width: usize) -> Option<NearestRows> {
    let rows: Vec<&[f32]> = rows.chunks_exact(width.max(1)).collect();
    let mut best: Option<NearestRows> = None;
    for (a, row) in rows.iter().enumerate() {
        for (b, other) in rows.iter().enumerate().skip(a + 1) {
            let cosine = dot(row, other);
            if !cosine.is_nan() && best.is_none_or(|it| cosine > it.cosine) {
                best = Some(NearestRows {
                    a: ExpertId::new(a),
                    b: ExpertId::new(b),
                    cosine,
                });
            }
        }
    }
    best.map(|it| NearestRows {
        cosine: it.cosine.clamp(-1.0, 1.0),
        ..it
    })
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (whole_a, rest_a) = a.as_chunks::<LANES>();
    let (whole_b, rest_b) = b.as_chunks::<LANES>();
    for (a, b) in whole_a.iter().zip(whole_b) {
        for (sum, (a, b)) in sums.iter_mut().zip(a.iter().zip(b)) {
            *sum += a * b;
        }
    }
    let rest: f32 = rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::checkpoint::{Blob, Bundled, Source, open};

    #[test]
    fn norms_and_cosines_are_those_worked_by_hand() {
        // (3, 4), (0, 2), (−1, 0): norms 5, 2, 1; cosines 4/5, −3/5, 0.
        let it = of_rows(vec![3.0, 4.0, 0.0, 2.0, -1.0, 0.0], 2);
        assert_eq!(it.norms, [5.0, 2.0, 1.0]);
        let nearest = it.nearest.unwrap();
        assert_eq!((nearest.a, nearest.b), (ExpertId(0), ExpertId(1)));
        assert!((nearest.cosine - 0.8).abs() < 1e-6);
        assert_eq!(it.n_not_finite, 0);
    }

    /// Rows `[n, width]` as a weight.
    fn view(rows: &[f32], width: usize) -> WeightView {
        let words = rows.iter().map(|it| it.to_bits()).collect();
        let f32s = WeightView::of_numbers(&[0.0]).dtype();
        let blob = Blob::Memory(Arc::new(words));
        WeightView::new(&blob, 0, f32s, rows.len() / width, width).unwrap()
    }

    #[test]
    fn of_two_matrices_the_second_has_the_rows_of_experts_and_the_first_what_is_seen_of_a_token() {
        // Three experts behind a token of two numbers.
        let (first, second) = (
            [1.0, 2.0, -1.0, 0.5, 3.0, 1.0],
            [1.0, 2.0, 0.0, -1.0, 2.0, 0.0, 0.0, 1.0, 2.0],
        );
        let two = |first: &[f32], second: &[f32]| of_two(&view(first, 2), &view(second, 3));
        let it = two(&first, &second);
        assert_eq!(it.norms, [5.0f32.sqrt(); 3]);
        let told = |it: &GateFacts| (it.same_rows.len(), it.empty_rows.len(), it.is_one_number);
        assert_eq!(told(&it), (0, 0, false));
        let with = |row: [f32; 3]| [&second[..6], &row[..]].concat();
        assert_eq!(told(&two(&first, &with([1.0, 2.0, 0.0]))), (1, 0, false));
        assert_eq!(told(&two(&first, &with([0.0; 3]))), (0, 1, false));
        let parallel = [1.0, 2.0, -2.0, -4.0, 0.5, 1.0];
        assert_eq!(told(&two(&parallel, &second)), (0, 0, true));
        assert_eq!(told(&two(&[0.0; 6], &second)), (0, 3, false));
        let mut broken = first;
        broken[1] = f32::NAN;
        assert_eq!(two(&broken, &second).n_not_finite, 1);
        // Of one matrix the same holds, but not of two rows.
        assert!(of_gate(&view(&parallel, 2)).is_one_number);
        assert!(!of_gate(&view(&parallel[..4], 2)).is_one_number);
    }

    #[test]
    fn what_is_broken_is_counted_and_compared_with_nothing() {
        let it = of_rows(vec![f32::NAN, 1.0, 0.0, 0.0, 1.0, 1.0], 2);
        assert_eq!((it.n_not_finite, it.nearest), (1, None));
        assert!(it.norms[0].is_nan());
        assert_eq!(of_rows(vec![f32::INFINITY, 1.0], 2).n_not_finite, 1);
    }

    #[test]
    fn rows_longer_than_a_register_are_summed_to_the_end() {
        let row: Vec<f32> = (0..19).map(|it| it as f32).collect();
        // Σ n² to 18 = 18 · 19 · 37 / 6
        assert!((dot(&row, &row) - 2109.0).abs() < 1e-3);
    }

    #[test]
    fn a_selection_bias_is_read_where_there_is_one() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        for (fixture, n) in [("nemotron_h", 8), ("qwen3_next", 0)] {
            let folder = root.join("tests/golden/fixtures").join(fixture);
            let it = open(&Source::parse(folder.as_os_str())).unwrap();
            for gate in gate_facts(&it) {
                assert_eq!((gate.selection_bias.len(), gate.norms.len()), (n, 8));
                assert!(gate.selection_bias.iter().all(|it| *it != 0.0));
            }
        }
    }

    #[test]
    fn the_bundled_model_has_six_sound_gates() {
        let tour = open(&Source::Bundled(Bundled::Tour)).unwrap();
        let gates = gate_facts(&tour);
        assert_eq!(gates.len(), 6);
        for gate in gates {
            assert_eq!((gate.norms.len(), gate.n_not_finite), (8, 0));
            assert!(gate.norms.iter().all(|it| *it > 0.0));
            let nearest = gate.nearest.unwrap();
            assert!(nearest.cosine > -1.0 / 7.0 && nearest.cosine < 1.0 && nearest.a < nearest.b);
        }
    }
}
