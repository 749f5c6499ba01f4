//! What a template computes with: Python's values, as far as templates can make them.
//!
//! **Invariant:** values are trees of bounded depth and never change, so dropping, printing and comparing
//! them is safe; what can change (namespaces, loops) is owned by the run and named by number.

use std::{cell::Cell, rc::Rc, sync::Arc};

use super::{
    ast::MacroDef,
    budget::{Budget, VALUE_BYTES},
    fault::{Fault, Res},
};

/// How deep lists and dicts may lie within one another.
const MAX_DEPTH: u16 = 100;

/// A value. Cloning one copies nothing large.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Nothing, with the sentence for whoever uses it.
    Undefined(Arc<str>),
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(Arc<str>),
    List(Rc<Seq>),
    Tuple(Rc<Seq>),
    Dict(Rc<Dict>),
    /// `range(…)`, `.keys()`, `.values()`, `.items()`.
    View(Rc<View>),
    /// What a filter like `map` gives: it can be gone through once.
    Stream(Rc<Stream>),
    Macro(Rc<Macro>),
    Function(Function),
    /// A method of a value.
    Method(Rc<(Value, Arc<str>)>),
    Namespace(usize),
    Loop(usize),
    Cycler(usize),
    Joiner(usize),
}

const _: () = assert!(size_of::<Value>() == VALUE_BYTES);

/// Values in a row.
#[derive(Debug)]
pub(super) struct Seq {
    pub(super) items: Vec<Value>,
    depth: u16,
    /// Names of the items, where they have some (what `groupby` gives).
    pub(super) names: &'static [&'static str],
}

/// Pairs in the order they were put in; no key twice.
#[derive(Debug)]
pub(super) struct Dict {
    pub(super) pairs: Vec<(Value, Value)>,
    depth: u16,
}

/// Values with a length.
#[derive(Debug)]
pub(super) struct View {
    /// How it prints: `range(0, 3)`, or the word before the items.
    pub(super) title: String,
    /// Whether the items can be asked for by number, and it prints as its title alone.
    pub(super) is_range: bool,
    pub(super) items: Vec<Value>,
    depth: u16,
}

/// Values that can be gone through once.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) items: Vec<Value>,
    pub(super) next: Cell<usize>,
    depth: u16,
}

/// A macro, and the variables around it.
#[derive(Debug)]
pub(super) struct Macro {
    pub(super) def: Arc<MacroDef>,
    pub(super) scope: usize,
}

/// The items of a value, without a copy where there is a list.
#[derive(Debug)]
pub(super) enum Items {
    Seq(Rc<Seq>),
    View(Rc<View>),
    Own(Vec<Value>),
}

impl std::ops::Deref for Items {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        match self {
            Self::Seq(it) => &it.items,
            Self::View(it) => &it.items,
            Self::Own(it) => it,
        }
    }
}

/// What can be called without being a value's method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Range,
    Dict,
    Namespace,
    Cycler,
    Joiner,
    RaiseException,
    StrftimeNow,
    LoopCycle(usize),
    LoopChanged(usize),
    CyclerNext(usize),
    CyclerReset(usize),
}

impl Function {
    /// The function known under a name everywhere.
    pub(super) fn named(name: &str) -> Option<Self> {
        let it = match name {
            "range" => Self::Range,
            "dict" => Self::Dict,
            "namespace" => Self::Namespace,
            "cycler" => Self::Cycler,
            "joiner" => Self::Joiner,
            "raise_exception" => Self::RaiseException,
            "strftime_now" => Self::StrftimeNow,
            _ => return None,
        };
        Some(it)
    }
}

/// What a call is given.
#[derive(Debug, Default)]
pub(super) struct Args {
    pub(super) given: Vec<Value>,
    pub(super) named: Vec<(Arc<str>, Value)>,
}

impl Args {
    /// Values without names.
    pub(super) fn of(given: Vec<Value>) -> Self {
        Self {
            given,
            named: Vec::new(),
        }
    }

