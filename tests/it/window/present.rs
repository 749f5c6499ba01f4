//! Before a class: how large and how dark letters are, that lines are seen and numbered, that nothing is cut off; and a
//! panel alone, whose letters grow with its room.

use eframe::egui::{
    Color32, Event as Input, Key, Modifiers, Rect, Shape, Theme, Vec2, epaint,
    epaint::ClippedShape, vec2,
};
use moescope::app::{HUGE, HeadlessApp, Size, TOUR_LIKE};
use moescope::spec::Position;
use moescope::ui::{Command, PANELS, PRESENT, RowChoice, Selection};

use super::drive::{self, click, scripted};
use super::layout::{faults, settle, stage, texts};
use super::script;

/// Sizes of projectors, pixels.
const SIZES: [Vec2; 2] = [vec2(1280.0, 720.0), vec2(1920.0, 1080.0)];
/// How tall letters are, as a part of the window's height.
const LETTERS: f32 = 0.03;
const LEAST_CONTRAST: f64 = 7.0;
const LEAST_LINE: f32 = 8.0;

fn presented(model: Size, size: Vec2) -> HeadlessApp {
    let mut stage = stage(model, size, 1.0);
    stage.app_mut().command(Command::TogglePresent);
    settle(&mut stage);
    stage
}

