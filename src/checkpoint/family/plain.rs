//! What the six families share: a decoder of the Llama line whose layers have experts or a dense
//! network. Each family reads what it does differently on top of this.

use serde_json::Value;

use crate::spec::{
    Ffn, GqaSpec, HeadSpec, InputSpec, KvMap, LayerId, LayerSpec, MAX_EXPERTS, Mask, Mixer,
    MlpSpec, ModelSpec, MoeSpec, NormSpec, QkNorm, Renorm, RouterId, RouterSpec, Topology,
};

use super::{
    super::{
        CheckpointError,
        config::Config,
        rope::{self, RopeDefaults},
    },
    Draft,
};

pub(super) const MAX_WIDTH: usize = 1 << 20;
pub(super) const MAX_FF: usize = 1 << 22;
pub(super) const MAX_VOCAB: usize = 1 << 24;
pub(super) const MAX_LAYERS: usize = 4096;
pub(super) const MAX_HEADS: usize = 1 << 14;
const MAX_CTX: usize = i32::MAX as usize;

/// The defaults of a family's configuration class.
pub(super) struct Defaults {
    pub(super) d_model: usize,
    pub(super) n_vocab: usize,
    pub(super) n_layers: usize,
    pub(super) n_heads: usize,
    /// None is as many as heads.
    pub(super) n_kv_heads: Option<usize>,
    /// None is as many as the width shared by the heads.
    pub(super) head_dim: Option<usize>,
    pub(super) n_ctx: usize,
    pub(super) eps: f32,
    /// What the norms' epsilon is called.
    pub(super) eps_key: &'static str,
    pub(super) theta: f32,
    /// The share of a head that rotates; none where heads of the family rotate whole.
    pub(super) rotary: Option<f32>,
    /// Which object of `rope_parameters` holds for layers that see all; none where all rotate alike.
    pub(super) rope_kind: Option<&'static str>,
    pub(super) n_experts: usize,
    pub(super) top_k: usize,
}

/// A decoder before its layers are filled in.
pub(super) struct Plain {
    pub(super) d_model: usize,
    pub(super) n_vocab: usize,
    pub(super) n_layers: usize,
    pub(super) n_ctx: usize,
    pub(super) norm: NormSpec,
    /// Attention of a layer, without biases, norms, clip or window.
    pub(super) attn: GqaSpec,
    pub(super) tied: bool,
    pub(super) n_experts: usize,
    pub(super) top_k: usize,
    pub(super) input_scale: f32,
    pub(super) residual_scale: f32,
    pub(super) head_div: f32,
    /// A factor that the scaling of positions asks of the scores of latent attention.
    pub(super) score_factor: f32,
    notes: Vec<String>,
}

impl Plain {
    /// Reads what all share.
    ///
    /// # Errors
    /// A setting that makes no sense.
    pub(super) fn read(config: &Config, defaults: &Defaults) -> Result<Self, CheckpointError> {
        Self::read_heads(config, defaults, "head_dim")
    }

    /// The same where another key says how wide a head is: what rotates of it, in latent attention.
    ///
    /// # Errors
    /// A setting that makes no sense.
    pub(super) fn read_heads(
        config: &Config,
        defaults: &Defaults,
        width_key: &str,
    ) -> Result<Self, CheckpointError> {
        let act = config.text("hidden_act")?.unwrap_or("silu");
        if !matches!(act, "silu" | "swish") {
            return Err(config.wrong("hidden_act", "silu"));
        }
        let d_model = config.whole("hidden_size", 1..=MAX_WIDTH, defaults.d_model)?;
        let eps = config.positive(defaults.eps_key, defaults.eps)?;
        let n_ctx = config.whole("max_position_embeddings", 1..=MAX_CTX, defaults.n_ctx)?;
        let (attn, rope) = attention(config, defaults, width_key, [d_model, n_ctx], eps)?;
        let (n_experts, top_k) = experts(config, defaults)?;
        Ok(Self {
            d_model,
            n_vocab: config.whole("vocab_size", 1..=MAX_VOCAB, defaults.n_vocab)?,
            n_layers: config.whole("num_hidden_layers", 1..=MAX_LAYERS, defaults.n_layers)?,
            n_ctx: rope.n_ctx,
            norm: NormSpec::rms(eps),
            attn,
            tied: config.flag("tie_word_embeddings", false)?,
            n_experts,
            top_k,
            input_scale: 1.0,
            residual_scale: 1.0,
            head_div: 1.0,
            score_factor: rope.score_factor,
            notes: rope.notes,
        })
    }

