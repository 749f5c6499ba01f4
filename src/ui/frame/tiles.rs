//! The tiles, and the panels in them: drawn, shown alone, given the keyboard.

use std::{collections::HashMap, mem};

use eframe::egui::{
    self, Color32, FontId, Id, Margin, Rect, Response, Sense, Stroke, Style, Ui, UiBuilder, Vec2,
    Visuals, WidgetText, vec2,
};
use egui_tiles::{
    Behavior, EditAction, ResizeState, SimplificationOptions, TabState, Tabs, Tile, TileId, Tiles,
    Tree, UiResponse,
};

use crate::ui::theme::{BODY_SIZE, GAP, HEAD, MARGIN, PANEL_CORNER};
use crate::ui::widgets::lock_arrows;
use crate::ui::{Cx, PANELS, Panel};

use super::{
    heads::{PanelChips, TAB_PADDING, tabs_width},
    layout::{self, Shipped},
    panel_menu::panel_menu,
    tables::PanelTables,
};

/// The tiles and what stands in them.
pub struct Frame {
    tree: Tree<String>,
    /// One panel that fills the window in place of the tree, with its name.
    pub(super) alone: Option<(String, Tree<String>)>,
    /// The text and one panel beside it in place of the tree, with that panel's name.
    pub(super) presented: Option<(String, Tree<String>)>,
    pub(super) panels: HashMap<String, Box<dyn Panel>>,
    pub(super) tables: PanelTables,
    /// How large each tile was when it was drawn last, with its head.
    pub(super) sizes: HashMap<String, Vec2>,
    heads: PanelChips,
    /// The layout that was looked for last, for the room there was.
    fitted: Option<Shipped>,
    /// Whether the tree is no longer as at first.
    is_moved: bool,
    /// Raised whenever the tree changes by a person's hand.
    revision: u64,
    /// The tab that is to get the keyboard.
    wanted: Option<Id>,
    pub(super) seen: Seen,
}

/// What the last frame showed.
#[derive(Default)]
pub(super) struct Seen {
    /// The panel pointed at or used last.
    pub(super) here: Option<String>,
    /// The tile of the panel whose tab has the keyboard.
    ring: Option<Rect>,
    is_edited: bool,
}

impl Default for Frame {
    fn default() -> Self {
        let make =
            |(name, make): &(&str, crate::ui::panels::MakePanel)| ((*name).to_owned(), make());
        Self {
            tree: layout::first(),
            alone: None,
            presented: None,
            panels: PANELS.iter().map(make).collect(),
            tables: PanelTables::default(),
            sizes: HashMap::new(),
            heads: PanelChips::default(),
            fitted: None,
            is_moved: false,
            revision: 0,
            wanted: None,
            seen: Seen::default(),
        }
    }
}

/// The panel's name as the list has it.
pub(super) fn listed(name: &str) -> Option<&'static str> {
    PANELS.iter().map(|it| it.0).find(|it| *it == name)
}

