//! The effect of the edits is always in sight: said beside random controls, the divergence in the upper third, heads that
//! stay, two columns in every window, the tokens of one expert lit.

use eframe::egui::{
    Color32, Event as Input, Key, Modifiers, MouseWheelSource, MouseWheelUnit, Rect, Shape, Theme,
    TouchPhase, vec2,
};
use egui_kittest::kittest::{NodeT as _, Queryable as _};
use moescope::app::SyntheticSession;
use moescope::engine::{Event, Request};
use moescope::spec::{ExpertId, Position, RouterId, TokenId};
use moescope::study::{Study, StudyEvent};
use moescope::trace::{Candidate, Comparison};
use moescope::ui::{Command, ExportForm, ExportTo, RowChoice, Selection};

use super::drive::{Window, click, click_token, key, list, said, scripted, settle, tour, until};
use super::fixture::answer_prompt;
use super::layout;
use super::script::{LIST, Script, TOUR_LIKE, edited};

/// A window whose rows are those of `LIST`, its prompt answered.
fn compared(size: (f32, f32), events: Vec<Event>) -> (Window, Script) {
    let (mut window, script) = scripted(size, Theme::Dark, events, false);
    answer_prompt(&mut window, &script);
    let list = LIST.iter().map(|it| it.parse().unwrap()).collect();
    window.state_mut().command(Command::SetEdits(list));
    settle(&mut window);
    (window, script)
}

/// The tag and the lists of the controls that were asked for last.
fn controls(script: &Script) -> (u64, Study) {
    let asked = script.asked.borrow();
    let found = asked.iter().rev().find_map(|it| match it {
        Request::Study { tag, study } => Some((*tag, study.clone())),
        _ => None,
    });
    found.unwrap()
}

/// A control whose KL is `kl` and whose loss is `kl` more, at one position.
fn read(tag: u64, control: usize, kl: f32) -> Event {
    let candidate = |log_prob| {
        Some(Candidate {
            token: TokenId(3),
            log_prob,
            rank: 1,
        })
    };
    Event::Study {
        tag,
        event: StudyEvent::Controlled {
            control,
            comparisons: vec![Comparison {
                at: Position(9),
                kl,
                baseline: candidate(-1.0),
                edited: candidate(-1.0 - kl),
            }],
            is_last: true,
        },
    }
}

#[test]
fn the_control_is_a_row_of_its_own_and_the_edits_stay() {
    let (mut window, script) = compared((1440.0, 900.0), edited(TOUR_LIKE, 60, 60));
    assert!(said(&window, "Mean KL "), "the edits' own effect");
    assert!(said(&window, " picks that changed "), "and in which layers");
    assert!(said(&window, "0 of 8 random controls are read"));
    let (tag, study) = controls(&script);
    let Study::Controls {
        tokens,
        from,
        lists,
        ..
    } = study
    else {
        panic!("no controls: {study:?}");
    };
    assert_eq!((tokens.len(), from, lists.len()), (60, Position(8), 8));
    for control in &lists {
        for (it, own) in control.active().zip(LIST) {
            let own: moescope::spec::Intervention = own.parse().unwrap();
            assert_eq!((it.at, it.span), (own.at, own.span));
            assert_eq!(it.action.keyword(), own.action.keyword());
            assert_ne!(it.action.expert(), own.action.expert());
        }
    }
    script.say((0..3).map(|it| read(tag, it, 0.1)));
    settle(&mut window);
    assert!(said(&window, "3 of 8 random controls are read"));
    script.say([read(tag, 3, 0.5)]);
    settle(&mut window);
    assert!(said(
        &window,
        "4 of 8 random controls of the same layers (seed 1, over 1 token, provisional): KL 0.2 (0.1 to 0.5), loss +0.2 (+0.1 to +0.5)"
    ));
    assert!(said(
        &window,
        "control, mean of 4 so far of 8 (seed 1): mean KL 0.2, loss 1.2, change +0.2"
    ));
    script.say((4..8).map(|it| read(tag, it, 0.2)));
    settle(&mut window);
    assert!(said(&window, "control, mean of 8 (seed 1): mean KL 0.2, "));
    assert!(said(&window, "edited: mean KL "));
    assert_eq!(list(&window), LIST, "what the user set is as it was");
    // Others are drawn with the next seed.
    window.get_by_label("Other controls").scroll_to_me();
    settle(&mut window);
    click(&mut window, "Other controls");
    let (next, study) = controls(&script);
    assert_ne!(next, tag);
    let Study::Controls { lists: others, .. } = study else {
        panic!("no controls");
    };
    assert_ne!(others, lists);
    // Those given up before say nothing any more.
    script.say([read(tag, 0, 9.0)]);
    settle(&mut window);
    assert!(said(&window, "0 of 8 random controls are read"));
}