    /// The model, with the mixer, the router's rule and the network of each layer.
    pub(super) fn build(
        self,
        family: &super::Family,
        layer: impl Fn(&Self, usize) -> Layer,
    ) -> Draft {
        let mut routers = Vec::new();
        let layers = (0..self.n_layers)
            .map(|l| {
                let plan = layer(&self, l);
                let ffn = match plan.ffn {
                    FfnPlan::Dense(it) => Ffn::Dense(it),
                    FfnPlan::None => Ffn::None,
                    FfnPlan::Moe(router, moe) => {
                        let id = RouterId::new(routers.len());
                        routers.push(*router);
                        Ffn::Moe(MoeSpec { router: id, ..moe })
                    }
                };
                LayerSpec {
                    norms: [
                        Some(self.norm).filter(|_| plan.mixer != Mixer::None),
                        None,
                        Some(self.norm).filter(|_| ffn != Ffn::None),
                        None,
                    ],
                    mixer: plan.mixer,
                    cross: None,
                    ffn,
                    topology: Topology::PreNorm,
                    residual_scale: self.residual_scale,
                    is_scaled: false,
                }
            })
            .collect();
        let spec = ModelSpec {
            family: family.model_type.to_owned(),
            family_label: family.label.to_owned(),
            d_model: self.d_model,
            n_vocab: self.n_vocab,
            n_ctx: self.n_ctx,
            input: InputSpec::Tokens {
                scale: self.input_scale,
            },
            norm: self.norm,
            encoder: None,
            layers,
            head: HeadSpec::plain(self.tied, self.head_div),
            routers,
        };
        Draft {
            spec,
            notes: self.notes,
            read: Vec::new(),
        }
    }

    /// Attention of a layer that sees so much.
    pub(super) fn attention(&self, mask: Mask) -> Mixer {
        Mixer::Gqa(GqaSpec {
            mask,
            ..self.attn.clone()
        })
    }

    /// The rule that the families start from: softmax over all, the k best.
    pub(super) fn router(&self, layer: usize) -> RouterSpec {
        RouterSpec::softmax_top_k(LayerId::new(layer), self.n_experts, self.top_k)
    }
}

/// What a family says of one layer.
pub(super) struct Layer {
    pub(super) mixer: Mixer,
    pub(super) ffn: FfnPlan,
}

/// Its network.
pub(super) enum FfnPlan {
    Dense(MlpSpec),
    None,
    /// Rule and experts; the experts' router id is filled in by `build`.
    Moe(Box<RouterSpec>, MoeSpec),
}

/// What each layer is, by the words of a list; none where there is no list.
///
/// # Errors
/// Another length than that of the model, or a word that is none of them.
pub(super) fn kinds<T: Copy>(
    config: &Config,
    key: &str,
    n_layers: usize,
    words: &[(&str, T)],
) -> Result<Option<Vec<T>>, CheckpointError> {
    let Some(list) = config.list(key)? else {
        return Ok(None);
    };
    let kind = |it: &Value| {
        let word = it.as_str()?;
        Some(words.iter().find(|(known, _)| *known == word)?.1)
    };
    let kinds: Option<Vec<T>> = list.iter().map(kind).collect();
    let words: Vec<&str> = words.iter().map(|it| it.0).collect();
    let wrong = || {
        let words = words.join(" and ");
        config.wrong(key, format!("a list of {n_layers} of {words}"))
    };
    kinds
        .filter(|it| it.len() == n_layers)
        .map(Some)
        .ok_or_else(wrong)
}

/// An inner width.
///
/// # Errors
/// 0, absurd, or no whole number.
pub(super) fn width(config: &Config, key: &str, default: usize) -> Result<usize, CheckpointError> {
    config.whole(key, 1..=MAX_FF, default)
}

/// A window of positions, where one is set.
///
/// # Errors
/// 0, absurd, or no whole number.
pub(super) fn window(
    config: &Config,
    default: Option<usize>,
) -> Result<Option<usize>, CheckpointError> {
    let given = config.maybe_whole("sliding_window", 1..=MAX_CTX)?;
    // A key that is there and null means none.
    Ok(given.or(default.filter(|_| !config.is_null("sliding_window"))))
}

