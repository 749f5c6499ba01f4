//! Matrices as the writers of quantised checkpoints lay them out, and the numbers they stand for: both from the same
//! levels, by formulas written here a second time.

pub use crate::numbers::Numbers;
use crate::tiny::Tensor;

/// A matrix in its tensors, by what follows its name, and its numbers `[rows, cols]`.
pub struct Made {
    pub parts: Vec<(&'static str, Tensor)>,
    pub numbers: Vec<f32>,
}

/// Scales that are exact in 16 bits.
fn made_scales(rng: &mut Numbers, n: usize) -> Vec<f32> {
    (0..n)
        .map(|_| (1 + rng.below(60)) as f32 / 2048.0)
        .collect()
}

fn tensor(dtype: &'static str, shape: &[usize], bytes: Vec<u8>) -> Tensor {
    Tensor {
        dtype,
        shape: shape.to_vec(),
        bytes,
    }
}

/// Numbers in f32.
pub fn f32s(shape: &[usize], it: &[f32]) -> Tensor {
    let bytes = it.iter().flat_map(|it| it.to_le_bytes()).collect();
    tensor("F32", shape, bytes)
}

fn f16s(shape: &[usize], it: &[f32]) -> Tensor {
    let bits = it
        .iter()
        .flat_map(|it| half::f16::from_f32(*it).to_le_bytes());
    tensor("F16", shape, bits.collect())
}

fn bf16s(shape: &[usize], it: &[f32]) -> Tensor {
    let bits = it
        .iter()
        .flat_map(|it| half::bf16::from_f32(*it).to_le_bytes());
    tensor("BF16", shape, bits.collect())
}

fn bytes(dtype: &'static str, shape: &[usize], it: &[u32]) -> Tensor {
    tensor(dtype, shape, it.iter().map(|it| *it as u8).collect())
}

fn words(dtype: &'static str, shape: &[usize], it: &[u32]) -> Tensor {
    let bytes = it.iter().flat_map(|it| it.to_le_bytes()).collect();
    tensor(dtype, shape, bytes)
}

/// Levels of consecutive places into words, the lowest bits first.
fn packed(levels: &[u32], bits: u32) -> Vec<u32> {
    let in_word = (32 / bits) as usize;
    let word = |it: &[u32]| {
        it.iter()
            .enumerate()
            .fold(0, |sum, (i, it)| sum | it << (bits * i as u32))
    };
    levels.chunks(in_word).map(word).collect()
}

/// Rows become columns.
fn turned(it: &[u32], cols: usize) -> Vec<u32> {
    let rows = it.len() / cols;
    (0..cols)
        .flat_map(|c| (0..rows).map(move |r| (r, c)))
        .map(|(r, c)| it[r * cols + c])
        .collect()
}

/// The number of an e4m3 byte, from its definition.
fn f8(byte: u32) -> f32 {
    let (exponent, mantissa) = ((byte >> 3 & 15) as i32, (byte & 7) as f32 / 8.0);
    let size = if exponent == 0 {
        mantissa * 2f32.powi(-6)
    } else {
        (1.0 + mantissa) * 2f32.powi(exponent - 7)
    };
    if byte & 0x80 == 0 { size } else { -size }
}

/// The numbers of e2m1.
const FP4: [f32; 8] = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0];

fn fp4(level: u32) -> f32 {
    let size = FP4[(level & 7) as usize];
    if level & 8 == 0 { size } else { -size }
}

/// Bytes of e4m3 below 2.
fn f8_levels(rng: &mut Numbers, n: usize) -> Vec<u32> {
    let signed = |it: u32| it & 0x3F | it << 1 & 0x80;
    rng.many(n, 128).into_iter().map(signed).collect()
}

