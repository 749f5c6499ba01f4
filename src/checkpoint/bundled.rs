//! The Tour model, and the collapsed Tour trained without balancing, compiled into the program, so that any copy of it
//! starts with a real model and has a collapsed one to compare it with.
//!
//! Both have the tokenizer of the first: their files were byte for byte the same.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    Blob, CheckpointError, Parts, codec::TokenizerFile, config::Config, container::Shard,
    container::Tensors, family,
};

/// Bytes aligned so that no tensor in them has to be copied.
#[repr(C, align(64))]
struct Aligned<T: ?Sized>(T);

static TOUR_WEIGHTS: &Aligned<[u8]> = &Aligned(*include_bytes!(
    "../../assets/models/tour/model.safetensors"
));
static COLLAPSED_WEIGHTS: &Aligned<[u8]> = &Aligned(*include_bytes!(
    "../../assets/models/tour-collapsed/model.safetensors"
));
const TOKENIZER: &[u8] = include_bytes!("../../assets/models/tour/tokenizer.json");
const TOKENIZER_CONFIG: &[u8] = include_bytes!("../../assets/models/tour/tokenizer_config.json");
const COLLAPSED_CONFIG: &[u8] = include_bytes!("../../assets/models/tour-collapsed/config.json");

/// The Tour model's config, from which a made-up model of the same shape can be had.
pub(super) const CONFIG: &[u8] = include_bytes!("../../assets/models/tour/config.json");

/// What the Tour model is called as an argument.
pub const TOUR: &str = "tour";
/// What the collapsed Tour is called as an argument.
pub const TOUR_COLLAPSED: &str = "tour-collapsed";

/// A model inside the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Bundled {
    /// The Tour model: even in every layer.
    Tour,
    /// The same model trained without balancing: several layers leave experts unused.
    TourCollapsed,
}

impl Bundled {
    /// Every model inside the program, the one it starts with first.
    pub const ALL: [Self; 2] = [Self::Tour, Self::TourCollapsed];

    /// What it is called as an argument.
    #[must_use]
    pub fn argument(self) -> &'static str {
        match self {
            Self::Tour => TOUR,
            Self::TourCollapsed => TOUR_COLLAPSED,
        }
    }

    /// The one an argument names.
    #[must_use]
    pub fn named(argument: &OsStr) -> Option<Self> {
        Self::ALL.into_iter().find(|it| argument == it.argument())
    }

    /// What it is called in a sentence: `the Tour model`.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Tour => "the Tour model",
            Self::TourCollapsed => "the Tour model trained without balancing",
        }
    }

    /// What stands in titles.
    fn name(self) -> &'static str {
        match self {
            Self::Tour => "Tour",
            Self::TourCollapsed => "Tour collapsed",
        }
    }

    fn path(self, file: &str) -> PathBuf {
        Path::new("the program itself")
            .join(self.argument())
            .join(file)
    }

    /// Its parts, as they would be read from a folder.
    ///
    /// # Errors
    /// None unless the program was built from broken files.
    pub(super) fn parts(self) -> Result<Parts, CheckpointError> {
        let (weights, config) = match self {
            Self::Tour => (&TOUR_WEIGHTS.0, CONFIG),
            Self::TourCollapsed => (&COLLAPSED_WEIGHTS.0, COLLAPSED_CONFIG),
        };
        let mut tensors = Tensors::default();
        tensors.add(Shard {
            blob: Blob::Static(weights),
            path: self.path("model.safetensors"),
        })?;
        let path = self.path("tokenizer_config.json");
        let config = Config::parse(config, &self.path("config.json"))?;
        Ok(Parts {
            name: self.name().to_owned(),
            place: self.path(""),
            names: family::find(&config)?.names,
            config,
            generation_config: None,
            tokenizer: Some(TokenizerFile::library(
                TOKENIZER.to_vec(),
                self.path("tokenizer.json"),
            )),
            tokenizer_config: Some(Config::parse(TOKENIZER_CONFIG, &path)?),
            special_tokens: None,
            added_tokens: None,
            chat_template: None,
            tensors,
            notes: Vec::new(),
        })
    }
}
