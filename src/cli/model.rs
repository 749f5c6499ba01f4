//! What commands that run a model share: which model, where it runs, under which edits, on which ids.

use std::ffi::OsString;

use super::Failure;
use crate::checkpoint::{self, Checkpoint, Source};
use crate::engine::LiveBackend;
use crate::model::Model;
use crate::ops::Cpu;
use crate::spec::{
    Intervention, InterventionSet, ModelSpec, PromptForm, Revision, RoutingPolicy, TokenId,
};

/// Where a model runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Device {
    /// The best there is.
    #[default]
    Auto,
    /// The graphics processor.
    Gpu,
    /// The processor.
    Cpu,
}

/// Model, device, edits.
#[derive(Clone, Debug, clap::Args)]
pub struct ModelArgs {
    /// A model folder, or `tour` or `tour-collapsed` for a model inside the program.
    pub model: OsString,
    /// Where it runs.
    #[arg(long, value_enum, default_value_t)]
    pub device: Device,
    /// An edit of the routing, as `mask:4.5`; may be given again.
    #[arg(long = "edit", value_name = "EDIT")]
    pub edits: Vec<String>,
}

impl ModelArgs {
    /// Opens the checkpoint; refuses a device that is not there.
    ///
    /// # Errors
    /// One sentence.
    pub fn open(&self) -> Result<Checkpoint, Failure> {
        check_device(self.device)?;
        checkpoint::open(&Source::parse(&self.model)).map_err(Failure::misuse)
    }

    /// The list of edits.
    ///
    /// # Errors
    /// The first that is none.
    pub fn edits(&self) -> Result<InterventionSet, Failure> {
        parse_edits(&self.edits)
    }

    /// The list, lowered for a model; no list at all is revision 0.
    ///
    /// # Errors
    /// An edit that is none or that the model cannot take.
    pub fn policy(&self, spec: &ModelSpec) -> Result<RoutingPolicy, Failure> {
        let revision = Revision(u32::from(!self.edits.is_empty()));
        RoutingPolicy::lower(&self.edits()?, spec, revision).map_err(Failure::misuse)
    }
}

/// Whether a prompt is a turn of a conversation.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ChatArgs {
    /// Put the prompt in the checkpoint's own chat template.
    #[arg(long, requires = "prompt")]
    chat: bool,
    /// What is said to the model before the prompt.
    #[arg(long, value_name = "TEXT", requires = "chat")]
    system: Option<String>,
}

impl ChatArgs {
    /// The form they ask for.
    #[must_use]
    pub fn form(&self) -> PromptForm {
        if self.chat {
            PromptForm::Chat {
                system: self.system.clone(),
            }
        } else {
            PromptForm::Plain
        }
    }
}

/// Refuses what this version cannot run on.
///
/// # Errors
/// One sentence for the GPU.
pub fn check_device(device: Device) -> Result<(), Failure> {
    match device {
        Device::Gpu => Err(Failure::misuse(
            "this version runs on the CPU only; use --device cpu",
        )),
        Device::Auto | Device::Cpu => Ok(()),
    }
}

/// Reads edits in their text form.
///
/// # Errors
/// The first that is none.
pub fn parse_edits(texts: &[String]) -> Result<InterventionSet, Failure> {
    texts
        .iter()
        .map(|it| it.parse::<Intervention>().map_err(Failure::misuse))
        .collect()
}

/// A backend on the CPU; every row of the embedding may be drawn unless the tokenizer has fewer.
///
/// # Errors
/// What the model needs and this version does not compute.
pub fn backend(checkpoint: &Checkpoint) -> Result<LiveBackend<Cpu>, Failure> {
    let model = Model::new(checkpoint.spec.clone(), &checkpoint.weights, Cpu::default())
        .map_err(Failure::misuse)?;
    let n_drawable = checkpoint
        .codec
        .as_ref()
        .map_or(checkpoint.spec.n_vocab, checkpoint::TextCodec::n_tokens);
    Ok(LiveBackend::new(model, n_drawable))
}

/// Reads `5,17,3`.
///
/// # Errors
/// What is no id.
pub fn parse_ids(text: &str) -> Result<Vec<TokenId>, Failure> {
    let one = |it: &str| {
        it.trim().parse().map(TokenId).map_err(|_| {
            Failure::misuse(format!(
                "expected token ids as 5,17,3, but \"{it}\" is none"
            ))
        })
    };
    text.split(',').map(one).collect()
}
