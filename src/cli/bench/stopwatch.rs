//! A backend under the clock: reading, writing, one way of writing against another, the parts of a
//! token, the kernels of a step.

use std::time::{Duration, Instant};

use super::sample::{Sample, Versus};
use crate::cli::Failure;
use crate::engine::{Backend, Capture, Feed, Row, Ticket, Wait, most_tokens};
use crate::ops::{Clocks, KernelTime, Measured, Meter};
use crate::spec::{Position, RoutingPolicy, Sampling, SeqId, TokenId};

/// Times a prompt is read.
const N_PREFILLS: usize = 5;
/// Pairs are taken until the interval is this narrow on either side,
const HALF_WIDTH: f64 = 0.02;
/// but no fewer and no more than these,
const N_PAIRS: std::ops::RangeInclusive<usize> = 30..=2_000;
/// and no longer than `PATIENCE`; then so many are enough.
const N_PAIRS_IN_NEED: usize = 5;
/// Time one of the measurements may take, where a single run of it does not take longer.
const PATIENCE: Duration = Duration::from_mins(1);
/// Tokens whose parts are timed.
const N_PARTS: usize = 16;
/// Tokens whose kernels are timed.
const N_PROFILED: usize = 8;

/// Where the time of a token goes that is written by itself, in medians.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    /// Seconds the host takes to note the kernels and hand them over.
    pub encode_secs: f64,
    /// Seconds the device computes, where it has a clock.
    pub device_secs: Option<f64>,
    /// Seconds from when the device is done until the host has read and taken apart what it left.
    pub readback_secs: f64,
    /// Kernels.
    pub n_dispatches: u64,
}

/// Times by kernel.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Tokens of one step.
    pub n_tokens: usize,
    /// Steps they are summed over.
    pub n_steps: usize,
    /// The one that took longest first.
    pub kernels: Vec<KernelTime>,
}

/// A way to write a token.
#[derive(Clone, Copy, Debug)]
struct Way<'a> {
    capture: Capture,
    policy: &'a RoutingPolicy,
}

/// So many tokens, spread over the vocabulary.
pub fn spread_prompt(n_tokens: usize, n_vocab: usize) -> Vec<TokenId> {
    let token = |i: usize| TokenId::new(i * 7_919 % n_vocab);
    (0..n_tokens).map(token).collect()
}

/// A backend with a prompt, under the clock.
pub struct Stopwatch<'a> {
    backend: &'a mut dyn Backend,
    prompt: Vec<TokenId>,
    seq: SeqId,
    /// The token to read next.
    next: TokenId,
}

impl<'a> Stopwatch<'a> {
    /// Over a prompt of `n_prompt` tokens spread over the vocabulary.
    pub fn new(backend: &'a mut dyn Backend, n_prompt: usize) -> Self {
        let prompt = spread_prompt(n_prompt, backend.spec().n_vocab);
        let seq = backend.open();
        Self {
            backend,
            prompt,
            seq,
            next: TokenId(0),
        }
    }

    /// Tokens read in one step: as many as the engine reads on this device where it has settled.
    fn slice(&self) -> usize {
        most_tokens(self.backend.runs_ahead(), self.backend.spec().n_out())
    }

    /// Reads the prompt, several times over; the last one stays. With `Capture::None` only the last token is predicted
    /// from, as where a row is read again whose cache was given back.
    ///
    /// # Errors
    /// A step that failed.
    pub fn prefill(&mut self, capture: Capture) -> Result<Sample, Failure> {
        let prompt = self.prompt.clone();
        let plain = RoutingPolicy::default();
        let mut secs = Vec::new();
        let began = Instant::now();
        while secs.len() <= N_PREFILLS && (secs.len() < 2 || began.elapsed() < PATIENCE) {
            self.backend.rewind(self.seq, Position(0));
            let clock = Instant::now();
            for slice in prompt.chunks(self.slice()) {
                self.step(slice, capture, &plain)?;
            }
            secs.push(clock.elapsed().as_secs_f64());
        }
        // The first one warms the caches.
        Ok(Sample::of(secs.split_off(1)))
    }

