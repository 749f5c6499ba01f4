//! Runs of tokens and where their words stand, kept from frame to frame.

use std::ops::Range;

use eframe::egui::{self, FontId, Rect, Ui, pos2, vec2};

use crate::document::TokenTexts;
use crate::spec::{Position, TokenId};
use crate::ui::theme::TRANSCRIPT_SIZE;
use crate::ui::{Cx, RowChoice};

use super::text::{Placed, flow};

/// Height of the words, points.
pub const WORDS: f32 = 19.0;
/// Height of the line under them.
pub const LINE: f32 = 5.0;
/// Height of the KL lane above them.
pub const LANE: f32 = 17.0;
/// Between a line and the next.
pub const AFTER: f32 = 9.0;
/// Width of a token that shows nothing.
const NARROWEST: f32 = 6.0;

/// A run of tokens of one row, in one column.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenRun {
    /// Whose tokens.
    pub row: RowChoice,
    /// Which.
    pub range: Range<usize>,
    /// Left edge in the strip.
    pub x: f32,
    /// Width of the column.
    pub width: f32,
    /// The first token with KL above it; none where there is no lane.
    pub lane_from: Option<Position>,
    /// Whether the column says what it is.
    pub header: bool,
    /// Whether it stands beside the part before it.
    pub beside: bool,
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
            header: false,
            beside: false,
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

    /// From one line to the next.
    pub fn pitch(&self) -> f32 {
        self.lane() + WORDS + LINE + AFTER
    }
}

/// What the places depend on beside the tokens.
#[derive(Clone, Debug, PartialEq)]
struct PlacesFor {
    opened: u64,
    pixels_per_point: f32,
    part: TokenRun,
}

/// A part with its words placed; kept while nothing it depends on changes.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    key: Option<PlacesFor>,
    /// What each token of the row shows, up to the end of the part.
    texts: TokenTexts,
    /// How wide each of the part is, points.
    widths: Vec<f32>,
    /// Where each stands.
    pub placed: Vec<Placed>,
    /// Lines taken.
    pub n_lines: usize,
    /// Top left of the first line, as drawn last.
    pub origin: egui::Pos2,
}

impl Layout {
    /// Places the words anew where something they depend on changed; only words that are new are measured.
    pub fn update(&mut self, cx: &Cx<'_>, ui: &Ui, part: &TokenRun, tokens: &[TokenId]) {
        let end = part.range.end.min(tokens.len());
        let start = part.range.start.min(end);
        let key = PlacesFor {
            opened: cx.session.opened,
            pixels_per_point: ui.ctx().pixels_per_point(),
            part: part.clone(),
        };
        let held = self.key.as_ref();
        if held.is_none_or(|it| it.opened != key.opened) {
            self.texts = TokenTexts::default();
        }
        let n_held = self.texts.texts().len();
        let eos = cx.session.facts.as_ref().map_or(&[][..], |it| &it.eos[..]);
        // Texts of the whole row: a character may begin before the part does.
        let n_kept = self.texts.update(cx.session.tokens(), &tokens[..end], eos);
        let is_same = held == Some(&key) && n_kept == n_held && n_kept == end;
        if is_same {
            return;
        }
        let keeps_widths = held.is_some_and(|it| {
            it.pixels_per_point.to_bits() == key.pixels_per_point.to_bits()
                && it.part.range.start == start
        });
        let n_measured = if keeps_widths {
            n_kept.saturating_sub(start)
        } else {
            0
        };
        self.widths.truncate(n_measured);
        let texts = &self.texts.texts()[start..];
        let new = texts[self.widths.len()..].iter();
        self.widths.extend(new.map(|it| width(cx, ui, it)));
        (self.placed, self.n_lines) = flow(texts, &self.widths, part.width);
        self.key = Some(key);
    }

    /// What the `n`-th token of the part shows.
    pub fn text(&self, n: usize) -> &str {
        let start = self.key.as_ref().map_or(0, |it| it.part.range.start);
        self.texts.texts().get(start + n).map_or("", String::as_str)
    }

    /// The whole of a token: lane, words, line.
    pub fn rect(&self, part: &TokenRun, n: usize) -> Option<Rect> {
        let it = self.placed.get(n)?;
        let top = self.origin.y + it.line as f32 * part.pitch();
        Some(Rect::from_min_size(
            pos2(self.origin.x + it.x, top),
            vec2(it.width, part.pitch() - AFTER),
        ))
    }
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
