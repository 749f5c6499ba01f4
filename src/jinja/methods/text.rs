//! Methods of texts.

use std::sync::Arc;

use super::whole;
use crate::jinja::{
    budget::Budget,
    fault::{Fault, Res, wrong},
    ops, printf, repr,
    value::{Args, Value},
    words,
};

/// Calls a method of a text.
///
/// # Errors
/// Arguments it does not take, and a budget that is used up.
pub(super) fn call(budget: &Budget, text: &str, name: &str, args: Args) -> Res<Value> {
    match name {
        "format" => return printf::braces(budget, text, &args).map(Value::text),
        "format_map" => {
            let [map] = args.bind(name, ["mapping"])?;
            let Some(Value::Dict(it)) = map else {
                return wrong("format_map needs a dict");
            };
            budget.slots(2 * it.pairs.len())?;
            let named = it.pairs.iter().filter_map(|(key, value)| match key {
                Value::Str(name) => Some((name.clone(), value.clone())),
                _ => None,
            });
            let args = Args {
                given: Vec::new(),
                named: named.collect(),
            };
            return printf::braces(budget, text, &args).map(Value::text);
        }
        "find" | "rfind" | "index" | "rindex" | "count" | "startswith" | "endswith" => {
            return searched(budget, text, name, args);
        }
        "split" | "rsplit" | "partition" | "rpartition" | "splitlines" | "join" => {
            return parted(budget, text, name, args);
        }
        "center" | "ljust" | "rjust" | "zfill" | "expandtabs" => {
            return widened(budget, text, name, args);
        }
        "strip" | "lstrip" | "rstrip" | "removeprefix" | "removesuffix" => {
            return stripped(budget, text, name, args);
        }
        "replace" => {
            let [old, new, count] = args.bind(name, ["old", "new", "count"])?;
            let (old, new) = (wanted(name, old)?, wanted(name, new)?);
            let count = count.map_or(Ok(-1), |it| whole(name, &it))?;
            return replaced(budget, text, &old, &new, count).map(Value::text);
        }
        _ => {}
    }
    let [] = args.bind(name, [])?;
    budget.bytes(text.len().saturating_mul(3))?;
    if let Some(it) = asked(text, name) {
        return Ok(Value::Bool(it));
    }
    Ok(Value::text(match name {
        "capitalize" => words::capitalize(text),
        "casefold" => text.to_lowercase().replace('ß', "ss"),
        "lower" => text.to_lowercase(),
        "upper" => text.to_uppercase(),
        "swapcase" => text
            .chars()
            .flat_map(|it| -> Vec<char> {
                if it.is_uppercase() {
                    it.to_lowercase().collect()
                } else {
                    it.to_uppercase().collect()
                }
            })
            .collect(),
        _ => titled(text),
    }))
}

fn wanted(name: &str, value: Option<Value>) -> Res<Arc<str>> {
    match value {
        Some(Value::Str(it)) => Ok(it),
        Some(other) => wrong(format!("{name} needs a text, not {}", other.described())),
        None => wrong(format!("{name} needs a text")),
    }
}

/// The words of a text with a capital first: `str.title()`.
fn titled(text: &str) -> String {
    let mut out = String::new();
    let mut is_inside = false;
    for it in text.chars() {
        if is_inside {
            out.extend(it.to_lowercase());
        } else {
            out.push_str(&words::title_of(it));
        }
        is_inside = words::is_cased(it);
    }
    out
}

/// The questions a text can be asked.
fn asked(text: &str, name: &str) -> Option<bool> {
    let all = |is_it: fn(char) -> bool| !text.is_empty() && text.chars().all(is_it);
    let cased = |is_it: fn(char) -> bool, is_other: fn(char) -> bool| {
        text.chars().any(is_it) && !text.chars().any(is_other)
    };
    let is_digit = |it: char| it.is_ascii_digit() || (it.is_numeric() && !it.is_ascii());
    Some(match name {
        "isalnum" => all(char::is_alphanumeric),
        "isalpha" => all(char::is_alphabetic),
        "isascii" => text.is_ascii(),
        "isdecimal" => all(|it| it.is_ascii_digit()),
        "isdigit" | "isnumeric" => all(is_digit),
        "isidentifier" => {
            words::name_len(text) == text.len()
                && text
                    .chars()
                    .next()
                    .is_some_and(|it| it == '_' || it.is_alphabetic())
        }
        "islower" => cased(char::is_lowercase, char::is_uppercase),
        "isupper" => cased(char::is_uppercase, char::is_lowercase),
        "isprintable" => text.chars().all(repr::is_printable),
        "isspace" => all(words::is_space),
        "istitle" => text.chars().any(words::is_cased) && titled(text) == text,
        _ => return None,
    })
}

