//! A template at work: statements, variables and loops.
//!
//! **Invariant:** however a template is built, its run stays within a budget of work and bytes, a depth of
//! calls, and a length of what it writes.

use std::sync::Arc;

use super::{
    ast::{Body, For, MacroDef, Stmt, Target},
    budget::Budget,
    fault::{Fault, Res, wrong},
    parser::short,
    repr,
    value::{Function, Items, Macro, Value},
};

/// How deep expressions, blocks and calls may lie within one another while a template runs.
const MAX_DEPTH: usize = 1200;
/// Bytes a template may write.
pub(super) const MAX_TEXT_BYTES: usize = 16 << 20;

/// Variables of a block, and the block around it.
#[derive(Debug)]
struct Scope {
    vars: Vec<(Arc<str>, Value)>,
    outer: Option<usize>,
}

/// Where a loop stands.
#[derive(Debug)]
pub(super) struct Loop {
    pub(super) items: Items,
    pub(super) index: usize,
    pub(super) depth: usize,
    /// What `changed` was last given.
    pub(super) last: Option<Vec<Value>>,
    /// The loop to run again, and the variables around it, where it may call itself.
    pub(super) again: Option<(Arc<For>, usize)>,
}

/// What `cycler(…)` gives.
#[derive(Debug)]
pub(super) struct Cycler {
    pub(super) items: Vec<Value>,
    pub(super) at: usize,
}

/// What `joiner(…)` gives.
#[derive(Debug)]
pub(super) struct Joiner {
    pub(super) between: Value,
    pub(super) is_used: bool,
}

/// Whether a loop goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    Next,
    Break,
    Continue,
}

/// One rendering.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) budget: Budget,
    scopes: Vec<Scope>,
    /// The scope whose variables are seen first.
    pub(super) scope: usize,
    pub(super) namespaces: Vec<Vec<(Arc<str>, Value)>>,
    pub(super) loops: Vec<Loop>,
    pub(super) cyclers: Vec<Cycler>,
    pub(super) joiners: Vec<Joiner>,
    /// What is written; a block whose text is a value writes on top.
    out: Vec<String>,
    depth: usize,
    /// Macros defined so far.
    pub(super) n_macros: usize,
}

impl Run {
    /// A run that nothing is given to yet.
    pub(super) fn new() -> Self {
        Self {
            budget: Budget::new(),
            scopes: vec![Scope {
                vars: Vec::new(),
                outer: None,
            }],
            scope: 0,
            namespaces: Vec::new(),
            loops: Vec::new(),
            cyclers: Vec::new(),
            joiners: Vec::new(),
            out: vec![String::new()],
            depth: 0,
            n_macros: 0,
        }
    }

    /// Runs a template to its end.
    ///
    /// # Errors
    /// What goes wrong in it.
    pub(super) fn render(&mut self, body: &Body) -> Res<String> {
        self.body(body)?;
        Ok(self.out.pop().unwrap_or_default())
    }

    /// Puts a variable into the scope that is seen first.
    ///
    /// # Errors
    /// Where the budget is used up.
    pub(super) fn set(&mut self, name: &Arc<str>, value: Value) -> Res<()> {
        let vars = &mut self.scopes[self.scope].vars;
        self.budget.work(1 + vars.len() / 8)?;
        if let Some(it) = vars.iter_mut().find(|it| it.0 == *name) {
            it.1 = value;
            return Ok(());
        }
        vars.push((name.clone(), value));
        Ok(())
    }

    /// A variable, or what is known under the name everywhere.
    ///
    /// # Errors
    /// Where the budget is used up.
    pub(super) fn get(&self, name: &Arc<str>) -> Res<Value> {
        let mut next = Some(self.scope);
        while let Some(at) = next {
            let scope = &self.scopes[at];
            self.budget.work(1 + scope.vars.len() / 8)?;
            if let Some(it) = scope.vars.iter().find(|it| it.0 == *name) {
                return Ok(it.1.clone());
            }
            next = scope.outer;
        }
        let undefined = || Value::undefined(format!("{:?} is undefined", short(name)));
        Ok(Function::named(name).map_or_else(undefined, Value::Function))
    }

    /// Runs a part one level deeper.
    ///
    /// # Errors
    /// What the part says, and where it is too deep.
    pub(super) fn deeper<T>(&mut self, part: impl FnOnce(&mut Self) -> Res<T>) -> Res<T> {
        self.budget.work(1)?;
        if self.depth >= MAX_DEPTH {
            return Err(Fault::limit("its calls lie too deep within one another"));
        }
        self.depth += 1;
        let out = part(self);
        self.depth -= 1;
        out
    }

    /// Runs a part with variables of its own, and those of `outer` behind them.
    ///
    /// # Errors
    /// What the part says.
    pub(super) fn scoped<T>(
        &mut self,
        outer: usize,
        part: impl FnOnce(&mut Self) -> Res<T>,
    ) -> Res<T> {
        self.budget.work(1)?;
        let at = self.scopes.len();
        self.scopes.push(Scope {
            vars: Vec::new(),
            outer: Some(outer),
        });
        let before = std::mem::replace(&mut self.scope, at);
        let n_macros = self.n_macros;
        let out = part(self);
        self.scope = before;
        if self.n_macros == n_macros {
            self.scopes.truncate(at);
        } else {
            // A macro that was defined in there may still look into it.
            let n_vars: usize = self.scopes[at..].iter().map(|it| it.vars.len()).sum();
            self.budget.slots(4 * (self.scopes.len() - at + n_vars))?;
        }
        out
    }

