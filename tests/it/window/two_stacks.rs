//! Switch Transformer in the window: the source above the text, tokens that were dropped since their expert was full,
//! edits that count positions in their own stack, files and pictures of both.

use std::{path::Path, process::Command as Process};

use eframe::egui::{Key, Theme};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use moescope::app::App;
use moescope::document::{Cell, Table};
use moescope::engine::ModelSource;
use moescope::spec::{ExpertId, Placement, Position, RouterId, TokenId};
use moescope::ui::{Command, ExportTo, RowChoice, Selection};
use safetensors::SafeTensors;
use serde_json::Value;

use super::{
    browser::{browser, dom},
    drive::{Window, builder, click, key, list, settle, type_prompt, until},
    fixture::{self, Fixture},
    numbers::i64s,
};

/// The routers of the fixture: encoder layers 1 and 3, then decoder layers 1 and 3.
const ENCODER: [RouterId; 2] = [RouterId(0), RouterId(1)];
const DECODER: [RouterId; 2] = [RouterId(2), RouterId(3)];
const N_SOURCE: usize = 24;
/// Tokens an expert takes.
const CAPACITY: usize = 4;

fn model() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fixtures/switch")
}

/// The reference's experts of the source, -1 where a token was dropped.
fn experts(bytes: &[u8], name: &str) -> Vec<i64> {
    let file = SafeTensors::deserialize(bytes).unwrap();
    i64s(&file, name)
}

fn select(window: &mut Window, router: RouterId, position: Option<usize>) {
    let at = Selection {
        row: RowChoice::Baseline,
        position: position.map(Position::new),
        router: Some(router),
        expert: None,
    };
    window.state_mut().command(Command::Select(at));
    settle(window);
}

fn token(window: &Window, start: &str) -> String {
    let found = window
        .query_all_by_label_contains(start)
        .filter_map(|it| it.accesskit_node().label())
        .find(|it| it.starts_with(start));
    found.unwrap_or_else(|| panic!("no {start:?} in sight"))
}

fn column(table: &Table, name: &str) -> usize {
    let found = table.columns.iter().position(|it| it.name == name);
    found.unwrap_or_else(|| panic!("no column {name:?} in {:?}", table.title))
}

fn cells(table: &Table, name: &str) -> Vec<String> {
    let at = column(table, name);
    table.rows.iter().map(|it| it[at].words()).collect()
}

/// Writes some tokens after the prompt.
fn write(window: &mut Window, n: usize) {
    let app = window.state_mut();
    app.command(Command::SetPace(None));
    app.command(Command::SetStopAfter(n as u32));
    app.command(Command::PlayPause);
    until(window, "text is written", |it: &App| {
        let len = |row: Option<moescope::ui::RowView<'_>>| row.map(|it| it.record.store.len());
        let session = it.session();
        let all = [session.baseline(), session.edited()];
        let counted = len(session.counterfactual()).is_none_or(|n| Some(n) == len(all[0]));
        it.is_idle() && counted && session.backlog.is_none() && len(all[0]) > Some(N_SOURCE + n)
    });
}

