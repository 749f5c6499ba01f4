//! What of the text is in sight without being asked for: after an edit and after writing the place where the texts part,
//! while writing the newest token. Whoever scrolls or selects is left alone.

use crate::spec::Position;
use crate::trace::RowId;
use crate::ui::{Cx, RowChoice};

/// Where the divergence stands, as a share of the height in sight: in the upper third.
const DIVERGENCE: f32 = 0.2;

/// A line of the strip.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spot {
    /// Its top, points from the top of the strip.
    pub line: f32,
    /// How far the text may be scrolled with all of it in sight.
    pub start: f32,
}

/// Places in the strip, points from its top.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Places {
    /// The top of the strip on screen.
    pub top: f32,
    /// The first line in which the texts differ, or the head of the columns while they do not; none without edits.
    pub divergence: Option<Spot>,
    /// The line of the token selected; none where the newest is followed.
    pub selected: Option<Spot>,
    /// The bottom of the newest token of the row shown.
    pub newest: f32,
}

impl Places {
    /// What must be left free under the text, so that the divergence can stand where it belongs, and a line begins at the
    /// top while the newest token is in sight.
    ///
    /// * `snapped`: the first line that begins at or under a place
    pub fn room(&self, content: f32, height: f32, snapped: impl Fn(f32) -> f32) -> f32 {
        let offset = self.newest_offset(height, snapped);
        if offset <= 0.0 {
            return 0.0;
        }
        (offset + height - content).max(0.0)
    }

    /// How far the text is scrolled with the newest token in sight, and the divergence as long as both have room.
    fn newest_offset(&self, height: f32, snapped: impl Fn(f32) -> f32) -> f32 {
        let divergence = offset(self.divergence, height, &snapped);
        let newest = self.newest - height;
        if newest <= divergence {
            return divergence;
        }
        snapped(newest)
    }
}

/// How far the text is scrolled with a place in its upper third, and no line cut at the top.
fn offset(spot: Option<Spot>, height: f32, snapped: impl Fn(f32) -> f32) -> f32 {
    let Some(spot) = spot else {
        return 0.0;
    };
    let wanted = spot.line - height * DIVERGENCE;
    if wanted <= 0.0 {
        return 0.0;
    }
    snapped(wanted).min(spot.start)
}

/// What is kept in sight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Anchor {
    /// Whatever the user looks at.
    #[default]
    Free,
    /// The newest token, and the divergence as long as both have room.
    Newest,
    /// The divergence.
    Divergence,
    /// The token selected.
    Selected,
}

/// What was there when it was looked last.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Seen {
    rows: Option<(RowId, Option<RowId>)>,
    is_playing: bool,
    /// Whether a class looks on.
    presents: bool,
    selected: Option<(RowChoice, Position)>,
}

/// Keeps a place in sight.
#[derive(Default)]
pub struct Sight {
    anchor: Anchor,
    seen: Seen,
    /// Offset, height and length of the text in the last frame, and whether the offset was asked for then.
    last: (f32, f32, f32),
    has_asked: bool,
}

impl Sight {
    /// Leaves the text where it is.
    pub fn let_go(&mut self) {
        self.anchor = Anchor::Free;
    }

    /// Where to scroll to; none where it stands right.
    ///
    /// * `area`: length of the text, height in sight, and how far it is scrolled
    /// * `snapped`: the first line that begins at or under a place
    pub fn follow(
        &mut self,
        cx: &Cx<'_>,
        places: Places,
        (content, height, scrolled): (f32, f32, f32),
        snapped: impl Fn(f32) -> f32,
    ) -> Option<f32> {
        let shown = cx.session.shown();
        let now = Seen {
            rows: shown.map(|it| (it.baseline, it.edited)),
            is_playing: cx.session.playing,
            presents: cx.palette.presents(),
            selected: cx.selection.position.map(|it| (cx.selection.row, it)),
        };
        if let Some(anchor) = self.anchor_now(now, places) {
            self.anchor = anchor;
        } else if self.is_scrolled(content, height, scrolled) {
            self.anchor = Anchor::Free;
        }
        self.seen = now;
        self.last = (scrolled, height, content);
        let wanted = match self.anchor {
            Anchor::Free => None,
            Anchor::Divergence => Some(offset(places.divergence, height, snapped)),
            Anchor::Selected => Some(offset(places.selected, height, snapped)),
            Anchor::Newest => Some(places.newest_offset(height, snapped)),
        };
        let most = (content - height).max(0.0);
        let wanted = wanted.map(|it| it.clamp(0.0, most));
        let wanted = wanted.filter(|it| (it - scrolled).abs() > 0.5);
        self.has_asked = wanted.is_some();
        wanted
    }

    /// What is kept in sight from now on; none where nothing has happened.
    fn anchor_now(&self, now: Seen, places: Places) -> Option<Anchor> {
        let before = self.seen;
        let is_followed = now.selected.is_none();
        let newest = || is_followed.then_some(Anchor::Newest);
        let is_shown_anew = now.presents != before.presents;
        if is_shown_anew && !is_followed {
            return Some(Anchor::Selected);
        }
        if now.rows != before.rows || now.is_playing != before.is_playing || is_shown_anew {
            let divergence = places.divergence.map(|_| Anchor::Divergence);
            return divergence.filter(|_| !now.is_playing).or_else(newest);
        }
        if now.selected != before.selected {
            return Some(if is_followed {
                Anchor::Newest
            } else {
                Anchor::Free
            });
        }
        None
    }

    /// Whether it was scrolled by hand since the last frame.
    fn is_scrolled(&self, content: f32, height: f32, offset: f32) -> bool {
        let (last, last_height, last_content) = self.last;
        let is_same = (last_height - height).abs() < 0.5 && content >= last_content - 0.5;
        !self.has_asked && is_same && (offset - last).abs() > 0.5
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_left_where_the_divergence_could_not_rise() {
        let places = |divergence: Option<f32>| Places {
            divergence: divergence.map(|it| Spot {
                line: it,
                start: it,
            }),
            ..Places::default()
        };
        let check = |divergence, content: f32, want: f32| {
            let got = places(divergence).room(content, 100.0, |it| it);
            assert!((got - want).abs() < 1e-3, "{got} {want}");
        };
        check(None, 50.0, 0.0);
        check(Some(15.0), 90.0, 0.0);
        check(Some(80.0), 120.0, 40.0);
        check(Some(80.0), 400.0, 0.0);
    }

    #[test]
    fn a_line_starts_at_the_top_and_the_one_that_matters_is_in_sight() {
        let line_start = |it: f32| (it / 30.0).ceil() * 30.0;
        let spot = |line, start| Some(Spot { line, start });
        let check = |spot, height, want: f32| {
            let got = offset(spot, height, line_start);
            assert!((got - want).abs() < 1e-3, "{got} {want}");
        };
        check(None, 100.0, 0.0);
        check(spot(10.0, 10.0), 100.0, 0.0);
        check(spot(200.0, 180.0), 100.0, 180.0);
        check(spot(200.0, 180.0), 300.0, 150.0);
        // Little room: the head over its column takes more than the upper part.
        check(spot(200.0, 180.0), 40.0, 180.0);
    }
}
