//! Text to tokens and back: `tokenizer.json`, with the tokens that files beside it add.
//!
//! **Invariant:** what stands before and after a text is what the tokenizer's post-processor puts there,
//! whatever `add_bos_token` says, as Transformers has it. What a tokenizer file makes go wrong is a sentence: the library's panics are caught here too.

use std::{path::PathBuf, sync::Arc};

use tokenizers::Tokenizer;

use crate::panics;
use crate::spec::{PromptForm, TokenId, TokenTable};

use super::{
    CheckpointError,
    added::{self, Beside},
    chat::ChatTemplate,
    foreign, json,
    tokenizer::{self, Followed, Segmenter, Vocabulary},
};

/// Tokens at most of a tokenizer that belongs to no vocabulary.
const MAX_TOKENS: usize = 1 << 20;

/// Text to tokens and back. Cloning one copies nothing large.
#[derive(Clone, Debug)]
pub struct TextCodec {
    tokenizer: Arc<Followed>,
    table: Arc<TokenTable>,
    bos: Option<TokenId>,
    n_vocab: usize,
    n_tokens: usize,
    chat: Result<ChatTemplate, NoChat>,
}

/// A tokenizer's file, or what stands for one.
pub(super) struct TokenizerFile {
    /// `tokenizer.json`.
    pub(super) bytes: Vec<u8>,
    /// Where it is, or what it was made from.
    pub(super) path: PathBuf,
    /// What makes tokens of words.
    pub(super) segmenter: Segmenter,
    /// Whether it has all its tokens, and what lies beside it adds none.
    pub(super) is_complete: bool,
}

impl TokenizerFile {
    /// A file that the library follows, with other files beside it.
    pub(super) fn library(bytes: Vec<u8>, path: PathBuf) -> Self {
        Self {
            bytes,
            path,
            segmenter: Segmenter::Library,
            is_complete: false,
        }
    }
}

/// Why there is no chat template to put a prompt in.
#[derive(Clone, Debug)]
enum NoChat {
    /// The checkpoint brings none.
    Missing,
    /// The one it brings cannot be used, for this reason.
    Broken(String),
}

impl TextCodec {
    /// Reads a tokenizer, with the tokens declared beside it. Without a vocabulary (`n_vocab`) its own ids are all.
    ///
    /// # Errors
    /// A file that is no tokenizer, or one whose ids go beyond the vocabulary.
    pub(super) fn read(
        file: TokenizerFile,
        beside: Beside<'_>,
        n_vocab: Option<usize>,
        notes: &mut Vec<String>,
    ) -> Result<Self, CheckpointError> {
        let TokenizerFile { bytes, path, .. } = file;
        let broken = |what| CheckpointError::Broken {
            what,
            path: path.clone(),
        };
        let unreadable = |why| broken(format!("the tokenizer cannot be read: {why}"));
        let beside = if file.is_complete {
            Beside::default()
        } else {
            beside
        };
        let most = n_vocab.unwrap_or(MAX_TOKENS);
        let mut tokenizer = parsed(&bytes, most).map_err(unreadable)?;
        notes.extend(tokenizer::merge_always(&mut tokenizer));
        tokenizer.with_padding(None);
        caught(|| tokenizer.with_truncation(None).map(|_| ())).map_err(unreadable)?;
        caught(|| added::add(&mut tokenizer, beside, most, notes)).map_err(unreadable)?;
        // As Transformers does: special tokens in a text are then letters like others.
        let splits = beside
            .settings
            .and_then(|it| it.get("split_special_tokens"));
        tokenizer.set_encode_special_tokens(
            splits.and_then(serde_json::Value::as_bool).unwrap_or(false),
        );
        let vocabulary = tokenizer::vocabulary(&tokenizer);
        let n_tokens = n_tokens(&tokenizer, &vocabulary);
        let n_vocab = n_vocab.unwrap_or(n_tokens.min(MAX_TOKENS));
        let beyond = beyond_vocabulary(&tokenizer, &vocabulary, n_vocab).map_err(broken)?;
        notes.extend(beyond);
        let table = table(&tokenizer, n_vocab);
        let tokenizer =
            caught(|| Followed::new(tokenizer, file.segmenter, &vocabulary)).map_err(unreadable)?;
        let bos = put_before(&tokenizer).filter(|it| it.idx() < n_vocab);
        Ok(Self {
            tokenizer: Arc::new(tokenizer),
            table: Arc::new(table),
            bos,
            n_vocab,
            n_tokens: n_tokens.min(n_vocab),
            chat: Err(NoChat::Missing),
        })
    }

    /// The tokens of a text, with what the tokenizer puts before and after one.
    ///
    /// # Errors
    /// What the tokenizer says, and a token beyond the vocabulary.
    pub fn encode(&self, text: &str) -> Result<Vec<TokenId>, CheckpointError> {
        self.checked(ids(&self.tokenizer, text, true).map_err(unencodable)?)
    }

