//! What the positions of a step's rows come to: uploaded once a step, and read by every layer.

use super::{super::memory::Slice, Gpu};
use crate::ops::BatchSpan;
use crate::ops::cpu::rope::Rope;

/// What the positions of a step's rows come to, by the rotation they are for; none is the positions
/// themselves. Uploaded once and read by every layer.
#[derive(Debug, Default)]
pub struct Tables(Vec<Table>);

#[derive(Debug)]
struct Table {
    rope: Option<Rope>,
    positions: Vec<u32>,
    slice: Slice,
}

impl Tables {
    /// The uploads are gone.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl Gpu {
    /// cos and sin of every pair `[T, n_pairs, 2]`, or, without a rope, the positions `[T]`, u32.
    pub(in crate::ops::gpu) fn table(&self, rope: Option<&Rope>, spans: &[BatchSpan<'_>]) -> Slice {
        let positions = positions(spans);
        let mut tables = self.tables.borrow_mut();
        let is_it = |it: &&Table| it.rope.as_ref() == rope && it.positions == positions;
        if let Some(it) = tables.0.iter().find(is_it) {
            return it.slice.clone();
        }
        let slice = match rope {
            Some(rope) => self.upload(&angles(rope, &positions)),
            None => self.upload(&positions),
        };
        tables.0.push(Table {
            rope: rope.cloned(),
            positions,
            slice: slice.clone(),
        });
        slice
    }
}

/// The position of each row; 0 for rows of no span, which nobody reads.
fn positions(spans: &[BatchSpan<'_>]) -> Vec<u32> {
    let n_rows = spans.iter().map(|it| it.rows.end).max().unwrap_or(0);
    let mut out = vec![0; n_rows];
    for (row, position) in spans.iter().flat_map(BatchSpan::positions) {
        out[row] = position.0;
    }
    out
}

fn angles(rope: &Rope, positions: &[u32]) -> Vec<f32> {
    let mut out = Vec::with_capacity(positions.len() * rope.n_pairs() * 2);
    for position in positions {
        let (cos, sin) = rope.angles(*position as usize);
        out.extend(cos.iter().zip(&sin).flat_map(|(cos, sin)| [*cos, *sin]));
    }
    out
}
