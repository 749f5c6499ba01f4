//! What the list of jobs carries beyond a survey: a sweep, which forks a text before each of several edits and reads
//! the rest twice in one slice, compared; several jobs at once; a job given up at any turn.

use std::{
    cell::RefCell,
    mem::discriminant,
    rc::Rc,
    sync::{
        Arc,
        mpsc::{Receiver, sync_channel},
    },
};

use super::{
    toy::{Toy, facts},
    watch::{World, experiment},
};
use crate::engine::{
    Backend, Event, EventSender,
    jobs::{JobHost, Jobs},
};
use crate::spec::{InterventionSet, Position, RoutingPolicy, TokenId};
use crate::study::{
    Job, JobContext, JobSeq, JobSlice, Progress, SliceRow, Study, StudyError, StudyEvent, Wanted,
};
use crate::trace::{Capture, Comparison, ModelFacts, StepRow};

/// Comparisons of each edit, in the order in which they were read.
pub type Found = Rc<RefCell<Vec<Vec<Comparison>>>>;

/// The text without edits.
const TEXT: JobSeq = JobSeq(0);

/// Reads a text under each of several edits beside the same text without.
pub struct Sweep {
    tokens: Vec<TokenId>,
    edits: Vec<Arc<RoutingPolicy>>,
    /// Tokens of the text that are wanted already.
    n_text: usize,
    /// The edit at hand, and how far its two forks are wanted, as they are forked.
    at: usize,
    forks: Vec<usize>,
    /// The edits of slices that are not read yet, where they are compared.
    asked: Vec<Option<usize>>,
    n_done: usize,
    found: Found,
}

impl Sweep {
    pub fn new(tokens: &[TokenId], edits: &[RoutingPolicy], found: &Found) -> Self {
        *found.borrow_mut() = vec![Vec::new(); edits.len()];
        Self {
            tokens: tokens.to_vec(),
            edits: edits.iter().cloned().map(Arc::new).collect(),
            n_text: 0,
            at: 0,
            forks: Vec::new(),
            asked: Vec::new(),
            n_done: 0,
            found: Rc::clone(found),
        }
    }

    fn first(&self, edit: usize) -> usize {
        self.edits[edit].first_touched(0).unwrap().idx()
    }

    fn seq(&self, fork: usize) -> JobSeq {
        JobSeq((1 + 2 * self.at + fork) as u32)
    }

    fn row(&self, seq: JobSeq, range: std::ops::Range<usize>, is_edited: bool) -> SliceRow {
        SliceRow {
            seq,
            next: self.tokens.get(range.end).copied(),
            is_last: range.end == self.tokens.len(),
            tokens: self.tokens[range].to_vec(),
            policy: if is_edited {
                Arc::clone(&self.edits[self.at])
            } else {
                Arc::default()
            },
            against: is_edited.then_some(0),
        }
    }

    fn read_text(&mut self, first: usize, n_tokens: usize) -> Wanted {
        let end = first.min(self.n_text + n_tokens);
        let row = self.row(TEXT, self.n_text..end, false);
        self.n_text = end;
        self.asked.push(None);
        Wanted::Read(JobSlice {
            rows: vec![row],
            capture: Capture::None,
        })
    }

    /// What a fork could not hold, up to where the edit acts.
    fn catch_up(&mut self, fork: usize, first: usize, n_tokens: usize) -> Wanted {
        let start = self.forks[fork];
        let end = first.min(start + n_tokens);
        self.forks[fork] = end;
        self.asked.push(None);
        Wanted::Read(JobSlice {
            rows: vec![self.row(self.seq(fork), start..end, false)],
            capture: Capture::None,
        })
    }

    fn compare(&mut self, n_tokens: usize) -> Wanted {
        let start = self.forks[0];
        let end = self.tokens.len().min(start + (n_tokens / 2).max(1));
        let rows = vec![
            self.row(self.seq(0), start..end, false),
            self.row(self.seq(1), start..end, true),
        ];
        self.asked.push(Some(self.at));
        if end == self.tokens.len() {
            self.at += 1;
            self.forks.clear();
        } else {
            self.forks = vec![end; 2];
        }
        Wanted::Read(JobSlice {
            rows,
            capture: Capture::Trace,
        })
    }
}

