//! Shapes with known places, and what is to stand in the file.

use eframe::egui::{
    Color32, CornerRadius, FontId, Mesh, Rect, Shape, Stroke, StrokeKind,
    epaint::{PathShape, Vertex, WHITE_UV},
    pos2, vec2,
};

use super::{Svg, clipped, escaped, short};
use crate::ui::export::{Caption, Paper, PaperFormat, png};
use crate::ui::theme::{DARK, LIGHT};

const FAR: Rect = Rect::from_min_max(pos2(-1e4, -1e4), pos2(1e4, 1e4));

fn check(shape: impl Into<Shape>, wanted: &str) {
    check_in(FAR, shape, wanted);
}

fn check_in(clip: Rect, shape: impl Into<Shape>, wanted: &str) {
    let mut out = Svg::default();
    clipped(&mut out, clip, &shape.into());
    assert_eq!(out.body.trim_end(), wanted);
}

fn square() -> Rect {
    Rect::from_min_size(pos2(10.0, 20.0), vec2(30.0, 40.0))
}

#[test]
fn surfaces_and_lines() {
    let red = Color32::RED;
    let stroke = Stroke::new(2.0, red);
    check(
        Shape::rect_filled(square(), 0.0, red),
        r##"<rect x="10" y="20" width="30" height="40" fill="#ff0000"/>"##,
    );
    check(
        Shape::line_segment([pos2(0.0, 0.5), pos2(1.256, 1.0)], stroke),
        r##"<line x1="0" y1="0.5" x2="1.26" y2="1" fill="none" stroke="#ff0000" stroke-width="2"/>"##,
    );
    check(
        Shape::circle_filled(pos2(1.0, 2.0), 3.0, red),
        r##"<circle cx="1" cy="2" r="3" fill="#ff0000"/>"##,
    );
    let points = vec![pos2(0.0, 0.0), pos2(1.0, 0.0), pos2(1.0, 1.0)];
    check(
        PathShape::convex_polygon(points, red, Stroke::NONE),
        r##"<path d="M 0 0 L 1 0 L 1 1 Z" fill="#ff0000"/>"##,
    );
}

#[test]
fn an_outline_inside_stays_inside() {
    let stroke = Stroke::new(2.0, Color32::RED);
    for (kind, wanted) in [
        (
            StrokeKind::Inside,
            r##"<rect x="11" y="21" width="28" height="38" rx="4" fill="none" stroke="#ff0000" stroke-width="2"/>"##,
        ),
        (
            StrokeKind::Outside,
            r##"<rect x="9" y="19" width="32" height="42" rx="6" fill="none" stroke="#ff0000" stroke-width="2"/>"##,
        ),
    ] {
        check(Shape::rect_stroke(square(), 5.0, stroke, kind), wanted);
    }
}

#[test]
fn corners_may_differ() {
    let corners = CornerRadius {
        nw: 5,
        ..CornerRadius::ZERO
    };
    check(
        Shape::rect_filled(square(), corners, Color32::RED),
        r##"<path d="M 15 20 L 40 20 L 40 60 L 10 60 L 10 25 A 5 5 0 0 1 15 20 Z" fill="#ff0000"/>"##,
    );
}

#[test]
fn what_is_cut_off_on_screen_is_cut_off_here() {
    let half = Rect::from_min_size(pos2(10.0, 20.0), vec2(15.0, 40.0));
    let shape = Shape::rect_filled(square(), 0.0, Color32::RED);
    check_in(
        half,
        shape.clone(),
        "<clipPath id=\"clip1\"><rect x=\"10\" y=\"20\" width=\"15\" height=\"40\"/></clipPath>\n\
         <g clip-path=\"url(#clip1)\">\n\
         <rect x=\"10\" y=\"20\" width=\"30\" height=\"40\" fill=\"#ff0000\"/>\n</g>",
    );
    check_in(half.translate(vec2(500.0, 0.0)), shape, "");
}

#[test]
fn alpha_is_taken_apart() {
    check(
        Shape::rect_filled(
            square(),
            0.0,
            Color32::from_rgba_unmultiplied(255, 0, 0, 51),
        ),
        r##"<rect x="10" y="20" width="30" height="40" fill="#ff0000" fill-opacity="0.2"/>"##,
    );
}

