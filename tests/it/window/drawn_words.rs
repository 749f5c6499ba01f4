//! Words of exported drawings: a browser, whatever its fonts, shows each where the window drew it.

use std::{fs, path::Path, sync::Arc};

use eframe::egui::{Rect, Shape, Theme, epaint::ClippedShape, epaint::TextShape, vec2};
use moescope::app::{HeadlessApp, SyntheticSession};
use moescope::engine::Event;
use moescope::spec::{ExpertId, Position, RouterId};
use moescope::ui::{Command, ExportForm, ExportTo, RowChoice, Selection};

use super::{
    browser::{browser, dom},
    script::{Script, TOUR_LIKE},
};

/// Points that a word may be beside its place.
const TOLERANCE: f32 = 2.0;
/// Points between what is no longer on one line.
const ONE_LINE: f32 = 5.0;
/// Height of a drawing's head, points.
const HEAD: f32 = 36.0;

/// What tokens say that readers of SVG may lose or move: spaces, marks, other scripts, signs and fonts.
const ODD: [&str; 14] = [
    "  two",
    "   ",
    " a  b",
    "\u{a0}nbsp\u{a0}",
    "\ttab",
    " שלום",
    " سلام",
    " e\u{301}te\u{301}",
    " 👍🏽",
    " 日本語",
    " \u{3000}wide",
    " <&\">",
    " นี้",
    " trail  ",
];

/// Text without a gap, and where it stands.
#[derive(Clone, Debug)]
struct Word {
    letters: String,
    left: f32,
    bottom: f32,
}

fn stage(theme: Theme, odd: bool, zoom: f32) -> HeadlessApp {
    let script = Script::default();
    let mut stage = HeadlessApp::new(Box::new(script.clone()), vec2(1440.0, 900.0) * zoom);
    let fonts = egui_system_font_provider::SystemFontProvider::new();
    stage.ctx().add_font_provider(Arc::new(fonts));
    stage.ctx().set_theme(theme);
    stage.ctx().set_zoom_factor(zoom);
    let mut events = SyntheticSession::new(TOUR_LIKE).edited(60, 44);
    for event in &mut events {
        if let Event::Opened(facts) = event
            && odd
        {
            for (piece, odd) in facts.tokens.pieces[1..].iter_mut().zip(ODD) {
                *piece = odd.as_bytes().to_vec();
            }
        }
    }
    script.say(events);
    stage.app_mut().command(Command::Select(Selection {
        row: RowChoice::Baseline,
        position: Some(Position(11)),
        router: Some(RouterId(4)),
        expert: Some(ExpertId(1)),
    }));
    settle(&mut stage);
    stage
}

fn settle(stage: &mut HeadlessApp) {
    (0..8).for_each(|_| {
        stage.frame(Vec::new());
    });
}

/// The words drawn, glyph by glyph: what stands between two glyphs without a picture.
fn drawn(shapes: &[ClippedShape]) -> Vec<Word> {
    let mut out = Vec::new();
    for it in shapes {
        collect(&it.shape, it.clip_rect, &mut out);
    }
    out
}

fn collect(shape: &Shape, clip: Rect, out: &mut Vec<Word>) {
    match shape {
        Shape::Vec(all) => all.iter().for_each(|it| collect(it, clip, out)),
        Shape::Text(it) if it.angle == 0.0 && clip.intersects(it.visual_bounding_rect()) => {
            words_of(it, out);
        }
        _ => {}
    }
}

fn words_of(shape: &TextShape, out: &mut Vec<Word>) {
    for row in &shape.galley.rows {
        let mut is_new = true;
        for glyph in &row.glyphs {
            let is_blank = glyph.uv_rect.is_nothing() || glyph.chr.is_whitespace();
            if is_blank {
                is_new |= glyph.advance_width > 0.0;
                continue;
            }
            if is_new {
                let at = shape.pos + row.pos.to_vec2() + glyph.pos.to_vec2();
                out.push(Word {
                    letters: String::new(),
                    left: at.x,
                    bottom: at.y,
                });
            }
            is_new = false;
            if let Some(last) = out.last_mut() {
                last.letters.push(glyph.chr);
            }
        }
    }
}

