//! Panels as numbers and on paper: what is copied, saved and shown as tables.

use eframe::egui::{self, Vec2, vec2};

use crate::document::Table;
use crate::trace::PositionKind;
use crate::ui::widgets::set_kind;
use crate::ui::{Caption, Cx, Drawing, Hover, PANELS, Panel, Paper, PaperFormat};

use super::tiles::{Frame, listed};

/// The size taken for a panel that was not drawn yet, points.
const SIZE_BEFORE_DRAWN: Vec2 = vec2(720.0, 400.0);

impl Frame {
    /// The panel last pointed at or in focus: what the list of commands acts on.
    #[must_use]
    pub fn last_used(&self) -> &'static str {
        let here = self.seen.here.as_deref().and_then(listed);
        here.unwrap_or(PANELS[0].0)
    }

    /// Shows a panel's numbers instead of its picture, or the picture again.
    pub fn toggle_table(&mut self, name: &str) {
        self.tables.toggle(name);
    }

    /// Whether a table has the focus: then the arrows are its own.
    #[must_use]
    pub fn table_has_focus(&self, ctx: &egui::Context) -> bool {
        self.tables.has_focus(ctx)
    }

    /// A panel's numbers; none where there is nothing to show yet, or no such panel.
    #[must_use]
    pub fn table(&self, name: &str, cx: &Cx<'_>) -> Option<Table> {
        let table = self.panels.get(name)?.table(cx)?;
        Some(table.said_of(cx.session.position_kind()))
    }

    /// A panel's name as it stands in its head.
    #[must_use]
    pub fn title(&self, name: &str, kind: PositionKind) -> &'static str {
        let panel = self.panels.get(name);
        panel.map_or("", |it| kind.named(it.title()))
    }

    /// Width and height of a panel now, with its head, points.
    #[must_use]
    pub fn size(&self, name: &str) -> Vec2 {
        self.sizes.get(name).copied().unwrap_or(SIZE_BEFORE_DRAWN)
    }

    /// Draws a panel on paper, as it is set now; none where there is no such panel.
    pub fn on_paper(&mut self, name: &str, cx: &Cx<'_>, sheet: PaperFormat) -> Option<Paper> {
        let panel = self.panels.get_mut(name)?;
        // A drawing on paper has nobody who could click.
        let mut ignored = Vec::new();
        let mut cx = Cx {
            session: cx.session,
            experiment: cx.experiment,
            branches: cx.branches,
            selection: cx.selection,
            hover: Hover::default(),
            prompt: cx.prompt,
            prompt_is_read: true,
            form: cx.form,
            settings: cx.settings,
            can_undo: cx.can_undo,
            can_redo: cx.can_redo,
            pins: cx.pins,
            recents: cx.recents,
            drawing: Drawing::Paper,
            palette: cx.palette,
            commands: &mut ignored,
        };
        let caption = caption(panel.as_ref(), &cx);
        let palette = cx.palette;
        Some(Paper::draw(sheet, palette, caption, |ui| {
            set_kind(ui.ctx(), cx.session.position_kind());
            panel.ui(&mut cx, ui);
        }))
    }
}

/// The words under a drawing: the panel's title, what it shows (its table's title, less the panel's own), and its help.
fn caption(panel: &dyn Panel, cx: &Cx<'_>) -> Caption {
    let kind = cx.session.position_kind();
    let title = cx.title(panel.title());
    let of = panel
        .table(cx)
        .map_or(String::new(), |it| it.said_of(kind).title);
    let of = of.strip_prefix(title).unwrap_or(&of);
    Caption {
        title: title.to_owned(),
        of: of.trim_start_matches([',', ':', ' ']).to_owned(),
        sentence: cx.said(panel.help()).into_owned(),
    }
}
