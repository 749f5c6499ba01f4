//! How the words of a prompt become the text that is read.

use serde::{Deserialize, Serialize};

/// The form a prompt is given in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PromptForm {
    /// The words as they are, BOS rule applied.
    #[default]
    Plain,
    /// One turn of a conversation, by the checkpoint's own chat template; it says itself where BOS goes.
    Chat {
        /// What is said to the model before, where anything is.
        system: Option<String>,
    },
}

impl PromptForm {
    /// Whether it is a turn of a conversation.
    #[must_use]
    pub fn is_chat(&self) -> bool {
        matches!(self, Self::Chat { .. })
    }
}
