//! What a shared page knows of a run, beside its rows: the model, the edits in words, how to make it again.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::analysis::{Range, first_difference};
use crate::document::{
    EffectNumbers, ShownEffect, VIRIDIS, covers, edit_words, facts_words, first_router, list_words,
    quoted, router_ref, sampling_words, shell_word, span_words, token_words,
};
use crate::spec::{LayerGroup, ModelSpec, Position, RouterId, RouterSpec, Score, TokenId};
use crate::trace::{PositionKind, RowRecord};

use super::SharedRun;
use super::rows::{PageRow, n_shared};

/// How points are written.
const POINT_BY_POINT: &str = "each point is the forecast of the next, nothing is drawn by chance";
const BY_HORIZONS: &str = "points are forecast as many at once as the longest horizon that fits, nothing is drawn by chance";

/// Bytes of one number as base64.
const BYTES_A_SCORE: f64 = 16.0 / 3.0;

/// The page's data.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Data {
    /// What the page is called: `Il était une fois · Tour, expert 5 masked`.
    pub title: String,
    /// The model's name.
    model: String,
    /// Its shape in words.
    shape: String,
    /// Where it ran, and what is known of it.
    notes: Vec<String>,
    /// The text that was given, special tokens left out.
    prompt: String,
    /// How many tokens were given.
    n_given: usize,
    /// The list of edits.
    edits: Vec<Edit>,
    /// The list in a few words: `four experts masked`.
    edits_words: String,
    /// How tokens were drawn, in words.
    sampling: String,
    /// The command that makes the run again.
    command: String,
    /// What is not in the file; empty where everything is.
    left_out: String,
    /// What each token is called, of those named in the page.
    words: BTreeMap<u32, String>,
    /// Those of them that counts leave out.
    special: Vec<u32>,
    /// Its routers.
    routers: Vec<Router>,
    /// Layers that read the same part of the tokens.
    groups: Vec<Group>,
    /// How many tokens at the start are the source that an encoder reads.
    n_source: usize,
    /// Which of them is looked at first.
    layer: usize,
    baseline: PageRow,
    edited: Option<PageRow>,
    counterfactual: Option<PageRow>,
    /// Where the texts part.
    divergence: Option<Position>,
    /// How concentrated the change is.
    concentration: Option<Concentrated>,
    /// How much the edits change, beside their controls.
    effect: String,
    /// In which layers the picks that changed are.
    layers: String,
    /// Baseline, edits and controls as a table; empty where nothing was compared.
    effects: Vec<EffectRow>,
    /// The ramp of amounts, six digits a colour.
    ramp: String,
    /// What stands at a position, and what edits change there.
    kind: Kind,
    /// Of a model of time series; none of a text.
    series: Option<PageSeries>,
}

/// What a position is called, what edits change there, and its unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct Kind {
    noun: &'static str,
    whole: &'static str,
    change: &'static str,
    unit: &'static str,
}

/// What brings points back to the units of their series, and how many each head says.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct PageSeries {
    mean: f64,
    deviation: f64,
    horizons: Vec<usize>,
}

/// One line of the list.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Edit {
    /// `mask:4.5@9..`
    text: String,
    /// `Mask expert 5 in layer 4`
    words: String,
    /// `from “qui” (9) on`
    span: String,
    /// Whether it is switched on.
    on: bool,
    /// `mask`
    kind: &'static str,
    expert: Option<u16>,
    /// Rows of the routers it names.
    routers: Vec<usize>,
    from: Option<u32>,
    until: Option<u32>,
}

/// One router.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Router {
    /// As an edit names it: `4`, `attn.2`.
    name: String,
    /// `layer 4`
    label: String,
    /// `softmax, top 2, renormalised`
    rule: String,
    /// How probabilities follow from logits: `softmax`, `sigmoid`, `sqrtsoftplus`.
    score: &'static str,
    n_experts: usize,
    top_k: usize,
    /// Tokens an expert takes of a sequence; none where it takes any number.
    capacity: Option<usize>,
}

/// Layers that read the same part of the tokens; one without a name where all read all.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Group {
    /// `encoder`
    name: &'static str,
    /// What it reads: `source`
    reads: &'static str,
    /// Rows of its routers: from the first on, so many.
    first: usize,
    n: usize,
}