    /// Each parameter's value, where it is given.
    ///
    /// # Errors
    /// Too many, a name that is none, one twice.
    pub(super) fn bind<const N: usize>(
        self,
        callee: &str,
        names: [&str; N],
    ) -> Res<[Option<Value>; N]> {
        if self.given.len() > N {
            let n = self.given.len();
            return Err(Fault::new(format!(
                "{callee} takes at most {N} arguments, and is given {n}"
            )));
        }
        let mut out = [const { None }; N];
        for (slot, value) in out.iter_mut().zip(self.given) {
            *slot = Some(value);
        }
        for (name, value) in self.named {
            let Some(at) = names.iter().position(|it| **it == *name) else {
                return Err(Fault::new(format!("{callee} has no argument {name:?}")));
            };
            if out[at].replace(value).is_some() {
                return Err(Fault::new(format!("{callee} is given {name:?} twice")));
            }
        }
        Ok(out)
    }
}

/// The depth of a container of these.
fn depth_over<'a>(items: impl IntoIterator<Item = &'a Value>) -> Res<u16> {
    let inside = items.into_iter().map(Value::depth).max().unwrap_or(0);
    if inside >= MAX_DEPTH {
        let what = format!("lists or dicts lie more than {MAX_DEPTH} deep");
        return Err(Fault::limit(what));
    }
    Ok(inside + 1)
}

