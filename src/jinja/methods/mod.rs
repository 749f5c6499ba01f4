//! Methods of Python's texts, lists and dicts, without those that change what they are called on.

mod text;

pub(super) use text::replaced;

use super::{
    budget::Budget,
    fault::{Fault, Res, wrong},
    ops,
    value::{Args, Value},
};

const OF_STR: &[&str] = &[
    "capitalize",
    "casefold",
    "center",
    "count",
    "endswith",
    "expandtabs",
    "find",
    "format",
    "format_map",
    "index",
    "isalnum",
    "isalpha",
    "isascii",
    "isdecimal",
    "isdigit",
    "isidentifier",
    "islower",
    "isnumeric",
    "isprintable",
    "isspace",
    "istitle",
    "isupper",
    "join",
    "ljust",
    "lower",
    "lstrip",
    "partition",
    "removeprefix",
    "removesuffix",
    "replace",
    "rfind",
    "rindex",
    "rjust",
    "rpartition",
    "rsplit",
    "rstrip",
    "split",
    "splitlines",
    "startswith",
    "strip",
    "swapcase",
    "title",
    "upper",
    "zfill",
];

/// Whether a value has a method.
pub(super) fn has(value: &Value, name: &str) -> bool {
    match value {
        Value::Str(_) => OF_STR.contains(&name),
        Value::List(_) => matches!(name, "count" | "index" | "copy"),
        Value::Tuple(_) => matches!(name, "count" | "index"),
        Value::View(it) if it.is_range => matches!(name, "count" | "index"),
        Value::Dict(_) => matches!(name, "get" | "items" | "keys" | "values" | "copy"),
        Value::Int(_) | Value::Bool(_) => name == "bit_length",
        Value::Float(_) => name == "is_integer",
        _ => false,
    }
}

/// Calls a method.
///
/// # Errors
/// Arguments it does not take.
pub(super) fn call(budget: &Budget, value: &Value, name: &str, args: Args) -> Res<Value> {
    match value {
        Value::Str(text) => {
            // What is looked for is read as a whole, however short the text is.
            let given = args.given.iter().chain(args.named.iter().map(|it| &it.1));
            let n_given: usize = given.filter_map(Value::as_str).map(str::len).sum();
            budget.read(text.len().saturating_add(n_given))?;
            text::call(budget, text, name, args)
        }
        Value::Dict(_) => of_dict(budget, value, name, args),
        Value::Int(_) | Value::Bool(_) => {
            let n = value.as_int().unwrap_or(0).unsigned_abs();
            Ok(Value::Int(i128::from(u128::BITS - n.leading_zeros())))
        }
        Value::Float(it) => Ok(Value::Bool(it.fract() == 0.0)),
        _ => of_list(budget, value, name, args),
    }
}

fn of_list(budget: &Budget, value: &Value, name: &str, args: Args) -> Res<Value> {
    if name == "copy" {
        return Value::list(budget, value.items(budget)?);
    }
    let items = value.shared_items(budget)?;
    let [wanted] = args.bind(name, ["value"])?;
    let wanted = wanted.ok_or_else(|| Fault::new(format!("{name} needs a value")))?;
    let mut n = 0;
    for (at, it) in items.iter().enumerate() {
        if ops::equal(budget, it, &wanted)? {
            if name == "index" {
                return Ok(Value::Int(at as i128));
            }
            n += 1;
        }
    }
    if name == "index" {
        return wrong("what is looked for is not in the list");
    }
    Ok(Value::Int(n))
}

fn of_dict(budget: &Budget, value: &Value, name: &str, args: Args) -> Res<Value> {
    let Value::Dict(it) = value else {
        return wrong("no dict");
    };
    if name == "get" {
        if !args.named.is_empty() {
            return wrong("get takes no named arguments");
        }
        let [key, default] = args.bind(name, ["key", "default"])?;
        let key = key.ok_or_else(|| Fault::new("get needs a key"))?;
        let found = ops::find(budget, &it.pairs, ops::hashable(budget, &key)?)?.cloned();
        return Ok(found.or(default).unwrap_or(Value::None));
    }
    let [] = args.bind(name, [])?;
    budget.slots(2 * it.pairs.len())?;
    match name {
        "copy" => Ok(value.clone()),
        "keys" => {
            let keys = it.pairs.iter().map(|it| it.0.clone()).collect();
            Value::view(budget, "dict_keys".to_owned(), false, keys)
        }
        "values" => {
            let values = it.pairs.iter().map(|it| it.1.clone()).collect();
            Value::view(budget, "dict_values".to_owned(), false, values)
        }
        _ => Value::view(budget, "dict_items".to_owned(), false, pairs(budget, it)?),
    }
}

/// The pairs of a dict as tuples.
///
/// # Errors
/// Where the budget is used up.
pub(super) fn pairs(budget: &Budget, it: &super::value::Dict) -> Res<Vec<Value>> {
    let tuple = |it: &(Value, Value)| Value::tuple(budget, vec![it.0.clone(), it.1.clone()]);
    it.pairs.iter().map(tuple).collect()
}

/// A whole number from an argument.
///
/// # Errors
/// What is none.
pub(super) fn whole(name: &str, value: &Value) -> Res<i128> {
    let why = || {
        Fault::new(format!(
            "{name} needs a whole number, not {}",
            value.described()
        ))
    };
    value.as_int().ok_or_else(why)
}
