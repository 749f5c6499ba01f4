//! What the Path panel calls picks, and its tables: the picks of a token, router after router, and what follows what
//! over a text.

use crate::analysis::{Flow, FlowOf};
use crate::document::panels::full_words;
use crate::document::{Table, short};
use crate::spec::{ExpertId, ModelSpec, Position, RouterId, RouterSpec, count_of};
use crate::trace::RowRecord;

const PATH_COLUMNS: [(&str, &str); 4] =
    [("router", ""), ("rank", ""), ("expert", ""), ("weight", "")];

const FLOW_COLUMNS: [(&str, &str); 8] = [
    ("from", ""),
    ("from expert", ""),
    ("to", ""),
    ("to expert", ""),
    ("tokens with both", "tokens"),
    ("tokens of the first", "tokens"),
    ("share", "%"),
    ("even chance", "%"),
];

/// Which picks are joined, in words.
#[must_use]
pub fn flow_of_words(of: FlowOf) -> &'static str {
    match of {
        FlowOf::AllPicks => "all picks",
        FlowOf::Strongest => "strongest only",
    }
}

/// The share of the tokens of any expert that go to one of the next router where routing is even, 0 to 1.
#[must_use]
pub fn even_chance(next: &RouterSpec, of: FlowOf) -> f32 {
    match of {
        FlowOf::AllPicks => next.even_share(),
        FlowOf::Strongest => 1.0 / next.n_experts as f32,
    }
}

/// The picks of a token in one router: `layer 3: expert 5 (0.62), expert 1 (0.38)`.
#[must_use]
pub fn picks_words(
    (id, router): (RouterId, Option<&RouterSpec>),
    row: &RowRecord,
    at: Position,
) -> String {
    let routed = row.store.at(id, at);
    let picks = routed.into_iter().flat_map(|it| it.picks());
    let picks = picks.map(|it| format!("expert {} ({})", it.expert, short(f64::from(it.weight))));
    let picks: Vec<String> = picks.collect();
    let dropped = routed.and_then(|it| it.dropped()).zip(router);
    let dropped = dropped.map(|(it, router)| full_words(router, it));
    let label = router.map_or_else(String::new, RouterSpec::label);
    let words = dropped.unwrap_or_else(|| picks.join(", "));
    format!("{label}: {words}")
}

/// What became of an expert at a token: `picked, weight 0.62`, `not picked`.
#[must_use]
pub fn picked_words(
    (id, router): (RouterId, Option<&RouterSpec>),
    row: &RowRecord,
    (at, expert): (Position, ExpertId),
) -> String {
    let routed = row.store.at(id, at);
    let dropped = routed.and_then(|it| it.dropped());
    let dropped = dropped.filter(|it| it.expert == expert).zip(router);
    if let Some((it, of)) = dropped {
        return full_words(of, it);
    }
    let pick = routed.and_then(|it| it.picks().find(|it| it.expert == expert));
    pick.map_or_else(
        || "not picked".to_owned(),
        |it| format!("picked, weight {}", short(f64::from(it.weight))),
    )
}

/// ` · dropped in encoder layer 1 (a cross: its expert was full)`; nothing where it was dropped nowhere.
#[must_use]
pub fn dropped_along_words(spec: &ModelSpec, row: &RowRecord, at: Position) -> String {
    let dropped = row.store.all_at(at).filter(|it| it.1.dropped().is_some());
    let labels = dropped.filter_map(|(id, _)| Some(spec.router(id)?.label()));
    let labels: Vec<String> = labels.collect();
    if labels.is_empty() {
        return String::new();
    }
    let labels = labels.join(", ");
    format!(" · dropped in {labels} (a cross: its expert was full)")
}

