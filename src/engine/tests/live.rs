//! The backend that computes: a step that is given up takes along what rests on it, and nothing else.

use super::{
    jobs::{Desk, Found, Sweep, check, policies, tokens, wanted},
    spy::Spy,
    tour::tour_world,
    toy::{Toy, facts},
};
use crate::checkpoint::{self, Bundled, Source};
use crate::engine::{
    Backend, BackendError, Capture, Extent, Feed, Row, StepProgress, StepRow, Ticket, Wait,
    open_backend,
};
use crate::spec::{DeviceChoice, Placement, Position, RoutingPolicy, SeqId, TokenId};
use crate::trace::ModelFacts;

fn submit(backend: &mut dyn Backend, seq: SeqId, tokens: &[u32]) -> Ticket {
    let tokens: Vec<TokenId> = tokens.iter().map(|it| TokenId(*it)).collect();
    let row = Row {
        seq,
        feed: Feed::Tokens(&tokens),
        next: None,
        policy: &RoutingPolicy::default(),
        sampling: None,
        against: None,
    };
    backend.submit(&[row], Capture::Trace).unwrap()
}

fn poll(backend: &mut dyn Backend, ticket: Ticket) -> Result<StepRow, BackendError> {
    let step = backend.poll(ticket, Wait::Done)?;
    Ok(step.unwrap().rows.remove(0))
}

/// The same tokens in a sequence of their own, one step after the other.
fn alone(steps: &[&[u32]]) -> Vec<StepRow> {
    let mut backend = (tour_world().backend)();
    let seq = backend.open();
    let read = |it: &&[u32]| {
        let ticket = submit(&mut *backend, seq, it);
        poll(&mut *backend, ticket).unwrap()
    };
    steps.iter().map(read).collect()
}

fn check_step(got: &StepRow, want: &StepRow) {
    assert_eq!(got.readouts, want.readouts);
    assert_eq!(got.trace.tokens, want.trace.tokens);
    assert_eq!(got.trace.routers, want.trace.routers);
}

#[test]
fn a_step_given_up_leaves_those_of_other_sequences() {
    let mut backend = (tour_world().backend)();
    let backend = &mut *backend;
    let (a, b) = (backend.open(), backend.open());
    let a1 = submit(backend, a, &[5, 6, 7]);
    let b1 = submit(backend, b, &[8, 9]);
    let a2 = submit(backend, a, &[10]);
    let b2 = submit(backend, b, &[11, 12]);
    backend.release(a);
    let want = alone(&[&[8, 9], &[11, 12]]);
    check_step(&poll(backend, b1).unwrap(), &want[0]);
    check_step(&poll(backend, b2).unwrap(), &want[1]);
    assert_eq!(backend.len(b), 4);
    for dropped in [a1, a2] {
        assert_eq!(poll(backend, dropped).unwrap_err(), BackendError::Dropped);
    }
}

#[test]
fn a_rewind_leaves_the_steps_that_end_before_it() {
    let mut backend = (tour_world().backend)();
    let backend = &mut *backend;
    let seq = backend.open();
    let tickets = [[5, 6], [7, 8], [9, 10]].map(|it| submit(backend, seq, &it));
    assert_eq!(backend.rewind(seq, Position(4)), Position(4));
    let again = submit(backend, seq, &[11]);
    let want = alone(&[&[5, 6], &[7, 8], &[11]]);
    for (ticket, want) in [tickets[0], tickets[1], again].into_iter().zip(&want) {
        check_step(&poll(backend, ticket).unwrap(), want);
    }
    assert_eq!(
        poll(backend, tickets[2]).unwrap_err(),
        BackendError::Dropped
    );
}

#[test]
fn of_two_jobs_at_once_the_one_that_is_left_loses_nothing() {
    let world = tour_world();
    let tokens = &tokens()[..44];
    let wanted = wanted(&world, tokens);
    let facts = ModelFacts {
        spec: world.spec.clone(),
        ..facts(&Toy::default())
    };
    let policies = policies(&world);
    // Jobs hold one slice in flight between them: after one of these turns it is that of the job given up, after the
    // other that of the job left. What a backend does with several is tested above.
    for n_turns in [6, 7] {
        let (backend, _notes) = Spy::on((world.backend)(), true);
        let mut desk = Desk::over(Box::new(backend), facts.clone());
        let (a, b) = (Found::default(), Found::default());
        desk.begin(1, Sweep::new(tokens, &policies, &a));
        desk.begin(2, Sweep::new(tokens, &policies, &b));
        for _ in 0..n_turns {
            desk.turn();
        }
        desk.cancel(1);
        desk.finish();
        assert_eq!(desk.ended(), [(1, true), (2, false)]);
        check(&b, &wanted);
    }
}

/// The Tour model on the CPU.
fn on_cpu() -> Box<dyn Backend> {
    let checkpoint = checkpoint::open(&Source::Bundled(Bundled::Tour)).unwrap();
    let placement = Placement {
        device: DeviceChoice::Cpu,
        quantize: None,
    };
    let extent = Extent::first_pages(&checkpoint.spec);
    open_backend(&checkpoint, placement, extent).unwrap().0
}

#[test]
fn a_step_taken_layer_by_layer_is_the_step() {
    let want = alone(&[&[5, 6, 7], &[8]]);
    let mut backend = on_cpu();
    let backend = &mut *backend;
    let n_layers = backend.spec().layers.len();
    let seq = backend.open();
    for (tokens, want) in [&[5, 6, 7][..], &[8]].into_iter().zip(&want) {
        assert_eq!(backend.advance(), None, "nothing is submitted");
        let ticket = submit(backend, seq, tokens);
        for n_done in 1..n_layers {
            assert_eq!(backend.advance(), Some(StepProgress { n_done, n_layers }));
        }
        assert_eq!(backend.advance(), None);
        check_step(&poll(backend, ticket).unwrap(), want);
    }
    assert_eq!(backend.len(seq), 4);
}

#[test]
fn a_step_given_up_between_two_layers_leaves_nothing() {
    let want = alone(&[&[5, 6], &[7, 8]]);
    let n_layers = on_cpu().spec().layers.len();
    for n_run in 1..=n_layers {
        let mut backend = on_cpu();
        let backend = &mut *backend;
        let seq = backend.open();
        let first = submit(backend, seq, &[5, 6]);
        check_step(&poll(backend, first).unwrap(), &want[0]);
        let given_up = submit(backend, seq, &[9, 10, 11]);
        for _ in 0..n_run {
            backend.advance();
        }
        // A fork of what was read meanwhile has nothing of it.
        let (fork, _) = backend.fork(seq, Position(2)).unwrap();
        assert_eq!(backend.rewind(seq, Position(2)), Position(2));
        assert_eq!(poll(backend, given_up).unwrap_err(), BackendError::Dropped);
        for seq in [seq, fork] {
            let again = submit(backend, seq, &[7, 8]);
            check_step(&poll(backend, again).unwrap(), &want[1]);
        }
    }
}
