//! Prompts that show off what the Tour model learned (assets/models/SOURCES.md), the first with the
//! edits that belong to it.

/// A prompt to start from.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
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
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "French",
        prompt: "Il était une fois une petite fille qui",
        edits: &["mask:2.5", "mask:3.6", "mask:4.5", "mask:5.5"],
        edits_name: "Mask the four experts that carry French",
    },
    Preset {
        name: "German",
        prompt: "Es war einmal ein König, der",
        edits: &["mask:1.6", "mask:2.4", "mask:3.7", "mask:4.3"],
        edits_name: "Mask the four experts that carry German",
    },
    Preset {
        name: "Story",
        prompt: "Once upon a time, there was a little",
        edits: &[],
        edits_name: "",
    },
    Preset {
        name: "Python",
        prompt: "def add(a, b):",
        edits: &["mask:1.7", "mask:3.1", "mask:4.2", "mask:5.2"],
        edits_name: "Mask the four experts that carry Python",
    },
    Preset {
        name: "Arithmetic",
        prompt: "Q: What is 12 + 30?",
        edits: &[],
        edits_name: "",
    },
    Preset {
        name: "JSON",
        prompt: "{\"name\": \"",
        edits: &[],
        edits_name: "",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Intervention;

    #[test]
    fn every_edit_of_a_preset_reads() {
        for preset in PRESETS {
            for edit in preset.edits {
                edit.parse::<Intervention>().unwrap();
            }
        }
    }
}
