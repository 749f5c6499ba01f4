//! The load shown, taken from the rows on screen, and its numbers on hover.

use eframe::egui::Ui;

use crate::analysis::{BalanceStats, PhaseFilter};
use crate::document::{LoadOf, ShownLoad};
use crate::spec::{ExpertId, Position, RouterId};
use crate::ui::widgets::{edit_mark, said};
use crate::ui::{Cx, Drawing, ExpertAt, Memo, RowChoice, RowOf};

use super::LoadSettings;

/// Scores turned into probabilities in one frame at most; long texts are caught up with over several.
const SCORES_A_FRAME: usize = 8_000;

/// A router's load in the row shown; none where no token of the phase was counted.
pub fn shown_load<'a>(cx: &Cx<'a>, view: LoadSettings, router: RouterId) -> Option<ShownLoad<'a>> {
    let row = cx.row()?;
    let spec = cx.spec()?.router(router)?;
    let is_compared = cx.session.edited().is_some();
    let of = LoadOf {
        value: view.value,
        phase: view.phase,
        thresholds: view.thresholds,
        row: is_compared.then(|| cx.session.row_name(cx.selection.row)),
    };
    let masked = if is_compared && cx.selection.row == RowChoice::Edited {
        let experts = (0..spec.n_experts).map(ExpertId::new);
        let is_masked = |it: &ExpertId| {
            let expert = *it;
            edit_mark(cx, ExpertAt { router, expert }).masked
        };
        experts.filter(is_masked).collect()
    } else {
        Vec::new()
    };
    ShownLoad::new((router, spec), row.load, of, masked)
}

/// An expert of the router shown.
pub fn expert_of(shown: &ShownLoad<'_>, expert: usize) -> ExpertAt {
    ExpertAt {
        router: shown.router,
        expert: ExpertId::new(expert),
    }
}

/// Every number of the spread with its formula.
pub fn spread_hover_ui(ui: &mut Ui, shown: &ShownLoad<'_>, balance: &Balance) {
    let lines = shown.spread_lines(balance.stats());
    if !lines.is_empty() {
        let (router, value) = (shown.spec.label(), shown.of.value.label());
        ui.strong(said(ui, format!("{router}, {value}")));
    }
    for line in lines {
        ui.label(said(ui, line));
    }
}

/// The exact numbers of one expert.
pub fn expert_hover_ui(cx: &Cx<'_>, ui: &mut Ui, shown: &ShownLoad<'_>, expert: usize) {
    ui.strong(format!("{}, expert {expert}", shown.spec.label()));
    for line in shown.expert_lines(expert) {
        ui.label(said(ui, line));
    }
    let mark = edit_mark(cx, expert_of(shown, expert));
    if mark.masked {
        let words = if shown.is_masked(expert) {
            "masked by an edit"
        } else {
            "masked by an edit in the edited row"
        };
        ui.colored_label(cx.palette.amber, words);
    } else if mark.forced {
        ui.colored_label(cx.palette.amber, "forced by an edit");
    }
    ui.weak("click selects · double-click or M masks · right-click lists every edit");
}

/// Balance loss and z-loss of the router shown, read a portion a frame.
#[derive(Clone, Debug, Default)]
pub struct Balance {
    read: Memo<(RowOf, RouterId, PhaseFilter), ReadBalance>,
}

#[derive(Clone, Debug, Default)]
struct ReadBalance {
    stats: BalanceStats,
    /// Up to where.
    end: Position,
}

impl Balance {
    /// Reads on; asks for another frame where something is left.
    pub fn follow(&mut self, cx: &Cx<'_>, ui: &Ui, router: RouterId, phase: PhaseFilter) {
        let (Some(key), Some(row), Some(spec)) = (
            RowOf::of(cx),
            cx.row(),
            cx.spec().and_then(|it| it.router(router)),
        ) else {
            return;
        };
        let (key, store) = ((key, router, phase), &row.record.store);
        let read = self.read.resume(key, |it| it.end <= store.end());
        // A file is drawn once: there the whole text is read at once.
        let mut left = match cx.drawing {
            Drawing::Screen => SCORES_A_FRAME / spec.n_experts.max(1),
            Drawing::Paper => usize::MAX,
        };
        for step in store.steps_from(read.end) {
            let start = read.end.idx() - step.start.idx();
            let n_rows = left.min(step.tokens.len() - start);
            let trace = step.routers.get(router.idx());
            if let Some(trace) = trace.filter(|_| phase.holds(step.phase)) {
                for (at, token) in step.tokens.iter().enumerate().skip(start).take(n_rows) {
                    if !cx.session.is_special(*token) {
                        read.stats.add_row(trace, at, spec.score);
                    }
                }
            }
            read.end = read.end.plus(n_rows);
            left -= n_rows;
            if read.end < step.end() {
                ui.ctx().request_repaint();
                break;
            }
        }
    }

    /// What was read so far; none before anything was.
    pub fn stats(&self) -> Option<&BalanceStats> {
        self.read.key().map(|_| &self.read.value().stats)
    }
}
