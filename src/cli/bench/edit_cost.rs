//! What an edit late in a long text costs: the time of whoever keeps the record, and the memory that is taken before
//! a further token is written.

use std::time::Instant;

use serde_json::{Value, json};

use super::{sample::Sample, stopwatch::spread_prompt};
use crate::analysis::{CountedRecording, RowLoad};
use crate::cli::Failure;
use crate::engine::{Backend, Capture, Feed, Row, Step, Wait};
use crate::spec::{InterventionSet, Position, Revision, RoutingPolicy, SeqId, TokenId, count_of};
use crate::trace::{RowEvent, RowId, ShownRows};

/// Tokens read in one step.
pub const SLICE: usize = 64;
/// Rows of an edited text: baseline, edited, counterfactual.
pub const N_ROWS: usize = 3;
/// Times the edit is made.
const N_EDITS: usize = 15;

const BASELINE: RowId = RowId(0);
const EDITED: RowId = RowId(1);
const COUNTERFACTUAL: RowId = RowId(2);

/// Memory of one kind, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Added {
    /// What the row alone takes.
    pub row_bytes: u64,
    /// What the edit adds.
    pub edit_bytes: u64,
}

/// What was measured.
#[derive(Debug)]
pub struct EditCost {
    /// Tokens of the row; the last of them is edited.
    pub n_tokens: usize,
    /// Seconds to take the edited row and the counterfactual into the record.
    pub record: Sample,
    /// Seconds the engine takes to fork both.
    pub fork: Sample,
    /// Routing, and the load counted from it.
    pub trace: Added,
    /// Keys and values.
    pub cache: Added,
}

fn apply(record: &mut CountedRecording, event: RowEvent) -> Result<(), Failure> {
    record.apply(event, |_| false).map_err(Failure::part_way)
}

fn n_bytes(record: &CountedRecording) -> u64 {
    let loads = [BASELINE, EDITED, COUNTERFACTUAL].map(|it| record.load(it));
    let loads = loads.into_iter().flatten().map(RowLoad::own_bytes);
    (record.recording.n_bytes() + loads.sum::<usize>()) as u64
}

/// Reads `n_tokens` tokens, edits the last of them, and reads that one again on both rows.
///
/// # Errors
/// A step that failed.
pub fn measure(
    backend: &mut dyn Backend,
    policy: &RoutingPolicy,
    n_tokens: usize,
) -> Result<EditCost, Failure> {
    let tokens = spread_prompt(n_tokens, backend.spec().n_vocab);
    let mut record = CountedRecording::default();
    let seq = backend.open();
    let plain = RoutingPolicy::default();
    for slice in tokens.chunks(SLICE) {
        read(backend, &mut record, (BASELINE, seq, &plain), slice)?;
    }
    let before = (n_bytes(&record), backend.cache_bytes());
    let last = Position::new(n_tokens - 1);

    let mut secs = (Vec::new(), Vec::new());
    let mut edited = record.clone();
    for _ in 0..N_EDITS {
        edited = record.clone();
        let clock = Instant::now();
        fork(&mut edited, last)?;
        secs.0.push(clock.elapsed().as_secs_f64());
        let clock = Instant::now();
        let forks = [backend.fork(seq, last), backend.fork(seq, last)];
        secs.1.push(clock.elapsed().as_secs_f64());
        for fork in forks {
            backend.release(fork.map_err(Failure::part_way)?.0);
        }
    }
    for row in [EDITED, COUNTERFACTUAL] {
        let (seq, held) = backend.fork(seq, last).map_err(Failure::part_way)?;
        read(
            backend,
            &mut edited,
            (row, seq, policy),
            &tokens[held.idx()..],
        )?;
    }
    let after = (n_bytes(&edited), backend.cache_bytes());
    let added = |before: u64, after: u64| Added {
        row_bytes: before,
        edit_bytes: after.saturating_sub(before),
    };
    Ok(EditCost {
        n_tokens,
        record: Sample::of(secs.0),
        fork: Sample::of(secs.1),
        trace: added(before.0, after.0),
        cache: added(before.1, after.1),
    })
}

/// Both rows of an edit, as the engine tells them.
fn fork(record: &mut CountedRecording, at: Position) -> Result<(), Failure> {
    for row in [EDITED, COUNTERFACTUAL] {
        apply(
            record,
            RowEvent::Forked {
                row,
                parent: Some(BASELINE),
                at,
                n_given: at.idx() + 1,
                edits: (Revision(1), InterventionSet::default()),
            },
        )?;
    }
    apply(
        record,
        RowEvent::Shown(ShownRows {
            baseline: BASELINE,
            edited: Some(EDITED),
            counterfactual: Some(COUNTERFACTUAL),
            edited_from: Some(at),
            revision: Revision(1),
        }),
    )
}

fn read(
    backend: &mut dyn Backend,
    record: &mut CountedRecording,
    (row, seq, policy): (RowId, SeqId, &RoutingPolicy),
    tokens: &[TokenId],
) -> Result<(), Failure> {
    let batch = [Row {
        seq,
        feed: Feed::Tokens(tokens),
        next: None,
        policy,
        sampling: None,
        against: None,
    }];
    let ticket = backend.submit(&batch, Capture::Trace);
    let ticket = ticket.map_err(Failure::part_way)?;
    let step = backend
        .poll(ticket, Wait::Done)
        .map_err(Failure::part_way)?;
    let rows = step.map_or_else(Vec::new, |Step { rows }| rows);
    for it in rows {
        apply(
            record,
            RowEvent::Stepped {
                row,
                step: it.trace,
                readouts: it.readouts,
                comparisons: Vec::new(),
            },
        )?;
    }
    Ok(())
}

impl Added {
    /// Of what the row takes, 0 to 1.
    fn share(self) -> f64 {
        self.edit_bytes as f64 / self.row_bytes.max(1) as f64
    }

    fn words(self) -> String {
        let mb = |bytes: u64| bytes as f64 / 1e6;
        let share = self.share() * 100.0;
        let (edit, row) = (mb(self.edit_bytes), mb(self.row_bytes));
        format!("{edit:.2} MB more than the {row:.1} MB of the row ({share:.2} %)")
    }

    fn as_json(self) -> Value {
        json!({"row_bytes": self.row_bytes, "edit_bytes": self.edit_bytes, "share": self.share()})
    }
}

impl EditCost {
    /// A line each.
    pub fn as_text(&self) -> String {
        let ms = |it: &Sample| {
            let ms = |secs: f64| secs * 1e3;
            let (median, low, high) = (ms(it.median), ms(it.lower), ms(it.upper));
            format!(
                "{median:.2} ms ({low:.2} to {high:.2}), {}",
                count_of(it.n, "edit")
            )
        };
        let lines = [
            (
                "edited",
                format!("the last of {}", count_of(self.n_tokens, "token")),
            ),
            ("record", ms(&self.record)),
            ("fork", ms(&self.fork)),
            ("trace", self.trace.words()),
            ("cache", self.cache.words()),
        ];
        lines
            .map(|(name, text)| format!("{name:<18}{text}\n"))
            .concat()
    }

    /// The same as numbers.
    pub fn as_json(&self) -> Value {
        json!({
            "n_tokens": self.n_tokens,
            "record_secs": self.record.median,
            "fork_secs": self.fork.median,
            "trace": self.trace.as_json(),
            "cache": self.cache.as_json(),
        })
    }
}
