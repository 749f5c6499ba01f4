//! Tables as CSV, and the way back: what a spreadsheet or a script opens.
//!
//! The header is `name (unit)`; a number is written so that it reads back the same, whatever its size; an empty cell
//! stays empty. The title is not in the file but in its name, so that the first line is the header.
//!
//! A spreadsheet takes a text that begins with `=`, `+`, `-` or `@` for a formula, blanks before it or not, and a token
//! of a model may well be ` =cmd()`. Such a text gets an apostrophe in front, as spreadsheets themselves mark text; so does a text that begins
//! with an apostrophe already, so that [`plain_text`] takes back exactly what was added. Numbers are left alone.

use super::{Cell, Column, Table, number};

/// What makes a spreadsheet take a text for something else.
const FORMULA: [char; 11] = [
    '=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}', '\t', '\r', '\'',
];

/// Whether a spreadsheet would take a text for something else; some leave out the blanks before it first.
fn is_formula(text: &str) -> bool {
    text.starts_with(FORMULA) || text.trim_start().starts_with(FORMULA)
}

impl Table {
    /// The table as CSV, quoted where it has to be.
    #[must_use]
    pub fn to_csv(&self) -> String {
        let rows: Vec<usize> = (0..self.rows.len()).collect();
        self.rows_to_csv(&rows)
    }

    /// These rows under the header, as CSV; rows that are not there are left out.
    #[must_use]
    pub fn rows_to_csv(&self, rows: &[usize]) -> String {
        let mut out = csv::Writer::from_writer(Vec::new());
        let header = self.columns.iter().map(Column::heading);
        let rows = rows.iter().filter_map(|it| self.rows.get(*it));
        let rows = rows.map(|row| row.iter().map(field).collect::<Vec<String>>());
        // Writing to memory does not fail, and each row has a cell for each column.
        for record in std::iter::once(header.collect()).chain(rows) {
            if out.write_record(&record).is_err() {
                return String::new();
            }
        }
        let bytes = out.into_inner().unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// A cell as it stands in the file.
fn field(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) if is_formula(text) => format!("'{text}"),
        Cell::Text(text) => text.clone(),
        Cell::Count(n) => n.to_string(),
        Cell::Number(it) => number(*it),
        Cell::Empty => String::new(),
    }
}

/// The text of a field of a table, without the apostrophe that keeps it from being taken for a formula.
#[must_use]
pub fn plain_text(field: &str) -> &str {
    match field.strip_prefix('\'') {
        Some(rest) if is_formula(rest) => rest,
        _ => field,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new();
        let mut reader = reader.has_headers(false).from_reader(text.as_bytes());
        let rows = reader.records().map(Result::unwrap);
        rows.map(|it| it.iter().map(str::to_owned).collect())
            .collect()
    }

    #[test]
    fn every_number_reads_back_the_same() {
        for it in [
            0.1_f32,
            -0.0,
            1.0 / 3.0,
            f32::MIN_POSITIVE,
            f32::MAX,
            f32::NEG_INFINITY,
            16_777_217.0,
            1e-45,
        ] {
            let text = number(f64::from(it));
            let back: f32 = text.parse().unwrap();
            assert_eq!(back.to_bits(), it.to_bits(), "{it} is written {text}");
        }
        for it in [0.1_f64, 1.0 / 3.0, f64::MIN_POSITIVE, f64::MAX, 1e300] {
            let back: f64 = number(it).parse().unwrap();
            assert_eq!(
                back.to_bits(),
                it.to_bits(),
                "{it} is written {}",
                number(it)
            );
        }
        assert!(number(f64::NAN).parse::<f64>().unwrap().is_nan());
        assert_eq!(number(f64::from(0.1_f32)), "0.1");
        assert_eq!(number(25.0), "25");
    }

    #[test]
    fn a_table_reads_back_cell_by_cell() {
        let mut table = Table::new(
            "Load, layer 4",
            &[("expert", ""), ("share", "%"), ("token", "")],
        );
        table.push([3_usize.into(), 0.1_f32.into(), "a, \"b\"\nc".into()]);
        table.push([4_usize.into(), Cell::Empty, " été".into()]);
        let rows = read(&table.to_csv());
        assert_eq!(rows[0], ["expert", "share (%)", "token"]);
        assert_eq!(rows[1], ["3", "0.1", "a, \"b\"\nc"]);
        assert_eq!(rows[2], ["4", "", " été"]);
        assert_eq!(
            read(&table.rows_to_csv(&[1, 9])),
            [rows[0].clone(), rows[2].clone()]
        );
    }

    #[test]
    fn no_text_is_taken_for_a_formula_and_none_is_lost() {
        for text in [
            "=1+1", "+1", "-x", "@a", "\tx", "'quoted", "''", "'", "plain", "1-2", "", " =1+1",
            "   -x", "\u{a0}@a", " \t+1", "\n=x", "' =x", " 'x", "＝1", " été", " ", "\r",
        ] {
            let mut table = Table::new("", &[("token", ""), ("n", "")]);
            table.push([text.into(), Cell::Number(-1.5)]);
            let row = read(&table.to_csv()).remove(1);
            let first = row[0].trim_start();
            assert!(!first.starts_with(['=', '+', '-', '@', '＝']), "{row:?}");
            assert_eq!(plain_text(&row[0]), text);
            assert_eq!(row[1], "-1.5", "a number is no formula");
        }
    }
}
