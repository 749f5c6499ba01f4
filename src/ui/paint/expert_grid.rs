//! The grid of the heatmap, drawn by `shaders/expert_grid.wgsl`: one texel per (router, expert).
//!
//! **Invariant:** runs under `downlevel_webgl2_defaults`: textures and a uniform, nothing else. The
//! places of cells are computed here and in the shader by the same rounding, so overlays fit.

use std::sync::Arc;

use eframe::egui::{self, Color32, Rect, pos2, vec2};
use eframe::egui_wgpu::{self, CallbackResources, CallbackTrait, ScreenDescriptor, wgpu};

use crate::ui::theme::{DARK, LIGHT, PRESENT, Palette, RAMP_LEN};

/// A cell without a value: drawn as an outline.
pub const EMPTY: f32 = -1.0;
/// No such expert: not drawn.
pub const ABSENT: f32 = -2.0;

/// Cells narrower than this have no gaps, no words and no strokes, points.
pub const SMALL_CELL: f32 = 12.0;
/// The same for their height: a wide cell this low still has room for a ring.
const LOW_CELL: f32 = 9.0;
const CELL_GAP: f32 = 2.0;
const CELL_CORNER: f32 = 3.0;

/// Where the cells of a grid lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GridView {
    /// On the pixel grid, points.
    pub rect: Rect,
    /// E.
    pub n_cols: usize,
    /// R.
    pub n_rows: usize,
    /// Pixels in a point.
    pub pixels_per_point: f32,
}

impl GridView {
    /// Fits a grid into a rectangle, on whole pixels.
    #[must_use]
    pub fn fit(rect: Rect, n_cols: usize, n_rows: usize, pixels_per_point: f32) -> Self {
        let snap = |it: f32| (it * pixels_per_point).round() / pixels_per_point;
        Self {
            rect: Rect::from_min_max(
                pos2(snap(rect.left()), snap(rect.top())),
                pos2(snap(rect.right()), snap(rect.bottom())),
            ),
            n_cols: n_cols.max(1),
            n_rows: n_rows.max(1),
            pixels_per_point,
        }
    }

    /// Whether cells are too small for gaps, words and strokes.
    #[must_use]
    pub fn is_small(&self) -> bool {
        let pitch = self.pitch_points();
        pitch.x < SMALL_CELL || pitch.y < LOW_CELL
    }

    fn pitch_points(&self) -> egui::Vec2 {
        self.rect.size() / vec2(self.n_cols as f32, self.n_rows as f32)
    }

    fn gap_pixels(&self) -> f32 {
        if self.is_small() {
            0.0
        } else {
            (CELL_GAP * self.pixels_per_point).round()
        }
    }

    fn pitch_pixels(&self) -> egui::Vec2 {
        (self.rect.size() * self.pixels_per_point + egui::Vec2::splat(self.gap_pixels()))
            / vec2(self.n_cols as f32, self.n_rows as f32)
    }

    /// The cell of a column and a row, points.
    #[must_use]
    pub fn cell(&self, col: usize, row: usize) -> Rect {
        let pitch = self.pitch_pixels();
        let gap = self.gap_pixels();
        let nearest = |it: f32| (it + 0.5).floor() / self.pixels_per_point;
        let low = vec2(nearest(col as f32 * pitch.x), nearest(row as f32 * pitch.y));
        let high = vec2(
            nearest((col + 1) as f32 * pitch.x - gap),
            nearest((row + 1) as f32 * pitch.y - gap),
        );
        Rect::from_min_max(self.rect.min + low, self.rect.min + high)
    }

    /// The column and row under a point.
    #[must_use]
    pub fn hit(&self, at: egui::Pos2) -> Option<(usize, usize)> {
        if !self.rect.contains(at) {
            return None;
        }
        let cell = (at - self.rect.min) * self.pixels_per_point / self.pitch_pixels();
        Some((
            (cell.x as usize).min(self.n_cols - 1),
            (cell.y as usize).min(self.n_rows - 1),
        ))
    }
}

/// Uniforms, mirrored in the shader.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct GridUniforms {
    size: [f32; 2],
    cells: [f32; 2],
    gap: f32,
    corner: f32,
    ramp_row: f32,
    linear_out: f32,
    empty: [f32; 4],
}
const _: () = assert!(size_of::<GridUniforms>() == 48);

/// One drawing of a grid.
struct Grid {
    values: Arc<Vec<f32>>,
    view: GridUniforms,
}

/// What lives as long as the device.
struct Painter {
    pipeline: wgpu::RenderPipeline,
    layout: wgpu::BindGroupLayout,
    uniforms: wgpu::Buffer,
    ramps: wgpu::TextureView,
    linear_out: bool,
    /// The values as uploaded, so that nothing is uploaded twice.
    held: Option<UploadedGrid>,
}

