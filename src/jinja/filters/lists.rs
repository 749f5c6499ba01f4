//! Filters on lists: choosing, cutting into rows, joining, summing.

use std::sync::Arc;

use super::{
    apply as apply_filter,
    by::{By, look, path},
    count,
};
use crate::jinja::{
    arithmetic,
    ast::Binary,
    fault::{Fault, Res, wrong},
    predicates, repr,
    run::Run,
    value::{Args, Value},
};

/// `map`, `select`, `reject`, `selectattr` and `rejectattr`: each item through a filter or a test.
///
/// # Errors
/// What the filter or test says.
pub(super) fn chosen(run: &mut Run, name: &str, value: &Value, args: Args) -> Res<Value> {
    // Jinja looks at no item of what is false, be it a list or not.
    let items = if value.is_true() {
        value.items(&run.budget)?
    } else {
        Vec::new()
    };
    let mut given = args.given;
    if name == "map" {
        return mapped(run, items, given, args.named);
    }
    let path = if name.ends_with("attr") {
        if given.is_empty() {
            return wrong(format!("{name} needs the name of an attribute"));
        }
        Some(path(&run.budget, &given.remove(0))?)
    } else {
        None
    };
    let test = if given.is_empty() {
        None
    } else {
        let test = given.remove(0);
        let test = test.as_str().map(Arc::<str>::from);
        Some(test.ok_or_else(|| Fault::new(format!("{name} needs the name of a test")))?)
    };
    let wants = name.starts_with("select");
    let mut out = Vec::new();
    for it in items {
        let tested = match &path {
            Some(path) => look(run, &it, path)?,
            None => it.clone(),
        };
        let holds = match &test {
            None => tested.is_true(),
            Some(test) => {
                let args = Args {
                    given: given.clone(),
                    named: args.named.clone(),
                };
                run.budget.work(1 + given.len() + args.named.len())?;
                predicates::holds(&run.budget, test, &tested, args)?
            }
        };
        if holds == wants {
            out.push(it);
        }
    }
    Value::stream(&run.budget, out)
}

fn mapped(
    run: &mut Run,
    items: Vec<Value>,
    given: Vec<Value>,
    named: Vec<(Arc<str>, Value)>,
) -> Res<Value> {
    let mut out = Vec::new();
    if given.is_empty() && named.iter().any(|it| *it.0 == *"attribute") {
        let args = Args { given, named };
        let [attribute, default] = args.bind("map", ["attribute", "default"])?;
        let path = path(&run.budget, &attribute.unwrap_or(Value::None))?;
        for it in items {
            let found = look(run, &it, &path)?;
            out.push(match &default {
                Some(default) if found.is_undefined() => default.clone(),
                _ => found,
            });
        }
        return Value::stream(&run.budget, out);
    }
    let Some(Value::Str(filter)) = given.first() else {
        return wrong("map needs the name of a filter, or an attribute");
    };
    for it in items {
        let args = Args {
            given: given[1..].to_vec(),
            named: named.clone(),
        };
        run.budget.work(1 + given.len() + named.len())?;
        let mapped = run.deeper(|run| apply_filter(run, filter, it, args))?;
        out.push(mapped);
    }
    Value::stream(&run.budget, out)
}

/// Applies one of the others.
///
/// # Errors
/// Arguments it does not take, values it is not made for.
pub(super) fn apply(run: &Run, name: &str, value: &Value, args: Args) -> Res<Value> {
    match name {
        "first" | "last" => {
            let [] = args.bind(name, [])?;
            end_of(run, name, value)
        }
        "join" => join(run, value, args),
        "list" => {
            let [] = args.bind(name, [])?;
            let items = value.items(&run.budget)?;
            Value::list(&run.budget, items)
        }
        "reverse" => {
            let [] = args.bind(name, [])?;
            if let Value::Str(it) = value {
                run.budget.bytes(it.len())?;
                return Ok(Value::text(it.chars().rev().collect::<String>()));
            }
            let mut items = value.items(&run.budget)?;
            items.reverse();
            Value::stream(&run.budget, items)
        }
        "batch" => {
            let [n, fill] = args.bind(name, ["linecount", "fill_with"])?;
            let n = count(name, n, 0)?;
            batch(run, value, n, fill.as_ref())
        }
        "slice" => {
            let [n, fill] = args.bind(name, ["slices", "fill_with"])?;
            let n = count(name, n, 0)?;
            slices(run, value, n, fill.as_ref())
        }
        _ => {
            let [attribute, start] = args.bind(name, ["attribute", "start"])?;
            let by = By::new(&run.budget, attribute.as_ref(), true)?;
            let mut sum = start.unwrap_or(Value::Int(0));
            for it in value.items(&run.budget)? {
                let it = by.of(run, &it)?;
                if sum.as_str().is_some() {
                    return wrong("texts are joined, not summed");
                }
                sum = arithmetic::binary(&run.budget, Binary::Add, &sum, &it)?;
            }
            Ok(sum)
        }
    }
}

