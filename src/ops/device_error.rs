//! What can go wrong on a device, in the words the user reads.

/// Why a device cannot be had, or cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// There is none.
    #[error("no graphics processor can be used: {0}")]
    NoAdapter(String),
    /// The adapter lacks what the kernels need.
    #[error("{adapter} cannot run the kernels: {what}")]
    TooSmall {
        /// Its name.
        adapter: String,
        /// What is too small or missing, with numbers.
        what: String,
    },
    /// It cannot hold what was asked of it.
    #[error("the graphics processor has no memory left for {0}")]
    OutOfMemory(String),
    /// The driver gave it up.
    #[error("the graphics processor was lost: {0}")]
    Lost(String),
    /// The driver refused a command.
    #[error("the graphics driver refused a command: {0}")]
    Refused(String),
}