/// A row of the table of effects: numbers in nats a token.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct EffectRow {
    /// `baseline`, `edited`, `control, mean of 8 (seed 1)`
    name: String,
    kl: Option<f64>,
    loss: Option<f64>,
    change: Option<f64>,
    /// Least and most of the controls.
    kl_range: Option<[f64; 2]>,
    loss_range: Option<[f64; 2]>,
}

/// Much of the change in few tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
struct Concentrated {
    share: f32,
    n_largest: usize,
    n_tokens: usize,
    largest: f32,
    largest_at: u32,
}

impl Data {
    pub fn of(run: &SharedRun<'_>) -> Self {
        let facts = run.facts;
        let n_given = run.experiment.given.len();
        let (rows, left_out) = rows(run);
        let [baseline, edited, counterfactual] = rows;
        let counterfactual_row = run.edited.map(|it| it.1);
        let shown = ShownEffect::of(
            (&facts.spec, &run.experiment.edits),
            run.baseline,
            counterfactual_row,
            run.controls,
        );
        let change = shown.concentration.map(|it| Concentrated {
            share: it.share,
            n_largest: it.n_largest,
            n_tokens: it.n_tokens,
            largest: it.largest.kl,
            largest_at: it.largest.at.0,
        });
        let divergence = run
            .edited
            .and_then(|(edited, _)| first_difference(&run.baseline.tokens, &edited.tokens));
        let n_source = facts.spec.n_source(&run.experiment.given);
        let prompt = facts.tokens.text_of(&run.experiment.given, run.experiment);
        let words = words(run);
        let special = |it: &u32| facts.is_special(TokenId(*it));
        Self {
            title: title(&prompt, run),
            model: facts.name.clone(),
            shape: facts_words(facts),
            notes: facts.notes.clone(),
            n_given,
            edits: edits(run),
            edits_words: list_words(&run.experiment.edits),
            sampling: match facts.position_kind() {
                PositionKind::Token => sampling_words(&run.experiment.sampling),
                PositionKind::Point => continued(run).to_owned(),
            },
            command: command(run),
            left_out,
            special: words.keys().copied().filter(special).collect(),
            layer: first_router(facts).map_or(0, RouterId::idx),
            words,
            routers: routers(&facts.spec),
            groups: groups(&facts.spec),
            n_source,
            baseline: baseline.unwrap_or_default(),
            edited,
            counterfactual,
            divergence,
            concentration: change,
            effect: shown.sentence(),
            layers: shown.layers_sentence(),
            effects: effect_rows(&shown),
            ramp: VIRIDIS
                .iter()
                .map(|[r, g, b]| format!("{r:02x}{g:02x}{b:02x}"))
                .collect::<Vec<_>>()
                .concat(),
            kind: kind(facts.position_kind()),
            series: series(run),
            prompt,
        }
    }
}

fn kind(it: PositionKind) -> Kind {
    Kind {
        noun: it.noun(),
        whole: it.whole(),
        change: it.change(),
        unit: it.unit(),
    }
}

