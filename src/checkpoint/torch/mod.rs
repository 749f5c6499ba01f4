//! Weights as `torch.save` writes them since its version 1.6: a zip archive of a pickle, `data.pkl`, and a file for each
//! storage, uncompressed, so that tensors are read where they lie.
//!
//! ```text
//! bytes      numbers of a file, each length checked against it
//! zip        what files are in the archive, and where
//! names      what a pickle may name: tensors, their storages and dictionaries
//! opcode     the instructions of pickles
//! pickle     what they mean, followed as far as torch writes them
//! rebuild    a tensor as the pickle describes it
//! ```
//!
//! **Invariants:** nothing of a pickle is run: what it names is one of a list, and an instruction outside of the list
//! ends the reading; nothing nests, so nothing can be nested too deep; nothing allocates by a length that was not
//! checked against the file; no number of a tensor is read.
//!
//! candle's reader of pickles is not used here: it allocates by lengths it has not checked, copies what is memoised as
//! often as it is asked for, and ends the program at tuples that are too short. It reads the same files in the tests.

mod bytes;
mod names;
mod opcode;
mod pickle;
mod rebuild;
#[cfg(test)]
mod tests;
mod value;
mod zip;

use std::path::PathBuf;

use super::{
    Blob, CheckpointError, config, container,
    container::{Shard, Tensors, UnreadType},
    files, foreign,
};

use self::{names::Number, rebuild::Described, zip::Archive};

/// What the format before version 1.6 begins with: a pickle of a large number.
const OLD: &[u8] = b"\x80\x02\x8A\x0A\x6C\xFC\x9C\x46\xF9\x20\x6A\xA8\x50\x19";
const PICKLE: &str = "/data.pkl";
/// torch takes the name of the file.
const MAX_ROOT_BYTES: usize = 255;

/// Adds a file of pickled weights.
///
/// # Errors
/// What is no such file, an archive or a pickle that torch does not write so, a tensor that does not lie row after row
/// within its storage or that an earlier file had too, a file that is cut short meanwhile.
pub(super) fn add(tensors: &mut Tensors, path: PathBuf) -> Result<(), CheckpointError> {
    let map = files::map(&path)?;
    let found = find(&map, tensors.shards.len());
    // Of a file whose end was cut off while it was read nothing else is worth saying.
    map.check()?;
    let found = found.map_err(|what| CheckpointError::Broken {
        what,
        path: path.clone(),
    })?;
    let blob = Blob::Map(map);
    tensors.put(Shard { blob, path }, found)
}

/// All tensors of a file, by name.
///
/// # Errors
/// One sentence without the path.
fn find(bytes: &[u8], shard: usize) -> Result<Vec<(String, container::Tensor)>, String> {
    if !zip::is_zip(bytes) {
        return Err(no_archive(bytes));
    }
    let archive = Archive::read(bytes)?;
    let root = root_of(&archive)?;
    let pickle = archive.find(&format!("{root}{PICKLE}"))?;
    let described = pickle::read(&bytes[pickle])?;
    let mut out = Vec::with_capacity(described.len());
    for (name, tensor) in described {
        let place = locate(&archive, root, &tensor)
            .map_err(|why| format!("tensor {} {why}", config::shorten(&name)))?;
        let tensor = container::Tensor {
            shard,
            dtype: tensor.storage.number.dtype.map_err(UnreadType::Torch),
            shape: tensor.shape,
            bytes: place,
        };
        out.push((name, tensor));
    }
    Ok(out)
}

fn no_archive(bytes: &[u8]) -> String {
    if bytes.starts_with(OLD) {
        return "this file is in the format that PyTorch had before version 1.6, which is not read, expected one that torch.save of a newer PyTorch wrote, or safetensors".to_owned();
    }
    let what = foreign::recognised(bytes).unwrap_or("this is no zip archive");
    format!("{what}, expected the zip archive that torch.save writes")
}

/// The folder in the archive that everything is in.
fn root_of<'a>(archive: &Archive<'a>) -> Result<&'a str, String> {
    let names = archive.names();
    let is_root = |it: &&str| !it.contains('/') && it.len() <= MAX_ROOT_BYTES;
    let mut roots = names.filter_map(|it| it.strip_suffix(PICKLE).filter(is_root));
    let (Some(root), None) = (roots.next(), roots.next()) else {
        return Err(format!(
            "this zip archive does not hold one {}, expected what torch.save writes",
            &PICKLE[1..]
        ));
    };
    if archive.has(&format!("{root}/constants.pkl")) {
        return Err(
            "this is a TorchScript archive, a program with its weights, expected weights alone"
                .to_owned(),
        );
    }
    let order = format!("{root}/byteorder");
    if archive.has(&order) && archive.bytes(&order)? != b"little" {
        return Err(
            "the numbers of this file have their highest byte first, expected the lowest first"
                .to_owned(),
        );
    }
    Ok(root)
}

/// Where the bytes of a tensor are.
///
/// # Errors
/// The end of a sentence whose subject is the tensor.
fn locate(
    archive: &Archive<'_>,
    root: &str,
    tensor: &Described<'_>,
) -> Result<std::ops::Range<usize>, String> {
    let storage = &tensor.storage;
    let &Number { name, n_bytes, .. } = storage.number;
    let key = config::shorten(storage.key);
    let file = archive.find(&format!("{root}/data/{}", storage.key));
    let file = file.map_err(|why| format!("cannot be read: {why}"))?;
    if storage.n_numbers.checked_mul(n_bytes) != Some(file.len() as u64) {
        return Err(format!(
            "is part of storage {key} of {} {name} numbers, but that has {} bytes",
            storage.n_numbers,
            file.len()
        ));
    }
    let range = tensor.range()?;
    // Within the storage, and so within the file.
    let at = |it: u64| file.start + (it * n_bytes) as usize;
    Ok(at(range.start)..at(range.end))
}
