//! Weights in planes that the kernels are tried with: each kind that files have, in groups of every size that is laid in
//! a way of its own.

use std::sync::Arc;

use super::testing::numbers;
use crate::checkpoint::{Blob, BlobPart, Planes, WeightView};
use crate::formats::{
    Factor, Level, Offset, Packing, PlaneFormat, ScaleOrder, ScaleType, Sharing, ZeroPlus,
};

const FP8: PlaneFormat = PlaneFormat {
    name: "fp8",
    level: Level::F8E4M3,
    packing: Packing::Rows,
    sharing: Sharing::Block(128, 128),
    scale: ScaleType::F32,
    scale_order: ScaleOrder::Rows,
    offset: Offset::None,
    factor: Factor::None,
    has_order: false,
};

const GPTQ: PlaneFormat = PlaneFormat {
    name: "gptq int4",
    level: Level::U4,
    packing: Packing::WordsOfColumns,
    sharing: Sharing::Group(128),
    scale: ScaleType::F16,
    scale_order: ScaleOrder::Groups,
    offset: Offset::Zeros {
        bits: 4,
        is_awq: false,
        plus: ZeroPlus::One,
    },
    ..FP8
};

const GPTQ_8: PlaneFormat = PlaneFormat {
    name: "gptq int8",
    level: Level::U8,
    sharing: Sharing::Group(32),
    offset: Offset::Zeros {
        bits: 8,
        is_awq: false,
        plus: ZeroPlus::One,
    },
    ..GPTQ
};

const MLX: PlaneFormat = PlaneFormat {
    name: "mlx int4",
    level: Level::U4,
    sharing: Sharing::Group(64),
    scale: ScaleType::F16,
    offset: Offset::Minimums,
    ..FP8
};

const NVFP4: PlaneFormat = PlaneFormat {
    name: "nvfp4",
    level: Level::Fp4,
    sharing: Sharing::Group(16),
    scale: ScaleType::F8E4M3,
    factor: Factor::Over,
    ..FP8
};

fn shared(sharing: Sharing, format: PlaneFormat) -> PlaneFormat {
    PlaneFormat { sharing, ..format }
}

/// FP8 and whole numbers of 8 bits, a scale for a block, a row or a matrix.
fn of_bytes() -> Vec<PlaneFormat> {
    let int8 = PlaneFormat {
        name: "int8",
        level: Level::I8,
        scale: ScaleType::Bf16,
        ..shared(Sharing::Row, FP8)
    };
    vec![
        FP8,
        PlaneFormat {
            scale: ScaleType::Bf16,
            ..shared(Sharing::Row, FP8)
        },
        shared(Sharing::Matrix, FP8),
        shared(Sharing::Block(5, 7), FP8),
        PlaneFormat {
            name: "mxfp8",
            scale: ScaleType::E8M0,
            ..shared(Sharing::Group(32), FP8)
        },
        int8,
    ]
}

/// Floats of 4 bits.
fn small_floats() -> Vec<PlaneFormat> {
    let mxfp4 = PlaneFormat {
        name: "mxfp4",
        scale: ScaleType::E8M0,
        factor: Factor::None,
        ..shared(Sharing::Group(32), NVFP4)
    };
    let in_blocks = PlaneFormat {
        name: "nvfp4 of ggml",
        packing: Packing::NvBlocks,
        scale: ScaleType::Ue4m3,
        scale_order: ScaleOrder::NvBlocks,
        factor: Factor::Times,
        ..NVFP4
    };
    vec![mxfp4, NVFP4, in_blocks]
}

/// Whole numbers in words, and behind the order of rows.
fn in_words() -> Vec<PlaneFormat> {
    let awq = PlaneFormat {
        name: "awq int4",
        packing: Packing::WordsOfRows,
        offset: Offset::Zeros {
            bits: 4,
            is_awq: true,
            plus: ZeroPlus::Nothing,
        },
        ..GPTQ
    };
    let ordered = |format| PlaneFormat {
        has_order: true,
        ..shared(Sharing::Group(16), format)
    };
    let mut all = vec![GPTQ, GPTQ_8, ordered(GPTQ), ordered(GPTQ_8)];
    all.extend([Sharing::Group(32), Sharing::Row].map(|it| shared(it, GPTQ)));
    all.extend([16, 48, 128].map(|it| shared(Sharing::Group(it), awq)));
    all
}

/// Whole numbers in rows: with minimums, with one zero point, with one for each group.
fn in_rows() -> Vec<PlaneFormat> {
    let mlx_8 = PlaneFormat {
        name: "mlx int8",
        level: Level::U8,
        scale: ScaleType::Bf16,
        ..MLX
    };
    let packed = PlaneFormat {
        name: "int4",
        offset: Offset::Zero(8),
        scale: ScaleType::Bf16,
        ..MLX
    };
    let with_zeros = PlaneFormat {
        offset: Offset::Zeros {
            bits: 4,
            is_awq: false,
            plus: ZeroPlus::Nothing,
        },
        ..packed
    };
    let wide = PlaneFormat {
        scale: ScaleType::F32,
        ..MLX
    };
    vec![
        MLX,
        mlx_8,
        shared(Sharing::Group(12), MLX),
        packed,
        shared(Sharing::Group(32), with_zeros),
        wide,
    ]
}

