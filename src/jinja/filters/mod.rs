//! What may stand behind `|`: Jinja's filters, and `tojson` as Transformers has it.
//!
//! Left out: `lipsum` and `random` (no text to reproduce), `urlize` and `xmlattr` (web pages), `wordwrap`.

mod by;
mod lists;
mod numbers;
mod order;
mod text;

use super::{
    fault::{Fault, Res, wrong},
    json, methods,
    parser::short,
    printf, repr,
    run::Run,
    value::{Args, Value},
};

/// The names of all filters.
const NAMES: &[&str] = &[
    "abs",
    "attr",
    "batch",
    "capitalize",
    "center",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "filesizeformat",
    "first",
    "float",
    "forceescape",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pprint",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "string",
    "striptags",
    "sum",
    "title",
    "tojson",
    "trim",
    "truncate",
    "unique",
    "upper",
    "urlencode",
    "wordcount",
];

/// Whether there is a filter of this name.
pub(super) fn is_known(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Applies a filter.
///
/// # Errors
/// A filter there is not, arguments it does not take, values it is not made for.
pub(super) fn apply(run: &mut Run, name: &str, value: Value, args: Args) -> Res<Value> {
    run.budget.work(1)?;
    match name {
        "map" | "select" | "reject" | "selectattr" | "rejectattr" => {
            lists::chosen(run, name, &value, args)
        }
        "batch" | "slice" | "first" | "last" | "join" | "sum" | "list" | "reverse" => {
            lists::apply(run, name, &value, args)
        }
        "sort" | "dictsort" | "unique" | "groupby" | "min" | "max" => {
            order::apply(run, name, &value, args)
        }
        "abs" | "float" | "int" | "round" | "filesizeformat" => {
            numbers::apply(&run.budget, name, &value, args)
        }
        "capitalize" | "center" | "e" | "escape" | "forceescape" | "indent" | "lower"
        | "replace" | "striptags" | "title" | "trim" | "truncate" | "upper" | "urlencode"
        | "wordcount" => text::apply(&run.budget, name, &value, args),
        _ => general(run, name, value, args),
    }
}

/// The filters for values of any kind.
fn general(run: &mut Run, name: &str, value: Value, args: Args) -> Res<Value> {
    match name {
        "d" | "default" => {
            let [other, also_false] = args.bind(name, ["default_value", "boolean"])?;
            let is_strict = also_false.is_some_and(|it| it.is_true());
            if value.is_undefined() || (is_strict && !value.is_true()) {
                return Ok(other.unwrap_or_else(|| Value::text("")));
            }
            Ok(value)
        }
        "attr" => {
            let [wanted] = args.bind(name, ["name"])?;
            let Some(Value::Str(wanted)) = wanted else {
                return wrong("attr needs a name");
            };
            value.defined()?;
            let found = run.own_attribute(&value, &wanted)?;
            Ok(found.unwrap_or_else(|| {
                let wanted = short(&wanted);
                let what = format!("{} has no attribute {wanted:?}", value.described());
                Value::undefined(what)
            }))
        }
        "count" | "length" => {
            let [] = args.bind(name, [])?;
            if let Value::Str(it) = &value {
                run.budget.read(it.len())?;
            }
            let n = match &value {
                Value::Loop(at) => Some(run.loops[*at].items.len()),
                other => other.len(),
            };
            let n = n.ok_or_else(|| Fault::new(format!("{} has no length", value.described())))?;
            Ok(Value::Int(n as i128))
        }
        "items" => {
            let [] = args.bind(name, [])?;
            match &value {
                Value::Undefined(_) => Value::stream(&run.budget, Vec::new()),
                Value::Dict(it) => {
                    let pairs = methods::pairs(&run.budget, it)?;
                    Value::stream(&run.budget, pairs)
                }
                other => wrong(format!("{} is no dict", other.described())),
            }
        }
        "string" | "safe" => {
            let [] = args.bind(name, [])?;
            repr::text_of(&run.budget, &value).map(Value::text)
        }
        "pprint" => {
            let [] = args.bind(name, [])?;
            repr::repr_of(&run.budget, &value).map(Value::text)
        }
        "format" => {
            let format = repr::text_of(&run.budget, &value)?;
            printf::filter(&run.budget, &format, args).map(Value::text)
        }
        "tojson" => {
            let mut out = run.budget.text();
            json::filter(&mut out, &value, args)?;
            Ok(Value::text(out.done()))
        }
        _ => wrong(format!("there is no filter {:?}", short(name))),
    }
}

/// A flag among a filter's arguments.
fn flag(value: Option<Value>, default: bool) -> bool {
    value.map_or(default, |it| it.is_true())
}

/// A count among a filter's arguments.
fn count(name: &str, value: Option<Value>, default: usize) -> Res<usize> {
    match value {
        None => Ok(default),
        Some(it) => {
            let n = methods::whole(name, &it)?;
            usize::try_from(n).map_err(|_| Fault::new(format!("{name} needs a positive number")))
        }
    }
}