/// Where a text is found in another, or whether it begins or ends it.
fn searched(budget: &Budget, text: &str, name: &str, args: Args) -> Res<Value> {
    let [part, from, to] = args.bind(name, ["sub", "start", "end"])?;
    let part = part.ok_or_else(|| Fault::new(format!("{name} needs a text")))?;
    let ends = [from, to].map(|it| it.unwrap_or(Value::None));
    let is_cut = ends.iter().any(|it| !matches!(it, Value::None));
    let cut = if is_cut {
        let [from, to] = &ends;
        ops::slice(budget, &Value::text(text), [from, to, &Value::None])?
    } else {
        Value::text(text)
    };
    let within = cut.as_str().unwrap_or_default();
    if matches!(name, "startswith" | "endswith") {
        let parts = match &part {
            Value::Tuple(_) => part.items(budget)?,
            other => vec![other.clone()],
        };
        for it in parts {
            let it = wanted(name, Some(it))?;
            budget.read(it.len().min(within.len()))?;
            let is_it = if name == "startswith" {
                within.starts_with(&*it)
            } else {
                within.ends_with(&*it)
            };
            if is_it {
                return Ok(Value::Bool(true));
            }
        }
        return Ok(Value::Bool(false));
    }
    let part = wanted(name, Some(part))?;
    if name == "count" {
        return Ok(Value::Int(within.matches(&*part).count() as i128));
    }
    let found = if name.starts_with('r') {
        within.rfind(&*part)
    } else {
        within.find(&*part)
    };
    let Some(at) = found else {
        if name.ends_with("find") {
            return Ok(Value::Int(-1));
        }
        return wrong("what is looked for is not in the text");
    };
    let n = text.chars().count() as i128;
    let skipped = match ends[0].as_int() {
        Some(it) if it < 0 => (it + n).max(0),
        Some(it) => it,
        None => 0,
    };
    let before = within[..at].chars().count() as i128;
    Ok(Value::Int(before + skipped))
}

/// A text in parts, or put together from parts.
fn parted(budget: &Budget, text: &str, name: &str, args: Args) -> Res<Value> {
    let list = |parts: Vec<&str>| {
        budget.slots(parts.len().saturating_mul(2))?;
        budget.bytes(text.len())?;
        Value::list(budget, parts.into_iter().map(Value::text).collect())
    };
    match name {
        "join" => {
            let [items] = args.bind(name, ["iterable"])?;
            let items = items.unwrap_or(Value::None).items(budget)?;
            let mut out = budget.text();
            for (n, it) in items.into_iter().enumerate() {
                out.push(if n > 0 { text } else { "" })?;
                out.push(&wanted(name, Some(it))?)?;
            }
            Ok(Value::text(out.done()))
        }
        "splitlines" => {
            let [keeps] = args.bind(name, ["keepends"])?;
            budget.slots(text.len() / 8)?;
            list(words::lines(text, keeps.is_some_and(|it| it.is_true())))
        }
        "partition" | "rpartition" => {
            let [by] = args.bind(name, ["sep"])?;
            let by = wanted(name, by)?;
            if by.is_empty() {
                return wrong("a text cannot be parted by nothing");
            }
            budget.bytes(text.len())?;
            let found = if name == "partition" {
                text.split_once(&*by)
            } else {
                text.rsplit_once(&*by)
            };
            let parts = match found {
                Some((before, after)) => [before, &by, after],
                None if name == "partition" => [text, "", ""],
                None => ["", "", text],
            };
            Value::tuple(budget, parts.into_iter().map(Value::text).collect())
        }
        _ => {
            let [by, at_most] = args.bind(name, ["sep", "maxsplit"])?;
            let at_most = at_most.map_or(Ok(-1), |it| whole(name, &it))?;
            let n = usize::try_from(at_most).unwrap_or(usize::MAX);
            match by {
                None | Some(Value::None) => {
                    budget.slots(text.chars().filter(|it| words::is_space(*it)).count())?;
                    list(by_space(text, n, name == "rsplit"))
                }
                Some(by) => {
                    let by = wanted(name, Some(by))?;
                    if by.is_empty() {
                        return wrong("a text cannot be parted by nothing");
                    }
                    budget.slots(text.matches(&*by).count())?;
                    let n = n.saturating_add(1);
                    if name == "split" {
                        list(text.splitn(n, &*by).collect())
                    } else {
                        let mut parts: Vec<&str> = text.rsplitn(n, &*by).collect();
                        parts.reverse();
                        list(parts)
                    }
                }
            }
        }
    }
}

