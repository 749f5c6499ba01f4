//! The integration tests, one binary.

#[cfg(test)]
mod checkpoint;
#[cfg(test)]
mod tiny;
#[cfg(all(test, feature = "gui"))]
mod window;
