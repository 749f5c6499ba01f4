//! What is judged: texts read for it, or the tokens of the row shown; and the words for that.

use crate::analysis::{Evidence, Finding, LoadStats, PhaseFilter, Preset, Report, findings, judge};
use crate::document::{Ending, Judged, health_sentence};
use crate::spec::{Action, ExpertId, RouterId, RouterSpec};
use crate::trace::RowId;
use crate::ui::words::covers;
use crate::ui::{Cx, RowChoice, RowView, Survey, SurveyedText};

/// Whose tokens are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Over {
    /// Texts, read with no edit in force.
    #[default]
    Texts,
    /// The row shown.
    Row,
    /// Texts, read with several checkpoints.
    Steps,
}

impl Over {
    /// Each, in the order of the menu.
    pub const ALL: [Self; 3] = [Self::Texts, Self::Row, Self::Steps];

    /// What the chip says.
    pub fn label(self) -> &'static str {
        match self {
            Self::Texts => "texts",
            Self::Row => "tokens seen so far",
            Self::Steps => "several checkpoints",
        }
    }
}

/// What a report depends on.
#[derive(PartialEq, Eq)]
pub struct ReportFor {
    opened: u64,
    source: ReportSource,
    limits: Judging,
}

/// How it is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judging {
    /// By which limits.
    pub preset: Preset,
    /// Whether a text alone is said to hold several kinds of text.
    pub is_mixed: bool,
}

#[derive(PartialEq, Eq)]
enum ReportSource {
    /// Which survey, and its tokens.
    Texts(u64, u64, u64),
    /// Which row, and its tokens.
    Row(RowId, u64, u64),
}

impl ReportFor {
    /// The key of what is shown; none where there is nothing to judge.
    pub fn of(cx: &Cx<'_>, over: Over, limits: Judging) -> Option<Self> {
        let counted = |it: &LoadStats| (it.n_tokens(PhaseFilter::All), it.n_special());
        let source = match over {
            Over::Texts => {
                let survey = cx.session.survey.as_ref()?;
                let texts = survey.texts.iter().map(|it| counted(&it.load));
                let (n, n_special) = texts.fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
                ReportSource::Texts(survey.tag, n, n_special)
            }
            Over::Row => {
                let shown = cx.session.shown()?;
                let id = match cx.selection.row {
                    RowChoice::Edited => shown.edited.unwrap_or(shown.baseline),
                    RowChoice::Baseline => shown.baseline,
                };
                let (n, n_special) = counted(cx.row()?.load);
                ReportSource::Row(id, n, n_special)
            }
            Over::Steps => return None,
        };
        Some(Self {
            opened: cx.session.opened,
            source,
            limits,
        })
    }
}

/// Judges what is shown.
pub fn report(cx: &Cx<'_>, over: Over, limits: Judging) -> Option<Report> {
    let spec = cx.spec()?;
    let gates = cx.session.facts.as_ref().map_or(&[][..], |it| &it.gates);
    let Judging { preset, is_mixed } = limits;
    let report = match over {
        Over::Texts => {
            let survey = cx.session.survey.as_ref()?;
            let texts: Vec<(&str, &LoadStats)> = survey
                .texts
                .iter()
                .map(|it| (it.name.as_str(), &it.load))
                .collect();
            judge(&texts, spec, &preset.into(), is_mixed, |_, _| false)
        }
        Over::Row => {
            let row = cx.row()?;
            let name = cx.session.row_name(cx.selection.row);
            let masked = masked(cx, row);
            let is_masked = |at, expert| masked.contains(&(at, expert));
            judge(
                &[(name, row.load)],
                spec,
                &preset.into(),
                is_mixed,
                is_masked,
            )
        }
        Over::Steps => return None,
    };
    Some(report.with_gates(spec, gates))
}

