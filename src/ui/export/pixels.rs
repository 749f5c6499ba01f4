//! Pixels of a paper, computed here: egui's triangles filled in, so that the picture is the same with any graphics
//! driver and with none.
//!
//! Blending is egui's: colours as they are encoded, times the texture, alpha multiplied in.

use std::collections::HashMap;

use eframe::egui::{
    Color32, ColorImage, ImageData, Mesh, Pos2, Rect, TextureId, Vec2,
    epaint::{Primitive, Vertex, textures::TexturesDelta},
};

use super::Paper;

/// Red, green, blue, alpha, 0 to 255, alpha multiplied in.
type Rgba = [f32; 4];

impl Paper {
    /// The picture, `size × pixels_per_point` pixels.
    #[must_use]
    pub fn pixels(&self) -> ColorImage {
        let scale = self.output.pixels_per_point;
        let size = (self.size * scale).round();
        let size = [size.x as usize, size.y as usize];
        let mut canvas = Canvas {
            size,
            pixels: vec![rgba(self.palette.window); size[0] * size[1]],
        };
        let textures = textures(&self.output.textures_delta);
        let shapes = self.output.shapes.clone();
        for it in self.ctx.tessellate(shapes, scale) {
            // A callback draws with the graphics driver: on paper panels make none.
            if let Primitive::Mesh(mesh) = &it.primitive {
                canvas.mesh(mesh, it.clip_rect, scale, textures.get(&mesh.texture_id));
            }
        }
        let pixels = canvas.pixels.iter().map(color).collect();
        ColorImage::new(size, pixels)
    }
}

/// A picture as a PNG.
///
/// # Errors
/// A picture without pixels.
pub fn png(picture: &ColorImage) -> Result<Vec<u8>, image::ImageError> {
    let size = picture.size.map(|it| it as u32);
    let bytes: Vec<u8> = picture.pixels.iter().flat_map(Color32::to_array).collect();
    let mut out = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut out);
    let kind = image::ExtendedColorType::Rgba8;
    image::ImageEncoder::write_image(encoder, &bytes, size[0], size[1], kind)?;
    Ok(out)
}

fn rgba(color: Color32) -> Rgba {
    color.to_array().map(f32::from)
}

fn color(it: &Rgba) -> Color32 {
    let [r, g, b, a] = it.map(|it| it.round() as u8);
    Color32::from_rgba_premultiplied(r, g, b, a)
}

/// Every texture as it is after all frames.
fn textures(delta: &TexturesDelta) -> HashMap<TextureId, ColorImage> {
    let mut out: HashMap<TextureId, ColorImage> = HashMap::new();
    for (id, deltas) in &delta.set {
        for it in deltas {
            let ImageData::Color(image) = &it.image;
            match (it.pos, out.get_mut(id)) {
                (Some(at), Some(whole)) => patch(whole, image, at),
                _ => {
                    out.insert(*id, image.as_ref().clone());
                }
            }
        }
    }
    out
}

fn patch(whole: &mut ColorImage, part: &ColorImage, [left, top]: [usize; 2]) {
    let width = part.size[0];
    for (y, row) in part.pixels.chunks_exact(width.max(1)).enumerate() {
        let start = (top + y) * whole.size[0] + left;
        if let Some(into) = whole.pixels.get_mut(start..start + width) {
            into.copy_from_slice(row);
        }
    }
}

/// The colour of a texture at `uv`, 0 to 1, between its texels.
fn sample(texture: &ColorImage, uv: Pos2) -> Rgba {
    let [width, height] = texture.size;
    if width == 0 || height == 0 {
        return [255.0; 4];
    }
    let at = uv.to_vec2() * Vec2::new(width as f32, height as f32) - Vec2::splat(0.5);
    let whole = at.floor();
    let part = at - whole;
    let texel = |x: f32, y: f32| {
        let x = (x.max(0.0) as usize).min(width - 1);
        let y = (y.max(0.0) as usize).min(height - 1);
        rgba(texture.pixels[y * width + x])
    };
    let mix = |a: Rgba, b: Rgba, t: f32| std::array::from_fn(|n| a[n] + (b[n] - a[n]) * t);
    let upper = mix(
        texel(whole.x, whole.y),
        texel(whole.x + 1.0, whole.y),
        part.x,
    );
    let lower = mix(
        texel(whole.x, whole.y + 1.0),
        texel(whole.x + 1.0, whole.y + 1.0),
        part.x,
    );
    mix(upper, lower, part.y)
}

/// Pixels being filled.
struct Canvas {
    size: [usize; 2],
    /// `[height, width]`
    pixels: Vec<Rgba>,
}

