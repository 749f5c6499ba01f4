//! Which experts follow which, over the whole text: ribbons between neighbouring routers as wide as what flows.
//!
//! Counts grow with the text; the largest flows of each gap are looked up anew a portion a frame.

use std::sync::Arc;

use eframe::egui::{self, Mesh, Pos2, Rect, Sense, Shape, Ui, pos2};

use crate::analysis::{Flow, FlowOf, FlowStats, GapFlow, PhaseFilter};
use crate::document::even_chance;
use crate::spec::{ExpertId, ModelSpec, RouterId, RouterSpec};
use crate::ui::widgets::{Below, over_sentence, shared_gestures};
use crate::ui::words::{count_of, part_of, percent, plural};
use crate::ui::{Command, Cx, Drawing, ExpertAt, Hover, Memo, RowOf, ThemeKind, kept_mesh};

use super::lanes::groups_ui;
use super::layout::{Labels, PathColumns};
use super::nodes::{Nodes, expert_at, tint};
use super::ribbon::Ribbon;
use super::{FlowAmount, PathSettings};

/// Ribbons drawn at most, in all gaps together; each gap has the same part, and eight at least.
const MOST_RIBBONS: usize = 640;
/// Pairs counted in one frame at most.
const PAIRS_A_FRAME: usize = 40_000;
/// Pairs looked through in one frame at most, to find the largest.
const LOOKS_A_FRAME: usize = 60_000;
/// A ribbon is at least this wide, points: a count of one can still be seen.
const LEAST: f32 = 0.6;
/// A ribbon is under the pointer within this distance, points.
const REACH: f32 = 1.5;

/// Counts of a row, the largest flows, and what is drawn of them.
#[derive(Clone, Debug, Default)]
pub struct FlowPlot {
    stats: FlowStats,
    /// The flows of the gaps, `[R - 1]`, by tokens, phase and kind.
    gaps: Vec<Memo<(u64, PhaseFilter, FlowOf, FlowAmount), GapFlow>>,
    /// The gap to look at next.
    turn: usize,
    /// Raised by every look-up that may change a ribbon.
    version: u64,
    drawn: Memo<DrawnFor, DrawnFlow>,
}

/// What is drawn of the flows.
#[derive(Clone, Debug, Default)]
struct DrawnFlow {
    nodes: Nodes,
    labels: Labels,
    ribbons: Vec<Drawn>,
    mesh: Arc<Mesh>,
}

#[derive(Clone, Debug, PartialEq)]
struct DrawnFor {
    version: u64,
    columns: PathColumns,
    kind: ThemeKind,
    pixel: f32,
    pins: Vec<ExpertAt>,
}

/// What of all flow is shown at first: the rest is many thin ribbons that hide it.
pub const STRONGEST: f64 = 0.6;

/// A flow and its ribbon.
#[derive(Clone, Copy, Debug)]
struct Drawn {
    gap: usize,
    flow: Flow,
    ribbon: Ribbon,
}

/// Draws the flow of the text.
pub fn ui(
    cx: &mut Cx<'_>,
    ui: &mut Ui,
    view: PathSettings,
    kept: &mut Memo<RowOf, FlowPlot>,
    menu: &mut Option<ExpertAt>,
) {
    let Some(spec) = cx.spec() else {
        return;
    };
    // A file is drawn once: there the whole text is counted first.
    while FlowPlot::follow(kept, cx, view) {
        if cx.drawing == Drawing::Screen {
            ui.ctx().request_repaint();
            break;
        }
    }
    let kept = kept.value_mut();
    let sentence = kept.sentence(cx, view);
    let area = over_sentence(ui, &sentence, &Below::default());
    let Some(columns) = PathColumns::fit(area, spec.routers.len(), 6.0) else {
        return;
    };
    kept.draw(cx, ui, columns, view);
    let (kept, drawn) = (&*kept, kept.drawn.value());
    let under = if cx.drawing == Drawing::Screen {
        pointer_ui(cx, ui, kept, &columns, view, menu)
    } else {
        None
    };
    if cx.drawing == Drawing::Screen {
        ui.painter()
            .add(kept_mesh::shape("path flow", columns.rect, &drawn.mesh));
        lit_ui(cx, ui, drawn, under);
    } else {
        let ribbons = drawn.ribbons.iter().map(|it| it.ribbon.shape());
        ui.painter().extend(ribbons);
    }
    groups_ui(cx, ui, &columns);
    drawn.nodes.paint(cx, ui);
    drawn.nodes.ids_ui(cx, ui);
    drawn.nodes.marks_ui(cx, ui);
    drawn.labels.ui(cx, ui, &columns);
    if cx.drawing == Drawing::Screen {
        let words = |cx: &Cx<'_>, at: ExpertAt| kept.node_name(cx, view, at);
        drawn.nodes.widgets_ui(cx, ui, words);
    }
}