/// Whether the weights of the chosen are divided by their sum; no, where nothing is said.
///
/// # Errors
/// Neither true nor false.
pub(super) fn renorm(config: &Config) -> Result<Renorm, CheckpointError> {
    Ok(if config.flag("norm_topk_prob", false)? {
        Renorm::Sum { eps: 0.0, min: 0.0 }
    } else {
        Renorm::None
    })
}

fn attention(
    config: &Config,
    defaults: &Defaults,
    width_key: &str,
    [d_model, n_ctx]: [usize; 2],
    eps: f32,
) -> Result<(GqaSpec, rope::Rope), CheckpointError> {
    let n_heads = config.whole("num_attention_heads", 1..=MAX_HEADS, defaults.n_heads)?;
    // Null means as many as heads; a key that is missing takes the family's default.
    let n_kv_default = defaults
        .n_kv_heads
        .filter(|_| !config.is_null("num_key_value_heads"))
        .unwrap_or(n_heads);
    let keys = ["num_key_value_heads", "num_attention_groups"];
    let n_kv_heads = config.whole_of(&keys, 1..=MAX_HEADS, n_kv_default)?;
    if !n_heads.is_multiple_of(n_kv_heads) {
        return Err(config.refuse(
            "num_key_value_heads",
            n_kv_heads.to_string(),
            format!("a divisor of num_attention_heads, {n_heads}"),
        ));
    }
    let keys = ["head_dim", "attention_head_dim", "kv_channels"];
    let key = if width_key == keys[0] {
        let given = keys.iter().find(|it| config.get(it).is_some());
        given.copied().unwrap_or(width_key)
    } else {
        width_key
    };
    let head_dim = match config.maybe_whole(key, 1..=MAX_WIDTH)? {
        Some(it) => it,
        None if let Some(it) = defaults.head_dim => it,
        None if d_model.is_multiple_of(n_heads) => d_model / n_heads,
        None => {
            return Err(config.refuse(
                "hidden_size",
                d_model.to_string(),
                format!("a multiple of num_attention_heads, {n_heads}, where there is no head_dim"),
            ));
        }
    };
    if head_dim % 2 == 1 {
        return Err(config.refuse(
            width_key,
            head_dim.to_string(),
            "even, because positions rotate pairs",
        ));
    }
    let rope = rope::read(
        config,
        n_ctx,
        RopeDefaults {
            head_dim,
            share: defaults.rotary,
            theta: defaults.theta,
            kind: defaults.rope_kind,
        },
    )?;
    let attn = GqaSpec {
        n_heads,
        n_kv_heads,
        head_dim,
        v_dim: head_dim,
        v_scale: 1.0,
        kv_map: KvMap::Grouped,
        bias: [false; 4],
        qk_norm: QkNorm::None,
        qk_norm_eps: eps,
        qk_norm_after_rope: false,
        v_norm: false,
        k_is_v: false,
        clip: None,
        scale: 1.0 / (head_dim as f32).sqrt(),
        softcap: None,
        sinks: false,
        out_gate: None,
        rope: Some(rope.spec.clone()),
        mask: Mask::Causal,
        query_temperature: None,
        relative_bias: None,
    };
    Ok((attn, rope))
}

/// E and k. All spellings are in use, newer files change between them.
fn experts(config: &Config, defaults: &Defaults) -> Result<(usize, usize), CheckpointError> {
    let keys = [
        "num_local_experts",
        "num_experts",
        "n_routed_experts",
        "moe_num_experts",
    ];
    let n_experts = config.whole_of(&keys, 1..=MAX_EXPERTS, defaults.n_experts)?;
    let keys = [
        "num_experts_per_tok",
        "moe_k",
        "moe_top_k",
        "num_experts_per_token",
    ];
    let top_k = config.whole_of(&keys, 1..=MAX_EXPERTS, defaults.top_k)?;
    if top_k > n_experts {
        let given = keys.iter().find(|it| config.get(it).is_some());
        return Err(config.refuse(
            given.unwrap_or(&keys[0]),
            top_k.to_string(),
            format!("at most the number of experts, {n_experts}"),
        ));
    }
    Ok((n_experts, top_k))
}
