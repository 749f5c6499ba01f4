//! The token shown and those around it: each a curve through its strongest expert in every layer.
//!
//! Curves of neighbours lie a little above and below, so that each can be told and clicked.

use std::{ops::Range, sync::Arc};

use eframe::egui::{self, Color32, Mesh, Pos2, Sense, Ui, pos2};

use crate::analysis::FlowOf;
use crate::spec::{ExpertId, Position, RouterId};
use crate::ui::widgets::{Below, over_sentence, shared_gestures};
use crate::ui::words::{count_of, part_of, percent};
use crate::ui::{
    Command, Cx, Drawing, ExpertAt, Hover, Memo, RowOf, Selection, ThemeKind, kept_mesh,
};

use super::PathSettings;
use super::lanes::{dropped_ui, groups_ui, ids_ui, lanes_ui, rings_ui};
use super::layout::{Labels, PathColumns, gutter};
use super::nodes::{Nodes, Picks, expert_at, tint};
use super::ribbon::Ribbon;
use super::words::{dropped_words, node_name, picks_words};

/// Neighbours drawn before and after the token shown.
const AROUND: usize = 12;
/// The same where there are more than 32 routers.
const AROUND_DEEP: usize = 6;
/// A curve is under the pointer within this distance, points.
const REACH: f32 = 4.0;
/// Where a row of curves of one node is spread, as a part of its lane.
const SPREAD: f32 = 0.66;

/// One token's way.
#[derive(Clone, Debug)]
struct TokenPath {
    at: Position,
    /// How far its curve lies below the middle of its lanes, points.
    offset: f32,
    /// Its strongest expert and that one's weight, `[R]`.
    strongest: Vec<Option<(ExpertId, f32)>>,
}

/// What is drawn of a window of tokens, and what it was drawn for.
#[derive(Clone, Debug, Default)]
pub struct TokenPaths {
    read: Memo<(RowOf, Range<usize>, Position), TokenWindow>,
    placed: Memo<PlacedFor, (Nodes, Labels)>,
    /// Raised wherever the nodes or the tokens are others: what is drawn through them is drawn anew.
    version: u64,
    /// Curves of the neighbours, where they can be drawn as one shape, by the version.
    mesh: Memo<u64, Arc<Mesh>>,
    /// As `WAYS` has them, by the version.
    ways: [Memo<(u64, Look), Way>; WAYS.len()],
}

/// The tokens of a window, and what they share.
#[derive(Clone, Debug, Default)]
struct TokenWindow {
    paths: Vec<TokenPath>,
    sentence: String,
}

/// What the nodes stand for: it stays while tokens are selected and written.
#[derive(Clone, Debug, PartialEq)]
struct PlacedFor {
    opened: u64,
    columns: PathColumns,
    kind: ThemeKind,
    pixel: f32,
    pins: Vec<ExpertAt>,
}

/// Whose way is drawn, and how.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Look {
    at: Position,
    of: FlowOf,
    color: Color32,
    strength: f32,
}

/// Where the ways are kept on the device: that of the token shown, and that of the token under the pointer.
const WAYS: [&str; 2] = ["path shown", "path under the pointer"];

/// One token's way as it was drawn last.
#[derive(Clone, Debug, Default)]
struct Way {
    picks: Picks,
    mesh: Arc<Mesh>,
}

