//! The app's end of the engine: requests out, events in, never waiting.

use crate::engine::{Event, Request};

/// Whoever answers requests: the engine, or a script.
pub trait Link {
    /// Passes a request on.
    ///
    /// # Errors
    /// The request itself, where the queue is full: it is tried again next frame.
    fn send(&mut self, request: Request) -> Result<(), Request>;

    /// What was said since the last call.
    fn events(&mut self) -> Vec<Event>;
}
