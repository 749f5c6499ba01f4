//! How one value is set: width, fill, sign, digits.

use crate::jinja::{
    budget::Text,
    fault::{Res, wrong},
    repr,
    value::Value,
};

/// How one value is set.
#[derive(Debug, Default)]
pub(super) struct Spec {
    pub(super) fill: Option<char>,
    /// `<`, `>`, `^`, or `=` for behind the sign.
    pub(super) align: Option<char>,
    /// `+`, `-` or a space.
    pub(super) sign: Option<char>,
    pub(super) is_alternate: bool,
    pub(super) groups_by: Option<char>,
    pub(super) width: usize,
    pub(super) precision: Option<usize>,
    pub(super) kind: Option<char>,
}

/// More digits than any number has.
const MAX_PRECISION: usize = 400;

impl Spec {
    /// Sets a text.
    ///
    /// # Errors
    /// An alignment that only numbers have.
    pub(super) fn text(&self, out: &mut Text<'_>, text: &str) -> Res<()> {
        let n = self.precision.unwrap_or(usize::MAX);
        let end = text.char_indices().nth(n).map_or(text.len(), |it| it.0);
        let align = match self.align {
            Some('=') => return wrong("a text has no sign to stand behind"),
            it => it.unwrap_or('<'),
        };
        self.padded(out, "", &text[..end], align)
    }

    /// Sets a number.
    ///
    /// # Errors
    /// A letter that is for other values.
    pub(super) fn number(&self, out: &mut Text<'_>, value: &Value) -> Res<()> {
        let negative = match value {
            Value::Float(it) => it.is_sign_negative() && !it.is_nan(),
            other => other.as_int().is_some_and(|it| it < 0),
        };
        let sign = match (negative, self.sign) {
            (true, _) => "-",
            (false, Some('+')) => "+",
            (false, Some(' ')) => " ",
            _ => "",
        };
        let (prefix, body) = self.magnitude(value)?;
        let body = match self.groups_by {
            Some(it) => grouped(&body, it),
            None => body,
        };
        let head = format!("{sign}{prefix}");
        match self.align {
            Some(align) => self.padded(out, &head, &body, align),
            None => self.padded(out, &head, &body, '>'),
        }
    }

    /// A number without its sign: the prefix of its radix, and its digits.
    fn magnitude(&self, value: &Value) -> Res<(&'static str, String)> {
        let kind = match (self.kind, value) {
            (Some(it), _) => it,
            (None, Value::Float(_)) => 'r',
            (None, _) => 'd',
        };
        let prefix = |it| if self.is_alternate { it } else { "" };
        if let ("b" | "d" | "n" | "o" | "x" | "X" | "c", Some(n)) =
            (kind.to_string().as_str(), value.as_int())
        {
            let n = n.unsigned_abs();
            let (prefix, body) = match kind {
                'b' => (prefix("0b"), format!("{n:b}")),
                'o' => (prefix("0o"), format!("{n:o}")),
                'x' => (prefix("0x"), format!("{n:x}")),
                'X' => (prefix("0X"), format!("{n:X}")),
                'c' => {
                    let it = u32::try_from(n).ok().and_then(char::from_u32);
                    ("", it.map(String::from).unwrap_or_default())
                }
                _ => ("", n.to_string()),
            };
            let wanted = self.precision.unwrap_or(0).min(MAX_PRECISION);
            let zeros = "0".repeat(wanted.saturating_sub(body.len()));
            return Ok((prefix, zeros + &body));
        }
        let Some(x) = value.as_float().map(f64::abs) else {
            return wrong(format!("{} is no number", value.described()));
        };
        if x.is_nan() || x.is_infinite() {
            let word = if x.is_nan() { "nan" } else { "inf" };
            let is_upper = kind.is_ascii_uppercase();
            let word = if is_upper {
                word.to_uppercase()
            } else {
                word.to_owned()
            };
            return Ok(("", word));
        }
        let precision = self.precision.unwrap_or(6).min(MAX_PRECISION);
        let body = match kind {
            'f' | 'F' => format!("{x:.precision$}"),
            '%' => format!("{:.precision$}%", x * 100.0),
            'e' | 'E' => scientific(x, precision),
            'g' | 'G' | 'n' => general(x, precision),
            'r' if self.precision.is_some() => {
                let it = general(x, precision);
                if it.contains(['.', 'e']) {
                    it
                } else {
                    it + ".0"
                }
            }
            'r' => repr::float(x),
            other => return wrong(format!("a number with a fraction is not set as {other:?}")),
        };
        let is_upper = matches!(kind, 'E' | 'G');
        Ok(("", if is_upper { body.to_uppercase() } else { body }))
    }

    fn padded(&self, out: &mut Text<'_>, head: &str, body: &str, align: char) -> Res<()> {
        let n = head.chars().count() + body.chars().count();
        let n_missing = self.width.saturating_sub(n);
        let fill = self.fill.unwrap_or(' ').to_string();
        let (before, inside, after) = match align {
            '<' => (0, 0, n_missing),
            '^' => (n_missing / 2, 0, n_missing - n_missing / 2),
            '=' => (0, n_missing, 0),
            _ => (n_missing, 0, 0),
        };
        out.push_times(&fill, before)?;
        out.push(head)?;
        out.push_times(&fill, inside)?;
        out.push(body)?;
        out.push_times(&fill, after)
    }
}

fn grouped(body: &str, by: char) -> String {
    let n = body.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = body.split_at(n);
    let mut out = String::new();
    for (at, it) in whole.chars().enumerate() {
        if at > 0 && (n - at) % 3 == 0 {
            out.push(by);
        }
        out.push(it);
    }
    out + rest
}

fn scientific(x: f64, precision: usize) -> String {
    let text = format!("{x:.precision$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

fn general(x: f64, precision: usize) -> String {
    let precision = precision.max(1);
    let text = scientific(x, precision - 1);
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |it: &str| {
        if it.contains('.') {
            it.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            it.to_owned()
        }
    };
    if exponent < -4 || exponent >= precision as i32 {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trimmed(digits), exponent.abs());
    }
    let n = (precision as i32 - 1 - exponent).max(0) as usize;
    trimmed(&format!("{x:.n$}"))
}
