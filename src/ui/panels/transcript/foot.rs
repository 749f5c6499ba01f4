//! Under the text: the key of the line, and the sentence, beside each other where there is room for both.

use eframe::egui::{self, Align2, Rect, Ui, pos2, vec2};

use crate::spec::{RouterId, RouterSpec};
use crate::ui::widgets::{note_at, pin_line, pin_of, sentence as laid_out};
use crate::ui::{Cx, ExpertAt};

use super::label_font;
use super::line::Line;

/// The key stands beside the sentence where this much is left for it.
const LEAST_SENTENCE: f32 = 300.0;
const KEY_HEIGHT: f32 = 17.0;
const RAMP: f32 = 70.0;
const SWATCH: f32 = 22.0;

/// What the line's colours mean.
enum Legend {
    /// Nothing that needs saying.
    None,
    /// A ramp with its ends named.
    Ramp(String, String),
    /// Pinned experts and their names.
    Pins(Vec<(ExpertAt, String)>),
}

/// Legend and sentence, laid out.
pub struct Foot {
    sentence: String,
    /// Lines that the sentence takes.
    pub n_lines: usize,
    key: Legend,
    key_width: f32,
    beside: bool,
    /// Room it takes, points.
    pub height: f32,
}

impl Foot {
    /// Lays it out for a width.
    pub fn new(
        cx: &Cx<'_>,
        ui: &Ui,
        (line, scale): (Line, Option<(String, String)>),
        sentence: String,
        width: f32,
    ) -> Self {
        let key = key(cx, line, scale);
        let text = |words: &str| {
            let color = cx.palette.second;
            let galley = ui
                .painter()
                .layout_no_wrap(words.to_owned(), label_font(), color);
            galley.size().x
        };
        let key_width = match &key {
            Legend::None => 0.0,
            Legend::Ramp(low, high) => text(low) + text(high) + RAMP + 12.0,
            Legend::Pins(all) => all.iter().map(|it| text(&it.1) + SWATCH + 18.0).sum(),
        };
        let left = width - key_width - 16.0;
        let beside = key_width > 0.0 && left >= LEAST_SENTENCE;
        let wrap = if beside { left } else { width };
        let own_line = key_width > 0.0 && !beside;
        let lines = laid_out(ui, &sentence, wrap);
        let height = lines.size().y.max(14.0) + if own_line { KEY_HEIGHT } else { 0.0 };
        Self {
            sentence,
            n_lines: lines.rows.len(),
            key,
            key_width,
            beside,
            height,
        }
    }

    /// Draws it; on hover the words in full where these are fewer.
    pub fn ui(&self, cx: &Cx<'_>, ui: &mut Ui, full: &str) {
        let area = ui.available_rect_before_wrap();
        let mut words = area;
        if self.beside {
            words.max.x = area.right() - self.key_width - 16.0;
            let left = area.right() - self.key_width;
            self.key_ui(cx, ui, pos2(left, area.top() + 8.0));
        } else if self.key_width > 0.0 {
            words.min.y += KEY_HEIGHT;
            self.key_ui(cx, ui, pos2(area.left(), area.top() + 8.0));
        }
        let note = note_at(ui, words, &self.sentence);
        if self.sentence != full {
            note.on_hover_text(full);
        }
    }

    fn key_ui(&self, cx: &Cx<'_>, ui: &Ui, from: egui::Pos2) {
        let painter = ui.painter();
        let text = |x: f32, words: &str| {
            let at = pos2(x, from.y);
            painter.text(
                at,
                Align2::LEFT_CENTER,
                words,
                label_font(),
                cx.palette.second,
            )
        };
        match &self.key {
            Legend::None => {}
            Legend::Ramp(low, high) => {
                let low = text(from.x, low);
                let bar = pos2(low.right() + 6.0, from.y - 3.0);
                let bar = Rect::from_min_size(bar, vec2(RAMP, 6.0));
                for n in 0..35 {
                    let left = bar.left() + n as f32 * 2.0;
                    let piece = Rect::from_min_size(pos2(left, bar.top()), vec2(2.0, 6.0));
                    let color = cx.palette.amount((n as f32 + 0.5) / 35.0);
                    painter.rect_filled(piece, 0.0, color);
                }
                text(bar.right() + 6.0, high);
            }
            Legend::Pins(all) => {
                let mut x = from.x;
                for (at, name) in all {
                    let swatch = pos2(x, from.y - 2.5);
                    let swatch = Rect::from_min_size(swatch, vec2(SWATCH, 5.0));
                    if let Some(pin) = pin_of(cx, *at) {
                        pin_line(painter, swatch, pin);
                    }
                    x = text(swatch.right() + 5.0, name).right() + 13.0;
                }
            }
        }
    }
}

fn key(cx: &Cx<'_>, line: Line, scale: Option<(String, String)>) -> Legend {
    if line == Line::Pinned {
        let names = cx.pins.iter().map(|it| (*it, pin_name(cx, *it)));
        return Legend::Pins(names.collect());
    }
    scale.map_or(Legend::None, |(low, high)| Legend::Ramp(low, high))
}

/// `layer 4, expert 5`.
pub fn pin_name(cx: &Cx<'_>, at: ExpertAt) -> String {
    let label = |it: RouterId| cx.spec()?.router(it).map(RouterSpec::label);
    let label = label(at.router).unwrap_or_default();
    format!("{label}, expert {}", at.expert)
}
