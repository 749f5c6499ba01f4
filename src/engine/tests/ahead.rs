//! Slices of a text that are submitted before the last one is complete, where the device runs ahead.

use std::sync::mpsc::{Receiver, sync_channel};

use super::{
    scripted::{recorded_of, replay_of},
    spy::{Note, Spy},
    toy::{Toy, facts},
    watch::{check_row, check_store, experiment},
};
use crate::engine::{
    Event, EventSender, OpenModel, Options, Pace, ScriptedRow, rows::Lists, session::ModelSession,
};
use crate::spec::Experiment;
use crate::trace::Recording;

/// Several slices.
const N_GIVEN: usize = 90;

fn plain() -> Experiment {
    let given: Vec<u32> = (0..N_GIVEN as u32).map(|it| 2 + it * 7 % 40).collect();
    experiment(&given, 1, &[])
}

fn masked() -> Experiment {
    Experiment {
        edits: experiment(&[], 1, &["mask:0.1@20.."]).edits,
        ..plain()
    }
}

/// A session over a recording, worked by hand.
struct Hand {
    session: ModelSession,
    notes: Receiver<Note>,
    out: EventSender,
    events: Receiver<Event>,
    recording: Recording,
}

impl Hand {
    fn new(rows: &[ScriptedRow], runs_ahead: bool) -> Self {
        let (backend, notes) = Spy::on(Box::new(replay_of(rows)), runs_ahead);
        let model = OpenModel {
            backend: Box::new(backend),
            facts: facts(&Toy::default()),
            encode: None,
            examiner: None,
            mover: None,
            ahead: None,
        };
        let (send, events) = sync_channel(100_000);
        Self {
            session: ModelSession::new(model, Options::default(), Lists::default()),
            notes,
            out: EventSender::new(send, Box::new(|| ())),
            events,
            recording: Recording::default(),
        }
    }

    fn show(&mut self, experiment: &Experiment) {
        self.session
            .set_experiment(experiment, &mut self.out)
            .unwrap();
    }

    fn turn(&mut self) {
        self.session.work(Pace::Unlimited, &mut self.out);
    }

    /// Works until nothing is left to do, and takes in what was said.
    fn finish(&mut self) {
        while self.session.due(std::time::Instant::now()).is_some() {
            self.turn();
        }
        for event in self.events.try_iter() {
            assert!(!matches!(event, Event::Failed { .. }), "{event:?}");
            if let Event::Row(event) = event {
                self.recording.apply(event).unwrap();
            }
        }
    }

    /// How many steps were in flight at most, and how many tokens were read.
    fn counted(&self) -> (usize, usize) {
        let (mut most, mut in_flight, mut n_tokens) = (0, Vec::new(), 0);
        for note in self.notes.try_iter() {
            match note {
                Note::Submitted {
                    ticket,
                    n_tokens: n,
                } => {
                    in_flight.push(ticket);
                    n_tokens += n;
                }
                Note::Polled(ticket) => {
                    assert_eq!(in_flight.remove(0), ticket, "in the order of submission");
                }
            }
            most = most.max(in_flight.len());
        }
        assert!(in_flight.is_empty(), "every step is waited for");
        (most, n_tokens)
    }
}

#[test]
fn a_second_slice_is_submitted_before_the_first_is_complete_where_the_device_runs_ahead() {
    let rows = recorded_of(&masked());
    for (runs_ahead, most) in [(false, 1), (true, 2)] {
        let mut it = Hand::new(&rows, runs_ahead);
        it.show(&plain());
        it.finish();
        assert_eq!(it.counted(), (most, N_GIVEN), "runs ahead: {runs_ahead}");
        check_row(it.recording.baseline().unwrap(), &rows[0].record);
    }
}

/// Works some turns on a prompt, does something, and finishes; every token was read once, and the rows are whole.
fn check_between(does: impl Fn(&mut Hand), then: &Experiment) {
    let rows = recorded_of(&masked());
    let is_edited = !then.edits.is_idle();
    for runs_ahead in [false, true] {
        for n_turns in 0..8 {
            let mut it = Hand::new(&rows, runs_ahead);
            it.show(&plain());
            for _ in 0..n_turns {
                it.turn();
            }
            does(&mut it);
            it.show(then);
            it.finish();
            let (_, n_tokens) = it.counted();
            check_row(it.recording.baseline().unwrap(), &rows[0].record);
            if is_edited {
                check_row(it.recording.edited().unwrap(), &rows[1].record);
                check_store(it.recording.counterfactual().unwrap(), &rows[2].record);
            } else {
                assert_eq!(n_tokens, N_GIVEN, "{n_turns} turns, ahead: {runs_ahead}");
            }
        }
    }
}

#[test]
fn an_edit_between_two_slices_loses_nothing() {
    check_between(|_| {}, &masked());
    check_between(|_| {}, &plain());
}

#[test]
fn what_is_given_up_between_two_slices_is_taken_up_where_it_was() {
    let give_up = |it: &mut Hand| {
        it.session.cancel_backlog(&mut it.out);
        it.turn();
    };
    check_between(give_up, &plain());
    check_between(give_up, &masked());
}