impl FlowPlot {
    /// Counts and looks up what is new, a portion; true where something is left.
    fn follow(kept: &mut Memo<RowOf, Self>, cx: &Cx<'_>, view: PathSettings) -> bool {
        let (Some(key), Some(row), Some(spec)) = (RowOf::of(cx), cx.row(), cx.spec()) else {
            return false;
        };
        let store = &row.record.store;
        let it = kept.resume(key, |it| it.stats.end() <= store.end());
        let all_counted = it
            .stats
            .extend(store, |it| cx.session.is_special(it), PAIRS_A_FRAME);
        let all_found = it.look_up(spec, view);
        !all_counted || !all_found
    }

    /// Finds the largest flows of a portion of the gaps; whether those of all are found.
    fn look_up(&mut self, spec: &ModelSpec, view: PathSettings) -> bool {
        let n_gaps = spec.routers.len().saturating_sub(1);
        self.gaps.resize(n_gaps, Memo::default());
        let n_tokens = self.stats.n_tokens(view.phase);
        let wanted = (n_tokens, view.phase, view.of, view.amount);
        let n_most = (MOST_RIBBONS / n_gaps.max(1)).max(8);
        let mut left = LOOKS_A_FRAME;
        for _ in 0..n_gaps {
            let gap = self.turn % n_gaps;
            let router = RouterId::new(gap);
            if !self.gaps[gap].is_of(&wanted) {
                let cost = self.stats.n_held(router, view.of) + 64;
                if left < cost && left < LOOKS_A_FRAME {
                    return false;
                }
                left = left.saturating_sub(cost);
                let is_joined = is_joined(&spec.routers[gap], &spec.routers[gap + 1]);
                self.gaps[gap].set(wanted, |_| {
                    if is_joined {
                        let gap = self.stats.gap(router, view.phase, view.of, n_most);
                        match view.amount {
                            FlowAmount::Strongest => gap.strongest(STRONGEST),
                            FlowAmount::All => gap,
                        }
                    } else {
                        GapFlow::default()
                    }
                });
                self.version += 1;
            }
            self.turn = gap + 1;
        }
        true
    }

    /// Places nodes and ribbons anew where something they depend on is another.
    fn draw(&mut self, cx: &Cx<'_>, ui: &Ui, columns: PathColumns, view: PathSettings) {
        let key = DrawnFor {
            version: self.version,
            columns,
            kind: cx.palette.kind,
            pixel: 1.0 / ui.ctx().pixels_per_point(),
            pins: cx.pins.to_vec(),
        };
        let Some(spec) = cx.spec() else {
            return;
        };
        self.drawn.get(key, |key| {
            let picks: Vec<Vec<u64>> = spec
                .router_ids()
                .map(|(id, router)| {
                    let mut n = self.stats.picks(id, view.phase, view.of);
                    n.resize(router.n_experts, 0);
                    n
                })
                .collect();
            let nodes = Nodes::new(cx, columns.stacks(&picks));
            let gaps = self.gaps.iter().map(Memo::value).enumerate();
            let ribbons: Vec<Drawn> = gaps
                .flat_map(|(gap, it)| ribbons_of(cx, &nodes, &columns, (gap, it)))
                .collect();
            let mesh = Ribbon::mesh_of(ribbons.iter().map(|it| it.ribbon), key.pixel);
            DrawnFlow {
                nodes,
                labels: Labels::fit(ui, spec, &columns),
                ribbons,
                mesh: Arc::new(mesh),
            }
        });
    }