#[test]
fn controls_are_not_asked_for_while_something_else_is_under_way() {
    let (mut window, script) = compared((1440.0, 900.0), edited(TOUR_LIKE, 60, 60));
    let (tag, _) = controls(&script);
    script.say([Event::Playing(true)]);
    script.say(SyntheticSession::new(TOUR_LIKE).next(60));
    settle(&mut window);
    assert_eq!(controls(&script).0, tag);
    script.say([Event::Playing(false)]);
    settle(&mut window);
    assert_ne!(controls(&script).0, tag, "the text has grown");
}

fn token(window: &Window, start: &str) -> Option<Rect> {
    let found = window.query_all_by_label_contains(start).find(|it| {
        it.accesskit_node()
            .label()
            .is_some_and(|it| it.starts_with(start))
    });
    found.map(|it| it.rect())
}

/// Where the texts part in a made-up session.
fn divergence(window: &Window) -> usize {
    let rows = [RowChoice::Baseline, RowChoice::Edited];
    let rows = rows.map(|it| {
        window
            .state()
            .session()
            .row(it)
            .unwrap()
            .record
            .tokens
            .clone()
    });
    let found = rows[0].iter().zip(&rows[1]).position(|(a, b)| a != b);
    found.unwrap()
}

/// The prompt box, and where what stands under the text begins.
fn body(window: &Window) -> Rect {
    let prompt = window.get_by_label("Prompt").rect();
    let foot = window
        .query_all_by_label_contains("Texts part at token")
        .map(|it| it.rect())
        .next()
        .unwrap();
    Rect::from_min_max(prompt.left_bottom(), foot.right_top())
}

fn check_divergence(window: &Window) {
    let at = divergence(window);
    let (a, b) = (format!("token {at} "), format!("edited token {at} "));
    let body = body(window);
    for it in [a, b] {
        let rect = token(window, &it).unwrap_or_else(|| panic!("{it}is not in sight"));
        let share = (rect.top() - body.top()) / body.height();
        assert!((0.0..0.34).contains(&share), "{it}stands at {share}");
    }
}

/// A text of several screens before the edits act.
fn long(edited_from: u32) -> Vec<Event> {
    let session = SyntheticSession {
        edited_from,
        ..SyntheticSession::new(TOUR_LIKE)
    };
    session.edited(edited_from + 90, edited_from + 90)
}

#[test]
fn the_divergence_stands_in_the_upper_third_and_the_heads_stay() {
    let (mut window, script) = scripted((1440.0, 900.0), Theme::Dark, long(240), false);
    check_divergence(&window);
    // While writing the newest token is in sight, and after it the divergence again.
    script.say([Event::Playing(true)]);
    settle(&mut window);
    assert!(token(&window, "edited token 329 ").is_some());
    script.say([Event::Playing(false)]);
    settle(&mut window);
    check_divergence(&window);
    // Far below it the heads are still there.
    let over = body(&window).center();
    window.hover_at(over);
    window.step();
    for _ in 0..3 {
        window.input_mut().events.push(Input::MouseWheel {
            unit: MouseWheelUnit::Point,
            source: MouseWheelSource::Unknown,
            delta: vec2(0.0, -60.0),
            phase: TouchPhase::Move,
            modifiers: Modifiers::NONE,
        });
        (0..20).for_each(|_| window.step());
    }
    let at = divergence(&window);
    let head = texts(&window, "edited · ");
    let sight = body(&window);
    assert_eq!(head.len(), 1);
    assert!(
        head[0].top() < sight.top() + 30.0 && head[0].top() > sight.top() - 4.0,
        "{:?} in {sight:?}",
        head[0]
    );
    let first = token(&window, &format!("token {at} "));
    assert!(
        first.is_none_or(|it| it.top() < sight.top() + 20.0),
        "scrolled by hand it is left alone"
    );
}

/// Words painted, whatever accessibility says.
fn texts(window: &Window, start: &str) -> Vec<Rect> {
    let shapes = &window.output().shapes;
    let mut out = Vec::new();
    for it in shapes {
        if let Shape::Text(text) = &it.shape
            && text.galley.text().starts_with(start)
        {
            out.push(text.galley.rect.translate(text.pos.to_vec2()));
        }
    }
    out
}

