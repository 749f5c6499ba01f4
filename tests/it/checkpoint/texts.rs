//! Text to tokens: one BOS, bytes of every id, and tokenizers that are wrong.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::opened;
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
fn what_stands_before_a_text_is_for_the_post_processor_to_say() {
    let plain = tokenizer();
    let mut adding = tokenizer();
    adding["post_processor"] = bos_processor();
    let asks = |it: Value| Some(json!({"bos_token": "<s>", "add_bos_token": it}));
    for settings in [
        None,
        asks(json!(true)),
        asks(json!(false)),
        asks(json!(null)),
        asks(json!("no")),
        Some(
            json!({"bos_token": {"content": "<s>"}, "add_bos_token": true, "add_eos_token": true}),
        ),
    ] {
        let folder = folder(&plain, settings.clone());
        let it = opened(folder.path());
        assert_eq!(ids(&it, "a"), [1], "{settings:?}");
        assert_eq!(it.codec.unwrap().bos(), None);
        let folder = self::folder(&adding, settings.clone());
        let it = opened(folder.path());
        assert_eq!(ids(&it, "a"), [0, 1], "{settings:?}");
        assert_eq!(
            ids(&it, "<s>a"),
            [0, 0, 1],
            "as Transformers: one typed, one put before"
        );
        assert_eq!(ids(&it, ""), [0]);
        assert_eq!(it.codec.unwrap().bos(), Some(TokenId(0)));
    }
    let mut after = tokenizer();
    after["post_processor"] = bos_processor();
    after["post_processor"]["single"] = json!([{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<s>", "type_id": 0}}]);
    let it = opened(folder(&after, None).path());
    assert_eq!(ids(&it, "a"), [1, 0]);
    assert_eq!(it.codec.unwrap().bos(), None);
}

/// Opens the tokenizer with files beside it: `NAME` without its ending, and what it says.
fn beside(files: &[(&str, Value)]) -> Checkpoint {
    let folder = folder(&tokenizer(), None);
    for (name, it) in files {
        let path = folder.path().join(format!("{name}.json"));
        fs::write(path, it.to_string()).unwrap();
    }
    opened(folder.path())
}

fn noted(it: &Checkpoint, text: &str) {
    assert!(
        it.notes.iter().any(|it| it.contains(text)),
        "{text:?}: {:?}",
        it.notes
    );
}

#[test]
fn tokens_declared_in_the_settings_are_tokens() {
    let settings = json!({
        "eos_token": "<end>",
        "added_tokens_decoder": {
            "10": {"content": "<start>", "special": false},
            "9": {"content": "<end>", "special": true, "lstrip": true},
            "0": {"content": "<s>", "special": true}
        },
        "additional_special_tokens": ["<tool>", {"content": "<end>"}, 7, ""],
        "image_token": "<image>"
    });
    let it = beside(&[("tokenizer_config", settings)]);
    assert_eq!(
        ids(&it, "a <end><start>b<image><tool>"),
        [1, 9, 10, 2, 11, 12]
    );
    assert_eq!(
        it.eos,
        [1, 9].map(TokenId),
        "the end that the settings name"
    );
    let table = it.token_table();
    let shown = |id: usize| (table.pieces[id].as_slice(), table.special[id]);
    assert_eq!(shown(9), (&b"<end>"[..], true));
    assert_eq!(shown(10), (&b"<start>"[..], false));
    assert_eq!(shown(12), (&b"<tool>"[..], true));
    assert_eq!(it.codec.as_ref().unwrap().n_tokens(), 13);
    assert_eq!(it.notes, Vec::<String>::new());
}

#[test]
fn tokens_of_older_files_are_tokens_where_the_settings_have_no_list() {
    let added = json!({"<two>": 10, "<one>": 9, "<s>": 0});
    let map = json!({"eos_token": {"content": "<one>"}, "additional_special_tokens": ["<three>"]});
    let settings = json!({"eos_token": "b"});
    let files = [
        ("added_tokens", added),
        ("special_tokens_map", map),
        ("tokenizer_config", settings),
    ];
    let it = beside(&files);
    assert_eq!(ids(&it, "a<one><two><three>"), [1, 9, 10, 11]);
    assert_eq!(it.eos, [1, 9].map(TokenId));
    let special = it.token_table().special;
    assert_eq!(special[9..12], [true, false, true]);
    let mut files = files;
    files[2].1["added_tokens_decoder"] = json!({"9": {"content": "<new>"}});
    let it = beside(&files);
    assert_eq!(ids(&it, "<new>"), [9]);
    assert!(
        !it.codec
            .unwrap()
            .encode("<two>")
            .unwrap()
            .contains(&TokenId(10))
    );
    assert_eq!(
        it.eos,
        [1, 2].map(TokenId),
        "b, as tokenizer_config.json has it"
    );
}

#[test]
fn ids_that_the_tokenizer_cannot_give_are_noted() {
    let decoder = json!({"20": {"content": "<far>"}, "x": {"content": "<odd>"}, "9": 5});
    let it = beside(&[("tokenizer_config", json!({"added_tokens_decoder": decoder}))]);
    assert_eq!(ids(&it, "<far>"), [9], "as Transformers gives it");
    noted(&it, "the added token \"<far>\" has the id 9 and not 20");
    noted(
        &it,
        "tokenizer_config.json has entries that are no tokens: ",
    );
    noted(&it, "\"9\": 5");
    noted(&it, "\"x\": {");
    let it = beside(&[("added_tokens", json!({"<a>": "1", "<b>": -1, "<c>": 9}))]);
    assert_eq!(ids(&it, "<c>"), [9]);
    noted(
        &it,
        "added_tokens.json has entries that are no tokens: \"<a>\", \"<b>\"",
    );
    let many: serde_json::Map<String, Value> = (9..60)
        .map(|id| (id.to_string(), json!({"content": format!("<{id}>")})))
        .collect();
    let it = beside(&[("tokenizer_config", json!({"added_tokens_decoder": many}))]);
    noted(
        &it,
        "10 added tokens of the tokenizer lie beyond the vocabulary",
    );
    assert_eq!(ids(&it, "<49>"), [49]);
    assert!(it.codec.unwrap().encode("<50>").is_err());
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
        let asked = broken.codec.as_ref().unwrap();
        let why = asked
            .encode_as("a", &PromptForm::Chat { system: None })
            .unwrap_err()
            .to_string();
        assert!(broken.notes.contains(&why), "{why}");
        assert_eq!(ids(&broken, "ab"), [0, 7], "plain text is still read");
        let nested = "{% if 1 %}".repeat(20_000);
        fs::write(folder.path().join("chat_template.jinja"), nested).unwrap();
        let broken = opened(folder.path());
        assert!(
            broken.notes.iter().any(|it| it.contains("deep")),
            "{:?}",
            broken.notes
        );
        fs::write(folder.path().join("chat_template.jinja"), b"a\xFFb").unwrap();
        let broken = opened(folder.path());
        assert!(
            broken
                .notes
                .iter()
                .any(|it| it.contains("no UTF-8 text, byte 1")),
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
        it.notes
            .iter()
            .any(|it| it.contains("eos_token_id 99 in config.json")),
        "{:?}",
        it.notes
    );
    write(
        "generation_config.json",
        json!({"eos_token_id": ["ab", "zz"]}),
    );
    let it = opened(folder.path());
    assert_eq!(it.eos, [0, 2, 3, 7].map(TokenId), "a token by its text");
    noted(&it, "eos_token_id \"zz\" in generation_config.json");
}

#[test]
fn without_a_tokenizer_ids_remain() {
    let it = opened(Tiny::of("mixtral").save().path());
    assert!(it.codec.is_none());
    assert_eq!(it.token_table().pieces[17], b"<17>");
    assert!(it.notes.iter().any(|it| it.contains("no tokenizer.json")));
}

/// Opens with ids only, and says why.
#[track_caller]
fn ids_only(tokenizer: &str, parts: &[&str]) {
    let folder = folder(&Value::Null, None);
    fs::write(folder.path().join("tokenizer.json"), tokenizer).unwrap();
    let it = opened(folder.path());
    assert!(it.codec.is_none());
    assert_eq!(it.token_table().pieces[17], b"<17>");
    for part in parts
        .iter()
        .chain(&["tokenizer.json), so tokens are given by their ids"])
    {
        noted(&it, part);
    }
    assert!(
        !it.notes.iter().any(|it| it.contains('\n')),
        "{:?}",
        it.notes
    );
}

#[test]
fn a_model_with_a_broken_tokenizer_opens_for_ids() {
    for text in ["", "{", "[]", "{}", "{\"version\": \"9\"}"] {
        ids_only(text, &["tokenizer cannot be read"]);
    }
    let mut it = tokenizer();
    it["model"]["merges"] = json!([["x", "y"]]);
    ids_only(&it.to_string(), &["tokenizer cannot be read"]);
    let mut it = tokenizer();
    it["pre_tokenizer"] = json!({"type": "Split", "pattern": {"Regex": "(("}, "behavior": "Isolated", "invert": false});
    ids_only(&it.to_string(), &["tokenizer cannot be read"]);
}

#[test]
fn a_model_with_a_hostile_tokenizer_opens_for_ids() {
    let mut it = tokenizer();
    it["post_processor"] = bos_processor();
    it["post_processor"]["special_tokens"]["<s>"]["ids"] = json!(vec![0; 5000]);
    ids_only(
        &it.to_string(),
        &[
            "cannot be read: it has a post_processor that puts 5003 tokens around a text, expected at most 4096",
        ],
    );
    let mut it = tokenizer();
    let doubled = json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aa"});
    it["normalizer"] = json!({"type": "Sequence", "normalizers": vec![doubled; 40]});
    ids_only(
        &it.to_string(),
        &["1099511627776 bytes of one, expected at most 16384"],
    );
    let nested = "[".repeat(20_000);
    ids_only(&format!("{{\"normalizer\":{nested}"), &["recursion limit"]);
}

#[test]
fn a_text_that_is_too_long_is_refused_in_a_sentence() {
    let it = opened(folder(&tokenizer(), None).path());
    let why = it.codec.unwrap().encode(&"a".repeat((4 << 20) + 1));
    assert_eq!(
        why.unwrap_err().to_string(),
        "the text could not be turned into tokens: it has 4194305 bytes, expected at most 4194304"
    );
}

#[test]
fn merges_left_out_at_random_are_all_done_with_a_note() {
    let mut it = tokenizer();
    it["model"]["dropout"] = 0.5.into();
    let it = opened(folder(&it, None).path());
    noted(&it, "leaves out merges at random (dropout 0.5)");
    for _ in 0..20 {
        assert_eq!(ids(&it, "ab"), [7]);
    }
}

#[test]
fn a_model_with_the_tokenizer_of_another_opens_for_ids() {
    let mut it = tokenizer();
    it["model"]["vocab"]["zz"] = 50.into();
    ids_only(&it.to_string(), &["token 50", "\"zz\"", "only 50"]);
}

#[test]
fn a_tokenizer_in_pythons_json_is_read() {
    let it = tokenizer().to_string();
    let odd = it.replace(r#""Ã":6"#, r#""Ã":6,"\ud800":9"#);
    assert_ne!(it, odd);
    for text in [format!("\u{FEFF}{it}"), odd] {
        let folder = folder(&Value::Null, None);
        fs::write(folder.path().join("tokenizer.json"), text).unwrap();
        assert_eq!(ids(&opened(folder.path()), "ab"), [7]);
    }
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
