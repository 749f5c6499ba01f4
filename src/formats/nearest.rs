//! What formats that numbers are rounded to have in common.

/// The number farthest from 0, with its sign; NaN where one is not finite.
pub fn farthest(numbers: &[f32; 32]) -> f32 {
    if numbers.iter().any(|it| !it.is_finite()) {
        return f32::NAN;
    }
    let farther = |a: f32, b: f32| if b.abs() > a.abs() { b } else { a };
    numbers.iter().copied().fold(0.0, farther)
}

/// `1 / scale`, or 0 where all numbers are 0.
pub fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}
