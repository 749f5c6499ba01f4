//! Which experts get a bar: all of them up to 16; beyond that those chosen, the next eight, and
//! every edited or pinned one; the rest in one line together.

use crate::spec::ExpertId;

/// Up to so many experts each has a bar.
const MOST_BARS: usize = 16;
/// Beyond that, so many past the cut.
const N_NEXT: usize = 8;

/// The bars, and what is left together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lines {
    /// Experts with a bar of their own, those chosen first.
    pub experts: Vec<ExpertId>,
    /// How many of them were chosen.
    pub n_picks: usize,
    /// How many have none.
    pub n_more: usize,
    /// Σ p of these, 0 to 1.
    pub more: f32,
}

/// Picks lines from `order`, of which the first `n_picks` were chosen; at most about `room` where it is given.
///
/// * `is_kept`: edited or pinned
/// * `share`: p of an expert
pub fn lines(
    order: &[ExpertId],
    n_picks: usize,
    is_kept: impl Fn(ExpertId) -> bool,
    share: impl Fn(ExpertId) -> Option<f32>,
    room: Option<usize>,
) -> Lines {
    let all = order.len() <= MOST_BARS.min(room.unwrap_or(MOST_BARS));
    let left = room.map_or(N_NEXT, |it| it.saturating_sub(n_picks + 1).min(N_NEXT));
    let mut out = Lines {
        n_picks,
        ..Lines::default()
    };
    for (place, expert) in order.iter().enumerate() {
        if all || place < n_picks + left || is_kept(*expert) {
            out.experts.push(*expert);
        } else {
            out.n_more += 1;
            out.more += share(*expert).unwrap_or(0.0);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(n: usize, room: Option<usize>, wanted: &[u16], n_more: usize, more: f32) {
        let order: Vec<ExpertId> = (0..n).map(ExpertId::new).collect();
        let got = lines(&order, 2, |it| it.0 == 19, |_| Some(0.01), room);
        let ids: Vec<u16> = got.experts.iter().map(|it| it.0).collect();
        assert_eq!((&ids[..], got.n_more), (wanted, n_more));
        assert!((got.more - more).abs() < 1e-6);
    }

    #[test]
    fn up_to_sixteen_all_have_a_bar_beyond_that_the_foremost_and_those_edited() {
        let all: Vec<u16> = (0..16).collect();
        check(16, None, &all, 0, 0.0);
        check(24, None, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 19], 13, 0.13);
        check(17, None, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 7, 0.07);
    }

    #[test]
    fn on_paper_as_many_as_there_is_room_for() {
        check(8, Some(8), &[0, 1, 2, 3, 4, 5, 6, 7], 0, 0.0);
        check(8, Some(6), &[0, 1, 2, 3, 4], 3, 0.03);
        check(8, Some(1), &[0, 1], 6, 0.06);
    }
}
