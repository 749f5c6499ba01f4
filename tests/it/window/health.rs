//! The Health panel: from the button to the verdict, and by which numbers.

use std::{
    thread,
    time::{Duration, Instant},
};

use eframe::egui::{Color32, Shape, Theme};
use egui_kittest::kittest::Queryable as _;
use moescope::analysis::{LoadStats, Thresholds, Verdict, judge};
use moescope::app::App;
use moescope::corpus::{SAMPLES, TextSource};
use moescope::engine::{Event, Request};
use moescope::spec::{ExpertId, Position, Revision, RouterId, SeqId, TokenId};
use moescope::study::{Progress, Study, StudyError, StudyEvent};
use moescope::trace::{Copies, Phase, Pick, PickState, RouterTrace, SameBy, StepTrace, WeightPart};
use moescope::ui::{Command, DARK, ExportForm, ExportTo, Session};

use crate::broken::Broken;

use super::drive::{Window, click, folder, folder_in, scripted, settle, tour, until};
use super::script::{HUGE, Script, Size, TOUR_LIKE, baseline};

const WAY: &str = "Check this model's health";
const READ: &str = "Read the 8 sample texts";

fn window(size: Size) -> (Window, Script) {
    window_of((1440.0, 900.0), size)
}

/// One in which nothing of the panel has to be scrolled to.
fn tall_window(size: Size) -> (Window, Script) {
    window_of(TALL, size)
}

const TALL: (f32, f32) = (1440.0, 2400.0);

fn window_of(points: (f32, f32), size: Size) -> (Window, Script) {
    let (mut window, script) = scripted(points, Theme::Dark, baseline(size, 40), false);
    show(&mut window);
    (window, script)
}

fn show(window: &mut Window) {
    window.state_mut().command(Command::ShowPanel("health"));
    settle(window);
}

/// Waits until the texts are read.
fn read_on(window: &mut Window) {
    read_until(window, |it| it.is_idle() && it.session().survey.is_some());
}

