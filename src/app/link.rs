//! The app's end of the engine: requests out, events in, never waiting.

use crate::engine::{Engine, Event, NotSent, Request};

/// Most events folded before a frame is drawn.
const EVENTS_A_FRAME: usize = 512;

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

impl Link for Engine {
    fn send(&mut self, request: Request) -> Result<(), Request> {
        match Self::send(self, request) {
            Err(NotSent::Full(request)) => Err(request),
            // A thread that ended says so itself, once, as an event.
            Ok(()) | Err(NotSent::Ended(_)) => Ok(()),
        }
    }

    fn events(&mut self) -> Vec<Event> {
        // Bounded, so that a fast engine cannot keep the window from drawing.
        Self::events(self).take(EVENTS_A_FRAME).collect()
    }
}

/// Nobody answers: stands in where the engine could not be started.
pub(super) struct Silent;

impl Link for Silent {
    fn send(&mut self, _request: Request) -> Result<(), Request> {
        Ok(())
    }

    fn events(&mut self) -> Vec<Event> {
        Vec::new()
    }
}
