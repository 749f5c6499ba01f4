//! Expressions to values: names, attributes, items and calls.

use std::sync::Arc;

use super::{
    arithmetic,
    ast::{Arguments, Expr, FilterCall, Literal, Node},
    fault::{Res, wrong},
    filters, globals, methods, ops,
    parser::short,
    predicates, repr,
    run::Run,
    value::{Args, Function, Value},
};

impl Run {
    /// The value of an expression.
    ///
    /// # Errors
    /// What goes wrong in it, with its line.
    pub(super) fn eval(&mut self, node: &Node) -> Res<Value> {
        self.deeper(|run| run.eval_inside(&node.expr))
            .map_err(|it| it.at(node.line))
    }

    /// A value through a chain of filters.
    ///
    /// # Errors
    /// What goes wrong in one, with its line.
    pub(super) fn filtered(&mut self, chain: &[FilterCall], first: Value) -> Res<Value> {
        let mut value = first;
        for it in chain {
            let args = self.args(&it.arguments)?;
            value = filters::apply(self, &it.name, value, args).map_err(|why| why.at(it.line))?;
        }
        Ok(value)
    }

    fn eval_inside(&mut self, expr: &Expr) -> Res<Value> {
        match expr {
            Expr::Literal(it) => Ok(literal(it)),
            Expr::Name(name) => self.get(name),
            Expr::List(nodes) => {
                let items = self.all(nodes)?;
                Value::list(&self.budget, items)
            }
            Expr::Tuple(nodes) => {
                let items = self.all(nodes)?;
                Value::tuple(&self.budget, items)
            }
            Expr::Dict(pairs) => self.dict(pairs),
            Expr::Attr(it, name) => {
                let value = self.eval(it)?;
                self.attribute(&value, name)
            }
            Expr::Item(it, key) => {
                let value = self.eval(it)?;
                let key = self.eval(key)?;
                self.item(&value, &key)
            }
            Expr::Slice(it, ends) => self.slice(it, ends),
            Expr::Call(callee, arguments) => {
                let callee = self.eval(callee)?;
                let args = self.args(arguments)?;
                self.call(&callee, args)
            }
            Expr::Filter(it, name, arguments) => {
                let value = self.eval(it)?;
                let args = self.args(arguments)?;
                filters::apply(self, name, value, args)
            }
            Expr::Test(it, name, arguments) => {
                let value = self.eval(it)?;
                let args = self.args(arguments)?;
                predicates::holds(&self.budget, name, &value, args).map(Value::Bool)
            }
            Expr::Not(it) => Ok(Value::Bool(!self.eval(it)?.is_true())),
            Expr::Neg(it) => arithmetic::signed(&self.eval(it)?, true),
            Expr::Pos(it) => arithmetic::signed(&self.eval(it)?, false),
            Expr::Binary(op, a, b) => {
                let a = self.eval(a)?;
                let b = self.eval(b)?;
                arithmetic::binary(&self.budget, *op, &a, &b)
            }
            Expr::Concat(nodes) => {
                let values = self.all(nodes)?;
                let mut out = self.budget.text();
                for it in &values {
                    repr::write_str(&mut out, it)?;
                }
                Ok(Value::text(out.done()))
            }
            Expr::Compare(first, others) => self.compare(first, others),
            Expr::And(a, b) => match self.eval(a)? {
                it if it.is_true() => self.eval(b),
                it => Ok(it),
            },
            Expr::Or(a, b) => match self.eval(a)? {
                it if it.is_true() => Ok(it),
                _ => self.eval(b),
            },
            Expr::Cond { test, yes, no } => match (self.eval(test)?.is_true(), no) {
                (true, _) => self.eval(yes),
                (false, Some(no)) => self.eval(no),
                (false, None) => Ok(Value::undefined("an if without its else gave nothing")),
            },
        }
    }

    fn all(&mut self, nodes: &[Node]) -> Res<Vec<Value>> {
        nodes.iter().map(|it| self.eval(it)).collect()
    }

    fn dict(&mut self, nodes: &[(Node, Node)]) -> Res<Value> {
        let mut pairs = Vec::new();
        for (key, value) in nodes {
            let key = self.eval(key)?;
            let value = self.eval(value)?;
            ops::insert(&self.budget, &mut pairs, key, value)?;
        }
        Value::dict(&self.budget, pairs)
    }

