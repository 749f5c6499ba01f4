// The exponential that the CPU and the kernels share: a driver's own may be coarse. The reference is src/ops/cpu/exp.rs.

// e^x for x <= 0, within 2e-7 relative; 0 below -87. Cody and Waite: 2^n · e^r with r in ± ln 2 / 2.
fn exp_negative(x: f32) -> f32 {
    let clamped = max(x, -87.0);
    let n = round(clamped * 1.442695);
    let r = clamped - n * 0.6933594 + n * 2.1219444e-4;
    let p = 1.0 + r * (1.0 + r * (1.0 / 2.0 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0))))));
    let scale = bitcast<f32>(u32(i32(n) + 127) << 23u);
    return select(0.0, p * scale, x > -87.0);
}
