//! Text to tokens: one BOS, bytes of every id, and tokenizers that are wrong.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{opened, refused};
use crate::tiny::Tiny;
use moescope::checkpoint::Checkpoint;
use moescope::spec::{PromptForm, TokenId};

/// A byte-level tokenizer of `<s>`, a to d, a space, half a character and a control token.
fn tokenizer() -> Value {
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [
            {"id": 0, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
            {"id": 8, "content": "  ", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": false}
        ],
        "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "vocab": {"<s>": 0, "a": 1, "b": 2, "c": 3, "d": 4, "Ġ": 5, "Ã": 6, "ab": 7},
            "merges": [["a", "b"]]
        }
    })
}

fn bos_processor() -> Value {
    json!({
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}
    })
}

fn folder(tokenizer: &Value, settings: Option<Value>) -> TempDir {
    let folder = Tiny::of("mixtral").save();
    fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    if let Some(it) = settings {
        fs::write(folder.path().join("tokenizer_config.json"), it.to_string()).unwrap();
    }
    folder
}

fn ids(it: &Checkpoint, text: &str) -> Vec<u32> {
    let ids = it.codec.as_ref().unwrap().encode(text).unwrap();
    ids.into_iter().map(|it| it.0).collect()
}

#[test]
fn a_text_begins_with_bos_as_often_as_it_should() {
    let plain = tokenizer();
    let mut adding = tokenizer();
    adding["post_processor"] = bos_processor();
    let asks = |it: Value| Some(json!({"bos_token": "<s>", "add_bos_token": it}));
    let object = Some(json!({"bos_token": {"content": "<s>"}, "add_bos_token": true}));
    for (tokenizer, settings, want) in [
        (&plain, None, vec![1]),
        (&plain, asks(json!(true)), vec![0, 1]),
        (&plain, object, vec![0, 1]),
        (&plain, asks(json!(false)), vec![1]),
        (&plain, asks(json!(null)), vec![1]),
        (&adding, None, vec![0, 1]),
        (&adding, asks(json!(true)), vec![0, 1]),
        (&adding, asks(json!(false)), vec![1]),
    ] {
        let folder = folder(tokenizer, settings.clone());
        assert_eq!(ids(&opened(folder.path()), "a"), want, "{settings:?}");
    }
    let folder = folder(&adding, asks(json!(true)));
    assert_eq!(ids(&opened(folder.path()), "<s>a"), [0, 1]);
    assert_eq!(ids(&opened(folder.path()), ""), [0]);
}

#[test]
fn a_chat_is_encoded_as_its_template_says_and_bos_is_not_doubled() {
    let chat = |it: &Checkpoint, text: &str, system: Option<&str>| -> Vec<u32> {
        let form = PromptForm::Chat {
            system: system.map(str::to_owned),
        };
        let ids = it.codec.as_ref().unwrap().encode_as(text, &form).unwrap();
        ids.into_iter().map(|it| it.0).collect()
    };
    let mut adding = tokenizer();
    adding["post_processor"] = bos_processor();
    let template = "{{ bos_token }}{% for it in messages %}{% if it.role == 'system' %}d{% endif %}{{ it.content }}{% endfor %}c";
    let settings = |it: Value| Some(json!({"bos_token": "<s>", "chat_template": it}));
    let named =
        json!([{"name": "tools", "template": "x"}, {"name": "default", "template": template}]);
    for it in [json!(template), named] {
        let folder = folder(&adding, settings(it));
        let it = opened(folder.path());
        assert_eq!(chat(&it, "ab", None), [0, 7, 3]);
        assert_eq!(chat(&it, "ab", Some("b")), [0, 4, 2, 7, 3]);
        assert_eq!(ids(&it, "ab"), [0, 7], "plain text stays plain");
        fs::write(
            folder.path().join("chat_template.jinja"),
            "{{ messages[0].content }}",
        )
        .unwrap();
        assert_eq!(
            chat(&opened(folder.path()), "ab", None),
            [7],
            "a file of its own comes first"
        );
        fs::write(folder.path().join("chat_template.jinja"), "{% if %}").unwrap();
        let broken = opened(folder.path());
        assert!(!broken.codec.as_ref().unwrap().has_chat_template());
        assert!(
            broken.notes.iter().any(|it| it.contains("chat template")),
            "{:?}",
            broken.notes
        );
    }
    let without = opened(folder(&adding, None).path());
    let codec = without.codec.unwrap();
    let why = codec
        .encode_as("a", &PromptForm::Chat { system: None })
        .unwrap_err();
    assert!(why.to_string().contains("no chat template"), "{why}");
}

#[test]
fn a_character_of_several_tokens_is_shown_where_it_is_whole() {
    let mut it = tokenizer();
    it["model"]["vocab"]["©"] = 8.into();
    it["added_tokens"][1]["id"] = 9.into();
    let folder = folder(&it, None);
    let it = opened(folder.path());
    let ids = it.codec.as_ref().unwrap().encode("a\u{e9}b").unwrap();
    assert_eq!(ids, [1, 6, 8, 2].map(TokenId), "é is two tokens here");
    let table = it.token_table();
    let shown = |n: usize| moescope::document::token_texts(&table, &ids[..n], &[]);
    assert_eq!(shown(2), ["a", "<0xC3>"], "its bytes until it is whole");
    assert_eq!(shown(4), ["a", "", "é", "b"]);
    assert_eq!(table.text(&ids), "aéb");
    assert_eq!(
        moescope::document::token_texts(&table, &[TokenId(0)], &[]),
        ["⟨bos⟩"]
    );
}