/// The words between white space; what is left behind `n` cuts is the last one, with what white space
/// lies at its far end.
fn by_space(text: &str, n: usize, is_from_end: bool) -> Vec<&str> {
    let near = if is_from_end {
        words::trim_end
    } else {
        words::trim_start
    };
    let mut out = Vec::new();
    let mut rest = near(text);
    while !rest.is_empty() {
        let found = if is_from_end {
            rest.char_indices().rfind(|it| words::is_space(it.1))
        } else {
            rest.char_indices().find(|it| words::is_space(it.1))
        };
        let Some((at, space)) = found.filter(|_| out.len() < n) else {
            out.push(rest);
            break;
        };
        let (before, after) = (&rest[..at], &rest[at + space.len_utf8()..]);
        let (word, others) = if is_from_end {
            (after, before)
        } else {
            (before, after)
        };
        out.push(word);
        rest = near(others);
    }
    if is_from_end {
        out.reverse();
    }
    out
}

fn widened(budget: &Budget, text: &str, name: &str, args: Args) -> Res<Value> {
    let mut out = budget.text();
    if name == "expandtabs" {
        let [size] = args.bind(name, ["tabsize"])?;
        let size = size.map_or(Ok(8), |it| whole(name, &it))?.max(0);
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let mut column = 0;
        for it in text.chars() {
            match it {
                '\t' if size == 0 => {}
                '\t' => {
                    out.push_times(" ", size - column % size)?;
                    column = 0;
                }
                it => {
                    out.push_char(it)?;
                    column = if matches!(it, '\n' | '\r') {
                        0
                    } else {
                        column + 1
                    };
                }
            }
        }
        return Ok(Value::text(out.done()));
    }
    let [width, fill] = args.bind(name, ["width", "fillchar"])?;
    let width = width.ok_or_else(|| Fault::new(format!("{name} needs a width")))?;
    let width = usize::try_from(whole(name, &width)?.max(0)).unwrap_or(usize::MAX);
    let fill = fill.map_or(Ok(" ".into()), |it| wanted(name, Some(it)))?;
    if fill.chars().count() != 1 {
        return wrong(format!("{name} fills with one character"));
    }
    let n = text.chars().count();
    let missing = width.saturating_sub(n);
    let (before, after) = match name {
        "center" => {
            // Python puts the odd one before where both the gap and the width are odd.
            let before = missing / 2 + (missing & width & 1);
            (before, missing - before)
        }
        "ljust" => (0, missing),
        "rjust" => (missing, 0),
        _ => {
            let sign = text.len() - text.trim_start_matches(['+', '-']).len();
            let (sign, digits) = text.split_at(sign.min(1));
            out.push(sign)?;
            out.push_times("0", missing)?;
            out.push(digits)?;
            return Ok(Value::text(out.done()));
        }
    };
    out.push_times(&fill, before)?;
    out.push(text)?;
    out.push_times(&fill, after)?;
    Ok(Value::text(out.done()))
}

fn stripped(budget: &Budget, text: &str, name: &str, args: Args) -> Res<Value> {
    let [what] = args.bind(name, ["chars"])?;
    let kept = match (name, what) {
        ("removeprefix", it) => {
            let it = wanted(name, it)?;
            text.strip_prefix(&*it).unwrap_or(text)
        }
        ("removesuffix", it) => {
            let it = wanted(name, it)?;
            text.strip_suffix(&*it).unwrap_or(text)
        }
        (_, None | Some(Value::None)) => match name {
            "lstrip" => words::trim_start(text),
            "rstrip" => words::trim_end(text),
            _ => words::trim(text),
        },
        (_, it) => {
            let all = wanted(name, it)?;
            budget.work(text.len().saturating_mul(1 + all.len() / 8) / 64)?;
            let is_in = |it: char| all.contains(it);
            match name {
                "lstrip" => text.trim_start_matches(is_in),
                "rstrip" => text.trim_end_matches(is_in),
                _ => text.trim_matches(is_in),
            }
        }
    };
    budget.bytes(kept.len())?;
    Ok(Value::text(kept))
}

/// A text with parts of it replaced, at most `count` of them where that is not negative.
///
/// # Errors
/// Where the budget is used up.
pub(in crate::jinja) fn replaced(
    budget: &Budget,
    text: &str,
    old: &str,
    new: &str,
    count: i128,
) -> Res<String> {
    let mut left = usize::try_from(count).unwrap_or(usize::MAX);
    budget.read(text.len())?;
    let mut out = budget.text();
    let mut done = 0;
    for (at, it) in text.match_indices(old) {
        if left == 0 {
            break;
        }
        left -= 1;
        out.push(&text[done..at])?;
        out.push(new)?;
        done = at + it.len();
    }
    out.push(&text[done..])?;
    Ok(out.done())
}