/// FP8 with a scale for every block.
pub fn fp8_blocks(rng: &mut Numbers, rows: usize, cols: usize, block: [usize; 2]) -> Made {
    let n = [rows.div_ceil(block[0]), cols.div_ceil(block[1])];
    let levels = f8_levels(rng, rows * cols);
    // Scales of all 24 bits, so that a product rounds.
    let scales: Vec<f32> = (0..n[0] * n[1])
        .map(|_| 0.05 + rng.below(1 << 20) as f32 / 9e6)
        .collect();
    let number = |i: usize| {
        let (r, c) = (i / cols, i % cols);
        f8(levels[i]) * scales[r / block[0] * n[1] + c / block[1]]
    };
    Made {
        numbers: (0..rows * cols).map(number).collect(),
        parts: vec![
            (".weight", bytes("F8_E4M3", &[rows, cols], &levels)),
            (".weight_scale_inv", f32s(&n, &scales)),
        ],
    }
}

/// FP8 with a scale for a row, or for all.
pub fn fp8_scaled(rng: &mut Numbers, rows: usize, cols: usize, shape: &[usize]) -> Made {
    let levels = f8_levels(rng, rows * cols);
    let scales = made_scales(rng, shape.iter().product());
    let of = |r: usize| scales[if scales.len() == 1 { 0 } else { r }] * 8.0;
    let stored: Vec<f32> = scales.iter().map(|it| it * 8.0).collect();
    Made {
        numbers: (0..rows * cols)
            .map(|i| f8(levels[i]) * of(i / cols))
            .collect(),
        parts: vec![
            (".weight", bytes("F8_E4M3", &[rows, cols], &levels)),
            (".weight_scale", bf16s(shape, &stored)),
        ],
    }
}

/// 8-bit whole numbers with a sign, a scale for a row.
pub fn int8(rng: &mut Numbers, rows: usize, cols: usize) -> Made {
    let levels = rng.many(rows * cols, 256);
    let scales: Vec<f32> = made_scales(rng, rows).iter().map(|it| it / 8.0).collect();
    let number = |i: usize| f32::from((levels[i] as u8).cast_signed()) * scales[i / cols];
    Made {
        numbers: (0..rows * cols).map(number).collect(),
        parts: vec![
            (".weight", bytes("I8", &[rows, cols], &levels)),
            (".weight_scale", f32s(&[rows, 1], &scales)),
        ],
    }
}

/// What AWQ and GPTQ share: levels, zero points and scales `[groups, rows]`, and a group for each column.
struct Groups {
    levels: Vec<u32>,
    zeros: Vec<u32>,
    scales: Vec<f32>,
    of_column: Vec<usize>,
}

impl Groups {
    fn new(rng: &mut Numbers, rows: usize, cols: usize, group: usize, bits: u32) -> Self {
        let n = cols.div_ceil(group);
        let most = 1 << bits;
        // From 1 on, so that one less can be stored.
        let zero = |it: u32| it.max(1);
        Self {
            levels: rng.many(rows * cols, most),
            zeros: rng.many(n * rows, most).into_iter().map(zero).collect(),
            scales: made_scales(rng, n * rows)
                .iter()
                .map(|it| it * 16.0 / most as f32)
                .collect(),
            of_column: (0..cols).map(|c| c / group).collect(),
        }
    }

    fn numbers(&self, rows: usize, cols: usize) -> Vec<f32> {
        let number = |i: usize| {
            let (r, c) = (i / cols, i % cols);
            let g = self.of_column[c] * rows + r;
            (self.levels[i] as f32 - self.zeros[g] as f32) * self.scales[g]
        };
        (0..rows * cols).map(number).collect()
    }
}

/// What may differ between GPTQ's files.
#[derive(Clone, Copy)]
pub struct Gptq {
    pub bits: u32,
    pub group: usize,
    /// What is stored as zero point is so much less than it is.
    pub less: u32,
    /// Columns in another order than their groups'.
    pub is_shuffled: bool,
}

