//! Files of a model folder, each in the place of a sound one of a tiny model: what opens lies whole in its files, and
//! what lies beside the weights never keeps a model from opening.

use std::{fs, path::Path};

use moescope::checkpoint::{self, Checkpoint, Source, TextCodec};

use moescope::spec::PromptForm;
use serde_json::json;

const CONFIG: &str = "config.json";
const SINGLE: &str = "model.safetensors";
const PICKLED: &str = "pytorch_model.bin";
const TOKENIZER: &str = "tokenizer.json";
const SHARDS: [&str; 2] = [
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
];
/// The files that are only beside a model. The first byte of an input says which one it is.
const BESIDE: [&str; 5] = [
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
];
/// H, the width of the tiny model.
const H: usize = 4;
/// Texts that a tokenizer is tried on, each with some letters of its kind.
const SAMPLES: [&str; 4] = [
    "a b",
    "Once upon a time, there was  été 一 🦊\n\t<|endoftext|>",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "<s>\u{0}\u{feff}\u{301}▁",
];

/// The bytes as the one file of weights.
pub fn header(bytes: &[u8]) -> bool {
    let folder = folder(8, None);
    put(folder.path(), SINGLE, bytes);
    opened(folder.path(), bytes.len()).is_some()
}

/// The bytes as the one file of weights, as torch pickles them. Tensors may share their numbers.
pub fn pickle(bytes: &[u8]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), CONFIG, config(8).as_bytes());
    put(folder.path(), PICKLED, bytes);
    opened(folder.path(), usize::MAX).is_some()
}

/// The bytes as the index of two files of weights.
pub fn index(bytes: &[u8]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), CONFIG, config(8).as_bytes());
    let is_first = |name: &str| name.contains("layers");
    let files = [safetensors(8, is_first), safetensors(8, |it| !is_first(it))];
    for (name, file) in SHARDS.iter().zip(&files) {
        put(folder.path(), name, file);
    }
    put(folder.path(), "model.safetensors.index.json", bytes);
    opened(folder.path(), files[0].len() + files[1].len()).is_some()
}

/// The bytes as `tokenizer.json`. The model opens, with a tokenizer or without.
pub fn tokenizer(bytes: &[u8]) -> bool {
    let folder = folder(320, None);
    put(folder.path(), TOKENIZER, bytes);
    let checkpoint = opened(folder.path(), usize::MAX);
    let checkpoint = checkpoint.expect("a tokenizer keeps no model from opening");
    let Some(codec) = &checkpoint.codec else {
        assert!(
            !checkpoint.notes.is_empty(),
            "no tokenizer, and no word why"
        );
        return false;
    };
    check_codec(codec, 320);
    true
}

/// A tokenizer of a vocabulary of `n_vocab` stays within it, and gives the same tokens twice.
pub(super) fn check_codec(codec: &TextCodec, n_vocab: usize) {
    assert!(codec.n_tokens() <= n_vocab);
    assert_eq!(codec.token_table().pieces.len(), n_vocab);
    assert!(codec.bos().is_none_or(|it| it.idx() < n_vocab));
    for text in SAMPLES {
        match codec.encode(text) {
            Ok(ids) => {
                assert!(ids.iter().all(|it| it.idx() < n_vocab), "{ids:?}");
                let _ = codec.decode(&ids);
                assert_eq!(codec.encode(text).unwrap(), ids, "{text:?} twice");
            }
            Err(why) => super::check_sentence(&why),
        }
    }
}

/// The bytes as a file beside the weights, which one by the first of them. The model opens all the same.
pub fn beside(bytes: &[u8]) -> bool {
    let Some((which, rest)) = bytes.split_first() else {
        return false;
    };
    let folder = folder(320, Some(&words()));
    put(
        folder.path(),
        BESIDE[usize::from(*which) % BESIDE.len()],
        rest,
    );
    let checkpoint = opened(folder.path(), usize::MAX);
    let checkpoint = checkpoint.expect("what is beside a model keeps none from opening");
    assert!(checkpoint.eos.iter().all(|it| it.idx() < 320));
    let codec = checkpoint.codec.as_ref().expect("the tokenizer is sound");
    for system in [None, Some("be brief".to_owned())] {
        match codec.encode_as("Hello", &PromptForm::Chat { system }) {
            Ok(ids) => assert!(ids.iter().all(|it| it.idx() < 320)),
            Err(why) => super::check_sentence(&why),
        }
    }
    codec.encode(SAMPLES[1]).is_ok() && checkpoint.notes.is_empty()
}

