//! The command palette: everything that can be done, found by its name.
//!
//! It is made from the lists that menus are made from (commands, panels, presets, the models opened last), so
//! that whatever is added to one of them is found here too. The keyboard stays in the field; arrows move
//! through the lines.

use eframe::egui::{
    self, Align2, FontId, Key, Modifiers, Response, ScrollArea, Sense, TextEdit, Ui,
    text::LayoutJob, vec2,
};

use crate::trace::PositionKind;
use crate::ui::theme::{BODY_SIZE, CHIP_CORNER, LABEL_SIZE};
use crate::ui::widgets::note;
use crate::ui::{Command, Cx, ENTRIES, PANELS, key_words, presets};

use super::fuzzy::{Hit, find};
use super::offers::offer;
use super::path_sheet::folder_name;
use super::sheet::sheet_ui;

const WIDTH: f32 = 560.0;
const LINE: f32 = 26.0;
/// Most lines before the list scrolls.
const N_LINES: f32 = 13.0;
/// A hit in what a line does counts less than one in its name.
const IN_HELP: i32 = 100;

/// What is typed, and the line that Enter runs.
#[derive(Clone, Debug, Default)]
pub struct Finder {
    typed: String,
    /// Among the lines found.
    at: usize,
    focused: bool,
    /// Whether the line was moved to by a key and must be brought into sight.
    moved: bool,
}

/// One thing that can be done.
struct Line {
    name: String,
    /// What it does; searched where the name does not have it.
    help: String,
    /// Where it comes from.
    kind: &'static str,
    key: Option<String>,
    /// What it asks for, or why it cannot.
    command: Result<Command, &'static str>,
}

/// The sheet. False once it is to be closed.
pub(super) fn palette_ui(cx: &mut Cx<'_>, ui: &mut Ui, finder: &mut Finder) -> bool {
    let place = ("palette", Align2::CENTER_TOP, vec2(0.0, 60.0));
    sheet_ui(cx, ui, place, WIDTH, |cx, ui| {
        let lines = lines(cx, ui.ctx());
        let field = field_ui(cx, ui, finder);
        let found = found(&finder.typed, &lines);
        let enter = keys(ui, finder, found.len());
        ui.add_space(4.0);
        if found.is_empty() {
            note(ui, "Nothing has these letters in this order");
        }
        let clicked = lines_ui(cx, ui, finder, (&field, &lines, &found));
        let run = clicked.or_else(|| enter.then_some(finder.at));
        let line = run.and_then(|it| found.get(it)).map(|it| &lines[it.0]);
        if let Some(Ok(command)) = line.map(|it| &it.command) {
            // First away, then on: what it does may open another sheet.
            cx.push(Command::CloseDialog);
            cx.push(command.clone());
        }
    })
}

/// Everything that can be done, in the order of the menus.
fn lines(cx: &Cx<'_>, ctx: &egui::Context) -> Vec<Line> {
    let entries = ENTRIES.iter().map(|it| Line {
        name: cx.said(it.name).into_owned(),
        help: cx.said(it.help).into_owned(),
        kind: it.menu.title(),
        key: it.key.map(|key| key_words(&key, ctx)),
        command: offer(cx, it),
    });
    let mut out: Vec<Line> = entries.collect();
    let more = |name, help: &str, kind, command| Line {
        name,
        help: cx.said(help).into_owned(),
        kind,
        key: None,
        command,
    };
    for (name, make) in PANELS {
        let panel = make();
        let title = cx.title(panel.title());
        let (show, alone) = (Command::ShowPanel(name), Command::ToggleAlone(name));
        out.push(more(
            format!("Show {title}"),
            panel.help(),
            "Panel",
            Ok(show),
        ));
        let words = format!("Show {title} alone");
        out.push(more(words, panel.help(), "Panel", Ok(alone)));
    }
    let needs_model = |it| {
        if cx.session.facts.is_some() {
            Ok(it)
        } else {
            Err("open a model first")
        }
    };
    let kind = cx.session.position_kind();
    for (n, preset) in presets(kind).iter().enumerate() {
        let words = format!("Write {}", preset.name);
        let command = needs_model(Command::Preset(n));
        let about = match kind {
            PositionKind::Token => preset.prompt,
            PositionKind::Point => "A series made by a formula",
        };
        out.push(more(words, about, "Prompt", command));
    }
    for path in cx.recents {
        let words = format!("Open {}", folder_name(&path.to_string_lossy()).0);
        let command = Ok(Command::OpenPath(path.clone()));
        out.push(more(words, &path.to_string_lossy(), "Recent", command));
    }
    out
}

/// The lines that have the letters typed, the best first; all of them while nothing is typed.
fn found(typed: &str, lines: &[Line]) -> Vec<(usize, Hit)> {
    let hit = |line: &Line| {
        find(typed, &line.name).or_else(|| {
            // In a help text letters are found anywhere: only words count.
            let words = typed.trim().to_lowercase();
            let is_there = words.len() > 2 && line.help.to_lowercase().contains(&words);
            is_there.then_some(Hit {
                score: -IN_HELP,
                is_whole: false,
                letters: Vec::new(),
            })
        })
    };
    let mut out: Vec<(usize, Hit)> = lines
        .iter()
        .enumerate()
        .filter_map(|(n, line)| Some((n, hit(line)?)))
        .collect();
    // Letters scattered over a name were not meant where another has them together.
    let best = out.iter().map(|it| it.1.score).max().unwrap_or_default();
    out.retain(|it| it.1.score < 0 || it.1.score >= best / 2);
    out.sort_by_key(|it| std::cmp::Reverse((it.1.is_whole, it.1.score)));
    out
}