/// Draws the token shown among its neighbours.
pub fn ui(
    cx: &mut Cx<'_>,
    ui: &mut Ui,
    view: PathSettings,
    kept: &mut TokenPaths,
    menu: &mut Option<ExpertAt>,
) {
    let (Some(spec), Some(shown)) = (cx.spec(), cx.position()) else {
        return;
    };
    kept.read(cx, shown);
    let sentence = &kept.read.value().sentence;
    let area = over_sentence(ui, sentence, &Below::default());
    let Some(columns) = PathColumns::fit(area, spec.routers.len(), gutter(ui, spec)) else {
        return;
    };
    kept.place_all(cx, ui, columns, shown);
    if cx.drawing == Drawing::Screen {
        pointer_ui(cx, ui, kept, &columns, menu);
    }
    lanes_ui(cx, ui, kept.nodes(), &columns);
    groups_ui(cx, ui, &columns);
    let mesh = kept.mesh.value();
    draw(cx, ui, ("path neighbours", &columns, mesh), || {
        neighbours(cx, kept, &columns, shown)
    });
    kept.nodes().paint(cx, ui);
    if let Some((_, at)) = hovered_token(cx) {
        let look = Look {
            at,
            of: FlowOf::Strongest,
            color: cx.palette.text,
            strength: 0.9,
        };
        kept.way_ui(cx, ui, &columns, (1, look));
    }
    let look = Look {
        at: shown,
        of: view.of,
        color: cx.palette.selected,
        strength: 1.0,
    };
    kept.way_ui(cx, ui, &columns, (0, look));
    kept.nodes().marks_ui(cx, ui);
    kept.placed.value().1.ui(cx, ui, &columns);
    ids_ui(cx, ui, kept.nodes(), &columns);
    if cx.drawing == Drawing::Screen {
        let words = |cx: &Cx<'_>, at: ExpertAt| node_name(cx, at, shown);
        kept.nodes().widgets_ui(cx, ui, words);
    }
}

/// The token under the pointer in whatever panel, where it is one of this row.
fn hovered_token(cx: &Cx<'_>) -> Option<(crate::ui::RowChoice, Position)> {
    let it = cx.hover.token.filter(|it| it.0 == cx.selection.row);
    it.filter(|_| cx.drawing == Drawing::Screen)
}

/// How many neighbours before and after.
fn around(n_routers: usize) -> usize {
    if n_routers > 32 { AROUND_DEEP } else { AROUND }
}

/// The tokens drawn: as many before as after, those at the ends of the text nearer to it.
fn window(n: usize, shown: Position, around: usize) -> Range<usize> {
    let wanted = 2 * around + 1;
    let start = shown
        .idx()
        .saturating_sub(around)
        .min(n.saturating_sub(wanted));
    start..(start + wanted).min(n)
}

/// The strongest pick of a token in every router.
fn strongest(cx: &Cx<'_>, n_routers: usize, at: Position) -> Vec<Option<(ExpertId, f32)>> {
    let mut out = vec![None; n_routers];
    let store = cx.row().map(|it| &it.record.store);
    for (router, routed) in store.into_iter().flat_map(|it| it.all_at(at)) {
        if let Some(it) = out.get_mut(router.idx()) {
            *it = routed.strongest().map(|it| (it.expert, it.weight));
        }
    }
    out
}

/// The picks of a token, the `most` strongest of each router.
fn picks(cx: &Cx<'_>, n_routers: usize, at: Position, most: usize) -> Picks {
    let mut out = vec![Vec::new(); n_routers];
    let store = cx.row().map(|it| &it.record.store);
    for (router, routed) in store.into_iter().flat_map(|it| it.all_at(at)) {
        if let Some(picks) = out.get_mut(router.idx()) {
            picks.reserve_exact(routed.n_picks().min(most));
            let strongest = routed.picks().take(most);
            picks.extend(strongest.map(|it| (it.expert, it.weight)));
        }
    }
    out
}