    /// What a part writes, as a text.
    ///
    /// # Errors
    /// What the part says.
    pub(super) fn captured(&mut self, part: impl FnOnce(&mut Self) -> Res<()>) -> Res<Value> {
        self.out.push(String::new());
        let done = part(self);
        let text = self.out.pop().unwrap_or_default();
        done.map(|()| Value::text(text))
    }

    fn write(&mut self, text: &str) -> Res<()> {
        self.budget.bytes(text.len())?;
        let Some(out) = self.out.last_mut() else {
            return Ok(());
        };
        if out.len() + text.len() > MAX_TEXT_BYTES {
            let what = format!("it writes more than {} MB", MAX_TEXT_BYTES >> 20);
            return Err(Fault::limit(what));
        }
        out.push_str(text);
        Ok(())
    }

    /// Runs statements up to the end of the body or of the round of the loop.
    ///
    /// # Errors
    /// What goes wrong in one.
    pub(super) fn body(&mut self, body: &Body) -> Res<Flow> {
        for it in body {
            let flow = self.statement(it)?;
            if flow != Flow::Next {
                return Ok(flow);
            }
        }
        Ok(Flow::Next)
    }

    fn statement(&mut self, it: &Stmt) -> Res<Flow> {
        self.deeper(|run| run.statement_inside(it))
    }

    fn statement_inside(&mut self, it: &Stmt) -> Res<Flow> {
        let outer = self.scope;
        match it {
            Stmt::Text(text) => self.write(text)?,
            Stmt::Print(node) => {
                let value = self.eval(node)?;
                let text = repr::text_of(&self.budget, &value)?;
                self.write(&text).map_err(|it| it.at(node.line))?;
            }
            Stmt::If { arms, otherwise } => {
                for (test, body) in arms {
                    if self.eval(test)?.is_true() {
                        return self.body(body);
                    }
                }
                return self.body(otherwise);
            }
            Stmt::For(it) => self.for_statement(it)?,
            Stmt::Set(target, node) => {
                let value = self.eval(node)?;
                self.assign(target, value).map_err(|it| it.at(node.line))?;
            }
            Stmt::SetBlock(target, chain, body) => {
                let (flow, value) = self.captured_body(body)?;
                if flow != Flow::Next {
                    return Ok(flow);
                }
                let value = self.filtered(chain, value)?;
                self.assign(target, value)?;
            }
            Stmt::With(pairs, body) => {
                let mut values = Vec::new();
                for (target, node) in pairs {
                    values.push((target, self.eval(node)?));
                }
                return self.scoped(outer, |run| {
                    for (target, value) in values {
                        run.assign(target, value)?;
                    }
                    run.body(body)
                });
            }
            Stmt::Macro(def) => {
                let it = self.macro_here(def);
                self.set(&def.name, it)?;
            }
            Stmt::Call(call, def) => {
                let caller = self.macro_here(def);
                let value = self.call_with(call, caller)?;
                let text = repr::text_of(&self.budget, &value)?;
                self.write(&text).map_err(|it| it.at(call.line))?;
            }
            Stmt::FilterBlock(chain, body) => {
                let (flow, value) = self.captured_body(body)?;
                if flow != Flow::Next {
                    return Ok(flow);
                }
                let value = self.filtered(chain, value)?;
                let text = repr::text_of(&self.budget, &value)?;
                self.write(&text)?;
            }
            Stmt::Scope(body) => return self.scoped(outer, |run| run.body(body)),
            Stmt::Break => return Ok(Flow::Break),
            Stmt::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn macro_here(&mut self, def: &Arc<MacroDef>) -> Value {
        self.n_macros += 1;
        Value::Macro(std::rc::Rc::new(Macro {
            def: def.clone(),
            scope: self.scope,
        }))
    }

    /// What a body writes, unless a loop around it ends in there.
    fn captured_body(&mut self, body: &Body) -> Res<(Flow, Value)> {
        let outer = self.scope;
        let mut flow = Flow::Next;
        let value = self.scoped(outer, |run| {
            run.captured(|run| {
                flow = run.body(body)?;
                Ok(())
            })
        })?;
        Ok((flow, value))
    }

    /// Puts a value where it belongs.
    ///
    /// # Errors
    /// A name for an attribute of what is no namespace; too few or too many values for some names.
    pub(super) fn assign(&mut self, target: &Target, value: Value) -> Res<()> {
        match target {
            Target::Name(name) => self.set(name, value),
            Target::Attr(name, attr) => match self.get(name)? {
                Value::Namespace(at) => {
                    self.budget.slots(2)?;
                    let vars = &mut self.namespaces[at];
                    self.budget.work(1 + vars.len() / 8)?;
                    match vars.iter_mut().find(|it| it.0 == *attr) {
                        Some(it) => it.1 = value,
                        None => vars.push((attr.clone(), value)),
                    }
                    Ok(())
                }
                other => wrong(format!(
                    "{name}.{attr} can be set on a namespace only, not on {}",
                    other.described()
                )),
            },
            Target::Tuple(targets) => {
                let items = value.items(&self.budget)?;
                if items.len() != targets.len() {
                    return wrong(format!(
                        "{} values for {} names",
                        items.len(),
                        targets.len()
                    ));
                }
                for (target, value) in targets.iter().zip(items) {
                    self.assign(target, value)?;
                }
                Ok(())
            }
        }
    }
}
