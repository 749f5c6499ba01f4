//! Whether the numbers that are read here are those that others read: samples of every weight, decoded by our decoder and
//! by candle's.
//!
//! Rows are looked at whole: the first, the one in the middle, the last, and some between them at equal distances.

use std::cmp::Reverse;

use super::{Checkpoint, CheckpointError, Reading, Slot, WeightView, Weights};
use crate::formats::{Dtype, second_opinion, ulps_between};

/// Distances between the rows that are looked at; even, so that one of them is in the middle.
const N_STEPS: usize = 8;

/// What two decoders made of the weights of one format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedTwice {
    /// The format, as people write it.
    pub format: String,
    /// The same where numbers lie row after row; none where they lie in planes, which no second decoder reads.
    pub dtype: Option<Dtype>,
    /// Weights in this format. Of a tensor that holds several, such as the experts of a layer, each counts.
    pub n_weights: usize,
    /// Blocks that both decoded, single numbers where the format has no blocks; `None` where there is no second decoder
    /// for it.
    pub n_blocks: Option<u64>,
    /// The largest difference, where there is one.
    pub worst: Option<Difference>,
}

/// Where two decoders differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Units in the last place of an f32; `u32::MAX` where only one of them reads a number.
    pub ulps: u32,
    /// Slot of the weight.
    pub slot: Slot,
    /// Its row and column.
    pub at: (usize, usize),
}

/// Decodes blocks of a format; `None` where it cannot.
type Decoder = fn(Dtype, &[u8]) -> Option<Vec<f32>>;

impl Checkpoint {
    /// Decodes samples of all weights twice: a line a format, the most used first.
    ///
    /// # Errors
    /// A file that was cut short meanwhile.
    pub fn decoded_twice(&self) -> Result<Vec<DecodedTwice>, CheckpointError> {
        let out = compared(&self.weights, second_opinion);
        self.check_files()?;
        Ok(out)
    }
}

fn compared(weights: &Weights, second: Decoder) -> Vec<DecodedTwice> {
    let mut out: Vec<DecodedTwice> = Vec::new();
    for (slot, weight) in weights.iter() {
        let (format, dtype) = (weight.format_label(), weight.rows_of());
        let row = out
            .iter()
            .position(|it| it.format == format)
            .unwrap_or_else(|| {
                out.push(DecodedTwice {
                    format,
                    dtype,
                    n_weights: 0,
                    n_blocks: dtype.and_then(|it| second(it, &[])).map(|_| 0),
                    worst: None,
                });
                out.len() - 1
            });
        out[row].add(*slot, weight, second);
    }
    out.sort_by(|a, b| (b.n_weights, &a.format).cmp(&(a.n_weights, &b.format)));
    out
}

impl DecodedTwice {
    /// Whether what is counted are blocks, not single numbers.
    #[must_use]
    pub fn in_blocks(&self) -> bool {
        self.dtype.is_some_and(Dtype::has_blocks)
    }

    fn add(&mut self, slot: Slot, weight: &WeightView, second: Decoder) {
        self.n_weights += 1;
        let (Some(n_blocks), Some(dtype)) = (&mut self.n_blocks, self.dtype) else {
            return;
        };
        let weight = weight.clone().read_as(Reading::AsStored);
        let mut ours = vec![0.0; weight.shape().1];
        for row in sampled(weight.shape().0) {
            let bytes = weight.row_bytes(row);
            weight.widen_row(row, &mut ours);
            let theirs = second(dtype, bytes).unwrap_or_default();
            *n_blocks += (bytes.len() / dtype.block_bytes()) as u64;
            let Some((ulps, col)) = largest(&ours, &theirs) else {
                continue;
            };
            if self.worst.as_ref().is_none_or(|it| it.ulps < ulps) {
                let at = (row, col);
                self.worst = Some(Difference { ulps, slot, at });
            }
        }
    }
}

/// The rows of so many that are looked at.
fn sampled(n_rows: usize) -> Vec<usize> {
    let Some(last) = n_rows.checked_sub(1) else {
        return Vec::new();
    };
    let mut rows: Vec<usize> = (0..=N_STEPS).map(|it| last * it / N_STEPS).collect();
    rows.dedup();
    rows
}

