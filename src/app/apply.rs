//! What panels, menus and keys asked for: one `match`.

use std::{fmt::Write as _, mem, path::Path};

use eframe::egui::{self, OpenUrl, ViewportCommand};

use crate::analysis::places;
use crate::engine::{ModelSource, Request};
use crate::spec::{DeviceChoice, Position, RouterId, RouterSpec, StackId};
use crate::ui::{
    Command, Direction, ExpertAt, Hover, MOST_PINS, PathFor, PathSheet, RowChoice, Selection,
    presets,
};

use super::{App, models::source, pace, scale::Zoom};

/// Changes at least this part of the largest are places to jump to.
const WORTH_A_JUMP: f32 = 0.2;

impl App {
    /// Applies everything asked for since the last frame.
    pub(super) fn apply_all(&mut self, ctx: &egui::Context, now_secs: f64) {
        for command in mem::take(&mut self.commands) {
            self.apply_settled(command, ctx, now_secs);
        }
        // After the clicks of the same frame: a key acts on what was just clicked.
        for command in mem::take(&mut self.pressed) {
            if let Some(command) = command(&self.selection) {
                self.apply_settled(command, ctx, now_secs);
            }
        }
    }

    /// Applies a command; token and router are of one stack after it.
    fn apply_settled(&mut self, command: Command, ctx: &egui::Context, now_secs: f64) {
        let before = self.selection;
        self.apply(command, ctx, now_secs);
        self.selection = self.session.settled(self.selection, before);
    }

    /// What lies under the pointer now: said anew by the panels in each frame, lit in all of them in the next.
    pub(super) fn take_hover(&mut self, ctx: &egui::Context) {
        let mut hover = Hover::default();
        self.commands.retain(|it| match it {
            Command::Hover(it) => {
                hover.token = it.token.or(hover.token);
                hover.expert = it.expert.or(hover.expert);
                false
            }
            _ => true,
        });
        if self.hover != hover {
            self.hover = hover;
            ctx.request_repaint();
        }
    }

