//! Which letters a laid-out text shows where: words with both edges, in the order in which they stand on screen.
//!
//! egui keeps glyphs, and of each the first letter of its cluster. That is not yet the text: in a script written from
//! right to left the glyphs come in the order of the screen, with a trail of glyphs without a picture behind them; a
//! cluster may have more glyphs than letters; an ellipsis stands for what did not fit. So every glyph is given its
//! letters of the text first, and what a word says is read from there.

use std::ops::Range;

use eframe::egui::{
    Pos2, TextFormat,
    epaint::text::{Galley, Glyph, PlacedRow},
};

/// The most letters of a run from right to left that are looked through.
const MAX_REVERSED: usize = 2_000;
/// The most letters that one glyph stands for.
const MAX_CLUSTER: usize = 12;

/// Letters of one style in one row.
pub(super) struct Run<'a> {
    pub(super) format: &'a TextFormat,
    /// Where it begins on the baseline, from the galley's corner.
    pub(super) start: Pos2,
    /// Its right edge.
    pub(super) end: f32,
    /// Above and below the baseline.
    pub(super) rows: (f32, f32),
    pub(super) words: Vec<Word>,
}

/// Letters without a gap between them.
pub(super) struct Word {
    /// In the order in which they are read.
    pub(super) letters: String,
    /// The left edge, on the baseline, from the galley's corner.
    pub(super) start: Pos2,
    /// The right edge.
    pub(super) end: f32,
    /// Read from right to left.
    pub(super) is_reversed: bool,
}

/// A glyph and what of the text it shows.
struct ShownGlyph<'a> {
    glyph: &'a Glyph,
    row: usize,
    /// Letters of the text, counted from 0; empty for the second glyph of a cluster.
    letters: Range<usize>,
    /// It stands for what did not fit.
    is_ellipsis: bool,
    is_reversed: bool,
}

impl ShownGlyph<'_> {
    /// The rest of a cluster: drawn with the glyph before it.
    fn is_joined(&self) -> bool {
        self.glyph.advance_width <= 0.0
    }

    fn is_blank(&self) -> bool {
        self.glyph.uv_rect.is_nothing() || self.glyph.chr.is_whitespace()
    }

    /// Icons have letters of their font's own, which mean nothing in another.
    fn is_icon(&self) -> bool {
        ('\u{e000}'..='\u{f8ff}').contains(&self.glyph.chr)
    }
}

/// The galley's letters in runs.
pub(super) fn runs(galley: &Galley) -> Vec<Run<'_>> {
    let text: Vec<(usize, char)> = galley.job.text.char_indices().collect();
    let mut out = Vec::new();
    let mut next = 0;
    let mut from = 0;
    while from < galley.rows.len() {
        let lines = &galley.rows[from..];
        let last = lines.iter().position(|it| it.ends_with_newline);
        let end = last.map_or(galley.rows.len(), |it| from + it + 1);
        let shown = paragraph(galley, &text, &mut next, from..end);
        styled(galley, &text, &shown, &mut out);
        from = end;
    }
    out
}

/// Gives the glyphs of some rows their letters, from letter `next` on, which is moved behind the paragraph.
fn paragraph<'a>(
    galley: &'a Galley,
    text: &[(usize, char)],
    next: &mut usize,
    rows: Range<usize>,
) -> Vec<ShownGlyph<'a>> {
    let rest = &text[*next..];
    let breaks = galley.rows[rows.end - 1].ends_with_newline;
    let line = rest.iter().position(|it| breaks && it.1 == '\n');
    let end = *next + line.unwrap_or(rest.len());
    let mut out: Vec<ShownGlyph<'_>> = rows
        .flat_map(|row| {
            let glyphs = &galley.rows[row].glyphs;
            glyphs.iter().map(move |glyph| ShownGlyph {
                glyph,
                row,
                letters: 0..0,
                is_ellipsis: false,
                is_reversed: false,
            })
        })
        .collect();
    if galley.elided
        && !breaks
        && let Some(last) = out.last_mut()
    {
        last.is_ellipsis = true;
    }
    let mut n = 0;
    while n < out.len() {
        n += read(&mut out, n, &text[..end], next);
    }
    *next = end + usize::from(breaks);
    out
}

