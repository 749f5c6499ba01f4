//! The backend that computes, on any device's operations.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
};

use super::{Backend, BackendError, Capture, Feed, Row, Step, StepRow, Ticket, Wait, tracing};
use crate::model::{Batch, Model, Outputs, Sequence, forward};
use crate::ops::{Ask, Ops, Prediction, Span};
use crate::spec::{ModelSpec, Position, RoutingPolicy, Sampling, SeqId, TokenId};

/// Computes steps with a model on a device.
pub struct LiveBackend<O: Ops> {
    model: Model<O>,
    /// No token from this one on is ever drawn: rows of the embedding that are no text.
    n_drawable: usize,
    sequences: HashMap<SeqId, Held<O>>,
    queue: VecDeque<Pending>,
    dropped: HashSet<Ticket>,
    /// Policies seen last, so that a queued row shares one.
    policies: VecDeque<Arc<RoutingPolicy>>,
    n_opened: u32,
    n_submitted: u64,
}

/// A sequence, and how long it will be once the queue has run.
struct Held<O: Ops> {
    sequence: Sequence<O>,
    planned: usize,
    drawn: Option<TokenId>,
}

struct Pending {
    ticket: Ticket,
    rows: Vec<PendingRow>,
    capture: Capture,
}

struct PendingRow {
    seq: SeqId,
    feed: PendingFeed,
    next: Option<TokenId>,
    policy: Arc<RoutingPolicy>,
    sampling: Option<Sampling>,
    against: Option<usize>,
}

enum PendingFeed {
    Tokens(Vec<TokenId>),
    Drawn(SeqId),
}

impl PendingFeed {
    fn len(&self) -> usize {
        match self {
            Self::Tokens(it) => it.len(),
            Self::Drawn(_) => 1,
        }
    }
}

/// Policies remembered: those of a few rows.
const N_POLICIES: usize = 4;

impl<O: Ops> LiveBackend<O> {
    /// A backend over a model. Tokens from `n_drawable` on are never drawn.
    pub fn new(model: Model<O>, n_drawable: usize) -> Self {
        Self {
            model,
            n_drawable,
            sequences: HashMap::new(),
            queue: VecDeque::new(),
            dropped: HashSet::new(),
            policies: VecDeque::new(),
            n_opened: 0,
            n_submitted: 0,
        }
    }

    fn hold(&mut self, sequence: Sequence<O>) -> SeqId {
        let id = SeqId(self.n_opened);
        self.n_opened += 1;
        let planned = sequence.len;
        self.sequences.insert(
            id,
            Held {
                sequence,
                planned,
                drawn: None,
            },
        );
        id
    }

    fn held(&self, seq: SeqId) -> Result<&Held<O>, BackendError> {
        self.sequences
            .get(&seq)
            .ok_or(BackendError::NoSequence(seq))
    }

