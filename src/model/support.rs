//! What the forward pass computes, checked once when a model is opened.

use crate::spec::{
    Algo, Ffn, Gate, GqaSpec, InputSpec, Mask, Mixer, ModelSpec, MoeSpec, NormKind, QkNorm,
    RouterInput, RouterSpec, SharedInput, Topology, WeightOn,
};

/// What a model needs and this version does not compute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this version cannot compute {what} yet, which {family} needs")]
pub struct Unsupported {
    /// In the field's words.
    pub what: String,
    /// The family.
    pub family: String,
}

/// Whether every part of the spec is computed.
///
/// # Errors
/// The first part that is not, by name.
pub fn check(spec: &ModelSpec) -> Result<(), Unsupported> {
    let no = |what: &str| Unsupported {
        what: what.to_owned(),
        family: spec.family_label.clone(),
    };
    if spec.encoder.is_some() {
        return Err(no("an encoder"));
    }
    if !matches!(spec.input, InputSpec::Tokens { .. }) {
        return Err(no("time series as input"));
    }
    if spec.head.bias
        || spec.head.pre_scale.to_bits() != 1.0f32.to_bits()
        || !spec.head.horizons.is_empty()
    {
        return Err(no("a head other than one matrix"));
    }
    for layer in &spec.layers {
        let attn = match &layer.mixer {
            Mixer::Gqa(it) => it,
            Mixer::Mla(_) => return Err(no("multi-head latent attention")),
            Mixer::MoA { .. } => return Err(no("experts in attention")),
            Mixer::Other(name) => return Err(no(name)),
        };
        attention(attn).map_err(no)?;
        if layer.topology != Topology::PreNorm || layer.cross.is_some() {
            return Err(no("layers joined other than by plain pre-norm"));
        }
        let norms = [layer.norms[0], layer.norms[2], Some(spec.norm)];
        if norms
            .iter()
            .any(|it| it.is_none_or(|it| it.kind != NormKind::Rms || it.bias || it.plus_one))
        {
            return Err(no("norms other than plain RMS norm"));
        }
        if let Ffn::Moe(moe) = &layer.ffn {
            let router = spec
                .router(moe.router)
                .ok_or_else(|| no("a layer without its router"))?;
            experts(moe, router).map_err(no)?;
        }
    }
    Ok(())
}

fn attention(it: &GqaSpec) -> Result<(), &'static str> {
    match it {
        GqaSpec { sinks: true, .. } => Err("attention sinks"),
        GqaSpec { out_gate: true, .. } => Err("gated attention"),
        GqaSpec {
            query_temperature: Some(_),
            ..
        } => Err("queries scaled by position"),
        GqaSpec {
            relative_bias: Some(_),
            ..
        } => Err("a bias by distance"),
        GqaSpec {
            qk_norm: QkNorm::L2,
            ..
        }
        | GqaSpec {
            qk_norm_after_rope: true,
            ..
        } => Err("norms of queries and keys after rotation"),
        GqaSpec {
            mask: Mask::Full, ..
        } => Err("attention to later positions"),
        _ => Ok(()),
    }
}

fn experts(moe: &MoeSpec, router: &RouterSpec) -> Result<(), &'static str> {
    if moe
        .shared
        .is_some_and(|it| it.input == SharedInput::OwnNorm)
    {
        return Err("a shared expert with a norm of its own");
    }
    if moe.weight_on != WeightOn::Output {
        return Err("weights on the experts' input");
    }
    if moe.widths.is_some()
        || moe.n_identity > 0
        || moe.out_bias
        || moe.per_expert_scale
        || moe.expert.bias
        || !moe.expert.gated
    {
        return Err("experts other than equal gated ones without biases");
    }
    match router {
        RouterSpec {
            algo: Algo::SparseMixer { .. },
            ..
        } => Err("sparsemixer routing"),
        RouterSpec {
            algo: Algo::Top1Capacity { .. },
            ..
        } => Err("routing with capacity"),
        RouterSpec {
            algo: Algo::HashTable,
            ..
        } => Err("routing by a table of tokens"),
        RouterSpec {
            gate: Gate::Mlp2Tanh | Gate::Linear { bias: true },
            ..
        } => Err("gates other than one matrix"),
        RouterSpec {
            input: RouterInput::Raw | RouterInput::RmsScaled,
            ..
        } => Err("routers that read the residual stream"),
        _ => Ok(()),
    }
}
