//! How a block of a file is laid on the device, format by format: what `kernels/formats/` says it reads.
//!
//! Numbers lie in their order, fields of one width together, so that a kernel takes four of them out of a
//! word with one shift. Codes that mean the same are made one: no zero below 0, no scale that stands for 0.

use crate::formats::{Mxfp4, Nvfp4, Q2_0, Q2K, Q3K, Q4K, Q5K, Q6K, six_bits};

/// Fields of 4 bits, number `i` from bit `4 i` on.
fn four_bits(out: &mut [u8], level: impl Fn(usize) -> u8) {
    for (i, out) in out.iter_mut().enumerate() {
        *out = level(2 * i) & 15 | level(2 * i + 1) << 4;
    }
}

/// Fields of 2 bits in words of 16 numbers, as `two_bits` of `kernels/parts/blocks.wgsl` reads them.
fn two_bits(out: &mut [u8], level: impl Fn(usize) -> u8) {
    let place = |i: usize| i / 8 * 16 + i / 4 % 2 * 2 + i % 4 * 4;
    let field = |i: usize| u32::from(level(i) & 3);
    for (w, out) in out.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let word = (0..16).fold(0, |word, i| word | field(16 * w + i) << place(i));
        *out = word.to_le_bytes();
    }
}

/// Single bits in words of 32 numbers, as `one_bit` of `kernels/parts/blocks.wgsl` reads them.
fn one_bit(out: &mut [u8], level: impl Fn(usize) -> u8) {
    let place = |i: usize| i / 16 * 16 + i / 4 % 4 + i % 4 * 4;
    let bit = |i: usize| u32::from(level(i) & 1);
    for (w, out) in out.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let word = (0..32).fold(0, |word, i| word | bit(32 * w + i) << place(i));
        *out = word.to_le_bytes();
    }
}

/// 4-bit floats in words of 8, as `small_floats` of `kernels/parts/blocks.wgsl` reads them.
fn small_floats(out: &mut [u8], code: impl Fn(usize) -> u8) {
    let place = |i: usize| i / 4 * 8 + i % 2 * 16 + i % 4 / 2 * 4;
    let field = |i: usize| match code(i) & 15 {
        8 => 0,
        it => u32::from(it),
    };
    for (w, out) in out.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let word = (0..8).fold(0, |word, i| word | field(8 * w + i) << place(i));
        *out = word.to_le_bytes();
    }
}

/// Lower halves of 16 bytes, then their upper halves.
fn halves(bytes: &[u8], i: usize) -> u8 {
    bytes[i % 16] >> (i / 16 * 4)
}

pub fn as_it_is(block: &[u8], units: &mut [u8], _apart: &mut [u8]) {
    units.copy_from_slice(block);
}

/// A block that begins with its scale.
pub fn after_f16(block: &[u8], units: &mut [u8], apart: &mut [u8]) {
    apart.copy_from_slice(&block[..2]);
    units.copy_from_slice(&block[2..]);
}

/// A block that ends with its scale.
pub fn before_f16(block: &[u8], units: &mut [u8], apart: &mut [u8]) {
    units.copy_from_slice(&block[..units.len()]);
    apart.copy_from_slice(&block[units.len()..]);
}

pub fn q8_0(block: &[u8], units: &mut [u8], apart: &mut [u8]) {
    after_f16(block, units, apart);
    units.iter_mut().for_each(|it| *it ^= 0x80);
}

pub fn q4_0(block: &[u8], units: &mut [u8], apart: &mut [u8]) {
    nibbles_behind(2, block, units, apart);
}

pub fn q4_1(block: &[u8], units: &mut [u8], apart: &mut [u8]) {
    nibbles_behind(4, block, units, apart);
}

pub fn iq4_nl(block: &[u8], units: &mut [u8], apart: &mut [u8]) {
    nibbles_behind(2, block, units, apart);
}

/// The lower halves of 16 bytes behind the first `n`, then their upper halves.
fn nibbles_behind(n: usize, block: &[u8], units: &mut [u8], apart: &mut [u8]) {
    four_bits(units, |i| halves(&block[n..], i));
    apart.copy_from_slice(&block[..n]);
}

pub fn q5_0(block: &[u8], units: &mut [u8], apart: &mut [u8]) {
    four_bits(units, |i| halves(&block[6..], i));
    let (high, scale) = apart.split_at_mut(4);
    one_bit(high, |i| block[2 + i / 8] >> (i % 8));
    scale.copy_from_slice(&block[..2]);
}

pub fn q5_1(block: &[u8], units: &mut [u8], apart: &mut [u8]) {
    four_bits(units, |i| halves(&block[8..], i));
    let (high, scales) = apart.split_at_mut(4);
    one_bit(high, |i| block[4 + i / 8] >> (i % 8));
    scales.copy_from_slice(&block[..4]);
}