#[test]
fn a_colour_that_runs_is_cut_into_steps() {
    let corner = |x, y, color| Vertex {
        pos: pos2(x, y),
        uv: WHITE_UV,
        color,
    };
    let (from, to) = (Color32::BLACK, Color32::WHITE);
    let plain = |color| Mesh {
        indices: vec![0, 1, 2],
        vertices: vec![
            corner(0.0, 0.0, from),
            corner(8.0, 0.0, color),
            corner(0.0, 8.0, from),
        ],
        ..Mesh::default()
    };
    check(
        Shape::mesh(plain(from)),
        r##"<path d="M 0 0 L 8 0 L 0 8 Z" fill="#000000" shape-rendering="crispEdges"/>"##,
    );
    let mut out = Svg::default();
    clipped(&mut out, FAR, &Shape::mesh(plain(to)));
    let mut fills: Vec<&str> = out.body.split("fill=\"").skip(1).collect();
    fills.dedup();
    assert!(fills.len() > 10, "{}", out.body);
}

fn paper(of: &str, words: &'static str) -> Paper {
    let sheet = PaperFormat {
        size: vec2(300.0, 120.0),
        pixels_per_point: 2.0,
        fonts: None,
    };
    let caption = Caption {
        title: "Load".to_owned(),
        of: of.to_owned(),
        sentence: "1 < 2 & \"so\" on".to_owned(),
    };
    Paper::draw(sheet, &LIGHT, caption, move |ui| {
        ui.label(words);
        let rect = Rect::from_min_size(pos2(100.0, 80.0), vec2(50.0, 20.0));
        ui.painter().rect_filled(rect, 0.0, LIGHT.expert(3));
    })
}

#[test]
fn a_document_can_be_parsed_and_says_what_it_is() {
    let text = paper("layer 4, “<bos>”", "a < b & c\u{1} d").svg();
    let document = roxmltree::Document::parse(&text).unwrap();
    let root = document.root_element();
    assert_eq!(root.attribute("width"), Some("300"));
    assert_eq!(root.attribute("viewBox"), Some("0 0 300 120"));
    let child = |name| root.children().find(|it| it.has_tag_name(name)).unwrap();
    assert_eq!(child("title").text(), Some("Load: layer 4, “<bos>”"));
    assert_eq!(child("desc").text(), Some("1 < 2 & \"so\" on"));
    let texts: Vec<String> = document
        .descendants()
        .filter(|it| it.has_tag_name("text"))
        .map(whole)
        .collect();
    assert!(texts.iter().any(|it| it == "Load"), "{texts:?}");
    assert!(
        texts.iter().any(|it| it.starts_with("a < b & c")),
        "{texts:?}"
    );
}

/// An element's text with that of the elements in it.
fn whole(it: roxmltree::Node<'_, '_>) -> String {
    let parts = it.descendants().filter(roxmltree::Node::is_text);
    parts.filter_map(|it| it.text()).collect()
}

/// A text on paper, and the words of its drawing: letters, colour, left edge, length.
fn words_of(parts: &[(&str, Color32)], wrap: f32) -> Vec<(String, String, f32, f32)> {
    use eframe::egui::text::{LayoutJob, TextFormat};
    let sheet = PaperFormat {
        size: vec2(600.0, 200.0),
        pixels_per_point: 1.0,
        fonts: None,
    };
    let paper = Paper::draw(sheet, &DARK, Caption::default(), |ui| {
        let mut job = LayoutJob::default();
        for (words, color) in parts {
            let format = TextFormat {
                font_id: FontId::monospace(10.0),
                color: *color,
                ..TextFormat::default()
            };
            job.append(words, 0.0, format);
        }
        job.wrap.max_width = wrap;
        let galley = ui.painter().layout_job(job);
        ui.painter()
            .galley(pos2(20.0, 60.0), galley, Color32::WHITE);
    });
    let text = paper.svg();
    let document = roxmltree::Document::parse(&text).unwrap();
    document
        .descendants()
        .filter(|it| it.has_attribute("textLength"))
        .map(|it| {
            let number = |name| it.attribute(name).unwrap().parse::<f32>().unwrap();
            let fill = it.ancestors().find_map(|it| it.attribute("fill"));
            (
                whole(it),
                fill.unwrap().to_owned(),
                number("x"),
                number("textLength"),
            )
        })
        .collect()
}

