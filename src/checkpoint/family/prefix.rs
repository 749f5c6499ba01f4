//! What may stand before the names of tensors.

/// What stands before the names of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Prefix {
    /// Before those of the decoder.
    pub(super) body: &'static str,
    /// Before the head's.
    pub(super) head: &'static str,
}

impl Prefix {
    /// `model.`, nothing (a decoder saved without its head), and the two of models with other inputs.
    pub(super) const USUAL: &'static [Self] = &[
        Self::new("model.", ""),
        Self::NONE,
        Self::new("language_model.model.", "language_model."),
        Self::new("model.language_model.", ""),
    ];

    /// `backbone.`
    pub(super) const BACKBONE: &'static [Self] = &[Self::new("backbone.", ""), Self::NONE];

    /// `transformer.`
    pub(super) const TRANSFORMER: &'static [Self] = &[Self::new("transformer.", ""), Self::NONE];

    /// `model.` or `transformer.`
    pub(super) const GROK: &'static [Self] = &[
        Self::new("model.", ""),
        Self::new("transformer.", ""),
        Self::NONE,
    ];

    /// Nothing.
    pub(super) const NONE: Self = Self::new("", "");

    const fn new(body: &'static str, head: &'static str) -> Self {
        Self { body, head }
    }
}
