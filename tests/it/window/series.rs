//! A model of time series in the window: points in the place of tokens, a curve in the place of the strip, forecasts in the
//! place of probabilities.

use std::{fs, path::PathBuf};

use eframe::egui::Key;
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use moescope::analysis::PhaseFilter;
use moescope::app::App;
use moescope::document::{Cell, Column};
use moescope::engine::ModelSource;
use moescope::spec::{Placement, Position, RouterId, Series, TokenId};
use moescope::ui::{Command, ExportTo, RowChoice, SERIES_PRESETS, Selection, SurveyOf};
use serde_json::Value;

use super::browser::{browser, dom};
use super::drive::{Window, builder, click, folder, key, said, settle, type_prompt, undo, until};
use super::first_minute::n_tokens;
use super::fixture::{check_paper, column, table};
use super::next_token::is_level;
use super::pictures::check;

fn model() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fixtures/time_moe")
}

/// A wave with a trend, as one types it.
fn wave(n: usize) -> String {
    let points: Vec<String> = (0..n)
        .map(|it| {
            format!(
                "{:.2}",
                100.0 + it as f64 * 0.2 + 30.0 * (it as f64 * 0.5).sin()
            )
        })
        .collect();
    points.join(", ")
}

/// The window on the fixture, a wave of 60 points read.
pub fn opened() -> Window {
    let mut window = folder(model());
    read(&mut window, &wave(60));
    window
}

fn read(window: &mut Window, text: &str) {
    window.state_mut().command(Command::SetPace(None));
    window
        .state_mut()
        .command(Command::SetPrompt(text.to_owned()));
    window.state_mut().command(Command::SetStopAfter(1));
    window.state_mut().command(Command::RunPrompt);
    let n = Series::typed(text).unwrap().points.len();
    until(window, "the points are read", |it: &App| {
        let row = it.session().baseline();
        it.is_idle() && row.is_some_and(|it| it.record.n_given == n && it.record.store.len() > n)
    });
}

/// Writes on: the edited row, where there is one and it is behind, else both.
pub fn write(window: &mut Window, n: u32) {
    let written = |it: &App| {
        let session = it.session();
        n_tokens(session.edited().or_else(|| session.baseline()))
    };
    let before = written(window.state());
    window.state_mut().command(Command::SetStopAfter(n));
    window.state_mut().command(Command::PlayPause);
    until(window, "points are written", |it: &App| {
        let is_level = it.session().counterfactual().is_none() || is_level(it);
        it.is_idle() && written(it) >= before + n as usize && is_level
    });
}

pub fn edit(window: &mut Window, text: &str) {
    window
        .state_mut()
        .command(Command::AddEdit(text.parse().unwrap()));
    until(window, "the edit has taken effect", |it: &App| {
        it.is_idle() && it.session().edited().is_some() && is_level(it)
    });
}

#[test]
fn a_sample_series_is_read_at_the_start_and_space_goes_on_with_its_forecast() {
    let mut window = folder(model());
    let session = window.state().session();
    let row = session.baseline().unwrap().record;
    assert_eq!(row.n_given, 720);
    let first = session.tokens().value(row.tokens[0]).unwrap();
    let wanted = Series::typed(SERIES_PRESETS[0].prompt).unwrap().points[0];
    assert!((first - wanted).abs() < 1e-3, "{first}");
    assert!(said(&window, "points given"));
    read(&mut window, "10, 20\n30 40; 50");
    let row = window.state().session().baseline().unwrap().record;
    assert_eq!((row.n_given, row.tokens.len()), (5, 6));
    let next = row.readouts.get(4).unwrap().forecast[0];
    assert_eq!(row.tokens[5].point().to_bits(), next.to_bits());
    assert!(said(&window, "Series of 6 points"));
    // What has no meaning here is not offered.
    assert!(window.query_by_label("seed").is_none());
    assert!(window.query_by_label("temperature").is_none());
}

#[test]
fn what_is_no_series_is_refused_in_a_sentence_and_the_rows_stay() {
    let mut window = opened();
    let before = window
        .state()
        .session()
        .baseline()
        .unwrap()
        .record
        .tokens
        .clone();
    type_prompt(&mut window, "1, 2, three");
    key(&mut window, Key::Enter);
    settle(&mut window);
    assert!(said(&window, "line 1, column 3 has \"three\""));
    let now = &window.state().session().baseline().unwrap().record.tokens;
    assert_eq!(*now, before);
}

