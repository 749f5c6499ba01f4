//! The sections of the panel as tables.

use crate::analysis::{Occurrence, Specialty, TextUse, WordUse};
use crate::document::{Cell, Table};
use crate::spec::{ModelSpec, RouterSpec, SequenceParts, TokenId, TokenTable};

use super::Partner;

const TOKEN_COLUMNS: [(&str, &str); 5] = [
    ("position", ""),
    ("token", ""),
    ("weight", ""),
    ("rank", ""),
    ("origin", ""),
];

const TEXT_COLUMNS: [(&str, &str); 8] = [
    ("text", ""),
    ("picked", "tokens"),
    ("tokens", ""),
    ("share", ""),
    ("share elsewhere", ""),
    ("lift", "log2"),
    ("p", ""),
    ("q", ""),
];

const PARTNER_COLUMNS: [(&str, &str); 5] = [
    ("layer", ""),
    ("expert", ""),
    ("tokens together", ""),
    ("share of its tokens", ""),
    ("chance", ""),
];

const WORD_COLUMNS: [(&str, &str); 5] = [
    ("token id", ""),
    ("token", ""),
    ("picked", "tokens"),
    ("occurrences", "tokens"),
    ("share", ""),
];

/// The tokens an expert was picked for.
///
/// * `texts`: `[T]`, what each token of the row shows
/// * `n_given`: how many tokens of the row were given, and where its source ends
#[must_use]
pub fn occurrences_table<'a>(
    title: String,
    occurrences: impl Iterator<Item = &'a Occurrence>,
    texts: &[String],
    (n_given, parts): (usize, SequenceParts),
) -> Table {
    let mut out = Table::new(title, &TOKEN_COLUMNS);
    for it in occurrences {
        let given = it.at.idx() < n_given;
        out.push([
            Cell::from(parts.within(it.at).idx()),
            texts.get(it.at.idx()).cloned().into(),
            it.weight.into(),
            (it.rank + 1).into(),
            if given { "given" } else { "drawn" }.into(),
        ]);
    }
    out
}

/// An expert's share in each text surveyed, the texts in the order of their names.
#[must_use]
pub fn expert_texts_table<'a>(
    title: String,
    names: impl Iterator<Item = &'a str>,
    uses: &[TextUse],
    specialty: &Specialty,
) -> Table {
    let mut out = Table::new(title, &TEXT_COLUMNS);
    for (n, (name, uses)) in names.zip(uses).enumerate() {
        let it = specialty.texts.get(n).copied().flatten();
        let share = (uses.n_tokens > 0).then(|| uses.n as f64 / uses.n_tokens as f64);
        out.push([
            Cell::from(name),
            uses.n.into(),
            uses.n_tokens.into(),
            share.into(),
            it.map(|it| it.elsewhere).into(),
            it.and_then(|it| it.lift).into(),
            it.map(|it| it.p).into(),
            it.map(|it| it.q).into(),
        ]);
    }
    out
}

/// Experts that share tokens with an expert.
#[must_use]
pub fn partners_table(
    title: String,
    spec: Option<&ModelSpec>,
    partners: impl Iterator<Item = Partner>,
) -> Table {
    let mut out = Table::new(title, &PARTNER_COLUMNS);
    for it in partners {
        let layer = spec.and_then(|spec| spec.router(it.router));
        out.push([
            Cell::from(layer.map(RouterSpec::label)),
            it.expert.idx().into(),
            it.n.into(),
            it.share.into(),
            it.chance.into(),
        ]);
    }
    out
}

/// Input tokens and how often an expert was picked for each.
#[must_use]
pub fn expert_words_table(
    title: String,
    tokens: &TokenTable,
    words: &[(TokenId, WordUse)],
) -> Table {
    let mut out = Table::new(title, &WORD_COLUMNS);
    for (token, it) in words {
        out.push([
            Cell::from(tokens.in_vocabulary(*token).idx()),
            tokens.label(*token).into(),
            it.n_picked.into(),
            it.n.into(),
            (it.n_picked as f64 / it.n as f64).into(),
        ]);
    }
    out
}
