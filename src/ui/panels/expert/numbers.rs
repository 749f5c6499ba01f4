//! The section shown, as numbers at full precision.

use crate::document::{Cell, Table};
use crate::spec::RouterSpec;
use crate::ui::Cx;

use super::card::{Card, Surveyed};
use super::{Section, partners, tokens::ShownOccurrences};

/// The table of a section.
pub fn table(
    cx: &Cx<'_>,
    card: &Card,
    surveyed: &Surveyed,
    section: Section,
    strongest: bool,
) -> Table {
    let row = cx.session.row_name(cx.selection.row);
    let title = format!("{}, {}, {row}", card.name(), section.label());
    match section {
        Section::Tokens => tokens(cx, card, title, strongest),
        Section::Texts => texts(cx, surveyed, title),
        Section::Partners => experts(cx, card, title),
        Section::Habits => words(cx, card, title),
    }
}

fn tokens(cx: &Cx<'_>, card: &Card, title: String, strongest: bool) -> Table {
    let mut out = Table::new(
        title,
        &[
            ("position", ""),
            ("token", ""),
            ("weight", ""),
            ("rank", ""),
            ("origin", ""),
        ],
    );
    let n_given = cx.row().map_or(0, |it| it.record.n_given);
    let shown = ShownOccurrences::of(card, strongest);
    for it in (0..shown.len()).filter_map(|n| shown.get(n)) {
        let given = it.at.idx() < n_given;
        out.push([
            Cell::from(it.at.idx()),
            card.texts().get(it.at.idx()).cloned().into(),
            it.weight.into(),
            (it.rank + 1).into(),
            if given { "given" } else { "drawn" }.into(),
        ]);
    }
    out
}

fn texts(cx: &Cx<'_>, surveyed: &Surveyed, title: String) -> Table {
    let mut out = Table::new(
        title,
        &[
            ("text", ""),
            ("picked", "tokens"),
            ("tokens", ""),
            ("share", ""),
            ("share elsewhere", ""),
            ("lift", "log2"),
            ("p", ""),
            ("q", ""),
        ],
    );
    let names = cx.session.survey.iter().flat_map(|it| &it.texts);
    for (n, (text, uses)) in names.zip(surveyed.counts()).enumerate() {
        let it = surveyed.specialty().texts.get(n).copied().flatten();
        let share = (uses.n_tokens > 0).then(|| uses.n as f64 / uses.n_tokens as f64);
        out.push([
            Cell::from(text.name.as_str()),
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

fn experts(cx: &Cx<'_>, card: &Card, title: String) -> Table {
    let mut out = Table::new(
        title,
        &[
            ("layer", ""),
            ("expert", ""),
            ("tokens together", ""),
            ("share of its tokens", ""),
            ("chance", ""),
        ],
    );
    let spec = cx.spec();
    let own = spec.and_then(|it| it.router(card.at.router));
    let together = own.map(|it| partners::together(card, it));
    let beside = [0, 1].map(|side| partners::beside(cx, card, side));
    for it in together.into_iter().chain(beside).flatten() {
        let layer = spec.and_then(|spec| spec.router(it.at.router));
        out.push([
            Cell::from(layer.map(RouterSpec::label)),
            it.at.expert.idx().into(),
            it.n.into(),
            it.share.into(),
            it.chance.into(),
        ]);
    }
    out
}

fn words(cx: &Cx<'_>, card: &Card, title: String) -> Table {
    let mut out = Table::new(
        title,
        &[
            ("token id", ""),
            ("token", ""),
            ("picked", "tokens"),
            ("occurrences", "tokens"),
            ("share", ""),
        ],
    );
    for (token, it) in &card.words {
        out.push([
            Cell::from(token.idx()),
            cx.session.tokens().label(*token).into(),
            it.n_picked.into(),
            it.n.into(),
            (it.n_picked as f64 / it.n as f64).into(),
        ]);
    }
    out
}
