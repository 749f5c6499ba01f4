//! One submitted step: what is asked of the model, and how it is put together once it is back.
//!
//! A step is started (its operations are handed to the device) and completes (its results are on the
//! host). Between the two the device works, and the next step may be started already.

use std::{collections::HashSet, ops::Range, sync::Arc};

use super::{BackendError, Capture, Feed, Step, StepRow, Ticket, tracing};
use crate::model::{Batch, Model, Sequence, forward};
use crate::ops::{Ask, BatchSpan, Input, Ops, Outcome, Prediction, Wanted};
use crate::spec::{Position, RoutingPolicy, Sampling, SeqId, TokenId};

/// A step that was submitted.
pub(super) struct Pending<O: Ops> {
    pub ticket: Ticket,
    pub rows: Vec<PendingRow>,
    pub capture: Capture,
    /// Where it was started.
    pub in_flight: Option<StartedStep<O>>,
}

pub(super) struct PendingRow {
    pub seq: SeqId,
    pub feed: PendingFeed,
    pub next: Option<TokenId>,
    pub policy: Arc<RoutingPolicy>,
    pub sampling: Option<Sampling>,
    pub against: Option<usize>,
}

pub(super) enum PendingFeed {
    Tokens(Vec<TokenId>),
    Drawn(SeqId),
}

impl PendingFeed {
    pub fn new(feed: Feed<'_>) -> Self {
        match feed {
            Feed::Tokens(it) => Self::Tokens(it.to_vec()),
            Feed::Drawn(seq) => Self::Drawn(seq),
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Tokens(it) => it.len(),
            Self::Drawn(_) => 1,
        }
    }
}

/// A step the device works on.
pub(super) struct StartedStep<O: Ops> {
    pub results: O::InFlight,
    /// Positions each row's sequence held before it.
    pub starts: Vec<usize>,
    /// Per row, its asks.
    asks: Vec<Range<usize>>,
    has_gates: Vec<bool>,
}

/// What the rows of a step read: tokens, or what an earlier step drew.
pub(super) type Drawn<O> = (<O as Ops>::Predicted, usize);

impl<O: Ops> Pending<O> {
    /// Hands the step to the device; the sequences are longer from now on. `drawn` is what the rows
    /// read that read what was drawn. Returns what each row draws, on the device.
    pub fn start(
        &mut self,
        model: &Model<O>,
        n_drawable: usize,
        drawn: &[Option<Drawn<O>>],
        sequences: &mut [&mut Sequence<O>],
    ) -> Vec<Option<Drawn<O>>> {
        let starts: Vec<usize> = sequences.iter().map(|it| it.len).collect();
        let spans = self.spans(&starts);
        let inputs = self.inputs(drawn);
        let batch = Batch {
            tokens: &inputs,
            spans: &spans,
        };
        let layers = 0..model.layers.len();
        let out = forward(model, &batch, sequences, None, layers);
        let asked = AskedRows::new(self, &spans);
        let logits = model.logits(&out.residual, &asked.rows);
        let predicted = model.ops.predict(&logits, &asked.asks, n_drawable);
        let (mut tensors, routings, has_gates) = match self.capture {
            Capture::None => <_>::default(),
            Capture::Trace | Capture::Logits => tracing::wanted(out.routers),
        };
        if self.capture == Capture::Logits {
            tensors.push(logits);
        }
        let (rows, asks) = (&self.rows, asked.of_row);
        let draws = |(row, asks): (&PendingRow, &Range<usize>)| {
            row.sampling?;
            Some((predicted.clone(), asks.end - 1))
        };
        let draws = rows.iter().zip(&asks).map(draws).collect();
        let results = model.ops.finish(Wanted {
            predicted,
            tensors,
            routings,
        });
        self.in_flight = Some(StartedStep {
            results,
            starts,
            asks,
            has_gates,
        });
        draws
    }

