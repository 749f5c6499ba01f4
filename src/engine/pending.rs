//! One submitted step: what is asked of the model, and how it is put together once it is back.
//!
//! A step is started (its operations are handed to the device) and completes (its results are on the
//! host). Between the two the device works, and the next step may be started already.

use std::{collections::HashSet, ops::Range, sync::Arc};

use super::{
    BackendError, Capture, Feed, Step, StepRow, Ticket,
    forecasts::Forecasts,
    passes::{Placed, spans},
    tracing::{self, Expected},
};
use crate::model::{Batch, Model, Outputs, RouterOutputs, Sequence, encode, forward};
use crate::ops::{Ask, Input, Ops, Prediction, StepOutput, WantedOutput};
use crate::spec::{ModelSpec, Position, RoutingPolicy, Sampling, SeqId, StackId, TokenId};
use crate::trace::StepTrace;

/// A step that was submitted.
pub(super) struct Pending<O: Ops> {
    pub ticket: Ticket,
    pub rows: Vec<PendingRow>,
    pub capture: Capture,
    /// What some of its layers left, where the others have not run.
    pub begun: Option<BegunStep<O>>,
    /// Where it was started.
    pub in_flight: Option<StartedStep<O>>,
}

/// A step of which some layers have run.
pub(super) struct BegunStep<O: Ops> {
    /// Where each row stands.
    placed: Vec<Placed>,
    /// What the routers of the encoder did.
    encoded: Option<Vec<RouterOutputs<O>>>,
    /// What the layers that have run left; none where no row goes through them.
    decoded: Option<Outputs<O>>,
    /// Layers that have run.
    pub n_run: usize,
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
    /// Where each row stands.
    pub placed: Vec<Placed>,
    /// Per row, its asks.
    asks: Vec<Range<usize>>,
    /// The position of each of them.
    asked: Vec<Position>,
    routers: Vec<Expected>,
}

/// What the rows of a step read: tokens, or what an earlier step drew.
pub(super) type Drawn<O> = (<O as Ops>::Predicted, usize);