impl TokenPaths {
    /// Reads the tokens drawn where the text has grown or another is shown.
    fn read(&mut self, cx: &Cx<'_>, shown: Position) {
        let (Some(key), Some(row), Some(spec)) = (RowOf::of(cx), cx.row(), cx.spec()) else {
            return;
        };
        let n_routers = spec.routers.len();
        // Neighbours are those that the same layers read.
        let parts = cx.parts();
        let mine = parts.range(parts.stack(shown), row.record.store.len());
        let from = Position::new(shown.idx().saturating_sub(mine.start));
        let window = window(mine.len(), from, around(n_routers));
        let window = window.start + mine.start..window.end + mine.start;
        let key = (key, window.clone(), shown);
        if self.read.is_of(&key) {
            return;
        }
        self.version += 1;
        self.read.set(key, |_| {
            let path = |at| TokenPath {
                at: Position::new(at),
                offset: 0.0,
                strongest: strongest(cx, n_routers, Position::new(at)),
            };
            let paths: Vec<TokenPath> = window.map(path).collect();
            let sentence = sentence(cx, &paths, shown);
            TokenWindow { paths, sentence }
        });
    }

    fn paths(&self) -> &[TokenPath] {
        &self.read.value().paths
    }

    fn nodes(&self) -> &Nodes {
        &self.placed.value().0
    }

    /// Places and draws them anew where anything they depend on is another.
    fn place_all(&mut self, cx: &Cx<'_>, ui: &Ui, columns: PathColumns, shown: Position) {
        let Some(spec) = cx.spec() else {
            return;
        };
        let pixel = 1.0 / ui.ctx().pixels_per_point();
        let key = PlacedFor {
            opened: cx.session.opened,
            columns,
            kind: cx.palette.kind,
            pixel,
            pins: cx.pins.to_vec(),
        };
        if !self.placed.is_of(&key) {
            self.version += 1;
            self.placed.set(key, |_| {
                let nodes = Nodes::new(cx, columns.lanes(spec));
                (nodes, Labels::fit(ui, spec, &columns))
            });
        }
        if self.mesh.is_of(&self.version) {
            return;
        }
        let lane = columns.rect.height() / spec.max_experts().max(1) as f32;
        let apart = lane * SPREAD / (2 * around(columns.n)) as f32;
        for path in &mut self.read.value_mut().paths {
            let far = path.at.idx() as f32 - shown.idx() as f32;
            path.offset = (far * apart).clamp(-lane / 2.0, lane / 2.0);
        }
        let ribbons = neighbours(cx, self, &columns, shown);
        let mesh = Ribbon::mesh_of(ribbons.iter().copied(), pixel);
        self.mesh.set(self.version, |_| Arc::new(mesh));
    }

    /// One token's whole way on top, drawn anew where it is another's or looks otherwise.
    fn way_ui(
        &mut self,
        cx: &Cx<'_>,
        ui: &Ui,
        columns: &PathColumns,
        (place, look): (usize, Look),
    ) {
        let key = (self.version, look);
        if !self.ways[place].is_of(&key) {
            let n_ranks = match look.of {
                FlowOf::AllPicks => usize::MAX,
                FlowOf::Strongest => 1,
            };
            let picks = picks(cx, columns.n, look.at, n_ranks);
            let pixel = 1.0 / ui.ctx().pixels_per_point();
            let ribbons = ribbons(self, columns, &picks, look);
            let mesh = Arc::new(Ribbon::mesh_of(ribbons.iter().copied(), pixel));
            self.ways[place].set(key, |_| Way { picks, mesh });
        }
        let way = self.ways[place].value();
        draw(cx, ui, (WAYS[place], columns, &way.mesh), || {
            ribbons(self, columns, &way.picks, look)
        });
        rings_ui(cx, ui, self.nodes(), columns, &way.picks, look.color);
        dropped_ui(cx, ui, self.nodes(), columns, look.at);
    }

    fn place(
        &self,
        router: usize,
        expert: ExpertId,
        offset: f32,
        columns: &PathColumns,
    ) -> Option<Pos2> {
        let rect = self.nodes().rect(expert_at(router, expert.idx()))?;
        Some(pos2(columns.x(router), rect.center().y + offset))
    }

