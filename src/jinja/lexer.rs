//! The text of a template to tokens: tags and what stands between them, with white space trimmed as
//! `trim_blocks`, `lstrip_blocks` and the signs `-` and `+` in the tags ask for.
//!
//! The rules are those of Jinja's documentation, section "Whitespace Control".

use std::sync::Arc;

use super::{
    fault::{Fault, Res, wrong},
    words,
};

/// A token and the line it begins in.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) line: u32,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// Text between tags.
    Data(Arc<str>),
    /// `{{`
    PrintBegin,
    /// `}}`
    PrintEnd,
    /// `{%`
    BlockBegin,
    /// `%}`
    BlockEnd,
    Name(Arc<str>),
    Int(i128),
    Float(f64),
    Str(String),
    Op(&'static str),
    /// The end of the template.
    End,
}

/// Names are compared at every step, so none is long.
const MAX_NAME_BYTES: usize = 1000;

/// The longest first.
const OPERATORS: [&str; 27] = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}",
    ">", "<", "=", ".", ":", "|", ",", ";", "!",
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tag {
    Print,
    Block,
    Comment,
}

struct Lexer<'a> {
    source: &'a str,
    at: usize,
    line: u32,
    /// Up to where lines are counted.
    counted: usize,
    out: Vec<Token>,
}

