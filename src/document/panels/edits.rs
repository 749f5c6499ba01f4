//! What the Edits panel says: what an edit does to this model, in words and in formula, with the numbers of its router
//! and of the baseline; and the list as a table.

use std::ops::Range;

use crate::document::{Cell, Table, covers, edit_words, percent, short, span_words};
use crate::spec::{
    Action, Intervention, InterventionSet, ModelSpec, Position, Renorm, RouterId, RouterRef,
    RouterSpec, Score, SequenceParts, Weight, count_of,
};
use crate::trace::RowRecord;

/// What an edit does, in sentences: by the rule of its router where it acts on one, and over the baseline's tokens where
/// there are some.
#[must_use]
pub fn edit_effect(
    spec: Option<&ModelSpec>,
    baseline: Option<&RowRecord>,
    edit: &Intervention,
) -> String {
    let one = spec.and_then(|it| only_router(it, edit.at));
    let meaning = one.map_or_else(
        || edit_meaning(&edit.action).to_owned(),
        |(_, router)| meaning(&edit.action, router),
    );
    let formula = edit.action.formula();
    // What follows the colon says in words what the sentence before says already.
    let formula = formula.split(": ").next().unwrap_or_default();
    let mut out = format!("{meaning} In formula: {formula}.");
    if let (Some((id, router)), Some(baseline)) = (one, baseline) {
        let parts = spec.map_or_else(SequenceParts::default, |it| it.parts(&baseline.tokens));
        let mine = parts.range(router.place.stack, baseline.store.len());
        out.push_str(&chosen_words((baseline, mine), id, router, edit));
    }
    out
}

/// The one router an edit acts on; none where it acts on several, whose experts are not to be pooled.
fn only_router(spec: &ModelSpec, at: RouterRef) -> Option<(RouterId, &RouterSpec)> {
    let mut all = spec.router_ids().filter(|(_, it)| covers(at, &it.place));
    let first = all.next();
    first.filter(|_| all.next().is_none())
}

/// What an action does under a router's own rule.
fn meaning(action: &Action, router: &RouterSpec) -> String {
    match *action {
        Action::Mask { .. } => format!(
            "Never picked; the other scores stay, {}.",
            weights_again(router)
        ),
        Action::Bias { value, .. } if router.score == Score::Softmax => format!(
            "{} Its odds against each other expert are multiplied by e^{value} = {}.",
            edit_meaning(action),
            short(f64::from(value.0.exp())),
        ),
        Action::K { n } => format!(
            "The layer picks {n} of its {} experts for each token, in place of {}; {}.",
            router.n_experts,
            router.top_k,
            weights_again(router)
        ),
        Action::Uniform => format!(
            "Every picked expert counts the same, 1/{} of the weight; who is picked stays.",
            router.top_k
        ),
        _ => edit_meaning(action).to_owned(),
    }
}

/// What the family's rule makes of the weights of those chosen.
fn weights_again(router: &RouterSpec) -> String {
    let total = short(f64::from(router.scale));
    match (router.weight, router.renorm) {
        (Weight::SoftmaxOverTopK, _) | (_, Renorm::Sum { .. }) => {
            format!("the weights of the picked sum to {total} again")
        }
        (_, Renorm::PNorm(p)) => {
            format!("the weights of the picked have {p}-norm {total} again")
        }
        (_, Renorm::None) => {
            "the weights of the picked stay their own scores and are not made to sum to 1"
                .to_owned()
        }
    }
}

