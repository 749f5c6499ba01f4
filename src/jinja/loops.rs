//! Loops and macros at work.

use std::sync::Arc;

use super::{
    ast::{For, MacroDef},
    fault::{Res, wrong},
    parser::short,
    run::{Flow, Loop, Run},
    value::{Args, Items, Macro, Value},
};

impl Run {
    /// A `for` statement.
    ///
    /// # Errors
    /// What has no items, and what goes wrong in its body.
    pub(super) fn for_statement(&mut self, it: &Arc<For>) -> Res<()> {
        let items = self.eval(&it.items)?;
        self.run_loop(it, &items, 0)
    }

    /// Runs a loop over items, in the scope that is seen first.
    fn run_loop(&mut self, it: &Arc<For>, items: &Value, depth: usize) -> Res<()> {
        let line = it.items.line;
        let all = items
            .shared_items(&self.budget)
            .map_err(|why| why.at(line))?;
        let items = self.chosen(it, all)?;
        let outer = self.scope;
        // One that may be called again looks into this scope: it stays, as it does for a macro.
        self.n_macros += usize::from(it.is_recursive);
        self.budget.slots(4)?;
        let at = self.loops.len();
        let n = items.len();
        self.loops.push(Loop {
            items,
            index: 0,
            depth,
            last: None,
            again: it.is_recursive.then(|| (it.clone(), outer)),
        });
        let name: Arc<str> = "loop".into();
        let mut is_empty = true;
        for index in 0..n {
            self.loops[at].index = index;
            let item = self.loops[at].items[index].clone();
            let flow = self.scoped(outer, |run| {
                run.budget.work(1)?;
                run.set(&name, Value::Loop(at))?;
                run.assign(&it.target, item).map_err(|why| why.at(line))?;
                run.body(&it.body)
            });
            let flow = flow.map_err(|why| why.at(line))?;
            is_empty &= flow != Flow::Next;
            if flow == Flow::Break {
                break;
            }
        }
        // Jinja runs it too where no round came to its end.
        if is_empty {
            self.scoped(outer, |run| run.body(&it.otherwise))?;
        }
        Ok(())
    }

    /// The items a loop's own test lets through.
    fn chosen(&mut self, it: &For, all: Items) -> Res<Items> {
        let Some(test) = &it.test else {
            return Ok(all);
        };
        let outer = self.scope;
        let mut out = Vec::new();
        for item in all.iter() {
            let is_in = self.scoped(outer, |run| {
                run.assign(&it.target, item.clone())?;
                Ok(run.eval(test)?.is_true())
            })?;
            if is_in {
                self.budget.slots(1)?;
                out.push(item.clone());
            }
        }
        Ok(Items::Own(out))
    }

    /// What a loop that calls itself writes.
    ///
    /// # Errors
    /// A loop that is not marked `recursive`, and what goes wrong in it.
    pub(super) fn loop_again(&mut self, at: usize, args: Args) -> Res<Value> {
        let [items] = args.bind("loop", ["iterable"])?;
        let it = &self.loops[at];
        let Some((again, scope)) = it.again.clone() else {
            return wrong("a loop calls itself, but is not marked recursive");
        };
        let depth = it.depth + 1;
        let items = items.unwrap_or(Value::None);
        let before = std::mem::replace(&mut self.scope, scope);
        let out = self.captured(|run| run.deeper(|run| run.run_loop(&again, &items, depth)));
        self.scope = before;
        out
    }

    /// What a macro writes.
    ///
    /// # Errors
    /// Arguments it does not take, and what goes wrong in it.
    pub(super) fn call_macro(&mut self, it: &Macro, args: Args) -> Res<Value> {
        let def = it.def.clone();
        self.scoped(it.scope, |run| {
            run.bind_macro(&def, args)?;
            run.captured(|run| run.body(&def.body).map(|_| ()))
        })
    }

    /// Puts a macro's arguments into its scope.
    fn bind_macro(&mut self, def: &MacroDef, args: Args) -> Res<()> {
        let name = &def.name;
        let n = def.parameters.len();
        let mut given = args.given.into_iter();
        let mut named = args.named;
        for (parameter, default) in &def.parameters {
            self.budget.work(1 + named.len() / 8)?;
            let by_name = named.iter().position(|it| it.0 == *parameter);
            let value = match (given.next(), by_name) {
                (Some(_), Some(_)) => {
                    return wrong(format!("macro {name} is given {parameter:?} twice"));
                }
                (Some(it), None) => it,
                (None, Some(at)) => named.remove(at).1,
                (None, None) => {
                    if let Some(node) = default {
                        self.eval(node)?
                    } else {
                        let name = short(parameter);
                        Value::undefined(format!("parameter {name:?} was not provided"))
                    }
                }
            };
            self.set(parameter, value)?;
        }
        let rest: Vec<Value> = given.collect();
        if def.uses_varargs {
            let value = Value::tuple(&self.budget, rest)?;
            self.set(&"varargs".into(), value)?;
        } else if !rest.is_empty() {
            return wrong(format!("macro {name} takes not more than {n} arguments"));
        }
        if def.uses_caller {
            let at = named.iter().position(|it| *it.0 == *"caller");
            let caller = at.map(|at| named.remove(at).1);
            let value = caller.unwrap_or_else(|| Value::undefined("no caller is defined"));
            self.set(&"caller".into(), value)?;
        }
        if def.uses_kwargs {
            let pairs = named.into_iter().map(|it| (Value::Str(it.0), it.1));
            let value = Value::dict(&self.budget, pairs.collect())?;
            self.set(&"kwargs".into(), value)?;
        } else if let Some((other, _)) = named.first() {
            return wrong(format!("macro {name} has no argument {other:?}"));
        }
        Ok(())
    }
}
