//! The engine bar: writing, its pace and sampling, how full the context is, what goes on.

use eframe::egui::{self, Align, Button, DragValue, Layout, Rect, RichText, Ui, Vec2, vec2};
use egui_material_icons::MaterialIcon;
use egui_material_icons::icons::{
    ICON_ARROW_LEFT, ICON_PAUSE, ICON_PLAY_ARROW, ICON_REFRESH, ICON_SKIP_NEXT, ICON_SKIP_PREVIOUS,
};

use crate::spec::{Amount, Sampling};
use crate::trace::PositionKind;
use crate::ui::theme::LABEL_SIZE;
use crate::ui::words::{bytes, count_of, part_of, short};
use crate::ui::{Command, Cx, RowChoice, key_hint};

/// Above this the pace is as fast as it goes.
const FASTEST: f32 = 200.0;

/// With no more tokens than this left, the end of the context is announced.
const NEARLY_FULL: usize = 32;

/// With less room than this the bar leaves out where writing stops, points.
const ROOM_FOR_STOP: f32 = 470.0;
/// What the speed, and the bar of the context, need beside words, points.
const ROOM_FOR_SPEED: f32 = 420.0;
const ROOM_FOR_BAR: f32 = 250.0;
/// How much longer the words are once the end is near, points.
const LONGER_WORDS: f32 = 130.0;
/// What the words on the end of the context need in full, points.
const ROOM_FOR_REASON: f32 = 230.0;
/// What the bar of the weights that are read, and its words, need, points.
const ROOM_FOR_PAGES: f32 = 260.0;
/// What Pause, the bar and the words of a text that is read need beside it, points.
const ROOM_FOR_READING: f32 = 340.0;
/// With less room than this it is not said how long they take, points.
const ROOM_FOR_TIME: f32 = 560.0;
/// With less room than this beside their bar, layers are not counted, points.
const ROOM_FOR_LAYERS: f32 = 250.0;
/// Fewer points hold no words.
const LEAST_ROOM: f32 = 60.0;

/// Draws the bar.
pub fn bottom_bar(cx: &mut Cx<'_>, ui: &mut Ui) {
    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
        ui.spacing_mut().item_spacing.x = 8.0;
        transport_ui(cx, ui);
        ui.add_space(14.0);
        settings_ui(cx, ui);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.spacing_mut().item_spacing.x = 10.0;
            if cx.session.loading.is_some() {
                loading_ui(cx, ui);
            } else {
                pages_ui(cx, ui);
                if cx.session.backlog.is_some() {
                    backlog_ui(cx, ui);
                } else {
                    context_ui(cx, ui);
                }
            }
        });
    });
}

/// A button with one icon on it, points.
const ICON_BUTTON: Vec2 = vec2(32.0, 24.0);

pub(super) fn transport_ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    let ready = cx.session.facts.is_some();
    ui.add_enabled_ui(ready, |ui| {
        if icon_button(ui, ICON_SKIP_PREVIOUS, "To the prompt's end") {
            cx.push(Command::ToPromptEnd);
        }
        if icon_button(ui, ICON_ARROW_LEFT, &cx.said("Back one token")) {
            cx.push(Command::Back);
        }
        let (icon, name) = if cx.session.playing {
            (ICON_PAUSE, "Pause")
        } else {
            (ICON_PLAY_ARROW, "Play")
        };
        let text = RichText::from(icon).size(18.0).color(cx.palette.on_accent);
        let play = Button::new(text)
            .fill(cx.palette.accent)
            .min_size(vec2(30.0, 26.0));
        let hint = format!("{name}{}", key_hint("Play or pause", ui.ctx()));
        if ui
            .add(play)
            .on_hover_text(hint)
            .accessible_name(name)
            .clicked()
        {
            cx.push(Command::PlayPause);
        }
        if icon_button(ui, ICON_SKIP_NEXT, "Step") {
            cx.push(Command::Step);
        }
    });
}

fn icon_button(ui: &mut Ui, icon: MaterialIcon, name: &str) -> bool {
    // This one is a small triangle in its square.
    let is_small = icon.codepoint == ICON_ARROW_LEFT.codepoint;
    let size = if is_small { 20.0 } else { 16.0 };
    let hint = format!("{name}{}", key_hint(name, ui.ctx()));
    ui.scope(|ui| {
        // So that all are of one size.
        ui.spacing_mut().button_padding = vec2((ICON_BUTTON.x - size) / 2.0, 0.0);
        ui.add(Button::new(RichText::from(icon).size(size)).min_size(ICON_BUTTON))
            .on_hover_text(hint)
            .accessible_name(name)
            .clicked()
    })
    .inner
}

