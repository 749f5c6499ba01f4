//! Python's operators but arithmetic: equality, order, `in`, keys, items and slices.

use std::cmp::Ordering;

use super::{
    ast::Compare,
    budget::Budget,
    fault::{Fault, Res, wrong},
    value::Value,
};

/// A comparison of two values.
///
/// # Errors
/// Values without an order; an `in` of what has no items.
pub(super) fn compare(budget: &Budget, op: Compare, a: &Value, b: &Value) -> Res<bool> {
    Ok(match op {
        Compare::Eq => equal(budget, a, b)?,
        Compare::Ne => !equal(budget, a, b)?,
        Compare::Lt => order(budget, a, b)? == Some(Ordering::Less),
        Compare::Le => order(budget, a, b)?.is_some_and(Ordering::is_le),
        Compare::Gt => order(budget, a, b)? == Some(Ordering::Greater),
        Compare::Ge => order(budget, a, b)?.is_some_and(Ordering::is_ge),
        Compare::In => contains(budget, b, a)?,
        Compare::NotIn => !contains(budget, b, a)?,
    })
}

/// Python's `==`.
///
/// # Errors
/// Where the budget is used up.
pub(super) fn equal(budget: &Budget, a: &Value, b: &Value) -> Res<bool> {
    budget.work(1)?;
    let all = |x: &[Value], y: &[Value]| -> Res<bool> {
        if x.len() != y.len() {
            return Ok(false);
        }
        for (x, y) in x.iter().zip(y) {
            if !equal(budget, x, y)? {
                return Ok(false);
            }
        }
        Ok(true)
    };
    if let (Some(x), Some(y)) = (a.as_int(), b.as_int()) {
        return Ok(x == y);
    }
    if let (Some(x), Some(y)) = (a.as_float(), b.as_float()) {
        return Ok(x.partial_cmp(&y) == Some(Ordering::Equal));
    }
    match (a, b) {
        (Value::Undefined(_), Value::Undefined(_)) | (Value::None, Value::None) => Ok(true),
        (Value::Str(x), Value::Str(y)) => {
            budget.read(x.len().min(y.len()))?;
            Ok(x == y)
        }
        (Value::List(x), Value::List(y)) | (Value::Tuple(x), Value::Tuple(y)) => {
            all(&x.items, &y.items)
        }
        (Value::View(x), Value::View(y)) if x.title == y.title || x.is_range && y.is_range => {
            all(&x.items, &y.items)
        }
        (Value::Dict(x), Value::Dict(y)) => {
            if x.pairs.len() != y.pairs.len() {
                return Ok(false);
            }
            for (key, value) in &x.pairs {
                match find(budget, &y.pairs, key)? {
                    Some(other) if equal(budget, value, other)? => {}
                    _ => return Ok(false),
                }
            }
            Ok(true)
        }
        (Value::Namespace(x), Value::Namespace(y))
        | (Value::Loop(x), Value::Loop(y))
        | (Value::Cycler(x), Value::Cycler(y))
        | (Value::Joiner(x), Value::Joiner(y)) => Ok(x == y),
        (Value::Function(x), Value::Function(y)) => Ok(x == y),
        _ => Ok(same(a, b)),
    }
}

/// Python's `is`, for what is held once.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    use std::{rc::Rc, sync::Arc};
    match (a, b) {
        (Value::None, Value::None) => true,
        (Value::Bool(x), Value::Bool(y)) => x == y,
        (Value::Int(x), Value::Int(y)) => x == y,
        (Value::Str(x), Value::Str(y)) => Arc::ptr_eq(x, y) || x == y,
        (Value::List(x), Value::List(y)) | (Value::Tuple(x), Value::Tuple(y)) => Rc::ptr_eq(x, y),
        (Value::Dict(x), Value::Dict(y)) => Rc::ptr_eq(x, y),
        (Value::View(x), Value::View(y)) => Rc::ptr_eq(x, y),
        (Value::Stream(x), Value::Stream(y)) => Rc::ptr_eq(x, y),
        (Value::Macro(x), Value::Macro(y)) => Rc::ptr_eq(x, y),
        (Value::Namespace(x), Value::Namespace(y)) => x == y,
        _ => false,
    }
}

/// The order of two values; `None` where one is not a number.
///
/// # Errors
/// Values without an order.
pub(super) fn order(budget: &Budget, a: &Value, b: &Value) -> Res<Option<Ordering>> {
    budget.work(1)?;
    a.defined()?;
    b.defined()?;
    if let (Some(x), Some(y)) = (a.as_int(), b.as_int()) {
        return Ok(Some(x.cmp(&y)));
    }
    if let (Some(x), Some(y)) = (a.as_float(), b.as_float()) {
        return Ok(x.partial_cmp(&y));
    }
    match (a, b) {
        (Value::Str(x), Value::Str(y)) => {
            budget.read(x.len().min(y.len()))?;
            Ok(Some(x.chars().cmp(y.chars())))
        }
        (Value::List(x), Value::List(y)) | (Value::Tuple(x), Value::Tuple(y)) => {
            for (x, y) in x.items.iter().zip(&y.items) {
                if !equal(budget, x, y)? {
                    return order(budget, x, y);
                }
            }
            Ok(Some(x.items.len().cmp(&y.items.len())))
        }
        _ => {
            let (x, y) = (a.kind(), b.kind());
            wrong(format!("{x} and {y} have no order"))
        }
    }
}

