//! What `bench` times: prefill, decode, tracing on against off, the start of the window, memory.

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::Failure;
use crate::engine::{Backend, Capture, Feed, Row, Wait};
use crate::spec::{Position, RoutingPolicy, Sampling, SeqId, TokenId};

/// Tokens read in one step.
const SLICE: usize = 64;
/// Times a prompt is read.
const N_PREFILLS: usize = 5;
/// Pairs are taken until the interval is this narrow on either side,
const HALF_WIDTH: f64 = 0.02;
/// but no fewer and no more than these.
const N_PAIRS: std::ops::RangeInclusive<usize> = 30..=2_000;
/// Times the window is started.
const N_STARTS: usize = 5;

/// Seconds, over a number of runs.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// The middle.
    pub median: f64,
    /// A quarter are quicker.
    pub lower: f64,
    /// A quarter are slower.
    pub upper: f64,
    /// Runs.
    pub n: usize,
}

impl Sample {
    fn of(mut secs: Vec<f64>) -> Self {
        secs.sort_by(f64::total_cmp);
        let at = |share: f64| {
            secs.get((secs.len() as f64 * share) as usize)
                .copied()
                .unwrap_or(f64::NAN)
        };
        Self {
            median: at(0.5),
            lower: at(0.25),
            upper: at(0.75),
            n: secs.len(),
        }
    }
}

/// One way against another, in pairs.
#[derive(Clone, Copy, Debug)]
pub struct Versus {
    /// Median of the ratios.
    pub ratio: f64,
    /// Half of its 95 % interval.
    pub half_width: f64,
    /// Pairs.
    pub n: usize,
}

impl Versus {
    /// Median and interval by order statistics: no assumption on how times are spread.
    fn of(ratios: &[f64]) -> Self {
        let mut sorted = ratios.to_vec();
        sorted.sort_by(f64::total_cmp);
        let n = sorted.len();
        let (middle, reach) = (n as f64 / 2.0, 0.98 * (n as f64).sqrt());
        let at = |place: f64| sorted[(place.max(0.0) as usize).min(n - 1)];
        Self {
            ratio: at(middle),
            half_width: (at(middle + reach) - at(middle - reach)) / 2.0,
            n,
        }
    }
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
        let n_vocab = backend.spec().n_vocab;
        let prompt = (0..n_prompt)
            .map(|i| TokenId::new(i * 7_919 % n_vocab))
            .collect();
        let seq = backend.open();
        Self {
            backend,
            prompt,
            seq,
            next: TokenId(0),
        }
    }

    /// Reads the prompt, several times over; the last one stays.
    ///
    /// # Errors
    /// A step that failed.
    pub fn prefill(&mut self) -> Result<Sample, Failure> {
        let prompt = self.prompt.clone();
        let mut secs = Vec::new();
        for _ in 0..=N_PREFILLS {
            self.backend.rewind(self.seq, Position(0));
            let clock = Instant::now();
            for slice in prompt.chunks(SLICE) {
                self.step(slice, Capture::Trace)?;
            }
            secs.push(clock.elapsed().as_secs_f64());
        }
        // The first one warms the caches.
        Ok(Sample::of(secs.split_off(1)))
    }

    /// Writes tokens one by one.
    ///
    /// # Errors
    /// A step that failed.
    pub fn decode(&mut self, n: usize) -> Result<Sample, Failure> {
        let mut secs = Vec::with_capacity(n);
        for _ in 0..n {
            let clock = Instant::now();
            self.step(&[self.next], Capture::Trace)?;
            secs.push(clock.elapsed().as_secs_f64());
        }
        Ok(Sample::of(secs))
    }

    /// The same token at the same position, with tracing on and off in turns.
    ///
    /// # Errors
    /// A step that failed.
    pub fn tracing(&mut self) -> Result<Versus, Failure> {
        let at = Position::new(self.prompt.len());
        let token = self.next;
        let mut ratios = Vec::new();
        let mut once = |capture| {
            self.backend.rewind(self.seq, at);
            let clock = Instant::now();
            self.step(&[token], capture)?;
            Ok::<f64, Failure>(clock.elapsed().as_secs_f64())
        };
        loop {
            let is_on_first = ratios.len() % 2 == 0;
            let early = once(if is_on_first {
                Capture::Trace
            } else {
                Capture::None
            })?;
            let late = once(if is_on_first {
                Capture::None
            } else {
                Capture::Trace
            })?;
            ratios.push(if is_on_first {
                early / late
            } else {
                late / early
            });
            let versus = Versus::of(&ratios);
            let is_enough = versus.n >= *N_PAIRS.start() && versus.half_width <= HALF_WIDTH;
            if is_enough || versus.n >= *N_PAIRS.end() {
                return Ok(versus);
            }
        }
    }

    fn step(&mut self, tokens: &[TokenId], capture: Capture) -> Result<(), Failure> {
        let sampling = Sampling::default();
        let policy = RoutingPolicy::default();
        let row = Row {
            seq: self.seq,
            feed: Feed::Tokens(tokens),
            next: None,
            policy: &policy,
            sampling: Some(&sampling),
            against: None,
        };
        let ticket = self
            .backend
            .submit(&[row], capture)
            .map_err(Failure::part_way)?;
        let step = self
            .backend
            .poll(ticket, Wait::Done)
            .map_err(Failure::part_way)?;
        let drawn = step.and_then(|it| it.rows.first().and_then(|it| it.drawn));
        self.next = drawn.ok_or_else(|| Failure::part_way("the step drew no token"))?;
        Ok(())
    }
}

/// Most memory this process has held, where the system says.
pub fn peak_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes * 1024)
}

/// From the start of the program to its first frame with the Tour model open; none where no window
/// can be opened.
pub fn first_frame_secs() -> Option<Sample> {
    eprintln!("opening the window, five times");
    let secs: Option<Vec<f64>> = (0..N_STARTS).map(|_| one_start()).collect();
    if secs.is_none() {
        eprintln!("no window can be opened here, so the first frame was not timed");
    }
    secs.map(Sample::of)
}

fn one_start() -> Option<f64> {
    let clock = Instant::now();
    let mut child = Command::new(env::current_exe().ok()?)
        .args(["tour", "--first-frame"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut said = String::new();
    let read = BufReader::new(child.stdout.take()?).read_line(&mut said);
    let secs = clock.elapsed().as_secs_f64();
    // It has said all it had to say, or never will.
    let _ = child.kill();
    let _ = child.wait();
    (read.is_ok() && said.starts_with("first frame")).then_some(secs)
}