    /// The tokens of a text, with nothing put before or after.
    ///
    /// # Errors
    /// What the tokenizer says, and a token beyond the vocabulary.
    pub fn encode_bare(&self, text: &str) -> Result<Vec<TokenId>, CheckpointError> {
        self.checked(ids(&self.tokenizer, text, false).map_err(unencodable)?)
    }

    /// The same tokenizer, to which special tokens in a text are letters like others.
    ///
    /// Returns `None` where it is in use elsewhere.
    #[must_use]
    pub fn with_special_spelled(mut self) -> Option<Self> {
        Arc::get_mut(&mut self.tokenizer)?.spell_special_tokens();
        Some(self)
    }

    /// The tokens of a prompt in the form asked for. A template's own special tokens are tokens, and
    /// nothing is put before them.
    ///
    /// # Errors
    /// What `encode` says; a template that is not there, refuses or goes beyond its limits.
    pub fn encode_as(
        &self,
        text: &str,
        form: &PromptForm,
    ) -> Result<Vec<TokenId>, CheckpointError> {
        let PromptForm::Chat { system } = form else {
            return self.encode(text);
        };
        let chat = self.chat.as_ref().map_err(|it| match it {
            NoChat::Missing => CheckpointError::NoTemplate,
            NoChat::Broken(what) => CheckpointError::Template { what: what.clone() },
        })?;
        let text = chat.render(text, system.as_deref())?;
        self.checked(ids(&self.tokenizer, &text, false).map_err(unencodable)?)
    }

    /// Whether the checkpoint brings a chat template that can be used.
    #[must_use]
    pub fn has_chat_template(&self) -> bool {
        self.chat.is_ok()
    }

    /// The template a prompt may be put in, or why it cannot.
    pub(super) fn set_chat_template(
        &mut self,
        chat: Result<Option<ChatTemplate>, CheckpointError>,
    ) {
        self.chat = match chat {
            Ok(it) => it.ok_or(NoChat::Missing),
            Err(CheckpointError::Template { what }) => Err(NoChat::Broken(what)),
            Err(other) => Err(NoChat::Broken(other.to_string())),
        };
    }

    fn checked(&self, ids: Vec<u32>) -> Result<Vec<TokenId>, CheckpointError> {
        match ids.iter().find(|it| **it as usize >= self.n_vocab) {
            None => Ok(ids.into_iter().map(TokenId).collect()),
            Some(id) => Err(unencodable(format!(
                "it contains token {id}, but the model's vocabulary ends at {}",
                self.n_vocab - 1
            ))),
        }
    }

