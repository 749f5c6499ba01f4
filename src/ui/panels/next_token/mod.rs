//! The 20 likeliest next tokens, before and after the edits.

mod forecast;
mod line;

use eframe::egui::{self, FontId, Rect, RichText, Sense, Ui, UiBuilder, pos2, vec2};

use crate::analysis::{Alternative, SortBy};
use crate::document::{
    Detail, HeadForecast, ShownPrediction, Table, forecast_sentence, forecast_table,
    next_token_sentence, next_token_table, next_token_words,
};
use crate::spec::{StackId, TokenId};
use crate::trace::{ModelFacts, PositionKind};
use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::{
    AXIS, FittingWords, READING, axis, choices, dashed, menu_chip, nothing_yet, over, pitch,
    row_chip, top_of_scale,
};
use crate::ui::{Cx, Drawing, Panel};

use line::{Line, LineColumns};

/// Height of a line, points.
const LOWEST: f32 = 18.0;
const HIGHEST: f32 = 24.0;
/// Height of the legend, points.
const LEGEND: f32 = 18.0;
/// Where the handle of the list is, points.
const HANDLE: f32 = 7.0;
/// Lower lists have no axis, points.
const WITH_AXIS: f32 = 90.0;
/// Above the tokens that are pinned at the foot, points.
const PINNED: f32 = 5.0;
/// Lower panels have no legend, points.
const NO_LEGEND: f32 = 130.0;
/// Between the list and what stands under it.
const GAP: f32 = 4.0;
/// The sentence takes at most this part of the panel; a shorter form where it would take more.
const MOST_WORDS: f32 = 0.26;
/// Room left in the head to the panel's name and the row, points.
const NAME: f32 = 170.0;

/// View state of the panel.
#[derive(Clone, Debug, Default)]
pub struct NextToken {
    sort: SortBy,
}

/// The prediction after the token shown; none where it was not read.
fn prediction<'a>(cx: &Cx<'a>) -> Option<(&'a ModelFacts, ShownPrediction<'a>)> {
    let shown = ShownPrediction::new(&cx.records(), cx.position()?)?;
    Some((cx.session.facts.as_deref()?, shown))
}

/// A token as this panel writes it.
fn token_text(cx: &Cx<'_>, token: TokenId) -> String {
    let facts = cx.session.facts.as_ref();
    facts.map_or_else(String::new, |it| next_token_words(it, token))
}

fn sort_words(it: SortBy) -> String {
    match it {
        SortBy::Probability => "by probability".to_owned(),
        SortBy::Change => "by change".to_owned(),
    }
}

