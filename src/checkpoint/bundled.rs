//! The Tour model, compiled into the program, so that any copy of it starts with a real model.

use std::path::{Path, PathBuf};

use super::{Blob, CheckpointError, Parts, config::Config, container::Shard, container::Tensors};

/// Bytes aligned so that no tensor in them has to be copied.
#[repr(C, align(64))]
struct Aligned<T: ?Sized>(T);

static MODEL: &Aligned<[u8]> = &Aligned(*include_bytes!(
    "../../assets/models/tour/model.safetensors"
));
const TOKENIZER: &[u8] = include_bytes!("../../assets/models/tour/tokenizer.json");
const TOKENIZER_CONFIG: &[u8] = include_bytes!("../../assets/models/tour/tokenizer_config.json");

/// Its config, from which a made-up model of the same shape can be had.
pub(super) const CONFIG: &[u8] = include_bytes!("../../assets/models/tour/config.json");

/// What it is called as an argument.
pub const TOUR: &str = "tour";

fn path(name: &str) -> PathBuf {
    Path::new("the program itself").join(TOUR).join(name)
}

/// Its parts, as they would be read from a folder.
///
/// # Errors
/// None unless the program was built from broken files.
pub(super) fn parts() -> Result<Parts, CheckpointError> {
    let mut tensors = Tensors::default();
    tensors.add(Shard {
        blob: Blob::Static(&MODEL.0),
        file: None,
        path: path("model.safetensors"),
    })?;
    Ok(Parts {
        name: "Tour".to_owned(),
        place: path(""),
        config: Config::parse(CONFIG, &path("config.json"))?,
        generation_config: None,
        tokenizer: Some((TOKENIZER.to_vec(), path("tokenizer.json"))),
        tokenizer_config: Some(Config::parse(
            TOKENIZER_CONFIG,
            &path("tokenizer_config.json"),
        )?),
        chat_template: None,
        tensors,
        notes: Vec::new(),
    })
}
