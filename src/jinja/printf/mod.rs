//! Python's two ways to fill a text: `'%05.2f' % x` and `'{:>8}'.format(x)`.

mod spec;

use std::sync::Arc;

use super::{
    budget::{Budget, Text},
    fault::{Fault, Res, wrong},
    ops, repr,
    value::{Args, Value},
};

use self::spec::Spec;

/// `format % values`.
///
/// # Errors
/// A directive that is none, and values that do not fit.
pub(super) fn percent(budget: &Budget, format: &str, values: &Value) -> Res<String> {
    budget.read(format.len())?;
    let all: Vec<Value> = match values {
        Value::Tuple(it) => {
            budget.slots(it.items.len())?;
            it.items.clone()
        }
        other => vec![other.clone()],
    };
    let mut all = all.into_iter();
    let mut out = budget.text();
    let mut rest = format;
    let mut is_named = false;
    while let Some(at) = rest.find('%') {
        out.push(&rest[..at])?;
        rest = &rest[at + 1..];
        let mut value = None;
        if let Some(after) = rest.strip_prefix('(') {
            let Some((name, after)) = after.split_once(')') else {
                return wrong("a name in a % directive has no end");
            };
            let Value::Dict(it) = values else {
                return wrong("a % directive with a name needs a dict");
            };
            let found = ops::find(budget, &it.pairs, &Value::text(name))?;
            value = Some(found.cloned().ok_or_else(|| no_key(name))?);
            is_named = true;
            rest = after;
        }
        let mut next = || {
            all.next()
                .ok_or_else(|| Fault::new("there are fewer values than % directives"))
        };
        let (mut spec, after) = percent_spec(rest, &mut next)?;
        rest = after;
        match spec.kind {
            Some('%') => out.push("%")?,
            Some(_) => {
                let value = match value {
                    Some(it) => it,
                    None => next()?,
                };
                percent_value(budget, &mut out, &mut spec, &value)?;
            }
            None => return wrong("a % directive has no end"),
        }
    }
    out.push(rest)?;
    // Python asks only what has no items under keys whether all of it was used.
    let is_lenient = matches!(
        values,
        Value::Dict(_) | Value::List(_) | Value::View(_) | Value::Undefined(_)
    );
    let is_used_up = is_named || is_lenient || all.next().is_none();
    if !is_used_up {
        return wrong("there are more values than % directives");
    }
    Ok(out.done())
}

fn no_key(name: &str) -> Fault {
    Fault::new(format!(
        "there is no value for {:?}",
        super::parser::short(name)
    ))
}

/// Flags, width, precision and letter.
fn percent_spec<'a>(text: &'a str, next: &mut impl FnMut() -> Res<Value>) -> Res<(Spec, &'a str)> {
    let mut spec = Spec::default();
    let mut rest = text;
    while let Some(it) = rest.chars().next().filter(|it| "-+ #0".contains(*it)) {
        match it {
            '-' => spec.align = Some('<'),
            '0' => spec.fill = Some('0'),
            '#' => spec.is_alternate = true,
            '+' => spec.sign = Some('+'),
            _ => spec.sign = spec.sign.or(Some(' ')),
        }
        rest = &rest[1..];
    }
    let mut number = |rest: &mut &'a str| -> Res<usize> {
        if let Some(after) = rest.strip_prefix('*') {
            *rest = after;
            let n = next()?.as_int().and_then(|it| usize::try_from(it).ok());
            return n.ok_or_else(|| Fault::new("a width that is no number"));
        }
        digits(rest)
    };
    spec.width = number(&mut rest)?;
    if let Some(after) = rest.strip_prefix('.') {
        rest = after;
        spec.precision = Some(number(&mut rest)?);
    }
    rest = rest.trim_start_matches(['h', 'l', 'L']);
    spec.kind = rest.chars().next();
    let n = spec.kind.map_or(0, char::len_utf8);
    Ok((spec, &rest[n..]))
}

fn digits(rest: &mut &str) -> Res<usize> {
    let n = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (number, after) = rest.split_at(n);
    *rest = after;
    if number.is_empty() {
        return Ok(0);
    }
    number
        .parse()
        .map_err(|_| Fault::limit("a width is too large"))
}

