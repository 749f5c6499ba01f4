//! Shapes as SVG: one element for each, in the order they were drawn, so that the picture can be taken apart and
//! changed in a drawing program.
//!
//! Deliberately absent: soft shadows, pictures (textures) and what a graphics driver would draw; on paper panels use
//! none of them.

use eframe::egui::{Color32, Pos2, Rect, Shape, Vec2, epaint::ClippedShape};

use super::{
    Paper,
    elements::{Svg, escaped, paint, point, short, solid, through, turn},
    mesh::mesh,
    text::text,
};

impl Paper {
    /// The drawing as an SVG document, in points: it has no pixels, and can be shown at any size.
    #[must_use]
    pub fn svg(&self) -> String {
        let Vec2 {
            x: width,
            y: height,
        } = self.size;
        let mut out = Svg::default();
        for ClippedShape {
            clip_rect, shape, ..
        } in &self.output.shapes
        {
            clipped(&mut out, *clip_rect, shape);
        }
        let title = match self.caption.of.as_str() {
            "" => self.caption.title.clone(),
            of => format!("{}: {of}", self.caption.title),
        };
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" direction=\"ltr\" \
             width=\"{}\" height=\"{}\" viewBox=\"0 0 {} {}\">\n\
             <title>{}</title>\n<desc>{}</desc>\n{}</svg>\n",
            short(width),
            short(height),
            short(width),
            short(height),
            escaped(&title),
            escaped(&self.caption.sentence),
            out.body
        )
    }
}

fn clipped(out: &mut Svg, clip: Rect, shape: &Shape) {
    let bounds = shape.visual_bounding_rect();
    if matches!(shape, Shape::Noop) || !clip.intersects(bounds) {
        return;
    }
    if clip.contains_rect(bounds) {
        return write(out, shape);
    }
    let n = out.clip(clip);
    let start = out.body.len();
    out.line(&format!("<g clip-path=\"url(#clip{n})\">"));
    let inside = out.body.len();
    write(out, shape);
    if out.body.len() == inside {
        out.body.truncate(start);
    } else {
        out.line("</g>");
    }
}

fn write(out: &mut Svg, shape: &Shape) {
    match shape {
        Shape::Noop | Shape::Callback(_) => {}
        Shape::Vec(all) => all.iter().for_each(|it| write(out, it)),
        Shape::Circle(it) => {
            let paint = paint(it.fill, it.stroke);
            let [x, y] = point(it.center);
            let radius = short(it.radius);
            out.line(&format!(
                "<circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"{paint}/>"
            ));
        }
        Shape::Ellipse(it) => {
            let paint = paint(it.fill, it.stroke);
            let [x, y] = point(it.center);
            let [rx, ry] = point(it.radius.to_pos2());
            let turn = turn(it.angle, it.center);
            out.line(&format!(
                "<ellipse cx=\"{x}\" cy=\"{y}\" rx=\"{rx}\" ry=\"{ry}\"{turn}{paint}/>"
            ));
        }
        Shape::LineSegment { points, stroke } => {
            let [[x1, y1], [x2, y2]] = points.map(point);
            let paint = paint(Color32::TRANSPARENT, *stroke);
            out.line(&format!(
                "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"{paint}/>"
            ));
        }
        Shape::Path(it) => {
            let stroke = solid(&it.stroke, shape.visual_bounding_rect());
            out.path(&through(&it.points, it.closed), it.fill, stroke);
        }
        Shape::Band(it) => {
            let upper = it.points.iter().map(|it| Pos2::new(it.x, it.y.min));
            let lower = it.points.iter().rev().map(|it| Pos2::new(it.x, it.y.max));
            let points: Vec<Pos2> = upper.chain(lower).collect();
            out.path(&through(&points, true), it.fill, it.stroke);
        }
        Shape::Rect(it) => out.rect(it),
        Shape::Text(it) => text(out, it),
        Shape::Mesh(it) => mesh(out, it),
        Shape::QuadraticBezier(it) => {
            let [[x, y], [x1, y1], [x2, y2]] = it.points.map(point);
            let stroke = solid(&it.stroke, shape.visual_bounding_rect());
            let end = if it.closed { " Z" } else { "" };
            let d = format!("M {x} {y} Q {x1} {y1} {x2} {y2}{end}");
            out.path(&d, it.fill, stroke);
        }
        Shape::CubicBezier(it) => {
            let [[x, y], [x1, y1], [x2, y2], [x3, y3]] = it.points.map(point);
            let stroke = solid(&it.stroke, shape.visual_bounding_rect());
            let end = if it.closed { " Z" } else { "" };
            let d = format!("M {x} {y} C {x1} {y1} {x2} {y2} {x3} {y3}{end}");
            out.path(&d, it.fill, stroke);
        }
    }
}

#[cfg(test)]
mod tests;
