//! Numbers in the bytes of a file, the lowest byte first.

/// Bytes that are taken one after the other. What goes wrong is the end of a sentence.
pub(super) struct Bytes<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    pub(super) fn new(all: &'a [u8], at: usize) -> Self {
        Self { all, at }
    }

    /// The place of the byte that is taken next.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// Fewer are left.
    pub(super) fn take(&mut self, n: u64) -> Result<&'a [u8], String> {
        let rest = self.all.get(self.at..).unwrap_or_default();
        let taken = usize::try_from(n).ok().and_then(|it| rest.get(..it));
        let taken = taken.ok_or_else(|| {
            format!(
                "needs {n} bytes from byte {} on, but only {} are left",
                self.at,
                rest.len()
            )
        })?;
        self.at += taken.len();
        Ok(taken)
    }

    /// A number of `n` bytes, 8 at most.
    ///
    /// # Errors
    /// Fewer are left.
    pub(super) fn number(&mut self, n: u64) -> Result<u64, String> {
        let bytes = self.take(n)?.iter().rev();
        Ok(bytes.fold(0, |sum, it| sum << 8 | u64::from(*it)))
    }

    /// What stands before the next end of a line, within `limit` bytes.
    ///
    /// # Errors
    /// None ends so soon, or what is no text.
    pub(super) fn line(&mut self, limit: usize) -> Result<&'a str, String> {
        let rest = self.all.get(self.at..).unwrap_or_default();
        let end = rest.iter().take(limit).position(|it| *it == b'\n');
        let line = end.and_then(|it| std::str::from_utf8(&rest[..it]).ok());
        let line =
            line.ok_or_else(|| format!("has no line of text at byte {}, expected one", self.at))?;
        self.at += line.len() + 1;
        Ok(line)
    }
}
