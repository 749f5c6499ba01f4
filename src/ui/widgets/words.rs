//! Words laid out once, to be measured and then written: shaping them is what most of a frame goes to while numbers change.
//!
//! egui keeps what it laid out by text, font, colour and width, so that the same words measured in one colour and written
//! in another are shaped twice. What is laid out here has no colour of its own.

use std::sync::Arc;

use eframe::egui::{Align2, Color32, FontId, Galley, Painter, Pos2, Rect, Ui};

use crate::ui::theme::{LABEL_SIZE, Palette};

use super::said::said;

/// One line of `size` points, to be painted in any colour.
#[must_use]
pub fn words(painter: &Painter, words: impl Into<String>, size: f32) -> Arc<Galley> {
    painter.layout_no_wrap(
        words.into(),
        FontId::proportional(size),
        Color32::PLACEHOLDER,
    )
}

/// How wide a line of `size` points is, points.
#[must_use]
pub fn words_width(ui: &Ui, line: &str, size: f32) -> f32 {
    words(ui.painter(), line, size).size().x.ceil()
}

/// Writes a line; where it stands.
pub fn put(
    painter: &Painter,
    at: Pos2,
    align: Align2,
    galley: Arc<Galley>,
    color: Color32,
) -> Rect {
    let rect = align.anchor_size(at, galley.size());
    painter.galley(rect.min, galley, color);
    rect
}

/// The lines of a sentence `width` points wide, as `note` writes them.
#[must_use]
pub fn sentence(ui: &Ui, words: impl Into<String>, width: f32) -> Arc<Galley> {
    let font = FontId::proportional(LABEL_SIZE);
    let words = said(ui, words.into()).into_owned();
    ui.painter()
        .layout(words, font, Palette::of(ui).second, width)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::widgets::note;
    use eframe::egui;

    /// A frame of a window 300 points wide.
    fn frame(ctx: &egui::Context, mut ui: impl FnMut(&mut Ui)) {
        let input = egui::RawInput {
            screen_rect: Some(Rect::from_min_size(Pos2::ZERO, egui::vec2(300.0, 300.0))),
            ..egui::RawInput::default()
        };
        let mut output = ctx.run_ui(input, |own| ui(own));
        output.textures_delta.clear();
    }

    const WORDS: &str =
        "A sentence that is longer than the window is wide, so that it takes more than one line.";

    #[test]
    fn a_sentence_is_as_high_as_the_note_of_it() {
        let ctx = egui::Context::default();
        frame(&ctx, |ui| {
            let measured = sentence(ui, WORDS, ui.available_width());
            assert!(measured.rows.len() > 1);
            let note = note(ui, WORDS);
            assert!((note.rect.height() - measured.size().y).abs() < 1e-3);
        });
    }

    #[test]
    fn what_was_measured_is_what_is_written() {
        let ctx = egui::Context::default();
        frame(&ctx, |ui| {
            let measured = words(ui.painter(), "12.3 %", 13.0);
            let again = words(ui.painter(), "12.3 %", 13.0);
            assert!(Arc::ptr_eq(&measured, &again), "shaped once");
            let at = egui::pos2(100.0, 50.0);
            let rect = put(ui.painter(), at, Align2::RIGHT_CENTER, again, Color32::RED);
            assert!((rect.right() - 100.0).abs() < 1e-3);
            assert!((rect.center().y - 50.0).abs() < 1e-3);
            assert_eq!(rect.size(), measured.size());
        });
    }
}
