//! Reading texts beside the rows: which tokens, in which windows, and what it leaves alone.

use std::{
    fs,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use super::{
    tour::tour,
    toy::{Counts, Toy},
    watch::{Watch, experiment},
};
use crate::corpus::TextSource;
use crate::engine::{Capture, Event, Feed, ModelSource, Request, Row, Wait};
use crate::spec::{InterventionSet, Position, PromptForm, RouterId, RoutingPolicy, TokenId};
use crate::study::{Progress, Study, StudyError, StudyEvent};
use crate::trace::{Phase, StepTrace, TraceStore};

/// Texts as files of one folder, gone with it.
struct Texts(PathBuf);

impl Drop for Texts {
    fn drop(&mut self) {
        // What is left of it the system clears away.
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Texts {
    fn new(texts: &[(&str, &str)]) -> Self {
        static N: AtomicUsize = AtomicUsize::new(0);
        let n = N.fetch_add(1, Relaxed);
        let name = format!("moescope-survey-{}-{n}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in texts {
            fs::write(folder.join(name), text).unwrap();
        }
        Self(folder)
    }

    fn source(&self, name: &str) -> TextSource {
        TextSource::File(self.0.join(name))
    }
}

/// Everything a survey said: its windows as (text, routing), its end, and the last progress.
struct Heard {
    windows: Vec<(usize, TraceStore)>,
    result: Result<(), StudyError>,
    cancelled: bool,
    progress: Option<(usize, usize)>,
}

fn add(windows: &mut Vec<(usize, TraceStore)>, text: usize, step: StepTrace) {
    assert_eq!(step.phase, Phase::Prefill);
    if step.start == Position(0) {
        windows.push((text, TraceStore::default()));
    }
    let last = windows.last_mut().unwrap();
    assert_eq!(last.0, text);
    last.1.push(step).unwrap();
}

fn is_end(it: &Event) -> bool {
    matches!(
        it,
        Event::Study {
            event: StudyEvent::Ended { .. },
            ..
        }
    )
}

fn is_slice(it: &Event) -> bool {
    matches!(
        it,
        Event::Study {
            event: StudyEvent::Surveyed { .. },
            ..
        }
    )
}

fn of(texts: Vec<TextSource>, tag: u64) -> Request {
    let study = Study::Survey {
        texts,
        edits: InterventionSet::default(),
    };
    Request::Study { tag, study }
}

/// What was and is said of a survey, up to its end.
fn hear(it: &mut Watch, wanted: u64) -> Heard {
    it.until(|it| is_end(it) && matches!(it, Event::Study { tag, .. } if *tag == wanted));
    heard(&it.log, wanted)
}

fn heard(log: &[Event], wanted: u64) -> Heard {
    let mut out = Heard {
        windows: Vec::new(),
        result: Ok(()),
        cancelled: false,
        progress: None,
    };
    for event in log {
        let Event::Study { tag, event } = event.clone() else {
            continue;
        };
        if tag != wanted {
            continue;
        }
        match event {
            StudyEvent::Surveyed { text, step } => add(&mut out.windows, text, step),
            StudyEvent::Controlled { .. } => panic!("a survey compares nothing"),
            StudyEvent::Progress(Progress { n_done, n_total }) => {
                assert!(n_done <= n_total);
                assert!(out.progress.is_none_or(|it| it.0 <= n_done));
                out.progress = Some((n_done, n_total));
            }
            StudyEvent::Examined(_) => panic!("nobody looks at weights here"),
            StudyEvent::Ended { result, cancelled } => {
                out.result = result;
                out.cancelled = cancelled;
            }
        }
    }
    out
}

fn survey(it: &mut Watch, tag: u64, texts: Vec<TextSource>) -> Heard {
    it.ask(of(texts, tag));
    hear(it, tag)
}

fn tokens(store: &TraceStore) -> Vec<u32> {
    let steps = store.steps().flat_map(|it| &it.tokens);
    steps.map(|it| it.0).collect()
}

fn numbers(n: std::ops::Range<u32>) -> String {
    let words: Vec<String> = n.map(|it| (2 + it % 40).to_string()).collect();
    words.join(" ")
}

#[test]
fn documents_are_cut_into_windows_of_the_context() {
    let toy = Toy {
        n_ctx: 100,
        ..Toy::default()
    };
    let mut it = Watch::new(toy);
    let many = numbers(0..250);
    let texts = Texts::new(&[
        (
            "a.txt",
            &format!("{many}\n<|endoftext|>\n5 6 7\n<|endoftext|>\n"),
        ),
        (
            "b.jsonl",
            &format!(
                "{{\"text\": \"{}\"}}\n{{\"text\": \"9 8\"}}\n",
                numbers(0..100)
            ),
        ),
        ("empty.txt", ""),
        ("c.txt", "11 12"),
    ]);
    let all = ["a.txt", "b.jsonl", "empty.txt", "c.txt"].map(|it| texts.source(it));
    let heard = survey(&mut it, 7, all.to_vec());
    assert_eq!(heard.result, Ok(()));
    assert!(!heard.cancelled);
    let lens: Vec<(usize, usize)> = heard
        .windows
        .iter()
        .map(|(text, store)| (*text, store.len()))
        .collect();
    // The text that was read least comes next.
    let wanted = [
        (0, 100),
        (1, 100),
        (3, 2),
        (0, 100),
        (1, 2),
        (0, 50),
        (0, 3),
    ];
    assert_eq!(lens, wanted);
    let of = |text: usize| heard.windows.iter().filter(move |it| it.0 == text);
    let read: Vec<u32> = of(0).take(3).flat_map(|it| tokens(&it.1)).collect();
    let wanted: Vec<u32> = (0..250).map(|it| 2 + it % 40).collect();
    assert_eq!(read, wanted);
    assert_eq!(tokens(&of(3).next().unwrap().1), [11, 12]);
    assert_eq!(heard.progress, Some((357, 357)));
    assert_eq!(it.toy.n_tokens(), 357, "each token is read once");
}

#[test]
fn texts_take_turns_and_more_of_them_than_files_may_be_open() {
    let toy = Toy {
        n_ctx: 10,
        ..Toy::default()
    };
    let mut it = Watch::new(toy);
    let names: Vec<String> = (0..200).map(|it| format!("{it}.txt")).collect();
    let long = numbers(0..60);
    let of = |it: &String| (it.clone(), long.clone());
    let all: Vec<(String, String)> = names.iter().map(of).collect();
    let all: Vec<(&str, &str)> = all.iter().map(|it| (&*it.0, &*it.1)).collect();
    let texts = Texts::new(&all);
    let few: Vec<TextSource> = names[..3].iter().map(|it| texts.source(it)).collect();
    let heard = survey(&mut it, 1, few);
    let mut n = [0_usize; 3];
    for (text, store) in &heard.windows {
        n[*text] += store.len();
        let (least, most) = (n.iter().min().unwrap(), n.iter().max().unwrap());
        assert!(most - least <= 10, "{n:?}");
    }
    assert_eq!(n, [60; 3]);
    let all = names.iter().map(|it| texts.source(it)).collect();
    let heard = survey(&mut it, 2, all);
    assert_eq!(heard.result, Ok(()));
    assert_eq!(heard.progress, Some((12_000, 12_000)));
}

#[test]
fn a_window_is_read_as_if_alone() {
    let toy = Toy {
        n_ctx: 100,
        ..Toy::default()
    };
    let mut it = Watch::new(toy);
    it.show(&experiment(&[2, 9, 17], 1, &["mask:0.1", "mask:1.2"]));
    let texts = Texts::new(&[("a.txt", &numbers(0..150))]);
    let heard = survey(&mut it, 1, vec![texts.source("a.txt")]);
    for (_, store) in &heard.windows {
        check_alone(&it, store);
    }
}

/// The same tokens, one at a time, in a model of their own without edits.
fn check_alone(it: &Watch, store: &TraceStore) {
    let mut backend = (it.world.backend)();
    let seq = backend.open();
    for (t, token) in tokens(store).into_iter().enumerate() {
        let row = Row {
            seq,
            feed: Feed::Tokens(&[TokenId(token)]),
            next: None,
            policy: &RoutingPolicy::default(),
            sampling: None,
            against: None,
        };
        let ticket = backend.submit(&[row], Capture::Trace).unwrap();
        let step = backend.poll(ticket, Wait::Done).unwrap().unwrap();
        let wanted = &step.rows[0].trace;
        for (router, wanted) in wanted.routers.iter().enumerate() {
            let got = store.at(RouterId::new(router), Position::new(t)).unwrap();
            let picks: Vec<_> = got.picks().copied().collect();
            assert_eq!(picks, wanted.picks, "router {router}, position {t}");
            assert_eq!(got.logits(), wanted.logits_of(0));
        }
    }
}

#[test]
fn the_tour_model_reads_windows_with_bos_and_no_edit() {
    let mut it = tour();
    let shown = experiment(&[0, 300, 301], 1, &["mask:*.5"]);
    it.show(&shown);
    let two = "Once upon a time there was a fox.\n<|endoftext|>\nIl était une fois un roi.\n";
    let texts = Texts::new(&[("two.txt", two)]);
    let heard = survey(&mut it, 1, vec![texts.source("two.txt")]);
    assert_eq!(heard.result, Ok(()));
    let mut n = 0;
    for (_, store) in &heard.windows {
        let tokens = tokens(store);
        assert!(
            tokens.len() <= 512 && tokens[0] == 0,
            "BOS is <|endoftext|>"
        );
        assert!(tokens[1..].iter().all(|it| *it != 0));
        n += tokens.len() - 1;
    }
    assert_eq!(heard.windows.len(), 2, "a window a document");
    assert_eq!(heard.progress, Some((n, n)));
    check_alone(&it, &heard.windows[0].1);
    it.check();
}

#[test]
fn rows_on_screen_are_not_touched_and_writing_goes_first() {
    let mut it = Watch::new(Toy {
        token_time: Duration::from_micros(200),
        ..Toy::default()
    });
    let shown = experiment(&[2, 9, 17], 1, &["mask:0.1@2.."]);
    it.show(&shown);
    it.play(10);
    let texts = Texts::new(&[("a.txt", &numbers(0..3000))]);
    it.ask(of(vec![texts.source("a.txt")], 1));
    it.until(is_slice);
    let from = it.log.len();
    it.play(40);
    let while_playing = it.log[from..]
        .iter()
        .skip_while(|it| **it != Event::Playing(true))
        .filter(|it| is_slice(it))
        .count();
    assert_eq!(
        while_playing, 0,
        "as fast as it goes leaves no time for texts"
    );
    it.until(is_end);
    it.check();
    assert_eq!(it.lens(), (53, 53));
    let all = heard(&it.log, 1);
    let n: usize = all.windows.iter().map(|it| it.1.len()).sum();
    assert_eq!(n, 3000);
}

#[test]
fn a_request_in_between_is_answered_within_50_ms() {
    let mut it = Watch::new(Toy {
        token_time: Duration::from_millis(1),
        ..Toy::default()
    });
    let texts = Texts::new(&[("a.txt", &numbers(0..4000))]);
    it.ask(of(vec![texts.source("a.txt")], 1));
    let quickest = super::time::quickest(|| {
        it.until(is_slice);
        let began = std::time::Instant::now();
        it.ask(Request::Encode {
            tag: 9,
            text: "3".to_owned(),
            form: PromptForm::Plain,
        });
        it.until(|it| matches!(it, Event::Encoded { .. }));
        began.elapsed()
    });
    assert!(quickest < Duration::from_millis(50), "{quickest:?}");
    it.ask(Request::CancelStudy { tag: 1 });
    let heard = hear(&mut it, 1);
    assert!(heard.cancelled && heard.result.is_ok());
    let n = it.toy.n_tokens();
    assert!(n < 4000, "given up on the way");
    it.show(&experiment(&[2, 9], 1, &[]));
    it.play(5);
    it.check();
    assert_eq!(it.toy.n_tokens(), n + 7, "nothing more is read of it");
}

#[test]
fn another_survey_and_another_model_give_it_up() {
    let mut it = Watch::new(Toy {
        token_time: Duration::from_millis(1),
        counts: std::sync::Arc::new(Counts::default()),
        ..Toy::default()
    });
    let texts = Texts::new(&[("long.txt", &numbers(0..4000)), ("short.txt", "3 4 5")]);
    let long = || vec![texts.source("long.txt")];
    it.ask(of(long(), 1));
    it.until(is_slice);
    let second = survey(&mut it, 2, vec![texts.source("short.txt")]);
    assert_eq!(second.windows.len(), 1);
    assert!(heard(&it.log, 1).cancelled);
    it.ask(of(long(), 3));
    it.until(|it| is_slice(it) && matches!(it, Event::Study { tag: 3, .. }));
    it.ask(Request::Open(ModelSource::Path(PathBuf::from("another"))));
    let third = hear(&mut it, 3);
    assert!(third.cancelled);
    it.until(|it| matches!(it, Event::Opened(_)));
}

#[test]
fn what_cannot_be_read_is_told_in_a_sentence() {
    let mut it = Watch::new(Toy::default());
    let texts = Texts::new(&[
        ("words.txt", "3 4 five"),
        ("bad.jsonl", "{\"text\": \"3 4\"}\n{\"txt\": 1}\n"),
    ]);
    let mut check = |texts: Vec<TextSource>, words: &str, n_read: usize| {
        let heard = survey(&mut it, 1, texts);
        let Err(StudyError::Text(why)) = heard.result else {
            panic!("{:?}", heard.result);
        };
        assert!(why.contains(words), "{why}");
        assert!(!heard.cancelled);
        let read: usize = heard.windows.iter().map(|it| it.1.len()).sum();
        assert_eq!(read, n_read);
    };
    check(Vec::new(), "there is no text to read", 0);
    check(
        vec![texts.source("missing.txt")],
        "there is no such file",
        0,
    );
    check(vec![texts.source("words.txt")], "no token for", 0);
    check(
        vec![texts.source("bad.jsonl")],
        "line 2 is not a JSON object",
        0,
    );
}

#[test]
fn a_step_that_fails_ends_it_and_nothing_else() {
    let mut it = Watch::new(Toy {
        bad_token: Some(TokenId(41)),
        ..Toy::default()
    });
    it.show(&experiment(&[2, 9], 1, &[]));
    let texts = Texts::new(&[("a.txt", "3 4 5 41 6")]);
    let heard = survey(&mut it, 1, vec![texts.source("a.txt")]);
    assert!(matches!(heard.result, Err(StudyError::Step(_))));
    it.play(5);
    it.check();
}