/// What a folder or file opens as. All its numbers can be read, and are no more than its files hold.
pub(super) fn opened(place: &Path, n_bytes: usize) -> Option<Checkpoint> {
    let checkpoint = match checkpoint::open(&Source::Folder(place.to_owned())) {
        Ok(it) => it,
        Err(why) => {
            super::check_sentence(&why);
            return None;
        }
    };
    checkpoint
        .notes
        .iter()
        .for_each(|it| super::check_sentence(it));
    let mut total = 0;
    for (slot, weight) in checkpoint.weights.iter() {
        let (rows, cols) = weight.shape();
        assert_eq!(weight.to_f32().len(), rows * cols, "{slot:?}");
        assert_eq!(
            weight.n_bytes(),
            weight.dtype().row_bytes(cols).unwrap() * rows
        );
        total += weight.n_bytes();
    }
    // A tied head is the embedding.
    assert!(total <= n_bytes, "{total} bytes of weights in {n_bytes}");
    Some(checkpoint)
}

fn put(folder: &Path, name: &str, bytes: &[u8]) {
    fs::write(folder.join(name), bytes).unwrap();
}

/// A tiny Mixtral of `n_vocab` rows, with a tokenizer or without.
fn folder(n_vocab: usize, tokenizer: Option<&str>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), CONFIG, config(n_vocab).as_bytes());
    put(folder.path(), SINGLE, &safetensors(n_vocab, |_| true));
    if let Some(it) = tokenizer {
        put(folder.path(), TOKENIZER, it.as_bytes());
    }
    folder
}

fn config(n_vocab: usize) -> String {
    json!({
        "model_type": "mixtral", "hidden_size": H, "intermediate_size": 2, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 1, "num_local_experts": 2,
        "num_experts_per_tok": 1, "vocab_size": n_vocab, "max_position_embeddings": 64,
        "tie_word_embeddings": true
    })
    .to_string()
}

/// Names and shapes of the tiny model.
fn tensors(n_vocab: usize) -> Vec<(String, Vec<usize>)> {
    let layer = |it: &str| format!("model.layers.0.{it}.weight");
    let mut out = vec![
        ("model.embed_tokens.weight".to_owned(), vec![n_vocab, H]),
        ("model.norm.weight".to_owned(), vec![H]),
        (layer("input_layernorm"), vec![H]),
        (layer("post_attention_layernorm"), vec![H]),
        (layer("self_attn.q_proj"), vec![4, H]),
        (layer("self_attn.k_proj"), vec![2, H]),
        (layer("self_attn.v_proj"), vec![2, H]),
        (layer("self_attn.o_proj"), vec![H, 4]),
        (layer("block_sparse_moe.gate"), vec![2, H]),
    ];
    for e in 0..2 {
        for (name, shape) in [("w1", [2, H]), ("w2", [H, 2]), ("w3", [2, H])] {
            let name = format!("block_sparse_moe.experts.{e}.{name}");
            out.push((layer(&name), shape.to_vec()));
        }
    }
    out
}

/// A sound file of some of the tensors, all of them 0.
fn safetensors(n_vocab: usize, wanted: impl Fn(&str) -> bool) -> Vec<u8> {
    let mut entries = serde_json::Map::new();
    let mut end = 0;
    for (name, shape) in tensors(n_vocab).into_iter().filter(|it| wanted(&it.0)) {
        let start = end;
        end += 2 * shape.iter().product::<usize>();
        let entry = json!({ "dtype": "BF16", "shape": shape, "data_offsets": [start, end] });
        entries.insert(name, entry);
    }
    let header = serde_json::Value::Object(entries).to_string();
    let header = format!("{header:<width$}", width = header.len().next_multiple_of(8));
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    file.resize(file.len() + end, 0);
    file
}

/// A sound tokenizer of a few words.
fn words() -> String {
    let words = ["<unk>", "<s>", "</s>", "a", "b", "Hello", "be", "brief"];
    let vocab: serde_json::Map<String, serde_json::Value> = (0_usize..)
        .zip(words)
        .map(|(id, it)| (it.to_owned(), id.into()))
        .collect();
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": null, "pre_tokenizer": { "type": "Whitespace" }, "post_processor": null,
        "decoder": null,
        "model": { "type": "WordLevel", "vocab": vocab, "unk_token": "<unk>" }
    })
    .to_string()
}
