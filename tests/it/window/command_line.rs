//! The window as a command line: the line that was copied opens the window as it was.

use clap::Parser as _;
use eframe::egui::{Key, OutputCommand, Theme};
use egui_kittest::kittest::Queryable as _;
use moescope::app::App;
use moescope::checkpoint::Bundled;
use moescope::cli::{Cli, Start};
use moescope::document::{ShownRecords, transcript_table};
use moescope::engine::ModelSource;
use moescope::spec::Placement;
use moescope::ui::{Command, RowChoice};

use super::drive::{Window, builder, key, settle, until};

/// What a line gives the window.
fn parsed(words: &[&str]) -> Start {
    let cli = Cli::try_parse_from(words).unwrap();
    cli.start.start().unwrap()
}

/// A window on the Tour model that begins so.
fn window(start: Start) -> Window {
    window_on(ModelSource::Bundled(Bundled::Tour), start)
}

/// A window on a model that begins so.
fn window_on(source: ModelSource, start: Start) -> Window {
    let mut out = builder((1440.0, 900.0), Theme::Dark).build_eframe(move |cc| {
        let app = App::on_engine(cc, source, Placement::default()).unwrap();
        app.beginning_with(start)
    });
    until(&mut out, "the prompt is read", |it| {
        it.is_idle() && it.session().baseline().is_some()
    });
    out
}

/// Words as a shell parts them, with single quotes.
fn shell(line: &str) -> Vec<String> {
    let (mut out, mut word, mut quoted) = (Vec::new(), String::new(), false);
    let mut signs = line.chars();
    while let Some(it) = signs.next() {
        match it {
            '\'' => quoted = !quoted,
            '\\' if !quoted => word.extend(signs.next()),
            ' ' if !quoted => out.push(std::mem::take(&mut word)),
            it => word.push(it),
        }
    }
    out.push(word);
    out
}

fn copied(window: &mut Window) -> String {
    window.state_mut().command(Command::CopyCommandLine);
    for _ in 0..3 {
        window.step();
        let commands = &window.output().platform_output.commands;
        for it in commands {
            if let OutputCommand::CopyText(text) = it {
                return text.clone();
            }
        }
    }
    panic!("nothing was copied");
}

/// The line of a window opens one that is the same.
fn check(window: &mut Window) -> Window {
    let line = copied(window);
    let words = shell(&line);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    assert_eq!(words[..2], ["moescope", "tour"], "{line}");
    let again = self::window(parsed(&words));
    let (a, b) = (window.state().experiment(), again.state().experiment());
    assert_eq!(a.given, b.given, "{line}");
    assert_eq!(a.sampling, b.sampling, "{line}");
    let on = |it: &moescope::spec::InterventionSet| {
        it.active().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(on(&a.edits), on(&b.edits), "{line}");
    again
}

#[test]
fn the_line_that_was_copied_opens_the_window_as_it_was() {
    let prompt = "It's \"here\", isn't it?";
    let words = [
        "moescope",
        "tour",
        "--prompt",
        prompt,
        "--edit",
        "mask:4.5@2..",
        "--edit",
        "k:*=1@3..",
        "--seed",
        "7",
        "--temp",
        "0.9",
    ];
    let mut window = window(parsed(&words));
    assert_eq!(window.state().command_line().matches("--edit").count(), 2);
    assert!(
        window.state().session().edited().is_some(),
        "the edits are in force"
    );
    let mut again = check(&mut window);
    // A line that is switched off is left out, and what is fixed by hand comes as ids.
    again.state_mut().command(Command::ToggleEdit(0));
    again.state_mut().command(Command::SetPace(None));
    again.state_mut().command(Command::SetStopAfter(2));
    settle(&mut again);
    key(&mut again, Key::Space);
    let n = again.state().experiment().given.len();
    until(&mut again, "two tokens are written", |it| {
        let row = it.session().row(RowChoice::Edited);
        it.is_idle() && row.is_some_and(|it| it.record.tokens.len() >= n + 2)
    });
    let at = moescope::spec::Position::new(n);
    let row = RowChoice::Edited;
    again.state_mut().command(Command::ContinueFrom { row, at });
    until(&mut again, "it goes on from there", App::is_idle);
    assert!(again.state().command_line().contains("--ids "));
    check(&mut again);
}

#[test]
fn the_line_of_a_class_says_so() {
    let edits = ["4.5", "2.5", "3.6", "5.5"].map(|it| format!("--edit=mask:{it}@2.."));
    let words = ["moescope", "tour", "--seed", "3"].into_iter();
    let words: Vec<&str> = words.chain(edits.iter().map(String::as_str)).collect();
    let mut window = window(parsed(&words));
    assert!(!window.state().command_line().contains("--present"));
    window.state_mut().command(Command::TogglePresent);
    settle(&mut window);
    // The choice worked out in one line is read out, too.
    let worked = window.query_by_label_contains("softmax: ");
    assert!(worked.is_some(), "the worked line has a name");
    let line = copied(&mut window);
    assert!(line.ends_with(" --present"), "{line}");
    // What is said of it is not wider than the window.
    settle(&mut window);
    let (said, whole) = (
        window.get_by_label_contains("Copied: ").rect(),
        window.ctx.content_rect(),
    );
    assert!(
        whole.shrink(8.0).contains_rect(said),
        "{said:?} in {whole:?}"
    );
    let close = window.get_by_label("Close").rect();
    assert!(
        whole.shrink(8.0).contains_rect(close),
        "{close:?} in {whole:?}"
    );
    assert!(Cli::try_parse_from(shell(&line)).unwrap().present);
    window.state_mut().command(Command::TogglePresent);
    settle(&mut window);
    assert!(!copied(&mut window).contains("--present"));
}

#[test]
fn what_makes_no_sense_is_told_before_the_window_opens() {
    let check = |words: &[&str], why: &str| {
        let line = [&["moescope", "tour"][..], words].concat();
        let start = Cli::try_parse_from(line).unwrap().start.start();
        let error = start.unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    };
    check(&["--edit", "boost:1.0"], "boost");
    check(&["--ids", "1,x"], "\"x\"");
    check(&["--temp", "-1"], "temperature");
    let both = ["moescope", "tour", "--ids", "1", "--prompt", "a"];
    assert!(Cli::try_parse_from(both).is_err());
    // What the model cannot take is said in the window, and the prompt is read all the same.
    let window = window(parsed(&["moescope", "--edit", "mask:77.0"]));
    let message = window.state().session().message.clone().unwrap();
    assert!(
        message.failure && message.text.contains("layer 77"),
        "{}",
        message.text
    );
    assert!(window.state().experiment().edits.entries.is_empty());
}

const SERIES_MODEL: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/golden/fixtures/time_moe"
);