/// Two bits of 256 numbers: 32 at a time are the same bits of 32 bytes.
fn two_of(qs: &[u8; 64], i: usize) -> u8 {
    qs[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)
}

pub fn q2_k(block: &[u8], units: &mut [u8], apart: &mut [u8]) {
    let it: &Q2K = bytemuck::from_bytes(block);
    two_bits(units, |i| two_of(&it.qs, i));
    apart[..16].copy_from_slice(&it.scales);
    apart[16..].copy_from_slice(&block[80..]);
}

pub fn q3_k(block: &[u8], units: &mut [u8], apart: &mut [u8]) {
    let it: &Q3K = bytemuck::from_bytes(block);
    two_bits(&mut units[..64], |i| two_of(&it.qs, i));
    one_bit(&mut units[64..], |i| it.hmask[i % 32] >> (i / 32));
    let scales = it.scales().map(|it| (it + 32).cast_unsigned());
    four_bits(&mut apart[..8], |i| scales[i]);
    for (four, out) in scales.as_chunks::<4>().0.iter().zip(&mut apart[8..12]) {
        *out = (0..4).fold(0, |byte, i| byte | four[i] >> 4 << (2 * i));
    }
    apart[12..].copy_from_slice(&block[108..]);
}

/// Nibbles of 256 numbers: 64 at a time are the lower halves of 32 bytes, then their upper halves.
fn four_of(qs: &[u8; 128], i: usize) -> u8 {
    qs[i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4)
}

/// Two f16, then nibbles of eight scales and minima: lower bits of the scales, of the minima, upper bits of both.
fn k_scales(block: &[u8], scales: &[u8; 12], out: &mut [u8]) {
    out[..4].copy_from_slice(&block[..4]);
    let (scales, minima) = six_bits(scales);
    four_bits(&mut out[4..8], |i| scales[i]);
    four_bits(&mut out[8..12], |i| minima[i]);
    four_bits(&mut out[12..], |i| scales[i] >> 4 | minima[i] >> 4 << 2);
}

pub fn q4_k(block: &[u8], units: &mut [u8], apart: &mut [u8]) {
    let it: &Q4K = bytemuck::from_bytes(block);
    four_bits(units, |i| four_of(&it.qs, i));
    k_scales(block, &it.scales, apart);
}

pub fn q5_k(block: &[u8], units: &mut [u8], apart: &mut [u8]) {
    let it: &Q5K = bytemuck::from_bytes(block);
    four_bits(units, |i| four_of(&it.qs, i));
    one_bit(&mut apart[..32], |i| it.qh[i % 32] >> (i / 32));
    k_scales(block, &it.scales, &mut apart[32..]);
}

pub fn q6_k(block: &[u8], units: &mut [u8], apart: &mut [u8]) {
    let it: &Q6K = bytemuck::from_bytes(block);
    let low = |i: usize| it.ql[i / 128 * 64 + i % 64] >> (i % 128 / 64 * 4);
    let high = |i: usize| it.qh[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2);
    let (scales, units) = units.split_at_mut(16);
    for (out, scale) in scales.iter_mut().zip(it.scales) {
        *out = scale.cast_unsigned() ^ 0x80;
    }
    for (u, unit) in units.as_chunks_mut::<48>().0.iter_mut().enumerate() {
        four_bits(&mut unit[..32], |i| low(64 * u + i));
        two_bits(&mut unit[32..], |i| high(64 * u + i));
    }
    apart.copy_from_slice(&block[208..]);
}

pub fn iq4_xs(block: &[u8], units: &mut [u8], apart: &mut [u8]) {
    let qs = &block[8..];
    four_bits(units, |i| halves(&qs[i / 32 * 16..], i % 32));
    apart.copy_from_slice(&block[..8]);
}

pub fn mxfp4(block: &[u8], units: &mut [u8], apart: &mut [u8]) {
    let it: &Mxfp4 = bytemuck::from_bytes(block);
    small_floats(units, |i| halves(&it.qs, i));
    apart[0] = it.e;
}

pub fn nvfp4(block: &[u8], units: &mut [u8], apart: &mut [u8]) {
    let it: &Nvfp4 = bytemuck::from_bytes(block);
    small_floats(units, |i| it.qs[i / 16 * 8 + i % 8] >> (i % 16 / 8 * 4));
    for (out, scale) in apart.iter_mut().zip(it.scales) {
        *out = if scale == 0x7f { 0 } else { scale & 0x7f };
    }
}

pub fn q2_0(block: &[u8], units: &mut [u8], apart: &mut [u8]) {
    let it: &Q2_0 = bytemuck::from_bytes(block);
    two_bits(units, |i| it.qs[i / 4] >> (i % 4 * 2));
    apart.copy_from_slice(&block[..2]);
}
