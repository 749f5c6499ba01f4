//! The tables of the Path panel: the picks of a token, router after router, and what follows what over a text.

use crate::analysis::{Flow, FlowOf};
use crate::document::Table;
use crate::spec::{ModelSpec, Position, RouterSpec, count_of};
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
