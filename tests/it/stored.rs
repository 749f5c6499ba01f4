//! A GGUF file in each format that ggml has, against the same model with the numbers of those blocks in f32.

use std::path::Path;

use moescope::checkpoint::{self, Checkpoint, Source};
use moescope::engine::{Backend, LiveBackend};
use moescope::formats::Dtype;
use moescope::model::Model;
use moescope::ops::{Cpu, Ops};
use moescope::spec::TokenId;
use tempfile::TempDir;

use super::blocks::{assert_near, numbers_of};
use super::golden::gguf_file::{GgufFile, Of, Stored};
use super::numbers::Numbers;
use super::read::text;

/// Blocks of 256 numbers end with rows of every matrix.
const HIDDEN: usize = 256;
const N_VOCAB: usize = 64;
const N_EXPERTS: usize = 4;
/// Blocks that a tensor is put together from.
const POOL: u64 = 24;

/// Random blocks with numbers as weights have them: few formats bound the scales that random bytes stand for.
fn pool(dtype: Dtype, random: &mut Numbers) -> Vec<u8> {
    let mut out = Vec::new();
    let mut numbers = vec![0.0; dtype.block_numbers()];
    while out.len() < POOL as usize * dtype.block_bytes() {
        let block: Vec<u8> = (0..dtype.block_bytes())
            .map(|_| random.below(256) as u8)
            .collect();
        dtype.decode(&block, &mut numbers);
        let most = numbers.iter().fold(0.0, |most: f32, it| most.max(it.abs()));
        let is_weight = numbers.iter().all(|it| it.is_finite()) && (0.01..0.3).contains(&most);
        if is_weight {
            out.extend(block);
        }
    }
    out
}

/// Adds a matrix in blocks to one file, and its numbers to the other.
fn add(
    both: &mut [GgufFile; 2],
    (name, shape): (&str, &[usize]),
    dtype: Dtype,
    random: &mut Numbers,
) {
    let pool = pool(dtype, random);
    let n = shape.iter().product::<usize>();
    let n_bytes = dtype.block_bytes();
    let bytes: Vec<u8> = (0..n / dtype.block_numbers())
        .flat_map(|_| {
            let at = random.below(POOL) as usize * n_bytes;
            pool[at..at + n_bytes].iter().copied()
        })
        .collect();
    let mut numbers = vec![0.0; n];
    dtype.decode(&bytes, &mut numbers);
    let stored = Stored {
        sizes: shape.iter().rev().map(|it| *it as u64).collect(),
        kind: dtype.ggml_id().unwrap(),
        bytes,
    };
    let [blocks, plain] = both;
    blocks.tensors.insert(name.to_owned(), stored);
    plain.add(name, shape, &numbers);
}

/// A model of OLMoE's family whose matrices are all in one format, and one with their numbers.
fn files(dtype: Dtype) -> [GgufFile; 2] {
    let mut file = GgufFile::default();
    file.set("general.architecture", &Of::Text("olmoe"));
    for (key, it) in [
        ("block_count", 2),
        ("context_length", 64),
        ("embedding_length", HIDDEN),
        ("feed_forward_length", HIDDEN),
        ("attention.head_count", 4),
        ("attention.head_count_kv", 4),
        ("expert_count", N_EXPERTS),
        ("expert_used_count", 2),
        ("vocab_size", N_VOCAB),
    ] {
        file.set(&format!("olmoe.{key}"), &Of::Number(it));
    }
    file.set("olmoe.attention.layer_norm_rms_epsilon", &Of::Float(1e-5));
    file.set("olmoe.rope.freq_base", &Of::Float(1e4));
    let mut random = Numbers(1);
    let ones = [1.0; HIDDEN];
    file.add("output_norm.weight", &[HIDDEN], &ones);
    for layer in 0..2 {
        for norm in ["attn_norm", "ffn_norm", "attn_q_norm", "attn_k_norm"] {
            file.add(&format!("blk.{layer}.{norm}.weight"), &[HIDDEN], &ones);
        }
        let gate: Vec<f32> = (0..N_EXPERTS * HIDDEN)
            .map(|_| random.below(1000) as f32 / 5e3 - 0.1)
            .collect();
        let name = format!("blk.{layer}.ffn_gate_inp.weight");
        file.add(&name, &[N_EXPERTS, HIDDEN], &gate);
    }
    let mut both = [file.clone(), file];
    for name in ["token_embd.weight", "output.weight"] {
        add(&mut both, (name, &[N_VOCAB, HIDDEN]), dtype, &mut random);
    }
    for layer in 0..2 {
        for part in ["attn_q", "attn_k", "attn_v", "attn_output"] {
            let name = format!("blk.{layer}.{part}.weight");
            add(&mut both, (&name, &[HIDDEN, HIDDEN]), dtype, &mut random);
        }
        for part in ["ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"] {
            let name = format!("blk.{layer}.{part}.weight");
            let shape = [N_EXPERTS, HIDDEN, HIDDEN];
            add(&mut both, (&name, &shape), dtype, &mut random);
        }
    }
    both
}

fn opened(file: &GgufFile, folder: &Path) -> Checkpoint {
    let path = folder.join("model.gguf");
    file.write(&path);
    checkpoint::open(&Source::parse(path.as_os_str())).unwrap()
}

/// Logits, and raw scores of every router: of one token, of few, and of enough for tiles.
fn numbers<O: Ops>(it: &Checkpoint, ops: O) -> Vec<Vec<f32>>
where
    LiveBackend<O>: Backend,
{
    let model = Model::new(it.spec.clone(), &it.weights, ops).unwrap();
    let mut backend = LiveBackend::new(model, 64);
    let mut of = |n: usize| {
        let tokens: Vec<TokenId> = (0..n).map(|t| TokenId::new(t * 7 % N_VOCAB)).collect();
        numbers_of(text(&mut backend, &tokens))
    };
    [1, 3, 21].into_iter().flat_map(&mut of).collect()
}

/// Compares a model in each format, on some device, with that of its numbers on the CPU.
fn check(device: &str, on_device: impl Fn(&Checkpoint) -> Vec<Vec<f32>>) {
    let folder = TempDir::new().unwrap();
    let stored = Dtype::ALL.into_iter().filter(|it| it.ggml_id().is_some());
    let mut n_checked = 0;
    for dtype in stored {
        let [blocks, plain] = files(dtype);
        let label = dtype.label();
        let want = numbers(&opened(&plain, folder.path()), Cpu::default());
        let it = opened(&blocks, folder.path());
        assert!(
            it.formats.iter().any(|it| it == label),
            "{label} {:?}",
            it.formats
        );
        assert_near(&on_device(&it), &want, &format!("{label} on {device}"));
        n_checked += 1;
    }
    assert_eq!(n_checked, Dtype::ALL.len() - 1, "all but 8-bit floats");
}

#[test]
fn a_gguf_file_in_each_format_is_the_model_of_its_numbers() {
    check("the CPU", |it| numbers(it, Cpu::default()));
}

#[cfg(feature = "gpu")]
#[test]
fn a_gguf_file_in_each_format_is_the_same_model_on_the_graphics_processor() {
    use moescope::ops::{AdapterChoice, Gpu};
    let gpu = || Gpu::open(AdapterChoice::Software).unwrap();
    check("the device", |it| numbers(it, gpu()));
}
