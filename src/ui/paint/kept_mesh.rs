//! Large meshes that stay on the device while they do not change, drawn by `shaders/kept_mesh.wgsl`.
//!
//! egui copies every mesh it is given into the one it paints and uploads that, frame after frame: tens of thousands of
//! corners that are the same as before cost milliseconds so. **Invariant:** a slot shows the mesh it was last given,
//! compared by its `Arc`, which is held for as long as its corners are.

use std::{collections::HashMap, sync::Arc};

use eframe::egui::{self, Mesh, Rect, epaint::Vertex};
use eframe::egui_wgpu::{self, CallbackResources, CallbackTrait, ScreenDescriptor, wgpu};

/// Uniforms, mirrored in the shader.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct MeshUniforms {
    size: [f32; 2],
    linear_out: f32,
    unused: f32,
}
const _: () = assert!(size_of::<MeshUniforms>() == 16);

/// One drawing of a mesh.
struct KeptMesh {
    slot: &'static str,
    mesh: Arc<Mesh>,
}

/// What lives as long as the device.
struct Painter {
    pipeline: wgpu::RenderPipeline,
    uniforms: wgpu::Buffer,
    bind_group: wgpu::BindGroup,
    linear_out: bool,
    /// By slot, so that there are as many as places in the program that draw so.
    held: HashMap<&'static str, UploadedMesh>,
}

/// A mesh as uploaded.
struct UploadedMesh {
    mesh: Arc<Mesh>,
    corners: wgpu::Buffer,
    indices: wgpu::Buffer,
}

/// Makes the pipeline. To be called once per device, before the first frame.
pub fn install(state: &egui_wgpu::RenderState) {
    let painter = Painter::new(&state.device, state.target_format);
    state
        .renderer
        .write()
        .callback_resources
        .insert::<Painter>(painter);
}

/// The shape that draws `mesh`, of colours only, inside `rect`; `slot` names the place in the program, one mesh a frame.
pub fn shape(slot: &'static str, rect: Rect, mesh: &Arc<Mesh>) -> egui::Shape {
    if mesh.is_empty() {
        return egui::Shape::Noop;
    }
    let mesh = Arc::clone(mesh);
    egui_wgpu::Callback::new_paint_callback(rect, KeptMesh { slot, mesh }).into()
}

impl CallbackTrait for KeptMesh {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        screen: &ScreenDescriptor,
        _encoder: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        if let Some(painter) = resources.get_mut::<Painter>() {
            painter.set_view(queue, screen);
            painter.upload(device, queue, self);
        }
        Vec::new()
    }

    fn paint(
        &self,
        info: egui::PaintCallbackInfo,
        pass: &mut wgpu::RenderPass<'static>,
        resources: &CallbackResources,
    ) {
        let Some(painter) = resources.get::<Painter>() else {
            return;
        };
        let Some(held) = painter.held.get(self.slot) else {
            return;
        };
        // Corners are given in points of the screen, not of the rectangle.
        let [width, height] = info.screen_size_px.map(|it| it as f32);
        pass.set_viewport(0.0, 0.0, width, height, 0.0, 1.0);
        pass.set_pipeline(&painter.pipeline);
        pass.set_bind_group(0, &painter.bind_group, &[]);
        pass.set_vertex_buffer(0, held.corners.slice(..));
        pass.set_index_buffer(held.indices.slice(..), wgpu::IndexFormat::Uint32);
        pass.draw_indexed(0..held.mesh.indices.len() as u32, 0, 0..1);
    }
}