    /// How often the expert a flow comes from was picked.
    fn n_from(&self, view: PathSettings, gap: usize, from: ExpertId) -> u64 {
        let n = self.stats.picks(RouterId::new(gap), view.phase, view.of);
        n.get(from.idx()).copied().unwrap_or(0)
    }

    /// `layer 3 expert 5 → layer 4 expert 6: 41 % of its tokens (even chance 25 %), 17 of 41`.
    fn flow_words(&self, cx: &Cx<'_>, view: PathSettings, gap: usize, flow: &Flow) -> String {
        let Some((a, b)) = cx
            .spec()
            .and_then(|it| it.routers.get(gap).zip(it.routers.get(gap + 1)))
        else {
            return String::new();
        };
        let of = self.n_from(view, gap, flow.from);
        format!(
            "{} expert {} → {} expert {}: {} of its {} (even chance {}), {} of {of}",
            a.label(),
            flow.from,
            b.label(),
            flow.to,
            percent(flow.n as f32 / of.max(1) as f32),
            plural(2, cx.noun()),
            percent(even_chance(b, view.of)),
            flow.n,
        )
    }

    /// The node with its load and the largest flow that leaves it.
    fn node_name(&self, cx: &Cx<'_>, view: PathSettings, at: ExpertAt) -> String {
        let label = cx.spec().and_then(|it| it.router(at.router));
        let label = label.map_or_else(String::new, RouterSpec::label);
        let n = self.n_from(view, at.router.idx(), at.expert);
        let picked = match view.of {
            FlowOf::AllPicks => "picked",
            FlowOf::Strongest => "the strongest",
        };
        let n_tokens = self.stats.n_tokens(view.phase);
        let own = format!(
            "flow through {label} expert {}: {picked} for {}",
            at.expert,
            part_of(n, n_tokens, cx.noun())
        );
        let flows = self
            .gaps
            .get(at.router.idx())
            .map_or(&[][..], |it| &it.value().flows);
        let leaving = flows.iter().filter(|it| it.from == at.expert);
        let Some(largest) = leaving.max_by_key(|it| (it.n, std::cmp::Reverse(it.to))) else {
            return own;
        };
        let words = self.flow_words(cx, view, at.router.idx(), largest);
        let after = words.split_once(" → ").map_or("", |it| it.1);
        format!("{own}, most often followed by {after}")
    }

    /// The counts the picture is made from, of every pair drawn.
    pub fn drawn(&self) -> impl Iterator<Item = (usize, &Flow)> + '_ {
        let gaps = self.gaps.iter().enumerate();
        gaps.flat_map(|(gap, it)| it.value().flows.iter().map(move |flow| (gap, flow)))
    }

    /// How often each expert of a router was picked.
    pub fn picks(&self, view: PathSettings, gap: usize) -> Vec<u64> {
        self.stats.picks(RouterId::new(gap), view.phase, view.of)
    }

    /// Tokens counted.
    pub fn n_tokens(&self, view: PathSettings) -> u64 {
        self.stats.n_tokens(view.phase)
    }

    fn sentence(&self, cx: &Cx<'_>, view: PathSettings) -> String {
        let total: u64 = self.gaps.iter().map(|it| it.value().total).sum();
        let n_tokens = self.stats.n_tokens(view.phase);
        if total == 0 {
            let tokens = count_of(n_tokens, cx.noun());
            return format!("No flow between neighbouring layers over {tokens}");
        }
        let shown: u64 = self.drawn().map(|it| it.1.n).sum();
        let n_shown = self.drawn().count();
        let n = cx.row().map_or(0, |it| it.record.store.len());
        let counting = if self.stats.end().idx() < n {
            format!(
                " (counted up to {} {} of {n} so far)",
                cx.noun(),
                self.stats.end()
            )
        } else {
            String::new()
        };
        let which = if view.amount == FlowAmount::Strongest {
            "the strongest "
        } else if shown < total {
            "the largest "
        } else {
            "all "
        };
        let largest = self.drawn().max_by_key(|it| it.1.n);
        let largest = largest.map_or_else(String::new, |(gap, flow)| {
            format!(" · largest: {}", self.flow_words(cx, view, gap, flow))
        });
        format!(
            "Flow over {}{counting}: {which}{} drawn, {} of all flow{largest} · what follows what, not what causes what.",
            count_of(n_tokens, cx.noun()),
            count_of(n_shown as u64, "pair"),
            percent(shown as f32 / total as f32),
        )
    }
}