fn field_ui(cx: &Cx<'_>, ui: &mut Ui, finder: &mut Finder) -> Response {
    let edit = TextEdit::singleline(&mut finder.typed)
        .id(ui.make_persistent_id("finder"))
        .hint_text("Type what you want to do")
        .background_color(cx.palette.panel)
        .margin(vec2(9.0, 6.0))
        .desired_width(f32::INFINITY);
    let response = ui.add(edit).accessible_name("Command");
    if !std::mem::replace(&mut finder.focused, true) {
        response.request_focus();
    }
    if response.changed() {
        finder.at = 0;
        finder.moved = true;
    }
    response
}

/// Moves through the lines; true where the one at hand is to be run.
fn keys(ui: &Ui, finder: &mut Finder, n: usize) -> bool {
    let pressed = |key| ui.input_mut(|it| it.consume_key(Modifiers::NONE, key));
    let last = n.saturating_sub(1);
    let page = N_LINES as usize - 1;
    let before = finder.at;
    if pressed(Key::ArrowDown) {
        finder.at = if finder.at >= last { 0 } else { finder.at + 1 };
    }
    if pressed(Key::ArrowUp) {
        finder.at = finder.at.checked_sub(1).unwrap_or(last);
    }
    if pressed(Key::PageDown) {
        finder.at += page;
    }
    if pressed(Key::PageUp) {
        finder.at = finder.at.saturating_sub(page);
    }
    finder.at = finder.at.min(last);
    finder.moved |= finder.at != before;
    pressed(Key::Enter)
}

/// The list; the line clicked.
fn lines_ui(
    cx: &Cx<'_>,
    ui: &mut Ui,
    finder: &mut Finder,
    (field, lines, found): (&Response, &[Line], &[(usize, Hit)]),
) -> Option<usize> {
    let mut clicked = None;
    let room = ui.ctx().content_rect().height() - 170.0;
    ui.spacing_mut().item_spacing.y = 0.0;
    ScrollArea::vertical()
        .max_height((N_LINES * LINE).min(room))
        .auto_shrink([false, true])
        .show(ui, |ui| {
            for (row, (n, hit)) in found.iter().enumerate() {
                let is_at = row == finder.at;
                let response = line_ui(cx, ui, &lines[*n], hit, is_at);
                if is_at {
                    // Readers of the screen follow the line, though the keyboard stays in the field.
                    let line = response.id.accesskit_id();
                    ui.ctx()
                        .accesskit_node_builder(field.id, |it| it.set_active_descendant(line));
                    if std::mem::take(&mut finder.moved) {
                        response.scroll_to_me(None);
                    }
                }
                if response.clicked() {
                    clicked = Some(row);
                }
            }
        });
    clicked
}

fn line_ui(cx: &Cx<'_>, ui: &mut Ui, line: &Line, hit: &Hit, is_at: bool) -> Response {
    let palette = cx.palette;
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), LINE), Sense::click());
    let enabled = line.command.is_ok();
    response.widget_info(|| {
        let key = line
            .key
            .as_ref()
            .map_or(String::new(), |it| format!(", {it}"));
        let name = format!("{}{key}", line.name);
        egui::WidgetInfo::selected(egui::Role::ListBoxOption, enabled, is_at, name)
    });
    if ui.is_rect_visible(rect) {
        if is_at || response.hovered() {
            let fill = if is_at { palette.line } else { palette.hovered };
            ui.painter().rect_filled(rect, CHIP_CORNER, fill);
        }
        let painter = ui.painter();
        let right = line.command.as_ref().err().copied().unwrap_or(line.kind);
        let mut edge = rect.right_center() - vec2(9.0, 0.0);
        let quiet = FontId::proportional(LABEL_SIZE);
        if let Some(key) = &line.key {
            let color = if enabled {
                palette.accent
            } else {
                palette.second
            };
            edge.x = painter
                .text(edge, Align2::RIGHT_CENTER, key, quiet.clone(), color)
                .left()
                - 12.0;
        }
        edge.x = painter
            .text(edge, Align2::RIGHT_CENTER, right, quiet, palette.second)
            .left()
            - 12.0;
        let mut job = name_job(cx, line, hit);
        job.wrap = egui::text::TextWrapping::truncate_at_width(edge.x - rect.left() - 9.0);
        let galley = painter.layout_job(job);
        let at = rect.left_center() + vec2(9.0, -galley.size().y / 2.0);
        painter.galley(at, galley, palette.text);
    }
    response.on_hover_text(&line.help)
}

/// The name, the letters that were typed brighter.
fn name_job(cx: &Cx<'_>, line: &Line, hit: &Hit) -> LayoutJob {
    let plain = if line.command.is_ok() {
        cx.palette.text
    } else {
        cx.palette.second
    };
    let mut job = LayoutJob::default();
    for (n, letter) in line.name.chars().enumerate() {
        let color = if hit.letters.binary_search(&n).is_ok() {
            cx.palette.accent
        } else {
            plain
        };
        let format = egui::TextFormat::simple(FontId::proportional(BODY_SIZE), color);
        job.append(letter.encode_utf8(&mut [0; 4]), 0.0, format);
    }
    job
}
