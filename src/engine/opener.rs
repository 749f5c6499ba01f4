//! How a model source becomes something that runs: in slices, so that the request channel is checked
//! between them. Who does it (checkpoints, toys, replays) is deliberately not known here.

use super::{Backend, Encode, Examiner, LoadProgress, ModelSource, OpenError};
use crate::checkpoint::ReadAhead;
use crate::spec::DeviceChoice;
use crate::trace::{DeviceFacts, ModelFacts};

/// Begins to bring an open model to another device.
pub type Mover = Box<dyn Fn(DeviceChoice) -> Result<Box<dyn LoadingJob>, OpenError>>;

/// An open model on another device.
pub struct MovedModel {
    /// Backend on the new device.
    pub backend: Box<dyn Backend>,
    /// What is told of it.
    pub device: DeviceFacts,
}

/// A model ready to run.
pub struct OpenModel {
    /// Computes or replays.
    pub backend: Box<dyn Backend>,
    /// What is shown of it.
    pub facts: ModelFacts,
    /// Its tokenizer; none in ids-only mode.
    pub encode: Option<Encode>,
    /// Brings it to another device; none where it cannot be moved.
    pub mover: Option<Mover>,
    /// Looks at its weights; none where they are not at hand.
    pub examiner: Option<Examiner>,
    /// Brings weights into memory before they are used; none where that is not to be done.
    pub ahead: Option<ReadAhead>,
}

/// How a load stands after a slice.
pub enum LoadStep {
    /// More to do.
    Going(LoadProgress),
    /// The model is open.
    Done(Box<OpenModel>),
    /// The open model is on another device.
    Moved(Box<MovedModel>),
}

/// A load in progress. Dropping it gives it up.
pub trait LoadingJob {
    /// Does the next slice, about 40 ms of work.
    ///
    /// # Errors
    /// Why it does not go on; the load is over.
    fn advance(&mut self) -> Result<LoadStep, OpenError>;
}

/// Starts loads, on the engine thread.
pub trait Opener: Send {
    /// Looks at the source; reads no more than headers and the weights of routers.
    ///
    /// # Errors
    /// What is no model, or cannot be had.
    fn open(&mut self, source: &ModelSource) -> Result<Box<dyn LoadingJob>, OpenError>;

    /// Where models run that are opened from now on.
    fn set_device(&mut self, _device: DeviceChoice) {}
}

/// Opens what is at hand, in one slice: recordings, tests.
pub struct ReadyOpener<F>(pub F);

struct Ready(Option<OpenModel>);

impl<F> Opener for ReadyOpener<F>
where
    F: FnMut(&ModelSource) -> Result<OpenModel, OpenError> + Send,
{
    fn open(&mut self, source: &ModelSource) -> Result<Box<dyn LoadingJob>, OpenError> {
        let model = (self.0)(source)?;
        Ok(Box::new(Ready(Some(model))))
    }
}

impl LoadingJob for Ready {
    fn advance(&mut self) -> Result<LoadStep, OpenError> {
        let model = self.0.take().ok_or(OpenError::Taken)?;
        Ok(LoadStep::Done(Box::new(model)))
    }
}
