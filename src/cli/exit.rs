//! How a command ends when it does not succeed.

use std::fmt;

use crate::spec::shown;

/// What the exit status says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Whoever read what it printed has seen enough.
    Left = 0,
    /// It ran, and found something wrong with what it looked at.
    Finding = 1,
    /// Misuse or unusable input; nothing was written.
    Misuse = 2,
    /// A run failed part-way.
    PartWay = 3,
}

/// One sentence, and the exit status that goes with it.
#[derive(Debug)]
pub struct Failure {
    /// How the program ends.
    pub status: Status,
    /// What is wrong, what was expected, where.
    pub what: String,
}

impl Failure {
    /// What was looked at is not as it should be.
    pub fn finding(what: impl fmt::Display) -> Self {
        Self {
            status: Status::Finding,
            what: shown(what),
        }
    }

    /// Unusable input or misuse.
    pub fn misuse(what: impl fmt::Display) -> Self {
        Self {
            status: Status::Misuse,
            what: shown(what),
        }
    }

    /// A run that failed part-way.
    pub fn part_way(what: impl fmt::Display) -> Self {
        Self {
            status: Status::PartWay,
            what: shown(what),
        }
    }

    /// Nobody reads any more.
    #[must_use]
    pub fn left() -> Self {
        Self {
            status: Status::Left,
            what: "the reader has left".to_owned(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.what.fmt(f)
    }
}

impl std::error::Error for Failure {}
