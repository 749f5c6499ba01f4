//! Text as SVG: a `<text>` for each run of one style, with its length, so that it ends where it ended on screen
//! whatever font the reader has.

use eframe::egui::{
    Color32, FontFamily, Pos2, Rect, Stroke, TextFormat,
    epaint::{
        TextShape,
        text::{Galley, Glyph},
    },
};

use super::svg::{Svg, color, escaped, point, short, turn};

/// What the letters on screen are nearest to, for readers that lack them.
const PROPORTIONAL: &str = "'Ubuntu Light', Ubuntu, 'Helvetica Neue', Helvetica, Arial, sans-serif";
const MONOSPACE: &str = "Hack, 'DejaVu Sans Mono', Menlo, Consolas, monospace";

/// Letters of one style in one row.
struct Run<'a> {
    format: &'a TextFormat,
    letters: String,
    /// Where the first stands on the baseline, from the galley's corner.
    start: Pos2,
    /// The right edge of the last.
    end: f32,
    /// Above and below the baseline.
    rows: (f32, f32),
}

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
        letters(out, shape, &run);
    }
    if is_grouped {
        out.line("</g>");
    }
}

/// The galley's letters in runs. egui keeps one glyph a letter, in the order of the text; which style it has is told
/// by its place there.
fn runs(galley: &Galley) -> Vec<Run<'_>> {
    let job = &galley.job;
    let mut sections = job.sections.iter().peekable();
    let mut letters = job.text.char_indices();
    let mut out: Vec<Run<'_>> = Vec::new();
    for row in &galley.rows {
        let mut last: Option<*const TextFormat> = None;
        for glyph in &row.glyphs {
            // An ellipsis that stands for the rest has the style of what is cut.
            if let Some((at, _)) = letters.next() {
                while sections.peek().is_some_and(|it| it.byte_range.end.0 <= at) {
                    sections.next();
                }
            }
            let Some(section) = sections.peek().copied().or(job.sections.last()) else {
                return out;
            };
            let format = &section.format;
            let joins = last.is_some_and(|it| std::ptr::eq(it, format));
            last = Some(format);
            match out.last_mut().filter(|_| joins) {
                Some(run) => {
                    run.letters.push(glyph.chr);
                    run.end = row.pos.x + glyph.max_x();
                }
                None => out.push(first(format, glyph, row.pos)),
            }
        }
        if row.ends_with_newline {
            letters.next();
        }
    }
    out
}

fn first<'a>(format: &'a TextFormat, glyph: &Glyph, row: Pos2) -> Run<'a> {
    let start = row + glyph.pos.to_vec2();
    Run {
        format,
        letters: glyph.chr.into(),
        start,
        end: row.x + glyph.max_x(),
        rows: (glyph.font_ascent, glyph.font_height - glyph.font_ascent),
    }
}

fn background(out: &mut Svg, shape: &TextShape, run: &Run<'_>) {
    if run.format.background.a() == 0 {
        return;
    }
    let at = shape.pos + run.start.to_vec2();
    let rect = Rect::from_min_max(
        Pos2::new(at.x, at.y - run.rows.0),
        Pos2::new(shape.pos.x + run.end, at.y + run.rows.1),
    )
    .expand(run.format.expand_bg);
    let corners = [
        rect.left_top(),
        rect.right_top(),
        rect.right_bottom(),
        rect.left_bottom(),
    ];
    let d = super::svg::through(&corners, true);
    out.path(&d, run.format.background, Stroke::NONE);
}

fn letters(out: &mut Svg, shape: &TextShape, run: &Run<'_>) {
    // Icons have letters of their font's own, which mean nothing in another.
    let is_icon = |it: char| ('\u{e000}'..='\u{f8ff}').contains(&it);
    if run.letters.trim().is_empty() || run.letters.chars().any(is_icon) {
        return;
    }
    let format = run.format;
    let own = match format.color {
        Color32::PLACEHOLDER => shape.fallback_color,
        it => it,
    };
    let fill = shape.override_text_color.unwrap_or(own);
    let [x, y] = point(shape.pos + run.start.to_vec2());
    let family = match format.font_id.family {
        FontFamily::Monospace => MONOSPACE,
        _ => PROPORTIONAL,
    };
    let size = short(format.font_id.size);
    let length = short(run.end - run.start.x);
    let style = if format.italics {
        " font-style=\"italic\""
    } else {
        ""
    };
    let lines = match (format.underline.is_empty(), format.strikethrough.is_empty()) {
        (true, true) => "",
        (false, true) => " text-decoration=\"underline\"",
        (true, false) => " text-decoration=\"line-through\"",
        (false, false) => " text-decoration=\"underline line-through\"",
    };
    let fill = color("fill", fill);
    let letters = escaped(&run.letters);
    out.line(&format!(
        "<text x=\"{x}\" y=\"{y}\" font-family=\"{family}\" font-size=\"{size}\" textLength=\"{length}\" \
         lengthAdjust=\"spacingAndGlyphs\"{style}{lines}{fill}>{letters}</text>"
    ));
}
