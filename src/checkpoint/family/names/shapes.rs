//! The shape that each part of a model must have, whatever it is called.

use crate::spec::{
    DeltaLayout, Ffn, Gate, GqaSpec, InputSpec, LatentUp, LayerSpec, Mamba1Spec, Mixer, MlaSpec,
    MlpSpec, ModelSpec, MoeSpec, QkNorm, RecurrentSpec, RouterInput, SharedGate, SharedInput,
    attention_expert,
};

use super::{
    super::super::{LatentSlot, LayerSlot, Part, RecurrentSlot},
    Role,
};

/// Rows and columns; a vector is one row.
#[derive(Clone, Copy)]
pub(super) struct Matrix {
    pub(super) rows: usize,
    pub(super) cols: usize,
    /// Stored as `[cols]`.
    pub(super) is_vector: bool,
}

impl Matrix {
    /// Its rows, or the numbers of a vector: what a tensor that holds several has one after the other.
    pub(super) fn length(&self) -> usize {
        if self.is_vector { self.cols } else { self.rows }
    }

    fn new(rows: usize, cols: usize) -> Self {
        Self {
            rows,
            cols,
            is_vector: false,
        }
    }

    fn vector(n: usize) -> Self {
        Self {
            rows: 1,
            cols: n,
            is_vector: true,
        }
    }
}

/// The matrix of a role in a layer (any, for those outside), of one expert where it is a part of experts; `None` where the
/// model has no such part.
pub(super) fn matrix_of(
    role: Role,
    spec: &ModelSpec,
    layer: usize,
    expert: usize,
) -> Option<Matrix> {
    let (v, h) = (spec.n_vocab, spec.d_model);
    match role {
        Role::Embedding => Some(match spec.input {
            InputSpec::Tokens { .. } => Matrix::new(v, h),
            InputSpec::Series { channels, .. } => Matrix::new(h, channels),
        }),
        Role::EmbeddingGate => match spec.input {
            InputSpec::Series {
                channels,
                gated_embed: true,
            } => Some(Matrix::new(h, channels)),
            InputSpec::Tokens { .. } | InputSpec::Series { .. } => None,
        },
        Role::Horizon(i) => match (spec.input, spec.head.horizons.get(usize::from(i))) {
            (InputSpec::Series { channels, .. }, Some(n)) => Some(Matrix::new(n * channels, h)),
            _ => None,
        },
        Role::FinalNorm => Some(Matrix::vector(h)),
        Role::FinalNormBias => spec.norm.bias.then(|| Matrix::vector(h)),
        Role::Head => (!spec.head.tied && spec.head.horizons.is_empty()).then(|| Matrix::new(v, h)),
        Role::HeadBias => spec.head.bias.then(|| Matrix::vector(v)),
        Role::EncoderNorm => spec.encoder.as_ref().map(|_| Matrix::vector(h)),
        Role::In(slot) | Role::InEncoder(slot) => {
            of_layer(slot, spec, layer, spec.layers_of(role.stack()).get(layer)?)
        }
        Role::Expert(part) | Role::EncoderExpert(part) => {
            let moe = moe(spec.layers_of(role.stack()).get(layer)?)?;
            let own = moe.widths.as_ref().and_then(|it| it.get(expert));
            let d_ff = own.copied().unwrap_or(moe.expert.d_ff);
            let mlp = MlpSpec { d_ff, ..moe.expert };
            of_network(part, &mlp, moe.latent.unwrap_or(h))
        }
        Role::AttentionExpert(part) => match &spec.layers.get(layer)?.mixer {
            Mixer::MoA { attn, .. } => of_network(part, &attention_expert(attn), h),
            _ => None,
        },
    }
}

/// Whether the experts of a layer are of several widths.
pub(super) fn has_widths(layer: &LayerSpec) -> bool {
    moe(layer).is_some_and(|it| it.widths.is_some())
}

/// The experts of a layer that a role is a part of; 0 where there are none.
pub(super) fn n_experts(role: Role, spec: &ModelSpec, layer: usize) -> usize {
    let layer = spec.layers_of(role.stack()).get(layer);
    let router = layer.and_then(|it| match &it.mixer {
        Mixer::MoA { router, .. } if matches!(role, Role::AttentionExpert(_)) => Some(*router),
        _ => moe(it).map(|it| it.router),
    });
    router
        .and_then(|it| spec.router(it))
        .map_or(0, |it| it.n_experts)
}

/// The heads of latent attention in a layer; 0 where it has none.
pub(super) fn n_heads(spec: &ModelSpec, layer: usize) -> usize {
    match spec.layers.get(layer).map(|it| &it.mixer) {
        Some(Mixer::Mla(it)) => it.n_heads,
        _ => 0,
    }
}

