//! Python's arithmetic: `+`, `%` and the like on numbers, texts and lists.

use super::{
    ast::Binary,
    budget::Budget,
    fault::{Fault, Res, wrong},
    printf,
    value::Value,
};

/// An operation on two values.
///
/// # Errors
/// Values it is not made for, a division by zero, a number beyond 128 bits.
pub(super) fn binary(budget: &Budget, op: Binary, a: &Value, b: &Value) -> Res<Value> {
    if let (Binary::Rem, Value::Str(format)) = (op, a) {
        return printf::percent(budget, format, b).map(Value::text);
    }
    a.defined()?;
    b.defined()?;
    if let (Some(x), Some(y)) = (a.as_int(), b.as_int()) {
        return integers(op, x, y);
    }
    if let (Some(x), Some(y)) = (a.as_float(), b.as_float()) {
        return floats(op, x, y).map(Value::Float);
    }
    match (op, a, b) {
        (Binary::Add, Value::Str(x), Value::Str(y)) => {
            let mut out = budget.text();
            out.push(x)?;
            out.push(y)?;
            Ok(Value::text(out.done()))
        }
        (Binary::Add, Value::List(x), Value::List(y)) => {
            Value::list(budget, joined(budget, &x.items, &y.items)?)
        }
        (Binary::Add, Value::Tuple(x), Value::Tuple(y)) => {
            Value::tuple(budget, joined(budget, &x.items, &y.items)?)
        }
        (Binary::Mul, _, _) => match (a.as_int(), b.as_int()) {
            (None, Some(n)) => repeated(budget, a, n),
            (Some(n), None) => repeated(budget, b, n),
            _ => Err(unsupported(op, a, b)),
        },
        _ => Err(unsupported(op, a, b)),
    }
}

fn sign(op: Binary) -> &'static str {
    match op {
        Binary::Add => "+",
        Binary::Sub => "-",
        Binary::Mul => "*",
        Binary::Div => "/",
        Binary::FloorDiv => "//",
        Binary::Rem => "%",
        Binary::Pow => "**",
    }
}

fn unsupported(op: Binary, a: &Value, b: &Value) -> Fault {
    let (x, y) = (a.kind(), b.kind());
    Fault::new(format!("{} cannot join {x} and {y}", sign(op)))
}

fn by_zero() -> Fault {
    Fault::new("a division by zero")
}

fn too_large() -> Fault {
    Fault::limit("a number is too large")
}

fn integers(op: Binary, x: i128, y: i128) -> Res<Value> {
    let whole = match op {
        Binary::Add => x.checked_add(y),
        Binary::Sub => x.checked_sub(y),
        Binary::Mul => x.checked_mul(y),
        Binary::Div | Binary::FloorDiv | Binary::Rem if y == 0 => return Err(by_zero()),
        Binary::Div => return Ok(Value::Float(x as f64 / y as f64)),
        Binary::FloorDiv => floor_div(x, y),
        Binary::Rem => x.checked_rem(y).map(|it| {
            let is_other_side = it != 0 && (it < 0) != (y < 0);
            it + if is_other_side { y } else { 0 }
        }),
        Binary::Pow if y < 0 => return floats(op, x as f64, y as f64).map(Value::Float),
        Binary::Pow => u32::try_from(y).ok().and_then(|it| x.checked_pow(it)),
    };
    whole.map(Value::Int).ok_or_else(too_large)
}

fn floor_div(x: i128, y: i128) -> Option<i128> {
    let quotient = x.checked_div(y)?;
    let is_inexact = quotient * y != x;
    Some(quotient - i128::from(is_inexact && (x < 0) != (y < 0)))
}

fn floats(op: Binary, x: f64, y: f64) -> Res<f64> {
    let rest = || {
        let it = x % y;
        let it = if it != 0.0 && (it < 0.0) != (y < 0.0) {
            it + y
        } else {
            it
        };
        if it == 0.0 { it.copysign(y) } else { it }
    };
    Ok(match op {
        Binary::Add => x + y,
        Binary::Sub => x - y,
        Binary::Mul => x * y,
        Binary::Div | Binary::FloorDiv | Binary::Rem if y == 0.0 => return Err(by_zero()),
        Binary::Pow if x == 0.0 && y < 0.0 => return Err(by_zero()),
        Binary::Div => x / y,
        Binary::FloorDiv => ((x - rest()) / y).round(),
        Binary::Rem => rest(),
        Binary::Pow => {
            let it = x.powf(y);
            if it.is_nan() && !x.is_nan() && !y.is_nan() {
                return wrong("a power of a negative number with a fraction");
            }
            if it.is_infinite() && x.is_finite() && y.is_finite() {
                return Err(too_large());
            }
            it
        }
    })
}

fn joined(budget: &Budget, x: &[Value], y: &[Value]) -> Res<Vec<Value>> {
    budget.work(x.len() + y.len())?;
    budget.slots(x.len() + y.len())?;
    Ok([x, y].concat())
}

fn repeated(budget: &Budget, value: &Value, n: i128) -> Res<Value> {
    let n = usize::try_from(n.max(0)).unwrap_or(usize::MAX);
    let items = |items: &[Value]| {
        let n = if items.is_empty() { 0 } else { n };
        budget.slots(items.len().saturating_mul(n))?;
        budget.work(items.len().saturating_mul(n))?;
        Ok(std::iter::repeat_n(items, n).flatten().cloned().collect())
    };
    match value {
        Value::Str(it) => {
            let mut out = budget.text();
            out.push_times(it, n)?;
            Ok(Value::text(out.done()))
        }
        Value::List(it) => Value::list(budget, items(&it.items)?),
        Value::Tuple(it) => Value::tuple(budget, items(&it.items)?),
        other => Err(unsupported(Binary::Mul, other, &Value::Int(1))),
    }
}

/// `-value` or `+value`.
///
/// # Errors
/// What is no number.
pub(super) fn signed(value: &Value, is_negative: bool) -> Res<Value> {
    value.defined()?;
    match value {
        Value::Float(it) if is_negative => Ok(Value::Float(-it)),
        Value::Float(it) => Ok(Value::Float(*it)),
        other => match other.as_int() {
            Some(it) if is_negative => it.checked_neg().map(Value::Int).ok_or_else(too_large),
            Some(it) => Ok(Value::Int(it)),
            None => wrong(format!("{} has no sign", other.described())),
        },
    }
}
