//! The exponential over a whole vocabulary, a few numbers at a time.

use std::f32::consts::LOG2_E;

/// Lanes that are summed side by side.
const LANES: usize = 16;
/// Numbers summed in f32 before the sum goes on in f64.
const BAND: usize = 64 * LANES;

/// ln 2 cut to ten bits, and the rest.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;

/// e^x for `x <= 0`, within 2e-7 relative; 0 below -87. Without branches or calls, so that the
/// compiler does several at once. Cody and Waite: 2^n · e^r with `r` in ± ln 2 / 2.
fn exp(x: f32) -> f32 {
    // Adding and taking off 1.5 · 2²³ rounds to a whole number.
    const ROUND: f32 = 12_582_912.0;
    let clamped = if x > -87.0 { x } else { -87.0 };
    let n = (clamped * LOG2_E + ROUND) - ROUND;
    let r = clamped - n * LN_2_HIGH - n * LN_2_LOW;
    let p = 1.0
        + r * (1.0
            + r * (1.0 / 2.0
                + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0))))));
    let scale = f32::from_bits(((n as i32 + 127) << 23) as u32);
    // What is no number stays none.
    if x > -87.0 { p * scale } else { x * 0.0 }
}

/// ln Σ e^z; not a number where a z is none or infinite.
#[must_use]
pub fn log_sum_exp(z: &[f32]) -> f64 {
    let max = max(z);
    let sum: f64 = z.chunks(BAND).map(|it| sum_exp(it, max)).sum();
    f64::from(max) + sum.ln()
}

/// The largest; numbers that are none are passed over.
fn max(z: &[f32]) -> f32 {
    let (whole, rest) = z.as_chunks::<LANES>();
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for z in whole {
        for i in 0..LANES {
            lanes[i] = if z[i] > lanes[i] { z[i] } else { lanes[i] };
        }
    }
    lanes
        .iter()
        .chain(rest)
        .copied()
        .fold(f32::NEG_INFINITY, f32::max)
}

/// Σ e^(z - max).
fn sum_exp(z: &[f32], max: f32) -> f64 {
    let (whole, rest) = z.as_chunks::<LANES>();
    let mut lanes = [0.0f32; LANES];
    for z in whole {
        for i in 0..LANES {
            lanes[i] += exp(z[i] - max);
        }
    }
    let rest = rest.iter().map(|it| f64::from(exp(it - max)));
    lanes.iter().map(|it| f64::from(*it)).chain(rest).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_right_to_the_last_bits() {
        for i in 0..870_000 {
            let x = -(i as f32) / 10_000.0;
            let exact = f64::from(x).exp();
            assert!(
                (f64::from(exp(x)) - exact).abs() <= 3e-7 * exact,
                "e^{x}: {} against {exact}",
                exp(x)
            );
        }
        assert_eq!(
            (exp(0.0).to_bits(), exp(-1000.0).abs().to_bits()),
            (1.0f32.to_bits(), 0)
        );
    }

    #[test]
    fn what_is_no_number_is_seen() {
        for bad in [f32::NAN, f32::INFINITY] {
            for at in [0, 70, 99] {
                let mut z = vec![0.5; 100];
                z[at] = bad;
                assert!(!log_sum_exp(&z).is_finite(), "{bad} at {at}");
            }
        }
        assert!((log_sum_exp(&[0.0; 200]) - 200f64.ln()).abs() < 1e-6);
        assert!((log_sum_exp(&[-300.0, 5.0]) - 5.0).abs() < 1e-6);
    }
}