fn moe(layer: &LayerSpec) -> Option<&MoeSpec> {
    match &layer.ffn {
        Ffn::Moe(it) => Some(it),
        Ffn::Dense(_) | Ffn::None => None,
    }
}

fn of_network(part: Part, mlp: &MlpSpec, h: usize) -> Option<Matrix> {
    let f = mlp.d_ff;
    match part {
        Part::Gate => mlp.gated.then(|| Matrix::new(f, h)),
        Part::Up => Some(Matrix::new(f, h)),
        Part::Down => Some(Matrix::new(h, f)),
        Part::GateBias => (mlp.gated && mlp.bias).then(|| Matrix::vector(f)),
        Part::UpBias => mlp.bias.then(|| Matrix::vector(f)),
        Part::DownBias => mlp.bias.then(|| Matrix::vector(h)),
    }
}

/// Of attention to the encoder, and the table of a stack's distances in the layer that holds it.
fn of_t5(slot: LayerSlot, h: usize, row: usize, layer: &LayerSpec) -> Option<Matrix> {
    if slot == LayerSlot::RelativeBias {
        let Mixer::Gqa(attn) = &layer.mixer else {
            return None;
        };
        let bias = attn.relative_bias.filter(|it| it.owner.idx() == row)?;
        return Some(Matrix::new(bias.n_buckets, attn.n_heads));
    }
    let cross = layer.cross.as_ref()?;
    match slot {
        LayerSlot::CrossNorm => Some(Matrix::vector(h)),
        LayerSlot::CrossQ => of_attention(LayerSlot::Q, h, &cross.attn),
        LayerSlot::CrossK => of_attention(LayerSlot::K, h, &cross.attn),
        LayerSlot::CrossV => of_attention(LayerSlot::V, h, &cross.attn),
        LayerSlot::CrossO => of_attention(LayerSlot::O, h, &cross.attn),
        _ => None,
    }
}

fn of_layer(slot: LayerSlot, spec: &ModelSpec, row: usize, layer: &LayerSpec) -> Option<Matrix> {
    let h = spec.d_model;
    let shared = moe(layer).and_then(|it| it.shared);
    let router = moe(layer).and_then(|it| spec.router(it.router));
    let norm = |at: usize| layer.norms[at].map(|_| Matrix::vector(h));
    let norm_bias = |at: usize| layer.norms[at].filter(|it| it.bias).and(norm(at));
    match slot {
        LayerSlot::MixerNorm => norm(0),
        LayerSlot::MixerNormBias => norm_bias(0),
        LayerSlot::MixerPostNorm => norm(1),
        LayerSlot::FfnNorm => norm(2),
        LayerSlot::FfnNormBias => norm_bias(2),
        LayerSlot::FfnPostNorm => norm(3),
        LayerSlot::Router => router.map(|it| Matrix::new(it.n_experts, h)),
        LayerSlot::RouterBias => router
            .filter(|it| it.gate == Gate::Linear { bias: true })
            .map(|it| Matrix::vector(it.n_experts)),
        LayerSlot::SelectBias => router
            .filter(|it| it.select_bias)
            .map(|it| Matrix::vector(it.n_experts)),
        LayerSlot::RouterOut => router
            .filter(|it| it.gate == Gate::Mlp2Tanh)
            .map(|it| Matrix::new(it.n_experts, it.n_experts)),
        LayerSlot::RouterNorm => router
            .filter(|it| it.input == RouterInput::RmsScaled)
            .map(|_| Matrix::vector(h)),
        LayerSlot::ExpertScale => router
            .filter(|it| it.per_expert_scale)
            .map(|it| Matrix::vector(it.n_experts)),
        LayerSlot::ExpertsBias => moe(layer)
            .filter(|it| it.out_bias)
            .map(|_| Matrix::vector(h)),
        LayerSlot::LatentIn => moe(layer)
            .and_then(|it| it.latent)
            .map(|n| Matrix::new(n, h)),
        LayerSlot::LatentOut => moe(layer)
            .and_then(|it| it.latent)
            .map(|n| Matrix::new(h, n)),
        LayerSlot::ExpertsPostNorm => moe(layer)
            .and_then(|it| it.branch_norm)
            .map(|_| Matrix::vector(h)),
        LayerSlot::SharedPostNorm => moe(layer)
            .filter(|it| it.shared.is_some())
            .and_then(|it| it.branch_norm)
            .map(|_| Matrix::vector(h)),
        LayerSlot::SharedNorm => shared
            .filter(|it| it.input == SharedInput::OwnNorm)
            .map(|_| Matrix::vector(h)),
        LayerSlot::LayerScale => layer.is_scaled.then(|| Matrix::vector(1)),
        LayerSlot::Shared(part) => shared.and_then(|it| of_network(part, &it.mlp, h)),
        LayerSlot::SharedGate => shared
            .filter(|it| it.gate == SharedGate::SigmoidScalar)
            .map(|_| Matrix::new(1, h)),
        LayerSlot::Dense(part) => match &layer.ffn {
            Ffn::Dense(it) => of_network(part, it, h),
            Ffn::Moe(_) | Ffn::None => None,
        },
        LayerSlot::Expert(..) | LayerSlot::AttentionExpert(..) => None,
        LayerSlot::CrossNorm
        | LayerSlot::CrossQ
        | LayerSlot::CrossK
        | LayerSlot::CrossV
        | LayerSlot::CrossO
        | LayerSlot::RelativeBias => of_t5(slot, h, row, layer),
        LayerSlot::Recurrent(slot) => match &layer.mixer {
            Mixer::Recurrent(it) => of_recurrent(slot, h, it),
            _ => None,
        },
        _ => match &layer.mixer {
            Mixer::Gqa(it) => of_attention(slot, h, it),
            Mixer::Mla(it) => of_latent(slot, h, it),
            Mixer::MoA { attn, router } => match slot {
                LayerSlot::K | LayerSlot::V => of_attention(slot, h, attn),
                LayerSlot::AttentionRouter => Some(Matrix::new(spec.router(*router)?.n_experts, h)),
                LayerSlot::AttentionBias => Some(Matrix::vector(h)),
                _ => None,
            },
            _ => None,
        },
    }
}

