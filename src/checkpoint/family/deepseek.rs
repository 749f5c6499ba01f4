//! `DeepSeekMoE` (v1), and what related families took over: some dense layers first, experts beside a shared one that every token
//! passes, a router that scores each expert alone and chooses under a bias.

use serde_json::Value;

use crate::spec::{
    GroupScore, Groups, Mask, MlpSpec, MoeSpec, Renorm, RouterId, RouterSpec, Score, SharedGate,
    SharedInput, SharedSpec,
};

use super::{
    super::{CheckpointError, LayerSlot, Part, config::Config},
    Draft, Family,
    llama_names::{DECODER, DENSE, EXPERTS, PROJECTIONS, QK_NORMS},
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, MAX_FF, Plain, kinds, width},
};

pub(super) const DEEPSEEK: Family = Family {
    model_type: "deepseek",
    label: "DeepSeekMoE",
    read,
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[DECODER, PROJECTIONS, DENSE, EXPERTS, SHARED],
    },
};

/// The network that every token passes.
pub(super) const SHARED: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.mlp.shared_experts.gate_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Gate))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.shared_experts.up_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Up))],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.shared_experts.down_proj.weight",
        &[Role::In(LayerSlot::Shared(Part::Down))],
    ),
];

/// What a router since V3 adds to scores before it chooses.
pub(super) const SELECT_BIAS: &[Tensor] = &[Tensor::rows(
    "{body}layers.{l}.mlp.gate.e_score_correction_bias",
    &[Role::In(LayerSlot::SelectBias)],
)];

/// What related families without latent attention call their tensors: norms of queries and keys, a bias on the choice.
pub(super) const RELATED: &Names = &Names {
    prefixes: Prefix::USUAL,
    tensors: &[
        DECODER,
        PROJECTIONS,
        QK_NORMS,
        DENSE,
        EXPERTS,
        SELECT_BIAS,
        SHARED,
    ],
};

const DEFAULTS: Defaults = Defaults {
    d_model: 4096,
    n_vocab: 102_400,
    n_layers: 30,
    n_heads: 32,
    n_kv_heads: None,
    head_dim: None,
    n_ctx: 2048,
    eps: 1e-6,
    eps_key: "rms_norm_eps",
    theta: 10_000.0,
    rotary: None,
    rope_kind: None,
    n_experts: 64,
    top_k: 6,
};

/// Added to the sum that weights are divided by (`MoEGate` of the release).
pub(super) const RENORM_EPS: f32 = 1e-20;

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let mut plain = Plain::read(config, &DEFAULTS)?;
    plain.attn.bias = [config.flag("attention_bias", false)?; 4];
    match config.text("scoring_func")? {
        None | Some("softmax") => {}
        Some(_) => return Err(config.wrong("scoring_func", "softmax")),
    }
    let networks = Networks::read(
        config,
        &plain,
        &NetworkDefaults {
            d_dense: 11_008,
            d_expert: 1407,
            n_shared: 0,
            n_dense: 0,
            renorm: false,
            rule: plain.router(0),
        },
    )?;
    Ok(plain.build(&DEEPSEEK, |plain, l| Layer {
        mixer: plain.attention(Mask::Causal),
        ffn: networks.of_layer(l),
    }))
}

/// The defaults of a family's configuration class, of its networks.
pub(super) struct NetworkDefaults {
    /// Inner width of dense layers.
    pub(super) d_dense: usize,
    /// Of an expert.
    pub(super) d_expert: usize,
    /// Shared experts.
    pub(super) n_shared: usize,
    /// Dense layers, which come first.
    pub(super) n_dense: usize,
    /// Whether weights of the chosen are divided by their sum.
    pub(super) renorm: bool,
    /// What the family's router computes beside what is read here.
    pub(super) rule: RouterSpec,
}

/// Networks of all layers.
pub(super) struct Networks {
    /// The rule of every router.
    pub(super) rule: RouterSpec,
    /// Experts of a layer.
    pub(super) moe: MoeSpec,
    /// The network of a dense layer.
    pub(super) dense: MlpSpec,
    is_sparse: Vec<bool>,
}

impl Networks {
    /// Reads keys that the related families share: which layers are dense, widths, groups, whether and by what weights
    /// are scaled.
    ///
    /// # Errors
    /// A setting that makes no sense.
    pub(super) fn read(
        config: &Config,
        plain: &Plain,
        defaults: &NetworkDefaults,
    ) -> Result<Self, CheckpointError> {
        let rule = rule(config, plain, defaults)?;
        Self::with_rule(config, plain, defaults, rule)
    }

    /// The same of a family that reads its rule by keys of its own.
    ///
    /// # Errors
    /// A setting that makes no sense.
    pub(super) fn with_rule(
        config: &Config,
        plain: &Plain,
        defaults: &NetworkDefaults,
        rule: RouterSpec,
    ) -> Result<Self, CheckpointError> {
        let d_expert = width(config, "moe_intermediate_size", defaults.d_expert)?;
        Ok(Self {
            rule,
            moe: MoeSpec {
                shared: shared(config, d_expert, defaults.n_shared)?,
                ..MoeSpec::plain(RouterId(0), MlpSpec::silu(d_expert))
            },
            dense: MlpSpec::silu(width(config, "intermediate_size", defaults.d_dense)?),
            is_sparse: sparse(config, plain.n_layers, defaults.n_dense)?,
        })
    }

    /// With a factor on weights from another key, or of another default.
    ///
    /// # Errors
    /// A factor that is none.
    pub(super) fn scaled(
        mut self,
        config: &Config,
        key: &str,
        default: f32,
    ) -> Result<Self, CheckpointError> {
        self.rule.scale = config.positive(key, default)?;
        Ok(self)
    }