    fn slice(&mut self, it: &Node, ends: &[Option<Node>; 3]) -> Res<Value> {
        let value = self.eval(it)?;
        let mut values = [Value::None, Value::None, Value::None];
        for (slot, end) in values.iter_mut().zip(ends) {
            if let Some(end) = end {
                *slot = self.eval(end)?;
            }
        }
        let [from, to, step] = &values;
        ops::slice(&self.budget, &value, [from, to, step])
    }

    fn compare(&mut self, first: &Node, others: &[(super::ast::Compare, Node)]) -> Res<Value> {
        let mut left = self.eval(first)?;
        for (op, node) in others {
            let right = self.eval(node)?;
            if !ops::compare(&self.budget, *op, &left, &right)? {
                return Ok(Value::Bool(false));
            }
            left = right;
        }
        Ok(Value::Bool(true))
    }

    /// The values of a call's arguments.
    pub(super) fn args(&mut self, arguments: &Arguments) -> Res<Args> {
        let mut given = self.all(&arguments.given)?;
        let mut named = Vec::new();
        for (name, node) in &arguments.named {
            named.push((name.clone(), self.eval(node)?));
        }
        if let Some(node) = &arguments.star {
            let more = self.eval(node)?;
            given.extend(more.items(&self.budget)?);
        }
        if let Some(node) = &arguments.star_star {
            let Value::Dict(more) = self.eval(node)? else {
                return wrong("what stands behind ** is not a dict");
            };
            self.budget.slots(2 * more.pairs.len())?;
            for (key, value) in &more.pairs {
                let Value::Str(name) = key else {
                    return wrong("the name of an argument is not a text");
                };
                named.push((name.clone(), value.clone()));
            }
        }
        Ok(Args { given, named })
    }

    /// A call with a body that the callee may call.
    pub(super) fn call_with(&mut self, call: &Node, caller: Value) -> Res<Value> {
        let Expr::Call(callee, arguments) = &call.expr else {
            return wrong("a call block needs a call");
        };
        let callee = self.eval(callee)?;
        let mut args = self.args(arguments)?;
        args.named.push(("caller".into(), caller));
        self.deeper(|run| run.call(&callee, args))
            .map_err(|it| it.at(call.line))
    }

    /// Calls a value.
    ///
    /// # Errors
    /// What cannot be called, and what goes wrong in the call.
    pub(super) fn call(&mut self, callee: &Value, args: Args) -> Res<Value> {
        match callee {
            Value::Macro(it) => self.call_macro(it, args),
            Value::Function(it) => globals::call(self, *it, args),
            Value::Method(it) => methods::call(&self.budget, &it.0, &it.1, args),
            Value::Loop(at) => self.loop_again(*at, args),
            Value::Joiner(at) => {
                let it = &mut self.joiners[*at];
                if std::mem::replace(&mut it.is_used, true) {
                    return Ok(it.between.clone());
                }
                Ok(Value::text(""))
            }
            Value::Undefined(why) => wrong(&**why),
            other => wrong(format!("{} cannot be called", other.described())),
        }
    }

    /// `value.name`: an attribute, else an item.
    ///
    /// # Errors
    /// Where the value is not defined.
    pub(super) fn attribute(&self, value: &Value, name: &Arc<str>) -> Res<Value> {
        value.defined()?;
        if let Some(it) = self.own_attribute(value, name)? {
            return Ok(it);
        }
        if let Value::Dict(it) = value
            && let Some(found) = ops::find(&self.budget, &it.pairs, &Value::Str(name.clone()))?
        {
            return Ok(found.clone());
        }
        Ok(missing(value, name))
    }

    /// `value[key]`: an item, else an attribute.
    ///
    /// # Errors
    /// Where the value is not defined.
    pub(super) fn item(&self, value: &Value, key: &Value) -> Res<Value> {
        value.defined()?;
        let found = match (value, key.as_int()) {
            (Value::Dict(it), _) => {
                let is_key = ops::hashable(&self.budget, key).is_ok();
                let found = ops::find(&self.budget, &it.pairs, key)?;
                found.filter(|_| is_key).cloned()
            }
            (Value::List(it) | Value::Tuple(it), Some(n)) => ops::at(&it.items, n).cloned(),
            (Value::View(it), Some(n)) if it.is_range => ops::at(&it.items, n).cloned(),
            (Value::Str(it), Some(n)) => letter(self, it, n)?,
            _ => None,
        };
        if let Some(it) = found {
            return Ok(it);
        }
        if let Value::Str(name) = key {
            return Ok(self
                .own_attribute(value, name)?
                .unwrap_or_else(|| missing(value, name)));
        }
        let key = repr::repr_of(&self.budget, key)?;
        Ok(missing(value, &key))
    }

