//! The page of the open model: its numbers are those of `inspect`.

use std::{process::Command, sync::Arc};

use eframe::egui::Theme;
use egui_kittest::kittest::Queryable as _;
use moescope::document::{Cell, Table};
use moescope::engine::Event;
use moescope::trace::{DeviceFacts, ModelFacts};
use serde_json::Value;

use super::drive::{scripted, tour};
use super::fixture::labels;
use super::script::{TOUR_LIKE, baseline};
use super::stage::{HeadlessApp, Staged};

fn inspect(model: &str) -> Value {
    let run = Command::new(env!("CARGO_BIN_EXE_moescope"))
        .args(["inspect", model, "--json"])
        .output()
        .unwrap();
    assert!(run.status.success());
    serde_json::from_slice(&run.stdout).unwrap()
}

fn number(table: &Table, section: &str, name: &str) -> Cell {
    let is = |cell: &Cell, words: &str| *cell == Cell::Text(words.to_owned());
    let row = table
        .rows
        .iter()
        .find(|it| is(&it[0], section) && is(&it[1], name));
    row.unwrap_or_else(|| panic!("no {section}, {name}"))[2].clone()
}

fn count(table: &Table, section: &str, name: &str) -> u64 {
    match number(table, section, name) {
        Cell::Count(it) => it,
        other => panic!("{section}, {name}: {other:?}"),
    }
}

/// With commas, as the page writes it.
fn with_commas(n: u64) -> String {
    let digits = n.to_string();
    let parts: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|it| std::str::from_utf8(it).unwrap())
        .collect();
    parts.join(",")
}

#[test]
fn the_numbers_of_the_page_are_those_of_inspect() {
    let wanted = inspect("tour");
    let session = tour().state().session().clone();
    let mut stage = HeadlessApp::new("model", session);
    let table = stage.table().unwrap();
    let census = &wanted["parameters"];
    let total = census["total"]["parameters"].as_u64().unwrap();
    let active = census["active_parameters"].as_u64().unwrap();
    assert_eq!(count(&table, "parameters", "all"), total);
    assert_eq!(count(&table, "parameters", "active"), active);
    assert_eq!(
        count(&table, "memory", "weights"),
        wanted["memory"]["weights_bytes"].as_u64().unwrap()
    );
    assert_eq!(
        count(&table, "memory", "cache of a full context"),
        wanted["memory"]["cache_bytes"].as_u64().unwrap()
    );
    let shown = stage.show((600.0, 1600.0), Theme::Light, false);
    for (kind, key) in [
        ("embedding and head", "embedding_and_head"),
        ("attention", "attention"),
        ("routers", "routers"),
        ("experts", "experts"),
        ("norms", "norms"),
    ] {
        let share = &census[key];
        let parameters = share["parameters"].as_u64().unwrap();
        assert_eq!(count(&table, "parameters", kind), parameters);
        assert_eq!(
            count(&table, "memory", kind),
            share["bytes"].as_u64().unwrap()
        );
        assert!(
            shown
                .query_all_by_label(&with_commas(parameters))
                .next()
                .is_some(),
            "{kind} is not on the page"
        );
    }
    let words = format!(
        "{} parameters, of which one token passes {}",
        with_commas(total),
        with_commas(active)
    );
    assert!(shown.query_all_by_label_contains(&words).next().is_some());
    check_gates(&table, &wanted["gates"]);
}

fn check_gates(table: &Table, gates: &Value) {
    let gates = gates.as_array().unwrap();
    assert_eq!(gates.len(), 6);
    for (layer, gate) in gates.iter().enumerate() {
        let section = format!("gate, layer {layer}");
        for (expert, norm) in gate["norms"].as_array().unwrap().iter().enumerate() {
            let name = format!("row norm of expert {expert}");
            let Cell::Number(got) = number(table, &section, &name) else {
                panic!("{section}, {name}");
            };
            assert!((got - norm.as_f64().unwrap()).abs() < 1e-6);
        }
        let near = &gate["nearest"];
        let name = format!("largest cosine, experts {} and {}", near["a"], near["b"]);
        let Cell::Number(got) = number(table, &section, &name) else {
            panic!("{section}, {name}");
        };
        assert!((got - near["cosine"].as_f64().unwrap()).abs() < 1e-6);
    }
}

