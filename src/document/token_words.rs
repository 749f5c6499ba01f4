//! Tokens in words: one way to show each, in the window, on a shared page, in tables.

use std::ops::Range;

use crate::spec::{TokenId, TokenTable};

/// A token as words: line breaks as ↵, tabs as ⇥, special ones by name in ⟨⟩, broken characters as bytes.
#[must_use]
pub fn token_words(tokens: &TokenTable, token: TokenId) -> String {
    if tokens.is_special(token) {
        return special_words(tokens, token);
    }
    printable(&tokens.label(token))
}

/// A special token's name: `⟨endoftext⟩`.
#[must_use]
pub fn special_words(tokens: &TokenTable, token: TokenId) -> String {
    let piece = String::from_utf8_lossy(tokens.piece(token)).into_owned();
    let name = piece.trim_matches(['<', '>', '|', '[', ']', '/', '｜']);
    if name.is_empty() {
        format!("⟨{token}⟩")
    } else {
        format!("⟨{name}⟩")
    }
}

/// Text with line breaks and tabs as signs, and other controls as codes.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for it in text.chars() {
        match it {
            '\n' => out.push('↵'),
            '\r' => out.push('←'),
            '\t' => out.push('⇥'),
            it if it.is_control() || is_format(it) => {
                let code = format!("<{:04X}>", it as u32);
                out.push_str(&code);
            }
            it => out.push(it),
        }
    }
    out
}

/// Characters that leave no mark but are not nothing.
fn is_format(it: char) -> bool {
    matches!(it, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// What each token shows. A token that is part of a character shows nothing once the character is
/// whole (it stands at the token that completes it), and its bytes until then.
#[must_use]
pub fn token_texts(table: &TokenTable, tokens: &[TokenId], eos: &[TokenId]) -> Vec<String> {
    let mut out = vec![String::new(); tokens.len()];
    // Bytes of a character that is not whole, and the tokens they came from.
    let mut pending: Vec<u8> = Vec::new();
    let mut from = 0;
    for (n, token) in tokens.iter().enumerate() {
        if table.is_special(*token) {
            flush(&mut out, table, tokens, from..n, &mut pending);
            out[n] = match n {
                0 => "⟨bos⟩".to_owned(),
                _ if eos.contains(token) => "⟨eos⟩".to_owned(),
                _ => special_words(table, *token),
            };
            continue;
        }
        if pending.is_empty() {
            from = n;
        }
        pending.extend_from_slice(table.piece(*token));
        match std::str::from_utf8(&pending) {
            Ok(text) => {
                out[n] = printable(text);
                pending.clear();
            }
            Err(error) if error.error_len().is_none() => {
                let whole = error.valid_up_to();
                let (text, rest) = pending.split_at(whole);
                if !text.is_empty() {
                    out[n] = printable(&String::from_utf8_lossy(text));
                    from = n;
                }
                pending = rest.to_vec();
            }
            Err(_) => flush(&mut out, table, tokens, from..n + 1, &mut pending),
        }
    }
    flush(&mut out, table, tokens, from..tokens.len(), &mut pending);
    out
}

fn flush(
    out: &mut [String],
    table: &TokenTable,
    tokens: &[TokenId],
    range: Range<usize>,
    pending: &mut Vec<u8>,
) {
    if pending.is_empty() {
        return;
    }
    pending.clear();
    for n in range {
        out[n] = printable(&table.label(tokens[n]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(pieces: &[&[u8]]) -> TokenTable {
        TokenTable {
            pieces: pieces.iter().map(|it| it.to_vec()).collect(),
            special: pieces.iter().map(|it| it.starts_with(b"<|")).collect(),
        }
    }

    fn check(pieces: &[&[u8]], wanted: &[&str]) {
        let table = table(pieces);
        let tokens: Vec<TokenId> = (0..pieces.len()).map(TokenId::new).collect();
        let eos = [TokenId::new(pieces.len() - 1)];
        assert_eq!(token_texts(&table, &tokens, &eos), wanted);
    }

    #[test]
    fn a_character_stands_at_the_token_that_completes_it() {
        check(&[b"a", b"\xe2\x82", b"\xac", b" b"], &["a", "", "€", " b"]);
        check(&[b"a\xe2", b"\x82", b"\xac!"], &["a", "", "€!"]);
    }

    #[test]
    fn what_is_not_whole_shows_its_bytes() {
        check(&[b"a", b"\xe2\x82"], &["a", "<0xE2><0x82>"]);
        check(&[b"\xff", b"x"], &["<0xFF>", "x"]);
        check(&[b"\xe2", b"x"], &["<0xE2>", "x"]);
    }

    #[test]
    fn special_tokens_are_named_and_line_breaks_seen() {
        check(
            &[b"<|endoftext|>", b"Hi", b".\n\n", b"<|endoftext|>"],
            &["⟨bos⟩", "Hi", ".↵↵", "⟨eos⟩"],
        );
    }

    #[test]
    fn signs_stand_for_what_cannot_be_seen() {
        assert_eq!(printable("a\n\tb\u{7}"), "a↵⇥b<0007>");
    }
}