/// The words a browser shows of a drawing, parted at white space.
fn shown(browser: &Path, drawing: &Path, folder: &Path) -> Vec<Word> {
    const MEASURE: &str = r#"<desc id="measured"/><script><![CDATA[
        const found = [];
        const walk = document.createTreeWalker(document.documentElement, NodeFilter.SHOW_TEXT);
        for (let node; (node = walk.nextNode());) {
            if (!node.parentNode.closest('text')) continue;
            for (const it of node.data.matchAll(/\S+/g)) {
                const range = document.createRange();
                range.setStart(node, it.index);
                range.setEnd(node, it.index + it[0].length);
                const box = range.getBoundingClientRect();
                found.push([it[0], box.left, box.bottom]);
            }
        }
        document.getElementById('measured').textContent = encodeURIComponent(JSON.stringify(found));
    ]]></script></svg>"#;
    let text = fs::read_to_string(drawing).unwrap();
    let page = folder.join("measured.svg");
    let text = text.trim_end().strip_suffix("</svg>").unwrap();
    fs::write(&page, format!("{text}{MEASURE}")).unwrap();
    let dom = dom(browser, &page, "");
    let (_, rest) = dom
        .split_once("<desc id=\"measured\">")
        .expect("the browser measured");
    let data = rest.split_once('<').unwrap().0;
    let data = decoded(data);
    let found: Vec<(String, f32, f32)> = serde_json::from_str(&data).unwrap();
    found
        .into_iter()
        .map(|(letters, left, bottom)| Word {
            letters,
            left,
            bottom,
        })
        .collect()
}

/// Undoes `encodeURIComponent`.
fn decoded(data: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = data.bytes();
    while let Some(it) = bytes.next() {
        if it == b'%' {
            let hex: String = bytes.by_ref().take(2).map(char::from).collect();
            out.push(u8::from_str_radix(&hex, 16).unwrap());
        } else {
            out.push(it);
        }
    }
    String::from_utf8(out).unwrap()
}

/// From the window's left edge to the drawing's: what most words agree on.
fn offset(here: &[Word], there: &[Word]) -> f32 {
    let mut votes: Vec<i32> = Vec::new();
    for a in here.iter().filter(|it| it.letters.is_ascii()) {
        let same = there.iter().filter(|it| it.letters == a.letters);
        votes.extend(same.map(|b| (b.left - a.left).round() as i32));
    }
    votes.sort_unstable();
    let most = votes.chunk_by(|a, b| a == b).max_by_key(|it| it.len());
    most.expect("the drawing has words of the window")[0] as f32
}

/// Words on one line, more or less: letters of several sizes and fonts end at several heights.
fn lines(mut words: Vec<Word>) -> Vec<Vec<Word>> {
    words.sort_by(|a, b| a.bottom.total_cmp(&b.bottom));
    let near = |a: &Word, b: &Word| b.bottom - a.bottom < ONE_LINE;
    words.chunk_by(near).map(<[Word]>::to_vec).collect()
}

/// Whether the window has all words of a line on one line; where that stands is for the panel to say: the drawing has
/// no box to type in, and so more room.
fn is_drawn(line: &[Word], here: &[Word], offset: f32) -> bool {
    let is_left = |a: &Word, b: &Word| (a.left + offset - b.left).abs() <= TOLERANCE;
    let pairs = line
        .iter()
        .flat_map(|it| here.iter().map(move |at| (it, at)));
    let mut downs = pairs
        .filter(|(it, at)| it.letters == at.letters && is_left(at, it))
        .map(|(it, at)| it.bottom - at.bottom);
    downs.any(|down| {
        let is_near = |a: &Word, b: &Word| (a.bottom + down - b.bottom).abs() < ONE_LINE;
        let is_there = |it: &Word| here.iter().any(|at| is_left(at, it) && is_near(at, it));
        line.iter().all(is_there)
    })
}

/// Every word of the panel's text is where the window drew it; returns how many there are.
fn check(stage: &mut HeadlessApp, panel: &'static str, browser: &Path) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.svg");
    let here = drawn(stage.shapes());
    stage.app_mut().command(Command::Export {
        panel,
        form: ExportForm::Svg,
        to: ExportTo::File(path.clone()),
    });
    settle(stage);
    let there = shown(browser, &path, folder.path());
    let offset = offset(&here, &there);
    // The head is the drawing's own.
    let body: Vec<Word> = there.into_iter().filter(|it| it.bottom > HEAD).collect();
    let n = body.len();
    for line in lines(body) {
        assert!(
            is_drawn(&line, &here, offset),
            "{panel}, {offset}: no line of the window is {line:?}\n{here:?}"
        );
    }
    n
}

#[test]
fn a_browser_shows_every_word_where_the_window_drew_it() {
    let Some(browser) = browser() else {
        return;
    };
    for (theme, zoom) in [(Theme::Dark, 1.0), (Theme::Light, 1.25)] {
        let mut plain = stage(theme, false, zoom);
        for panel in ["transcript", "router", "next_token", "load"] {
            let n = check(&mut plain, panel, &browser);
            assert!(n > 8, "{panel} has {n} words");
        }
        let mut odd = stage(theme, true, zoom);
        assert!(check(&mut odd, "transcript", &browser) > 40);
    }
}
