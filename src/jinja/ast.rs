//! A template as a tree. Its depth is bounded when it is built, so walking and dropping it is safe.

use std::sync::Arc;

/// Statements in a row.
pub(super) type Body = Vec<Stmt>;

/// An expression, its line, and how many expressions lie within one another in it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) expr: Expr,
    pub(super) line: u32,
    pub(super) depth: u16,
}

/// A value that is written down.
#[derive(Clone, Debug)]
pub(super) enum Literal {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(Arc<str>),
}

/// What gives a value.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    Literal(Literal),
    Name(Arc<str>),
    List(Vec<Node>),
    Tuple(Vec<Node>),
    Dict(Vec<(Node, Node)>),
    /// `a.b`
    Attr(Box<Node>, Arc<str>),
    /// `a[b]`
    Item(Box<Node>, Box<Node>),
    /// `a[from:to:step]`
    Slice(Box<Node>, Box<[Option<Node>; 3]>),
    Call(Box<Node>, Arguments),
    /// `a | name(…)`
    Filter(Box<Node>, Arc<str>, Arguments),
    /// `a is name(…)`
    Test(Box<Node>, Arc<str>, Arguments),
    Not(Box<Node>),
    Neg(Box<Node>),
    Pos(Box<Node>),
    Binary(Binary, Box<Node>, Box<Node>),
    /// `a ~ b ~ c`
    Concat(Vec<Node>),
    /// `a < b <= c`
    Compare(Box<Node>, Vec<(Compare, Node)>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    /// `yes if test else no`
    Cond {
        test: Box<Node>,
        yes: Box<Node>,
        no: Option<Box<Node>>,
    },
}

/// An operation on two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Rem,
    Pow,
}

/// A comparison of two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
}

/// `(a, *b, c=d, **e)`
#[derive(Clone, Debug, Default)]
pub(super) struct Arguments {
    pub(super) given: Vec<Node>,
    pub(super) named: Vec<(Arc<str>, Node)>,
    pub(super) star: Option<Box<Node>>,
    pub(super) star_star: Option<Box<Node>>,
}

/// Where a value is put.
#[derive(Clone, Debug)]
pub(super) enum Target {
    Name(Arc<str>),
    /// `ns.name`
    Attr(Arc<str>, Arc<str>),
    Tuple(Vec<Target>),
}

/// A filter on what a block writes.
#[derive(Clone, Debug)]
pub(super) struct FilterCall {
    pub(super) name: Arc<str>,
    pub(super) arguments: Arguments,
    pub(super) line: u32,
}

/// `{% for target in items if test recursive %}body{% else %}otherwise{% endfor %}`
#[derive(Debug)]
pub(super) struct For {
    pub(super) target: Target,
    pub(super) items: Node,
    pub(super) test: Option<Node>,
    pub(super) is_recursive: bool,
    pub(super) body: Body,
    pub(super) otherwise: Body,
}

/// `{% macro name(parameters) %}body{% endmacro %}`, or the body of a call block.
#[derive(Debug)]
pub(super) struct MacroDef {
    pub(super) name: Arc<str>,
    pub(super) parameters: Vec<(Arc<str>, Option<Node>)>,
    pub(super) body: Body,
    pub(super) uses_varargs: bool,
    pub(super) uses_kwargs: bool,
    pub(super) uses_caller: bool,
}

/// A statement.
#[derive(Clone, Debug)]
pub(super) enum Stmt {
    Text(Arc<str>),
    Print(Node),
    If {
        arms: Vec<(Node, Body)>,
        otherwise: Body,
    },
    For(Arc<For>),
    Set(Target, Node),
    SetBlock(Target, Vec<FilterCall>, Body),
    With(Vec<(Target, Node)>, Body),
    Macro(Arc<MacroDef>),
    /// A call, and the body its callee may call.
    Call(Node, Arc<MacroDef>),
    FilterBlock(Vec<FilterCall>, Body),
    /// A body with variables of its own.
    Scope(Body),
    Break,
    Continue,
}

impl Arguments {
    fn nodes(&self) -> impl Iterator<Item = &Node> {
        let named = self.named.iter().map(|it| &it.1);
        let stars = self.star.iter().chain(&self.star_star).map(AsRef::as_ref);
        self.given.iter().chain(named).chain(stars)
    }
}

impl Expr {
    /// The depth of the deepest part.
    pub(super) fn depth_inside(&self) -> u16 {
        let of = |it: &mut dyn Iterator<Item = &Node>| it.map(|it| it.depth).max().unwrap_or(0);
        match self {
            Self::Literal(_) | Self::Name(_) => 0,
            Self::List(items) | Self::Tuple(items) | Self::Concat(items) => of(&mut items.iter()),
            Self::Dict(pairs) => of(&mut pairs.iter().flat_map(|it| [&it.0, &it.1])),
            Self::Attr(it, _) | Self::Not(it) | Self::Neg(it) | Self::Pos(it) => it.depth,
            Self::Item(a, b) | Self::Binary(_, a, b) | Self::And(a, b) | Self::Or(a, b) => {
                a.depth.max(b.depth)
            }
            Self::Slice(it, ends) => it.depth.max(of(&mut ends.iter().flatten())),
            Self::Call(it, arguments)
            | Self::Filter(it, _, arguments)
            | Self::Test(it, _, arguments) => it.depth.max(of(&mut arguments.nodes())),
            Self::Compare(first, others) => first.depth.max(of(&mut others.iter().map(|it| &it.1))),
            Self::Cond { test, yes, no } => {
                let no = no.as_ref().map_or(0, |it| it.depth);
                test.depth.max(yes.depth).max(no)
            }
        }
    }
}
