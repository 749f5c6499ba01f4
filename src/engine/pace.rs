//! Time: when the next token is due, how many tokens fit between two checks of the request
//! channel, and how fast the machine could go.

use std::time::{Duration, Instant};

use super::Pace;

/// Most tokens the CPU reads in one go; the request channel is checked after each. The more, the more of them share an
/// expert that is read from memory.
const MAX_SLICE: usize = 128;
/// What a device of its own reads in one go however large the vocabulary,
const MIN_DEVICE_SLICE: usize = 64;
/// and its most: more rows share each weight that is read.
const MAX_DEVICE_SLICE: usize = 256;
/// Bytes of the logits of such a slice: what a kernel can be given at once everywhere.
const DEVICE_LOGIT_BYTES: usize = 128 << 20;
/// A slice that took longer is cut, so that a request completes within 50 ms.
pub(super) const SLICE_TIME: Duration = Duration::from_millis(40);
/// After so long between two layers of a step, the request channel is checked.
pub(super) const LOOK_EACH: Duration = Duration::from_millis(10);
/// Where one token alone takes that long, nothing is won by reading them one by one.
const MIN_SLICE: usize = 4;
/// What a slice may take where even the smallest takes longer than `SLICE_TIME`, which then no request is completed in:
/// reading the weights is most of it, and the more tokens share them, the sooner the whole text is read.
const LONG_SLICE_TIME: Duration = Duration::from_millis(1500);
/// So many of the smallest slices in a row must have taken too long: one alone may have waited for a disk.
const N_SLOW: usize = 2;
/// How long Play may wait before its first token, whatever the pace.
const MAX_FIRST_WAIT: Duration = Duration::from_millis(125);
/// Speed is told at most this often.
const SPEED_EVERY: Duration = Duration::from_millis(300);

/// Text being written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Playing {
    /// Tokens still to write; none means until the end.
    pub left: Option<u32>,
    /// When the next one is due.
    pub due: Instant,
}

impl Playing {
    pub fn start(left: Option<u32>, pace: Pace, now: Instant) -> Self {
        let due = now + interval(pace).min(MAX_FIRST_WAIT);
        Self { left, due }
    }

    /// A token was written. Due times follow each other without drift; what is late by more than
    /// one is let go, so nothing bursts.
    pub fn wrote_one(&mut self, pace: Pace, now: Instant) {
        self.left = self.left.map(|it| it.saturating_sub(1));
        self.due = (self.due + interval(pace)).max(now);
    }

    /// Another pace counts from the next token on, which comes no later than it says.
    pub fn set_pace(&mut self, pace: Pace, now: Instant) {
        self.due = self.due.min(now + interval(pace));
    }
}

/// From one token to the next.
fn interval(pace: Pace) -> Duration {
    match pace {
        Pace::TokensPerSec(it) if it > 0.0 => Duration::try_from_secs_f32(1.0 / it)
            .map_or(Duration::from_hours(1), |it| {
                it.min(Duration::from_hours(1))
            }),
        _ => Duration::ZERO,
    }
}

/// Most tokens read in one go, by a device that runs ahead or by the CPU.
#[must_use]
pub fn most_tokens(runs_ahead: bool, n_vocab: usize) -> usize {
    if runs_ahead {
        let fits = DEVICE_LOGIT_BYTES / (4 * n_vocab.max(1));
        fits.clamp(MIN_DEVICE_SLICE, MAX_DEVICE_SLICE)
    } else {
        MAX_SLICE
    }
}

/// How many tokens are read between two checks of the request channel.
#[derive(Clone, Copy, Debug)]
pub(super) struct SliceSize {
    n_tokens: usize,
    most: usize,
    /// What one may take now, where the smallest is quick enough, and where it is not.
    time: Duration,
    short: Duration,
    long: Duration,
    /// The smallest slices that took longer, in a row.
    n_slow: usize,
    /// The last one: its tokens, and what it took.
    last: Option<(usize, Duration)>,
}

impl SliceSize {
    /// The first one. Where the device runs ahead, a request waits for two: each may take half the time.
    pub fn on(runs_ahead: bool, n_vocab: usize) -> Self {
        let n_in_flight = if runs_ahead { 2 } else { 1 };
        let short = SLICE_TIME / n_in_flight;
        Self {
            n_tokens: 2 * MIN_SLICE,
            most: most_tokens(runs_ahead, n_vocab),
            time: short,
            short,
            long: LONG_SLICE_TIME / n_in_flight,
            n_slow: 0,
            last: None,
        }
    }

