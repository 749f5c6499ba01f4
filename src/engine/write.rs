//! Writing: the next token of every row whose turn it is, and one more that is submitted before the
//! last has completed, where nobody waits for an edit to take effect.
//!
//! **Invariant:** a step submitted ahead is what would have been submitted had one waited; where
//! what completed says otherwise (a text that ended, a row that left) it is cancelled and nothing of
//! it is kept.

use std::time::Instant;

use super::{
    BackendError, Event, EventSender, Pace, StopReason,
    pace::{Playing, SLICE_TIME, Speed},
    rows::Rows,
    step::{BatchPart, SubmittedStep},
};
use crate::spec::count_of;

/// Writes text, where it is being written.
#[derive(Debug, Default)]
pub(super) struct Writer {
    playing: Option<Playing>,
    /// The step that was submitted before the last one completed.
    ahead: Option<SubmittedStep>,
    speed: Speed,
}

impl Writer {
    /// Begins to write `n_tokens`, or until the end; refused where nothing can be written.
    pub fn play(&mut self, n_tokens: Option<u32>, pace: Pace, rows: &Rows, out: &mut EventSender) {
        if rows.screen.is_none() {
            out.send(Event::Refused("there is no prompt yet".to_owned()));
        } else if rows.writers().is_empty() {
            out.send(Event::Refused(why_over(rows)));
        } else if n_tokens == Some(0) {
            out.send(Event::Stopped(StopReason::Count));
        } else {
            self.playing = Some(Playing::start(n_tokens, pace, Instant::now()));
            out.send(Event::Playing(true));
        }
    }

    /// Another pace from the next token on.
    pub fn set_pace(&mut self, pace: Pace) {
        if let Some(playing) = &mut self.playing {
            playing.set_pace(pace, Instant::now());
        }
    }

    /// Whether text is being written.
    pub fn is_playing(&self) -> bool {
        self.playing.is_some()
    }

    /// When the next token is due.
    pub fn due(&self) -> Option<Instant> {
        self.playing.map(|it| it.due)
    }

    /// Whether something else can be read now without holding up the next token.
    pub fn leaves_time(&self, now: Instant) -> bool {
        self.playing.is_none_or(|it| it.due >= now + SLICE_TIME)
    }

    /// Ends the writing.
    pub fn stop(&mut self, reason: StopReason, out: &mut EventSender) {
        if self.playing.take().is_some() {
            out.send(Event::Stopped(reason));
            out.send(Event::Playing(false));
        }
    }

    /// Ends the writing where no row on screen can go on.
    pub fn stop_if_over(&mut self, rows: &Rows, out: &mut EventSender) {
        if self.playing.is_some() && rows.writers().is_empty() {
            let reason = if rows.are_ended() {
                StopReason::EndOfText
            } else {
                StopReason::ContextFull
            };
            self.stop(reason, out);
        }
    }

    /// Forgets how fast it went: the model runs elsewhere now.
    pub fn forget_speed(&mut self) {
        self.speed = Speed::default();
    }

    /// Whether the next token can be written at once.
    pub fn is_ready(&self, rows: &Rows) -> bool {
        let all = rows.in_step();
        let counterfactual = rows.counterfactual_beside(&all);
        let len = |id| rows.cache.get(id).tokens.len();
        // A step that was submitted ahead has a token more of every row in it.
        let n_ahead = usize::from(self.ahead.is_some());
        let mut whole = all.iter().map(|it| {
            rows.cache.get(*it).n_unread() == 0 && rows.n_cached(*it) == len(*it) + n_ahead
        });
        let is_level =
            counterfactual.is_none_or(|it| all.first().is_some_and(|first| len(*first) == len(it)));
        whole.all(|it| it) && is_level
    }

