//! Switch Transformer as its makers publish it: pickled shards with the names of T5's first code, and a sentencepiece
//! model in place of `tokenizer.json`.

use std::{collections::BTreeMap, fs};

use safetensors::SafeTensors;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::{tiny::Tensor, torch};

/// The tensors of the fixture, with what published files hold beside them: the embedding under the names of each stack
/// and as the head, and the table of distances that cross-attention never read.
fn tensors() -> BTreeMap<String, Tensor> {
    let bytes = fs::read(fixture("switch").join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let one = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        let dtype = match view.dtype() {
            Dtype::F32 => "F32",
            Dtype::BF16 => "BF16",
            other => panic!("{name} is {other:?}"),
        };
        let (shape, bytes) = (view.shape().to_vec(), view.data().to_vec());
        (
            name,
            Tensor {
                dtype,
                shape,
                bytes,
            },
        )
    };
    let mut all: BTreeMap<String, Tensor> = file.tensors().into_iter().map(one).collect();
    let embedding = all["shared.weight"].clone();
    for name in [
        "encoder.embed_tokens.weight",
        "decoder.embed_tokens.weight",
        "lm_head.weight",
    ] {
        all.insert(name.to_owned(), embedding.clone());
    }
    let own = "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight";
    let unused = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight";
    all.insert(unused.to_owned(), all[own].clone());
    all
}

/// A folder of pickled shards.
fn published() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let config = fixture("switch").join("config.json");
    fs::copy(config, folder.path().join("config.json")).unwrap();
    let all = tensors();
    let shard = |row: usize| format!("pytorch_model-0000{}-of-00002.bin", row % 2 + 1);
    for n in 0..2 {
        let some = all.iter().enumerate().filter(|it| it.0 % 2 == n);
        let bytes = torch::file(some.map(|it| it.1));
        fs::write(folder.path().join(shard(n)), bytes).unwrap();
    }
    let rows = all.keys().enumerate();
    let map: BTreeMap<&String, String> = rows.map(|it| (it.1, shard(it.0))).collect();
    torch::save_index(folder.path(), &json!({ "metadata": {}, "weight_map": map }));
    folder
}

#[test]
fn pickled_shards_with_the_names_of_t5_equal_the_reference() {
    let folder = published();
    let expected = read(&fixture("switch").join("expected.safetensors"));
    let got = eval(folder.path(), &expected, &[], "cpu", &[]);
    assert_close(&got, &expected, "switch, pickled");
    let same = eval(&fixture("switch"), &expected, &[], "cpu", &[]);
    assert_eq!(got, same, "the same numbers as of safetensors, to the bit");
    // A table of another name in the same place is refused.
    let mut all = tensors();
    let own = "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight";
    let odd = "decoder.block.1.layer.1.EncDecAttention.distances.weight";
    all.insert(odd.to_owned(), all[own].clone());
    let file = torch::file(all.iter());
    let folder = tempfile::tempdir().unwrap();
    let config = fixture("switch").join("config.json");
    fs::copy(config, folder.path().join("config.json")).unwrap();
    fs::write(folder.path().join(torch::FILE), file).unwrap();
    let said = moescope(&["inspect", folder.path().to_str().unwrap()]);
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(!said.status.success() && text.contains(odd), "{text}");
}

/// A field of a message of protocol buffers: bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut n = bytes.len();
    while n > 127 {
        out.push(n as u8 & 127 | 128);
        n >>= 7;
    }
    out.push(n as u8);
    [out, bytes.to_vec()].concat()
}

/// A sentencepiece model of T5's kind: padding, end, unknown, then pieces.
fn pieces(all: &[(&str, f32)]) -> Vec<u8> {
    let first = [("<pad>", 3_u8), ("</s>", 3), ("<unk>", 2)];
    let first = first.map(|(text, kind)| (text, 0.0, kind));
    let rest = all.iter().map(|(text, score)| (*text, *score, 1));
    let mut out = Vec::new();
    for (text, score, kind) in first.into_iter().chain(rest) {
        let piece = [
            field(1, text.as_bytes()),
            [vec![2 << 3 | 5], f32::to_le_bytes(score).to_vec()].concat(),
            vec![3 << 3, kind],
        ];
        out.extend(field(1, &piece.concat()));
    }
    // unigram; unknown 2, end 1.
    let training = [vec![3 << 3, 1], vec![0xC0, 2, 2], vec![0xD0, 2, 1]].concat();
    out.extend(field(2, &training));
    out
}

#[test]
fn a_sentencepiece_model_alone_is_a_tokenizer() {
    let folder = published();
    let letters: Vec<String> = ('a'..='z').map(String::from).collect();
    let letters = letters.iter().map(|it| (it.as_str(), -8.0));
    let words = [("▁", -2.0), ("▁a", -2.5), ("▁fox", -4.0), ("fo", -4.0)];
    let all: Vec<(&str, f32)> = words.into_iter().chain(letters).collect();
    fs::write(folder.path().join("spiece.model"), pieces(&all)).unwrap();
    let model = folder.path().to_str().unwrap();
    let tokenized = |text: &str| {
        let said = moescope(&["tokenize", model, "--text", text, "--json", "--bos"]);
        let log = String::from_utf8_lossy(&said.stderr).into_owned();
        assert!(said.status.success(), "{log}");
        let said: Value = serde_json::from_slice(&said.stdout).unwrap();
        said["ids"].clone()
    };
    // A mark before each word, the likeliest pieces, the end behind.
    assert_eq!(tokenized("a  fox "), json!([4, 5, 1]));
    assert_eq!(tokenized("foa!"), json!([3, 6, 7, 2, 1]));
    // The last of the hundred extra ids is the first behind the pieces.
    let first = 3 + all.len();
    assert_eq!(tokenized("<extra_id_99>a"), json!([first, 4, 1]));
    assert_eq!(tokenized("<extra_id_0>"), json!([first + 99, 1]));
    let settings = folder.path().join("tokenizer_config.json");
    fs::write(settings, r#"{"extra_ids": 2}"#).unwrap();
    assert_eq!(tokenized("<extra_id_0>"), json!([first + 1, 1]));
    let said = moescope(&["run", model, "--prompt", "a fox", "-n", "3", "--json"]);
    let log = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.status.success(), "{log}");
    let said: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(said["prompt_ids"], json!([4, 5, 1, 0]));
}

#[test]
fn a_sentencepiece_model_that_is_none_is_said_and_the_model_opens() {
    let folder = published();
    let path = folder.path().join("spiece.model");
    let whole = pieces(&[("a", -1.0), ("▁", -2.0)]);
    let mut by_merges = pieces(&[("a", -1.0)]);
    by_merges.extend(field(2, &[3 << 3, 2]));
    let mut infinite = whole.clone();
    infinite.extend(field(
        1,
        &[&field(1, b"x")[..], &[21, 0, 0, 128, 127]].concat(),
    ));
    for (bytes, word) in [
        (b"".to_vec(), "no sentencepiece model"),
        (
            b"version https://git-lfs".to_vec(),
            "no sentencepiece model",
        ),
        (whole[..whole.len() - 3].to_vec(), "not all of one"),
        (by_merges, "not those of a unigram model"),
        (infinite, "no finite number"),
        (vec![0xFF; 40], "no sentencepiece model"),
    ] {
        fs::write(&path, bytes).unwrap();
        let said = moescope(&["inspect", folder.path().to_str().unwrap()]);
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        let text = text + &String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "{text}");
        assert!(text.contains("spiece.model cannot be read"), "{text}");
        assert!(text.contains(word), "{word}: {text}");
        assert!(text.contains("given by their ids"), "{text}");
    }
}