/// The experts that an edit of the row masks, wherever in it.
fn masked(cx: &Cx<'_>, row: RowView<'_>) -> Vec<(RouterId, ExpertId)> {
    let Some(spec) = cx.spec() else {
        return Vec::new();
    };
    let masks = row
        .record
        .edits
        .1
        .active()
        .filter_map(|it| match it.action {
            Action::Mask { expert } => Some((it.at, expert)),
            _ => None,
        });
    let routers = |(at, expert)| {
        spec.router_ids()
            .filter(move |(_, it)| covers(at, &it.place))
            .map(move |(id, _)| (id, expert))
    };
    masks.flat_map(routers).collect()
}

/// Whether a verdict stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportStatus {
    /// Texts are still being read for it: not every one had its share, so nothing is called bad yet.
    Provisional,
    /// All that was to be read was.
    Final,
}

impl ReportStatus {
    /// Of what is shown.
    pub fn of(cx: &Cx<'_>, over: Over) -> Self {
        // One that ended on the way is judged where every text had a share of it.
        let is_part = |it: &Survey| {
            let has_none = |it: &SurveyedText| it.load.n_tokens(PhaseFilter::All) == 0;
            let ended_early = it.cancelled || it.failed.is_some();
            it.progress.is_some() || (ended_early && it.texts.iter().any(has_none))
        };
        if over == Over::Texts && cx.session.survey.as_ref().is_some_and(is_part) {
            Self::Provisional
        } else {
            Self::Final
        }
    }
}

/// Whose tokens are counted, as it is said.
pub fn judged<'a>(cx: &Cx<'a>, over: Over) -> Judged<'a> {
    match over {
        Over::Texts | Over::Steps => {
            Judged::Texts(cx.session.survey.as_ref().map_or(Ending::Whole, ending))
        }
        Over::Row => Judged::Row {
            name: cx.session.row_name(cx.selection.row),
            has_edits: cx.row().is_some_and(|it| !it.record.edits.1.is_idle()),
        },
    }
}

fn ending(survey: &Survey) -> Ending<'_> {
    match &survey.failed {
        Some(why) => Ending::Failed(why),
        None if survey.cancelled => Ending::Cancelled,
        None => Ending::Whole,
    }
}

/// The sentence under the rows, with the names of the texts or without.
pub fn sentence(cx: &Cx<'_>, over: Over, report: &Report, names_texts: bool) -> String {
    let first = cx.spec().and_then(|it| it.routers.first());
    let even = first.map(RouterSpec::even_share);
    health_sentence(report, judged(cx, over), even, names_texts)
}

/// What findings depend on.
#[derive(PartialEq, Eq)]
pub struct FoundFor {
    opened: u64,
    n_parts: usize,
    /// The survey whose choices are judged, once it is over.
    survey: Option<u64>,
    limits: Judging,
}

impl FoundFor {
    /// The key of what is found; none before a model is open.
    pub fn of(cx: &Cx<'_>, over: Over, limits: Judging) -> Option<Self> {
        cx.spec()?;
        let examined = cx.session.examined.as_ref();
        let survey = cx.session.survey.as_ref();
        Some(Self {
            opened: cx.session.opened,
            n_parts: examined.map_or(0, |it| it.parts.len()),
            survey: survey.filter(|_| are_read(cx, over)).map(|it| it.tag),
            limits,
        })
    }
}

/// Whether what is shown is texts, and they were read to their end.
fn are_read(cx: &Cx<'_>, over: Over) -> bool {
    over == Over::Texts && ReportStatus::of(cx, over) == ReportStatus::Final
}

/// What is wrong beyond the load, as far as that is known; `report` is the judgement on what is shown, which tells of it
/// once texts were read to their end.
pub fn found(cx: &Cx<'_>, over: Over, report: Option<&Report>) -> Vec<Finding> {
    let Some(facts) = cx.session.facts.as_ref() else {
        return Vec::new();
    };
    let report = report.filter(|_| are_read(cx, over));
    let survey = cx.session.survey.as_ref();
    let weights = cx.session.examined.as_ref().map(|it| &*it.parts);
    let evidence = Evidence {
        gates: &facts.gates,
        weights: weights.unwrap_or_default(),
        choices: survey.filter(|_| report.is_some()).map(|it| &it.choices),
        report,
    };
    findings(&facts.spec, &evidence)
}