    /// The network of a layer, or its experts.
    pub(super) fn of_layer(&self, l: usize) -> FfnPlan {
        if self.is_sparse.get(l).is_some_and(|it| *it) {
            FfnPlan::Moe(Box::new(self.rule.at_layer(l)), self.moe.clone())
        } else {
            FfnPlan::Dense(self.dense)
        }
    }
}

/// A rule that scores each expert by the sigmoid of its logit, and chooses by that and a bias.
pub(super) fn sigmoid(plain: &Plain) -> RouterSpec {
    RouterSpec {
        score: Score::Sigmoid,
        select_bias: true,
        ..plain.router(0)
    }
}

fn rule(
    config: &Config,
    plain: &Plain,
    defaults: &NetworkDefaults,
) -> Result<RouterSpec, CheckpointError> {
    Ok(RouterSpec {
        groups: groups(config, plain)?,
        renorm: if config.flag("norm_topk_prob", defaults.renorm)? {
            Renorm::Sum {
                eps: RENORM_EPS,
                min: 0.0,
            }
        } else {
            Renorm::None
        },
        scale: config.positive("routed_scaling_factor", 1.0)?,
        ..defaults.rule.clone()
    })
}

/// Groups of experts of which only the best are chosen from; none where there is but one. A group is worth the sum
/// of its two best.
///
/// # Errors
/// Groups that do not divide the experts, or too few to choose from.
pub(super) fn groups(config: &Config, plain: &Plain) -> Result<Option<Groups>, CheckpointError> {
    groups_by(
        config,
        plain,
        "n_group",
        [1, usize::MAX],
        GroupScore::Top2Sum,
    )
}

/// The same with another key of their number, other defaults, of how many there are and how many are kept, and another
/// worth of a group.
///
/// # Errors
/// Groups that do not divide the experts, or too few to choose from.
pub(super) fn groups_by(
    config: &Config,
    plain: &Plain,
    key: &str,
    defaults: [usize; 2],
    by: GroupScore,
) -> Result<Option<Groups>, CheckpointError> {
    let n = config.whole(key, 1..=plain.n_experts, defaults[0])?;
    let keep = config.whole("topk_group", 1..=n, defaults[1].min(n))?;
    if !plain.n_experts.is_multiple_of(n) {
        let want = format!("a divisor of the {} experts", plain.n_experts);
        return Err(config.refuse(key, n.to_string(), want));
    }
    let size = plain.n_experts / n;
    if keep * size < plain.top_k {
        let want = format!(
            "enough groups of {size} experts to choose {} from",
            plain.top_k
        );
        return Err(config.refuse("topk_group", keep.to_string(), want));
    }
    Ok((n > 1).then_some(Groups { n, keep, by }))
}

/// One network as wide as so many experts; its width may be given instead.
fn shared(
    config: &Config,
    d_expert: usize,
    n_default: usize,
) -> Result<Option<SharedSpec>, CheckpointError> {
    const N: &str = "n_shared_experts";
    const OTHER: &str = "num_shared_experts";
    const WIDTH: &str = "shared_expert_intermediate_size";
    // A key that is there and null means none.
    let is_null = config.is_null(N) || config.is_null(OTHER);
    let n_default = if is_null { 0 } else { n_default };
    let n = config.whole_of(&[N, OTHER], 0..=MAX_FF, n_default)?;
    let by_count = n.checked_mul(d_expert).filter(|it| *it <= MAX_FF);
    let by_count = by_count.ok_or_else(|| config.wrong(N, "few enough for a network"))?;
    Ok(plain_shared(config.whole(WIDTH, 0..=MAX_FF, by_count)?))
}

/// A network of that width that every token passes without a gate; none of width 0.
pub(super) fn plain_shared(d_ff: usize) -> Option<SharedSpec> {
    (d_ff > 0).then(|| SharedSpec {
        mlp: MlpSpec::silu(d_ff),
        gate: SharedGate::None,
        input: SharedInput::SameNorm,
    })
}

/// Which layers have experts: by a word each, by a number each, or all behind the first few, of which one in so many.
///
/// # Errors
/// A list of another length or of other words.
pub(super) fn sparse(
    config: &Config,
    n_layers: usize,
    n_dense: usize,
) -> Result<Vec<bool>, CheckpointError> {
    const STEP: &str = "moe_layer_freq";
    let words = [("sparse", true), ("dense", false)];
    if let Some(it) = kinds(config, "mlp_layer_types", n_layers, &words)? {
        return Ok(it);
    }
    if config.get(STEP).is_some_and(Value::is_array) {
        return switches(config, STEP, n_layers);
    }
    let first = config.whole("first_k_dense_replace", 0..=usize::from(u16::MAX), n_dense)?;
    let step = config.whole(STEP, 1..=usize::from(u16::MAX), 1)?;
    let is_sparse = |l: usize| l >= first && l.is_multiple_of(step);
    Ok((0..n_layers).map(is_sparse).collect())
}

/// A list of 0 and 1, or of switches, one a layer; entries beyond the last layer are those of drafts.
///
/// # Errors
/// Too short a list, or one of other values.
pub(super) fn switches(
    config: &Config,
    key: &str,
    n_layers: usize,
) -> Result<Vec<bool>, CheckpointError> {
    let list = config.list(key)?.unwrap_or_default();
    let on = |it: &Value| match it.as_bool() {
        Some(it) => Some(it),
        None => it.as_u64().filter(|it| *it < 2).map(|it| it == 1),
    };
    let all: Option<Vec<bool>> = list.iter().take(n_layers).map(on).collect();
    all.filter(|it| it.len() == n_layers)
        .ok_or_else(|| config.wrong(key, format!("a list of {n_layers} of 0 and 1")))
}
