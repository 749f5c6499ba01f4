//! Bars, the lines between them and the figures beside them, drawn alike in every plot of bars.

use std::{ops::RangeInclusive, sync::Arc};

use eframe::egui::{
    Color32, FontId, Galley, Painter, Pos2, Rect, Shape, Stroke, pos2,
    text::{LayoutJob, TextFormat, TextWrapping},
    vec2,
};

use crate::ui::theme::{LABEL_SIZE, Palette};

use super::words;

/// Ends of scale a plot of shares may have.
const TOPS: [f32; 5] = [0.05, 0.1, 0.25, 0.5, 1.0];
/// Width of a stripe of a striped bar, points.
const STRIPE: f32 = 3.0;

/// The end of the scale on which shares up to `most` are drawn: few, so that it seldom jumps.
#[must_use]
pub fn top_of_scale(most: f32) -> f32 {
    TOPS.into_iter().find(|it| most <= *it).unwrap_or(1.0)
}

/// The height of each of `n` lines in `height` points: all of them where they fit, else as many whole ones as do.
#[must_use]
pub fn pitch(height: f32, n: usize, range: RangeInclusive<f32>) -> f32 {
    let (lowest, highest) = (*range.start(), *range.end());
    let all = height / n.max(1) as f32;
    let whole = (height / lowest).floor().max(1.0);
    all.max(height / whole).clamp(lowest, highest)
}

/// A share in per cent without the sign, three digits at most: `5.6`, `100`, `<0.1`.
#[must_use]
pub fn figure(share: f32) -> String {
    match share * 100.0 {
        99.95.. => "100".to_owned(),
        0.05.. => format!("{:.1}", share * 100.0),
        it if it > 0.0 => "<0.1".to_owned(),
        _ => "0".to_owned(),
    }
}

/// A bar; striped where its colour is that of another one too.
pub fn bar(painter: &Painter, rect: Rect, fill: Color32, striped: bool, behind: Color32) {
    let corner = (rect.width() / 2.0).min(2.0);
    painter.rect_filled(rect, corner, fill);
    if !striped {
        return;
    }
    let mut x = rect.left() + 2.0 * STRIPE;
    while x < rect.right() {
        let stripe = Rect::from_min_max(
            pos2(x, rect.top()),
            pos2((x + 1.2).min(rect.right()), rect.bottom()),
        );
        painter.rect_filled(stripe, 0.0, behind);
        x += 2.0 * STRIPE;
    }
}

/// Height that an axis takes, points.
pub const AXIS: f32 = 17.0;

/// The axis of bars of shares that begin at the left of `x` and reach `top` at its right: a line, its ends and its middle
/// named, under `y`.
pub fn axis(painter: &Painter, x: RangeInclusive<f32>, y: f32, top: f32, palette: &Palette) {
    let (left, right) = (*x.start(), *x.end());
    painter.hline(x, y, (1.0, palette.line));
    let name = |share: f32, sign: &str| {
        let of = (share * 1000.0).round() / 10.0;
        words(painter, format!("{of}{sign}"), LABEL_SIZE)
    };
    let ends = [(0.0, ""), (0.5, ""), (1.0, " %")];
    let named = ends.map(|(at, sign)| (at, name(at * top, sign)));
    let width: f32 = named.iter().map(|it| it.1.size().x + 6.0).sum();
    for (at, galley) in named {
        let x = left + (right - left) * at;
        painter.vline(x, y..=y + 3.0, (1.0, palette.line));
        // What has no room is left out: the middle.
        let is_middle = at > 0.0 && at < 1.0;
        let fits = !is_middle || width <= right - left;
        if fits {
            let half = galley.size().x / 2.0;
            let center = x.clamp(left + half.min(x - left), right.max(left + half));
            let place = pos2(center - half, y + 3.0);
            painter.galley(place, galley, palette.second);
        }
    }
}

/// A dashed line from left to right.
pub fn dashed(painter: &Painter, x: RangeInclusive<f32>, y: f32, color: Color32) {
    let ends = [pos2(*x.start(), y), pos2(*x.end(), y)];
    painter.extend(Shape::dashed_line(&ends, Stroke::new(1.0, color), 4.0, 3.0));
}

/// Words in one line, cut off with … where they are wider than `width`.
#[must_use]
pub fn elided(
    painter: &Painter,
    words: &str,
    font: FontId,
    color: Color32,
    width: f32,
) -> Arc<Galley> {
    let format = TextFormat {
        font_id: font,
        color,
        ..TextFormat::default()
    };
    let mut job = LayoutJob::single_section(words.to_owned(), format);
    job.wrap = TextWrapping::truncate_at_width(width);
    painter.layout_job(job)
}

/// Words made bold: egui's own font has one weight, so they are drawn twice, a little apart.
pub fn bold(painter: &Painter, at: Pos2, galley: Arc<Galley>, color: Color32) {
    painter.galley(at + vec2(0.5, 0.0), Arc::clone(&galley), color);
    painter.galley(at, galley, color);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_end_at_the_next_round_share() {
        let check = |most: f32, wanted: f32| {
            assert!((top_of_scale(most) - wanted).abs() < 1e-6, "{most}");
        };
        check(0.0, 0.05);
        check(0.1, 0.1);
        check(0.11, 0.25);
        check(0.9, 1.0);
        check(f32::NAN, 1.0);
    }

    #[test]
    fn lines_are_never_cut_in_half() {
        let check = |height: f32, n: usize, wanted: f32| {
            let got = pitch(height, n, 18.0..=24.0);
            assert!((got - wanted).abs() < 1e-5, "{got} is not {wanted}");
        };
        check(240.0, 12, 20.0);
        check(240.0, 4, 24.0);
        // 13 whole lines of 20 fit.
        check(240.0, 20, 240.0 / 13.0);
        check(10.0, 20, 18.0);
    }

    #[test]
    fn figures_have_one_decimal_and_never_claim_nothing() {
        let check = |share: f32, wanted: &str| assert_eq!(figure(share), wanted);
        check(0.8899, "89.0");
        check(0.0561, "5.6");
        check(0.0004, "<0.1");
        check(0.0, "0");
        check(1.0, "100");
        check(0.9996, "100");
    }
}
