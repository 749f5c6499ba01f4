// What block formats share: a weight as words, half words and bytes, and small whole numbers as floats.
// The kernel declares `weights: array<Stored>` and `params.scales_at`, the word of `weights` where the units
// of all rows end and what a format keeps apart from them begins.
// A whole number becomes a float as the lower bits of a power of two, which costs less than a conversion.

alias Stored = vec4<u32>;

fn word(at: u32) -> u32 {
    return weights[at / 4u][at % 4u];
}

// 16 bits, counted in half words.
fn half_word(at: u32) -> u32 {
    return (word(at / 2u) >> (16u * (at % 2u))) & 0xffffu;
}

// An f16, counted in half words.
fn half_float(at: u32) -> f32 {
    return unpack2x16float(half_word(at)).x;
}

// 8 bits, counted in bytes.
fn byte(at: u32) -> u32 {
    return (word(at / 4u) >> (8u * (at % 4u))) & 0xffu;
}

// A number below 2^23.
fn whole(n: u32) -> f32 {
    return bitcast<f32>(n | 0x4b000000u) - 8388608.0;
}

// Four numbers, the one of lane j from bit 4j on, less a whole number.
fn spaced(bits: vec4<u32>, less: f32) -> vec4<f32> {
    // 2^23, 2^19, 2^15, 2^11.
    let powers = vec4<u32>(0x4b000000u, 0x49000000u, 0x47000000u, 0x45000000u);
    let floats = bitcast<vec4<f32>>(bits | powers);
    return floats - (vec4<f32>(8388608.0, 524288.0, 32768.0, 2048.0) + less);
}

// The bytes of a word, less a whole number.
fn bytes_less(word: u32, less: f32) -> vec4<f32> {
    let bits = vec2<u32>(word, word >> 16u).xxyy & vec2<u32>(0xffu, 0xff00u).xyxy;
    // 2^23, 2^15.
    let floats = bitcast<vec4<f32>>(bits | vec2<u32>(0x4b000000u, 0x47000000u).xyxy);
    return floats - (vec2<f32>(8388608.0, 32768.0).xyxy + less);
}

// Fields of 4 bits: two quads a word, number i from bit 4i on.
fn four_bits(words: vec4<u32>, q: u32) -> vec4<u32> {
    let it = words[q / 2u] >> (16u * (q % 2u));
    return vec4<u32>(it) & vec4<u32>(0xfu, 0xf0u, 0xf00u, 0xf000u);
}

// Fields of 2 bits, `left` further left: four quads a word. Number j of quads 0, 1, 2, 3 lies 4j bits beyond
// bit 0, 2, 16, 18.
fn two_bits(word: u32, q: u32, left: u32) -> vec4<u32> {
    let it = (word >> (8u * (q & 2u) + 2u * (q & 1u))) << left;
    return vec4<u32>(it) & (vec4<u32>(0x3u, 0x30u, 0x300u, 0x3000u) << vec4<u32>(left));
}

// Single bits, `left` further left: eight quads a word. Number j of quads 0 to 7 lies 4j bits beyond bit
// 0 to 3 and 16 to 19.
fn one_bit(word: u32, q: u32, left: u32) -> vec4<u32> {
    let it = (word >> (4u * (q & 4u) + (q & 3u))) << left;
    return vec4<u32>(it) & (vec4<u32>(0x1u, 0x10u, 0x100u, 0x1000u) << vec4<u32>(left));
}

// Numbers with the signs of the lowest four bits: a bit set is a number below 0.
fn with_signs(numbers: vec4<f32>, signs: u32) -> vec4<f32> {
    let bits = (vec4<u32>(signs) << vec4<u32>(31u, 30u, 29u, 28u)) & vec4<u32>(0x80000000u);
    return bitcast<vec4<f32>>(bitcast<vec4<u32>>(numbers) ^ bits);
}

// Eight signs of a code of 7 bits, the lowest of `code`: the eighth makes their number even.
fn seven_bit_signs(code: u32) -> u32 {
    let seven = code & 127u;
    return seven | ((countOneBits(seven) & 1u) << 7u);
}

// 4-bit floats (e2m1) by 2^-14, two quads a word. Numbers 0 to 3 of its first quad begin at bits 0, 16, 4, 20, those
// of its second 8 bits further. An f16 with the same exponent and mantissa is just that, its smallest numbers too.
fn small_floats(words: vec4<u32>, q: u32) -> vec4<f32> {
    let it = words[q / 2u] >> (8u * (q % 2u));
    let pairs = vec2<u32>(it, it >> 4u);
    let sizes = (pairs << vec2<u32>(9u)) & vec2<u32>(0x0e000e00u);
    let halves = sizes | ((pairs << vec2<u32>(12u)) & vec2<u32>(0x80008000u));
    return vec4<f32>(unpack2x16float(halves.x), unpack2x16float(halves.y));
}
