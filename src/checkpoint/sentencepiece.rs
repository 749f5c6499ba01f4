//! A `spiece.model`, as T5 and the Switch Transformers have one beside or in place of their `tokenizer.json`: written as
//! a `tokenizer.json` of the same rules, so that it is read, bounded and followed as all others are.
//!
//! The file is a message of protocol buffers (`sentencepiece_model.proto` of google/sentencepiece): pieces in field 1,
//! each with text (1), score (2) and kind (3); of how it was trained (2) the kind of model (3) and the ids of the unknown
//! token (40) and the end (42); of how texts are normalized (3) the table of replacements (2), whether a space is put
//! before a text (3), whether several are one (4). The rules around the pieces are those that Transformers writes for T5:
//! words at white space, each with a mark before it, an end behind the text, and the ids `<extra_id_99>` to
//! `<extra_id_0>` behind the pieces.

use serde_json::{Value, json};

use super::{config::Config, tokenizer::charsmap_base64};

/// Pieces at most, as tokenizers of other files may have tokens.
const MAX_PIECES: usize = 1 << 20;
/// Extra ids where the settings do not say how many, and at most.
const EXTRA: usize = 100;
const MAX_EXTRA: u64 = 10_000;
/// What stands for a space.
const MARK: &str = "▁";

/// The value of a field.
#[derive(Clone, Copy)]
enum Field<'a> {
    Whole(u64),
    Bytes(&'a [u8]),
    Four([u8; 4]),
    Eight,
}

/// The fields of a message, in their order.
struct Message<'a> {
    rest: &'a [u8],
}

/// What a piece is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PieceKind {
    Normal,
    /// Unknown, control: a token only where its whole text stands.
    Special,
    UserDefined,
}

struct Piece<'a> {
    text: &'a str,
    score: f32,
    kind: PieceKind,
}

/// A file, as far as it is followed.
struct PieceModel<'a> {
    pieces: Vec<Piece<'a>>,
    unknown: u64,
    end: Option<u64>,
    falls_back: bool,
    replacements: &'a [u8],
    has_prefix: bool,
    collapses: bool,
}

/// Writes the `tokenizer.json` of a `spiece.model`.
///
/// * `settings`: `tokenizer_config.json`, which says how many extra ids there are
///
/// # Errors
/// What is no such file, the end of a sentence.
pub(super) fn tokenizer_json(bytes: &[u8], settings: Option<&Config>) -> Result<Vec<u8>, String> {
    let it = PieceModel::read(bytes)?;
    let n_extra = settings.and_then(|it| it.get("extra_ids")?.as_u64());
    let n_extra = n_extra.map_or(EXTRA, |it| it.min(MAX_EXTRA) as usize);
    serde_json::to_vec(&it.file(n_extra)).map_err(|it| it.to_string())
}

impl<'a> Message<'a> {
    fn whole(&mut self) -> Result<u64, String> {
        let mut value = 0;
        for n in 0..10 {
            let (byte, rest) = self.rest.split_first().ok_or_else(torn)?;
            self.rest = rest;
            value |= u64::from(byte & 0x7f) << (7 * n);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(torn())
    }

    fn take(&mut self, n: u64) -> Result<&'a [u8], String> {
        let n = usize::try_from(n).ok().filter(|it| *it <= self.rest.len());
        let (taken, rest) = self.rest.split_at(n.ok_or_else(torn)?);
        self.rest = rest;
        Ok(taken)
    }

    /// The number of the next field and its value; none at the end.
    fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, String> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.whole()?;
        let value = match tag & 7 {
            0 => Field::Whole(self.whole()?),
            1 => self.take(8).map(|_| Field::Eight)?,
            2 => {
                let n = self.whole()?;
                Field::Bytes(self.take(n)?)
            }
            5 => Field::Four(self.take(4)?.try_into().map_err(|_| torn())?),
            _ => return Err(torn()),
        };
        Ok(Some((tag >> 3, value)))
    }
}

fn torn() -> String {
    "it is no sentencepiece model, or not all of one".to_owned()
}

impl<'a> Piece<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let (mut text, mut score, mut kind) = ("", 0.0, PieceKind::Normal);
        let mut message = Message { rest: bytes };
        while let Some(field) = message.next()? {
            match field {
                (1, Field::Bytes(it)) => text = std::str::from_utf8(it).map_err(|_| torn())?,
                (2, Field::Four(it)) => score = f32::from_le_bytes(it),
                (3, Field::Whole(2 | 3)) => kind = PieceKind::Special,
                (3, Field::Whole(4)) => kind = PieceKind::UserDefined,
                _ => {}
            }
        }
        if !score.is_finite() {
            return Err(format!(
                "the score of the piece {text:?} is no finite number"
            ));
        }
        Ok(Self { text, score, kind })
    }
}