    /// Writes one token on every row whose turn it is, and reads it.
    ///
    /// # Errors
    /// What went wrong in the step.
    pub fn write(
        &mut self,
        pace: Pace,
        rows: &mut Rows,
        out: &mut EventSender,
    ) -> Result<(), BackendError> {
        let step = match self.ahead.take() {
            Some(it) => it,
            None => SubmittedStep::submit(next_parts(rows), rows)?,
        };
        let began = step.began();
        // One that cannot be submitted ahead fails in its own turn, after this one has been told.
        let ahead = self.parts_ahead(step.parts(), pace, rows);
        let ahead = ahead.and_then(|it| SubmittedStep::submit(it, rows).ok());
        step.complete(rows, out)?;
        let now = Instant::now();
        if let Some(tokens_per_sec) = self.speed.learn(now - began, now) {
            out.send(Event::Speed { tokens_per_sec });
        }
        if let Some(playing) = &mut self.playing {
            playing.wrote_one(pace, now);
            if playing.left == Some(0) {
                self.stop(StopReason::Count, out);
            }
        }
        self.stop_if_over(rows, out);
        self.ahead = ahead;
        if let Some(ahead) = &mut self.ahead {
            ahead.set_began(now);
        }
        if !self.is_as_planned(rows) {
            self.cancel(rows);
        }
        Ok(())
    }

    /// The token after the next, before the next has completed: where text is written as fast as it
    /// can be, on a backend that gains by it, and all rows write on.
    fn parts_ahead(&self, next: &[BatchPart], pace: Pace, rows: &Rows) -> Option<Vec<BatchPart>> {
        let playing = self.playing?;
        let is_free = pace == Pace::Unlimited && playing.left.is_none_or(|it| it > 1);
        // A point of a series is known once its forecast was read.
        let is_free = is_free && !rows.facts.spec.is_series();
        let writes_on = |it: &BatchPart| it.draws || it.against.is_some();
        if !is_free || !rows.backend.runs_ahead() || !next.iter().all(writes_on) {
            return None;
        }
        let first = next.first()?.seq;
        let ahead = |it: &BatchPart| BatchPart {
            tokens: Vec::new(),
            // A counterfactual reads what its baseline, the first row, draws.
            reads_from: Some(if it.draws { it.seq } else { first }),
            draws: it.draws && rows.cache.get(it.row).tokens.len() + 2 < rows.facts.n_ctx,
            ..it.clone()
        };
        Some(next.iter().map(ahead).collect())
    }

    /// Whether the step ahead is the one that is wanted now that the one before it has completed.
    fn is_as_planned(&self, rows: &Rows) -> bool {
        let Some(ahead) = &self.ahead else {
            return true;
        };
        let wanted = next_parts(rows);
        let is_alike = |(a, b): (&BatchPart, &BatchPart)| {
            (a.row, a.seq, a.draws, a.against) == (b.row, b.seq, b.draws, b.against)
        };
        self.playing.is_some()
            && wanted.len() == ahead.parts().len()
            && wanted.iter().zip(ahead.parts()).all(is_alike)
    }

    /// Cancels the step that was submitted ahead.
    pub fn cancel(&mut self, rows: &mut Rows) {
        if let Some(ahead) = self.ahead.take() {
            ahead.cancel(rows);
        }
    }

    /// Forgets the step that was submitted ahead, whose sequences were given back.
    pub fn forget(&mut self, rows: &mut Rows) {
        if let Some(ahead) = self.ahead.take() {
            ahead.forget(rows);
        }
    }
}

/// The next token of every row whose turn it is, drawn and on the host.
fn next_parts(rows: &Rows) -> Vec<BatchPart> {
    let writers = rows.writers();
    let mut parts = Vec::new();
    for id in &writers {
        let row = rows.cache.get(*id);
        if let (Some(token), Some(seq)) = (row.drawn, row.seq) {
            let is_last =
                row.tokens.len() + 1 >= rows.facts.n_ctx || rows.facts.eos.contains(&token);
            parts.push(BatchPart {
                row: *id,
                seq,
                tokens: vec![token],
                reads_from: None,
                next: None,
                draws: !is_last,
                against: None,
                is_told: true,
            });
        }
    }
    let counterfactual = rows.counterfactual_beside(&writers);
    if let (Some(counterfactual), Some(first)) = (counterfactual, parts.first())
        && let Some(seq) = rows.cache.get(counterfactual).seq
    {
        parts.push(BatchPart::beside(first, counterfactual, seq));
    }
    parts
}

fn why_over(rows: &Rows) -> String {
    if rows.are_ended() {
        "the text has ended; Regenerate writes another one with the next seed".to_owned()
    } else {
        format!(
            "the context of {} is full; continue from an earlier token, or Regenerate",
            count_of(rows.facts.n_ctx, "token")
        )
    }
}
