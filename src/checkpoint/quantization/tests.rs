//! gpt-oss's experts, whose family does not open yet: their planes, by the bytes of a small checkpoint.

use std::{path::Path, sync::Arc};

use serde_json::json;

use super::{
    super::{
        Blob, WeightView,
        config::Config,
        container::{Shard, Tensors},
    },
    PlaneTensors, find,
};

/// Blocks and scales of the first four rows, of 64 numbers each, of an expert's gate and up, interleaved.
const BLOCKS: &str = "\
    c17fa076fba076776cde4db8dfe862bda8a80c984c2859b1e2a4cb640bf182ef\
    44c9175b7154812f48bc0b4fb6799b9147aedc6532fa79dcd848a4e6feec2154\
    0c443492b7a859881be849b8097914c781115a3c867de5f4c83a0efa827b8e10\
    e201ca2a46d2fb401914ea37c7eb8e57dfa11718636590506fefa93dca24a56c";
const SCALES: &str = "7d7d7c7d7b7d7d7d";

/// Two experts of two rows each in place of one of four: `[2, 2, 64]`.
const SHAPE: [usize; 3] = [2, 2, 64];

fn bytes(text: &str) -> Vec<u8> {
    let digit = |it: u8| char::from(it).to_digit(16).unwrap() as u8;
    let (pairs, _) = text.as_bytes().as_chunks();
    pairs
        .iter()
        .map(|[a, b]| digit(*a) << 4 | digit(*b))
        .collect()
}

/// A file of both tensors, in memory.
fn tensors(blocks: &[u8], scales: &[u8], shape: [usize; 3]) -> Tensors {
    let [experts, rows, cols] = shape;
    let n = blocks.len();
    let header = json!({
        "experts.gate_up_proj_blocks": {
            "dtype": "U8", "shape": [experts, rows, cols / 32, 16], "data_offsets": [0, n]
        },
        "experts.gate_up_proj_scales": {
            "dtype": "U8", "shape": [experts, rows, cols / 32], "data_offsets": [n, n + scales.len()]
        },
    });
    let header = header.to_string();
    let n_padded = header.len().next_multiple_of(8);
    let header = format!("{header:n_padded$}");
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend([header.as_bytes(), blocks, scales].concat());
    let (words, rest) = file.as_chunks();
    assert!(rest.is_empty(), "whole words");
    let all = Arc::new(words.iter().map(|it| u32::from_le_bytes(*it)).collect());
    let mut out = Tensors::default();
    let shard = Shard {
        blob: Blob::Memory(all),
        path: "memory".into(),
    };
    out.add(shard).unwrap();
    out
}

fn view(tensors: &mut Tensors, shape: &[usize]) -> Result<WeightView, String> {
    let config = br#"{"quantization_config": {"quant_method": "mxfp4"}}"#;
    let config = Config::parse(config, Path::new("config.json")).unwrap();
    find(&config, tensors).map_err(|it| it.to_string())?;
    let packed = tensors.packed["experts.gate_up_proj"].clone();
    let mut parts = PlaneTensors::new(tensors, Path::new("folder"));
    let view = packed
        .view(shape, &mut parts)
        .map_err(|it| it.to_string())?;
    assert_eq!(parts.used.len(), 2);
    Ok(view)
}

/// Number `col` of row `row`: byte `b` holds `2b` in its lower half and `2b + 1` in its upper.
fn number(row: usize, col: usize) -> f32 {
    const FP4: [f32; 8] = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0];
    let byte = bytes(BLOCKS)[row * 32 + col / 2];
    let level = if col.is_multiple_of(2) {
        byte & 15
    } else {
        byte >> 4
    };
    let size = FP4[usize::from(level & 7)];
    let scale = 2f32.powi(i32::from(bytes(SCALES)[row * 2 + col / 32]) - 127);
    if level & 8 == 0 {
        size * scale
    } else {
        -size * scale
    }
}

#[test]
fn blocks_and_scales_of_experts_are_numbers_row_by_row() {
    let mut tensors = tensors(&bytes(BLOCKS), &bytes(SCALES), SHAPE);
    let view = view(&mut tensors, &SHAPE).unwrap();
    assert_eq!((view.shape(), view.n_bytes()), ((4, 64), 128 + 8));
    assert_eq!(view.format_label(), "mxfp4 by 32");
    let row = |r: usize| (0..64).map(|c| number(r, c)).collect::<Vec<f32>>();
    let all: Vec<f32> = (0..4).flat_map(row).collect();
    assert_eq!(view.to_f32(), all);
    // Byte 0xC1 at the scale 2⁻²: 0.5 and -2.
    assert_eq!(all[..2], [0.125, -0.5]);
    assert_eq!(view.rows(2..4).unwrap().to_f32(), all[128..]);
    // Gate and up take turns.
    let gate = view.every((0, 2)).unwrap();
    assert_eq!(gate.to_f32(), [row(0), row(2)].concat());
    let up = view.every((1, 2)).unwrap().rows(1..2).unwrap();
    assert_eq!((up.shape(), up.to_f32()), ((1, 64), row(3)));
    assert!(view.every((2, 2)).is_none() && view.every((0, 3)).is_none());
}

#[test]
fn planes_of_another_shape_than_the_model_are_named() {
    let mut tensors = tensors(&bytes(BLOCKS), &bytes(SCALES), SHAPE);
    let refused = view(&mut tensors, &[2, 4, 64]).unwrap_err();
    assert!(
        refused.contains("gate_up_proj_blocks has shape [2, 2, 2, 16]"),
        "{refused}"
    );
    assert!(refused.contains("[2, 4, 2, 16]"), "{refused}");
    let refused = view(&mut tensors, &[2, 2, 40]).unwrap_err();
    assert!(refused.contains("multiples of 32"), "{refused}");
    let refused = view(&mut tensors, &[64]).unwrap_err();
    assert!(refused.contains("the vector"), "{refused}");
}
