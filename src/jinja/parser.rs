//! Tokens to statements. Expressions are in `expression`.
//!
//! Nesting is counted on the way down, so a hostile template ends the parser, not the stack.

use std::sync::Arc;

use super::{
    ast::{Body, FilterCall, For, MacroDef, Stmt, Target},
    fault::{Fault, Res, wrong},
    lexer::{Kind, Token, tokens},
};

/// How deep blocks and brackets may lie within one another; published templates stay below 20.
pub(super) const MAX_NESTING: usize = 100;

/// Reads tokens from left to right.
pub(super) struct Parser {
    tokens: Vec<Token>,
    at: usize,
    nesting: usize,
    n_loops: usize,
    /// For each macro around here, which of `varargs`, `kwargs` and `caller` it names.
    macros: Vec<[bool; 3]>,
}

/// The statements of a template whose lines end in `\n`.
///
/// # Errors
/// What is not Jinja, with its line.
pub(super) fn parse(source: &str) -> Res<Body> {
    let mut it = Parser {
        tokens: tokens(source)?,
        at: 0,
        nesting: 0,
        n_loops: 0,
        macros: Vec::new(),
    };
    let body = it.body(&[]);
    let line = it.line();
    body.map_err(|fault| fault.at(line))
}

impl Parser {
    pub(super) fn kind(&self) -> &Kind {
        self.tokens.get(self.at).map_or(&Kind::End, |it| &it.kind)
    }

    pub(super) fn kind_after(&self) -> &Kind {
        self.tokens
            .get(self.at + 1)
            .map_or(&Kind::End, |it| &it.kind)
    }

    pub(super) fn line(&self) -> u32 {
        let here = self.tokens.get(self.at).or(self.tokens.last());
        here.map_or(0, |it| it.line)
    }

    pub(super) fn advance(&mut self) {
        self.at += 1;
    }