impl Frame {
    /// Draws all tiles, or the one that is shown alone.
    pub fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        self.seen.ring = None;
        if self.alone.is_none() && self.presented.is_none() {
            self.fit(ui.available_size());
        }
        self.give_focus(ui);
        let mut tiles = Show {
            cx,
            panels: &mut self.panels,
            tables: &mut self.tables,
            sizes: &mut self.sizes,
            heads: &mut self.heads,
            seen: &mut self.seen,
        };
        let instead = self.alone.as_mut().or(self.presented.as_mut());
        let is_tree = instead.is_none();
        match instead {
            Some((_, tree)) => tree.ui(&mut tiles, ui),
            None => self.tree.ui(&mut tiles, ui),
        }
        if mem::take(&mut self.seen.is_edited) && is_tree {
            self.moved();
        }
    }

    /// Another of the program's own layouts where there is more or less room; what a person arranged stays.
    fn fit(&mut self, size: Vec2) {
        let wanted = Shipped::fitting(size);
        if self.fitted == Some(wanted) {
            return;
        }
        self.fitted = Some(wanted);
        if Shipped::of(&self.tree).is_some_and(|it| it != wanted) {
            let in_front = layout::in_sight(&self.tree);
            self.tree = wanted.tree();
            for (_, name) in in_front {
                self.tree
                    .make_active(|_, tile| matches!(tile, Tile::Pane(it) if *it == name));
            }
        }
    }

    fn moved(&mut self) {
        self.is_moved = true;
        self.revision += 1;
    }

    /// The tiles as at first.
    pub fn reset(&mut self) {
        self.tree = layout::first();
        self.fitted = None;
        self.alone = None;
        self.is_moved = false;
        self.revision += 1;
    }

    /// Every panel side by side.
    pub fn show_side_by_side(&mut self) {
        self.tree = layout::side_by_side();
        self.alone = None;
        self.moved();
    }

    /// The tiles on screen.
    fn on_screen(&self) -> &Tree<String> {
        let instead = self.alone.as_ref().or(self.presented.as_ref());
        instead.map_or(&self.tree, |it| &it.1)
    }

    /// Brings a panel to the front.
    pub fn show(&mut self, name: &str) {
        self.alone = None;
        if self.present_beside(name) {
            return;
        }
        self.tree
            .make_active(|_, tile| matches!(tile, Tile::Pane(it) if it == name));
        self.seen.here = Some(name.to_owned());
        self.moved();
    }

    /// Shows a panel alone, or all again.
    pub fn toggle_alone(&mut self, name: &str) {
        let is_alone = self.alone.as_ref().is_some_and(|it| it.0 == name);
        self.alone = (!is_alone && self.panels.contains_key(name))
            .then(|| (name.to_owned(), layout::alone(name)));
    }

    /// The same with the panel pointed at or used last.
    pub fn toggle_alone_here(&mut self) {
        if self.show_all() {
            return;
        }
        let first = || layout::in_sight(self.on_screen()).into_iter().next();
        let here = self.seen.here.clone().or_else(|| first().map(|it| it.1));
        if let Some(name) = here {
            self.toggle_alone(&name);
        }
    }

    /// Shows all panels again; whether one was alone.
    pub fn show_all(&mut self) -> bool {
        self.alone.take().is_some()
    }

    /// Gives the keyboard to the tab of the next panel in sight, or the one before.
    pub fn focus_panel(&mut self, back: bool, ctx: &egui::Context) {
        let tree = self.on_screen();
        let panels = layout::in_sight(tree);
        let at = panels
            .iter()
            .position(|it| Some(&it.1) == self.seen.here.as_ref());
        let n = panels.len();
        let next = match at {
            // The first key press shows where the keyboard is.
            Some(at) if ctx.memory(|it| it.focused().is_none()) => at,
            Some(at) if back => (at + n - 1) % n,
            Some(at) => (at + 1) % n,
            None => 0,
        };
        if let Some((tile, name)) = panels.get(next) {
            let (id, name) = (tile.egui_id(tree.id()), name.clone());
            self.wanted = Some(id);
            self.seen.here = Some(name);
        }
    }

    /// Not while a sheet holds the keyboard: it would be taken away again.
    fn give_focus(&mut self, ui: &Ui) {
        if let Some(id) = self.wanted {
            if ui.memory(|it| it.top_modal_layer().is_none()) {
                ui.memory_mut(|it| it.request_focus(id));
                self.wanted = None;
            }
            ui.ctx().request_repaint();
        }
    }

    /// Where the keyboard is, while the tab of a panel has it.
    #[must_use]
    pub fn ring(&self) -> Option<Rect> {
        self.seen.ring
    }

    /// The layout, to be saved; none while it is as at first.
    #[must_use]
    pub fn layout(&self) -> Option<&Tree<String>> {
        self.is_moved.then_some(&self.tree)
    }

    /// A number that changes when the layout does.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Takes a saved layout; false where it is none, then all is as it was.
    pub fn restore(&mut self, saved: Tree<String>) -> bool {
        let restored = layout::restored(saved);
        let is_one = restored.is_some();
        if let Some(tree) = restored {
            self.tree = tree;
            self.fitted = None;
            self.is_moved = true;
        }
        is_one
    }
}

