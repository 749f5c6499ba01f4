//! Layers down, experts across: what each expert was used for, live.

mod cells;
mod difference;
mod glow;
mod head;
mod hover;
mod kept;
mod numbers;
mod order;
mod plot;
mod scale;
mod table;
mod unfolded;
mod values;

use std::sync::Arc;

use eframe::egui::{self, FontId, Rect, Response, Sense, StrokeKind, Ui, pos2, vec2};

use crate::document::Table;
use crate::spec::RouterId;
use crate::ui::paint::expert_grid;
use crate::ui::theme::LABEL_SIZE;
use crate::ui::widgets::{
    expert_gestures, expert_menu, focused_arrows, note_at, note_height, nothing_yet,
};
use crate::ui::{Command, Cx, Direction, Drawing, ExpertAt, GridView, Panel, Selection};

use cells::Map;
use glow::Glow;
use kept::DrawnPlot;
use order::Order;
use plot::{PlotSettings, Value};

const TOP: f32 = 20.0;
/// Above this many cells one widget stands for all of them: OLMoE has 1,024.
const MOST_WIDGETS: usize = 1_280;
/// Height that cells keep where there is little room, points.
const LEAST_GRID: f32 = 64.0;

/// The panel.
#[derive(Default)]
pub struct Heatmap {
    asked: PlotSettings,
    order: Order,
    kept: DrawnPlot,
    glow: Glow,
    /// The cell a menu was opened on, where cells have no widget each.
    menu_cell: Option<(usize, usize)>,
}

impl Panel for Heatmap {
    fn title(&self) -> &'static str {
        "Heatmap"
    }

    fn help(&self) -> &'static str {
        "Layers down, experts across; each cell is how much one expert was used"
    }

    fn head_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        head::ui(cx, ui, &mut self.asked, &mut self.order);
    }

    fn ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui) {
        let Some(spec) = cx.spec() else {
            nothing_yet(ui, "Open a model to see its experts");
            return;
        };
        if cx.session.edited().is_none() && self.asked.value == Value::Difference {
            self.asked.value = Value::Share;
        }
        let drawn = self.kept.update(cx, self.asked, self.order);
        let words = format!("{}{}", drawn.plot.sentence, self.order.sentence());
        let area = ui.available_rect_before_wrap();
        let room = Room::of(&area, note_height(ui, &words, area.width()));
        let below = room.below;
        let left = gutter(ui, cx);
        let pixels = ui.ctx().pixels_per_point();
        let size = (spec.max_experts(), spec.routers.len());
        let fit = |below: f32| {
            let bottom = (area.bottom() - below).max(area.top() + TOP + 20.0);
            let rect = Rect::from_min_max(area.min + vec2(left, TOP), pos2(area.right(), bottom));
            GridView::fit(rect, size.0, size.1, pixels)
        };
        let mut grid = fit(below);
        let bottom = grid.rect.bottom();
        let small = grid.is_small();
        let unfolds = small && grid.rect.height() >= unfolded::HEIGHT + LEAST_OVERVIEW;
        if unfolds {
            grid = fit(below + unfolded::HEIGHT);
        }
        let map = Map {
            grid,
            plot: &drawn.plot,
            places: &drawn.places,
            glow: self.glow.update(cx, ui),
        };
        self.grid_ui(cx, ui, &map, Arc::clone(&drawn.values));
        if unfolds {
            let strip = grid.rect.left_bottom();
            let strip = Rect::from_min_max(strip, pos2(area.right(), bottom));
            unfolded::ui(cx, ui, strip, &map);
        }
        cells::labels_ui(cx, ui, &map);
        let foot = pos2(area.left(), bottom + 4.0);
        let scale = Rect::from_min_size(foot, vec2(area.width(), scale::HEIGHT));
        if scale.bottom() <= area.bottom() + 1.0 {
            scale::ui(cx, ui, scale, &drawn.plot);
        }
        if room.sentence {
            let below = Rect::from_min_max(scale.left_bottom(), area.max);
            note_at(ui, below, &words);
        }
    }

    fn modes(&self) -> Vec<&'static str> {
        Value::ALL.map(Value::label).to_vec()
    }

    fn set_mode(&mut self, at: usize) {
        self.asked.value = Value::ALL[at];
    }

    fn table(&self, cx: &Cx<'_>) -> Option<Table> {
        table::table(cx, &kept::once(cx, self.asked))
    }
}

/// Height that cells too small to be read keep over the unfolded layer, points.
const LEAST_OVERVIEW: f32 = 40.0;

/// What has its place under the grid, and what that takes.
struct Room {
    sentence: bool,
    below: f32,
}

impl Room {
    /// The cells come first: where a sentence would leave them too little it is left out.
    fn of(area: &Rect, sentence_height: f32) -> Self {
        let scale = scale::HEIGHT + 6.0;
        let sentence = area.height() - TOP - scale - sentence_height >= LEAST_GRID;
        Self {
            sentence,
            below: scale + if sentence { sentence_height } else { 0.0 },
        }
    }
}

