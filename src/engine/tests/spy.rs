//! A backend that says what is asked of another, and may say that it runs ahead.

use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread::sleep,
    time::Duration,
};

use crate::engine::{Backend, BackendError, Capture, Feed, Row, Step, StepProgress, Ticket, Wait};
use crate::spec::{ModelSpec, Position, SeqId};

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    Submitted {
        ticket: Ticket,
        /// Tokens of all rows.
        n_tokens: usize,
    },
    Polled(Ticket),
}

pub struct Spy {
    inner: Box<dyn Backend>,
    runs_ahead: bool,
    notes: SyncSender<Note>,
    /// Layers that each step has, which take `LAYER_TIME` each; 0 where it is not taken apart.
    n_layers: usize,
    /// How many of them have run.
    n_run: usize,
}

/// Longer than goes by between two checks of the request channel.
const LAYER_TIME: Duration = Duration::from_millis(11);

impl Spy {
    pub fn on(inner: Box<dyn Backend>, runs_ahead: bool) -> (Self, Receiver<Note>) {
        let (notes, seen) = sync_channel(100_000);
        let spy = Self {
            inner,
            runs_ahead,
            notes,
            n_layers: 0,
            n_run: 0,
        };
        (spy, seen)
    }

    /// Each step has so many layers, and each of them waits for a disk.
    pub fn in_layers(self, n_layers: usize) -> Self {
        Self { n_layers, ..self }
    }
}

impl Backend for Spy {
    fn spec(&self) -> &ModelSpec {
        self.inner.spec()
    }

    fn open(&mut self) -> SeqId {
        self.inner.open()
    }

    fn submit(&mut self, batch: &[Row<'_>], capture: Capture) -> Result<Ticket, BackendError> {
        let n_tokens = batch.iter().map(|it| match it.feed {
            Feed::Tokens(it) => it.len(),
            Feed::Drawn(_) => 1,
        });
        let n_tokens = n_tokens.sum();
        let ticket = self.inner.submit(batch, capture)?;
        self.n_run = 0;
        // Nobody may listen.
        let _ = self.notes.send(Note::Submitted { ticket, n_tokens });
        Ok(ticket)
    }

    fn poll(&mut self, ticket: Ticket, wait: Wait) -> Result<Option<Step>, BackendError> {
        let _ = self.notes.send(Note::Polled(ticket));
        self.inner.poll(ticket, wait)
    }

    fn advance(&mut self) -> Option<StepProgress> {
        if self.n_run == self.n_layers {
            return None;
        }
        sleep(LAYER_TIME);
        self.n_run += 1;
        (self.n_run < self.n_layers).then_some(StepProgress {
            n_done: self.n_run,
            n_layers: self.n_layers,
        })
    }

    fn fork(&mut self, seq: SeqId, at: Position) -> Result<(SeqId, Position), BackendError> {
        self.inner.fork(seq, at)
    }

    fn rewind(&mut self, seq: SeqId, to: Position) -> Position {
        self.inner.rewind(seq, to)
    }

    fn release(&mut self, seq: SeqId) {
        self.inner.release(seq);
    }

    fn runs_ahead(&self) -> bool {
        self.runs_ahead
    }

    fn len(&self, seq: SeqId) -> usize {
        self.inner.len(seq)
    }

    fn cache_bytes(&self) -> u64 {
        self.inner.cache_bytes()
    }

    fn cache_bytes_per_position(&self) -> usize {
        self.inner.cache_bytes_per_position()
    }
}
