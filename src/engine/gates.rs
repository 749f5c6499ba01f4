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
    let gate_of = |router: &RouterSpec| {
        let place = router.place;
        let slot = match place.site {
            Site::Ffn => LayerSlot::Router,
            Site::Attention => LayerSlot::AttentionRouter,
        };
        checkpoint
            .weights
            .get(Slot::in_stack(place.stack, place.layer, slot))
    };
    let routers = checkpoint.spec.routers.iter();
    routers
        .map(|it| {
            let mut facts = gate_of(it).map_or_else(GateFacts::default, of_gate);
            facts.selection_bias = selection_bias(checkpoint, it);
            if has_second_matrix(checkpoint, it) {
                // Its rows are no expert's.
                facts.same_rows.clear();
                facts.empty_rows.clear();
            }
            facts
        })
        .collect()
}

/// Whether experts are scored by a second matrix behind the gate.
fn has_second_matrix(checkpoint: &Checkpoint, router: &RouterSpec) -> bool {
    let slot = Slot::in_stack(router.place.stack, router.place.layer, LayerSlot::RouterOut);
    router.place.site == Site::Ffn && checkpoint.weights.get(slot).is_some()
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
        same_rows,
        empty_rows: empty_rows(&norms),
        norms,
        nearest,
        n_not_finite,
        selection_bias: Vec::new(),
    }
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
    use super::*;
    use crate::checkpoint::{Bundled, Source, open};

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
