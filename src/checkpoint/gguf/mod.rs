//! Models in GGUF files, of version 2 and 3: one file, or a set of shards.
//!
//! ```text
//! reader, value, header   the bytes of the header, each length checked against the file
//! types, data             where the tensors are
//! metadata                what stands under the keys, asked for by its type
//! shards                  the files of a split set, by the name of any of them
//! vocabulary, pre         tokens, what they are for, and how texts are parted into words
//! rules, pieces           their rules, and how tokens are made of letters
//! rebuilt, text           the tokenizer as a `tokenizer.json`; the chat template, what ends a text
//! model                   all of it to a model that is open
//! ```
//!
//! **Invariants:** a header is read, and no number of a tensor; nothing allocates by a length that the file does
//! not hold; lists of texts stay in the file.

mod data;
mod header;
mod metadata;
mod model;
mod pieces;
mod pre;
mod reader;
mod rebuilt;
mod rules;
mod shards;
#[cfg(test)]
mod tests;
mod text;
mod types;
mod value;
mod vocabulary;

use std::path::{Path, PathBuf};

use crate::spec::ModelChoice;

use super::{
    Blob, CheckpointError,
    config::shorten,
    container::{Shard, Tensors},
    files, foreign, index,
    quantization::find_scaled_blocks,
};

use self::{
    data::ALIGNMENT,
    header::{Header, Info, MAGIC},
    shards::Place,
};

pub(super) use self::{metadata::Metadata, model::open, shards::ENDING, text::codec};

const ALIGNMENT_KEY: &str = "general.alignment";
const TYPE_KEY: &str = "general.type";
const ARCHITECTURE_KEY: &str = "general.architecture";

/// A GGUF file or set of them, read but not yet understood.
pub(super) struct Opened {
    /// Display name: the file's, without its ending and the number of the shard.
    pub(super) name: String,
    /// The file, the first one of a set.
    pub(super) path: PathBuf,
    /// Its keys, those of the first file of a set.
    pub(super) metadata: Metadata,
    /// The tensors of all files.
    pub(super) tensors: Tensors,
    /// What a person should know.
    pub(super) notes: Vec<String>,
}

/// A file with its header.
struct GgufFile {
    blob: Blob,
    path: PathBuf,
    metadata: Metadata,
    infos: Vec<Info>,
    /// Where the header ends, in bytes.
    header_end: usize,
}

/// Whether a file begins as GGUF does.
pub(super) fn is_gguf(start: &[u8]) -> bool {
    start.starts_with(MAGIC)
}

/// Reads the headers of a file, and of the others of its set.
///
/// # Errors
/// One sentence on the first thing that is wrong: no GGUF, a version that is not read, a file that is cut short, a shard
/// that is missing or of another set.
pub(super) fn read(path: &Path) -> Result<Opened, CheckpointError> {
    let file = GgufFile::read(path)?;
    let mut opened = match shards::place(&file)? {
        None => single(file)?,
        Some(place) => split(file, &place)?,
    };
    check_kind(&opened.metadata, &mut opened.notes)?;
    find_scaled_blocks(&mut opened.tensors);
    Ok(opened)
}

fn single(file: GgufFile) -> Result<Opened, CheckpointError> {
    let (mut tensors, mut notes) = (Tensors::default(), Vec::new());
    let (path, metadata) = (file.path.clone(), file.metadata.clone());
    file.put_into(&mut tensors, &mut notes)?;
    Ok(Opened {
        name: name_of(&path),
        path,
        metadata,
        tensors,
        notes,
    })
}

/// The whole set of which `given` is one.
fn split(given: GgufFile, place: &Place) -> Result<Opened, CheckpointError> {
    place.check_room()?;
    let (mut tensors, mut notes) = (Tensors::default(), Vec::new());
    let mut first = None;
    let mut given = Some(given);
    for row in 0..place.n {
        let file = match given.take_if(|_| row == place.row) {
            Some(it) => it,
            None => GgufFile::read(&place.path_of(row))?,
        };
        place.check(row, &file)?;
        if row == 0 {
            first = Some((file.path.clone(), file.metadata.clone()));
        }
        file.put_into(&mut tensors, &mut notes)?;
    }
    let Some((path, metadata)) = first else {
        return Err(place.nothing());
    };
    place.check_total(tensors.by_name.len(), &path)?;
    Ok(Opened {
        name: name_of(&path),
        path,
        metadata,
        tensors,
        notes,
    })
}

