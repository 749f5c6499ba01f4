//! What befalls a device while text is written: it is said, nothing on screen is lost, and the CPU
//! writes on from there.

use std::collections::BTreeMap;

use moescope::checkpoint::Bundled;
use moescope::engine::{
    Engine, Event, ModelOpener, ModelSource, Options, Pace, Request, StopReason,
};
use moescope::ops::Gpu;
use moescope::spec::{DeviceChoice, Placement, TokenId};
use moescope::trace::{RowEvent, RowId};

use super::{Fault, PATIENCE, TEN_EDITS, ask, experiment, spied, until};

/// Tokens written in all.
const N: u32 = 24;

/// The tokens of every row.
type Texts = BTreeMap<RowId, Vec<TokenId>>;

fn take_in(texts: &mut Texts, event: &Event) {
    match event {
        Event::Row(RowEvent::Forked {
            row, parent, at, ..
        }) => {
            let start = parent.map(|it| texts[&it][..at.idx()].to_vec());
            texts.insert(*row, start.unwrap_or_default());
        }
        Event::Row(RowEvent::Stepped { row, step, .. }) => {
            let text = texts.get_mut(row).unwrap();
            assert_eq!(text.len(), step.start.idx(), "nothing is told twice");
            text.extend(&step.tokens);
        }
        _ => {}
    }
}

/// Every event up to the one that is waited for, also past a failure.
fn follow(engine: &mut Engine, texts: &mut Texts, is_it: impl Fn(&Event) -> bool) -> Event {
    loop {
        let event = engine.wait(PATIENCE).expect("the engine says nothing");
        take_in(texts, &event);
        if is_it(&event) {
            return event;
        }
        assert!(
            !matches!(event, Event::Failed { .. } | Event::Refused(_)),
            "{event:?}"
        );
    }
}

fn caught_up(event: &Event) -> bool {
    matches!(event, Event::Backlog { n_left: 0, .. })
}

fn play(engine: &mut Engine, texts: &mut Texts, n: u32) {
    ask(
        engine,
        Request::Play {
            stop_after: Some(n),
        },
    );
    follow(engine, texts, |it| {
        matches!(it, Event::Stopped(StopReason::Count))
    });
}

/// The rows of two experiments on the CPU, the second begun in the middle of the first.
fn on_cpu_throughout(edits: &[&str]) -> Texts {
    let placement = Placement {
        device: DeviceChoice::Cpu,
        quantize: None,
    };
    let opener = Box::new(ModelOpener::on(placement));
    let mut engine = Engine::spawn(opener, Options::default(), Box::new(|| ())).unwrap();
    ask(&engine, Request::Open(ModelSource::Bundled(Bundled::Tour)));
    until(&mut engine, |it| matches!(it, Event::Opened(_)));
    ask(&engine, Request::SetPace(Pace::Unlimited));
    ask(&engine, experiment(edits));
    let mut texts = Texts::new();
    follow(&mut engine, &mut texts, caught_up);
    play(&mut engine, &mut texts, N);
    texts
}

/// Every row of one text is the start of that of the other.
fn assert_same(got: &Texts, want: &Texts, n_least: usize) {
    assert_eq!(
        got.keys().collect::<Vec<_>>(),
        want.keys().collect::<Vec<_>>()
    );
    for (row, text) in got {
        let n = text.len().min(want[row].len());
        assert!(n >= n_least, "row {row:?} has {} tokens", text.len());
        assert_eq!(text[..n], want[row][..n], "row {row:?}");
    }
}

/// Waits until a step fails for the device, and says why in words that begin so.
fn fails(engine: &mut Engine, texts: &mut Texts, why_start: &str) {
    let failed = follow(engine, texts, |it| matches!(it, Event::Failed { .. }));
    let Event::Failed {
        why,
        device_is_lost,
    } = failed
    else {
        unreachable!()
    };
    assert!(device_is_lost, "{why}");
    assert!(why.starts_with(why_start), "{why}");
}

/// Writes until a fault strikes; the engine and the rows as they were told by then.
fn struck(strike: fn(&Gpu), edits: &[&str], why_start: &str) -> (Engine, Texts) {
    let fault = Fault {
        n_steps: 10,
        strike,
    };
    let (mut engine, _notes) = spied(Some(fault));
    let mut texts = Texts::new();
    ask(&engine, experiment(edits));
    follow(&mut engine, &mut texts, caught_up);
    ask(
        &engine,
        Request::Play {
            stop_after: Some(N),
        },
    );
    fails(&mut engine, &mut texts, why_start);
    follow(&mut engine, &mut texts, |it| {
        matches!(it, Event::Stopped(StopReason::Failed))
    });
    (engine, texts)
}

fn to_cpu(engine: &mut Engine, texts: &mut Texts) {
    ask(engine, Request::SetDevice(DeviceChoice::Cpu));
    let moved = follow(engine, texts, |it| matches!(it, Event::Moved(_)));
    let Event::Moved(device) = moved else {
        unreachable!()
    };
    assert!(!device.is_gpu, "{device:?}");
}

#[test]
fn a_device_lost_while_text_is_written_is_said_and_the_cpu_writes_on_from_there() {
    let why = "the graphics processor was lost: ";
    for edits in [&[][..], TEN_EDITS] {
        let (mut engine, mut texts) = struck(Gpu::lose, edits, why);
        let n_read = texts.values().map(Vec::len).min().unwrap();
        assert!(n_read > 5, "it broke in the middle of the text: {texts:?}");
        to_cpu(&mut engine, &mut texts);
        play(&mut engine, &mut texts, N - 12);
        assert_same(&texts, &on_cpu_throughout(edits), n_read + 10);
    }
}

#[test]
fn a_lost_device_that_is_asked_again_says_so_again() {
    let why = "the graphics processor was lost: ";
    let (mut engine, mut texts) = struck(Gpu::lose, &[], why);
    ask(&engine, Request::Step);
    fails(&mut engine, &mut texts, why);
}

#[test]
fn memory_that_runs_out_while_text_is_written_is_said_and_the_cpu_writes_on_from_there() {
    // Nothing more than it has: the text under way goes on, and a second row has no room.
    let (mut engine, _notes) = spied(Some(Fault {
        n_steps: 10,
        strike: |gpu| gpu.limit_memory(gpu.n_bytes()),
    }));
    let mut texts = Texts::new();
    ask(&engine, experiment(&[]));
    follow(&mut engine, &mut texts, caught_up);
    play(&mut engine, &mut texts, N);
    ask(&engine, experiment(&["mask:0.1"]));
    let why = "the graphics processor has no memory left for ";
    fails(&mut engine, &mut texts, why);
    to_cpu(&mut engine, &mut texts);
    follow(&mut engine, &mut texts, caught_up);
    play(&mut engine, &mut texts, N);
    assert_same(&texts, &on_cpu_throughout(&["mask:0.1"]), 5 + N as usize);
}
