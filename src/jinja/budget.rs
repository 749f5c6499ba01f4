//! What one rendering may use up: steps of work and bytes of values, both counted and never given back.
//!
//! A count that only grows is the same on every machine and needs no look at a clock or an allocator:
//! what is held at any time is at most what was ever made.

use std::cell::Cell;

use super::fault::{Fault, Res};

/// Bytes of a value.
pub(super) const VALUE_BYTES: usize = 32;

/// Units of work: an expression, an item of a list that is looked at, 64 bytes of text that are read.
/// Published templates take some thousands.
pub(super) const MAX_STEPS: u64 = 5_000_000;
/// Bytes of all texts, lists and dicts that are made.
pub(super) const MAX_BYTES: u64 = 128 << 20;
/// Bytes that a unit of work reads.
const BYTES_A_STEP: usize = 64;

/// What is left.
#[derive(Debug)]
pub(super) struct Budget {
    steps: Cell<u64>,
    bytes: Cell<u64>,
}

impl Budget {
    /// The whole of it.
    pub(super) fn new() -> Self {
        Self {
            steps: Cell::new(MAX_STEPS),
            bytes: Cell::new(MAX_BYTES),
        }
    }

    /// Takes `n` units of work.
    ///
    /// # Errors
    /// Where they are used up.
    pub(super) fn work(&self, n: usize) -> Res<()> {
        let left = self.steps.get().checked_sub(n as u64);
        self.steps.set(left.unwrap_or(0));
        match left {
            Some(_) => Ok(()),
            None => Err(Fault::limit(format!(
                "it does not come to an end within {} million steps",
                MAX_STEPS / 1_000_000
            ))),
        }
    }

    /// Takes the work of reading `n` bytes once.
    ///
    /// # Errors
    /// Where the work is used up.
    pub(super) fn read(&self, n: usize) -> Res<()> {
        self.work(1 + n / BYTES_A_STEP)
    }

    /// Takes `n` bytes, before they are made.
    ///
    /// # Errors
    /// Where they are used up.
    pub(super) fn bytes(&self, n: usize) -> Res<()> {
        let left = self.bytes.get().checked_sub(n as u64);
        self.bytes.set(left.unwrap_or(0));
        match left {
            Some(_) => self.read(n),
            None => Err(Fault::limit(format!(
                "it makes more than {} MB of text and lists",
                MAX_BYTES >> 20
            ))),
        }
    }

    /// Takes the bytes of `n` values in a list.
    ///
    /// # Errors
    /// Where they are used up.
    pub(super) fn slots(&self, n: usize) -> Res<()> {
        self.bytes(n.saturating_mul(VALUE_BYTES))
    }

    /// A text that grows under this budget.
    pub(super) fn text(&self) -> Text<'_> {
        Text {
            text: String::new(),
            budget: self,
        }
    }
}

/// A text that grows under a budget.
#[derive(Debug)]
pub(super) struct Text<'a> {
    text: String,
    budget: &'a Budget,
}

impl Text<'_> {
    /// Appends.
    ///
    /// # Errors
    /// Where the budget is used up.
    pub(super) fn push(&mut self, more: &str) -> Res<()> {
        self.budget.bytes(more.len())?;
        self.text.push_str(more);
        Ok(())
    }

    /// Appends a character.
    ///
    /// # Errors
    /// Where the budget is used up.
    pub(super) fn push_char(&mut self, more: char) -> Res<()> {
        self.budget.bytes(more.len_utf8())?;
        self.text.push(more);
        Ok(())
    }

    /// Appends `n` times the same.
    ///
    /// # Errors
    /// Where the budget is used up.
    pub(super) fn push_times(&mut self, more: &str, n: usize) -> Res<()> {
        let n_bytes = more.len().saturating_mul(n);
        self.budget.bytes(n_bytes)?;
        if n_bytes == 0 {
            return Ok(());
        }
        // Doubled until it is enough: letter by letter a hundred megabytes take as long as the work of a whole budget.
        let start = self.text.len();
        self.text.reserve(n_bytes);
        self.text.push_str(more);
        while let left @ 1.. = start + n_bytes - self.text.len() {
            let made = self.text.len() - start;
            self.text.extend_from_within(start..start + made.min(left));
        }
        Ok(())
    }

    /// Takes bytes for something beside the text.
    ///
    /// # Errors
    /// Where the budget is used up.
    pub(super) fn charge(&self, n_bytes: usize) -> Res<()> {
        self.budget.bytes(n_bytes)
    }

    /// What it has become.
    pub(super) fn done(self) -> String {
        self.text
    }
}
