//! How fast products are in every format, beside bf16: a measurement, by hand.

use std::{env, fmt::Write as _, hint::black_box, time::Instant};

use rayon::prelude::*;

use super::{
    dot::{StoredRows, dot_rows},
    planes::dot_planes,
};
use crate::formats::{
    Dtype, Factor, Level, Offset, Packing, PlaneFormat, PlaneRows, ScaleOrder, ScaleType, Sharing,
    ZeroPlus,
};

/// Numbers of a row: the width of OLMoE.
const COLS: usize = 2048;
/// Rows of a matrix in planes: those of an expert of OLMoE.
const MATRIX_ROWS: usize = 1024;
/// Rows one task takes, as `linear` cuts them.
const BAND: usize = 128;
/// How often each format is timed after bf16.
const TURNS: usize = 15;

/// How a matrix is stored, and its bytes.
enum Matrix {
    Rows(Dtype, Vec<u8>),
    Planes(PlaneFormat, [Vec<u8>; 5], usize),
}

/// What is measured: rows, tokens, threads.
struct Case {
    head: &'static str,
    rows: usize,
    tokens: usize,
    is_parallel: bool,
}

const CASES: [Case; 5] = [
    Case {
        head: "cache",
        rows: 256,
        tokens: 1,
        is_parallel: false,
    },
    Case {
        head: "memory",
        rows: 32 << 10,
        tokens: 1,
        is_parallel: false,
    },
    Case {
        head: "all cores",
        rows: 32 << 10,
        tokens: 1,
        is_parallel: true,
    },
    Case {
        head: "16 tokens",
        rows: 256,
        tokens: 16,
        is_parallel: false,
    },
    Case {
        head: "128 tokens",
        rows: 256,
        tokens: 128,
        is_parallel: false,
    },
];

/// Every format beside bf16, in turns: how many times as fast, as the median of the turns. `FORMATS=q4_0,awq` measures
/// those whose name has one of these.
///
/// `cargo test --release --no-default-features --lib -- --ignored --nocapture speed_of_every_format`
#[test]
#[ignore = "a measurement, not a check"]
fn speed_of_every_format() {
    let wanted = env::var("FORMATS").unwrap_or_default();
    let blocks = Dtype::ALL
        .into_iter()
        .map(|it| (it.label().to_owned(), Ok(it)));
    let planes = plane_formats()
        .into_iter()
        .map(|it| (format!("{} (planes)", it.label()), Err(it)));
    let heads: Vec<String> = CASES.iter().map(|it| format!("{:>10}", it.head)).collect();
    println!("{:24}{}   (bf16: GB/s, GFLOP/s)", "", heads.join(" "));
    let mut of_bf16 = [const { Vec::new() }; CASES.len()];
    for (name, format) in blocks.chain(planes) {
        if !wanted.split(',').any(|it| name.contains(it)) {
            continue;
        }
        let mut line = format!("{name:24}");
        for (case, of_bf16) in CASES.iter().zip(&mut of_bf16) {
            let [base, mine] = [Ok(Dtype::Bf16), format].map(|it| matrix(it, case.rows));
            let (ratio, secs) = compared(&base, &mine, case);
            of_bf16.push(secs);
            let _ = write!(line, "{ratio:10.2} ");
        }
        println!("{line}");
    }
    for (case, times) in CASES.iter().zip(&mut of_bf16) {
        let (secs, n) = (median(times), case.rows * COLS);
        let (gb, gflop) = (2e-9 * n as f64, 2e-9 * (n * case.tokens) as f64);
        println!(
            "bf16, {:10}: {:6.1} GB/s {:6.1} GFLOP/s",
            case.head,
            gb / secs,
            gflop / secs
        );
    }
}

/// The median of how many times as fast the second is, and the time the first takes.
fn compared(base: &Matrix, mine: &Matrix, case: &Case) -> (f64, f64) {
    let x = vec![0.5; case.tokens * COLS];
    let mut out = vec![0.0; case.tokens * case.rows];
    let mut secs = |it: &Matrix| {
        let repeats = ((64 << 20) / (case.rows * COLS * case.tokens)).clamp(1, 20);
        let clock = Instant::now();
        (0..repeats).for_each(|_| multiply(it, case.is_parallel, &x, &mut out));
        black_box(&out);
        clock.elapsed().as_secs_f64() / repeats as f64
    };
    secs(base);
    secs(mine);
    let mut turns: Vec<[f64; 2]> = (0..TURNS).map(|_| [secs(base), secs(mine)]).collect();
    let mut ratios: Vec<f64> = turns.iter().map(|it| it[0] / it[1]).collect();
    turns.sort_by(|a, b| a[0].total_cmp(&b[0]));
    (median(&mut ratios), turns[TURNS / 2][0])
}

fn median(them: &mut [f64]) -> f64 {
    them.sort_by(f64::total_cmp);
    them.get(them.len() / 2).copied().unwrap_or(f64::NAN)
}