    fn curve(
        &self,
        path: &TokenPath,
        router: usize,
        columns: &PathColumns,
    ) -> Option<(Ribbon, [f32; 2])> {
        let (a, wa) = (*path.strongest.get(router)?)?;
        let (b, wb) = (*path.strongest.get(router + 1)?)?;
        let ribbon = Ribbon {
            from: self.place(router, a, path.offset, columns)?,
            to: self.place(router + 1, b, path.offset, columns)?,
            widths: [1.0; 2],
            colors: [Color32::TRANSPARENT; 2],
        };
        Some((ribbon, [wa, wb]))
    }

    /// The token whose curve lies under the pointer.
    fn token_under(&self, columns: &PathColumns, pointer: Pos2) -> Option<Position> {
        let gap = columns.under(pointer.x).1?;
        let near = self.paths().iter().filter_map(|path| {
            let (ribbon, _) = self.curve(path, gap, columns)?;
            Some((path.at, ribbon.distance(pointer)))
        });
        let nearest = near.min_by(|a, b| a.1.total_cmp(&b.1))?;
        (nearest.1 <= REACH).then_some(nearest.0)
    }
}

/// What is shared with the neighbours, beside chance.
fn sentence(cx: &Cx<'_>, paths: &[TokenPath], shown: Position) -> String {
    let Some(own) = paths.iter().find(|it| it.at == shown) else {
        return String::new();
    };
    let (mut n_same, mut n_pairs, mut chance) = (0usize, 0usize, 0.0);
    for path in paths.iter().filter(|it| it.at != shown) {
        for (router, (a, b)) in own.strongest.iter().zip(&path.strongest).enumerate() {
            let (Some(a), Some(b)) = (a, b) else {
                continue;
            };
            n_pairs += 1;
            n_same += usize::from(a.0 == b.0);
            let n = cx.spec().and_then(|it| it.routers.get(router));
            chance += n.map_or(0.0, |it| 1.0 / it.n_experts as f64);
        }
    }
    let (words, name) = (cx.quoted(shown), cx.token_name(shown));
    let dropped = dropped_words(cx, shown);
    if n_pairs == 0 {
        return format!("{words} ({name}) and its strongest expert in each layer{dropped}");
    }
    format!(
        "{words} ({name}) and its strongest expert in each layer{dropped} · the {} around it have the same one in {}, {} (even chance {}): alike in routing, not in meaning.",
        count_of(paths.len() - 1, cx.noun()),
        part_of(n_same, n_pairs, "place"),
        percent(n_same as f32 / n_pairs as f32),
        percent((chance / n_pairs as f64) as f32),
    )
}

/// The curves of all but the token shown, coloured by the experts they join, wider for more weight.
fn neighbours(
    cx: &Cx<'_>,
    kept: &TokenPaths,
    columns: &PathColumns,
    shown: Position,
) -> Vec<Ribbon> {
    let n_of = |router: usize| kept.nodes().rects.get(router).map_or(1, Vec::len);
    let strength = if cx.palette.dark { 0.5 } else { 0.6 };
    let n_gaps = columns.n.saturating_sub(1);
    let mut out = Vec::with_capacity(kept.paths().len() * n_gaps);
    for path in kept.paths().iter().filter(|it| it.at != shown) {
        let color = |router: usize| {
            let expert = path.strongest.get(router).copied().flatten();
            let expert = expert.map_or(0, |it| it.0.idx());
            let color = tint(cx, expert_at(router, expert), n_of(router));
            cx.palette.quiet(color, strength)
        };
        let mut left = color(0);
        for router in 0..n_gaps {
            let colors = [left, color(router + 1)];
            left = colors[1];
            let Some((ribbon, weights)) = kept.curve(path, router, columns) else {
                continue;
            };
            out.push(Ribbon {
                widths: weights.map(|it| 0.6 + 1.2 * it.clamp(0.0, 1.0)),
                colors,
                ..ribbon
            });
        }
    }
    out
}

