//! Under the selected router: the evidence in words, the other numbers, and its load text by text.

use eframe::egui::{self, Align2, FontId, Margin, Rect, RichText, Ui, pos2, vec2};

use crate::analysis::{Report, RouterReport, Thresholds, advice_on_load};
use crate::ui::Cx;
use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::note;
use crate::ui::words::{count_of, percent, short};

use super::cells::{self, Places};
use super::findings::advice_ui;
use super::source::ReportStatus;

const LINE: f32 = 16.0;

/// Draws it.
pub fn ui(
    cx: &mut Cx<'_>,
    ui: &mut Ui,
    it: &RouterReport,
    (report, status): (&Report, ReportStatus),
    places: &Places,
    by_text: bool,
) {
    let margin = Margin {
        left: 6,
        right: 6,
        top: 3,
        bottom: 5,
    };
    egui::Frame::new().inner_margin(margin).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 2.0;
        if by_text && report.texts.len() > 1 {
            texts_ui(cx, ui, it, (report, status), places);
        }
        let words = match status {
            ReportStatus::Provisional => format!("Provisional. {}", it.evidence),
            ReportStatus::Final => it.evidence.clone(),
        };
        let text = RichText::new(cx.said(words))
            .size(LABEL_SIZE)
            .color(cx.palette.text);
        ui.add(egui::Label::new(text).wrap());
        let advice = cx.spec().and_then(|spec| advice_on_load(it, spec));
        if let Some(advice) = advice.filter(|_| status == ReportStatus::Final) {
            advice_ui(cx, ui, &advice);
        }
        note(ui, numbers_words(it, &report.thresholds));
    });
}

fn numbers_words(it: &RouterReport, thresholds: &Thresholds) -> String {
    let limits = thresholds.words(it.n_experts, it.top_k);
    let Some(numbers) = &it.numbers else {
        return limits;
    };
    format!(
        "{} effective experts of {}, CV {}, MaxVio {}, entropy {}. {limits}",
        short(numbers.effective),
        it.n_experts,
        short(numbers.cv),
        short(numbers.max_vio),
        percent(numbers.entropy as f32),
    )
}

/// A strip a text, under the router's own.
fn texts_ui(
    cx: &Cx<'_>,
    ui: &mut Ui,
    it: &RouterReport,
    (report, status): (&Report, ReportStatus),
    places: &Places,
) {
    for (text, n) in report.texts.iter().zip(&it.by_text) {
        let (_, rect) = ui.allocate_space(vec2(ui.available_width(), LINE));
        if !ui.is_rect_visible(rect) {
            continue;
        }
        let (left, right) = places.strip;
        let label = Rect::from_x_y_ranges(places.label..=left - 4.0, rect.y_range());
        cells::label_ui(cx.palette, ui.painter(), label, &text.name);
        let strip = Rect::from_x_y_ranges(left..=right, rect.top() + 2.0..=rect.bottom() - 2.0);
        cells::paint(cx.palette, ui.painter(), strip, it, n, status);
        ui.painter().text(
            pos2(right + 10.0, rect.center().y),
            Align2::LEFT_CENTER,
            count_of(text.n_tokens, cx.noun()),
            FontId::proportional(LABEL_SIZE - 1.0),
            cx.palette.second,
        );
    }
}