impl GgufFile {
    fn read(path: &Path) -> Result<Self, CheckpointError> {
        let map = files::map(path)?;
        let header = header_of(&map, path);
        // Of a header whose end was cut off while it was read nothing else is worth saying.
        map.check()?;
        let Header {
            entries,
            infos,
            end,
        } = header?;
        let blob = Blob::Map(map);
        Ok(Self {
            metadata: Metadata::new(blob.clone(), path.to_owned(), entries),
            blob,
            path: path.to_owned(),
            infos,
            header_end: end,
        })
    }

    /// Adds its tensors to those of the other files.
    fn put_into(
        self,
        tensors: &mut Tensors,
        notes: &mut Vec<String>,
    ) -> Result<(), CheckpointError> {
        let metadata = &self.metadata;
        let alignment = match metadata.u64(ALIGNMENT_KEY)? {
            None => ALIGNMENT,
            Some(it) if data::is_alignment(it) => it,
            Some(_) => {
                return Err(metadata.wrong(ALIGNMENT_KEY, "a power of two from 8 on"));
            }
        };
        let (infos, end) = (&self.infos, self.header_end);
        let n_file = self.blob.bytes().len();
        let data = data::locate(infos, end, alignment, n_file, tensors.shards.len());
        let data = data.map_err(|what| broken(what, &self.path))?;
        if data.n_rest > 0 {
            notes.push(format!(
                "{} bytes behind the last tensor of {} are not read",
                data.n_rest,
                file_name(&self.path)
            ));
        }
        let shard = Shard {
            blob: self.blob,
            path: self.path,
        };
        tensors.put(shard, data.tensors)
    }
}

fn header_of(bytes: &[u8], path: &Path) -> Result<Header, CheckpointError> {
    if !is_gguf(bytes) {
        let what = foreign::recognised(bytes).unwrap_or("this is no GGUF file");
        return Err(broken(format!("{what}, expected a GGUF file"), path));
    }
    header::read(bytes).map_err(|what| broken(what, path))
}

/// Refuses what is no model of its own.
fn check_kind(metadata: &Metadata, notes: &mut Vec<String>) -> Result<(), CheckpointError> {
    let kind = match metadata.text(TYPE_KEY)? {
        Some("adapter") => "an adapter",
        Some("mmproj") => "a projector of images or sound",
        Some("imatrix") => "an importance matrix",
        kind => {
            if metadata.text(ARCHITECTURE_KEY)? != Some("clip") {
                let odd = kind.filter(|it| *it != "model");
                notes.extend(odd.map(|it| {
                    format!(
                        "{TYPE_KEY} is {:?}, and the file is read as a model",
                        shorten(it)
                    )
                }));
                return Ok(());
            }
            "a projector of images"
        }
    };
    Err(broken(
        format!("this GGUF file is {kind} and not the model it belongs to, expected a model"),
        metadata.path(),
    ))
}

/// The name of a model, for titles.
fn name_of(path: &Path) -> String {
    let name = file_name(path);
    if let Some((stem, ..)) = shards::parted(&name) {
        return stem.to_owned();
    }
    name.strip_suffix(ENDING).unwrap_or(&name).to_owned()
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

fn broken(what: String, path: &Path) -> CheckpointError {
    CheckpointError::Broken {
        what,
        path: path.to_owned(),
    }
}

/// Whether a file is called as GGUF files are.
pub(super) fn is_named(path: &Path) -> bool {
    let name = path.to_string_lossy().to_ascii_lowercase();
    name.ends_with(ENDING)
}

/// A folder's models in GGUF: one for each file, one for each set.
pub(super) fn models_in(folder: &Path) -> Vec<ModelChoice> {
    shards::sets_in(folder, &index::names_in(folder))
}
