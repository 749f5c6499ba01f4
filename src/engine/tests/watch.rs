//! The engine as a window sees it: events folded into rows. And the oracle: what a row must be,
//! computed one token at a time from its experiment alone.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use super::toy::{EOS, Toy, ToyOpener, spec};
use crate::checkpoint::Bundled;
use crate::engine::{
    Backend, Capture, Engine, Event, Feed, ModelSource, NotSent, Opener, Options, Pace, Request,
    Row, Step, StopReason, Wait,
};
use crate::spec::{
    Experiment, InterventionSet, ModelSpec, Position, Revision, RouterId, RoutingPolicy, Sampling,
    TokenId,
};
use crate::trace::{Comparison, Phase, Pick, Recording, RowEvent, RowId, RowRecord, ShownRows};

pub const PATIENCE: Duration = Duration::from_secs(20);

/// A window without pixels.
pub struct Watch {
    pub toy: Toy,
    pub world: World,
    pub engine: Engine,
    pub recording: Recording,
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
        let world = World::toy(&toy);
        Self {
            toy,
            ..Self::with_opener(world, opener, Options { cache_budget_bytes })
        }
    }

    pub fn with_opener(world: World, opener: Box<dyn Opener>, options: Options) -> Self {
        let source = ModelSource::Bundled(Bundled::Tour);
        Self::opened(world, opener, options, source)
    }

    /// A model is open and the pace unlimited.
    pub fn opened(
        world: World,
        opener: Box<dyn Opener>,
        options: Options,
        source: ModelSource,
    ) -> Self {
        let engine = Engine::spawn(opener, options, Box::new(|| ())).unwrap();
        let mut it = Self {
            toy: Toy::default(),
            world,
            engine,
            recording: Recording::default(),
            experiment: Experiment::default(),
            log: Vec::new(),
        };
        it.ask(Request::Open(source));
        it.until(|it| matches!(it, Event::Opened(_)));
        it.ask(Request::SetPace(Pace::Unlimited));
        it
    }

    /// Asks, and listens while the request channel is full.
    pub fn ask(&mut self, mut request: Request) {
        while let Err(NotSent::Full(back)) = self.engine.send(request) {
            request = back;
            self.listen(3);
        }
    }

    /// Folds up to `n` events that are there.
    pub fn listen(&mut self, n: usize) {
        for event in self.engine.events().take(n).collect::<Vec<_>>() {
            self.fold(event);
        }
    }

    pub fn fold(&mut self, event: Event) {
        if let Event::Row(event) = &event {
            self.check_event(event);
            self.recording.apply(event.clone()).unwrap();
        }
        self.log.push(event);
    }

    /// Rows are new when they are forked, from as much as there is; a step's phase says what was given.
    fn check_event(&self, event: &RowEvent) {
        let row = |it: RowId| self.recording.row(it);
        match event {
            RowEvent::Forked {
                row: id,
                parent,
                at,
                ..
            } => {
                assert!(row(*id).is_none());
                let held = parent.map_or(0, |it| row(it).unwrap().tokens.len());
                assert!(at.idx() <= held);
            }
            RowEvent::Stepped { row: id, step, .. } => {
                let is_given = step.start.idx() < row(*id).unwrap().n_given;
                assert_eq!(step.phase == Phase::Prefill, is_given);
            }
            RowEvent::Shown(_) => {}
        }
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
            assert!(!matches!(event, Event::Failed { .. }), "{event:?}");
        }
    }

    /// Puts an experiment on screen and waits until its rows are whole.
    pub fn show(&mut self, experiment: &Experiment) -> ShownRows {
        self.experiment = experiment.clone();
        self.ask(Request::SetExperiment(Box::new(experiment.clone())));
        self.until(|it| matches!(it, Event::Row(RowEvent::Shown(_))));
        self.settle();
        self.recording.shown().unwrap()
    }

    pub fn settle(&mut self) {
        self.until(|it| matches!(it, Event::Backlog { n_left: 0, .. }));
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
        self.recording.baseline().unwrap()
    }

    pub fn edited(&self) -> &RowRecord {
        self.recording.edited().unwrap()
    }

    pub fn counterfactual(&self) -> &RowRecord {
        self.recording.counterfactual().unwrap()
    }

    pub fn record(&self, id: RowId) -> &RowRecord {
        self.recording.row(id).unwrap()
    }

    /// Lengths of baseline and edited row.
    pub fn lens(&self) -> (usize, usize) {
        let edited = self.recording.edited().map_or(0, |it| it.tokens.len());
        (self.baseline().tokens.len(), edited)
    }

    /// Waits until everything asked so far was answered and the rows are whole.
    pub fn settle_by(&mut self, tag: u64) {
        self.ask(Request::Encode {
            tag,
            text: String::new(),
            form: crate::spec::PromptForm::Plain,
        });
        self.until(|it| matches!(it, Event::Encoded { tag: it, .. } if *it == tag));
        self.ask(Request::SetExperiment(Box::new(self.experiment.clone())));
        self.until(|it| matches!(it, Event::Row(RowEvent::Shown(_))));
        self.settle();
    }

    /// Every row on screen is what its experiment makes of it, to the bit.
    pub fn check(&self) {
        let rows = self.recording.shown().unwrap();
        let plain = self.experiment.baseline();
        let n_baseline = self.baseline().tokens.len();
        let world = &self.world;
        check_row(self.baseline(), &world.oracle(&plain, n_baseline));
        let Some(counterfactual) = rows.counterfactual else {
            return;
        };
        let n_edited = self.edited().tokens.len();
        check_row(self.edited(), &world.oracle(&self.experiment, n_edited));
        let policy = world.lowered(&self.experiment.edits);
        world.check_counterfactual(
            self.record(counterfactual),
            &self.baseline().tokens,
            &policy,
        );
    }
}

