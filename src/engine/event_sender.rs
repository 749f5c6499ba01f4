//! Sends events over the bounded channel and wakes the UI after each.

use std::sync::mpsc::SyncSender;

use super::Event;
use crate::spec::shown;
use crate::study::{EncodeError, StudyError, StudyEvent};

/// Sends events; waits where the queue is full.
pub(super) struct EventSender {
    events: SyncSender<Event>,
    wake: Box<dyn Fn() + Send>,
    is_closed: bool,
}

impl EventSender {
    pub fn new(events: SyncSender<Event>, wake: Box<dyn Fn() + Send>) -> Self {
        Self {
            events,
            wake,
            is_closed: false,
        }
    }

    pub fn send(&mut self, event: Event) {
        self.is_closed |= self.events.send(in_our_words(event)).is_err();
        (self.wake)();
    }

    /// Whether nobody listens any more.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }
}

/// What a checkpoint, a text or a driver says, as it may stand in a line of a window or a terminal.
fn in_our_words(mut event: Event) -> Event {
    match &mut event {
        Event::OpenFailed { why, choices, .. } => {
            *why = shown(&*why);
            for it in choices {
                it.name = shown(&it.name);
            }
        }
        Event::MoveFailed { why, .. }
        | Event::Failed { why, .. }
        | Event::Refused(why)
        | Event::Encoded {
            tokens: Err(EncodeError::Text(why)),
            ..
        }
        | Event::Study {
            event:
                StudyEvent::Ended {
                    result: Err(StudyError::Text(why) | StudyError::Step(why)),
                    ..
                },
            ..
        } => *why = shown(&*why),
        Event::Opened(facts) => {
            facts.name = shown(&facts.name);
            for note in facts.notes.iter_mut().chain(&mut facts.device.notes) {
                *note = shown(&*note);
            }
        }
        _ => {}
    }
    event
}
