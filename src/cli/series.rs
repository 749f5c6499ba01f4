//! `run --series`: a time series continued on the command line, with any edits; the edited forecast where there are any.
//!
//! Points go to stdout in the units of the series, one a line, everything said about them to stderr.

use std::{mem, path::Path};

use serde_json::{Value, json};

use super::{
    Failure, OutFile, Output, json_text,
    model::ModelArgs,
    pass::{Pass, SLICE},
    series_page::SeriesReading,
};
use crate::analysis::ControlEffects;
use crate::document::SeriesFile;
use crate::engine::{Backend, Extent, StepRow, model_facts};
use crate::spec::{
    Experiment, InterventionSet, ModelSpec, Revision, RouterSpec, RoutingPolicy, Series,
    SeriesScale, TokenId, TokenTable, count_of, grouped,
};
use crate::trace::PickState;

/// What is continued, and how far.
pub(super) struct SeriesRun<'a> {
    pub model: &'a ModelArgs,
    pub file: &'a SeriesFile,
    pub n: usize,
    pub is_json: bool,
    /// Where a page of the run goes.
    pub html: Option<&'a Path>,
    /// The seed of random controls of the edits, and how many there are at most.
    pub controls: (u32, usize),
}

/// What a model says of a series.
struct Forecast {
    /// In its own scale.
    points: Vec<f32>,
    /// What was read: the series, and what continues it as far as it had to be read, or all of it for a page.
    rows: Vec<StepRow>,
    /// Per router, how often each expert was chosen over the series and what continues it.
    load: Vec<Vec<u64>>,
}

/// Runs the command.
///
/// # Errors
/// Unusable input (2), or a run that failed part-way (3).
pub(super) fn run(asked: &SeriesRun<'_>, output: &mut Output<'_>) -> Result<(), Failure> {
    let html = asked.html.map(|it| OutFile::at(it, "page")).transpose()?;
    let series = asked.file.read().map_err(Failure::misuse)?;
    let checkpoint = asked.model.open()?;
    let spec = &checkpoint.spec;
    if !spec.is_series() {
        return Err(Failure::misuse(format!(
            "{} reads tokens: give --prompt or --ids, not --series",
            spec.family_label
        )));
    }
    let edited = asked.model.policy(spec)?;
    let (n_given, n_ctx) = (series.points.len(), spec.n_ctx);
    let is_edited = !asked.model.edits.is_empty();
    let reads_all = html.is_some() || (is_edited && asked.controls.1 > 0);
    // The last point need not be read, unless its routing is shown.
    let n_unread = usize::from(!reads_all);
    let n_read = n_given.saturating_add(asked.n.saturating_sub(n_unread));
    if n_read > n_ctx {
        return Err(Failure::misuse(format!(
            "the context holds {}, and {} are to be read",
            count_of(n_ctx, "point"),
            grouped(n_read as u64)
        )));
    }
    let extent = Extent {
        keeps_logits: true,
        ..Extent::of(n_read, SLICE)
    };
    let (mut backend, device) = asked.model.backend_on(&checkpoint, extent)?;
    let scale = series.scale();
    let points = series.points.iter().map(|it| scale.scaled(*it));
    let points: Vec<TokenId> = points.map(TokenId::of_point).collect();
    let mut forecast =
        |policy: &RoutingPolicy| of(&mut *backend, spec, policy, &points, (asked.n, reads_all));
    let mut own = forecast(&edited)?;
    let plain = RoutingPolicy::lower(&InterventionSet::default(), spec, Revision(0));
    let plain = plain.map_err(Failure::misuse)?;
    let mut baseline = is_edited.then(|| forecast(&plain)).transpose()?;
    let experiment = Experiment {
        given: points,
        scale,
        edits: asked.model.edits()?,
        ..Experiment::default()
    };
    let rows = if reads_all {
        let rows = |it: &mut Forecast| mem::take(&mut it.rows);
        let rows = (rows(&mut own), baseline.as_mut().map(rows));
        let mut of = SeriesReading::new(&mut *backend, spec, &experiment);
        Some(of.rows(&edited, asked.controls, rows)?)
    } else {
        None
    };
    if asked.is_json {
        let mut object = object(asked, &series, scale, &own, baseline.as_ref(), spec);
        let read = rows.as_ref();
        if let Some(it) = read.and_then(|it| it.mean_difference(spec, &experiment.edits)) {
            object["mean_difference"] = json!(it);
        }
        if let Some(it) = read.and_then(|it| it.controls.as_ref()) {
            object["controls"] = controls(it);
        }
        output.print(&json_text(&object, true)?)?;
    } else {
        for point in &own.points {
            output.print(&format!("{}\n", scale.back(*point) as f32))?;
        }
    }
    remarks(output, &series, &own, baseline.as_ref());
    if let Some(rows) = &rows {
        let sentences = rows.effect_words(spec, &experiment.edits);
        sentences.iter().for_each(|it| output.remark(it));
    }
    if let (Some((html, path)), Some(rows)) = (html.zip(asked.html), rows) {
        let mut facts = model_facts(&checkpoint, device, asked.model.placement().quantize);
        facts.tokens = TokenTable::points(scale);
        let model = asked.model.model.to_string_lossy();
        html.write(rows.page(&facts, &experiment, &model).as_bytes())?;
        output.remark(format!("the run is in {}", path.display()));
    }
    Ok(())
}

