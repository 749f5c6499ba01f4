//! The app's handle on the thread that owns the model.
//!
//! **Invariant:** the one who holds the handle never waits unless it asks to (`wait`): a full queue
//! hands the request back, and the events are whatever is there. The thread may wait, so the two
//! cannot deadlock.

use std::{
    any::Any,
    io,
    sync::mpsc::{
        Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel,
    },
    thread::{Builder, JoinHandle},
    time::Duration,
};

use super::{Event, EventSender, Opener, Options, Request, run::Run};

/// Requests that may wait.
const N_REQUESTS: usize = 64;
/// Events that may wait; then the engine does.
const N_EVENTS: usize = 256;

/// A request that was not taken; it comes back.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NotSent {
    /// Try again in the next frame.
    #[error("the engine has too much to do")]
    Full(Request),
    /// The thread has ended; a `Failed` event says why.
    #[error("the engine has ended")]
    Ended(Request),
}

/// The handle. Dropping it ends the thread.
#[derive(Debug)]
pub struct Engine {
    requests: Option<SyncSender<Request>>,
    events: Option<Receiver<Event>>,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    /// Starts the thread. `wake` is called after each event, from there.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn spawn(
        opener: Box<dyn Opener>,
        options: Options,
        wake: Box<dyn Fn() + Send>,
    ) -> io::Result<Self> {
        let (requests, mailbox) = sync_channel(N_REQUESTS);
        let (out, events) = sync_channel(N_EVENTS);
        let thread = Builder::new()
            .name("moescope-engine".to_owned())
            .spawn(move || Run::new(opener, options, EventSender::new(out, wake)).run(&mailbox))?;
        Ok(Self {
            requests: Some(requests),
            events: Some(events),
            thread: Some(thread),
        })
    }

    /// Asks; never waits.
    ///
    /// # Errors
    /// The queue is full, or the thread has ended; the request comes back.
    pub fn send(&self, request: Request) -> Result<(), NotSent> {
        match &self.requests {
            Some(requests) => requests.try_send(request).map_err(|it| match it {
                TrySendError::Full(request) => NotSent::Full(request),
                TrySendError::Disconnected(request) => NotSent::Ended(request),
            }),
            None => Err(NotSent::Ended(request)),
        }
    }

    /// What was said since the last time, in order; never waits. A thread that died says so once.
    pub fn events(&mut self) -> impl Iterator<Item = Event> + '_ {
        std::iter::from_fn(|| match self.events.as_ref()?.try_recv() {
            Ok(event) => Some(event),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => self.obituary(),
        })
    }

    /// The next event, waited for: for commands and tests, which draw nothing.
    #[must_use]
    pub fn wait(&mut self, at_most: Duration) -> Option<Event> {
        match self.events.as_ref()?.recv_timeout(at_most) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => self.obituary(),
        }
    }

    fn obituary(&mut self) -> Option<Event> {
        self.requests = None;
        let why = match self.thread.take()?.join() {
            Ok(()) => "it ended".to_owned(),
            Err(payload) => last_words(&*payload),
        };
        Some(Event::Failed {
            why: format!("the engine stopped working: {why}"),
            device_is_lost: false,
        })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Both ends go first: the thread may be waiting at either.
        self.requests = None;
        self.events = None;
        if let Some(thread) = self.thread.take() {
            // How it ended interests nobody any more.
            let _ = thread.join();
        }
    }
}

fn last_words(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("for a reason it did not give").to_owned()
}
