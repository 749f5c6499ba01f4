//! A run as one HTML file: whole, self-contained, its numbers the trace's, in the file and in a browser.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use moescope::document::{SCORES_BUDGET_BYTES, SharedRun, page};
use moescope::engine::Event;
use moescope::spec::{Experiment, Position, RouterId, TokenId};
use moescope::trace::{Candidate, PickState, Recording, RowId, RowRecord};
use moescope::ui::{Command, ExportTo, Session};
use serde_json::Value;

use super::{
    browser::{browser, dom},
    drive::{Window, settle, tour, until},
    script,
};

const EDITS: [&str; 4] = [
    "mask:2.5@6..",
    "force:3.1@6..",
    "bias:4.2=1.5@6..",
    "mask:*.7@8..20",
];
const N_WRITTEN: usize = 24;

/// The Tour model after some text under edits.
fn played() -> Window {
    let mut window = tour();
    let app = window.state_mut();
    app.command(Command::SetPace(None));
    app.command(Command::SetStopAfter(N_WRITTEN as u32));
    for edit in EDITS {
        app.command(Command::AddEdit(edit.parse().unwrap()));
    }
    app.command(Command::PlayPause);
    until(&mut window, "text is written on both rows", |it| {
        let len =
            |row: Option<moescope::ui::RowView<'_>>| row.map_or(0, |it| it.record.store.len());
        let session = it.session();
        let n = it.experiment().given.len() + N_WRITTEN;
        it.is_idle()
            && len(session.baseline()) >= n
            && len(session.counterfactual()) == len(session.baseline())
    });
    window
}

/// The page of the run, by the command the File menu gives.
fn shared(window: &mut Window, folder: &Path) -> PathBuf {
    let out = folder.join("run.html");
    window
        .state_mut()
        .command(Command::ShareHtml(ExportTo::File(out.clone())));
    settle(window);
    out
}

