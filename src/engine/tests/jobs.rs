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
    toy::{Toy, ToyBackend, facts},
    watch::{World, experiment},
};
use crate::engine::{
    Backend as _, Event, EventSender,
    jobs::{JobHost, Jobs},
};
use crate::spec::{Position, RoutingPolicy, TokenId};
use crate::study::{
    Job, JobContext, JobSeq, Progress, Slice, SliceRow, Study, StudyError, StudyEvent, Wanted,
};
use crate::trace::{Capture, Comparison, ModelFacts, StepRow};

/// Comparisons of each edit, in the order in which they were read.
type Found = Rc<RefCell<Vec<Vec<Comparison>>>>;

/// The text without edits.
const TEXT: JobSeq = JobSeq(0);

/// Reads a text under each of several edits beside the same text without.
struct Sweep {
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
    fn new(tokens: &[TokenId], edits: &[RoutingPolicy], found: &Found) -> Self {
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
        self.edits[edit].first_touched().unwrap().idx()
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
        Wanted::Read(Slice {
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
        Wanted::Read(Slice {
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
        Wanted::Read(Slice {
            rows,
            capture: Capture::Trace,
        })
    }
}

impl Job for Sweep {
    fn next(&mut self, cx: &JobContext<'_>) -> Result<Wanted, StudyError> {
        assert_eq!(cx.spec.family, "toy");
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
struct Desk {
    backend: ToyBackend,
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
        let (send, events) = sync_channel(10_000);
        Self {
            backend: toy.backend(),
            facts: facts(&toy),
            jobs: Jobs::default(),
            out: EventSender::new(send, Box::new(|| ())),
            events,
        }
    }

    fn begin(&mut self, tag: u64, job: Sweep) {
        let kind = discriminant(&Study::Survey { texts: Vec::new() });
        self.jobs.add(tag, kind, Box::new(job), &mut self.out);
    }

    fn turn(&mut self) {
        let mut host = JobHost {
            backend: &mut self.backend,
            facts: &self.facts,
            encode: None,
        };
        self.jobs.work(&mut host, &mut self.out);
    }

    fn settle(&mut self) {
        let mut host = JobHost {
            backend: &mut self.backend,
            facts: &self.facts,
            encode: None,
        };
        self.jobs.settle(&mut host, &mut self.out);
    }

    /// Tags of the jobs that are over, and whether they were given up.
    fn ended(&self) -> Vec<(u64, bool)> {
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

fn tokens() -> Vec<TokenId> {
    (0..70).map(|it| TokenId(2 + it % 40)).collect()
}

fn policies() -> Vec<RoutingPolicy> {
    let world = World::toy(&Toy::default());
    let edits = EDITS.map(|it| experiment(&[], 1, &[it]).edits);
    edits.iter().map(|it| world.lowered(it)).collect()
}

/// Each edit's comparisons, from where it acts on, are those of both texts read one token at a time.
fn check(found: &Found) {
    let world = World::toy(&Toy::default());
    for (policy, got) in policies().iter().zip(&*found.borrow()) {
        let want = world.counterfactual(&tokens(), policy).comparisons;
        let first = policy.first_touched().unwrap().idx();
        let got: Vec<_> = got.iter().map(|it| (it.at, it.kl.to_bits())).collect();
        let want = want.iter().skip(first);
        let want: Vec<_> = want.map(|it| (it.at, it.kl.to_bits())).collect();
        assert_eq!(got, want);
        assert!(got.iter().any(|it| f32::from_bits(it.1) > 0.0));
    }
}

#[test]
fn a_sweep_reads_the_divergence_of_each_edit_from_forks_of_one_text() {
    for runs_ahead in [false, true] {
        let mut desk = Desk::new(runs_ahead);
        let found = Found::default();
        desk.begin(5, Sweep::new(&tokens(), &policies(), &found));
        while !desk.jobs.is_empty() {
            desk.turn();
        }
        check(&found);
        assert_eq!(desk.ended(), [(5, false)]);
        assert_eq!(
            desk.backend.cache_bytes(),
            0,
            "every sequence is given back"
        );
    }
}

#[test]
fn jobs_take_turns_and_each_is_handed_its_own() {
    for runs_ahead in [false, true] {
        let mut desk = Desk::new(runs_ahead);
        let (a, b) = (Found::default(), Found::default());
        desk.begin(1, Sweep::new(&tokens(), &policies(), &a));
        desk.begin(2, Sweep::new(&tokens(), &policies(), &b));
        for turn in 0.. {
            if desk.jobs.is_empty() {
                break;
            }
            desk.turn();
            if turn % 3 == 0 {
                desk.settle();
            }
        }
        check(&a);
        check(&b);
        assert_eq!(desk.ended(), [(1, false), (2, false)]);
    }
}

#[test]
fn a_job_given_up_at_any_turn_leaves_nothing_and_no_other_job_notices() {
    for runs_ahead in [false, true] {
        for n_turns in 0..60 {
            let mut desk = Desk::new(runs_ahead);
            let (a, b) = (Found::default(), Found::default());
            desk.begin(1, Sweep::new(&tokens(), &policies(), &a));
            desk.begin(2, Sweep::new(&tokens(), &policies(), &b));
            for _ in 0..n_turns {
                desk.turn();
            }
            let was_over = desk.ended().contains(&(1, false));
            desk.jobs.cancel(1, &mut desk.backend, &mut desk.out);
            assert!(was_over || desk.ended().contains(&(1, true)));
            while !desk.jobs.is_empty() {
                desk.turn();
            }
            check(&b);
            assert_eq!(desk.backend.cache_bytes(), 0);
        }
    }
}
