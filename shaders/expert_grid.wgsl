// Drawn by src/ui/paint/expert_grid.rs: a grid of cells, layers down and experts across.
// Textures and a uniform only, read by textureLoad: the OpenGL fallback has no storage buffers.

struct View {
    size: vec2<f32>,    // of the grid, pixels
    cells: vec2<f32>,   // columns E, rows R
    gap: f32,           // between cells, pixels; 0 where cells are small
    corner: f32,        // of a cell, pixels
    ramp_row: f32,      // which ramp
    linear_out: f32,    // 1 where the target converts to sRGB by itself
    empty: vec4<f32>,   // line around a cell without a value, gamma space
}

@group(0) @binding(0) var<uniform> view: View;      // mirrors `View` there
@group(0) @binding(1) var values: texture_2d<f32>;  // R32Float [E × R], 0..1; -1 empty; -2 no such expert
@group(0) @binding(2) var ramps: texture_2d<f32>;   // Rgba8Unorm [256 × 6], gamma space

struct Corner {
    @builtin(position) clip: vec4<f32>,
    @location(0) uv: vec2<f32>, // 0..1 over the grid, downwards
}

@vertex
fn vertex(@builtin(vertex_index) n: u32) -> Corner {
    let uv = vec2<f32>(f32((n << 1u) & 2u), f32(n & 2u));
    return Corner(vec4<f32>(uv.x * 2.0 - 1.0, 1.0 - uv.y * 2.0, 0.0, 1.0), uv);
}

/// Half up, as the Rust side does: the overlays sit on the same pixels.
fn nearest(x: vec2<f32>) -> vec2<f32> {
    return floor(x + 0.5);
}

/// Distance to a box with round corners, negative inside.
fn round_box(from_center: vec2<f32>, half: vec2<f32>, corner: f32) -> f32 {
    let q = abs(from_center) - half + corner;
    return length(max(q, vec2<f32>(0.0))) + min(max(q.x, q.y), 0.0) - corner;
}

fn to_linear(c: vec3<f32>) -> vec3<f32> {
    let low = c / 12.92;
    let high = pow((c + 0.055) / 1.055, vec3<f32>(2.4));
    return select(high, low, c <= vec3<f32>(0.04045));
}

fn finish(color: vec3<f32>, alpha: f32) -> vec4<f32> {
    let out = select(color, to_linear(color), view.linear_out > 0.5);
    return vec4<f32>(out * alpha, alpha);
}

@fragment
fn fragment(corner: Corner) -> @location(0) vec4<f32> {
    let at = corner.uv * view.size;
    let pitch = (view.size + view.gap) / view.cells;
    var cell = clamp(floor(at / pitch), vec2<f32>(0.0), view.cells - 1.0);
    cell -= vec2<f32>(at < nearest(cell * pitch));
    cell += vec2<f32>(at >= nearest((cell + 1.0) * pitch));
    cell = clamp(cell, vec2<f32>(0.0), view.cells - 1.0);

    let low = nearest(cell * pitch);
    let high = nearest((cell + 1.0) * pitch - view.gap);
    let half = (high - low) * 0.5;
    let distance = round_box(at - low - half, half, min(view.corner, min(half.x, half.y)));
    let inside = select(clamp(0.5 - distance, 0.0, 1.0), 1.0, view.gap == 0.0);

    let value = textureLoad(values, vec2<i32>(cell), 0).r;
    if (value < -1.5) {
        return vec4<f32>(0.0);
    }
    if (value < -0.5) {
        let ring = inside * clamp(distance + 1.5, 0.0, 1.0) * select(1.0, 0.0, view.gap == 0.0);
        return finish(view.empty.rgb, ring * view.empty.a);
    }
    let step = i32(floor(clamp(value, 0.0, 1.0) * 255.0 + 0.5));
    return finish(textureLoad(ramps, vec2<i32>(step, i32(view.ramp_row)), 0).rgb, inside);
}
