//! Switch Transformer: the encoder and decoder of T5, every other network of both replaced by experts, of which each
//! token takes one, and each of which takes so many tokens (arXiv 2101.03961).

use crate::spec::{
    Act, Algo, CrossSpec, EncoderSpec, Ffn, Gate, GqaSpec, HeadSpec, InputSpec, KvMap, LayerId,
    LayerSpec, MAX_EXPERTS, Mask, Mixer, MlpSpec, ModelSpec, MoeSpec, NormSpec, QkNorm,
    RelativeBias, RouterId, RouterPlace, RouterSpec, StackId, TokenId, Topology,
};

use super::{
    super::{CheckpointError, LayerSlot, Part, config::Config},
    Draft, Family,
    names::{Names, Prefix, Role, Tensor},
    plain::{MAX_FF, MAX_HEADS, MAX_LAYERS, MAX_VOCAB, MAX_WIDTH, width},
};

pub(super) const FAMILY: Family = Family {
    model_type: "switch_transformers",
    label: "Switch Transformer",
    read,
    names: &Names {
        prefixes: &[Prefix::NONE],
        tensors: &[DECODER, ENCODER],
    },
};

/// What both stacks share, and the decoder.
const DECODER: &[Tensor] = &[
    Tensor::rows("shared.weight", &[Role::Embedding]),
    Tensor::rows("lm_head.weight", &[Role::Head]),
    Tensor::rows("decoder.final_layer_norm.weight", &[Role::FinalNorm]),
    Tensor::rows(
        "decoder.block.{l}.layer.0.layer_norm.weight",
        &[Role::In(LayerSlot::MixerNorm)],
    ),
    Tensor::rows(
        "decoder.block.{l}.layer.0.SelfAttention.q.weight",
        &[Role::In(LayerSlot::Q)],
    ),
    Tensor::rows(
        "decoder.block.{l}.layer.0.SelfAttention.k.weight",
        &[Role::In(LayerSlot::K)],
    ),
    Tensor::rows(
        "decoder.block.{l}.layer.0.SelfAttention.v.weight",
        &[Role::In(LayerSlot::V)],
    ),
    Tensor::rows(
        "decoder.block.{l}.layer.0.SelfAttention.o.weight",
        &[Role::In(LayerSlot::O)],
    ),
    Tensor::rows(
        "decoder.block.{l}.layer.0.SelfAttention.relative_attention_bias.weight",
        &[Role::In(LayerSlot::RelativeBias)],
    ),
    Tensor::rows(
        "decoder.block.{l}.layer.1.layer_norm.weight",
        &[Role::In(LayerSlot::CrossNorm)],
    ),
    Tensor::rows(
        "decoder.block.{l}.layer.1.EncDecAttention.q.weight",
        &[Role::In(LayerSlot::CrossQ)],
    ),
    Tensor::rows(
        "decoder.block.{l}.layer.1.EncDecAttention.k.weight",
        &[Role::In(LayerSlot::CrossK)],
    ),
    Tensor::rows(
        "decoder.block.{l}.layer.1.EncDecAttention.v.weight",
        &[Role::In(LayerSlot::CrossV)],
    ),
    Tensor::rows(
        "decoder.block.{l}.layer.1.EncDecAttention.o.weight",
        &[Role::In(LayerSlot::CrossO)],
    ),
    Tensor::rows(
        "decoder.block.{l}.layer.2.layer_norm.weight",
        &[Role::In(LayerSlot::FfnNorm)],
    ),
    Tensor::rows(
        "decoder.block.{l}.layer.2.mlp.wi.weight",
        &[Role::In(LayerSlot::Dense(Part::Up))],
    ),
    Tensor::rows(
        "decoder.block.{l}.layer.2.mlp.wo.weight",
        &[Role::In(LayerSlot::Dense(Part::Down))],
    ),
    Tensor::rows(
        "decoder.block.{l}.layer.2.mlp.router.classifier.weight",
        &[Role::In(LayerSlot::Router)],
    ),
    Tensor::rows(
        "decoder.block.{l}.layer.2.mlp.router.classifier.bias",
        &[Role::In(LayerSlot::RouterBias)],
    ),
    Tensor::rows(
        "decoder.block.{l}.layer.2.mlp.experts.expert_{e}.wi.weight",
        &[Role::Expert(Part::Up)],
    ),
    Tensor::rows(
        "decoder.block.{l}.layer.2.mlp.experts.expert_{e}.wo.weight",
        &[Role::Expert(Part::Down)],
    ),
];

