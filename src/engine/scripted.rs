//! Replays rows held in memory: for tests, and for machines without weights. It computes nothing:
//! what was not recorded under the same edits on the same tokens is refused in a sentence.

use std::{
    collections::HashMap,
    ops::Range,
    time::{Duration, Instant},
};

use super::{Backend, BackendError, Capture, Feed, Row, Step, StepRow, Ticket, Wait};
use crate::spec::{
    InterventionSet, ModelSpec, PolicyError, Position, Revision, RouterId, RoutingPolicy, Sampling,
    SeqId, TokenId,
};
use crate::trace::{Comparison, Phase, Pick, Readout, RouterTrace, RowRecord, StepTrace};

/// One recorded row.
#[derive(Clone, Debug)]
pub struct ScriptedRow {
    /// The list it was recorded under.
    pub edits: InterventionSet,
    /// How its tokens were drawn; none where any sampling may replay it.
    pub sampling: Option<Sampling>,
    /// What was recorded. A counterfactual holds its comparisons.
    pub record: RowRecord,
}

impl ScriptedRow {
    /// A row without edits, replayed whatever the sampling.
    #[must_use]
    pub fn plain(record: RowRecord) -> Self {
        Self {
            edits: InterventionSet::default(),
            sampling: None,
            record,
        }
    }
}

/// A position of a sequence: the recorded rows it still agrees with.
#[derive(Clone, Debug)]
struct HeldPosition {
    rows: Vec<usize>,
}

#[derive(Clone, Debug, Default)]
struct Seq {
    held: Vec<HeldPosition>,
    drawn: Option<TokenId>,
}

#[derive(Debug)]
struct ScriptedStep {
    seqs: Vec<(SeqId, usize)>,
    step: Step,
    done_at: Instant,
}

/// Replays.
#[derive(Debug)]
pub struct ScriptedBackend {
    spec: ModelSpec,
    rows: Vec<(ScriptedRow, RoutingPolicy)>,
    hold: Duration,
    cut_every: usize,
    seqs: HashMap<SeqId, Seq>,
    in_flight: HashMap<Ticket, ScriptedStep>,
    n_opened: u32,
    n_submitted: u64,
}

impl ScriptedBackend {
    /// Replays these rows of a model.
    ///
    /// # Errors
    /// A recorded list that cannot act on the model.
    pub fn new(spec: ModelSpec, rows: Vec<ScriptedRow>) -> Result<Self, PolicyError> {
        let lowered = |it: ScriptedRow| {
            RoutingPolicy::lower(&it.edits, &spec, Revision(0)).map(|policy| (it, policy))
        };
        Ok(Self {
            rows: rows.into_iter().map(lowered).collect::<Result<_, _>>()?,
            spec,
            hold: Duration::ZERO,
            cut_every: 1,
            seqs: HashMap::new(),
            in_flight: HashMap::new(),
            n_opened: 0,
            n_submitted: 0,
        })
    }

    /// Each step takes this long.
    #[must_use]
    pub fn with_hold(self, hold: Duration) -> Self {
        Self { hold, ..self }
    }

    /// Forks and rewinds hold a multiple of `n` positions, as of a state of which a copy was kept there.
    #[must_use]
    pub fn cut_every(self, n: usize) -> Self {
        Self {
            cut_every: n.max(1),
            ..self
        }
    }

    fn cut(&self, at: Position) -> usize {
        at.idx() / self.cut_every * self.cut_every
    }

    fn seq(&self, seq: SeqId) -> Result<&Seq, BackendError> {
        self.seqs.get(&seq).ok_or(BackendError::NoSequence(seq))
    }

    fn feed(&self, feed: Feed<'_>) -> Result<Vec<TokenId>, BackendError> {
        match feed {
            Feed::Tokens(it) => Ok(it.to_vec()),
            Feed::Drawn(seq) => {
                let drawn = self.seq(seq)?.drawn.map(|it| vec![it]);
                drawn.ok_or_else(|| BackendError::BadBatch(format!("sequence {seq} drew nothing")))
            }
        }
    }

    /// Whether a recorded row holds this token at `t`, read under the same edits.
    fn agrees(&self, row: usize, t: usize, token: TokenId, policy: &RoutingPolicy) -> bool {
        let (it, recorded) = &self.rows[row];
        let at = Position::new(t);
        let mut routers = self.spec.router_ids().map(|(id, _)| id);
        it.record.tokens.get(t) == Some(&token)
            && routers.all(|id| policy.at(id, at) == recorded.at(id, at))
    }