/// A mesh kept from before, or on paper its ribbons as lines.
fn draw(
    cx: &Cx<'_>,
    ui: &Ui,
    (slot, columns, mesh): (&'static str, &PathColumns, &Arc<Mesh>),
    ribbons: impl Fn() -> Vec<Ribbon>,
) {
    if cx.drawing == Drawing::Screen {
        ui.painter().add(kept_mesh::shape(slot, columns.rect, mesh));
    } else {
        ui.painter().extend(ribbons().iter().map(Ribbon::shape));
    }
}

/// One token's way: its strongest experts, and fainter its other picks where they are asked for.
fn ribbons(kept: &TokenPaths, columns: &PathColumns, picks: &Picks, look: Look) -> Vec<Ribbon> {
    let own = kept.paths().iter().find(|it| it.at == look.at);
    let offset = own.map_or(0.0, |it| it.offset);
    let n_ranks = picks.iter().map(Vec::len).max().unwrap_or(0);
    let mut out = Vec::new();
    for rank in (0..n_ranks).rev() {
        let faint = look.strength / (1.0 + 1.2 * rank as f32);
        for router in 0..columns.n.saturating_sub(1) {
            let (Some(a), Some(b)) = (picks[router].get(rank), picks[router + 1].get(rank)) else {
                continue;
            };
            let place = |router, it: ExpertId| kept.place(router, it, offset, columns);
            if let (Some(from), Some(to)) = (place(router, a.0), place(router + 1, b.0)) {
                out.push(Ribbon {
                    from,
                    to,
                    widths: [a.1, b.1].map(|it| 1.0 + 2.6 * it.clamp(0.0, 1.0)),
                    colors: [look.color.gamma_multiply(faint); 2],
                });
            }
        }
    }
    out
}

/// One response under the nodes: a curve is a token; where nodes are many, what stands in a column an expert.
fn pointer_ui(
    cx: &mut Cx<'_>,
    ui: &Ui,
    kept: &TokenPaths,
    columns: &PathColumns,
    menu: &mut Option<ExpertAt>,
) {
    let response = ui.interact(columns.rect, ui.scope_id().with("paths"), Sense::click());
    let name = format!("Paths of {}", count_of(kept.paths().len(), cx.noun()));
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &name));
    let pointer = response.hover_pos().or(response.interact_pointer_pos());
    let on_column = pointer.filter(|it| !kept.nodes().have_widgets() && columns.is_on_column(it.x));
    let expert = on_column.and_then(|it| kept.nodes().under(columns, it));
    shared_gestures(cx, &response, expert, menu);
    if let Some(at) = expert {
        let words = cx.position().map(|it| node_name(cx, at, it));
        response.on_hover_text_at_pointer(words.unwrap_or_default());
        return;
    }
    let Some(at) = pointer.and_then(|it| kept.token_under(columns, it)) else {
        return;
    };
    if response.hovered() {
        cx.push(Command::Hover(Hover {
            token: Some((cx.selection.row, at)),
            expert: None,
        }));
    }
    if response.clicked() {
        cx.push(Command::Select(Selection {
            position: Some(at),
            ..cx.selection
        }));
    }
    let gap = pointer.and_then(|it| columns.under(it.x).1);
    response.on_hover_ui_at_pointer(|ui| {
        ui.strong(format!("{} ({})", cx.quoted(at), cx.token_name(at)));
        for router in gap.into_iter().flat_map(|it| [it, it + 1]) {
            ui.label(picks_words(cx, RouterId::new(router), at));
        }
        ui.weak(cx.said("click selects the token"));
    });
}

#[cfg(test)]
mod tests {
    use super::window;
    use crate::spec::Position;

    #[test]
    fn the_window_holds_the_token_and_stays_inside_the_text() {
        let check = |n, shown, wanted| assert_eq!(window(n, Position(shown), 2), wanted);
        check(100, 50, 48..53);
        check(100, 0, 0..5);
        check(100, 99, 95..100);
        check(3, 1, 0..3);
        check(0, 0, 0..0);
    }
}