struct UploadedGrid {
    values: Arc<Vec<f32>>,
    size: [u32; 2],
    texture: wgpu::Texture,
    bind_group: wgpu::BindGroup,
}

/// Makes the pipeline. To be called once per device, before the first frame.
pub fn install(state: &egui_wgpu::RenderState) {
    let painter = Painter::new(&state.device, &state.queue, state.target_format);
    state
        .renderer
        .write()
        .callback_resources
        .insert::<Painter>(painter);
}

/// The shape that draws `values` `[R × E]`: 0 to 1, `EMPTY` or `ABSENT`.
pub fn shape(
    grid: &GridView,
    values: Arc<Vec<f32>>,
    palette: &Palette,
    differences: bool,
) -> egui::Shape {
    let size = grid.rect.size() * grid.pixels_per_point;
    let corner = CELL_CORNER * grid.pixels_per_point;
    let view = GridUniforms {
        size: size.into(),
        cells: [grid.n_cols as f32, grid.n_rows as f32],
        gap: grid.gap_pixels(),
        corner,
        ramp_row: f32::from(palette.kind as u8 * 2 + u8::from(differences)),
        linear_out: 0.0,
        empty: color(palette.line),
    };
    egui_wgpu::Callback::new_paint_callback(grid.rect, Grid { values, view }).into()
}

/// The same as plain shapes, for a file: no shader runs there.
#[must_use]
pub fn shapes(
    grid: &GridView,
    values: &[f32],
    palette: &Palette,
    differences: bool,
) -> Vec<egui::Shape> {
    let corner = if grid.is_small() { 0.0 } else { CELL_CORNER };
    let cells = (0..grid.n_rows).flat_map(|row| (0..grid.n_cols).map(move |col| (col, row)));
    cells
        .zip(values)
        .filter_map(|((col, row), value)| {
            let cell = grid.cell(col, row);
            if *value < f32::midpoint(EMPTY, ABSENT) {
                return None;
            }
            if *value < EMPTY / 2.0 {
                let outline = egui::Shape::rect_stroke(
                    cell,
                    corner,
                    (1.0, palette.line),
                    egui::StrokeKind::Inside,
                );
                return (!grid.is_small()).then_some(outline);
            }
            let color = if differences {
                palette.difference(*value)
            } else {
                palette.amount(*value)
            };
            Some(egui::Shape::rect_filled(cell, corner, color))
        })
        .collect()
}

fn color(it: Color32) -> [f32; 4] {
    it.to_normalized_gamma_f32()
}

impl CallbackTrait for Grid {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        _screen: &ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if let Some(painter) = resources.get_mut::<Painter>() {
            painter.upload(device, queue, self);
        }
        Vec::new()
    }

    fn paint(
        &self,
        _info: egui::PaintCallbackInfo,
        pass: &mut wgpu::RenderPass<'static>,
        resources: &CallbackResources,
    ) {
        let Some(painter) = resources.get::<Painter>() else {
            return;
        };
        if let Some(held) = &painter.held {
            pass.set_pipeline(&painter.pipeline);
            pass.set_bind_group(0, &held.bind_group, &[]);
            pass.draw(0..3, 0..1);
        }
    }
}

impl Painter {
    fn new(device: &wgpu::Device, queue: &wgpu::Queue, target: wgpu::TextureFormat) -> Self {
        let shader = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("expert_grid"),
            source: wgpu::ShaderSource::Wgsl(
                include_str!("../../../shaders/expert_grid.wgsl").into(),
            ),
        });
        let layout = bind_group_layout(device);
        let pipeline = pipeline(device, &shader, &layout, target);
        let uniforms = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("expert_grid view"),
            size: size_of::<GridUniforms>() as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        Self {
            pipeline,
            layout,
            uniforms,
            ramps: ramps(device, queue),
            linear_out: target.is_srgb(),
            held: None,
        }
    }

    fn upload(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, grid: &Grid) {
        let view = GridUniforms {
            linear_out: f32::from(u8::from(self.linear_out)),
            ..grid.view
        };
        queue.write_buffer(&self.uniforms, 0, bytemuck::bytes_of(&view));
        let size = [view.cells[0] as u32, view.cells[1] as u32];
        if self.held.as_ref().is_none_or(|it| it.size != size) {
            self.held = Some(self.texture(device, size));
        }
        let Some(held) = self.held.as_mut() else {
            return;
        };
        if Arc::ptr_eq(&held.values, &grid.values) {
            return;
        }
        held.values = Arc::clone(&grid.values);
        write_texels(
            queue,
            &held.texture,
            size,
            4,
            bytemuck::cast_slice(&grid.values),
        );
    }

    fn texture(&self, device: &wgpu::Device, size: [u32; 2]) -> UploadedGrid {
        let texture = texture(device, size, wgpu::TextureFormat::R32Float, "values");
        let values = texture.create_view(&wgpu::TextureViewDescriptor::default());
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("expert_grid"),
            layout: &self.layout,
            entries: &[
                wgpu::BindGroupEntry {
                    binding: 0,
                    resource: self.uniforms.as_entire_binding(),
                },
                wgpu::BindGroupEntry {
                    binding: 1,
                    resource: wgpu::BindingResource::TextureView(&values),
                },
                wgpu::BindGroupEntry {
                    binding: 2,
                    resource: wgpu::BindingResource::TextureView(&self.ramps),
                },
            ],
        });
        UploadedGrid {
            values: Arc::default(),
            size,
            texture,
            bind_group,
        }
    }
}

