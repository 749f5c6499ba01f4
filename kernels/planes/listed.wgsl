// Levels of 4 or 8 bits whose group is listed column by column; each has a scale, and a zero point or
// minimum. The reference is src/formats/planes.
// A unit is 16 bytes. Apart: row after row a word, where the list of its matrix lies, half words of groups, and what
// `shared_by` reads of them, up to a whole word. Levels are scaled as they are read.

struct Unit {
    words: vec4<u32>,
    // The half word where its columns are listed.
    columns: u32,
    // The word where the groups of the row begin.
    shared_at: u32,
}

fn unit(unit_at: u32) -> Unit {
    let row = unit_at / params.row_units;
    let at = params.scales_at + row * ROW_WORDS;
    let columns = 2u * word(at) + unit_at % params.row_units * UNIT_NUMBERS;
    return Unit(weights[unit_at], columns, at + 1u);
}

// Numbers 4q..4q+4.
fn levels(it: Unit, q: u32) -> vec4<f32> {
    var scales: vec4<f32>;
    var offsets: vec4<f32>;
    for (var i = 0u; i < 4u; i++) {
        let shared_here = shared_by(it.shared_at, half_word(it.columns + 4u * q + i));
        scales[i] = shared_here.x;
        offsets[i] = shared_here.y;
    }
    let numbers = levels_less(it.words, q, 0.0) * LEVEL_BY;
    if OFFSET == MINIMUMS {
        return numbers * scales + offsets;
    }
    return (numbers - offsets) * scales;
}

// What they are multiplied by.
fn scale_of(it: Unit, part: u32) -> f32 {
    return 1.0;
}

// What is added to them then.
fn minimum_of(it: Unit, part: u32) -> f32 {
    return 0.0;
}

// Numbers 4q..4q+4 of a unit.
fn quad(unit_at: u32, q: u32) -> vec4<f32> {
    return levels(unit(unit_at), q);
}
