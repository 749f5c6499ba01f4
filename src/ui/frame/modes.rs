//! What panels show, by the words of their chips: for a picture that nobody clicks in.

use super::Frame;
use crate::ui::PANELS;

/// Why a panel does not show what is asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModeError {
    /// It has no modes.
    #[error("{panel} shows one thing only, so it has no mode \"{words}\"")]
    One {
        /// Its name.
        panel: String,
        /// What was asked for.
        words: String,
    },
    /// There is none of that name.
    #[error("there is no mode \"{words}\"; there are {offered}")]
    None {
        /// What was asked for.
        words: String,
        /// What there is, panel by panel.
        offered: String,
    },
}

impl Frame {
    /// Has a panel, or whichever can, show what these words name: all words of a chip, or some of them.
    ///
    /// # Errors
    /// No panel can; the sentence lists what there is.
    pub fn set_mode(&mut self, panel: Option<&str>, words: &str) -> Result<(), ModeError> {
        let names = PANELS.iter().map(|it| it.0);
        let names = names.filter(|it| panel.is_none_or(|panel| panel == *it));
        let mut offered = Vec::new();
        for name in names {
            let Some(shown) = self.panels.get_mut(name) else {
                continue;
            };
            let modes = shown.modes();
            let exact = modes.iter().position(|it| same_words(it, words));
            let found = exact.or_else(|| modes.iter().position(|it| holds_words(it, words)));
            if let Some(at) = found {
                shown.set_mode(at);
                return Ok(());
            }
            if !modes.is_empty() {
                offered.push(format!("{}: {}", name.replace('_', " "), modes.join(", ")));
            }
        }
        let words = words.to_owned();
        if offered.is_empty() {
            let panel = panel.unwrap_or_default().replace('_', " ");
            return Err(ModeError::One { panel, words });
        }
        let offered = offered.join("; ");
        Err(ModeError::None { words, offered })
    }
}

/// Whether two names are the same but for their case and what stands between words: space, `_`, `-`.
#[must_use]
pub fn same_words(a: &str, b: &str) -> bool {
    plain(a) == plain(b)
}

fn holds_words(mode: &str, words: &str) -> bool {
    let mode = plain(mode);
    let words = plain(words);
    !words.is_empty()
        && words
            .split(' ')
            .all(|it| mode.split(' ').any(|word| word == it))
}

fn plain(words: &str) -> String {
    let words = words.to_lowercase().replace(['_', '-'], " ");
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(panel: Option<&str>, words: &str, wanted: Result<(), &str>) {
        let got = Frame::default().set_mode(panel, words);
        match wanted {
            Ok(()) => assert_eq!(got, Ok(()), "{words}"),
            Err(part) => assert!(
                got.clone().unwrap_err().to_string().contains(part),
                "{got:?}"
            ),
        }
    }

    #[test]
    fn modes_are_named_by_their_chips_or_a_word_of_them() {
        check(Some("heatmap"), "difference", Ok(()));
        check(None, "gate_mass", Ok(()));
        check(None, "flow", Ok(()));
        check(None, "Flow of the text", Ok(()));
        check(Some("path"), "this-token", Ok(()));
        check(
            Some("heatmap"),
            "flow",
            Err("heatmap: live pick, share of tokens, "),
        );
        check(None, "nothing", Err("path: this token, flow of the text"));
        check(
            Some("next_token"),
            "flow",
            Err("next token shows one thing only"),
        );
    }
}