    pub fn n_tokens(self) -> usize {
        self.n_tokens
    }

    /// How many between two tokens of a text: where slices are long, as few as may be.
    pub fn n_tokens_between(self) -> usize {
        if self.time > self.short {
            MIN_SLICE
        } else {
            self.n_tokens
        }
    }

    /// Learns from a slice of `n_tokens`.
    pub fn learn(&mut self, n_tokens: usize, took: Duration) {
        let is_slow = took > self.time && n_tokens <= MIN_SLICE;
        self.n_slow = if is_slow { self.n_slow + 1 } else { 0 };
        if self.n_slow == N_SLOW {
            self.time = self.long;
        } else if self
            .smallest(n_tokens, took)
            .is_some_and(|it| it < self.short)
        {
            // Weights that had to be read from a disk are in memory now.
            self.time = self.short;
        }
        self.last = Some((n_tokens, took));
        if took > self.time {
            let fits = n_tokens as f32 * 0.75 * self.time.as_secs_f32() / took.as_secs_f32();
            self.n_tokens = (fits as usize)
                .clamp(MIN_SLICE, self.most)
                .min(self.n_tokens);
        } else if took < self.time / 3 && n_tokens >= self.n_tokens {
            self.n_tokens = (self.n_tokens * 2).min(self.most);
        }
    }
}

impl SliceSize {
    /// What the smallest slice would take, on the line through the last one and this one; none where both have as many
    /// tokens.
    fn smallest(&self, n_tokens: usize, took: Duration) -> Option<Duration> {
        let (n_last, last_took) = self.last.filter(|it| it.0 != n_tokens)?;
        let n_more = n_tokens as f32 - n_last as f32;
        let each = (took.as_secs_f32() - last_took.as_secs_f32()) / n_more;
        let fewer = n_tokens.saturating_sub(MIN_SLICE) as f32;
        let secs = took.as_secs_f32() - each.max(0.0) * fewer;
        Some(Duration::from_secs_f32(secs.max(0.0)))
    }
}

/// Tokens a second, smoothed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Speed {
    secs_per_token: Option<f32>,
    told: Option<Instant>,
}

