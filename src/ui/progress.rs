//! How far the engine is with what takes long: weights that are read from a disk, tokens that are read.

/// Seconds over which a speed is measured before it is said how long the rest takes.
const LEAST_SECS: f64 = 2.0;
/// After so many seconds without a byte nothing is being read: others use the disk.
const STILL_SECS: f64 = 1.0;

/// Weights of the open model that are read before they are used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PagesRead {
    /// Bytes in memory.
    pub done_bytes: u64,
    /// Bytes of all its files.
    pub total_bytes: u64,
    /// When it was first told, seconds of the window's clock, and the bytes in memory then. Later by the time in which
    /// nothing was read.
    first: (f64, u64),
    /// When bytes came last.
    last_secs: f64,
    /// Seconds that are left at the speed since the first; none where that is not known, or nothing is being read.
    pub secs_left: Option<f64>,
}

impl PagesRead {
    /// What is told now, behind what was told before; none once all is read.
    #[must_use]
    pub fn told(
        before: Option<Self>,
        done_bytes: u64,
        total_bytes: u64,
        now_secs: f64,
    ) -> Option<Self> {
        let mut first = before.map_or((now_secs, done_bytes), |it| it.first);
        let mut last_secs = before.map_or(now_secs, |it| it.last_secs);
        let still_secs = now_secs - last_secs;
        let is_still = still_secs > STILL_SECS;
        if before.is_some_and(|it| it.done_bytes < done_bytes) {
            last_secs = now_secs;
            if is_still {
                first.0 += still_secs;
            }
        }
        let secs = now_secs - first.0;
        let read = done_bytes.saturating_sub(first.1) as f64;
        let left = total_bytes.saturating_sub(done_bytes) as f64;
        let is_known = secs >= LEAST_SECS && read > 0.0 && last_secs + STILL_SECS >= now_secs;
        (done_bytes < total_bytes).then_some(Self {
            done_bytes,
            total_bytes,
            first,
            last_secs,
            secs_left: is_known.then(|| left / read * secs),
        })
    }
}

/// Background work: tokens to go and in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BacklogProgress {
    /// Tokens to go.
    pub n_left: usize,
    /// Tokens in all.
    pub n_total: usize,
    /// How far the slice at hand is, where it takes long.
    pub slice: Option<SliceProgress>,
}

impl BacklogProgress {
    /// The share that is read, 0 to 1; of the slice at hand by its layers.
    #[must_use]
    pub fn share(&self) -> f32 {
        let done = self.n_total.saturating_sub(self.n_left) as f32;
        let slice = self.slice.map_or(0.0, SliceProgress::tokens);
        (done + slice) / self.n_total.max(1) as f32
    }
}

/// How far a slice of background work is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SliceProgress {
    /// Its tokens.
    pub n_tokens: usize,
    /// Layers that have run on it.
    pub n_done: usize,
    /// Layers in all.
    pub n_layers: usize,
}

impl SliceProgress {
    /// As many of its tokens as layers have run.
    fn tokens(self) -> f32 {
        self.n_tokens as f32 * self.n_done as f32 / self.n_layers.max(1) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_the_rest_takes_is_said_once_a_speed_is_known() {
        let first = PagesRead::told(None, 100, 1000, 5.0);
        assert_eq!(first.and_then(|it| it.secs_left), None);
        let told = |before, bytes, secs| PagesRead::told(before, bytes, 1000, secs);
        let soon = told(first, 150, 6.0);
        assert_eq!(soon.and_then(|it| it.secs_left), None);
        // 100 in 2 seconds, and 800 are left.
        let later = told(soon, 200, 7.0);
        assert_eq!(later.and_then(|it| it.secs_left), Some(16.0));
        assert_eq!(told(later, 1000, 8.0), None);
    }

    #[test]
    fn while_others_use_the_disk_no_time_goes_by() {
        let told = |before, bytes, secs| PagesRead::told(before, bytes, 1000, secs);
        let mut now = told(told(None, 100, 0.0), 200, 1.0);
        for secs in [2.5, 5.0, 9.0] {
            now = told(now, 200, secs);
            assert_eq!(now.and_then(|it| it.secs_left), None, "at {secs} s");
        }
        // 400 in the 3 seconds in which bytes came: one, and two from 9.5 s on.
        now = told(now, 210, 9.5);
        now = told(now, 400, 10.5);
        now = told(now, 500, 11.5);
        let left = now.and_then(|it| it.secs_left);
        assert!(left.is_some_and(|it| (it - 3.75).abs() < 1e-9), "{left:?}");
    }

    #[test]
    fn layers_of_the_slice_at_hand_count_as_part_of_its_tokens() {
        let mut it = BacklogProgress {
            n_left: 8,
            n_total: 16,
            slice: None,
        };
        assert!((it.share() - 0.5).abs() < 1e-6);
        it.slice = Some(SliceProgress {
            n_tokens: 4,
            n_done: 12,
            n_layers: 24,
        });
        assert!((it.share() - 0.625).abs() < 1e-6);
    }
}