/// Waits for some thousand tokens to be read, which takes long where nothing is optimised.
pub fn read_until(window: &mut Window, is_over: impl Fn(&App) -> bool) {
    let start = Instant::now();
    while !is_over(window.state()) {
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
        Request::Study { tag, study } => {
            let Study::Survey { texts, .. } = study else {
                return None;
            };
            Some((*tag, texts.clone()))
        }
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
    // Each token has its experts, so that no router looks blind.
    let mut tokens: Vec<TokenId> = (0..n)
        .map(|it| TokenId::new(1 + it % 3 * 4 + (it % 7).min(3)))
        .collect();
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
fn the_opening_screen_leads_to_it() {
    // Before a model is open.
    let (mut empty, _script) = scripted((1440.0, 900.0), Theme::Dark, Vec::new(), false);
    click(&mut empty, "Check a model…");
    empty.get_by_label("Path of the model");
    empty.get_by_label("Open a model to judge its load");
    // On a model whose prompt was read.
    let mut opened = tour();
    click(&mut opened, WAY);
    opened.get_by_label(READ);
    // On one that has written, or is judged, the text has the room.
    let (written, _script) = window(TOUR_LIKE);
    assert!(written.query_by_label(WAY).is_none());
    click(&mut opened, READ);
    assert!(opened.query_by_label(WAY).is_none());
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
    let n = moescope::spec::grouped(report.n_tokens);
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

/// What weights tell: two experts of layer 3 are copies, one of layer 1 is silent.
fn parts(size: Size) -> Vec<WeightPart> {
    let part = |router: u16| WeightPart {
        router: Some(RouterId(router)),
        output_norms: vec![1.0; size.n_experts],
        has_weights: vec![true; size.n_experts],
        ..WeightPart::default()
    };
    let mut out: Vec<WeightPart> = (0..size.n_layers).map(part).collect();
    out[1].output_norms[4] = 0.0;
    out[3].copies = vec![Copies {
        experts: vec![ExpertId(2), ExpertId(5)],
        by: SameBy::Weights,
        likeness: 1.0,
    }];
    out
}

/// Answers the request to look at weights.
fn examined(script: &Script, parts: Vec<WeightPart>) {
    let tag = script.asked.borrow().iter().rev().find_map(|it| match it {
        Request::Study {
            tag,
            study: Study::Examine,
        } => Some(*tag),
        _ => None,
    });
    let tag = tag.expect("weights are looked at beside the texts");
    let events = parts.into_iter().map(StudyEvent::Examined);
    script.say(events.map(|event| Event::Study { tag, event }));
    script.say([ended(tag, Ok(()), false)]);
}

#[test]
fn a_finding_leads_to_its_expert_and_to_the_edit_that_shows_it() {
    let (mut window, script) = tall_window(TOUR_LIKE);
    click(&mut window, READ);
    examined(&script, parts(TOUR_LIKE));
    settle(&mut window);
    // What weights tell needs no text to be read first.
    window.get_by_label_contains("Expert 4 of layer 1 puts out next to nothing");
    surveyed(&script, TOUR_LIKE, |_| 0, true);
    settle(&mut window);
    window.get_by_label("Found beyond the load, 2:");
    window.get_by_label("Even: all 6 layers, lowest evenness 1");
    let copies = "Experts 2 and 5 of layer 3 are copies: all their matrices have a cosine of 1.0000 or more.";
    click(&mut window, copies);
    let selection = window.state().selection();
    assert_eq!(selection.router, Some(RouterId(3)));
    assert_eq!(selection.expert, Some(ExpertId(5)));
    window.get_by_label_contains("Usually a model made from a dense one");
    window.get_by_label("One runs in the place of the other, and not a logit changes.");
    click(&mut window, "Try swap:3.5>2");
    assert_eq!(super::drive::list(&window), ["swap:3.5>2"]);
    window.get_by_label("swap:3.5>2 is in the list of edits.");
    click(&mut window, copies);
    assert!(
        window.query_by_label_contains("Usually a model").is_none(),
        "it folds again"
    );
    let table = super::fixture::table(&window, "health");
    let column = table
        .columns
        .iter()
        .position(|it| it.name == "found beyond the load");
    let words = |row: usize| format!("{:?}", table.rows[row][column.unwrap()]);
    assert!(words(3).contains("are copies") && words(1).contains("next to nothing"));
    super::fixture::check_paper(&window, "health");
}

#[test]
fn beside_a_collapsed_layer_stands_what_to_do() {
    let (mut window, script) = tall_window(TOUR_LIKE);
    click(&mut window, READ);
    surveyed(
        &script,
        TOUR_LIKE,
        |layer| if layer == 3 { 2 } else { 0 },
        true,
    );
    settle(&mut window);
    window.get_by_label_contains("Usually too little balancing while it was trained");
    click(&mut window, "Try force:3.6");
    assert_eq!(super::drive::list(&window), ["force:3.6"]);
}

/// Verdict, expert, tokens, edit, report: on a model whose experts 2 and 5 of layer 3 are copies.
#[test]
fn an_engineer_goes_from_the_verdict_to_the_report() {
    let mut broken = Broken::tour();
    broken.copy_expert(3, 2, 5);
    broken.write();
    let mut window = folder_in(broken.path().to_path_buf(), TALL);
    window.state_mut().command(Command::SetStopAfter(12));
    window.state_mut().command(Command::PlayPause);
    until(&mut window, "some text is written", |it| {
        let row = it.session().baseline();
        it.is_idle() && row.is_some_and(|it| it.record.store.len() > it.record.n_given + 8)
    });
    // The verdict.
    show(&mut window);
    click(&mut window, READ);
    read_on(&mut window);
    until(&mut window, "the weights are looked at", |it| {
        let examined = it.session().examined.as_ref();
        examined.is_some_and(|it| it.progress.is_none())
    });
    let verdict = window.query_by_label_contains("Even: all 6 layers");
    assert!(verdict.is_some() || window.query_by_label_contains("Skewed: ").is_some());
    window.get_by_label("Found beyond the load:");
    let copies = "Experts 2 and 5 of layer 3 are copies: all their matrices have a cosine of 1.0000 or more.";
    // The expert and its tokens.
    click(&mut window, copies);
    let selection = window.state().selection();
    assert_eq!(
        (selection.router, selection.expert),
        (Some(RouterId(3)), Some(ExpertId(5)))
    );
    window.get_by_label_contains("Picked for ");
    // The edit, and that it shows what was said.
    click(&mut window, "Try swap:3.5>2");
    window.state_mut().command(Command::PlayPause);
    until(&mut window, "the edited text is written", |it| {
        let len = |row: Option<moescope::ui::RowView<'_>>| row.map(|it| it.record.store.len());
        it.is_idle()
            && it.session().edited().is_some()
            && len(it.session().edited()) == len(it.session().baseline())
    });
    let session = window.state().session();
    assert_eq!(
        session.edited().unwrap().record.tokens,
        session.baseline().unwrap().record.tokens,
        "not a token changes"
    );
    // The report.
    let out = tempfile::tempdir().unwrap();
    let path = out.path().join("health.csv");
    window.state_mut().command(Command::Export {
        panel: "health",
        form: ExportForm::Csv,
        to: ExportTo::File(path.clone()),
    });
    until(&mut window, "the report is written", |_| path.exists());
    let report = std::fs::read_to_string(path).unwrap();
    assert!(
        report.contains("Experts 2 and 5 of layer 3 are copies"),
        "{report}"
    );
    assert!(
        report.contains(" in french"),
        "the texts are named: {report}"
    );
}

#[test]
fn a_model_whose_router_is_no_number_is_refused_with_its_place() {
    let mut broken = Broken::tour();
    broken.set("model.layers.2.block_sparse_moe.gate.weight", |at, it| {
        if at == 4 * 160 { f32::NAN } else { it }
    });
    broken.write();
    let window = folder(broken.path().to_path_buf());
    let message = window.state().session().message.clone().unwrap();
    assert!(message.failure);
    let place = "NaN in layer 2, expert 4, gate of the router, row 4 (model.layers.2.block_sparse_moe.gate.weight)";
    assert!(message.text.contains(place), "{}", message.text);
}

/// Two checkpoints of one shape, one of them collapsed, over a short text, beside a model that stays as it is.
#[test]
fn experts_are_followed_through_checkpoints_and_the_open_model_stays() {
    let (mut window, _script) = tall_window(TOUR_LIKE);
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.txt");
    std::fs::write(
        &text,
        "Once upon a time the fox sat by the river. ".repeat(4),
    )
    .unwrap();
    let of = moescope::ui::SurveyOf::Files(vec![text]);
    window.state_mut().command(Command::Survey(of));
    settle(&mut window);
    let opened = window.state().session().opened;
    click(&mut window, "over: texts");
    click(&mut window, "several checkpoints");
    window.get_by_label("When did each expert leave the even band?");
    click(&mut window, "Choose checkpoints…");
    window
        .get_by_label("Paths of the checkpoints")
        .type_text("tour-collapsed; tour");
    settle(&mut window);
    window.key_press(eframe::egui::Key::Enter);
    settle(&mut window);
    window.get_by_label_contains("Checkpoint 1 of 2, tour-collapsed");
    read_until(&mut window, |it| {
        let steps = it.session().steps.as_ref();
        steps.is_some_and(|it| it.progress.is_none())
    });
    let session = window.state().session();
    let steps = session.steps.clone().unwrap();
    assert_eq!((steps.failed, session.opened), (None, opened));
    let timeline = steps.timeline.unwrap();
    assert_eq!(timeline.steps, ["tour-collapsed", "tour"]);
    assert_eq!(timeline.parts_at, Some(RouterId(0)));
    assert!(timeline.routers.iter().all(|it| it.churn[0] > Some(0.2)));
    let n: usize = timeline.routers.iter().map(|it| it.left.len()).sum();
    window.get_by_label(&format!(
        "tour-collapsed to tour: {n} experts left the even band"
    ));
    window.get_by_label_contains("The choices of tour-collapsed and tour part first at layer 0.");
    window.get_by_label_contains("left the even band: expert ");
    // Every column says whose it is.
    let strip = window.get_by_label("layer 0 through 2 checkpoints").rect();
    let texts = super::layout::texts(&window.output().shapes);
    for expert in 0..8 {
        let x = strip.left() + strip.width() * (expert as f32 + 0.5) / 8.0;
        let is_over = |it: &super::layout::Text| {
            let above = strip.top() - it.ink.bottom();
            (it.ink.center().x - x).abs() < 2.5 && (-1.0..16.0).contains(&above)
        };
        let number = expert.to_string();
        assert!(
            texts.iter().any(|it| it.words == number && is_over(it)),
            "{number}"
        );
    }
    window.get_by_label("layer 3 through 2 checkpoints").click();
    settle(&mut window);
    assert_eq!(window.state().selection().router, Some(RouterId(3)));
    let table = window.state_mut().table("health").unwrap();
    assert_eq!(table.rows.len(), 2 * 6 * 8);
}

#[test]
fn checkpoints_that_do_not_open_or_differ_in_shape_are_told() {
    let (mut window, _script) = tall_window(TOUR_LIKE);
    click(&mut window, "over: texts");
    click(&mut window, "several checkpoints");
    let paths = ["tour", "no/such/model"].map(std::path::PathBuf::from);
    window.state_mut().command(Command::Steps(paths.into()));
    read_until(&mut window, |it| {
        let steps = it.session().steps.as_ref();
        steps.is_some_and(|it| it.failed.is_some())
    });
    window.get_by_label_contains("No timeline: model: ");
    window.get_by_label("Choose checkpoints…");
}