#[test]
fn a_source_stands_above_its_text_and_what_is_dropped_is_a_state_of_its_own() {
    let Fixture {
        mut window,
        expected,
        folder: _folder,
    } = fixture::open("switch");
    for (router, name) in ENCODER.into_iter().zip(["encoder.1", "encoder.3"]) {
        let wanted = experts(&expected, &format!("expert.{name}"));
        let n_dropped = wanted.iter().filter(|it| **it < 0).count();
        assert!(n_dropped > 0);
        select(&mut window, router, None);
        // Each token of the source under the router of its own stack, those of the text under the decoder's.
        let table = fixture::table(&window, "transcript");
        let sequence = cells(&table, "sequence");
        assert_eq!(
            sequence.iter().filter(|it| *it == "source").count(),
            N_SOURCE
        );
        assert_eq!(sequence[N_SOURCE], "text");
        assert_eq!(cells(&table, "position")[N_SOURCE], "0");
        let shown = cells(&table, "strongest expert");
        for (at, expert) in wanted.iter().enumerate() {
            let is = if *expert < 0 {
                "dropped".to_owned()
            } else {
                expert.to_string()
            };
            assert_eq!(shown[at], is, "token {at} of {name}");
        }
        assert_ne!(
            shown[N_SOURCE], "",
            "the start of the text has an expert too"
        );
        // What was dropped is no expert's load, and is counted as dropped.
        let table = fixture::table(&window, "load");
        let picked = cells(&table, "picked");
        let counts: Vec<usize> = picked.iter().map(|it| it.parse().unwrap()).collect();
        assert_eq!(table.rows[8][0], Cell::from("dropped"));
        assert_eq!(counts[8], n_dropped);
        assert_eq!(counts[..8].iter().sum::<usize>(), N_SOURCE - n_dropped);
        assert!(counts[..8].iter().all(|it| *it <= CAPACITY));
        assert!(cells(&table, "of").iter().all(|it| it == "24"), "{table:?}");
        let at = wanted.iter().position(|it| *it < 0).unwrap();
        select(&mut window, router, Some(at));
        check_dropped(&window, router);
    }
    // The decoder's layers count the tokens of the text alone.
    select(&mut window, DECODER[0], None);
    let table = fixture::table(&window, "load");
    let n = window
        .state()
        .session()
        .baseline()
        .unwrap()
        .record
        .store
        .len()
        - N_SOURCE;
    assert_eq!(cells(&table, "of")[0], n.to_string());
}

/// What panels say of a dropped token that is selected.
fn check_dropped(window: &Window, router: RouterId) {
    let table = fixture::table(window, "router");
    assert!(table.title.contains("source token"), "{}", table.title);
    let states = cells(&table, "picked");
    assert_eq!(states.iter().filter(|it| *it == "dropped").count(), 1);
    let at = states.iter().position(|it| it == "dropped").unwrap();
    assert_eq!(cells(&table, "weight")[at], "0");
    let label = window.state().session().spec().unwrap().routers[router.idx()].label();
    let table = fixture::table(window, "path");
    let ranks = cells(&table, "rank");
    let of = |it: &usize| cells(&table, "router")[*it] == label && ranks[*it] == "dropped";
    assert_eq!((0..ranks.len()).filter(of).count(), 1, "{table:?}");
    let table = fixture::table(window, "heatmap");
    let of = |it: &Vec<Cell>| it[0] == Cell::from(label.as_str());
    let rows = || table.rows.iter().filter(|it| of(it));
    let now = column(&table, "picked now");
    let dropped = rows().filter(|it| it[now].words() == "dropped").count();
    assert_eq!((rows().count(), dropped), (8, 1));
    // The panels say why.
    let why = "had taken the 4 tokens it may";
    assert!(window.query_all_by_label_contains(why).next().is_some());
}

#[test]
fn token_and_layer_are_of_one_stack_whichever_is_chosen() {
    let Fixture {
        mut window,
        folder: _folder,
        ..
    } = fixture::open("switch");
    write(&mut window, 4);
    let selection = |it: &Window| it.state().selection();
    select(&mut window, DECODER[1], None);
    let label = token(&window, "source token 5 ");
    click(&mut window, &label);
    let now = selection(&window);
    assert_eq!(
        (now.router, now.position),
        (Some(ENCODER[1]), Some(Position(5)))
    );
    assert!(token(&window, "token 1 ").starts_with("token 1 "));
    let label = token(&window, "token 2 ");
    click(&mut window, &label);
    let now = selection(&window);
    let position = Position::new(N_SOURCE + 2);
    assert_eq!(
        (now.router, now.position),
        (Some(DECODER[1]), Some(position))
    );
    // Up from the first layer of the decoder is the last of the encoder, at the end of the source.
    key(&mut window, Key::ArrowUp);
    key(&mut window, Key::ArrowUp);
    assert_eq!(selection(&window).router, Some(ENCODER[1]));
    let table = fixture::table(&window, "router");
    assert!(
        table.title.contains("encoder layer 3, source token 23"),
        "{}",
        table.title
    );
    key(&mut window, Key::ArrowLeft);
    assert_eq!(selection(&window).position, Some(Position(22)));
    key(&mut window, Key::ArrowRight);
    key(&mut window, Key::ArrowRight);
    assert_eq!(selection(&window).router, Some(DECODER[1]));
    // A token of the source predicts nothing, and that is said.
    let label = token(&window, "source token 5 ");
    click(&mut window, &label);
    window
        .state_mut()
        .command(Command::ToggleAlone("next_token"));
    settle(&mut window);
    let why = "A token of the source predicts nothing";
    assert!(window.query_all_by_label_contains(why).next().is_some());
}

