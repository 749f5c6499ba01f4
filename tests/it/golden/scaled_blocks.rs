//! ggml's `NVFP4` with an f32 beside a tensor, as converters write checkpoints of NVFP4: the model is that of the numbers
//! in the blocks, times the f32.

use std::path::Path;

use tempfile::TempDir;

use super::{
    Array, Arrays, assert_close, eval, fixture,
    gguf_file::{GgufFile, Of, Stored},
    read,
};

const NAME: &str = "gguf_cohere2moe";
const NVFP4: u32 = 40;
const FP4: [f32; 8] = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0];

/// Blocks for a tensor of these sizes, and the numbers in them.
fn blocks(sizes: &[u64], seed: usize) -> (Stored, Vec<f32>) {
    let n = sizes.iter().product::<u64>() as usize;
    let (mut bytes, mut numbers) = (Vec::new(), Vec::new());
    for block in 0..n / 64 {
        let byte = |i: usize| (((block * 36 + i + seed) * 2_654_435_761) >> 13) as u8;
        // Scales from ¼ to 1.
        let scales: Vec<u8> = (0..4).map(|i| 0x28 + byte(i) % 17).collect();
        let qs: Vec<u8> = (4..36).map(byte).collect();
        for (scale, qs) in scales.iter().zip(qs.chunks_exact(8)) {
            let (exponent, eighths) = (i32::from(scale >> 3), f32::from(scale & 7));
            let scale = (1.0 + eighths / 8.0) * (exponent as f32 - 7.0).exp2();
            let halves = qs.iter().map(|it| it & 15);
            for half in halves.chain(qs.iter().map(|it| it >> 4)) {
                let sign = if half > 7 { -1.0 } else { 1.0 };
                numbers.push(sign * FP4[usize::from(half & 7)] * scale);
            }
        }
        bytes.extend(scales);
        bytes.extend(qs);
    }
    let stored = Stored {
        sizes: sizes.to_vec(),
        kind: NVFP4,
        bytes,
    };
    (stored, numbers)
}

/// The file with a tensor in blocks and its factors, and one with their numbers.
fn set(both: &mut [GgufFile; 2], name: &str, scale: &str, factors: &[f32]) {
    let sizes = both[0].tensors[&format!("{name}.weight")].sizes.clone();
    let (stored, mut numbers) = blocks(&sizes, name.len() * 7 + factors.len());
    let n_each = numbers.len() / factors.len();
    for (some, factor) in numbers.chunks_exact_mut(n_each).zip(factors) {
        some.iter_mut().for_each(|it| *it *= factor);
    }
    let shape: Vec<usize> = sizes.iter().rev().map(|it| *it as usize).collect();
    let [blocks, plain] = both;
    blocks.tensors.insert(format!("{name}.weight"), stored);
    blocks.add(scale, &[factors.len()], factors);
    plain.add(&format!("{name}.weight"), &shape, &numbers);
}

fn files() -> [GgufFile; 2] {
    let file = GgufFile::read(&fixture(NAME).join("model.gguf"));
    let mut both = [file.clone(), file];
    let of_each: Vec<f32> = (0..8).map(|it| 0.02 + 0.003 * it as f32).collect();
    for layer in 0..2 {
        let name = |it: &str| format!("blk.{layer}.{it}");
        for part in ["ffn_gate_exps", "ffn_up_exps"] {
            let part = name(part);
            set(&mut both, &part, &format!("{part}.scale"), &of_each);
        }
        // One for all experts, and one of a plain matrix.
        for part in ["ffn_down_exps", "attn_q"] {
            let part = name(part);
            set(&mut both, &part, &format!("{part}.scale"), &[0.03]);
        }
    }
    both
}

fn evaluated(file: &GgufFile) -> Arrays {
    evaluated_on(file, "cpu")
}

fn evaluated_on(file: &GgufFile, device: &str) -> Arrays {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.gguf");
    file.write(&path);
    let expected = read(&fixture(NAME).join("expected.safetensors"));
    eval(&path, &expected, &[], device, &["--greedy", "4"])
}

