//! The heatmap as a table: a row per router and expert.

use crate::analysis::{LoadStats, PhaseFilter};
use crate::document::Table;
use crate::spec::{ExpertId, ModelSpec, Position, RouterId};
use crate::trace::{Pick, PickState, RowRecord};

/// What the table of the heatmap is made from.
#[derive(Clone, Copy, Debug)]
pub struct HeatmapTable<'a> {
    /// The model.
    pub spec: &'a ModelSpec,
    /// The row shown.
    pub record: &'a RowRecord,
    /// Its load.
    pub load: &'a LoadStats,
    /// The name of the row, `baseline` or `edited`.
    pub row: &'a str,
    /// What a cell shows: `share of tokens`.
    pub value: &'a str,
    /// Name and unit of that column.
    pub column: (&'static str, &'static str),
    /// Which tokens count.
    pub phase: PhaseFilter,
    /// The token whose picks are marked, with its words in quotes.
    pub token: Option<(Position, &'a str)>,
}

impl HeatmapTable<'_> {
    /// Every cell, in the order of ids; `number` is what the cell of an expert shows.
    #[must_use]
    pub fn of(&self, number: impl Fn(RouterId, ExpertId) -> Option<f64>) -> Table {
        let mut out = Table::new(
            self.title(),
            &[
                ("router", ""),
                ("expert", ""),
                self.column,
                ("picks", "tokens"),
                ("share", "of tokens"),
                ("mass", "weight"),
                ("even share", "of tokens"),
                ("tokens counted", ""),
                ("picked now", ""),
                ("weight now", ""),
            ],
        );
        for (router, spec) in self.spec.router_ids() {
            let load = self.load.router(router, self.phase);
            let load = load.as_ref();
            let routed = self
                .token
                .and_then(|(at, _)| self.record.store.at(router, at));
            for expert in (0..spec.n_experts).map(ExpertId::new) {
                let e = expert.idx();
                let pick = routed.and_then(|it| it.choice().find(|it| it.expert == expert));
                let picked = pick.map_or("no", |it| match it.state {
                    PickState::Dropped => "dropped",
                    _ => "yes",
                });
                out.push([
                    spec.label().into(),
                    e.into(),
                    number(router, expert).into(),
                    load.and_then(|it| it.n.get(e).copied()).into(),
                    load.and_then(|it| it.share(expert)).into(),
                    load.and_then(|it| it.mass.get(e).copied()).into(),
                    spec.even_share().into(),
                    load.map(|it| it.n_tokens).into(),
                    picked.into(),
                    pick.map(Pick::applied).into(),
                ]);
            }
        }
        out
    }

    fn title(&self) -> String {
        let (value, phase, row) = (self.value, self.phase.label(), self.row);
        let parts = self.spec.parts(&self.record.tokens);
        let token = self.token.map_or_else(String::new, |(at, words)| {
            format!(", picks of {} {words}", parts.name(at))
        });
        format!("Heatmap, {value}, {phase}, {row}{token}")
    }
}