impl DrawnFlow {
    /// The ribbon under the pointer.
    fn under(&self, columns: &PathColumns, pointer: Pos2) -> Option<Drawn> {
        let gap = columns.under(pointer.x).1?;
        let near = self.ribbons.iter().filter(|it| it.gap == gap);
        let near = near.map(|it| (it, it.ribbon.distance(pointer)));
        let nearest = near.min_by(|a, b| a.1.total_cmp(&b.1))?;
        (nearest.1 <= REACH).then_some(*nearest.0)
    }
}

/// The ribbons of one gap: at both ends side by side on their node, in the order of the nodes they lead to.
fn ribbons_of(
    cx: &Cx<'_>,
    nodes: &Nodes,
    columns: &PathColumns,
    (gap, top): (usize, &GapFlow),
) -> Vec<Drawn> {
    let n = |it: usize| nodes.rects[it].len();
    let height = |router: usize, expert: ExpertId| {
        let rect = nodes.rects[router].get(expert.idx());
        rect.map_or(0.0, Rect::height)
    };
    let share = |n: u64, all: &[u64], expert: ExpertId| {
        n as f32 / all.get(expert.idx()).copied().unwrap_or(1).max(1) as f32
    };
    let width_out = |it: &Flow| height(gap, it.from) * share(it.n, &top.out, it.from);
    let width_in = |it: &Flow| height(gap + 1, it.to) * share(it.n, &top.into, it.to);
    // What is drawn of a node's flow stands around its middle.
    let first = |router: usize, widths: Vec<f32>| -> Vec<f32> {
        let rects = nodes.rects[router].iter().zip(widths);
        rects.map(|(it, w)| it.center().y - w / 2.0).collect()
    };
    let (mut out, mut into) = (vec![0.0; n(gap)], vec![0.0; n(gap + 1)]);
    for it in &top.flows {
        out[it.from.idx()] += width_out(it);
        into[it.to.idx()] += width_in(it);
    }
    let (mut left, mut right) = (first(gap, out), first(gap + 1, into));
    let (x0, x1) = (
        columns.x(gap) + columns.node / 2.0,
        columns.x(gap + 1) - columns.node / 2.0,
    );
    // Grey and thin where there are many: those need all the contrast they can have.
    let strength = match (n(gap) > 16, cx.palette.dark) {
        (true, _) => 0.8,
        (false, true) => 0.5,
        (false, false) => 0.45,
    };
    let color = |router: usize, it: ExpertId| {
        let at = expert_at(router, it.idx());
        tint(cx, at, n(router)).gamma_multiply(strength)
    };
    let place = |it: &Flow| {
        let widths = [width_out(it), width_in(it)];
        let (a, b) = (&mut left[it.from.idx()], &mut right[it.to.idx()]);
        let (ya, yb) = (*a + widths[0] / 2.0, *b + widths[1] / 2.0);
        *a += widths[0];
        *b += widths[1];
        Drawn {
            gap,
            flow: *it,
            ribbon: Ribbon {
                from: pos2(x0, ya),
                to: pos2(x1, yb),
                widths: widths.map(|it| it.max(LEAST)),
                colors: [color(gap, it.from), color(gap + 1, it.to)],
            },
        }
    };
    top.flows.iter().map(place).collect()
}

