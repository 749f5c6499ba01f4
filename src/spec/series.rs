//! A time series as a person has it: points typed or pasted, or a column of a table; and the scale that a model reads them
//! in. A model of series wants each of them with a mean of 0 and a standard deviation of 1, and what it says is put back.

use serde::{Deserialize, Serialize};

use super::TokenId;

/// Why a text is no series.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeriesError {
    /// Nothing in it.
    #[error("there are no points: give numbers, one a line or with commas between them")]
    Empty,
    /// Something that is no number.
    #[error(
        "line {line}, column {column} has \"{text}\" where a point should be, expected a finite number"
    )]
    NoNumber {
        /// Counted from 1.
        line: usize,
        /// Which field of it, counted from 1.
        column: usize,
        /// What stands there.
        text: String,
    },
    /// No column of numbers.
    #[error("no column of the table holds numbers alone")]
    NoNumbers,
    /// Several columns, and none was named.
    #[error("the table has several columns of numbers, name one of them: {}", columns.join(", "))]
    Which {
        /// Their names, or their places counted from 1.
        columns: Vec<String>,
    },
    /// No such column.
    #[error("the table has no column \"{column}\", only {}", columns.join(", "))]
    NoColumn {
        /// What was asked for.
        column: String,
        /// Their names, or their places counted from 1.
        columns: Vec<String>,
    },
}

/// Points in their order, all finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What the column is called, where it has a name.
    pub name: Option<String>,
    /// At least one.
    pub points: Vec<f64>,
}

/// How a series is brought to mean 0 and deviation 1, and back. Comparable by its bits, so that it can be part of a key.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct SeriesScale {
    /// Mean of the series, in its own unit.
    pub mean: f64,
    /// Its standard deviation, of n − 1; 1 where that is 0 or nothing can be said of it.
    pub deviation: f64,
}

/// A line of a table, and its number.
struct Line {
    number: usize,
    fields: Vec<String>,
}

/// A table of fields: which of its columns hold numbers, and what they are called.
struct Columns<'a> {
    /// Those under the names.
    rows: &'a [Line],
    width: usize,
    numeric: Vec<usize>,
    /// Per column, its name where it has one.
    names: Vec<Option<String>>,
}

impl Series {
    /// Reads points as they are typed or pasted: numbers with blanks, commas, semicolons or line breaks between them. What
    /// begins with something else is read as a table with one column of numbers.
    ///
    /// # Errors
    /// Nothing, what is no finite number, or a table whose column has to be named.
    pub fn typed(text: &str) -> Result<Self, SeriesError> {
        let parts = |it: char| it.is_whitespace() || matches!(it, ',' | ';');
        let of_line = |line: &str| -> Vec<String> {
            let fields = line.split(parts).filter(|it| !it.is_empty());
            fields.map(str::to_owned).collect()
        };
        let lines: Vec<Vec<String>> = text.lines().map(of_line).collect();
        match lines.iter().flatten().next() {
            None => return Err(SeriesError::Empty),
            Some(first) if number(first).is_none() => return Self::read(text, None),
            Some(_) => {}
        }
        let fields = lines.iter().enumerate().flat_map(|(line, fields)| {
            let fields = fields.iter().enumerate();
            fields.map(move |(n, it)| (line + 1, n, it.as_str()))
        });
        Self::of(None, fields)
    }

    /// Reads numbers in one line or one a line, or a column of a table whose fields are parted by semicolons, tabs, commas
    /// or blanks: the one that `column` names, or else the only one that holds numbers.
    ///
    /// # Errors
    /// Nothing, what is no finite number, or a table whose column has to be named.
    pub fn read(text: &str, column: Option<&str>) -> Result<Self, SeriesError> {
        let lines = lines(text);
        match (lines.as_slice(), column) {
            ([], _) => Err(SeriesError::Empty),
            ([only], None) => Self::of_line(only),
            _ => {
                let columns = Columns::of(&lines);
                columns.series(columns.find(column)?)
            }
        }
    }

    /// Reads every column of numbers, each a series of its own.
    ///
    /// # Errors
    /// There is none, or what is no finite number.
    pub fn all(text: &str) -> Result<Vec<Self>, SeriesError> {
        let lines = lines(text);
        match lines.as_slice() {
            [] => Err(SeriesError::Empty),
            [only] => Ok(vec![Self::of_line(only)?]),
            _ => {
                let columns = Columns::of(&lines);
                match columns.numeric.as_slice() {
                    [] => Ok(vec![columns.series(columns.find(None)?)?]),
                    all => all.iter().map(|it| columns.series(*it)).collect(),
                }
            }
        }
    }

