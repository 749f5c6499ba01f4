//! The engine on a graphics processor, the software adapter: what is handed over and read back for
//! each token, what hundreds of tokens with edits leave behind, the text the CPU writes.

mod faults;

use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    time::Duration,
};

use moescope::checkpoint::{self, Bundled, Source};
use moescope::engine::{
    Backend, BackendError, Capture, Engine, Event, Feed, LiveBackend, LoadStep, ModelOpener,
    ModelSource, OpenModel, Opener, Options, Pace, ReadyOpener, Request, Row, Step, StopReason,
    Ticket, Wait,
};
use moescope::model::Model;
use moescope::ops::{AdapterChoice, Counters, Cpu, Gpu};
use moescope::spec::{
    DeviceChoice, Experiment, Intervention, InterventionSet, ModelSpec, Position, Revision,
    RoutingPolicy, Sampling, SeqId, TokenId,
};
use moescope::trace::RowEvent;

const PATIENCE: Duration = Duration::from_mins(1);

fn tour() -> checkpoint::Checkpoint {
    checkpoint::open(&Source::Bundled(Bundled::Tour)).unwrap()
}

/// The Tour model on the software adapter; a machine without one fails.
fn on_gpu() -> LiveBackend<Gpu> {
    let checkpoint = tour();
    let gpu = Gpu::open(AdapterChoice::Software).unwrap();
    let model = Model::new(checkpoint.spec.clone(), &checkpoint.weights, gpu).unwrap();
    LiveBackend::new(model, checkpoint.spec.n_vocab)
}

fn on_cpu() -> LiveBackend<Cpu> {
    let checkpoint = tour();
    let model = Model::new(checkpoint.spec.clone(), &checkpoint.weights, Cpu::default()).unwrap();
    LiveBackend::new(model, checkpoint.spec.n_vocab)
}

/// What the engine asked of its backend.
#[derive(Clone, Copy, Debug)]
enum Note {
    Submitted {
        ticket: Ticket,
        n_rows: usize,
        before: Counters,
        after: Counters,
    },
    Polled {
        ticket: Ticket,
        before: Counters,
        after: Counters,
    },
}

/// A backend that tells what is asked of it.
struct Spy {
    inner: LiveBackend<Gpu>,
    notes: SyncSender<Note>,
    fault: Option<Fault>,
}

/// What befalls the device, and after how many steps more.
#[derive(Clone, Copy, Debug)]
struct Fault {
    n_steps: usize,
    strike: fn(&Gpu),
}

impl Backend for Spy {
    fn spec(&self) -> &ModelSpec {
        self.inner.spec()
    }

    fn open(&mut self) -> SeqId {
        self.inner.open()
    }