    /// Writes tokens one by one as the engine does when nobody slows it down: the next one is
    /// submitted before the last has completed, where the backend gains by it.
    ///
    /// # Errors
    /// A step that failed.
    pub fn decode(&mut self, n: usize) -> Result<Sample, Failure> {
        let plain = RoutingPolicy::default();
        let mut secs = Vec::with_capacity(n);
        let mut clock = Instant::now();
        let mut in_flight = Some(self.start(&[self.next], Capture::Trace, &plain)?);
        for i in 0..n {
            let ticket = match in_flight.take() {
                Some(it) => it,
                None => self.start(&[self.next], Capture::Trace, &plain)?,
            };
            if self.backend.runs_ahead() && i + 1 < n {
                in_flight = Some(self.submit(Feed::Drawn(self.seq), Capture::Trace, &plain)?);
            }
            self.complete(ticket)?;
            secs.push(clock.elapsed().as_secs_f64());
            clock = Instant::now();
        }
        Ok(Sample::of(secs))
    }

    /// The same token at the same position, with tracing on and off in turns.
    ///
    /// # Errors
    /// A step that failed.
    pub fn tracing(&mut self) -> Result<Versus, Failure> {
        let plain = RoutingPolicy::default();
        let way = |capture| Way {
            capture,
            policy: &plain,
        };
        self.versus(way(Capture::Trace), way(Capture::None))
    }

    /// The same with edits and without them, tracing on.
    ///
    /// # Errors
    /// A step that failed.
    pub fn edits(&mut self, policy: &RoutingPolicy) -> Result<Versus, Failure> {
        let plain = RoutingPolicy::default();
        let way = |policy| Way {
            capture: Capture::Trace,
            policy,
        };
        self.versus(way(policy), way(&plain))
    }

    fn versus(&mut self, one: Way<'_>, other: Way<'_>) -> Result<Versus, Failure> {
        let began = Instant::now();
        let mut ratios = Vec::new();
        // Kernels are made, and memory is taken, before the clock runs.
        self.once(one)?;
        self.once(other)?;
        loop {
            // Who goes first changes, so that what a step leaves behind falls on both alike.
            ratios.push(if ratios.len() % 2 == 0 {
                let early = self.once(one)?;
                early / self.once(other)?
            } else {
                let early = self.once(other)?;
                self.once(one)? / early
            });
            let versus = Versus::of(&ratios);
            let is_narrow = versus.n >= *N_PAIRS.start() && versus.half_width <= HALF_WIDTH;
            let is_late = versus.n >= N_PAIRS_IN_NEED && began.elapsed() > PATIENCE;
            if is_narrow || is_late || versus.n >= *N_PAIRS.end() {
                return Ok(versus);
            }
        }
    }

    /// Seconds of one token after the prompt.
    fn once(&mut self, way: Way<'_>) -> Result<f64, Failure> {
        self.after_prompt()?;
        let clock = Instant::now();
        self.step(&[self.next], way.capture, way.policy)?;
        Ok(clock.elapsed().as_secs_f64())
    }

    /// Back to where the prompt ends.
    fn after_prompt(&mut self) -> Result<(), Failure> {
        let at = Position::new(self.prompt.len());
        let held = self.backend.rewind(self.seq, at);
        let lost = self.prompt[held.idx().min(self.prompt.len())..].to_vec();
        if !lost.is_empty() {
            self.step(&lost, Capture::None, &RoutingPolicy::default())?;
        }
        Ok(())
    }