impl Speed {
    /// A token took this long; the speed where it is time to tell it.
    pub fn learn(&mut self, took: Duration, now: Instant) -> Option<f32> {
        let secs = took.as_secs_f32().max(1e-6);
        let mean = self
            .secs_per_token
            .map_or(secs, |mean| mean + 0.2 * (secs - mean));
        self.secs_per_token = Some(mean);
        if self.told.is_some_and(|it| now - it < SPEED_EVERY) {
            return None;
        }
        self.told = Some(now);
        Some(1.0 / mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Due times of tokens that are each written `late` after they were due, in ms from Play.
    fn check(pace: Pace, late_ms: &[u64], want_ms: &[u128]) {
        let start = Instant::now();
        let mut it = Playing::start(None, pace, start);
        let mut got = Vec::new();
        for late in late_ms {
            got.push((it.due - start).as_millis());
            let due = it.due;
            it.wrote_one(pace, due + Duration::from_millis(*late));
        }
        assert_eq!(got, want_ms);
    }

    #[test]
    fn tokens_are_due_without_drift() {
        check(Pace::TokensPerSec(8.0), &[9; 4], &[125, 250, 375, 500]);
        check(Pace::TokensPerSec(2.0), &[9; 3], &[125, 625, 1125]);
        check(Pace::Unlimited, &[3; 3], &[0, 3, 6]);
        check(Pace::TokensPerSec(0.0), &[3; 2], &[0, 3]);
    }

    #[test]
    fn what_is_late_does_not_burst() {
        check(Pace::TokensPerSec(8.0), &[1000, 0, 0], &[125, 1125, 1250]);
    }

    #[test]
    fn a_slower_pace_starts_with_the_next_token_and_a_faster_one_at_once() {
        let start = Instant::now();
        let mut it = Playing::start(None, Pace::TokensPerSec(0.001), start);
        it.wrote_one(Pace::TokensPerSec(0.001), start);
        it.set_pace(Pace::TokensPerSec(10.0), start);
        assert_eq!((it.due - start).as_millis(), 100);
        it.set_pace(Pace::TokensPerSec(1.0), start);
        assert_eq!((it.due - start).as_millis(), 100);
    }

    #[test]
    fn slices_grow_while_they_are_quick_and_shrink_when_they_are_not() {
        let mut it = SliceSize::on(false, 1000);
        for _ in 0..5 {
            it.learn(it.n_tokens(), Duration::from_millis(1));
        }
        assert_eq!(it.n_tokens(), MAX_SLICE);
        it.learn(3, Duration::from_millis(1));
        assert_eq!(it.n_tokens(), MAX_SLICE);
        it.learn(it.n_tokens(), Duration::from_millis(60));
        assert_eq!(it.n_tokens(), 64);
        it.learn(it.n_tokens(), Duration::from_millis(30));
        assert_eq!(it.n_tokens(), 64);
        it.learn(it.n_tokens(), Duration::from_secs(9));
        assert_eq!(it.n_tokens(), MIN_SLICE);
    }

    fn size_where(fixed: u64, each: u64) -> usize {
        grown_where(fixed, each).n_tokens()
    }

    /// After 20 slices that take `fixed` and `each` per token, ms.
    fn grown_where(fixed: u64, each: u64) -> SliceSize {
        let mut it = SliceSize::on(false, 1000);
        for _ in 0..20 {
            let n = it.n_tokens();
            it.learn(n, Duration::from_millis(fixed + each * n as u64));
        }
        it
    }

    #[test]
    fn tokens_share_weights_that_take_long_to_read() {
        // A model of 14 GB, read at 30 GB a second where many tokens are read: a third of it for four.
        assert_eq!(size_where(200, 12), 32);
        assert_eq!(size_where(60, 1), 128);
        assert_eq!(grown_where(60, 1).n_tokens_between(), 4);
        assert_eq!(grown_where(0, 2).n_tokens_between(), 8);
        // Where the tokens take the time, a request does not wait much longer for nothing.
        assert_eq!(size_where(0, 500), 4);
        assert_eq!(size_where(0, 2), 8);
    }

    #[test]
    fn one_slow_slice_makes_none_longer() {
        let mut it = SliceSize::on(false, 1000);
        for ms in [9000, 30, 9000, 30] {
            it.learn(4, Duration::from_millis(ms));
        }
        assert_eq!(it.n_tokens(), 4);
        it.learn(4, Duration::from_millis(60));
        assert_eq!(it.n_tokens(), 4);
    }

    #[test]
    fn weights_that_came_from_a_disk_make_slices_long_only_until_they_are_in_memory() {
        let mut it = SliceSize::on(false, 1000);
        for ms in [9000, 9000, 4000] {
            it.learn(it.n_tokens(), Duration::from_millis(ms));
        }
        for _ in 0..20 {
            let n = it.n_tokens() as u64;
            it.learn(it.n_tokens(), Duration::from_millis(5 + 2 * n));
        }
        let n = it.n_tokens() as u64;
        assert!(n > 4 && 5 + 2 * n <= 40, "{n}");
    }

    #[test]
    fn two_slices_in_flight_take_half_as_long_each() {
        let mut it = SliceSize::on(true, 1000);
        for _ in 0..20 {
            let n = it.n_tokens() as u64;
            it.learn(it.n_tokens(), Duration::from_millis(200 + 12 * n));
        }
        assert_eq!(it.n_tokens(), 8);
    }

    /// The largest slice over a vocabulary, and the longest time in which slices still grow to it, ms.
    fn check_slices(runs_ahead: bool, n_vocab: usize, want: (usize, u64)) {
        let grown = |ms: u64| {
            let mut it = SliceSize::on(runs_ahead, n_vocab);
            for _ in 0..9 {
                it.learn(it.n_tokens(), Duration::from_millis(ms));
            }
            it.n_tokens()
        };
        let short = if runs_ahead { 20 } else { 40 };
        let longest = (1..=short).filter(|ms| grown(*ms) == want.0).max();
        assert_eq!(longest, Some(want.1), "{runs_ahead} {n_vocab}");
        assert_eq!(grown(1), want.0);
        assert_eq!(most_tokens(runs_ahead, n_vocab), want.0);
    }

    #[test]
    fn slices_are_those_of_the_device() {
        check_slices(false, 32_000, (128, 13));
        check_slices(false, 262_144, (128, 13));
        check_slices(true, 32_000, (256, 6));
        check_slices(true, 151_936, (220, 6));
        check_slices(true, 1_000_000, (64, 6));
    }
}
