//! A whole model in a GGUF file: what opens with its tokenizer, and what opens without.

use super::{Value, Written};
use crate::checkpoint::{Checkpoint, Source, open};
use crate::spec::{PromptForm, TokenId};

/// Tokens of the made-up models.
const TOKENS: &[&str] = &["<|end|>", "<|im_end|>", "a", "b", "ab", "Ġ", "Ġa"];

/// A model of one layer of width 4 with 2 experts, its tensors all 0, of a vocabulary of `n_vocab`.
fn model(n_vocab: usize) -> Written {
    let mut it = Written::model()
        .key("llama.embedding_length", Value::U32(4))
        .key("llama.block_count", Value::U32(1))
        .key("llama.context_length", Value::U32(64))
        .key("llama.attention.head_count", Value::U32(2))
        .key("llama.attention.layer_norm_rms_epsilon", Value::F32(1e-5))
        .key("llama.expert_count", Value::U32(2))
        .key("llama.expert_used_count", Value::U32(1));
    for (name, dims) in [
        ("token_embd", &[4, n_vocab][..]),
        ("output_norm", &[4]),
        ("blk.0.attn_norm", &[4]),
        ("blk.0.attn_q", &[4, 4]),
        ("blk.0.attn_k", &[4, 4]),
        ("blk.0.attn_v", &[4, 4]),
        ("blk.0.attn_output", &[4, 4]),
        ("blk.0.ffn_norm", &[4]),
        ("blk.0.ffn_gate_inp", &[4, 2]),
        ("blk.0.ffn_gate_exps", &[4, 8, 2]),
        ("blk.0.ffn_up_exps", &[4, 8, 2]),
        ("blk.0.ffn_down_exps", &[8, 4, 2]),
    ] {
        let n_bytes = 4 * dims.iter().product::<usize>();
        let dims: Vec<u64> = dims.iter().map(|it| *it as u64).collect();
        it = it.tensor(&format!("{name}.weight"), &dims, 0, &vec![0; n_bytes]);
    }
    it
}

fn with_tokens(it: Written) -> Written {
    it.key("tokenizer.ggml.model", Value::Text("gpt2"))
        .key("tokenizer.ggml.pre", Value::Text("qwen2"))
        .key("tokenizer.ggml.tokens", Value::Texts(TOKENS))
        .key(
            "tokenizer.ggml.token_type",
            Value::I32s(&[3, 3, 1, 1, 1, 1, 1]),
        )
        .key("tokenizer.ggml.merges", Value::Texts(&["a b", "Ġ a"]))
        .key("tokenizer.ggml.eos_token_id", Value::U32(0))
        .key(
            "tokenizer.chat_template",
            Value::Text("{{ messages[0].content }}{{ eos_token }}"),
        )
}

fn opened(written: &Written) -> Checkpoint {
    let (_folder, path) = super::file(&written.bytes());
    open(&Source::Folder(path)).unwrap()
}

/// Opens for ids alone, with one note that has these words.
#[track_caller]
fn ids_only(written: &Written, words: &str) {
    let it = opened(written);
    assert!(it.codec.is_none(), "{words}");
    assert_eq!(it.notes.len(), 1, "{:?}", it.notes);
    assert!(it.notes[0].contains(words), "{}", it.notes[0]);
    let end = "so tokens are given by their ids";
    assert!(it.notes[0].ends_with(end), "{}", it.notes[0]);
}

#[test]
fn a_model_opens_with_its_tokenizer_its_template_and_its_ends() {
    // Rows of the embedding behind the last token are padding.
    for n_vocab in [7, 12] {
        let it = opened(&with_tokens(model(n_vocab)));
        assert!(it.notes.is_empty(), "{:?}", it.notes);
        let codec = it.codec.as_ref().unwrap();
        assert_eq!(codec.n_tokens(), 7);
        assert_eq!(codec.token_table().pieces.len(), n_vocab);
        let ids = |all: &[u32]| -> Vec<TokenId> { all.iter().copied().map(TokenId).collect() };
        assert_eq!(codec.encode("ab a<|im_end|>").unwrap(), ids(&[4, 6, 1]));
        let chat = PromptForm::Chat { system: None };
        assert_eq!(codec.encode_as("ab", &chat).unwrap(), ids(&[4, 0]));
        assert_eq!(it.eos, ids(&[0, 1]));
    }
}

#[test]
fn a_model_without_a_tokenizer_that_is_read_opens_for_ids() {
    ids_only(&model(7), "tokenizer.ggml.model is missing");
    let none = model(7).key("tokenizer.ggml.model", Value::Text("none"));
    ids_only(&none, "tokenizer.ggml.model is \"none\"");
    ids_only(
        &with_tokens(model(5)),
        "the model's vocabulary has only 5: it belongs to another model",
    );
    let short = model(7)
        .key("tokenizer.ggml.model", Value::Text("llama"))
        .key("tokenizer.ggml.tokens", Value::Texts(TOKENS))
        .key("tokenizer.ggml.scores", Value::F32s(&[0.0]));
    ids_only(
        &short,
        "tokenizer.ggml.scores is a list of 1, but it must be a list of 7",
    );
}

#[test]
fn a_template_that_cannot_be_used_is_noted() {
    let it = with_tokens(model(7));
    let mut twice = it.clone();
    // Its text is broken where it was put last.
    let at = twice.keys.len() - 2;
    twice.keys[at..].copy_from_slice(b"{%");
    let it = opened(&twice);
    assert_eq!(it.notes.len(), 1, "{:?}", it.notes);
    assert!(!it.codec.unwrap().has_chat_template());
}

#[test]
fn lists_larger_than_any_tokenizer_s_are_not_read() {
    let long = "x".repeat(33 << 20);
    let tokens = model(7)
        .key("tokenizer.ggml.model", Value::Text("llama"))
        .key("tokenizer.ggml.tokens", Value::Texts(&[&long]));
    ids_only(
        &tokens,
        "tokenizer.ggml.tokens is a list of 34603016 bytes, but it must be at most 33554432",
    );
    let bytes_of = |merges: &[&str]| {
        model(7)
            .key("tokenizer.ggml.model", Value::Text("gpt2"))
            .key("tokenizer.ggml.tokens", Value::Texts(TOKENS))
            .key("tokenizer.ggml.merges", Value::Texts(merges))
    };
    ids_only(
        &bytes_of(&vec!["a b"; (1 << 20) + 1]),
        "tokenizer.ggml.merges is a list of 1048577, but it must be at most 1048576 texts",
    );
    ids_only(
        &bytes_of(&[&long]),
        "tokenizer.ggml.merges is a list of 3460",
    );
    let table = model(7)
        .key("tokenizer.ggml.model", Value::Text("t5"))
        .key("tokenizer.ggml.tokens", Value::Texts(TOKENS))
        .key(
            "tokenizer.ggml.precompiled_charsmap",
            Value::Bytes(&vec![0; (2 << 20) + 1]),
        );
    ids_only(
        &table,
        "tokenizer.ggml.precompiled_charsmap is a list of 2097153 (a whole number), but it must be at most 2097152 bytes",
    );
}
