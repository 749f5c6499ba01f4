//! The Health panel: from the button to the verdict, and by which numbers.

use std::{
    thread,
    time::{Duration, Instant},
};

use eframe::egui::{Color32, Shape, Theme};
use egui_kittest::kittest::Queryable as _;
use moescope::analysis::{LoadStats, Thresholds, Verdict, judge};
use moescope::corpus::{SAMPLES, TextSource};
use moescope::engine::{Event, Request};
use moescope::spec::{ExpertId, Position, Revision, RouterId, SeqId, TokenId};
use moescope::study::{Progress, Study, StudyError, StudyEvent};
use moescope::trace::{Phase, Pick, PickState, RouterTrace, StepTrace};
use moescope::ui::{Command, DARK, Session};

use super::drive::{Window, click, scripted, settle, tour};
use super::script::{HUGE, Script, Size, TOUR_LIKE, baseline};

const READ: &str = "Read the 8 sample texts";

fn window(size: Size) -> (Window, Script) {
    let (mut window, script) = scripted((1440.0, 900.0), Theme::Dark, baseline(size, 40), false);
    show(&mut window);
    (window, script)
}

fn show(window: &mut Window) {
    window.state_mut().command(Command::ShowPanel("health"));
    settle(window);
}

/// Waits until the texts are read: some thousand tokens, which takes long where nothing is optimised.
fn read_on(window: &mut Window) {
    let start = Instant::now();
    while !window.state().is_idle() || window.state().session().survey.is_none() {
        assert!(start.elapsed() < Duration::from_mins(10), "still reading");
        thread::sleep(Duration::from_millis(20));
        window.step();
    }
    settle(window);
}

/// The tag and the texts that were asked for last.
fn asked(script: &Script) -> (u64, Vec<TextSource>) {
    let asked = script.asked.borrow();
    let found = asked.iter().rev().find_map(|it| match it {
        Request::Study {
            tag,
            study: Study::Survey { texts },
        } => Some((*tag, texts.clone())),
        _ => None,
    });
    found.unwrap()
}

/// That a survey is over.
fn ended(tag: u64, result: Result<(), StudyError>, cancelled: bool) -> Event {
    let event = StudyEvent::Ended { result, cancelled };
    Event::Study { tag, event }
}

/// A step of `n` tokens; the `n_dead` last experts of a router are never picked, the others in turn.
fn step(size: Size, n: usize, n_dead: impl Fn(usize) -> usize) -> StepTrace {
    let router = |layer: usize| {
        let n_live = size.n_experts - n_dead(layer);
        let pick = |it: usize| Pick {
            expert: ExpertId::new(it % n_live),
            weight: 0.5,
            state: PickState::Chosen,
        };
        RouterTrace {
            n_experts: size.n_experts,
            n_picks: size.top_k,
            picks: (0..n * size.top_k).map(pick).collect(),
            margin: vec![None; n],
            ..RouterTrace::default()
        }
    };
    let mut tokens = vec![TokenId(5); n];
    tokens[0] = TokenId(0);
    StepTrace {
        seq: SeqId(9),
        phase: Phase::Prefill,
        start: Position(0),
        revision: Revision(0),
        tokens,
        routers: (0..usize::from(size.n_layers)).map(router).collect(),
    }
}

/// A survey of the samples whose texts all leave the same load; over, unless it is to go on.
fn surveyed(script: &Script, size: Size, n_dead: impl Fn(usize) -> usize + Copy, is_over: bool) {
    let (tag, texts) = asked(script);
    let steps = (0..texts.len()).map(|text| StudyEvent::Surveyed {
        text,
        // 672 beside the special one: whole rounds of 6, 7, 8, 96 and 128 experts.
        step: step(size, 673, n_dead),
    });
    script.say(steps.map(|event| Event::Study { tag, event }));
    let event = StudyEvent::Progress(Progress {
        n_done: 4800,
        n_total: 9600,
    });
    script.say([Event::Study { tag, event }]);
    if is_over {
        script.say([ended(tag, Ok(()), false)]);
    }
}

#[test]
fn without_data_it_names_the_samples_as_a_way_to_begin() {
    let (mut window, script) = window(TOUR_LIKE);
    let names: Vec<&str> = SAMPLES.iter().map(|it| it.0).collect();
    window.get_by_label_contains(&names.join(", "));
    window.get_by_label_contains("A verdict takes 2,000 tokens or more");
    window.get_by_label("Choose text files…");
    click(&mut window, READ);
    assert_eq!(asked(&script).1, TextSource::samples());
    window.get_by_label("Cancel");
}