impl Heatmap {
    fn grid_ui(&mut self, cx: &mut Cx<'_>, ui: &mut Ui, map: &Map<'_>, values: Arc<Vec<f32>>) {
        let differences = map.plot.differences();
        if cx.drawing == Drawing::Paper {
            let shapes = expert_grid::shapes(&map.grid, &values, cx.palette, differences);
            ui.painter().extend(shapes);
            cells::marks_ui(cx, ui, map);
            return;
        }
        let shape = expert_grid::shape(&map.grid, values, cx.palette, differences);
        ui.painter().add(shape);
        cells::marks_ui(cx, ui, map);
        let response = focus_ui(cx, ui, map);
        if has_widgets(&map.grid) {
            cells::cells_ui(cx, ui, map, 0..map.grid.n_rows);
            return;
        }
        self.shared_cells_ui(cx, map, &response);
        // Cells that are read one by one: those of the selected layer, where it is not unfolded.
        if let Some(row) = cx.selection.router.filter(|_| !map.grid.is_small()) {
            let row = row.idx().min(map.grid.n_rows);
            cells::cells_ui(cx, ui, map, row..(row + 1).min(map.grid.n_rows));
        }
    }

    /// One response for all cells: thousands of widgets a frame would be slow.
    fn shared_cells_ui(&mut self, cx: &mut Cx<'_>, map: &Map<'_>, response: &Response) {
        let under = response
            .hover_pos()
            .or(response.interact_pointer_pos())
            .and_then(|it| map.grid.hit(it));
        if response.secondary_clicked() {
            self.menu_cell = under;
        }
        if let Some(at) = under.and_then(|it| map.expert_at(cx, it)) {
            expert_gestures(cx, response, at);
            response
                .clone()
                .on_hover_ui_at_pointer(|ui| hover::ui(cx, ui, at, map.plot));
        }
        let menu = self.menu_cell.and_then(|it| map.expert_at(cx, it));
        response.context_menu(|ui| {
            if let Some(at) = menu {
                expert_menu(cx, ui, at);
            }
        });
    }
}

/// Whether each cell is a widget of its own: not where they are too small to be told apart, or too many for one frame.
fn has_widgets(grid: &GridView) -> bool {
    !grid.is_small() && grid.n_cols * grid.n_rows <= MOST_WIDGETS
}

/// The grid as one widget: Tab reaches it, the arrows move the expert picked, its name says the cell.
fn focus_ui(cx: &mut Cx<'_>, ui: &mut Ui, map: &Map<'_>) -> Response {
    let sense = if has_widgets(&map.grid) {
        Sense::focusable_noninteractive()
    } else {
        Sense::click()
    };
    let response = ui.interact(map.grid.rect, ui.scope_id().with("cells"), sense);
    response.widget_info(|| {
        let cell = cx.selection.expert_at().map(|at| {
            let router = cx.spec().and_then(|it| it.router(at.router));
            let label = router.map_or_else(String::new, crate::spec::RouterSpec::label);
            let words = hover::cell_words(cx, at, map.plot);
            format!("{label} expert {}, {words}", at.expert)
        });
        egui::WidgetInfo {
            current_text_value: cell,
            ..egui::WidgetInfo::labeled(egui::Role::Grid, true, "Experts by layer")
        }
    });
    if response.has_focus() {
        let frame = map.grid.rect.expand(3.0);
        ui.painter()
            .rect_stroke(frame, 5.0, (1.5, cx.palette.accent), StrokeKind::Outside);
    }
    if let Some(direction) = focused_arrows(ui, &response) {
        let selection = moved(cx, map, direction);
        cx.push(Command::Select(selection));
    }
    response
}

/// The selection one cell further; the first expert of its layer where none was picked.
fn moved(cx: &Cx<'_>, map: &Map<'_>, direction: Direction) -> Selection {
    let router = cx.selection.router.unwrap_or_default();
    let Some(expert) = cx.selection.expert else {
        return Selection {
            router: Some(router),
            expert: Some(order::first(map.places, router)),
            ..cx.selection
        };
    };
    let at = ExpertAt { router, expert };
    let col = map.places.col(at);
    let in_row = |row: usize| {
        let n = cx.spec()?.routers.get(row)?.n_experts;
        let col = col.min(n.checked_sub(1)?);
        Some((RouterId::new(row), map.places.expert(col, row)))
    };
    let to = match direction {
        Direction::Left => order::beside(cx, map.places, at, -1).map(|it| (router, it)),
        Direction::Right => order::beside(cx, map.places, at, 1).map(|it| (router, it)),
        Direction::Up => router.idx().checked_sub(1).and_then(in_row),
        Direction::Down => in_row(router.idx() + 1),
    };
    let (router, expert) = to.unwrap_or((router, expert));
    Selection {
        router: Some(router),
        expert: Some(expert),
        ..cx.selection
    }
}

fn gutter(ui: &Ui, cx: &Cx<'_>) -> f32 {
    let labels = cx.spec().into_iter().flat_map(|it| &it.routers);
    let longest = labels
        .map(crate::spec::RouterSpec::label)
        .max_by_key(String::len);
    let galley = ui.painter().layout_no_wrap(
        longest.unwrap_or_default(),
        FontId::proportional(LABEL_SIZE),
        cx.palette.second,
    );
    galley.size().x.ceil() + 10.0
}