/// All of them.
pub fn formats() -> Vec<PlaneFormat> {
    [of_bytes(), small_floats(), in_words(), in_rows()].concat()
}

/// So many columns, or as many more as the words, blocks and groups of a format need.
pub fn columns(format: &PlaneFormat, cols: usize) -> usize {
    let of_group = match format.sharing {
        // The last one may be cut.
        _ if format.packing == Packing::WordsOfColumns => 8,
        Sharing::Group(n) => n.max(4),
        _ => 1,
    };
    let of_packing = match format.packing {
        Packing::NvBlocks => 64,
        _ if format.level == Level::Fp4 => 32,
        _ => 1,
    };
    cols.next_multiple_of(of_group).next_multiple_of(of_packing)
}

/// Bytes that look random and are the same every time.
fn random(n: usize, seed: u32) -> Vec<u8> {
    let one = |it: f32| (it.to_bits() >> 7) as u8;
    numbers(n, seed).into_iter().map(one).collect()
}

/// Scales, or minimums, of usual sizes; of one byte alone any, where they may.
fn scales(format: &PlaneFormat, n: usize, seed: u32, is_any: bool) -> Vec<u8> {
    let size = |it: f32| (0.01 + 0.005 * it).abs();
    let numbers = numbers(n, seed).into_iter().map(size);
    match format.scale {
        ScaleType::F32 => numbers.flat_map(f32::to_le_bytes).collect(),
        ScaleType::F16 => numbers
            .flat_map(|it| half::f16::from_f32(it).to_le_bytes())
            .collect(),
        ScaleType::Bf16 => numbers
            .flat_map(|it| half::bf16::from_f32(it).to_le_bytes())
            .collect(),
        _ if is_any => random(n, seed),
        ScaleType::E8M0 => random(n, seed).iter().map(|it| 118 + it % 4).collect(),
        ScaleType::F8E4M3 | ScaleType::Ue4m3 => random(n, seed).iter().map(|it| it % 64).collect(),
    }
}

/// Planes of some matrices of a shape, below each other.
///
/// * `is_any`: scales of one byte are any
pub fn stacked(
    format: PlaneFormat,
    matrices: usize,
    [rows, cols]: [usize; 2],
    seed: u32,
    is_any: bool,
) -> WeightView {
    let n_groups = format.n_groups(cols);
    let n_scales = rows.div_ceil(format.sharing.rows(rows)) * n_groups;
    let mut levels = random(matrices * rows * cols * format.level.bits() / 8, seed);
    if format.level == Level::F8E4M3 {
        // Below 2, as weights are beside their scale; none is no number.
        levels.iter_mut().for_each(|it| *it &= 0xBF);
    }
    let mut of_scales = scales(&format, matrices * n_scales, seed + 1, is_any);
    if format.packing == Packing::NvBlocks {
        let blocks = of_scales.chunks_exact(4).zip(levels.chunks_exact(32));
        levels = blocks.flat_map(|(a, b)| [a, b].concat()).collect();
        of_scales.clone_from(&levels);
    }
    let offsets = match format.offset {
        Offset::None | Offset::Zero(_) => None,
        Offset::Zeros { bits, .. } => {
            Some(random(matrices * n_scales * bits as usize / 8, seed + 2))
        }
        Offset::Minimums => Some(scales(&format, matrices * n_scales, seed + 2, is_any)),
    };
    let factors = (0..matrices).flat_map(|it| (0.013 + 0.37 * it as f32).to_le_bytes());
    let group = format.sharing.cols(cols);
    let order = (0..cols).flat_map(|it| ((it * 37 % cols / group) as i32).to_le_bytes());
    let planes = Planes {
        format,
        levels: part(&levels),
        scales: part(&of_scales),
        offsets: offsets.map(|it| part(&it)),
        factors: (format.factor != Factor::None).then(|| part(&factors.collect::<Vec<_>>())),
        order: format.has_order.then(|| part(&order.collect::<Vec<_>>())),
        matrix_rows: rows,
        cols,
    };
    WeightView::in_planes(planes, matrices)
}

/// One matrix, its scales of usual sizes.
pub fn planes(format: PlaneFormat, shape: [usize; 2], seed: u32) -> WeightView {
    stacked(format, 1, shape, seed, false)
}

fn part(bytes: &[u8]) -> BlobPart {
    let mut words = vec![0u32; bytes.len().div_ceil(4)];
    bytemuck::cast_slice_mut::<u32, u8>(&mut words)[..bytes.len()].copy_from_slice(bytes);
    BlobPart::new(&Blob::Memory(Arc::new(words)), 0..bytes.len()).unwrap()
}
