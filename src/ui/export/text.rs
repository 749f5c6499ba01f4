//! Text as SVG: a `<text>` for each run of one style, in which every word has its own place and length.
//!
//! **Invariant:** where a word begins and ends does not depend on the reader's fonts, nor on what a reader makes of
//! spaces: browsers drop those at the start of a `<text>`, join those in a row, and ignore `xml:space` on the root.

use std::fmt::Write as _;

use eframe::egui::{Color32, FontFamily, Pos2, Rect, Stroke, TextFormat, epaint::TextShape};

use super::{
    elements::{Svg, color, escaped, short, through, turn},
    letters::{Run, Word, runs},
};

/// What the letters on screen are nearest to, for readers that lack them.
const PROPORTIONAL: &str = "'Ubuntu Light', Ubuntu, 'Helvetica Neue', Helvetica, Arial, sans-serif";
const MONOSPACE: &str = "Hack, 'DejaVu Sans Mono', Menlo, Consolas, monospace";

/// Writes a text.
pub(super) fn text(out: &mut Svg, shape: &TextShape) {
    let turn = turn(shape.angle, shape.pos);
    let opacity = if shape.opacity_factor < 1.0 {
        format!(" opacity=\"{}\"", short(shape.opacity_factor))
    } else {
        String::new()
    };
    let is_grouped = !turn.is_empty() || !opacity.is_empty();
    if is_grouped {
        out.line(&format!("<g{turn}{opacity}>"));
    }
    for run in runs(&shape.galley) {
        background(out, shape, &run);
        words(out, shape, &run);
        lines(out, shape, &run);
    }
    if is_grouped {
        out.line("</g>");
    }
}

fn background(out: &mut Svg, shape: &TextShape, run: &Run<'_>) {
    if run.format.background.a() == 0 {
        return;
    }
    let rect = place(shape, run).expand(run.format.expand_bg);
    let corners = [
        rect.left_top(),
        rect.right_top(),
        rect.right_bottom(),
        rect.left_bottom(),
    ];
    let d = through(&corners, true);
    out.path(&d, run.format.background, Stroke::NONE);
}

/// Under the letters and through them, also where there are none: at a space.
fn lines(out: &mut Svg, shape: &TextShape, run: &Run<'_>) {
    let rect = place(shape, run);
    let lines = [
        (run.format.underline, rect.bottom()),
        (run.format.strikethrough, rect.center().y),
    ];
    for (mut stroke, y) in lines {
        if stroke.color == Color32::PLACEHOLDER {
            stroke.color = shape.fallback_color;
        }
        let d = through(
            &[Pos2::new(rect.left(), y), Pos2::new(rect.right(), y)],
            false,
        );
        out.path(&d, Color32::TRANSPARENT, stroke);
    }
}

fn place(shape: &TextShape, run: &Run<'_>) -> Rect {
    let at = shape.pos + run.start.to_vec2();
    Rect::from_min_max(
        Pos2::new(at.x, at.y - run.rows.0),
        Pos2::new(shape.pos.x + run.end, at.y + run.rows.1),
    )
}

/// Words that are read one after the other stand in one element, with a space between them for who reads or copies it.
fn words(out: &mut Svg, shape: &TextShape, run: &Run<'_>) {
    let style = style(shape, run.format);
    let together = |a: &Word, b: &Word| {
        !a.is_reversed && !b.is_reversed && (a.start.y - b.start.y).abs() < 0.01
    };
    for words in run.words.chunk_by(together) {
        let y = short(shape.pos.y + words[0].start.y);
        if let [word] = words {
            let (place, letters) = (edges(shape, word), escaped(&word.letters));
            out.line(&format!("<text{place} y=\"{y}\"{style}>{letters}</text>"));
            continue;
        }
        let mut line = format!("<text y=\"{y}\"{style}>");
        for (n, word) in words.iter().enumerate() {
            let is_apart = n > 0 && word.start.x > words[n - 1].end;
            let (place, letters) = (edges(shape, word), escaped(&word.letters));
            let gap = if is_apart { " " } else { "" };
            let _ = write!(line, "{gap}<tspan{place}>{letters}</tspan>");
        }
        out.line(&(line + "</text>"));
    }
}

/// Where a word begins, and its length where it has one.
fn edges(shape: &TextShape, word: &Word) -> String {
    let x = short(shape.pos.x + word.start.x);
    let length = word.end - word.start.x;
    if length < 0.01 {
        return format!(" x=\"{x}\"");
    }
    let length = short(length);
    format!(" x=\"{x}\" textLength=\"{length}\" lengthAdjust=\"spacingAndGlyphs\"")
}

fn style(shape: &TextShape, format: &TextFormat) -> String {
    let own = match format.color {
        Color32::PLACEHOLDER => shape.fallback_color,
        it => it,
    };
    let fill = color("fill", shape.override_text_color.unwrap_or(own));
    let family = match format.font_id.family {
        FontFamily::Monospace => MONOSPACE,
        _ => PROPORTIONAL,
    };
    let size = short(format.font_id.size);
    let slant = if format.italics {
        " font-style=\"italic\""
    } else {
        ""
    };
    format!(" font-family=\"{family}\" font-size=\"{size}\"{slant}{fill}")
}