/// Channels of queries, keys and values, where each have a convolution of their own.
fn convolutions(spec: &RecurrentSpec) -> Option<[usize; 3]> {
    match spec {
        RecurrentSpec::Delta(it) if it.layout == DeltaLayout::Apart => {
            Some([it.keys_width(), it.keys_width(), it.values_width()])
        }
        _ => None,
    }
}

/// A state space whose channels each have a step.
fn selects(spec: &RecurrentSpec) -> Option<&Mamba1Spec> {
    match spec {
        RecurrentSpec::Mamba1(it) => Some(it),
        _ => None,
    }
}

fn of_recurrent(slot: RecurrentSlot, h: usize, spec: &RecurrentSpec) -> Option<Matrix> {
    let (conv_bias, proj_bias) = spec.biases();
    let (heads, _) = spec.folded();
    let per_head = (heads > 0).then(|| Matrix::vector(heads));
    match slot {
        RecurrentSlot::In(i) => {
            let rows = spec.projections();
            let narrow = spec.bottlenecks().filter(|it| usize::from(i) >= it.0);
            let cols = narrow.map_or(h, |it| it.1);
            rows.get(usize::from(i)).map(|it| Matrix::new(*it, cols))
        }
        RecurrentSlot::Down(i) => {
            let narrow = spec.bottlenecks().filter(|it| usize::from(i) >= it.0);
            narrow.map(|it| Matrix::new(it.1, h))
        }
        RecurrentSlot::InBias => proj_bias.then(|| Matrix::vector(spec.n_in())),
        RecurrentSlot::Conv => {
            let is_one = convolutions(spec).is_none();
            is_one.then(|| Matrix::new(spec.n_channels(), spec.kernel()))
        }
        RecurrentSlot::ConvOf(i) => {
            let channels = convolutions(spec)?.get(usize::from(i)).copied()?;
            Some(Matrix::new(channels, spec.kernel()))
        }
        RecurrentSlot::ConvBias => conv_bias.then(|| Matrix::vector(spec.n_channels())),
        RecurrentSlot::Decay => match spec {
            RecurrentSpec::Mamba1(it) => Some(Matrix::vector(it.width * it.state_dim)),
            _ => per_head,
        },
        RecurrentSlot::StepBias => match spec {
            RecurrentSpec::Delta(it) => Some(Matrix::vector(it.n_decays())),
            RecurrentSpec::ShortConv(_) | RecurrentSpec::Mamba2(_) | RecurrentSpec::Mamba1(_) => {
                per_head
            }
        },
        RecurrentSlot::Skip => match spec {
            RecurrentSpec::Mamba2(_) | RecurrentSpec::Mamba1(_) => per_head,
            RecurrentSpec::ShortConv(_) | RecurrentSpec::Delta(_) => None,
        },
        RecurrentSlot::Norm => match spec {
            RecurrentSpec::ShortConv(_) | RecurrentSpec::Mamba1(_) => None,
            RecurrentSpec::Delta(it) => Some(Matrix::vector(it.value_dim)),
            RecurrentSpec::Mamba2(it) => Some(Matrix::vector(it.width())),
        },
        RecurrentSlot::Selection => {
            selects(spec).map(|it| Matrix::new(it.parts().iter().sum(), it.width))
        }
        RecurrentSlot::SelectionNorm(i) => {
            let parts = selects(spec)?.parts();
            parts.get(usize::from(i)).map(|it| Matrix::vector(*it))
        }
        RecurrentSlot::Steps => selects(spec).map(|it| Matrix::new(it.width, it.rank)),
        RecurrentSlot::Out => Some(Matrix::new(h, spec.n_out())),
        RecurrentSlot::OutBias => proj_bias.then(|| Matrix::vector(h)),
    }
}