/// Part of the canvas, pixels: the first column and row in it, the first behind it.
#[derive(Clone, Copy)]
struct Window {
    min: [usize; 2],
    end: [usize; 2],
}

impl Canvas {
    fn mesh(&mut self, mesh: &Mesh, clip: Rect, scale: f32, texture: Option<&ColorImage>) {
        let window = self.window(Rect::from_min_max(
            (clip.min * scale).round(),
            (clip.max * scale).round(),
        ));
        for corners in mesh.indices.chunks_exact(3) {
            let corner = |n: usize| {
                let it = mesh.vertices[corners[n] as usize];
                Vertex {
                    pos: it.pos * scale,
                    ..it
                }
            };
            self.triangle([corner(0), corner(1), corner(2)], window, texture);
        }
    }

    fn window(&self, rect: Rect) -> Window {
        let within = |it: f32, most: usize| (it.max(0.0) as usize).min(most);
        Window {
            min: [
                within(rect.left(), self.size[0]),
                within(rect.top(), self.size[1]),
            ],
            end: [
                within(rect.right(), self.size[0]),
                within(rect.bottom(), self.size[1]),
            ],
        }
    }

    /// Fills the pixels whose centre lies inside; of two triangles that share an edge, one has those on it.
    fn triangle(&mut self, corners: [Vertex; 3], window: Window, texture: Option<&ColorImage>) {
        let [a, mut b, mut c] = corners;
        let mut area = cross(b.pos - a.pos, c.pos - a.pos);
        if area < 0.0 {
            (b, c) = (c, b);
            area = -area;
        }
        if area.partial_cmp(&0.0) != Some(std::cmp::Ordering::Greater) {
            return;
        }
        let bounds = Rect::from_points(&[a.pos, b.pos, c.pos]);
        let bounds = self.window(Rect::from_min_max(bounds.min.floor(), bounds.max.ceil()));
        let flat = flat_color(&[a, b, c]);
        for y in bounds.min[1].max(window.min[1])..bounds.end[1].min(window.end[1]) {
            for x in bounds.min[0].max(window.min[0])..bounds.end[0].min(window.end[0]) {
                let at = Pos2::new(x as f32 + 0.5, y as f32 + 0.5);
                let parts = [
                    side(b.pos, c.pos, at),
                    side(c.pos, a.pos, at),
                    side(a.pos, b.pos, at),
                ];
                let [Some(u), Some(v), Some(w)] = parts else {
                    continue;
                };
                let source = flat.unwrap_or_else(|| {
                    let share = [u / area, v / area, w / area];
                    shade(&[a, b, c], share, texture)
                });
                blend(&mut self.pixels[y * self.size[0] + x], source);
            }
        }
    }
}

fn cross(a: Vec2, b: Vec2) -> f32 {
    a.x * b.y - a.y * b.x
}

/// How far inside of the edge a point lies; none where it is outside, or on an edge that belongs to the neighbour.
fn side(from: Pos2, to: Pos2, at: Pos2) -> Option<f32> {
    let edge = to - from;
    let far = cross(edge, at - from);
    // With y downwards and this winding, a top edge runs right and a left edge runs up.
    let keeps = edge.y < 0.0 || (edge.y == 0.0 && edge.x > 0.0);
    (far > 0.0 || (far == 0.0 && keeps)).then_some(far)
}

/// The colour of a triangle that has but one and no texture.
fn flat_color(corners: &[Vertex; 3]) -> Option<Rgba> {
    let first = corners[0];
    let plain = |it: &Vertex| it.color == first.color && it.uv == eframe::egui::epaint::WHITE_UV;
    corners.iter().all(plain).then(|| rgba(first.color))
}

fn shade(corners: &[Vertex; 3], share: [f32; 3], texture: Option<&ColorImage>) -> Rgba {
    let mut out = [0.0; 4];
    let mut uv = Vec2::ZERO;
    for (corner, share) in corners.iter().zip(share) {
        for (into, it) in out.iter_mut().zip(rgba(corner.color)) {
            *into += it * share;
        }
        uv += corner.uv.to_vec2() * share;
    }
    if let Some(texture) = texture {
        let texel = sample(texture, uv.to_pos2());
        for (into, it) in out.iter_mut().zip(texel) {
            *into *= it / 255.0;
        }
    }
    out
}

fn blend(under: &mut Rgba, source: Rgba) {
    let rest = 1.0 - source[3] / 255.0;
    for (into, it) in under.iter_mut().zip(source) {
        *into = (it + *into * rest).clamp(0.0, 255.0);
    }
}