/// A window on the model of series, begun by a line after the model's name.
fn series_window(words: &[&str]) -> Window {
    let line = [&["moescope", SERIES_MODEL], words].concat();
    let source = ModelSource::Path(SERIES_MODEL.into());
    window_on(source, parsed(&line))
}

/// The line of a window on a series opens one that is the same; the line.
fn check_series(window: &mut Window) -> String {
    let line = copied(window);
    let words = shell(&line);
    let words: Vec<&str> = words.iter().skip(2).map(String::as_str).collect();
    let again = series_window(&words);
    let (a, b) = (window.state().experiment(), again.state().experiment());
    assert_eq!(a.given, b.given, "{line}");
    assert_eq!(a.scale, b.scale, "{line}");
    assert_eq!(a.edits, b.edits, "{line}");
    line
}

#[test]
fn a_window_begins_with_a_series_and_its_line_opens_it_again() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("two columns.csv");
    let rows: Vec<String> = (0..30)
        .map(|it| format!("{},{}", it % 7, 1e10 + f64::from(it * it % 11)))
        .collect();
    std::fs::write(&file, format!("a,b\n{}\n", rows.join("\n"))).unwrap();
    let path = file.display().to_string();
    let words = [
        "--series",
        &path,
        "--column",
        "b",
        "--edit",
        "mask:1.0@9..",
        "--seed",
        "1",
    ];
    let mut window = series_window(&words);
    let experiment = window.state().experiment();
    assert_eq!(experiment.given.len(), 30);
    assert!(experiment.scale.mean > 1000.0, "{:?}", experiment.scale);
    assert!(window.state().session().edited().is_some());
    let line = check_series(&mut window);
    assert!(
        line.contains("--series ") && line.contains("--column b"),
        "{line}"
    );
    // With a forecast point kept behind it, it is no file's any more, and has the scale that it had.
    window.state_mut().command(Command::SetPace(None));
    window.state_mut().command(Command::SetStopAfter(3));
    settle(&mut window);
    key(&mut window, Key::Space);
    until(&mut window, "three points are forecast", |it| {
        let row = it.session().row(RowChoice::Edited);
        it.is_idle() && row.is_some_and(|it| it.record.tokens.len() >= 33)
    });
    let at = moescope::spec::Position::new(31);
    let row = RowChoice::Edited;
    window
        .state_mut()
        .command(Command::ContinueFrom { row, at });
    until(&mut window, "it goes on from there", App::is_idle);
    assert_eq!(window.state().experiment().given.len(), 32);
    let line = check_series(&mut window);
    assert!(
        line.contains("--scale ") && !line.contains("--ids"),
        "{line}"
    );
    // Numbers that were typed are a prompt.
    let mut window = series_window(&["--prompt", "-1, 2, 4, 8.5", "--seed", "1"]);
    let line = check_series(&mut window);
    assert!(line.contains("--prompt '-1, 2, 4, 8.5'"), "{line}");
}

