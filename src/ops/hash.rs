//! The hash and the logarithm that the CPU and the kernels share, so that both draw the same noise.

/// One round of the 32-bit PCG hash (RXS-M-XS, as in O'Neill's `pcg_oneseq_rxs_m_xs_32`).
#[must_use]
pub fn pcg(v: u32) -> u32 {
    let x = v.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let y = ((x >> ((x >> 28) + 4)) ^ x).wrapping_mul(277_803_737);
    (y >> 22) ^ y
}

/// ln x for normal `x > 0`, by exponent and mantissa and the series of artanh in (m-1)/(m+1):
/// a GPU's own logarithm is too coarse near 1. Within 2e-7 relative, or 1e-9 near 1.
#[must_use]
pub fn ln(x: f32) -> f32 {
    const LN_2: f32 = std::f32::consts::LN_2;
    let bits = x.to_bits();
    let mut exponent = ((bits >> 23) as i32 - 127) as f32;
    let mut m = f32::from_bits((bits & 0x007f_ffff) | 0x3f80_0000);
    if m > std::f32::consts::SQRT_2 {
        m *= 0.5;
        exponent += 1.0;
    }
    let s = (m - 1.0) / (m + 1.0);
    let s2 = s * s;
    let series =
        2.0 * s * (1.0 + s2 * (1.0 / 3.0 + s2 * (1.0 / 5.0 + s2 * (1.0 / 7.0 + s2 * (1.0 / 9.0)))));
    exponent * LN_2 + series
}

/// Gumbel noise of token `v` at position `t`: `-ln(-ln u)`, `u = ((h(h(h(seed) ^ t) ^ v) >> 9) + 0.5) / 2²³`.
/// `key` is `h(h(seed) ^ t)`.
#[must_use]
pub fn gumbel(key: u32, v: u32) -> f32 {
    let u = ((pcg(key ^ v) >> 9) as f32 + 0.5) / 8_388_608.0;
    -ln(-ln(u))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_one_written_down() {
        // Worked by hand from the formula: h(0): x = 2891336453, y = ((x >> 14) ^ x) · 277803737.
        let x = 2_891_336_453u32;
        let y = ((x >> ((x >> 28) + 4)) ^ x).wrapping_mul(277_803_737);
        assert_eq!(pcg(0), (y >> 22) ^ y);
        assert_eq!(pcg(0), 129_708_002);
        assert_eq!(pcg(1), 2_831_084_092);
    }

    #[test]
    fn the_logarithm_is_right_where_noise_is_made() {
        for i in 0..8_388_608u32 {
            let u = (i as f32 + 0.5) / 8_388_608.0;
            assert!(u > 0.0 && u < 1.0);
            if i % 101 == 0 || !(1_000..=8_387_000).contains(&i) {
                let exact = f64::from(u).ln();
                let error = (f64::from(ln(u)) - exact).abs();
                assert!(
                    error <= 4e-7 * exact.abs().max(1e-3),
                    "ln {u} off by {error}"
                );
                assert!(gumbel(0, i).is_finite());
            }
        }
        assert_eq!(ln(1.0).to_bits(), 0.0f32.to_bits());
    }
}