impl Painter {
    fn new(device: &wgpu::Device, target: wgpu::TextureFormat) -> Self {
        let uniforms = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("kept_mesh view"),
            size: size_of::<MeshUniforms>() as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("kept_mesh"),
            entries: &[wgpu::BindGroupLayoutEntry {
                binding: 0,
                visibility: wgpu::ShaderStages::VERTEX_FRAGMENT,
                ty: wgpu::BindingType::Buffer {
                    ty: wgpu::BufferBindingType::Uniform,
                    has_dynamic_offset: false,
                    min_binding_size: None,
                },
                count: None,
            }],
        });
        let bind_group = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("kept_mesh"),
            layout: &layout,
            entries: &[wgpu::BindGroupEntry {
                binding: 0,
                resource: uniforms.as_entire_binding(),
            }],
        });
        Self {
            pipeline: pipeline(device, &layout, target),
            uniforms,
            bind_group,
            linear_out: target.is_srgb(),
            held: HashMap::new(),
        }
    }

    fn set_view(&self, queue: &wgpu::Queue, screen: &ScreenDescriptor) {
        let view = MeshUniforms {
            size: screen
                .size_in_pixels
                .map(|it| it as f32 / screen.pixels_per_point),
            linear_out: f32::from(u8::from(self.linear_out)),
            unused: 0.0,
        };
        queue.write_buffer(&self.uniforms, 0, bytemuck::bytes_of(&view));
    }

    fn upload(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, drawn: &KeptMesh) {
        let mesh = &drawn.mesh;
        let corners: &[u8] = bytemuck::cast_slice(&mesh.vertices);
        let indices: &[u8] = bytemuck::cast_slice(&mesh.indices);
        let fits = |it: &UploadedMesh| {
            corners.len() as u64 <= it.corners.size() && indices.len() as u64 <= it.indices.size()
        };
        let held = self.held.get_mut(drawn.slot);
        match held {
            Some(it) if Arc::ptr_eq(&it.mesh, mesh) => return,
            Some(it) if fits(it) => it.mesh = Arc::clone(mesh),
            _ => {
                let buffer = |bytes: &[u8], usage| {
                    device.create_buffer(&wgpu::BufferDescriptor {
                        label: Some(drawn.slot),
                        size: (bytes.len() as u64).next_power_of_two(),
                        usage: usage | wgpu::BufferUsages::COPY_DST,
                        mapped_at_creation: false,
                    })
                };
                let new = UploadedMesh {
                    mesh: Arc::clone(mesh),
                    corners: buffer(corners, wgpu::BufferUsages::VERTEX),
                    indices: buffer(indices, wgpu::BufferUsages::INDEX),
                };
                self.held.insert(drawn.slot, new);
            }
        }
        if let Some(it) = self.held.get(drawn.slot) {
            queue.write_buffer(&it.corners, 0, corners);
            queue.write_buffer(&it.indices, 0, indices);
        }
    }
}

fn pipeline(
    device: &wgpu::Device,
    layout: &wgpu::BindGroupLayout,
    target: wgpu::TextureFormat,
) -> wgpu::RenderPipeline {
    let shader = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some("kept_mesh"),
        source: wgpu::ShaderSource::Wgsl(include_str!("../../../shaders/kept_mesh.wgsl").into()),
    });
    let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some("kept_mesh"),
        bind_group_layouts: &[Some(layout)],
        immediate_size: 0,
    });
    // The place on the texture is passed by: a mesh of colours has none.
    let attribute = |shader_location, offset, format| wgpu::VertexAttribute {
        format,
        offset,
        shader_location,
    };
    let attributes = [
        attribute(0, 0, wgpu::VertexFormat::Float32x2),
        attribute(1, 16, wgpu::VertexFormat::Unorm8x4),
    ];
    let corners = wgpu::VertexBufferLayout {
        array_stride: size_of::<Vertex>() as u64,
        step_mode: wgpu::VertexStepMode::Vertex,
        attributes: &attributes,
    };
    device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some("kept_mesh"),
        layout: Some(&layout),
        vertex: wgpu::VertexState {
            module: &shader,
            entry_point: Some("vertex"),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            buffers: &[Some(corners)],
        },
        primitive: wgpu::PrimitiveState::default(),
        depth_stencil: None,
        multisample: wgpu::MultisampleState::default(),
        fragment: Some(wgpu::FragmentState {
            module: &shader,
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

#[cfg(test)]
mod tests {
    use super::*;
    use eframe::egui::{Color32, pos2, vec2};

    #[test]
    fn a_corner_is_laid_out_as_the_shader_reads_it() {
        let mut mesh = Mesh::default();
        let rect = Rect::from_min_size(pos2(3.0, 5.0), vec2(1.0, 1.0));
        mesh.add_colored_rect(rect, Color32::from_rgba_premultiplied(1, 2, 3, 4));
        let bytes: &[u8] = bytemuck::bytes_of(&mesh.vertices[0]);
        assert_eq!(bytes.len(), 20);
        assert_eq!(&bytes[..8], bytemuck::cast_slice::<f32, u8>(&[3.0, 5.0]));
        assert_eq!(&bytes[16..], [1, 2, 3, 4]);
    }

    #[test]
    fn an_empty_mesh_is_no_shape() {
        let rect = Rect::from_min_size(pos2(0.0, 0.0), vec2(1.0, 1.0));
        assert_eq!(shape("none", rect, &Arc::default()), egui::Shape::Noop);
    }
}
