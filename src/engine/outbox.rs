//! The way out: events, and a knock on the listener's door after each.

use std::sync::mpsc::SyncSender;

use super::Event;

/// Sends events; waits where the queue is full.
pub(super) struct Outbox {
    events: SyncSender<Event>,
    wake: Box<dyn Fn() + Send>,
    is_closed: bool,
}

impl Outbox {
    pub fn new(events: SyncSender<Event>, wake: Box<dyn Fn() + Send>) -> Self {
        Self {
            events,
            wake,
            is_closed: false,
        }
    }

    pub fn say(&mut self, event: Event) {
        self.is_closed |= self.events.send(event).is_err();
        (self.wake)();
    }

    /// Whether nobody listens any more.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }
}