/// The tokens of a template whose lines end in `\n`.
///
/// # Errors
/// A tag that is not closed, a character that means nothing.
pub(super) fn tokens(source: &str) -> Res<Vec<Token>> {
    let mut it = Lexer {
        source,
        at: 0,
        line: 1,
        counted: 0,
        out: Vec::new(),
    };
    let done = it.run();
    let line = it.line_here();
    done.map_err(|fault| fault.at(line))?;
    it.push(Kind::End);
    Ok(it.out)
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn line_here(&mut self) -> u32 {
        let passed = &self.source[self.counted.min(self.at)..self.at];
        self.line += passed.matches('\n').count() as u32;
        self.counted = self.at.max(self.counted);
        self.line
    }

    fn push(&mut self, kind: Kind) {
        let line = self.line_here();
        self.out.push(Token { kind, line });
    }

    fn push_data(&mut self, text: &str) {
        if !text.is_empty() {
            self.push(Kind::Data(text.into()));
        }
    }

    fn run(&mut self) -> Res<()> {
        while let Some((before, tag)) = next_tag(self.rest()) {
            let begins_line = self.at == 0 || self.source[..self.at].ends_with('\n');
            let text = &self.rest()[..before];
            let inside = &self.rest()[before + 2..];
            let sign = inside.chars().next().filter(|it| matches!(it, '-' | '+'));
            let kept = match sign {
                Some('-') => words::trim_end(text),
                None if tag != Tag::Print => without_indent(text, begins_line),
                _ => text,
            };
            self.push_data(kept);
            self.at += before + 2 + sign.map_or(0, char::len_utf8);
            match tag {
                Tag::Comment => self.comment()?,
                Tag::Block if self.raw()? => {}
                Tag::Block => {
                    self.push(Kind::BlockBegin);
                    self.inside(Tag::Block)?;
                }
                Tag::Print => {
                    self.push(Kind::PrintBegin);
                    self.inside(Tag::Print)?;
                }
            }
        }
        let rest = self.rest();
        self.push_data(rest);
        self.at = self.source.len();
        Ok(())
    }

    /// Passes a comment; the sign before its end trims as in a block.
    fn comment(&mut self) -> Res<()> {
        let Some(n) = self.rest().find("#}") else {
            return wrong("a comment has no end, expected #}");
        };
        let sign = self.rest()[..n].chars().next_back();
        self.at += n + 2;
        self.trim_after(sign, true);
        Ok(())
    }

    /// Moves past what the end of a tag takes with it.
    fn trim_after(&mut self, sign: Option<char>, is_block: bool) {
        if sign == Some('-') {
            self.at = self.source.len() - words::trim_start(self.rest()).len();
        } else if is_block && sign != Some('+') && self.rest().starts_with('\n') {
            self.at += 1;
        }
    }

    /// `raw %} … {% endraw %}` after a `{%`: text as it stands. False where this is another tag.
    fn raw(&mut self) -> Res<bool> {
        let Some((sign, n)) = closing(self.rest(), "raw") else {
            return Ok(false);
        };
        if sign == Some('+') {
            return Ok(false);
        }
        self.at += n;
        self.trim_after(sign, false);
        let begins_line = self.source[..self.at].ends_with('\n');
        let mut from = 0;
        while let Some(n) = self.rest()[from..].find("{%") {
            let begin = from + n;
            let inside = &self.rest()[begin + 2..];
            let open = inside.chars().next().filter(|it| matches!(it, '-' | '+'));
            let skipped = open.map_or(0, char::len_utf8);
            if let Some((sign, n)) = closing(&inside[skipped..], "endraw") {
                let text = &self.rest()[..begin];
                let kept = match open {
                    Some('-') => words::trim_end(text),
                    None => without_indent(text, begins_line),
                    Some(_) => text,
                };
                self.push_data(kept);
                self.at += begin + 2 + skipped + n;
                self.trim_after(sign, true);
                return Ok(true);
            }
            from = begin + 2;
        }
        wrong("a raw block has no end, expected {% endraw %}")
    }

    /// The tokens of a tag up to its end.
    fn inside(&mut self, tag: Tag) -> Res<()> {
        let mut open: Vec<&str> = Vec::new();
        loop {
            self.at = self.source.len() - words::trim_start(self.rest()).len();
            if open.is_empty() && self.end_of(tag) {
                return Ok(());
            }
            let Some(first) = self.rest().chars().next() else {
                let want = if tag == Tag::Print { "}}" } else { "%}" };
                return wrong(format!("the template ends inside a tag, expected {want}"));
            };
            if first.is_ascii_digit() {
                self.number()?;
            } else if first == '_' || first.is_alphabetic() {
                let n = words::name_len(self.rest());
                if n > MAX_NAME_BYTES {
                    let what = format!("a name is longer than {MAX_NAME_BYTES} letters");
                    return Err(Fault::limit(what));
                }
                let name = &self.rest()[..n];
                self.push(Kind::Name(name.into()));
                self.at += n;
            } else if first == '\'' || first == '"' {
                self.text(first)?;
            } else {
                self.operator(first, &mut open)?;
            }
        }
    }

    /// Passes the end of a tag, if this is it.
    fn end_of(&mut self, tag: Tag) -> bool {
        let (ends, kind): (&[&str], _) = match tag {
            Tag::Print => (&["-}}", "}}"], Kind::PrintEnd),
            _ => (&["-%}", "+%}", "%}"], Kind::BlockEnd),
        };
        let Some(end) = ends.iter().find(|it| self.rest().starts_with(**it)) else {
            return false;
        };
        self.push(kind);
        self.at += end.len();
        let sign = end.chars().next().filter(|it| matches!(it, '-' | '+'));
        self.trim_after(sign, tag != Tag::Print);
        true
    }

    fn operator(&mut self, first: char, open: &mut Vec<&'static str>) -> Res<()> {
        let Some(op) = OPERATORS.iter().find(|it| self.rest().starts_with(**it)) else {
            return wrong(format!("unexpected character {first:?}"));
        };
        match *op {
            "(" => open.push(")"),
            "[" => open.push("]"),
            "{" => open.push("}"),
            ")" | "]" | "}" => match open.pop() {
                Some(want) if want == *op => {}
                Some(want) => return wrong(format!("unexpected {op:?}, expected {want:?}")),
                None => return wrong(format!("unexpected {op:?}")),
            },
            _ => {}
        }
        self.push(Kind::Op(op));
        self.at += op.len();
        Ok(())
    }

    fn number(&mut self) -> Res<()> {
        let rest = self.rest();
        let after_dot = self.source[..self.at].ends_with('.');
        if !after_dot && let Some(n) = float_len(rest) {
            let digits = rest[..n].replace('_', "");
            let value = digits.parse().map_err(|_| too_large())?;
            self.push(Kind::Float(value));
            self.at += n;
            return Ok(());
        }
        let (radix, from, n) = int_len(rest);
        let digits = rest[from..n].replace('_', "");
        let value = i128::from_str_radix(&digits, radix).map_err(|_| too_large())?;
        self.push(Kind::Int(value));
        self.at += n;
        Ok(())
    }

    fn text(&mut self, quote: char) -> Res<()> {
        let body = &self.rest()[1..];
        let mut is_escaped = false;
        let end = body.char_indices().find(|(_, it)| {
            let is_end = *it == quote && !is_escaped;
            is_escaped = *it == '\\' && !is_escaped;
            is_end
        });
        let Some((n, _)) = end else {
            return wrong(format!("a text has no end, expected {quote}"));
        };
        let text = unescaped(&body[..n])?;
        self.push(Kind::Str(text));
        self.at += n + 2;
        Ok(())
    }
}

fn too_large() -> Fault {
    Fault::limit("a number is too large")
}

/// How many bytes stand before the next tag, and which it is.
fn next_tag(text: &str) -> Option<(usize, Tag)> {
    text.match_indices('{').find_map(|(at, _)| {
        let tag = match text.as_bytes().get(at + 1)? {
            b'{' => Tag::Print,
            b'%' => Tag::Block,
            b'#' => Tag::Comment,
            _ => return None,
        };
        Some((at, tag))
    })
}

