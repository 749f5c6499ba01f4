//! The sentence under a plot where there is little room: the longest form that leaves the plot its own.

use eframe::egui::Ui;

use super::words::sentence;

/// Height of one line of labels, points.
const LINE: f32 = 16.0;

/// The first of `forms`, longest first, that takes at most the part `share` of a panel `width` wide and
/// `height` high, and how high it is; empty words where none does.
#[must_use]
pub fn fitting(
    ui: &Ui,
    forms: impl IntoIterator<Item = String>,
    (width, height): (f32, f32),
    share: f32,
) -> (String, f32) {
    let most = (height * share).max(LINE);
    let high = |words: &String| sentence(ui, words, width).size().y;
    let sized = forms.into_iter().map(|it| (high(&it), it));
    let found = sized.into_iter().find(|(height, _)| *height <= most);
    found.map_or((String::new(), 0.0), |(height, it)| (it, height))
}
