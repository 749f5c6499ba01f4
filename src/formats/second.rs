//! A second decoder of the formats, by somebody else's hand: candle's, which followed ggml on its own.
//!
//! It proves that what we read is what others read in the same bytes; it is slow, copies what it decodes, and nothing is
//! computed with it.

use std::borrow::Cow;

use candle_core::{CpuStorage, quantized::GgmlDType};

use super::Dtype;

/// What candle calls a format; `None` where it has no decoder for it.
fn known(dtype: Dtype) -> Option<GgmlDType> {
    Some(match dtype {
        Dtype::F32 => GgmlDType::F32,
        Dtype::F16 => GgmlDType::F16,
        Dtype::Bf16 => GgmlDType::BF16,
        Dtype::Q4_0 => GgmlDType::Q4_0,
        Dtype::Q4_1 => GgmlDType::Q4_1,
        Dtype::Q5_0 => GgmlDType::Q5_0,
        Dtype::Q5_1 => GgmlDType::Q5_1,
        Dtype::Q8_0 => GgmlDType::Q8_0,
        Dtype::Q2K => GgmlDType::Q2K,
        Dtype::Q3K => GgmlDType::Q3K,
        Dtype::Q4K => GgmlDType::Q4K,
        Dtype::Q5K => GgmlDType::Q5K,
        Dtype::Q6K => GgmlDType::Q6K,
        _ => return None,
    })
}

/// The numbers that candle reads in whole blocks, in f32.
///
/// Returns `None` where candle does not know the format, or reads blocks of another size.
#[must_use]
pub fn second_opinion(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    let theirs = known(dtype)?;
    let sizes = (theirs.block_size(), theirs.type_size());
    if sizes != (dtype.block_numbers(), dtype.block_bytes()) {
        return None;
    }
    let n_bytes = bytes.len() / sizes.1 * sizes.1;
    // It reads where blocks are aligned and nowhere else.
    let mut words = vec![0_u32; n_bytes.div_ceil(4)];
    let aligned = &mut bytemuck::cast_slice_mut::<u32, u8>(&mut words)[..n_bytes];
    aligned.copy_from_slice(&bytes[..n_bytes]);
    let blocks = theirs.from_data(Cow::Borrowed(aligned));
    match blocks.dequantize(n_bytes / sizes.1 * sizes.0) {
        Ok(CpuStorage::F32(numbers)) => Some(numbers),
        _ => None,
    }
}

/// How many steps of f32 lie between two numbers: 0 where they are equal or both no number, `u32::MAX` where one of them
/// alone is no number.
#[must_use]
pub fn ulps_between(a: f32, b: f32) -> u32 {
    // Bits of floats, as whole numbers in the same order.
    let order = |it: f32| {
        let bits = i64::from(it.to_bits() & 0x7FFF_FFFF);
        if it.is_sign_negative() { -bits } else { bits }
    };
    match (a.is_nan(), b.is_nan()) {
        (true, true) => 0,
        (false, false) => order(a).abs_diff(order(b)) as u32,
        _ => u32::MAX,
    }
}
