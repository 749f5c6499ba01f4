//! Values of options that need a parser of their own, and why one cannot be read.
//!
//! clap adds the option and the value to the sentence.

use std::{ops::RangeInclusive, path::PathBuf};

use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::spec::SeriesScale;

/// How much larger than usual a picture can be drawn.
const ZOOMS: RangeInclusive<f32> = 0.25..=8.0;

/// Why the value of an option cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// An option where a path should be: most likely its turn had not come.
    #[error("expected a path; a file of that name is ./{}", .0.display())]
    OptionForPath(PathBuf),
    /// No whole number, or too large for one.
    #[error("expected a whole number from 0 to {most}, not \"{0}\"", most = usize::MAX)]
    NoCount(String),
    /// No number, or none above 0.
    #[error("expected a number above 0, not \"{0}\"")]
    NotPositive(String),
    /// No width and height.
    #[error("expected a size as 1440x900, not \"{0}\"")]
    NoSize(String),
    /// No two numbers, or no deviation.
    #[error("expected a mean and a standard deviation above 0 as 12.5,3, not \"{0}\"")]
    NoScale(String),
    /// No number, or one beyond what can be drawn.
    #[error("a zoom is {least} to {most}, not \"{0}\"", least = ZOOMS.start(), most = ZOOMS.end())]
    NoZoom(String),
}

/// Reads a path; `--x` is most likely an option whose turn it was not.
pub fn path_parser() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|text| {
        let is_option = text.as_encoded_bytes().starts_with(b"--");
        let path = PathBuf::from(text);
        if is_option {
            return Err(ValueError::OptionForPath(path));
        }
        Ok(path)
    })
}

/// Reads `12.5,3`, the mean of a series and its standard deviation.
///
/// # Errors
/// What is no two finite numbers, or a deviation that is not above 0.
pub fn parse_scale(text: &str) -> Result<SeriesScale, ValueError> {
    let number = |it: &str| it.trim().parse::<f64>().ok().filter(|it| it.is_finite());
    let scale = text.split_once(',').and_then(|(mean, deviation)| {
        let (mean, deviation) = (number(mean)?, number(deviation)?);
        (deviation > 0.0).then_some(SeriesScale { mean, deviation })
    });
    scale.ok_or_else(|| ValueError::NoScale(text.to_owned()))
}

/// Reads a count.
///
/// # Errors
/// What is no whole number, or too large for one.
pub fn parse_count(text: &str) -> Result<usize, ValueError> {
    let count = text.trim().parse();
    count.map_err(|_| ValueError::NoCount(text.to_owned()))
}

/// Reads a number above 0.
///
/// # Errors
/// What is none, or not finite.
pub fn parse_positive(text: &str) -> Result<f64, ValueError> {
    let number: Option<f64> = text.trim().parse().ok();
    number
        .filter(|it| it.is_finite() && *it > 0.0)
        .ok_or_else(|| ValueError::NotPositive(text.to_owned()))
}

/// Reads `1440x900`: width and height, pixels.
///
/// # Errors
/// What is no such pair.
pub fn parse_size(text: &str) -> Result<(u32, u32), ValueError> {
    let wanted = || ValueError::NoSize(text.to_owned());
    let (width, height) = text.split_once(['x', 'X', '×']).ok_or_else(wanted)?;
    Ok((
        width.trim().parse().map_err(|_| wanted())?,
        height.trim().parse().map_err(|_| wanted())?,
    ))
}

/// Reads a zoom, a factor of 0.25 to 8.
///
/// # Errors
/// What is none.
pub fn parse_zoom(text: &str) -> Result<f32, ValueError> {
    let zoom: Option<f32> = text.trim().parse().ok();
    zoom.filter(|it| ZOOMS.contains(it))
        .ok_or_else(|| ValueError::NoZoom(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;

    #[test]
    fn a_number_above_0_is_one_and_anything_else_is_told() {
        let wrong = |it: &str| Err(ValueError::NotPositive(it.to_owned()));
        for (text, want) in [
            ("4800", Ok(4800.0)),
            (" 1.5 ", Ok(1.5)),
            ("0", wrong("0")),
            ("-1", wrong("-1")),
            ("inf", wrong("inf")),
            ("nan", wrong("nan")),
            ("fast", wrong("fast")),
        ] {
            assert_eq!(parse_positive(text), want, "{text}");
        }
    }

    fn check<T: PartialEq + Debug>(
        parse: fn(&str) -> Result<T, ValueError>,
        text: &str,
        wanted: Result<T, &str>,
    ) {
        let got = parse(text).map_err(|it| it.to_string());
        let wanted = wanted.map_err(|it| format!("{it}, not \"{text}\""));
        assert_eq!(got, wanted, "{text}");
    }

    #[test]
    fn a_value_that_cannot_be_read_is_told_what_was_expected() {
        check(parse_count, " 7 ", Ok(7));
        let count = format!("expected a whole number from 0 to {}", usize::MAX);
        for text in ["", "-1", "1.5", "18446744073709551616"] {
            check(parse_count, text, Err(&count));
        }
        check(parse_size, "1280x800", Ok((1280, 800)));
        check(parse_size, "640 × 480", Ok((640, 480)));
        for text in ["", "1280", "1280x", "x800", "-1x800", "axb"] {
            check(parse_size, text, Err("expected a size as 1440x900"));
        }
        check(parse_zoom, "0.25", Ok(0.25));
        check(parse_zoom, "8", Ok(8.0));
        for text in ["0", "9", "-1", "x", "nan", ""] {
            check(parse_zoom, text, Err("a zoom is 0.25 to 8"));
        }
    }
}