/// WCAG 2.
fn contrast(a: Color32, b: Color32) -> f64 {
    let luminance = |it: Color32| {
        let linear = |it: u8| {
            let it = f64::from(it) / 255.0;
            if it <= 0.040_45 {
                it / 12.92
            } else {
                ((it + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * linear(it.r()) + 0.7152 * linear(it.g()) + 0.0722 * linear(it.b()) + 0.05
    };
    let (a, b) = (luminance(a), luminance(b));
    (a / b).max(b / a)
}

fn each_text(shape: &Shape, see: &mut impl FnMut(&epaint::TextShape)) {
    match shape {
        Shape::Vec(all) => all.iter().for_each(|it| each_text(it, see)),
        Shape::Text(it) if !it.galley.text().trim().is_empty() => see(it),
        _ => {}
    }
}

/// Letters too small, and letters too pale, of everything in sight.
fn weak_letters(stage: &HeadlessApp, height: f32) -> Vec<String> {
    let zoom = stage.ctx().zoom_factor();
    let mut out = Vec::new();
    for clipped in stage
        .shapes()
        .iter()
        .filter(|it| it.clip_rect.is_positive())
    {
        each_text(&clipped.shape, &mut |it| {
            let words = it.galley.text();
            for section in &it.galley.job.sections {
                let size = section.format.font_id.size * zoom;
                if size < LETTERS * height - 0.5 {
                    out.push(format!("“{words}” is {size} points high"));
                }
                let own = section.format.color;
                let own = if own == Color32::PLACEHOLDER {
                    it.fallback_color
                } else {
                    own
                };
                let color = it.override_text_color.unwrap_or(own);
                // What cannot be used now is pale; the sign on a filled button stands on its own colour.
                let is_exempt =
                    color.a() < 255 || it.opacity_factor < 1.0 || color == PRESENT.on_accent;
                let contrast = contrast(color, PRESENT.panel);
                if !is_exempt && contrast < LEAST_CONTRAST {
                    out.push(format!("“{words}” has a contrast of {contrast:.1}"));
                }
            }
        });
    }
    out.sort();
    out.dedup();
    out
}

fn rects(shape: &Shape, out: &mut Vec<(Rect, Color32)>) {
    match shape {
        Shape::Vec(all) => all.iter().for_each(|it| rects(it, out)),
        Shape::Rect(it) => out.push((it.rect, it.fill)),
        _ => {}
    }
}

#[test]
fn letters_are_tall_and_dark_enough_for_the_back_row() {
    for size in SIZES {
        for (panel, _) in PANELS {
            let mut stage = presented(TOUR_LIKE, size);
            stage.app_mut().command(Command::ShowPanel(panel));
            settle(&mut stage);
            let weak = weak_letters(&stage, size.y);
            assert!(weak.is_empty(), "{panel} at {size:?}: {weak:#?}");
        }
    }
}

#[test]
fn nothing_is_cut_off_before_a_class() {
    for (model, size) in [
        (TOUR_LIKE, SIZES[0]),
        (TOUR_LIKE, SIZES[1]),
        (HUGE, SIZES[0]),
    ] {
        for (panel, _) in PANELS {
            let mut stage = presented(model, size);
            stage.app_mut().command(Command::ShowPanel(panel));
            settle(&mut stage);
            let found = faults(&mut stage);
            assert!(found.is_empty(), "{panel} at {size:?}: {found:#?}");
        }
    }
}

#[test]
fn the_line_under_a_token_is_seen_and_numbered() {
    for size in SIZES {
        let stage = presented(TOUR_LIKE, size);
        let zoom = stage.ctx().zoom_factor();
        let mut all = Vec::new();
        stage
            .shapes()
            .iter()
            .for_each(|it| rects(&it.shape, &mut all));
        let experts: Vec<Color32> = (0..8).map(|it| PRESENT.expert(it)).collect();
        // Under tokens, not the swatches over the columns of the map.
        let lines: Vec<Rect> = all
            .iter()
            .filter(|it| experts.contains(&it.1) && it.0.left() * zoom < size.x / 2.0)
            .map(|it| it.0)
            .collect();
        assert!(lines.len() > 10, "{}", lines.len());
        let texts = texts(stage.shapes());
        for line in lines {
            assert!(line.height() * zoom >= LEAST_LINE, "{line:?} at {zoom}");
            let under = texts.iter().find(|it| {
                it.words.parse::<u16>().is_ok()
                    && (it.ink.center().x - line.center().x).abs() < 3.0
                    && (0.0..14.0).contains(&(it.ink.top() - line.bottom()))
            });
            let number = under.unwrap_or_else(|| panic!("no number under {line:?}"));
            let fill = all.iter().find(|it| it.0 == line).unwrap().1;
            let expert: usize = number.words.parse().unwrap();
            assert_eq!(PRESENT.expert(expert), fill, "{}", number.words);
        }
    }
}

#[test]
fn cells_have_their_values_where_they_fit() {
    let mut stage = presented(TOUR_LIKE, SIZES[1]);
    stage.app_mut().command(Command::ShowPanel("heatmap"));
    settle(&mut stage);
    let right = stage.ctx().content_rect().center().x;
    let numbers = texts(stage.shapes());
    let numbers = numbers.iter().filter(|it| it.ink.left() > right);
    let n = numbers.filter(|it| it.words.parse::<u8>().is_ok()).count();
    // Two of eight experts a token in six layers: most cells have a number, and eight columns have theirs.
    assert!(n > 30, "{n}");
}

const EDITS: [&str; 5] = ["mask:2.5", "mask:3.6", "mask:4.1", "mask:5.5", "force:4.0"];

/// The same with edits.
fn edited(size: Vec2) -> HeadlessApp {
    let mut stage = presented(TOUR_LIKE, size);
    for edit in EDITS {
        let edit = format!("{edit}@9..").parse().unwrap();
        stage.app_mut().command(Command::AddEdit(edit));
    }
    settle(&mut stage);
    stage
}

/// Rings, and strikes as thin boxes along their line.
fn marks(shape: &Shape, out: &mut Vec<Rect>) {
    match shape {
        Shape::Vec(all) => all.iter().for_each(|it| marks(it, out)),
        Shape::Circle(it) if it.stroke.color == PRESENT.ring || it.fill == PRESENT.ring => {
            let radius = it.radius + it.stroke.width / 2.0;
            out.push(Rect::from_center_size(it.center, Vec2::splat(2.0 * radius)));
        }
        Shape::LineSegment { points, stroke } if stroke.color == PRESENT.amber => {
            let [a, b] = *points;
            let pieces = (0..40).map(|it| a.lerp(b, it as f32 / 39.0));
            out.extend(pieces.map(|it| Rect::from_center_size(it, Vec2::splat(stroke.width))));
        }
        _ => {}
    }
}

/// No mark in the right half lies over a number there.
fn check_cells(shapes: &[ClippedShape], right: f32, (least, what): (usize, &str)) {
    let mut all = Vec::new();
    shapes.iter().for_each(|it| marks(&it.shape, &mut all));
    all.retain(|it| it.left() > right);
    assert!(all.len() > 40, "{what}: {} marks", all.len());
    let texts = texts(shapes);
    let is_number = |it: &&super::layout::Text| {
        let digits = it.words.trim_start_matches(['+', '−', '<']);
        it.ink.left() > right && digits.parse::<f32>().is_ok()
    };
    let numbers: Vec<_> = texts.iter().filter(is_number).collect();
    assert!(numbers.len() >= least, "{what}: {} numbers", numbers.len());
    for it in numbers {
        let over = all.iter().find(|mark| mark.intersects(it.ink.shrink(0.5)));
        assert_eq!(over, None, "{} in {what}", it.words);
    }
}

#[test]
fn no_ring_and_no_strike_lies_over_a_number() {
    for size in SIZES {
        let mut stage = edited(size);
        stage.app_mut().command(Command::ShowPanel("heatmap"));
        settle(&mut stage);
        let right = stage.ctx().content_rect().center().x;
        check_cells(stage.shapes(), right, (40, &format!("{size:?}")));
    }
    // Whatever the cells show; as many points as such a window has.
    let rows = script::edited(TOUR_LIKE, 60, 44);
    let (mut window, _script) = scripted((711.0, 400.0), Theme::Light, rows, false);
    for edit in EDITS {
        let edit = format!("{edit}@9..").parse().unwrap();
        window.state_mut().command(Command::AddEdit(edit));
    }
    window.state_mut().command(Command::TogglePresent);
    drive::settle(&mut window);
    // Eight of them stand over the columns; the made-up texts differ little.
    for (least, value) in [
        (18, "live pick"),
        (40, "gate mass"),
        (40, "score"),
        (9, "difference"),
    ] {
        click(&mut window, "What the cells show");
        click(&mut window, value);
        check_cells(&window.output().shapes, 355.0, (least, value));
    }
}

#[test]
fn the_effect_takes_two_lines_before_a_class() {
    for size in SIZES {
        let stage = edited(size);
        let mut found = Vec::new();
        for it in stage.shapes() {
            each_text(&it.shape, &mut |it| {
                if it.galley.text().contains("Mean KL ") {
                    found.push((it.galley.text().to_owned(), it.galley.rows.len()));
                }
            });
        }
        assert_eq!(found.len(), 1, "{found:?}");
        let (words, n_lines) = &found[0];
        assert!(*n_lines <= 2, "{words}: {n_lines} lines");
        assert!(words.contains(" nats a token, loss "), "{words}");
    }
}

#[test]
fn no_line_of_the_text_is_cut_at_its_top_before_a_class() {
    for size in SIZES {
        for position in [None, Some(Position(11)), Some(Position(30))] {
            let mut stage = stage(TOUR_LIKE, size, 1.0);
            let selection = Selection {
                row: RowChoice::Baseline,
                position,
                ..Selection::default()
            };
            stage.app_mut().command(Command::Select(selection));
            settle(&mut stage);
            stage.app_mut().command(Command::TogglePresent);
            settle(&mut stage);
            let middle = stage.ctx().content_rect().center().x;
            let texts = texts(stage.shapes());
            let cut = texts
                .iter()
                .find(|it| it.ink.left() < middle && it.is_cut_above());
            assert!(cut.is_none(), "{position:?} at {size:?}: {cut:?}");
        }
    }
}

#[test]
fn the_choice_of_the_selected_router_is_worked_out() {
    let stage = presented(TOUR_LIKE, SIZES[0]);
    let texts = texts(stage.shapes());
    let found = texts.iter().find(|it| it.words.contains("weights"));
    let words = &found.expect("a line that is worked out").words;
    assert!(
        words.contains("softmax: ") && words.contains("layer 4"),
        "{words}"
    );
    // The numbers add up: shares, their sum, weights.
    let figures: Vec<f32> = words
        .split(|it: char| !it.is_ascii_digit() && it != '.')
        .filter_map(|it| it.trim_matches('.').parse().ok())
        .collect();
    let n = figures.len();
    let [a, b, sum, first, second] = figures[n - 5..] else {
        panic!("{words}");
    };
    assert!((a + b - sum).abs() < 0.11, "{words}");
    assert!(
        (a / sum - first).abs() < 0.003 && (b / sum - second).abs() < 0.003,
        "{words}"
    );
}

fn press(stage: &mut HeadlessApp, key: Key) {
    let event = |pressed| Input::Key {
        key,
        physical_key: None,
        pressed,
        repeat: false,
        modifiers: Modifiers::NONE,
    };
    stage.frame(vec![event(true)]);
    stage.frame(vec![event(false)]);
    settle(stage);
}

#[test]
fn what_was_set_comes_back_when_presenting_ends() {
    let mut stage = stage(TOUR_LIKE, SIZES[0], 1.25);
    stage.ctx().set_theme(Theme::Dark);
    settle(&mut stage);
    press(&mut stage, Key::F5);
    let zoom = stage.ctx().zoom_factor();
    assert!((zoom - LETTERS * 720.0 / 12.0).abs() < 1e-3, "{zoom}");
    assert_eq!(stage.ctx().theme(), Theme::Light);
    // A larger window: larger letters. A person may still want them larger.
    stage.resize(SIZES[1]);
    settle(&mut stage);
    assert!((stage.ctx().zoom_factor() / zoom - 1.5).abs() < 1e-3);
    stage.app_mut().command(Command::ZoomIn);
    settle(&mut stage);
    assert!((stage.ctx().zoom_factor() / zoom - 1.65).abs() < 1e-3);
    press(&mut stage, Key::F5);
    assert!((stage.ctx().zoom_factor() - 1.25).abs() < 1e-6);
    assert_eq!(stage.ctx().theme(), Theme::Dark);
}

#[test]
fn a_panel_alone_uses_its_room() {
    for size in [vec2(1440.0, 900.0), vec2(1920.0, 1080.0)] {
        let mut stage = stage(TOUR_LIKE, size, 1.0);
        let tallest = |stage: &HeadlessApp, words: &str| {
            let texts = texts(stage.shapes());
            let found = texts.iter().find(|it| it.words == words);
            found.map(|it| it.ink.height() * stage.ctx().zoom_factor())
        };
        let before = tallest(&stage, "expert 3").expect("a bar in the Router panel");
        stage.app_mut().command(Command::ToggleAlone("router"));
        settle(&mut stage);
        let after = tallest(&stage, "expert 3").expect("the same bar");
        assert!(after > 1.4 * before, "{before} to {after} at {size:?}");
        let found = faults(&mut stage);
        assert!(found.is_empty(), "{found:#?}");
        stage.app_mut().command(Command::ToggleAlone("router"));
        settle(&mut stage);
        let again = tallest(&stage, "expert 3").expect("the bar again");
        assert!((again - before).abs() < 0.5);
    }
}
