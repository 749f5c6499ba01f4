//! `screenshot`: what the window, or one panel of it, would show after writing N tokens, without a display.
//!
//! Parsed here; the window itself is drawn by `app`, which `main` hands this over to. Which panels there are is known
//! there too.

use std::{ffi::OsString, path::PathBuf};

use clap::value_parser;

use super::{
    Failure,
    model::{ChatArgs, Device, IdsArgs, SeriesArgs, parse_edits},
    run::{SamplingArgs, length},
    values::{parse_size, parse_zoom},
};
use crate::checkpoint::Source;
use crate::engine::{Length, ModelOpener, ModelSource};
use crate::spec::{GivenIds, InterventionSet, PromptForm, RouterRef, Sampling, Series};

/// Sizes a picture may have, pixels: the window's smallest, a panel's, and what any graphics driver can draw.
const SMALLEST: (u32, u32) = (480, 320);
const SMALLEST_PANEL: (u32, u32) = (160, 100);
const LARGEST: u32 = 8192;
/// Sizes where none is asked for, pixels at a zoom of 1.
const WINDOW: (u32, u32) = (1440, 900);
const PANEL: (u32, u32) = (720, 400);

/// Draw the window or one panel to a file, after writing text.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What to write: a picture of the window or a panel (.png), a panel's shapes and text (.svg) or its numbers (.csv).
    #[arg(value_name = "OUT.png|.svg|.csv")]
    pub out: PathBuf,
    /// A model folder or a file in it, a GGUF file, or `tour` or `tour-collapsed` for a model inside the program.
    #[arg(default_value = "tour")]
    model: OsString,
    /// Where it runs.
    #[arg(long, value_enum, default_value_t)]
    device: Device,
    /// An edit of the routing, as `mask:4.5`; may be given again.
    #[arg(long = "edit", value_name = "EDIT", allow_hyphen_values = true)]
    edits: Vec<String>,
    /// What the text starts with.
    #[arg(long, conflicts_with = "ids", allow_hyphen_values = true)]
    pub prompt: Option<String>,
    #[command(flatten)]
    ids: IdsArgs,
    #[command(flatten)]
    series: SeriesArgs,
    #[command(flatten)]
    chat: ChatArgs,
    /// How many tokens to write, or points to forecast one by one.
    #[arg(
        short = 'n',
        long = "tokens",
        value_name = "N",
        default_value_t = 64,
        allow_hyphen_values = true
    )]
    pub n: u32,
    #[command(flatten)]
    sampling: SamplingArgs,
    /// Only this panel: heatmap, next token, load, …; a name that is none lists them all.
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub panel: Option<String>,
    /// What a panel shows: of the heatmap `live pick`, `share of tokens`, `gate mass`, `score`, `difference`; of the path `this token`, `flow`; of Health `texts`, `tokens seen so far`. May be given again.
    #[arg(long = "mode", value_name = "MODE", allow_hyphen_values = true)]
    pub modes: Vec<String>,
    /// Text files that Health judges the load by: plain, documents parted by a line `<|endoftext|>`, or JSONL or JSON with a field `text`.
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "samples")]
    pub text: Vec<PathBuf>,
    /// The sample texts inside the program, for Health.
    #[arg(long)]
    pub samples: bool,
    /// Say that a text given alone holds several kinds of text: Health then gives a verdict on it, as `check --mixed` does.
    #[arg(long)]
    pub mixed: bool,
    /// Width and height of the picture, pixels; 1440x900 for the window and 720x400 for a panel, times the zoom.
    #[arg(long, value_name = "WxH", allow_hyphen_values = true, value_parser = parse_size)]
    size: Option<(u32, u32)>,
    /// How much larger than usual everything in it is.
    #[arg(long, default_value_t = 1.0, allow_hyphen_values = true, value_parser = parse_zoom)]
    pub zoom: f32,
    /// Which theme.
    #[arg(long, value_enum, default_value_t)]
    pub theme: Theme,
    /// As a class sees it: the text and one panel, light and large; the size tells how large.
    #[arg(long, conflicts_with_all = ["zoom", "theme", "panel"])]
    pub present: bool,
    /// Which token that its layers read is selected, from 0; at first where the texts part, or one in the middle.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub token: Option<u32>,
    /// Which layer's router is selected, as an edit names it: 4, `attn.4`, `enc.1`, `dec.3`; at first that of the first edit, or the middle one.
    #[arg(long, value_name = "LAYER", allow_hyphen_values = true)]
    pub layer: Option<RouterRef>,
    /// Which expert is selected; at first that of the first edit, or the strongest.
    #[arg(long, value_name = "N", allow_hyphen_values = true, value_parser = value_parser!(u16).range(..=2047))]
    pub expert: Option<u16>,
    /// Which row is selected; at first the baseline where the texts part.
    #[arg(long, value_enum)]
    pub row: Option<RowArg>,
}

/// Which row is selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum RowArg {
    /// The text without edits.
    Baseline,
    /// The text under the edits.
    Edited,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Pixels.
    Png,
    /// Shapes and text.
    Svg,
    /// Numbers.
    Csv,
}

