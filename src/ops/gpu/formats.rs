//! The one list of what a format is on the device: its reader in `kernels/formats/`, and how its blocks are
//! laid there; and the readers of planes in `kernels/planes/`.
//!
//! Nothing is widened: a block takes as many bytes on the device as in its file. What one lane reads at
//! once (a unit) lies with the units of its row, and what they share (scales, fifth bits) apart, where
//! the file's own order would put words across addresses that are no multiple of four.

use super::{abilities::Abilities, relaid, tables};
use crate::checkpoint::{Stored, WeightView};
use crate::formats::{Dtype, LaidGroups, LaidOffset, Level, PlaneLayout, ScaleType};

/// How the numbers of a weight are coded on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Coding {
    /// In a format of the list.
    Format(Dtype),
    /// As planes are laid.
    Planes(PlaneLayout),
}

impl Coding {
    /// That of a weight.
    pub fn of(view: &WeightView) -> Self {
        match view.stored() {
            Stored::Planes(it) => Self::Planes(it.layout()),
            Stored::Rows(..) | Stored::Columns(_) => Self::Format(view.dtype()),
        }
    }

    /// As people write it.
    pub fn label(&self) -> String {
        match self {
            Self::Format(it) => it.label().to_owned(),
            Self::Planes(it) => it.label(),
        }
    }
}

impl From<Dtype> for Coding {
    fn from(dtype: Dtype) -> Self {
        Self::Format(dtype)
    }
}

/// What a format is on the device.
#[derive(Clone, Copy, Debug)]
pub struct DeviceFormat {
    /// How kernels read it.
    pub text: &'static str,
    /// How blocks are laid; none where numbers are stored one by one.
    pub blocks: Option<BlockLayout>,
}

/// How the blocks of a format are laid on the device.
#[derive(Clone, Copy, Debug)]
pub struct BlockLayout {
    /// Units of a block.
    pub n_units: usize,
    /// Bytes of a block that lie with the units of its row, a multiple of 4.
    pub unit_bytes: usize,
    /// Fills those from a block, and the bytes that lie apart.
    pub lay: fn(block: &[u8], units: &mut [u8], apart: &mut [u8]),
    /// What codes stand for, in 32-bit words; the kernels bind it where it is not empty.
    pub table: fn() -> Vec<u32>,
}

macro_rules! text {
    ($stem:literal) => {
        include_str!(concat!("../../../kernels/formats/", $stem, ".wgsl"))
    };
}

fn plain(text: &'static str) -> DeviceFormat {
    DeviceFormat { text, blocks: None }
}

fn blocks(
    text: &'static str,
    n_units: usize,
    unit_bytes: usize,
    lay: fn(&[u8], &mut [u8], &mut [u8]),
) -> DeviceFormat {
    coded(text, n_units, unit_bytes, lay, Vec::new)
}

fn coded(
    text: &'static str,
    n_units: usize,
    unit_bytes: usize,
    lay: fn(&[u8], &mut [u8], &mut [u8]),
    table: fn() -> Vec<u32>,
) -> DeviceFormat {
    DeviceFormat {
        text,
        blocks: Some(BlockLayout {
            n_units,
            unit_bytes,
            lay,
            table,
        }),
    }
}

/// The list: the reader of a format, units of a block, their bytes, how a block is laid, what codes stand for.
pub fn device_format(dtype: Dtype, can: Abilities) -> DeviceFormat {
    match dtype {
        Dtype::F32 => plain(text!("f32")),
        Dtype::F16 if can.f16 => plain(text!("f16_native")),
        Dtype::F16 => plain(text!("f16")),
        Dtype::Bf16 => plain(text!("bf16")),
        Dtype::F8E4M3 => plain(text!("f8_e4m3")),
        Dtype::Q8_0 => blocks(text!("q8_0"), 2, 32, relaid::q8_0),
        Dtype::Q4_0 => blocks(text!("q4_0"), 1, 16, relaid::q4_0),
        Dtype::Q4_1 => blocks(text!("q4_1"), 1, 16, relaid::q4_1),
        Dtype::Q5_0 => blocks(text!("q5_0"), 1, 16, relaid::q5_0),
        Dtype::Q5_1 => blocks(text!("q5_1"), 1, 16, relaid::q5_1),
        Dtype::Q2K => blocks(text!("q2_k"), 4, 64, relaid::q2_k),
        Dtype::Q3K => blocks(text!("q3_k"), 4, 96, relaid::q3_k),
        Dtype::Q4K => blocks(text!("q4_k"), 8, 128, relaid::q4_k),
        Dtype::Q5K => blocks(text!("q5_k"), 8, 128, relaid::q5_k),
        Dtype::Q6K => blocks(text!("q6_k"), 4, 208, relaid::q6_k),
        Dtype::Iq4Nl => coded(text!("iq4_nl"), 1, 16, relaid::iq4_nl, tables::iq4_nl),
        Dtype::Iq4Xs => coded(text!("iq4_xs"), 8, 128, relaid::iq4_xs, tables::iq4_nl),
        Dtype::Mxfp4 => blocks(text!("mxfp4"), 1, 16, relaid::mxfp4),
        Dtype::Nvfp4 => blocks(text!("nvfp4"), 2, 32, relaid::nvfp4),
        Dtype::Iq3Xxs => coded(text!("iq3_xxs"), 8, 96, relaid::after_f16, tables::iq3_xxs),
        Dtype::Iq3S => coded(text!("iq3_s"), 8, 108, relaid::after_f16, tables::iq3_s),
        Dtype::Iq2Xxs => coded(text!("iq2_xxs"), 8, 64, relaid::after_f16, tables::iq2_xxs),
        Dtype::Iq2Xs => coded(text!("iq2_xs"), 8, 72, relaid::after_f16, tables::iq2_xs),
        Dtype::Iq2S => coded(text!("iq2_s"), 8, 80, relaid::after_f16, tables::iq2_s),
        Dtype::Iq1S => coded(text!("iq1_s"), 8, 48, relaid::after_f16, tables::iq1),
        Dtype::Iq1M => coded(text!("iq1_m"), 8, 56, relaid::as_it_is, tables::iq1),
        Dtype::Tq1_0 => blocks(text!("tq1_0"), 8, 52, relaid::before_f16),
        Dtype::Tq2_0 => blocks(text!("tq2_0"), 8, 64, relaid::before_f16),
        Dtype::Q1_0 => blocks(text!("q1_0"), 4, 16, relaid::after_f16),
        Dtype::Q2_0 => blocks(text!("q2_0"), 2, 16, relaid::q2_0),
    }
}