/// Gives glyph `n`, and others that belong to it, their letters; returns how many glyphs that were.
fn read(all: &mut [ShownGlyph<'_>], n: usize, text: &[(usize, char)], next: &mut usize) -> usize {
    let at = *next;
    let letter = text.get(at).map(|it| it.1);
    let wanted = all[n].glyph.chr;
    all[n].letters = at..at;
    if all[n].is_ellipsis {
        return 1;
    }
    if letter != Some(wanted) || letter.is_some_and(is_right_to_left) {
        let rest = &text[at..text.len().min(at + MAX_REVERSED)];
        let ranges = reversed(&all[n..], rest);
        for (it, range) in all[n..].iter_mut().zip(&ranges) {
            it.letters = at + range.start..at + range.end;
            it.is_reversed = true;
            *next = (*next).max(it.letters.end);
        }
        if !ranges.is_empty() {
            return ranges.len();
        }
    }
    // Letters that no glyph names are drawn with the one before: a vowel sign that has two halves.
    let rest = text[at..].iter().take(MAX_CLUSTER);
    let within = rest.take_while(|it| it.1 == wanted || !it.1.is_whitespace());
    let found = within.into_iter().position(|it| it.1 == wanted);
    let is_second = found != Some(0) && n > 0 && all[n - 1].glyph.chr == wanted;
    if let Some(skipped) = found.filter(|it| *it == 0 || (n > 0 && !is_second)) {
        if skipped > 0 {
            all[n - 1].letters.end = at + skipped;
        }
        all[n].letters = at + skipped..at + skipped + 1;
        *next = at + skipped + 1;
    }
    1
}

/// The letters of each glyph, where these glyphs show the text that begins here from right to left: the last letters
/// first, and behind the last glyph a trail of others without a picture. Nothing where they do not.
fn reversed(glyphs: &[ShownGlyph<'_>], text: &[(usize, char)]) -> Vec<Range<usize>> {
    if !text.iter().any(|it| is_right_to_left(it.1)) {
        return Vec::new();
    }
    let ends = || (2..=text.len()).rev();
    let one_to_one = ends().find_map(|end| reversed_from(glyphs, &text[..end], 1));
    one_to_one
        .or_else(|| ends().find_map(|end| reversed_from(glyphs, &text[..end], MAX_CLUSTER)))
        .unwrap_or_default()
}

/// The same for text that ends where it is cut, with that many letters a glyph at most.
fn reversed_from(
    glyphs: &[ShownGlyph<'_>],
    text: &[(usize, char)],
    most: usize,
) -> Option<Vec<Range<usize>>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    let mut from = text.len();
    let mut rest = glyphs.iter().peekable();
    while from > 0 {
        let it = rest.next()?;
        let wanted = it.glyph.chr;
        let is_second = it.is_joined() && out.last().is_some_and(|it| text[it.start].1 == wanted);
        if is_second {
            out.push(from..from);
            continue;
        }
        let reach = &text[from.saturating_sub(most)..from];
        let back = reach.iter().rev().position(|it| it.1 == wanted)?;
        let start = from - 1 - back;
        let passed = &text[start + 1..from];
        if !passed.iter().all(|it| is_right_to_left(it.1)) || (it.is_joined() && it.is_blank()) {
            return None;
        }
        out.push(start..from);
        from = start;
    }
    if !text.iter().any(|it| is_right_to_left(it.1)) {
        return None;
    }
    let n_letters = text.len();
    while out.len() < 2 * n_letters && rest.next_if(|it| it.is_joined() && it.is_blank()).is_some()
    {
        out.push(0..0);
    }
    Some(out)
}

/// Whether a letter, or a mark on one, is written from right to left: Hebrew, Arabic, Syriac, Thaana, Adlam and
/// their neighbours in Unicode, and the joiners used among them.
fn is_right_to_left(it: char) -> bool {
    matches!(
        it,
        '\u{0590}'..='\u{08ff}' | '\u{200c}' | '\u{200d}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefe}'
            | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}'
    )
}

/// Parts a paragraph where the style or the row changes.
fn styled<'a>(
    galley: &'a Galley,
    text: &[(usize, char)],
    shown: &[ShownGlyph<'_>],
    out: &mut Vec<Run<'a>>,
) {
    let styles = styles(galley, text, shown);
    let mut from = 0;
    while from < shown.len() {
        let Some(format) = styles[from] else { return };
        let same = |n: &usize| {
            shown[*n].row == shown[from].row
                && styles[*n].is_some_and(|it| std::ptr::eq(it, format))
        };
        let end = (from..shown.len()).take_while(same).count() + from;
        out.push(run(galley, text, format, &shown[from..end]));
        from = end;
    }
}

/// The style of each glyph; one that shows no letter of the text has that of the glyph before.
fn styles<'a>(
    galley: &'a Galley,
    text: &[(usize, char)],
    shown: &[ShownGlyph<'_>],
) -> Vec<Option<&'a TextFormat>> {
    let sections = &galley.job.sections;
    let of = |byte: usize| {
        let n = sections.partition_point(|it| it.byte_range.end.0 <= byte);
        sections.get(n).or(sections.last()).map(|it| &it.format)
    };
    let mut last = None;
    let mut all = Vec::with_capacity(shown.len());
    for it in shown {
        let at = it.letters.start.min(text.len().saturating_sub(1));
        if !it.letters.is_empty() || last.is_none() {
            last = of(text.get(at).map_or(0, |it| it.0));
        }
        all.push(last);
    }
    all
}

