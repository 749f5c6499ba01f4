//! Models that lie in one place, of which a person has to name one.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One of several models.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelChoice {
    /// What it is called there, e.g. `OLMoE-1B-7B-Q4_K_M.gguf`.
    pub name: String,
    /// The path that opens it.
    pub path: PathBuf,
    /// Bytes of all its files, where they are known without opening it.
    pub n_bytes: Option<u64>,
}