    fn submit(&mut self, batch: &[Row<'_>], capture: Capture) -> Result<Ticket, BackendError> {
        let before = self.inner.ops().counters();
        let ticket = self.inner.submit(batch, capture)?;
        let after = self.inner.ops().counters();
        let n_rows = batch.len();
        // Nobody may listen any more.
        let _ = self.notes.send(Note::Submitted {
            ticket,
            n_rows,
            before,
            after,
        });
        Ok(ticket)
    }

    fn poll(&mut self, ticket: Ticket, wait: Wait) -> Result<Option<Step>, BackendError> {
        if let Some(fault) = &mut self.fault {
            fault.n_steps -= 1;
        }
        if let Some(fault) = self.fault.take_if(|it| it.n_steps == 0) {
            (fault.strike)(self.inner.ops());
        }
        let before = self.inner.ops().counters();
        let step = self.inner.poll(ticket, wait)?;
        let after = self.inner.ops().counters();
        // Nobody may listen any more.
        let _ = self.notes.send(Note::Polled {
            ticket,
            before,
            after,
        });
        Ok(step)
    }

    fn fork(&mut self, seq: SeqId, at: Position) -> Result<(SeqId, Position), BackendError> {
        self.inner.fork(seq, at)
    }

    fn rewind(&mut self, seq: SeqId, to: Position) -> Position {
        self.inner.rewind(seq, to)
    }

    fn release(&mut self, seq: SeqId) {
        self.inner.release(seq);
    }

    fn runs_ahead(&self) -> bool {
        self.inner.runs_ahead()
    }

    fn len(&self, seq: SeqId) -> usize {
        self.inner.len(seq)
    }

    fn cache_bytes(&self) -> u64 {
        self.inner.cache_bytes()
    }

    fn cache_bytes_per_position(&self) -> usize {
        self.inner.cache_bytes_per_position()
    }
}

/// The Tour model as the engine opens it, on another backend.
pub fn opened_on(make: impl FnOnce(ModelSpec) -> Box<dyn Backend>) -> OpenModel {
    let mut load = ModelOpener::default()
        .open(&ModelSource::Bundled(Bundled::Tour))
        .unwrap();
    loop {
        if let LoadStep::Done(model) = load.advance().unwrap() {
            let backend = make(model.facts.spec.clone());
            return OpenModel { backend, ..*model };
        }
    }
}

/// An engine with the Tour model on the graphics processor, and what it asks of it.
fn spied(fault: Option<Fault>) -> (Engine, Receiver<Note>) {
    let (notes, seen) = sync_channel(100_000);
    let opener = ReadyOpener(move |_: &ModelSource| {
        let inner = on_gpu();
        let notes = notes.clone();
        Ok(opened_on(|_| {
            Box::new(Spy {
                inner,
                notes,
                fault,
            })
        }))
    });
    let mut engine = Engine::spawn(Box::new(opener), Options::default(), Box::new(|| ())).unwrap();
    ask(&engine, Request::Open(ModelSource::Bundled(Bundled::Tour)));
    until(&mut engine, |it| matches!(it, Event::Opened(_)));
    ask(&engine, Request::SetPace(Pace::Unlimited));
    (engine, seen)
}

fn ask(engine: &Engine, request: Request) {
    engine.send(request).unwrap();
}

/// Every event up to the one that is waited for.
fn until(engine: &mut Engine, is_it: impl Fn(&Event) -> bool) -> Vec<Event> {
    let mut seen = Vec::new();
    loop {
        let event = engine.wait(PATIENCE).expect("the engine says nothing");
        assert!(
            !matches!(event, Event::Failed { .. } | Event::Refused(_)),
            "{event:?}"
        );
        let is_last = is_it(&event);
        seen.push(event);
        if is_last {
            return seen;
        }
    }
}

fn experiment(edits: &[&str]) -> Request {
    let edit = |it: &&str| it.parse::<Intervention>().unwrap();
    Request::SetExperiment(Box::new(Experiment {
        given: [1, 40, 60, 30, 90].map(TokenId).to_vec(),
        sampling: Sampling::greedy(),
        edits: edits.iter().map(edit).collect(),
        ..Experiment::default()
    }))
}

/// Writes 64 tokens as fast as it goes under some edits; what the backend was asked meanwhile.
fn write_64(edits: &[&str]) -> Vec<Note> {
    let (mut engine, seen) = spied(None);
    ask(&engine, experiment(edits));
    until(&mut engine, |it| {
        matches!(it, Event::Backlog { n_left: 0, .. })
    });
    seen.try_iter().for_each(drop);
    ask(
        &engine,
        Request::Play {
            stop_after: Some(64),
        },
    );
    until(&mut engine, |it| {
        matches!(it, Event::Stopped(StopReason::Count))
    });
    drop(engine);
    seen.try_iter().collect()
}

/// Dispatches of a token, where every token was read back once, nothing inside of one was waited for
/// and each but the last was polled when the next had been submitted.
fn check_tokens(notes: &[Note], n_rows: usize) -> u64 {
    let submitted: Vec<(usize, &Note)> = notes
        .iter()
        .enumerate()
        .filter(|(_, it)| matches!(it, Note::Submitted { .. }))
        .collect();
    let mut dispatches = Vec::new();
    assert_eq!(submitted.len(), 64, "a token is one step");
    for (i, (at, note)) in submitted.iter().enumerate() {
        let Note::Submitted {
            ticket,
            n_rows: rows,
            before,
            after,
        } = note
        else {
            unreachable!()
        };
        assert_eq!(*rows, n_rows);
        assert_eq!(
            after.readbacks - before.readbacks,
            1,
            "one readback a token"
        );
        assert_eq!(after.submits - before.submits, 1, "one submit a token");
        assert_eq!(
            after.waits, before.waits,
            "nothing inside a token is waited for"
        );
        dispatches.push(after.dispatches - before.dispatches);
        let polled = notes
            .iter()
            .position(|it| matches!(it, Note::Polled { ticket: polled, .. } if polled == ticket));
        let polled = polled.unwrap();
        if let Some((next, _)) = submitted.get(i + 1) {
            assert!(
                *next < polled,
                "token {i} was polled before the next was submitted"
            );
            assert!(*at < polled);
        }
    }
    for note in notes {
        if let Note::Polled { before, after, .. } = note {
            assert_eq!(after.submits, before.submits, "a poll hands nothing over");
        }
    }
    dispatches.sort_unstable();
    let (least, most) = (dispatches[0], dispatches[dispatches.len() - 1]);
    assert!(
        most - least <= 6 * 2,
        "from {least} to {most} dispatches a token"
    );
    most
}

const TEN_EDITS: &[&str] = &[
    "mask:0.1",
    "mask:1.2",
    "force:2.3",
    "bias:3.4=1.5",
    "select:4.1=0.2",
    "k:5=3",
    "zero:0.0",
    "swap:1.0>3",
    "uniform:2",
    "random:3=7",
];

#[test]
fn a_token_is_one_submit_and_one_readback_and_the_next_sets_out_before_it_lands() {
    let plain = check_tokens(&write_64(&[]), 1);
    let one = check_tokens(&write_64(&["mask:0.1"]), 3);
    let ten = check_tokens(&write_64(TEN_EDITS), 3);
    assert_eq!(one, ten, "dispatches do not grow with the number of edits");
    assert!(plain <= one);
}

/// Greedy text of a backend.
fn greedy(backend: &mut dyn Backend, given: &[TokenId], n: usize) -> Vec<TokenId> {
    let seq = backend.open();
    let (policy, sampling) = (RoutingPolicy::default(), Sampling::greedy());
    let mut out = Vec::new();
    let mut read = given.to_vec();
    while out.len() < n {
        let row = Row {
            seq,
            feed: Feed::Tokens(&read),
            next: None,
            policy: &policy,
            sampling: Some(&sampling),
            against: None,
        };
        let ticket = backend.submit(&[row], Capture::Trace).unwrap();
        let step = backend.poll(ticket, Wait::Done).unwrap().unwrap();
        let drawn = step.rows[0].drawn.unwrap();
        out.push(drawn);
        read = vec![drawn];
    }
    backend.release(seq);
    out
}

#[test]
fn greedy_text_is_that_of_the_cpu() {
    let (mut gpu, mut cpu) = (on_gpu(), on_cpu());
    for given in [vec![1, 40, 60], vec![1], (1..80).collect()] {
        let given: Vec<TokenId> = given.into_iter().map(TokenId).collect();
        let (ours, theirs) = (greedy(&mut gpu, &given, 120), greedy(&mut cpu, &given, 120));
        let parted = ours.iter().zip(&theirs).position(|(a, b)| a != b);
        if let Some(at) = parted {
            let margin = narrowest(&mut cpu, &given, &theirs[..at]);
            assert!(
                margin < 1e-3,
                "the texts part at {at}, where the margin is {margin}"
            );
        }
    }
}

/// The smallest margin of any router or of the two best logits at the last token of a text.
fn narrowest(cpu: &mut LiveBackend<Cpu>, given: &[TokenId], text: &[TokenId]) -> f32 {
    let tokens: Vec<TokenId> = given.iter().chain(text).copied().collect();
    let seq = cpu.open();
    let policy = RoutingPolicy::default();
    let row = Row {
        seq,
        feed: Feed::Tokens(&tokens),
        next: None,
        policy: &policy,
        sampling: None,
        against: None,
    };
    let ticket = cpu.submit(&[row], Capture::Trace).unwrap();
    let step = cpu.poll(ticket, Wait::Done).unwrap().unwrap();
    cpu.release(seq);
    let row = &step.rows[0];
    let margins = row
        .trace
        .routers
        .iter()
        .flat_map(|it| it.margin.iter().flatten());
    let top = &row.readouts.last().unwrap().top;
    margins
        .copied()
        .chain([top[0].log_prob - top[1].log_prob])
        .fold(f32::INFINITY, f32::min)
}

/// Resident memory of this process, bytes.
fn resident_bytes() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = text.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096.0
}