fn settings_ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    let wide = ui.available_width() > 640.0;
    let label = |ui: &mut Ui, words: &str| {
        if wide {
            ui.label(
                RichText::new(words)
                    .size(LABEL_SIZE)
                    .color(cx.palette.second),
            );
        }
    };
    let room = ui.available_width();
    label(ui, "pace");
    pace_ui(cx, ui);
    // What is left out of a narrow bar stands in the settings.
    if room > ROOM_FOR_STOP {
        label(ui, "stop after");
        stop_after_ui(cx, ui);
    }
    // A forecast draws nothing by chance.
    if cx.session.position_kind() == PositionKind::Token {
        label(ui, "temperature");
        sampling_ui(cx, ui);
    }
}

pub(super) fn stop_after_ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    let mut stop_after = cx.settings.stop_after;
    let drag = DragValue::new(&mut stop_after)
        .range(1..=100_000)
        .speed(1.0);
    if ui
        .add(drag)
        .on_hover_text(cx.said("Tokens written before it stops by itself"))
        .accessible_name("stop after")
        .changed()
    {
        cx.push(Command::SetStopAfter(stop_after));
    }
}

pub(super) fn pace_ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    let unit = cx.session.position_kind().named("tokens/s");
    let mut pace = f64::from(cx.settings.pace.unwrap_or(FASTEST));
    let drag = DragValue::new(&mut pace)
        .range(0.5..=f64::from(FASTEST))
        .speed(0.5)
        .custom_formatter(|it, _| {
            if it >= f64::from(FASTEST) {
                "max".to_owned()
            } else {
                format!("{} {unit}", short(it))
            }
        })
        .custom_parser(|text| {
            let text = text.trim().trim_end_matches(unit).trim();
            if text == "max" {
                return Some(f64::from(FASTEST));
            }
            text.parse().ok()
        });
    let response = ui
        .add(drag)
        .on_hover_text(cx.said("Tokens a second: drag, or type a number or max"))
        .accessible_name("pace");
    if response.changed() {
        let pace = pace as f32;
        cx.push(Command::SetPace((pace < FASTEST).then_some(pace)));
    }
}

fn sampling_ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    let now = cx.experiment.sampling;
    let mut temperature = now.temperature.0;
    let drag = DragValue::new(&mut temperature)
        .range(0.0..=5.0)
        .speed(0.02)
        .max_decimals(2)
        .update_while_editing(false);
    let response = ui
        .add(drag)
        .on_hover_text("0 takes the likeliest token; higher is freer")
        .accessible_name("temperature");
    let temperature = Amount((temperature * 100.0).round() / 100.0);
    commit(cx, &response, Sampling { temperature, ..now });
    if ui.available_width() > 400.0 {
        ui.label(
            RichText::new("seed")
                .size(LABEL_SIZE)
                .color(cx.palette.second),
        );
    }
    let mut seed = now.seed;
    let response = ui
        .add(
            DragValue::new(&mut seed)
                .speed(0.2)
                .update_while_editing(false),
        )
        .on_hover_text("Of the noise that draws tokens; both rows share it")
        .accessible_name("seed");
    commit(cx, &response, Sampling { seed, ..now });
    if icon_button(ui, ICON_REFRESH, "Regenerate") {
        cx.push(Command::Regenerate);
    }
}

/// A value that is dragged counts when it is released, one that is typed when it is entered.
fn commit(cx: &mut Cx<'_>, response: &egui::Response, sampling: Sampling) {
    let released = response.drag_stopped();
    if response.changed() || released {
        cx.push(Command::SetSampling {
            sampling,
            commit: released || !response.dragged(),
        });
    }
}

fn quiet(cx: &Cx<'_>, words: impl Into<String>) -> egui::Label {
    let text = RichText::new(words)
        .size(LABEL_SIZE)
        .color(cx.palette.second);
    egui::Label::new(text)
}

fn speed_ui(cx: &Cx<'_>, ui: &mut Ui) {
    // One number: what is written while it is, else what could be.
    let now = cx.session.measured.filter(|_| cx.session.playing);
    let (words, meaning) = match (now, cx.session.could_do) {
        (Some(now), _) => (
            format!("{now:.1} tokens/s"),
            "Written lately, at the pace set; a mean",
        ),
        (None, Some(could)) => (
            format!("up to {} tokens/s", short(f64::from(could.round()))),
            "As fast as it goes; a mean",
        ),
        (None, None) => return,
    };
    ui.add(quiet(cx, cx.said(words))).on_hover_text(meaning);
}

