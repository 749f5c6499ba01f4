//! The source of a chat template: it is refused or rendered within its limits, and to the same text each time.

use moescope::jinja::{Given, JinjaError, Template};

/// Bytes that a template may make, as `jinja` says.
const MAX_BYTES: usize = 128 << 20;
/// Letters of what may be said of one.
const MAX_WORDS: usize = 600;

/// The bytes as `chat_template.jinja`, rendered for two conversations.
pub fn template(bytes: &[u8]) -> bool {
    let Ok(source) = std::str::from_utf8(bytes) else {
        return false;
    };
    let template = match Template::read(source) {
        Ok(it) => it,
        Err(why) => {
            check_words(&why);
            return false;
        }
    };
    let mut is_rendered = false;
    for has_system in [false, true] {
        let given = given(has_system);
        let once = template.render(&given);
        match &once {
            Ok(text) => assert!(text.len() <= MAX_BYTES, "{} bytes", text.len()),
            Err(why) => check_words(why),
        }
        // The clock moves on.
        if !source.contains("strftime_now") {
            assert_eq!(template.render(&given), once, "twice");
        }
        is_rendered |= once.is_ok();
    }
    is_rendered
}

fn check_words(why: &JinjaError) {
    super::check_sentence(why);
    let text = why.to_string();
    assert!(text.chars().count() <= MAX_WORDS, "{text}");
    assert!(!matches!(why, JinjaError::Thread { .. }), "{text}");
}

/// What a template is given.
fn given(has_system: bool) -> Vec<(String, Given)> {
    let text = |it: &str| Given::Text(it.to_owned());
    let message = |role: &str, content: &str| {
        let pairs = [("role", role), ("content", content)];
        Given::Dict(pairs.map(|(key, it)| (key.to_owned(), text(it))).to_vec())
    };
    let system = has_system.then(|| message("system", "Be brief.\n"));
    let messages = system.into_iter().chain([
        message("user", "  été <b>\"1\"</b> "),
        message("assistant", "one"),
        message("user", "two"),
    ]);
    [
        ("bos_token", text("<s>")),
        ("eos_token", text("</s>")),
        ("messages", Given::List(messages.collect())),
        ("tools", Given::None),
        ("add_generation_prompt", Given::Bool(true)),
    ]
    .map(|(name, it)| (name.to_owned(), it))
    .to_vec()
}
