//! Values as Python prints them: `str` at the outside, `repr` within lists.

use super::{
    budget::{Budget, Text},
    fault::Res,
    value::Value,
};

/// `str(value)`.
///
/// # Errors
/// Where the budget is used up.
pub(super) fn text_of(budget: &Budget, value: &Value) -> Res<String> {
    let mut out = budget.text();
    write_str(&mut out, value)?;
    Ok(out.done())
}

/// `repr(value)`.
///
/// # Errors
/// Where the budget is used up.
pub(super) fn repr_of(budget: &Budget, value: &Value) -> Res<String> {
    let mut out = budget.text();
    write_repr(&mut out, value)?;
    Ok(out.done())
}

/// Writes `str(value)`.
///
/// # Errors
/// Where the budget is used up.
pub(super) fn write_str(out: &mut Text<'_>, value: &Value) -> Res<()> {
    match value {
        Value::Undefined(_) => Ok(()),
        Value::Str(it) => out.push(it),
        other => write_repr(out, other),
    }
}

fn write_repr(out: &mut Text<'_>, value: &Value) -> Res<()> {
    match value {
        Value::Undefined(_) => out.push("Undefined"),
        Value::None => out.push("None"),
        Value::Bool(true) => out.push("True"),
        Value::Bool(false) => out.push("False"),
        Value::Int(it) => out.push(&it.to_string()),
        Value::Float(it) => out.push(&float(*it)),
        Value::Str(it) => write_quoted(out, it),
        Value::List(it) => write_items(out, "[", &it.items, "]"),
        Value::Tuple(it) if it.items.len() == 1 => write_items(out, "(", &it.items, ",)"),
        Value::Tuple(it) => write_items(out, "(", &it.items, ")"),
        Value::Dict(it) => {
            out.push("{")?;
            for (n, (key, value)) in it.pairs.iter().enumerate() {
                out.push(if n > 0 { ", " } else { "" })?;
                write_repr(out, key)?;
                out.push(": ")?;
                write_repr(out, value)?;
            }
            out.push("}")
        }
        Value::View(it) if it.is_range => out.push(&it.title),
        Value::View(it) => {
            out.push(&it.title)?;
            write_items(out, "([", &it.items, "])")
        }
        Value::Macro(it) => {
            out.push("<Macro ")?;
            write_quoted(out, &it.def.name)?;
            out.push(">")
        }
        // Python adds an address or what is inside; no template is meant to show either.
        other => {
            out.push("<")?;
            out.push(other.kind())?;
            out.push(">")
        }
    }
}

fn write_items(out: &mut Text<'_>, open: &str, items: &[Value], close: &str) -> Res<()> {
    out.push(open)?;
    for (n, it) in items.iter().enumerate() {
        out.push(if n > 0 { ", " } else { "" })?;
        write_repr(out, it)?;
    }
    out.push(close)
}

/// A text in quotes: single ones, unless it holds those and no double ones.
fn write_quoted(out: &mut Text<'_>, text: &str) -> Res<()> {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    out.push_char(quote)?;
    for it in text.chars() {
        match it {
            '\n' => out.push("\\n")?,
            '\r' => out.push("\\r")?,
            '\t' => out.push("\\t")?,
            '\\' => out.push("\\\\")?,
            it if it == quote => {
                out.push("\\")?;
                out.push_char(it)?;
            }
            it if is_printable(it) => out.push_char(it)?,
            it => {
                let code = u32::from(it);
                out.push(&match code {
                    0..=0xFF => format!("\\x{code:02x}"),
                    0x100..=0xFFFF => format!("\\u{code:04x}"),
                    _ => format!("\\U{code:08x}"),
                })?;
            }
        }
    }
    out.push_char(quote)
}

/// Whether Python shows a character as it is: no control, format, private or separating one but the space.
pub(super) fn is_printable(it: char) -> bool {
    let is_hidden = it.is_control()
        || (it.is_whitespace() && it != ' ')
        || matches!(
            it,
            '\u{ad}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{e000}'..='\u{f8ff}'
                | '\u{feff}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{fffe}'..='\u{ffff}'
                | '\u{e0000}'..='\u{e0fff}'
                | '\u{f0000}'..='\u{10ffff}'
        );
    !is_hidden
}

/// A number with a fraction: the fewest digits that say it, with an exponent below 1e-4 and from 1e16 on.
pub(super) fn float(it: f64) -> String {
    if it.is_nan() {
        return "nan".to_owned();
    }
    if it.is_infinite() {
        return if it > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let scientific = format!("{it:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if it == 0.0 || (-4..16).contains(&exponent) {
        let plain = it.to_string();
        return if plain.contains('.') {
            plain
        } else {
            plain + ".0"
        };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}
