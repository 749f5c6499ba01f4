//! Jinja, the language of chat templates, as Hugging Face sets it up: what a template writes here is what
//! `jinja2` in Transformers' sandbox writes, to the letter (`tests/golden/jinja.json`).
//!
//! ```text
//! lexer → parser, expression → ast     a template is read, nesting and rows of operators bounded
//! run, loops, eval → value, ops, arithmetic, repr  and run: statements, expressions, Python's values
//!             filters, predicates, methods, globals, printf, json, clock
//! budget, fault                        what a run may use up; what goes wrong, with its line
//! ```
//!
//! A template is a program somebody else wrote. A general engine counts its steps, but not the bytes that a
//! `+`, a `replace` or a list of lists makes, and cannot be stopped inside one; so this room is our own.
//!
//! **Invariants:** every text, list and dict is paid for before it is made, and every item that is looked at,
//! from a budget that only shrinks; trees of syntax and of values have a bounded depth when they are built,
//! so that nothing recurses further; a template neither reads nor changes anything outside itself, except
//! for the clock. Reading and running are on a thread of their own, whose stack is sized for those depths.

mod arithmetic;
mod ast;
mod budget;
mod clock;
mod eval;
mod expression;
mod fault;
mod filters;
mod globals;
mod json;
mod lexer;
mod loops;
mod methods;
mod ops;
mod parser;
mod predicates;
mod printf;
mod repr;
mod run;
#[cfg(test)]
mod tests;
mod value;
mod words;

use std::{sync::Arc, thread};

use self::{
    ast::Body,
    budget::Budget,
    fault::{Fault, Res},
    run::Run,
    value::Value,
};

/// Bytes of a template at most; published ones stay below 100 kB.
const MAX_SOURCE_BYTES: usize = 1 << 20;
/// Characters of a sentence: a template may refuse with a text of any length.
const MAX_WORDS: usize = 500;
/// Bytes of the stack a template is read and run on: eight times what the deepest one takes.
const STACK_BYTES: usize = 16 << 20;

/// What goes wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JinjaError {
    /// It is wrong, refuses, or goes beyond a limit.
    #[error("{what}{}", at(*line))]
    Wrong {
        /// One sentence.
        what: String,
        /// The line, counted from 1; 0 where none is known.
        line: u32,
    },
    /// It could not be run at all.
    #[error("no thread could be started for it: {why}")]
    Thread {
        /// What the system says.
        why: String,
    },
}

fn at(line: u32) -> String {
    match line {
        0 => String::new(),
        line => format!(" (line {line})"),
    }
}

impl From<Fault> for JinjaError {
    fn from(it: Fault) -> Self {
        let mut what: String = it.what.chars().take(MAX_WORDS).collect();
        if what.len() < it.what.len() {
            what.push('…');
        }
        Self::Wrong {
            what,
            line: it.line,
        }
    }
}

/// A value that is given to a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// Python's `None`.
    None,
    /// A truth.
    Bool(bool),
    /// A text.
    Text(String),
    /// Values in a row.
    List(Vec<Given>),
    /// Values under names, in this order.
    Dict(Vec<(String, Given)>),
}

/// A template that has been read. Cloning one copies nothing large.
#[derive(Clone, Debug)]
pub struct Template {
    body: Arc<Body>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is not Jinja, and a template that is too large or nested too deep.
    pub fn read(source: &str) -> Result<Self, JinjaError> {
        if source.len() > MAX_SOURCE_BYTES {
            return Err(JinjaError::Wrong {
                what: format!("it is longer than {} MB", MAX_SOURCE_BYTES >> 20),
                line: 0,
            });
        }
        let body = on_own_stack(|| parser::parse(&unix_lines(source)))?;
        Ok(Self {
            body: Arc::new(body),
        })
    }

    /// What the template writes, given these variables.
    ///
    /// # Errors
    /// What goes wrong in it, what it refuses itself, and a run beyond its limits.
    pub fn render(&self, given: &[(String, Given)]) -> Result<String, JinjaError> {
        on_own_stack(|| {
            let mut run = Run::new();
            for (name, value) in given {
                let value = value_of(&run.budget, value)?;
                run.set(&name.as_str().into(), value)?;
            }
            run.render(&self.body)
        })
    }
}

/// Runs a part of the work on a stack that its depth is known to fit.
fn on_own_stack<T: Send>(part: impl FnOnce() -> Res<T> + Send) -> Result<T, JinjaError> {
    let thread = thread::Builder::new()
        .name("template".to_owned())
        .stack_size(STACK_BYTES);
    thread::scope(|scope| {
        let running = thread
            .spawn_scoped(scope, part)
            .map_err(|it| JinjaError::Thread {
                why: it.to_string(),
            })?;
        match running.join() {
            Ok(done) => Ok(done?),
            Err(_) => Err(JinjaError::Thread {
                why: "it stopped half-way".to_owned(),
            }),
        }
    })
}

/// Lines that end in `\n`, and no end behind the last one, as Jinja reads its source.
fn unix_lines(source: &str) -> String {
    let mut text = source.replace("\r\n", "\n").replace('\r', "\n");
    if text.ends_with('\n') {
        text.pop();
    }
    text
}

fn value_of(budget: &Budget, given: &Given) -> Res<Value> {
    Ok(match given {
        Given::None => Value::None,
        Given::Bool(it) => Value::Bool(*it),
        Given::Text(it) => Value::text(it.as_str()),
        Given::List(items) => {
            let items: Res<Vec<Value>> = items.iter().map(|it| value_of(budget, it)).collect();
            Value::list(budget, items?)?
        }
        Given::Dict(pairs) => {
            let mut out = Vec::new();
            for (name, value) in pairs {
                let name = Value::text(name.as_str());
                ops::insert(budget, &mut out, name, value_of(budget, value)?)?;
            }
            Value::dict(budget, out)?
        }
    })
}