impl Value {
    /// A text that has been paid for.
    pub(super) fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Str(text.into())
    }

    /// Nothing, and why.
    pub(super) fn undefined(why: impl Into<Arc<str>>) -> Self {
        Self::Undefined(why.into())
    }

    /// # Errors
    /// Where it is too much or too deep; so for the other containers.
    pub(super) fn list(budget: &Budget, items: Vec<Self>) -> Res<Self> {
        Self::seq(budget, items, &[]).map(Self::List)
    }

    pub(super) fn tuple(budget: &Budget, items: Vec<Self>) -> Res<Self> {
        Self::seq(budget, items, &[]).map(Self::Tuple)
    }

    pub(super) fn named_tuple(
        budget: &Budget,
        items: Vec<Self>,
        names: &'static [&'static str],
    ) -> Res<Self> {
        Self::seq(budget, items, names).map(Self::Tuple)
    }

    fn seq(budget: &Budget, items: Vec<Self>, names: &'static [&'static str]) -> Res<Rc<Seq>> {
        budget.slots(items.len() + 1)?;
        let depth = depth_over(&items)?;
        Ok(Rc::new(Seq {
            items,
            depth,
            names,
        }))
    }

    /// Pairs whose keys are all different.
    pub(super) fn dict(budget: &Budget, pairs: Vec<(Self, Self)>) -> Res<Self> {
        budget.slots(2 * pairs.len() + 1)?;
        let depth = depth_over(pairs.iter().flat_map(|it| [&it.0, &it.1]))?;
        Ok(Self::Dict(Rc::new(Dict { pairs, depth })))
    }

    pub(super) fn view(
        budget: &Budget,
        title: String,
        is_range: bool,
        items: Vec<Self>,
    ) -> Res<Self> {
        budget.slots(items.len() + 1)?;
        let depth = depth_over(&items)?;
        Ok(Self::View(Rc::new(View {
            title,
            is_range,
            items,
            depth,
        })))
    }

    pub(super) fn stream(budget: &Budget, items: Vec<Self>) -> Res<Self> {
        budget.slots(items.len() + 1)?;
        let depth = depth_over(&items)?;
        Ok(Self::Stream(Rc::new(Stream {
            items,
            next: Cell::new(0),
            depth,
        })))
    }

    /// How many containers lie within one another in it.
    fn depth(&self) -> u16 {
        match self {
            Self::List(it) | Self::Tuple(it) => it.depth,
            Self::Dict(it) => it.depth,
            Self::View(it) => it.depth,
            Self::Stream(it) => it.depth,
            Self::Method(it) => it.0.depth() + 1,
            _ => 0,
        }
    }

    /// What Python calls this kind of value.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Undefined(_) => "Undefined",
            Self::None => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) => "str",
            Self::List(_) => "list",
            Self::Tuple(_) => "tuple",
            Self::Dict(_) => "dict",
            Self::View(it) if it.is_range => "range",
            Self::View(_) => "view",
            Self::Stream(_) => "generator",
            Self::Macro(_) => "Macro",
            Self::Function(_) => "function",
            Self::Method(_) => "method",
            Self::Namespace(_) => "Namespace",
            Self::Loop(_) => "LoopContext",
            Self::Cycler(_) => "Cycler",
            Self::Joiner(_) => "Joiner",
        }
    }

    /// Python's truth of it.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Undefined(_) | Self::None => false,
            Self::Bool(it) => *it,
            Self::Int(it) => *it != 0,
            Self::Float(it) => *it != 0.0,
            Self::Str(it) => !it.is_empty(),
            Self::List(it) | Self::Tuple(it) => !it.items.is_empty(),
            Self::Dict(it) => !it.pairs.is_empty(),
            Self::View(it) => !it.items.is_empty(),
            _ => true,
        }
    }

    /// As a whole number: a bool is one, too.
    pub(super) fn as_int(&self) -> Option<i128> {
        match self {
            Self::Bool(it) => Some(i128::from(*it)),
            Self::Int(it) => Some(*it),
            _ => None,
        }
    }

    /// As a number with a fraction.
    pub(super) fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(it) => Some(*it),
            _ => self.as_int().map(|it| it as f64),
        }
    }

    /// As a text.
    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(it) => Some(it),
            _ => None,
        }
    }

    /// Whether it is not defined.
    pub(super) fn is_undefined(&self) -> bool {
        matches!(self, Self::Undefined(_))
    }

    /// Whether it can be called.
    pub(super) fn is_callable(&self) -> bool {
        matches!(
            self,
            Self::Macro(_)
                | Self::Function(_)
                | Self::Method(_)
                | Self::Cycler(_)
                | Self::Joiner(_)
                | Self::Loop(_)
                | Self::Undefined(_)
        )
    }

    /// How many items it has, where it has a length.
    pub(super) fn len(&self) -> Option<usize> {
        match self {
            Self::Undefined(_) => Some(0),
            Self::Str(it) => Some(it.chars().count()),
            Self::List(it) | Self::Tuple(it) => Some(it.items.len()),
            Self::Dict(it) => Some(it.pairs.len()),
            Self::View(it) => Some(it.items.len()),
            _ => None,
        }
    }

    /// Its items to look at; a stream is used up by it.
    ///
    /// # Errors
    /// Where it has none, and where the budget is used up.
    pub(super) fn shared_items(&self, budget: &Budget) -> Res<Items> {
        Ok(match self {
            Self::List(it) | Self::Tuple(it) => Items::Seq(it.clone()),
            Self::View(it) => Items::View(it.clone()),
            other => Items::Own(other.items(budget)?),
        })
    }

    /// Its items, one after the other; a stream is used up by it.
    ///
    /// # Errors
    /// Where it has none, and where the budget is used up.
    pub(super) fn items(&self, budget: &Budget) -> Res<Vec<Self>> {
        let held = |items: &[Self]| {
            budget.slots(items.len())?;
            Ok(items.to_vec())
        };
        match self {
            Self::Undefined(_) => Ok(Vec::new()),
            Self::Str(it) => {
                let n = it.chars().count();
                // A text of one character is held with two counters.
                budget.bytes(n.saturating_mul(24))?;
                budget.slots(n)?;
                let mut buffer = [0; 4];
                let one = |it: char| Self::text(&*it.encode_utf8(&mut buffer));
                Ok(it.chars().map(one).collect())
            }
            Self::List(it) | Self::Tuple(it) => held(&it.items),
            Self::Dict(it) => {
                budget.slots(it.pairs.len())?;
                Ok(it.pairs.iter().map(|it| it.0.clone()).collect())
            }
            Self::View(it) => held(&it.items),
            Self::Stream(it) => held(&it.items[it.next.replace(it.items.len())..]),
            other => Err(Fault::new(format!("{} has no items", other.described()))),
        }
    }

    /// The value for a sentence: its kind, or why there is none.
    pub(super) fn described(&self) -> String {
        match self {
            Self::Undefined(why) => why.to_string(),
            other => format!("a value of type {}", other.kind()),
        }
    }

    /// The refusal of a value that is nothing.
    pub(super) fn defined(&self) -> Res<()> {
        match self {
            Self::Undefined(why) => Err(Fault::new(&**why)),
            _ => Ok(()),
        }
    }
}
