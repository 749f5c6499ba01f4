//! How words become tokens where the library's own model does not do it as the model was trained to.
//!
//! sentencepiece merges the two neighbours whose piece has the best score, the leftmost of several that are as good.
//! The library merges by rank alone, for which pieces of equal score have to be put into some order that is not the
//! text's.

use std::{cmp::Ordering, collections::BinaryHeap};

use tokenizers::{Model as _, ModelWrapper, PreTokenizedString, Token, models::unigram::Unigram};

use super::budget::Budget;

/// Merges between two looks at the clock.
const STEPS: usize = 1 << 12;
/// Bytes of a piece and of all pieces that are looked for, as in other files.
const MAX_PIECE_BYTES: usize = 512;
const MAX_PIECES_BYTES: usize = 8 << 20;

/// What makes tokens of words.
#[derive(Debug)]
pub(in crate::checkpoint) enum Segmenter {
    /// The model of the file.
    Library,
    /// Its pieces, merged by their scores.
    ByScore(ByScore),
    /// The best pieces of a model of its own, whose ids are those of the file's.
    Pieces(Box<ModelWrapper>),
}

/// Pieces that are merged by their scores.
#[derive(Debug)]
pub(in crate::checkpoint) struct ByScore {
    /// One for each id.
    scores: Vec<f32>,
    /// The tokens of single bytes.
    bytes: Vec<Option<u32>>,
    unknown: Option<u32>,
}

impl Segmenter {
    /// Merges by score. `scores` has one for each id; `bytes` the ids that stand for the 256 bytes where there are
    /// such, `unknown` the one that stands for what cannot be spelled.
    pub(in crate::checkpoint) fn by_score(
        scores: Vec<f32>,
        bytes: Vec<Option<u32>>,
        unknown: Option<u32>,
    ) -> Self {
        Self::ByScore(ByScore {
            scores,
            bytes,
            unknown,
        })
    }

    /// Finds the best of pieces with scores, their rows being their ids; those that are no texts have a name that no
    /// text has.
    ///
    /// # Errors
    /// More or longer pieces than may be, no unknown piece.
    pub(in crate::checkpoint) fn pieces(
        pieces: Vec<(String, f64)>,
        unknown: usize,
    ) -> Result<Self, String> {
        let longest = pieces.iter().map(|it| it.0.len()).max().unwrap_or(0);
        if longest > MAX_PIECE_BYTES {
            return Err(format!(
                "it has a piece of {longest} bytes, expected at most {MAX_PIECE_BYTES}"
            ));
        }
        let n_bytes: usize = pieces.iter().map(|it| it.0.len()).sum();
        if n_bytes > MAX_PIECES_BYTES {
            return Err(format!(
                "it has pieces of {n_bytes} bytes, expected at most {MAX_PIECES_BYTES}"
            ));
        }
        let model = Unigram::from(pieces, Some(unknown), false).map_err(|it| it.to_string())?;
        Ok(Self::Pieces(Box::new(ModelWrapper::Unigram(model))))
    }

    /// The library's model that is asked, `own` being that of the file.
    pub(super) fn model<'a>(&'a self, own: &'a ModelWrapper) -> &'a ModelWrapper {
        match self {
            Self::Pieces(it) => it,
            Self::Library | Self::ByScore(_) => own,
        }
    }
}

/// A piece of a word and its neighbours. One of no bytes was merged into its left neighbour.
#[derive(Clone, Copy)]
struct Symbol {
    start: usize,
    n_bytes: usize,
    left: Option<usize>,
    right: Option<usize>,
}

/// Two neighbours that are a piece together.
struct Bigram {
    score: f32,
    left: usize,
    right: usize,
    /// Bytes of both: where it is another by now, one of them was merged.
    n_bytes: usize,
}

impl Ord for Bigram {
    fn cmp(&self, other: &Self) -> Ordering {
        let leftmost = other.left.cmp(&self.left);
        self.score.total_cmp(&other.score).then(leftmost)
    }
}

impl PartialOrd for Bigram {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Bigram {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Bigram {}

impl ByScore {
    /// Makes tokens of all words.
    ///
    /// # Errors
    /// No time left.
    pub(super) fn apply(
        &self,
        vocabulary: &ModelWrapper,
        text: &mut PreTokenizedString,
        budget: &Budget,
    ) -> tokenizers::Result<()> {
        text.tokenize(|word| Ok(self.tokens(word.get(), vocabulary, budget)?))
    }

    fn tokens(
        &self,
        word: &str,
        vocabulary: &ModelWrapper,
        budget: &Budget,
    ) -> Result<Vec<Token>, String> {
        let symbols = self.merged(word, vocabulary, budget)?;
        let mut out = Vec::new();
        for it in symbols.iter().filter(|it| it.n_bytes > 0) {
            let range = (it.start, it.start + it.n_bytes);
            let piece = &word[range.0..range.1];
            let token = |id| Token::new(id, piece.to_owned(), range);
            match vocabulary.token_to_id(piece) {
                Some(id) => out.push(token(id)),
                None => out.extend(self.spelled(piece).into_iter().map(token)),
            }
        }
        Ok(out)
    }

