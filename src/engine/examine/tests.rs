//! Every fixture is sound, and what is broken in one is found as exactly that.

use std::{fs, path::PathBuf, sync::Arc};

use super::*;
use crate::checkpoint::{Blob, Bundled, Source, open};
use crate::trace::SameBy;

fn fixtures() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fixtures");
    let mut out: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|it| it.unwrap().path())
        .filter(|it| it.is_dir())
        .collect();
    out.sort();
    out
}

fn models() -> Vec<Checkpoint> {
    let bundled = [Bundled::Tour, Bundled::TourCollapsed].map(Source::Bundled);
    let folders = fixtures()
        .into_iter()
        .map(|it| Source::parse(it.as_os_str()));
    bundled
        .into_iter()
        .chain(folders)
        .filter_map(|it| open(&it).ok())
        .collect()
}

/// The same shape, its numbers changed: `of(row, numbers)`.
fn changed(view: &WeightView, mut of: impl FnMut(usize, &mut [f32])) -> WeightView {
    let (rows, cols) = view.shape();
    let mut numbers = view.to_f32();
    for (row, numbers) in numbers.chunks_exact_mut(cols).enumerate() {
        of(row, numbers);
    }
    let words = numbers.iter().map(|it| it.to_bits()).collect();
    let f32s = WeightView::of_numbers(&[0.0]).dtype();
    WeightView::new(&Blob::Memory(Arc::new(words)), 0, f32s, rows, cols).unwrap()
}

impl Examiner {
    fn all(&self) -> Vec<WeightPart> {
        (0..self.n_parts()).map(|at| self.part(at)).collect()
    }

    fn set(&mut self, slot: Slot, of: impl FnMut(usize, &mut [f32])) {
        let view = changed(self.weights.get(slot).unwrap(), of);
        self.weights.insert(slot, view);
    }

    /// A router with its slot of an expert's part, the last there is.
    fn last_router(&self) -> Option<(RouterId, impl Fn(u16, Part) -> Slot + use<>)> {
        let all: Vec<(RouterId, &RouterSpec)> = self.spec.router_ids().collect();
        let (id, router) = all.into_iter().next_back()?;
        let place = router.place;
        let slot = move |expert, part| expert_slot(place, expert, part);
        self.weights
            .get(slot(2, Part::Up))
            .is_some()
            .then_some((id, slot))
    }
}

#[test]
fn a_sound_model_has_numbers_no_copies_and_no_silent_expert() {
    let mut n = 0;
    for it in models() {
        for part in Examiner::new(&it).all() {
            assert!(part.not_finite.is_empty(), "{}: {part:?}", it.name);
            assert!(part.copies.is_empty(), "{}: {part:?}", it.name);
            let mut norms: Vec<f32> = part.output_norms.clone();
            norms.sort_by(f32::total_cmp);
            if let (Some(least), Some(most)) = (norms.first(), norms.last()) {
                assert!(*least > 0.05 * most, "{}: {norms:?}", it.name);
            }
        }
        n += 1;
    }
    assert!(n > 60, "{n}");
}

#[test]
fn a_number_that_is_none_is_named_by_layer_expert_part_and_row() {
    for it in models() {
        let mut examiner = Examiner::new(&it);
        let Some((id, slot)) = examiner.last_router() else {
            continue;
        };
        examiner.set(slot(1, Part::Down), |row, numbers| {
            if row == 3 {
                numbers[1] = f32::NAN;
            }
        });
        let found = examiner.first_not_finite().unwrap();
        assert_eq!(
            (
                found.router,
                found.expert,
                found.row,
                found.col,
                &*found.part
            ),
            (Some(id), Some(ExpertId(1)), 3, 1, "down projection"),
            "{}",
            it.name
        );
        assert!(
            found.is_nan && !found.tensor.is_empty(),
            "{}: {found:?}",
            it.name
        );
        let all: Vec<NotFinite> = examiner
            .all()
            .into_iter()
            .flat_map(|it| it.not_finite)
            .collect();
        assert_eq!(all, [found], "{}", it.name);
        assert!(examiner.broken_routers().is_empty());
    }
}

