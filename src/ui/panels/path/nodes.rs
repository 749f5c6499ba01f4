//! The experts in the columns: what stands for each, its marks, its widget or its place under the pointer.

use std::sync::Arc;

use eframe::egui::{
    self, Align2, Color32, FontId, Mesh, Pos2, Rect, Sense, StrokeKind, Ui, pos2, vec2,
};

use crate::spec::{ExpertId, RouterId};
use crate::ui::theme::Palette;
use crate::ui::widgets::{EditMark, edit_marks, expert_gestures, expert_menu};
use crate::ui::{Cx, Drawing, ExpertAt, kept_mesh};

use super::layout::{PathColumns, small};

/// The picks of one token, strongest first, `[R]`.
pub type Picks = Vec<Vec<(ExpertId, f32)>>;

/// Above this many experts in all, one widget stands for them together.
const MOST_WIDGETS: usize = 400;

/// Experts of all columns, `[R][E]`.
#[derive(Clone, Debug, Default)]
pub struct Nodes {
    /// Where each stands.
    pub rects: Vec<Vec<Rect>>,
    /// All of them as one shape, where they are many.
    mesh: Option<Arc<Mesh>>,
}

/// The expert of a column and a place in it.
pub fn expert_at(router: usize, expert: usize) -> ExpertAt {
    ExpertAt {
        router: RouterId::new(router),
        expert: ExpertId::new(expert),
    }
}

/// The colour of what stands for an expert in its column: quiet where experts are told by place alone.
fn fill(cx: &Cx<'_>, at: ExpertAt, n_experts: usize) -> Color32 {
    if n_experts > 16 && !cx.pins.contains(&at) {
        cx.palette.line
    } else {
        tint(cx, at, n_experts)
    }
}

/// The colour of an expert: its own up to 16 of them; beyond, one for each pinned expert, and grey.
pub fn tint(cx: &Cx<'_>, at: ExpertAt, n_experts: usize) -> Color32 {
    if n_experts <= 16 {
        return cx.palette.expert(at.expert.idx());
    }
    match cx.pins.iter().position(|it| *it == at) {
        Some(pin) => cx.palette.expert(pin),
        None => cx.palette.quiet(cx.palette.second, 0.7),
    }
}

impl Nodes {
    /// Nodes at these places.
    pub fn new(cx: &Cx<'_>, rects: Vec<Vec<Rect>>) -> Self {
        let n: usize = rects.iter().map(Vec::len).sum();
        let mesh = (n > MOST_WIDGETS).then(|| {
            let mut mesh = Mesh::default();
            for (router, column) in rects.iter().enumerate() {
                for (expert, rect) in column.iter().enumerate() {
                    let color = fill(cx, expert_at(router, expert), column.len());
                    mesh.add_colored_rect(*rect, color);
                }
            }
            Arc::new(mesh)
        });
        Self { rects, mesh }
    }

    /// Whether each expert has a widget of its own.
    pub fn have_widgets(&self) -> bool {
        self.mesh.is_none()
    }

    /// Where an expert stands.
    pub fn rect(&self, at: ExpertAt) -> Option<Rect> {
        self.rects
            .get(at.router.idx())?
            .get(at.expert.idx())
            .copied()
    }

    /// The expert nearest to a place in a column.
    pub fn under(&self, columns: &PathColumns, pointer: Pos2) -> Option<ExpertAt> {
        let (router, _) = columns.under(pointer.x);
        let far = |it: &Rect| (pointer.y - it.clamp(pointer).y).abs();
        let experts = self.rects.get(router)?.iter().enumerate();
        let nearest = experts.min_by(|a, b| far(a.1).total_cmp(&far(b.1)))?;
        Some(expert_at(router, nearest.0))
    }

    /// Draws all nodes.
    pub fn paint(&self, cx: &Cx<'_>, ui: &Ui) {
        if let (Some(mesh), Drawing::Screen) = (&self.mesh, cx.drawing) {
            let around = ui.max_rect();
            ui.painter()
                .add(kept_mesh::shape("path nodes", around, mesh));
            return;
        }
        for (router, column) in self.rects.iter().enumerate() {
            for (expert, rect) in column.iter().enumerate() {
                let color = fill(cx, expert_at(router, expert), column.len());
                let corner = (rect.height() / 3.0).min(3.0);
                ui.painter().rect_filled(*rect, corner, color);
                if column.len() <= 16 && expert >= 8 {
                    stripes_ui(cx, ui, *rect);
                }
            }
        }
    }

