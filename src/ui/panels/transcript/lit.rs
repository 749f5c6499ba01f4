//! The tokens of one expert, lit in the text and in the map: of the one pointed at in any panel, else the one selected.

use eframe::egui::{Color32, Rect, Ui};

use crate::spec::Position;
use crate::trace::TraceStore;
use crate::ui::widgets::{MOST_COLOURS, pin_of};
use crate::ui::{Cx, Drawing, ExpertAt, Memo, RowOf, RowView};

/// The expert whose tokens are lit.
pub fn expert(cx: &Cx<'_>) -> Option<ExpertAt> {
    let hovered = cx.hover.expert.filter(|_| cx.drawing == Drawing::Screen);
    hovered.or_else(|| cx.selection.expert_at())
}

/// Whether it was picked for a token.
pub fn picked(view: RowView<'_>, at: Position, expert: ExpertAt) -> bool {
    let routed = view.record.store.at(expert.router, at);
    routed.is_some_and(|it| it.has_pick(expert.expert))
}

/// The tokens of the row shown that an expert was picked for, read on as the row grows.
#[derive(Default)]
pub struct Picked {
    read: Memo<Option<(RowOf, ExpertAt)>, PickedTokens>,
}

impl Picked {
    /// Those of an expert, in order; none of no expert.
    pub fn follow(&mut self, cx: &Cx<'_>, expert: Option<ExpertAt>) -> &[Position] {
        let store = cx.row().map(|it| &it.record.store);
        let key = RowOf::of(cx).zip(expert);
        let n = store.map_or(0, TraceStore::len);
        let read = self.read.resume(key, |it| it.n_read <= n);
        if let (Some(store), Some((_, expert))) = (store, key) {
            read.catch_up(store, expert);
        }
        &read.at
    }
}

/// Positions read, and those of them that an expert was picked for.
#[derive(Default)]
struct PickedTokens {
    n_read: usize,
    at: Vec<Position>,
}

impl PickedTokens {
    /// Reads what a store holds beyond what was read.
    fn catch_up(&mut self, store: &TraceStore, expert: ExpertAt) {
        for step in store.steps_from(Position::new(self.n_read)) {
            let first = self.n_read - step.start.idx();
            if let Some(trace) = step.routers.get(expert.router.idx()) {
                let rows = first..trace.n_rows();
                let picked = rows.filter(|row| trace.has_pick(*row, expert.expert));
                self.at.extend(picked.map(|row| step.start.plus(row)));
            }
            self.n_read = step.end().idx();
        }
    }
}

/// Its colour: its own where each expert has one, else the accent.
pub fn color(cx: &Cx<'_>, at: ExpertAt) -> Color32 {
    if let Some(pin) = pin_of(cx, at) {
        return pin.color;
    }
    let router = cx.spec().and_then(|it| it.router(at.router));
    match router {
        Some(it) if it.n_experts <= MOST_COLOURS => cx.palette.expert(at.expert.idx()),
        _ => cx.palette.accent,
    }
}

/// Draws the light behind words.
pub fn ui(cx: &Cx<'_>, ui: &Ui, words: Rect, at: ExpertAt) {
    let wash = cx.palette.lit_wash(color(cx, at));
    ui.painter().rect_filled(words, 3.0, wash);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::LoadStats;
    use crate::spec::{ExpertId, RouterId};
    use crate::trace::{Pick, PickState, RouterTrace, RowRecord, StepTrace};

    /// A router over `n` positions from `start` on; the first of the two routers reads nothing where `skips`.
    fn router(start: usize, n: usize, skips: bool) -> RouterTrace {
        let n = if skips { 0 } else { n };
        let pick = |at: usize| Pick {
            expert: ExpertId::new(at * 7 % 5),
            weight: 0.5,
            state: [PickState::Chosen, PickState::Dropped, PickState::Empty][at % 11 % 3],
        };
        RouterTrace {
            n_experts: 5,
            n_picks: 2,
            picks: (2 * start..2 * (start + n)).map(pick).collect(),
            margin: vec![None; n],
            ..RouterTrace::default()
        }
    }

    fn grow(row: &mut RowRecord, n: usize, skips: bool) {
        let start = row.store.len();
        let routers = vec![router(start, n, skips), router(start + 3, n, false)];
        let step = StepTrace::decoded(start, n, routers);
        row.push(step, Vec::new(), Vec::new()).unwrap();
    }

    #[test]
    fn tokens_read_on_are_those_found_one_by_one() {
        let mut row = RowRecord::default();
        let mut read: Vec<PickedTokens> = Vec::new();
        read.resize_with(10, PickedTokens::default);
        for (n, skips) in [(3, false), (1, false), (4, true), (1, false), (70, false)] {
            grow(&mut row, n, skips);
            let load = LoadStats::default();
            let view = RowView {
                record: &row,
                load: &load,
            };
            for (place, read) in read.iter_mut().enumerate() {
                let expert = ExpertAt {
                    router: RouterId::new(place / 5),
                    expert: ExpertId::new(place % 5),
                };
                read.catch_up(&row.store, expert);
                let all = (0..row.store.len()).map(Position::new);
                let anew: Vec<Position> = all.filter(|at| picked(view, *at, expert)).collect();
                assert_eq!(read.at, anew, "{expert:?}");
            }
        }
        let has_read = |it: &PickedTokens| !it.at.is_empty() && it.at.len() < row.store.len();
        assert!(read.iter().all(has_read), "each was picked for some tokens");
    }
}