#[test]
fn a_series_that_cannot_be_read_is_told_before_the_window_opens() {
    let check = |words: &[&str], why: &str| {
        let line = [&["moescope", "m"][..], words].concat();
        let start = Cli::try_parse_from(line).map_err(|it| it.to_string());
        let error = match start {
            Ok(it) => it.start.start().unwrap_err().to_string(),
            Err(it) => it,
        };
        assert!(error.contains(why), "{error}");
    };
    check(
        &["--series", "no such file.csv"],
        "the series cannot be read",
    );
    check(
        &["--series", "a.csv", "--prompt", "1 2"],
        "cannot be used with",
    );
    check(&["--column", "a"], "--series");
    check(&["--scale", "1,2"], "--prompt");
    check(
        &["--prompt", "1", "--scale", "1,0"],
        "standard deviation above 0",
    );
    // A model of text says that it reads none.
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("a.csv");
    std::fs::write(&file, "1\n2\n").unwrap();
    let path = file.display().to_string();
    for words in [
        &["--series", &*path][..],
        &["--prompt", "1 2", "--scale", "1,2"],
    ] {
        let start = parsed(&[&["moescope", "tour"], words].concat());
        let source = ModelSource::Bundled(Bundled::Tour);
        let mut out = builder((1440.0, 900.0), Theme::Dark).build_eframe(move |cc| {
            let app = App::on_engine(cc, source, Placement::default()).unwrap();
            app.beginning_with(start)
        });
        until(&mut out, "it is said", |it| {
            let message = it.session().message.as_ref();
            message.is_some_and(|it| it.failure && it.text.contains("reads tokens"))
        });
    }
}

#[test]
fn a_source_that_holds_the_start_token_comes_back_by_its_line() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/fixtures/switch");
    let ids = ["--ids", "5,0,17,0,33,9", "--decoder-ids", "0,21"];
    let line = [&["moescope", model][..], &ids, &["--seed", "1"]].concat();
    let mut window = window_on(ModelSource::Path(model.into()), parsed(&line));
    let given = window.state().experiment().given.clone();
    let parts = window.state().session().parts(RowChoice::Baseline);
    assert_eq!((parts.n_source, given.len()), (6, 8));
    let row = window.state().session().baseline().unwrap().record;
    let router = moescope::spec::RouterId(0);
    let routed = (0..6).filter(|it| {
        let at = moescope::spec::Position::new(*it);
        row.store.at(router, at).is_some()
    });
    assert_eq!(routed.count(), 6, "the encoder read all of the source");
    let again = copied(&mut window);
    assert!(again.contains(&ids.join(" ")), "{again}");
    // The token is shown as what it is, and counts as the special token that it is.
    let tokens = window.state().session().tokens();
    assert_eq!(
        tokens.label(given[1]),
        tokens.label(moescope::spec::TokenId(0))
    );
    assert!(tokens.is_special(given[1]));
    let session = window.state().session();
    let rows = ShownRecords {
        baseline: session.baseline().map(|it| it.record),
        edited: None,
        counterfactual: None,
        edited_from: None,
        is_edited: false,
    };
    let facts = session.facts.as_ref().unwrap();
    let csv = transcript_table(facts, &rows, router).unwrap().to_csv();
    assert!(
        !csv.contains(&given[1].to_string()) && csv.contains(",17,"),
        "{csv}"
    );
    // Ids for a decoder are for a model that has one, and its text starts with one token.
    let refused = |source: ModelSource, ids: &str, why: &str| {
        let start = parsed(&["moescope", "m", "--ids", "5", "--decoder-ids", ids]);
        let mut out = builder((1440.0, 900.0), Theme::Dark).build_eframe(move |cc| {
            let app = App::on_engine(cc, source, Placement::default()).unwrap();
            app.beginning_with(start)
        });
        until(&mut out, why, |it| {
            let message = it.session().message.as_ref();
            message.is_some_and(|it| it.failure && it.text.contains(why))
        });
    };
    refused(ModelSource::Bundled(Bundled::Tour), "0", "has no encoder");
    refused(ModelSource::Path(model.into()), "7", "starts with token 0");
}
