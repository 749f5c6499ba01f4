//! A model for tests that look at its routers alone.

use super::{HeadSpec, InputSpec, ModelSpec, NormSpec, RouterSpec};

impl ModelSpec {
    /// A model of these routers, without layers, 8 numbers wide.
    pub fn with_routers(routers: impl IntoIterator<Item = RouterSpec>) -> Self {
        Self {
            family: "made-up".to_owned(),
            family_label: "Made up".to_owned(),
            d_model: 8,
            n_vocab: 8,
            n_ctx: 8,
            input: InputSpec::Tokens { scale: 1.0 },
            norm: NormSpec::rms(1e-5),
            encoder: None,
            layers: Vec::new(),
            head: HeadSpec::plain(true, 1.0),
            routers: routers.into_iter().collect(),
        }
    }
}