/// Reads the series under some edits, and continues it.
fn of(
    backend: &mut dyn Backend,
    spec: &ModelSpec,
    policy: &RoutingPolicy,
    points: &[TokenId],
    (n, reads_all): (usize, bool),
) -> Result<Forecast, Failure> {
    let mut pass = Pass::new(backend, policy);
    let mut rows = pass.read_in_slices(points, SLICE)?;
    let said = pass.forecast(&mut rows, n, &spec.head.horizons)?;
    let load = load(&rows, spec);
    let n_read: usize = rows.iter().map(|it| it.trace.tokens.len()).sum();
    if reads_all && n_read < points.len() + n {
        let rest = said[n_read - points.len()..].iter();
        let rest: Vec<TokenId> = rest.map(|it| TokenId::of_point(*it)).collect();
        rows.extend(pass.read_in_slices(&rest, SLICE)?);
    }
    Ok(Forecast {
        points: said,
        rows,
        load,
    })
}

/// How often each expert of each router was chosen.
fn load(rows: &[StepRow], spec: &ModelSpec) -> Vec<Vec<u64>> {
    let of = |(i, n): (usize, usize)| {
        let mut counts = vec![0; n];
        for trace in rows.iter().filter_map(|it| it.trace.routers.get(i)) {
            let picks = trace.picks.iter().filter(|it| it.state != PickState::Empty);
            picks.for_each(|it| counts[it.expert.idx()] += 1);
        }
        counts
    };
    let n_experts = spec.routers.iter().map(|it| it.n_experts);
    n_experts.enumerate().map(of).collect()
}

/// Mean distance of two forecasts, in deviations of the series.
fn distance(a: &Forecast, b: &Forecast) -> f32 {
    let pairs = a.points.iter().zip(&b.points);
    let sum: f32 = pairs.map(|(a, b)| (a - b).abs()).sum();
    sum / a.points.len().max(1) as f32
}

fn remarks(output: &mut Output<'_>, series: &Series, own: &Forecast, baseline: Option<&Forecast>) {
    let name = series.name.as_ref();
    let name = name.map_or_else(String::new, |it| format!(" of {it}"));
    let n = series.points.len();
    output.remark(format!(
        "{} read{name}, {} forecast",
        count_of(n, "point"),
        own.points.len()
    ));
    if let Some(baseline) = baseline {
        output.remark(format!(
            "the edits move the forecast by {:.4} standard deviations of the series on average",
            distance(own, baseline)
        ));
    }
}

/// What came of the random controls.
fn controls(it: &ControlEffects) -> Value {
    let mean_difference: Vec<f64> = it.effects.iter().map(|it| it.mean_kl).collect();
    json!({
        "seed": it.seed,
        "n": it.effects.len(),
        "mean_difference": mean_difference,
        "edits_without": it.n_without,
        "edits_left_out": it.n_left_out,
    })
}

