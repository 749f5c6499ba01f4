//! `tojson`: JSON as Python's `json.dumps` writes it, without escapes for web pages.

use super::{
    budget::Text,
    fault::{Fault, Res, wrong},
    repr,
    value::{Args, Value},
};

/// How it is written.
#[derive(Debug)]
struct Style {
    /// What one level of nesting is set in by, each item on a line of its own; `None`: all on one line.
    indent: Option<String>,
    between_items: String,
    after_key: String,
    is_ascii: bool,
    is_sorted: bool,
}

/// The filter as Transformers defines it.
///
/// # Errors
/// A value that JSON does not know, and options that are none.
pub(super) fn filter(out: &mut Text<'_>, value: &Value, args: Args) -> Res<()> {
    let names = ["ensure_ascii", "indent", "separators", "sort_keys"];
    let [ascii, indent, separators, sorted] = args.bind("tojson", names)?;
    let indent = match indent {
        None | Some(Value::None) => None,
        Some(Value::Str(it)) => {
            out.charge(it.len())?;
            Some(it.to_string())
        }
        Some(other) => match other.as_int() {
            Some(n) => {
                let n = usize::try_from(n.max(0)).unwrap_or(usize::MAX);
                out.charge(n)?;
                Some(" ".repeat(n))
            }
            None => return wrong("tojson is set in by a number or a text"),
        },
    };
    let between = if indent.is_some() { "," } else { ", " };
    let mut style = Style {
        indent,
        between_items: between.to_owned(),
        after_key: ": ".to_owned(),
        is_ascii: ascii.is_some_and(|it| it.is_true()),
        is_sorted: sorted.is_some_and(|it| it.is_true()),
    };
    if let Some(Value::List(it) | Value::Tuple(it)) = &separators {
        let [Value::Str(items), Value::Str(key)] = &it.items[..] else {
            return wrong("the separators of tojson are two texts");
        };
        out.charge(items.len() + key.len())?;
        style.between_items = items.to_string();
        style.after_key = key.to_string();
    }
    style.write(out, value, 0)
}

impl Style {
    fn write(&self, out: &mut Text<'_>, value: &Value, level: usize) -> Res<()> {
        match value {
            Value::None => out.push("null"),
            Value::Bool(true) => out.push("true"),
            Value::Bool(false) => out.push("false"),
            Value::Int(it) => out.push(&it.to_string()),
            Value::Float(it) => out.push(&float(*it)),
            Value::Str(it) => self.text(out, it),
            Value::List(it) | Value::Tuple(it) => {
                let write = |out: &mut Text<'_>, it: &Value| self.write(out, it, level + 1);
                self.items(out, ["[", "]"], level, &it.items, write)
            }
            Value::Dict(it) => {
                let mut pairs = Vec::new();
                for (key, value) in &it.pairs {
                    out.charge(key.as_str().map_or(32, str::len))?;
                    pairs.push((key, key_of(key)?, value));
                }
                if self.is_sorted {
                    sort(&mut pairs)?;
                }
                self.items(out, ["{", "}"], level, &pairs, |out, (_, key, value)| {
                    self.text(out, key)?;
                    out.push(&self.after_key)?;
                    self.write(out, value, level + 1)
                })
            }
            other => wrong(format!("{} cannot be written as JSON", other.described())),
        }
    }

    fn items<T>(
        &self,
        out: &mut Text<'_>,
        [open, close]: [&str; 2],
        level: usize,
        items: &[T],
        write: impl Fn(&mut Text<'_>, &T) -> Res<()>,
    ) -> Res<()> {
        out.push(open)?;
        for (n, it) in items.iter().enumerate() {
            out.push(if n > 0 { &self.between_items } else { "" })?;
            self.new_line(out, level + 1)?;
            write(out, it)?;
        }
        if !items.is_empty() {
            self.new_line(out, level)?;
        }
        out.push(close)
    }

    fn new_line(&self, out: &mut Text<'_>, level: usize) -> Res<()> {
        match &self.indent {
            None => Ok(()),
            Some(indent) => {
                out.push("\n")?;
                out.push_times(indent, level)
            }
        }
    }

    fn text(&self, out: &mut Text<'_>, text: &str) -> Res<()> {
        out.push("\"")?;
        for it in text.chars() {
            match it {
                '"' => out.push("\\\"")?,
                '\\' => out.push("\\\\")?,
                '\n' => out.push("\\n")?,
                '\r' => out.push("\\r")?,
                '\t' => out.push("\\t")?,
                '\x08' => out.push("\\b")?,
                '\x0c' => out.push("\\f")?,
                '\0'..='\x1f' => out.push(&format!("\\u{:04x}", u32::from(it)))?,
                it if self.is_ascii && !it.is_ascii() => {
                    for half in it.encode_utf16(&mut [0; 2]) {
                        out.push(&format!("\\u{half:04x}"))?;
                    }
                }
                it => out.push_char(it)?,
            }
        }
        out.push("\"")
    }
}

fn float(it: f64) -> String {
    if it.is_nan() {
        return "NaN".to_owned();
    }
    if it.is_infinite() {
        return if it > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    repr::float(it)
}

/// A key as JSON has it: a text, whatever it was.
fn key_of(key: &Value) -> Res<String> {
    Ok(match key {
        Value::Str(it) => it.to_string(),
        Value::None => "null".to_owned(),
        Value::Bool(it) => it.to_string(),
        Value::Int(it) => it.to_string(),
        Value::Float(it) => float(*it),
        other => return wrong(format!("{} cannot be a key in JSON", other.described())),
    })
}

type Pair<'a> = (&'a Value, String, &'a Value);

/// Sorts by the keys themselves, which must all be numbers or all texts.
fn sort(pairs: &mut [Pair<'_>]) -> Res<()> {
    let is_number = |it: &Pair<'_>| it.0.as_float().is_some();
    if pairs.iter().all(|it| it.0.as_str().is_some()) {
        pairs.sort_by(|a, b| a.1.cmp(&b.1));
        return Ok(());
    }
    if pairs.len() > 1 && !pairs.iter().all(is_number) {
        return Err(Fault::new("keys of different types have no order"));
    }
    pairs.sort_by(|a, b| {
        let [a, b] = [a, b].map(|it| it.0.as_float().unwrap_or_default());
        a.total_cmp(&b)
    });
    Ok(())
}
