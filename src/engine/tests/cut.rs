//! Sequences that can be cut at every so many positions only.

use crate::engine::{
    Backend, BackendError, Capture, LoadStep, LoadingJob, ModelSource, OpenError, Opener, Row,
    Step, StepProgress, Ticket, Wait,
};
use crate::ops::Meter;
use crate::spec::{DeviceChoice, ModelSpec, Position, SeqId};

/// Set for a run of the tests over backends that are cut at every so many positions only.
pub const CUT_EVERY: &str = "MOESCOPE_TEST_CUT_EVERY";

/// Forks and rewinds hold a multiple of this.
pub fn cut_every() -> usize {
    let asked = std::env::var(CUT_EVERY).ok();
    asked.map_or(1, |it| it.parse().unwrap())
}

pub fn cut(at: Position) -> usize {
    at.idx() / cut_every() * cut_every()
}

/// A backend whose forks and rewinds hold what `cut` says.
pub struct CutBackend(pub Box<dyn Backend>);

impl Backend for CutBackend {
    fn spec(&self) -> &ModelSpec {
        self.0.spec()
    }

    fn open(&mut self) -> SeqId {
        self.0.open()
    }

    fn submit(&mut self, batch: &[Row<'_>], capture: Capture) -> Result<Ticket, BackendError> {
        self.0.submit(batch, capture)
    }

    fn poll(&mut self, ticket: Ticket, wait: Wait) -> Result<Option<Step>, BackendError> {
        self.0.poll(ticket, wait)
    }

    fn advance(&mut self) -> Option<StepProgress> {
        self.0.advance()
    }

    fn fork(&mut self, seq: SeqId, at: Position) -> Result<(SeqId, Position), BackendError> {
        // Beyond its end it is an error whatever is cut.
        let is_held = at.idx() <= self.len(seq);
        let at = if is_held { Position::new(cut(at)) } else { at };
        self.0.fork(seq, at)
    }

    fn rewind(&mut self, seq: SeqId, to: Position) -> Position {
        let is_held = to.idx() < self.len(seq);
        let to = if is_held { Position::new(cut(to)) } else { to };
        self.0.rewind(seq, to)
    }

    fn release(&mut self, seq: SeqId) {
        self.0.release(seq);
    }

    fn runs_ahead(&self) -> bool {
        self.0.runs_ahead()
    }

    fn len(&self, seq: SeqId) -> usize {
        self.0.len(seq)
    }

    fn cache_bytes(&self) -> u64 {
        self.0.cache_bytes()
    }

    fn cache_bytes_per_position(&self) -> usize {
        self.0.cache_bytes_per_position()
    }

    fn meter(&self) -> Option<&dyn Meter> {
        self.0.meter()
    }
}

/// Opens what another opens, with its backend cut.
pub struct CutOpener<O>(pub O);

struct CutLoad(Box<dyn LoadingJob>);

impl<O: Opener> Opener for CutOpener<O> {
    fn open(&mut self, source: &ModelSource) -> Result<Box<dyn LoadingJob>, OpenError> {
        Ok(Box::new(CutLoad(self.0.open(source)?)))
    }

    fn set_device(&mut self, device: DeviceChoice) {
        self.0.set_device(device);
    }
}

impl LoadingJob for CutLoad {
    fn advance(&mut self) -> Result<LoadStep, OpenError> {
        let mut step = self.0.advance()?;
        if let LoadStep::Done(model) = step {
            let mut model = *model;
            model.backend = Box::new(CutBackend(model.backend));
            step = LoadStep::Done(Box::new(model));
        }
        Ok(step)
    }
}