/// `lstrip_blocks`: without the white space that stands alone before a tag.
fn without_indent(text: &str, begins_line: bool) -> &str {
    let line = text.rfind('\n').map(|it| it + 1);
    match line.or(begins_line.then_some(0)) {
        Some(at) if words::trim_start(&text[at..]).is_empty() => &text[..at],
        _ => text,
    }
}

/// The sign before the end of a tag of one word, and the bytes up to its end.
fn closing(text: &str, word: &str) -> Option<(Option<char>, usize)> {
    let after = words::trim_start(text).strip_prefix(word)?;
    let end = words::trim_start(after);
    let sign = end.chars().next().filter(|it| matches!(it, '-' | '+'));
    let rest = end[sign.map_or(0, char::len_utf8)..].strip_prefix("%}")?;
    Some((sign, text.len() - rest.len()))
}

/// Bytes of digits with single underscores between them.
fn digits_len(text: &str, is_digit: impl Fn(u8) -> bool) -> usize {
    let bytes = text.as_bytes();
    let mut n = 0;
    loop {
        let from = n + usize::from(n > 0 && bytes.get(n) == Some(&b'_'));
        match bytes.get(from) {
            Some(it) if is_digit(*it) => n = from + 1,
            _ => return n,
        }
    }
}

/// Bytes of a number with a fraction or an exponent.
fn float_len(text: &str) -> Option<usize> {
    let decimal = |it: u8| it.is_ascii_digit();
    let whole = digits_len(text, decimal);
    let fraction = match text[whole..].strip_prefix('.') {
        Some(it) => digits_len(it, decimal),
        None => 0,
    };
    let n = if fraction > 0 {
        whole + 1 + fraction
    } else {
        whole
    };
    let exponent = text[n..].strip_prefix(['e', 'E']).and_then(|it| {
        let digits = it.strip_prefix(['+', '-']).unwrap_or(it);
        let n_digits = digits_len(digits, decimal);
        (n_digits > 0).then_some(1 + it.len() - digits.len() + n_digits)
    });
    match exponent {
        Some(more) => Some(n + more),
        None => (fraction > 0).then_some(n),
    }
}

/// The radix of a whole number, where its digits begin, and where they end.
fn int_len(text: &str) -> (u32, usize, usize) {
    let lower = |n: usize| text.as_bytes().get(n).map(u8::to_ascii_lowercase);
    if lower(0) == Some(b'0') {
        let radix = match lower(1) {
            Some(b'b') => 2,
            Some(b'o') => 8,
            Some(b'x') => 16,
            _ => 10,
        };
        if radix != 10 {
            let rest = &text[2..];
            let skipped = usize::from(rest.starts_with('_'));
            let n = digits_len(&rest[skipped..], |it| char::from(it).is_digit(radix));
            if n > 0 {
                return (radix, 2 + skipped, 2 + skipped + n);
            }
        }
        return (10, 0, digits_len(text, |it| it == b'0'));
    }
    (10, 0, digits_len(text, |it| it.is_ascii_digit()))
}

/// A text between quotes with Python's escapes resolved.
fn unescaped(raw: &str) -> Res<String> {
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let Some(it) = after.chars().next() else {
            break;
        };
        rest = &after[it.len_utf8()..];
        match it {
            '\n' => {}
            '\\' | '\'' | '"' => out.push(it),
            'a' => out.push('\x07'),
            'b' => out.push('\x08'),
            'f' => out.push('\x0c'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'v' => out.push('\x0b'),
            'x' | 'u' | 'U' => {
                let n = match it {
                    'x' => 2,
                    'u' => 4,
                    _ => 8,
                };
                let digits = rest.get(..n).unwrap_or_default();
                let code = u32::from_str_radix(digits, 16).ok();
                let Some(code) = code.filter(|_| digits.bytes().all(|it| it.is_ascii_hexdigit()))
                else {
                    return wrong(format!("\\{it} in a text needs {n} hexadecimal digits"));
                };
                out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                rest = &rest[n..];
            }
            '0'..='7' => {
                let n = after
                    .bytes()
                    .take(3)
                    .take_while(|it| (b'0'..=b'7').contains(it));
                let n = n.count();
                let code = u32::from_str_radix(&after[..n], 8).unwrap_or(0);
                out.extend(char::from_u32(code));
                rest = &after[n..];
            }
            'N' => {
                return wrong(
                    "\\N in a text needs the name of a character, and none is known here",
                );
            }
            other => {
                out.push('\\');
                out.push(other);
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}