/// How fast, and how full the context is: what fits, the end of the context before all else.
fn context_ui(cx: &Cx<'_>, ui: &mut Ui) {
    let n_ctx = cx.session.n_ctx();
    if n_ctx == 0 || ui.available_width() < LEAST_ROOM {
        return;
    }
    let len = |row| cx.session.row(row).map_or(0, |it| it.record.tokens.len());
    let n = len(RowChoice::Baseline).max(len(RowChoice::Edited));
    let left = n_ctx.saturating_sub(n);
    if left > NEARLY_FULL && ui.available_width() > ROOM_FOR_SPEED {
        speed_ui(cx, ui);
    }
    let longer = if left > NEARLY_FULL {
        0.0
    } else {
        LONGER_WORDS
    };
    if ui.available_width() > ROOM_FOR_BAR + longer {
        bar_ui(cx, ui, n as f32 / n_ctx as f32, 120.0);
    }
    let words = match left {
        0 => RichText::new("the context is full").color(cx.palette.selected),
        1..=NEARLY_FULL => {
            let mut words = format!("{} left", count_of(left, cx.noun()));
            if ui.available_width() > ROOM_FOR_REASON {
                words.push_str(", then the context is full");
            }
            RichText::new(words).color(cx.palette.selected)
        }
        _ => RichText::new(part_of(n, n_ctx, cx.noun())).color(cx.palette.second),
    };
    let hint = format!("{} of the context are used", part_of(n, n_ctx, cx.noun()));
    ui.add(egui::Label::new(words.size(LABEL_SIZE)).truncate())
        .on_hover_text(hint);
}

/// A thin bar that fills from the left.
pub(super) fn bar_ui(cx: &Cx<'_>, ui: &mut Ui, share: f32, width: f32) {
    let (rect, _) = ui.allocate_exact_size(vec2(width, 4.0), egui::Sense::hover());
    ui.painter().rect_filled(rect, 2.0, cx.palette.hovered);
    let done = Rect::from_min_size(rect.min, vec2(width * share.clamp(0.0, 1.0), 4.0));
    ui.painter().rect_filled(done, 2.0, cx.palette.accent);
}

fn loading_ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    let Some(loading) = cx.session.loading.clone() else {
        return;
    };
    if ui
        .button("Cancel")
        .on_hover_text("Keep the open model")
        .clicked()
    {
        cx.push(Command::CancelLoad);
    }
    let share = loading.done_bytes as f32 / loading.total_bytes.max(1) as f32;
    bar_ui(cx, ui, share, 140.0);
    let mut words = format!("opening {}", loading.name);
    if loading.total_bytes > 0 {
        words = format!(
            "{words}: {} of {}",
            bytes(loading.done_bytes),
            bytes(loading.total_bytes)
        );
    }
    ui.add(quiet(cx, words).truncate());
}

/// `8 s`, `about 40 s`, `about 3 minutes`: no more digits than an estimate has.
fn rough_time(secs: f64) -> String {
    match secs.ceil() as u64 {
        secs @ 0..10 => format!("{} s", secs.max(1)),
        secs @ 10..95 => format!("about {} s", secs.div_ceil(5) * 5),
        secs => format!("about {}", count_of(secs.div_ceil(60), "minute")),
    }
}

/// How much of the weights is in memory while they are read ahead of their use.
fn pages_ui(cx: &Cx<'_>, ui: &mut Ui) {
    let Some(pages) = cx.session.pages_read else {
        return;
    };
    let others = match cx.session.backlog {
        Some(_) => ROOM_FOR_READING,
        None => 0.0,
    };
    if ui.available_width() < ROOM_FOR_PAGES + others {
        return;
    }
    let mut words = format!(
        "{} of {} in memory",
        bytes(pages.done_bytes),
        bytes(pages.total_bytes)
    );
    // While a text is read, that is what is waited for.
    let is_waited_for = cx.session.backlog.is_none() && ui.available_width() > ROOM_FOR_TIME;
    let secs_left = pages.secs_left.filter(|_| is_waited_for);
    if let Some(secs) = secs_left {
        words = format!("{words}, {} left", rough_time(secs));
    }
    ui.add(quiet(cx, words)).on_hover_text(
        "Weights are read from disk while the model runs already; tokens come faster once all are in memory",
    );
    let share = pages.done_bytes as f32 / pages.total_bytes.max(1) as f32;
    bar_ui(cx, ui, share, 60.0);
}

fn backlog_ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    let Some(backlog) = cx.session.backlog else {
        return;
    };
    if ui.button("Pause").on_hover_text("Stop (K)").clicked() {
        cx.push(Command::Pause);
    }
    let done = backlog.n_total.saturating_sub(backlog.n_left);
    let words = format!("reading: {}", part_of(done, backlog.n_total, cx.noun()));
    bar_ui(cx, ui, backlog.share(), 120.0);
    let slice = backlog
        .slice
        .filter(|_| ui.available_width() > ROOM_FOR_LAYERS);
    let words = match slice {
        None => words,
        Some(it) => format!("{words}, {}", part_of(it.n_done, it.n_layers, "layer")),
    };
    ui.add(quiet(cx, words))
        .on_hover_text("Weights that are not in memory yet are read from disk, layer by layer");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_has_few_digits() {
        let check = |secs, want: &str| assert_eq!(rough_time(secs), want);
        check(0.0, "1 s");
        check(8.2, "9 s");
        check(10.0, "about 10 s");
        check(42.0, "about 45 s");
        check(94.0, "about 95 s");
        check(96.0, "about 2 minutes");
        check(3600.0, "about 60 minutes");
    }
}