/// The largest difference in units in the last place, and where it is first; a number that `theirs` does not have counts
/// as one that is none.
fn largest(ours: &[f32], theirs: &[f32]) -> Option<(u32, usize)> {
    let theirs = theirs.iter().copied().map(Some);
    let pairs = ours
        .iter()
        .zip(theirs.chain(std::iter::repeat(None)))
        .enumerate();
    let ulps = pairs.map(|(col, (a, b))| (b.map_or(u32::MAX, |b| ulps_between(*a, b)), col));
    ulps.filter(|it| it.0 > 0)
        .max_by_key(|it| (it.0, Reverse(it.1)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::checkpoint::{Blob, Bundled, Source, open};

    /// A matrix of one format whose bytes are `byte`.
    fn weights(dtype: Dtype, rows: usize, byte: u8) -> Weights {
        let cols = 2 * dtype.block_numbers();
        let n_bytes = rows * 2 * dtype.block_bytes();
        let words = vec![u32::from_le_bytes([byte; 4]); n_bytes.div_ceil(4)];
        let blob = Blob::Memory(Arc::new(words));
        let mut out = Weights::default();
        let view = WeightView::new(&blob, 0, dtype, rows, cols).unwrap();
        out.insert(Slot::Embedding, view);
        out
    }

    #[test]
    fn the_tour_is_read_as_candle_reads_it() {
        let tour = open(&Source::Bundled(Bundled::Tour)).unwrap();
        let found = tour.decoded_twice().unwrap();
        assert_eq!(
            found.iter().map(|it| it.n_weights).sum::<usize>(),
            tour.weights.iter().count()
        );
        for it in &found {
            assert_eq!(it.worst, None);
            assert!(it.n_blocks.unwrap() > 10_000, "{it:?}");
        }
    }

    #[test]
    fn a_format_candle_does_not_know_is_counted_and_not_compared() {
        for dtype in [Dtype::Mxfp4, Dtype::Iq4Xs, Dtype::F8E4M3] {
            let [it] = compared(&weights(dtype, 3, 0x11), second_opinion)
                .try_into()
                .unwrap();
            assert_eq!((it.n_weights, it.n_blocks, it.worst), (1, None, None));
        }
    }

    #[test]
    fn one_bit_in_the_last_row_is_found() {
        fn other(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
            let mut out = second_opinion(dtype, bytes)?;
            if bytes.last() == Some(&0x22) {
                out[5] = f32::from_bits(out[5].to_bits() + 1);
                out[7] = f32::from_bits(out[7].to_bits() - 3);
            }
            Some(out)
        }
        let mut weights = weights(Dtype::Q8_0, 1001, 0x11);
        assert_eq!(compared(&weights, other)[0].worst, None);
        let (rows, cols) = weights.get(Slot::Embedding).unwrap().shape();
        let mut bytes = weights.get(Slot::Embedding).unwrap().bytes().to_vec();
        *bytes.last_mut().unwrap() = 0x22;
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        let blob = Blob::Memory(Arc::new(bytemuck::pod_collect_to_vec(&bytes)));
        let view = WeightView::new(&blob, 0, Dtype::Q8_0, rows, cols).unwrap();
        weights.insert(Slot::Embedding, view);
        let [it] = compared(&weights, other).try_into().unwrap();
        assert_eq!(it.n_blocks, Some(2 * 9));
        let worst = it.worst.unwrap();
        assert_eq!((worst.ulps, worst.at), (3, (1000, 7)));
    }

    #[test]
    fn numbers_that_are_missing_differ() {
        fn short(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
            let mut out = second_opinion(dtype, bytes)?;
            out.pop();
            Some(out)
        }
        let [it] = compared(&weights(Dtype::F16, 1, 0), short)
            .try_into()
            .unwrap();
        let worst = it.worst.unwrap();
        assert_eq!((worst.ulps, worst.at), (u32::MAX, (0, 1)));
    }

    #[test]
    fn rows_are_first_middle_last_and_some_between() {
        fn check(n: usize, rows: &[usize]) {
            assert_eq!(sampled(n), rows);
        }
        check(0, &[]);
        check(1, &[0]);
        check(2, &[0, 1]);
        check(9, &[0, 1, 2, 3, 4, 5, 6, 7, 8]);
        check(4097, &[0, 512, 1024, 1536, 2048, 2560, 3072, 3584, 4096]);
    }
}