impl Job for Sweep {
    fn next(&mut self, cx: &JobContext<'_>) -> Result<Wanted, StudyError> {
        assert!(!cx.spec.routers.is_empty());
        if self.at == self.edits.len() {
            return Ok(Wanted::End);
        }
        let first = self.first(self.at);
        if self.n_text < first {
            return Ok(self.read_text(first, cx.n_tokens));
        }
        if self.forks.len() < 2 {
            let seq = self.seq(self.forks.len());
            let at = Position::new(first);
            return Ok(Wanted::Fork { seq, of: TEXT, at });
        }
        let behind = self.forks.iter().position(|it| *it < first);
        Ok(match behind {
            Some(fork) => self.catch_up(fork, first, cx.n_tokens),
            None => self.compare(cx.n_tokens),
        })
    }

    fn read(&mut self, rows: Vec<StepRow>) -> Result<Vec<StudyEvent>, StudyError> {
        let edit = self.asked.remove(0);
        self.n_done += rows.iter().map(|it| it.trace.tokens.len()).sum::<usize>();
        if let Some(edit) = edit {
            let compared = rows[1].comparisons.iter();
            self.found.borrow_mut()[edit].extend(compared);
        }
        Ok(Vec::new())
    }

    fn forked(&mut self, _seq: JobSeq, held: Position) -> Result<(), StudyError> {
        self.forks.push(held.idx());
        Ok(())
    }

    fn progress(&self) -> Progress {
        Progress {
            n_done: self.n_done,
            n_total: self.n_done,
        }
    }
}

/// A backend, a list of jobs, and what they tell.
pub struct Desk {
    backend: Box<dyn Backend>,
    facts: ModelFacts,
    jobs: Jobs,
    out: EventSender,
    events: Receiver<Event>,
}

const EDITS: [&str; 3] = ["mask:0.1@9..", "mask:1.2@30..", "mask:0.3@30..40"];

impl Desk {
    fn new(runs_ahead: bool) -> Self {
        let toy = Toy {
            runs_ahead,
            ..Toy::default()
        };
        Self::over(Box::new(toy.backend()), facts(&toy))
    }

    pub fn over(backend: Box<dyn Backend>, facts: ModelFacts) -> Self {
        let (send, events) = sync_channel(10_000);
        Self {
            backend,
            facts,
            jobs: Jobs::default(),
            out: EventSender::new(send, Box::new(|| ())),
            events,
        }
    }

