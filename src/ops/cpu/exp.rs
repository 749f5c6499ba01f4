//! The exponential over a whole vocabulary or row, a few numbers at a time, and the functions made of it.

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
#[inline(always)]
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
    if x > -87.0 {
        p * scale
    } else {
        (0.0 * x).abs()
    }
}

/// `1 / (1 + e^-x)`, within 4e-7 relative; 0 below -87.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    let e = exp(far(-x.abs()));
    let upper = 1.0 / (1.0 + e);
    if x < 0.0 { e * upper } else { upper }
}

/// `x · sigmoid(x)`.
#[inline(always)]
pub fn silu(x: f32) -> f32 {
    x * sigmoid(x)
}

/// `ln(1 + e^x)`, within 4e-7 relative; 0 below -87.
#[inline(always)]
pub fn softplus(x: f32) -> f32 {
    let u = exp(far(-x.abs()));
    // ln(1 + u) = 2 artanh(u / (2 + u)), whose series ends soon: its argument is a third at most.
    let z = u / (2.0 + u);
    let w = z * z;
    let series = 1.0
        + w * (1.0 / 3.0
            + w * (1.0 / 5.0
                + w * (1.0 / 7.0 + w * (1.0 / 9.0 + w * (1.0 / 11.0 + w * (1.0 / 13.0))))));
    let upper = if x > 0.0 { x } else { 0.0 };
    upper + 2.0 * z * series
}

/// e^x for `x <= 0`, within 3e-7 relative; 0 below -87, also for minus infinity.
#[inline(always)]
pub fn fading(x: f32) -> f32 {
    exp(far(x))
}

/// e^x of any x, within 3e-7 relative; 0 below -87, infinite above 87: for what should be 0 at most.
#[inline(always)]
pub fn decaying(x: f32) -> f32 {
    let e = exp(far(-x.abs()));
    if x > 0.0 { 1.0 / e } else { e }
}

/// A number beyond which e^x is 0, for all that are less; what is no number stays none.
#[inline(always)]
fn far(x: f32) -> f32 {
    if x < -87.0 { -87.0 } else { x }
}

/// ln Σ e^z; not a number where a z is none or infinite.
#[must_use]
pub fn log_sum_exp(z: &[f32]) -> f64 {
    let max = max(z);
    let sum: f64 = z.chunks(BAND).map(|it| sum_exp(it, max)).sum();
    f64::from(max) + sum.ln()
}

/// The largest; numbers that are none are passed over.
#[inline(always)]
pub fn max(z: &[f32]) -> f32 {
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
    fn functions_of_the_exponential_are_right_to_the_last_bits() {
        for i in -200_000..=200_000 {
            let x = i as f32 / 2_000.0;
            let e = f64::from(x).exp();
            for (name, got, exact) in [
                ("sigmoid", sigmoid(x), e / (1.0 + e)),
                ("silu", silu(x), f64::from(x) * (e / (1.0 + e))),
                ("softplus", softplus(x), e.ln_1p()),
            ] {
                let off = (f64::from(got) - exact).abs();
                assert!(off <= 4e-7 * exact.abs() + 2e-36, "{name}({x}): {got}");
            }
        }
        for (far, one) in [(f32::NEG_INFINITY, 0.0), (f32::INFINITY, 1.0)] {
            assert!((sigmoid(far) - one).abs() <= 0.0, "{far}");
        }
        assert!(softplus(f32::INFINITY) == f32::INFINITY && softplus(f32::NEG_INFINITY) <= 0.0);
        assert!(sigmoid(f32::NAN).is_nan() && softplus(f32::NAN).is_nan());
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
