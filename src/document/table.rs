//! A panel as numbers: exported as CSV, copied, shown instead of the picture, read aloud, compared in tests.

use crate::spec::grouped;
use crate::trace::PositionKind;

/// Digits that a number has where it is shown.
const DIGITS: usize = 4;

/// One value of a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A whole number.
    Count(u64),
    /// A number, in the column's unit.
    Number(f64),
    /// There is none.
    Empty,
}

/// A column: what stands in it, and its unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, as the field uses it: `expert`, `weight`.
    pub name: &'static str,
    /// The unit, or empty: `%`, `nats`.
    pub unit: &'static str,
}

impl Column {
    /// Its name with the unit, as a header has it: `weight`, `share (%)`.
    #[must_use]
    pub fn heading(&self) -> String {
        if self.unit.is_empty() {
            self.name.to_owned()
        } else {
            format!("{} ({})", self.name, self.unit)
        }
    }
}

impl Cell {
    /// As it is read: a number at full precision, nothing where there is none.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(n) => n.to_string(),
            Self::Number(it) => number(*it),
            Self::Empty => String::new(),
        }
    }

    /// As it is shown in a column of `decimals`: whole numbers in groups of three digits, others with as many decimals, one
    /// too small for them by its power of ten. What is copied has every digit.
    #[must_use]
    pub fn shown(&self, decimals: usize) -> String {
        match self {
            Self::Count(n) => grouped(*n),
            Self::Number(it) if !it.is_finite() => number(*it),
            Self::Number(it) => {
                let words = format!("{it:.decimals$}");
                let is_lost = *it != 0.0 && words.bytes().all(|it| !(b'1'..=b'9').contains(&it));
                if is_lost { format!("{it:.1e}") } else { words }
            }
            Self::Text(_) | Self::Empty => self.words(),
        }
    }

    /// Whether it is a number of either kind: those line up on the right.
    #[must_use]
    pub fn is_figure(&self) -> bool {
        matches!(self, Self::Count(_) | Self::Number(_))
    }
}

/// Named columns of equal length.
///
/// **Invariant:** each row has a cell for each column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// What it is of: `Router, layer 4, token 11 “avait”, baseline`.
    pub title: String,
    /// From left to right.
    pub columns: Vec<Column>,
    /// From top to bottom.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty table with these columns, each a name and a unit.
    #[must_use]
    pub fn new(title: impl Into<String>, columns: &[(&'static str, &'static str)]) -> Self {
        let column = |&(name, unit)| Column { name, unit };
        Self {
            title: title.into(),
            columns: columns.iter().map(column).collect(),
            rows: Vec::new(),
        }
    }

    /// The same of a model whose rows have something else than tokens: title, names and units of columns, and words that are
    /// no value of a point.
    #[must_use]
    pub fn said_of(mut self, kind: PositionKind) -> Self {
        if kind == PositionKind::Token {
            return self;
        }
        self.title = kind.said(self.title).into_owned();
        for it in &mut self.columns {
            (it.name, it.unit) = (kind.named(it.name), kind.named(it.unit));
        }
        for it in self.rows.iter_mut().flatten() {
            if let Cell::Text(words) = it {
                *words = kind.said(std::mem::take(words)).into_owned();
            }
        }
        self
    }

    /// Decimals at which the largest number of each column has four digits; none where all its numbers are whole.
    #[must_use]
    pub fn decimals(&self) -> Vec<usize> {
        let of = |column: usize| {
            let numbers = self.rows.iter().filter_map(|it| match it.get(column) {
                Some(Cell::Number(it)) if it.is_finite() => Some(it.abs()),
                _ => None,
            });
            let (largest, are_whole) = numbers.fold((0.0f64, true), |(most, whole), it| {
                (most.max(it), whole && it.fract() == 0.0)
            });
            let n_before = largest.max(1.0).log10().floor() as usize + 1;
            if are_whole {
                0
            } else {
                DIGITS.saturating_sub(n_before.min(DIGITS)).max(1)
            }
        };
        (0..self.columns.len()).map(of).collect()
    }

    /// Adds a row; cells too many are left out, those missing are empty.
    pub fn push(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let mut row: Vec<Cell> = cells.into_iter().collect();
        row.resize(self.columns.len(), Cell::Empty);
        self.rows.push(row);
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<usize> for Cell {
    fn from(n: usize) -> Self {
        Self::Count(n as u64)
    }
}

impl From<u64> for Cell {
    fn from(n: u64) -> Self {
        Self::Count(n)
    }
}

impl From<f64> for Cell {
    fn from(it: f64) -> Self {
        Self::Number(it)
    }
}

impl From<f32> for Cell {
    fn from(it: f32) -> Self {
        Self::Number(f64::from(it))
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(it: Option<T>) -> Self {
        it.map_or(Self::Empty, Into::into)
    }
}

/// The shortest decimal that reads back as the same number: as the same f32 where it is one, as almost all that is
/// recorded is; else as the same f64. What is not finite is written `inf`, `-inf` and `NaN`.
#[must_use]
pub fn number(it: f64) -> String {
    let narrow = it as f32;
    if f64::from(narrow).to_bits() == it.to_bits() {
        narrow.to_string()
    } else {
        it.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_column_line_up_at_four_digits() {
        let check = |numbers: &[f64], wanted: &[&str]| {
            let mut table = Table::new("", &[("n", "")]);
            numbers.iter().for_each(|it| table.push([Cell::from(*it)]));
            let decimals = table.decimals()[0];
            let shown: Vec<String> = table.rows.iter().map(|it| it[0].shown(decimals)).collect();
            assert_eq!(shown, wanted);
        };
        check(&[0.123_456, 0.5, 0.0], &["0.123", "0.500", "0.000"]);
        check(&[12.345_67, 1.0], &["12.35", "1.00"]);
        check(&[12_345.678, 0.25], &["12345.7", "0.2"]);
        check(&[3.0, 40.0], &["3", "40"]);
        check(&[0.5, 0.000_012], &["0.500", "1.2e-5"]);
        check(&[f64::INFINITY, 0.5], &["inf", "0.500"]);
        assert_eq!(Cell::from(7_177_760_u64).shown(0), "7,177,760");
        assert_eq!(Cell::from(7_177_760_u64).words(), "7177760");
    }
}
