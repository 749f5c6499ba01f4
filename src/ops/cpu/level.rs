//! Work that is compiled for several levels of a processor's registers, and runs on the widest that it has.

#[cfg(target_arch = "x86_64")]
use crate::formats::{Avx2, Avx512};
use crate::formats::{Lanes, N_LANES, Plain};

/// Bytes of a cache line.
pub const LINE: usize = 64;

/// Something to do in lanes.
///
/// `run` is inlined into a function that is compiled for a level, and so must be what it calls; closures would not be.
pub trait LaneWork {
    /// Does it.
    fn run<L: Lanes>(self);
}

/// Whether the processor has all that the level of AVX2 is compiled for.
#[cfg(target_arch = "x86_64")]
#[inline]
pub fn has_avx2() -> bool {
    is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("fma")
        && is_x86_feature_detected!("f16c")
        && is_x86_feature_detected!("popcnt")
}

/// Does it in the widest registers there are.
#[cfg(target_arch = "x86_64")]
#[expect(
    unsafe_code,
    reason = "the instructions a function is compiled for were just detected"
)]
pub fn on_lanes<W: LaneWork>(work: W) {
    let has_avx2 = has_avx2();
    if has_avx2 && is_x86_feature_detected!("avx512f") {
        unsafe { avx512(work) }
    } else if has_avx2 {
        unsafe { avx2(work) }
    } else {
        work.run::<Plain>();
    }
}

/// Does it in lanes of plain Rust.
#[cfg(not(target_arch = "x86_64"))]
pub fn on_lanes<W: LaneWork>(work: W) {
    work.run::<Plain>();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma,f16c,popcnt")]
fn avx512<W: LaneWork>(work: W) {
    work.run::<Avx512>();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,f16c,popcnt")]
fn avx2<W: LaneWork>(work: W) {
    work.run::<Avx2>();
}

/// The sum of sixteen lanes, halves upon halves.
#[inline(always)]
#[must_use]
pub fn tree(mut lanes: [f32; N_LANES]) -> f32 {
    let mut half = N_LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
        half /= 2;
    }
    lanes[0]
}
