//! A recording replays as it was recorded, and nothing else.

use std::time::{Duration, Instant};

use super::{
    cut_every,
    toy::{Toy, facts, spec},
    watch::{Watch, World, experiment},
};
use crate::engine::{
    Backend as _, BackendError, Capture, Event, Feed, OpenModel, Options, ReadyOpener, Request,
    Row, ScriptedBackend, ScriptedRow, Wait,
};
use crate::spec::{Experiment, InterventionSet, RoutingPolicy, Sampling, TokenId};

const PROMPT: &[u32] = &[2, 9, 17, 30, 5, 11];

fn masked() -> Experiment {
    experiment(PROMPT, 1, &["mask:0.1@8.."])
}

/// A baseline of 26 tokens and its edited row and counterfactual, recorded.
fn recorded() -> (Watch, Vec<ScriptedRow>) {
    let mut it = Watch::new(Toy::default());
    it.show(&masked().baseline());
    it.play(14);
    it.show(&masked());
    it.play(18);
    let rows = rows_of(&it);
    (it, rows)
}

/// Baseline, edited row and counterfactual of an experiment whose prompt was read, recorded.
pub fn recorded_of(edited: &Experiment) -> Vec<ScriptedRow> {
    let mut it = Watch::new(Toy::default());
    it.show(edited);
    rows_of(&it)
}

fn rows_of(it: &Watch) -> Vec<ScriptedRow> {
    let edits = &it.experiment.edits;
    let row = |record, edits: &InterventionSet| ScriptedRow {
        edits: edits.clone(),
        sampling: Some(Sampling::default()),
        record,
    };
    vec![
        row(it.baseline().clone(), &InterventionSet::default()),
        row(it.edited().clone(), edits),
        row(it.counterfactual().clone(), edits),
    ]
}

pub fn replay_of(rows: &[ScriptedRow]) -> ScriptedBackend {
    let backend = ScriptedBackend::new(spec(400), rows.to_vec()).unwrap();
    backend.cut_every(cut_every())
}

fn replaying(rows: &[ScriptedRow], hold: Duration) -> Watch {
    let (toy, rows) = (Toy::default(), rows.to_vec());
    let opener = ReadyOpener(move |_: &_| {
        Ok(OpenModel {
            backend: Box::new(replay_of(&rows).with_hold(hold)),
            facts: facts(&Toy::default()),
            encode: None,
            examiner: None,
            mover: None,
            ahead: None,
        })
    });
    Watch::with_opener(World::toy(&toy), Box::new(opener), Options::default())
}

#[test]
fn the_rows_come_back_as_recorded_however_they_are_asked_for() {
    let (first, rows) = recorded();
    let mut it = replaying(&rows, Duration::ZERO);
    it.show(&masked());
    it.play(21);
    assert_eq!(it.lens(), first.lens());
    it.check();
    assert_eq!(it.edited().tokens, first.edited().tokens);
    let compared = it.counterfactual().comparisons.iter_from(8);
    assert!(compared.eq(first.counterfactual().comparisons.iter()));
}

#[test]
fn what_was_not_recorded_fails_in_a_sentence_and_the_rows_stay() {
    let (_, rows) = recorded();
    let mut it = replaying(&rows, Duration::ZERO);
    it.show(&masked().baseline());
    it.ask(Request::Play { stop_after: None });
    let failed = it.until(|it| matches!(it, Event::Failed { .. }));
    let Event::Failed { why, .. } = failed else {
        panic!()
    };
    assert!(why.contains("position 27 was not recorded"), "{why}");
    it.until(|it| *it == Event::Playing(false));
    assert_eq!(it.lens(), (27, 0));
    it.check();
    it.ask(Request::SetExperiment(Box::new(experiment(
        &[3, 3],
        1,
        &[],
    ))));
    it.until(|it| matches!(it, Event::Failed { .. }));
}

#[test]
fn an_edit_a_sampling_and_a_released_sequence_are_refused() {
    let (_, rows) = recorded();
    let mut backend = ScriptedBackend::new(spec(400), rows).unwrap();
    let seq = backend.open();
    let tokens: Vec<TokenId> = PROMPT.iter().map(|it| TokenId(*it)).collect();
    let plain = RoutingPolicy::default();
    let other = World::toy(&Toy::default()).lowered(&experiment(&[], 1, &["mask:1.0"]).edits);
    let mut try_it = |policy: &_, seed, seq| {
        let sampling = Sampling {
            seed,
            ..Sampling::default()
        };
        let row = Row {
            seq,
            feed: Feed::Tokens(&tokens),
            next: None,
            policy,
            sampling: Some(&sampling),
            against: None,
        };
        let ticket = backend.submit(&[row], Capture::Trace)?;
        backend.poll(ticket, Wait::Done)
    };
    assert!(matches!(
        try_it(&other, 1, seq),
        Err(BackendError::NotInScript(_))
    ));
    assert!(matches!(
        try_it(&plain, 2, seq),
        Err(BackendError::NotInScript(_))
    ));
    assert!(matches!(
        try_it(&plain, 1, crate::spec::SeqId(9)),
        Err(BackendError::NoSequence(_))
    ));
    let step = try_it(&plain, 1, seq).unwrap().unwrap();
    assert!(step.rows[0].drawn.is_some() && step.rows[0].readouts.len() == 6);
}

#[test]
fn a_held_step_is_not_waited_for_by_a_poll_that_must_not() {
    let (_, rows) = recorded();
    let hold = Duration::from_millis(30);
    let mut backend = ScriptedBackend::new(spec(400), rows)
        .unwrap()
        .with_hold(hold);
    let seq = backend.open();
    let (tokens, policy) = ([TokenId(2)], RoutingPolicy::default());
    let row = Row {
        seq,
        feed: Feed::Tokens(&tokens),
        next: None,
        policy: &policy,
        sampling: None,
        against: None,
    };
    let began = Instant::now();
    let ticket = backend.submit(&[row], Capture::None).unwrap();
    assert_eq!(
        backend.poll(ticket, Wait::Never).map(|it| it.is_some()),
        Ok(false)
    );
    assert!(backend.poll(ticket, Wait::Done).unwrap().is_some());
    assert!(began.elapsed() >= hold);
    assert_eq!(
        backend.poll(ticket, Wait::Done).err(),
        Some(BackendError::Dropped)
    );
}
