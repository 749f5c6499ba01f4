//! The tiles: a tree of panel names, so that a layout is data. Unknown names are dropped.

use std::collections::HashMap;

use eframe::egui::{
    self, Color32, FontId, Id, Margin, Response, Sense, Stroke, Style, Ui, UiBuilder, Vec2,
    Visuals, WidgetText, vec2,
};
use egui_tiles::{
    Behavior, Container, Linear, LinearDir, ResizeState, SimplificationOptions, TabState, Tabs,
    Tile, TileId, Tiles, Tree, UiResponse,
};

use crate::document::Table;
use crate::ui::theme::{BODY_SIZE, GAP, HEAD, MARGIN, PANEL_CORNER};
use crate::ui::{Caption, Cx, Drawing, Hover, PANELS, Panel, Paper, PaperFormat};

use super::{panel_menu::panel_menu, twin::Twins};

/// Of a panel that was not drawn yet, points.
const UNSEEN: Vec2 = vec2(720.0, 400.0);

/// The tiles and what stands in them.
pub struct Frame {
    tree: Tree<String>,
    panels: HashMap<String, Box<dyn Panel>>,
    twins: Twins,
    /// How large each tile was when it was drawn last, with its head.
    sizes: HashMap<String, Vec2>,
    /// The panel last pointed at or in focus.
    last_used: &'static str,
    /// The focus when that was told, so that a pointer that moves on wins over a focus that stays.
    focused: Option<Id>,
}

impl Default for Frame {
    fn default() -> Self {
        let make =
            |(name, make): &(&str, crate::ui::panels::MakePanel)| ((*name).to_owned(), make());
        Self {
            tree: first_layout(),
            panels: PANELS.iter().map(make).collect(),
            twins: Twins::default(),
            sizes: HashMap::new(),
            last_used: PANELS[0].0,
            focused: None,
        }
    }
}

/// The panel's name as the list has it.
fn listed(name: &str) -> Option<&'static str> {
    PANELS.iter().map(|it| it.0).find(|it| *it == name)
}

impl Frame {
    /// Draws all tiles.
    pub fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let focused = ui.memory(egui::Memory::focused);
        let mut tiles = Show {
            cx,
            panels: &mut self.panels,
            twins: &mut self.twins,
            sizes: &mut self.sizes,
            used: None,
            newly_focused: focused.filter(|it| self.focused != Some(*it)),
        };
        self.tree.ui(&mut tiles, ui);
        self.last_used = tiles.used.unwrap_or(self.last_used);
        self.focused = focused;
    }

    /// The panel last pointed at or in focus: what the list of commands acts on.
    #[must_use]
    pub fn last_used(&self) -> &'static str {
        self.last_used
    }

    /// Shows a panel's numbers instead of its picture, or the picture again.
    pub fn toggle_table(&mut self, name: &str) {
        self.twins.toggle(name);
    }

    /// Whether a table has the focus: then the arrows are its own.
    #[must_use]
    pub fn table_has_focus(&self, ctx: &egui::Context) -> bool {
        self.twins.has_focus(ctx)
    }

    /// A panel's numbers; none where there is nothing to show yet, or no such panel.
    #[must_use]
    pub fn table(&self, name: &str, cx: &Cx<'_>) -> Option<Table> {
        self.panels.get(name)?.table(cx)
    }

    /// A panel's name as it stands in its head.
    #[must_use]
    pub fn title(&self, name: &str) -> &'static str {
        self.panels.get(name).map_or("", |it| it.title())
    }

    /// How large a panel is now, with its head, points.
    #[must_use]
    pub fn size(&self, name: &str) -> Vec2 {
        self.sizes.get(name).copied().unwrap_or(UNSEEN)
    }

    /// Draws a panel on paper, as it is set now; none where there is no such panel.
    pub fn on_paper(&mut self, name: &str, cx: &Cx<'_>, sheet: PaperFormat) -> Option<Paper> {
        let panel = self.panels.get_mut(name)?;
        let mut unheard = Vec::new();
        let mut cx = Cx {
            session: cx.session,
            experiment: cx.experiment,
            selection: cx.selection,
            hover: Hover::default(),
            prompt: cx.prompt,
            settings: cx.settings,
            can_undo: cx.can_undo,
            can_redo: cx.can_redo,
            pins: cx.pins,
            drawing: Drawing::Paper,
            palette: cx.palette,
            commands: &mut unheard,
        };
        let caption = caption(panel.as_ref(), &cx);
        let palette = cx.palette;
        Some(Paper::draw(sheet, palette, caption, |ui| {
            panel.ui(&mut cx, ui);
        }))
    }

    /// The tiles as at first.
    pub fn reset(&mut self) {
        self.tree = first_layout();
    }

    /// Every panel side by side.
    pub fn show_all(&mut self) {
        self.tree = all_side_by_side();
    }

    /// Brings a panel to the front.
    pub fn show(&mut self, name: &str) {
        self.tree
            .make_active(|_, tile| matches!(tile, Tile::Pane(it) if it == name));
    }
}