#[test]
fn every_id_has_its_bytes() {
    let folder = folder(&tokenizer(), None);
    let it = opened(folder.path());
    let table = it.token_table();
    assert_eq!(table.pieces.len(), 50);
    let piece = |id: usize| (table.pieces[id].as_slice(), table.special[id]);
    assert_eq!(piece(0), (&b"<s>"[..], true));
    assert_eq!(piece(5), (&b" "[..], false));
    assert_eq!(piece(6), (&[0xC3][..], false));
    assert_eq!(piece(7), (&b"ab"[..], false));
    assert_eq!(piece(8), (&b"  "[..], false));
    assert_eq!(piece(30), (&b"<30>"[..], true));
    let codec = it.codec.unwrap();
    assert_eq!(codec.n_tokens(), 9);
    let text: Vec<TokenId> = [0, 7, 5, 3].map(TokenId).to_vec();
    assert_eq!(codec.decode(&text), "ab c");
}

#[test]
fn marks_of_sentencepiece_are_spaces_and_bytes() {
    let mut it = tokenizer();
    it["pre_tokenizer"] =
        json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false});
    it["decoder"] = json!({"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
        {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}
    ]});
    it["model"]["byte_fallback"] = true.into();
    it["model"]["vocab"] =
        json!({"<s>": 0, "a": 1, "b": 2, "▁": 3, "<0xC3>": 4, "<0xA9>": 5, "ab": 6});
    let folder = folder(&it, None);
    let it = opened(folder.path());
    let pieces = it.token_table().pieces;
    assert_eq!(pieces[3], b" ");
    assert_eq!(pieces[4], [0xC3]);
    let ids = ids(&it, "ab é");
    assert_eq!(ids, [3, 6, 3, 4, 5]);
    let ids: Vec<TokenId> = ids.into_iter().map(TokenId).collect();
    assert_eq!(it.codec.unwrap().decode(&ids), "ab é");
}

#[test]
fn texts_end_where_any_setting_says() {
    let mut tiny = Tiny::of("mixtral");
    tiny.set("eos_token_id", json!([3, 2, 3, 99]));
    let folder = tiny.save();
    let write =
        |name: &str, it: Value| fs::write(folder.path().join(name), it.to_string()).unwrap();
    write("generation_config.json", json!({"eos_token_id": 7}));
    write("tokenizer.json", tokenizer());
    write("tokenizer_config.json", json!({"eos_token": "<s>"}));
    let it = opened(folder.path());
    assert_eq!(it.eos, [0, 2, 3, 7].map(TokenId));
    assert!(
        it.notes.iter().any(|it| it.contains("eos_token_id 99")),
        "{:?}",
        it.notes
    );
    write("generation_config.json", json!([]));
    refused(
        folder.path(),
        &["settings cannot be read", "generation_config.json"],
    );
}

#[test]
fn without_a_tokenizer_ids_remain() {
    let it = opened(Tiny::of("mixtral").save().path());
    assert!(it.codec.is_none());
    assert_eq!(it.token_table().pieces[17], b"<17>");
    assert!(it.notes.iter().any(|it| it.contains("no tokenizer.json")));
}

#[test]
fn a_broken_tokenizer_is_refused() {
    for text in ["", "{", "[]", "{}", "{\"version\": \"9\"}"] {
        let folder = folder(&tokenizer(), None);
        fs::write(folder.path().join("tokenizer.json"), text).unwrap();
        refused(
            folder.path(),
            &["tokenizer cannot be read", "tokenizer.json"],
        );
    }
    let mut it = tokenizer();
    it["model"]["merges"] = json!([["x", "y"]]);
    refused(
        folder(&it, None).path(),
        &["tokenizer cannot be read", "tokenizer.json"],
    );
    let mut it = tokenizer();
    it["pre_tokenizer"] = json!({"type": "Split", "pattern": {"Regex": "(("}, "behavior": "Isolated", "invert": false});
    refused(
        folder(&it, None).path(),
        &["tokenizer cannot be read", "tokenizer.json"],
    );
}

#[test]
fn a_tokenizer_of_another_model_is_refused() {
    let mut it = tokenizer();
    it["model"]["vocab"]["zz"] = 50.into();
    refused(
        folder(&it, None).path(),
        &["token 50", "\"zz\"", "only 50", "tokenizer.json"],
    );
}

#[test]
fn added_tokens_beyond_the_vocabulary_are_noted_and_refused_in_a_text() {
    let mut it = tokenizer();
    it["added_tokens"].as_array_mut().unwrap().push(json!({
        "id": 60, "content": "<pad>", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true
    }));
    it["model"]["vocab"]["<pad>"] = 60.into();
    let folder = folder(&it, None);
    let it = opened(folder.path());
    assert!(
        it.notes
            .iter()
            .any(|it| it.contains("beyond the vocabulary")),
        "{:?}",
        it.notes
    );
    assert_eq!(ids(&it, "ab"), [7]);
    let error = it.codec.unwrap().encode("a<pad>").unwrap_err().to_string();
    assert!(
        error.contains("token 60") && error.contains("ends at 49"),
        "{error}"
    );
}

#[test]
fn a_hostile_pattern_ends() {
    let mut it = tokenizer();
    it["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": "(?=a)(a|a|aa)+(?!a|.)b\\1"}, "behavior": "Isolated", "invert": false},
        {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}
    ]});
    let folder = folder(&it, None);
    let text = "a".repeat(5000);
    let result = opened(folder.path()).codec.unwrap().encode(&text);
    assert!(result.is_err() || result.is_ok_and(|it| it.len() == 5000));
}
