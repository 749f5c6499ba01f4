//! What the window begins with: a prompt or a series, edits, a seed; the line that "Copy as command line" writes.

use super::{
    Failure,
    model::{ChatArgs, IdsArgs, SeriesArgs, parse_edits},
    values::parse_scale,
};
use crate::document::SeriesFile;
use crate::spec::{Amount, GivenIds, InterventionSet, PromptForm, Sampling, Series, SeriesScale};

/// What the window begins with, as it is typed.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct StartArgs {
    /// What the text in the window starts with.
    #[arg(long, conflicts_with = "ids", allow_hyphen_values = true)]
    prompt: Option<String>,
    #[command(flatten)]
    ids: IdsArgs,
    #[command(flatten)]
    series: SeriesArgs,
    /// For points as the model reads them, less a mean and over a standard deviation: these two, to show them as they were.
    #[arg(
        long,
        value_name = "MEAN,DEVIATION",
        requires = "prompt",
        conflicts_with = "chat",
        allow_hyphen_values = true,
        value_parser = parse_scale
    )]
    scale: Option<SeriesScale>,
    #[command(flatten)]
    chat: ChatArgs,
    /// An edit of the routing in the window, as `mask:4.5`; may be given again.
    #[arg(long = "edit", value_name = "EDIT", allow_hyphen_values = true)]
    edits: Vec<String>,
    /// Of the noise that draws tokens in the window.
    #[arg(long, allow_hyphen_values = true)]
    seed: Option<u32>,
    /// Logits are divided by it in the window; 0 takes the likeliest token.
    #[arg(long, value_name = "T", allow_hyphen_values = true)]
    temp: Option<f32>,
}

/// What the window begins with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Start {
    /// The words in the prompt box and their form; none for those that are there at first.
    pub prompt: Option<(String, PromptForm)>,
    /// Given tokens in place of a prompt.
    pub ids: Option<GivenIds>,
    /// A series in place of a prompt, and where it stands.
    pub series: Option<(SeriesFile, Series)>,
    /// What the numbers of a prompt are read with; none where that follows from them.
    pub scale: Option<SeriesScale>,
    /// The list.
    pub edits: InterventionSet,
    /// How tokens are drawn.
    pub sampling: Sampling,
}

impl StartArgs {
    /// The series, where there is one.
    fn series(&self) -> Result<Option<(SeriesFile, Series)>, Failure> {
        let Some(file) = self.series.file() else {
            return Ok(None);
        };
        let series = file.read().map_err(Failure::misuse)?;
        Ok(Some((file, series)))
    }

    /// What they say.
    ///
    /// # Errors
    /// What is no edit, no id, no series, or a temperature out of range.
    pub fn start(&self) -> Result<Start, Failure> {
        let mut sampling = Sampling::default();
        sampling.seed = self.seed.unwrap_or(sampling.seed);
        sampling.temperature = self.temp.map_or(sampling.temperature, Amount);
        sampling.check().map_err(Failure::misuse)?;
        Ok(Start {
            prompt: self.prompt.clone().map(|it| (it, self.chat.form())),
            ids: self.ids.given()?,
            series: self.series()?,
            scale: self.scale,
            edits: parse_edits(&self.edits)?,
            sampling,
        })
    }
}
