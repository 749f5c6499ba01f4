//! What the engine may take of the machine, decided by whoever starts it.

/// What the engine may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Memory for the caches of rows, those on screen counted; they are kept in any case.
    pub cache_budget_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_budget_bytes: 1 << 30,
        }
    }
}
