//! Chat templates: the text a checkpoint wants around a prompt, as Hugging Face renders it.
//!
//! **Invariant:** a template is a program somebody else wrote: `jinja` bounds what it may use up, and whatever
//! goes wrong in it is a sentence. One that cannot be used never keeps a model from opening.

use std::{path::Path, str};

use serde_json::Value;

use crate::jinja::{Given, JinjaError, Template};

use super::{CheckpointError, config::Config, files};

const FILE: &str = "chat_template.jinja";
const KEY: &str = "chat_template";
/// Bytes of a template at most.
pub(super) const MAX_TEMPLATE_BYTES: u64 = 1 << 20;

/// The text of a template, or why it cannot be had.
pub(super) type TemplateSource = Result<String, String>;

/// A chat template with the special tokens it may name. Cloning one copies nothing large.
#[derive(Clone, Debug)]
pub(super) struct ChatTemplate {
    template: Template,
    /// Names and texts: `bos_token`, `<s>`.
    tokens: Vec<(String, Given)>,
}

impl ChatTemplate {
    /// Reads a template; `settings` is `tokenizer_config.json`, whose special tokens it may name.
    ///
    /// # Errors
    /// A template that is no Jinja, in a sentence.
    pub fn read(source: &str, settings: Option<&Config>) -> Result<Self, CheckpointError> {
        Ok(Self {
            template: Template::read(source).map_err(|it| refusal(&it))?,
            tokens: settings.map(special_tokens).unwrap_or_default(),
        })
    }

    /// The text of a conversation of one message, up to where the model answers.
    ///
    /// # Errors
    /// What the template refuses or gets wrong, and a template that goes beyond its limits.
    pub fn render(&self, prompt: &str, system: Option<&str>) -> Result<String, CheckpointError> {
        let text = |it: &str| Given::Text(it.to_owned());
        let message = |role: &str, content: &str| {
            Given::Dict(vec![
                ("role".to_owned(), text(role)),
                ("content".to_owned(), text(content)),
            ])
        };
        let system = system.map(|it| message("system", it));
        let messages: Vec<Given> = system
            .into_iter()
            .chain([message("user", prompt)])
            .collect();
        let own = [
            ("messages", Given::List(messages)),
            ("tools", Given::None),
            ("documents", Given::None),
            ("add_generation_prompt", Given::Bool(true)),
        ];
        let own = own.map(|(name, it)| (name.to_owned(), it));
        let given: Vec<(String, Given)> = self.tokens.iter().cloned().chain(own).collect();
        self.template.render(&given).map_err(|it| refusal(&it))
    }
}

/// The template of a checkpoint, where it has one: a file of its own comes before what the tokenizer's
/// settings say.
///
/// # Errors
/// A template that is there and cannot be used, with its reason.
pub(super) fn find(
    own: Option<TemplateSource>,
    settings: Option<&Config>,
) -> Result<Option<ChatTemplate>, CheckpointError> {
    let source = match own.or_else(|| in_settings(settings?)) {
        None => return Ok(None),
        Some(Err(what)) => return Err(CheckpointError::Template { what }),
        Some(Ok(it)) => it,
    };
    ChatTemplate::read(&source, settings).map(Some)
}

/// The template in a file of its own.
pub(super) fn in_folder(folder: &Path) -> Option<TemplateSource> {
    let path = folder.join(FILE);
    if !files::exists(&path) {
        return None;
    }
    let bytes = match files::read(&path, MAX_TEMPLATE_BYTES) {
        Ok(it) => it,
        Err(why) => return Some(Err(why.to_string())),
    };
    let text = str::from_utf8(&bytes).map(str::to_owned);
    Some(text.map_err(|it| {
        let at = it.valid_up_to();
        format!(
            "it is no UTF-8 text, byte {at} belongs to no letter ({})",
            path.display()
        )
    }))
}

/// The template in `tokenizer_config.json`: a text, or a list of named ones of which `default` is for plain talk.
fn in_settings(settings: &Config) -> Option<TemplateSource> {
    let list = match settings.get(KEY)? {
        Value::String(it) => return Some(Ok(it.clone())),
        Value::Array(it) => it,
        other => {
            let got = super::config::shorten(&other.to_string());
            return Some(Err(format!(
                "{KEY} is {got}, expected a text or a list of named ones (in {})",
                settings.path().display()
            )));
        }
    };
    let default = list.iter().find(|it| it["name"] == "default");
    let text = default.and_then(|it| it["template"].as_str());
    Some(text.map(str::to_owned).ok_or_else(|| {
        format!(
            "none of its {} forms is the default one (in {})",
            list.len(),
            settings.path().display()
        )
    }))
}

/// The special tokens that `tokenizer_config.json` names, as Transformers hands them to a template: what is
/// not named there is not defined.
fn special_tokens(settings: &Config) -> Vec<(String, Given)> {
    let named = settings
        .entries()
        .filter(|(key, _)| key.ends_with("_token"));
    let extra = match settings.get("extra_special_tokens") {
        Some(Value::Object(it)) => Some(it.iter()),
        _ => None,
    };
    named
        .chain(extra.into_iter().flatten())
        .filter_map(|(key, value)| {
            let text = match value {
                Value::String(it) => it,
                Value::Object(it) => it.get("content")?.as_str()?,
                _ => return None,
            };
            Some((key.clone(), Given::Text(text.to_owned())))
        })
        .collect()
}

/// One sentence on what went wrong in a template.
fn refusal(error: &JinjaError) -> CheckpointError {
    CheckpointError::Template {
        what: error.to_string(),
    }
}

#[cfg(test)]
#[path = "chat_tests.rs"]
mod tests;