    fn check(&self, batch: &[Row<'_>]) -> Result<(), BackendError> {
        let bad = |what: &str| Err(BackendError::BadBatch(what.to_owned()));
        let (n_ctx, n_vocab) = (self.model.spec.n_ctx, self.model.spec.n_vocab);
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
            if let Some(token) = tokens
                .iter()
                .chain(&row.next)
                .find(|it| it.idx() >= n_vocab)
            {
                return Err(BackendError::NoToken {
                    token: *token,
                    n_vocab,
                });
            }
            match row.feed {
                Feed::Tokens([]) => return bad("a row that reads nothing"),
                Feed::Drawn(seq) => self.held(seq).map(|_| ())?,
                Feed::Tokens(_) => {}
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

    /// The tokens each row reads: known by now, since every earlier step has run.
    fn tokens_of(&self, rows: &[PendingRow]) -> Result<Vec<Vec<TokenId>>, BackendError> {
        let one = |row: &PendingRow| match &row.feed {
            PendingFeed::Tokens(it) => Ok(it.clone()),
            PendingFeed::Drawn(seq) => match self.held(*seq)?.drawn {
                Some(it) => Ok(vec![it]),
                None => Err(BackendError::BadBatch(format!(
                    "sequence {seq} has drawn nothing to read"
                ))),
            },
        };
        rows.iter().map(one).collect()
    }

    fn compute(&mut self, pending: &Pending) -> Result<Step, BackendError> {
        let feeds = self.tokens_of(&pending.rows)?;
        let mut taken = Vec::with_capacity(feeds.len());
        for row in &pending.rows {
            self.held(row.seq)?;
            taken.extend(self.sequences.remove(&row.seq));
        }
        let starts: Vec<usize> = taken.iter().map(|it| it.sequence.len).collect();
        let result = self.run(pending, &feeds, &mut taken);
        for ((row, mut held), start) in pending.rows.iter().zip(taken).zip(starts) {
            if result.is_err() {
                held.sequence.truncate(&self.model.ops, start);
                held.planned = start;
            }
            self.sequences.insert(row.seq, held);
        }
        result
    }

    fn run(
        &self,
        pending: &Pending,
        feeds: &[Vec<TokenId>],
        taken: &mut [Held<O>],
    ) -> Result<Step, BackendError> {
        let spans = spans(pending, feeds, taken);
        let tokens: Vec<TokenId> = feeds.iter().flatten().copied().collect();
        let mut sequences: Vec<&mut Sequence<O>> =
            taken.iter_mut().map(|it| &mut it.sequence).collect();
        let batch = Batch {
            tokens: &tokens,
            spans: &spans,
        };
        let out = forward(
            &self.model,
            &batch,
            &mut sequences,
            None,
            0..self.model.layers.len(),
        );
        let asked = Asked::new(pending, feeds, &spans);
        let logits = self.model.logits(&out.residual, &asked.rows);
        let predictions = self
            .model
            .ops
            .predict(&logits, &asked.asks, self.n_drawable);
        if let Some(it) = predictions.iter().find(|it| !it.finite) {
            return Err(not_a_number("logits", it.at));
        }
        for (held, row) in taken.iter_mut().zip(&asked.of_row) {
            held.drawn = predictions[row.clone()].last().and_then(|it| it.drawn);
        }
        self.gather(pending, feeds, &spans, &asked, predictions, out, logits)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the pieces of one step, put together once"
    )]
    fn gather(
        &self,
        pending: &Pending,
        feeds: &[Vec<TokenId>],
        spans: &[Span<'_>],
        asked: &Asked<'_>,
        mut predictions: Vec<Prediction>,
        out: Outputs<O>,
        logits: O::Tensor,
    ) -> Result<Step, BackendError> {
        let n_vocab = self.model.spec.n_vocab;
        let (logits, routers) = match pending.capture {
            Capture::None => (Vec::new(), Vec::new()),
            Capture::Trace => (Vec::new(), tracing::read(&self.model.ops, out.routers)),
            Capture::Logits => (
                self.model.ops.read(vec![logits], Vec::new()).0.remove(0),
                tracing::read(&self.model.ops, out.routers),
            ),
        };
        if let Some(row) = tracing::not_finite(&routers)
            && let Some((_, at)) = spans
                .iter()
                .flat_map(Span::positions)
                .find(|it| it.0 == row)
        {
            return Err(not_a_number("router's logits", at));
        }
        let mut rows = Vec::with_capacity(spans.len());
        for (i, span) in spans.iter().enumerate() {
            let of_row = asked.of_row[i].clone();
            let mine = &mut predictions[of_row.clone()];
            rows.push(StepRow {
                trace: tracing::step(
                    &pending.rows[i].policy,
                    pending.rows[i].seq,
                    span,
                    &feeds[i],
                    &routers,
                ),
                drawn: mine.last().and_then(|it| it.drawn),
                comparisons: mine.iter().filter_map(tracing::comparison).collect(),
                readouts: if pending.capture == Capture::None {
                    Vec::new()
                } else {
                    mine.iter_mut().map(tracing::readout).collect()
                },
                logits: if logits.is_empty() {
                    Vec::new()
                } else {
                    logits[of_row.start * n_vocab..of_row.end * n_vocab].to_vec()
                },
            });
        }
        Ok(Step { rows })
    }
}

fn not_a_number(what: &str, at: Position) -> BackendError {
    BackendError::NotANumber(format!(
        "the {what} at position {at} are not finite numbers: the weights may hold NaN or infinity"
    ))
}

fn feed_len(feed: Feed<'_>) -> usize {
    match feed {
        Feed::Tokens(it) => it.len(),
        Feed::Drawn(_) => 1,
    }
}

fn spans<'a, O: Ops>(
    pending: &'a Pending,
    feeds: &[Vec<TokenId>],
    taken: &[Held<O>],
) -> Vec<Span<'a>> {
    let mut first = 0;
    let one = |((row, feed), held): ((&'a PendingRow, &Vec<TokenId>), &Held<O>)| {
        let rows = first..first + feed.len();
        first = rows.end;
        Span {
            rows,
            start: Position::new(held.sequence.len),
            policy: &row.policy,
        }
    };
    pending.rows.iter().zip(feeds).zip(taken).map(one).collect()
}

/// What is asked of the logits, and at which rows of the batch.
struct Asked<'a> {
    /// `[asks]`.
    asks: Vec<Ask<'a>>,
    /// `[asks]`: the row of the residual stream.
    rows: Vec<usize>,
    /// Per row of the batch, its asks.
    of_row: Vec<std::ops::Range<usize>>,
}

impl<'a> Asked<'a> {
    /// Every position where something is shown or compared, the last one where a token is drawn.
    fn new(pending: &'a Pending, feeds: &[Vec<TokenId>], spans: &[Span<'_>]) -> Self {
        let mut out = Self {
            asks: Vec::new(),
            rows: Vec::new(),
            of_row: Vec::new(),
        };
        let compared: HashSet<usize> = pending.rows.iter().filter_map(|it| it.against).collect();
        for (i, (row, span)) in pending.rows.iter().zip(spans).enumerate() {
            let first = out.asks.len();
            let n = span.rows.len();
            let all =
                pending.capture != Capture::None || row.against.is_some() || compared.contains(&i);
            for (t, (at_row, at)) in span
                .positions()
                .enumerate()
                .skip(if all { 0 } else { n - 1 })
            {
                let last = t + 1 == n;
                out.rows.push(at_row);
                out.asks.push(Ask {
                    at,
                    next: if last {
                        row.next
                    } else {
                        feeds[i].get(t + 1).copied()
                    },
                    sampling: row.sampling.as_ref().filter(|_| last),
                    against: row.against.map(|_| t),
                    readout: pending.capture != Capture::None,
                });
            }
            out.of_row.push(first..out.asks.len());
        }
        // Comparisons were noted by token; now the rows they name have their places.
        for (i, row) in pending.rows.iter().enumerate() {
            if let Some(there) = row.against {
                let first = out.of_row[there].start;
                out.asks[out.of_row[i].clone()]
                    .iter_mut()
                    .for_each(|it| it.against = it.against.map(|t| first + t));
            }
        }
        out
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
            let feed = match row.feed {
                Feed::Tokens(it) => PendingFeed::Tokens(it.to_vec()),
                Feed::Drawn(seq) => PendingFeed::Drawn(seq),
            };
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
        });
        Ok(ticket)
    }

    fn poll(&mut self, ticket: Ticket, wait: Wait) -> Result<Option<Step>, BackendError> {
        if self.dropped.remove(&ticket) {
            return Err(BackendError::Dropped);
        }
        // The processor that would wait is the one that computes; steps run in the order they came.
        if wait == Wait::Never && self.queue.front().is_none_or(|it| it.ticket != ticket) {
            return Ok(None);
        }
        while let Some(pending) = self.queue.pop_front() {
            let result = self.compute(&pending);
            if pending.ticket == ticket {
                return result.map(Some);
            }
            result?;
        }
        Err(BackendError::BadBatch(
            "a step that was never submitted, or already taken".to_owned(),
        ))
    }

    fn fork(&mut self, seq: SeqId, at: Position) -> Result<SeqId, BackendError> {
        let held = self.held(seq)?;
        if held.sequence.len < at.idx() {
            return Err(BackendError::BadBatch(format!(
                "sequence {seq} holds {} positions, not {at}",
                held.sequence.len
            )));
        }
        let fork = held.sequence.fork(&self.model.ops, at.idx());
        Ok(self.hold(fork))
    }

    fn rewind(&mut self, seq: SeqId, to: Position) {
        // A step beyond `to`, and all that came after it, may rest on what is forgotten.
        let reaches = |it: &Pending| it.rows.iter().any(|row| row.seq == seq);
        let beyond = self
            .sequences
            .get(&seq)
            .is_some_and(|it| it.planned > to.idx());
        if let Some(first) = self.queue.iter().position(reaches).filter(|_| beyond) {
            for pending in self.queue.drain(first..).collect::<Vec<_>>() {
                self.dropped.insert(pending.ticket);
            }
            self.sequences
                .values_mut()
                .for_each(|it| it.planned = it.sequence.len);
        }
        if let Some(held) = self.sequences.get_mut(&seq) {
            held.sequence.truncate(&self.model.ops, to.idx());
            held.planned = held.sequence.len;
            held.drawn = None;
        }
    }

    fn release(&mut self, seq: SeqId) {
        self.rewind(seq, Position(0));
        self.sequences.remove(&seq);
    }

    fn len(&self, seq: SeqId) -> usize {
        self.sequences.get(&seq).map_or(0, |it| it.planned)
    }

    fn cache_bytes_per_position(&self) -> usize {
        self.model.cache_bytes_per_position()
    }
}
