//! The thread: checks the request channel, does the next piece of work, checks again.
//!
//! **Invariant:** between two checks of the request channel lies one step, one slice of reading or one slice of loading;
//! of a slice of reading on the CPU whose weights come from a disk, one layer.
//! Nothing here waits except for a request, the next token's time, and a full queue of events.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError},
    time::Instant,
};

use super::{
    Event, EventSender, LoadStep, LoadingJob, ModelSource, OpenError, OpenModel, Opener, Options,
    Pace, Request, jobs, rows::Lists, session::ModelSession,
};
use crate::spec::{DeviceChoice, ModelChoice};
use crate::study::{EncodeError, StudyError};

/// How fast text appears until something else is asked for.
const FIRST_PACE: Pace = Pace::TokensPerSec(8.0);

/// Most requests answered before work goes on.
const MAX_MAIL: usize = 32;

/// The thread's state.
pub(super) struct Run {
    opener: Box<dyn Opener>,
    options: Options,
    out: EventSender,
    pace: Pace,
    load: Option<Box<dyn LoadingJob>>,
    /// Whether that brings the open model elsewhere.
    is_moving: bool,
    session: Option<ModelSession>,
}

/// What the request channel held.
enum Mail {
    Asked(Request),
    Nothing,
    Closed,
}

impl Run {
    pub fn new(opener: Box<dyn Opener>, options: Options, out: EventSender) -> Self {
        Self {
            opener,
            options,
            out,
            pace: FIRST_PACE,
            load: None,
            is_moving: false,
            session: None,
        }
    }

    /// Runs until nobody asks or listens any more.
    pub fn run(mut self, requests: &Receiver<Request>) {
        loop {
            let mut mail = self.wait(requests);
            for _ in 0..MAX_MAIL {
                let Mail::Asked(request) = mail else { break };
                self.answer(request);
                mail = glance(requests);
            }
            if let Mail::Asked(request) = mail {
                self.answer(request);
                mail = Mail::Nothing;
            }
            if matches!(mail, Mail::Closed) || self.out.is_closed() {
                return;
            }
            self.load_on();
            if let Some(session) = &mut self.session {
                session.work(self.pace, &mut self.out);
            }
        }
    }

    /// Idle: sleeps until asked. Playing: until the next token is due. Else only glances.
    fn wait(&self, requests: &Receiver<Request>) -> Mail {
        let now = Instant::now();
        let due = match (&self.load, &self.session) {
            (Some(_), _) => Some(now),
            (None, Some(session)) => session.due(now),
            (None, None) => None,
        };
        match due {
            None => requests.recv().map_or(Mail::Closed, Mail::Asked),
            Some(due) if due > now => match requests.recv_timeout(due - now) {
                Ok(request) => Mail::Asked(request),
                Err(RecvTimeoutError::Timeout) => Mail::Nothing,
                Err(RecvTimeoutError::Disconnected) => Mail::Closed,
            },
            Some(_) => glance(requests),
        }
    }

    fn answer(&mut self, request: Request) {
        match request {
            Request::Open(source) => self.open(&source),
            Request::CancelLoad => self.cancel_load(),
            Request::SetPace(pace) => self.set_pace(pace),
            Request::SetDevice(device) => self.set_device(device),
            request => self.answer_with_model(request),
        }
    }