#[test]
fn a_jump_to_a_change_shows_the_lines_around_it() {
    let (mut window, _script) = scripted((1440.0, 900.0), Theme::Dark, long(60), false);
    for it in [Key::N, Key::N, Key::N, Key::P, Key::N, Key::N] {
        key(&mut window, it);
        (0..40).for_each(|_| window.step());
        let at = window.state().selection().position.unwrap();
        let rect = token(&window, &format!("token {at} ")).unwrap();
        let sight = body(&window);
        assert!(rect.top() - 20.0 > sight.top(), "{rect:?} in {sight:?}");
        assert!(
            rect.bottom() + 30.0 < sight.bottom(),
            "{rect:?} in {sight:?}"
        );
    }
}

#[test]
fn both_texts_stand_side_by_side_in_every_window() {
    let check = |size: (f32, f32), zoom: f32| {
        let points = (size.0 / zoom, size.1 / zoom);
        let (window, _script) = scripted(points, Theme::Dark, edited(TOUR_LIKE, 40, 40), false);
        let heads = (texts(&window, "baseline · "), texts(&window, "edited · "));
        let (Some(left), Some(right)) = (heads.0.first(), heads.1.first()) else {
            panic!("{size:?} at {zoom}: no heads");
        };
        assert!((left.top() - right.top()).abs() < 1.0, "{size:?} at {zoom}");
        assert!(left.left() < right.left());
        if zoom > 1.5 {
            let width = points.0 * 0.45;
            assert!(right.left() - left.left() > width, "{size:?} at {zoom}");
        }
    };
    check((1024.0, 700.0), 1.0);
    check((1280.0, 720.0), 1.0);
    check((1440.0, 900.0), 1.0);
    check((1440.0, 900.0), 2.0);
    check((1280.0, 720.0), 2.0);
    check((1024.0, 700.0), 2.0);
}

/// The same while the letters grow step by step, as they do under a person's hand.
#[test]
fn both_texts_stay_side_by_side_while_letters_grow() {
    for size in [(1024.0, 700.0), (1280.0, 720.0), (1440.0, 900.0)] {
        let mut stage = layout::stage(TOUR_LIKE, vec2(size.0, size.1), 1.0);
        for step in 0..10 {
            let zoom = stage.ctx().zoom_factor();
            let all = layout::texts(stage.shapes());
            let head = |start: &str| {
                let found = all.iter().find(|it| it.words.starts_with(start));
                found.map(|it| it.ink)
            };
            let (Some(left), Some(right)) = (head("baseline · "), head("edited · ")) else {
                panic!("{size:?} at {zoom}: no heads");
            };
            let apart = (left.top() - right.top()).abs();
            assert!(
                apart < 2.0 && left.left() < right.left(),
                "{size:?} at {zoom}, step {step}"
            );
            stage.app_mut().command(Command::ZoomIn);
            layout::settle(&mut stage);
        }
        assert!(stage.ctx().zoom_factor() > 1.9);
    }
}

/// How much of a panel's SVG has a fill.
fn filled(window: &mut Window, fill: &str) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.svg");
    window.state_mut().command(Command::Export {
        panel: "transcript",
        form: ExportForm::Svg,
        to: ExportTo::File(path.clone()),
    });
    settle(window);
    std::fs::read_to_string(path).unwrap().matches(fill).count()
}

#[test]
fn the_tokens_of_a_selected_expert_are_lit_in_the_text_and_in_the_map() {
    let events = super::script::baseline(TOUR_LIKE, 30);
    let (mut window, _script) = scripted((1440.0, 900.0), Theme::Dark, events, false);
    let router = RouterId(3);
    let picked = |window: &Window, expert| {
        let row = window.state().session().baseline().unwrap().record;
        let all = (0..row.tokens.len()).map(Position::new);
        let picks = all.filter_map(|at| row.store.at(router, at));
        picks
            .filter(|it| it.picks().any(|it| it.expert == expert))
            .count()
    };
    let palette = &moescope::ui::DARK;
    for expert in [ExpertId(2), ExpertId(5)] {
        let color = palette.expert(expert.idx());
        let wash = palette.lit_wash(color).to_hex();
        let wash = &wash[..7];
        let select = |expert| {
            Command::Select(Selection {
                router: Some(router),
                expert,
                ..Selection::default()
            })
        };
        window.state_mut().command(select(None));
        settle(&mut window);
        let (text, map) = (
            filled(&mut window, wash),
            filled(&mut window, &color.to_hex()[..7]),
        );
        assert_eq!(text, 0);
        window.state_mut().command(select(Some(expert)));
        settle(&mut window);
        assert_eq!(filled(&mut window, wash), picked(&window, expert));
        let lit = filled(&mut window, &color.to_hex()[..7]);
        assert_eq!(
            lit,
            map + picked(&window, expert),
            "a mark a token in the map"
        );
    }
}

