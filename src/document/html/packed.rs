//! Numbers as base64 of their little-endian bytes: exact, small, and read by a page in one call.

/// The alphabet of RFC 4648.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with padding.
fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |n: usize| u32::from(chunk.get(n).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for n in 0..4 {
            let sextet = bits >> (18 - 6 * n) & 63;
            out.push(if n <= chunk.len() {
                char::from(ALPHABET[sextet as usize])
            } else {
                '='
            });
        }
    }
    out
}

/// Single-precision numbers; what is missing is a NaN.
pub(super) fn floats(numbers: impl IntoIterator<Item = f32>) -> String {
    let bytes: Vec<u8> = numbers.into_iter().flat_map(f32::to_le_bytes).collect();
    base64(&bytes)
}

/// Whole numbers of 32 bits.
pub(super) fn wholes(numbers: impl IntoIterator<Item = u32>) -> String {
    let bytes: Vec<u8> = numbers.into_iter().flat_map(u32::to_le_bytes).collect();
    base64(&bytes)
}

/// Whole numbers of 16 bits.
pub(super) fn halves(numbers: impl IntoIterator<Item = u16>) -> String {
    let bytes: Vec<u8> = numbers.into_iter().flat_map(u16::to_le_bytes).collect();
    base64(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        // RFC 4648, section 10.
        for (text, wanted) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), wanted);
        }
        assert_eq!(floats([1.0]), "AACAPw==");
        assert_eq!(halves([0x0201, 3]), "AQIDAA==");
        assert_eq!(wholes([0x0403_0201]), "AQIDBA==");
    }
}