/// Whether a token passes one router right after the other: an encoder's last is not followed by the decoder's first.
fn is_joined(a: &RouterSpec, b: &RouterSpec) -> bool {
    a.place.stack == b.place.stack
}

/// The ribbons of the expert or the flow under the pointer, and of the selected expert, brighter than the others.
fn lit_ui(cx: &Cx<'_>, ui: &Ui, drawn: &DrawnFlow, under: Option<Drawn>) {
    let touches = |it: &Drawn, at: Option<ExpertAt>| {
        at.is_some_and(|at| {
            at == expert_at(it.gap, it.flow.from.idx())
                || at == expert_at(it.gap + 1, it.flow.to.idx())
        })
    };
    // A ribbon under the pointer stands for itself, not for all that reach the same expert.
    let hovered = cx.hover.expert.filter(|_| under.is_none());
    let lit = drawn.ribbons.iter().filter_map(|it| {
        let is_under = under.is_some_and(|other| other.gap == it.gap && other.flow == it.flow);
        if !is_under && !touches(it, hovered) && !touches(it, cx.selection.expert_at()) {
            return None;
        }
        let strength = if is_under { 1.0 } else { 0.5 };
        let color = |router: usize, expert: ExpertId| {
            let n = drawn.nodes.rects[router].len();
            let own = if n > 16 {
                cx.palette.selected
            } else {
                tint(cx, expert_at(router, expert.idx()), n)
            };
            own.gamma_multiply(strength)
        };
        Some(Ribbon {
            colors: [color(it.gap, it.flow.from), color(it.gap + 1, it.flow.to)],
            ..it.ribbon
        })
    });
    let pixel = 1.0 / ui.ctx().pixels_per_point();
    let mesh = Ribbon::mesh_of(lit, pixel);
    ui.painter().add(Shape::mesh(mesh));
}

/// One response under the nodes: a ribbon tells its numbers; where nodes are many, what stands in a column is an expert.
fn pointer_ui(
    cx: &mut Cx<'_>,
    ui: &Ui,
    kept: &FlowPlot,
    columns: &PathColumns,
    view: PathSettings,
    menu: &mut Option<ExpertAt>,
) -> Option<Drawn> {
    let drawn = kept.drawn.value();
    let response = ui.interact(columns.rect, ui.scope_id().with("flow"), Sense::click());
    let name = format!("Flow through {}", count_of(columns.n, "router"));
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &name));
    let pointer = response.hover_pos().or(response.interact_pointer_pos());
    let on_column = pointer.filter(|it| !drawn.nodes.have_widgets() && columns.is_on_column(it.x));
    let expert = on_column.and_then(|it| drawn.nodes.under(columns, it));
    shared_gestures(cx, &response, expert, menu);
    if let Some(at) = expert {
        response.on_hover_text_at_pointer(kept.node_name(cx, view, at));
        return None;
    }
    let under = pointer.and_then(|it| drawn.under(columns, it))?;
    if response.hovered() {
        // The target: the source is the same for all ribbons that leave it.
        let to = expert_at(under.gap + 1, under.flow.to.idx());
        cx.push(Command::Hover(Hover {
            token: None,
            expert: Some(to),
        }));
    }
    let next = kept.picks(view, under.gap + 1);
    let n_tokens = kept.n_tokens(view).max(1);
    let to = next.get(under.flow.to.idx()).copied().unwrap_or(0);
    response.on_hover_ui_at_pointer(|ui| {
        ui.label(kept.flow_words(cx, view, under.gap, &under.flow));
        ui.label(format!(
            "expert {} takes {} of all {}",
            under.flow.to,
            percent(to as f32 / n_tokens as f32),
            count_of(n_tokens, cx.noun())
        ));
    });
    Some(under)
}