    /// Writes the ids on the nodes that have room for them.
    pub fn ids_ui(&self, cx: &Cx<'_>, ui: &Ui) {
        for column in self.rects.iter().filter(|it| it.len() <= 100) {
            for (expert, rect) in column.iter().enumerate() {
                if rect.width() < 14.0 || rect.height() < 10.5 {
                    continue;
                }
                let fill = fill(cx, expert_at(0, expert), column.len());
                ui.painter().text(
                    rect.center(),
                    Align2::CENTER_CENTER,
                    expert.to_string(),
                    FontId::proportional(small(ui)),
                    on(cx.palette, fill),
                );
            }
        }
    }

    /// What edits do, the selection and the pointer.
    pub fn marks_ui(&self, cx: &Cx<'_>, ui: &Ui) {
        let (painter, palette) = (ui.painter(), cx.palette);
        for (at, mark) in edit_marks(cx) {
            if let Some(rect) = self.rect(at) {
                edit_ui(cx, ui, mark, rect);
            }
        }
        let outline = |at: Option<ExpertAt>, width: f32, color: Color32| {
            if let Some(rect) = at.and_then(|it| self.rect(it)) {
                let around = rect.expand(1.5);
                painter.rect_stroke(around, 3.0, (width, color), StrokeKind::Outside);
            }
        };
        if cx.drawing == Drawing::Screen {
            outline(cx.hover.expert, 1.0, palette.second);
        }
        outline(cx.selection.expert_at(), 2.0, palette.selected);
    }

    /// A widget an expert, with the gestures and `name`; nothing where they are too many.
    pub fn widgets_ui(&self, cx: &mut Cx<'_>, ui: &Ui, name: impl Fn(&Cx<'_>, ExpertAt) -> String) {
        if !self.have_widgets() {
            return;
        }
        for (router, column) in self.rects.iter().enumerate() {
            for (expert, rect) in column.iter().enumerate() {
                let at = expert_at(router, expert);
                let id = ui.scope_id().with(("node", router, expert));
                let grown = rect.expand2(vec2(2.0, (4.0 - rect.height() / 2.0).clamp(0.0, 1.5)));
                let response = ui.interact(grown, id, Sense::click());
                response.widget_info(|| {
                    egui::WidgetInfo::labeled(egui::Role::Button, true, name(cx, at))
                });
                expert_gestures(cx, &response, at);
                response.context_menu(|ui| expert_menu(cx, ui, at));
                response.on_hover_ui_at_pointer(|ui| {
                    ui.label(name(cx, at));
                    ui.weak(
                        "click selects · double-click or M masks · right-click lists every edit",
                    );
                });
            }
        }
    }
}

/// Beyond the eighth expert colours begin anew: those nodes are striped.
fn stripes_ui(cx: &Cx<'_>, ui: &Ui, rect: Rect) {
    let mut x = rect.left() + 3.0;
    while x < rect.right() - 1.0 {
        let y = rect.top() + 0.5..=rect.bottom() - 0.5;
        ui.painter().vline(x, y, (1.0, cx.palette.panel));
        x += 4.0;
    }
}

fn edit_ui(cx: &Cx<'_>, ui: &Ui, mark: EditMark, rect: Rect) {
    let (painter, palette) = (ui.painter(), cx.palette);
    let around = rect.expand(1.0);
    let width = if mark.forced { 3.0 } else { 2.0 };
    // A node too thin for an outline has the strike alone.
    if rect.height() >= 5.0 || !mark.masked {
        painter.rect_stroke(around, 3.0, (width, palette.amber), StrokeKind::Outside);
    }
    if mark.masked {
        let reach = vec2(
            rect.width() / 2.0 + 3.0,
            -(rect.height() / 2.0).clamp(3.0, 7.0),
        );
        let ends = [rect.center() - reach, rect.center() + reach];
        painter.line_segment(ends, (4.0, palette.panel));
        painter.line_segment(ends, (2.0, palette.amber));
    }
    if mark.forced {
        let dot = pos2(rect.right() + 4.0, rect.top());
        painter.circle(dot, 2.5, palette.amber, (1.0, palette.hairline));
    }
}

/// Words on a colour: whichever of the palette's is further from it.
fn on(palette: &Palette, fill: Color32) -> Color32 {
    let far = |it: Color32| (it.intensity() - fill.intensity()).abs();
    if far(palette.window) >= far(palette.text) {
        palette.window
    } else {
        palette.text
    }
}