/// GPTQ's words of consecutive columns.
pub fn gptq(rng: &mut Numbers, rows: usize, cols: usize, it: Gptq) -> Made {
    let mut groups = Groups::new(rng, rows, cols, it.group, it.bits);
    if it.is_shuffled {
        for c in (1..cols).rev() {
            groups.of_column.swap(c, rng.below(c as u64 + 1) as usize);
        }
    }
    let n = groups.zeros.len() / rows;
    let in_word = (32 / it.bits) as usize;
    // [rows, cols / n] words become [cols / n, rows].
    let qweight = turned(&packed(&groups.levels, it.bits), cols / in_word);
    let stored: Vec<u32> = groups.zeros.iter().map(|zero| zero - it.less).collect();
    let order: Vec<u32> = groups.of_column.iter().map(|it| *it as u32).collect();
    Made {
        numbers: groups.numbers(rows, cols),
        parts: vec![
            (".qweight", words("I32", &[cols / in_word, rows], &qweight)),
            (
                ".qzeros",
                words("I32", &[n, rows / in_word], &packed(&stored, it.bits)),
            ),
            (".scales", f16s(&[n, rows], &groups.scales)),
            (".g_idx", words("I32", &[cols], &order)),
        ],
    }
}

/// AWQ's words of eight rows.
pub fn awq(rng: &mut Numbers, rows: usize, cols: usize, group: usize) -> Made {
    let groups = Groups::new(rng, rows, cols, group, 4);
    let n = groups.zeros.len() / rows;
    let in_order = |it: &[u32]| -> Vec<u32> {
        let eight = it.chunks(8);
        eight
            .flat_map(|it| [0, 2, 4, 6, 1, 3, 5, 7].map(|i| it[i]))
            .collect()
    };
    let qweight = packed(&in_order(&turned(&groups.levels, cols)), 4);
    let qzeros = packed(&in_order(&groups.zeros), 4);
    Made {
        numbers: groups.numbers(rows, cols),
        parts: vec![
            (".qweight", words("I32", &[cols, rows / 8], &qweight)),
            (".qzeros", words("I32", &[n, rows / 8], &qzeros)),
            (".scales", f16s(&[n, rows], &groups.scales)),
        ],
    }
}

/// MLX's words along the rows, with minimums.
pub fn mlx(rng: &mut Numbers, rows: usize, cols: usize, bits: u32, group: usize) -> Made {
    let n = cols / group;
    let levels = rng.many(rows * cols, 1 << bits);
    let of_bits = |it: f32| it * 16.0 / (1 << bits) as f32;
    let scales: Vec<f32> = made_scales(rng, rows * n)
        .into_iter()
        .map(of_bits)
        .collect();
    let biases: Vec<f32> = made_scales(rng, rows * n)
        .iter()
        .map(|it| -8.0 * it)
        .collect();
    let number = |i: usize| {
        let g = i / cols * n + i % cols / group;
        levels[i] as f32 * scales[g] + biases[g]
    };
    let row_words = cols * bits as usize / 32;
    Made {
        numbers: (0..rows * cols).map(number).collect(),
        parts: vec![
            (
                ".weight",
                words("U32", &[rows, row_words], &packed(&levels, bits)),
            ),
            (".scales", bf16s(&[rows, n], &scales)),
            (".biases", bf16s(&[rows, n], &biases)),
        ],
    }
}

/// MLX's `mxfp4`: words along the rows, an exponent of 2 for 32 numbers.
pub fn mlx_mxfp4(rng: &mut Numbers, rows: usize, cols: usize) -> Made {
    let made = packed_mxfp4(rng, rows, cols);
    let mut parts = made.parts;
    (parts[0].0, parts[1].0) = (".weight", ".scales");
    parts[0].1.dtype = "U32";
    parts[0].1.shape = vec![rows, cols / 8];
    Made {
        numbers: made.numbers,
        parts,
    }
}

