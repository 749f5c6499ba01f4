// Weights in 8-bit floats, 4 bits of exponent and 3 of mantissa. The reference is src/formats/f8_e4m3.rs.
// A unit is 16 bytes of `weights`, a number each; rows are padded with zeros to whole units.
// The kernel declares `weights: array<Stored>`.

const UNIT_NUMBERS: u32 = 16u;
const UNIT_QUADS: u32 = 4u;
const PART_QUADS: u32 = 4u;
const LEVEL_SCALE: f32 = 256.0;
const HAS_MINIMUM: bool = false;

alias Stored = vec4<u32>;
alias Unit = Stored;

fn unit(unit_at: u32) -> Unit {
    return weights[unit_at];
}

// Numbers 4q..4q+4 by 2^-8.
fn levels(it: Unit, q: u32) -> vec4<f32> {
    return byte_floats(it[q]);
}

// What the levels of a part are multiplied by, beside LEVEL_SCALE.
fn scale_of(it: Unit, part: u32) -> f32 {
    return 1.0;
}

// What is added to them then.
fn minimum_of(it: Unit, part: u32) -> f32 {
    return 0.0;
}

// Numbers 4q..4q+4 of a unit.
fn quad(unit_at: u32, q: u32) -> vec4<f32> {
    return levels(unit(unit_at), q) * LEVEL_SCALE;
}
