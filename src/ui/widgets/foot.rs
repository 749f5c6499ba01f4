//! A plot over its words: where both stand, and words in the form that leaves the plot its own.

use eframe::egui::{Rect, Response, Ui, UiBuilder, pos2};

use crate::ui::theme::LABEL_SIZE;

use super::chip::note;
use super::{said::said, words::sentence};

/// Height of one line of labels, points.
const LINE: f32 = 16.0;
/// A letter of a sentence on the average, as a part of the font's size, at the least.
const NARROWEST: f32 = 0.3;
/// Between a plot and the sentence under it, points.
const GAP: f32 = 4.0;
/// Panels lower than this, points, leave the line of numbers out: it stands on hover of the sentence.
const ROOMY: f32 = 170.0;

/// How high a note is in a panel `width` points wide.
#[must_use]
pub fn note_height(ui: &Ui, words: &str, width: f32) -> f32 {
    sentence(ui, words, width).size().y
}

/// A height that a note of so many letters does not stay below: letters of a sentence are wider on the average, and lines
/// higher.
fn least_height(words: &str, width: f32) -> f32 {
    words.chars().count() as f32 * LABEL_SIZE * NARROWEST / width.max(1.0) * LABEL_SIZE
}

/// A note in a place of its own.
pub fn note_at(ui: &mut Ui, rect: Rect, words: &str) -> Response {
    let place = UiBuilder::new().max_rect(rect);
    ui.scope_builder(place, |ui| note(ui, words)).inner
}

/// Parts `area` into the plot, and `height` points for what stands under it, `gap` points lower; the plot keeps
/// `least` points.
#[must_use]
pub fn over(area: Rect, height: f32, gap: f32, least: f32) -> (Rect, Rect) {
    let bottom = (area.bottom() - height - gap).max(area.top() + least);
    let below = pos2(area.left(), bottom + gap);
    (
        Rect::from_min_max(area.min, pos2(area.right(), bottom)),
        Rect::from_min_max(below, area.max),
    )
}

/// What a sentence is set under a plot with.
#[derive(Default)]
pub struct Below<'a> {
    /// A line above the sentence, where there is room for it; empty where there is none.
    pub numbers: &'a str,
    /// What the words tell on hover.
    pub hover: Option<&'a dyn Fn(&mut Ui)>,
}

/// Draws the sentence at the foot, and returns what is left. Where words would take more than half of the panel they
/// are left out: the plot comes first.
pub fn over_sentence(ui: &mut Ui, sentence: &str, with: &Below<'_>) -> Rect {
    let area = ui.available_rect_before_wrap();
    let mut height = note_height(ui, sentence, area.width());
    if height > area.height() * 0.5 {
        return area;
    }
    let has_numbers = area.height() >= ROOMY && !with.numbers.is_empty();
    if has_numbers {
        height += note_height(ui, with.numbers, area.width()) + ui.spacing().item_spacing.y;
    }
    let (plot, below) = over(area, height, GAP, 0.0);
    ui.scope_builder(UiBuilder::new().max_rect(below), |ui| {
        let lines = [Some(with.numbers).filter(|_| has_numbers), Some(sentence)];
        for words in lines.into_iter().flatten() {
            let response = note(ui, words);
            if let Some(hover) = with.hover {
                response.on_hover_ui(hover);
            }
        }
    });
    plot
}

/// Words in one of several forms, and the longest of them on hover.
pub struct FittingWords {
    words: String,
    longest: String,
    /// How high they are, points; 0 where no form has room.
    pub height: f32,
}

impl FittingWords {
    /// The first of `forms`, longest first, that takes at most the part `share` of `area`; none of them where none does.
    #[must_use]
    pub fn new(ui: &Ui, forms: [String; 3], area: Rect, share: f32) -> Self {
        let most = (area.height() * share).max(LINE);
        let longest = forms[0].clone();
        // Shaping is what takes time: what is far too long is not shaped to be measured.
        let sized = forms
            .into_iter()
            .filter(|it| least_height(it, area.width()) <= most);
        let sized = sized.map(|it| (note_height(ui, &it, area.width()), it));
        let found = sized.into_iter().find(|(height, _)| *height <= most);
        let (height, words) = found.unwrap_or_default();
        Self {
            words,
            longest,
            height,
        }
    }

    /// Writes them.
    pub fn ui(self, ui: &mut Ui, rect: Rect) {
        let longest = said(ui, self.longest);
        note_at(ui, rect, &self.words).on_hover_text(longest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eframe::egui::vec2;

    #[test]
    fn the_plot_keeps_what_it_needs() {
        let area = Rect::from_min_size(pos2(10.0, 20.0), vec2(200.0, 100.0));
        let check = |height, least, bottom, top| {
            let (plot, below) = over(area, height, 4.0, least);
            assert_eq!((plot.bottom(), below.top()), (bottom, top));
            assert_eq!((plot.top(), below.bottom()), (20.0, 120.0));
        };
        check(16.0, 0.0, 100.0, 104.0);
        check(90.0, 0.0, 26.0, 30.0);
        check(90.0, 18.0, 38.0, 42.0);
        check(500.0, 0.0, 20.0, 24.0);
    }

    #[test]
    fn no_sentence_is_lower_than_is_said_without_shaping_it() {
        use eframe::egui;
        let ctx = egui::Context::default();
        let mut output = ctx.run_ui(egui::RawInput::default(), |ui| {
            for words in [
                "Still lilting, it fills till it is full: if it fits, it fits.",
                "Of 1,204 picks that changed 62 % sit in layer 4 (edited), 31 % in layer 5, 7 % in 3 more layers.",
                "MMMM WWWW",
                "l",
            ] {
                for width in [60.0, 200.0, 350.0, 1_000.0] {
                    let (least, real) = (least_height(words, width), note_height(ui, words, width));
                    assert!(least <= real, "{words} at {width}: {least} {real}");
                }
            }
            let long = "layer 4 holds most of what the edits change. ".repeat(9);
            assert!(least_height(&long, 300.0) > 3.0 * LINE, "what is far too long is known");
        });
        output.textures_delta.clear();
    }
}