#[test]
fn the_tour_opens_at_its_language_layer() {
    let mut window = tour();
    assert_eq!(window.state().selection().router, Some(RouterId(4)));
    // The engine reads the controls of an edit by itself, and the sentence says their numbers.
    window.state_mut().command(Command::SetPace(None));
    window.state_mut().command(Command::SetStopAfter(6));
    key(&mut window, Key::Space);
    until(&mut window, "six tokens are written", |it| {
        let n = it.experiment().given.len();
        let row = it.session().baseline();
        it.is_idle() && row.is_some_and(|it| it.record.tokens.len() >= n + 6)
    });
    click_token(&mut window, 4);
    let edit = "mask:4.5@4..".parse().unwrap();
    window.state_mut().command(Command::AddEdit(edit));
    until(&mut window, "the controls are read", |it| {
        it.is_idle() && it.has_controls() && it.session().controls.is_some()
    });
    let controls = window.state().session().controls.clone().unwrap();
    // Expert 5 has seven others.
    assert_eq!(controls.reading.so_far.effects.len(), 7);
    assert!(said(
        &window,
        "7 random controls of the same layers (seed 1)"
    ));
}

/// Outlines of a colour that are drawn, from left to right.
fn outlines(window: &Window, color: Color32) -> Vec<Rect> {
    fn look(shape: &Shape, color: Color32, out: &mut Vec<Rect>) {
        match shape {
            Shape::Vec(all) => all.iter().for_each(|it| look(it, color, out)),
            Shape::Rect(it) if it.stroke.color == color && it.stroke.width > 0.0 => {
                out.push(it.rect);
            }
            _ => {}
        }
    }
    let mut out = Vec::new();
    for it in &window.output().shapes {
        look(&it.shape, color, &mut out);
    }
    out
}

#[test]
fn the_newest_token_is_outlined_while_it_is_followed() {
    let events = super::script::baseline(TOUR_LIKE, 30);
    let (mut window, script) = scripted((1440.0, 900.0), Theme::Dark, events, false);
    let palette = &moescope::ui::DARK;
    let is_around = |window: &Window, color, at: usize| {
        let word = token(window, &format!("token {at} ")).unwrap();
        let around =
            |it: &Rect| it.expand(1.5).contains_rect(word) || word.expand(1.5).contains_rect(*it);
        let overlap = |it: &Rect| it.intersect(word).area() > 0.7 * word.area().min(it.area());
        outlines(window, color)
            .iter()
            .any(|it| it.is_positive() && it.width() < 200.0 && around(it) && overlap(it))
    };
    assert!(is_around(&window, palette.second, 29));
    assert!(!is_around(&window, palette.second, 28));
    // The text grows, and the outline goes with it.
    script.say(
        SyntheticSession::new(TOUR_LIKE)
            .next(30)
            .into_iter()
            .take(1),
    );
    settle(&mut window);
    assert!(is_around(&window, palette.second, 30));
    assert!(!is_around(&window, palette.second, 29));
    // A token that is selected has the outline of the selection, and the newest none.
    click_token(&mut window, 12);
    assert!(is_around(&window, palette.selected, 12));
    assert!(!is_around(&window, palette.second, 30));
    key(&mut window, Key::Escape);
    assert!(is_around(&window, palette.second, 30));
}

#[test]
fn the_tokens_of_an_expert_under_the_pointer_are_lit_without_a_click() {
    let events = super::script::baseline(TOUR_LIKE, 30);
    let (mut window, _script) = scripted((1440.0, 900.0), Theme::Dark, events, false);
    let palette = &moescope::ui::DARK;
    for expert in [2, 5] {
        let wash = palette.lit_wash(palette.expert(expert));
        let lit = |window: &Window| {
            let mut n = 0;
            for it in &window.output().shapes {
                fills(&it.shape, wash, &mut n);
            }
            n
        };
        let place = window
            .get_by_label(&format!("layer 3 expert {expert}"))
            .rect();
        window.hover_at(window.get_by_label("Prompt").rect().center());
        settle(&mut window);
        assert_eq!(lit(&window), 0);
        window.hover_at(place.center());
        settle(&mut window);
        let row = window.state().session().baseline().unwrap().record;
        let all = (0..row.tokens.len()).map(Position::new);
        let n = all
            .filter_map(|at| row.store.at(RouterId(3), at))
            .filter(|it| it.picks().any(|it| it.expert.idx() == expert))
            .count();
        assert_eq!(lit(&window), n, "expert {expert}");
    }
}

/// How many rectangles have a fill.
fn fills(shape: &Shape, fill: Color32, n: &mut usize) {
    match shape {
        Shape::Vec(all) => all.iter().for_each(|it| fills(it, fill, n)),
        Shape::Rect(it) if it.fill == fill => *n += 1,
        _ => {}
    }
}