fn are_equal(a: &Arrays, b: &Arrays) -> bool {
    a.iter().all(|(name, a)| match (a, &b[name]) {
        (Array::Numbers(_, a), Array::Numbers(_, b)) => {
            a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-3)
        }
        _ => true,
    })
}

#[test]
fn nvfp4_with_a_factor_beside_it_is_its_numbers_times_the_factor() {
    let [blocks, plain] = files();
    let wanted = evaluated(&plain);
    assert_close(&evaluated(&blocks), &wanted, "NVFP4 with factors");
    // Each factor counts: another one is another model.
    for name in ["blk.1.ffn_up_exps.scale", "blk.0.attn_q.scale"] {
        let mut other = blocks.clone();
        let scale = other.tensors.get_mut(name).unwrap();
        let numbers = scale.bytes.as_chunks::<4>().0.iter();
        let numbers: Vec<f32> = numbers.map(|it| 3.0 * f32::from_le_bytes(*it)).collect();
        other.add(name, &[numbers.len()], &numbers);
        assert!(!are_equal(&evaluated(&other), &wanted), "{name}");
    }
}

#[cfg(feature = "gpu")]
#[test]
fn nvfp4_with_a_factor_beside_it_is_the_same_on_the_graphics_processor() {
    let [blocks, plain] = files();
    assert_close(
        &evaluated_on(&blocks, "gpu"),
        &evaluated(&plain),
        "on the GPU",
    );
}

#[test]
fn gate_and_up_in_one_tensor_share_the_factor_of_the_up_projection() {
    let mut both = files();
    let of_each: Vec<f32> = (0..8).map(|it| 0.04 - 0.003 * it as f32).collect();
    for layer in 0..2 {
        let name = |it: &str| format!("blk.{layer}.{it}");
        for file in &mut both {
            let up = file.tensors.remove(&name("ffn_up_exps.weight")).unwrap();
            file.tensors.remove(&name("ffn_gate_exps.weight"));
            file.tensors.remove(&name("ffn_gate_exps.scale"));
            let mut sizes = up.sizes.clone();
            sizes[1] *= 2;
            let merged = Stored { sizes, ..up };
            file.tensors.insert(name("ffn_gate_up_exps.weight"), merged);
        }
        let scale = name("ffn_up_exps.scale");
        set(&mut both, &name("ffn_gate_up_exps"), &scale, &of_each);
    }
    let [blocks, plain] = both;
    assert_close(&evaluated(&blocks), &evaluated(&plain), "in one tensor");
}

#[test]
fn factors_of_another_shape_are_refused_by_name() {
    let [mut blocks, _] = files();
    blocks.add("blk.1.ffn_up_exps.scale", &[3], &[0.1; 3]);
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("model.gguf");
    blocks.write(&path);
    let why = refusal(&path);
    assert!(
        why.contains("blk.1.ffn_up_exps.scale has shape [3]") && why.contains("[8]"),
        "{why}"
    );
    // Beside numbers of another kind it belongs to nothing that is computed.
    let mut plain = GgufFile::read(&fixture(NAME).join("model.gguf"));
    plain.add("blk.1.ffn_up_exps.scale", &[8], &[0.1; 8]);
    plain.write(&path);
    let why = refusal(&path);
    assert!(why.contains("blk.1.ffn_up_exps.scale"), "{why}");
    // What is said of activations is not used.
    let [mut rounded, _] = files();
    rounded.set("general.name", &Of::Text("rounded"));
    rounded.add("blk.1.ffn_up_exps.input_scale", &[8], &[0.1; 8]);
    rounded.write(&path);
    assert_eq!(refusal(&path), "");
}

fn refusal(path: &Path) -> String {
    let output = super::moescope(&["inspect", path.to_str().unwrap()]);
    if output.status.success() {
        return String::new();
    }
    String::from_utf8_lossy(&output.stderr).into_owned()
}
