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
        /// Where.
        path: PathBuf,
    },
    /// The system refused.
    #[error("could not {doing}: {source} (at {})", path.display())]
    Io {
        /// What we were doing.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
        /// Where.
        path: PathBuf,
    },
    /// A file cannot be read as what its name says.
    #[error("{what} (in {})", path.display())]
    Broken {
        /// What is wrong and what was expected.
        what: String,
        /// The file.
        path: PathBuf,
    },
    /// Several models are there, and one has to be named.
    #[error("{what} (in {})", path.display())]
    Several {
        /// How many there are, and the first of them.
        what: String,
        /// All of them.
        choices: Vec<ModelChoice>,
        /// The folder.
        path: PathBuf,
    },
    /// A setting makes no sense.
    #[error("{key} is {got}, but it must be {want} (in {})", path.display())]
    Setting {
        /// The key.
        key: String,
        /// Its value.
        got: String,
        /// What it may be.
        want: String,
        /// The file.
        path: PathBuf,
    },
    /// A family that this program does not read.
    #[error("{what}; models that open are {opens} (in {})", path.display())]
    Family {
        /// The family and what is known of it.
        what: String,
        /// The families that open.
        opens: String,
        /// The file.
        path: PathBuf,
    },
    /// No layer has experts.
    #[error("{what}: no layer has experts, so there is no routing to show (in {})", path.display())]
    Dense {
        /// What says so.
        what: String,
        /// The file.
        path: PathBuf,
    },
    /// A tensor is not there.
    #[error("tensor {tensor} is missing, expected with shape {want:?} (in {})", path.display())]
    Missing {
        /// The tensor.
        tensor: String,
        /// Its shape.
        want: Vec<usize>,
        /// The folder or file.
        path: PathBuf,
    },
    /// A tensor has another shape than the config says.
    #[error("tensor {tensor} has shape {got:?}, but this model needs {want:?} (in {})", path.display())]
    Shape {
        /// The tensor.
        tensor: String,
        /// Its shape.
        got: Vec<usize>,
        /// The shape that fits the config.
        want: Vec<usize>,
        /// The file.
        path: PathBuf,
    },
    /// Numbers of a kind that is not read.
    #[error("tensor {tensor} holds {got} numbers, expected {want} (in {})", path.display())]
    Dtype {
        /// The tensor.
        tensor: String,
        /// Its kind of number.
        got: String,
        /// The kinds it may hold.
        want: String,
        /// The file.
        path: PathBuf,
    },
    /// Tensors that the family does not have.
    #[error("{} not part of a {family} model: {names} (in {})", if *n == 1 { "1 tensor is".to_owned() } else { format!("{n} tensors are") }, path.display())]
    Leftover {
        /// How many.
        n: usize,
        /// The first of them.
        names: String,
        /// The family.
        family: String,
        /// The folder or file.
        path: PathBuf,
    },
    /// One part of the model under two of the names it may have.
    #[error("tensors {one} and {other} are the same part of the model, expected one of them (in {})", path.display())]
    TwoNames {
        /// One tensor.
        one: String,
        /// The other.
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
        /// The file.
        path: PathBuf,
    },
    /// Config and tensors disagree whether a layer has experts.
    #[error("layer {layer} is {kind} by its config, but there is a tensor {tensor} (in {})", path.display())]
    LayerKind {
        /// The layer.
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
        /// The model.
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