/// What a picture says of itself: the table's title without the panel's name, which stands beside it.
fn caption(panel: &dyn Panel, cx: &Cx<'_>) -> Caption {
    let title = panel.title();
    let of = panel.table(cx).map_or(String::new(), |it| it.title);
    let of = of.strip_prefix(title).unwrap_or(&of);
    Caption {
        title: title.to_owned(),
        of: of.trim_start_matches([',', ':', ' ']).to_owned(),
        sentence: panel.help().to_owned(),
    }
}

/// Left the text, under it what comes next and the edits; right the layers, one router, the load.
fn first_layout() -> Tree<String> {
    let mut tiles = Tiles::default();
    let tabs = |tiles: &mut Tiles<String>, names: &[&str]| {
        let panes = names.iter().map(|it| tiles.insert_pane((*it).to_owned()));
        let panes = panes.collect();
        tiles.insert_tab_tile(panes)
    };
    let split = |tiles: &mut Tiles<String>, dir, parts, share| {
        tiles.insert_container(Container::Linear(Linear::new_binary(dir, parts, share)))
    };
    let transcript = tabs(&mut tiles, &["transcript"]);
    let next = tabs(&mut tiles, &["next_token"]);
    let edits = tabs(&mut tiles, &["edits", "expert"]);
    let heatmap = tabs(&mut tiles, &["heatmap", "path"]);
    let router = tabs(&mut tiles, &["router"]);
    let load = tabs(&mut tiles, &["load", "health", "model"]);
    let under = split(&mut tiles, LinearDir::Horizontal, [next, edits], 0.5);
    let left = split(&mut tiles, LinearDir::Vertical, [transcript, under], 0.57);
    let lower = split(&mut tiles, LinearDir::Vertical, [router, load], 0.5);
    let right = split(&mut tiles, LinearDir::Vertical, [heatmap, lower], 0.33);
    let root = split(&mut tiles, LinearDir::Horizontal, [left, right], 0.58);
    Tree::new(Id::unique("tiles"), root, tiles)
}

/// A grid of all panels.
fn all_side_by_side() -> Tree<String> {
    let mut tiles = Tiles::default();
    let panes = PANELS.iter().map(|(name, _)| {
        let pane = tiles.insert_pane((*name).to_owned());
        tiles.insert_tab_tile(vec![pane])
    });
    let panes: Vec<TileId> = panes.collect();
    let root = tiles.insert_grid_tile(panes);
    Tree::new(Id::unique("tiles"), root, tiles)
}

struct Show<'a, 'c> {
    cx: &'a mut Cx<'c>,
    panels: &'a mut HashMap<String, Box<dyn Panel>>,
    twins: &'a mut Twins,
    sizes: &'a mut HashMap<String, Vec2>,
    /// The panel pointed at, or the one that has just taken the focus.
    used: Option<&'static str>,
    newly_focused: Option<Id>,
}

impl Show<'_, '_> {
    /// Remembers how large the tile is and whether it is in use.
    fn remember(&mut self, ui: &Ui, name: &str) {
        let mut tile = ui.max_rect();
        tile.min.y -= HEAD;
        self.sizes.insert(name.to_owned(), tile.size());
        let focused = self
            .newly_focused
            .and_then(|it| ui.ctx().read_response(it))
            .is_some_and(|it| it.layer_id == ui.layer_id() && tile.contains_rect(it.rect));
        let pointed = ui.rect_contains_pointer(tile)
            && ui.input(|it| it.pointer.is_moving() || it.pointer.any_down());
        if focused || (pointed && self.used.is_none()) {
            self.used = listed(name);
        }
    }
}

impl Behavior<String> for Show<'_, '_> {
    fn pane_ui(&mut self, ui: &mut Ui, _tile: TileId, name: &mut String) -> UiResponse {
        self.remember(ui, name);
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
            if !self.twins.ui(name, panel.as_ref(), self.cx, ui) {
                panel.ui(self.cx, ui);
            }
        });
        UiResponse::None
    }

    fn tab_title_for_pane(&mut self, name: &String) -> WidgetText {
        self.panels.get(name).map_or("", |it| it.title()).into()
    }

    fn retain_pane(&mut self, name: &String) -> bool {
        self.panels.contains_key(name)
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
        let (_, rect) = ui.allocate_space(vec2(galley.size().x + 14.0, ui.available_height()));
        let response = ui
            .interact(rect, id, Sense::click_and_drag())
            .on_hover_cursor(egui::CursorIcon::Grab);
        response.widget_info(|| {
            egui::WidgetInfo::selected(egui::Role::Tab, true, state.active, &title)
        });
        if !state.is_being_dragged {
            let at = rect.left_center() - vec2(0.0, galley.size().y / 2.0);
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
        response.on_hover_text(help)
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
        if let Some(panel) = self.panels.get_mut(name) {
            ui.spacing_mut().item_spacing.x = 5.0;
            let is_table = self.twins.is_shown(name);
            panel_menu(self.cx, ui, (name, panel.as_ref()), is_table);
            panel.head_ui(self.cx, ui);
        }
    }

    fn tab_bar_left_ui(&mut self, _: &Tiles<String>, ui: &mut Ui, _: TileId, _: &Tabs) {
        ui.add_space(MARGIN);
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
