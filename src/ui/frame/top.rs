//! The top bar: name, menus, what is open, where it runs.

use eframe::egui::{
    self, Align, Align2, FontId, Id, Layout, Popup, PopupCloseBehavior, Rect, Response, RichText,
    SetOpenCommand, Ui, UiKind, UiStackInfo,
    containers::menu::{MenuConfig, menu_style},
    pos2, vec2,
};

use crate::trace::PositionKind;
use crate::ui::theme::{BODY_SIZE, CHIP_CORNER, LABEL_SIZE};
use crate::ui::words::{count_of, facts_words, grouped};
use crate::ui::{Command, Cx, ENTRIES, Entry, Menu, PANELS, key_words};

use super::offers::offer;
use super::path_sheet::recent_button;

/// Width of the list of models opened last, points.
const RECENTS: f32 = 340.0;

/// Draws the bar.
pub fn top_bar(cx: &mut Cx<'_>, ui: &mut Ui) {
    let bar = ui.max_rect();
    let mut left = bar.left();
    ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
        ui.add_space(4.0);
        ui.label(
            RichText::new("moescope")
                .size(BODY_SIZE)
                .color(cx.palette.selected),
        );
        ui.add_space(6.0);
        egui::MenuBar::new().ui(ui, |ui| {
            for menu in Menu::ALL {
                left = menu_ui(cx, ui, menu);
            }
        });
    });
    let device = device_ui(cx, ui, bar);
    facts_ui(cx, ui, bar, left, device);
}

/// A menu of the list; gives its right edge.
fn menu_ui(cx: &mut Cx<'_>, ui: &mut Ui, menu: Menu) -> f32 {
    let title = RichText::new(menu.title()).color(cx.palette.second);
    bar_menu(ui, title, |ui| {
        ui.set_min_width(220.0);
        let mut before = None;
        for entry in ENTRIES.iter().filter(|it| it.menu == menu) {
            let offered = offer(cx, entry);
            if before.is_some_and(|it| it != entry.group) {
                ui.separator();
            }
            before = Some(entry.group);
            if let Some(Command::ForgetRecents) = (entry.command)(&cx.selection) {
                recents_ui(cx, ui);
            }
            let is_on = is_on(cx, ui, entry);
            let mut button = egui::Button::selectable(is_on, cx.said(entry.name));
            if let Some(key) = entry.key {
                button = button.shortcut_text(key_words(&key, ui.ctx()));
            }
            let response = ui
                .add_enabled(offered.is_ok(), button)
                .on_hover_text(cx.said(entry.help))
                .on_disabled_hover_text(offered.as_ref().err().copied().unwrap_or_default());
            if response.clicked()
                && let Ok(command) = offered
            {
                cx.push(command);
            }
        }
        if menu == Menu::View {
            ui.separator();
            for (name, make) in PANELS {
                if ui.button(cx.title(make().title())).clicked() {
                    cx.push(Command::ShowPanel(name));
                }
            }
        }
    })
    .rect
    .right()
}

/// Whether an entry is what holds now: the theme, the device.
fn is_on(cx: &Cx<'_>, ui: &Ui, entry: &Entry) -> bool {
    match (entry.command)(&cx.selection) {
        Some(Command::SetTheme(it)) => ui.ctx().options(|now| now.theme_preference) == it,
        Some(Command::SetDevice(it)) => cx.settings.device == it,
        _ => false,
    }
}

/// Which menu of the bar is open, and whether the pointer alone has opened it.
#[derive(Clone, Copy, Debug)]
struct OpenMenu {
    popup: Id,
    by_pointer: bool,
}

/// A menu of the bar. While another is open the pointer opens it, and a click then leaves it open: of egui's own menus
/// such a click closes the one that the pointer has just opened.
fn bar_menu(ui: &mut Ui, title: RichText, content: impl FnOnce(&mut Ui)) -> Response {
    let response = ui.button(title);
    let popup = Popup::default_response_id(&response);
    let bar = Id::unique("the menu that is open");
    let is_open = |it: Id| Popup::is_id_open(ui.ctx(), it);
    let before = ui
        .data(|it| it.get_temp::<OpenMenu>(bar))
        .filter(|it| is_open(it.popup));
    let was_opened_by_pointer = before.is_some_and(|it| it.popup == popup && it.by_pointer);
    let other_is_open = before.is_some_and(|it| it.popup != popup);
    let set = if response.clicked() {
        Some(!is_open(popup) || was_opened_by_pointer)
    } else {
        (response.hovered() && other_is_open).then_some(true)
    };
    if set == Some(true) {
        let now = OpenMenu {
            popup,
            by_pointer: !response.clicked(),
        };
        ui.data_mut(|it| it.insert_temp(bar, now));
    }
    let config = MenuConfig::new();
    let stays = response.clicked() && set == Some(true);
    let close = if stays {
        PopupCloseBehavior::IgnoreClicks
    } else {
        config.close_behavior
    };
    Popup::menu(&response)
        .close_behavior(close)
        .open_memory(set.map(SetOpenCommand::Bool))
        .style(menu_style)
        .info(UiStackInfo::new(UiKind::Menu).with_tag_value(MenuConfig::MENU_CONFIG_TAG, config))
        .show(content);
    response
}

