//! The bytes of a GGUF header, one after the other: no length is believed before it is compared with what is left of
//! the file.

use std::ops::Range;

/// A place in the bytes of a file. What goes wrong is the end of a sentence whose subject the caller knows.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// From byte `at` on.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The byte that is read next.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Bytes that were not read yet.
    pub(super) fn left(&self) -> u64 {
        self.bytes.len().saturating_sub(self.at) as u64
    }

    /// Passes over `n_bytes`; says where they are.
    ///
    /// # Errors
    /// Fewer are left.
    pub(super) fn skip(&mut self, n_bytes: u64) -> Result<Range<usize>, String> {
        let left = self.left();
        if n_bytes > left {
            return Err(format!(
                "needs {n_bytes} bytes from byte {} on, but only {left} are left: the file is cut short or its header wrong",
                self.at
            ));
        }
        let start = self.at;
        self.at += n_bytes as usize;
        Ok(start..self.at)
    }

    /// A whole number of 32 bits.
    ///
    /// # Errors
    /// Fewer bytes are left.
    pub(super) fn u32(&mut self) -> Result<u32, String> {
        let range = self.skip(4)?;
        let bytes = self.bytes[range].first_chunk();
        Ok(bytes.map_or(0, |it| u32::from_le_bytes(*it)))
    }

    /// A whole number of 64 bits.
    ///
    /// # Errors
    /// Fewer bytes are left.
    pub(super) fn u64(&mut self) -> Result<u64, String> {
        let range = self.skip(8)?;
        let bytes = self.bytes[range].first_chunk();
        Ok(bytes.map_or(0, |it| u64::from_le_bytes(*it)))
    }

    /// Where a text is: its length, then its bytes.
    ///
    /// # Errors
    /// Fewer bytes are left.
    pub(super) fn text(&mut self) -> Result<Range<usize>, String> {
        let n_bytes = self.u64()?;
        self.skip(n_bytes)
    }

    /// A name: a text of at most `limit` bytes of UTF-8.
    ///
    /// # Errors
    /// Fewer bytes are left, more than may be, no UTF-8.
    pub(super) fn name(&mut self, limit: usize) -> Result<&'a str, String> {
        let range = self.text()?;
        let (start, n_bytes) = (range.start, range.len());
        if n_bytes > limit {
            return Err(format!(
                "has a name of {n_bytes} bytes at byte {start}, expected at most {limit}"
            ));
        }
        std::str::from_utf8(&self.bytes[range]).map_err(|it| {
            format!(
                "has a name that is no UTF-8 text: byte {} belongs to no letter",
                start + it.valid_up_to()
            )
        })
    }
}
