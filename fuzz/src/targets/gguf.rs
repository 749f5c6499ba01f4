//! The bytes of a GGUF file: a model of it lies whole in the file, and its tokenizer gives no token that is not there.

use std::fs;

use moescope::checkpoint::{Source, open_codec};

use moescope::spec::PromptForm;

use super::folder::{check_codec, opened};

/// The bytes as a model, and as a vocabulary alone.
pub fn gguf(bytes: &[u8]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("it.gguf");
    fs::write(&path, bytes).unwrap();
    let model = opened(&path, bytes.len());
    if let Some(it) = &model {
        let n_vocab = it.spec.n_vocab;
        assert!(it.eos.iter().all(|it| it.idx() < n_vocab));
        match &it.codec {
            None => assert!(!it.notes.is_empty(), "no tokenizer, and no word why"),
            Some(codec) => {
                check_codec(codec, n_vocab);
                let chat = PromptForm::Chat { system: None };
                match codec.encode_as("Hello", &chat) {
                    Ok(ids) => assert!(ids.iter().all(|it| it.idx() < n_vocab)),
                    Err(why) => super::check_sentence(&why),
                }
                return true;
            }
        }
    }
    match open_codec(&Source::Folder(path)) {
        Ok((codec, notes)) => {
            notes.iter().for_each(|it| super::check_sentence(it));
            check_codec(&codec, codec.token_table().pieces.len());
            true
        }
        Err(why) => {
            super::check_sentence(&why);
            model.is_some()
        }
    }
}
