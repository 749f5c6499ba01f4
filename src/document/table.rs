//! A panel as numbers: exported as CSV, copied, shown instead of the picture, read aloud, compared in tests.

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
