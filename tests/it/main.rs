//! The integration tests, one binary.

mod checkpoint;
pub mod tiny;