    fn of_line(line: &Line) -> Result<Self, SeriesError> {
        let fields = line.fields.iter().enumerate();
        Self::of(None, fields.map(|(n, it)| (line.number, n, it.as_str())))
    }

    fn of<'a>(
        name: Option<String>,
        fields: impl Iterator<Item = (usize, usize, &'a str)>,
    ) -> Result<Self, SeriesError> {
        let point = |(line, field, text): (usize, usize, &str)| {
            number(text).ok_or_else(|| SeriesError::NoNumber {
                line,
                column: field + 1,
                text: text.to_owned(),
            })
        };
        let points: Vec<f64> = fields.map(point).collect::<Result<_, _>>()?;
        if points.is_empty() {
            return Err(SeriesError::Empty);
        }
        Ok(Self { name, points })
    }

    /// The points as they can be typed.
    #[must_use]
    pub fn words(&self) -> String {
        let points: Vec<String> = self.points.iter().map(ToString::to_string).collect();
        points.join(", ")
    }

    /// The points as a model reads them, and the scale that brings them there.
    #[must_use]
    pub fn tokens(&self) -> (Vec<TokenId>, SeriesScale) {
        let scale = self.scale();
        let points = self.points.iter().map(|it| scale.scaled(*it));
        (points.map(TokenId::of_point).collect(), scale)
    }

    /// The scale a model reads it in.
    #[must_use]
    pub fn scale(&self) -> SeriesScale {
        let n = self.points.len() as f64;
        let mean = self.points.iter().map(|it| it / n).sum::<f64>();
        let squares = self
            .points
            .iter()
            .map(|it| (it - mean) * (it - mean) / (n - 1.0));
        let deviation = squares.sum::<f64>().sqrt();
        let is_one = deviation.is_finite() && deviation > 0.0;
        SeriesScale {
            mean,
            deviation: if is_one { deviation } else { 1.0 },
        }
    }
}

impl<'a> Columns<'a> {
    /// Of at least one line.
    fn of(lines: &'a [Line]) -> Self {
        let width = lines.iter().map(|it| it.fields.len()).max().unwrap_or(0);
        let is_number = |line: &Line, at: usize| number(line.field(at)).is_some();
        let (first, rest) = (&lines[0], &lines[1..]);
        let holds_numbers = |at: &usize| rest.iter().all(|it| is_number(it, *at));
        let numeric: Vec<usize> = (0..width).filter(holds_numbers).collect();
        // Names stand over numbers.
        let named = |at: &usize| !first.field(*at).is_empty() && !is_number(first, *at);
        let has_names =
            numeric.iter().any(named) || (numeric.is_empty() && (0..width).all(|it| named(&it)));
        let name_of = |at: usize| {
            let name = first.field(at);
            (has_names && !name.is_empty()).then(|| name.to_owned())
        };
        Self {
            rows: if has_names { rest } else { lines },
            width,
            numeric,
            names: (0..width).map(name_of).collect(),
        }
    }

    /// Its name, or its place counted from 1.
    fn label(&self, at: usize) -> String {
        let name = self.names[at].clone();
        name.unwrap_or_else(|| (at + 1).to_string())
    }

    /// The column of that name or place; where none is named, the only one that holds numbers.
    fn find(&self, column: Option<&str>) -> Result<usize, SeriesError> {
        let labels = |of: &[usize]| of.iter().map(|it| self.label(*it)).collect();
        let all: Vec<usize> = (0..self.width).collect();
        match column {
            Some(column) => {
                let mut named = all.iter().filter(|it| self.label(**it) == column);
                let mut placed = all.iter().filter(|it| (**it + 1).to_string() == column);
                let found = named.next().or_else(|| placed.next()).copied();
                found.ok_or_else(|| SeriesError::NoColumn {
                    column: column.to_owned(),
                    columns: labels(&all),
                })
            }
            None if self.width == 1 => Ok(0),
            None => match self.numeric.as_slice() {
                [] => Err(SeriesError::NoNumbers),
                [only] => Ok(*only),
                several => Err(SeriesError::Which {
                    columns: labels(several),
                }),
            },
        }
    }

    fn series(&self, at: usize) -> Result<Series, SeriesError> {
        let rows = self.rows.iter();
        let fields = rows.map(|it| (it.number, at, it.field(at)));
        Series::of(self.names[at].clone(), fields)
    }
}