fn of_attention(slot: LayerSlot, h: usize, attn: &GqaSpec) -> Option<Matrix> {
    let [a, kv, v] = attn.widths();
    let out = attn.out_width();
    let bias = |row: usize, n| attn.bias[row].then(|| Matrix::vector(n));
    let norm = |n| match attn.qk_norm {
        QkNorm::None | QkNorm::L2 => None,
        QkNorm::PerHead => Some(Matrix::vector(attn.head_dim)),
        QkNorm::Full => Some(Matrix::vector(n)),
    };
    match slot {
        LayerSlot::Q => {
            let is_in_q = attn.out_gate.is_some_and(|it| it.is_in_q);
            let gates = if is_in_q { attn.gate_width() } else { 0 };
            Some(Matrix::new(a + gates, h))
        }
        LayerSlot::K => Some(Matrix::new(kv, h)),
        LayerSlot::V if attn.k_is_v => None,
        LayerSlot::V => Some(Matrix::new(v, h)),
        LayerSlot::O => Some(Matrix::new(h, out)),
        LayerSlot::OutGate => {
            let gate = attn.out_gate.filter(|it| !it.is_in_q);
            gate.map(|_| Matrix::new(attn.gate_width(), h))
        }
        LayerSlot::QBias => bias(0, a),
        LayerSlot::KBias => bias(1, kv),
        LayerSlot::VBias => bias(2, v),
        LayerSlot::OBias => bias(3, h),
        LayerSlot::Sinks => attn.sinks.then(|| Matrix::vector(attn.n_heads)),
        LayerSlot::QNorm => norm(a),
        LayerSlot::KNorm => norm(kv),
        _ => None,
    }
}

fn of_latent(slot: LayerSlot, h: usize, mla: &MlaSpec) -> Option<Matrix> {
    let (heads, c) = (mla.n_heads, mla.kv_lora);
    let is_whole = mla.up == LatentUp::Whole;
    let indexer = mla.indexer.as_ref();
    let inner = match slot {
        LayerSlot::Q => {
            let from = mla.q_lora.unwrap_or(h);
            return Some(Matrix::new(heads * mla.q_dim(), from));
        }
        LayerSlot::O => return Some(Matrix::new(h, heads * mla.v_dim)),
        LayerSlot::OBias => return mla.bias.then(|| Matrix::vector(h)),
        LayerSlot::Latent(it) => it,
        _ => return None,
    };
    match inner {
        LatentSlot::QueryDown => mla.q_lora.map(|it| Matrix::new(it, h)),
        LatentSlot::QueryDownBias => mla.q_lora.filter(|_| mla.bias).map(Matrix::vector),
        LatentSlot::QueryNorm => mla.q_lora.map(Matrix::vector),
        LatentSlot::Down => Some(Matrix::new(mla.width(), h)),
        LatentSlot::DownBias => mla.bias.then(|| Matrix::vector(mla.width())),
        LatentSlot::Norm => Some(Matrix::vector(c)),
        LatentSlot::Up => is_whole.then(|| Matrix::new(heads * (mla.nope_dim + mla.v_dim), c)),
        LatentSlot::KeyUp => (!is_whole).then(|| Matrix::new(heads * c, mla.nope_dim)),
        LatentSlot::ValueUp => (!is_whole).then(|| Matrix::new(heads * mla.v_dim, c)),
        LatentSlot::IndexQuery => {
            let from = mla.q_lora.unwrap_or(h);
            indexer.map(|it| Matrix::new(it.n_heads * it.dim, from))
        }
        LatentSlot::IndexKey => indexer.map(|it| Matrix::new(it.dim, h)),
        LatentSlot::IndexNorm | LatentSlot::IndexNormBias => {
            indexer.map(|it| Matrix::vector(it.dim))
        }
        LatentSlot::IndexWeights => indexer.map(|it| Matrix::new(it.n_heads, h)),
        LatentSlot::HeadGate => mla.head_gate.then(|| Matrix::new(heads, h)),
    }
}
