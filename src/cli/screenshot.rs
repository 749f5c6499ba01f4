//! `screenshot`: what the window would show after writing N tokens, as a PNG, without a display.
//!
//! Parsed here; the window itself is drawn by `app`, which `main` hands this over to.

use std::{ffi::OsString, path::PathBuf};

use super::{
    Failure,
    model::{ChatArgs, Device, check_device, parse_edits, parse_ids},
    run::SamplingArgs,
};
use crate::checkpoint::Source;
use crate::engine::ModelSource;
use crate::spec::{InterventionSet, PromptForm, Sampling, TokenId};

/// Sizes a picture may have, points: the window's smallest, and what any graphics driver can draw.
const SMALLEST: (u32, u32) = (480, 320);
const LARGEST: u32 = 8192;

/// Draw the window to a file, after writing text.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The PNG to write.
    #[arg(value_name = "OUT.png")]
    pub out: PathBuf,
    /// A model folder, or `tour` for the model inside the program.
    #[arg(default_value = "tour")]
    model: OsString,
    /// Where it runs.
    #[arg(long, value_enum, default_value_t)]
    device: Device,
    /// An edit of the routing, as `mask:4.5`; may be given again.
    #[arg(long = "edit", value_name = "EDIT")]
    edits: Vec<String>,
    /// What the text starts with.
    #[arg(long, conflicts_with = "ids")]
    pub prompt: Option<String>,
    /// What the text starts with, as token ids; nothing is added.
    #[arg(long)]
    ids: Option<String>,
    #[command(flatten)]
    chat: ChatArgs,
    /// How many tokens to write.
    #[arg(short = 'n', long = "tokens", value_name = "N", default_value_t = 64)]
    pub n: u32,
    #[command(flatten)]
    sampling: SamplingArgs,
    /// Width and height, points.
    #[arg(long, value_name = "WxH", default_value = "1440x900", value_parser = parse_size)]
    pub size: (u32, u32),
    /// Which theme.
    #[arg(long, value_enum, default_value_t)]
    pub theme: Theme,
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
    ///
    /// # Errors
    /// A device that is not there.
    pub fn source(&self) -> Result<ModelSource, Failure> {
        check_device(self.device)?;
        Ok(Source::parse(self.model.as_ref()).into())
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
    pub fn ids(&self) -> Result<Option<Vec<TokenId>>, Failure> {
        self.ids.as_deref().map(parse_ids).transpose()
    }

    /// The form of the prompt.
    #[must_use]
    pub fn form(&self) -> PromptForm {
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

fn parse_size(text: &str) -> Result<(u32, u32), String> {
    let wanted = || format!("expected a size as 1440x900, not \"{text}\"");
    let (width, height) = text.split_once(['x', 'X', '×']).ok_or_else(wanted)?;
    let size = (
        width.trim().parse().map_err(|_| wanted())?,
        height.trim().parse().map_err(|_| wanted())?,
    );
    let fits = |it, least| (least..=LARGEST).contains(&it);
    if fits(size.0, SMALLEST.0) && fits(size.1, SMALLEST.1) {
        Ok(size)
    } else {
        Err(format!(
            "a picture is {}x{} to {LARGEST}x{LARGEST}, not {text}",
            SMALLEST.0, SMALLEST.1
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_checked() {
        assert_eq!(parse_size("1280x800"), Ok((1280, 800)));
        for text in [
            "",
            "1280",
            "1280x",
            "x800",
            "10x10",
            "99999x800",
            "-1x800",
            "axb",
        ] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