    /// Where the time of a token goes; none where nothing is handed over to another processor.
    ///
    /// # Errors
    /// A step that failed.
    pub fn parts(&mut self) -> Result<Option<Parts>, Failure> {
        let plain = RoutingPolicy::default();
        if self.clocks(Clocks::Steps).is_none() {
            return Ok(None);
        }
        let (mut encode, mut device, mut readback) = (Vec::new(), Vec::new(), Vec::new());
        let mut n_dispatches = 0;
        for _ in 0..N_PARTS {
            self.after_prompt()?;
            self.measured()?;
            let clock = Instant::now();
            let ticket = self.start(&[self.next], Capture::Trace, &plain)?;
            encode.push(clock.elapsed().as_secs_f64());
            // Waits for the device.
            let measured = self.measured()?;
            let clock = Instant::now();
            self.complete(ticket)?;
            readback.push(clock.elapsed().as_secs_f64());
            n_dispatches = measured.n_dispatches;
            device.extend(measured.secs);
        }
        self.clocks(Clocks::Off);
        let median = |secs: Vec<f64>| Sample::of(secs).median;
        Ok((n_dispatches > 0).then(|| Parts {
            encode_secs: median(encode),
            device_secs: (!device.is_empty()).then(|| median(device)),
            readback_secs: median(readback),
            n_dispatches,
        }))
    }

    /// Times by kernel: of tokens one by one, and of a slice of the prompt. Empty without a clock.
    ///
    /// # Errors
    /// A step that failed.
    pub fn profile(&mut self) -> Result<Vec<Profile>, Failure> {
        let plain = RoutingPolicy::default();
        let slice: Vec<TokenId> = self.prompt.iter().copied().take(self.slice()).collect();
        if self.clocks(Clocks::Kernels).is_none() {
            return Ok(Vec::new());
        }
        self.measured()?;
        for _ in 0..N_PROFILED {
            self.after_prompt()?;
            self.step(&[self.next], Capture::Trace, &plain)?;
        }
        let of_token = self.measured()?.kernels;
        self.backend.rewind(self.seq, Position(0));
        self.step(&slice, Capture::Trace, &plain)?;
        let of_slice = self.measured()?.kernels;
        self.clocks(Clocks::Off);
        let profile = |n_tokens, n_steps, kernels: Vec<KernelTime>| {
            (!kernels.is_empty()).then_some(Profile {
                n_tokens,
                n_steps,
                kernels,
            })
        };
        let both = [
            profile(1, N_PROFILED, of_token),
            profile(slice.len(), 1, of_slice),
        ];
        Ok(both.into_iter().flatten().collect())
    }

    fn clocks(&self, clocks: Clocks) -> Option<()> {
        self.backend.meter().map(|it| it.set_clocks(clocks))
    }

    fn measured(&self) -> Result<Measured, Failure> {
        let measured = self.backend.meter().map(Meter::measured);
        measured
            .unwrap_or_else(|| Ok(Measured::default()))
            .map_err(Failure::part_way)
    }

    fn step(
        &mut self,
        tokens: &[TokenId],
        capture: Capture,
        policy: &RoutingPolicy,
    ) -> Result<(), Failure> {
        let ticket = self.start(tokens, capture, policy)?;
        self.complete(ticket)
    }

    fn start(
        &mut self,
        tokens: &[TokenId],
        capture: Capture,
        policy: &RoutingPolicy,
    ) -> Result<Ticket, Failure> {
        self.submit(Feed::Tokens(tokens), capture, policy)
    }

    fn submit(
        &mut self,
        feed: Feed<'_>,
        capture: Capture,
        policy: &RoutingPolicy,
    ) -> Result<Ticket, Failure> {
        let sampling = Sampling::default();
        let row = Row {
            seq: self.seq,
            feed,
            next: None,
            policy,
            sampling: Some(&sampling),
            against: None,
        };
        self.backend
            .submit(&[row], capture)
            .map_err(Failure::part_way)
    }

    fn complete(&mut self, ticket: Ticket) -> Result<(), Failure> {
        let step = self.backend.poll(ticket, Wait::Done);
        let step = step.map_err(Failure::part_way)?;
        let drawn = step.and_then(|it| it.rows.first().and_then(|it| it.drawn));
        self.next = drawn.ok_or_else(|| Failure::part_way("the step drew no token"))?;
        Ok(())
    }
}
