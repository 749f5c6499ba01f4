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