#[test]
fn the_tour_model_is_read_and_found_even_and_the_numbers_are_those_of_the_analysis() {
    let mut window = tour();
    show(&mut window);
    click(&mut window, READ);
    read_on(&mut window);
    let session: &Session = window.state().session();
    let survey = session.survey.as_ref().unwrap();
    assert!(survey.failed.is_none() && !survey.cancelled);
    let texts: Vec<(&str, &LoadStats)> = survey
        .texts
        .iter()
        .map(|it| (&*it.name, &it.load))
        .collect();
    let spec = session.spec().unwrap();
    let report = judge(&texts, spec, &Thresholds::default(), true, |_, _| false);
    assert_eq!(report.verdict(), Some(Verdict::Even));
    window.get_by_label(&report.headline);
    for it in &report.routers {
        let numbers = it.numbers.unwrap();
        let label = format!(
            "{}, even, evenness {:.3}, max/mean {:.2}, 0 dead, 0 little used",
            it.label, numbers.evenness, numbers.max_over_mean
        );
        window.get_by_label(&label);
    }
    let n = moescope::analysis::grouped(report.n_tokens);
    window.get_by_label_contains(&format!("Over {n} tokens of 8 texts"));
    assert!(session.baseline().is_some(), "the text on screen stays");
}

#[test]
fn a_collapsed_load_is_told_with_its_numbers_and_leads_to_its_dead_experts() {
    let (mut window, script) = window(TOUR_LIKE);
    click(&mut window, READ);
    let n_dead = |layer: usize| [0, 0, 2, 2, 0, 1][layer];
    surveyed(&script, TOUR_LIKE, n_dead, true);
    settle(&mut window);
    window.get_by_label(
        "Collapsed: 2 of 6 layers (2, 3); skewed: 1 of 6 layers (5); worst layer 3, evenness 0.75, 2 of 8 experts dead, expert 0 at 1.33 × even",
    );
    window.get_by_label("layer 0, even, evenness 1, max/mean 1, 0 dead, 0 little used");
    // Seven of eight share evenly: 7/8, and 8/7 for each.
    window.get_by_label("layer 5, skewed, evenness 0.875, max/mean 1.14, 1 dead, 0 little used");
    click(
        &mut window,
        "layer 3, collapsed, evenness 0.75, max/mean 1.33, 2 dead, 0 little used",
    );
    let selection = window.state().selection();
    assert_eq!(selection.router, Some(RouterId(3)));
    assert_eq!(selection.expert, Some(ExpertId(6)), "the first dead one");
    window.get_by_label_contains("Expert 6 was picked for 0 of 5,376 tokens, in none of the texts");
    window.get_by_label("load of layer 3 expert 7, 0 of 5,376 tokens, dead");
    window.get_by_label_contains("special tokens left out");
    click(&mut window, "by text");
}

/// Colours of words, lines and outlines on screen.
fn colors(shape: &Shape, out: &mut Vec<Color32>) {
    match shape {
        Shape::Vec(all) => all.iter().for_each(|it| colors(it, out)),
        Shape::Text(it) => {
            let sections = it.galley.job.sections.iter();
            out.extend(sections.map(|it| it.format.color));
            out.extend(it.override_text_color);
        }
        Shape::Rect(it) => out.extend([it.fill, it.stroke.color]),
        Shape::LineSegment { stroke, .. } => out.push(stroke.color),
        _ => {}
    }
}

/// How often red is on screen: it is for verdicts and failures alone.
fn n_red(window: &Window) -> usize {
    let mut all = Vec::new();
    for it in &window.output().shapes {
        colors(&it.shape, &mut all);
    }
    all.iter().filter(|it| **it == DARK.red).count()
}