impl<O: Ops> Pending<O> {
    /// Hands up to `n_layers` more layers of the step to the device. After the last of them the sequences are longer,
    /// its results are on their way, and what each row draws is returned, on the device; none before. `drawn` is what
    /// the rows read that read what was drawn.
    pub fn run(
        &mut self,
        model: &Model<O>,
        n_drawable: usize,
        drawn: &[Option<Drawn<O>>],
        sequences: &mut [&mut Sequence<O>],
        n_layers: usize,
    ) -> Option<Vec<Option<Drawn<O>>>> {
        let mut begun = match self.begun.take() {
            Some(it) => it,
            None => self.begin(model, drawn, sequences),
        };
        let all = model.layers.len();
        let end = begun.n_run.saturating_add(n_layers).min(all);
        if let Some(before) = begun.decoded.take() {
            let (run, from) = (begun.n_run..end, Some(before.residual));
            let pass = |batch: &Batch<'_, O>, own: &mut [&mut Sequence<O>]| {
                forward(model, batch, own, from, run)
            };
            let after = self.pass(StackId::Decoder, &begun.placed, None, sequences, pass);
            begun.decoded = after.map(|mut after| {
                let mut routers = before.routers;
                routers.append(&mut after.routers);
                Outputs { routers, ..after }
            });
        }
        begun.n_run = end;
        if end < all {
            self.begun = Some(begun);
            return None;
        }
        Some(self.finish(model, n_drawable, begun))
    }

    /// What the first layer reads.
    fn begin(
        &self,
        model: &Model<O>,
        drawn: &[Option<Drawn<O>>],
        sequences: &mut [&mut Sequence<O>],
    ) -> BegunStep<O> {
        let placed = Placed::all(self.rows.iter().map(|it| it.feed.len()), model, sequences);
        let drawn = Some(drawn);
        let encoded = self.pass(StackId::Encoder, &placed, drawn, sequences, |batch, own| {
            encode(model, batch, own)
        });
        let decoded = self.pass(StackId::Decoder, &placed, drawn, sequences, |batch, own| {
            forward(model, batch, own, None, 0..0)
        });
        BegunStep {
            placed,
            encoded,
            decoded,
            n_run: 0,
        }
    }

    /// All layers have run: what is predicted, and what the host wants of it.
    fn finish(
        &mut self,
        model: &Model<O>,
        n_drawable: usize,
        begun: BegunStep<O>,
    ) -> Vec<Option<Drawn<O>>> {
        let BegunStep {
            placed,
            encoded,
            decoded,
            ..
        } = begun;
        let asked = AskedRows::new(self, &placed);
        let (residual, decoded) = decoded.map(|it| (it.residual, it.routers)).unzip();
        let logits = residual.map(|it| model.logits(&it, &asked.rows));
        // What a series comes to is no likelihood of tokens.
        let is_series = model.spec.is_series();
        let said = logits.as_ref().filter(|_| !is_series);
        let predicted = said.map(|it| model.ops.predict(it, &asked.asks, n_drawable));
        let (mut tensors, routings, routers) = match self.capture {
            Capture::None => <_>::default(),
            Capture::Trace | Capture::Logits => tracing::wanted(&model.spec, [encoded, decoded]),
        };
        // The forecasts of a series are told, drawn from and compared where they are read.
        let draws = self.rows.iter().any(|it| it.sampling.is_some());
        let is_told = is_series && (self.capture == Capture::Trace || draws);
        if self.capture == Capture::Logits || is_told {
            tensors.extend(logits);
        }
        let at = asked.asks.iter().map(|it| it.at).collect();
        let (rows, asks) = (&self.rows, asked.of_row);
        let draws = |(row, asks): (&PendingRow, &Range<usize>)| {
            row.sampling?;
            Some((predicted.clone()?, asks.end.checked_sub(1)?))
        };
        let draws = rows.iter().zip(&asks).map(draws).collect();
        let results = model.ops.finish(WantedOutput {
            predicted,
            tensors,
            routings,
        });
        self.in_flight = Some(StartedStep {
            results,
            placed,
            asks,
            asked: at,
            routers,
        });
        draws
    }

    /// Where each row stands, once it was begun.
    pub fn placed(&self) -> Option<&[Placed]> {
        let begun = self.begun.as_ref().map(|it| &it.placed);
        let started = self.in_flight.as_ref().map(|it| &it.placed);
        begun.or(started).map(Vec::as_slice)
    }

    /// Runs the rows of a stack through it; none where there are none. Without `drawn` they read what came before.
    fn pass<R>(
        &self,
        stack: StackId,
        placed: &[Placed],
        drawn: Option<&[Option<Drawn<O>>]>,
        sequences: &mut [&mut Sequence<O>],
        run: impl FnOnce(&Batch<'_, O>, &mut [&mut Sequence<O>]) -> R,
    ) -> Option<R> {
        let is_mine: Vec<bool> = placed.iter().map(|it| it.stack == stack).collect();
        let inputs = drawn.map_or_else(Vec::new, |it| self.inputs(it, &is_mine));
        let spans = spans(stack, self.rows.iter().map(|it| &*it.policy), placed);
        let own = sequences.iter_mut().zip(&is_mine).filter(|it| *it.1);
        let mut own: Vec<&mut Sequence<O>> = own.map(|it| &mut **it.0).collect();
        let batch = Batch {
            tokens: &inputs,
            spans: &spans,
        };
        (!own.is_empty()).then(|| run(&batch, &mut own))
    }

    /// What some of the rows read.
    fn inputs<'a>(
        &'a self,
        drawn: &'a [Option<Drawn<O>>],
        is_mine: &[bool],
    ) -> Vec<Input<'a, O::Predicted>> {
        let mut out = Vec::new();
        let rows = self.rows.iter().zip(drawn).zip(is_mine);
        for ((row, drawn), _) in rows.filter(|it| *it.1) {
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

    /// The step as the engine gets it, of a model of this shape. `feeds` are the tokens each row read.
    ///
    /// # Errors
    /// The first thing in it that is no number.
    pub fn put_together(
        &self,
        feeds: &[Vec<TokenId>],
        spec: &ModelSpec,
        outcome: StepOutput,
    ) -> Result<Step, BackendError> {
        let Some(in_flight) = &self.in_flight else {
            return Err(BackendError::BadBatch(
                "a step that was never started".to_owned(),
            ));
        };
        let n_out = spec.n_out();
        let mut predictions = outcome.predictions;
        if let Some(it) = predictions.iter().find(|it| !it.finite) {
            return Err(not_a_number("logits", it.at));
        }
        let mut tensors = outcome.tensors.into_iter();
        let routers = tracing::sort(&mut tensors, outcome.routings, &in_flight.routers);
        let logits = tensors.next().unwrap_or_default();
        if let Some(i) = logits.iter().position(|it| !it.is_finite()) {
            let at = in_flight.asked.get(i / n_out.max(1));
            return Err(not_a_number("logits", at.copied().unwrap_or_default()));
        }
        if let Some((stack, row)) = tracing::not_finite(&routers) {
            let rows = in_flight.placed.iter().filter(|it| it.stack == stack);
            if let Some((_, at)) = rows.flat_map(Placed::positions).find(|it| it.0 == row) {
                return Err(not_a_number("router's logits", at));
            }
        }
        let mut rows = Vec::with_capacity(self.rows.len());
        for (i, (row, placed)) in self.rows.iter().zip(&in_flight.placed).enumerate() {
            let asks = in_flight.asks[i].clone();
            let trace = tracing::step(&row.policy, row.seq, placed, &feeds[i], &routers);
            let said = |it: &Range<usize>| {
                let range = it.start * n_out..it.end * n_out;
                logits.get(range).unwrap_or_default()
            };
            // A series is asked for no predictions.
            let mine = predictions.get_mut(asks.clone()).unwrap_or_default();
            let mut out = self.row((placed, trace), mine, said(&asks).to_vec());
            if spec.is_series() {
                let against = row.against.and_then(|it| in_flight.asks.get(it)).map(said);
                let at = &in_flight.asked[asks.clone()];
                Forecasts::of(spec, at, said(&asks)).tell(
                    &mut out,
                    row.sampling.is_some(),
                    self.capture,
                    against,
                );
            }
            rows.push(out);
        }
        Ok(Step { rows })
    }

    fn row(
        &self,
        (placed, trace): (&Placed, StepTrace),
        mine: &mut [Prediction],
        logits: Vec<f32>,
    ) -> StepRow {
        StepRow {
            trace,
            drawn: mine.last().and_then(|it| it.drawn),
            comparisons: mine.iter().filter_map(|it| it.comparison).collect(),
            readouts: match (self.capture, placed.stack) {
                (Capture::None, _) => Vec::new(),
                (_, StackId::Encoder) => placed.positions().map(tracing::silence).collect(),
                _ => mine.iter_mut().map(tracing::readout).collect(),
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
    /// Every position of a text where something is shown or compared, the last one where a token is drawn.
    fn new<O: Ops>(pending: &'a Pending<O>, placed: &[Placed]) -> Self {
        let mut out = Self {
            asks: Vec::new(),
            rows: Vec::new(),
            of_row: Vec::new(),
        };
        let compared: HashSet<usize> = pending.rows.iter().filter_map(|it| it.against).collect();
        for (i, (row, placed)) in pending.rows.iter().zip(placed).enumerate() {
            let first = out.asks.len();
            if placed.stack == StackId::Encoder {
                // A source is read, nothing of it is predicted.
                out.of_row.push(first..first);
                continue;
            }
            let all =
                pending.capture != Capture::None || row.against.is_some() || compared.contains(&i);
            let skipped = if all { 0 } else { placed.rows.len() - 1 };
            for (t, (at_row, at)) in placed.positions().enumerate().skip(skipped) {
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
