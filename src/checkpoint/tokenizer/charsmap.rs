//! The table of replacements that sentencepiece compiles, written as base64: byte length of the trie, the trie,
//! NUL-terminated replacements.
//!
//! Only its measures are looked at; what it does is the library's.

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};

/// Bytes of one replacement; the longest of Unicode's compatibility forms has 33.
const MAX_PUT_BYTES: usize = 256;

/// The bytes of the longest text that is put.
///
/// # Errors
/// A table that is none, or puts too long a text.
pub(super) fn longest(base64: &str) -> Result<usize, String> {
    let broken = || "its precompiled_charsmap is no table of replacements".to_owned();
    let bytes = decoded(base64).ok_or_else(broken)?;
    let (size, rest) = bytes.split_first_chunk().ok_or_else(broken)?;
    // The library reserves memory by this number before it reads on.
    let n_trie = u32::from_le_bytes(*size) as usize;
    let texts = rest.get(n_trie..).ok_or_else(broken)?;
    let longest = texts.split(|it| *it == 0).map(<[u8]>::len).max();
    match longest.unwrap_or(0) {
        n if n > MAX_PUT_BYTES => Err(format!(
            "its precompiled_charsmap puts {n} bytes for one letter, expected at most {MAX_PUT_BYTES}"
        )),
        n => Ok(n),
    }
}

/// A table as it is written in a tokenizer's file.
pub(in crate::checkpoint) fn encoded(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The bytes that base64 stands for, padded or not.
fn decoded(text: &str) -> Option<Vec<u8>> {
    const AS_FOUND: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::RequireNone)
            .with_decode_allow_trailing_bits(true),
    );
    AS_FOUND.decode(text.trim_end_matches('=')).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table with a trie of no bytes that says it has `n_trie`.
    fn table(n_trie: [u8; 4], texts: &str) -> String {
        let bytes: Vec<u8> = n_trie.into_iter().chain(texts.bytes()).collect();
        encoded(&bytes)
    }

    #[test]
    fn the_longest_replacement_is_found_and_bounded() {
        assert_eq!(longest(&table([0; 4], "ab\0abcde\0")), Ok(5));
        assert_eq!(longest(&table([3, 0, 0, 0], "abcde")), Ok(2));
        assert_eq!(longest(&table([0; 4], "")), Ok(0));
        assert_eq!(longest(&table([0; 4], &"a".repeat(256))), Ok(256));
        let why = longest(&table([0; 4], &"a".repeat(257))).unwrap_err();
        assert!(
            why.contains("257 bytes for one letter, expected at most 256"),
            "{why}"
        );
    }

    #[test]
    fn a_table_that_claims_more_than_there_is_is_none() {
        for text in [
            "",
            "AAA",
            "A",
            "AAAA*",
            &table([255; 4], "a"),
            &table([2, 0, 0, 0], "a"),
        ] {
            let why = longest(text).unwrap_err();
            assert!(why.contains("no table of replacements"), "{text}: {why}");
        }
    }
}
