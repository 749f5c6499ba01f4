//! Runs of tokens and where their words stand, kept from frame to frame.

use std::ops::Range;

use eframe::egui::{self, FontId, Rect, Ui, pos2, vec2};

use crate::spec::{Position, TokenId};
use crate::ui::theme::TRANSCRIPT_SIZE;
use crate::ui::{Cx, RowChoice};

use super::text::{Placed, flow, token_texts};

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
pub struct Part {
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

impl Part {
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

/// A part with its words placed; kept while nothing it depends on changes.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    key: Option<(Part, u64, f32)>,
    /// What each token shows.
    pub texts: Vec<String>,
    /// Where each stands.
    pub placed: Vec<Placed>,
    /// Lines taken.
    pub n_lines: usize,
    /// Top left of the first line, as drawn last.
    pub origin: egui::Pos2,
}

impl Layout {
    /// Places the words anew where something they depend on changed.
    pub fn update(&mut self, cx: &Cx<'_>, ui: &Ui, part: &Part, tokens: &[TokenId]) {
        let range = part.range.start.min(tokens.len())..part.range.end.min(tokens.len());
        let key = (
            part.clone(),
            fingerprint(&tokens[range.clone()]),
            ui.ctx().pixels_per_point(),
        );
        if self.key.as_ref() == Some(&key) {
            return;
        }
        let eos = cx.session.facts.as_ref().map_or(&[][..], |it| &it.eos[..]);
        // Texts of the whole row: a character may begin before the part does.
        let mut texts = token_texts(cx.session.tokens(), &tokens[..range.end], eos);
        let texts = texts.split_off(range.start);
        let same_scale = self
            .key
            .as_ref()
            .is_some_and(|it| it.2.to_bits() == key.2.to_bits());
        let font = FontId::proportional(TRANSCRIPT_SIZE);
        let measure = |it: &str| {
            let galley = ui
                .painter()
                .layout_no_wrap(it.to_owned(), font.clone(), cx.palette.text);
            galley.size().x
        };
        let widths: Vec<f32> = texts
            .iter()
            .enumerate()
            // A text that grows by a token is measured there only.
            .map(|(n, it)| match self.placed.get(n) {
                Some(held) if same_scale && self.texts.get(n) == Some(it) => held.width,
                _ if it.is_empty() => NARROWEST,
                _ => measure(it),
            })
            .collect();
        self.texts = texts;
        (self.placed, self.n_lines) = flow(&self.texts, &widths, part.width);
        self.key = Some(key);
    }

    /// The whole of a token: lane, words, line.
    pub fn rect(&self, part: &Part, n: usize) -> Option<Rect> {
        let it = self.placed.get(n)?;
        let top = self.origin.y + it.line as f32 * part.pitch();
        Some(Rect::from_min_size(
            pos2(self.origin.x + it.x, top),
            vec2(it.width, part.pitch() - AFTER),
        ))
    }
}

fn fingerprint(tokens: &[TokenId]) -> u64 {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut out = DefaultHasher::new();
    tokens.hash(&mut out);
    out.finish()
}