const ENCODER: &[Tensor] = &[
    Tensor::rows("encoder.final_layer_norm.weight", &[Role::EncoderNorm]),
    Tensor::rows(
        "encoder.block.{l}.layer.0.layer_norm.weight",
        &[Role::InEncoder(LayerSlot::MixerNorm)],
    ),
    Tensor::rows(
        "encoder.block.{l}.layer.0.SelfAttention.q.weight",
        &[Role::InEncoder(LayerSlot::Q)],
    ),
    Tensor::rows(
        "encoder.block.{l}.layer.0.SelfAttention.k.weight",
        &[Role::InEncoder(LayerSlot::K)],
    ),
    Tensor::rows(
        "encoder.block.{l}.layer.0.SelfAttention.v.weight",
        &[Role::InEncoder(LayerSlot::V)],
    ),
    Tensor::rows(
        "encoder.block.{l}.layer.0.SelfAttention.o.weight",
        &[Role::InEncoder(LayerSlot::O)],
    ),
    Tensor::rows(
        "encoder.block.{l}.layer.0.SelfAttention.relative_attention_bias.weight",
        &[Role::InEncoder(LayerSlot::RelativeBias)],
    ),
    Tensor::rows(
        "encoder.block.{l}.layer.1.layer_norm.weight",
        &[Role::InEncoder(LayerSlot::FfnNorm)],
    ),
    Tensor::rows(
        "encoder.block.{l}.layer.1.mlp.wi.weight",
        &[Role::InEncoder(LayerSlot::Dense(Part::Up))],
    ),
    Tensor::rows(
        "encoder.block.{l}.layer.1.mlp.wo.weight",
        &[Role::InEncoder(LayerSlot::Dense(Part::Down))],
    ),
    Tensor::rows(
        "encoder.block.{l}.layer.1.mlp.router.classifier.weight",
        &[Role::InEncoder(LayerSlot::Router)],
    ),
    Tensor::rows(
        "encoder.block.{l}.layer.1.mlp.router.classifier.bias",
        &[Role::InEncoder(LayerSlot::RouterBias)],
    ),
    Tensor::rows(
        "encoder.block.{l}.layer.1.mlp.experts.expert_{e}.wi.weight",
        &[Role::EncoderExpert(Part::Up)],
    ),
    Tensor::rows(
        "encoder.block.{l}.layer.1.mlp.experts.expert_{e}.wo.weight",
        &[Role::EncoderExpert(Part::Down)],
    ),
];

/// Positions have no end here; those that the models were trained at.
const N_POSITIONS: usize = 512;

/// What the layers of both stacks are made of.
struct Parts {
    norm: NormSpec,
    /// Attention without a bias by distance.
    attn: GqaSpec,
    distances: RelativeBias,
    mlp: MlpSpec,
    router: RouterSpec,
}

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let parts = Parts::read(config)?;
    let d_model = config.whole("d_model", 1..=MAX_WIDTH, 768)?;
    let n_vocab = config.whole("vocab_size", 1..=MAX_VOCAB, 32_128)?;
    let tied = config.flag("tie_word_embeddings", true)?;
    let start = config.whole("decoder_start_token_id", 0..=n_vocab - 1, 0)?;
    let mut routers = Vec::new();
    let [encoder, decoder] = [
        (StackId::Encoder, "num_layers", "num_sparse_encoder_layers"),
        (
            StackId::Decoder,
            "num_decoder_layers",
            "num_sparse_decoder_layers",
        ),
    ]
    .map(|(stack, layers, sparse)| {
        let n = config.whole_of(&[layers, "num_layers"], 1..=MAX_LAYERS, 12)?;
        let n_sparse = config.whole(sparse, 0..=n, 3)?;
        let step = n.checked_div(n_sparse).unwrap_or(n);
        let layer = |l| parts.layer(stack, l, l % step == 1 || step == 1, &mut routers);
        Ok((0..n).map(layer).collect::<Vec<LayerSpec>>())
    });
    let spec = ModelSpec {
        family: FAMILY.model_type.to_owned(),
        family_label: FAMILY.label.to_owned(),
        d_model,
        n_vocab,
        n_ctx: 2 * config.whole("n_positions", 1..=MAX_WIDTH, N_POSITIONS)?,
        input: InputSpec::Tokens { scale: 1.0 },
        norm: parts.norm,
        encoder: Some(EncoderSpec {
            layers: encoder?,
            start: TokenId::new(start),
        }),
        layers: decoder?,
        head: HeadSpec {
            pre_scale: if tied {
                1.0 / (d_model as f32).sqrt()
            } else {
                1.0
            },
            ..HeadSpec::plain(tied, 1.0)
        },
        routers,
    };
    let note = "Transformers' own generation with a cache counts each new token alone, so that its decoder drops none; here an expert's tokens are counted over the whole text, written one by one or read at once";
    Ok(Draft {
        spec,
        notes: vec![note.to_owned()],
        read: Vec::new(),
    })
}

