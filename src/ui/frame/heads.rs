//! Where a panel's chips stand: in its head; in a line of their own under it where the head is too narrow for them beside
//! the tabs; in the panel's menu where the panel is too low for that line.

use std::collections::HashMap;

use eframe::egui::{Align, FontId, Layout, Ui, vec2};
use egui_tiles::{Tabs, Tiles};

use crate::ui::theme::{BODY_SIZE, MARGIN};
use crate::ui::{Cx, Panel};

/// Beside the words of a tab.
pub const TAB_PADDING: f32 = 14.0;
/// Between chips.
const BETWEEN: f32 = 5.0;

/// One panel's chips.
#[derive(Clone, Copy, Debug, Default)]
struct Chips {
    /// How wide they were when they last stood in one line, points.
    width: f32,
    is_below: bool,
    /// There is no room for a line of their own either: they stand in the panel's menu.
    is_in_menu: bool,
}

/// In a tile lower than this, points, a line of chips would take what little there is.
const LOW: f32 = 170.0;

/// Where the chips of each panel stand.
#[derive(Debug, Default)]
pub struct PanelChips {
    chips: HashMap<&'static str, Chips>,
}

/// How wide the tabs of a tile are, points.
pub fn tabs_width(
    ui: &Ui,
    tiles: &Tiles<String>,
    tabs: &Tabs,
    title: impl Fn(&str) -> &'static str,
) -> f32 {
    let panes = tabs.children.iter().filter_map(|it| tiles.get_pane(it));
    let width = |name: &String| {
        let color = ui.visuals().text_color();
        let font = FontId::proportional(BODY_SIZE);
        let galley = ui
            .painter()
            .layout_no_wrap(title(name).to_owned(), font, color);
        galley.size().x + TAB_PADDING
    };
    MARGIN + panes.map(width).sum::<f32>()
}

impl PanelChips {
    /// In the head, from right to left, where they leave `tabs_width` to the tabs.
    pub fn in_head(
        &mut self,
        cx: &mut Cx<'_>,
        ui: &mut Ui,
        name: &'static str,
        panel: &mut dyn Panel,
        (tabs_width, tile_height): (f32, f32),
    ) {
        let chips = self.chips.entry(name).or_default();
        let room = ui.available_width();
        let fits = chips.width <= room - tabs_width;
        chips.is_in_menu = !fits && tile_height < LOW;
        chips.is_below = !fits && !chips.is_in_menu;
        if fits {
            panel.head_ui(cx, ui);
            chips.width = room - ui.available_width();
        }
    }

    /// Whether they stand in the panel's menu.
    pub fn are_in_menu(&self, name: &str) -> bool {
        self.chips.get(name).is_some_and(|it| it.is_in_menu)
    }

    /// Under the head, where they did not fit into it.
    pub fn below(&mut self, cx: &mut Cx<'_>, ui: &mut Ui, name: &str, panel: &mut dyn Panel) {
        let Some(chips) = self.chips.get_mut(name).filter(|it| it.is_below) else {
            return;
        };
        // From right to left as in the head, so that they stand in the same order.
        let layout = Layout::right_to_left(Align::Center).with_main_wrap(true);
        let size = vec2(ui.available_width(), ui.spacing().interact_size.y);
        let line = ui.allocate_ui_with_layout(size, layout, |ui| {
            ui.spacing_mut().item_spacing.x = BETWEEN;
            panel.head_ui(cx, ui);
            size.y
        });
        let rect = line.response.rect;
        // More than one line says only that they do not fit.
        if rect.height() < line.inner * 1.8 {
            chips.width = rect.width();
        }
    }
}