#[test]
fn an_edit_moves_the_forecast_and_undo_brings_the_series_back() {
    let mut window = opened();
    write(&mut window, 6);
    let before = window
        .state()
        .session()
        .baseline()
        .unwrap()
        .record
        .tokens
        .clone();
    window.state_mut().command(Command::Select(Selection {
        position: Some(Position(40)),
        router: Some(RouterId(1)),
        ..Selection::default()
    }));
    settle(&mut window);
    edit(&mut window, "k:*=1@40..");
    write(&mut window, 6);
    let session = window.state().session();
    let counterfactual = session.counterfactual().unwrap().record;
    assert!(counterfactual.comparisons.iter().any(|it| it.kl > 0.0));
    assert!(said(&window, "Mean difference of forecasts"));
    for word in ["nats", "Mean KL", "surprise", "probab"] {
        assert!(!said(&window, word), "{word}");
    }
    // The forecast stands beside the baseline's, in units of the series.
    window.state_mut().command(Command::ShowPanel("next_token"));
    settle(&mut window);
    assert!(said(&window, "The next point:"));
    let forecast = table(&window, "next_token");
    assert_eq!(forecast.rows.len(), 1 + 8 + 32);
    let apart = column(&forecast, "difference");
    assert!(apart.iter().any(|it| *it > 0.0), "{apart:?}");
    let mean: f64 = apart[9..].iter().sum::<f64>() / 32.0;
    let at = window.state().selection().position.unwrap();
    let shown = window.state().session().counterfactual().unwrap().record;
    let kl = f64::from(shown.comparison(at).unwrap().kl);
    assert!((mean - kl).abs() < 1e-4, "{mean} {kl}");
    undo(&mut window);
    until(&mut window, "the baseline stands alone", |it| {
        it.is_idle() && it.session().edited().is_none()
    });
    let now = &window.state().session().baseline().unwrap().record.tokens;
    assert_eq!(now[..before.len()], before[..]);
}

#[test]
fn a_series_that_goes_on_from_the_prompts_end_is_called_one() {
    let mut window = opened();
    write(&mut window, 6);
    click(&mut window, "Back one point");
    until(&mut window, "one point less", App::is_idle);
    assert!(window.state().experiment().given.len() > 60);
    write(&mut window, 3);
    click(&mut window, "To the prompt's end");
    assert_eq!(window.state().experiment().given.len(), 60);
    let words = window.state().session().message.clone().unwrap().text;
    let wanted = "The series goes on from the prompt's end, point 59";
    assert!(words.starts_with(wanted), "{words}");
}

#[test]
fn points_are_selected_by_keys_and_by_clicks() {
    let mut window = opened();
    let at = |window: &Window| window.state().selection().position;
    key(&mut window, Key::ArrowLeft);
    assert_eq!(at(&window), Some(Position(59)));
    key(&mut window, Key::ArrowLeft);
    assert_eq!(at(&window), Some(Position(58)));
    let words = window.get_by_label("Series of 61 points");
    let value = words.accesskit_node().value().unwrap_or_default();
    assert!(value.starts_with("point 58: "), "{value}");
    window.get_by_label("Series of 61 points").click();
    settle(&mut window);
    let clicked = at(&window).unwrap();
    assert!((20..60).contains(&clicked.0), "{clicked}");
}

#[test]
fn a_file_is_continued_and_a_column_chosen_where_there_are_several() {
    let mut window = opened();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("two.csv");
    fs::write(&path, "day,a,b\nx,1,5\ny,2,7\nz,4,6\n").unwrap();
    window
        .state_mut()
        .command(Command::OpenSeries(path.clone()));
    settle(&mut window);
    assert!(said(&window, "several columns of numbers"));
    click(&mut window, "b");
    until(&mut window, "the column is read", |it: &App| {
        n_tokens(it.session().baseline()) == 3
    });
    let session = window.state().session();
    let row = session.baseline().unwrap().record;
    assert_eq!(session.tokens().text(&row.tokens), "5, 7, 6");
    fs::write(&path, "1\n2\nx\n").unwrap();
    window.state_mut().command(Command::OpenSeries(path));
    settle(&mut window);
    assert!(said(&window, "line 3, column 1 has \"x\""));
    // Another series of the same shape has other values.
    read(&mut window, "50 70 60");
    let session = window.state().session();
    let row = session.baseline().unwrap().record;
    assert_eq!(session.tokens().text(&row.tokens[..3]), "50, 70, 60");
}

#[test]
fn every_panel_draws_a_series_on_paper_and_tells_its_numbers() {
    let mut window = opened();
    edit(&mut window, "k:*=1@40..");
    // Load has an arrow on paper that only the system's fonts draw.
    for panel in ["transcript", "heatmap", "router", "path", "next_token"] {
        check_paper(&window, panel);
    }
    let rows = table(&window, "transcript");
    let headings: Vec<String> = rows.columns.iter().map(Column::heading).collect();
    assert!(headings.contains(&"value".to_owned()));
    assert!(headings.contains(&"difference of forecasts (sd)".to_owned()));
    for word in ["token", "nats", "KL", "rank"] {
        assert!(
            headings.iter().all(|it| !it.contains(word)),
            "{word}: {headings:?}"
        );
    }
    let values = column(&rows, "value");
    assert!((values[0] - 100.0).abs() < 1e-3, "{}", values[0]);
    assert!(rows.rows.iter().all(|it| it[2] != Cell::Empty));
}

