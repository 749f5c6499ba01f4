//! Tokens as words, and where they stand: pure functions of the tokens and the width.

use crate::spec::{TokenId, TokenTable};
use crate::ui::words::{printable, special_words};

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
    range: std::ops::Range<usize>,
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

/// Where a token stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placed {
    /// Line, from 0.
    pub line: usize,
    /// Left edge, points from the left of the column.
    pub x: f32,
    /// Width, points.
    pub width: f32,
}

/// Breaks tokens into lines: after ↵, before a word that does not fit, inside a word that is longer than a line.
#[must_use]
pub fn flow(texts: &[String], widths: &[f32], width: f32) -> (Vec<Placed>, usize) {
    let mut out = Vec::with_capacity(texts.len());
    let (mut line, mut x) = (0, 0.0);
    let mut n = 0;
    while n < texts.len() {
        let end = word_end(texts, n);
        let word: f32 = widths[n..end].iter().sum();
        if x > 0.0 && x + word > width {
            line += 1;
            x = 0.0;
        }
        for token in &widths[n..end] {
            if x > 0.0 && x + token > width {
                line += 1;
                x = 0.0;
            }
            out.push(Placed {
                line,
                x,
                width: *token,
            });
            x += token;
        }
        let more_breaks = texts.get(end).is_some_and(|it| it.starts_with('↵'));
        if texts[end - 1].ends_with('↵') && !more_breaks {
            line += 1;
            x = 0.0;
        }
        n = end;
    }
    let n_lines = out.last().map_or(0, |it| it.line + 1);
    (out, n_lines)
}

/// The token after the word that starts at `n`: up to the next that starts with a space, or after ↵.
fn word_end(texts: &[String], n: usize) -> usize {
    let mut end = n + 1;
    while end < texts.len()
        && !texts[end - 1].ends_with('↵')
        && !texts[end].starts_with(|it: char| it.is_whitespace() || it == '⟨')
        && !texts[end - 1].ends_with(|it: char| it.is_whitespace() || it == '⟩')
    {
        end += 1;
    }
    end
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
    fn words_are_kept_together_and_long_ones_are_broken() {
        let texts: Vec<String> = ["Il", " ét", "ait", " une↵", "fois", "xxxx", "xxxx"]
            .map(str::to_owned)
            .into();
        let widths = [20.0, 20.0, 30.0, 30.0, 40.0, 40.0, 40.0];
        let (placed, n_lines) = flow(&texts, &widths, 60.0);
        let lines: Vec<usize> = placed.iter().map(|it| it.line).collect();
        assert_eq!(lines, [0, 1, 1, 2, 3, 4, 5]);
        assert_eq!((placed[2].x, n_lines), (20.0, 6));
    }
}
