//! RMS norm and layer norm. The reference of `kernels/norm.wgsl`.

/// Root mean square over `x`, times `weight`.
pub fn rms_norm(x: &mut [f32], weight: &[f32], eps: f32) {
    let mean = x.iter().map(|it| it * it).sum::<f32>() / x.len() as f32;
    let scale = 1.0 / (mean + eps).sqrt();
    x.iter_mut()
        .zip(weight)
        .for_each(|(x, w)| *x = *x * scale * w);
}

/// `x` less its mean over its standard deviation, times `weight`, plus `bias` where there is one.
pub fn layer_norm(x: &mut [f32], weight: &[f32], bias: Option<&[f32]>, eps: f32) {
    let n = x.len() as f32;
    let mean = x.iter().sum::<f32>() / n;
    let variance = x.iter().map(|it| (it - mean) * (it - mean)).sum::<f32>() / n;
    let scale = 1.0 / (variance + eps).sqrt();
    x.iter_mut()
        .zip(weight)
        .for_each(|(x, w)| *x = (*x - mean) * scale * w);
    if let Some(bias) = bias {
        x.iter_mut().zip(bias).for_each(|(x, b)| *x += b);
    }
}
