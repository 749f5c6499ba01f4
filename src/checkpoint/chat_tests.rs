//! Templates in the style of known families, and templates that misbehave.

use std::path::Path;

use serde_json::{Value, json};

use super::{ChatTemplate, Config, find};

fn config(settings: &Value) -> Config {
    let bytes = settings.to_string().into_bytes();
    Config::parse(&bytes, Path::new("tokenizer_config.json")).unwrap()
}

fn template(source: &str) -> ChatTemplate {
    let settings = config(&json!({"bos_token": "<s>", "eos_token": {"content": "</s>"}}));
    ChatTemplate::read(source, Some(&settings)).unwrap()
}

fn check(source: &str, system: Option<&str>, wanted: &str) {
    assert_eq!(template(source).render("Hi", system).unwrap(), wanted);
}

fn check_refused(source: &str, words: &[&str]) {
    let why = template(source).render("Hi", None).unwrap_err().to_string();
    for it in words {
        assert!(why.contains(it), "{why}");
    }
    assert!(!why.contains('\n'), "{why}");
}

/// Mixtral: turns in `[INST]`, the system message before the first, roles in turn.
const MIXTRAL: &str = "\
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'].strip() %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('Roles must alternate user/assistant/user') }}
    {%- endif %}
    {%- if message['role'] == 'user' %}
        {%- if loop.first and system_message is defined %}
            {{- ' [INST] ' + system_message + '\\n\\n' + message['content'] + ' [/INST]' }}
        {%- else %}
            {{- ' [INST] ' + message['content'] + ' [/INST]' }}
        {%- endif %}
    {%- else %}
        {{- ' ' + message['content'] + eos_token }}
    {%- endif %}
{%- endfor %}";

#[test]
fn mixtrals_form_is_followed() {
    check(MIXTRAL, None, "<s> [INST] Hi [/INST]");
    check(
        MIXTRAL,
        Some(" Be brief. "),
        "<s> [INST] Be brief.\n\nHi [/INST]",
    );
}

/// OLMoE: roles as special tokens on lines of their own, which needs `trim_blocks`.
const OLMOE: &str = "\
{{ bos_token }}{% for message in messages %}
{% if message['role'] == 'system' %}
{{ '<|system|>\n' + message['content'] + '\n' }}{% elif message['role'] == 'user' %}
{{ '<|user|>\n' + message['content'] + '\n' }}{% endif %}
{% if loop.last and add_generation_prompt %}
{{ '<|assistant|>\n' }}{% endif %}
{% endfor %}";

#[test]
fn olmoes_form_is_followed_line_breaks_after_blocks_trimmed() {
    check(OLMOE, None, "<s><|user|>\nHi\n<|assistant|>\n");
    check(
        OLMOE,
        Some("Be brief."),
        "<s><|system|>\nBe brief.\n<|user|>\nHi\n<|assistant|>\n",
    );
}

/// Qwen: a default system message, tools where there are any.
const QWEN: &str = "\
{%- if tools %}
    {{- '<|im_start|>system\\n# Tools\\n' }}
    {%- for tool in tools %}
        {{- tool | tojson }}
    {%- endfor %}
{%- else %}
    {%- if messages[0].role == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- set ns = namespace(n=0) %}
{%- for message in messages %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
        {%- set ns.n = ns.n + 1 %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt and ns.n > 0 %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}";

#[test]
fn qwens_form_is_followed() {
    check(
        QWEN,
        None,
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    );
    check(
        QWEN,
        Some("Be brief."),
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    );
}

/// Granite: the date, macros, Python's string methods.
const GRANITE: &str = "\
{%- macro turn(role, text) -%}
<|start_of_role|>{{ role }}<|end_of_role|>{{ text }}<|end_of_text|>
{% endmacro -%}
{%- if messages[0]['role'].startswith('sys') %}
    {%- set system_message = messages[0]['content'] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set system_message = 'Year: ' ~ strftime_now('%Y')[:2] ~ '.' %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- turn('system', system_message) }}
{%- for message in loop_messages %}
    {{- turn(message['role'], message['content']) }}
    {%- if loop.last and add_generation_prompt %}
        {{- '<|start_of_role|>assistant<|end_of_role|>' }}
    {%- endif %}
{%- endfor %}";

#[test]
fn granites_form_is_followed() {
    let rest = "<|start_of_role|>user<|end_of_role|>Hi<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>";
    let head =
        |it: &str| format!("<|start_of_role|>system<|end_of_role|>{it}<|end_of_text|>\n{rest}");
    check(GRANITE, None, &head("Year: 20."));
    check(GRANITE, Some("Be brief."), &head("Be brief."));
}

