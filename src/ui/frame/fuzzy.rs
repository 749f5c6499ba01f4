//! How well letters typed in haste name something: they must all be there, in order; those that begin words
//! and those that follow each other count for more.

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

const LETTER: i32 = 1;
const BEGINS_WORD: i32 = 9;
const FOLLOWS: i32 = 6;
const BEGINS_NAME: i32 = 4;
/// Longer names are looked at up to here: what is typed is short.
const MAX_LETTERS: usize = 120;

/// Finds the letters of `typed` in `name`, spaces and capitals aside; the best way to place them counts.
pub fn find(typed: &str, name: &str) -> Option<Hit> {
    let wanted: Vec<char> = typed
        .chars()
        .filter(|it| !it.is_whitespace())
        .map(folded)
        .collect();
    let letters: Vec<char> = name.chars().take(MAX_LETTERS).collect();
    if wanted.is_empty() {
        return Some(Hit {
            score: 0,
            is_whole: false,
            letters: Vec::new(),
        });
    }
    let (mut score, at) = place(&wanted, &letters)?;
    let is_whole = typed.trim().to_lowercase() == name.to_lowercase();
    // Of two names that fit alike, the shorter was meant.
    score -= letters.len() as i32 / 8;
    Some(Hit {
        score,
        is_whole,
        letters: at,
    })
}

fn folded(letter: char) -> char {
    letter.to_lowercase().next().unwrap_or(letter)
}

/// The value of one letter of the name, were it meant.
fn worth(letters: &[char], n: usize) -> i32 {
    let before = n.checked_sub(1).and_then(|it| letters.get(it));
    match before {
        None => LETTER + BEGINS_WORD + BEGINS_NAME,
        Some(it) if !it.is_alphanumeric() => LETTER + BEGINS_WORD,
        Some(_) => LETTER,
    }
}

/// `best[w][n]`: the most that the first `w + 1` wanted letters are worth with the last of them at `n`, and
/// where the one before it lies.
fn place(wanted: &[char], letters: &[char]) -> Option<(i32, Vec<usize>)> {
    let mut best: Vec<Vec<Option<(i32, usize)>>> = Vec::with_capacity(wanted.len());
    for (w, want) in wanted.iter().enumerate() {
        let mut row = vec![None; letters.len()];
        // The best of the row before, left of the letter looked at.
        let mut left: Option<(i32, usize)> = None;
        for n in 0..letters.len() {
            let before = w.checked_sub(1).map(|it| &best[it]);
            if folded(letters[n]) == *want {
                row[n] = match before {
                    None => Some((worth(letters, n), n)),
                    Some(before) => {
                        let next = n
                            .checked_sub(1)
                            .and_then(|it| Some((before[it]?.0 + FOLLOWS, it)));
                        let from = next.max(left);
                        from.map(|(score, at)| (score + worth(letters, n), at))
                    }
                };
            }
            let here = before.and_then(|it| Some((it[n]?.0, n)));
            left = left.max(here);
        }
        best.push(row);
    }
    let last = best.last()?;
    let ends = last.iter().enumerate();
    let (mut at, score) = ends
        .filter_map(|(n, it)| Some((n, (*it)?.0)))
        .max_by_key(|(n, score)| (*score, usize::MAX - n))?;
    let mut out = vec![at];
    for row in best.iter().skip(1).rev() {
        at = row[at]?.1;
        out.push(at);
    }
    out.reverse();
    Some((score, out))
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
    fn signs_of_any_length_are_letters() {
        assert_eq!(find("é", "Été").unwrap().letters, [0]);
        assert!(find("ß", "größe").is_some());
    }
}
