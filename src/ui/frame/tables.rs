//! Panels shown as tables instead of pictures.

use std::collections::HashMap;

use eframe::egui::{Context, Event, Id, Memory, Ui};

use crate::trace::RowId;
use crate::ui::widgets::{TableView, nothing_yet};
use crate::ui::{Cx, Memo, Panel, Selection};

/// What a table was read from; a new one is read when this changes.
#[derive(Clone, Debug, Default, PartialEq)]
struct ReadFrom {
    selection: Selection,
    /// The rows on screen: which, how long, how much of it compared.
    rows: Vec<(RowId, usize, usize)>,
    edits: usize,
    pins: usize,
    /// Texts surveyed, tokens of it read.
    survey: Option<(usize, usize)>,
}

impl ReadFrom {
    fn of(cx: &Cx<'_>) -> Self {
        let session = cx.session;
        let shown = session.shown().into_iter();
        let ids = shown.flat_map(|it| [Some(it.baseline), it.edited, it.counterfactual]);
        let row = |id: RowId| {
            let record = &session.rows.recording.row(id)?;
            Some((id, record.store.len(), record.comparisons.len()))
        };
        let survey = session.survey.as_ref();
        Self {
            selection: cx.selection,
            rows: ids.flatten().filter_map(row).collect(),
            edits: cx.experiment.edits.entries.len(),
            pins: cx.pins.len(),
            survey: survey.map(|it| (it.texts.len(), it.progress.map_or(0, |it| it.0))),
        }
    }
}

/// One panel's table.
#[derive(Debug, Default)]
struct PanelTable {
    view: Memo<ReadFrom, TableView>,
    /// The grid's id, once it was drawn.
    id: Option<Id>,
}

/// The panels shown as tables.
#[derive(Debug, Default)]
pub(super) struct PanelTables {
    shown: HashMap<String, PanelTable>,
}

impl PanelTables {
    pub(super) fn is_shown(&self, name: &str) -> bool {
        self.shown.contains_key(name)
    }

    pub(super) fn toggle(&mut self, name: &str) {
        if self.shown.remove(name).is_none() {
            self.shown.insert(name.to_owned(), PanelTable::default());
        }
    }

    /// Whether a grid has the focus: then the arrows are its own.
    pub(super) fn has_focus(&self, ctx: &Context) -> bool {
        let focused = ctx.memory(Memory::focused);
        focused.is_some() && self.shown.values().any(|it| it.id == focused)
    }

    /// Draws the panel's table where it is asked for; false where the panel is to draw itself.
    pub(super) fn ui(
        &mut self,
        name: &str,
        panel: &dyn Panel,
        cx: &mut Cx<'_>,
        ui: &mut Ui,
    ) -> bool {
        let Some(table_view) = self.shown.get_mut(name) else {
            return false;
        };
        let now = ReadFrom::of(cx);
        // A click or a key may have changed what the panel itself keeps: its chips.
        let touched = ui.input(|it| it.events.iter().any(is_a_deed));
        if touched || !table_view.view.is_of(&now) {
            // The cursor stays where it was.
            let mut view = std::mem::take(table_view.view.value_mut());
            let table = panel.table(cx).unwrap_or_default();
            view.set(table.said_of(cx.session.position_kind()));
            table_view.view.set(now, |_| view);
        }
        let view = table_view.view.value_mut();
        if view.table().columns.is_empty() {
            nothing_yet(ui, "Nothing to show as numbers yet: run a prompt first");
        } else {
            let grid = view.ui(ui);
            if table_view.id.replace(grid.id).is_none() {
                // Asked for a moment ago: the keys are for it.
                grid.request_focus();
            }
        }
        true
    }
}

fn is_a_deed(event: &Event) -> bool {
    matches!(
        event,
        Event::PointerButton { .. }
            | Event::Key { .. }
            | Event::Text(_)
            | Event::AccessKitActionRequest(_)
    )
}
