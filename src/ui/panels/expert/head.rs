//! The head of the card: name, what can be done, how often it was picked, its rank in the layer.

use eframe::egui::{self, Align2, FontId, Rect, RichText, Sense, StrokeKind, Ui, pos2, vec2};

use crate::analysis::{PhaseFilter, RouterLoad};
use crate::spec::{Action, ExpertId, RouterSpec};
use crate::ui::theme::{BODY_SIZE, LABEL_SIZE};
use crate::ui::widgets::{button, expert_gestures, expert_menu, nothing_yet, state_here};
use crate::ui::words::{count_of, covers, part_of, percent, short, signed};
use crate::ui::{Command, Cx, Drawing, ExpertAt};

use super::{card::Card, expert_color};

/// Height of the strip of loads.
const STRIP: f32 = 38.0;
/// Below this height of the panel the strip gives way to the sections.
const ROOMY: f32 = 250.0;

/// Everything above the sections, in a panel of that height.
pub fn ui(cx: &mut Cx<'_>, ui: &mut Ui, card: &Card, height: f32) {
    ui.horizontal_wrapped(|ui| {
        name_ui(cx, ui, card);
        if cx.drawing == Drawing::Screen {
            buttons_ui(cx, ui, card);
        }
    });
    if let Some(state) = state_words(cx, card.at) {
        let words = RichText::new(state)
            .size(LABEL_SIZE)
            .color(cx.palette.amber);
        ui.add(egui::Label::new(words).wrap());
    }
    facts_ui(cx, ui, card, height);
}

fn name_ui(cx: &Cx<'_>, ui: &mut Ui, card: &Card) {
    let (rect, _) = ui.allocate_exact_size(vec2(13.0, 22.0), Sense::hover());
    let chip = Rect::from_center_size(rect.center(), vec2(13.0, 13.0));
    ui.painter()
        .rect_filled(chip, 3.0, expert_color(cx, card.at));
    let name = RichText::new(card.name())
        .size(BODY_SIZE)
        .strong()
        .color(cx.palette.selected);
    ui.label(name);
}

fn buttons_ui(cx: &mut Cx<'_>, ui: &mut Ui, card: &Card) {
    let (at, name) = (card.at, card.name());
    let palette = cx.palette;
    let (masked, forced) = state_here(cx, at);
    let press = |ui: &mut Ui, on: bool, names: [&str; 2], key: &str, hover: &str| {
        let word = names[usize::from(on)];
        let color = if on { palette.amber } else { palette.text };
        button(ui, word, key, color, hover)
            .accessible_name(format!("{word} {}", name.to_lowercase()))
            .clicked()
    };
    let hover = "Never picked, from the selected token on (M)";
    if press(ui, masked, ["Mask", "Unmask"], "M", hover) {
        cx.push(Command::ToggleMask(at));
    }
    let hover = "Always picked, from the selected token on (F)";
    if press(ui, forced, ["Force", "Release"], "F", hover) {
        cx.push(Command::ToggleForce(at));
    }
    let pinned = cx.pins.contains(&at);
    let hover =
        "A colour of its own in every panel, where there are too many experts to tell apart";
    // A pin is a way of looking, not an edit: never amber.
    let word = if pinned { "Unpin" } else { "Pin" };
    let pin = button(ui, word, "", palette.text, hover);
    if pin
        .accessible_name(format!("{word} {}", name.to_lowercase()))
        .clicked()
    {
        cx.push(Command::TogglePin(at));
    }
}

/// What the list does to the expert: `masked from “qui” (9) on`; none where it does nothing.
fn state_words(cx: &Cx<'_>, at: ExpertAt) -> Option<String> {
    let place = cx.spec()?.router(at.router)?.place;
    let states: Vec<String> = cx
        .experiment
        .edits
        .active()
        .filter(|it| it.action.expert() == Some(at.expert) && covers(it.at, &place))
        .map(|it| {
            let span = cx.span_words(cx.selection.row, (it.at, it.span));
            format!("{} {span}", action_words(&it.action))
        })
        .collect();
    (!states.is_empty()).then(|| states.join(" · "))
}

