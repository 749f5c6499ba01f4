//! Loading, failing, ending.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::sync_channel,
    thread::sleep,
    time::{Duration, Instant},
};

use super::{
    toy::{Toy, ToyOpener, facts},
    watch::{PATIENCE, Watch, World, experiment},
};
use crate::checkpoint::{CheckpointError, ReadAhead, ReadAheadProgress};
use crate::engine::{
    Engine, Event, LoadStep, LoadingJob, ModelOpener, ModelSource, NotSent, OpenError, OpenModel,
    Opener, Options, ReadyOpener, Request, StopReason,
};
use crate::spec::{DeviceChoice, ModelChoice, Placement, TokenId};
use crate::trace::Recording;

const PROMPT: &[u32] = &[2, 9, 17];

fn open(name: &str) -> Request {
    Request::Open(ModelSource::Path(PathBuf::from(name)))
}

fn failed(it: &mut Watch) -> (String, bool) {
    match it.until(|it| matches!(it, Event::OpenFailed { .. })) {
        Event::OpenFailed { why, cancelled, .. } => (why, cancelled),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_load_tells_its_progress_and_the_new_model_starts_empty() {
    let mut it = Watch::new(Toy::default());
    it.show(&experiment(PROMPT, 1, &[]));
    it.ask(open("another"));
    it.until(|it| matches!(it, Event::Loading(_)));
    it.until(|it| matches!(it, Event::Opened(_)));
    assert!(
        it.refused(Request::Play { stop_after: None })
            .contains("no prompt")
    );
    it.recording = Recording::default();
    it.show(&experiment(PROMPT, 1, &[]));
    it.check();
}

#[test]
fn a_load_that_fails_or_is_cancelled_keeps_the_open_model() {
    let mut it = Watch::new(Toy::default());
    it.show(&experiment(PROMPT, 1, &[]));
    it.ask(open("missing"));
    assert_eq!(
        failed(&mut it),
        ("there is no folder missing".to_owned(), false)
    );
    it.ask(open("broken"));
    assert_eq!(
        failed(&mut it),
        ("the last tensor is missing".to_owned(), false)
    );
    it.ask(open("endless"));
    it.until(|it| matches!(it, Event::Loading(_)));
    assert_eq!(
        it.play(9),
        StopReason::Count,
        "it plays while another one loads"
    );
    it.ask(Request::CancelLoad);
    assert!(failed(&mut it).1);
    it.ask(open("endless"));
    it.ask(open("missing"));
    assert!(failed(&mut it).1, "a second load gives up the first");
    assert!(!failed(&mut it).1);
    it.play(5);
    it.check();
}

/// A toy of whose weights one byte was read.
fn read_ahead(total_bytes: u64) -> Watch {
    let toy = Toy::default();
    let world = World::toy(&toy);
    let opener = ReadyOpener(move |_: &ModelSource| {
        Ok(OpenModel {
            backend: Box::new(toy.backend()),
            facts: facts(&toy),
            encode: None,
            examiner: None,
            mover: None,
            ahead: Some(ReadAhead::at(ReadAheadProgress {
                done_bytes: 1,
                total_bytes,
            })),
        })
    });
    Watch::with_opener(world, Box::new(opener), Options::default())
}

#[test]
fn that_a_large_model_is_being_read_is_told_before_the_first_text_is() {
    let mut it = read_ahead(3 << 30);
    it.show(&experiment(PROMPT, 1, &[]));
    let before = it.log.iter().take_while(|it| !matches!(it, Event::Row(_)));
    let told = before.filter(|it| matches!(it, Event::ReadAhead { .. }));
    assert!(told.count() >= 1, "{:?}", it.log);
}

#[test]
fn a_model_answers_while_its_weights_are_read() {
    let mut it = read_ahead(3);
    let is_told = |it: &Event| {
        matches!(
            it,
            Event::ReadAhead {
                done_bytes: 1,
                total_bytes: 3
            }
        )
    };
    it.until(is_told);
    it.show(&experiment(PROMPT, 1, &[]));
    assert_eq!(it.play(5), StopReason::Count);
    it.until(is_told);
    it.check();
}

#[test]
fn nothing_is_read_before_a_model_on_the_cpu_is_open() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = ModelSource::Path(root.join("tests/golden/fixtures/mixtral"));
    let mut opener = ModelOpener::on(Placement {
        device: DeviceChoice::Cpu,
        quantize: None,
    });
    let mut load = opener.open(&source).unwrap();
    let model = loop {
        match load.advance().unwrap() {
            LoadStep::Going(it) => {
                assert_eq!((it.done_bytes, it.total_bytes), (0, 0));
                assert!(it.needed_bytes > 0);
            }
            LoadStep::Done(model) => break model,
            LoadStep::Moved(_) => panic!("it was not open"),
        }
    };
    let ahead = model.ahead.unwrap();
    let n_bytes = model.facts.weight_bytes;
    assert!(
        ahead.progress().total_bytes > n_bytes,
        "headers are read, too"
    );
    let end = Instant::now() + PATIENCE;
    while !ahead.progress().is_done() {
        assert!(Instant::now() < end);
        sleep(Duration::from_millis(1));
    }
}

/// Finds two models at every place.
struct Several;

impl Opener for Several {
    fn open(&mut self, _: &ModelSource) -> Result<Box<dyn LoadingJob>, OpenError> {
        let choice = |name: &str| ModelChoice {
            name: name.to_owned(),
            path: name.into(),
            n_bytes: Some(7),
        };
        Err(OpenError::Checkpoint(CheckpointError::Several {
            what: "there are two".to_owned(),
            choices: vec![choice("a\n.gguf"), choice("b.gguf")],
            path: "models".into(),
        }))
    }
}

#[test]
fn a_place_of_several_models_says_which_there_are() {
    let mut engine = Engine::spawn(Box::new(Several), Options::default(), Box::new(|| ())).unwrap();
    engine.send(open("several")).unwrap();
    match engine.wait(Duration::from_secs(5)) {
        Some(Event::OpenFailed { why, choices, .. }) => {
            let all: Vec<_> = choices.iter().map(|it| (&*it.name, &*it.path)).collect();
            // A name moves no cursor, and the path is what the system has.
            let want = [("a\\n.gguf", "a\n.gguf"), ("b.gguf", "b.gguf")];
            let want = want.map(|(name, path)| (name, Path::new(path)));
            assert_eq!(
                (why.as_str(), all),
                ("there are two (in models)", want.to_vec())
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn text_becomes_tokens_or_a_sentence() {
    let mut it = Watch::new(Toy::default());
    let mut encode = |text: &str| {
        it.ask(Request::Encode {
            tag: 3,
            text: text.to_owned(),
            form: crate::spec::PromptForm::Plain,
        });
        match it.until(|it| matches!(it, Event::Encoded { .. })) {
            Event::Encoded { tag: 3, tokens } => tokens,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(encode("4 5"), Ok(vec![TokenId(4), TokenId(5)]));
    assert!(encode("four").unwrap_err().to_string().contains("four"));
}

#[test]
fn before_a_model_is_open_everything_else_is_refused() {
    let toy = Box::new(ToyOpener(Toy::default()));
    let mut engine = Engine::spawn(toy, Options::default(), Box::new(|| ())).unwrap();
    engine.send(Request::Step).unwrap();
    let why = engine.wait(Duration::from_secs(5));
    assert_eq!(why, Some(Event::Refused("no model is open".to_owned())));
}

#[test]
fn a_failed_step_stops_with_a_sentence_and_can_be_tried_again() {
    let toy = Toy {
        bad_token: Some(TokenId(40)),
        ..Toy::default()
    };
    let mut it = Watch::new(toy);
    it.ask(Request::SetExperiment(Box::new(experiment(
        &[3, 40],
        1,
        &[],
    ))));
    it.until(|it| matches!(it, Event::Failed { why, .. } if why.contains("NaN")));
    it.until(|it| matches!(it, Event::Backlog { n_left: 0, .. }));
    it.ask(Request::Step);
    it.until(|it| matches!(it, Event::Failed { .. }));
    it.until(|it| *it == Event::Stopped(StopReason::Failed));
    it.show(&experiment(PROMPT, 1, &[]));
    it.ask(Request::Play { stop_after: None });
    it.until(|it| matches!(it, Event::Failed { .. }));
    it.until(|it| *it == Event::Playing(false));
    assert!(it.lens().0 > 3, "what was written stays");
    it.check();
}

#[test]
fn a_thread_that_dies_says_so_once() {
    let toy = Toy {
        deadly_token: Some(TokenId(40)),
        ..Toy::default()
    };
    let mut it = Watch::new(toy);
    let rows = it.show(&experiment(PROMPT, 1, &[]));
    it.ask(Request::SetExperiment(Box::new(experiment(
        &[3, 40],
        1,
        &[],
    ))));
    let death = it.until(|it| matches!(it, Event::Failed { .. }));
    assert_eq!(
        death,
        Event::Failed {
            why: "the engine stopped working: the toy broke".to_owned(),
            device_is_lost: false,
        }
    );
    assert_eq!(it.engine.events().count(), 0);
    assert_eq!(it.engine.wait(Duration::from_secs(5)), None);
    assert_eq!(
        it.engine.send(Request::Step),
        Err(NotSent::Ended(Request::Step))
    );
    assert_eq!(it.record(rows.baseline).tokens.len(), 3);
}

#[test]
fn dropping_the_handle_ends_a_thread_that_waits_to_be_heard() {
    let toy = Toy {
        n_ctx: 100_000,
        ..Toy::default()
    };
    let it = Watch::new(toy);
    let mut it = it;
    it.show(&experiment(PROMPT, 1, &[]));
    it.ask(Request::Play { stop_after: None });
    sleep(Duration::from_millis(50));
    let began = Instant::now();
    drop(it);
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_full_queue_hands_the_request_back() {
    let toy = Toy {
        n_ctx: 100_000,
        ..Toy::default()
    };
    let mut it = Watch::new(toy);
    it.show(&experiment(PROMPT, 1, &[]));
    it.ask(Request::Play { stop_after: None });
    sleep(Duration::from_millis(50));
    let pause = || Request::Pause;
    let full = (0..200).find_map(|_| it.engine.send(pause()).err());
    assert_eq!(full, Some(NotSent::Full(pause())));
    it.until(|it| *it == Event::Stopped(StopReason::Paused));
}

#[test]
fn each_event_wakes_the_listener() {
    let (wake_up, wakes) = sync_channel(64);
    let toy = Box::new(ToyOpener(Toy::default()));
    let wake = Box::new(move || wake_up.send(()).unwrap_or(()));
    let mut engine = Engine::spawn(toy, Options::default(), wake).unwrap();
    engine.send(Request::Step).unwrap();
    wakes.recv_timeout(Duration::from_secs(5)).unwrap();
    assert_eq!(engine.events().count(), 1);
}