impl Panel for NextToken {
    fn title(&self) -> &'static str {
        "Next token"
    }

    fn help(&self) -> &'static str {
        "The 20 likeliest next tokens, of a series the forecast, before and after the edits"
    }

    fn head_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let Some((_, shown)) = prediction(cx) else {
            return;
        };
        let is_text = cx.session.position_kind() == PositionKind::Token;
        if shown.is_compared() && is_text {
            let (now, all) = (self.sort, [SortBy::Probability, SortBy::Change]);
            let hover = "What the tokens are sorted by";
            menu_chip(ui, "", &sort_words(now), hover, |ui| {
                if let Some(it) = choices(ui, all, now, sort_words) {
                    self.sort = it;
                }
            });
        }
        let words = format!("after {}", cx.quoted(shown.at));
        let font = FontId::proportional(LABEL_SIZE);
        let color = cx.palette.second;
        let galley = ui.painter().layout_no_wrap(words.clone(), font, color);
        if galley.size().x + NAME < ui.available_width() {
            ui.label(RichText::new(words).size(LABEL_SIZE).color(color));
        }
        row_chip(cx, ui);
    }

    fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let Some((facts, shown)) = prediction(cx) else {
            nothing_yet(ui, nothing(cx));
            return;
        };
        let heads = shown.forecasts(cx.session.tokens(), &facts.spec.head.horizons);
        if !heads.is_empty() {
            return forecast_ui(cx, ui, &shown, &heads);
        }
        if shown.is_empty() {
            let is_source = cx.parts().stack(shown.at) == StackId::Encoder;
            let why = if is_source {
                "A token of the source predicts nothing: the encoder reads it, the decoder writes"
            } else {
                "The likeliest tokens after this one were not recorded"
            };
            nothing_yet(ui, why);
            return;
        }
        let area = ui.available_rect_before_wrap();
        let legend = if area.height() < NO_LEGEND {
            0.0
        } else {
            LEGEND
        };
        let forms = [Detail::All, Detail::Most, Detail::Least];
        let hint = match cx.drawing {
            Drawing::Screen => "; click a token to continue with it",
            Drawing::Paper => "",
        };
        let forms = forms.map(|it| next_token_sentence(facts, &shown, it, hint));
        let words = FittingWords::new(ui, forms, area, MOST_WORDS);
        let (body, foot) = over(area, words.height + legend, GAP, LOWEST);
        self.list_ui(cx, ui, body, &shown);
        if legend > 0.0 {
            let rect = Rect::from_min_size(foot.min, vec2(area.width(), LEGEND));
            legend_ui(cx, ui, rect, &shown);
        }
        words.ui(ui, foot.with_min_y(foot.top() + legend));
    }

    fn table(&self, cx: &Cx<'_>) -> Option<Table> {
        let (facts, shown) = prediction(cx).filter(|it| !it.1.is_empty())?;
        let row = cx.session.row_name(cx.selection.row);
        let tokens = cx.session.tokens();
        let heads = shown.forecasts(tokens, &facts.spec.head.horizons);
        if !heads.is_empty() {
            return Some(forecast_table(&shown, &heads, tokens, row));
        }
        Some(next_token_table(
            facts,
            &shown,
            self.sort,
            (&cx.quoted(shown.at), row),
        ))
    }
}

/// The forecast with its sentence.
fn forecast_ui(cx: &Cx<'_>, ui: &mut Ui, shown: &ShownPrediction<'_>, heads: &[HeadForecast]) {
    let area = ui.available_rect_before_wrap();
    let words = forecast_sentence(shown, heads, cx.session.tokens());
    let words = FittingWords::new(ui, [words.clone(), words.clone(), words], area, MOST_WORDS);
    let (body, foot) = over(area, words.height, GAP, LOWEST);
    forecast::ui(cx, ui, body, shown, heads);
    words.ui(ui, foot);
}

impl NextToken {
    fn list_ui(&self, cx: &mut Cx<'_>, ui: &mut Ui, body: Rect, shown: &ShownPrediction<'_>) {
        let sort = if shown.is_compared() {
            self.sort
        } else {
            SortBy::Probability
        };
        let list = shown.list(sort);
        let pitch = pitch(body.height(), list.len(), LOWEST..=HIGHEST);
        let most = list.iter().map(Alternative::largest).fold(0.0, f32::max);
        let columns = LineColumns::of(cx, ui, &list, body.width() - HANDLE, top_of_scale(most));
        let line = |rect: Rect, n: usize, it: Alternative, is_pinned: bool| {
            let top = rect.top() + n as f32 * pitch;
            let size = vec2(rect.width(), pitch);
            let rect = Rect::from_min_size(pos2(rect.left(), top), size);
            Line {
                shown,
                it,
                rect,
                columns,
                is_pinned,
            }
        };
        let mut body = body.with_max_x(body.right() - HANDLE);
        if body.height() >= WITH_AXIS {
            body.max.y -= AXIS;
            axis(
                ui.painter(),
                columns.bars(body),
                body.bottom(),
                columns.top,
                cx.palette,
            );
        }
        // What was drawn stays in sight, however far down it stands, where that leaves the list a line.
        let (rest, pinned) = apart(&list, shown, (body.height() / pitch + 0.05) as usize);
        let room = body.height() - pinned.len() as f32 * pitch - PINNED;
        let (list, pinned) = if room >= pitch {
            (rest, pinned)
        } else {
            (list, Vec::new())
        };
        if !pinned.is_empty() {
            body.max.y -= pinned.len() as f32 * pitch + PINNED;
            let foot = body.with_min_y(body.bottom() + PINNED);
            let y = body.bottom() + PINNED / 2.0;
            dashed(
                ui.painter(),
                body.left()..=body.right(),
                y,
                cx.palette.third,
            );
            for (n, it) in pinned.iter().enumerate() {
                line(foot, n, *it, true).ui(cx, ui);
            }
        }
        if cx.drawing == Drawing::Paper {
            let fits = (body.height() / pitch + 0.05) as usize;
            for (n, it) in list.iter().take(fits).enumerate() {
                line(body, n, *it, false).ui(cx, ui);
            }
            return;
        }
        body.max.x += HANDLE;
        ui.scope_builder(UiBuilder::new().max_rect(body), |ui| {
            egui::ScrollArea::vertical()
                .auto_shrink([false, false])
                .min_scrolled_height(pitch)
                .show(ui, |ui| {
                    let size = vec2(ui.available_width() - HANDLE, pitch * list.len() as f32);
                    let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
                    for (n, it) in list.iter().enumerate() {
                        line(rect, n, *it, false).ui(cx, ui);
                    }
                });
        });
    }
}

