//! The library's tokenizer, followed within limits of memory and time: `tokenizer.json` comes from anywhere.
//!
//! ```text
//! outline    what the file holds, counted before the library reads it
//! limits     what it may hold; growth, charsmap: what its rules make of a text
//! normal, split, words    a text to tokens, step by step, while `budget` and `pattern` allow
//! segment    words to tokens where the library's model does not do it
//! decoding   and back
//! ```
//!
//! **Invariants:** the tokens are those of the library's own `encode`, unless `segment` makes them, or a refusal; a text is followed on one
//! thread, step by step, and none of the steps can make it long, or take long, before it is asked again.

mod budget;
mod charsmap;
mod decoding;
mod growth;
mod limits;
mod normal;
mod outline;
mod pattern;
mod rules;
mod segment;
mod split;
#[cfg(test)]
mod tests;
mod words;

use tokenizers::{Model as _, ModelWrapper, OffsetType, Tokenizer};

use self::{
    budget::{Budget, MAX_TEXT_BYTES},
    decoding::Decoding,
    normal::NormalSteps,
    outline::Outline,
    split::SplitStep,
    words::Words,
};

pub(super) use self::charsmap::encoded as charsmap_base64;
pub(super) use self::limits::check_added_beside;
pub(super) use self::normal::check_all as check_normalized;
pub(super) use self::segment::Segmenter;

/// Tokens with their ids.
pub(super) type Vocabulary = Vec<(String, u32)>;

/// Reads a file; what is put to its tokens from other files comes before it is used.
///
/// # Errors
/// One sentence: what is beyond a limit, or what the library says.
pub(super) fn parse(bytes: &[u8], n_vocab: usize) -> Result<Tokenizer, String> {
    let outline = Outline::read(bytes)?;
    limits::check_outline(&outline, n_vocab)?;
    Tokenizer::from_bytes(bytes).map_err(|it| it.to_string())
}

/// The tokens of a tokenizer's model. The library copies each for it, so it is asked once.
pub(super) fn vocabulary(tokenizer: &Tokenizer) -> Vocabulary {
    tokenizer.get_vocab(false).into_iter().collect()
}

/// A tokenizer that is followed within limits.
#[derive(Debug)]
pub(super) struct Followed {
    tokenizer: Tokenizer,
    normal: Option<NormalSteps>,
    splits: Vec<SplitStep>,
    words: Words,
    segmenter: Segmenter,
    decoding: Option<Decoding>,
}

impl Followed {
    /// Takes a tokenizer with all its tokens; `vocabulary` are those of its model.
    ///
    /// # Errors
    /// What is beyond a limit.
    pub(super) fn new(
        tokenizer: Tokenizer,
        segmenter: Segmenter,
        vocabulary: &Vocabulary,
    ) -> Result<Self, String> {
        limits::check_read(&tokenizer, vocabulary)?;
        let splits = tokenizer.get_pre_tokenizer().map(SplitStep::all);
        Ok(Self {
            normal: tokenizer
                .get_normalizer()
                .map(NormalSteps::of)
                .transpose()?,
            splits: splits.transpose()?.unwrap_or_default(),
            words: Words::of(segmenter.model(tokenizer.get_model())),
            segmenter,
            decoding: tokenizer.get_decoder().map(Decoding::of).transpose()?,
            tokenizer,
        })
    }

    /// From now on special tokens in a text are letters like others.
    pub(super) fn spell_special_tokens(&mut self) {
        self.tokenizer.set_encode_special_tokens(true);
    }

    /// The library's own.
    pub(super) fn library(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The ids of a text's tokens, with what is put around texts where that is asked for.
    ///
    /// # Errors
    /// A text that is too long, or becomes so, or takes too long; what the library says.
    pub(super) fn encode(&self, text: &str, adds_special: bool) -> tokenizers::Result<Vec<u32>> {
        self.encode_within(text, adds_special, &Budget::of(text.len()))
    }

    fn encode_within(
        &self,
        text: &str,
        adds_special: bool,
        budget: &Budget,
    ) -> tokenizers::Result<Vec<u32>> {
        let n_bytes = text.len();
        if n_bytes > MAX_TEXT_BYTES {
            return Err(
                format!("it has {n_bytes} bytes, expected at most {MAX_TEXT_BYTES}").into(),
            );
        }
        let normal = self.normal.as_ref().map(|it| it.within(budget));
        let added = self.tokenizer.get_added_vocabulary();
        let mut parts = added.extract_and_normalize(normal.as_ref(), text);
        normal.map_or(Ok(()), normal::Within::end)?;
        for step in &self.splits {
            step.apply(&mut parts, budget)?;
        }
        let model = self.tokenizer.get_model();
        match &self.segmenter {
            Segmenter::ByScore(it) => it.apply(model, &mut parts, budget)?,
            Segmenter::Library | Segmenter::Pieces(_) => {
                let model = self.segmenter.model(model);
                self.words.apply(model, &mut parts, budget)?;
            }
        }
        let encoding = parts.into_encoding(None, 0, OffsetType::None)?;
        let encoding = self.tokenizer.post_process(encoding, None, adds_special)?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of tokens without special ones; `None` where the tokenizer has no rules for it.
    pub(super) fn decode(&self, ids: &[u32]) -> Option<tokenizers::Result<String>> {
        let decoding = self.decoding.as_ref()?;
        let added = self.tokenizer.get_added_vocabulary();
        let model = self.tokenizer.get_model();
        let tokens = ids.iter().filter_map(|id| {
            let token = added.simple_id_to_token(*id);
            token
                .or_else(|| model.id_to_token(*id))
                .filter(|it| !added.is_special_token(it))
        });
        Some(decoding.apply(tokens.collect()))
    }
}

/// Merges that are left out at random would make every text other tokens each time: they are all done. Says so where
/// a tokenizer asks for it.
pub(super) fn merge_always(tokenizer: &mut Tokenizer) -> Option<String> {
    let ModelWrapper::BPE(model) = tokenizer.get_model() else {
        return None;
    };
    let dropout = model.dropout.filter(|it| *it != 0.0)?;
    let mut model = model.clone();
    model.dropout = None;
    tokenizer.with_model(model);
    Some(format!(
        "the tokenizer leaves out merges at random (dropout {dropout}), which is not done here: the same text is the same tokens each time"
    ))
}