    fn answer_with_model(&mut self, request: Request) {
        let out = &mut self.out;
        let Some(session) = &mut self.session else {
            let why = EncodeError::NoModel;
            match request {
                Request::Encode { tag, .. } => out.send(Event::Encoded {
                    tag,
                    tokens: Err(why),
                }),
                Request::Study { tag, .. } => {
                    let why = StudyError::Text(why.to_string());
                    jobs::say_ended(tag, Err(why), false, out);
                }
                _ => out.send(Event::Refused(why.to_string())),
            }
            return;
        };
        match request {
            Request::Encode { tag, text, form } => {
                let tokens = session.encode(&text, &form);
                out.send(Event::Encoded { tag, tokens });
            }
            Request::SetExperiment(experiment) => {
                if let Err(why) = session.set_experiment(&experiment, out) {
                    out.send(Event::Refused(why.to_string()));
                }
            }
            Request::Play { stop_after } => session.play(stop_after, self.pace, out),
            Request::Step => session.play(Some(1), Pace::Unlimited, out),
            Request::Pause => session.pause(out),
            Request::CancelBacklog => session.cancel_backlog(out),
            Request::Study { tag, study } => session.start_job(tag, study, out),
            Request::CancelStudy { tag } => session.cancel_job(tag, out),
            Request::Open(_)
            | Request::CancelLoad
            | Request::SetPace(_)
            | Request::SetDevice(_) => {}
        }
    }

    fn set_pace(&mut self, pace: Pace) {
        self.pace = pace;
        if let Some(session) = &mut self.session {
            session.set_pace(pace);
        }
    }

    fn open(&mut self, source: &ModelSource) {
        self.cancel_load();
        self.is_moving = false;
        match self.opener.open(source) {
            Ok(load) => self.load = Some(load),
            Err(why) => self.say_open_failed(&why),
        }
    }

    /// Models opened from now on run there; the open one is moved there.
    fn set_device(&mut self, device: DeviceChoice) {
        self.opener.set_device(device);
        let can_move = self.session.as_ref().is_some_and(|it| it.mover().is_some());
        if can_move {
            // What a move under way holds is given back before there is to be room for another.
            self.cancel_load();
        }
        let mover = self.session.as_ref().and_then(ModelSession::mover);
        if let Some(moving) = mover.map(|it| it(device)) {
            self.is_moving = true;
            match moving {
                Ok(load) => self.load = Some(load),
                Err(why) => self.say_open_failed(&why),
            }
        }
    }

    fn cancel_load(&mut self) {
        if self.load.take().is_some() {
            self.say_cancelled();
        }
    }

    fn say_cancelled(&mut self) {
        self.say_not_opened("loading was cancelled".to_owned(), true, Vec::new());
    }

    fn say_open_failed(&mut self, why: &OpenError) {
        self.say_not_opened(why.to_string(), false, why.choices());
    }

    fn say_not_opened(&mut self, why: String, cancelled: bool, choices: Vec<ModelChoice>) {
        self.out.send(if self.is_moving {
            Event::MoveFailed { why, cancelled }
        } else {
            Event::OpenFailed {
                why,
                cancelled,
                choices,
            }
        });
    }

    fn load_on(&mut self) {
        match self.load.as_mut().map(|it| it.advance()) {
            None => {}
            Some(Ok(LoadStep::Going(progress))) => self.out.send(Event::Loading(progress)),
            Some(Ok(LoadStep::Done(model))) => {
                self.load = None;
                self.take_up(*model);
            }
            Some(Ok(LoadStep::Moved(model))) => {
                self.load = None;
                if let Some(session) = &mut self.session {
                    session.move_to(*model, &mut self.out);
                }
            }
            Some(Err(why)) => {
                self.load = None;
                self.say_open_failed(&why);
            }
        }
    }

    /// The new model takes the place of the old one; lists keep their numbers.
    fn take_up(&mut self, model: OpenModel) {
        let old = self.session.take();
        let lists = old.map_or_else(Lists::default, |it| it.close(&mut self.out));
        self.out.send(Event::Opened(Box::new(model.facts.clone())));
        self.session = Some(ModelSession::new(model, self.options, lists));
    }
}

fn glance(requests: &Receiver<Request>) -> Mail {
    match requests.try_recv() {
        Ok(request) => Mail::Asked(request),
        Err(TryRecvError::Empty) => Mail::Nothing,
        Err(TryRecvError::Disconnected) => Mail::Closed,
    }
}