fn end_of(run: &Run, name: &str, value: &Value) -> Res<Value> {
    if name == "last" && matches!(value, Value::Stream(_)) {
        return wrong("the last of what can be gone through once only is not known");
    }
    let found = match (value, name) {
        (Value::List(it) | Value::Tuple(it), "first") => it.items.first().cloned(),
        (Value::List(it) | Value::Tuple(it), _) => it.items.last().cloned(),
        (Value::Str(it), _) => {
            let mut letters = it.chars();
            let it = if name == "first" {
                letters.next()
            } else {
                letters.next_back()
            };
            it.map(|it| Value::text(it.to_string()))
        }
        (Value::Stream(it), _) => {
            let at = it.next.get();
            let found = it.items.get(at).cloned();
            it.next.set(it.items.len().min(at + 1));
            found
        }
        _ => {
            let mut items = value.items(&run.budget)?;
            if name == "first" {
                items.truncate(1);
            }
            items.pop()
        }
    };
    let nothing = || Value::undefined(format!("there is no {name} item, the sequence is empty"));
    Ok(found.unwrap_or_else(nothing))
}

fn join(run: &Run, value: &Value, args: Args) -> Res<Value> {
    let [between, attribute] = args.bind("join", ["d", "attribute"])?;
    let between = match between {
        None => String::new(),
        Some(it) => repr::text_of(&run.budget, &it)?,
    };
    let by = By::new(&run.budget, attribute.as_ref(), true)?;
    let mut out = run.budget.text();
    for (n, it) in value.items(&run.budget)?.into_iter().enumerate() {
        out.push(if n > 0 { &between } else { "" })?;
        repr::write_str(&mut out, &by.of(run, &it)?)?;
    }
    Ok(Value::text(out.done()))
}

/// Rows of `n`, the last one filled up where there is something to fill it with.
fn batch(run: &Run, value: &Value, n: usize, fill: Option<&Value>) -> Res<Value> {
    let budget = &run.budget;
    let items = value.items(budget)?;
    if n == 0 {
        // Jinja refuses only where there is an item to put into a row.
        if items.is_empty() {
            return Value::stream(budget, Vec::new());
        }
        return wrong("batch needs a positive number");
    }
    let mut rows = Vec::new();
    for row in items.chunks(n) {
        let mut row = row.to_vec();
        if let Some(fill) = fill.filter(|it| !matches!(it, Value::None)) {
            budget.slots(n - row.len())?;
            budget.work(n - row.len())?;
            row.resize(n, fill.clone());
        }
        rows.push(Value::list(budget, row)?);
    }
    Value::stream(budget, rows)
}

/// `n` columns of nearly the same length, the shorter ones filled up.
fn slices(run: &Run, value: &Value, n: usize, fill: Option<&Value>) -> Res<Value> {
    let budget = &run.budget;
    let items = value.items(budget)?;
    if n == 0 {
        return wrong("slice needs a positive number");
    }
    budget.slots(n.saturating_mul(3))?;
    budget.work(n)?;
    let (each, n_longer) = (items.len() / n, items.len() % n);
    let mut columns = Vec::new();
    let mut from = 0;
    for column in 0..n {
        let to = from + each + usize::from(column < n_longer);
        let mut part = items[from..to].to_vec();
        if let Some(fill) = fill.filter(|it| !matches!(it, Value::None))
            && column >= n_longer
        {
            part.push(fill.clone());
        }
        columns.push(Value::list(budget, part)?);
        from = to;
    }
    Value::stream(budget, columns)
}