fn percent_value(budget: &Budget, out: &mut Text<'_>, spec: &mut Spec, value: &Value) -> Res<()> {
    let kind = spec.kind.unwrap_or('s');
    if matches!(kind, 's' | 'r' | 'a') {
        let text = match kind {
            's' => repr::text_of(budget, value)?,
            _ => repr::repr_of(budget, value)?,
        };
        spec.fill = None;
        spec.align = spec.align.or(Some('>'));
        return spec.text(out, &text);
    }
    if kind == 'c' {
        let text = match value.as_int() {
            Some(n) => u32::try_from(n)
                .ok()
                .and_then(char::from_u32)
                .map(String::from),
            None => value
                .as_str()
                .map(str::to_owned)
                .filter(|it| it.chars().count() == 1),
        };
        let text = text.ok_or_else(|| Fault::new("%c needs one character"))?;
        spec.fill = None;
        spec.align = spec.align.or(Some('>'));
        return spec.text(out, &text);
    }
    if spec.fill == Some('0') {
        if spec.align.is_some() {
            spec.fill = None;
        } else {
            spec.align = Some('=');
        }
    }
    let value = match (kind, value) {
        ('d' | 'i' | 'u', Value::Float(it)) if it.is_finite() => Value::Int(it.trunc() as i128),
        ('x' | 'X' | 'o', Value::Float(_)) => {
            return wrong(format!("%{kind} needs a whole number"));
        }
        _ => value.clone(),
    };
    if matches!(kind, 'i' | 'u') {
        spec.kind = Some('d');
    }
    if value.as_float().is_none() {
        return wrong(format!("%{kind} needs a number, not {}", value.described()));
    }
    spec.number(out, &value)
}

/// `format.format(…)`.
///
/// # Errors
/// A field that is none, and values that are not there.
pub(super) fn braces(budget: &Budget, format: &str, args: &Args) -> Res<String> {
    let mut out = budget.text();
    let mut rest = format;
    let mut n_auto = 0;
    while let Some(at) = rest.find(['{', '}']) {
        out.push(&rest[..at])?;
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            out.push(brace)?;
            rest = after;
            continue;
        }
        let end = field_end(rest).filter(|_| brace == "{");
        let Some(end) = end else {
            return wrong(format!("a single {brace:?} in a format"));
        };
        field(budget, &mut out, &rest[..end], args, &mut n_auto)?;
        rest = &rest[end + 1..];
    }
    out.push(rest)?;
    Ok(out.done())
}

/// Where a field ends, fields within it passed.
fn field_end(text: &str) -> Option<usize> {
    let mut depth = 0;
    text.char_indices()
        .find(|(_, it)| {
            match it {
                '{' => depth += 1,
                '}' if depth == 0 => return true,
                '}' => depth -= 1,
                _ => {}
            }
            false
        })
        .map(|it| it.0)
}

fn field(
    budget: &Budget,
    out: &mut Text<'_>,
    text: &str,
    args: &Args,
    n_auto: &mut usize,
) -> Res<()> {
    let (head, format) = text.split_once(':').unwrap_or((text, ""));
    let (name, conversion) = head.split_once('!').unwrap_or((head, ""));
    let value = field_value(budget, name, args, n_auto)?;
    let mut spelled = String::new();
    let mut rest = format;
    // A field may stand where a width does.
    while let Some((before, after)) = rest.split_once('{') {
        let Some((inner, after)) = after.split_once('}') else {
            return wrong("a field within a field has no end");
        };
        spelled.push_str(before);
        let value = field_value(budget, inner, args, n_auto)?;
        spelled.push_str(&repr::text_of(budget, &value)?);
        rest = after;
    }
    spelled.push_str(rest);
    let value = match conversion {
        "" => value,
        "s" => Value::text(repr::text_of(budget, &value)?),
        "r" | "a" => Value::text(repr::repr_of(budget, &value)?),
        _ => return wrong(format!("there is no conversion {conversion:?}")),
    };
    let spec = brace_spec(&spelled)?;
    match &value {
        Value::Bool(_) if spec.kind.is_none() && spelled.is_empty() => {
            out.push(&repr::text_of(budget, &value)?)
        }
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => match spec.kind {
            Some('s') => wrong("a number is no text"),
            _ => spec.number(out, &value),
        },
        Value::Str(it) => match spec.kind {
            None | Some('s') => spec.text(out, it),
            Some(kind) => wrong(format!("a text cannot be set as {kind:?}")),
        },
        other if spelled.is_empty() => out.push(&repr::text_of(budget, other)?),
        other => wrong(format!("{} cannot be set like that", other.described())),
    }
}

