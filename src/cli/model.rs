//! What commands that run a model share: which model, where it runs, under which edits, on which ids.

use std::{ffi::OsString, path::PathBuf};

use super::{Failure, Output, values::path_parser};
use crate::checkpoint::{self, Checkpoint, Source};
use crate::document::SeriesFile;
use crate::engine::{Backend, Extent, open_backend, paging_note, quantized_note};
use crate::spec::{
    BlockFormat, DeviceChoice, GivenIds, Intervention, InterventionSet, ModelSpec, Placement,
    PromptForm, Revision, RoutingPolicy, TokenId,
};
use crate::trace::DeviceFacts;

/// Where a model runs, as it is typed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Device {
    /// A graphics processor where there is one that can, else the CPU.
    #[default]
    Auto,
    /// A graphics processor, one in software too.
    Gpu,
    /// The CPU.
    Cpu,
}

/// A format of blocks, as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Quantize {
    /// 8 bits a weight.
    #[value(name = "q8_0")]
    Q8_0,
    /// 4 bits a weight.
    #[value(name = "q4_0")]
    Q4_0,
}

impl From<Quantize> for BlockFormat {
    fn from(format: Quantize) -> Self {
        match format {
            Quantize::Q8_0 => Self::Q8_0,
            Quantize::Q4_0 => Self::Q4_0,
        }
    }
}

impl Device {
    /// As it is typed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Gpu => "gpu",
            Self::Cpu => "cpu",
        }
    }

    /// What it stands for.
    #[must_use]
    pub fn choice(self) -> DeviceChoice {
        match self {
            Self::Auto => DeviceChoice::Auto,
            Self::Gpu => DeviceChoice::Gpu,
            Self::Cpu => DeviceChoice::Cpu,
        }
    }

    /// There, weights as stored or in blocks.
    #[must_use]
    pub fn placement(self, quantize: Option<Quantize>) -> Placement {
        Placement {
            device: self.choice(),
            quantize: quantize.map(BlockFormat::from),
        }
    }
}

/// Model, device, edits.
#[derive(Clone, Debug, clap::Args)]
pub struct ModelArgs {
    /// A model folder or a file in it, a GGUF file, or `tour` or `tour-collapsed` for a model inside the program.
    pub model: OsString,
    /// Where it runs.
    #[arg(long, value_enum, default_value_t)]
    pub device: Device,
    /// Hold weights in blocks of this format.
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub quantize: Option<Quantize>,
    /// An edit of the routing, as `mask:4.5`; may be given again.
    #[arg(long = "edit", value_name = "EDIT", allow_hyphen_values = true)]
    pub edits: Vec<String>,
}

impl ModelArgs {
    /// Opens the checkpoint.
    ///
    /// # Errors
    /// One sentence.
    pub fn open(&self) -> Result<Checkpoint, Failure> {
        checkpoint::open(&Source::parse(&self.model)).map_err(Failure::misuse)
    }

    /// Opens the backend, and says what is noteworthy of how its weights are held.
    ///
    /// # Errors
    /// One sentence.
    pub fn backend(
        &self,
        checkpoint: &Checkpoint,
        extent: Extent,
    ) -> Result<Box<dyn Backend>, Failure> {
        Ok(self.backend_on(checkpoint, extent)?.0)
    }

    /// The same, and what it runs on.
    ///
    /// # Errors
    /// One sentence.
    pub fn backend_on(
        &self,
        checkpoint: &Checkpoint,
        extent: Extent,
    ) -> Result<(Box<dyn Backend>, DeviceFacts), Failure> {
        let opened = open_backend(checkpoint, self.placement(), extent);
        let (backend, device) = opened.map_err(Failure::misuse)?;
        say_held(checkpoint, self.quantize, extent, &device);
        Ok((backend, device))
    }

    /// Where the model runs.
    #[must_use]
    pub fn placement(&self) -> Placement {
        self.device.placement(self.quantize)
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

/// How weights are held: a line on what was made into blocks and what could not be, one where they do not stay in
/// memory.
pub fn say_held(
    checkpoint: &Checkpoint,
    quantize: Option<Quantize>,
    extent: Extent,
    device: &DeviceFacts,
) {
    let mut output = Output::standard();
    let format = quantize.map(BlockFormat::from);
    if let Some(format) = format {
        output.remark(quantized_note(format, &checkpoint.weights));
    }
    if !device.is_gpu
        && let Some(note) = paging_note(checkpoint, format, extent)
    {
        output.remark(note);
    }
}

/// A series in the place of a prompt, as it is typed.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct SeriesArgs {
    /// For a model of time series: a file of numbers one a line, or a table with a column of them, which is continued.
    #[arg(
        long,
        value_name = "FILE",
        allow_hyphen_values = true,
        conflicts_with_all = ["prompt", "ids", "chat"],
        value_parser = path_parser()
    )]
    series: Option<PathBuf>,
    /// The column of the table, by its name or place, where several hold numbers.
    #[arg(
        long,
        value_name = "NAME",
        allow_hyphen_values = true,
        requires = "series"
    )]
    column: Option<String>,
}

impl SeriesArgs {
    /// The file, where one is named.
    #[must_use]
    pub fn file(&self) -> Option<SeriesFile> {
        let path = self.series.clone()?;
        let column = self.column.clone();
        Some(SeriesFile { path, column })
    }
}

/// Token ids in the place of a prompt, as they are typed.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct IdsArgs {
    /// What the text starts with, as token ids; nothing is added. Of an encoder–decoder model they are its source.
    #[arg(long, allow_hyphen_values = true)]
    ids: Option<String>,
    /// Token ids that an encoder–decoder model's text begins with, as 0,5,17; without them, its start token alone.
    #[arg(long, value_name = "IDS", requires = "ids", allow_hyphen_values = true)]
    decoder_ids: Option<String>,
}

impl IdsArgs {
    /// The ids, where there are any.
    ///
    /// # Errors
    /// What is no id.
    pub fn given(&self) -> Result<Option<GivenIds>, Failure> {
        let Some(ids) = self.ids.as_deref() else {
            return Ok(None);
        };
        let text = self.decoder_ids.as_deref().map(parse_ids).transpose()?;
        let ids = parse_ids(ids)?;
        Ok(Some(GivenIds { ids, text }))
    }
}

/// Whether a prompt is a turn of a conversation.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ChatArgs {
    /// Put the prompt in the checkpoint's own chat template.
    #[arg(long, requires = "prompt")]
    chat: bool,
    /// What is said to the model before the prompt.
    #[arg(
        long,
        value_name = "TEXT",
        requires = "chat",
        allow_hyphen_values = true
    )]
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

/// Reads `5,17,3`.
///
/// # Errors
/// What is no id.
pub fn parse_ids(text: &str) -> Result<Vec<TokenId>, Failure> {
    let one = |it: &str| {
        TokenId::typed(it).ok_or_else(|| {
            Failure::misuse(format!(
                "expected token ids as 5,17,3, but \"{it}\" is none"
            ))
        })
    };
    text.split(',').map(one).collect()
}

/// Reads `0.5,-1,2.25`, the points of a series, as what a model of time series reads in place of tokens.
///
/// # Errors
/// What is no number.
pub fn parse_points(text: &str) -> Result<Vec<TokenId>, Failure> {
    let one = |it: &str| {
        it.trim().parse().map(TokenId::of_point).map_err(|_| {
            Failure::misuse(format!(
                "expected points as 0.5,-1,2.25, but \"{it}\" is no number"
            ))
        })
    };
    text.split(',').map(one).collect()
}
