//! Filters that order and compare: `sort`, `dictsort`, `unique`, `groupby`, `min`, `max`.

use std::cmp::Ordering;

use super::{
    by::{By, look, path},
    flag, methods,
};
use crate::jinja::{
    fault::{Res, wrong},
    ops,
    run::Run,
    value::{Args, Value},
};

/// An item and what it is sorted by.
type Keyed = (Vec<Value>, Value);

/// Sorts by keys that were made before, equal ones in the order they were in.
fn sorted(run: &Run, keyed: Vec<Keyed>, is_reverse: bool) -> Res<Vec<Value>> {
    let is_before = |a: &Keyed, b: &Keyed| -> Res<bool> {
        let (a, b) = if is_reverse { (b, a) } else { (a, b) };
        for (a, b) in a.0.iter().zip(&b.0) {
            match ops::order(&run.budget, a, b)? {
                Some(Ordering::Equal) | None => {}
                Some(it) => return Ok(it == Ordering::Less),
            }
        }
        Ok(false)
    };
    let keyed = merge_sorted(keyed, &is_before)?;
    Ok(keyed.into_iter().map(|it| it.1).collect())
}

/// A stable merge sort that ends at the first pair without an order. (The library's may panic where NaN makes an
/// order that is none.)
fn merge_sorted<T>(items: Vec<T>, is_before: &impl Fn(&T, &T) -> Res<bool>) -> Res<Vec<T>> {
    if items.len() < 2 {
        return Ok(items);
    }
    let mut left = items;
    let right = left.split_off(left.len() / 2);
    let mut out = Vec::with_capacity(left.len() + right.len());
    let mut left = merge_sorted(left, is_before)?.into_iter().peekable();
    let mut right = merge_sorted(right, is_before)?.into_iter().peekable();
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let side = if is_before(b, a)? {
            &mut right
        } else {
            &mut left
        };
        out.extend(side.next());
    }
    out.extend(left.chain(right));
    Ok(out)
}

/// Applies one of them.
///
/// # Errors
/// Arguments it does not take, values without an order.
pub(super) fn apply(run: &Run, name: &str, value: &Value, args: Args) -> Res<Value> {
    match name {
        "sort" => {
            let names = ["reverse", "case_sensitive", "attribute"];
            let [reverse, case, attribute] = args.bind(name, names)?;
            sort(
                run,
                value,
                flag(reverse, false),
                flag(case, false),
                attribute.as_ref(),
            )
        }
        "dictsort" => {
            let [case, by, reverse] = args.bind(name, ["case_sensitive", "by", "reverse"])?;
            dictsort(
                run,
                value,
                flag(case, false),
                by.as_ref(),
                flag(reverse, false),
            )
        }
        "unique" => {
            let [case, attribute] = args.bind(name, ["case_sensitive", "attribute"])?;
            unique(
                run,
                value,
                &By::new(&run.budget, attribute.as_ref(), flag(case, false))?,
            )
        }
        "groupby" => {
            let names = ["attribute", "default", "case_sensitive"];
            let [attribute, default, case] = args.bind(name, names)?;
            groupby(
                run,
                value,
                attribute.as_ref(),
                default.as_ref(),
                flag(case, false),
            )
        }
        _ => {
            let [case, attribute] = args.bind(name, ["case_sensitive", "attribute"])?;
            extreme(
                run,
                name,
                value,
                &By::new(&run.budget, attribute.as_ref(), flag(case, false))?,
            )
        }
    }
}

fn sort(
    run: &Run,
    value: &Value,
    is_reverse: bool,
    is_case_sensitive: bool,
    attribute: Option<&Value>,
) -> Res<Value> {
    let mut keys = Vec::new();
    match &attribute {
        Some(Value::Str(names)) => {
            run.budget.bytes(names.len())?;
            run.budget.slots(8 * (1 + names.matches(',').count()))?;
            for name in names.split(',') {
                let name = Value::text(name);
                keys.push(By::new(&run.budget, Some(&name), is_case_sensitive)?);
            }
        }
        other => keys.push(By::new(&run.budget, *other, is_case_sensitive)?),
    }
    let mut keyed = Vec::new();
    for it in value.items(&run.budget)? {
        let key: Res<Vec<Value>> = keys.iter().map(|by| by.of(run, &it)).collect();
        run.budget.slots(2 + keys.len())?;
        keyed.push((key?, it));
    }
    let items = sorted(run, keyed, is_reverse)?;
    Value::list(&run.budget, items)
}

