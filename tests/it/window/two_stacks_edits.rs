//! Edits on two stacks in the window: controls, what the edits changed and where, the difference that they make to load.

use std::ops::Range;

use eframe::egui::Key;
use egui_kittest::kittest::Queryable as _;
use moescope::app::App;
use moescope::document::{Cell, ShownEffect, Table};
use moescope::spec::{Position, RouterId};
use moescope::ui::{Command, RowChoice, Selection};
use serde_json::Value;

use super::drive::{Window, click, key, settle, until};
use super::fixture::{self, Fixture};
use super::next_token::is_level;
use super::numbers::i64s;
use crate::commands::{ended, program};

/// Tokens of the source.
const N_SOURCE: usize = 24;

fn number(table: &Table, row: &str, column: &str) -> f64 {
    let at = table.columns.iter().position(|it| it.name == column);
    let row = table.rows.iter().find(|it| it[0].words().starts_with(row));
    match row.map(|it| &it[at.unwrap()]) {
        Some(Cell::Number(it)) => *it,
        other => panic!("{column}: {other:?}"),
    }
}

/// Writes twelve tokens, then masks, from a position of its stack on, the expert that a router chose there.
fn edited((router, name, from): (RouterId, &str, usize)) -> Fixture {
    let mut it = fixture::open("switch");
    let app = it.window.state_mut();
    app.command(Command::SetPace(None));
    app.command(Command::SetStopAfter(12));
    app.command(Command::PlayPause);
    until(&mut it.window, "text is written", |it: &App| {
        let row = it.session().baseline();
        it.is_idle() && row.is_some_and(|it| it.record.store.len() > N_SOURCE + 12)
    });
    let expert = {
        let start = if router.idx() < 2 { 0 } else { N_SOURCE };
        let row = it.window.state().session().baseline().unwrap().record;
        let routed = row.store.at(router, Position::new(start + from)).unwrap();
        routed.strongest().unwrap().expert
    };
    let edit = format!("mask:{name}.{expert}@{from}..").parse().unwrap();
    it.window.state_mut().command(Command::AddEdit(edit));
    until(&mut it.window, "the edit and its controls are read", |it| {
        it.is_idle() && is_level(it) && it.has_controls()
    });
    it
}

/// Of the encoder from its first token, of the decoder from its third.
const EDITS: [(RouterId, &str, usize); 2] = [(RouterId(0), "enc.1", 0), (RouterId(3), "dec.3", 2)];

#[test]
fn an_edit_of_either_stack_is_set_beside_controls_of_its_own_layer() {
    for of in EDITS {
        let it = edited(of);
        let (_, edit, from) = of;
        let from = if edit == "enc.1" { 0 } else { from };
        let session = it.window.state().session();
        let edits = &it.window.state().experiment().edits;
        let controls = session.controls_of(edits).expect("controls");
        let summary = controls.summary().expect("a summary");
        assert!(summary.n >= 5, "{edit}: {}", summary.n);
        let row = session.counterfactual().unwrap().record;
        let places: Vec<f64> = row
            .comparisons
            .iter()
            .filter(|it| it.at.idx() >= N_SOURCE + from)
            .map(|it| f64::from(it.kl))
            .collect();
        assert!(places.len() >= 10 && places.iter().all(|it| it.is_finite()));
        let baseline = session.baseline().unwrap().record;
        let spec = session.spec().unwrap();
        let shown = ShownEffect::of((spec, edits), baseline, Some(row), Some(controls));
        let table = shown.table().unwrap();
        let mean = places.iter().sum::<f64>() / places.len() as f64;
        let told = number(&table, "edited", "mean KL");
        assert!((told - mean).abs() < 1e-6, "{edit}: {told} {mean}");
        let control = number(&table, "control", "mean KL");
        assert!(control.is_finite() && control > 0.0, "{edit}: {control}");
        assert_eq!(summary.n_tokens, places.len(), "{edit}");
    }
}

#[test]
fn n_and_p_go_to_tokens_of_the_text_that_an_edit_changed_under_a_layer_that_reads_them() {
    for of in EDITS {
        let (_, edit, from) = of;
        let Fixture {
            mut window,
            folder: _folder,
            ..
        } = edited(of);
        window.state_mut().command(Command::Select(Selection {
            row: RowChoice::Baseline,
            position: Some(Position(1)),
            router: Some(RouterId(0)),
            expert: None,
        }));
        settle(&mut window);
        let changed = |window: &Window, at: Position| -> f32 {
            let session = window.state().session();
            let row = session.counterfactual().unwrap().record;
            let before = Position::new(at.idx() - 1);
            let of = |it: Position| row.comparison(it).map_or(0.0, |it| it.kl);
            of(at).max(of(before))
        };
        let mut seen = Vec::new();
        for press in [Key::N, Key::N, Key::P] {
            key(&mut window, press);
            let now = window.state().selection();
            let at = now.position.unwrap();
            assert!(at.idx() >= N_SOURCE + from, "{edit}: {at}");
            assert!(changed(&window, at) > 0.0, "{edit}: {at}");
            assert!(now.router.unwrap().idx() >= 2, "{edit}: {:?}", now.router);
            let table = fixture::table(&window, "router");
            let named = format!("token {}", at.idx() - N_SOURCE);
            assert!(table.title.contains(&named), "{}: {at}", table.title);
            seen.push(at);
        }
        assert!(seen[1] != seen[0], "{edit}: {seen:?}");
        assert_eq!(seen[2], seen[0], "{edit}");
    }
}