/// The value of `0`, `name`, `name.part[key]` or nothing, which is the next one.
fn field_value(budget: &Budget, name: &str, args: &Args, n_auto: &mut usize) -> Res<Value> {
    let n = name.find(['.', '[']).unwrap_or(name.len());
    let (first, mut rest) = name.split_at(n);
    let mut value = if first.is_empty() {
        *n_auto += 1;
        args.given.get(*n_auto - 1)
    } else if let Ok(n) = first.parse::<usize>() {
        args.given.get(n)
    } else {
        let found = args.named.iter().find(|it| *it.0 == *first);
        found.map(|it| &it.1)
    }
    .cloned()
    .ok_or_else(|| no_key(first))?;
    while !rest.is_empty() {
        let key;
        if let Some(after) = rest.strip_prefix('[') {
            let Some((inner, after)) = after.split_once(']') else {
                return wrong("a key in a format has no end");
            };
            key = match inner.parse() {
                Ok(n) => Value::Int(n),
                Err(_) => Value::text(inner),
            };
            rest = after;
        } else {
            return wrong("a format may not look into a value");
        }
        value = match (&value, &key) {
            (Value::Dict(it), _) => ops::find(budget, &it.pairs, &key)?.cloned(),
            (Value::List(it) | Value::Tuple(it), Value::Int(n)) => ops::at(&it.items, *n).cloned(),
            _ => None,
        }
        .ok_or_else(|| no_key(first))?;
    }
    Ok(value)
}

/// `[[fill]align][sign][#][0][width][,][.precision][type]`
fn brace_spec(text: &str) -> Res<Spec> {
    let mut spec = Spec::default();
    let mut letters: Vec<char> = text.chars().collect();
    let is_align = |it: Option<&char>| it.is_some_and(|it| "<>^=".contains(*it));
    if is_align(letters.get(1)) {
        spec.fill = Some(letters.remove(0));
    }
    if is_align(letters.first()) {
        spec.align = Some(letters.remove(0));
    }
    if letters.first().is_some_and(|it| "+- ".contains(*it)) {
        spec.sign = Some(letters.remove(0));
    }
    if letters.first() == Some(&'#') {
        spec.is_alternate = true;
        letters.remove(0);
    }
    if letters.first() == Some(&'0') {
        spec.fill = spec.fill.or(Some('0'));
        spec.align = spec.align.or(Some('='));
        letters.remove(0);
    }
    let tail: String = letters.into_iter().collect();
    let mut rest = tail.as_str();
    spec.width = digits(&mut rest)?;
    if let Some(it) = rest.chars().next().filter(|it| ",_".contains(*it)) {
        spec.groups_by = Some(it);
        rest = &rest[1..];
    }
    if let Some(after) = rest.strip_prefix('.') {
        rest = after;
        spec.precision = Some(digits(&mut rest)?);
    }
    spec.kind = rest.chars().next();
    let n = spec.kind.map_or(0, char::len_utf8);
    if rest.len() > n || spec.kind.is_some_and(|it| !"bcdeEfFgGnosxX%".contains(it)) {
        return wrong(format!("{:?} is no format", super::parser::short(text)));
    }
    Ok(spec)
}

/// The filter `format`: `value % arguments`.
///
/// # Errors
/// What `percent` says.
pub(super) fn filter(budget: &Budget, format: &str, args: Args) -> Res<String> {
    if !args.given.is_empty() && !args.named.is_empty() {
        return wrong("format takes values or names, not both");
    }
    let values = if args.named.is_empty() {
        Value::tuple(budget, args.given)?
    } else {
        let pairs = args.named.into_iter();
        let pairs = pairs.map(|it: (Arc<str>, Value)| (Value::Str(it.0), it.1));
        Value::dict(budget, pairs.collect())?
    };
    percent(budget, format, &values)
}
