//! The window as a command line: the line that was copied opens the window as it was.

use clap::Parser as _;
use eframe::egui::{Key, OutputCommand, Theme};
use moescope::app::App;
use moescope::checkpoint::Bundled;
use moescope::cli::{Cli, Start};
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
    let source = ModelSource::Bundled(Bundled::Tour);
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
    let mut window = window(parsed(&["moescope", "tour", "--seed", "3"]));
    assert!(!window.state().command_line().contains("--present"));
    window.state_mut().command(Command::TogglePresent);
    settle(&mut window);
    let line = copied(&mut window);
    assert!(line.ends_with(" --present"), "{line}");
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
