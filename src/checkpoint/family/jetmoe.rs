//! JetMoE: experts in attention too. Each layer has two routers; an expert of attention has queries and an output of its
//! own, keys and values are shared.

use crate::spec::{
    Ffn, KvMap, Mask, Mixer, MlpSpec, MoeSpec, NormSpec, RouterId, RouterPlace, RouterSpec, Score,
    Site, Weight,
};

use super::{
    super::{CheckpointError, LayerSlot, Part, config::Config},
    Draft, Family,
    llama_names::DECODER,
    names::{Names, Prefix, Role, Tensor},
    plain::{Defaults, FfnPlan, Layer, Plain, width},
};

pub(super) const JETMOE: Family = Family {
    model_type: "jetmoe",
    label: "JetMoE",
    read,
    names: &Names {
        prefixes: Prefix::USUAL,
        tensors: &[DECODER, ATTENTION, EXPERTS],
    },
};

const ATTENTION: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.self_attention.kv_proj.weight",
        &[Role::In(LayerSlot::K), Role::In(LayerSlot::V)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attention.experts.router.layer.weight",
        &[Role::In(LayerSlot::AttentionRouter)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.self_attention.experts.input_linear.weight",
        &[Role::AttentionExpert(Part::Up)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.self_attention.experts.output_linear.weight",
        &[Role::AttentionExpert(Part::Down)],
    ),
    Tensor::rows(
        "{body}layers.{l}.self_attention.experts.bias",
        &[Role::In(LayerSlot::AttentionBias)],
    ),
];

const EXPERTS: &[Tensor] = &[
    Tensor::rows(
        "{body}layers.{l}.mlp.router.layer.weight",
        &[Role::In(LayerSlot::Router)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.mlp.input_linear.weight",
        &[Role::Expert(Part::Gate), Role::Expert(Part::Up)],
    ),
    Tensor::stacked(
        "{body}layers.{l}.mlp.output_linear.weight",
        &[Role::Expert(Part::Down)],
    ),
    Tensor::rows(
        "{body}layers.{l}.mlp.bias",
        &[Role::In(LayerSlot::ExpertsBias)],
    ),
];

const DEFAULTS: Defaults = Defaults {
    d_model: 2048,
    n_vocab: 32_000,
    n_layers: 12,
    n_heads: 16,
    n_kv_heads: Some(16),
    head_dim: Some(128),
    n_ctx: 4096,
    eps: 1e-6,
    eps_key: "rms_norm_eps",
    theta: 10_000.0,
    rotary: None,
    rope_kind: None,
    n_experts: 8,
    top_k: 2,
};

/// Epsilon of the norms of layers (Transformers' `JetMoeRMSNorm` by default); `rms_norm_eps` of a config is that of the
/// last norm alone.
const LAYER_EPS: f32 = 1e-6;
const HEADS: &str = "num_attention_heads";

fn read(config: &Config) -> Result<Draft, CheckpointError> {
    let config = &config.renamed(&[("hidden_act", "activation_function")]);
    // Counted by those of keys and values: a chosen expert has as many.
    let mut plain = Plain::read(
        &config.renamed(&[(HEADS, "num_key_value_heads")]),
        &DEFAULTS,
    )?;
    plain.tied = config.flag("tie_word_embeddings", true)?;
    let n_heads = plain.attn.n_kv_heads * plain.top_k;
    let given = config.whole(HEADS, 1..=1 << 14, n_heads)?;
    if given != n_heads {
        let want = format!("num_key_value_heads × num_experts_per_tok, {n_heads}");
        return Err(config.refuse(HEADS, given.to_string(), want));
    }
    plain.attn.n_heads = n_heads;
    plain.attn.kv_map = KvMap::Tiled;
    let expert = MlpSpec::silu(width(config, "intermediate_size", 5632)?);
    let moe = MoeSpec {
        out_bias: true,
        ..MoeSpec::plain(RouterId(0), expert)
    };
    let mut draft = plain.build(&JETMOE, |plain, l| Layer {
        mixer: plain.attention(Mask::Causal),
        ffn: FfnPlan::Moe(Box::new(rule(plain, l)), moe.clone()),
    });
    with_experts_in_attention(&mut draft);
    Ok(draft)
}

fn rule(plain: &Plain, layer: usize) -> RouterSpec {
    RouterSpec {
        score: Score::Logit,
        weight: Weight::SoftmaxOverTopK,
        ..plain.router(layer)
    }
}

/// Gives attention of every layer a router of the rule of the other, before it.
fn with_experts_in_attention(draft: &mut Draft) {
    let spec = &mut draft.spec;
    let mut routers = Vec::with_capacity(2 * spec.routers.len());
    for (layer, router) in spec.layers.iter_mut().zip(&spec.routers) {
        let place = RouterPlace {
            site: Site::Attention,
            ..router.place
        };
        let in_attention = RouterSpec {
            place,
            ..router.clone()
        };
        if let Mixer::Gqa(attn) = &layer.mixer {
            layer.mixer = Mixer::MoA {
                attn: attn.clone(),
                router: RouterId::new(routers.len()),
            };
        }
        if let Ffn::Moe(moe) = &mut layer.ffn {
            moe.router = RouterId::new(routers.len() + 1);
        }
        routers.extend([in_attention, router.clone()]);
        let norm = Some(NormSpec::rms(LAYER_EPS));
        layer.norms = [norm, None, norm, None];
    }
    spec.routers = routers;
}
