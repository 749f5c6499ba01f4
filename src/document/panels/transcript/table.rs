//! The transcript as numbers: a row per token of the baseline, then of the edited text from where it may differ.

use crate::document::panels::ShownRecords;
use crate::document::{Cell, Table, token_words};
use crate::spec::{Position, RouterId, RouterSpec, Score, SequenceParts, StackId, TokenId};
use crate::trace::{ModelFacts, Pick, PositionKind, RowRecord};

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
    if facts.position_kind() == PositionKind::Point {
        let spec = facts.spec.router(router);
        let label = spec.map_or_else(String::new, RouterSpec::label);
        return Some(series_table(facts, rows, baseline, (router, &label)));
    }
    let groups = facts.spec.groups();
    let labels = groups
        .iter()
        .map(|it| facts.spec.counterpart(router, it.stack));
    let labels = labels.filter_map(|it| facts.spec.router(it).map(RouterSpec::label));
    let labels: Vec<String> = labels.collect();
    // Where there are two sequences, each token says which it is of.
    let is_parted = groups.len() > 1;
    let mut columns = COLUMNS.to_vec();
    if is_parted {
        columns.insert(1, ("sequence", ""));
    }
    let mut out = Table::new(format!("Transcript, {}", labels.join(" and ")), &columns);
    let of = Numbers {
        facts,
        router,
        is_parted,
    };
    let named = of.named("baseline", baseline);
    for at in (0..baseline.tokens.len()).map(Position::new) {
        let other = rows.edited.and_then(|it| it.tokens.get(at.idx()).copied());
        let changed = [
            rows.kl(at).into(),
            other.map(|it| of.id(it)).into(),
            other.map(|it| of.words(it)).into(),
        ];
        let own = of.placed_cells(&named, at);
        out.push(own.into_iter().chain(changed));
    }
    if let Some((edited, from)) = rows.edited.zip(rows.edited_from) {
        let named = of.named("edited", edited);
        for at in (from.idx() + 1..edited.tokens.len()).map(Position::new) {
            let none = [Cell::Empty, Cell::Empty, Cell::Empty];
            let own = of.placed_cells(&named, at);
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
    let of = Numbers {
        facts,
        router,
        is_parted: false,
    };
    let value = |row: &RowRecord, at: Position| -> Cell {
        let token = row.tokens.get(at.idx()).copied();
        token.and_then(|it| facts.tokens.value(it)).into()
    };
    let mut add = |named: &NamedRow<'_>, at: Position, changed: [Cell; 2]| {
        let row = named.row;
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
        ] = of.cells(named, at);
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
    let named = of.named("baseline", baseline);
    for at in (0..baseline.tokens.len()).map(Position::new) {
        let other = rows.edited.map_or(Cell::Empty, |it| value(it, at));
        add(&named, at, [rows.kl(at).into(), other]);
    }
    if let Some((edited, from)) = rows.edited.zip(rows.edited_from) {
        let named = of.named("edited", edited);
        for at in (from.idx() + 1..edited.tokens.len()).map(Position::new) {
            add(&named, at, [Cell::Empty, Cell::Empty]);
        }
    }
    out
}

/// Whose numbers they are.
struct Numbers<'a> {
    facts: &'a ModelFacts,
    router: RouterId,
    is_parted: bool,
}

/// One row: how the table names it, its tokens and where their source ends.
struct NamedRow<'a> {
    name: &'a str,
    row: &'a RowRecord,
    parts: SequenceParts,
}

impl Numbers<'_> {
    fn named<'a>(&self, name: &'a str, row: &'a RowRecord) -> NamedRow<'a> {
        let parts = self.facts.spec.parts(&row.tokens);
        NamedRow { name, row, parts }
    }

    fn id(&self, token: TokenId) -> usize {
        self.facts.tokens.in_vocabulary(token).idx()
    }

    fn words(&self, token: TokenId) -> String {
        token_words(&self.facts.tokens, token)
    }

    /// What is the token's own.
    fn cells(&self, named: &NamedRow<'_>, at: Position) -> [Cell; 11] {
        let NamedRow { name, row, parts } = *named;
        let (stack, within) = (parts.stack(at), parts.within(at));
        let router = self.facts.spec.counterpart(self.router, stack);
        let spec = self.facts.spec.router(router);
        let score = spec.map_or(Score::Softmax, |it| it.score);
        let token = row.tokens.get(at.idx()).copied();
        let routed = row.store.at(router, at);
        let strongest = routed.and_then(|it| it.strongest());
        let dropped = routed.and_then(|it| it.dropped());
        let expert = match (strongest, dropped) {
            (Some(it), _) => it.expert.idx().into(),
            (None, Some(_)) => Cell::from("dropped"),
            (None, None) => Cell::Empty,
        };
        let before = at.idx().checked_sub(1);
        let next = before.and_then(|it| row.readouts.get(it)?.next);
        let origin = if at.idx() < row.n_given {
            "given"
        } else {
            "drawn"
        };
        [
            name.into(),
            within.idx().into(),
            token.map(|it| self.id(it)).into(),
            token.map(|it| self.words(it)).into(),
            origin.into(),
            expert,
            strongest.or(dropped).map(Pick::applied).into(),
            router_entropy(row, router, at, score).into(),
            routed.and_then(|it| it.margin()).into(),
            row.surprise(at).into(),
            next.map(|it| u64::from(it.rank)).into(),
        ]
    }

    /// The same with the sequence it is of, where there are two.
    fn placed_cells(&self, named: &NamedRow<'_>, at: Position) -> Vec<Cell> {
        let mut out = self.cells(named, at).to_vec();
        if self.is_parted {
            let of = match named.parts.stack(at) {
                StackId::Encoder => "source",
                StackId::Decoder => "text",
            };
            out.insert(1, of.into());
        }
        out
    }
}
