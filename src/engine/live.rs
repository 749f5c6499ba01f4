//! The backend that computes, on any device's operations.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use super::{
    Backend, BackendError, Capture, Feed, Row, Step, StepProgress, Ticket, Wait,
    pending::{Drawn, Pending, PendingFeed, PendingRow},
};
use crate::checkpoint::MappedFile;
use crate::model::{Model, Sequence};
use crate::ops::{Meter, Ops};
use crate::spec::{ModelSpec, Position, RoutingPolicy, SeqId, TokenId, count_of};

/// Computes steps with a model on a device.
pub struct LiveBackend<O: Ops> {
    model: Model<O>,
    /// No token from this one on is ever drawn: rows of the embedding that are no text.
    n_drawable: usize,
    /// Files that weights are read from in every step.
    files: Vec<Arc<MappedFile>>,
    sequences: HashMap<SeqId, LiveSequence<O>>,
    /// Submitted and not read, in the order in which they run.
    queue: VecDeque<Pending<O>>,
    dropped: HashSet<Ticket>,
    /// Policies seen last, so that a queued row shares one.
    policies: VecDeque<Arc<RoutingPolicy>>,
    n_opened: u32,
    n_submitted: u64,
}

/// A sequence, and how long it will be once the queue has run.
struct LiveSequence<O: Ops> {
    sequence: Sequence<O>,
    planned: usize,
    /// What it drew in the last step that was started, on the device.
    drawn: Option<Drawn<O>>,
    /// What it drew in the last step that completed.
    completed: Option<TokenId>,
}

/// Policies remembered: those of a few rows.
const N_POLICIES: usize = 4;

impl<O: Ops> LiveBackend<O> {
    /// A backend over a model. Tokens from `n_drawable` on are never drawn.
    pub fn new(model: Model<O>, n_drawable: usize) -> Self {
        Self {
            model,
            n_drawable,
            files: Vec::new(),
            sequences: HashMap::new(),
            queue: VecDeque::new(),
            dropped: HashSet::new(),
            policies: VecDeque::new(),
            n_opened: 0,
            n_submitted: 0,
        }
    }

    /// The same, over files that weights are read from where they lie: a step in which one is cut short fails.
    #[must_use]
    pub fn over(mut self, files: Vec<Arc<MappedFile>>) -> Self {
        self.files = files;
        self
    }

    /// The device's operations: what they count.
    pub fn ops(&self) -> &O {
        &self.model.ops
    }

    fn hold(&mut self, sequence: Sequence<O>) -> SeqId {
        let id = SeqId(self.n_opened);
        self.n_opened += 1;
        let planned = sequence.len;
        self.sequences.insert(
            id,
            LiveSequence {
                sequence,
                planned,
                drawn: None,
                completed: None,
            },
        );
        id
    }

    fn held(&self, seq: SeqId) -> Result<&LiveSequence<O>, BackendError> {
        self.sequences
            .get(&seq)
            .ok_or(BackendError::NoSequence(seq))
    }

    /// Whether the last step of a sequence draws a token: one that is still waiting to be started, or
    /// one that has.
    fn draws(&self, held: &LiveSequence<O>, seq: SeqId) -> bool {
        let waiting = self.queue.iter().filter(|it| it.in_flight.is_none());
        let rows = waiting.flat_map(|it| &it.rows).filter(|it| it.seq == seq);
        rows.last()
            .map_or(held.drawn.is_some(), |it| it.sampling.is_some())
    }