    fn replay(&self, row: &Row<'_>, capture: Capture) -> Result<(Seq, StepRow), BackendError> {
        let tokens = self.feed(row.feed)?;
        let mut seq = self.seq(row.seq)?.clone();
        let start = seq.held.len();
        for (t, token) in (start..).zip(&tokens) {
            let all: Vec<usize> = (0..self.rows.len()).collect();
            let before = seq.held.last().map_or(&all, |it| &it.rows);
            let fits = |it: &usize| self.agrees(*it, t, *token, row.policy);
            let rows: Vec<usize> = before.iter().copied().filter(fits).collect();
            if rows.is_empty() {
                return Err(not_in_script(*token, t));
            }
            seq.held.push(HeldPosition { rows });
        }
        let range = start..seq.held.len();
        let rows = seq.held.last().map_or(&[][..], |it| &it.rows);
        let source = self.source(rows, &range, row).ok_or_else(|| {
            let end = range.end;
            BackendError::NotInScript(format!("nothing was recorded after position {end}"))
        })?;
        let record = &source.record;
        seq.drawn = row.sampling.and_then(|_| next_of(record, range.end));
        let is_told = capture != Capture::None;
        let step = StepRow {
            trace: trace_of(record, &range, row, tokens, is_told),
            readouts: if is_told {
                readouts_of(record, &range).cloned().collect()
            } else {
                Vec::new()
            },
            drawn: seq.drawn,
            comparisons: row.against.map_or(Vec::new(), |_| compared(record, &range)),
            logits: Vec::new(),
        };
        Ok((seq, step))
    }

    /// The recorded row that answers: one that knows what comes next, where that is asked.
    fn source(
        &self,
        rows: &[usize],
        range: &Range<usize>,
        asked: &Row<'_>,
    ) -> Option<&ScriptedRow> {
        let mut rows = rows.iter().map(|it| &self.rows[*it].0);
        rows.find(|it| {
            let next = next_of(&it.record, range.end);
            let draws = asked.sampling.is_none_or(|sampling| {
                next.is_some() && it.sampling.is_none_or(|recorded| recorded == *sampling)
            });
            let is_counterfactual = !it.record.comparisons.is_empty();
            let compares = asked.against.is_none() || is_counterfactual;
            let names = asked.next.is_none_or(|it| next == Some(it));
            it.record.readouts.len() >= range.end
                && draws
                && compares
                && names
                && (asked.against.is_some() || !is_counterfactual)
        })
    }
}

fn not_in_script(token: TokenId, t: usize) -> BackendError {
    BackendError::NotInScript(format!(
        "token {token} at position {t} was not recorded under these edits"
    ))
}

/// The token after the first `n`, where the record knows it.
fn next_of(record: &RowRecord, n: usize) -> Option<TokenId> {
    let named = record.readouts.get(n.checked_sub(1)?)?.next;
    record.tokens.get(n).copied().or(named.map(|it| it.token))
}

fn readouts_of<'a>(
    record: &'a RowRecord,
    range: &Range<usize>,
) -> impl Iterator<Item = &'a Readout> + use<'a> {
    record.readouts.iter_from(range.start).take(range.len())
}

/// A counterfactual's comparisons; before the first one recorded it is one with its baseline.
fn compared(record: &RowRecord, range: &Range<usize>) -> Vec<Comparison> {
    let first = record.comparisons.first().map(|it| it.at);
    let at = range.clone().zip(readouts_of(record, range));
    at.filter_map(|(t, readout)| {
        let at = Position::new(t);
        let equal = Comparison {
            at,
            kl: 0.0,
            baseline: readout.next,
            edited: readout.next,
        };
        let is_before = first.is_some_and(|it| at < it);
        record
            .comparison(at)
            .copied()
            .or(is_before.then_some(equal))
    })
    .collect()
}

fn trace_of(
    record: &RowRecord,
    range: &Range<usize>,
    row: &Row<'_>,
    tokens: Vec<TokenId>,
    is_told: bool,
) -> StepTrace {
    let start = Position::new(range.start);
    let recorded = record.store.steps();
    let touched: Vec<&StepTrace> = recorded
        .filter(|it| it.start.idx() < range.end && it.end().idx() > range.start)
        .collect();
    let n_routers = touched.first().map_or(0, |it| it.routers.len());
    let routers = (0..n_routers).map(|router| joined(&touched, RouterId::new(router), range));
    StepTrace {
        seq: row.seq,
        phase: touched.first().map_or(Phase::Decode, |it| it.phase),
        start,
        revision: row.policy.revision(),
        tokens,
        routers: if is_told {
            routers.collect()
        } else {
            Vec::new()
        },
    }
}