macro_rules! plane_text {
    ($stem:literal) => {
        include_str!(concat!("../../../kernels/planes/", $stem, ".wgsl"))
    };
}

/// What a level is, for `kernels/planes/shared.wgsl`.
const U4: u32 = 0;
const U8: u32 = 1;
const FP4: u32 = 2;
const F8: u32 = 3;
/// How a scale is stored.
const OF_F32: u32 = 0;
const OF_F16: u32 = 1;
const OF_BF16: u32 = 2;
const OF_E8M0: u32 = 3;
const OF_E4M3: u32 = 4;
const OF_UE4M3: u32 = 5;
/// What is taken off or added.
const FIXED: u32 = 0;
const ZEROS: u32 = 1;
const MINIMUMS: u32 = 2;

/// How kernels read planes: the constants of their layout, and the reader of their groups.
pub fn plane_reader(layout: &PlaneLayout) -> String {
    let level = match layout.level {
        Level::U4 => U4,
        Level::U8 | Level::I8 => U8,
        Level::Fp4 => FP4,
        Level::F8E4M3 => F8,
    };
    // What a kernel takes levels for is smaller than what they say.
    let level_by = match layout.level {
        Level::U4 | Level::U8 | Level::I8 => 1.0,
        Level::Fp4 => 16_384.0,
        Level::F8E4M3 => 256.0,
    };
    let scale = match layout.scale {
        ScaleType::F32 => OF_F32,
        ScaleType::F16 => OF_F16,
        ScaleType::Bf16 => OF_BF16,
        ScaleType::E8M0 => OF_E8M0,
        ScaleType::F8E4M3 => OF_E4M3,
        ScaleType::Ue4m3 => OF_UE4M3,
    };
    let (offset, zero) = match layout.offset {
        LaidOffset::Fixed(it) => (FIXED, it),
        LaidOffset::Zeros => (ZEROS, 0),
        LaidOffset::Minimums => (MINIMUMS, 0),
    };
    let unit = layout.unit_numbers();
    let (reader, part, scaled_by, has_minimum, groups) = match layout.groups {
        LaidGroups::Of(n) => (
            plane_text!("grouped"),
            n.min(unit) / 4,
            level_by,
            layout.offset == LaidOffset::Minimums,
            format!("const GROUP_NUMBERS: u32 = {n}u;"),
        ),
        // One column is as good as any for the words of a row.
        LaidGroups::Listed(_) => (
            plane_text!("listed"),
            unit / 4,
            1.0,
            false,
            format!("const ROW_WORDS: u32 = {}u;", layout.apart_bytes(1) / 4),
        ),
    };
    format!(
        "const UNIT_NUMBERS: u32 = {unit}u;\nconst UNIT_QUADS: u32 = {}u;\nconst PART_QUADS: u32 = {part}u;\n\
         const LEVEL_SCALE: f32 = {scaled_by:?};\nconst HAS_MINIMUM: bool = {has_minimum};\n\
         const LEVEL: u32 = {level}u;\nconst LEVEL_BY: f32 = {level_by:?};\nconst SCALE: u32 = {scale}u;\n\
         const OFFSET: u32 = {offset}u;\nconst ZERO: f32 = {zero}.0;\n{groups}\n{}\n{reader}",
        unit / 4,
        plane_text!("shared"),
    )
}