/// The picks of a token, router after router.
///
/// * `token`: its words in quotes
/// * `name`: of the row, `baseline` or `edited`
#[must_use]
pub fn path_table(
    spec: &ModelSpec,
    row: &RowRecord,
    at: Position,
    (token, name): (&str, &str),
) -> Table {
    let called = spec.parts(&row.tokens).name(at);
    let title = format!("Path of {token}, {called}, {name}");
    let mut out = Table::new(title, &PATH_COLUMNS);
    for (id, router) in spec.router_ids() {
        let routed = row.store.at(id, at);
        for (rank, pick) in routed.into_iter().flat_map(|it| it.picks()).enumerate() {
            out.push([
                router.label().into(),
                (rank + 1).into(),
                pick.expert.idx().into(),
                pick.weight.into(),
            ]);
        }
        if let Some(dropped) = routed.and_then(|it| it.dropped()) {
            out.push([
                router.label().into(),
                "dropped".into(),
                dropped.expert.idx().into(),
                dropped.applied().into(),
            ]);
        }
    }
    out
}

/// What flows between neighbouring routers.
#[derive(Clone, Copy, Debug)]
pub struct FlowTable<'a> {
    /// The model.
    pub spec: &'a ModelSpec,
    /// Which picks are joined.
    pub of: FlowOf,
    /// Tokens counted.
    pub n_tokens: u64,
    /// How often each expert was picked, a list for each router.
    pub picks: &'a [Vec<u64>],
    /// The name of the row, `baseline` or `edited`.
    pub row: &'a str,
}

impl FlowTable<'_> {
    /// A row for each flow, given with the router it leaves; none before any was counted.
    #[must_use]
    pub fn of<'a>(&self, flows: impl Iterator<Item = (usize, &'a Flow)>) -> Option<Table> {
        let title = format!(
            "Flow between neighbouring routers, {}, over {} of the {} text",
            flow_of_words(self.of),
            count_of(self.n_tokens, "token"),
            self.row
        );
        let mut out = Table::new(title, &FLOW_COLUMNS);
        let routers = &self.spec.routers;
        let label = |it: usize| routers.get(it).map_or_else(String::new, RouterSpec::label);
        for (gap, flow) in flows {
            let picks = self.picks.get(gap).and_then(|it| it.get(flow.from.idx()));
            let of = picks.copied().unwrap_or(0);
            let chance = routers.get(gap + 1).map(|it| even_chance(it, self.of));
            out.push([
                label(gap).into(),
                flow.from.idx().into(),
                label(gap + 1).into(),
                flow.to.idx().into(),
                flow.n.into(),
                of.into(),
                (flow.n as f64 / of.max(1) as f64 * 100.0).into(),
                chance.map(|it| f64::from(it) * 100.0).into(),
            ]);
        }
        (!out.rows.is_empty()).then_some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::LayerId;
    use crate::trace::{Pick, PickState, RouterTrace, StepTrace};

    #[test]
    fn picks_and_what_was_dropped_are_named() {
        let pick = |expert: usize, weight: f32, state: PickState| Pick {
            expert: ExpertId::new(expert),
            weight,
            state,
        };
        let trace = RouterTrace {
            n_experts: 4,
            n_picks: 2,
            picks: vec![
                pick(3, 0.62, PickState::Chosen),
                pick(1, 0.38, PickState::Forced),
                pick(2, 0.9, PickState::Dropped),
                Pick::default(),
            ],
            margin: vec![None; 2],
            ..RouterTrace::default()
        };
        let mut row = RowRecord::default();
        row.push(
            StepTrace::decoded(0, 2, vec![trace]),
            Vec::new(),
            Vec::new(),
        )
        .unwrap();
        let spec = RouterSpec::softmax_top_k(LayerId(5), 4, 2);
        let of = (RouterId(0), Some(&spec));
        let first = picks_words(of, &row, Position(0));
        assert_eq!(first, "layer 5: expert 3 (0.62), expert 1 (0.38)");
        let picked = |at, expert| picked_words(of, &row, (Position(at), ExpertId(expert)));
        assert_eq!(picked(0, 1), "picked, weight 0.38");
        assert_eq!(picked(0, 0), "not picked");
        assert_eq!(picked(9, 0), "not picked", "not read");
        let dropped = &row.store.at(RouterId(0), Position(1)).unwrap();
        let full = full_words(&spec, dropped.dropped().unwrap());
        assert_eq!(picked(1, 2), full);
        assert_eq!(
            picks_words(of, &row, Position(1)),
            format!("layer 5: {full}")
        );
    }
}