pub fn experiment(given: &[u32], seed: u32, edits: &[&str]) -> Experiment {
    Experiment {
        given: given.iter().map(|it| TokenId(*it)).collect(),
        sampling: Sampling {
            seed,
            ..Sampling::default()
        },
        edits: edits.iter().map(|it| it.parse().unwrap()).collect(),
        ..Experiment::default()
    }
}

fn run(backend: &mut dyn Backend, rows: &[Row<'_>]) -> Step {
    let ticket = backend.submit(rows, Capture::Trace).unwrap();
    backend.poll(ticket, Wait::Done).unwrap().unwrap()
}

/// What the oracle computes with: a model of its own.
pub struct World {
    pub spec: ModelSpec,
    pub n_ctx: usize,
    pub eos: Vec<TokenId>,
    pub backend: Box<dyn Fn() -> Box<dyn Backend>>,
}

impl World {
    /// A toy with the same ways, whose work is not counted.
    pub fn toy(toy: &Toy) -> Self {
        let fresh = Toy {
            counts: Arc::default(),
            token_time: Duration::ZERO,
            bad_token: None,
            ..toy.clone()
        };
        Self {
            spec: spec(toy.n_ctx),
            n_ctx: toy.n_ctx,
            eos: vec![EOS],
            backend: Box::new(move || Box::new(fresh.backend())),
        }
    }

    /// The last of the tokens read at once from one on: a source is read whole, all else one at a time.
    fn last_of(first: usize, n_source: usize) -> usize {
        if first < n_source {
            n_source - 1
        } else {
            first
        }
    }

    pub fn lowered(&self, edits: &InterventionSet) -> RoutingPolicy {
        RoutingPolicy::lower(edits, &self.spec, Revision(1)).unwrap()
    }

    /// The first `n` tokens of an experiment, read one at a time.
    pub fn oracle(&self, experiment: &Experiment, n: usize) -> RowRecord {
        let mut backend = (self.backend)();
        let policy = self.lowered(&experiment.edits);
        let seq = backend.open();
        let mut record = RowRecord::default();
        let mut drawn = None;
        let n_source = self.spec.n_source(&experiment.given);
        while record.tokens.len() < n {
            let first = record.tokens.len();
            let t = Self::last_of(first, n_source);
            let token = experiment.given.get(t).copied().or(drawn).unwrap();
            let next = experiment.given.get(t + 1).copied();
            let is_end = t >= experiment.given.len() && self.eos.contains(&token);
            let is_over = t + 1 >= self.n_ctx || is_end;
            let read: Vec<TokenId> = experiment.given.get(first..t).unwrap_or(&[]).to_vec();
            let read = [read, vec![token]].concat();
            let row = Row {
                seq,
                feed: Feed::Tokens(&read),
                next,
                policy: &policy,
                sampling: (next.is_none() && !is_over).then_some(&experiment.sampling),
                against: None,
            };
            let step = run(&mut *backend, &[row]).rows.remove(0);
            drawn = step.drawn;
            record.push(step.trace, step.readouts, Vec::new()).unwrap();
        }
        record
    }

    /// The counterfactual reads the baseline's tokens; comparisons stand at every position from the first
    /// edited one on, and before it there is no difference at all.
    fn check_counterfactual(&self, got: &RowRecord, tokens: &[TokenId], policy: &RoutingPolicy) {
        let want = self.counterfactual(tokens, policy);
        assert_eq!(got.tokens, tokens);
        check_store(got, &want);
        let n = tokens.len() - 1;
        assert!(got.readouts.iter().take(n).eq(want.readouts.iter().take(n)));
        let compared: BTreeMap<Position, Comparison> =
            got.comparisons.iter().map(|it| (it.at, *it)).collect();
        assert_eq!(compared.len(), got.comparisons.len(), "one a position");
        let first = policy.first_touched(self.spec.n_source(tokens));
        // Edits that reach nothing, as behind the end of a source, change nothing.
        let first = first.map_or(usize::MAX, Position::idx);
        for want in want.comparisons.iter().filter(|it| it.at.idx() >= first) {
            let t = want.at.idx();
            let got = compared[&want.at];
            assert_eq!(got.kl.to_bits(), want.kl.to_bits(), "position {t}");
            assert!(t >= n || got == *want, "position {t}");
        }
        let is_equal = |it: &Comparison| it.at.idx() >= first || it.kl == 0.0;
        assert!(compared.values().all(is_equal));
    }

    pub fn counterfactual(&self, tokens: &[TokenId], policy: &RoutingPolicy) -> RowRecord {
        let mut backend = (self.backend)();
        let plain = RoutingPolicy::default();
        let (a, b) = (backend.open(), backend.open());
        let mut record = RowRecord::default();
        let n_source = self.spec.n_source(tokens);
        while record.tokens.len() < tokens.len() {
            let first = record.tokens.len();
            let t = Self::last_of(first, n_source);
            let feed = &tokens[first..=t];
            let row = |seq, policy, against| Row {
                seq,
                feed: Feed::Tokens(feed),
                next: tokens.get(t + 1).copied(),
                policy,
                sampling: None,
                against,
            };
            let rows = [row(a, &plain, None), row(b, policy, Some(0))];
            let it = run(&mut *backend, &rows).rows.remove(1);
            record.push(it.trace, it.readouts, it.comparisons).unwrap();
        }
        record
    }
}

pub fn check_row(got: &RowRecord, want: &RowRecord) {
    assert_eq!(got.tokens, want.tokens);
    assert_eq!(got.readouts, want.readouts);
    check_store(got, want);
}

pub fn check_store(got: &RowRecord, want: &RowRecord) {
    assert_eq!(got.store.len(), want.store.len());
    let n_routers = want.store.steps().next().unwrap().routers.len();
    for t in 0..got.tokens.len() {
        let mut n_routed = 0;
        for router in (0..n_routers).map(RouterId::new) {
            let of = |it: &RowRecord| {
                // Routers of the stack that did not read it have no row.
                let routed = it.store.at(router, Position::new(t))?;
                let picks: Vec<Pick> = routed.choice().copied().collect();
                Some((routed.logits().map(<[f32]>::to_vec), picks, routed.margin()))
            };
            assert_eq!(of(got), of(want), "position {t}");
            n_routed += usize::from(of(want).is_some());
        }
        assert!(n_routed > 0, "position {t} went through no router");
    }
}