#[test]
fn a_copy_is_found_whatever_the_order_of_its_neurons_and_the_size_of_its_numbers() {
    for it in models() {
        let mut examiner = Examiner::new(&it);
        let Some((id, slot)) = examiner.last_router() else {
            continue;
        };
        let is_ffn = it.spec.routers[id.idx()].place.site == Site::Ffn;
        let shape = |expert, part| {
            examiner
                .weights
                .get(slot(expert, part))
                .map(WeightView::shape)
        };
        if shape(0, Part::Up) != shape(2, Part::Up) {
            // Experts of different widths are no copies.
            continue;
        }
        for part in PARTS {
            let Some(view) = examiner.weights.get(slot(0, part)).cloned() else {
                continue;
            };
            let copied = view.to_f32();
            let cols = view.shape().1;
            examiner.set(slot(2, part), |row, numbers| {
                // A little larger, where that changes no direction.
                let scale = if part == Part::Down { 1.5 } else { 1.0 };
                for (to, from) in numbers.iter_mut().zip(&copied[row * cols..]) {
                    *to = scale * from;
                }
            });
        }
        let part = examiner.part(id.idx());
        let ids = [ExpertId(0), ExpertId(2)];
        assert_eq!(part.copies.len(), 1, "{}: {:?}", it.name, part.copies);
        assert_eq!(
            (&*part.copies[0].experts, part.copies[0].by),
            (&ids[..], SameBy::Weights)
        );
        if !is_ffn {
            continue;
        }
        // The same neurons in another order, as large as they were.
        for part in PARTS {
            let Some(view) = examiner.weights.get(slot(0, part)).cloned() else {
                continue;
            };
            let (rows, cols) = view.shape();
            let copied = view.to_f32();
            let is_down = part == Part::Down;
            let keeps = part == Part::DownBias;
            examiner.set(slot(2, part), |row, numbers| {
                for (col, to) in numbers.iter_mut().enumerate() {
                    let from = match (is_down, keeps) {
                        (_, true) => row * cols + col,
                        (true, _) => row * cols + cols - 1 - col,
                        // A vector is one row.
                        (false, _) if rows == 1 => cols - 1 - col,
                        (false, _) => (rows - 1 - row) * cols + col,
                    };
                    *to = copied[from];
                }
            });
        }
        let part = examiner.part(id.idx());
        assert_eq!(part.copies.len(), 1, "{}: {:?}", it.name, part.copies);
        assert_eq!(
            (&*part.copies[0].experts, part.copies[0].by),
            (&ids[..], SameBy::Outputs)
        );
    }
}

#[test]
fn a_silent_expert_stands_out_by_its_length() {
    for it in models() {
        for scale in [0.0, 1e-4] {
            let mut examiner = Examiner::new(&it);
            let Some((id, slot)) = examiner.last_router() else {
                continue;
            };
            for part in [Part::Down, Part::DownBias] {
                if examiner.weights.get(slot(1, part)).is_some() {
                    examiner.set(slot(1, part), |_, numbers| {
                        numbers.iter_mut().for_each(|it| *it *= scale);
                    });
                }
            }
            let part = examiner.part(id.idx());
            let mut sorted = part.output_norms.clone();
            sorted.sort_by(f32::total_cmp);
            let median = sorted[sorted.len() / 2];
            let silent: Vec<usize> = (0..part.output_norms.len())
                .filter(|it| part.output_norms[*it] < 0.01 * median)
                .collect();
            assert_eq!(silent, [1], "{}: {:?}", it.name, part.output_norms);
            assert!(part.copies.is_empty(), "{}: {:?}", it.name, part.copies);
        }
    }
}