    #[expect(
        clippy::too_many_lines,
        reason = "one match without a rest: a command that nothing handles does not compile"
    )]
    fn apply(&mut self, command: Command, ctx: &egui::Context, now_secs: f64) {
        match command {
            Command::Select(it) => self.selection = it,
            Command::Hover(it) => self.hover = it,
            Command::Follow => self.follow(),
            Command::Move(direction) => self.move_selection(direction),
            Command::NextChange { back } => self.next_change(back),
            Command::SetPrompt(text) => self.prompt = text,
            Command::SetForm(form) => self.form = form,
            Command::RunPrompt => self.read_prompt(true, None),
            Command::Preset(n) => self.preset(n),
            Command::PresetEdits(n) => self.read_prompt(false, Some(n)),
            Command::AskSeries => {
                let sheet = PathSheet::new(PathFor::Series, String::new());
                self.dialogs.ask_path(sheet, ctx);
            }
            Command::OpenSeries(path) => self.open_series(&path, None, ctx),
            Command::TakeColumn(column) => self.take_column(&column, ctx),
            Command::PlayPause if self.session.playing => self.ask(Request::Pause),
            Command::PlayPause => self.play(),
            // What is still to be read is left, too; Space takes it up again.
            Command::Pause if self.session.backlog.is_some() => self.ask(Request::CancelBacklog),
            Command::Pause => self.ask(Request::Pause),
            Command::Step => self.step(),
            Command::ToPromptEnd => self.go_to_prompt_end(now_secs),
            Command::Back => self.back(now_secs),
            Command::Regenerate => self.regenerate(now_secs),
            Command::SetDevice(it) => {
                self.saved.device = it;
                self.change_settings();
                self.set_device(it);
            }
            Command::GoOnOnCpu => self.set_device(DeviceChoice::Cpu),
            Command::SetPace(it) => {
                self.settings.pace = it;
                self.ask(Request::SetPace(pace(self.settings)));
            }
            Command::SetStopAfter(n) => self.settings.stop_after = n.max(1),
            Command::SetSampling { sampling, commit } => {
                self.set_sampling(sampling, commit, now_secs);
            }
            Command::ToggleMask(at) => self.toggle(at, true, now_secs),
            Command::ToggleForce(at) => self.toggle(at, false, now_secs),
            Command::AddEdit(edit) => self.edit_list(now_secs, |it| it.push(edit)),
            Command::ReplaceEdit { line, edit } => self.replace_edit(line, edit, now_secs),
            Command::ToggleEdit(line) => self.toggle_line(line, now_secs),
            Command::RemoveEdit(line) => self.remove_line(line, now_secs),
            Command::MoveEdit { line, up } => self.move_line(line, up, now_secs),
            Command::SetEdits(list) => self.edit_list(now_secs, |it| *it = list),
            Command::ClearEdits => self.edit_list(now_secs, |it| it.entries.clear()),
            Command::CopyCommandLine => self.copy_command_line(ctx),
            Command::OtherControls => self.other_controls(),
            Command::ContinueFrom { row, at } => self.continue_from(row, at, now_secs),
            Command::ContinueWith { row, at, token } => {
                self.continue_with(row, at, token, now_secs);
            }
            Command::Undo => self.undo(),
            Command::Redo => self.redo(),
            // What changes no result: models, looks, sheets.
            // The one that is open stays, with what is typed there.
            Command::AskPath if self.dialogs.is_for_model() => {}
            Command::AskPath => {
                let sheet = PathSheet::new(PathFor::Model, String::new());
                self.dialogs.ask_path(sheet, ctx);
            }
            Command::TakePath(text) => self.take_path(&text, ctx),
            Command::ChoosePath => self.choose_path(now_secs),
            Command::ChooseModelFile => self.choose_model_file(now_secs),
            Command::Open(path) => self.open_asked(source(&path), path, ctx),
            Command::OpenPath(path) => {
                let words = path.display().to_string();
                self.open_asked(ModelSource::Path(path), words, ctx);
            }
            Command::ForgetRecents => self.forget_recents(),
            Command::CloseDialog => self.close_sheet(ctx),
            Command::CancelLoad => self.ask(Request::CancelLoad),
            Command::Survey(of) => self.survey(of, ctx),
            Command::CancelSurvey => self.cancel_survey(),
            Command::Steps(paths) => self.read_steps(paths, ctx),
            Command::CancelSteps => self.cancel_steps(),
            Command::Dismiss => self.session.message = None,
            Command::DismissFailure(n) => self.session.read_failure(n),
            Command::BringBack(id) => self.bring_back(id, now_secs),
            Command::NameText { id, name } => {
                self.branches.rename(id, &crate::spec::shown(name));
            }
            Command::DeleteText(id) => self.branches.delete(id),
            Command::ShowFile(path) => show_file(&path, ctx),
            Command::DismissLostDevice => self.session.lost_device = None,
            Command::Say(text) => self.say(text),
            Command::ShareHtml(to) => self.share(to, ctx),
            Command::TogglePin(at) => self.toggle_pin(at),
            Command::SetTheme(it) => self.set_theme(it, ctx),
            Command::SetReducedMotion(it) => self.set_reduced_motion(it, ctx),
            Command::ZoomIn => self.zoom(Zoom::In, ctx),
            Command::ZoomOut => self.zoom(Zoom::Out, ctx),
            Command::ZoomReset => self.zoom(Zoom::Reset, ctx),
            Command::ResetLayout => self.frame.reset(),
            Command::ShowAll => self.frame.show_side_by_side(),
            Command::ShowPanel(name) => self.frame.show(name),
            Command::Export { panel, form, to } => self.export(panel, form, to, ctx),
            Command::ExportHere { form, to } => {
                self.export(self.frame.last_used(), form, to, ctx);
            }
            Command::SaveFile { path, bytes } => self.save(&path, &bytes, ctx),
            Command::ToggleTable(name) => self.frame.toggle_table(name),
            Command::ToggleTableHere => self.frame.toggle_table(self.frame.last_used()),
            Command::ToggleAlone(name) => self.frame.toggle_alone(name),
            Command::TogglePresent => self.toggle_present(ctx),
            Command::AloneHere => self.frame.toggle_alone_here(),
            Command::FocusPanel { back } => {
                self.dialogs.let_go();
                self.frame.focus_panel(back, ctx);
            }
            Command::ToggleHelp => self.dialogs.toggle_help(ctx),
            Command::TogglePalette => self.dialogs.toggle_palette(ctx),
            Command::ToggleSettings => self.dialogs.toggle_settings(ctx),
            Command::Quit => ctx.send_viewport_cmd(ViewportCommand::Close),
        }
    }

    /// Pins an expert or takes its pin away. One too many takes the place of the oldest, and that is said.
    fn toggle_pin(&mut self, at: ExpertAt) {
        if let Some(slot) = self.pins.iter().position(|it| *it == at) {
            self.pins.remove(slot);
            return;
        }
        self.pins.push(at);
        if self.pins.len() > MOST_PINS {
            let oldest = self.pins.remove(0);
            let label = self.session.spec().and_then(|it| it.router(oldest.router));
            let label = label.map_or_else(String::new, RouterSpec::label);
            self.say(format!(
                "At most four experts are pinned: {label}, expert {} gave its place",
                oldest.expert
            ));
        }
    }

    fn follow(&mut self) {
        if !self.frame.show_all() {
            self.selection.position = None;
        }
    }

    fn preset(&mut self, n: usize) {
        if let Some(preset) = presets(self.session.position_kind()).get(n) {
            preset.prompt.clone_into(&mut self.prompt);
            self.read_prompt(true, None);
        }
    }

    /// Writes on; reads the prompt first where that was not done.
    pub(super) fn play(&mut self) {
        if self.experiment.given.is_empty() {
            if self.waiting.is_none() {
                self.read_prompt(true, None);
            }
            return;
        }
        self.clear_message();
        let stop_after = Some(self.settings.stop_after);
        self.ask(Request::Play { stop_after });
    }

    fn step(&mut self) {
        if self.experiment.given.is_empty() {
            self.read_prompt(false, None);
        } else {
            self.clear_message();
            self.ask(Request::Step);
        }
    }

    /// What was said holds no longer, but for a sentence that offers to undo the last change.
    fn clear_message(&mut self) {
        self.session.message.take_if(|it| !it.undo && !it.failure);
    }

    fn n_positions(&self, row: RowChoice) -> usize {
        self.session.row(row).map_or(0, |it| it.record.store.len())
    }

    fn move_selection(&mut self, direction: Direction) {
        let Selection {
            row,
            position,
            router,
            ..
        } = self.selection;
        let n = self.n_positions(row);
        let place = router.and_then(|it| self.session.spec()?.router(it));
        let stack = place.map_or(StackId::Decoder, |it| it.place.stack);
        let newest = self.session.parts(row).range(stack, n).last();
        let Some(at) = position.or(newest.map(Position::new)) else {
            return;
        };
        let n_routers = self.session.spec().map_or(0, |it| it.routers.len());
        let router = router.unwrap_or_default().idx();
        match direction {
            Direction::Left if at.idx() > 0 => {
                self.selection.position = Some(Position::new(at.idx() - 1));
            }
            Direction::Right if at.idx() + 1 < n => self.selection.position = Some(at.plus(1)),
            Direction::Up if router > 0 => {
                self.selection.router = Some(RouterId::new(router - 1));
            }
            Direction::Down if router + 1 < n_routers => {
                self.selection.router = Some(RouterId::new(router + 1));
            }
            _ => {}
        }
    }

    /// To the next place that changed most, round the ends.
    fn next_change(&mut self, back: bool) {
        let Some(counterfactual) = self.session.counterfactual() else {
            return;
        };
        let Some(largest) = self.session.concentration().map(|it| it.largest.kl) else {
            return;
        };
        let n = self.n_positions(RowChoice::Baseline);
        let all: Vec<Position> = places(counterfactual.record)
            .filter(|it| it.kl >= largest * WORTH_A_JUMP && it.at.idx() < n)
            .map(|it| it.at)
            .collect();
        let now = self.selection.position;
        let found = if back {
            let before = all.iter().rev().find(|it| now.is_none_or(|now| **it < now));
            before.or(all.last())
        } else {
            let after = all.iter().find(|it| now.is_none_or(|now| **it > now));
            after.or(all.first())
        };
        if let Some(at) = found {
            self.selection.row = RowChoice::Baseline;
            self.selection.position = Some(*at);
        }
    }
}

/// Opens the folder of a file with the system's own program.
fn show_file(path: &Path, ctx: &egui::Context) {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().unwrap_or(&path);
    ctx.open_url(OpenUrl::new_tab(file_url(folder)));
}

/// `file:///home/me/a%20b`: every byte but those that stand for themselves as two digits.
fn file_url(path: &Path) -> String {
    let mut out = "file://".to_owned();
    let words = path.to_string_lossy().replace('\\', "/");
    if !words.starts_with('/') {
        out.push('/');
    }
    for byte in words.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_named_as_a_browser_takes_it() {
        assert_eq!(
            file_url(Path::new("/home/é/a b#1")),
            "file:///home/%C3%A9/a%20b%231"
        );
        assert_eq!(file_url(Path::new("C:\\a")), "file:///C:/a");
    }
}