#[test]
fn the_rule_is_written_step_by_step_with_its_numbers() {
    let session = tour().state().session().clone();
    let shown = HeadlessApp::new("model", session).show((600.0, 1600.0), Theme::Dark, false);
    for words in [
        "layers 0-5: 8 experts, softmax, top 2, renormalised",
        "z = W · x",
        "p = softmax(z)",
        "T = top 2 of p",
        "w = p / Σ over T",
        "renormalised: the weights sum to 1",
        "y = Σ w · expert(x) over T",
        "2 of 8 experts are run",
    ] {
        assert!(
            shown.query_all_by_label(words).next().is_some(),
            "{words} is not on the page"
        );
    }
}

#[test]
fn speed_and_memory_are_those_of_the_session() {
    let events = baseline(TOUR_LIKE, 12);
    let (window, _script) = scripted((1000.0, 700.0), Theme::Dark, events, false);
    let mut stage = HeadlessApp::new("model", window.state().session().clone());
    let table = stage.table().unwrap();
    assert_eq!(number(&table, "speed", "could do"), Cell::Number(310.0));
    assert_eq!(
        count(&table, "memory", "cache of a full context"),
        3_072 * 512
    );
    let shown = stage.show((600.0, 1600.0), Theme::Dark, false);
    shown.get_by_label_contains("310 tokens/s");
    shown.get_by_label_contains("1.6 MB at 512 positions");
    shown.get_by_label_contains("22.0 GB when it was opened");
}

fn has(shown: &Staged, words: &str) -> bool {
    shown.query_all_by_label(words).next().is_some()
}

#[test]
fn the_device_is_told_with_its_limits_or_why_it_is_the_cpu() {
    let events = baseline(TOUR_LIKE, 12);
    let (window, _script) = scripted((1000.0, 700.0), Theme::Dark, events, false);
    let mut session = window.state().session().clone();
    let mut facts = ModelFacts::clone(session.facts.as_ref().unwrap());
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    facts.device = DeviceFacts {
        label: "Card 9000".to_owned(),
        is_gpu: true,
        details: vec![
            pair("kind", "discrete, through Vulkan"),
            pair("memory", "24.0 GB"),
            pair("subgroups", "32 lanes"),
        ],
        notes: Vec::new(),
    };
    session.facts = Some(Arc::new(facts.clone()));
    let mut stage = HeadlessApp::new("model", session.clone());
    let table = stage.table().unwrap();
    let words = |name: &str| {
        let is = |cell: &Cell, words: &str| *cell == Cell::Text(words.to_owned());
        let row = table.rows.iter().find(|it| is(&it[1], name));
        row.map(|it| it[4].clone())
    };
    assert_eq!(words("memory"), Some(Cell::Text("24.0 GB".to_owned())));
    for width in [360.0, 600.0] {
        let stage = HeadlessApp::new("model", session.clone());
        let shown = stage.show((width, 1600.0), Theme::Dark, false);
        for words in [
            "Card 9000",
            "discrete, through Vulkan",
            "24.0 GB",
            "32 lanes",
        ] {
            assert!(has(&shown, words), "{words} at {width}");
        }
        assert!(!has(&shown, "why the CPU"));
    }

    let why = "no graphics processor can be used: no driver for one is installed";
    facts.device = DeviceFacts {
        notes: vec![why.to_owned()],
        ..DeviceFacts::cpu()
    };
    session.facts = Some(Arc::new(facts));
    let shown = HeadlessApp::new("model", session).show((600.0, 1600.0), Theme::Light, false);
    for words in ["CPU", "why the CPU", why] {
        assert!(has(&shown, words), "{words}");
    }
}

/// That weights do not stay in memory, or that a side file is broken, is seen without looking for it.
#[test]
fn that_there_are_notes_stands_beside_the_name_of_the_model() {
    let check = |notes: &[&str], label: &str| {
        let mut events = baseline(TOUR_LIKE, 12);
        for event in &mut events {
            if let Event::Opened(facts) = event {
                facts.notes = notes.iter().map(|it| (*it).to_owned()).collect();
            }
        }
        let (mut window, _script) = scripted((1440.0, 900.0), Theme::Dark, events, false);
        let chip = window.get_by_label(label).rect().center();
        window.hover_at(chip);
        (0..30).for_each(|_| window.step());
        for note in notes {
            assert!(!labels(&window, note).is_empty(), "{note}");
        }
    };
    check(&[], "Model Made up");
    let paging = "the weights do not stay in memory, so that pages are read again from disk";
    check(&[paging], "Model Made up, 1 note");
    check(&[paging, "a second one"], "Model Made up, 2 notes");
}
