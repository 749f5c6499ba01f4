//! Shortcuts, from the list of commands. A focused text field keeps its keys, a focused button Space and
//! Enter, a focused table or grid the arrows.

use eframe::egui::{self, Key, KeyboardShortcut, Modifiers, Ui};

use crate::ui::{ENTRIES, keeps_arrows};

use super::App;

impl App {
    pub(super) fn keys(&mut self, ui: &Ui) {
        let typing = ui.ctx().text_edit_focused();
        // The tab of a panel in front does nothing that a key of ours could be mistaken for.
        let focused = ui.memory(egui::Memory::focused).is_some() && self.frame.ring().is_none();
        let dialog = self.dialogs.sheet.is_some();
        let grid = keeps_arrows(ui.ctx());
        let arrows = grid || self.frame.table_has_focus(ui.ctx());
        let mut entries: Vec<_> = ENTRIES
            .iter()
            .filter_map(|it| Some((it, it.key?)))
            .filter(|(_, key)| is_ours(*key, typing, focused && !grid, dialog))
            .filter(|(_, key)| !(arrows && is_arrow(*key)))
            .collect();
        // egui takes Ctrl+Shift+Z for Ctrl+Z too: the more particular one first.
        entries.sort_by_key(|(_, key)| !key.modifiers.shift);
        for (entry, key) in entries {
            if ui.input_mut(|it| it.consume_shortcut(&key)) {
                self.pressed.push(entry.command);
            }
        }
    }
}

fn is_ours(key: KeyboardShortcut, typing: bool, focused: bool, dialog: bool) -> bool {
    let plain = key.modifiers == Modifiers::NONE;
    let undo = key.logical_key == Key::Z;
    if dialog && (plain || undo) {
        return false;
    }
    if typing {
        return !plain && !undo;
    }
    !(focused && key.logical_key == Key::Space)
}

/// A key that moves inside a grid or a table.
fn is_arrow(key: KeyboardShortcut) -> bool {
    let arrows = [
        Key::ArrowLeft,
        Key::ArrowRight,
        Key::ArrowUp,
        Key::ArrowDown,
        Key::Home,
    ];
    key.modifiers == Modifiers::NONE && arrows.contains(&key.logical_key)
}
