//! The integration tests, one binary.

#[cfg(test)]
mod checkpoint;
#[cfg(test)]
mod tiny;
