//! What may stand behind `is`: Jinja's tests.

use super::{
    arithmetic,
    ast::{Binary, Compare},
    budget::Budget,
    fault::{Fault, Res, wrong},
    filters, ops,
    parser::short,
    value::{Args, Value},
    words,
};

/// The names of all tests.
const NAMES: &[&str] = &[
    "odd",
    "even",
    "divisibleby",
    "defined",
    "undefined",
    "filter",
    "test",
    "none",
    "boolean",
    "false",
    "true",
    "integer",
    "float",
    "lower",
    "upper",
    "string",
    "mapping",
    "number",
    "sequence",
    "iterable",
    "callable",
    "sameas",
    "escaped",
    "in",
    "==",
    "eq",
    "equalto",
    "!=",
    "ne",
    ">",
    "gt",
    "greaterthan",
    "ge",
    ">=",
    "<",
    "lt",
    "lessthan",
    "<=",
    "le",
];

/// Whether there is a test of this name.
pub(super) fn is_known(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Whether a test holds.
///
/// # Errors
/// A test there is not, and values it is not made for.
pub(super) fn holds(budget: &Budget, name: &str, value: &Value, args: Args) -> Res<bool> {
    if !is_known(name) {
        return wrong(format!("there is no test {:?}", short(name)));
    }
    if let Some(op) = comparison(name) {
        let [other] = args.bind(name, ["other"])?;
        let other = other.ok_or_else(|| Fault::new(format!("test {name} needs a value")))?;
        return ops::compare(budget, op, value, &other);
    }
    match name {
        "divisibleby" => {
            let [by] = args.bind(name, ["num"])?;
            return remainder(budget, value, &by.unwrap_or(Value::None));
        }
        "sameas" => {
            let [other] = args.bind(name, ["other"])?;
            let other = other.unwrap_or(Value::None);
            if let (Some(a), Some(b)) = (value.as_str(), other.as_str()) {
                budget.read(a.len().min(b.len()))?;
            }
            return Ok(ops::same(value, &other));
        }
        _ => {
            let [] = args.bind(name, [])?;
        }
    }
    let cased = |is_it: fn(char) -> bool| -> Res<bool> {
        let text = super::repr::text_of(budget, value)?;
        let mut cased = text.chars().filter(|it| words::is_cased(*it)).peekable();
        Ok(cased.peek().is_some() && cased.all(is_it))
    };
    Ok(match name {
        "odd" => remainder(budget, value, &Value::Int(2)).map(|it| !it)?,
        "even" => remainder(budget, value, &Value::Int(2))?,
        "defined" => !value.is_undefined(),
        "undefined" => value.is_undefined(),
        "filter" => value.as_str().is_some_and(filters::is_known),
        "test" => value.as_str().is_some_and(is_known),
        "none" => matches!(value, Value::None),
        "boolean" => matches!(value, Value::Bool(_)),
        "false" => matches!(value, Value::Bool(false)),
        "true" => matches!(value, Value::Bool(true)),
        "integer" => matches!(value, Value::Int(_)),
        "float" => matches!(value, Value::Float(_)),
        "lower" => cased(char::is_lowercase)?,
        "upper" => cased(char::is_uppercase)?,
        "string" => matches!(value, Value::Str(_)),
        "mapping" => matches!(value, Value::Dict(_)),
        "number" => value.as_float().is_some(),
        "sequence" => match value {
            Value::View(it) => it.is_range,
            Value::Str(_) => true,
            other => other.len().is_some(),
        },
        "iterable" if value.as_str().is_some() => true,
        "iterable" => value.len().is_some() || matches!(value, Value::Stream(_) | Value::Loop(_)),
        "callable" => value.is_callable(),
        // No value here is marked as escaped.
        _ => false,
    })
}

fn comparison(name: &str) -> Option<Compare> {
    Some(match name {
        "==" | "eq" | "equalto" => Compare::Eq,
        "!=" | "ne" => Compare::Ne,
        "<" | "lt" | "lessthan" => Compare::Lt,
        "<=" | "le" => Compare::Le,
        ">" | "gt" | "greaterthan" => Compare::Gt,
        ">=" | "ge" => Compare::Ge,
        "in" => Compare::In,
        _ => return None,
    })
}

/// Whether a division leaves nothing.
fn remainder(budget: &Budget, value: &Value, by: &Value) -> Res<bool> {
    if value.as_str().is_some() {
        return wrong(format!("{} is no number", value.described()));
    }
    let rest = arithmetic::binary(budget, Binary::Rem, value, by)?;
    ops::equal(budget, &rest, &Value::Int(0))
}
