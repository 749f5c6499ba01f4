//! The thread that owns the model: requests in, events out, nothing shared.

mod backend;
mod live;
mod message;
mod tracing;

pub use backend::{Backend, BackendError, Capture, Feed, Row, Step, StepRow, Ticket, Wait};
pub use live::LiveBackend;
pub use message::{Event, LoadProgress, ModelSource, Pace, Request, Rows, StopReason};