    pub(super) fn is_op(&self, op: &str) -> bool {
        matches!(self.kind(), Kind::Op(it) if *it == op)
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self.kind(), Kind::Name(it) if **it == *word)
    }

    pub(super) fn skip_op(&mut self, op: &str) -> bool {
        let is_it = self.is_op(op);
        self.at += usize::from(is_it);
        is_it
    }

    pub(super) fn skip_word(&mut self, word: &str) -> bool {
        let is_it = self.is_word(word);
        self.at += usize::from(is_it);
        is_it
    }

    pub(super) fn expect_op(&mut self, op: &str) -> Res<()> {
        if self.skip_op(op) {
            return Ok(());
        }
        Err(self.unexpected(&format!("{op:?}")))
    }

    pub(super) fn expect_name(&mut self) -> Res<Arc<str>> {
        match self.kind() {
            Kind::Name(it) => {
                let name = it.clone();
                self.advance();
                Ok(name)
            }
            _ => Err(self.unexpected("a name")),
        }
    }

    /// The refusal of the token that is next.
    pub(super) fn unexpected(&self, want: &str) -> Fault {
        let got = match self.kind() {
            Kind::Data(_) => "text".to_owned(),
            Kind::PrintBegin => "{{".to_owned(),
            Kind::PrintEnd => "}}".to_owned(),
            Kind::BlockBegin => "{%".to_owned(),
            Kind::BlockEnd => "%}".to_owned(),
            Kind::Name(it) => format!("{:?}", short(it)),
            Kind::Int(it) => it.to_string(),
            Kind::Float(it) => it.to_string(),
            Kind::Str(it) => format!("the text {:?}", short(it)),
            Kind::Op(it) => format!("{it:?}"),
            Kind::End => "the end of the template".to_owned(),
        };
        Fault::new(format!("unexpected {got}, expected {want}")).at(self.line())
    }

    /// Runs a part one level deeper.
    pub(super) fn deeper<T>(&mut self, part: impl FnOnce(&mut Self) -> Res<T>) -> Res<T> {
        if self.nesting >= MAX_NESTING {
            let what = format!("blocks or brackets lie more than {MAX_NESTING} deep");
            return Err(Fault::limit(what).at(self.line()));
        }
        self.nesting += 1;
        let out = part(self);
        self.nesting -= 1;
        out
    }

    /// Notes that the bodies of the macros around here name one of their hidden parameters.
    pub(super) fn note_name(&mut self, name: &str) {
        let at = ["varargs", "kwargs", "caller"]
            .iter()
            .position(|it| *it == name);
        if let Some(at) = at {
            // Jinja looks into macros within macros, too.
            self.macros.iter_mut().for_each(|used| used[at] = true);
        }
    }

    /// Statements up to a tag that begins with one of `ends`, which is next then; up to the end of the
    /// template where there are none.
    fn body(&mut self, ends: &[&str]) -> Res<Body> {
        self.deeper(|it| it.statements(ends))
    }

    fn statements(&mut self, ends: &[&str]) -> Res<Body> {
        let mut out = Vec::new();
        loop {
            match self.kind() {
                Kind::Data(text) => {
                    out.push(Stmt::Text(text.clone()));
                    self.advance();
                }
                Kind::PrintBegin => {
                    self.advance();
                    out.push(Stmt::Print(self.tuple(true)?));
                    self.expect_end(&Kind::PrintEnd)?;
                }
                Kind::BlockBegin => {
                    self.advance();
                    if ends.iter().any(|it| self.is_word(it)) {
                        return Ok(out);
                    }
                    let statement = self.statement()?;
                    out.push(statement);
                    self.expect_end(&Kind::BlockEnd)?;
                }
                Kind::End if ends.is_empty() => return Ok(out),
                _ => {
                    let want = format!("{{% {} %}}", ends.join(" or "));
                    return Err(self.unexpected(&want));
                }
            }
        }
    }

    fn expect_end(&mut self, end: &Kind) -> Res<()> {
        if self.kind() == end {
            self.advance();
            return Ok(());
        }
        let want = if *end == Kind::PrintEnd { "}}" } else { "%}" };
        Err(self.unexpected(want))
    }

    /// A body behind the end of this tag, up to `end`, whose name is passed.
    fn body_to(&mut self, end: &str) -> Res<Body> {
        self.expect_end(&Kind::BlockEnd)?;
        let body = self.body(&[end])?;
        self.advance();
        Ok(body)
    }

    fn statement(&mut self) -> Res<Stmt> {
        let line = self.line();
        let word = self.expect_name()?;
        match &*word {
            "if" => self.if_statement(),
            "for" => self.for_statement(),
            "set" => self.set_statement(),
            "with" => self.with_statement(),
            "macro" => self.macro_statement(),
            "call" => self.call_statement(),
            "filter" => {
                let filters = self.filter_chain(true)?;
                Ok(Stmt::FilterBlock(filters, self.body_to("endfilter")?))
            }
            "print" => Ok(Stmt::Print(self.printed()?)),
            // What `apply_chat_template` marks with it is of no use here.
            "generation" => Ok(Stmt::Scope(self.body_to("endgeneration")?)),
            "block" => self.block_statement(),
            "autoescape" => {
                let _ = self.expression()?;
                Ok(Stmt::Scope(self.body_to("endautoescape")?))
            }
            "break" | "continue" if self.n_loops == 0 => {
                Err(Fault::new(format!("{word} stands outside of a loop")).at(line))
            }
            "break" => Ok(Stmt::Break),
            "continue" => Ok(Stmt::Continue),
            "include" | "import" | "from" | "extends" => {
                let what = format!("{word} needs another template, and there is none");
                Err(Fault::new(what).at(line))
            }
            other => Err(Fault::new(format!("there is no tag {:?} here", short(other))).at(line)),
        }
    }

    fn if_statement(&mut self) -> Res<Stmt> {
        let mut arms = Vec::new();
        let mut otherwise = Vec::new();
        loop {
            let test = self.tuple(false)?;
            self.expect_end(&Kind::BlockEnd)?;
            arms.push((test, self.body(&["elif", "else", "endif"])?));
            if self.skip_word("elif") {
                continue;
            }
            if self.skip_word("else") {
                otherwise = self.body_to("endif")?;
            } else {
                self.advance();
            }
            return Ok(Stmt::If { arms, otherwise });
        }
    }

    fn for_statement(&mut self) -> Res<Stmt> {
        let target = self.target(false)?;
        if names(&target, "loop") {
            return wrong("a loop cannot name its items \"loop\"");
        }
        if !self.skip_word("in") {
            return Err(self.unexpected("\"in\""));
        }
        let items = self.tuple(false)?;
        let test = self
            .skip_word("if")
            .then(|| self.expression())
            .transpose()?;
        let is_recursive = self.skip_word("recursive");
        self.expect_end(&Kind::BlockEnd)?;
        self.n_loops += 1;
        let body = self.body(&["endfor", "else"]);
        self.n_loops -= 1;
        let body = body?;
        let otherwise = if self.skip_word("else") {
            self.body_to("endfor")?
        } else {
            self.advance();
            Vec::new()
        };
        Ok(Stmt::For(Arc::new(For {
            target,
            items,
            test,
            is_recursive,
            body,
            otherwise,
        })))
    }

    fn set_statement(&mut self) -> Res<Stmt> {
        let target = self.target(true)?;
        if self.skip_op("=") {
            return Ok(Stmt::Set(target, self.tuple(true)?));
        }
        let filters = self.filter_chain(false)?;
        Ok(Stmt::SetBlock(target, filters, self.body_to("endset")?))
    }

    fn with_statement(&mut self) -> Res<Stmt> {
        let mut pairs = Vec::new();
        while *self.kind() != Kind::BlockEnd {
            if !pairs.is_empty() {
                self.expect_op(",")?;
            }
            let target = self.one_target(false)?;
            self.expect_op("=")?;
            pairs.push((target, self.expression()?));
        }
        Ok(Stmt::With(pairs, self.body_to("endwith")?))
    }

    fn block_statement(&mut self) -> Res<Stmt> {
        let _ = self.expect_name()?;
        while self.skip_word("scoped") || self.skip_word("required") {}
        let body = self.body_to("endblock")?;
        if let Kind::Name(_) = self.kind() {
            self.advance();
        }
        Ok(Stmt::Scope(body))
    }

    fn macro_statement(&mut self) -> Res<Stmt> {
        let name = self.expect_name()?;
        let it = self.macro_with(name, true, "endmacro")?;
        Ok(Stmt::Macro(Arc::new(it)))
    }

    fn call_statement(&mut self) -> Res<Stmt> {
        let outer = self.macros.len();
        let has_signature = self.is_op("(");
        let parameters = if has_signature {
            self.parameters()?
        } else {
            Vec::new()
        };
        let call = self.expression()?;
        if !matches!(call.expr, super::ast::Expr::Call(..)) {
            return wrong("a call block needs a call");
        }
        debug_assert_eq!(outer, self.macros.len());
        let it = self.macro_body("caller".into(), parameters, "endcall")?;
        Ok(Stmt::Call(call, Arc::new(it)))
    }

    fn macro_with(&mut self, name: Arc<str>, needs: bool, end: &str) -> Res<MacroDef> {
        if needs && !self.is_op("(") {
            return Err(self.unexpected("\"(\""));
        }
        let parameters = self.parameters()?;
        self.macro_body(name, parameters, end)
    }

    fn macro_body(
        &mut self,
        name: Arc<str>,
        parameters: Vec<(Arc<str>, Option<super::ast::Node>)>,
        end: &str,
    ) -> Res<MacroDef> {
        self.macros.push([false; 3]);
        let n_loops = std::mem::take(&mut self.n_loops);
        let body = self.body_to(end);
        self.n_loops = n_loops;
        let [uses_varargs, uses_kwargs, uses_caller] = self.macros.pop().unwrap_or_default();
        Ok(MacroDef {
            name,
            parameters,
            body: body?,
            uses_varargs,
            uses_kwargs,
            uses_caller,
        })
    }

    /// `(a, b=1)`
    fn parameters(&mut self) -> Res<Vec<(Arc<str>, Option<super::ast::Node>)>> {
        let mut out: Vec<(Arc<str>, Option<_>)> = Vec::new();
        self.expect_op("(")?;
        while !self.is_op(")") {
            if !out.is_empty() {
                self.expect_op(",")?;
                if self.is_op(")") {
                    break;
                }
            }
            let name = self.expect_name()?;
            let default = self.skip_op("=").then(|| self.expression()).transpose()?;
            if default.is_none() && out.last().is_some_and(|it| it.1.is_some()) {
                return wrong("a parameter without a default stands behind one that has one");
            }
            out.push((name, default));
        }
        self.expect_op(")")?;
        Ok(out)
    }

    /// Where a value goes: names with commas between them are a tuple.
    fn target(&mut self, with_attr: bool) -> Res<Target> {
        let mut all = vec![self.one_target(with_attr)?];
        let mut is_tuple = false;
        while self.skip_op(",") {
            is_tuple = true;
            if self.is_word("in") || self.is_op("=") || *self.kind() == Kind::BlockEnd {
                break;
            }
            all.push(self.one_target(with_attr)?);
        }
        Ok(match all.pop() {
            Some(only) if !is_tuple => only,
            Some(last) => {
                all.push(last);
                Target::Tuple(all)
            }
            None => Target::Tuple(all),
        })
    }

    fn one_target(&mut self, with_attr: bool) -> Res<Target> {
        if self.skip_op("(") {
            let inner = self.deeper(|it| it.target(with_attr))?;
            self.expect_op(")")?;
            return Ok(inner);
        }
        let name = self.expect_name()?;
        if matches!(
            &*name,
            "true" | "false" | "none" | "True" | "False" | "None"
        ) {
            return wrong(format!("a value cannot be put into {name}"));
        }
        if with_attr && self.skip_op(".") {
            self.note_name(&name);
            return Ok(Target::Attr(name, self.expect_name()?));
        }
        Ok(Target::Name(name))
    }

    /// Filters one after the other: with a name first where `starts_inline`, else behind a `|`.
    fn filter_chain(&mut self, starts_inline: bool) -> Res<Vec<FilterCall>> {
        let mut out = Vec::new();
        let mut is_next = starts_inline || self.skip_op("|");
        while is_next {
            let line = self.line();
            let (name, arguments) = self.filter_call()?;
            out.push(FilterCall {
                name,
                arguments,
                line,
            });
            is_next = self.skip_op("|");
        }
        Ok(out)
    }
}

fn names(target: &Target, name: &str) -> bool {
    match target {
        Target::Name(it) => **it == *name,
        Target::Attr(..) => false,
        Target::Tuple(all) => all.iter().any(|it| names(it, name)),
    }
}

/// The beginning of a text from a template, for a sentence.
pub(super) fn short(text: &str) -> String {
    const MAX: usize = 40;
    let mut out: String = text.chars().take(MAX).collect();
    if out.len() < text.len() {
        out.push('…');
    }
    out
}