impl Line {
    /// Empty where the line is shorter.
    fn field(&self, at: usize) -> &str {
        self.fields.get(at).map_or("", String::as_str)
    }
}

impl Default for SeriesScale {
    /// Points as they are.
    fn default() -> Self {
        Self {
            mean: 0.0,
            deviation: 1.0,
        }
    }
}

impl PartialEq for SeriesScale {
    fn eq(&self, other: &Self) -> bool {
        self.bits() == other.bits()
    }
}

impl Eq for SeriesScale {}

impl std::hash::Hash for SeriesScale {
    fn hash<S: std::hash::Hasher>(&self, state: &mut S) {
        self.bits().hash(state);
    }
}

impl SeriesScale {
    fn bits(self) -> [u64; 2] {
        [self.mean, self.deviation].map(f64::to_bits)
    }

    /// A point as a model reads it.
    #[must_use]
    pub fn scaled(&self, point: f64) -> f32 {
        ((point - self.mean) / self.deviation) as f32
    }

    /// What a model says, in the units of the series.
    #[must_use]
    pub fn back(&self, point: f32) -> f64 {
        f64::from(point).mul_add(self.deviation, self.mean)
    }
}

/// How far apart two forecasts of the same points are: the mean of `|a − b|`, in the scale that a model reads, standard
/// deviations of the series.
#[must_use]
pub fn forecasts_apart(a: &[f32], b: &[f32]) -> f32 {
    let sum: f32 = a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum();
    sum / a.len().max(1) as f32
}

/// The same of the last `longest` points of each: what the head with the longest horizon says, which stands last.
#[must_use]
pub fn longest_forecasts_apart(a: &[f32], b: &[f32], longest: usize) -> f32 {
    let last = |it: &[f32]| it.len().saturating_sub(longest);
    forecasts_apart(&a[last(a)..], &b[last(b)..])
}

/// A value in six digits at most, as `12.5`, `-0.0031`.
#[must_use]
pub fn value_words(value: f64) -> String {
    let rounded = format!("{value:.5e}").parse().unwrap_or(value);
    let is_plain = rounded == 0.0 || (1e-6..1e12).contains(&f64::abs(rounded));
    if is_plain {
        // Without the sign of a zero.
        (rounded + 0.0).to_string()
    } else {
        format!("{rounded:e}")
    }
}

/// A finite number that a model's f32 holds.
fn number(text: &str) -> Option<f64> {
    let it: f64 = text.trim().parse().ok()?;
    (it.abs() <= f64::from(f32::MAX)).then_some(it)
}

/// The lines that hold anything, cut into fields.
fn lines(text: &str) -> Vec<Line> {
    let filled = |it: &(usize, &str)| !it.1.trim().is_empty();
    let all: Vec<(usize, &str)> = text.lines().enumerate().filter(filled).collect();
    let parts = [';', '\t', ','];
    let part = parts
        .into_iter()
        .find(|part| all.iter().any(|it| it.1.contains(*part)));
    let line = |(i, text): (usize, &str)| Line {
        number: i + 1,
        fields: match part {
            None => text.split_whitespace().map(str::to_owned).collect(),
            Some(part) => fields(text, part),
        },
    };
    all.into_iter().map(line).collect()
}