/// Says that this process runs one test and nothing else.
const ALONE: &str = "MOESCOPE_TEST_ALONE";

/// In a process of its own: memory is counted of all that runs in one.
#[test]
fn five_hundred_tokens_with_edits_rewinds_and_forks_leave_nothing_behind() {
    if std::env::var_os(ALONE).is_some() {
        return write_500();
    }
    let name = "gpu::five_hundred_tokens_with_edits_rewinds_and_forks_leave_nothing_behind";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn write_500() {
    let mut gpu = on_gpu();
    let mut cpu = on_cpu();
    let lists: Vec<RoutingPolicy> = ["", "mask:0.1", "force:2.3@100..", "k:5=3", "bias:3.4=1.5"]
        .iter()
        .enumerate()
        .map(|(i, text)| {
            let edits: InterventionSet = text
                .split_whitespace()
                .map(|it| it.parse::<Intervention>().unwrap())
                .collect();
            RoutingPolicy::lower(&edits, gpu.spec(), Revision(i as u32)).unwrap()
        })
        .collect();
    let mut before = None;
    let sampling = Sampling::greedy();
    let mut seqs = (gpu.open(), cpu.open());
    let (mut next, mut len) = (TokenId(1), 0usize);
    for token in 1..=500 {
        let policy = &lists[token / 7 % lists.len()];
        let step = |backend: &mut dyn Backend, seq| {
            let row = Row {
                seq,
                feed: Feed::Tokens(&[next]),
                next: None,
                policy,
                sampling: Some(&sampling),
                against: None,
            };
            let ticket = backend.submit(&[row], Capture::Trace).unwrap();
            backend
                .poll(ticket, Wait::Done)
                .unwrap()
                .unwrap()
                .rows
                .remove(0)
        };
        let (ours, theirs) = (step(&mut gpu, seqs.0), step(&mut cpu, seqs.1));
        assert_eq!(ours.trace.start, theirs.trace.start);
        len += 1;
        assert_eq!((gpu.len(seqs.0), cpu.len(seqs.1)), (len, len));
        next = theirs.drawn.unwrap();
        if token % 11 == 0 {
            // A fork takes the row's place.
            let forked = (
                gpu.fork(seqs.0, Position::new(len)).unwrap().0,
                cpu.fork(seqs.1, Position::new(len)).unwrap().0,
            );
            gpu.release(seqs.0);
            cpu.release(seqs.1);
            seqs = forked;
        }
        if token % 13 == 0 || len > 240 {
            len -= len.min(if len > 240 { 200 } else { 3 });
            gpu.rewind(seqs.0, Position::new(len));
            cpu.rewind(seqs.1, Position::new(len));
        }
        // By then rows of every length were held.
        if token == 300 {
            before = Some((gpu.ops().n_bytes() as f64, resident_bytes()));
        }
    }
    let (buffers, resident) = before.unwrap();
    let now = gpu.ops().n_bytes() as f64;
    assert!(
        now <= 1.02 * buffers,
        "{now} bytes of buffers, {buffers} at token 300"
    );
    let now = resident_bytes();
    assert!(
        now <= 1.02 * resident + 4e6,
        "{now} bytes in memory, {resident} at token 300"
    );
}

/// The text of the baseline on an engine that writes `n` tokens more.
fn write_on(engine: &mut Engine, n: u32, text: &mut Vec<TokenId>) {
    ask(
        engine,
        Request::Play {
            stop_after: Some(n),
        },
    );
    for event in until(engine, |it| matches!(it, Event::Stopped(StopReason::Count))) {
        if let Event::Row(RowEvent::Stepped { step, .. }) = event {
            text.truncate(step.start.idx());
            text.extend(step.tokens);
        }
    }
}

#[test]
fn a_model_that_moves_while_it_is_open_keeps_its_rows_and_writes_on() {
    let opener = Box::new(ModelOpener::default());
    let mut engine = Engine::spawn(opener, Options::default(), Box::new(|| ())).unwrap();
    ask(&engine, Request::SetDevice(DeviceChoice::Cpu));
    ask(&engine, Request::Open(ModelSource::Bundled(Bundled::Tour)));
    until(&mut engine, |it| matches!(it, Event::Opened(_)));
    ask(&engine, Request::SetPace(Pace::Unlimited));
    ask(&engine, experiment(&[]));
    until(&mut engine, |it| {
        matches!(it, Event::Backlog { n_left: 0, .. })
    });
    let mut text = [1, 40, 60, 30, 90].map(TokenId).to_vec();
    write_on(&mut engine, 8, &mut text);
    for (choice, is_gpu) in [(DeviceChoice::Gpu, true), (DeviceChoice::Cpu, false)] {
        ask(&engine, Request::SetDevice(choice));
        let said = until(&mut engine, |it| matches!(it, Event::Moved(_)));
        let Some(Event::Moved(device)) = said.last() else {
            unreachable!()
        };
        assert_eq!(device.is_gpu, is_gpu, "{device:?}");
        write_on(&mut engine, 8, &mut text);
    }
    let given = [1, 40, 60, 30, 90].map(TokenId);
    assert_eq!(text[given.len()..], greedy(&mut on_cpu(), &given, 24));
}
