//! What the routers did, one record per token and router, in the order it happened; what was
//! predicted; what was opened.
//!
//! The engine writes these records, the UI thread owns them, and nothing here knows how either
//! works: a trace opens on a machine that has neither weights nor GPU.

mod facts;
mod position_kind;
mod readout;
mod record;
mod recording;
mod routed;
mod row;
mod shared;
mod step_row;
mod store;
mod weight_facts;

pub use facts::{
    DeviceFacts, GateFacts, GivenError, ModelFacts, NearestRows, ParameterCount, WeightShare,
};
pub use position_kind::PositionKind;
pub use readout::{Candidate, Comparison, N_TOP, Readout};
pub use record::{Phase, Pick, PickState, RouterTrace, StepTrace};
pub use recording::{Recording, RowEvent, ShownRows};
pub use routed::Routed;
pub use row::{RowId, RowRecord};
pub use shared::SharedVec;
pub use step_row::{Capture, StepRow};
pub use store::{DEFAULT_BUDGET_BYTES, NotContinuous, TraceStore};
pub use weight_facts::{Copies, NotFinite, SameBy, WeightPart};
