//! Filters on texts. What is no text is one first, as Python prints it.

use super::{count, flag, methods};
use crate::jinja::{
    budget::Budget,
    fault::{Fault, Res, wrong},
    repr,
    value::{Args, Value},
    words,
};

/// Applies one of them.
///
/// # Errors
/// Arguments it does not take, and a budget that is used up.
pub(super) fn apply(budget: &Budget, name: &str, value: &Value, args: Args) -> Res<Value> {
    let text = repr::text_of(budget, value)?;
    budget.bytes(text.len().saturating_mul(3))?;
    match name {
        "center" => {
            let [width] = args.bind(name, ["width"])?;
            let width = width.unwrap_or(Value::Int(80));
            methods::call(budget, &Value::text(text), "center", Args::of(vec![width]))
        }
        "indent" if value.as_str().is_none() => {
            wrong(format!("{} is no text to indent", value.described()))
        }
        "indent" => indent(budget, &text, args),
        "replace" => {
            let [old, new, n] = args.bind(name, ["old", "new", "count"])?;
            let (Some(old), Some(new)) = (old, new) else {
                return wrong("replace needs what is replaced, and by what");
            };
            let old = repr::text_of(budget, &old)?;
            let new = repr::text_of(budget, &new)?;
            let n = match n {
                None | Some(Value::None) => -1,
                Some(it) => methods::whole(name, &it)?,
            };
            methods::replaced(budget, &text, &old, &new, n).map(Value::text)
        }
        "trim" => {
            let [chars] = args.bind(name, ["chars"])?;
            let chars = Args::of(chars.into_iter().collect());
            methods::call(budget, &Value::text(text), "strip", chars)
        }
        "truncate" => truncate(budget, value, args),
        "urlencode" => {
            let [] = args.bind(name, [])?;
            urlencode(budget, value, &text)
        }
        _ => {
            let [] = args.bind(name, [])?;
            plain(budget, name, &text)
        }
    }
}

/// The filters that take no arguments.
fn plain(budget: &Budget, name: &str, text: &str) -> Res<Value> {
    Ok(match name {
        "capitalize" => Value::text(words::capitalize(text)),
        "lower" => Value::text(text.to_lowercase()),
        "upper" => Value::text(text.to_uppercase()),
        "title" => Value::text(title(text)),
        "striptags" => Value::text(striptags(text)),
        "wordcount" => {
            let mut is_inside = false;
            let begins = text.chars().filter(|it| {
                let was_inside = is_inside;
                is_inside = *it == '_' || it.is_alphanumeric();
                is_inside && !was_inside
            });
            Value::Int(begins.count() as i128)
        }
        _ => Value::text(escaped(budget, text)?),
    })
}

/// Without the signs that mean something in HTML.
fn escaped(budget: &Budget, text: &str) -> Res<String> {
    let mut out = budget.text();
    for it in text.chars() {
        match it {
            '&' => out.push("&amp;")?,
            '<' => out.push("&lt;")?,
            '>' => out.push("&gt;")?,
            '\'' => out.push("&#39;")?,
            '"' => out.push("&#34;")?,
            it => out.push_char(it)?,
        }
    }
    Ok(out.done())
}

/// Words with a capital first: they begin after a space, a hyphen or an opening bracket.
fn title(text: &str) -> String {
    let mut out = String::new();
    let mut is_inside = false;
    for it in text.chars() {
        let is_between = words::is_space(it) || "-({[<".contains(it);
        if is_between {
            out.push(it);
        } else if is_inside {
            out.extend(it.to_lowercase());
        } else {
            out.extend(it.to_uppercase());
        }
        is_inside = !is_between;
    }
    out
}

