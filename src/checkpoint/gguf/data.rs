//! Where the tensors of a GGUF file are: behind the header, one after the other, each at a multiple of the alignment.

use std::ops::Range;

use super::{header::Info, types::GgmlType};
use crate::checkpoint::container::{Tensor, UnreadType};

/// A file without the key has this.
pub(super) const ALIGNMENT: u64 = 32;
const MIN_ALIGNMENT: u64 = 8;

/// What lies behind a header.
pub(super) struct Data {
    /// Each tensor with its name, in the order of the file.
    pub(super) tensors: Vec<(String, Tensor)>,
    /// Bytes behind the last of them that belong to nothing.
    pub(super) n_rest: u64,
}

/// Whether an alignment can be one.
pub(super) fn is_alignment(it: u64) -> bool {
    it.is_power_of_two() && it >= MIN_ALIGNMENT && u32::try_from(it).is_ok()
}

/// Finds all tensors in a file of `n_file` bytes, whose header ends at `header_end`.
///
/// # Errors
/// One sentence without the path: a type or a shape that cannot be, a place that is not in the file, tensors that
/// overlap or leave bytes between them.
pub(super) fn locate(
    infos: &[Info],
    header_end: usize,
    alignment: u64,
    n_file: usize,
    shard: usize,
) -> Result<Data, String> {
    let start = (header_end as u64).next_multiple_of(alignment);
    let n_data = (n_file as u64).saturating_sub(start);
    let mut tensors = Vec::with_capacity(infos.len());
    let mut places = Vec::with_capacity(infos.len());
    for info in infos {
        let place = place(info, alignment, n_data)
            .map_err(|why| format!("tensor {:?} {why}", info.name))?;
        let bytes = (start + place.range.start) as usize..(start + place.range.end) as usize;
        let shape = info.dims.iter().rev().map(|it| *it as usize).collect();
        let tensor = Tensor {
            shard,
            dtype: place.ggml.dtype.map_err(UnreadType::Ggml),
            shape,
            bytes,
        };
        tensors.push((info.name.clone(), tensor));
        places.push((place.range, info.name.as_str()));
    }
    let end = check_order(places, alignment)?;
    Ok(Data {
        tensors,
        n_rest: n_data.saturating_sub(end),
    })
}

/// Type and place of a tensor in the data.
struct Place {
    ggml: GgmlType,
    range: Range<u64>,
}

fn place(info: &Info, alignment: u64, n_data: u64) -> Result<Place, String> {
    let ggml = GgmlType::of(info.type_id)?;
    let (numbers, block_bytes) = ggml.block;
    let (dims, offset) = (&info.dims, info.offset);
    if let Some(row) = dims.iter().position(|it| *it == 0) {
        return Err(format!(
            "has the dimensions {dims:?}, expected none of 0 (dimension {row})"
        ));
    }
    if !dims.first().is_some_and(|it| it.is_multiple_of(numbers)) {
        return Err(format!(
            "has the dimensions {dims:?}, but rows of {} are blocks of {numbers}",
            ggml.name()
        ));
    }
    let product = dims
        .iter()
        .try_fold(1_u64, |product, it| product.checked_mul(*it));
    let n_bytes = product.and_then(|it| (it / numbers).checked_mul(block_bytes));
    let end = n_bytes.and_then(|it| offset.checked_add(it));
    let Some((n_bytes, end)) = n_bytes.zip(end) else {
        return Err(format!(
            "has the dimensions {dims:?} at byte {offset} of the data, more than any file can hold"
        ));
    };
    if !offset.is_multiple_of(alignment) {
        return Err(format!(
            "begins at byte {offset} of the data, expected a multiple of the alignment, {alignment}"
        ));
    }
    if end > n_data {
        return Err(format!(
            "needs {n_bytes} bytes from byte {offset} of the data on, but there are only {n_data}: the file is cut short or its header wrong"
        ));
    }
    Ok(Place {
        ggml,
        range: offset..end,
    })
}

/// Whether tensors follow each other without a hole; returns where the last one ends.
fn check_order(mut places: Vec<(Range<u64>, &str)>, alignment: u64) -> Result<u64, String> {
    places.sort_by_key(|it| it.0.start);
    let mut end = 0;
    let mut before = "the start of the data";
    for (range, name) in places {
        if range.start < end {
            return Err(format!(
                "tensors {before:?} and {name:?} overlap at byte {} of the data, expected one after the other",
                range.start
            ));
        }
        if range.start > end {
            return Err(format!(
                "{} bytes lie between {before:?} and tensor {name:?} at byte {} of the data, expected none",
                range.start - end,
                range.start
            ));
        }
        end = range.end.next_multiple_of(alignment);
        before = name;
    }
    Ok(end)
}
