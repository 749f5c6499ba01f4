// Levels of 4 or 8 bits; GROUP_NUMBERS that follow each other, a whole part of a row, share a scale, and a zero point
// or minimum. The reference is src/formats/planes.
// A unit is 16 bytes. Apart: of each group, row after row, what `shared_by` reads, or a byte, the scale; where that
// is an 8-bit float, each row begins at a word, with the word where the eight numbers of its matrix lie that
// mantissas stand for.

const UNIT_GROUPS: u32 = max(UNIT_NUMBERS / GROUP_NUMBERS, 1u);
const GROUP_UNITS: u32 = max(GROUP_NUMBERS / UNIT_NUMBERS, 1u);

struct Unit {
    words: vec4<u32>,
    scales: vec2<f32>,
    // Of scales that are exponents, these.
    offsets: vec2<f32>,
}

fn unit(unit_at: u32) -> Unit {
    let words = weights[unit_at];
    if SCALE == OF_E4M3 || SCALE == OF_UE4M3 {
        let row = unit_at / params.row_units;
        let first = params.scales_at + row * (1u + (params.row_units * UNIT_GROUPS / GROUP_UNITS + 3u) / 4u);
        let in_row = unit_at % params.row_units * UNIT_GROUPS / GROUP_UNITS;
        let list = word(first);
        let at = 4u * first + 4u + in_row;
        let scale = listed_scale(byte(at), list);
        if UNIT_GROUPS == 1u {
            return Unit(words, vec2<f32>(scale), vec2<f32>());
        }
        return Unit(words, vec2<f32>(scale, listed_scale(byte(at + 1u), list)), vec2<f32>());
    }
    let group = unit_at * UNIT_GROUPS / GROUP_UNITS;
    if SCALE == OF_E8M0 {
        let first = byte(4u * params.scales_at + group);
        let second = byte(4u * params.scales_at + group + UNIT_GROUPS - 1u);
        let exponents = vec2<u32>(first, second);
        return Unit(words, bitcast<vec2<f32>>(exponents << vec2<u32>(23u)), vec2<f32>(exponents));
    }
    let a = shared_by(params.scales_at, group);
    var b = a;
    if UNIT_GROUPS > 1u {
        b = shared_by(params.scales_at, group + 1u);
    }
    return Unit(words, vec2<f32>(a.x, b.x), vec2<f32>(a.y, b.y));
}

// An 8-bit float times the factor of its matrix: the product of its mantissa, rounded once, times a power of two.
fn listed_scale(code: u32, list: u32) -> f32 {
    let mantissa = code & 7u;
    var exponent = (code >> 3u) & 15u;
    var place = mantissa;
    if exponent == 0u {
        // 2^-9 of a whole number below 8.
        let highest = firstLeadingBit(max(mantissa, 1u));
        place = (mantissa << (3u - highest)) & 7u;
        exponent = highest - 2u;
    }
    // Seven more than it means, and for the smallest as a number below 0.
    let power = bitcast<f32>((exponent + 120u) << 23u);
    var number = bitcast<f32>(word(list + place)) * power;
    if (code & 127u) == 0u {
        number = 0.0;
    }
    if SCALE == OF_E4M3 && (code & 127u) == 127u {
        number = bitcast<f32>(0x7fc00000u | (list & 0u));
    }
    return select(number, -number, code > 127u);
}

// Numbers 4q..4q+4, before they are scaled.
fn levels(it: Unit, q: u32) -> vec4<f32> {
    if OFFSET == MINIMUMS {
        return levels_less(it.words, q, 0.0);
    }
    if OFFSET == ZEROS {
        return levels_less(it.words, q, it.offsets[q / PART_QUADS]);
    }
    return levels_less(it.words, q, ZERO);
}

// What the levels of a part are multiplied by, beside LEVEL_SCALE.
fn scale_of(it: Unit, part: u32) -> f32 {
    return it.scales[part];
}

// What is added to them then.
fn minimum_of(it: Unit, part: u32) -> f32 {
    return it.offsets[part];
}

// Numbers 4q..4q+4 of a unit.
fn quad(unit_at: u32, q: u32) -> vec4<f32> {
    let it = unit(unit_at);
    let part = q / PART_QUADS;
    if SCALE == OF_E8M0 {
        // Two factors, because 2^-127 and 2^128 are no f32 that every adapter has; levels are by 2^-14.
        let power = i32(it.offsets[part]) - 113;
        let first = power >> 1u;
        return levels(it, q) * bitcast<f32>((first + 127) << 23u) * bitcast<f32>((power - first + 127) << 23u);
    }
    let scaled = levels(it, q) * LEVEL_SCALE * it.scales[part];
    if OFFSET == MINIMUMS {
        return scaled + it.offsets[part];
    }
    return scaled;
}
