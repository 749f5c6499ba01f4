//! The thread that owns the model: requests in, events out, nothing shared.

mod backend;
mod engine;
mod kept;
mod message;
mod opener;
mod outbox;
mod pace;
mod run;
mod scripted;
mod session;
#[cfg(test)]
mod tests;
mod work;

use outbox::Outbox;

pub use backend::{Backend, BackendError, Capture, Feed, Row, Step, StepRow, Ticket, Wait};
pub use engine::{Engine, NotSent, Options};
pub use message::{Event, LoadProgress, ModelSource, Pace, Request, Rows, StopReason};
pub use opener::{Encode, Load, LoadStep, OpenModel, Opener, ReadyOpener};
pub use scripted::{ScriptedBackend, ScriptedRow};
