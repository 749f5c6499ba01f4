//! The values under the keys of a GGUF file: of which kind, and where their bytes are. A list of texts is read when it
//! is asked for, and nothing of it is kept.

use std::ops::Range;

use serde_json::Value;

use super::reader::Reader;

/// Entries of one list at most; the largest vocabularies have some three hundred thousand.
const MAX_ENTRIES: u64 = 1 << 24;
/// Bytes of one text at most; the longest in use is a whole `tokenizer.json`, of some thirty million.
const MAX_TEXT_BYTES: usize = 128 << 20;

/// What kind of value it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    Text,
    List,
    U64,
    I64,
    F64,
}

impl Kind {
    /// All of them, in the order of their numbers in a file.
    const ALL: [Self; 13] = [
        Self::U8,
        Self::I8,
        Self::U16,
        Self::I16,
        Self::U32,
        Self::I32,
        Self::F32,
        Self::Bool,
        Self::Text,
        Self::List,
        Self::U64,
        Self::I64,
        Self::F64,
    ];

    /// Bytes of one value; `None` for those that say how long they are.
    pub(super) fn n_bytes(self) -> Option<usize> {
        match self {
            Self::U8 | Self::I8 | Self::Bool => Some(1),
            Self::U16 | Self::I16 => Some(2),
            Self::U32 | Self::I32 | Self::F32 => Some(4),
            Self::U64 | Self::I64 | Self::F64 => Some(8),
            Self::Text | Self::List => None,
        }
    }

    /// What a value of it is called in a sentence.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Bool => "true or false",
            Self::Text => "a text",
            Self::List => "a list",
            Self::F32 | Self::F64 => "a number",
            _ => "a whole number",
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, String> {
        let at = reader.at();
        let number = reader.u32()?;
        Self::ALL.get(number as usize).copied().ok_or_else(|| {
            format!("has a value of the kind {number} at byte {at}, expected one of 0 to 12")
        })
    }

    /// The value in the bytes of a number or a switch.
    pub(super) fn scalar(self, bytes: &[u8]) -> Scalar {
        let whole = |n: usize| bytes.get(..n);
        macro_rules! number {
            ($kind:ty) => {
                whole(size_of::<$kind>())
                    .and_then(|it| Some(<$kind>::from_le_bytes(it.try_into().ok()?)))
                    .unwrap_or_default()
            };
        }
        match self {
            Self::U8 => Scalar::Whole(number!(u8).into()),
            Self::I8 => Scalar::Whole(number!(i8).into()),
            Self::U16 => Scalar::Whole(number!(u16).into()),
            Self::I16 => Scalar::Whole(number!(i16).into()),
            Self::U32 => Scalar::Whole(number!(u32).into()),
            Self::I32 => Scalar::Whole(number!(i32).into()),
            Self::U64 => Scalar::Whole(number!(u64).into()),
            Self::I64 => Scalar::Whole(number!(i64).into()),
            Self::F32 => Scalar::Float(number!(f32).into()),
            Self::F64 => Scalar::Float(number!(f64)),
            Self::Bool | Self::Text | Self::List => Scalar::Switch(number!(u8)),
        }
    }
}

/// A number, or a switch with its byte.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scalar {
    Whole(i128),
    Float(f64),
    Switch(u8),
}

impl Scalar {
    /// As a whole number, 0 or more.
    pub(super) fn u64(self) -> Option<u64> {
        match self {
            Self::Whole(it) => u64::try_from(it).ok(),
            Self::Float(_) | Self::Switch(_) => None,
        }
    }

    /// As a finite number.
    pub(super) fn f32(self) -> Option<f32> {
        let it = match self {
            Self::Whole(it) => it as f32,
            Self::Float(it) => it as f32,
            Self::Switch(_) => return None,
        };
        it.is_finite().then_some(it)
    }

    /// As true or false, for which some files have 1 and 0.
    pub(super) fn bool(self) -> Option<bool> {
        match self {
            Self::Switch(0) | Self::Whole(0) => Some(false),
            Self::Switch(1) | Self::Whole(1) => Some(true),
            _ => None,
        }
    }

    /// As JSON has it; what is not finite, or beyond 64 bits, is null.
    pub(super) fn json(self) -> Value {
        match self {
            Self::Whole(it) => match u64::try_from(it) {
                Ok(it) => it.into(),
                Err(_) => i64::try_from(it).map_or(Value::Null, Value::from),
            },
            Self::Float(it) => it.into(),
            Self::Switch(0) => false.into(),
            Self::Switch(1) => true.into(),
            Self::Switch(it) => it.into(),
        }
    }

    /// For a sentence.
    pub(super) fn words(self) -> String {
        match self {
            Self::Whole(it) => it.to_string(),
            Self::Float(it) => it.to_string(),
            Self::Switch(0) => "false".to_owned(),
            Self::Switch(1) => "true".to_owned(),
            Self::Switch(it) => format!("a switch of {it}"),
        }
    }
}

/// Where a value is in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// A number, a switch or a text, whose bytes are these.
    One(Kind, Range<usize>),
    /// A list of `n` of them.
    List {
        kind: Kind,
        n: usize,
        bytes: Range<usize>,
    },
}

impl Entry {
    /// Reads a value's kind, and finds its end.
    ///
    /// # Errors
    /// An unknown kind, a list of lists, more than the file holds.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, String> {
        match Kind::read(reader)? {
            Kind::List => Self::read_list(reader),
            Kind::Text => {
                let range = reader.text()?;
                if range.len() > MAX_TEXT_BYTES {
                    return Err(format!(
                        "is a text of {} bytes at byte {}, expected at most {MAX_TEXT_BYTES}",
                        range.len(),
                        range.start
                    ));
                }
                Ok(Self::One(Kind::Text, range))
            }
            kind => {
                let n_bytes = kind.n_bytes().unwrap_or_default() as u64;
                Ok(Self::One(kind, reader.skip(n_bytes)?))
            }
        }
    }

    fn read_list(reader: &mut Reader<'_>) -> Result<Self, String> {
        /// Bytes of the length of a text.
        const EMPTY_TEXT: usize = 8;
        let kind = Kind::read(reader)?;
        let at = reader.at();
        let n = reader.u64()?;
        if kind == Kind::List {
            return Err(format!(
                "is a list of lists at byte {at}, which is not read, expected numbers or texts"
            ));
        }
        let each = kind.n_bytes().unwrap_or(EMPTY_TEXT) as u64;
        let left = reader.left();
        if n > left / each {
            return Err(format!(
                "is a list that claims {n} entries at byte {at}, more than the {left} bytes behind it can hold: the file is cut short or its header wrong"
            ));
        }
        if n > MAX_ENTRIES {
            return Err(format!(
                "is a list of {n} entries at byte {at}, expected at most {MAX_ENTRIES}"
            ));
        }
        let start = reader.at();
        if kind == Kind::Text {
            for _ in 0..n {
                reader.text()?;
            }
        } else {
            reader.skip(n * each)?;
        }
        Ok(Self::List {
            kind,
            n: n as usize,
            bytes: start..reader.at(),
        })
    }
}