/// `item in all`.
///
/// # Errors
/// What has no items; anything but a text in a text.
pub(super) fn contains(budget: &Budget, all: &Value, item: &Value) -> Res<bool> {
    match (all, item) {
        (Value::Str(all), Value::Str(part)) => {
            budget.read(all.len() + part.len())?;
            Ok(all.contains(&**part))
        }
        (Value::Str(_), other) => wrong(format!("{} is never in a text", other.described())),
        (Value::Dict(it), key) => Ok(find(budget, &it.pairs, hashable(budget, key)?)?.is_some()),
        (all, item) => {
            for it in all.shared_items(budget)?.iter() {
                if equal(budget, it, item)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
    }
}

/// The value under a key.
///
/// # Errors
/// Where the budget is used up.
pub(super) fn find<'a>(
    budget: &Budget,
    pairs: &'a [(Value, Value)],
    key: &Value,
) -> Res<Option<&'a Value>> {
    for (it, value) in pairs {
        if equal(budget, it, key)? {
            return Ok(Some(value));
        }
    }
    Ok(None)
}

/// A value that may be a key.
///
/// # Errors
/// Lists and dicts may not be one.
pub(super) fn hashable<'a>(budget: &Budget, key: &'a Value) -> Res<&'a Value> {
    budget.work(1)?;
    match key {
        Value::List(_) | Value::Dict(_) => wrong(format!("{} cannot be a key", key.described())),
        Value::Tuple(it) => {
            for part in &it.items {
                hashable(budget, part)?;
            }
            Ok(key)
        }
        _ => Ok(key),
    }
}

/// Puts a value under a key, in place of what was there.
///
/// # Errors
/// What cannot be a key.
pub(super) fn insert(
    budget: &Budget,
    pairs: &mut Vec<(Value, Value)>,
    key: Value,
    value: Value,
) -> Res<()> {
    hashable(budget, &key)?;
    for it in pairs.iter_mut() {
        if equal(budget, &it.0, &key)? {
            it.1 = value;
            return Ok(());
        }
    }
    budget.slots(2)?;
    pairs.push((key, value));
    Ok(())
}

/// The item at a number, counted from the end where it is negative.
pub(super) fn at<T>(items: &[T], index: i128) -> Option<&T> {
    let n = items.len() as i128;
    let index = if index < 0 { index + n } else { index };
    usize::try_from(index).ok().and_then(|it| items.get(it))
}

/// `value[from:to:step]`.
///
/// # Errors
/// What cannot be cut; ends that are no whole numbers; a step of 0.
pub(super) fn slice(budget: &Budget, value: &Value, ends: [&Value; 3]) -> Res<Value> {
    value.defined()?;
    let mut numbers = [None; 3];
    for (slot, end) in numbers.iter_mut().zip(ends) {
        *slot = match end {
            Value::None => None,
            other => match other.as_int() {
                Some(it) => Some(it),
                None => return Err(uncut(value)),
            },
        };
    }
    let step = numbers[2].unwrap_or(1);
    if step == 0 {
        return wrong("a slice has a step of 0");
    }
    let pick = |n: usize| picked(n, numbers[0], numbers[1], step);
    let cut = |items: &[Value]| -> Res<Vec<Value>> {
        let all = pick(items.len());
        budget.slots(pick(items.len()).count())?;
        Ok(all.map(|it| items[it].clone()).collect())
    };
    match value {
        Value::Str(it) => {
            budget.read(it.len())?;
            if it.is_ascii() {
                let bytes = it.as_bytes();
                budget.bytes(pick(bytes.len()).count())?;
                let text: String = pick(bytes.len()).map(|it| char::from(bytes[it])).collect();
                return Ok(Value::text(text));
            }
            let letters: Vec<char> = it.chars().collect();
            budget.bytes(pick(letters.len()).count().saturating_mul(4))?;
            let text: String = pick(letters.len()).map(|it| letters[it]).collect();
            Ok(Value::text(text))
        }
        Value::List(it) => Value::list(budget, cut(&it.items)?),
        Value::Tuple(it) => Value::tuple(budget, cut(&it.items)?),
        // Python gives a range of other ends; nothing but its printing tells the difference.
        Value::View(it) if it.is_range => Value::list(budget, cut(&it.items)?),
        other => Err(uncut(other)),
    }
}

fn uncut(value: &Value) -> Fault {
    Fault::new(format!("{} cannot be cut like that", value.described()))
}

/// The indices of a slice.
fn picked(
    n: usize,
    from: Option<i128>,
    to: Option<i128>,
    step: i128,
) -> impl Iterator<Item = usize> {
    let n = n as i128;
    let (low, high) = if step > 0 { (0, n) } else { (-1, n - 1) };
    let within = |it: i128| {
        let it = if it < 0 { it.saturating_add(n) } else { it };
        it.clamp(low, high)
    };
    let first = from.map_or(if step > 0 { low } else { high }, within);
    let end = to.map_or(if step > 0 { high } else { low }, within);
    let mut next = first;
    std::iter::from_fn(move || {
        let goes_on = if step > 0 { next < end } else { next > end };
        let it = usize::try_from(next).ok().filter(|_| goes_on)?;
        next = next.saturating_add(step);
        Some(it)
    })
}
