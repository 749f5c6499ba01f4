//! What goes wrong in a template, with the line it goes wrong in.

/// A result of anything a template does.
pub(super) type Res<T> = Result<T, Fault>;

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    /// One sentence without its end.
    pub(super) what: String,
    /// The line, counted from 1; 0 where it is not known yet.
    pub(super) line: u32,
    /// Whether nothing is wrong but the size of it.
    pub(super) is_limit: bool,
}

impl Fault {
    /// Something that is wrong.
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            line: 0,
            is_limit: false,
        }
    }

    /// Something that is too much.
    pub(super) fn limit(what: impl Into<String>) -> Self {
        Self {
            is_limit: true,
            ..Self::new(what)
        }
    }

    /// The same with its line, unless it has one.
    pub(super) fn at(mut self, line: u32) -> Self {
        if self.line == 0 {
            self.line = line;
        }
        self
    }
}

/// Ends with something that is wrong.
pub(super) fn wrong<T>(what: impl Into<String>) -> Res<T> {
    Err(Fault::new(what))
}
