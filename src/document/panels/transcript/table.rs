//! The transcript as numbers: a row per token of the baseline, then of the edited text from where it may differ.

use crate::document::panels::ShownRecords;
use crate::document::{Cell, Table, token_words};
use crate::spec::{Position, RouterId, RouterSpec, Score, TokenId};
use crate::trace::{ModelFacts, PositionKind, RowRecord};

use super::router_entropy;

const COLUMNS: [(&str, &str); 14] = [
    ("row", ""),
    ("position", ""),
    ("token", "id"),
    ("text", ""),
    ("given or drawn", ""),
    ("strongest expert", ""),
    ("weight", ""),
    ("router entropy", "of the most"),
    ("margin", ""),
    ("surprise", "nats"),
    ("rank", ""),
    ("KL", "nats"),
    ("edited token", "id"),
    ("edited text", ""),
];

/// The same of a series: values in its units, forecasts in the place of words and probabilities.
const SERIES_COLUMNS: [(&str, &str); 11] = [
    ("row", ""),
    ("position", ""),
    ("value", ""),
    ("given or forecast", ""),
    ("strongest expert", ""),
    ("weight", ""),
    ("router entropy", "of the most"),
    ("margin", ""),
    ("forecast of the next point", ""),
    ("difference of forecasts", "sd"),
    ("edited value", ""),
];

/// Every token shown, with the numbers of a router; none before there is a text.
#[must_use]
pub fn transcript_table(
    facts: &ModelFacts,
    rows: &ShownRecords<'_>,
    router: RouterId,
) -> Option<Table> {
    let baseline = rows.baseline?;
    let spec = facts.spec.router(router);
    let label = spec.map_or_else(String::new, RouterSpec::label);
    if facts.position_kind() == PositionKind::Point {
        return Some(series_table(facts, rows, baseline, (router, &label)));
    }
    let mut out = Table::new(format!("Transcript, {label}"), &COLUMNS);
    let of = Numbers { facts, router };
    for at in (0..baseline.tokens.len()).map(Position::new) {
        let other = rows.edited.and_then(|it| it.tokens.get(at.idx()).copied());
        let changed = [
            rows.kl(at).into(),
            other.map(TokenId::idx).into(),
            other.map(|it| of.words(it)).into(),
        ];
        let own = of.cells("baseline", baseline, at);
        out.push(own.into_iter().chain(changed));
    }
    if let Some((edited, from)) = rows.edited.zip(rows.edited_from) {
        for at in (from.idx() + 1..edited.tokens.len()).map(Position::new) {
            let none = [Cell::Empty, Cell::Empty, Cell::Empty];
            let own = of.cells("edited", edited, at);
            out.push(own.into_iter().chain(none));
        }
    }
    Some(out)
}

/// Every point shown, with the numbers of a router.
fn series_table(
    facts: &ModelFacts,
    rows: &ShownRecords<'_>,
    baseline: &RowRecord,
    (router, label): (RouterId, &str),
) -> Table {
    let mut out = Table::new(format!("Transcript, {label}"), &SERIES_COLUMNS);
    let of = Numbers { facts, router };
    let value = |row: &RowRecord, at: Position| -> Cell {
        let token = row.tokens.get(at.idx()).copied();
        token.and_then(|it| facts.tokens.value(it)).into()
    };
    let mut add = |name: &str, row: &RowRecord, at: Position, changed: [Cell; 2]| {
        let [
            name,
            position,
            _,
            _,
            _,
            expert,
            weight,
            entropy,
            margin,
            _,
            _,
        ] = of.cells(name, row, at);
        let origin = if at.idx() < row.n_given {
            "given"
        } else {
            "forecast"
        };
        let next = row.readouts.get(at.idx());
        let next = next.and_then(|it| it.forecast.first().copied());
        let next = next.and_then(|it| facts.tokens.value(TokenId::of_point(it)));
        let own = [
            name,
            position,
            value(row, at),
            origin.into(),
            expert,
            weight,
        ];
        let own = own.into_iter().chain([entropy, margin, next.into()]);
        out.push(own.chain(changed));
    };
    for at in (0..baseline.tokens.len()).map(Position::new) {
        let other = rows.edited.map_or(Cell::Empty, |it| value(it, at));
        add("baseline", baseline, at, [rows.kl(at).into(), other]);
    }
    if let Some((edited, from)) = rows.edited.zip(rows.edited_from) {
        for at in (from.idx() + 1..edited.tokens.len()).map(Position::new) {
            add("edited", edited, at, [Cell::Empty, Cell::Empty]);
        }
    }
    out
}

/// Whose numbers they are.
struct Numbers<'a> {
    facts: &'a ModelFacts,
    router: RouterId,
}

impl Numbers<'_> {
    fn words(&self, token: TokenId) -> String {
        token_words(&self.facts.tokens, token)
    }

    /// What is the token's own.
    fn cells(&self, name: &str, row: &RowRecord, at: Position) -> [Cell; 11] {
        let spec = self.facts.spec.router(self.router);
        let score = spec.map_or(Score::Softmax, |it| it.score);
        let token = row.tokens.get(at.idx()).copied();
        let routed = row.store.at(self.router, at);
        let strongest = routed.and_then(|it| it.strongest());
        let before = at.idx().checked_sub(1);
        let next = before.and_then(|it| row.readouts.get(it)?.next);
        let origin = if at.idx() < row.n_given {
            "given"
        } else {
            "drawn"
        };
        [
            name.into(),
            at.idx().into(),
            token.map(TokenId::idx).into(),
            token.map(|it| self.words(it)).into(),
            origin.into(),
            strongest.map(|it| it.expert.idx()).into(),
            strongest.map(|it| it.weight).into(),
            router_entropy(row, self.router, at, score).into(),
            routed.and_then(|it| it.margin()).into(),
            row.surprise(at).into(),
            next.map(|it| u64::from(it.rank)).into(),
        ]
    }
}
