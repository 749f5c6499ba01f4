//! The texts that left the screen as a table: a row each, with what each was made from and what it is a function of.

use crate::document::{Cell, Table};
use crate::spec::{Branches, InterventionSet, ModelSpec, SequenceParts, TokenId, TokenTable};

const COLUMNS: [(&str, &str); 11] = [
    ("name", ""),
    ("made from", ""),
    ("from token", ""),
    ("given tokens", ""),
    ("drawn tokens", ""),
    ("temperature", ""),
    ("seed", ""),
    ("edits", ""),
    ("text", ""),
    ("drawn under the edits", ""),
    ("edited text", ""),
];

/// Every text that left the screen, the oldest first; none where there is none.
#[must_use]
pub fn texts_table(
    branches: &Branches,
    tokens: &TokenTable,
    spec: Option<&ModelSpec>,
) -> Option<Table> {
    if branches.list().is_empty() {
        return None;
    }
    let is_parted = spec.is_some_and(|it| it.groups().len() > 1);
    let mut columns = COLUMNS.to_vec();
    if is_parted {
        columns.push(("source", ""));
    }
    let mut out = Table::new("Texts that left the screen", &columns);
    for it in branches.list() {
        let parent = it.parent.and_then(|(id, at)| Some((branches.get(id)?, at)));
        let experiment = &it.experiment;
        let n_given = experiment.given.len();
        let [baseline, edited] = &it.texts;
        let parts = |it: &[TokenId]| spec.map_or_else(SequenceParts::default, |of| of.parts(it));
        let (n_source, n_edited) = (parts(baseline).n_source, parts(edited).n_source);
        let is_edited = !edited.is_empty();
        let known = |cell: Cell| if is_edited { cell } else { Cell::Empty };
        // A forecast draws nothing by chance.
        let is_text = tokens.scale.is_none();
        let sampled = |cell: Cell| if is_text { cell } else { Cell::Empty };
        let own = [
            it.name.clone().into(),
            parent.map(|it| it.0.name.clone()).into(),
            parent
                .map(|it| parts(&it.0.texts[0]).within(it.1).idx())
                .into(),
            n_given.into(),
            baseline.len().saturating_sub(n_given).into(),
            sampled(Cell::Number(f64::from(experiment.sampling.temperature.0))),
            sampled(Cell::from(u64::from(experiment.sampling.seed))),
            list_text(&experiment.edits).into(),
            tokens.text_of(&baseline[n_source..], experiment).into(),
            known(edited.len().saturating_sub(n_given).into()),
            known(tokens.text_of(&edited[n_edited..], experiment).into()),
        ];
        let source = is_parted.then(|| Cell::from(tokens.text(&baseline[..n_source])));
        out.push(own.into_iter().chain(source));
    }
    Some(out)
}

/// The edits that are switched on, as they are typed.
fn list_text(edits: &InterventionSet) -> String {
    let all: Vec<String> = edits.active().map(ToString::to_string).collect();
    all.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Experiment;

    #[test]
    fn a_row_says_where_a_text_came_from_and_what_it_is_a_function_of() {
        let given = |n: u32| Experiment {
            given: (0..n).map(TokenId).collect(),
            ..Experiment::default()
        };
        let mut second = given(3);
        second.edits.push("mask:0.1@2..".parse().unwrap());
        let text: Vec<TokenId> = (0..5).map(|it| TokenId(it % 4)).collect();
        let mut branches = Branches::default();
        assert!(texts_table(&branches, &TokenTable::default(), None).is_none());
        let spec = ModelSpec::with_routers([]);
        branches.replace(&spec, (&given(2), &second), [&text, &[]]);
        branches.replace(&spec, (&second, &given(2)), [&text, &text[..4]]);
        let tokens = TokenTable {
            pieces: ["a", "b", "c", "d"].map(Vec::from).into(),
            special: vec![false; 4],
            ..TokenTable::default()
        };
        let table = texts_table(&branches, &tokens, None).unwrap();
        let words = |n: usize| {
            let row = table.rows[n].iter().map(Cell::words);
            row.collect::<Vec<_>>()
        };
        assert_eq!(
            words(0),
            ["Text 1", "", "", "2", "3", "0.7", "1", "", "abcda", "", ""]
        );
        assert_eq!(
            words(1),
            [
                "Text 2",
                "Text 1",
                "3",
                "3",
                "2",
                "0.7",
                "1",
                "mask:0.1@2..",
                "abcda",
                "1",
                "abcd"
            ]
        );
    }
}
