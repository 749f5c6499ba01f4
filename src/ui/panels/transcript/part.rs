//! Runs of tokens and where their words stand, kept from frame to frame.

use std::ops::Range;

use eframe::egui::{self, FontId, Rect, Ui, pos2, vec2};

use crate::document::TokenTexts;
use crate::spec::{Position, TokenId};
use crate::ui::theme::{LABEL_SIZE, TRANSCRIPT_SIZE};
use crate::ui::widgets::words_width;
use crate::ui::{Cx, Memo, RowChoice};

use super::text::{Placed, flow};

/// Height of the words, points.
pub const WORDS: f32 = 19.0;
/// Height of the line under them.
pub const LINE: f32 = 5.0;
/// Height of the KL lane above them.
pub const LANE: f32 = 17.0;
/// Between a line and the next.
pub const AFTER: f32 = 9.0;
/// The same with a number under the line.
const NUMBERED: f32 = 18.0;
/// Beside a number, points.
const BESIDE_NUMBER: f32 = 4.0;
/// Width of a token that shows nothing.
const NARROWEST: f32 = 6.0;

/// A run of tokens of one row, in one column.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenRun {
    /// Whose tokens.
    pub row: RowChoice,
    /// Positions of the tokens.
    pub range: Range<usize>,
    /// Left edge in the strip.
    pub x: f32,
    /// Width of the column.
    pub width: f32,
    /// The first token with KL above it; none where there is no lane.
    pub lane_from: Option<Position>,
    /// What the tokens are, above them: `source`; nothing where there is one sequence.
    pub name: &'static str,
    /// Whether the column says what it is.
    pub header: bool,
    /// Whether it stands beside the part before it.
    pub beside: bool,
    /// Letters of the number under each line; 0 where there is none.
    pub n_digits: usize,
}

impl TokenRun {
    /// A part over the whole width, without lane or header.
    pub fn whole(row: RowChoice, range: Range<usize>, width: f32) -> Self {
        Self {
            row,
            range,
            x: 0.0,
            width,
            lane_from: None,
            name: "",
            header: false,
            beside: false,
            n_digits: 0,
        }
    }

    /// Room for KL above the words. Columns side by side keep the same lines, so the second has the room too.
    pub fn lane(&self) -> f32 {
        if self.lane_from.is_some() || self.beside {
            LANE
        } else {
            0.0
        }
    }

    /// Between a line and the next, a number among it where there is one.
    pub fn after(&self) -> f32 {
        if self.n_digits > 0 { NUMBERED } else { AFTER }
    }

    /// From one line to the next.
    pub fn pitch(&self) -> f32 {
        self.lane() + WORDS + LINE + self.after()
    }
}

/// What widths depend on beside the tokens: the model opened, pixels a point as bits, the first token, digits under it.
type WidthsFor = (u64, u32, usize, usize);

/// What the places depend on beside the tokens: all of the part but where it ends.
type PlacesFor = (WidthsFor, TokenRun);

/// A part with its words placed; kept while nothing it depends on changes.
#[derive(Clone, Debug, Default)]
pub struct PartLayout {
    /// What each token of the row shows, up to the end of the part, by the model opened.
    texts: Memo<u64, TokenTexts>,
    /// How wide each of the part is, points.
    widths: Memo<WidthsFor, Vec<f32>>,
    /// Where each token of the part stands; as the part grows it is placed on.
    places: Memo<PlacesFor, Vec<Placed>>,
    /// Top left of the first line, as drawn last.
    pub origin: egui::Pos2,
}

impl PartLayout {
    /// Places the words anew where something they depend on changed; only words that are new are measured.
    pub fn update(&mut self, cx: &Cx<'_>, ui: &Ui, part: &TokenRun, tokens: &[TokenId]) {
        let end = part.range.end.min(tokens.len());
        let start = part.range.start.min(end);
        let opened = cx.session.opened;
        let texts = self.texts.resume(opened, |_| true);
        let n_held = texts.texts().len();
        let eos = cx.session.facts.as_ref().map_or(&[][..], |it| &it.eos[..]);
        // Texts of the whole row: a character may begin before the part does.
        let n_kept = texts.update(cx.session.tokens(), &tokens[..end], eos);
        let pixels = ui.ctx().pixels_per_point().to_bits();
        let widths_for = (opened, pixels, start, part.n_digits);
        let open = TokenRun {
            range: part.range.start..part.range.start,
            ..part.clone()
        };
        let key = (widths_for, open);
        let n = end - start;
        let is_same = self.places.is_of(&key) && self.places.value().len() == n;
        if is_same && n_kept == n_held && n_kept == end {
            return;
        }
        let texts = &texts.texts()[start..];
        let widths = self.widths.resume(widths_for, |_| true);
        let n_kept = n_kept.saturating_sub(start);
        widths.truncate(n_kept);
        let new = texts[widths.len()..].iter();
        let least = least_width(ui, part.n_digits);
        widths.extend(new.map(|it| width(cx, ui, it).max(least)));
        let places = self.places.resume(key, |_| true);
        flow(places, n_kept, (texts, widths), part.width);
    }

    /// Where each token of the part stands.
    pub fn placed(&self) -> &[Placed] {
        self.places.value()
    }

    /// Lines taken.
    pub fn n_lines(&self) -> usize {
        self.placed().last().map_or(0, |it| it.line + 1)
    }

    /// What the `n`-th token of the part shows.
    pub fn text(&self, n: usize) -> &str {
        let start = self.places.key().map_or(0, |it| it.1.range.start);
        let texts = self.texts.value().texts();
        texts.get(start + n).map_or("", String::as_str)
    }

    /// The whole of a token: lane, words, line.
    pub fn rect(&self, part: &TokenRun, n: usize) -> Option<Rect> {
        let it = self.placed().get(n)?;
        let top = self.origin.y + it.line as f32 * part.pitch();
        Some(Rect::from_min_size(
            pos2(self.origin.x + it.x, top),
            vec2(it.width, part.pitch() - part.after()),
        ))
    }
}

/// A token is at least as wide as the number under it.
fn least_width(ui: &Ui, n_digits: usize) -> f32 {
    if n_digits == 0 {
        return 0.0;
    }
    words_width(ui, &"0".repeat(n_digits), LABEL_SIZE) + BESIDE_NUMBER
}

fn width(cx: &Cx<'_>, ui: &Ui, text: &str) -> f32 {
    if text.is_empty() {
        return NARROWEST;
    }
    let font = FontId::proportional(TRANSCRIPT_SIZE);
    let galley = ui
        .painter()
        .layout_no_wrap(text.to_owned(), font, cx.palette.text);
    galley.size().x
}