impl<'a> PieceModel<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let mut it = Self {
            pieces: Vec::new(),
            unknown: 0,
            end: Some(2),
            falls_back: false,
            replacements: &[],
            has_prefix: true,
            collapses: true,
        };
        let mut message = Message { rest: bytes };
        while let Some(field) = message.next()? {
            match field {
                (1, Field::Bytes(_)) if it.pieces.len() == MAX_PIECES => {
                    return Err(format!("it has more than {MAX_PIECES} pieces"));
                }
                (1, Field::Bytes(piece)) => it.pieces.push(Piece::read(piece)?),
                (2, Field::Bytes(training)) => it.read_training(training)?,
                (3, Field::Bytes(rules)) => it.read_rules(rules)?,
                _ => {}
            }
        }
        if it.pieces.is_empty() {
            return Err(torn());
        }
        if it.unknown >= it.pieces.len() as u64 {
            let (at, n) = (it.unknown, it.pieces.len());
            return Err(format!("its unknown token is {at}, beyond the {n} pieces"));
        }
        Ok(it)
    }

    fn read_training(&mut self, bytes: &'a [u8]) -> Result<(), String> {
        let mut message = Message { rest: bytes };
        while let Some(field) = message.next()? {
            match field {
                (3, Field::Whole(kind)) if kind != 1 => {
                    return Err("its pieces are not those of a unigram model".to_owned());
                }
                (35, Field::Whole(it)) => self.falls_back = it != 0,
                (40, Field::Whole(it)) => self.unknown = it,
                // Below 0 there is none.
                (42, Field::Whole(it)) => self.end = Some(it),
                _ => {}
            }
        }
        Ok(())
    }

    fn read_rules(&mut self, bytes: &'a [u8]) -> Result<(), String> {
        let mut message = Message { rest: bytes };
        while let Some(field) = message.next()? {
            match field {
                (2, Field::Bytes(it)) => self.replacements = it,
                (3, Field::Whole(it)) => self.has_prefix = it != 0,
                (4, Field::Whole(it)) => self.collapses = it != 0,
                _ => {}
            }
        }
        Ok(())
    }

    /// All of it as a `tokenizer.json`.
    fn file(&self, n_extra: usize) -> Value {
        let n = self.pieces.len();
        let extra: Vec<String> = (0..n_extra)
            .rev()
            .map(|it| format!("<extra_id_{it}>"))
            .collect();
        let pieces = self.pieces.iter().map(|it| (it.text, it.score));
        let extra_pieces = extra.iter().map(|it| (it.as_str(), 0.0));
        let vocab: Vec<(&str, f32)> = pieces.chain(extra_pieces).collect();
        let looked_for = |(id, it): (usize, &Piece<'_>)| {
            let is_one = it.kind != PieceKind::Normal && !it.text.is_empty();
            is_one.then(|| added(id, it.text, it.kind == PieceKind::Special))
        };
        let own = self.pieces.iter().enumerate().filter_map(looked_for);
        let extra = extra.iter().enumerate();
        let extra = extra.map(|(row, it)| added(n + row, it, true));
        let added: Vec<Value> = own.chain(extra).collect();
        json!({
            "version": "1.0",
            "added_tokens": added,
            "normalizer": self.normalizer(),
            "pre_tokenizer": self.words(),
            "post_processor": self.around(),
            "decoder": self.marks(),
            "model": {
                "type": "Unigram",
                "unk_id": self.unknown,
                "vocab": vocab,
                "byte_fallback": self.falls_back,
            },
        })
    }

    fn normalizer(&self) -> Option<Value> {
        let table = charsmap_base64(self.replacements);
        (!self.replacements.is_empty())
            .then(|| json!({"type": "Precompiled", "precompiled_charsmap": table}))
    }

    /// Words, each with a mark before it; one text where spaces count.
    fn words(&self) -> Value {
        if self.has_prefix && self.collapses {
            let steps = [json!({"type": "WhitespaceSplit"}), marks("always")];
            return json!({"type": "Sequence", "pretokenizers": steps});
        }
        self.marks()
    }

    fn marks(&self) -> Value {
        marks(if self.has_prefix { "always" } else { "never" })
    }

    /// The end behind a text.
    fn around(&self) -> Option<Value> {
        let id = self.end?;
        let end = self.pieces.get(usize::try_from(id).ok()?)?.text;
        let text = |name: &str| json!({"Sequence": {"id": name, "type_id": 0}});
        let put = json!({"SpecialToken": {"id": end, "type_id": 0}});
        Some(json!({
            "type": "TemplateProcessing",
            "single": [text("A"), put],
            "pair": [text("A"), put, text("B"), put],
            "special_tokens": {end: {"id": end, "ids": [id], "tokens": [end]}},
        }))
    }
}

fn marks(scheme: &str) -> Value {
    json!({"type": "Metaspace", "replacement": MARK, "prepend_scheme": scheme, "split": true})
}

fn added(id: usize, content: &str, special: bool) -> Value {
    json!({
        "id": id, "content": content, "special": special,
        "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
    })
}
