//! What is known under a name everywhere: Jinja's functions, and the two that Transformers adds.

use std::sync::Arc;

use super::{
    clock,
    fault::{Fault, Res, wrong},
    ops,
    run::{Cycler, Joiner, Run},
    value::{Args, Function, Value},
};

/// The longest range Jinja's sandbox makes.
const MAX_RANGE: usize = 100_000;

/// Calls a function.
///
/// # Errors
/// Arguments it does not take, and what it is there to refuse.
pub(super) fn call(run: &mut Run, function: Function, args: Args) -> Res<Value> {
    match function {
        Function::Range => range(run, &args),
        Function::Dict => {
            let pairs = pairs_of(run, args)?;
            Value::dict(&run.budget, pairs)
        }
        Function::Namespace => namespace(run, args),
        Function::Cycler => {
            if args.given.is_empty() {
                return wrong("cycler needs at least one item");
            }
            run.budget.slots(args.given.len() + 2)?;
            run.cyclers.push(Cycler {
                items: args.given,
                at: 0,
            });
            Ok(Value::Cycler(run.cyclers.len() - 1))
        }
        Function::Joiner => {
            let [between] = args.bind("joiner", ["sep"])?;
            run.budget.slots(2)?;
            run.joiners.push(Joiner {
                between: between.unwrap_or_else(|| Value::text(", ")),
                is_used: false,
            });
            Ok(Value::Joiner(run.joiners.len() - 1))
        }
        Function::RaiseException => {
            let [why] = args.bind("raise_exception", ["message"])?;
            let why = why.unwrap_or_else(|| Value::text(""));
            Err(Fault::new(super::repr::text_of(&run.budget, &why)?))
        }
        Function::StrftimeNow => {
            let [format] = args.bind("strftime_now", ["format"])?;
            let format = format.as_ref().and_then(Value::as_str);
            let format = format.ok_or_else(|| Fault::new("strftime_now needs a text"))?;
            clock::now(&run.budget, format).map(Value::text)
        }
        Function::LoopCycle(at) => {
            let it = &run.loops[at];
            match args.given.len() {
                0 => wrong("loop.cycle needs at least one item"),
                n => Ok(args.given[it.index % n].clone()),
            }
        }
        Function::LoopChanged(at) => loop_changed(run, at, args.given),
        Function::CyclerNext(at) => {
            let it = &mut run.cyclers[at];
            let item = it.items[it.at].clone();
            it.at = (it.at + 1) % it.items.len();
            Ok(item)
        }
        Function::CyclerReset(at) => {
            run.cyclers[at].at = 0;
            Ok(Value::None)
        }
    }
}

fn loop_changed(run: &mut Run, at: usize, now: Vec<Value>) -> Res<Value> {
    let is_same = match &run.loops[at].last {
        Some(last) if last.len() == now.len() => {
            let mut is_same = true;
            for (a, b) in last.iter().zip(&now) {
                is_same = is_same && ops::equal(&run.budget, a, b)?;
            }
            is_same
        }
        _ => false,
    };
    run.loops[at].last = Some(now);
    Ok(Value::Bool(!is_same))
}

fn range(run: &Run, args: &Args) -> Res<Value> {
    if !args.named.is_empty() {
        return wrong("range takes no named arguments");
    }
    let mut numbers = Vec::new();
    for it in &args.given {
        match it.as_int() {
            Some(n) => numbers.push(n),
            None => return wrong(format!("range needs whole numbers, not {}", it.described())),
        }
    }
    let (from, to, step) = match numbers[..] {
        [to] => (0, to, 1),
        [from, to] => (from, to, 1),
        [from, to, step] if step != 0 => (from, to, step),
        _ => return wrong("range needs one to three numbers, and a step that is not 0"),
    };
    let too_long = || Fault::limit(format!("a range of more than {MAX_RANGE} numbers"));
    let mut items = Vec::new();
    let mut next = from;
    while if step > 0 { next < to } else { next > to } {
        if items.len() >= MAX_RANGE {
            return Err(too_long());
        }
        items.push(Value::Int(next));
        next = next.checked_add(step).ok_or_else(too_long)?;
    }
    let title = match step {
        1 => format!("range({from}, {to})"),
        step => format!("range({from}, {to}, {step})"),
    };
    Value::view(&run.budget, title, true, items)
}

/// The pairs that `dict(…)` makes.
fn pairs_of(run: &Run, args: Args) -> Res<Vec<(Value, Value)>> {
    let mut pairs = Vec::new();
    let n = args.given.len();
    if n > 1 {
        return wrong(format!("dict takes at most 1 argument, and is given {n}"));
    }
    for it in args.given {
        if let Value::Dict(it) = &it {
            run.budget.slots(2 * it.pairs.len())?;
            pairs.extend(it.pairs.iter().cloned());
            continue;
        }
        for pair in it.items(&run.budget)? {
            let mut pair = pair.items(&run.budget)?;
            let (Some(value), Some(key), true) = (pair.pop(), pair.pop(), pair.is_empty()) else {
                return wrong("dict needs pairs");
            };
            ops::insert(&run.budget, &mut pairs, key, value)?;
        }
    }
    for (name, value) in args.named {
        ops::insert(&run.budget, &mut pairs, Value::Str(name), value)?;
    }
    Ok(pairs)
}

fn namespace(run: &mut Run, args: Args) -> Res<Value> {
    let mut vars: Vec<(Arc<str>, Value)> = Vec::new();
    for (key, value) in pairs_of(run, args)? {
        match key {
            Value::Str(name) => vars.push((name, value)),
            other => {
                let what = format!("a namespace has names, not {}", other.described());
                return wrong(what);
            }
        }
    }
    run.budget.slots(2 * vars.len() + 2)?;
    run.namespaces.push(vars);
    Ok(Value::Namespace(run.namespaces.len() - 1))
}