/// Without comments and tags, and with single spaces between words.
fn striptags(text: &str) -> String {
    let without = |text: &str, open: &str, close: &str| {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(open) {
            let Some((_, after)) = after.split_once(close) else {
                break;
            };
            out.push_str(before);
            rest = after;
        }
        out + rest
    };
    let plain = without(&without(text, "<!--", "-->"), "<", ">");
    let plain = plain
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&#39;", "'")
        .replace("&#34;", "\"")
        .replace("&quot;", "\"")
        .replace("&amp;", "&");
    let words: Vec<&str> = plain
        .split(words::is_space)
        .filter(|it| !it.is_empty())
        .collect();
    words.join(" ")
}

fn indent(budget: &Budget, text: &str, args: Args) -> Res<Value> {
    let [width, first, blank] = args.bind("indent", ["width", "first", "blank"])?;
    let mut by = budget.text();
    match width {
        Some(Value::Str(it)) => by.push(&it)?,
        other => by.push_times(" ", count("indent", other, 4)?)?,
    }
    let by = by.done();
    let indents_blank = flag(blank, false);
    budget.slots(text.len() / 8)?;
    let whole = format!("{text}\n");
    let mut out = budget.text();
    for (n, line) in words::lines(&whole, false).into_iter().enumerate() {
        let is_indented = match n {
            0 => flag(first.clone(), false),
            _ => indents_blank || !line.is_empty(),
        };
        out.push(if n > 0 { "\n" } else { "" })?;
        out.push(if is_indented { &by } else { "" })?;
        out.push(line)?;
    }
    Ok(Value::text(out.done()))
}

fn truncate(budget: &Budget, value: &Value, args: Args) -> Res<Value> {
    let names = ["length", "killwords", "end", "leeway"];
    let [length, kills, end, leeway] = args.bind("truncate", names)?;
    let length = count("truncate", length, 255)?;
    let leeway = count("truncate", leeway, 5)?;
    let end = match end {
        None => "...".to_owned(),
        Some(it) => repr::text_of(budget, &it)?,
    };
    let n_end = end.chars().count();
    if length < n_end {
        return Err(Fault::new("truncate leaves no room for its end"));
    }
    if value
        .len()
        .is_some_and(|it| it <= length.saturating_add(leeway))
    {
        return Ok(value.clone());
    }
    let Some(text) = value.as_str() else {
        return wrong(format!("{} is no text to cut", value.described()));
    };
    let mut kept: String = text.chars().take(length - n_end).collect();
    if !flag(kills, false)
        && let Some(at) = kept.rfind(' ')
    {
        kept.truncate(at);
    }
    budget.bytes(end.len())?;
    Ok(Value::text(kept + &end))
}

fn urlencode(budget: &Budget, value: &Value, text: &str) -> Res<Value> {
    let pairs = match value {
        Value::Dict(it) => methods::pairs(budget, it)?,
        Value::List(_) | Value::Tuple(_) | Value::View(_) | Value::Stream(_) => {
            value.items(budget)?
        }
        _ => {
            let mut out = budget.text();
            quote(&mut out, text, true)?;
            return Ok(Value::text(out.done()));
        }
    };
    let mut out = budget.text();
    for (n, pair) in pairs.iter().enumerate() {
        let Value::Tuple(pair) = pair else {
            return wrong("urlencode needs a text, a dict or pairs");
        };
        let [key, value] = &pair.items[..] else {
            return wrong("urlencode needs a text, a dict or pairs");
        };
        out.push(if n > 0 { "&" } else { "" })?;
        quote(&mut out, &repr::text_of(budget, key)?, false)?;
        out.push("=")?;
        quote(&mut out, &repr::text_of(budget, value)?, false)?;
    }
    Ok(Value::text(out.done()))
}

/// Percent signs for what a URL cannot hold; in a query, `/` is written so too, and a space is a `+`.
fn quote(out: &mut crate::jinja::budget::Text<'_>, text: &str, is_path: bool) -> Res<()> {
    for it in text.bytes() {
        match it {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'.' | b'-' | b'~' => {
                out.push_char(char::from(it))?;
            }
            b'/' if is_path => out.push("/")?,
            b' ' if !is_path => out.push("+")?,
            it => out.push(&format!("%{it:02X}"))?,
        }
    }
    Ok(())
}
