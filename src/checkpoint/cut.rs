//! Which part of a tensor a weight is.

use std::ops::Range;

/// A part of a matrix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Its rows in the whole.
    pub rows: Range<usize>,
    /// Its columns in the whole.
    pub cols: Range<usize>,
}