/// compressed-tensors' packed whole numbers, with zero points or without.
pub fn packed_int(
    rng: &mut Numbers,
    rows: usize,
    cols: usize,
    bits: u32,
    group: usize,
    has_zeros: bool,
) -> Made {
    let n = cols / group;
    let most = 1 << bits;
    let levels = rng.many(rows * cols, most);
    let scales: Vec<f32> = made_scales(rng, rows * n)
        .iter()
        .map(|it| it * 16.0 / most as f32)
        .collect();
    let zeros = if has_zeros {
        rng.many(rows * n, most)
    } else {
        vec![1 << (bits - 1); rows * n]
    };
    let number = |i: usize| {
        let g = i / cols * n + i % cols / group;
        (levels[i] as f32 - zeros[g] as f32) * scales[g]
    };
    let in_word = (32 / bits) as usize;
    let shape = [rows, cols / in_word];
    let mut parts = vec![
        (
            ".weight_packed",
            words("I32", &shape, &packed(&levels, bits)),
        ),
        (".weight_scale", bf16s(&[rows, n], &scales)),
        (
            ".weight_shape",
            tensor(
                "I64",
                &[2],
                [rows as u64, cols as u64]
                    .iter()
                    .flat_map(|it| it.to_le_bytes())
                    .collect(),
            ),
        ),
    ];
    if has_zeros {
        // Packed along the rows: words of a column's zero points.
        let words_of = packed(&turned(&zeros, n), bits);
        let stored = turned(&words_of, rows / in_word);
        parts.push((
            ".weight_zero_point",
            words("I32", &[rows / in_word, n], &stored),
        ));
    }
    Made {
        numbers: (0..rows * cols).map(number).collect(),
        parts,
    }
}

/// NVFP4: `names` of levels and factor, and whether the factor divides.
pub fn nvfp4(
    rng: &mut Numbers,
    rows: usize,
    cols: usize,
    names: [&'static str; 2],
    divides: bool,
) -> Made {
    let n = cols / 16;
    let levels = rng.many(rows * cols, 16);
    let scales = rng.many(rows * n, 0x40);
    let factor = if divides { 24.0 } else { 0.037 };
    let number = |i: usize| {
        let stored = f8(scales[i / cols * n + i % cols / 16]);
        let scale = if divides {
            stored / factor
        } else {
            stored * factor
        };
        fp4(levels[i]) * scale
    };
    let halves = packed(&levels, 4);
    let as_bytes: Vec<u32> = halves
        .iter()
        .flat_map(|it| it.to_le_bytes().map(u32::from))
        .collect();
    let shape: &[usize] = if divides { &[1] } else { &[] };
    Made {
        numbers: (0..rows * cols).map(number).collect(),
        parts: vec![
            (names[0], bytes("U8", &[rows, cols / 2], &as_bytes)),
            (".weight_scale", bytes("F8_E4M3", &[rows, n], &scales)),
            (names[1], f32s(shape, &[factor])),
        ],
    }
}

/// MXFP4 as compressed-tensors packs it.
pub fn packed_mxfp4(rng: &mut Numbers, rows: usize, cols: usize) -> Made {
    let n = cols / 32;
    let levels = rng.many(rows * cols, 16);
    let scales: Vec<u32> = rng.many(rows * n, 4).iter().map(|it| it + 119).collect();
    let number = |i: usize| {
        let exponent = scales[i / cols * n + i % cols / 32] as i32 - 127;
        fp4(levels[i]) * 2f32.powi(exponent)
    };
    let as_bytes: Vec<u32> = packed(&levels, 4)
        .iter()
        .flat_map(|it| it.to_le_bytes().map(u32::from))
        .collect();
    Made {
        numbers: (0..rows * cols).map(number).collect(),
        parts: vec![
            (".weight_packed", bytes("U8", &[rows, cols / 2], &as_bytes)),
            (".weight_scale", bytes("U8", &[rows, n], &scales)),
        ],
    }
}