fn dictsort(
    run: &Run,
    value: &Value,
    is_case_sensitive: bool,
    by: Option<&Value>,
    is_reverse: bool,
) -> Res<Value> {
    let at = match by.map_or(Some("key"), Value::as_str) {
        Some("key") => 0,
        Some("value") => 1,
        _ => return wrong("dictsort sorts by \"key\" or \"value\""),
    };
    let Value::Dict(it) = value else {
        return wrong(format!("{} is no dict", value.described()));
    };
    let by = By::new(&run.budget, None, is_case_sensitive)?;
    let mut keyed = Vec::new();
    for pair in methods::pairs(&run.budget, it)? {
        let key = run.item(&pair, &Value::Int(at))?;
        keyed.push((vec![by.of(run, &key)?], pair));
    }
    let items = sorted(run, keyed, is_reverse)?;
    Value::list(&run.budget, items)
}

fn unique(run: &Run, value: &Value, by: &By) -> Res<Value> {
    let mut seen: Vec<Value> = Vec::new();
    let mut out = Vec::new();
    for it in value.items(&run.budget)? {
        let key = by.of(run, &it)?;
        ops::hashable(&run.budget, &key)?;
        let mut is_new = true;
        for other in &seen {
            is_new = is_new && !ops::equal(&run.budget, other, &key)?;
        }
        if is_new {
            seen.push(key);
            out.push(it);
        }
    }
    Value::stream(&run.budget, out)
}

fn groupby(
    run: &Run,
    value: &Value,
    attribute: Option<&Value>,
    default: Option<&Value>,
    is_case_sensitive: bool,
) -> Res<Value> {
    let budget = &run.budget;
    let path = path(budget, attribute.unwrap_or(&Value::None))?;
    let by = By::new(budget, None, is_case_sensitive)?;
    let key_of = |it: &Value| -> Res<Value> {
        let found = look(run, it, &path)?;
        Ok(match default {
            Some(default) if found.is_undefined() => default.clone(),
            _ => found,
        })
    };
    let mut keyed = Vec::new();
    for it in value.items(budget)? {
        let key = by.cased(budget, key_of(&it)?)?;
        budget.slots(3)?;
        keyed.push((vec![key], it));
    }
    let mut groups: Vec<(Value, Value, Vec<Value>)> = Vec::new();
    for it in sorted(run, keyed, false)? {
        let shown = key_of(&it)?;
        let key = by.cased(budget, shown.clone())?;
        match groups.last_mut() {
            Some(group) if ops::equal(budget, &group.0, &key)? => group.2.push(it),
            _ => groups.push((key, shown, vec![it])),
        }
    }
    let mut out = Vec::new();
    for (_, shown, items) in groups {
        let pair = vec![shown, Value::list(budget, items)?];
        out.push(Value::named_tuple(budget, pair, &["grouper", "list"])?);
    }
    Value::list(budget, out)
}

fn extreme(run: &Run, name: &str, value: &Value, by: &By) -> Res<Value> {
    let wanted = if name == "min" {
        Ordering::Less
    } else {
        Ordering::Greater
    };
    let mut best: Option<(Value, Value)> = None;
    for it in value.items(&run.budget)? {
        let key = by.of(run, &it)?;
        let is_better = match &best {
            None => true,
            Some((best, _)) => ops::order(&run.budget, &key, best)? == Some(wanted),
        };
        if is_better {
            best = Some((key, it));
        }
    }
    let nothing = || Value::undefined(format!("there is no {name} of nothing"));
    Ok(best.map_or_else(nothing, |it| it.1))
}
