//! `moescope tokenize MODEL`: the tokens of a text, by the tokenizer of a model. The model itself is not opened: a
//! folder with nothing but a tokenizer will do, and a GGUF file without a tensor.

use std::{
    ffi::OsString,
    fmt::Write as _,
    io::{self, Read as _},
};

use serde_json::json;

use super::{Failure, Output, json_text};
use crate::checkpoint::{Source, TextCodec, open_codec};
use crate::spec::{TokenId, shown};

/// Bytes of a text at most, as a tokenizer takes them.
const MAX_TEXT_BYTES: u64 = 4 << 20;

/// Show the tokens of a text
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A model folder or a file in it, a GGUF file, or `tour` or `tour-collapsed` for a model inside the program
    pub model: OsString,

    /// The text; without it what stands on the standard input
    #[arg(
        long = "prompt",
        alias = "text",
        value_name = "PROMPT",
        allow_hyphen_values = true
    )]
    pub text: Option<String>,

    /// Take special tokens that are written in the text as ordinary text
    #[arg(long)]
    pub plain: bool,

    /// Put before and after the text what the tokenizer puts there before a model reads it
    #[arg(long)]
    pub bos: bool,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Prints the tokens of a text.
///
/// # Errors
/// A tokenizer that does not open, a text that does not become tokens, an output that is closed.
pub fn run(args: &Args) -> Result<(), Failure> {
    let source = Source::parse(&args.model);
    let (mut codec, notes) = open_codec(&source).map_err(Failure::misuse)?;
    if args.plain {
        let Some(it) = codec.with_special_spelled() else {
            return Err(Failure::part_way("the tokenizer is in use elsewhere"));
        };
        codec = it;
    }
    let text = match &args.text {
        Some(it) => it.clone(),
        None => from_stdin()?,
    };
    let ids = if args.bos {
        codec.encode(&text)
    } else {
        codec.encode_bare(&text)
    };
    let ids = ids.map_err(Failure::misuse)?;
    let mut output = Output::standard();
    for note in notes {
        output.remark(note);
    }
    let shown = if args.json {
        let pieces: Vec<String> = ids.iter().map(|it| codec.spelled(*it)).collect();
        let ids: Vec<u32> = ids.iter().map(|it| it.0).collect();
        json_text(&json!({"ids": ids, "pieces": pieces}), true)?
    } else {
        table(&codec, &ids)
    };
    output.print(&shown)
}

fn from_stdin() -> Result<String, Failure> {
    let refused = |what: &str| Failure::misuse(format!("{what} (in the standard input)"));
    let mut bytes = Vec::new();
    let read = io::stdin()
        .lock()
        .take(MAX_TEXT_BYTES + 1)
        .read_to_end(&mut bytes);
    read.map_err(|it| refused(&format!("the text cannot be read: {it}")))?;
    if bytes.len() as u64 > MAX_TEXT_BYTES {
        return Err(refused(&format!(
            "the text has more than {MAX_TEXT_BYTES} bytes, expected at most so many"
        )));
    }
    String::from_utf8(bytes).map_err(|it| {
        let at = it.utf8_error().valid_up_to();
        refused(&format!(
            "the text is not UTF-8, expected such: byte {at} belongs to no letter"
        ))
    })
}

/// A line for each token: its id, how the vocabulary spells it, and what it stands for.
fn table(codec: &TextCodec, ids: &[TokenId]) -> String {
    let rows: Vec<[String; 3]> = ids
        .iter()
        .map(|it| {
            let text = String::from_utf8_lossy(codec.token_table().piece(*it));
            let text = if codec.token_table().is_special(*it) {
                "special".to_owned()
            } else {
                format!("{text:?}")
            };
            [it.to_string(), shown(codec.spelled(*it)), text]
        })
        .collect();
    let heads = ["id", "piece", "text"].map(str::to_owned);
    let width = |column: usize| {
        let all = rows.iter().chain([&heads]);
        let widths = all.map(|it| it[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let (id, piece) = (width(0), width(1));
    let mut out = String::new();
    for [one, two, three] in [&heads].into_iter().chain(&rows) {
        // A text cannot fail to grow.
        let _ = writeln!(out, "{one:>id$}  {two:<piece$}  {three}");
    }
    out
}
