//! Tokens in words: one way to show each, in the window, on a shared page, in tables.

use std::ops::Range;

use crate::spec::{SeriesScale, TokenId, TokenTable};

/// A token as words: line breaks as ↵, tabs as ⇥, special ones by name in ⟨⟩, broken characters as bytes.
#[must_use]
pub fn token_words(tokens: &TokenTable, token: TokenId) -> String {
    if tokens.is_special(token) {
        return special_words(tokens, token);
    }
    printable(&tokens.label(token))
}

/// A token's words in quotes, spaces at the edges left out, line breaks as ↵; one of nothing but spaces keeps them. The
/// value of a point is a number, without quotes.
#[must_use]
pub fn quoted(tokens: &TokenTable, token: TokenId) -> String {
    let words = token_words(tokens, token);
    if tokens.scale.is_some() {
        return words;
    }
    let trimmed = words.trim();
    let shown = if trimmed.is_empty() { &words } else { trimmed };
    format!("“{shown}”")
}

/// A special token's name: `⟨endoftext⟩`.
#[must_use]
pub fn special_words(tokens: &TokenTable, token: TokenId) -> String {
    let piece = String::from_utf8_lossy(tokens.piece(token)).into_owned();
    let name = piece.trim_matches(['<', '>', '|', '[', ']', '/', '｜']);
    if name.is_empty() {
        format!("⟨{}⟩", tokens.in_vocabulary(token))
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
    let mut out = Vec::new();
    go_on(&mut out, table, tokens, eos);
    out
}

/// The texts of a row that grows: only what is new is put into words.
#[derive(Clone, Debug, Default)]
pub struct TokenTexts {
    tokens: Vec<TokenId>,
    /// Of the series they are points of.
    scale: Option<SeriesScale>,
    texts: Vec<String>,
    /// Before this token no character was begun and not ended: what comes later changes no text up to here.
    n_settled: usize,
}

impl TokenTexts {
    /// The texts of `tokens`; how many of the texts that were held still stand. But for the scale of a series, table and
    /// end tokens are those of the last call, or this is a new one.
    pub fn update(&mut self, table: &TokenTable, tokens: &[TokenId], eos: &[TokenId]) -> usize {
        if self.scale != table.scale {
            *self = Self {
                scale: table.scale,
                ..Self::default()
            };
        }
        if self.tokens == tokens {
            return self.texts.len();
        }
        let is_longer = tokens.starts_with(&self.tokens);
        let n_kept = if is_longer { self.n_settled } else { 0 };
        self.texts.truncate(n_kept);
        self.n_settled = go_on(&mut self.texts, table, tokens, eos);
        self.tokens.clear();
        self.tokens.extend_from_slice(tokens);
        n_kept
    }

    /// What each token shows.
    #[must_use]
    pub fn texts(&self) -> &[String] {
        &self.texts
    }
}

/// Adds the texts of the tokens after those in `out`, where no character is begun. Returns how many texts later
/// tokens leave as they are.
fn go_on(out: &mut Vec<String>, table: &TokenTable, tokens: &[TokenId], eos: &[TokenId]) -> usize {
    let first = out.len();
    if table.scale.is_some() {
        // A space parts a value from the one before.
        let words = tokens[first..]
            .iter()
            .map(|it| format!(" {}", table.label(*it)));
        out.extend(words);
        return tokens.len();
    }
    out.resize(tokens.len(), String::new());
    // Bytes of a character that is not whole, and the tokens they came from.
    let mut pending: Vec<u8> = Vec::new();
    let (mut from, mut n_settled) = (first, first);
    for (n, token) in tokens.iter().enumerate().skip(first) {
        if pending.is_empty() {
            (from, n_settled) = (n, n);
        }
        if table.is_special(*token) {
            flush(out, table, tokens, from..n, &mut pending);
            out[n] = match n {
                0 => "⟨bos⟩".to_owned(),
                _ if eos.contains(token) => "⟨eos⟩".to_owned(),
                _ => special_words(table, *token),
            };
            continue;
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
            Err(_) => flush(out, table, tokens, from..n + 1, &mut pending),
        }
    }
    if pending.is_empty() {
        n_settled = tokens.len();
    }
    flush(out, table, tokens, from..tokens.len(), &mut pending);
    n_settled
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
            ..TokenTable::default()
        }
    }

    #[test]
    fn a_quoted_token_of_spaces_keeps_them() {
        let check = |piece: &[u8], wanted: &str| {
            assert_eq!(quoted(&table(&[piece]), TokenId(0)), wanted);
        };
        check(b" avait", "“avait”");
        check(b"  ", "“  ”");
        check(b"", "“<0>”");
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
    fn texts_of_a_row_that_grows_are_those_of_the_whole_row() {
        let pieces: [&[u8]; 8] = [
            b"<|s|>",
            b"a\xe2",
            b"\x82",
            b"\xac!",
            b"\xe2",
            b"\xff",
            b" b",
            b"\xac\xe2",
        ];
        let table = table(&pieces);
        let ids = |it: &[u32]| -> Vec<TokenId> { it.iter().copied().map(TokenId).collect() };
        let eos = [TokenId(0)];
        let rows: [&[u32]; 7] = [
            &[0, 1, 2, 3, 4, 2, 3, 0],
            &[1, 2, 1, 2, 3, 6],
            &[4, 5, 6, 7],
            &[7, 7, 7, 6],
            &[6, 1, 0, 2, 3],
            &[1, 1, 1],
            &[1, 2, 7, 2, 7, 2, 3],
        ];
        // One after the other too: a row that is another begins anew.
        let mut grown = TokenTexts::default();
        for row in rows {
            for n in 0..=row.len() {
                let row = ids(&row[..n]);
                let held = grown.texts().to_vec();
                let n_kept = grown.update(&table, &row, &eos);
                assert_eq!(grown.texts(), token_texts(&table, &row, &eos), "{row:?}");
                assert_eq!(held[..n_kept], grown.texts()[..n_kept]);
            }
        }
        let whole = ids(&[6; 100]);
        grown.update(&table, &whole, &eos);
        let mut longer = whole.clone();
        longer.push(TokenId(6));
        assert_eq!(grown.update(&table, &longer, &eos), 100, "only what is new");
    }

    #[test]
    fn points_are_told_as_values_in_the_units_of_their_series() {
        let points = [0.0, 1.0, -2.0].map(TokenId::of_point);
        let scale = |mean, deviation| TokenTable::points(SeriesScale { mean, deviation });
        let table = scale(100.0, 2.5);
        assert_eq!(token_texts(&table, &points, &[]), [" 100", " 102.5", " 95"]);
        assert_eq!(token_words(&table, points[1]), "102.5");
        assert_eq!(quoted(&table, points[1]), "102.5");
        assert_eq!(table.text(&points), "100, 102.5, 95");
        // The same points of another series are other values.
        let mut texts = TokenTexts::default();
        texts.update(&table, &points, &[]);
        assert_eq!(texts.update(&scale(0.0, 1.0), &points, &[]), 0);
        assert_eq!(texts.texts(), [" 0", " 1", " -2"]);
    }

    #[test]
    fn signs_stand_for_what_cannot_be_seen() {
        assert_eq!(printable("a\n\tb\u{7}"), "a↵⇥b<0007>");
    }
}
