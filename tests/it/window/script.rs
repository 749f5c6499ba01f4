//! A link that says what it was told to say and keeps what it was asked, and made-up sessions to tell it.

use std::{cell::RefCell, rc::Rc};

use moescope::app::{Link, SyntheticSession};
use moescope::engine::{Event, Request};
use moescope::trace::ModelFacts;

pub use moescope::app::{HUGE, LIST, Size, TOUR_LIKE};

/// What was asked, and what is to be said.
#[derive(Clone, Default)]
pub struct Script {
    pub asked: Rc<RefCell<Vec<Request>>>,
    pub says: Rc<RefCell<Vec<Event>>>,
}

impl Link for Script {
    fn send(&mut self, request: Request) -> Result<(), Request> {
        self.asked.borrow_mut().push(request);
        Ok(())
    }

    fn events(&mut self) -> Vec<Event> {
        self.says.take()
    }
}

impl Script {
    pub fn say(&self, events: impl IntoIterator<Item = Event>) {
        self.says.borrow_mut().extend(events);
    }
}

/// What is shown of a made-up model.
pub fn facts(size: Size) -> ModelFacts {
    SyntheticSession::new(size).facts()
}

/// A model is open, `n` tokens were written, nothing was edited.
pub fn baseline(size: Size, n: u32) -> Vec<Event> {
    SyntheticSession::new(size).baseline(n)
}

/// The same under `LIST`, with the counterfactual and `n_edited` tokens of the edited row.
pub fn edited(size: Size, n: u32, n_edited: u32) -> Vec<Event> {
    SyntheticSession::new(size).edited(n, n_edited)
}