fn data(page: &str) -> Value {
    let (_, rest) = page.split_once("id=\"trace\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

fn bytes(text: &Value) -> Vec<u8> {
    let digits = text
        .as_str()
        .unwrap()
        .trim_end_matches('=')
        .bytes()
        .map(|it| match it {
            b'A'..=b'Z' => it - b'A',
            b'a'..=b'z' => it - b'a' + 26,
            b'0'..=b'9' => it - b'0' + 52,
            b'+' => 62,
            _ => 63,
        });
    let digits: Vec<u8> = digits.collect();
    let mut out = Vec::new();
    for chunk in digits.chunks(4) {
        let all = (0..4).fold(0u32, |all, n| {
            all << 6 | u32::from(chunk.get(n).copied().unwrap_or(0))
        });
        out.extend_from_slice(&all.to_be_bytes()[1..chunk.len()]);
    }
    out
}

fn floats(text: &Value) -> Vec<u32> {
    let all = bytes(text);
    all.chunks_exact(4)
        .map(|it| u32::from_le_bytes(it.try_into().unwrap()))
        .collect()
}

fn halves(text: &Value) -> Vec<u16> {
    let all = bytes(text);
    all.chunks_exact(2)
        .map(|it| u16::from_le_bytes(it.try_into().unwrap()))
        .collect()
}

fn bits(it: impl IntoIterator<Item = f32>) -> Vec<u32> {
    it.into_iter().map(f32::to_bits).collect()
}

/// A row of the page is the record's to the bit; what it leaves to the baseline is the baseline's.
fn check_row(row: &Value, record: &RowRecord, baseline: &RowRecord) {
    let from = row["from"].as_u64().unwrap() as usize;
    let n = record.store.len();
    let tokens: Vec<TokenId> = serde_json::from_value(row["tokens"].clone()).unwrap();
    assert_eq!(tokens, record.tokens);
    assert_eq!(row["texts"].as_array().unwrap().len(), n);
    for (id, part) in row["routers"].as_array().unwrap().iter().enumerate() {
        let at = |record: &'_ RowRecord, t: usize| {
            let it = record
                .store
                .at(RouterId::new(id), Position::new(t))
                .unwrap();
            let picks: Vec<_> = it.picks().copied().collect();
            (
                it.logits().unwrap().to_vec(),
                picks,
                it.margin(),
                it.weight_sum(),
            )
        };
        for t in 0..from {
            assert_eq!(at(record, t), at(baseline, t), "token {t} of router {id}");
        }
        let wanted: Vec<_> = (from..n).map(|t| at(record, t)).collect();
        let picks = || wanted.iter().flat_map(|it| &it.1);
        assert_eq!(
            floats(&part["logits"]),
            bits(wanted.iter().flat_map(|it| it.0.clone()))
        );
        assert_eq!(floats(&part["weights"]), bits(picks().map(|it| it.weight)));
        assert_eq!(
            halves(&part["experts"]),
            picks().map(|it| it.expert.0).collect::<Vec<_>>()
        );
        let margins = wanted.iter().map(|it| it.2.unwrap_or(f32::NAN));
        assert_eq!(floats(&part["margins"]), bits(margins));
        let forced = picks().filter(|it| it.state == PickState::Forced).count();
        assert_eq!(
            part["states"].as_str().unwrap().matches('f').count(),
            forced
        );
    }
    let said = &row["readouts"];
    let next = |get: fn(Candidate) -> f32| {
        bits(
            record
                .readouts
                .iter_from(from)
                .map(|it| it.next.map_or(f32::NAN, get)),
        )
    };
    assert_eq!(floats(&said["next_log_probs"]), next(|it| it.log_prob));
    let top = record.readouts.iter_from(from).flat_map(|it| &it.top);
    assert_eq!(
        floats(&said["top_log_probs"]),
        bits(top.clone().map(|it| it.log_prob))
    );
    assert_eq!(
        floats(&said["top"]),
        top.map(|it| it.token.0).collect::<Vec<_>>()
    );
    if record.comparisons.is_empty() {
        assert!(row["comparisons"].is_null());
    } else {
        assert_eq!(
            floats(&row["comparisons"]["kl"]),
            bits(record.comparisons.iter().map(|it| it.kl))
        );
    }
}

fn rows(session: &Session) -> [(&'static str, &RowRecord); 3] {
    [
        ("baseline", session.baseline().unwrap().record),
        ("edited", session.edited().unwrap().record),
        ("counterfactual", session.counterfactual().unwrap().record),
    ]
}

#[test]
fn the_page_holds_the_run_to_the_bit_and_loads_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut window = played();
    let text = fs::read_to_string(shared(&mut window, folder.path())).unwrap();
    assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("{{"));
    assert!(text.contains("default-src 'none'"));
    let data = data(&text);
    let session = window.state().session();
    let baseline = session.baseline().unwrap().record;
    for (name, record) in rows(session) {
        check_row(&data[name], record, baseline);
    }
    assert!(
        data["counterfactual"]["from"].as_u64().unwrap() >= 6,
        "what both share stands once"
    );
    assert_eq!(data["left_out"], "");
    let edits = data["edits"].as_array().unwrap();
    let texts: Vec<&str> = edits
        .iter()
        .map(|it| it["text"].as_str().unwrap())
        .collect();
    assert_eq!(texts, EDITS);
    assert_eq!(edits[0]["words"], "Mask expert 5 in layer 2");
    assert!(
        data["command"]
            .as_str()
            .unwrap()
            .starts_with("moescope run tour --ids ")
    );
    let said = &session.message.as_ref().unwrap();
    assert!(said.text.contains("run.html") && !said.failure, "{said:?}");
}

#[test]
fn a_place_that_cannot_be_written_is_said() {
    let mut window = tour();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("none/run.html");
    window
        .state_mut()
        .command(Command::ShareHtml(ExportTo::File(out)));
    settle(&mut window);
    let said = window.state().session().message.clone().unwrap();
    assert!(said.failure && said.text.contains("run.html"), "{said:?}");
}

/// Rows out of made-up events.
fn folded(events: Vec<Event>) -> Recording {
    let mut out = Recording::default();
    for event in events {
        if let Event::Row(it) = event {
            out.apply(it).unwrap();
        }
    }
    out
}

