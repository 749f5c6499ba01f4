//! What turning one text into tokens, or tokens into text, may take: bytes, and time.
//!
//! Both are far above what any text of that size takes with a tokenizer that people train, and are there for
//! tokenizers that were written to do harm.

use std::time::{Duration, Instant};

/// Bytes of one text; four million letters are more tokens than any model attends to.
pub(super) const MAX_TEXT_BYTES: usize = 4 << 20;
/// Bytes that a text may become on its way.
pub(super) const MAX_GROWN_BYTES: usize = 16 << 20;
/// Seconds for any text, and bytes of it that give one more: a twentieth of the usual speed.
const MIN_SECS: u64 = 5;
const BYTES_PER_SEC: usize = 50_000;

/// The time that one text may take.
#[derive(Debug)]
pub(super) struct Budget {
    until: Instant,
    n_secs: u64,
}

impl Budget {
    /// For a text of so many bytes, beginning now.
    pub(super) fn of(n_bytes: usize) -> Self {
        Self::secs(MIN_SECS + (n_bytes / BYTES_PER_SEC) as u64)
    }

    /// So many seconds, beginning now.
    pub(super) fn secs(n_secs: u64) -> Self {
        Self {
            until: Instant::now() + Duration::from_secs(n_secs),
            n_secs,
        }
    }

    /// Whether there is time left.
    ///
    /// # Errors
    /// One sentence where there is none.
    pub(super) fn check(&self) -> Result<(), String> {
        if Instant::now() < self.until {
            return Ok(());
        }
        Err(format!(
            "the tokenizer takes more than {} seconds for it",
            self.n_secs
        ))
    }
}

/// Whether a text may be so long on its way.
///
/// # Errors
/// One sentence where it may not.
pub(super) fn check_grown(n_bytes: usize) -> Result<(), String> {
    if n_bytes <= MAX_GROWN_BYTES {
        return Ok(());
    }
    Err(format!(
        "the tokenizer makes more than {MAX_GROWN_BYTES} bytes of it on the way"
    ))
}