/// How the baseline used the expert, over the tokens the edit acts on.
fn chosen_words(
    (baseline, mine): (&RowRecord, Range<usize>),
    id: RouterId,
    router: &RouterSpec,
    edit: &Intervention,
) -> String {
    let Some(expert) = edit.action.expert() else {
        return String::new();
    };
    let store = &baseline.store;
    // An edit counts positions within the router's own stack.
    let until = edit.span.until.map_or(usize::MAX, Position::idx);
    let mine = mine
        .clone()
        .skip(edit.span.start().idx())
        .zip(edit.span.start().idx()..until);
    let (mut n, mut mass, mut n_tokens) = (0usize, 0.0, 0usize);
    for (at, _) in mine {
        let Some(routed) = store.at(id, Position::new(at)) else {
            continue;
        };
        n_tokens += 1;
        if let Some(pick) = routed.picks().find(|it| it.expert == expert) {
            n += 1;
            mass += f64::from(pick.weight);
        }
    }
    let name = format!("{}.{expert}", edit.at);
    if n_tokens == 0 {
        return " The baseline has read none of these tokens yet.".to_owned();
    }
    let share = n as f32 / n_tokens as f32;
    let weight = if n > 0 {
        format!(", with a mean weight of {}", short(mass / n as f64))
    } else {
        String::new()
    };
    format!(
        " Without edits expert {name} was picked for {} of these {}{weight}; even is {}.",
        percent(share),
        count_of(n_tokens, "token"),
        percent(router.even_share()),
    )
}

/// A sentence on what an action means, whatever the router's rule.
fn edit_meaning(action: &Action) -> &'static str {
    match action {
        Action::Bias { .. } => {
            "Added to the raw score before the router's rule: it changes who is picked and the weight."
        }
        Action::Select { .. } => {
            "Added to what selects: it changes who is picked, never the weight."
        }
        Action::K { .. } => "The layer picks this many experts for each token.",
        Action::Mask { .. } => {
            "Never picked; the other scores stay, and the router's own rule weighs those picked in its place."
        }
        Action::Force { .. } => {
            "Always picked, in place of the weakest pick; the others stay as the router ranks them."
        }
        Action::Uniform => "Every picked expert counts the same; who is picked stays.",
        Action::Random { .. } => {
            "Experts are drawn by a hash of seed, layer, position and id; the weights are their true ones."
        }
        Action::Zero { .. } => "Still picked and recorded, but its output adds nothing.",
        Action::Swap { .. } => {
            "Still recorded as picked, but the other expert's network runs in its place."
        }
    }
}

/// Every line, those switched off too; none where the list is empty.
#[must_use]
pub fn edits_table(edits: &InterventionSet) -> Option<Table> {
    let entries = &edits.entries;
    if entries.is_empty() {
        return None;
    }
    let mut out = Table::new(
        "Edits",
        &[
            ("line", ""),
            ("on", ""),
            ("text form", ""),
            ("words", ""),
            ("scope", ""),
            ("formula", ""),
        ],
    );
    for (n, listed) in entries.iter().enumerate() {
        out.push([
            Cell::from(n + 1),
            if listed.enabled { "yes" } else { "no" }.into(),
            listed.edit.to_string().into(),
            edit_words(&listed.edit).into(),
            span_words(listed.edit.span, |_| None).into(),
            listed.edit.action.formula().into(),
        ]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::LayerId;

    #[test]
    fn the_rule_of_the_family_is_said_with_its_numbers() {
        let mut router = RouterSpec::softmax_top_k(LayerId(4), 8, 2);
        let check = |router: &RouterSpec, text: &str, words: &str| {
            let edit: Intervention = text.parse().unwrap();
            let got = meaning(&edit.action, router);
            assert!(got.contains(words), "{got}");
        };
        check(&router, "mask:4.5", "stay their own scores");
        router.renorm = Renorm::Sum { eps: 0.0, min: 0.0 };
        check(
            &router,
            "mask:4.5",
            "the weights of the picked sum to 1 again",
        );
        check(
            &router,
            "k:4=1",
            "1 of its 8 experts for each token, in place of 2",
        );
        check(&router, "bias:4.5=2", "e^2 = 7.39");
        check(&router, "uniform:4", "1/2 of the weight");
        router.scale = 2.5;
        check(&router, "mask:4.5", "sum to 2.5 again");
    }
}