    fn spans(&self, starts: &[usize]) -> Vec<BatchSpan<'_>> {
        let mut out = Vec::with_capacity(self.rows.len());
        let mut first = 0;
        for (row, start) in self.rows.iter().zip(starts) {
            let rows = first..first + row.feed.len();
            first = rows.end;
            out.push(BatchSpan {
                rows,
                start: Position::new(*start),
                policy: &row.policy,
            });
        }
        out
    }

    fn inputs<'a>(&'a self, drawn: &'a [Option<Drawn<O>>]) -> Vec<Input<'a, O::Predicted>> {
        let mut out = Vec::new();
        for (row, drawn) in self.rows.iter().zip(drawn) {
            match (&row.feed, drawn) {
                (PendingFeed::Tokens(it), _) => {
                    out.extend(it.iter().copied().map(Input::Known));
                }
                (PendingFeed::Drawn(_), Some((from, place))) => {
                    out.push(Input::Drawn(from, *place));
                }
                (PendingFeed::Drawn(_), None) => {
                    unreachable!("refused when it was submitted")
                }
            }
        }
        out
    }

    /// The step as the engine gets it. `feeds` are the tokens each row read.
    ///
    /// # Errors
    /// The first thing in it that is no number.
    pub fn put_together(
        &self,
        feeds: &[Vec<TokenId>],
        n_vocab: usize,
        outcome: Outcome,
    ) -> Result<Step, BackendError> {
        let Some(in_flight) = &self.in_flight else {
            return Err(BackendError::BadBatch(
                "a step that was never started".to_owned(),
            ));
        };
        let mut predictions = outcome.predictions;
        if let Some(it) = predictions.iter().find(|it| !it.finite) {
            return Err(not_a_number("logits", it.at));
        }
        let spans = self.spans(&in_flight.starts);
        let mut tensors = outcome.tensors.into_iter();
        let routers = tracing::sort(&mut tensors, outcome.routings, &in_flight.has_gates);
        let logits = tensors.next().unwrap_or_default();
        if let Some(row) = tracing::not_finite(&routers) {
            let mut positions = spans.iter().flat_map(BatchSpan::positions);
            if let Some((_, at)) = positions.find(|it| it.0 == row) {
                return Err(not_a_number("router's logits", at));
            }
        }
        let mut rows = Vec::with_capacity(spans.len());
        for (i, (row, span)) in self.rows.iter().zip(&spans).enumerate() {
            let asks = in_flight.asks[i].clone();
            let place = (span.start, &span.rows);
            let trace = tracing::step(&row.policy, row.seq, place, &feeds[i], &routers);
            let logits = logits.get(asks.start * n_vocab..asks.end * n_vocab);
            let logits = logits.unwrap_or_default().to_vec();
            rows.push(self.row(trace, &mut predictions[asks], logits));
        }
        Ok(Step { rows })
    }

    fn row(
        &self,
        trace: crate::trace::StepTrace,
        mine: &mut [Prediction],
        logits: Vec<f32>,
    ) -> StepRow {
        StepRow {
            trace,
            drawn: mine.last().and_then(|it| it.drawn),
            comparisons: mine.iter().filter_map(|it| it.comparison).collect(),
            readouts: if self.capture == Capture::None {
                Vec::new()
            } else {
                mine.iter_mut().map(tracing::readout).collect()
            },
            logits,
        }
    }
}

impl PendingRow {
    /// Whether it grows a sequence, or reads what that drew.
    pub fn rests_on(&self, seq: SeqId) -> bool {
        self.seq == seq || matches!(self.feed, PendingFeed::Drawn(it) if it == seq)
    }
}

fn not_a_number(what: &str, at: Position) -> BackendError {
    BackendError::NotANumber(format!(
        "the {what} at position {at} are not finite numbers: the weights may hold NaN or infinity"
    ))
}

/// What is asked of the logits, and at which rows of the batch.
struct AskedRows<'a> {
    /// `[asks]`.
    asks: Vec<Ask<'a>>,
    /// `[asks]`: the row of the residual stream.
    rows: Vec<usize>,
    /// Per row of the batch, its asks.
    of_row: Vec<Range<usize>>,
}

impl<'a> AskedRows<'a> {
    /// Every position where something is shown or compared, the last one where a token is drawn.
    fn new<O: Ops>(pending: &'a Pending<O>, spans: &[BatchSpan<'_>]) -> Self {
        let mut out = Self {
            asks: Vec::new(),
            rows: Vec::new(),
            of_row: Vec::new(),
        };
        let compared: HashSet<usize> = pending.rows.iter().filter_map(|it| it.against).collect();
        for (i, (row, span)) in pending.rows.iter().zip(spans).enumerate() {
            let first = out.asks.len();
            let all =
                pending.capture != Capture::None || row.against.is_some() || compared.contains(&i);
            let skipped = if all { 0 } else { span.rows.len() - 1 };
            for (t, (at_row, at)) in span.positions().enumerate().skip(skipped) {
                out.rows.push(at_row);
                out.asks.push(row.ask(pending.capture, t, at));
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

impl PendingRow {
    /// What is asked at the row's t-th token.
    fn ask(&self, capture: Capture, t: usize, at: Position) -> Ask<'_> {
        let is_last = t + 1 == self.feed.len();
        let follows = match &self.feed {
            PendingFeed::Tokens(it) => it.get(t + 1).copied(),
            PendingFeed::Drawn(_) => None,
        };
        Ask {
            at,
            next: if is_last { self.next } else { follows },
            sampling: self.sampling.as_ref().filter(|_| is_last),
            against: self.against.map(|_| t),
            readout: capture != Capture::None,
        }
    }
}