#[test]
fn what_a_template_refuses_is_its_own_sentence() {
    check_refused(
        "{{ raise_exception('No user here') }}",
        &["chat template", "No user here"],
    );
    check_refused("{{ messages[0].foo.bar }}", &["chat template", "line 1"]);
    check_refused("{{ nobody() }}", &["nobody"]);
    let broken = ChatTemplate::read("{% for %}", None);
    assert!(broken.unwrap_err().to_string().contains("chat template"));
}

#[test]
fn a_template_that_does_not_end_is_stopped() {
    check_refused(
        "{% set a = range(99999) | list %}{% for b in a %}{% for c in a %}{% endfor %}{% endfor %}",
        &["does not come to an end", "line 1"],
    );
    check_refused(
        "{% macro again(n) %}{{ again(n + 1) }}{% endmacro %}{{ again(0) }}",
        &["too deep"],
    );
    check_refused(
        "{% for a in range(9999) %}{{ 'x' * 9999 }}{% endfor %}",
        &["writes more than 16 MB"],
    );
}

#[test]
fn json_is_written_as_python_writes_it() {
    check(
        "{{ {'a': [1, '<é>'], 'b': none} | tojson }}",
        None,
        "{\"a\": [1, \"<é>\"], \"b\": null}",
    );
    check(
        "{{ {'a': [1]} | tojson(indent=2) }}",
        None,
        "{\n  \"a\": [\n    1\n  ]\n}",
    );
}

#[test]
fn messages_keep_the_order_of_their_keys() {
    check(
        "{{ messages[0] }}",
        None,
        "{'role': 'user', 'content': 'Hi'}",
    );
    check(
        "{{ {'name': 'x', 'a': 1} | tojson }}",
        None,
        "{\"name\": \"x\", \"a\": 1}",
    );
}

#[test]
fn every_special_token_of_the_settings_is_bound_and_no_other() {
    let settings = config(&json!({
        "bos_token": null,
        "eos_token": {"content": "</s>", "special": true},
        "pad_token": "<pad>",
        "image_token": "<image>",
        "add_bos_token": true,
        "extra_special_tokens": {"video_token": "<video>", "audio": {"content": "<audio>"}},
    }));
    let shown = |source: &str| {
        let it = ChatTemplate::read(source, Some(&settings)).unwrap();
        it.render("Hi", None)
    };
    assert_eq!(
        shown("{{ eos_token }}{{ pad_token }}{{ image_token }}{{ video_token }}{{ audio }}")
            .unwrap(),
        "</s><pad><image><video><audio>"
    );
    assert_eq!(
        shown("{{ bos_token is defined }}{{ add_bos_token is defined }}[{{ unk_token }}]").unwrap(),
        "FalseFalse[]"
    );
    assert!(shown("{{ bos_token + messages[0].content }}").is_err());
}

#[test]
fn the_template_of_a_checkpoint_is_found_or_its_reason_given() {
    let found = |settings: &Value| {
        let settings = config(settings);
        find(None, Some(&settings))
    };
    let text = |settings: Value| {
        let it = found(&settings).unwrap().unwrap();
        it.render("Hi", None).unwrap()
    };
    assert!(found(&json!({})).unwrap().is_none());
    assert!(found(&json!({"chat_template": null})).unwrap().is_none());
    assert_eq!(text(json!({"chat_template": "a\r\nb"})), "a\nb");
    let named = json!([{"name": "tools", "template": "t"}, {"name": "default", "template": "d"}]);
    assert_eq!(text(json!({"chat_template": named})), "d");
    let own = find(
        Some(Ok("own".to_owned())),
        Some(&config(&json!({"chat_template": 1}))),
    );
    assert_eq!(own.unwrap().unwrap().render("Hi", None).unwrap(), "own");
    for (settings, words) in [
        (json!({"chat_template": 7}), "chat_template is 7"),
        (
            json!({"chat_template": [{"name": "tools", "template": "t"}]}),
            "none of its 1 forms is the default one",
        ),
        (
            json!({"chat_template": "{% if %}"}),
            "expected an expression (line 1)",
        ),
        (
            json!({"chat_template": "{% nope %}"}),
            "there is no tag \"nope\"",
        ),
    ] {
        let why = found(&settings).unwrap_err().to_string();
        assert!(why.contains(words), "{why}");
        assert!(
            why.starts_with("the chat template cannot be followed"),
            "{why}"
        );
    }
}