#[test]
fn words_of_a_text_keep_their_place_and_length() {
    let (red, green) = (Color32::RED, Color32::GREEN);
    let found = words_of(&[("  one\u{a0} ", red), ("two\nthree", green)], 1e4);
    let [one, two, three] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!((one.0.as_str(), one.1.as_str()), ("one", "#ff0000"));
    assert_eq!((two.0.as_str(), two.1.as_str()), ("two", "#00ff00"));
    assert_eq!((three.0.as_str(), three.1.as_str()), ("three", "#00ff00"));
    // All letters and spaces are of one width.
    let letter = one.3 / 3.0;
    for (word, at, n) in [(one, 2.0, 3.0), (two, 7.0, 3.0), (three, 0.0, 5.0)] {
        assert!((word.2 - 20.0 - at * letter).abs() < 1.0, "{found:?}");
        assert!((word.3 - n * letter).abs() < 1.0, "{found:?}");
    }
}

/// The letters of a text's words, each with its colour's first letters.
fn check_words(parts: &[(&str, Color32)], wrap: f32, wanted: &[&str]) {
    let found = words_of(parts, wrap);
    let words: Vec<String> = found
        .iter()
        .map(|it| {
            let mark = if it.1 == "#ff0000" { "" } else { "+" };
            format!("{mark}{}", it.0)
        })
        .collect();
    assert_eq!(words, wanted, "{parts:?}");
}

#[test]
fn every_letter_of_a_text_is_in_one_word_and_has_its_own_style() {
    let (red, green) = (Color32::RED, Color32::GREEN);
    let one = |text| [(text, red)];
    check_words(&one("a  b\tc"), 1e4, &["a", "b", "c"]);
    check_words(
        &one("e\u{301}te\u{301} x"),
        1e4,
        &["e\u{301}te\u{301}", "x"],
    );
    check_words(&one("\u{1}a\u{202e}b"), 1e4, &["\u{fffd}ab"]);
    // Without a font the whole line is one run, drawn from right to left: the second word stands first.
    check_words(
        &one("\u{5d0}\u{5d1}\u{5d2}\u{5d0} \u{5d3}\u{5d9}"),
        1e4,
        &["\u{5d3}\u{5d9}", "\u{5d0}\u{5d1}\u{5d2}\u{5d0}"],
    );
    check_words(
        &[("\u{5e9}\u{5dc}\u{5d5}\u{5dd}", red), (" then", green)],
        1e4,
        &["\u{5e9}\u{5dc}\u{5d5}\u{5dd}", "+then"],
    );
    check_words(
        &[("\u{633}\u{644}\u{627}\u{645}", red), ("\nthen", green)],
        1e4,
        &["\u{633}\u{644}\u{627}\u{645}", "+then"],
    );
    check_words(
        &[("one two", red), (" three", green)],
        45.0,
        &["one", "two", "+three"],
    );
    // An icon is left out alone.
    check_words(&one("a \u{e5cd} b"), 1e4, &["a", "b"]);
}

#[test]
fn pixels_have_the_colours_that_were_drawn() {
    let picture = paper("", "words").pixels();
    assert_eq!(picture.size, [600, 240]);
    let at = |x: usize, y: usize| picture.pixels[y * 600 + x];
    assert_eq!(at(250, 180), LIGHT.expert(3));
    assert_eq!(at(201, 161), LIGHT.expert(3), "to the edge");
    assert_eq!(at(198, 180), LIGHT.panel, "and not beyond");
    assert_eq!(at(0, 0), LIGHT.window, "outside the round corner");
    let dark = picture.pixels.iter().filter(|it| it.r() < 0x40).count();
    assert!(dark > 50, "words are drawn: {dark} dark pixels");
    let png = png(&picture).unwrap();
    let back = image::load_from_memory(&png).unwrap().to_rgba8();
    assert_eq!(back.dimensions(), (600, 240));
    assert_eq!(back.get_pixel(250, 180).0, LIGHT.expert(3).to_array());
}

#[test]
fn numbers_are_short_and_text_is_safe() {
    for (it, wanted) in [(1.0, "1"), (0.125, "0.13"), (-0.001, "0"), (f32::NAN, "0")] {
        assert_eq!(short(it), wanted);
    }
    assert_eq!(escaped("a<b>&\"\u{0}"), "a&lt;b&gt;&amp;&quot; ");
}
