//! The engine as a window sees it: events folded into rows. And the oracle: what a row must be,
//! computed one token at a time from its experiment alone.

use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

use super::toy::{EOS, Toy, ToyOpener};
use crate::engine::{
    Backend, Capture, Engine, Event, Feed, ModelSource, Opener, Options, Pace, Request, Row, Rows,
    Step, StopReason, Wait,
};
use crate::spec::{
    Experiment, InterventionSet, Position, RouterId, RoutingPolicy, Sampling, TokenId,
};
use crate::trace::{Comparison, Phase, Readout, RowId, RowRecord};

pub const PATIENCE: Duration = Duration::from_secs(20);

/// A window without pixels.
pub struct Watch {
    pub toy: Toy,
    pub engine: Engine,
    pub records: HashMap<RowId, RowRecord>,
    pub n_given: HashMap<RowId, usize>,
    pub rows: Option<Rows>,
    pub experiment: Experiment,
    pub log: Vec<Event>,
}

impl Watch {
    /// A toy is open and the pace unlimited.
    pub fn new(toy: Toy) -> Self {
        Self::with_budget(toy, Options::default().cache_budget_bytes)
    }

    pub fn with_budget(toy: Toy, cache_budget_bytes: usize) -> Self {
        let opener = Box::new(ToyOpener(toy.clone()));
        Self::with_opener(toy, opener, Options { cache_budget_bytes })
    }

    pub fn with_opener(toy: Toy, opener: Box<dyn Opener>, options: Options) -> Self {
        let engine = Engine::spawn(opener, options, Box::new(|| ())).unwrap();
        let mut it = Self {
            toy,
            engine,
            records: HashMap::new(),
            n_given: HashMap::new(),
            rows: None,
            experiment: Experiment::default(),
            log: Vec::new(),
        };
        it.ask(Request::Open(ModelSource::Tour));
        it.until(|it| matches!(it, Event::Opened(_)));
        it.ask(Request::SetPace(Pace::Unlimited));
        it
    }

    pub fn ask(&mut self, request: Request) {
        self.engine.send(request).unwrap();
    }

    pub fn fold(&mut self, event: Event) {
        match &event {
            Event::Forked {
                row,
                parent,
                at,
                n_given,
                ..
            } => {
                let record =
                    parent.map_or_else(RowRecord::default, |it| self.records[&it].prefix(*at));
                assert_eq!(record.tokens.len(), at.idx());
                assert!(self.records.insert(*row, record).is_none());
                self.n_given.insert(*row, *n_given);
            }
            Event::Shown(rows) => self.rows = Some(rows.clone()),
            Event::Stepped {
                row,
                step,
                readouts,
                comparisons,
            } => {
                let record = self.records.get_mut(row).unwrap();
                assert_eq!(
                    step.phase == Phase::Prefill,
                    step.start.idx() < self.n_given[row]
                );
                record
                    .push(step.clone(), readouts.clone(), comparisons.clone())
                    .unwrap();
            }
            _ => {}
        }
        self.log.push(event);
    }

    /// Folds events up to the first that is wanted.
    pub fn until(&mut self, is_wanted: impl Fn(&Event) -> bool) -> Event {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let event = self
                .engine
                .wait(left)
                .unwrap_or_else(|| panic!("nothing came: {:?}", self.log.last()));
            self.fold(event.clone());
            if is_wanted(&event) {
                return event;
            }
            assert!(!matches!(event, Event::Failed(_)), "{event:?}");
        }
    }

    /// Puts an experiment on screen and waits until its rows are whole.
    pub fn show(&mut self, experiment: &Experiment) -> Rows {
        self.experiment = experiment.clone();
        self.ask(Request::SetExperiment(Box::new(experiment.clone())));
        self.until(|it| matches!(it, Event::Shown(_)));
        self.settle();
        self.rows.clone().unwrap()
    }

    pub fn settle(&mut self) {
        self.until(|it| matches!(it, Event::Catching { n_left: 0, .. }));
    }

    /// Writes `n` tokens.
    pub fn play(&mut self, n: u32) -> StopReason {
        self.ask(Request::Play {
            stop_after: Some(n),
        });
        self.until_stopped()
    }

    pub fn until_stopped(&mut self) -> StopReason {
        let stopped = self.until(|it| matches!(it, Event::Stopped(_) | Event::Refused(_)));
        let Event::Stopped(reason) = stopped else {
            panic!("{stopped:?}")
        };
        self.until(|it| *it == Event::Playing(false));
        reason
    }

    pub fn refused(&mut self, request: Request) -> String {
        self.ask(request);
        match self.until(|it| matches!(it, Event::Refused(_))) {
            Event::Refused(why) => why,
            other => panic!("{other:?}"),
        }
    }

    pub fn baseline(&self) -> &RowRecord {
        &self.records[&self.rows.as_ref().unwrap().baseline]
    }

    pub fn edited(&self) -> &RowRecord {
        &self.records[&self.rows.as_ref().unwrap().edited.unwrap()]
    }

    pub fn twin(&self) -> &RowRecord {
        &self.records[&self.rows.as_ref().unwrap().twin.unwrap()]
    }

    /// Lengths of baseline and edited row.
    pub fn lens(&self) -> (usize, usize) {
        let rows = self.rows.as_ref().unwrap();
        let edited = rows.edited.map_or(0, |it| self.records[&it].tokens.len());
        (self.baseline().tokens.len(), edited)
    }

    /// Waits until everything asked so far was answered and the rows are whole.
    pub fn settle_by(&mut self, tag: u64) {
        self.ask(Request::Encode {
            tag,
            text: String::new(),
        });
        self.until(|it| matches!(it, Event::Encoded { tag: it, .. } if *it == tag));
        self.ask(Request::SetExperiment(Box::new(self.experiment.clone())));
        self.until(|it| matches!(it, Event::Shown(_)));
        self.settle();
    }

    /// Every row on screen is what its experiment makes of it, to the bit.
    pub fn check(&self) {
        let rows = self.rows.clone().unwrap();
        let plain = self.experiment.baseline();
        check_row(
            self.baseline(),
            &oracle(&self.toy, &plain, self.baseline().tokens.len()),
        );
        let Some(twin) = rows.twin else { return };
        check_row(
            self.edited(),
            &oracle(&self.toy, &self.experiment, self.edited().tokens.len()),
        );
        let policy = lowered(&self.toy, &self.experiment.edits);
        let first = policy.first_touched().map_or(0, Position::idx);
        check_twin(
            &self.toy,
            &self.records[&twin],
            &self.baseline().tokens,
            &policy,
            first,
        );
    }
}