struct Show<'a, 'c> {
    cx: &'a mut Cx<'c>,
    panels: &'a mut HashMap<String, Box<dyn Panel>>,
    tables: &'a mut PanelTables,
    sizes: &'a mut HashMap<String, Vec2>,
    heads: &'a mut PanelChips,
    seen: &'a mut Seen,
}

/// Whether the pointer was moved since the last frame: one that rests says nothing.
fn has_moved(input: &egui::InputState) -> bool {
    let moves = |it: &egui::Event| matches!(it, egui::Event::PointerMoved(_));
    input.events.iter().any(moves)
}

impl Show<'_, '_> {
    /// Remembers which panel is pointed at, or has the keyboard somewhere in it.
    fn note_use(&mut self, ui: &Ui, name: &str) {
        // The head belongs to the panel.
        let mut rect = ui.max_rect();
        rect.min.y -= HEAD;
        let holds = |id| {
            let it = ui.ctx().read_response(id);
            // What lies over the panel is not in it.
            it.is_some_and(|it| it.layer_id == ui.layer_id() && rect.contains(it.rect.center()))
        };
        let is_used = ui.ctx().rect_contains_pointer(ui.layer_id(), rect) && ui.input(has_moved)
            || ui.memory(egui::Memory::focused).is_some_and(holds);
        if is_used && self.seen.here.as_deref() != Some(name) {
            self.seen.here = Some(name.to_owned());
        }
    }

    /// A tab that has the keyboard: its panel gets the ring, and arrows go on moving the selection.
    fn hold_focus(&mut self, tiles: &Tiles<String>, ui: &Ui, id: Id, tile: TileId) {
        lock_arrows(ui, id);
        // The tile under its head: what holds both is not in the list while it is drawn.
        let rect = tiles.rect(tile);
        self.seen.ring = rect.map(|it| it.with_min_y(it.top() - HEAD));
        self.seen.here = tiles.get_pane(&tile).cloned();
    }
}

impl Behavior<String> for Show<'_, '_> {
    fn pane_ui(&mut self, ui: &mut Ui, _tile: TileId, name: &mut String) -> UiResponse {
        let mut tile = ui.max_rect();
        tile.min.y -= HEAD;
        self.sizes.insert(name.clone(), tile.size());
        self.note_use(ui, name);
        let Some(panel) = self.panels.get_mut(name) else {
            return UiResponse::None;
        };
        let margin = Margin {
            left: MARGIN as i8,
            right: MARGIN as i8,
            top: 3,
            bottom: 9,
        };
        let rect = ui.max_rect() - margin;
        let builder = UiBuilder::new().max_rect(rect).id_salt(name.as_str());
        ui.scope_builder(builder, |ui| {
            ui.set_clip_rect(ui.clip_rect().intersect(rect.expand2(vec2(4.0, 4.0))));
            self.heads.below(self.cx, ui, name, panel.as_mut());
            if !self.tables.ui(name, panel.as_ref(), self.cx, ui) {
                panel.ui(self.cx, ui);
            }
        });
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, name: &String) -> WidgetText {
        let panel = self.panels.get(name);
        panel.map_or("", |it| self.cx.title(it.title())).into()
    }

    fn retain_pane(&mut self, name: &String) -> bool {
        self.panels.contains_key(name)
    }

    fn on_edit(&mut self, action: EditAction) {
        self.seen.is_edited |= action != EditAction::TileDragged;
    }

