//! How a text becomes tokens piece by piece: by a tokenizer, or, where a model reads time series, as the points of its
//! columns, each a series of its own in a scale of its own.

use std::collections::VecDeque;

use super::{Encode, EncodeError, pieces::Pieces};
use crate::spec::{Series, TokenId};

/// Most bytes of a table of series: its columns stand side by side, so that it is held whole.
const MAX_TABLE_BYTES: usize = 64 << 20;

/// Makes tokens of the text of one document after another.
pub(super) enum Cutter {
    /// Tokens of a vocabulary.
    Text(Pieces),
    /// Points of series.
    Series(Table),
}

/// The text of a table, and its series that were not handed out.
#[derive(Debug, Default)]
pub(super) struct Table {
    text: String,
    rest: VecDeque<Vec<TokenId>>,
}

impl Cutter {
    /// None yet of any document.
    ///
    /// # Errors
    /// What the tokenizer says.
    pub fn new(is_series: bool, encode: &Encode) -> Result<Self, EncodeError> {
        if is_series {
            return Ok(Self::Series(Table::default()));
        }
        Pieces::new(encode).map(Self::Text)
    }

    /// What stands before a text; known once one was turned into tokens.
    pub fn bos(&self) -> &[TokenId] {
        match self {
            Self::Text(it) => it.bos(),
            Self::Series(_) => &[],
        }
    }

    /// Bytes of text that no token was made of yet.
    pub fn n_pending(&self) -> usize {
        match self {
            Self::Text(it) => it.n_pending(),
            Self::Series(it) => it.text.len(),
        }
    }

    /// The tokens that more text of the document makes sure of.
    ///
    /// # Errors
    /// What the tokenizer says, or a table that is too long.
    pub fn push(&mut self, text: &str, encode: &Encode) -> Result<Vec<TokenId>, EncodeError> {
        let table = match self {
            Self::Text(it) => return it.push(text, encode),
            Self::Series(it) => it,
        };
        if table.text.len() + text.len() > MAX_TABLE_BYTES {
            let most = MAX_TABLE_BYTES >> 20;
            return Err(EncodeError::text(format!(
                "the table of series is longer than {most} MiB, the most that is held of one"
            )));
        }
        table.text.push_str(text);
        Ok(Vec::new())
    }

    /// The tokens of all that is left; of a table those of its first series. What comes next begins a document.
    ///
    /// # Errors
    /// What the tokenizer says, or what is no series.
    pub fn end(&mut self, encode: &Encode) -> Result<Vec<TokenId>, EncodeError> {
        let table = match self {
            Self::Text(it) => return it.end(encode),
            Self::Series(it) => it,
        };
        let text = std::mem::take(&mut table.text);
        if text.trim().is_empty() {
            return Ok(Vec::new());
        }
        let text = text.trim_start_matches('\u{feff}');
        let all = Series::all(text).map_err(EncodeError::text)?;
        table.rest = all.iter().map(|it| it.tokens().0).collect();
        Ok(table.rest.pop_front().unwrap_or_default())
    }

    /// The next series of a table that has ended; none where all were handed out.
    pub fn next_series(&mut self) -> Option<Vec<TokenId>> {
        match self {
            Self::Text(_) => None,
            Self::Series(it) => it.rest.pop_front(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn never() -> Encode {
        Box::new(|_, _| panic!("a series has no tokenizer"))
    }

    #[test]
    fn every_column_is_a_series_in_a_scale_of_its_own() {
        let encode = never();
        let mut it = Cutter::new(true, &encode).unwrap();
        let values =
            |it: Vec<TokenId>| -> Vec<f32> { it.into_iter().map(TokenId::point).collect() };
        assert!(it.push("t,a,b\nx,1,1", &encode).unwrap().is_empty());
        assert!(
            it.push("00\ny,2,200\nz,3,300\n", &encode)
                .unwrap()
                .is_empty()
        );
        assert!(it.n_pending() > 0 && it.bos().is_empty());
        assert_eq!(values(it.end(&encode).unwrap()), [-1.0, 0.0, 1.0]);
        assert_eq!(values(it.next_series().unwrap()), [-1.0, 0.0, 1.0]);
        assert!(it.next_series().is_none());
        assert!(it.end(&encode).unwrap().is_empty());
        it.push("1\ntwo\n", &encode).unwrap();
        let why = it.end(&encode).unwrap_err().to_string();
        assert!(why.contains("line 2, column 1 has \"two\""), "{why}");
    }
}