fn action_words(action: &Action) -> String {
    match action {
        Action::Mask { .. } => "masked".to_owned(),
        Action::Force { share: None, .. } => "forced".to_owned(),
        Action::Force {
            share: Some(share), ..
        } => format!("forced with {} of the weight", percent(share.0)),
        Action::Bias { value, .. } => format!("biased by {}", signed(value.0)),
        Action::Select { value, .. } => format!("favoured by {}", signed(value.0)),
        Action::Zero { .. } => "silenced".to_owned(),
        Action::Swap { with, .. } => format!("expert {with} runs in its place"),
        _ => "edited".to_owned(),
    }
}

fn facts_ui(cx: &mut Cx<'_>, ui: &mut Ui, card: &Card, height: f32) {
    let Some(router) = cx.spec().and_then(|it| it.router(card.at.router)) else {
        return;
    };
    let load = cx
        .row()
        .and_then(|it| it.load.router(card.at.router, PhaseFilter::All));
    let Some(load) = load.filter(|it| it.n_tokens > 0) else {
        nothing_yet(
            ui,
            "No token was read yet: Enter in the prompt box reads it.",
        );
        return;
    };
    let words = RichText::new(picked_words(cx, card, router, &load))
        .size(LABEL_SIZE)
        .color(cx.palette.text);
    let label = egui::Label::new(words).wrap().selectable(true);
    ui.add(label)
        .on_hover_text(cx.said(exact_words(card, &load)));
    if height >= ROOMY {
        strip_ui(cx, ui, card.at, router, &load);
    }
}

/// `Picked for 31 of 80 tokens: 38.8 %, even is 25 %.` with its rank and what it weighed.
fn picked_words(cx: &Cx<'_>, card: &Card, router: &RouterSpec, load: &RouterLoad) -> String {
    let (n, of) = (card.uses.n(), card.uses.n_tokens);
    let share = card.uses.share().unwrap_or(0.0);
    let even = percent(router.even_share());
    let dropped = match (card.uses.n_dropped, router.capacity()) {
        (0, _) | (_, None) => String::new(),
        (n, Some(cap)) => format!(
            " Dropped for {} more: it had taken the {cap} it may.",
            count_of(n, cx.noun())
        ),
    };
    if n == 0 {
        let why = if state_words(cx, card.at).is_some_and(|it| it.contains("masked")) {
            "masked by an edit, not unused"
        } else {
            "unused here, which says nothing of other texts"
        };
        return format!(
            "Picked for none of {}; even is {even}: {why}.{dropped}",
            count_of(of, cx.noun())
        );
    }
    let mass: f64 = weights(card).sum();
    format!(
        "Picked for {}: {}, even is {even}; {}. Mean weight {} when picked, gate mass {}.{dropped}",
        part_of(n, of, cx.noun()),
        percent(share as f32),
        rank_words(card.at.expert, load),
        short(mass / n as f64),
        short(mass),
    )
}

fn weights(card: &Card) -> impl Iterator<Item = f64> + '_ {
    card.uses.occurrences.iter().map(|it| f64::from(it.weight))
}

/// Every digit, on hover.
fn exact_words(card: &Card, load: &RouterLoad) -> String {
    let mass: f64 = weights(card).sum();
    let all: f64 = load.mass.iter().sum();
    let n = card.uses.n();
    let mean = if n > 0 { mass / n as f64 } else { 0.0 };
    format!(
        "share {:.6}, mean weight {mean:.6}, gate mass {mass:.6} of {all:.6} in the layer; special tokens are not counted",
        card.uses.share().unwrap_or(0.0),
    )
}

/// The place of an expert by load, 1 the most used, and how many share it.
pub fn rank(expert: ExpertId, load: &RouterLoad) -> (usize, usize) {
    let own = load.n.get(expert.idx()).copied().unwrap_or(0);
    let before = load.n.iter().filter(|n| **n > own).count();
    let same = load.n.iter().filter(|n| **n == own).count();
    (before + 1, same)
}

fn rank_words(expert: ExpertId, load: &RouterLoad) -> String {
    let (rank, same) = rank(expert, load);
    let tied = match same {
        0 | 1 => String::new(),
        2 => ", with one other".to_owned(),
        n => format!(", with {} others", n - 1),
    };
    format!("rank {rank} of {} in its layer{tied}", load.n.len())
}