    fn tab_ui(
        &mut self,
        tiles: &mut Tiles<String>,
        ui: &mut Ui,
        id: Id,
        tile: TileId,
        state: &TabState,
    ) -> Response {
        let title = self.tab_title_for_tile(tiles, tile).text().to_owned();
        let palette = self.cx.palette;
        let color = if state.active {
            palette.selected
        } else {
            palette.third
        };
        let galley =
            ui.painter()
                .layout_no_wrap(title.clone(), FontId::proportional(BODY_SIZE), color);
        let (_, rect) = ui.allocate_space(vec2(galley.size().x + TAB_PADDING, HEAD));
        let response = ui
            .interact(rect, id, Sense::click_and_drag())
            .on_hover_cursor(egui::CursorIcon::Grab);
        response.widget_info(|| {
            egui::WidgetInfo::selected(egui::Role::Tab, true, state.active, &title)
        });
        // The pointer that rests on a tab says nothing, but who clicks it means its panel.
        if response.clicked() {
            self.seen.here = tiles.get_pane(&tile).cloned();
        }
        if state.active && response.has_focus() {
            self.hold_focus(tiles, ui, id, tile);
        }
        if !state.is_being_dragged {
            // As far from the tab before as from the next: a click between two names is for the nearer one.
            let at = rect.left_center() + vec2(TAB_PADDING / 2.0, -galley.size().y / 2.0);
            ui.painter().galley(at, galley, color);
        }
        if response.has_focus() {
            let ring = Stroke::new(1.0, palette.accent);
            let around = rect.shrink2(vec2(1.0, 4.0));
            ui.painter()
                .rect_stroke(around, 4.0, ring, egui::StrokeKind::Inside);
        }
        let help = tiles
            .get_pane(&tile)
            .and_then(|name| self.panels.get(name))
            .map_or("", |it| it.help());
        response.on_hover_text(self.cx.said(help))
    }

    fn top_bar_right_ui(
        &mut self,
        tiles: &Tiles<String>,
        ui: &mut Ui,
        tile: TileId,
        tabs: &Tabs,
        _scroll_offset: &mut f32,
    ) {
        // The first thing drawn of a tile: its surface.
        if let Some(rect) = tiles.rect(tile) {
            let fill = self.cx.palette.panel;
            ui.painter()
                .rect_filled(rect, f32::from(PANEL_CORNER), fill);
        }
        ui.add_space(5.0);
        let name = tabs.active.and_then(|it| tiles.get_pane(&it));
        let Some(name) = name.and_then(|it| listed(it)) else {
            return;
        };
        let title = |it: &str| {
            let panel = self.panels.get(it);
            panel.map_or("", |it| self.cx.title(it.title()))
        };
        let tabs_width = tabs_width(ui, tiles, tabs, title);
        if let Some(panel) = self.panels.get_mut(name) {
            ui.spacing_mut().item_spacing.x = 5.0;
            let is_table = self.tables.is_shown(name);
            let chips = self.heads.are_in_menu(name);
            panel_menu(self.cx, ui, (name, panel.as_mut()), (is_table, chips));
            let height = tiles.rect(tile).map_or(f32::MAX, |it| it.height());
            let room = (tabs_width, height);
            self.heads.in_head(self.cx, ui, name, panel.as_mut(), room);
        }
    }

    fn tab_bar_left_ui(&mut self, _: &Tiles<String>, ui: &mut Ui, _: TileId, _: &Tabs) {
        ui.add_space(MARGIN - TAB_PADDING / 2.0);
    }

    fn tab_bar_height(&self, _style: &Style) -> f32 {
        HEAD
    }

    fn gap_width(&self, _style: &Style) -> f32 {
        GAP
    }

    fn min_size(&self) -> f32 {
        160.0
    }

    fn simplification_options(&self) -> SimplificationOptions {
        SimplificationOptions {
            all_panes_must_have_tabs: true,
            ..SimplificationOptions::default()
        }
    }

    fn resize_stroke(&self, _style: &Style, state: ResizeState) -> Stroke {
        match state {
            ResizeState::Idle => Stroke::NONE,
            ResizeState::Hovering => Stroke::new(2.0, self.cx.palette.third),
            ResizeState::Dragging => Stroke::new(2.0, self.cx.palette.accent),
        }
    }

    fn tab_bar_color(&self, _visuals: &Visuals) -> Color32 {
        Color32::TRANSPARENT
    }

    fn tab_bar_hline_stroke(&self, _visuals: &Visuals) -> Stroke {
        Stroke::NONE
    }

    fn dragged_overlay_color(&self, _visuals: &Visuals) -> Color32 {
        self.cx.palette.window.gamma_multiply(0.5)
    }

    fn drag_preview_stroke(&self, _visuals: &Visuals) -> Stroke {
        Stroke::new(1.5, self.cx.palette.accent)
    }

    fn drag_preview_color(&self, visuals: &Visuals) -> Color32 {
        let _ = visuals;
        self.cx.palette.accent.gamma_multiply(0.2)
    }
}