/// The models opened last, newest first.
fn recents_ui(cx: &mut Cx<'_>, ui: &mut Ui) {
    ui.add_enabled_ui(!cx.recents.is_empty(), |ui| {
        ui.menu_button("Recent models", |ui| {
            ui.set_width(RECENTS);
            for path in cx.recents {
                if recent_button(ui, path) {
                    cx.push(Command::OpenPath(path.clone()));
                }
            }
        });
    });
}

/// Where it runs, at the right; gives its left edge.
fn device_ui(cx: &Cx<'_>, ui: &Ui, bar: Rect) -> f32 {
    let Some(facts) = &cx.session.facts else {
        return bar.right();
    };
    let rect = ui.painter().text(
        pos2(bar.right() - 6.0, bar.center().y),
        Align2::RIGHT_CENTER,
        &facts.device.label,
        FontId::proportional(LABEL_SIZE),
        cx.palette.second,
    );
    rect.left()
}

/// The model in the middle, as much of it as fits.
fn facts_ui(cx: &Cx<'_>, ui: &mut Ui, bar: Rect, left: f32, right: f32) {
    let Some(facts) = &cx.session.facts else {
        return;
    };
    let mut job = egui::text::LayoutJob::default();
    let mut add = |text: &str, color| {
        let format = egui::TextFormat {
            font_id: FontId::proportional(LABEL_SIZE),
            color,
            ..egui::TextFormat::default()
        };
        job.append(text, 0.0, format);
    };
    let notes = count_of(facts.notes.len(), "note");
    let has_notes = !facts.notes.is_empty();
    add(&facts.name, cx.palette.selected);
    add("  ", cx.palette.second);
    if has_notes {
        add(&notes, cx.palette.text);
        add(" · ", cx.palette.second);
    }
    add(&facts_words(facts), cx.palette.second);
    let room = right - left - 48.0;
    job.wrap = egui::text::TextWrapping::truncate_at_width(room.max(40.0));
    let galley = ui.painter().layout_job(job);
    let size = galley.size() + vec2(18.0, 6.0);
    let half = size.x / 2.0;
    let x = bar.center().x.clamp(
        left + 16.0 + half,
        (right - 16.0 - half).max(left + 16.0 + half),
    );
    let chip = Rect::from_center_size(pos2(x, bar.center().y), size);
    let fill = if cx.palette.dark {
        cx.palette.panel
    } else {
        cx.palette.raised
    };
    ui.painter().rect_filled(chip, f32::from(CHIP_CORNER), fill);
    ui.painter()
        .galley(chip.min + vec2(9.0, 3.0), galley, cx.palette.second);
    let response = ui.interact(chip, ui.scope_id().with("facts"), egui::Sense::hover());
    response.widget_info(|| {
        let mut label = format!("Model {}", facts.name);
        if has_notes {
            label = format!("{label}, {notes}");
        }
        egui::WidgetInfo::labeled(egui::Role::Label, true, label)
    });
    response.on_hover_ui(|ui| {
        ui.strong(&facts.name);
        ui.label(facts_words(facts));
        let reads = match facts.position_kind() {
            PositionKind::Token => format!("vocabulary {}", grouped(facts.spec.n_vocab as u64)),
            PositionKind::Point => "points of a series".to_owned(),
        };
        ui.label(format!(
            "{} of weights · {} · {reads}",
            crate::ui::words::bytes(facts.weight_bytes),
            count_of(facts.n_ctx, "position"),
        ));
        if let Some(router) = facts.spec.routers.first() {
            ui.label(format!("routing: {}", router.rule()));
        }
        for it in &facts.notes {
            ui.weak(it);
        }
    });
}