    /// The text of tokens; control tokens are left out, what is no whole character is shown as �.
    #[must_use]
    pub fn decode(&self, ids: &[TokenId]) -> String {
        let raw: Vec<u32> = ids.iter().map(|it| it.0).collect();
        if let Ok(Some(text)) = caught(|| self.tokenizer.decode(&raw).transpose()) {
            return text;
        }
        let shown = ids
            .iter()
            .filter(|it| self.table.special.get(it.idx()) == Some(&false));
        let bytes: Vec<u8> = shown
            .filter_map(|it| self.table.pieces.get(it.idx()))
            .flatten()
            .copied()
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What each id of the model's vocabulary looks like, ids that the tokenizer does not have included.
    #[must_use]
    pub fn token_table(&self) -> &TokenTable {
        &self.table
    }

    /// One more than the highest id of the tokenizer; ids from here on are padding of the
    /// vocabulary and never drawn in `run` or the window.
    #[must_use]
    pub fn n_tokens(&self) -> usize {
        self.n_tokens
    }

    /// The token that the tokenizer puts before a text, where it puts one.
    #[must_use]
    pub fn bos(&self) -> Option<TokenId> {
        self.bos
    }

    /// A token as its vocabulary spells it: `Ġthe`, `▁the`; empty for an id that it does not have.
    #[must_use]
    pub fn spelled(&self, id: TokenId) -> String {
        let token = self.tokenizer.library().id_to_token(id.0);
        token.unwrap_or_default()
    }

    /// The id of a token by its text.
    pub(super) fn id_of(&self, token: &str) -> Option<TokenId> {
        self.tokenizer.library().token_to_id(token).map(TokenId)
    }
}

/// What a call of the library says, its panics included.
fn caught<T, E: std::fmt::Display>(call: impl FnOnce() -> Result<T, E>) -> Result<T, String> {
    match panics::caught(call) {
        Some(result) => result.map_err(|it| it.to_string()),
        None => Err("the tokenizer's rules cannot be followed".to_owned()),
    }
}

fn unencodable(what: String) -> CheckpointError {
    CheckpointError::Encode { what }
}

fn ids(tokenizer: &Followed, text: &str, adds_special: bool) -> Result<Vec<u32>, String> {
    caught(|| tokenizer.encode(text, adds_special))
}

/// One more than the highest id.
fn n_tokens(tokenizer: &Tokenizer, vocabulary: &Vocabulary) -> usize {
    let added = tokenizer.get_added_vocabulary().get_vocab().values();
    let ids = vocabulary.iter().map(|it| &it.1).chain(added);
    ids.map(|it| *it as usize + 1).max().unwrap_or(0)
}

/// A note on added tokens beyond the vocabulary, which only their own text can bring up; an error
/// where ordinary text could.
fn beyond_vocabulary(
    tokenizer: &Tokenizer,
    vocabulary: &Vocabulary,
    n_vocab: usize,
) -> Result<Option<String>, String> {
    let added = tokenizer.get_added_vocabulary().get_vocab();
    let beyond = |it: u32| it as usize >= n_vocab;
    let worst = vocabulary
        .iter()
        .filter(|(token, id)| beyond(*id) && !added.contains_key(token))
        .max_by_key(|it| it.1);
    if let Some((token, id)) = worst {
        return Err(format!(
            "the tokenizer has token {id} ({token:?}), but the model's vocabulary has only {n_vocab}: it belongs to another model"
        ));
    }
    let n = added.values().filter(|it| beyond(**it)).count();
    Ok(match n {
        0 => None,
        1 => Some("1 added token of the tokenizer lies beyond the vocabulary; texts that contain it are refused".to_owned()),
        n => Some(format!("{n} added tokens of the tokenizer lie beyond the vocabulary; texts that contain them are refused")),
    })
}

/// The tokenizer in a file, which may be JSON of Python's kind.
fn parsed(bytes: &[u8], n_vocab: usize) -> Result<Tokenizer, String> {
    let read = |bytes: &[u8]| caught(|| tokenizer::parse(bytes, n_vocab));
    let cleaned = || {
        let text = json::cleaned(std::str::from_utf8(bytes).ok()?);
        (text.as_bytes() != bytes).then(|| read(text.as_bytes()).ok())?
    };
    read(bytes).or_else(|why| match foreign::recognised(bytes) {
        Some(it) => Err(it.to_owned()),
        None => cleaned().ok_or(why),
    })
}

/// The token before those of a text that is not empty.
fn put_before(tokenizer: &Followed) -> Option<TokenId> {
    const TEXT: &str = "a";
    let (bare, whole) = (
        ids(tokenizer, TEXT, false).ok()?,
        ids(tokenizer, TEXT, true).ok()?,
    );
    let is_before = !bare.is_empty() && whole.len() > bare.len() && whole.first() != bare.first();
    whole.first().filter(|_| is_before).copied().map(TokenId)
}

/// How a tokenizer writes bytes as characters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// GPT-2: every byte has a character of its own.
    ByteLevel,
    /// sentencepiece: `▁` is a space, `<0x0A>` a byte.
    Marked,
}

fn spelling(tokenizer: &Tokenizer) -> Spelling {
    let rules = match tokenizer.get_decoder() {
        Some(it) => serde_json::to_string(it),
        None => serde_json::to_string(&tokenizer.get_pre_tokenizer()),
    };
    if rules.is_ok_and(|it| it.contains("\"ByteLevel\"")) {
        Spelling::ByteLevel
    } else {
        Spelling::Marked
    }
}

fn table(tokenizer: &Tokenizer, n_vocab: usize) -> TokenTable {
    let added = tokenizer.get_added_tokens_decoder();
    let spelling = spelling(tokenizer);
    let byte_of = byte_of_char();
    let mut table = TokenTable::ids_only(n_vocab);
    for (id, (piece, special)) in table.pieces.iter_mut().zip(&mut table.special).enumerate() {
        let id = id as u32;
        if let Some(it) = added.get(&id) {
            *piece = it.content.clone().into_bytes();
            *special = it.special;
        } else if let Some(it) = tokenizer.id_to_token(id) {
            *piece = match spelling {
                Spelling::ByteLevel => bytes_of_chars(&it, &byte_of),
                Spelling::Marked => bytes_of_marks(&it),
            };
            *special = false;
        }
    }
    table
}

fn bytes_of_chars(token: &str, byte_of: &[Option<u8>]) -> Vec<u8> {
    let byte = |it: char| byte_of.get(it as usize).copied().flatten();
    let bytes: Option<Vec<u8>> = token.chars().map(byte).collect();
    bytes.unwrap_or_else(|| token.as_bytes().to_vec())
}

fn bytes_of_marks(token: &str) -> Vec<u8> {
    let byte = token
        .strip_prefix("<0x")
        .and_then(|it| it.strip_suffix('>'))
        .filter(|it| it.len() == 2)
        .and_then(|it| u8::from_str_radix(it, 16).ok());
    match byte {
        Some(it) => vec![it],
        None => token.replace('▁', " ").into_bytes(),
    }
}

/// GPT-2's alphabet read backwards, by the number of a character: printable bytes are themselves, the others follow
/// from U+0100 on.
fn byte_of_char() -> Vec<Option<u8>> {
    let is_printable = |it: &u8| matches!(it, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
    let themselves = (0..=u8::MAX).map(|it| Some(it).filter(is_printable));
    let others = (0..=u8::MAX).filter(|it| !is_printable(it));
    themselves.chain(others.map(Some)).collect()
}