/// The list without the tokens drawn that a list of `n_seen` lines would not show, and those.
fn apart(
    list: &[Alternative],
    shown: &ShownPrediction<'_>,
    n_seen: usize,
) -> (Vec<Alternative>, Vec<Alternative>) {
    let is_drawn = |it: &Alternative| {
        let next = [shown.baseline_next, shown.edited_next];
        next.contains(&Some(it.token))
    };
    let n_below = list.iter().skip(n_seen).filter(|it| is_drawn(it)).count();
    // Their own lines at the foot take some from the list.
    let n_seen = n_seen.saturating_sub(n_below + usize::from(n_below > 0));
    let mut place = 0;
    list.iter().copied().partition(|it| {
        place += 1;
        place <= n_seen || !is_drawn(it) || n_below == 0
    })
}

/// Which bar is which, and what bold means.
fn legend_ui(cx: &Cx<'_>, ui: &Ui, rect: Rect, shown: &ShownPrediction<'_>) {
    let (painter, palette) = (ui.painter(), cx.palette);
    let font = FontId::proportional(LABEL_SIZE);
    let y = rect.top() + 8.0;
    let mut left = rect.left();
    let mut name = |words: &str, color: Option<egui::Color32>| {
        if let Some(color) = color {
            let swatch = Rect::from_min_size(pos2(left, y - 3.0), vec2(12.0, 6.0));
            painter.rect_filled(swatch, 1.0, color);
            left += 17.0;
        }
        let galley = painter.layout_no_wrap(words.to_owned(), font.clone(), palette.second);
        // What has no room is left out, not cut.
        if left + galley.size().x <= rect.right() {
            let at = pos2(left, y - galley.size().y / 2.0);
            left += galley.size().x + 10.0;
            painter.galley(at, galley, palette.second);
        }
    };
    if shown.is_edited_alone() {
        name("edited", Some(palette.amber));
    } else {
        name("baseline", Some(palette.second));
    }
    if shown.is_compared() {
        name("edited", Some(palette.amber));
    }
    let words = match (shown.baseline_next, shown.edited_next, shown.is_given) {
        (None, None, _) => return,
        (_, _, true) => "bold: given next",
        (Some(baseline), Some(edited), _) if baseline == edited => "bold: drawn by both",
        (Some(_), Some(_), _) => "bold: the two drawn",
        _ => "bold: drawn",
    };
    name(words, None);
}

/// What will be here, and what fills it.
fn nothing(cx: &Cx<'_>) -> &'static str {
    if cx.session.facts.is_none() {
        "The likeliest next tokens will stand here once a model is open"
    } else if cx.reads_first() {
        READING
    } else if cx.position().is_none() {
        "Press Space: the prompt is read, and what could come next stands here"
    } else {
        "This token is being read…"
    }
}
