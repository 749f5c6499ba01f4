//! Tokens to expressions, from what binds least (`if … else`) to what binds most (a literal).

use std::sync::Arc;

use super::{
    ast::{Arguments, Binary, Compare, Expr, Literal, Node},
    fault::{Fault, Res, wrong},
    lexer::Kind,
    parser::Parser,
};

/// How many operations may lie within one another; published templates stay below 50.
const MAX_DEPTH: u16 = 250;

impl Parser {
    fn node(expr: Expr, line: u32) -> Res<Node> {
        let depth = expr.depth_inside() + 1;
        if depth > MAX_DEPTH {
            let what = format!("an expression of more than {MAX_DEPTH} operations in a row");
            return Err(Fault::limit(what).at(line));
        }
        Ok(Node { expr, line, depth })
    }

    /// An expression.
    pub(super) fn expression(&mut self) -> Res<Node> {
        self.deeper(Self::conditional)
    }

    fn conditional(&mut self) -> Res<Node> {
        let line = self.line();
        let mut it = self.or()?;
        while self.skip_word("if") {
            let test = self.or()?;
            let no = if self.skip_word("else") {
                Some(Box::new(self.expression()?))
            } else {
                None
            };
            let (test, yes) = (Box::new(test), Box::new(it));
            it = Self::node(Expr::Cond { test, yes, no }, line)?;
        }
        Ok(it)
    }

    /// Expressions with commas between them are a tuple. Without `with_if`, an `if` ends it.
    pub(super) fn tuple(&mut self, with_if: bool) -> Res<Node> {
        let line = self.line();
        let mut all = Vec::new();
        let mut is_tuple = false;
        loop {
            if is_tuple && self.ends_tuple() {
                break;
            }
            all.push(if with_if {
                self.expression()?
            } else {
                self.deeper(Self::or)?
            });
            if !self.skip_op(",") {
                break;
            }
            is_tuple = true;
        }
        match all.pop() {
            Some(only) if !is_tuple => Ok(only),
            last => {
                all.extend(last);
                Self::node(Expr::Tuple(all), line)
            }
        }
    }

    /// Expressions with commas between them, to be written one after the other.
    pub(super) fn printed(&mut self) -> Res<Node> {
        let line = self.line();
        let mut all = Vec::new();
        while *self.kind() != Kind::BlockEnd {
            if !all.is_empty() {
                self.expect_op(",")?;
            }
            all.push(self.expression()?);
        }
        Self::node(Expr::Concat(all), line)
    }

    fn ends_tuple(&self) -> bool {
        match self.kind() {
            Kind::PrintEnd | Kind::BlockEnd => true,
            Kind::Op(it) => *it == ")",
            Kind::Name(it) => **it == *"recursive",
            _ => false,
        }
    }

    fn or(&mut self) -> Res<Node> {
        let line = self.line();
        let mut it = self.and()?;
        while self.skip_word("or") {
            let right = self.and()?;
            it = Self::node(Expr::Or(Box::new(it), Box::new(right)), line)?;
        }
        Ok(it)
    }

    fn and(&mut self) -> Res<Node> {
        let line = self.line();
        let mut it = self.not()?;
        while self.skip_word("and") {
            let right = self.not()?;
            it = Self::node(Expr::And(Box::new(it), Box::new(right)), line)?;
        }
        Ok(it)
    }