#[test]
fn health_judges_over_series() {
    let mut window = opened();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("two.csv");
    let rows: Vec<String> = (0..40).map(|it| format!("{it},{}", it % 7)).collect();
    fs::write(&file, format!("a,b\n{}\n", rows.join("\n"))).unwrap();
    let files = SurveyOf::Files(vec![file]);
    window.state_mut().command(Command::Survey(files));
    window.state_mut().command(Command::ShowPanel("health"));
    until(&mut window, "the series are read", |it: &App| {
        let survey = it.session().survey.as_ref();
        survey.is_some_and(|it| it.progress.is_none() && it.failed.is_none())
    });
    let survey = window.state().session().survey.as_ref().unwrap();
    assert_eq!(survey.texts[0].name, "two.csv");
    // Both columns, each a series of its own.
    assert_eq!(survey.texts[0].load.n_tokens(PhaseFilter::All), 80);
}

/// The run as a page; the folder goes with its guard.
fn shared(window: &mut Window) -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("run.html");
    window
        .state_mut()
        .command(Command::ShareHtml(ExportTo::File(out.clone())));
    settle(window);
    (place, out)
}

/// A point at the mean is 0 to the model, and so is the id that it stands as.
#[test]
fn a_point_at_the_mean_of_its_series_is_set_beside_its_forecast() {
    let Some(browser) = browser() else {
        return;
    };
    let mut window = folder(model());
    read(&mut window, "1, 2, 3");
    let session = window.state().session();
    let record = session.baseline().unwrap().record;
    assert_eq!(record.tokens[1], TokenId(0));
    let forecast = TokenId::of_point(record.readouts.get(0).unwrap().forecast[0]);
    let error = 2.0 - session.tokens().value(forecast).unwrap();
    let (_place, out) = shared(&mut window);
    let shown = dom(&browser, &out, "row=baseline&token=1&layer=1");
    let (_, rest) = shown
        .split_once("data-fact=\"Point less its forecast\">")
        .unwrap();
    let told = rest.split('<').next().unwrap().replace('−', "-");
    let told: f64 = told.trim().parse().unwrap();
    assert!((told - error).abs() <= 0.01 * error.abs(), "{told} {error}");
}

#[test]
fn a_shared_page_tells_the_series_and_its_forecasts() {
    let mut window = opened();
    edit(&mut window, "k:*=1@40..");
    write(&mut window, 4);
    let (_place, out) = shared(&mut window);
    let page = fs::read_to_string(&out).unwrap();
    let (_, rest) = page.split_once("id=\"trace\">").unwrap();
    let data: Value = serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap();
    assert_eq!(data["kind"]["noun"], "point");
    assert_eq!(data["series"]["horizons"], serde_json::json!([1, 8, 32]));
    assert_eq!(data["baseline"]["texts"][0], " 100");
    assert!(data["command"].as_str().unwrap().contains(" --series "));
    let effect = data["effect"].as_str().unwrap();
    assert!(
        effect.starts_with("Mean difference of forecasts"),
        "{effect}"
    );
    if let Some(browser) = browser() {
        let shown = dom(&browser, &out, "row=baseline&token=50&layer=1");
        assert!(shown.contains("id=\"curve\""), "the curve is drawn");
        assert!(
            shown.contains("data-horizon=\"32\""),
            "the forecast is told"
        );
        assert!(shown.contains("Difference of forecasts at this point"));
        assert!(!shown.contains(">Surprise<"));
    }
}

/// The program on the fixture and a file of 60 points with a column of each name.
fn command(words: &[&str]) -> (tempfile::TempDir, std::process::Output) {
    let place = tempfile::tempdir().unwrap();
    let series = Series::typed(&wave(60)).unwrap();
    let rows: Vec<String> = series.points.iter().map(|it| format!("{it},7")).collect();
    let table = format!("sold,other\n{}\n", rows.join("\n"));
    fs::write(place.path().join("it.csv"), table).unwrap();
    let said = std::process::Command::new(env!("CARGO_BIN_EXE_moescope"))
        .args(words)
        .args(["--series", "it.csv", "--device", "cpu"])
        .current_dir(place.path())
        .output()
        .unwrap();
    (place, said)
}

