//! Triangles as SVG: those of one colour together, those whose colour runs cut until the steps are not seen.

use std::fmt::Write as _;

use eframe::egui::{
    Color32, Mesh, Pos2, TextureId,
    epaint::{Vertex, WHITE_UV},
};

use super::elements::{Svg, color, point};

/// A step of colour that is not seen, of 255.
const STEP: i32 = 10;
/// Cuts of one triangle, at most: 2⁸ pieces.
const MAX_CUTS: u32 = 8;

/// Writes a mesh; one with a picture on it is left out.
pub(super) fn mesh(out: &mut Svg, mesh: &Mesh) {
    let is_plain =
        mesh.texture_id == TextureId::default() && mesh.vertices.iter().all(|it| it.uv == WHITE_UV);
    if !is_plain {
        return;
    }
    let mut pieces = Vec::new();
    for corners in mesh.indices.chunks_exact(3) {
        let corner = |n: usize| mesh.vertices[corners[n] as usize];
        cut([corner(0), corner(1), corner(2)], MAX_CUTS, &mut pieces);
    }
    for same in pieces.chunk_by(|a, b| a.1 == b.1) {
        if same[0].1.a() == 0 {
            continue;
        }
        let mut d = String::new();
        for (corners, _) in same {
            let [[x, y], [x1, y1], [x2, y2]] = corners.map(point);
            let _ = write!(d, "M {x} {y} L {x1} {y1} L {x2} {y2} Z ");
        }
        let fill = color("fill", same[0].1);
        let d = d.trim_end();
        // Without this a hair of the background shows between neighbours.
        out.line(&format!(
            "<path d=\"{d}\"{fill} shape-rendering=\"crispEdges\"/>"
        ));
    }
}

/// Halves a triangle along its longest side until each piece has but one colour.
fn cut(corners: [Vertex; 3], cuts: u32, out: &mut Vec<([Pos2; 3], Color32)>) {
    let [a, b, c] = corners;
    if cuts == 0 || !runs(&corners) {
        let mean = mean(mean_of(a.color, b.color), c.color, 1.0 / 3.0);
        return out.push((corners.map(|it| it.pos), mean));
    }
    let sides = [(a, b, c), (b, c, a), (c, a, b)];
    let longest = |it: &(Vertex, Vertex, Vertex)| it.0.pos.distance_sq(it.1.pos);
    let Some((from, to, tip)) = sides
        .into_iter()
        .max_by(|x, y| longest(x).total_cmp(&longest(y)))
    else {
        return;
    };
    let middle = Vertex {
        pos: from.pos + (to.pos - from.pos) / 2.0,
        uv: WHITE_UV,
        color: mean_of(from.color, to.color),
    };
    cut([from, middle, tip], cuts - 1, out);
    cut([middle, to, tip], cuts - 1, out);
}

/// Whether the colour is seen to change from corner to corner.
fn runs(corners: &[Vertex; 3]) -> bool {
    let far = |a: Color32, b: Color32| {
        let pairs = a.to_array().into_iter().zip(b.to_array());
        pairs
            .map(|(a, b)| (i32::from(a) - i32::from(b)).abs())
            .max()
    };
    let [a, b, c] = corners.map(|it| it.color);
    [far(a, b), far(b, c), far(c, a)]
        .into_iter()
        .any(|it| it > Some(STEP))
}

fn mean_of(a: Color32, b: Color32) -> Color32 {
    mean(a, b, 0.5)
}

fn mean(a: Color32, b: Color32, share: f32) -> Color32 {
    a.lerp_to_gamma(b, share)
}
