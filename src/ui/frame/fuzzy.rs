//! How well letters typed in haste name something: they must all be there, in order; those that begin words
//! and those that follow each other count for more.

use nucleo_matcher::{Config, Matcher, Utf32Str};

/// A hit: how good, and which letters of the name were meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The larger, the better.
    pub score: i32,
    /// Whether nothing else can have been meant.
    pub is_whole: bool,
    /// Indices of characters, ascending.
    pub letters: Vec<usize>,
}

/// Longer names are looked at up to here: what is typed is short.
const MAX_LETTERS: usize = 120;

/// Finds the letters of `typed` in `name`, spaces and capitals aside; the best way to place them counts.
pub fn find(typed: &str, name: &str) -> Option<Hit> {
    let letters = typed.chars().filter(|it| !it.is_whitespace());
    let wanted: Vec<char> = letters.map(folded).collect();
    if wanted.is_empty() {
        return Some(Hit {
            score: 0,
            is_whole: false,
            letters: Vec::new(),
        });
    }
    let place: Vec<char> = name.chars().take(MAX_LETTERS).map(folded).collect();
    let mut places = Vec::new();
    let (place, wanted) = (Utf32Str::Unicode(&place), Utf32Str::Unicode(&wanted));
    let score = Matcher::new(config()).fuzzy_indices(place, wanted, &mut places)?;
    Some(Hit {
        // Of two names that fit alike, the shorter was meant.
        score: i32::from(score) - place.len() as i32 / 8,
        is_whole: typed.trim().to_lowercase() == name.to_lowercase(),
        letters: places.into_iter().map(|it| it as usize).collect(),
    })
}

/// Capitals are folded here, letter by letter and in every script, so that a letter keeps its place.
fn config() -> Config {
    let mut config = Config::DEFAULT;
    config.normalize = false;
    config.ignore_case = false;
    config.prefer_prefix = true;
    config
}

fn folded(letter: char) -> char {
    letter.to_lowercase().next().unwrap_or(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best<'a>(typed: &str, names: &[&'a str]) -> Option<&'a str> {
        let hits = names
            .iter()
            .filter_map(|it| find(typed, it).map(|hit| ((hit.is_whole, hit.score), *it)));
        hits.max_by_key(|it| it.0).map(|it| it.1)
    }

    #[test]
    fn all_letters_must_be_there_in_order() {
        assert!(find("udno", "Undo").is_none());
        assert!(find("undoo", "Undo").is_none());
        assert_eq!(find("", "Undo").unwrap().score, 0);
        assert_eq!(find("uo", "Undo").unwrap().letters, [0, 3]);
    }

    #[test]
    fn letters_that_begin_words_are_meant() {
        let hit = find("rl", "Reset the layout").unwrap();
        assert_eq!(hit.letters, [0, 10]);
        let names = ["Layer below", "Remove all edits", "Reset the layout"];
        assert_eq!(best("rtl", &names), Some("Reset the layout"));
    }

    #[test]
    fn the_whole_name_comes_first() {
        let names = ["Play or pause", "Pause", "Pause the pause"];
        assert_eq!(best("pause", &names), Some("Pause"));
        assert_eq!(best("Play or Pause", &names), Some("Play or pause"));
    }

    #[test]
    fn the_best_place_counts_not_the_first() {
        // The s of "pause" comes first; the word "step" was meant.
        let hit = find("step", "pause, then step").unwrap();
        assert_eq!(hit.letters, [12, 13, 14, 15]);
    }

    #[test]
    fn letters_that_follow_each_other_come_first() {
        let check = |typed, names: &[&str]| assert_eq!(best(typed, names), Some(names[0]));
        check("png", &["Save the panel as PNG…", "Previous change"]);
        check("heal", &["Show Health", "Show Heatmap alone"]);
        check(
            "rou",
            &["Show Router", "Run on the CPU", "Reset the layout"],
        );
        check("out", &["Zoom out", "Pin or unpin the expert"]);
    }

    #[test]
    fn letters_far_apart_are_marked_all_the_same() {
        let name = format!("Open a{}b", "-".repeat(90));
        assert_eq!(find("oab", &name).unwrap().letters, [0, 5, 96]);
    }

    #[test]
    fn signs_of_any_length_are_letters() {
        assert_eq!(find("é", "Été").unwrap().letters, [0]);
        assert_eq!(find("中o", "Été 中文 o").unwrap().letters, [4, 7]);
        assert!(find("ß", "größe").is_some());
    }
}
