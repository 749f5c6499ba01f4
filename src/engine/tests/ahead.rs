//! Slices of a text that are submitted before the last one is complete, where the device runs ahead.

use std::sync::mpsc::{Receiver, sync_channel};

use super::{
    scripted::{recorded_of, replay_of},
    spy::{Note, Spy},
    toy::{Toy, facts},
    watch::{check_row, check_store, experiment},
};
use crate::checkpoint::{ReadAhead, ReadAheadProgress};
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
    /// Whether weights are not read ahead for now.
    is_held: Box<dyn Fn() -> bool>,
}

impl Hand {
    fn new(rows: &[ScriptedRow], runs_ahead: bool) -> Self {
        Self::in_layers(rows, runs_ahead, 0)
    }

    /// A step has so many layers, each of which waits for a disk.
    fn in_layers(rows: &[ScriptedRow], runs_ahead: bool, n_layers: usize) -> Self {
        let (backend, notes) = Spy::on(Box::new(replay_of(rows)), runs_ahead);
        let backend = backend.in_layers(n_layers);
        let ahead = ReadAhead::at(ReadAheadProgress {
            done_bytes: 0,
            total_bytes: 1,
        });
        let is_held = Box::new(ahead.asks_whether_held());
        let model = OpenModel {
            backend: Box::new(backend),
            facts: facts(&Toy::default()),
            encode: None,
            examiner: None,
            mover: None,
            ahead: Some(ahead),
        };
        let (send, events) = sync_channel(100_000);
        Self {
            session: ModelSession::new(model, Options::default(), Lists::default()),
            notes,
            out: EventSender::new(send, Box::new(|| ())),
            events,
            recording: Recording::default(),
            is_held,
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
        let is_due = |it: &Self| {
            let now = std::time::Instant::now();
            it.session.due(now).is_some_and(|it| it <= now)
        };
        while is_due(self) {
            self.turn();
        }
        self.listen();
    }

    /// Takes in what was said. How many layers had run on a slice, each time that was told, and of how many.
    fn listen(&mut self) -> Vec<(usize, usize)> {
        let mut layers = Vec::new();
        for event in self.events.try_iter() {
            match event {
                Event::Row(event) => self.recording.apply(event).unwrap(),
                Event::Slice {
                    n_done, n_layers, ..
                } => layers.push((n_done, n_layers)),
                Event::Failed { why, .. } => panic!("{why}"),
                _ => {}
            }
        }
        layers
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

#[test]
fn between_two_layers_that_wait_for_a_disk_the_request_channel_is_checked() {
    let rows = recorded_of(&masked());
    let mut it = Hand::in_layers(&rows, false, 3);
    it.show(&plain());
    it.turn();
    it.turn();
    assert_eq!(it.listen(), [(1, 3), (2, 3)]);
    it.finish();
    assert_eq!(it.counted(), (1, N_GIVEN));
    check_row(it.recording.baseline().unwrap(), &rows[0].record);
}

#[test]
fn a_slice_that_is_half_computed_is_taken_back_where_something_is_asked() {
    let rows = recorded_of(&masked());
    for give_up in [true, false] {
        for n_turns in 0..6 {
            let mut it = Hand::in_layers(&rows, false, 2);
            it.show(&plain());
            (0..n_turns).for_each(|_| it.turn());
            let began = std::time::Instant::now();
            if give_up {
                it.session.cancel_backlog(&mut it.out);
            } else {
                it.session.set_experiment(&masked(), &mut it.out).unwrap();
            }
            let took = began.elapsed();
            assert!(took.as_millis() < 11, "{took:?}: no layer is waited for");
            it.show(&masked());
            it.finish();
            check_row(it.recording.baseline().unwrap(), &rows[0].record);
            check_row(it.recording.edited().unwrap(), &rows[1].record);
            check_store(it.recording.counterfactual().unwrap(), &rows[2].record);
        }
    }
}

#[test]
fn nothing_is_read_ahead_while_the_first_tokens_wait_for_their_weights() {
    let rows = recorded_of(&masked());
    let mut it = Hand::in_layers(&rows, false, 2);
    it.turn();
    assert!(!(it.is_held)(), "there is no text yet");
    it.show(&plain());
    it.turn();
    assert!((it.is_held)());
    it.session.cancel_backlog(&mut it.out);
    it.turn();
    assert!(!(it.is_held)(), "nobody waits any more");
    it.show(&plain());
    it.turn();
    assert!((it.is_held)());
    it.finish();
    assert!(!(it.is_held)(), "the first slice was read");
}
