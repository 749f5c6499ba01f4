//! The choice of one router on the device, and how it comes back to the host.
//! Twin of `kernels/route.wgsl` and of `src/ops/cpu/route.rs`.

use super::memory::Slice;
use crate::ops::{EMPTY, Routing, State};

/// No expert, in a word of the device.
pub const NOBODY: u32 = u32::MAX;

/// The choice of one router for T rows, K places each, as words of one region, part after part:
///
/// | part | words | what |
/// |---|---|---|
/// | 0 | `[T, K]` | experts by applied weight, strongest first; `NOBODY` last |
/// | 1 | `[T, K]` | the expert whose network runs in that place; `NOBODY` where nothing does |
/// | 2 | `[T, K]` | applied weights, f32 |
/// | 3 | `[T, K]` | 0 empty, 1 chosen, 2 forced |
/// | 4 | `[T, K]` | places in ascending order of their expert's id, empty ones last: the order of sums |
/// | 5 | `[T]` | margin, f32, NaN where there is none |
/// | 6 | `[T]` | sum of the weights before they were renormalised, f32 |
/// | 7 | `[T, E]` | what selected, f32, where the model has a selection bias |
/// | 8 | `[T, G]` | 1 for a group kept, where the family limits them |
#[derive(Clone, Debug)]
pub struct GpuRouting {
    /// The region, of the arena the host reads at the end of the step.
    pub(super) slice: Slice,
    /// T.
    pub(super) n_rows: usize,
    /// E.
    pub(super) n_experts: usize,
    /// K.
    pub(super) n_places: usize,
    /// Whether part 7 is there.
    pub(super) has_selection: bool,
    /// G, 0 without groups.
    pub(super) n_groups: usize,
}

impl GpuRouting {
    /// The region without what rounds it up.
    pub fn exact(&self) -> Slice {
        self.slice.first((self.n_words() * 4) as u64)
    }

    /// Words of the region.
    pub fn n_words(&self) -> usize {
        let per_row = 5 * self.n_places
            + 2
            + if self.has_selection {
                self.n_experts
            } else {
                0
            }
            + self.n_groups;
        self.n_rows * per_row
    }

    /// The first word of a part.
    pub fn part_at(&self, part: usize) -> usize {
        let places = self.n_rows * self.n_places;
        match part {
            0..=5 => part * places,
            6 => 5 * places + self.n_rows,
            7 => 5 * places + 2 * self.n_rows,
            _ => 5 * places + 2 * self.n_rows + self.selection_words(),
        }
    }

    fn selection_words(&self) -> usize {
        if self.has_selection {
            self.n_rows * self.n_experts
        } else {
            0
        }
    }

    /// The choice on the host.
    pub fn decode(&self, words: &[u32]) -> Routing {
        let part = |i: usize, n: usize| &words[self.part_at(i)..self.part_at(i) + n];
        let places = self.n_rows * self.n_places;
        let id = |it: &u32| if *it == NOBODY { EMPTY } else { *it as u16 };
        let float = |it: &u32| f32::from_bits(*it);
        Routing {
            n_experts: self.n_experts,
            n_places: self.n_places,
            experts: part(0, places).iter().map(id).collect(),
            networks: part(1, places).iter().map(id).collect(),
            weights: part(2, places).iter().map(float).collect(),
            states: part(3, places)
                .iter()
                .map(|it| match it {
                    0 => State::Empty,
                    1 => State::Chosen,
                    _ => State::Forced,
                })
                .collect(),
            margin: part(5, self.n_rows).iter().map(float).collect(),
            weight_sum: part(6, self.n_rows).iter().map(float).collect(),
            selection: part(7, self.selection_words()).iter().map(float).collect(),
            groups_kept: part(8, self.n_rows * self.n_groups)
                .iter()
                .map(|it| *it != 0)
                .collect(),
        }
    }
}