fn multiply(it: &Matrix, is_parallel: bool, x: &[f32], out: &mut [f32]) {
    let n = x.len() / COLS;
    let band = |(i, out): (usize, &mut [f32])| match it {
        Matrix::Rows(dtype, bytes) => {
            let rows = StoredRows {
                dtype: *dtype,
                bytes,
                cols: COLS,
            };
            dot_rows(rows, i * BAND, x, out);
        }
        Matrix::Planes(format, planes, rows) => {
            let [levels, scales, offsets, factors, order] = planes;
            let rows = PlaneRows {
                format: *format,
                levels,
                scales,
                offsets,
                factors,
                order,
                matrix_rows: MATRIX_ROWS.min(*rows),
                cols: COLS,
                first: 0,
                step: 1,
            };
            dot_planes(&rows, i * BAND, x, out);
        }
    };
    if is_parallel {
        out.par_chunks_mut(BAND * n).enumerate().for_each(band);
    } else {
        out.chunks_mut(BAND * n).enumerate().for_each(band);
    }
}

/// Random bits: numbers that are not finite take no longer.
fn matrix(format: Result<Dtype, PlaneFormat>, rows: usize) -> Matrix {
    match format {
        Ok(dtype) => Matrix::Rows(dtype, random(rows * dtype.row_bytes(COLS).unwrap())),
        Err(it) => {
            let levels = random(rows * COLS * it.level.bits() / 8);
            let n_scales = rows.div_ceil(it.sharing.rows(rows)) * it.n_groups(COLS);
            let scales = random(n_scales * it.scale.n_bytes());
            let offsets = random(n_scales * 4);
            let group = it.sharing.cols(COLS);
            // As files of "desc_act" have it: neighbours are of any group.
            let order = (0..COLS).map(|i| (i * 37 % COLS / group) as i32);
            let order = order.flat_map(i32::to_le_bytes).collect();
            let factors = 0.5_f32.to_le_bytes().to_vec();
            Matrix::Planes(it, [levels, scales, offsets, factors, order], rows)
        }
    }
}

pub(super) fn random(n_bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut words: Vec<u8> = Vec::with_capacity(n_bytes + 8);
    while words.len() < n_bytes {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(99);
        // Exponents of f16 and bf16 of usual numbers.
        words.extend((state >> 32).to_le_bytes()[..4].iter().map(|it| it & 0xBF));
    }
    words.truncate(n_bytes);
    words
}

/// What others are told apart from.
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

/// One of each that files come in.
pub(super) fn plane_formats() -> Vec<PlaneFormat> {
    [floats(), in_words(), whole_numbers()].concat()
}

fn floats() -> Vec<PlaneFormat> {
    let mxfp4 = PlaneFormat {
        name: "mxfp4",
        level: Level::Fp4,
        sharing: Sharing::Group(32),
        scale: ScaleType::E8M0,
        ..FP8
    };
    let nvfp4 = PlaneFormat {
        name: "nvfp4",
        sharing: Sharing::Group(16),
        scale: ScaleType::F8E4M3,
        factor: Factor::Times,
        ..mxfp4
    };
    let mxfp8 = PlaneFormat {
        name: "mxfp8",
        sharing: Sharing::Group(32),
        scale: ScaleType::E8M0,
        ..FP8
    };
    vec![FP8, mxfp4, nvfp4, mxfp8]
}

fn in_words() -> Vec<PlaneFormat> {
    let gptq = PlaneFormat {
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
    let ordered = PlaneFormat {
        name: "gptq int4 act-order",
        has_order: true,
        ..gptq
    };
    let gptq_int8 = PlaneFormat {
        name: "gptq int8",
        level: Level::U8,
        offset: Offset::Zeros {
            bits: 8,
            is_awq: false,
            plus: ZeroPlus::One,
        },
        ..gptq
    };
    let awq = PlaneFormat {
        name: "awq int4",
        packing: Packing::WordsOfRows,
        offset: Offset::Zeros {
            bits: 4,
            is_awq: true,
            plus: ZeroPlus::Nothing,
        },
        ..gptq
    };
    vec![gptq, ordered, gptq_int8, awq]
}

fn whole_numbers() -> Vec<PlaneFormat> {
    let mlx = PlaneFormat {
        name: "mlx int4",
        level: Level::U4,
        sharing: Sharing::Group(64),
        scale: ScaleType::Bf16,
        offset: Offset::Minimums,
        ..FP8
    };
    let mlx_int8 = PlaneFormat {
        name: "mlx int8",
        level: Level::U8,
        ..mlx
    };
    let int4 = PlaneFormat {
        name: "int4",
        sharing: Sharing::Group(128),
        offset: Offset::Zero(8),
        ..mlx
    };
    let int8 = PlaneFormat {
        name: "int8",
        level: Level::I8,
        sharing: Sharing::Row,
        offset: Offset::None,
        ..mlx
    };
    vec![mlx, mlx_int8, int4, int8]
}
