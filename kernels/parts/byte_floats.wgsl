// 8-bit floats: 4 bits of exponent, 3 of mantissa.

// Those of a word by 2^-8: an f16 with the same exponent and mantissa is just that.
fn byte_floats(word: u32) -> vec4<f32> {
    // Two numbers each, the upper byte of a half word.
    let pairs = vec2<u32>((word & 0xff00ff00u), ((word << 8u) & 0xff00ff00u));
    let halves = (pairs & vec2<u32>(0x80008000u)) | ((pairs & vec2<u32>(0x7f007f00u)) >> vec2<u32>(1u));
    let odd = unpack2x16float(halves.x);
    let even = unpack2x16float(halves.y);
    let numbers = vec4<f32>(even.x, odd.x, even.y, odd.y);
    // All bits set but the sign are no number; the largest number is 448.
    return select(numbers, vec4<f32>(bitcast<f32>(0x7fc00000u | (word & 0u))), abs(numbers) > vec4<f32>(1.75));
}