    fn not(&mut self) -> Res<Node> {
        let line = self.line();
        if self.skip_word("not") {
            let inner = self.deeper(Self::not)?;
            return Self::node(Expr::Not(Box::new(inner)), line);
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Res<Node> {
        let line = self.line();
        let first = self.sum()?;
        let mut others = Vec::new();
        while let Some(op) = self.comparing() {
            others.push((op, self.sum()?));
        }
        if others.is_empty() {
            return Ok(first);
        }
        Self::node(Expr::Compare(Box::new(first), others), line)
    }

    /// Passes a comparison's sign.
    fn comparing(&mut self) -> Option<Compare> {
        let (op, n) = match self.kind() {
            Kind::Op("==") => (Compare::Eq, 1),
            Kind::Op("!=") => (Compare::Ne, 1),
            Kind::Op("<") => (Compare::Lt, 1),
            Kind::Op("<=") => (Compare::Le, 1),
            Kind::Op(">") => (Compare::Gt, 1),
            Kind::Op(">=") => (Compare::Ge, 1),
            Kind::Name(it) if **it == *"in" => (Compare::In, 1),
            Kind::Name(it) if **it == *"not" => match self.kind_after() {
                Kind::Name(it) if **it == *"in" => (Compare::NotIn, 2),
                _ => return None,
            },
            _ => return None,
        };
        (0..n).for_each(|_| self.advance());
        Some(op)
    }

    fn sum(&mut self) -> Res<Node> {
        let signs = [("+", Binary::Add), ("-", Binary::Sub)];
        self.chain(&signs, Self::concatenation)
    }

    fn concatenation(&mut self) -> Res<Node> {
        let line = self.line();
        let first = self.product()?;
        if !self.is_op("~") {
            return Ok(first);
        }
        let mut all = vec![first];
        while self.skip_op("~") {
            all.push(self.product()?);
        }
        Self::node(Expr::Concat(all), line)
    }

    fn product(&mut self) -> Res<Node> {
        let signs = [
            ("*", Binary::Mul),
            ("/", Binary::Div),
            ("//", Binary::FloorDiv),
            ("%", Binary::Rem),
        ];
        self.chain(&signs, Self::power)
    }

    fn power(&mut self) -> Res<Node> {
        self.chain(&[("**", Binary::Pow)], |it| it.unary(true))
    }

    /// Operations of one rank, from left to right.
    fn chain(
        &mut self,
        signs: &[(&str, Binary)],
        part: impl Fn(&mut Self) -> Res<Node>,
    ) -> Res<Node> {
        let line = self.line();
        let mut it = part(self)?;
        while let Some((_, op)) = signs.iter().find(|it| self.is_op(it.0)) {
            self.advance();
            let right = part(self)?;
            it = Self::node(Expr::Binary(*op, Box::new(it), Box::new(right)), line)?;
        }
        Ok(it)
    }

    fn unary(&mut self, with_filter: bool) -> Res<Node> {
        let line = self.line();
        let wrap: Option<fn(Box<Node>) -> Expr> = match self.kind() {
            Kind::Op("-") => Some(Expr::Neg),
            Kind::Op("+") => Some(Expr::Pos),
            _ => None,
        };
        let it = match wrap {
            Some(wrap) => {
                self.advance();
                let inner = self.deeper(|it| it.unary(false))?;
                Self::node(wrap(Box::new(inner)), line)?
            }
            None => self.primary()?,
        };
        let it = self.postfix(it)?;
        if with_filter {
            self.filters_and_tests(it)
        } else {
            Ok(it)
        }
    }

    fn primary(&mut self) -> Res<Node> {
        let line = self.line();
        let literal = match self.kind().clone() {
            Kind::Name(it) => match &*it {
                "true" | "True" => Literal::Bool(true),
                "false" | "False" => Literal::Bool(false),
                "none" | "None" => Literal::None,
                _ => {
                    self.note_name(&it);
                    self.advance();
                    return Self::node(Expr::Name(it), line);
                }
            },
            Kind::Int(it) => Literal::Int(it),
            Kind::Float(it) => Literal::Float(it),
            Kind::Str(mut text) => {
                while let Kind::Str(more) = self.kind_after() {
                    text.push_str(more);
                    self.advance();
                }
                Literal::Str(text.into())
            }
            Kind::Op("(") => return self.parenthesis(),
            Kind::Op("[") => {
                let items = self.listed("[", "]", Self::expression)?;
                return Self::node(Expr::List(items), line);
            }
            Kind::Op("{") => {
                let pairs = self.listed("{", "}", |it| {
                    let key = it.expression()?;
                    it.expect_op(":")?;
                    Ok((key, it.expression()?))
                })?;
                return Self::node(Expr::Dict(pairs), line);
            }
            _ => return Err(self.unexpected("an expression")),
        };
        self.advance();
        Self::node(Expr::Literal(literal), line)
    }

    fn parenthesis(&mut self) -> Res<Node> {
        let line = self.line();
        self.expect_op("(")?;
        if self.skip_op(")") {
            return Self::node(Expr::Tuple(Vec::new()), line);
        }
        let it = self.tuple(true)?;
        self.expect_op(")")?;
        Ok(it)
    }

    /// Parts with commas between them, in brackets.
    fn listed<T>(
        &mut self,
        open: &str,
        close: &str,
        part: impl Fn(&mut Self) -> Res<T>,
    ) -> Res<Vec<T>> {
        self.expect_op(open)?;
        let mut out = Vec::new();
        while !self.is_op(close) {
            if !out.is_empty() {
                self.expect_op(",")?;
                if self.is_op(close) {
                    break;
                }
            }
            out.push(part(self)?);
        }
        self.expect_op(close)?;
        Ok(out)
    }

    /// `.name`, `[item]` and `(…)` behind a value.
    fn postfix(&mut self, first: Node) -> Res<Node> {
        let mut it = first;
        loop {
            let line = self.line();
            it = match self.kind() {
                Kind::Op(".") => self.attribute(it)?,
                Kind::Op("[") => self.subscript(it)?,
                Kind::Op("(") => {
                    let arguments = self.arguments()?;
                    Self::node(Expr::Call(Box::new(it), arguments), line)?
                }
                _ => return Ok(it),
            };
        }
    }

    fn attribute(&mut self, it: Node) -> Res<Node> {
        let line = self.line();
        self.expect_op(".")?;
        if let Kind::Int(n) = self.kind() {
            let literal = Expr::Literal(Literal::Int(*n));
            self.advance();
            let index = Self::node(literal, line)?;
            return Self::node(Expr::Item(Box::new(it), Box::new(index)), line);
        }
        let name = self.expect_name()?;
        Self::node(Expr::Attr(Box::new(it), name), line)
    }

    fn subscript(&mut self, it: Node) -> Res<Node> {
        let line = self.line();
        self.expect_op("[")?;
        let first = self.slice_part()?;
        if self.is_op(":") {
            let mut ends = [first, None, None];
            for end in &mut ends[1..] {
                if self.skip_op(":") {
                    *end = self.slice_part()?;
                }
            }
            self.expect_op("]")?;
            return Self::node(Expr::Slice(Box::new(it), Box::new(ends)), line);
        }
        let Some(first) = first else {
            return Err(self.unexpected("an expression"));
        };
        let mut all = vec![first];
        let mut is_tuple = false;
        while self.skip_op(",") {
            is_tuple = true;
            if self.is_op("]") {
                break;
            }
            all.push(self.expression()?);
        }
        self.expect_op("]")?;
        let key = match all.pop() {
            Some(only) if !is_tuple => only,
            last => {
                all.extend(last);
                Self::node(Expr::Tuple(all), line)?
            }
        };
        Self::node(Expr::Item(Box::new(it), Box::new(key)), line)
    }

    fn slice_part(&mut self) -> Res<Option<Node>> {
        if self.is_op(":") || self.is_op("]") {
            return Ok(None);
        }
        self.expression().map(Some)
    }

    fn filters_and_tests(&mut self, first: Node) -> Res<Node> {
        let mut it = first;
        loop {
            let line = self.line();
            if self.skip_op("|") {
                let (name, arguments) = self.filter_call()?;
                it = Self::node(Expr::Filter(Box::new(it), name, arguments), line)?;
            } else if self.skip_word("is") {
                it = self.test(it)?;
            } else if self.is_op("(") {
                let arguments = self.arguments()?;
                it = Self::node(Expr::Call(Box::new(it), arguments), line)?;
            } else {
                return Ok(it);
            }
        }
    }

    /// `name(…)` behind a `|`.
    pub(super) fn filter_call(&mut self) -> Res<(Arc<str>, Arguments)> {
        let name = self.dotted_name()?;
        let arguments = if self.is_op("(") {
            self.arguments()?
        } else {
            Arguments::default()
        };
        Ok((name, arguments))
    }

    fn dotted_name(&mut self) -> Res<Arc<str>> {
        let mut name = self.expect_name()?.to_string();
        while self.skip_op(".") {
            name.push('.');
            name.push_str(&self.expect_name()?);
        }
        Ok(name.into())
    }

    /// `not name(…)` or `name value` behind an `is`.
    fn test(&mut self, it: Node) -> Res<Node> {
        let line = self.line();
        let is_negated = self.skip_word("not");
        let name = self.dotted_name()?;
        let mut arguments = Arguments::default();
        let has_value = match self.kind() {
            Kind::Op("(") => {
                arguments = self.arguments()?;
                false
            }
            Kind::Op("[" | "{") | Kind::Int(_) | Kind::Float(_) | Kind::Str(_) => true,
            Kind::Name(it) if **it == *"is" => {
                return wrong("tests cannot be chained with \"is\"");
            }
            Kind::Name(it) => !matches!(&**it, "else" | "or" | "and"),
            _ => false,
        };
        if has_value {
            let value = self.primary()?;
            arguments.given.push(self.postfix(value)?);
        }
        let test = Self::node(Expr::Test(Box::new(it), name, arguments), line)?;
        if is_negated {
            return Self::node(Expr::Not(Box::new(test)), line);
        }
        Ok(test)
    }

    /// `(a, *b, c=d, **e)`
    fn arguments(&mut self) -> Res<Arguments> {
        let mut out = Arguments::default();
        self.expect_op("(")?;
        let mut is_first = true;
        while !self.is_op(")") {
            if !is_first {
                self.expect_op(",")?;
                if self.is_op(")") {
                    break;
                }
            }
            is_first = false;
            self.argument(&mut out)?;
        }
        self.expect_op(")")?;
        Ok(out)
    }

    fn argument(&mut self, out: &mut Arguments) -> Res<()> {
        let misplaced = |is_wrong: bool| {
            if is_wrong {
                return wrong("the arguments of a call are in the wrong order");
            }
            Ok(())
        };
        if self.skip_op("*") {
            misplaced(out.star.is_some() || out.star_star.is_some())?;
            out.star = Some(Box::new(self.expression()?));
        } else if self.skip_op("**") {
            misplaced(out.star_star.is_some())?;
            out.star_star = Some(Box::new(self.expression()?));
        } else if matches!(
            (self.kind(), self.kind_after()),
            (Kind::Name(_), Kind::Op("="))
        ) {
            misplaced(out.star_star.is_some())?;
            let name = self.expect_name()?;
            self.expect_op("=")?;
            out.named.push((name, self.expression()?));
        } else {
            let is_late = out.star.is_some() || out.star_star.is_some() || !out.named.is_empty();
            misplaced(is_late)?;
            out.given.push(self.expression()?);
        }
        Ok(())
    }
}
