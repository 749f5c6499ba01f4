//! Numbers as base64 of their little-endian bytes: exact, small, and read by a page in one call.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Single-precision numbers; what is missing is a NaN.
pub(super) fn floats(numbers: impl IntoIterator<Item = f32>) -> String {
    let bytes: Vec<u8> = numbers.into_iter().flat_map(f32::to_le_bytes).collect();
    STANDARD.encode(&bytes)
}

/// Whole numbers of 32 bits.
pub(super) fn wholes(numbers: impl IntoIterator<Item = u32>) -> String {
    let bytes: Vec<u8> = numbers.into_iter().flat_map(u32::to_le_bytes).collect();
    STANDARD.encode(&bytes)
}

/// Whole numbers of 16 bits.
pub(super) fn halves(numbers: impl IntoIterator<Item = u16>) -> String {
    let bytes: Vec<u8> = numbers.into_iter().flat_map(u16::to_le_bytes).collect();
    STANDARD.encode(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_packed_as_a_page_reads_them() {
        assert_eq!(floats([1.0]), "AACAPw==");
        assert_eq!(halves([0x0201, 3]), "AQIDAA==");
        assert_eq!(wholes([0x0403_0201]), "AQIDBA==");
    }
}