#[test]
fn an_edit_counts_in_its_own_stack_and_one_of_the_encoder_writes_the_text_anew() {
    let Fixture {
        mut window,
        folder: _folder,
        ..
    } = fixture::open("switch");
    write(&mut window, 6);
    let tokens = |it: &Window, row: RowChoice| -> Vec<TokenId> {
        let row = it.state().session().row(row).unwrap();
        row.record.tokens.clone()
    };
    let before = tokens(&window, RowChoice::Baseline);
    // From the selected token of the source on.
    select(&mut window, ENCODER[0], Some(4));
    let at = moescope::ui::ExpertAt {
        router: ENCODER[0],
        expert: ExpertId(7),
    };
    window.state_mut().command(Command::ToggleMask(at));
    until(&mut window, "the edit is taken up", |it: &App| {
        let rows = it.session().shown();
        rows.is_some_and(|it| it.edited_from.is_some())
    });
    assert_eq!(list(&window), ["mask:enc.1.7@4.."]);
    write(&mut window, 6);
    let session = window.state().session();
    assert_eq!(session.shown().unwrap().edited_from, Some(Position(0)));
    let edited = tokens(&window, RowChoice::Edited);
    assert_eq!(
        edited[..=N_SOURCE],
        before[..=N_SOURCE],
        "source and start are given"
    );
    let masked = |it: &Window| {
        let row = it.state().session().edited().unwrap().record.clone();
        (0..N_SOURCE).filter(move |at| {
            let routed = row.store.at(ENCODER[0], Position::new(*at)).unwrap();
            routed.choice().any(|it| it.expert == ExpertId(7))
        })
    };
    let used: Vec<usize> = masked(&window).collect();
    assert!(used.iter().all(|it| *it < 4), "{used:?}");
    window.state_mut().command(Command::Undo);
    until(&mut window, "the edit is undone", |it: &App| {
        it.experiment().edits.entries.is_empty() && it.session().edited().is_none()
    });
    assert_eq!(
        tokens(&window, RowChoice::Baseline)[..before.len()],
        before[..]
    );
    // One of the decoder counts from the token that the text starts with.
    select(&mut window, DECODER[1], Some(N_SOURCE + 2));
    let at = moescope::ui::ExpertAt {
        router: DECODER[1],
        expert: ExpertId(0),
    };
    window.state_mut().command(Command::ToggleMask(at));
    settle(&mut window);
    assert_eq!(list(&window), ["mask:dec.3.0@2.."]);
    until(&mut window, "the edit is read", |it: &App| {
        it.is_idle() && it.session().backlog.is_none() && it.session().edited().is_some()
    });
    let from = window.state().session().shown().unwrap().edited_from;
    assert_eq!(from, Some(Position::new(N_SOURCE + 2)));
    // The text is cut, never the token it starts with; a source that is cut is a prompt of its own.
    let row = RowChoice::Baseline;
    let at = Position(9);
    window
        .state_mut()
        .command(Command::ContinueFrom { row, at });
    settle(&mut window);
    let given = &window.state().experiment().given;
    assert_eq!((given.len(), given[10]), (11, TokenId(0)));
    assert_eq!(given[..10], before[..10]);
}

/// The page of the run after an edit of the encoder.
fn shared(folder: &Path) -> (std::path::PathBuf, Fixture) {
    let mut it = fixture::open("switch");
    write(&mut it.window, 5);
    let edit = "mask:enc.1.3".parse().unwrap();
    it.window.state_mut().command(Command::AddEdit(edit));
    write(&mut it.window, 5);
    let out = folder.join("run.html");
    let to = ExportTo::File(out.clone());
    it.window.state_mut().command(Command::ShareHtml(to));
    settle(&mut it.window);
    (out, it)
}

