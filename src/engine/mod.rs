//! The thread that owns the model: requests in, events out, nothing shared.
//!
//! `Engine` is the app's handle, `Run` the thread, `ModelSession` an open model: its `Rows`, the `Backlog` that reads what
//! they lack, the `Writer` of the next token, and the `Jobs` beside them. Deliberately absent: how anything is computed
//! (`Backend`), how anything is drawn.
//!
//! **Invariant:** a row is a function of its experiment (given tokens, sampling, edits) alone. Rows
//! are kept by it, so whatever comes back comes back as it was.

mod backend;
mod backlog;
mod devices;
mod event_sender;
mod examine;
mod extent;
mod forecasts;
mod gates;
mod handle;
mod jobs;
mod live;
mod message;
mod open_error;
mod opener;
mod opening;
mod options;
mod pace;
mod passes;
mod pending;
mod placing;
mod plan;
mod row_cache;
mod rows;
mod run;
mod scripted;
mod session;
mod step;
#[cfg(test)]
mod tests;
mod tracing;
mod write;

use event_sender::EventSender;

pub use crate::ops::Wait;
pub use crate::study::Encode;
pub use crate::trace::{Capture, StepRow};
pub use backend::{Backend, BackendError, Feed, Row, Step, StepProgress, Ticket};
pub use devices::{DeviceReport, device_reports};
pub use examine::Examiner;
pub use extent::{Extent, Length, Place, SliceRows, trace_bytes_per_position};
pub use gates::gate_facts;
pub use handle::{Engine, NotSent};
pub use live::LiveBackend;
pub use message::{Event, LoadProgress, ModelSource, Pace, Request, StopReason};
pub use open_error::OpenError;
pub use opener::{LoadStep, LoadingJob, MovedModel, Mover, OpenModel, Opener, ReadyOpener};
pub use opening::{ModelOpener, model_facts, open_backend, paging_note, quantized_note};
pub use options::Options;
pub use pace::most_tokens;
pub use plan::plan_backend;
pub use scripted::{ScriptedBackend, ScriptedRow};