/// The loads of the layer, the most used first; the dashed line is even.
fn strip_ui(cx: &mut Cx<'_>, ui: &mut Ui, at: ExpertAt, router: &RouterSpec, load: &RouterLoad) {
    let palette = cx.palette;
    let (rect, response) =
        ui.allocate_exact_size(vec2(ui.available_width(), STRIP), Sense::click());
    let mut order: Vec<usize> = (0..load.n.len()).collect();
    order.sort_by_key(|it| (std::cmp::Reverse(load.n[*it]), *it));
    let even = f64::from(router.even_share()) * load.n_tokens as f64;
    let most = order.first().map_or(0, |it| load.n[*it]) as f64;
    let full = most.max(even * 1.25).max(1.0);
    let pitch = rect.width() / order.len().max(1) as f32;
    let ids = pitch >= 22.0;
    let plot = rect.with_max_y(rect.bottom() - if ids { 13.0 } else { 0.0 });
    let y = |n: f64| plot.bottom() - plot.height() * (n / full) as f32;
    let gap = if pitch >= 6.0 { 2.0 } else { 0.0 };
    for (place, expert) in order.iter().enumerate() {
        let left = rect.left() + pitch * place as f32;
        let bar = Rect::from_min_max(
            pos2(left, y(load.n[*expert] as f64)),
            pos2(left + (pitch - gap).max(1.0), plot.bottom()),
        );
        let here = ExpertAt {
            expert: ExpertId::new(*expert),
            ..at
        };
        let own = here == at;
        let color = if own {
            expert_color(cx, at)
        } else {
            palette.quiet(palette.second, 0.45)
        };
        ui.painter().rect_filled(bar, 1.0, color);
        if own || cx.hover.expert == Some(here) {
            let frame = bar.with_min_y(plot.top()).expand2(vec2(1.0, 0.0));
            let color = if own {
                palette.selected
            } else {
                palette.second
            };
            ui.painter()
                .rect_stroke(frame, 2.0, (1.0, color), StrokeKind::Inside);
        }
        if ids {
            let below = pos2(bar.center().x, rect.bottom() - 5.5);
            let color = if own { palette.text } else { palette.second };
            let font = FontId::proportional(cx.palette.letters(10.0));
            ui.painter()
                .text(below, Align2::CENTER_CENTER, expert, font, color);
        }
    }
    let line = [pos2(rect.left(), y(even)), pos2(rect.right(), y(even))];
    let dashes = egui::Shape::dashed_line(&line, (1.0, palette.text), 3.0, 3.0);
    ui.painter().extend(dashes);
    let under = response
        .hover_pos()
        .or(response.interact_pointer_pos())
        .map(|it| ((it.x - rect.left()) / pitch).max(0.0) as usize)
        .and_then(|it| order.get(it).copied());
    strip_gestures(cx, &response, at, under, load);
}

fn strip_gestures(
    cx: &mut Cx<'_>,
    response: &egui::Response,
    at: ExpertAt,
    under: Option<usize>,
    load: &RouterLoad,
) {
    let (place, _) = rank(at.expert, load);
    let name = format!(
        "Load of the layer, most used first: expert {} is number {place} of {}",
        at.expert,
        load.n.len()
    );
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &name));
    if cx.drawing == Drawing::Paper {
        return;
    }
    let menu_at = under.map(|it| ExpertAt {
        expert: ExpertId::new(it),
        ..at
    });
    if let Some(here) = menu_at {
        expert_gestures(cx, response, here);
        let n = load.n[here.expert.idx()];
        let share = n as f64 / load.n_tokens as f64;
        response.clone().on_hover_text_at_pointer(format!(
            "expert {}: picked for {}, {:.2} %; the dashed line is even",
            here.expert,
            part_of(n, load.n_tokens, cx.noun()),
            share * 100.0
        ));
    }
    // The click that opens the menu selects, so the menu is the selected expert's.
    response.context_menu(|ui| expert_menu(cx, ui, at));
}