/// Which theme.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Theme {
    /// Dark.
    #[default]
    Dark,
    /// Light.
    Light,
}

impl Args {
    /// What to open.
    #[must_use]
    pub fn source(&self) -> ModelSource {
        Source::parse(self.model.as_ref()).into()
    }

    /// Opens it where it runs, for the text or the series that is asked for.
    #[must_use]
    pub fn opener(&self, series: Option<&Series>) -> ModelOpener {
        let of_text = || length(self.prompt.as_deref(), &self.ids, &self.chat, self.n);
        let of_series =
            |it: &Series| Length::Tokens(it.points.len().saturating_add(self.n as usize));
        ModelOpener {
            placement: self.device.placement(None),
            length: series.map_or_else(of_text, of_series),
            is_edited: !self.edits.is_empty(),
            tells_series: true,
        }
    }

    /// What is written, told by the end of the file's name.
    ///
    /// # Errors
    /// A name that ends otherwise; shapes or numbers of the whole window.
    pub fn form(&self) -> Result<Form, Failure> {
        let extension = self.out.extension().and_then(|it| it.to_str());
        let form = match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("png") => Form::Png,
            Some("svg") => Form::Svg,
            Some("csv") => Form::Csv,
            _ => {
                return Err(Failure::misuse(format!(
                    "a name that ends in .png, .svg or .csv says what is written (not {})",
                    self.out.display()
                )));
            }
        };
        if form != Form::Png && self.panel.is_none() {
            return Err(Failure::misuse(
                "of the whole window there is a PNG only; name a panel with --panel",
            ));
        }
        Ok(form)
    }

    /// Width and height, pixels.
    ///
    /// # Errors
    /// Smaller than the window can be, or a panel; larger than can be drawn.
    pub fn size(&self) -> Result<(u32, u32), Failure> {
        let (usual, least) = match self.panel {
            Some(_) => (PANEL, SMALLEST_PANEL),
            None => (WINDOW, SMALLEST),
        };
        let zoomed = |it: u32| (it as f32 * self.zoom).round() as u32;
        let size = self
            .size
            .unwrap_or_else(|| (zoomed(usual.0), zoomed(usual.1)));
        let fits = |it: u32, least: u32| (zoomed(least)..=LARGEST).contains(&it);
        if fits(size.0, least.0) && fits(size.1, least.1) {
            return Ok(size);
        }
        Err(Failure::misuse(format!(
            "at this zoom a picture is {}x{} to {LARGEST}x{LARGEST}, not {}x{}",
            zoomed(least.0),
            zoomed(least.1),
            size.0,
            size.1
        )))
    }

    /// The edits.
    ///
    /// # Errors
    /// The first that is none.
    pub fn edits(&self) -> Result<InterventionSet, Failure> {
        parse_edits(&self.edits)
    }

    /// The given tokens, where they are named by id.
    ///
    /// # Errors
    /// What is no id.
    pub fn ids(&self) -> Result<Option<GivenIds>, Failure> {
        self.ids.given()
    }

    /// The series, where there is one.
    ///
    /// # Errors
    /// No file of points, or a table whose column has to be named.
    pub fn series(&self) -> Result<Option<Series>, Failure> {
        let read = self.series.file().map(|it| it.read());
        read.transpose().map_err(Failure::misuse)
    }

    /// The form of the prompt.
    #[must_use]
    pub fn prompt_form(&self) -> PromptForm {
        self.chat.form()
    }

    /// How tokens are drawn.
    ///
    /// # Errors
    /// A value out of range.
    pub fn sampling(&self) -> Result<Sampling, Failure> {
        self.sampling.sampling()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &str) -> Args {
        let words = std::iter::once("screenshot").chain(line.split_whitespace());
        Line::try_parse_from(words).unwrap().args
    }

    #[test]
    fn sizes_are_checked_at_the_zoom() {
        for (line, wanted) in [
            ("a.png", Some((1440, 900))),
            ("a.png --zoom 2", Some((2880, 1800))),
            ("a.png --panel load", Some((720, 400))),
            ("a.svg --panel load --size 160x100", Some((160, 100))),
            ("a.png --size 160x100", None),
            ("a.png --size 640x480 --zoom 2", None),
            ("a.png --size 1280x800 --zoom 2", Some((1280, 800))),
            ("a.png --size 99999x800", None),
        ] {
            assert_eq!(args(line).size().ok(), wanted, "{line}");
        }
    }

    #[test]
    fn the_name_says_what_is_written() {
        for (line, wanted) in [
            ("a.png", Some(Form::Png)),
            ("a.PNG --panel load", Some(Form::Png)),
            ("a.svg --panel load", Some(Form::Svg)),
            ("a.csv --panel load", Some(Form::Csv)),
            ("a.svg", None),
            ("a.csv", None),
            ("a.jpg --panel load", None),
            ("a --panel load", None),
        ] {
            assert_eq!(args(line).form().ok(), wanted, "{line}");
        }
    }
}
