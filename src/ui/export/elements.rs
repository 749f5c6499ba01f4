//! The elements of an SVG document, and how its numbers, colours and letters are written.

use std::fmt::Write as _;

use eframe::egui::{
    Color32, CornerRadius, Pos2, Rect, Stroke, StrokeKind,
    epaint::{ColorMode, PathStroke, RectShape},
};

/// A document being written.
#[derive(Default)]
pub(super) struct Svg {
    /// Elements, one a line.
    pub(super) body: String,
    n_clips: usize,
    /// The clip of the shape before, and its number.
    last_clip: Option<(Rect, usize)>,
}

impl Svg {
    /// The number of a clip; neighbours share theirs.
    pub(super) fn clip(&mut self, rect: Rect) -> usize {
        if let Some((last, n)) = self.last_clip
            && last == rect
        {
            return n;
        }
        self.n_clips += 1;
        let n = self.n_clips;
        self.last_clip = Some((rect, n));
        let place = place(rect);
        self.line(&format!(
            "<clipPath id=\"clip{n}\"><rect {place}/></clipPath>"
        ));
        n
    }

    pub(super) fn line(&mut self, element: &str) {
        self.body.push_str(element);
        self.body.push('\n');
    }

    pub(super) fn path(&mut self, d: &str, fill: Color32, stroke: Stroke) {
        if !d.is_empty() && (fill.a() > 0 || !stroke.is_empty()) {
            let paint = paint(fill, stroke);
            self.line(&format!("<path d=\"{d}\"{paint}/>"));
        }
    }

    /// The surface and the outline apart: SVG lays an outline on the edge, egui inside of it or around.
    pub(super) fn rect(&mut self, it: &RectShape) {
        // Blurred ones are shadows, those with a brush pictures.
        if it.blur_width > 0.0 || it.brush.is_some() {
            return;
        }
        let turn = turn(it.angle, it.rect.center());
        if it.fill.a() > 0 {
            let paint = paint(it.fill, Stroke::NONE);
            self.rounded(it.rect, it.corner_radius, 0.0, &format!("{turn}{paint}"));
        }
        if !it.stroke.is_empty() {
            let out = match it.stroke_kind {
                StrokeKind::Inside => -it.stroke.width / 2.0,
                StrokeKind::Middle => 0.0,
                StrokeKind::Outside => it.stroke.width / 2.0,
            };
            let paint = paint(Color32::TRANSPARENT, it.stroke);
            let rect = it.rect.expand(out);
            self.rounded(rect, it.corner_radius, out, &format!("{turn}{paint}"));
        }
    }

    /// A rectangle whose corners are `grown` points rounder, where they are round at all.
    fn rounded(&mut self, rect: Rect, corners: CornerRadius, grown: f32, rest: &str) {
        if rect.is_negative() {
            return;
        }
        let most = rect.width().min(rect.height()) / 2.0;
        let radius = |it: u8| {
            let round = if it == 0 { 0.0 } else { f32::from(it) + grown };
            round.clamp(0.0, most)
        };
        if corners == CornerRadius::same(corners.nw) {
            let place = place(rect);
            let radius = match radius(corners.nw) {
                r if r > 0.0 => format!(" rx=\"{}\"", short(r)),
                _ => String::new(),
            };
            return self.line(&format!("<rect {place}{radius}{rest}/>"));
        }
        let d = rounded_path(
            rect,
            [corners.nw, corners.ne, corners.se, corners.sw].map(radius),
        );
        self.line(&format!("<path d=\"{d}\"{rest}/>"));
    }
}

/// A rectangle with four different corners, from the upper left one clockwise.
fn rounded_path(rect: Rect, [nw, ne, se, sw]: [f32; 4]) -> String {
    let (l, t, r, b) = (rect.left(), rect.top(), rect.right(), rect.bottom());
    let mut d = format!("M {} {}", short(l + nw), short(t));
    let corners = [
        ((r - ne, t), ne, (r, t + ne)),
        ((r, b - se), se, (r - se, b)),
        ((l + sw, b), sw, (l, b - sw)),
        ((l, t + nw), nw, (l + nw, t)),
    ];
    for (to, radius, end) in corners {
        let _ = write!(d, " L {} {}", short(to.0), short(to.1));
        if radius > 0.0 {
            let round = short(radius);
            let _ = write!(
                d,
                " A {round} {round} 0 0 1 {} {}",
                short(end.0),
                short(end.1)
            );
        }
    }
    d + " Z"
}

/// A path through points.
pub(super) fn through(points: &[Pos2], closed: bool) -> String {
    let mut d = String::new();
    for (n, at) in points.iter().enumerate() {
        let [x, y] = point(*at);
        let _ = write!(d, "{}{x} {y}", if n == 0 { "M " } else { " L " });
    }
    if closed && !d.is_empty() {
        d.push_str(" Z");
    }
    d
}

/// A stroke of one colour; where it changes along the way, the one in the middle.
pub(super) fn solid(stroke: &PathStroke, bounds: Rect) -> Stroke {
    let color = match &stroke.color {
        ColorMode::Solid(color) => *color,
        ColorMode::UV(at) => at(bounds, bounds.center()),
    };
    Stroke::new(stroke.width, color)
}

pub(super) fn place(rect: Rect) -> String {
    let [x, y] = point(rect.min);
    let [width, height] = point(rect.size().to_pos2());
    format!("x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"")
}

/// A turn about a point, radians clockwise; nothing where there is none.
pub(super) fn turn(angle: f32, about: Pos2) -> String {
    if angle == 0.0 {
        return String::new();
    }
    let [x, y] = point(about);
    let degrees = short(angle.to_degrees());
    format!(" transform=\"rotate({degrees} {x} {y})\"")
}

/// Fill and stroke as attributes.
pub(super) fn paint(fill: Color32, stroke: Stroke) -> String {
    let mut out = color("fill", fill);
    if !stroke.is_empty() {
        let width = short(stroke.width);
        let _ = write!(
            out,
            "{} stroke-width=\"{width}\"",
            color("stroke", stroke.color)
        );
    }
    out
}

/// A colour as an attribute; alpha apart, as older programs want it.
pub(super) fn color(name: &str, color: Color32) -> String {
    let [r, g, b, a] = color.to_srgba_unmultiplied();
    match a {
        0 => format!(" {name}=\"none\""),
        255 => format!(" {name}=\"#{r:02x}{g:02x}{b:02x}\""),
        _ => {
            let share = short(f32::from(a) / 255.0);
            format!(" {name}=\"#{r:02x}{g:02x}{b:02x}\" {name}-opacity=\"{share}\"")
        }
    }
}

pub(super) fn point(at: Pos2) -> [String; 2] {
    [short(at.x), short(at.y)]
}

/// A length to a hundredth of a point.
pub(super) fn short(it: f32) -> String {
    let rounded = (it * 100.0).round() / 100.0;
    // Not finite would not be XML's fault, but no reader could use it; and -0 reads oddly.
    if rounded.is_finite() && rounded != 0.0 {
        rounded.to_string()
    } else {
        "0".to_owned()
    }
}

/// Text as XML takes it; control signs, which it does not take at all, as spaces.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            it if it.is_control() => out.push(' '),
            it => out.push(it),
        }
    }
    out
}
