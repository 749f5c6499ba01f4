//! How numbers become blocks.

use bytemuck::Pod;
use rayon::prelude::*;

use crate::checkpoint::{Blob, WeightView};
use crate::formats::{Dtype, Q4_0, Q8_0};

/// A matrix in blocks, each row rounded as llama.cpp rounds it.
///
/// Returns `None` where it stays as it is: a vector, rows that are no whole blocks, or a format
/// nothing is rounded to here. A block with a number that is not finite is NaN throughout.
#[must_use]
pub fn quantized(view: &WeightView, dtype: Dtype) -> Option<WeightView> {
    match dtype {
        _ if view.shape().0 == 1 => None,
        Dtype::Q8_0 => in_blocks(view, dtype, Q8_0::nearest),
        Dtype::Q4_0 => in_blocks(view, dtype, Q4_0::nearest),
        _ => None,
    }
}

fn in_blocks<B: Pod>(
    view: &WeightView,
    dtype: Dtype,
    nearest: impl Fn(&[f32; 32]) -> B + Sync,
) -> Option<WeightView> {
    let (rows, cols) = view.shape();
    let row_bytes = dtype.row_bytes(cols)?;
    let n_bytes = rows.checked_mul(row_bytes)?;
    let one_row = |wide: &mut Vec<f32>, (row, out): (usize, &mut [u8])| {
        view.widen_row(row, wide);
        let blocks: &mut [B] = bytemuck::cast_slice_mut(out);
        for (block, numbers) in blocks.iter_mut().zip(wide.as_chunks().0) {
            *block = nearest(numbers);
        }
    };
    let blob = Blob::filled(n_bytes.div_ceil(4), |words| {
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(words);
        bytes[..n_bytes]
            .par_chunks_mut(row_bytes.max(1))
            .enumerate()
            .for_each_init(|| vec![0.0; cols], one_row);
    });
    WeightView::new(&blob, 0, dtype, rows, cols)
}

#[cfg(test)]
#[path = "blocks_tests.rs"]
mod tests;