/// The fields of a line; what stands between quotes is one, and one that ends the line empty is none.
fn fields(line: &str, part: char) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut is_quoted = false;
    for it in line.trim().chars() {
        match it {
            '"' => is_quoted = !is_quoted,
            it if it == part && !is_quoted => out.push(String::new()),
            it => {
                if let Some(last) = out.last_mut() {
                    last.push(it);
                }
            }
        }
    }
    let mut out: Vec<String> = out.into_iter().map(|it| it.trim().to_owned()).collect();
    if out.len() > 1 && out.last().is_some_and(String::is_empty) {
        out.pop();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, column: Option<&str>, name: Option<&str>, points: &[f64]) {
        let got = Series::read(text, column).unwrap();
        assert_eq!(got.name.as_deref(), name, "{text:?}");
        assert_eq!(got.points, points, "{text:?}");
    }

    #[test]
    fn points_are_read_as_they_are_typed() {
        check("1, -2.5, 3e2", None, None, &[1.0, -2.5, 300.0]);
        check("1 2 3", None, None, &[1.0, 2.0, 3.0]);
        check("7", None, None, &[7.0]);
        check("1\n\n2\n3\n", None, None, &[1.0, 2.0, 3.0]);
        check("1,\n2,\n3,\n", None, None, &[1.0, 2.0, 3.0]);
    }

    #[test]
    fn a_column_of_a_table_is_found_or_named() {
        let one = "date,sold\n2024-01-01,5\n2024-01-02,6\n";
        check(one, None, Some("sold"), &[5.0, 6.0]);
        check(one, Some("2"), Some("sold"), &[5.0, 6.0]);
        let two = "day;\"a; b\";c\n1;2;3\n4;5;6\n";
        check(two, Some("a; b"), Some("a; b"), &[2.0, 5.0]);
        check(two, Some("3"), Some("c"), &[3.0, 6.0]);
        check("sold\n5\n6\n", None, Some("sold"), &[5.0, 6.0]);
        check("1 2\n3 4\n", Some("2"), None, &[2.0, 4.0]);
    }

    fn refuse(text: &str, column: Option<&str>, word: &str) {
        let why = Series::read(text, column).unwrap_err().to_string();
        assert!(why.contains(word), "{text:?}: {why}");
    }

    #[test]
    fn what_is_no_series_is_said_in_a_sentence() {
        refuse("", None, "no points");
        refuse(" \n\n", None, "no points");
        refuse("1, two, 3", None, "\"two\"");
        refuse("1\n2\nNaN\n", None, "line 3");
        refuse("1, inf", None, "\"inf\"");
        refuse("1, 1e300", None, "\"1e300\"");
        refuse("a,b\n1,2\n3,4\n", None, "a, b");
        refuse("a,b\n1,2\n3,4\n", Some("c"), "no column \"c\"");
        refuse("a,b\nx,y\nz,w\n", None, "numbers alone");
        refuse(
            "date,sold\n2024-01-01,5\n2024-01-02,\n",
            Some("sold"),
            "line 3",
        );
    }

    #[test]
    fn points_typed_over_several_lines_are_one_series() {
        let check = |text: &str, points: &[f64]| {
            assert_eq!(Series::typed(text).unwrap().points, points, "{text:?}");
        };
        check("1 2, 3;4\n5\t6\n\n7,", &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        check("sold\n5\n6\n", &[5.0, 6.0]);
        check("day,sold\na,5\nb,6\n", &[5.0, 6.0]);
        let why = Series::typed("1, 2\n3, four, 5").unwrap_err().to_string();
        assert!(why.starts_with("line 2, column 2 has \"four\""), "{why}");
        assert_eq!(Series::typed("").unwrap_err(), SeriesError::Empty);
        assert_eq!(Series::typed(" ,\n").unwrap_err(), SeriesError::Empty);
        let words = Series::typed("1 2.50 -3e-7").unwrap().words();
        assert_eq!(words, "1, 2.5, -0.0000003");
    }

    #[test]
    fn every_column_of_numbers_is_a_series_of_its_own() {
        let all = Series::all("day,a,b\nx,1,2\ny,3,4\n").unwrap();
        let names: Vec<&str> = all.iter().filter_map(|it| it.name.as_deref()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(all[1].points, [2.0, 4.0]);
        assert_eq!(Series::all("1 2 3").unwrap()[0].points.len(), 3);
        let none = Series::all("a,b\nx,y\nz,w\n").unwrap_err();
        assert_eq!(none, SeriesError::NoNumbers);
    }

    #[test]
    fn values_are_told_in_six_digits() {
        let check = |value: f64, words: &str| assert_eq!(value_words(value), words);
        check(0.0, "0");
        check(-0.0, "0");
        check(12.5, "12.5");
        check(1234.5678, "1234.57");
        check(-0.003_14, "-0.00314");
        check(1e20, "1e20");
        check(2.5e-9, "2.5e-9");
    }

    #[test]
    fn a_scaled_series_has_mean_0_and_deviation_1_and_comes_back() {
        let series = Series::read("1000 1010 1020 990", None).unwrap();
        let scale = series.scale();
        let scaled: Vec<f32> = series.points.iter().map(|it| scale.scaled(*it)).collect();
        assert!(scaled.iter().sum::<f32>().abs() < 1e-5);
        let square: f32 = scaled.iter().map(|it| it * it).sum();
        assert!((square / 3.0 - 1.0).abs() < 1e-5, "{square}");
        for (point, it) in series.points.iter().zip(scaled) {
            assert!((scale.back(it) - point).abs() < 1e-3);
        }
        for flat in ["5 5 5", "5"] {
            let scale = Series::read(flat, None).unwrap().scale();
            assert_eq!((scale.scaled(5.0), scale.back(0.0)), (0.0, 5.0));
        }
    }
}