#[test]
fn a_page_holds_both_stacks_and_what_was_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let (out, it) = shared(folder.path());
    let page = std::fs::read_to_string(&out).unwrap();
    let (_, rest) = page.split_once("id=\"trace\">").unwrap();
    let data: Value = serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap();
    assert_eq!(data["n_source"], N_SOURCE);
    let names = ["encoder", "decoder"].map(Value::from);
    assert_eq!([0, 1].map(|n| data["groups"][n]["name"].clone()), names);
    assert_eq!(data["routers"][2]["label"], "decoder layer 1");
    assert_eq!(data["edits"][0]["routers"], serde_json::json!([0]));
    let routers = &data["baseline"]["routers"];
    for (n, name) in ["encoder.1", "encoder.3"].into_iter().enumerate() {
        let wanted = experts(&it.expected, &format!("expert.{name}"));
        let states = routers[n]["states"].as_str().unwrap();
        let is: Vec<bool> = states.chars().map(|it| it == 'd').collect();
        let dropped: Vec<bool> = wanted.iter().map(|it| *it < 0).collect();
        assert_eq!(is, dropped, "{name}");
        assert_eq!(routers[n]["at"], 0);
    }
    assert_eq!(routers[2]["at"], N_SOURCE);
    let Some(browser) = browser() else {
        return;
    };
    let at = experts(&it.expected, "expert.encoder.1");
    let at = at.iter().position(|it| *it < 0).unwrap();
    let shown = dom(
        &browser,
        &out,
        &format!("row=baseline&token={at}&layer=enc.1"),
    );
    assert!(
        shown.contains(&format!("source token {at}")),
        "the token is named"
    );
    assert!(shown.contains("had taken the 4 tokens it may"));
    assert!(shown.contains(">source</h3>") && shown.contains(">text</h3>"));
    let n_marked = shown.matches("class=\"tok given dropped").count();
    assert!(n_marked > 0, "dropped tokens are marked in the text");
    let text = dom(
        &browser,
        &out,
        &format!("row=baseline&token={}&layer=dec.3", N_SOURCE + 1),
    );
    assert!(text.contains("· token 1<") && text.contains("decoder layer 3"));
}

#[test]
fn check_judges_both_stacks_and_names_what_was_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("report.json");
    let text = folder.path().join("text.txt");
    let words = "The quick brown fox lives by the sea, and 12 + 7 = 19 in the book of names. ";
    std::fs::write(&text, words.repeat(12)).unwrap();
    let run = Process::new(env!("CARGO_BIN_EXE_moescope"))
        .arg("check")
        .arg(model())
        .arg("--text")
        .arg(&text)
        .arg("--out")
        .arg(&json)
        .output()
        .unwrap();
    let log = String::from_utf8(run.stderr).unwrap();
    assert!(json.is_file(), "{log}");
    let report: Value = serde_json::from_str(&std::fs::read_to_string(json).unwrap()).unwrap();
    let routers = report["report"]["routers"].as_array().unwrap();
    let n = |it: &Value, name: &str| it[name].as_u64().unwrap();
    let tokens: Vec<u64> = routers.iter().map(|it| n(it, "n_tokens")).collect();
    // Halves of the same windows: the source has the token more where a window is odd.
    assert_eq!(tokens[0], tokens[1]);
    assert_eq!(tokens[2], tokens[3]);
    assert!(tokens[0] >= tokens[2] && tokens[2] > 100, "{tokens:?}");
    assert!(tokens[0] - tokens[2] < 5, "{tokens:?}");
    let labels: Vec<&str> = routers
        .iter()
        .map(|it| it["label"].as_str().unwrap())
        .collect();
    assert_eq!(
        labels,
        [
            "encoder layer 1",
            "encoder layer 3",
            "decoder layer 1",
            "decoder layer 3"
        ]
    );
    for it in routers {
        let picks = it["n"].as_array().unwrap();
        let sum: u64 = picks.iter().map(|it| it.as_u64().unwrap()).sum();
        assert_eq!(
            sum + n(it, "n_dropped"),
            n(it, "n_tokens"),
            "{}",
            it["label"]
        );
        assert!(n(it, "n_dropped") > 0);
        let evidence = it["evidence"].as_str().unwrap();
        assert!(evidence.contains("Dropped: "), "{evidence}");
    }
}

