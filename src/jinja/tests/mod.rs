//! What jinja2 gives, replayed.

mod limits;

use jiff::{ZonedDateTime, civil::date, tz::TimeZone};
use serde_json::Value as Json;

use super::{Given, Template, budget::Budget, clock};

fn recorded(part: &str) -> Vec<Json> {
    let all: Json = serde_json::from_str(include_str!("../../../tests/golden/jinja.json")).unwrap();
    all[part].as_array().unwrap().clone()
}

/// What the recording script gives its templates.
fn given() -> Vec<(String, Given)> {
    let text = |it: &str| Given::Text(it.to_owned());
    let message = |role: &str, content: &str| {
        Given::Dict(vec![
            ("role".to_owned(), text(role)),
            ("content".to_owned(), text(content)),
        ])
    };
    let messages = vec![
        message("system", "Be brief."),
        message("user", " Grüße,\n12 + 30? "),
    ];
    [
        ("messages", Given::List(messages)),
        ("tools", Given::None),
        ("documents", Given::None),
        ("add_generation_prompt", Given::Bool(true)),
        ("bos_token", text("<s>")),
        ("eos_token", text("</s>")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

fn rendered(template: &str) -> Result<String, String> {
    Template::read(template)
        .and_then(|it| it.render(&given()))
        .map_err(|it| it.to_string())
}

#[test]
fn every_recorded_template_gives_what_jinja2_gives() {
    let records = recorded("templates");
    assert!(records.len() >= 300);
    let mut wrong = Vec::new();
    for it in &records {
        let template = it["template"].as_str().unwrap();
        let want = it.get("ours").unwrap_or(&it["text"]).as_str();
        let got = rendered(template);
        if got.as_deref().ok() != want {
            wrong.push(format!("{template:?}: got {got:?}, want {want:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} wrong: {wrong:#?}", wrong.len());
}

#[test]
fn dates_are_written_as_python_writes_them() {
    let budget = Budget::new();
    let time = date(2024, 2, 9).at(17, 7, 9, 12_345_000);
    let time = time.to_zoned_datetime(TimeZone::UTC).unwrap();
    for it in recorded("dates") {
        let format = it["format"].as_str().unwrap();
        let got = clock::written(&budget, format, &time).unwrap();
        assert_eq!(got, it["text"].as_str().unwrap(), "{format:?}");
    }
}

#[test]
fn the_time_is_that_of_this_machines_zone() {
    let shown = |it: &ZonedDateTime| it.strftime("%Y-%m-%d %H:%M").to_string();
    let before = shown(&ZonedDateTime::now());
    let got = rendered("{{ strftime_now('%Y-%m-%d %H:%M') }}").unwrap();
    let after = shown(&ZonedDateTime::now());
    assert!(got == before || got == after, "{got}, {before}, {after}");
}