#[test]
fn nothing_is_called_bad_before_every_text_had_its_share() {
    let (mut window, script) = window(TOUR_LIKE);
    click(&mut window, READ);
    let n_dead = |layer: usize| [0, 0, 2, 2, 0, 1][layer];
    surveyed(&script, TOUR_LIKE, n_dead, false);
    settle(&mut window);
    let headline = "Collapsed: 2 of 6 layers (2, 3); skewed: 1 of 6 layers (5); worst layer 3, evenness 0.75, 2 of 8 experts dead, expert 0 at 1.33 × even";
    window.get_by_label(&format!("Provisional: {headline}"));
    click(
        &mut window,
        "layer 3, provisional, collapsed, evenness 0.75, max/mean 1.33, 2 dead, 0 little used",
    );
    window.get_by_label("load of layer 3 expert 7, 0 of 5,376 tokens, dead so far");
    window.get_by_label_contains("Provisional. Collapsed: 2 of 8 experts are dead");
    assert_eq!(n_red(&window), 0, "no verdict stands yet");
    let (tag, _) = asked(&script);
    script.say([ended(tag, Ok(()), false)]);
    settle(&mut window);
    window.get_by_label(headline);
    window.get_by_label("load of layer 3 expert 7, 0 of 5,376 tokens, dead");
    assert!(window.query_by_label_contains("rovisional").is_none());
    // The headline, three verdicts, and five dead experts, each an outline and a cross.
    assert_eq!(n_red(&window), 1 + 3 + 5 * 3);
}

#[test]
fn it_can_be_given_up_and_what_was_read_stays() {
    let (mut window, script) = window(TOUR_LIKE);
    click(&mut window, READ);
    surveyed(&script, TOUR_LIKE, |_| 0, false);
    settle(&mut window);
    assert!(!window.state().is_idle());
    window.get_by_label_contains("4,800 of about 9,600 tokens read");
    click(&mut window, "Cancel");
    let (tag, _) = asked(&script);
    assert!(
        script
            .asked
            .borrow()
            .contains(&Request::CancelStudy { tag })
    );
    script.say([ended(tag, Ok(()), true)]);
    settle(&mut window);
    assert!(window.query_by_label("Cancel").is_none());
    window.get_by_label("Even: all 6 layers, lowest evenness 1");
    window.get_by_label_contains("It was given up on the way.");
}

#[test]
fn what_failed_is_told_and_can_be_tried_again() {
    let (mut window, script) = window(TOUR_LIKE);
    let file = std::path::PathBuf::from("missing.txt");
    let of = moescope::ui::SurveyOf::Files(vec![file]);
    window.state_mut().command(Command::Survey(of));
    settle(&mut window);
    let (tag, _) = asked(&script);
    script.say([ended(
        tag,
        Err(StudyError::Text(
            "there is no such file: missing.txt".to_owned(),
        )),
        false,
    )]);
    settle(&mut window);
    window.get_by_label("Nothing was read: there is no such file: missing.txt");
    window.get_by_label(READ);
}

#[test]
fn tokens_seen_so_far_are_too_few_and_it_says_how_many_are_needed() {
    let (mut window, _script) = window(TOUR_LIKE);
    click(&mut window, "over: texts");
    click(&mut window, "tokens seen so far");
    window.get_by_label("No verdict: 39 tokens were counted, and 2,000 are needed");
    window.get_by_label_contains("Over 39 tokens of the baseline text");
}

#[test]
fn ninety_four_layers_of_128_experts_are_judged_too() {
    let (mut window, script) = window(HUGE);
    click(&mut window, READ);
    surveyed(
        &script,
        HUGE,
        |layer| if layer == 60 { 32 } else { 0 },
        true,
    );
    settle(&mut window);
    window.get_by_label(
        "Collapsed: 1 of 94 layers (60); worst layer 60, evenness 0.75, 32 of 128 experts dead, expert 0 at 1.33 × even",
    );
}

#[test]
fn one_text_alone_gives_no_verdict_until_it_is_said_to_be_mixed() {
    let (mut window, script) = window(TOUR_LIKE);
    click(&mut window, READ);
    let (tag, _) = asked(&script);
    let of_one = StudyEvent::Surveyed {
        text: 0,
        step: step(TOUR_LIKE, 2689, |layer| if layer == 3 { 2 } else { 0 }),
    };
    script.say([
        Event::Study { tag, event: of_one },
        ended(tag, Ok(()), false),
    ]);
    settle(&mut window);
    let headline = "No verdict: one text alone cannot tell a specialist from a dead expert; were this one mixed, it would be collapsed; worst layer 3, evenness 0.75, 2 of 8 experts little used, expert 0 at 1.33 × even";
    window.get_by_label(headline);
    window.get_by_label_contains("layer 3, no verdict, ");
    click(&mut window, "mixed text");
    window.get_by_label_contains("Collapsed: 1 of 6 layers (3)");
    click(&mut window, "mixed text");
    window.get_by_label(headline);
}
