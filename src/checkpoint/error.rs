//! What can be wrong with a checkpoint, each as one sentence: what is wrong, what was expected,
//! and where, the path last.

use std::path::PathBuf;

use crate::spec::ModelChoice;

use super::Allowance;

/// Why a checkpoint does not open.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Nothing is there, or not what was expected there.
    #[error("{what}, expected {want} (at {})", path.display())]
    NotThere {
        /// What was found.
        what: &'static str,
        /// What was expected.
        want: &'static str,
        /// The file or folder.
        path: PathBuf,
    },
    /// The system refused.
    #[error("could not {doing}: {source} (at {})", path.display())]
    Io {
        /// What we were doing.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
        /// The file or folder.
        path: PathBuf,
    },
    /// A file cannot be read as what its name says.
    #[error("{what} (in {})", path.display())]
    Broken {
        /// What is wrong and what was expected.
        what: String,
        /// Path of the file.
        path: PathBuf,
    },
    /// Several models are there, and one has to be named.
    #[error("{what} (in {})", path.display())]
    Several {
        /// How many there are, and the first of them.
        what: String,
        /// All of them.
        choices: Vec<ModelChoice>,
        /// Path of the folder.
        path: PathBuf,
    },
    /// A setting makes no sense.
    #[error("{key} is {got}, but it must be {want} (in {})", path.display())]
    Setting {
        /// Key in `config.json` or in the GGUF file.
        key: String,
        /// Its value, as it is written.
        got: String,
        /// What it may be.
        want: String,
        /// Path of the file.
        path: PathBuf,
    },
    /// A family that this program does not read.
    #[error("{what}; models that open are {opens} (in {})", path.display())]
    Family {
        /// The family and what is known of it.
        what: String,
        /// The families that open.
        opens: String,
        /// Path of the file.
        path: PathBuf,
    },
    /// No layer has experts.
    #[error("{what}: no layer has experts, so there is no routing to show (in {})", path.display())]
    Dense {
        /// What says so.
        what: String,
        /// Path of the file.
        path: PathBuf,
    },
    /// A tensor is not there.
    #[error("tensor {tensor} is missing, expected with shape {want:?} (in {})", path.display())]
    Missing {
        /// Name of the tensor in the file.
        tensor: String,
        /// The shape it must have, outermost dimension first.
        want: Vec<usize>,
        /// The folder or file.
        path: PathBuf,
    },
    /// A tensor has another shape than the config says.
    #[error("tensor {tensor} has shape {got:?}, but this model needs {want:?} (in {})", path.display())]
    Shape {
        /// Name of the tensor in the file.
        tensor: String,
        /// The shape it has, outermost dimension first.
        got: Vec<usize>,
        /// The shape that fits the config.
        want: Vec<usize>,
        /// Path of the file.
        path: PathBuf,
    },
    /// Numbers of a kind that is not read.
    #[error("tensor {tensor} holds {got} numbers, expected {want} (in {})", path.display())]
    Dtype {
        /// Name of the tensor in the file.
        tensor: String,
        /// Its kind of number.
        got: String,
        /// The kinds it may hold.
        want: String,
        /// Path of the file.
        path: PathBuf,
    },
    /// Tensors that the family does not have.
    #[error("{} not part of a {family} model: {names} (in {})", if *n == 1 { "1 tensor is".to_owned() } else { format!("{n} tensors are") }, path.display())]
    Leftover {
        /// Number of these tensors.
        n: usize,
        /// The first of them.
        names: String,
        /// Display name of the family.
        family: String,
        /// The folder or file.
        path: PathBuf,
    },
    /// One part of the model under two of the names it may have.
    #[error("tensors {one} and {other} are the same part of the model, expected one of them (in {})", path.display())]
    TwoNames {
        /// Name of one tensor.
        one: String,
        /// Name of the other.
        other: String,
        /// The folder or file.
        path: PathBuf,
    },
    /// Weights in a format of fewer bits that is not read.
    #[error("the weights are quantised by {method} ({tensor}), which is not read, expected plain numbers, FP8, MXFP4, NVFP4, AWQ, GPTQ, MLX or compressed-tensors, or the model in GGUF (in {})", path.display())]
    Quantised {
        /// The method, as people call it.
        method: String,
        /// A tensor that shows it.
        tensor: String,
        /// Path of the file.
        path: PathBuf,
    },
    /// Config and tensors disagree whether a layer has experts.
    #[error("layer {layer} is {kind} by its config, but there is a tensor {tensor} (in {})", path.display())]
    LayerKind {
        /// Index of the layer, from 0.
        layer: usize,
        /// What the config says.
        kind: &'static str,
        /// The tensor that says otherwise.
        tensor: String,
        /// The folder or file.
        path: PathBuf,
    },
    /// It does not fit into memory.
    #[error("{what} needs {need}, but {room} ({name})")]
    Memory {
        /// What needs it.
        what: &'static str,
        /// How much, and what for.
        need: String,
        /// What may be taken.
        room: Allowance,
        /// Name of the model or of its folder.
        name: String,
    },
    /// No such made-up model.
    #[error("there is no made-up model {name:?}, expected one of {}, or custom:KEY=NUMBER,…", known.join(", "))]
    Preset {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// A key or value of a made-up model that is none.
    #[error("{pair:?} says nothing about a made-up model, expected KEY=NUMBER with one of {}", known.join(", "))]
    CustomKey {
        /// What was typed.
        pair: String,
        /// The keys there are.
        known: Vec<&'static str>,
    },
    /// A chat was asked for, and there is no template.
    #[error("this checkpoint has no chat template; give the prompt as plain text")]
    NoTemplate,
    /// A chat template that is wrong, or refuses.
    #[error("the chat template cannot be followed: {what}")]
    Template {
        /// What is wrong.
        what: String,
    },
    /// A text does not become tokens.
    #[error("the text could not be turned into tokens: {what}")]
    Encode {
        /// What is wrong.
        what: String,
    },
}
