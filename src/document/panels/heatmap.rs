//! What the Heatmap panel says of what its cells show, and the cells as a table: a row per router and expert.

use crate::analysis::{LoadStats, PhaseFilter};
use crate::document::Table;
use crate::spec::{ExpertId, LayerGroup, ModelSpec, Position, RouterId, count_of};
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

/// Under the picks of a token and their weights.
///
/// * `token`: its words in quotes, and its name
/// * `is_dropped`: whether a router dropped it, since its expert was full
#[must_use]
pub fn heatmap_picks_sentence((token, name): (&str, &str), is_dropped: bool) -> String {
    let dropped = if is_dropped {
        " A cross: dropped, since its expert was full."
    } else {
        ""
    };
    format!(
        "The experts picked for {token} ({name}) and their weights; those not picked are empty.{dropped}"
    )
}

/// Under the scores of a token, where they were kept or not.
#[must_use]
pub fn heatmap_scores_sentence((token, name): (&str, &str), are_kept: bool) -> String {
    if are_kept {
        format!(
            "What each router thought of {token} ({name}), in shares of its layer, before any edit."
        )
    } else {
        format!(
            "The raw scores of {token} ({name}) were forgotten to save memory; its picks and weights stay."
        )
    }
}

/// Under the load of every expert.
///
/// * `is_mass`: parts of all weight rather than shares of tokens
/// * `row`: `baseline` or `edited`
#[must_use]
pub fn heatmap_load_sentence(
    (spec, load): (&ModelSpec, &LoadStats),
    phase: PhaseFilter,
    is_mass: bool,
    row: &str,
) -> String {
    let what = if is_mass {
        "Each expert's part of all weight in its layer"
    } else {
        "Share of tokens each expert was picked for"
    };
    format!(
        "{what}, log₂ around even, over {} of the {row} text{}: what this text uses, not the health of the model.",
        counted_tokens(load.n_tokens(phase), phase),
        over_capacity_words((spec, load), phase),
    )
}

/// `, dropped over capacity: 5 in the encoder, 0 in the decoder (once a layer)`; nothing where experts take any number.
fn over_capacity_words((spec, load): (&ModelSpec, &LoadStats), phase: PhaseFilter) -> String {
    if spec.routers.iter().all(|it| it.capacity().is_none()) {
        return String::new();
    }
    let of = |group: &LayerGroup| {
        let ids = group.routers.clone().map(RouterId::new);
        let loads = ids.filter_map(|it| load.router(it, phase));
        let n: u64 = loads.map(|it| it.n_dropped).sum();
        if group.name.is_empty() {
            n.to_string()
        } else {
            format!("{n} in the {}", group.name)
        }
    };
    let all: Vec<String> = spec.groups().iter().map(of).collect();
    format!(", dropped over capacity: {} (once a layer)", all.join(", "))
}

/// `79 tokens`, `8 given tokens`.
#[must_use]
pub fn counted_tokens(n: u64, phase: PhaseFilter) -> String {
    let what = match phase {
        PhaseFilter::All => "",
        PhaseFilter::Prefill => "given ",
        PhaseFilter::Decode => "drawn ",
    };
    count_of(n, &format!("{what}token"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_tokens_say_which_they_are() {
        assert_eq!(counted_tokens(79, PhaseFilter::All), "79 tokens");
        assert_eq!(counted_tokens(1, PhaseFilter::Prefill), "1 given token");
        assert_eq!(counted_tokens(2, PhaseFilter::Decode), "2 drawn tokens");
    }
}