pub fn lowered(toy: &Toy, edits: &InterventionSet) -> RoutingPolicy {
    let spec = super::toy::spec(toy.n_ctx);
    RoutingPolicy::lower(edits, &spec, crate::spec::Revision(1)).unwrap()
}

pub fn experiment(given: &[u32], seed: u32, edits: &[&str]) -> Experiment {
    Experiment {
        given: given.iter().map(|it| TokenId(*it)).collect(),
        sampling: Sampling {
            seed,
            ..Sampling::default()
        },
        edits: edits.iter().map(|it| it.parse().unwrap()).collect(),
    }
}

fn run(backend: &mut impl Backend, rows: &[Row<'_>]) -> Step {
    let ticket = backend.submit(rows, Capture::Trace).unwrap();
    backend.poll(ticket, Wait::Done).unwrap().unwrap()
}

/// A fresh toy with the same ways, whose work is not counted.
fn fresh(toy: &Toy) -> Toy {
    Toy {
        counts: std::sync::Arc::default(),
        token_time: Duration::ZERO,
        bad_token: None,
        ..toy.clone()
    }
}

/// The first `n` tokens of an experiment, read one at a time.
pub fn oracle(toy: &Toy, experiment: &Experiment, n: usize) -> RowRecord {
    let mut backend = fresh(toy).backend();
    let policy = lowered(toy, &experiment.edits);
    let seq = backend.open();
    let mut record = RowRecord::default();
    let mut drawn = None;
    for t in 0..n {
        let token = experiment.given.get(t).copied().or(drawn).unwrap();
        let next = experiment.given.get(t + 1).copied();
        let is_over = t + 1 >= toy.n_ctx || (t >= experiment.given.len() && token == EOS);
        let row = Row {
            seq,
            feed: Feed::Tokens(&[token]),
            next,
            policy: &policy,
            sampling: (next.is_none() && !is_over).then_some(&experiment.sampling),
            against: None,
        };
        let step = run(&mut backend, &[row]).rows.remove(0);
        drawn = step.drawn;
        record.push(step.trace, step.readouts, Vec::new()).unwrap();
    }
    record
}

fn check_row(got: &RowRecord, want: &RowRecord) {
    assert_eq!(got.tokens, want.tokens);
    assert_eq!(got.readouts, want.readouts);
    check_store(got, want);
}

fn check_store(got: &RowRecord, want: &RowRecord) {
    assert_eq!(got.store.len(), want.store.len());
    for t in 0..got.tokens.len() {
        for router in 0..2 {
            let of = |it: &RowRecord| {
                it.store
                    .at(RouterId(router), Position::new(t))
                    .map(|it| (it.logits().map(<[f32]>::to_vec), it.strongest().copied()))
            };
            assert_eq!(of(got), of(want), "position {t}");
        }
    }
}

/// The twin reads the baseline's tokens; comparisons stand at every position from the first edited on.
fn check_twin(
    toy: &Toy,
    got: &RowRecord,
    tokens: &[TokenId],
    policy: &RoutingPolicy,
    first: usize,
) {
    let mut backend = fresh(toy).backend();
    let plain = RoutingPolicy::default();
    let (a, b) = (backend.open(), backend.open());
    let mut want = RowRecord::default();
    for (t, token) in tokens.iter().enumerate() {
        let next = tokens.get(t + 1).copied();
        let feed = [*token];
        let row = |seq, policy, against| Row {
            seq,
            feed: Feed::Tokens(&feed),
            next,
            policy,
            sampling: None,
            against,
        };
        let step = run(
            &mut backend,
            &[row(a, &plain, None), row(b, policy, Some(0))],
        );
        let it = step.rows[1].clone();
        want.push(it.trace, it.readouts, it.comparisons).unwrap();
    }
    assert_eq!(got.tokens, tokens);
    check_store(got, &want);
    let n = tokens.len() - 1;
    let known = |it: &[Readout]| it[..n].to_vec();
    assert_eq!(known(&got.readouts), known(&want.readouts));
    let by_position = |it: &RowRecord| -> BTreeMap<Position, Comparison> {
        it.comparisons.iter().map(|it| (it.at, *it)).collect()
    };
    let (got_at, want_at) = (by_position(got), by_position(&want));
    assert_eq!(got_at.len(), got.comparisons.len(), "one a position");
    for t in first..tokens.len() {
        let at = Position::new(t);
        let (got, want) = (got_at[&at], want_at[&at]);
        assert_eq!(got.kl.to_bits(), want.kl.to_bits());
        if t < n {
            assert_eq!(got, want);
        }
    }
    assert!(
        got_at
            .values()
            .all(|it| it.at.idx() >= first || it.kl == 0.0)
    );
}