fn bind_group_layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::FRAGMENT,
        ty,
        count: None,
    };
    let texture = wgpu::BindingType::Texture {
        sample_type: wgpu::TextureSampleType::Float { filterable: false },
        view_dimension: wgpu::TextureViewDimension::D2,
        multisampled: false,
    };
    let uniform = wgpu::BindingType::Buffer {
        ty: wgpu::BufferBindingType::Uniform,
        has_dynamic_offset: false,
        min_binding_size: None,
    };
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("expert_grid"),
        entries: &[entry(0, uniform), entry(1, texture), entry(2, texture)],
    })
}

fn pipeline(
    device: &wgpu::Device,
    shader: &wgpu::ShaderModule,
    layout: &wgpu::BindGroupLayout,
    target: wgpu::TextureFormat,
) -> wgpu::RenderPipeline {
    let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some("expert_grid"),
        bind_group_layouts: &[Some(layout)],
        immediate_size: 0,
    });
    device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some("expert_grid"),
        layout: Some(&layout),
        vertex: wgpu::VertexState {
            module: shader,
            entry_point: Some("vertex"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            buffers: &[],
        },
        primitive: wgpu::PrimitiveState::default(),
        depth_stencil: None,
        multisample: wgpu::MultisampleState::default(),
        fragment: Some(wgpu::FragmentState {
            module: shader,
            entry_point: Some("fragment"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            targets: &[Some(wgpu::ColorTargetState {
                format: target,
                blend: Some(wgpu::BlendState::PREMULTIPLIED_ALPHA_BLENDING),
                write_mask: wgpu::ColorWrites::ALL,
            })],
        }),
        multiview_mask: None,
        cache: None,
    })
}

/// `[256 × 6]`: amounts and differences, dark, light and for the back row.
fn ramps(device: &wgpu::Device, queue: &wgpu::Queue) -> wgpu::TextureView {
    let size = [RAMP_LEN as u32, 6];
    let texture = texture(device, size, wgpu::TextureFormat::Rgba8Unorm, "ramps");
    let texels: Vec<u8> = [
        (&DARK, false),
        (&DARK, true),
        (&LIGHT, false),
        (&LIGHT, true),
        (&PRESENT, false),
        (&PRESENT, true),
    ]
    .into_iter()
    .flat_map(|(palette, differences)| palette.ramp(differences))
    .flatten()
    .collect();
    write_texels(queue, &texture, size, 4, &texels);
    texture.create_view(&wgpu::TextureViewDescriptor::default())
}

fn texture(
    device: &wgpu::Device,
    [width, height]: [u32; 2],
    format: wgpu::TextureFormat,
    label: &str,
) -> wgpu::Texture {
    device.create_texture(&wgpu::TextureDescriptor {
        label: Some(label),
        size: wgpu::Extent3d {
            width,
            height,
            depth_or_array_layers: 1,
        },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
        view_formats: &[],
    })
}

fn write_texels(
    queue: &wgpu::Queue,
    texture: &wgpu::Texture,
    [width, height]: [u32; 2],
    texel_bytes: u32,
    bytes: &[u8],
) {
    if bytes.len() != (width * height * texel_bytes) as usize {
        return;
    }
    queue.write_texture(
        texture.as_image_copy(),
        bytes,
        wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some(width * texel_bytes),
            rows_per_image: None,
        },
        wgpu::Extent3d {
            width,
            height,
            depth_or_array_layers: 1,
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_is_hit_at_its_centre_and_none_overlap() {
        for (cols, rows, ppp) in [(8, 6, 1.0), (128, 94, 1.0), (60, 4, 1.5), (1, 1, 2.0)] {
            let rect = Rect::from_min_size(pos2(10.3, 20.7), vec2(517.0, 289.0));
            let grid = GridView::fit(rect, cols, rows, ppp);
            for row in 0..rows {
                for col in 0..cols {
                    let cell = grid.cell(col, row);
                    assert!(cell.is_positive(), "{cell:?}");
                    assert_eq!(grid.hit(cell.center()), Some((col, row)));
                    if col > 0 {
                        assert!(grid.cell(col - 1, row).right() <= cell.left());
                    }
                }
            }
            let last = grid.cell(cols - 1, rows - 1);
            assert!((last.max - grid.rect.max).length() < 1.5 / ppp);
        }
    }
}
