//! Prompts that show off what the Tour model learned (assets/models/SOURCES.md), the first with the
//! edits that belong to it; and series made by formulas (assets/samples/series/SOURCES.md).

use crate::trace::PositionKind;

/// A prompt to start from.
#[derive(Clone, Copy, Debug)]
pub struct PromptPreset {
    /// What the menu says.
    pub name: &'static str,
    /// The words.
    pub prompt: &'static str,
    /// Edits worth trying on it, without positions: they act from its last token on.
    pub edits: &'static [&'static str],
    /// What those edits are.
    pub edits_name: &'static str,
}

/// The presets, in the order of the menu.
pub const PRESETS: &[PromptPreset] = &[
    PromptPreset {
        name: "French",
        prompt: "Il était une fois une petite fille qui",
        edits: &["mask:2.5", "mask:3.6", "mask:4.5", "mask:5.5"],
        edits_name: "Mask the four experts that carry French",
    },
    PromptPreset {
        name: "German",
        prompt: "Es war einmal ein König, der",
        edits: &["mask:1.6", "mask:2.4", "mask:3.7", "mask:4.3"],
        edits_name: "Mask the four experts that carry German",
    },
    PromptPreset {
        name: "Story",
        prompt: "Once upon a time, there was a little",
        edits: &[],
        edits_name: "",
    },
    PromptPreset {
        name: "Python",
        prompt: "def add(a, b):",
        edits: &["mask:1.7", "mask:3.1", "mask:4.2", "mask:5.2"],
        edits_name: "Mask the four experts that carry Python",
    },
    PromptPreset {
        name: "Arithmetic",
        prompt: "Q: What is 12 + 30?",
        edits: &[],
        edits_name: "",
    },
    PromptPreset {
        name: "JSON",
        prompt: "{\"name\": \"",
        edits: &[],
        edits_name: "",
    },
];

/// The sample series, for a model that reads those; a column of numbers under its name.
pub const SERIES_PRESETS: &[PromptPreset] = &[
    series(
        "Daily",
        include_str!("../../assets/samples/series/daily.csv"),
    ),
    series(
        "Growth",
        include_str!("../../assets/samples/series/growth.csv"),
    ),
    series(
        "Bursts",
        include_str!("../../assets/samples/series/bursts.csv"),
    ),
];

const fn series(name: &'static str, prompt: &'static str) -> PromptPreset {
    PromptPreset {
        name,
        prompt,
        edits: &[],
        edits_name: "",
    }
}

/// What there is to start from.
#[must_use]
pub fn presets(kind: PositionKind) -> &'static [PromptPreset] {
    match kind {
        PositionKind::Token => PRESETS,
        PositionKind::Point => SERIES_PRESETS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{Intervention, Series};

    #[test]
    fn every_sample_series_reads() {
        for preset in presets(PositionKind::Point) {
            let points = Series::typed(preset.prompt).unwrap().points;
            assert_eq!(points.len(), 720, "{}", preset.name);
        }
    }

    #[test]
    fn every_edit_of_a_preset_reads() {
        for preset in PRESETS {
            for edit in preset.edits {
                edit.parse::<Intervention>().unwrap();
            }
        }
    }
}
