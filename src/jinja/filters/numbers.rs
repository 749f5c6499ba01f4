//! Filters that give numbers, or numbers as text.

use super::{flag, methods};
use crate::jinja::{
    arithmetic,
    budget::Budget,
    fault::{Fault, Res, wrong},
    value::{Args, Value},
    words,
};

/// Applies one of them.
///
/// # Errors
/// Arguments it does not take, values it is not made for.
pub(super) fn apply(budget: &Budget, name: &str, value: &Value, args: Args) -> Res<Value> {
    // A text is copied and read several times before it is a number.
    budget.read(value.as_str().map_or(0, |it| it.len().saturating_mul(4)))?;
    match name {
        "abs" => {
            let [] = args.bind(name, [])?;
            value.defined()?;
            match value {
                Value::Float(it) => Ok(Value::Float(it.abs())),
                other => match other.as_int() {
                    Some(it) if it >= 0 => Ok(Value::Int(it)),
                    Some(_) => arithmetic::signed(other, true),
                    None => wrong(format!("{} has no size", other.described())),
                },
            }
        }
        "float" => {
            let [default] = args.bind(name, ["default"])?;
            value.defined()?;
            let parsed = value.as_float().or_else(|| parsed_float(value.as_str()?));
            let fallback = default.unwrap_or(Value::Float(0.0));
            Ok(parsed.map_or(fallback, Value::Float))
        }
        "int" => {
            let [default, base] = args.bind(name, ["default", "base"])?;
            value.defined()?;
            let base = base.map_or(Ok(10), |it| methods::whole(name, &it))?;
            Ok(whole(value, base).unwrap_or(default.unwrap_or(Value::Int(0))))
        }
        "round" => round(value, args),
        _ => {
            let [binary] = args.bind(name, ["binary"])?;
            let size = value.as_float().or_else(|| parsed_float(value.as_str()?));
            let size = size
                .ok_or_else(|| Fault::new(format!("{} is no size of a file", value.described())))?;
            budget.bytes(32)?;
            Ok(Value::text(file_size(size, flag(binary, false))))
        }
    }
}

/// What Python's `float(text)` reads.
fn parsed_float(text: &str) -> Option<f64> {
    let text = words::trim(text);
    if text.starts_with('_') || text.ends_with('_') || text.contains("__") {
        return None;
    }
    let plain = text.replace('_', "");
    let digits = plain.trim_start_matches(['+', '-']).to_ascii_lowercase();
    let is_word = matches!(digits.as_str(), "inf" | "infinity" | "nan");
    let is_number = digits.starts_with(|it: char| it.is_ascii_digit() || it == '.');
    (is_word || is_number).then(|| plain.parse().ok()).flatten()
}

/// What Python's `int` reads, else what lies before the point of what `float` reads.
fn whole(value: &Value, base: i128) -> Option<Value> {
    let truncated = |it: f64| {
        let it = it.trunc();
        (it.is_finite() && it.abs() < 1e38).then_some(Value::Int(it as i128))
    };
    match value {
        Value::Float(it) => truncated(*it),
        Value::Str(it) => parsed_int(it, base)
            .map(Value::Int)
            .or_else(|| parsed_float(it).and_then(truncated)),
        other => other.as_int().map(Value::Int),
    }
}

fn parsed_int(text: &str, base: i128) -> Option<i128> {
    let text = words::trim(text);
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(it) => (true, it),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let prefixes = [("0x", 16), ("0o", 8), ("0b", 2)];
    let prefix = prefixes
        .iter()
        .find(|it| lower.starts_with(it.0) && (base == it.1 || base == 0));
    let (digits, base) = match prefix {
        Some((prefix, base)) => (&lower[prefix.len()..], *base),
        None if base == 0 => (lower.as_str(), 10),
        None => (lower.as_str(), base),
    };
    let digits = digits
        .strip_prefix('_')
        .filter(|_| prefix.is_some())
        .unwrap_or(digits);
    if digits.starts_with(['_', '+', '-']) || digits.ends_with('_') || digits.contains("__") {
        return None;
    }
    let base = u32::try_from(base)
        .ok()
        .filter(|it| (2..=36).contains(it))?;
    let n = i128::from_str_radix(&digits.replace('_', ""), base).ok()?;
    Some(if is_negative { -n } else { n })
}

fn round(value: &Value, args: Args) -> Res<Value> {
    let [precision, method] = args.bind("round", ["precision", "method"])?;
    let precision = precision.map_or(Ok(0), |it| methods::whole("round", &it))?;
    let precision = precision.clamp(-400, 400) as i32;
    value.defined()?;
    let Some(x) = value.as_float() else {
        return wrong(format!("{} cannot be rounded", value.described()));
    };
    let scale = 10f64.powi(precision);
    match method.as_ref().map_or(Some("common"), Value::as_str) {
        Some("common") => Ok(match (value.as_int(), precision) {
            (Some(n), 0..) => Value::Int(n),
            (Some(n), below) => {
                let unit = 10i128
                    .checked_pow(below.unsigned_abs())
                    .unwrap_or(i128::MAX);
                let n_units = (n as f64 / unit as f64).round_ties_even() as i128;
                let rounded = n_units.checked_mul(unit);
                Value::Int(rounded.ok_or_else(|| Fault::limit("a number is too large"))?)
            }
            (None, 0..) => {
                let digits = precision.min(340) as usize;
                Value::Float(format!("{x:.digits$}").parse().unwrap_or(x))
            }
            (None, _) => Value::Float((x * scale).round_ties_even() / scale),
        }),
        Some("ceil") => Ok(Value::Float((x * scale).ceil() / scale)),
        Some("floor") => Ok(Value::Float((x * scale).floor() / scale)),
        _ => wrong("round knows the methods common, ceil and floor"),
    }
}

fn file_size(size: f64, is_binary: bool) -> String {
    let (base, units) = if is_binary {
        (
            1024f64,
            ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"],
        )
    } else {
        (1000f64, ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"])
    };
    #[expect(clippy::float_cmp, reason = "one byte is exactly one byte")]
    let is_one = size == 1.0;
    if is_one {
        return "1 Byte".to_owned();
    }
    if size < base {
        return format!("{} Bytes", size.trunc());
    }
    let mut unit = base;
    for name in units {
        if size < unit * base {
            return format!("{:.1} {name}", size / unit);
        }
        unit *= base;
    }
    format!("{:.1} {}", size / (unit / base), units[7])
}