/// How a series was continued: point by point, or with longer heads.
fn continued(run: &SharedRun<'_>) -> &'static str {
    let row = run.baseline;
    let is_first = |at: usize| {
        let said = at.checked_sub(1).and_then(|it| row.readouts.get(it));
        let said = said.and_then(|it| it.forecast.first());
        said.is_none_or(|it| TokenId::of_point(*it) == row.tokens[at])
    };
    if (row.n_given..row.tokens.len()).all(is_first) {
        POINT_BY_POINT
    } else {
        BY_HORIZONS
    }
}

fn series(run: &SharedRun<'_>) -> Option<PageSeries> {
    let spec = &run.facts.spec;
    spec.is_series().then(|| PageSeries {
        mean: run.experiment.scale.mean,
        deviation: run.experiment.scale.deviation,
        horizons: spec.head.horizons.clone(),
    })
}

fn effect_rows(shown: &ShownEffect<'_>) -> Vec<EffectRow> {
    let ends = |it: Range| [it.least, it.most];
    let row = |(i, it): (usize, EffectNumbers)| EffectRow {
        name: it.name,
        // The baseline is not compared with itself.
        kl: (i > 0).then_some(it.kl),
        loss: it.loss,
        change: it.loss_change,
        kl_range: it.kl_range.map(ends),
        loss_range: it.loss_change_range.map(ends),
    };
    shown.rows().into_iter().enumerate().map(row).collect()
}

/// The rows, with the raw scores of as many tokens as the budget allows, and what that leaves out.
fn rows(run: &SharedRun<'_>) -> ([Option<PageRow>; 3], String) {
    let n_routers = run.facts.spec.routers.len();
    let shared = |it: &RowRecord| n_shared(run.baseline, it, n_routers);
    let edited = run.edited.map(|(it, _)| (it, shared(it)));
    let counterfactual = run.edited.map(|(_, it)| (it, shared(it)));
    // The change is what is looked at; without one, the newest text.
    let first = [edited, counterfactual]
        .into_iter()
        .flatten()
        .map(|it| it.1)
        .min();
    let records = [Some((run.baseline, 0)), edited, counterfactual];
    let n_rows = records.iter().flatten().count();
    let each: usize = run.facts.spec.routers.iter().map(scores_of).sum();
    let affordable = run.scores_budget_bytes as f64 / BYTES_A_SCORE / each.max(1) as f64;
    let n_wanted: usize = records
        .iter()
        .flatten()
        .map(|it| it.0.store.len() - it.1)
        .sum();
    let n_each = if n_wanted as f64 <= affordable {
        usize::MAX
    } else {
        (affordable / n_rows as f64) as usize
    };
    let row = |record: &RowRecord, from: usize| {
        let len = record.store.len();
        let n = n_each.min(len - from);
        let last = len - n;
        let start = first.map_or(last, |it| it.min(last)).max(from);
        PageRow::of(run.facts, record, from, start..start + n)
    };
    let rows = records.map(|it| it.map(|(record, from)| row(record, from)));
    let left_out = left_out(&rows, records.map(|it| it.map(|it| it.0.store.len())));
    (rows, left_out)
}

/// Numbers of one token at a router: its logits, and what selects where that differs.
fn scores_of(router: &RouterSpec) -> usize {
    let n_kinds = if router.select_bias { 2 } else { 1 };
    router.n_experts * n_kinds
}

fn left_out(rows: &[Option<PageRow>; 3], lens: [Option<usize>; 3]) -> String {
    let names = ["baseline", "edited", "baseline's words under the edits"];
    let mut kept = Vec::new();
    let mut all_there = true;
    for ((row, len), name) in rows.iter().zip(lens).zip(names) {
        if let (Some(row), Some(len)) = (row, len) {
            all_there &= row.scores == (row.from..len);
            kept.push(if row.scores.is_empty() {
                format!("none of {name}")
            } else {
                format!("{} to {} of {name}", row.scores.start, row.scores.end - 1)
            });
        }
    }
    if all_there {
        return String::new();
    }
    format!(
        "To keep the file small it has the raw scores of some tokens only ({}); choices, weights, margins and predictions are those of every token",
        kept.join(", ")
    )
}

fn title(prompt: &str, run: &SharedRun<'_>) -> String {
    const MOST: usize = 48;
    let breaks = |it: char| it.is_control() || matches!(it, '\u{2028}' | '\u{2029}');
    let one_line = prompt.replace(breaks, " ");
    let mut words: String = one_line.trim().chars().take(MOST).collect();
    if words.chars().count() < one_line.trim().chars().count() {
        words.push('…');
    }
    let name = &run.facts.name;
    let head = if words.is_empty() {
        name.clone()
    } else {
        format!("“{words}” · {name}")
    };
    if run.experiment.edits.is_idle() {
        head
    } else {
        format!("{head}, {}", list_words(&run.experiment.edits))
    }
}

fn edits(run: &SharedRun<'_>) -> Vec<Edit> {
    let facts = run.facts;
    let name = |at: Position| {
        let token = run.baseline.tokens.get(at.idx())?;
        Some(quoted(&facts.tokens, *token))
    };
    let parts = facts.spec.parts(&run.baseline.tokens);
    let list = run.experiment.edits.entries.iter();
    list.map(|listed| {
        let edit = &listed.edit;
        let stack = facts.spec.stack_of(edit.at);
        let name = |at: Position| stack.and_then(|it| name(parts.in_sequence(it, at)));
        let named = facts.spec.router_ids();
        Edit {
            text: edit.to_string(),
            words: edit_words(edit),
            span: span_words(edit.span, name),
            on: listed.enabled,
            kind: edit.action.keyword(),
            expert: edit.action.expert().map(|it| it.0),
            routers: named
                .filter(|(_, it)| covers(edit.at, &it.place))
                .map(|(id, _)| id.idx())
                .collect(),
            from: edit.span.from.map(|it| it.0),
            until: edit.span.until.map(|it| it.0),
        }
    })
    .collect()
}

fn words(run: &SharedRun<'_>) -> BTreeMap<u32, String> {
    let records = run
        .edited
        .map(|(edited, counterfactual)| [edited, counterfactual]);
    let records = records.into_iter().flatten().chain([run.baseline]);
    let named = records.flat_map(PageRow::mentioned);
    let worded = |it: TokenId| (it.0, token_words(&run.facts.tokens, it));
    named.map(worded).collect()
}

fn routers(spec: &ModelSpec) -> Vec<Router> {
    let one = |id, it: &RouterSpec| Router {
        name: router_ref(spec, id).map_or_else(String::new, |at| at.to_string()),
        label: it.label(),
        rule: it.rule(),
        score: match it.score {
            Score::Softmax | Score::Logit => "softmax",
            Score::Sigmoid => "sigmoid",
            Score::SqrtSoftplus => "sqrtsoftplus",
        },
        n_experts: it.n_experts,
        top_k: it.top_k,
        capacity: it.capacity(),
    };
    spec.router_ids().map(|(id, it)| one(id, it)).collect()
}

fn groups(spec: &ModelSpec) -> Vec<Group> {
    let group = |it: LayerGroup| Group {
        name: it.name,
        reads: it.reads,
        first: it.routers.start,
        n: it.routers.len(),
    };
    spec.groups().into_iter().map(group).collect()
}

/// The command line that makes this run again: given tokens as ids, so that it is exact.
fn command(run: &SharedRun<'_>) -> String {
    let experiment = run.experiment;
    if run.facts.position_kind() == PositionKind::Point {
        return series_command(run);
    }
    let ids = run.facts.spec.given_ids(&experiment.given);
    let written = |it: &RowRecord| it.tokens.len().saturating_sub(experiment.given.len());
    let n = written(run.baseline).max(run.edited.map_or(0, |it| written(it.0)));
    let sampling = &experiment.sampling;
    let mut parts = vec![
        format!("moescope run {}", shell_word(run.model)),
        format!("{} -n {n}", ids.options()),
        format!("--temp {} --seed {}", sampling.temperature, sampling.seed),
    ];
    if sampling.top_k > 0 {
        parts.push(format!("--top-k {}", sampling.top_k));
    }
    if sampling.top_p.0 < 1.0 {
        parts.push(format!("--top-p {}", sampling.top_p));
    }
    if sampling.min_p.0 > 0.0 {
        parts.push(format!("--min-p {}", sampling.min_p));
    }
    let edits = experiment.edits.active();
    parts.extend(edits.map(|it| format!("--edit {}", shell_word(&it.to_string()))));
    parts.join(" ")
}

/// The command line that writes the routing and the forecasts of the whole row once more: points as the model reads them,
/// so that it is exact.
fn series_command(run: &SharedRun<'_>) -> String {
    let row = run.edited.map_or(run.baseline, |it| it.0);
    let points: Vec<String> = row.tokens.iter().map(|it| it.point().to_string()).collect();
    let mut parts = vec![
        format!("moescope eval {}", shell_word(run.model)),
        format!("--series {}", points.join(",")),
    ];
    let edits = run.experiment.edits.active();
    parts.extend(edits.map(|it| format!("--edit {}", shell_word(&it.to_string()))));
    parts.push("--out numbers.safetensors".to_owned());
    parts.join(" ")
}