#[test]
fn words_that_look_like_markup_stay_words() {
    let mut facts = script::facts(script::TOUR_LIKE);
    let nasty = [
        "</script><!--",
        "<script>alert(1)</script>",
        "\u{2028}&amp;\u{2029}",
        "{{data}}",
    ];
    for (piece, it) in facts.tokens.pieces.iter_mut().skip(1).zip(nasty) {
        *piece = it.as_bytes().to_vec();
    }
    let rows = folded(script::baseline(script::TOUR_LIKE, 20));
    let experiment = Experiment {
        given: (0..9).map(TokenId).collect(),
        ..Experiment::default()
    };
    let text = page(&SharedRun {
        facts: &facts,
        model: "a folder/it's",
        experiment: &experiment,
        baseline: rows.row(RowId(1)).unwrap(),
        edited: None,
        controls: None,
        scores_budget_bytes: SCORES_BUDGET_BYTES,
    });
    assert_eq!(
        (
            text.matches("</script").count(),
            text.matches("<!--").count()
        ),
        (2, 0)
    );
    assert!(!text.contains(['\u{2028}', '\u{2029}']));
    let data = data(&text);
    assert_eq!(
        (&data["words"]["1"], &data["words"]["2"]),
        (&nasty[0].into(), &nasty[1].into())
    );
    assert!(
        data["command"]
            .as_str()
            .unwrap()
            .contains(r"'a folder/it'\''s'")
    );
    if let Some(browser) = browser() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("run.html"), &text).unwrap();
        let dom = dom(
            &browser,
            &folder.path().join("run.html"),
            "row=baseline&token=1&layer=2",
        );
        assert!(
            dom.contains("“&lt;/script&gt;&lt;!--”"),
            "the token is shown as it is"
        );
    }
}