#[test]
fn a_page_of_a_forecast_has_the_points_that_were_printed_and_their_routing() {
    let model = model();
    let model = model.to_str().unwrap();
    for (n, edits) in [(41, &["--edit", "k:*=1@50.."][..]), (33, &[]), (1, &[])] {
        let n_words = n.to_string();
        let run = [
            "run", model, "--column", "sold", "-n", &n_words, "--html", "run.html",
        ];
        let (place, said) = command(&[&run[..], edits].concat());
        let log = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.status.success(), "{log}");
        assert!(log.contains("the run is in run.html"), "{log}");
        let printed = String::from_utf8(said.stdout).unwrap();
        let printed: Vec<f64> = printed.lines().map(|it| it.parse().unwrap()).collect();
        assert_eq!(printed.len(), n);
        let page = fs::read_to_string(place.path().join("run.html")).unwrap();
        let (_, rest) = page.split_once("id=\"trace\">").unwrap();
        let data: Value = serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap();
        let row = if edits.is_empty() {
            "baseline"
        } else {
            "edited"
        };
        let texts = data[row]["texts"].as_array().unwrap();
        assert_eq!(texts.len(), 60 + n);
        for (text, printed) in texts[60..].iter().zip(&printed) {
            let shown: f64 = text.as_str().unwrap().trim().parse().unwrap();
            assert!((shown - printed).abs() <= 1e-4 * printed.abs().max(1.0));
        }
        // Two experts of two bytes a point, in base64.
        let router = &data[row]["routers"][0];
        let n_routed = 60 + n - router["at"].as_u64().unwrap() as usize;
        let experts = router["experts"].as_str().unwrap();
        assert_eq!(
            experts.len(),
            (4 * n_routed).div_ceil(3) * 4,
            "every point has its routing"
        );
        let how = data["sampling"].as_str().unwrap();
        let longest = "as many at once as the longest horizon that fits";
        assert_eq!(how.contains(longest), n > 1, "{how}");
        assert_eq!(data["effect"] == "", edits.is_empty());
        if !edits.is_empty() {
            let effect = data["effect"].as_str().unwrap();
            assert!(
                effect.starts_with("Mean difference of forecasts"),
                "{effect}"
            );
        }
    }
}

#[test]
fn screenshot_draws_and_counts_a_series_of_a_file() {
    let model = model();
    let model = model.to_str().unwrap();
    let shot = [
        "screenshot",
        "it.csv.csv",
        model,
        "--panel",
        "transcript",
        "-n",
        "4",
    ];
    let (place, said) = command(&[&shot[..], &["--column", "sold"]].concat());
    let log = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.success(), "{log}");
    let table = fs::read_to_string(place.path().join("it.csv.csv")).unwrap();
    let heads: Vec<&str> = table.lines().next().unwrap().split(',').collect();
    let at = heads.iter().position(|it| *it == "value").unwrap();
    let value = |line: &str| -> f64 { line.split(',').nth(at).unwrap().parse().unwrap() };
    let values: Vec<f64> = table.lines().skip(1).map(value).collect();
    assert!(values.len() >= 64, "{table}");
    for (shown, given) in values.iter().zip(Series::typed(&wave(60)).unwrap().points) {
        assert!((shown - given).abs() < 1e-3, "{shown} {given}");
    }
    let (_place, said) = command(&shot);
    let log = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(log.contains("several columns of numbers"), "{log}");
    assert_eq!(said.status.code(), Some(2));
    let text = ["screenshot", "it.png", "tour", "--column", "sold"];
    let (_place, said) = command(&text);
    let log = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(log.contains("this model reads tokens"), "{log}");
    assert_eq!(said.status.code(), Some(2));
}

fn picture(theme: eframe::egui::Theme, name: &str) {
    // So narrow that the bar has no room for how fast it was, which no two runs are.
    let builder = builder((600.0, 500.0), theme).wgpu();
    let source = ModelSource::Path(model());
    let mut window =
        builder.build_eframe(move |cc| App::on_engine(cc, source, Placement::default()).unwrap());
    until(&mut window, "a model is open and its series read", |it| {
        it.is_idle() && it.session().baseline().is_some()
    });
    read(&mut window, &wave(60));
    write(&mut window, 11);
    edit(&mut window, "k:*=1@40..");
    write(&mut window, 12);
    until(&mut window, "controls are read", App::has_controls);
    window.state_mut().command(Command::Select(Selection {
        row: RowChoice::Baseline,
        position: Some(Position(52)),
        router: Some(RouterId(1)),
        ..Selection::default()
    }));
    for panel in ["transcript", "next_token"] {
        window.state_mut().command(Command::ToggleAlone(panel));
        settle(&mut window);
        check(&mut window, &format!("series_{panel}_{name}"));
        window.state_mut().command(Command::ToggleAlone(panel));
    }
}

#[test]
fn panels_of_a_series_dark() {
    picture(eframe::egui::Theme::Dark, "dark");
}

#[test]
fn panels_of_a_series_light() {
    picture(eframe::egui::Theme::Light, "light");
}