/// One run: glyphs of one style in one row.
fn run<'a>(
    galley: &'a Galley,
    text: &[(usize, char)],
    format: &'a TextFormat,
    shown: &[ShownGlyph<'_>],
) -> Run<'a> {
    let row = &galley.rows[shown[0].row];
    let first = shown[0].glyph;
    Run {
        format,
        start: row.pos + first.pos.to_vec2(),
        end: row.pos.x + shown.last().map_or(0.0, |it| it.glyph.max_x()),
        rows: (first.font_ascent, first.line_height - first.font_ascent),
        words: words(row, text, shown),
    }
}

/// Parts a run at its gaps; also at icons, which are left out, and where the font changes the baseline or the order.
fn words(row: &PlacedRow, text: &[(usize, char)], shown: &[ShownGlyph<'_>]) -> Vec<Word> {
    let mut out = Vec::new();
    let mut from = 0;
    while from < shown.len() {
        let first = &shown[from];
        if first.is_blank() || first.is_icon() {
            from += 1;
            continue;
        }
        let joins = |it: &&ShownGlyph<'_>| {
            let is_near = (it.glyph.pos.y - first.glyph.pos.y).abs() < 0.01;
            let is_letter = !it.is_blank() && !it.is_icon();
            it.is_joined() || is_letter && is_near && it.is_reversed == first.is_reversed
        };
        let n = 1 + shown[from + 1..].iter().take_while(joins).count();
        out.push(word(row, text, &shown[from..from + n]));
        from += n;
    }
    out
}

fn word(row: &PlacedRow, text: &[(usize, char)], part: &[ShownGlyph<'_>]) -> Word {
    let mut ranges: Vec<&Range<usize>> = part.iter().map(|it| &it.letters).collect();
    ranges.sort_by_key(|it| it.start);
    let mut letters: String = ranges
        .into_iter()
        .flat_map(|it| &text[it.clone()])
        .filter_map(|it| plain(it.1))
        .collect();
    // What shows nothing of the text stands for itself.
    let own = part.iter().filter(|it| it.is_ellipsis);
    letters.extend(own.map(|it| it.glyph.chr));
    let drawn = || part.iter().filter(|it| !it.is_joined()).chain(&part[..1]);
    let left = drawn()
        .map(|it| it.glyph.pos.x)
        .fold(f32::INFINITY, f32::min);
    let right = drawn().map(|it| it.glyph.max_x()).fold(left, f32::max);
    Word {
        letters,
        start: row.pos + eframe::egui::vec2(left, part[0].glyph.pos.y),
        end: row.pos.x + right,
        is_reversed: part[0].is_reversed,
    }
}

/// A letter as any program can show it; none for what turns the order of the letters after it.
fn plain(letter: char) -> Option<char> {
    match letter {
        '\u{200e}'
        | '\u{200f}'
        | '\u{061c}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => None,
        it if it.is_control() => Some('\u{fffd}'),
        it => Some(it),
    }
}