#[test]
fn runs_of_spaces_are_seen_on_the_page() {
    const LOOK: &str = "<p id=\"seen\"></p><script>document.getElementById('seen').textContent = \
        ['command', 'next-after'].map((it) => document.getElementById(it).innerText).join(' | ');</script></body>";
    let Some(browser) = browser() else {
        return;
    };
    let mut facts = script::facts(script::TOUR_LIKE);
    facts.tokens.pieces[1] = b"a   b".to_vec();
    let rows = folded(script::baseline(script::TOUR_LIKE, 20));
    let text = page(&SharedRun {
        facts: &facts,
        model: "my   models/one",
        experiment: &Experiment {
            given: (0..9).map(TokenId).collect(),
            ..Experiment::default()
        },
        baseline: rows.row(RowId(1)).unwrap(),
        edited: None,
        controls: None,
        scores_budget_bytes: SCORES_BUDGET_BYTES,
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.html");
    fs::write(&path, text.replacen("</body>", LOOK, 1)).unwrap();
    let dom = dom(&browser, &path, "row=baseline&token=1&layer=2");
    let seen = between(&dom, "<p id=\"seen\">", "</p>");
    assert!(seen.contains("my   models/one"), "{seen}");
    assert!(seen.contains("“a   b”"), "{seen}");
}

#[test]
fn scores_of_a_large_run_stay_within_the_budget_and_that_is_said() {
    let facts = script::facts(script::HUGE);
    let n = 60;
    let rows = folded(script::edited(script::HUGE, n, n));
    let experiment = Experiment {
        given: (0..9).map(TokenId).collect(),
        edits: script::LIST
            .iter()
            .map(|it| it.parse::<moescope::spec::Intervention>().unwrap())
            .collect(),
        ..Experiment::default()
    };
    let [baseline, edited, counterfactual] = [1, 2, 3].map(|it| rows.row(RowId(it)).unwrap());
    let run = |scores_budget_bytes| SharedRun {
        facts: &facts,
        model: "huge",
        experiment: &experiment,
        baseline,
        edited: Some((edited, counterfactual)),
        controls: None,
        scores_budget_bytes,
    };
    let budget = 1_000_000;
    let (small, whole) = (
        data(&page(&run(budget))),
        data(&page(&run(SCORES_BUDGET_BYTES))),
    );
    let scores = |data: &Value| -> usize {
        let rows = ["baseline", "edited", "counterfactual"]
            .iter()
            .flat_map(|it| data[it]["routers"].as_array().unwrap());
        rows.map(|it| it["logits"].as_str().unwrap().len()).sum()
    };
    assert!(
        scores(&small) <= budget && scores(&small) > budget / 2,
        "{}",
        scores(&small)
    );
    assert_eq!(whole["left_out"], "");
    assert!(
        small["left_out"]
            .as_str()
            .unwrap()
            .contains("raw scores of some tokens only")
    );
    assert!(
        small["baseline"]["scores"]["start"].as_u64().unwrap() >= 8,
        "kept from the change on"
    );
    for name in ["baseline", "edited", "counterfactual"] {
        assert_eq!(
            small[name]["routers"][7]["weights"],
            whole[name]["routers"][7]["weights"]
        );
    }
}

/// What stands after a mark up to another.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = text
        .split_once(start)
        .unwrap_or_else(|| panic!("no {start}"));
    rest.split_once(end).unwrap().0
}

fn single(text: &str) -> Option<u32> {
    text.parse().ok().map(f32::to_bits)
}

/// Every number of the table and beside it is the trace's.
fn check_shown(
    dom: &str,
    record: &RowRecord,
    before: &RowRecord,
    counterfactual: Option<&RowRecord>,
    router: usize,
    at: usize,
) {
    let routed = record
        .store
        .at(RouterId::new(router), Position::new(at))
        .unwrap();
    let table = between(dom, "<table id=\"numbers\">", "</table>");
    let lines: Vec<&str> = table.split("<tr data-expert=").skip(1).collect();
    let logits = routed.logits().unwrap();
    assert_eq!(lines.len(), logits.len());
    for (expert, line) in lines.iter().enumerate() {
        let cells: Vec<&str> = line
            .split("<td>")
            .skip(1)
            .map(|it| it.split_once("</td>").unwrap().0)
            .collect();
        assert_eq!(cells[0], expert.to_string());
        assert_eq!(
            single(cells[1]),
            Some(logits[expert].to_bits()),
            "expert {expert} at {at}"
        );
        let pick = routed.picks().find(|it| it.expert.idx() == expert);
        assert_eq!(single(cells[3]), pick.map(|it| it.weight.to_bits()));
    }
    let fact = |name: &str| {
        let mark = format!("\" data-fact=\"{name}\"");
        let before = dom
            .split_once(&mark)
            .unwrap_or_else(|| panic!("no {name}"))
            .0;
        single(before.rsplit_once("title=\"").unwrap().1)
    };
    if let Some(surprise) = record.surprise(Position::new(at)) {
        assert_eq!(fact("Surprise"), Some(surprise.to_bits()));
    }
    if let Some(kl) = counterfactual.and_then(|it| it.comparison(Position::new(at - 1))) {
        assert_eq!(fact("KL at this token"), Some(kl.kl.to_bits()));
    }
    for candidate in &before.readouts[at].top[..5] {
        let mark = format!("data-id=\"{}\"", candidate.token);
        let (_, line) = dom.split_once(&mark).unwrap();
        let shown: f64 = between(line, "class=\"value\" title=\"", " ")
            .parse()
            .unwrap();
        let wanted = f64::from(candidate.log_prob).exp() * 100.0;
        assert!(
            (shown - wanted).abs() <= wanted * 1e-9,
            "{shown} is not {wanted}"
        );
    }
}

#[test]
fn a_browser_shows_the_traces_own_numbers() {
    let Some(browser) = browser() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut window = played();
    let out = shared(&mut window, folder.path());
    let session = window.state().session();
    let counterfactual = session.counterfactual().unwrap().record;
    let all: HashMap<&str, &RowRecord> = rows(session).into();
    for (row, at, router) in [
        ("baseline", 1, 0),
        ("baseline", 12, 4),
        ("edited", 15, 3),
        ("counterfactual", 9, 2),
    ] {
        let dom = dom(
            &browser,
            &out,
            &format!("row={row}&token={at}&layer={router}"),
        );
        let beside = (row == "baseline" && at > 7).then_some(counterfactual);
        // The words are the baseline's, and its predictions stand first.
        let before = if row == "counterfactual" {
            "baseline"
        } else {
            row
        };
        check_shown(&dom, all[row], all[before], beside, router, at);
    }
}