    /// The ids of what is no piece: its bytes, or the unknown one.
    fn spelled(&self, piece: &str) -> Vec<u32> {
        let byte = |it: u8| self.bytes.get(usize::from(it)).copied().flatten();
        let bytes: Option<Vec<u32>> = piece.bytes().map(byte).collect();
        bytes.unwrap_or_else(|| self.unknown.into_iter().collect())
    }

    fn merged(
        &self,
        word: &str,
        vocabulary: &ModelWrapper,
        budget: &Budget,
    ) -> Result<Vec<Symbol>, String> {
        let mut symbols = letters(word);
        let mut queue = BinaryHeap::new();
        for right in 1..symbols.len() {
            queue.extend(self.bigram(word, &symbols, right - 1, right, vocabulary));
        }
        let mut n_steps = 0_usize;
        while let Some(best) = queue.pop() {
            if n_steps.is_multiple_of(STEPS) {
                budget.check()?;
            }
            n_steps += 1;
            let (left, right) = (symbols[best.left], symbols[best.right]);
            let is_there = left.n_bytes > 0 && right.n_bytes > 0;
            if !is_there || left.n_bytes + right.n_bytes != best.n_bytes {
                continue;
            }
            symbols[best.left].n_bytes = best.n_bytes;
            symbols[best.left].right = right.right;
            symbols[best.right].n_bytes = 0;
            if let Some(it) = right.right {
                symbols[it].left = Some(best.left);
                queue.extend(self.bigram(word, &symbols, best.left, it, vocabulary));
            }
            if let Some(it) = left.left {
                queue.extend(self.bigram(word, &symbols, it, best.left, vocabulary));
            }
        }
        Ok(symbols)
    }

    fn bigram(
        &self,
        word: &str,
        symbols: &[Symbol],
        left: usize,
        right: usize,
        vocabulary: &ModelWrapper,
    ) -> Option<Bigram> {
        let (start, n_bytes) = (
            symbols[left].start,
            symbols[left].n_bytes + symbols[right].n_bytes,
        );
        let id = vocabulary.token_to_id(&word[start..start + n_bytes])?;
        Some(Bigram {
            // 0 and -0 are one score.
            score: self.scores.get(id as usize)? + 0.0,
            left,
            right,
            n_bytes,
        })
    }
}

fn letters(word: &str) -> Vec<Symbol> {
    let n = word.chars().count();
    let all = word.char_indices().enumerate();
    all.map(|(row, (start, letter))| Symbol {
        start,
        n_bytes: letter.len_utf8(),
        left: row.checked_sub(1),
        right: (row + 1 < n).then_some(row + 1),
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;

    /// The ids of `word` where a token's id is its row, and its score stands beside it.
    #[track_caller]
    fn check(pieces: &[(&str, f32)], word: &str, want: &[u32]) {
        let rows = pieces.iter().zip(0_u32..);
        let vocab: Map<String, Value> = rows.map(|(it, id)| (it.0.to_owned(), id.into())).collect();
        let model = json!({"type": "BPE", "vocab": vocab, "merges": []});
        let model: ModelWrapper = serde_json::from_value(model).unwrap();
        let mut bytes = vec![None; 256];
        bytes[0xC3] = Some(100);
        bytes[0xA9] = Some(101);
        let scores = pieces.iter().map(|it| it.1).collect();
        let Segmenter::ByScore(it) = Segmenter::by_score(scores, bytes, Some(99)) else {
            unreachable!("it was made so");
        };
        let tokens = it.tokens(word, &model, &Budget::of(word.len())).unwrap();
        let ids: Vec<u32> = tokens.iter().map(|it| it.id).collect();
        assert_eq!(ids, want, "{word}");
    }

    #[test]
    fn the_best_score_is_merged_first() {
        let pieces = [
            ("a", 0.0),
            ("b", 0.0),
            ("c", 0.0),
            ("ab", -2.0),
            ("bc", -1.0),
        ];
        check(&pieces, "abc", &[0, 4]);
        check(&pieces, "ab", &[3]);
    }

    #[test]
    fn of_equal_scores_the_leftmost_is_merged_first() {
        let pieces = [
            ("a", 0.0),
            ("b", 0.0),
            ("c", 0.0),
            ("bc", -1.0),
            ("ab", -1.0),
        ];
        check(&pieces, "abc", &[4, 2]);
        let zeros = [
            ("a", 0.0),
            ("b", 0.0),
            ("c", 0.0),
            ("bc", 0.0),
            ("ab", -0.0),
        ];
        check(&zeros, "abc", &[4, 2]);
        check(&[("a", 0.0), ("aa", -1.0), ("aaa", -1.0)], "aaaaa", &[2, 1]);
    }

    #[test]
    fn what_is_no_piece_is_its_bytes_or_unknown() {
        check(&[("a", 0.0)], "aéa", &[0, 100, 101, 0]);
        check(&[("a", 0.0)], "aöa", &[0, 99, 0]);
    }
}
