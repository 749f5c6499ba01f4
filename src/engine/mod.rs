//! The thread that owns the model: requests in, events out, nothing shared.
//!
//! `Engine` is the app's handle, `Run` the thread, `Session` an open model with its rows. Deliberately
//! absent: how anything is computed (`Backend`), how anything is drawn.
//!
//! **Invariant:** a row is a function of its experiment (given tokens, sampling, edits) alone. Rows
//! are kept by it, so whatever comes back comes back as it was.

mod backend;
mod devices;
mod extent;
mod flight;
mod gates;
mod handle;
mod kept;
mod live;
mod message;
mod opener;
mod opening;
mod outbox;
mod pace;
mod pieces;
mod placing;
mod reading;
mod run;
mod scripted;
mod session;
mod survey;
#[cfg(test)]
mod tests;
mod tracing;
mod work;
mod write;

use outbox::Outbox;

pub use crate::ops::Wait;
pub use backend::{Backend, BackendError, Capture, Feed, Row, Step, StepRow, Ticket};
pub use devices::{DeviceReport, device_reports};
pub use extent::{Extent, Length, Place, trace_bytes_per_position};
pub use gates::gate_facts;
pub use handle::{Engine, NotSent, Options};
pub use live::LiveBackend;
pub use message::{Event, LoadProgress, ModelSource, Pace, Request, StopReason, SurveyError};
pub use opener::{Encode, Load, LoadStep, MovedModel, Mover, OpenModel, Opener, ReadyOpener};
pub use opening::{ModelOpener, open_backend, paging_note, quantized_note};
pub use scripted::{ScriptedBackend, ScriptedRow};
