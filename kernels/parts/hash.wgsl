// The hash and the logarithm that the CPU and the kernels share; the reference is src/ops/hash.rs.

fn pcg(v: u32) -> u32 {
    let x = v * 747796405u + 2891336453u;
    let y = ((x >> ((x >> 28u) + 4u)) ^ x) * 277803737u;
    return (y >> 22u) ^ y;
}

// ln x for normal x > 0, by exponent and mantissa and the series of artanh in (m-1)/(m+1).
fn ln(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    var exponent = f32(i32(bits >> 23u) - 127);
    var m = bitcast<f32>((bits & 0x007fffffu) | 0x3f800000u);
    if m > 1.4142135 {
        m *= 0.5;
        exponent += 1.0;
    }
    let s = (m - 1.0) / (m + 1.0);
    let s2 = s * s;
    let series = 2.0 * s * (1.0 + s2 * (1.0 / 3.0 + s2 * (1.0 / 5.0 + s2 * (1.0 / 7.0 + s2 * (1.0 / 9.0)))));
    return exponent * 0.6931472 + series;
}

// Gumbel noise of token v; key is pcg(pcg(seed) ^ t).
fn gumbel(key: u32, v: u32) -> f32 {
    let u = (f32(pcg(key ^ v) >> 9u) + 0.5) / 8388608.0;
    return -ln(-ln(u));
}