#[test]
fn screenshot_draws_and_counts_either_stack() {
    let folder = tempfile::tempdir().unwrap();
    let ids: Vec<String> = (10..34).map(|it| it.to_string()).collect();
    let run = |out: &str, words: &[&str]| {
        let run = Process::new(env!("CARGO_BIN_EXE_moescope"))
            .arg("screenshot")
            .arg(folder.path().join(out))
            .arg(model())
            .args(["--ids", &ids.join(","), "-n", "3"])
            .args(words)
            .output()
            .unwrap();
        assert!(
            run.status.success(),
            "{}",
            String::from_utf8_lossy(&run.stderr)
        );
        std::fs::read(folder.path().join(out)).unwrap()
    };
    let table = |words: &[&str]| String::from_utf8(run("it.csv", words)).unwrap();
    let of = |layer: &str| table(&["--panel", "router", "--layer", layer, "--token", "2"]);
    let (source, text) = (of("enc.3"), of("dec.3"));
    assert_ne!(source, text);
    assert_eq!((source.lines().count(), text.lines().count()), (9, 9));
    let tokens = table(&["--panel", "transcript", "--layer", "enc.3"]);
    let n = |sequence: &str| {
        let start = format!("baseline,{sequence},");
        tokens.lines().filter(|it| it.starts_with(&start)).count()
    };
    assert_eq!(n("source"), 24, "{tokens}");
    assert!(n("text") >= 3, "{tokens}");
    for panel in ["transcript", "heatmap", "path", "router", "load"] {
        let drawn = String::from_utf8(run("it.svg", &["--panel", panel])).unwrap();
        assert!(drawn.contains("<svg"), "{panel}");
    }
    assert!(run("it.png", &[]).starts_with(b"\x89PNG"));
}

/// A window that draws, on the model with its tokenizer, after some text.
fn drawn(size: (f32, f32), theme: Theme) -> Window {
    let source = ModelSource::Path(model());
    let builder = builder(size, theme).wgpu();
    let mut window =
        builder.build_eframe(move |cc| App::on_engine(cc, source, Placement::default()).unwrap());
    until(&mut window, "a model is open", |it: &App| {
        it.is_idle() && it.session().baseline().is_some()
    });
    type_prompt(
        &mut window,
        "Once upon a time there was a fox who lived by the sea",
    );
    let app = window.state_mut();
    app.command(Command::SetPace(None));
    app.command(Command::SetStopAfter(14));
    key(&mut window, Key::Enter);
    until(&mut window, "text is written", |it: &App| {
        let row = it.session().baseline();
        it.is_idle() && row.is_some_and(|it| it.record.store.len() >= it.record.n_given + 13)
    });
    window
}

#[test]
fn pictures_of_both_stacks() {
    for (theme, name) in [(Theme::Dark, "dark"), (Theme::Light, "light")] {
        let mut window = drawn((1440.0, 900.0), theme);
        let dropped = {
            let row = window.state().session().baseline().unwrap();
            let all = (0..row.record.store.len()).map(Position::new);
            let is = |it: &Position| {
                let routed = row.record.store.at(ENCODER[0], *it);
                routed.is_some_and(|it| it.dropped().is_some())
            };
            all.rev().find(is).unwrap()
        };
        select(&mut window, ENCODER[0], Some(dropped.idx()));
        let panels = ["transcript", "heatmap", "path", "router", "load"];
        for panel in panels {
            window.state_mut().command(Command::ToggleAlone(panel));
            super::pictures::check(&mut window, &format!("switch_{panel}_{name}"));
        }
    }
}
