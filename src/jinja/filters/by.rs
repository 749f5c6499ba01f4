//! What items are looked up, ordered and compared by: an attribute's path, or the item itself.

use crate::jinja::{
    budget::Budget,
    fault::{Res, wrong},
    run::Run,
    value::Value,
};

/// What a value is ordered and compared by.
pub(super) struct By {
    path: Option<Vec<Value>>,
    is_case_sensitive: bool,
}

impl By {
    pub(super) fn new(
        budget: &Budget,
        attribute: Option<&Value>,
        is_case_sensitive: bool,
    ) -> Res<Self> {
        let path = match attribute {
            None | Some(Value::None) => None,
            Some(it) => Some(path(budget, it)?),
        };
        Ok(Self {
            path,
            is_case_sensitive,
        })
    }

    pub(super) fn of(&self, run: &Run, value: &Value) -> Res<Value> {
        let it = match &self.path {
            Some(path) => look(run, value, path)?,
            None => value.clone(),
        };
        self.cased(&run.budget, it)
    }

    pub(super) fn cased(&self, budget: &Budget, value: Value) -> Res<Value> {
        match value {
            Value::Str(it) if !self.is_case_sensitive => {
                budget.bytes(it.len().saturating_mul(3))?;
                Ok(Value::text(it.to_lowercase()))
            }
            other => Ok(other),
        }
    }
}

/// The steps of `a.b.0`, or of a number.
pub(super) fn path(budget: &Budget, attribute: &Value) -> Res<Vec<Value>> {
    match attribute {
        Value::Int(_) => Ok(vec![attribute.clone()]),
        Value::Str(it) => {
            budget.bytes(it.len())?;
            budget.slots(4 * (1 + it.matches('.').count()))?;
            let part = |it: &str| match it.parse() {
                Ok(n) if it.bytes().all(|it| it.is_ascii_digit()) => Value::Int(n),
                _ => Value::text(it),
            };
            Ok(it.split('.').map(part).collect())
        }
        other => wrong(format!(
            "an attribute has a name, not {}",
            other.described()
        )),
    }
}

/// What lies at the end of a path.
pub(super) fn look(run: &Run, value: &Value, path: &[Value]) -> Res<Value> {
    let mut it = value.clone();
    for step in path {
        it = run.item(&it, step)?;
    }
    Ok(it)
}
