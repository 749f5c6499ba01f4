//! Tokens as words, and where they stand: pure functions of the tokens and the width.

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
///
/// * `placed`: what was placed of a text that was the same in its first `n_kept` tokens, at the same width; the rest is
///   placed anew, from the last word that can have changed
pub fn flow(
    placed: &mut Vec<Placed>,
    n_kept: usize,
    (texts, widths): (&[String], &[f32]),
    width: f32,
) {
    let n_kept = n_kept.min(placed.len()).min(texts.len());
    // A word that ends before the last token kept ends there whatever follows.
    let mut n = (1..n_kept)
        .rev()
        .find(|it| is_word_end(&texts[it - 1], &texts[*it]))
        .unwrap_or(0);
    placed.truncate(n);
    let (mut line, mut x) = placed.last().map_or((0, 0.0), |it| {
        after(&texts[n - 1..=n], (it.line, it.x + it.width))
    });
    placed.reserve(texts.len() - n);
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
            placed.push(Placed {
                line,
                x,
                width: *token,
            });
            x += token;
        }
        (line, x) = after(&texts[end - 1..texts.len().min(end + 1)], (line, x));
        n = end;
    }
}

/// Where the next token may stand: on a new line after a ↵ that no other follows.
fn after(last_and_next: &[String], (line, x): (usize, f32)) -> (usize, f32) {
    let [last, next @ ..] = last_and_next else {
        return (line, x);
    };
    let more_breaks = next.first().is_some_and(|it| it.starts_with('↵'));
    if last.ends_with('↵') && !more_breaks {
        (line + 1, 0.0)
    } else {
        (line, x)
    }
}

/// The token after the word that starts at `n`: up to the next that starts with a space, or after ↵.
fn word_end(texts: &[String], n: usize) -> usize {
    (n + 1..texts.len())
        .find(|it| is_word_end(&texts[it - 1], &texts[*it]))
        .unwrap_or(texts.len())
}

/// Whether one word ends with the first of two tokens and another begins with the second.
fn is_word_end(last: &str, next: &str) -> bool {
    last.ends_with('↵')
        || next.starts_with(|it: char| it.is_whitespace() || it == '⟨')
        || last.ends_with(|it: char| it.is_whitespace() || it == '⟩')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_kept_together_and_long_ones_are_broken() {
        let texts: Vec<String> = ["Il", " ét", "ait", " une↵", "fois", "xxxx", "xxxx"]
            .map(str::to_owned)
            .into();
        let widths = [20.0, 20.0, 30.0, 30.0, 40.0, 40.0, 40.0];
        let mut placed = Vec::new();
        flow(&mut placed, 0, (&texts, &widths), 60.0);
        let lines: Vec<usize> = placed.iter().map(|it| it.line).collect();
        assert_eq!(lines, [0, 1, 1, 2, 3, 4, 5]);
        assert!((placed[2].x - 20.0).abs() < 1e-6);
    }

    /// Pieces of which every pair, and each with nothing before or after it, is another case.
    const PIECES: [&str; 9] = ["a", " b", "ccccc", "↵", "d↵", "⟨e⟩", " ", "", "f "];

    proptest::proptest! {
        #[test]
        fn a_text_placed_on_stands_as_one_placed_anew(
            pieces in proptest::collection::vec(0..PIECES.len(), 0..40),
            changes in proptest::collection::vec((0..40usize, proptest::collection::vec(0..PIECES.len(), 0..4)), 1..8),
        ) {
            let texts_of = |all: &[usize]| -> (Vec<String>, Vec<f32>) {
                all.iter().map(|it| (PIECES[*it].to_owned(), 6.3 + 7.1 * PIECES[*it].chars().count() as f32)).unzip()
            };
            let mut pieces = pieces;
            let mut placed = Vec::new();
            let (texts, widths) = texts_of(&pieces);
            flow(&mut placed, 0, (&texts, &widths), 61.0);
            for (n_kept, new) in changes {
                let n_kept = n_kept.min(pieces.len());
                pieces.truncate(n_kept);
                pieces.extend(new);
                let (texts, widths) = texts_of(&pieces);
                flow(&mut placed, n_kept, (&texts, &widths), 61.0);
                let mut anew = Vec::new();
                flow(&mut anew, 0, (&texts, &widths), 61.0);
                proptest::prop_assert_eq!(&placed, &anew);
            }
        }
    }
}
