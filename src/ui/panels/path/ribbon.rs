//! One curve between two columns: level where it leaves and arrives, as wide as what it carries.

use eframe::egui::{Color32, Mesh, Pos2, Shape, Stroke, pos2, vec2};

/// A curve from left to right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ribbon {
    /// Where it begins.
    pub from: Pos2,
    /// Where it ends, further to the right.
    pub to: Pos2,
    /// Its width at both ends, points.
    pub widths: [f32; 2],
    /// Its colour at both ends.
    pub colors: [Color32; 2],
}

impl Ribbon {
    /// Its middle at `x`.
    pub fn y(&self, x: f32) -> f32 {
        let u = ((x - self.from.x) / (self.to.x - self.from.x)).clamp(0.0, 1.0);
        self.from.y + (self.to.y - self.from.y) * ease(u)
    }

    /// How far a place is from its edge, points; 0 inside.
    pub fn distance(&self, at: Pos2) -> f32 {
        let u = ((at.x - self.from.x) / (self.to.x - self.from.x)).clamp(0.0, 1.0);
        ((self.y(at.x) - at.y).abs() - self.width(u) / 2.0).max(0.0)
    }

    fn width(&self, u: f32) -> f32 {
        self.widths[0] + (self.widths[1] - self.widths[0]) * u
    }

    fn color(&self, u: f32) -> Color32 {
        let [from, to] = self.colors;
        match u {
            _ if from == to || u <= 0.0 => from,
            1.0.. => to,
            _ => from.lerp_to_gamma(to, u),
        }
    }

    /// Straight ones need one piece, steep ones more.
    fn n_pieces(&self) -> usize {
        let (dx, dy) = (self.to.x - self.from.x, (self.to.y - self.from.y).abs());
        if dy < 0.5 {
            1
        } else {
            (dx.min(dx * 0.5 + dy) / 6.0).clamp(2.0, 16.0) as usize
        }
    }

    /// The curve at `u` from 0 to 1: its middle, and the direction across it.
    fn at(&self, u: f32) -> (Pos2, eframe::egui::Vec2) {
        let (dx, dy) = (self.to.x - self.from.x, self.to.y - self.from.y);
        let middle = pos2(self.from.x + dx * u, self.from.y + dy * ease(u));
        let slope = dy * 6.0 * u * (1.0 - u) / dx.max(1e-3);
        (middle, vec2(-slope, 1.0) / (slope * slope + 1.0).sqrt())
    }

    /// A mesh of these, their edges softened over `feather` points, one pixel.
    pub fn mesh_of(all: impl Iterator<Item = Self> + Clone, feather: f32) -> Mesh {
        let mut mesh = Mesh::default();
        // A window of tokens is some ten thousand pieces: growing by doubling would copy them over and over.
        let of_one = |(n, pieces), it: Self| (n + 1, pieces + it.n_pieces());
        let (n, n_pieces) = all.clone().fold((0, 0), of_one);
        mesh.vertices.reserve_exact(4 * (n_pieces + n));
        mesh.indices.reserve_exact(18 * n_pieces);
        all.for_each(|it| it.add_to(&mut mesh, feather));
        mesh
    }

    /// Adds it to a mesh.
    fn add_to(&self, mesh: &mut Mesh, feather: f32) {
        let n = self.n_pieces();
        for piece in 0..=n {
            let u = piece as f32 / n as f32;
            let (middle, across) = self.at(u);
            let width = self.width(u);
            // What is thinner than a pixel is drawn a pixel wide and fainter.
            let strength = (width / feather).min(1.0);
            let color = self.color(u);
            let color = if strength < 1.0 {
                color.gamma_multiply(strength)
            } else {
                color
            };
            let outer = f32::midpoint(width.max(feather), feather);
            let inner = (width.max(feather) - feather) / 2.0;
            let first = mesh.vertices.len() as u32;
            for (far, color) in [
                (-outer, Color32::TRANSPARENT),
                (-inner, color),
                (inner, color),
                (outer, Color32::TRANSPARENT),
            ] {
                mesh.colored_vertex(middle + across * far, color);
            }
            if piece == 0 {
                continue;
            }
            for strip in 0..3 {
                let (a, b) = (first - 4 + strip, first + strip);
                mesh.add_triangle(a, a + 1, b);
                mesh.add_triangle(a + 1, b, b + 1);
            }
        }
    }

    /// The same as a line, where there are only shapes.
    pub fn shape(&self) -> Shape {
        let n = self.n_pieces();
        let points = (0..=n).map(|it| self.at(it as f32 / n as f32).0).collect();
        let width = f32::midpoint(self.widths[0], self.widths[1]);
        let color = self.colors[0].lerp_to_gamma(self.colors[1], 0.5);
        Shape::line(points, Stroke::new(width.max(0.3), color))
    }
}

/// Level at both ends.
fn ease(u: f32) -> f32 {
    u * u * (3.0 - 2.0 * u)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIBBON: Ribbon = Ribbon {
        from: pos2(0.0, 10.0),
        to: pos2(100.0, 50.0),
        widths: [2.0, 6.0],
        colors: [Color32::WHITE; 2],
    };

    #[test]
    fn a_ribbon_passes_its_ends_and_its_middle() {
        for (x, y) in [(0.0, 10.0), (50.0, 30.0), (100.0, 50.0), (-9.0, 10.0)] {
            assert!((RIBBON.y(x) - y).abs() < 1e-4, "at {x}");
        }
        // At the middle it is 4 wide.
        assert!(RIBBON.distance(pos2(50.0, 31.9)).abs() < 1e-4);
        assert!((RIBBON.distance(pos2(50.0, 35.0)) - 3.0).abs() < 1e-4);
    }

    #[test]
    fn a_mesh_of_it_is_whole() {
        let mesh = Ribbon::mesh_of([RIBBON; 2].into_iter(), 1.0);
        assert!(mesh.is_valid());
        let n = RIBBON.n_pieces();
        assert_eq!(mesh.vertices.len(), 2 * 4 * (n + 1));
        assert_eq!(mesh.indices.len(), 2 * 18 * n);
        // What was made room for is what was needed.
        assert_eq!(mesh.vertices.capacity(), mesh.vertices.len());
        assert_eq!(mesh.indices.capacity(), mesh.indices.len());
    }
}