    /// What a value has under a name besides its items.
    pub(super) fn own_attribute(&self, value: &Value, name: &Arc<str>) -> Res<Option<Value>> {
        self.budget.read(name.len())?;
        // Python's own machinery lies behind such names; the sandbox hides it.
        if name.starts_with('_') {
            return Ok(None);
        }
        Ok(match value {
            Value::Namespace(at) => {
                let vars = &self.namespaces[*at];
                self.budget.work(1 + vars.len() / 8)?;
                vars.iter().find(|it| it.0 == *name).map(|it| it.1.clone())
            }
            Value::Loop(at) => self.loop_attribute(*at, name),
            Value::Cycler(at) => match &**name {
                "next" => Some(Value::Function(Function::CyclerNext(*at))),
                "reset" => Some(Value::Function(Function::CyclerReset(*at))),
                "current" => {
                    let it = &self.cyclers[*at];
                    it.items.get(it.at).cloned()
                }
                _ => None,
            },
            Value::Macro(it) => match &**name {
                "name" => Some(Value::Str(it.def.name.clone())),
                "arguments" => {
                    let names = it.def.parameters.iter().map(|it| Value::Str(it.0.clone()));
                    Some(Value::tuple(&self.budget, names.collect())?)
                }
                "catch_kwargs" => Some(Value::Bool(it.def.uses_kwargs)),
                "catch_varargs" => Some(Value::Bool(it.def.uses_varargs)),
                "caller" => Some(Value::Bool(it.def.uses_caller)),
                _ => None,
            },
            Value::Tuple(it) if it.names.contains(&&**name) => {
                let at = it.names.iter().position(|it| **it == **name);
                at.and_then(|at| it.items.get(at)).cloned()
            }
            other => methods::has(other, name)
                .then(|| Value::Method(std::rc::Rc::new((other.clone(), name.clone())))),
        })
    }

    fn loop_attribute(&self, at: usize, name: &str) -> Option<Value> {
        let it = &self.loops[at];
        let number = |n: usize| Some(Value::Int(n as i128));
        let n = it.items.len();
        let beside = |at: Option<usize>, which: &str| {
            let item = at.and_then(|at| it.items.get(at)).cloned();
            Some(item.unwrap_or_else(|| Value::undefined(format!("there is no {which} item"))))
        };
        match name {
            "index" => number(it.index + 1),
            "index0" => number(it.index),
            "revindex" => number(n - it.index),
            "revindex0" => number(n - it.index - 1),
            "first" => Some(Value::Bool(it.index == 0)),
            "last" => Some(Value::Bool(it.index + 1 == n)),
            "length" => number(n),
            "depth" => number(it.depth + 1),
            "depth0" => number(it.depth),
            "previtem" => beside(it.index.checked_sub(1), "previous"),
            "nextitem" => beside(Some(it.index + 1), "next"),
            "cycle" => Some(Value::Function(Function::LoopCycle(at))),
            "changed" => Some(Value::Function(Function::LoopChanged(at))),
            _ => None,
        }
    }
}

fn literal(it: &Literal) -> Value {
    match it {
        Literal::None => Value::None,
        Literal::Bool(it) => Value::Bool(*it),
        Literal::Int(it) => Value::Int(*it),
        Literal::Float(it) => Value::Float(*it),
        Literal::Str(it) => Value::Str(it.clone()),
    }
}

fn missing(value: &Value, name: &str) -> Value {
    let name = short(name);
    Value::undefined(match value {
        Value::None => format!("None has no attribute {name:?}"),
        other => format!("{} has no attribute {name:?}", other.described()),
    })
}

/// A character of a text.
fn letter(run: &Run, text: &str, index: i128) -> Res<Option<Value>> {
    run.budget.read(text.len())?;
    let found = if text.is_ascii() {
        ops::at(text.as_bytes(), index).map(|it| char::from(*it))
    } else if index < 0 {
        let back = usize::try_from(-(index + 1)).unwrap_or(usize::MAX);
        text.chars().nth_back(back)
    } else {
        let n = usize::try_from(index).unwrap_or(usize::MAX);
        text.chars().nth(n)
    };
    Ok(found.map(|it| Value::text(it.to_string())))
}