#[test]
fn the_difference_of_load_is_counted_in_both_stacks() {
    let Fixture {
        mut window,
        folder: _folder,
        ..
    } = edited(EDITS[0]);
    let masked = {
        let edits = &window.state().experiment().edits;
        edits.entries[0].edit.action.expert().unwrap()
    };
    window.state_mut().command(Command::ToggleAlone("heatmap"));
    settle(&mut window);
    click(&mut window, "What the cells show");
    click(&mut window, "difference");
    let table = fixture::table_showing(&window, "heatmap", "difference");
    let session = window.state().session();
    let [before, after] =
        [session.baseline(), session.counterfactual()].map(|it| it.unwrap().record.clone());
    let share = |row: &moescope::trace::RowRecord, router: usize, at: Range<usize>| {
        let n = at.clone().filter(|at| {
            let routed = row.store.at(RouterId::new(router), Position::new(*at));
            routed.is_some_and(|it| it.picks().any(|it| it.expert == masked))
        });
        n.count() as f64 / at.len() as f64
    };
    let names: Vec<String> = session
        .spec()
        .unwrap()
        .routers
        .iter()
        .map(moescope::spec::RouterSpec::label)
        .collect();
    let of = |column: &str| {
        table
            .columns
            .iter()
            .position(|it| it.name == column)
            .unwrap()
    };
    let told = |router: usize| {
        let is_it = |row: &&Vec<Cell>| {
            row[of("router")].words() == names[router]
                && row[of("expert")].words() == masked.to_string()
        };
        match table
            .rows
            .iter()
            .find(is_it)
            .map(|it| &it[of("difference")])
        {
            Some(Cell::Number(it)) => *it,
            other => panic!("{other:?}"),
        }
    };
    assert!(share(&before, 0, 0..N_SOURCE) > 0.0);
    assert!(share(&after, 0, 0..N_SOURCE) < 1e-9, "it is masked");
    let last = names.len() - 1;
    let n = after.store.len().min(before.store.len());
    for (router, at) in [(0, 0..N_SOURCE), (last, N_SOURCE..n)] {
        let want = share(&after, router, at.clone()) - share(&before, router, at);
        assert!(
            (told(router) - want).abs() < 1e-6,
            "{router}: {} {want}",
            told(router)
        );
    }
    let hint = window.query_all_by_label_contains("the same").next();
    assert!(hint.is_some(), "the sentence says what is compared");
}

#[test]
fn a_source_that_holds_the_start_token_is_read_to_its_end() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/fixtures/switch");
    let place = tempfile::tempdir().unwrap();
    let out = place.path().join("out.safetensors");
    let source = "5,0,17,0,33,9";
    let common = [model, "--device", "cpu", "--ids", source];
    // `eval` is given source and text apart, and reads the source whole.
    let (status, _, log) = ended(program().arg("eval").args(common).args([
        "--greedy",
        "6",
        "--out",
        out.to_str().unwrap(),
    ]));
    assert_eq!(status, Some(0), "{log}");
    let bytes = std::fs::read(&out).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let wanted = i64s(&file, "greedy_ids");
    let routed = file.tensor("expert.encoder.1").unwrap();
    assert_eq!(routed.shape(), [6], "every token of the source is routed");
    let run = |more: &[&str]| -> Value {
        let line = ["--temp", "0", "-n", "6", "--json"];
        let mut run = program();
        let (status, out, log) = ended(run.arg("run").args(common).args(line).args(more));
        assert_eq!(status, Some(0), "{log}");
        serde_json::from_str(&out).unwrap()
    };
    let ids = |it: &Value| -> Vec<i64> {
        let all = it.as_array().unwrap().iter();
        all.map(|it| it.as_i64().unwrap()).collect()
    };
    let whole = run(&[]);
    let written = ids(&whole["tokens"]);
    assert!(
        !written.is_empty() && wanted.starts_with(&written),
        "{written:?} {wanted:?}"
    );
    assert_eq!(ids(&whole["prompt_ids"]), [5, 0, 17, 0, 33, 9, 0]);
    assert_eq!(ids(&whole["source_ids"]), [5, 0, 17, 0, 33, 9]);
    assert_eq!(ids(&whole["decoder_ids"]), [0]);
    // A text that begins with more than its start token goes on in the same way.
    let text = format!("0,{}", written[0]);
    let rest = run(&["--decoder-ids", &text]);
    assert_eq!(ids(&rest["tokens"])[..4], wanted[1..5]);
}