fn object(
    asked: &SeriesRun<'_>,
    series: &Series,
    scale: SeriesScale,
    own: &Forecast,
    baseline: Option<&Forecast>,
    spec: &ModelSpec,
) -> Value {
    let said = |it: &Forecast| -> Vec<f64> { it.points.iter().map(|it| scale.back(*it)).collect() };
    let load = |it: &Forecast| -> Value {
        let routers = spec.routers.iter().zip(&it.load);
        let one = |(router, chosen): (&RouterSpec, &Vec<u64>)| {
            let layer = router.place.layer;
            json!({ "layer": layer, "chosen": chosen })
        };
        routers.map(one).collect()
    };
    let mut out = json!({
        "model": spec.family_label,
        "series": series.points,
        "name": series.name,
        "mean": scale.mean,
        "standard_deviation": scale.deviation,
        "edits": asked.model.edits,
        "forecast": said(own),
        "load": load(own),
    });
    if let Some(it) = baseline {
        out["baseline"] = json!(said(it));
        out["baseline_load"] = load(it);
        out["mean_distance"] = json!(distance(own, it));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_on(
        text: &str,
        edits: &[&str],
        n: usize,
        is_json: bool,
    ) -> Result<(String, String), String> {
        run_with(text, edits, n, (is_json, 0, None))
    }

    fn run_with(
        text: &str,
        edits: &[&str],
        n: usize,
        (is_json, n_controls, html): (bool, usize, Option<&Path>),
    ) -> Result<(String, String), String> {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("series.csv");
        std::fs::write(&path, text).unwrap();
        let file = SeriesFile { path, column: None };
        let model = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/golden/fixtures/time_moe"
        );
        let args = ModelArgs {
            model: model.into(),
            device: super::super::Device::Cpu,
            quantize: None,
            edits: edits.iter().map(|it| (*it).to_owned()).collect(),
        };
        let asked = SeriesRun {
            model: &args,
            file: &file,
            n,
            is_json,
            html,
            controls: (1, n_controls),
        };
        let (mut out, mut log) = (Vec::new(), Vec::new());
        let result = run(&asked, &mut Output::to(&mut out, &mut log));
        let text = |it: Vec<u8>| String::from_utf8(it).unwrap();
        let words = |it: Failure| it.to_string();
        result.map(|()| (text(out), text(log))).map_err(words)
    }

    const SERIES: &str = "sold\n10\n12\n15\n11\n10\n12\n15\n11\n10\n12\n15\n11\n";

    #[test]
    fn a_series_is_continued_in_its_own_units_by_as_many_points_as_asked() {
        for n in [1, 2, 9, 41] {
            let (out, log) = run_on(SERIES, &[], n, false).unwrap();
            let points: Vec<f64> = out.lines().map(|it| it.parse().unwrap()).collect();
            assert_eq!(points.len(), n);
            assert!(
                points.iter().all(|it| (-40.0..60.0).contains(it)),
                "{points:?}"
            );
            assert!(log.contains("12 points read of sold"), "{log}");
        }
        // Ten times the series, ten times the forecast.
        let ten: String = SERIES.replace('\n', "0\n").replace("sold0", "sold");
        let (a, _) = run_on(SERIES, &[], 9, false).unwrap();
        let (b, _) = run_on(&ten, &[], 9, false).unwrap();
        for (a, b) in a.lines().zip(b.lines()) {
            let [a, b] = [a, b].map(|it| it.parse::<f32>().unwrap());
            assert!((10.0 * a - b).abs() < 1e-2, "{a} {b}");
        }
    }

    #[test]
    fn an_edit_moves_the_forecast_and_the_baseline_stays() {
        let (plain, _) = run_on(SERIES, &[], 9, true).unwrap();
        let plain: Value = serde_json::from_str(&plain).unwrap();
        let (out, log) = run_on(SERIES, &["mask:1.0"], 9, true).unwrap();
        let out: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(out["baseline"], plain["forecast"]);
        assert_eq!(out["baseline_load"], plain["load"]);
        assert_eq!(
            out["load"][1]["chosen"][0],
            json!(0),
            "a masked expert is never chosen"
        );
        let all = |it: &Value| -> u64 {
            let counts = it["chosen"].as_array().unwrap();
            counts.iter().map(|it| it.as_u64().unwrap()).sum()
        };
        // Twelve points and the eight that were forecast at once, two experts each.
        assert_eq!(all(&out["load"][0]), 40);
        assert!(log.contains("the edits move the forecast by"), "{log}");
    }

    /// What the page of a run holds, and what was said of the run.
    #[test]
    fn random_controls_of_the_edits_are_read_and_stand_in_the_page() {
        let place = tempfile::tempdir().unwrap();
        let html = place.path().join("page.html");
        let run = |n_controls, html| {
            let (out, log) = run_with(SERIES, &["mask:1.0"], 9, (true, n_controls, html)).unwrap();
            (serde_json::from_str::<Value>(&out).unwrap(), log)
        };
        let (out, log) = run(3, Some(&*html));
        let all = out["controls"]["mean_difference"].as_array().unwrap();
        assert_eq!((out["controls"]["n"].as_u64(), all.len()), (Some(3), 3));
        // Each masks another expert; one that is never picked moves nothing.
        let moves = |it: &&Value| it.as_f64().unwrap() > 0.0;
        assert!(all.iter().any(|it| moves(&it)), "{all:?}");
        assert!(log.contains("3 random controls"), "{log}");
        let page = std::fs::read_to_string(&html).unwrap();
        assert!(page.contains("3 random controls"));
        // Nothing else changes: the same forecast as without them.
        let (plain, log) = run(0, None);
        assert_eq!(plain["forecast"], out["forecast"]);
        assert!(plain["controls"].is_null() && !log.contains("control"));
        // The mask that is edited is none of its controls: what it does is said by itself.
        let (all_of_it, _) = run(64, None);
        let n_others = all_of_it["controls"]["n"].as_u64().unwrap();
        let n_experts = all_of_it["load"][1]["chosen"].as_array().unwrap().len() as u64;
        assert_eq!(n_others, n_experts - 1);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let refuse = |text: &str, n, word: &str| {
            let why = run_on(text, &[], n, false).unwrap_err();
            assert!(why.contains(word) && why.lines().count() == 1, "{why}");
        };
        refuse("a,b\n1,2\n3,4\n", 4, "name one of them: a, b");
        refuse("1\ntwo\n", 4, "\"two\"");
        refuse(SERIES, 5000, "the context holds 4,096 points");
    }
}
