//! What stands on the stack while a pickle is followed.

use super::names::{Name, Number};

/// A storage: a file of the archive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storage<'a> {
    /// What its numbers are.
    pub(super) number: &'static Number,
    /// Its file's name.
    pub(super) key: &'a str,
    /// How many there are.
    pub(super) n_numbers: u64,
}

/// A value on the stack.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    /// None, a truth value or a fraction: what no tensor is made of.
    Other(&'static str),
    Number(i64),
    Text(&'a str),
    Name(Name),
    /// Part of `Machine::items`.
    Tuple(usize, usize),
    /// A row of dictionaries, in the order in which they were made.
    Dict(u32),
    /// What is in it is forgotten.
    List,
    Storage(Storage<'a>),
    /// A row of `Machine::tensors`.
    Tensor(u32),
}

impl Value<'_> {
    /// As a sentence calls it.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Other(it) => it,
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::Name(_) => "the name of a type",
            Self::Tuple(..) => "a tuple",
            Self::Dict(_) => "a dictionary",
            Self::List => "a list",
            Self::Storage(_) => "a storage",
            Self::Tensor(_) => "a tensor",
        }
    }
}