    fn check(&self, batch: &[Row<'_>]) -> Result<(), BackendError> {
        let bad = |what: &str| Err(BackendError::BadBatch(what.to_owned()));
        let spec = &self.model.spec;
        let (n_ctx, n_vocab) = (spec.n_ctx, spec.n_vocab);
        let mut seen = HashSet::new();
        if batch.is_empty() {
            return bad("a batch without rows");
        }
        for (i, row) in batch.iter().enumerate() {
            let wanted = self.held(row.seq)?.planned + feed_len(row.feed);
            if !seen.insert(row.seq) {
                return bad("a sequence stands twice in one batch");
            }
            if wanted > n_ctx {
                return Err(BackendError::ContextFull { n_ctx, wanted });
            }
            let tokens = if let Feed::Tokens(it) = row.feed {
                it
            } else {
                &[]
            };
            if let Some(token) = tokens.iter().chain(&row.next).find(|it| !spec.takes(**it)) {
                if spec.is_series() {
                    return Err(BackendError::NoPoint);
                }
                return Err(BackendError::NoToken {
                    token: *token,
                    n_vocab,
                });
            }
            match row.feed {
                Feed::Tokens([]) => return bad("a row that reads nothing"),
                Feed::Drawn(_) if spec.encoder.is_some() && self.held(row.seq)?.planned == 0 => {
                    return bad("a source that is not known");
                }
                Feed::Drawn(_) if spec.is_series() => {
                    return bad("points of a series that are not known");
                }
                Feed::Drawn(seq) if !self.draws(self.held(seq)?, seq) => {
                    return Err(BackendError::BadBatch(format!(
                        "sequence {seq} has drawn nothing to read"
                    )));
                }
                Feed::Tokens(_) | Feed::Drawn(_) => {}
            }
            match row.against.map(|it| batch.get(it)) {
                Some(Some(there))
                    if row.against != Some(i) && feed_len(there.feed) == feed_len(row.feed) => {}
                Some(_) => return bad("a row is compared with another that reads as many tokens"),
                None => {}
            }
        }
        Ok(())
    }

    fn share(&mut self, policy: &RoutingPolicy) -> Arc<RoutingPolicy> {
        if let Some(it) = self.policies.iter().find(|it| ***it == *policy) {
            return Arc::clone(it);
        }
        let it = Arc::new(policy.clone());
        self.policies.push_back(Arc::clone(&it));
        if self.policies.len() > N_POLICIES {
            self.policies.pop_front();
        }
        it
    }

    /// Hands a step of the queue to the device.
    fn start(&mut self, at: usize) {
        self.run(at, usize::MAX);
    }

    /// Hands some more layers of a step of the queue to the device.
    fn run(&mut self, at: usize, n_layers: usize) {
        let pending = &mut self.queue[at];
        let drawn: Vec<Option<Drawn<O>>> = pending
            .rows
            .iter()
            .map(|row| match row.feed {
                PendingFeed::Drawn(seq) => self.sequences.get(&seq)?.drawn.clone(),
                PendingFeed::Tokens(_) => None,
            })
            .collect();
        let mut taken: Vec<(SeqId, LiveSequence<O>)> = Vec::with_capacity(pending.rows.len());
        for row in &pending.rows {
            taken.extend(self.sequences.remove_entry(&row.seq));
        }
        let mut sequences: Vec<&mut Sequence<O>> =
            taken.iter_mut().map(|it| &mut it.1.sequence).collect();
        let (model, n_drawable) = (&self.model, self.n_drawable);
        let draws = pending.run(model, n_drawable, &drawn, &mut sequences, n_layers);
        for (held, drawn) in taken.iter_mut().zip(draws.into_iter().flatten()) {
            held.1.drawn = drawn;
        }
        self.sequences.extend(taken);
    }

    /// Reads the first step of the queue, which was started.
    fn complete(&mut self, wait: Wait) -> Result<Option<Step>, BackendError> {
        let Some(in_flight) = self.queue.front_mut().and_then(|it| it.in_flight.as_mut()) else {
            return Ok(None);
        };
        let outcome = match self.model.ops.complete(&mut in_flight.results, wait) {
            Ok(Some(it)) => it,
            Ok(None) => return Ok(None),
            Err(error) => {
                self.give_up(0);
                return Err(error.into());
            }
        };
        if let Err(error) = self.files.iter().try_for_each(|it| it.check()) {
            self.give_up(0);
            return Err(BackendError::File(error.to_string()));
        }
        let feeds = self.tokens_read();
        let step = self
            .queue
            .front()
            .ok_or(BackendError::Dropped)
            .and_then(|it| it.put_together(&feeds?, &self.model.spec, outcome));
        if step.is_err() {
            self.give_up(0);
        } else if let (Some(pending), Ok(step)) = (self.queue.pop_front(), &step) {
            for (row, it) in pending.rows.iter().zip(&step.rows) {
                if let Some(held) = self.sequences.get_mut(&row.seq) {
                    held.completed = it.drawn;
                }
            }
        }
        step.map(Some)
    }

    /// The tokens the rows of the first step read: known by now, since every earlier step has completed.
    fn tokens_read(&self) -> Result<Vec<Vec<TokenId>>, BackendError> {
        let one = |row: &PendingRow| match &row.feed {
            PendingFeed::Tokens(it) => Ok(it.clone()),
            PendingFeed::Drawn(seq) => match self.held(*seq)?.completed {
                Some(it) => Ok(vec![it]),
                None => Err(BackendError::Dropped),
            },
        };
        let rows = self.queue.front().map_or(&[][..], |it| &it.rows);
        rows.iter().map(one).collect()
    }

    /// Forgets a step of the queue and those that rest on it, and what they added to their sequences. All others stay.
    fn give_up(&mut self, step: usize) {
        for at in self.resting_on(step).into_iter().rev() {
            let Some(pending) = self.queue.remove(at) else {
                continue;
            };
            let placed = pending.placed();
            for (i, row) in pending.rows.iter().enumerate() {
                let Some(held) = self.sequences.get_mut(&row.seq) else {
                    continue;
                };
                if let Some(placed) = placed {
                    held.sequence.truncate(&self.model.ops, placed[i].at.idx());
                }
                held.drawn = None;
            }
            self.dropped.insert(pending.ticket);
        }
        self.plan();
    }

    /// Places in the queue of a step and of those that rest on it, first to last: one rests on another where it grows a
    /// sequence that the other grows, or reads what that drew.
    fn resting_on(&self, step: usize) -> Vec<usize> {
        let mut out = Vec::new();
        let mut grown: HashSet<SeqId> = HashSet::new();
        for (at, pending) in self.queue.iter().enumerate().skip(step) {
            let rests = |row: &PendingRow| grown.iter().any(|it| row.rests_on(*it));
            if at == step || pending.rows.iter().any(rests) {
                grown.extend(pending.rows.iter().map(|it| it.seq));
                out.push(at);
            }
        }
        out
    }

    /// The first step of the queue that does not stand once a sequence is cut: it reads beyond, or what was drawn.
    fn first_beyond(&self, seq: SeqId, to: usize) -> Option<usize> {
        let held = self.sequences.get(&seq).filter(|it| it.planned > to)?;
        let mut end = 0;
        self.queue.iter().position(|pending| {
            let placed = pending.placed();
            pending.rows.iter().enumerate().any(|(i, row)| {
                if row.seq != seq {
                    return row.rests_on(seq);
                }
                let start = placed.map_or(held.sequence.len.max(end), |it| it[i].at.idx());
                end = start + row.feed.len();
                end > to
            })
        })
    }

    /// How long every sequence will be once the queue has run.
    fn plan(&mut self) {
        for held in self.sequences.values_mut() {
            held.planned = held.sequence.len;
        }
        let waiting = self.queue.iter().filter(|it| it.in_flight.is_none());
        for row in waiting.flat_map(|it| &it.rows) {
            if let Some(held) = self.sequences.get_mut(&row.seq) {
                held.planned += row.feed.len();
            }
        }
    }
}

fn feed_len(feed: Feed<'_>) -> usize {
    match feed {
        Feed::Tokens(it) => it.len(),
        Feed::Drawn(_) => 1,
    }
}

impl<O: Ops> Backend for LiveBackend<O>
where
    Model<O>: Send,
    Sequence<O>: Send,
{
    fn spec(&self) -> &ModelSpec {
        &self.model.spec
    }

    fn open(&mut self) -> SeqId {
        let sequence = Sequence::new(&self.model);
        self.hold(sequence)
    }

    fn submit(&mut self, batch: &[Row<'_>], capture: Capture) -> Result<Ticket, BackendError> {
        self.check(batch)?;
        let mut rows = Vec::with_capacity(batch.len());
        for row in batch {
            let feed = PendingFeed::new(row.feed);
            if let Some(held) = self.sequences.get_mut(&row.seq) {
                held.planned += feed.len();
            }
            let policy = self.share(row.policy);
            rows.push(PendingRow {
                seq: row.seq,
                feed,
                next: row.next,
                policy,
                sampling: row.sampling.copied(),
                against: row.against,
            });
        }
        let ticket = Ticket(self.n_submitted);
        self.n_submitted += 1;
        self.queue.push_back(Pending {
            ticket,
            rows,
            capture,
            begun: None,
            in_flight: None,
        });
        if self.model.ops.runs_ahead() {
            self.start(self.queue.len() - 1);
        }
        Ok(ticket)
    }

    fn poll(&mut self, ticket: Ticket, wait: Wait) -> Result<Option<Step>, BackendError> {
        if self.dropped.remove(&ticket) {
            return Err(BackendError::Dropped);
        }
        // Steps run in the order they came.
        if wait == Wait::Never && self.queue.front().is_none_or(|it| it.ticket != ticket) {
            return Ok(None);
        }
        while let Some(front) = self.queue.front() {
            let is_wanted = front.ticket == ticket;
            if front.in_flight.is_none() {
                self.start(0);
            }
            match self.complete(wait) {
                Ok(None) => return Ok(None),
                Ok(step) if is_wanted => return Ok(step),
                Ok(_) => {}
                Err(error) => {
                    // It is said here, not once more when somebody asks.
                    self.dropped.remove(&ticket);
                    return Err(error);
                }
            }
        }
        Err(BackendError::BadBatch(
            "a step that was never submitted, or already taken".to_owned(),
        ))
    }

    fn advance(&mut self) -> Option<StepProgress> {
        // What another processor works on is not taken apart, and a source is read whole.
        let whole = self.runs_ahead() || self.model.spec.encoder.is_some();
        let is_left = |it: &Pending<O>| it.in_flight.is_none();
        if whole || !self.queue.front().is_some_and(is_left) {
            return None;
        }
        self.run(0, 1);
        let begun = self.queue.front()?.begun.as_ref()?;
        Some(StepProgress {
            n_done: begun.n_run,
            n_layers: self.model.layers.len(),
        })
    }

    fn fork(&mut self, seq: SeqId, at: Position) -> Result<(SeqId, Position), BackendError> {
        let held = self.held(seq)?;
        if held.planned < at.idx() {
            return Err(BackendError::BadBatch(format!(
                "sequence {seq} holds {}, not {at}",
                count_of(held.planned, "position")
            )));
        }
        // What it is to hold by then is handed to the device first.
        while self.held(seq)?.sequence.len < at.idx()
            && let Some(waiting) = self.queue.iter().position(|it| it.in_flight.is_none())
        {
            self.start(waiting);
        }
        let fork = self.held(seq)?.sequence.fork(&self.model.ops, at.idx());
        let at = Position::new(fork.len);
        Ok((self.hold(fork), at))
    }

    fn rewind(&mut self, seq: SeqId, to: Position) -> Position {
        while let Some(first) = self.first_beyond(seq, to.idx()) {
            self.give_up(first);
        }
        if let Some(held) = self.sequences.get_mut(&seq) {
            held.sequence.truncate(&self.model.ops, to.idx());
            held.drawn = None;
            held.completed = None;
        }
        self.plan();
        Position::new(self.len(seq))
    }

    fn release(&mut self, seq: SeqId) {
        self.rewind(seq, Position(0));
        self.sequences.remove(&seq);
    }

    fn runs_ahead(&self) -> bool {
        self.model.ops.runs_ahead()
    }

    fn len(&self, seq: SeqId) -> usize {
        self.sequences.get(&seq).map_or(0, |it| it.planned)
    }

    fn cache_bytes(&self) -> u64 {
        let mut seen = HashSet::new();
        let sequences = self.sequences.values();
        let pieces = sequences.flat_map(|it| it.sequence.pieces(&self.model.ops));
        let new = pieces.filter(|(place, _)| seen.insert(*place));
        new.map(|it| it.1).sum()
    }

    fn cache_bytes_per_position(&self) -> usize {
        self.model.cache_bytes_per_position()
    }

    fn meter(&self) -> Option<&dyn Meter> {
        Some(&self.model.ops)
    }
}