impl Parts {
    fn read(config: &Config) -> Result<Self, CheckpointError> {
        let eps = config.positive("layer_norm_epsilon", 1e-6)?;
        let n_heads = config.whole("num_heads", 1..=MAX_HEADS, 12)?;
        let head_dim = config.whole("d_kv", 1..=MAX_WIDTH, 64)?;
        let act = match config.text("dense_act_fn")?.unwrap_or("relu") {
            "relu" => Act::Relu,
            "gelu_new" | "gelu_pytorch_tanh" => Act::GeluTanh,
            "silu" | "swish" => Act::Silu,
            _ => return Err(config.wrong("dense_act_fn", "relu, gelu_new or silu")),
        };
        let distances = RelativeBias {
            n_buckets: config.whole("relative_attention_num_buckets", 4..=1 << 16, 32)?,
            max_distance: config.whole("relative_attention_max_distance", 2..=1 << 24, 128)?,
            bidirectional: false,
            owner: LayerId(0),
        };
        if distances.max_distance <= distances.n_buckets / 2 {
            let want = "more than half of relative_attention_num_buckets";
            return Err(config.wrong("relative_attention_max_distance", want));
        }
        let router = RouterSpec {
            gate: Gate::Linear {
                bias: config.flag("router_bias", false)?,
            },
            algo: Algo::Top1Capacity {
                cap: config.whole("expert_capacity", 1..=MAX_FF, 64)?,
            },
            ..RouterSpec::softmax_top_k(
                LayerId(0),
                config.whole("num_experts", 1..=MAX_EXPERTS, 8)?,
                1,
            )
        };
        Ok(Self {
            norm: NormSpec::rms(eps),
            attn: attention(n_heads, head_dim),
            distances,
            mlp: MlpSpec {
                d_ff: width(config, "d_ff", 2048)?,
                gated: false,
                act,
                bias: false,
            },
            router,
        })
    }

    fn layer(
        &self,
        stack: StackId,
        layer: usize,
        is_sparse: bool,
        routers: &mut Vec<RouterSpec>,
    ) -> LayerSpec {
        let bidirectional = stack == StackId::Encoder;
        let mixer = GqaSpec {
            mask: if bidirectional {
                Mask::Full
            } else {
                Mask::Causal
            },
            relative_bias: Some(RelativeBias {
                bidirectional,
                ..self.distances
            }),
            ..self.attn.clone()
        };
        let cross = CrossSpec {
            attn: self.attn.clone(),
            norm: self.norm,
        };
        let ffn = if is_sparse {
            let id = RouterId::new(routers.len());
            let place = RouterPlace {
                stack,
                layer: LayerId::new(layer),
                of_two: true,
                ..RouterPlace::default()
            };
            routers.push(RouterSpec {
                place,
                ..self.router.clone()
            });
            Ffn::Moe(MoeSpec::plain(id, self.mlp))
        } else {
            Ffn::Dense(self.mlp)
        };
        LayerSpec {
            mixer: Mixer::Gqa(mixer),
            cross: Some(cross).filter(|_| stack == StackId::Decoder),
            ffn,
            topology: Topology::PreNorm,
            residual_scale: 1.0,
            norms: [Some(self.norm), None, Some(self.norm), None],
            is_scaled: false,
        }
    }
}

/// Attention of T5: no factor on scores, no rotation. Every row sees everything.
fn attention(n_heads: usize, head_dim: usize) -> GqaSpec {
    GqaSpec {
        n_heads,
        n_kv_heads: n_heads,
        head_dim,
        v_dim: head_dim,
        v_scale: 1.0,
        kv_map: KvMap::Grouped,
        bias: [false; 4],
        qk_norm: QkNorm::None,
        qk_norm_eps: 0.0,
        qk_norm_after_rope: false,
        v_norm: false,
        k_is_v: false,
        clip: None,
        scale: 1.0,
        softcap: None,
        sinks: false,
        out_gate: None,
        rope: None,
        mask: Mask::Full,
        query_temperature: None,
        relative_bias: None,
    }
}