    /// Does something with the jobs on the backend.
    fn with(&mut self, what: impl FnOnce(&mut Jobs, &mut JobHost<'_>, &mut EventSender)) {
        let mut host = JobHost {
            backend: &mut *self.backend,
            facts: &self.facts,
            encode: None,
            examiner: None,
            is_beside_text: false,
        };
        what(&mut self.jobs, &mut host, &mut self.out);
    }

    pub fn begin(&mut self, tag: u64, job: Sweep) {
        let kind = discriminant(&Study::Survey {
            texts: Vec::new(),
            edits: InterventionSet::default(),
        });
        self.with(|jobs, host, out| jobs.add(tag, kind, Box::new(job), host, out));
    }

    pub fn turn(&mut self) {
        self.with(Jobs::work);
    }

    fn settle(&mut self) {
        self.with(Jobs::settle);
    }

    pub fn cancel(&mut self, tag: u64) {
        self.with(|jobs, host, out| jobs.cancel(tag, host.backend, out));
    }

    /// Works until nothing is left; every sequence is given back.
    pub fn finish(&mut self) {
        while !self.jobs.is_empty() {
            self.turn();
        }
        assert_eq!(self.backend.cache_bytes(), 0);
    }

    /// Tags of the jobs that are over, and whether they were given up.
    pub fn ended(&self) -> Vec<(u64, bool)> {
        let ended = self.events.try_iter().filter_map(|it| match it {
            Event::Study {
                tag,
                event: StudyEvent::Ended { result, cancelled },
            } => {
                assert_eq!(result, Ok(()));
                Some((tag, cancelled))
            }
            _ => None,
        });
        ended.collect()
    }
}

pub fn tokens() -> Vec<TokenId> {
    (0..70).map(|it| TokenId(2 + it % 40)).collect()
}

pub fn policies(world: &World) -> Vec<RoutingPolicy> {
    let edits = EDITS.map(|it| experiment(&[], 1, &[it]).edits);
    edits.iter().map(|it| world.lowered(it)).collect()
}

fn toy_world() -> World {
    World::toy(&Toy::default())
}

/// Each edit's comparisons, from where it acts on, of both texts read one token at a time.
pub fn wanted(world: &World, tokens: &[TokenId]) -> Vec<Vec<Comparison>> {
    let of = |policy: &RoutingPolicy| {
        let all = world.counterfactual(tokens, policy).comparisons;
        let first = policy.first_touched(0).unwrap();
        all.iter().filter(|it| it.at >= first).copied().collect()
    };
    policies(world).iter().map(of).collect()
}

/// A sweep found those.
pub fn check(found: &Found, wanted: &[Vec<Comparison>]) {
    let bits = |it: &Comparison| (it.at, it.kl.to_bits());
    for (got, want) in found.borrow().iter().zip(wanted) {
        let got: Vec<_> = got.iter().map(bits).collect();
        let want: Vec<_> = want.iter().map(bits).collect();
        assert_eq!(got, want);
    }
    assert_eq!(found.borrow().len(), wanted.len());
    assert!(wanted.iter().flatten().any(|it| it.kl > 0.0));
}

#[test]
fn a_sweep_reads_the_divergence_of_each_edit_from_forks_of_one_text() {
    let world = toy_world();
    let wanted = wanted(&world, &tokens());
    for runs_ahead in [false, true] {
        let mut desk = Desk::new(runs_ahead);
        let found = Found::default();
        desk.begin(5, Sweep::new(&tokens(), &policies(&world), &found));
        desk.finish();
        check(&found, &wanted);
        assert_eq!(desk.ended(), [(5, false)]);
    }
}

#[test]
fn jobs_take_turns_and_each_is_handed_its_own() {
    let world = toy_world();
    let wanted = wanted(&world, &tokens());
    for runs_ahead in [false, true] {
        let mut desk = Desk::new(runs_ahead);
        let (a, b) = (Found::default(), Found::default());
        desk.begin(1, Sweep::new(&tokens(), &policies(&world), &a));
        desk.begin(2, Sweep::new(&tokens(), &policies(&world), &b));
        for turn in 0.. {
            if desk.jobs.is_empty() {
                break;
            }
            desk.turn();
            if turn % 3 == 0 {
                desk.settle();
            }
        }
        check(&a, &wanted);
        check(&b, &wanted);
        // Which is over first depends on how large slices the machine allows.
        let mut ended = desk.ended();
        ended.sort_unstable();
        assert_eq!(ended, [(1, false), (2, false)]);
    }
}

#[test]
fn a_job_given_up_at_any_turn_leaves_nothing_and_no_other_job_notices() {
    let world = toy_world();
    let wanted = wanted(&world, &tokens());
    for runs_ahead in [false, true] {
        for n_turns in 0..60 {
            let mut desk = Desk::new(runs_ahead);
            let (a, b) = (Found::default(), Found::default());
            desk.begin(1, Sweep::new(&tokens(), &policies(&world), &a));
            desk.begin(2, Sweep::new(&tokens(), &policies(&world), &b));
            for _ in 0..n_turns {
                desk.turn();
            }
            let was_over = desk.ended().contains(&(1, false));
            desk.cancel(1);
            assert!(was_over || desk.ended().contains(&(1, true)));
            desk.finish();
            check(&b, &wanted);
        }
    }
}
