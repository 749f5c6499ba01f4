// Drawn by src/ui/paint/kept_mesh.rs: triangles of flat colour whose corners stay on the device from frame to frame.

struct View {
    size: vec2<f32>,    // of the screen, points
    linear_out: f32,    // 1 where the target converts to sRGB by itself
    unused: f32,
}

@group(0) @binding(0) var<uniform> view: View;      // mirrors `View` there

struct Corner {
    @builtin(position) clip: vec4<f32>,
    @location(0) color: vec4<f32>, // premultiplied, gamma space
}

@vertex
fn vertex(@location(0) at: vec2<f32>, @location(1) color: vec4<f32>) -> Corner {
    let clip = vec2<f32>(2.0 * at.x / view.size.x - 1.0, 1.0 - 2.0 * at.y / view.size.y);
    return Corner(vec4<f32>(clip, 0.0, 1.0), color);
}

fn to_linear(c: vec3<f32>) -> vec3<f32> {
    let low = c / 12.92;
    let high = pow((c + 0.055) / 1.055, vec3<f32>(2.4));
    return select(high, low, c <= vec3<f32>(0.04045));
}

@fragment
fn fragment(corner: Corner) -> @location(0) vec4<f32> {
    let rgb = select(corner.color.rgb, to_linear(corner.color.rgb), view.linear_out > 0.5);
    return vec4<f32>(rgb, corner.color.a);
}