/// One router's rows `range`, whatever steps they were recorded in.
fn joined(steps: &[&StepTrace], router: RouterId, range: &Range<usize>) -> RouterTrace {
    let mut out = RouterTrace::default();
    for step in steps {
        let Some(trace) = step.routers.get(router.idx()) else {
            continue;
        };
        let first = range.start.saturating_sub(step.start.idx());
        let rows = first..(range.end - step.start.idx()).min(trace.n_rows());
        out.n_experts = trace.n_experts;
        widen(&mut out, trace.n_picks);
        for row in rows {
            out.logits
                .extend_from_slice(trace.logits_of(row).unwrap_or(&[]));
            let n_before = out.picks.len();
            out.picks.extend(trace.choice_of(row));
            out.picks.resize(n_before + out.n_picks, Pick::default());
            out.margin.push(trace.margin[row]);
            out.weight_sum.extend(trace.weight_sum.get(row));
            out.shared_gate.extend(trace.shared_gate.get(row));
            let n_experts = trace.n_experts;
            let selection = trace.selection.get(row * n_experts..(row + 1) * n_experts);
            out.selection.extend_from_slice(selection.unwrap_or(&[]));
            let n_groups = trace.groups_kept.len() / trace.n_rows().max(1);
            out.groups_kept
                .extend_from_slice(&trace.groups_kept[row * n_groups..(row + 1) * n_groups]);
        }
    }
    out
}

/// Makes room for `n_picks` picks a row.
fn widen(out: &mut RouterTrace, n_picks: usize) {
    if n_picks > out.n_picks {
        let narrow = std::mem::take(&mut out.picks);
        for row in narrow.chunks(out.n_picks.max(1)) {
            out.picks.extend_from_slice(row);
            let n_missing = n_picks - row.len();
            out.picks
                .extend(std::iter::repeat_n(Pick::default(), n_missing));
        }
        out.n_picks = n_picks;
    }
}

impl Backend for ScriptedBackend {
    fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    fn open(&mut self) -> SeqId {
        self.n_opened += 1;
        let id = SeqId(self.n_opened);
        self.seqs.insert(id, Seq::default());
        id
    }

    fn submit(&mut self, batch: &[Row<'_>], capture: Capture) -> Result<Ticket, BackendError> {
        if capture == Capture::Logits {
            let what = "full logits are not part of a recording".to_owned();
            return Err(BackendError::NotInScript(what));
        }
        let replayed = batch.iter().map(|it| self.replay(it, capture));
        let replayed: Vec<(Seq, StepRow)> = replayed.collect::<Result<_, _>>()?;
        let mut rows = Vec::with_capacity(batch.len());
        let mut seqs = Vec::with_capacity(batch.len());
        for (row, (seq, step)) in batch.iter().zip(replayed) {
            seqs.push((row.seq, seq.held.len()));
            self.seqs.insert(row.seq, seq);
            rows.push(step);
        }
        self.n_submitted += 1;
        let ticket = Ticket(self.n_submitted);
        let step = ScriptedStep {
            seqs,
            step: Step { rows },
            done_at: Instant::now() + self.hold,
        };
        self.in_flight.insert(ticket, step);
        Ok(ticket)
    }

    fn poll(&mut self, ticket: Ticket, wait: Wait) -> Result<Option<Step>, BackendError> {
        let step = self
            .in_flight
            .remove(&ticket)
            .ok_or(BackendError::Dropped)?;
        let left = step.done_at.saturating_duration_since(Instant::now());
        if wait == Wait::Never && !left.is_zero() {
            self.in_flight.insert(ticket, step);
            return Ok(None);
        }
        std::thread::sleep(left);
        Ok(Some(step.step))
    }

    fn fork(&mut self, seq: SeqId, at: Position) -> Result<(SeqId, Position), BackendError> {
        let mut copy = self.seq(seq)?.clone();
        if copy.held.len() < at.idx() {
            let what = format!("sequence {seq} is shorter than {at}");
            return Err(BackendError::BadBatch(what));
        }
        copy.held.truncate(self.cut(at));
        copy.drawn = None;
        let id = self.open();
        let at = Position::new(copy.held.len());
        self.seqs.insert(id, copy);
        Ok((id, at))
    }

    fn rewind(&mut self, seq: SeqId, to: Position) -> Position {
        let held = self.cut(to);
        if let Some(it) = self.seqs.get_mut(&seq) {
            it.drawn = None;
            if it.held.len() > to.idx() {
                it.held.truncate(held);
            }
        }
        let is_kept = |it: &ScriptedStep| {
            it.seqs
                .iter()
                .all(|(id, end)| *id != seq || *end <= to.idx())
        };
        self.in_flight.retain(|_, it| is_kept(it));
        Position::new(self.len(seq))
    }

    fn release(&mut self, seq: SeqId) {
        self.seqs.remove(&seq);
        self.in_flight
            .retain(|_, it| it.seqs.iter().all(|(id, _)| *id != seq));
    }

    fn len(&self, seq: SeqId) -> usize {
        self.seqs.get(&seq).map_or(0, |it| it.held.len())
    }

    fn cache_bytes(&self) -> u64 {
        let n: usize = self.seqs.values().map(|it| it.held.len()).sum();
        (n * self.cache_bytes_per_position()) as u64
    }

    fn cache_bytes_per_position(&self) -> usize {
        size_of::<HeldPosition>()
    }
}
