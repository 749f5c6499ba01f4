//! RMS norm. The reference of `kernels/norm.wgsl`.

/// Root mean square over `x`, times `weight`.
pub fn rms_norm(x: &mut [f32], weight: &[f32], eps: f32) {
    let mean = x.iter().map(|it| it * it).sum::<f32>() / x.len() as f32;
    let scale = 1.0 / (mean + eps).sqrt();
    x.iter_mut()
        .zip(weight)
        .for_each(|(x, w)| *x = *x * scale * w);
}
