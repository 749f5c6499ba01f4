//! What a GGUF file says by its tensors and not by a key: which layers are dense, what has a bias, how the
//! rotation is stretched for each pair; and what its rows say by their order.

use serde_json::Value;

use crate::spec::{
    Ffn, GqaSpec, LatentUp, LayerSpec, Mask, Mixer, MlaSpec, MlpSpec, ModelSpec, RecurrentSpec,
    RopeScaling, RopeSpec, RouterId,
};

use super::{Arch, GgufModel, names::ROUTER};
use crate::checkpoint::{CheckpointError, WeightView, config::Config, family::Draft};

/// What a router adds to scores before it chooses.
const SELECT_BIAS: &[&str] = &["exp_probs_b.bias", "exp_probs_b"];
/// Divisors for texts up to the context that a model was first trained at, and for longer ones.
const SHORT_FACTORS: &str = "rope_factors_short.weight";
const LONG_FACTORS: &str = "rope_factors_long.weight";
/// A divisor for each pair of a rotation.
const FREQUENCIES: &str = "rope_freqs.weight";

/// Completes what the settings say.
///
/// # Errors
/// A factor that is no number, divisors of a rotation that cannot be read.
pub(super) fn complete(
    draft: &mut Draft,
    file: &GgufModel<'_>,
    arch: &Arch,
    config: &Config,
) -> Result<(), CheckpointError> {
    let stretch = match long_rope(draft, file, arch)? {
        Some(it) => Some(it),
        None => stretch(file, &draft.spec)?,
    };
    if matches!(stretch, Some(RopeScaling::LongRope { .. })) {
        let read = [FREQUENCIES, SHORT_FACTORS, LONG_FACTORS];
        draft.read.extend(read.map(str::to_owned));
    }
    for (l, layer) in draft.spec.layers.iter_mut().enumerate() {
        if let Some(d_ff) = dense_width(file, l) {
            layer.ffn = Ffn::Dense(match layer.ffn {
                Ffn::Dense(it) => MlpSpec { d_ff, ..it },
                Ffn::Moe(_) | Ffn::None => MlpSpec::silu(d_ff),
            });
        }
        let scale = format!("blk.{l}.layer_output_scale.weight");
        layer.is_scaled &= file.tensors.by_name.contains_key(&scale);
        match &mut layer.mixer {
            Mixer::Gqa(it) => {
                // Where layers with a window have heads of another size, the divisors are for the others.
                let is_for = arch.by_layer.is_empty() || it.mask == Mask::Causal;
                attention(it, file, arch, l, stretch.as_ref().filter(|_| is_for));
            }
            Mixer::Mla(it) => {
                draft.read.extend(latent(it, file, l));
                if let Some(it) = &mut it.rope {
                    rotation(it, arch, stretch.as_ref());
                }
            }
            Mixer::Recurrent(RecurrentSpec::Delta(it)) => {
                (it.layout, it.kv_map) = arch.delta;
            }
            _ => {}
        }
    }
    widths(&mut draft.spec, file);
    keep_used_routers(&mut draft.spec);
    picks(&mut draft.spec, file, arch, config)?;
    for router in &mut draft.spec.routers {
        // A file of a model trained without it has none.
        let has = |name: &str| {
            let name = format!("blk.{}.{name}", router.place.layer);
            file.tensors.by_name.contains_key(&name)
        };
        router.select_bias &= SELECT_BIAS.iter().any(|it| has(it));
    }
    let key = format!("{}.expert_weights_scale", arch.name);
    let scale = (file.get)(&key).and_then(|it| it.as_f64()).unwrap_or(1.0) as f32;
    if !scale.is_finite() || scale < 0.0 {
        return Err(config.refuse(&key, scale.to_string(), "a number above 0"));
    }
    // 0 stands for no factor.
    let scale = if scale == 0.0 { 1.0 } else { scale };
    let (on_weights, on_sum) = if arch.scales_sum {
        (1.0, scale)
    } else {
        (scale, 1.0)
    };
    let routers = draft.spec.routers.iter_mut();
    routers.for_each(|it| it.scale = on_weights);
    for layer in &mut draft.spec.layers {
        if let Ffn::Moe(moe) = &mut layer.ffn {
            moe.routed_scale *= on_sum;
        }
    }
    Ok(())
}

/// Inner widths of experts and of what every token passes, as the tensors of each layer have them.
fn widths(spec: &mut ModelSpec, file: &GgufModel<'_>) {
    let of = |l: usize, name: &str| {
        let tensor = file.tensors.by_name.get(&format!("blk.{l}.{name}.weight"));
        tensor.and_then(|it| it.shape.last().copied())
    };
    for (l, layer) in spec.layers.iter_mut().enumerate() {
        let Ffn::Moe(moe) = &mut layer.ffn else {
            continue;
        };
        if let Some(d_ff) = of(l, "ffn_down_exps").or_else(|| of(l, "ffn_down.0")) {
            moe.expert.d_ff = d_ff;
        }
        if let (Some(shared), Some(d_ff)) = (&mut moe.shared, of(l, "ffn_down_shexp")) {
            shared.mlp.d_ff = d_ff;
        }
    }
}

/// How many experts each router chooses, where the file has a number for each layer.
fn picks(
    spec: &mut ModelSpec,
    file: &GgufModel<'_>,
    arch: &Arch,
    config: &Config,
) -> Result<(), CheckpointError> {
    let key = format!("{}.expert_used_count", arch.name);
    let Some(Value::Array(all)) = (file.get)(&key) else {
        return Ok(());
    };
    for router in &mut spec.routers {
        let layer = router.place.layer.idx();
        let given = all.get(layer).cloned().unwrap_or(Value::Null);
        let n = given.as_u64().and_then(|it| usize::try_from(it).ok());
        router.top_k = n
            .filter(|it| (1..=router.n_experts).contains(it))
            .ok_or_else(|| {
                let got = format!("{given} in layer {layer}");
                config.refuse(&key, got, format!("from 1 to {}", router.n_experts))
            })?;
    }
    Ok(())
}

/// The inner width of a layer that has no router but a dense network.
fn dense_width(file: &GgufModel<'_>, layer: usize) -> Option<usize> {
    let tensors = &file.tensors.by_name;
    if tensors.contains_key(&format!("blk.{layer}.{ROUTER}")) {
        return None;
    }
    let down = tensors.get(&format!("blk.{layer}.ffn_down.weight"))?;
    down.shape.last().copied()
}

fn attention(
    it: &mut GqaSpec,
    file: &GgufModel<'_>,
    arch: &Arch,
    layer: usize,
    stretch: Option<&RopeScaling>,
) {
    let has = |name: &str| {
        let name = format!("blk.{layer}.attn_{name}.bias");
        file.tensors.by_name.contains_key(&name)
    };
    let fused = has("qkv");
    it.bias = [
        fused || has("q"),
        fused || has("k"),
        fused || has("v"),
        has("output"),
    ];
    if let Some(it) = &mut it.rope {
        rotation(it, arch, stretch);
    }
}

fn rotation(it: &mut RopeSpec, arch: &Arch, stretch: Option<&RopeScaling>) {
    it.layout = arch.rope;
    if let Some(stretch) = stretch {
        it.scaling = stretch.clone();
    }
    // Where some layers rotate less than others the file has divisors for those that rotate most.
    if let RopeScaling::LongRope { short, long, .. } = &mut it.scaling {
        short.truncate(it.dim / 2);
        long.truncate(it.dim / 2);
    }
}

/// How keys and values are stored; the name of what is there beside it and says the same.
fn latent(it: &mut MlaSpec, file: &GgufModel<'_>, layer: usize) -> Option<String> {
    let whole = format!("blk.{layer}.attn_kv_b.weight");
    let has = |name: &str| file.tensors.by_name.contains_key(name);
    let has_whole = has(&whole);
    if has_whole && !has(&format!("blk.{layer}.attn_k_b.weight")) {
        it.up = LatentUp::Whole;
        return None;
    }
    it.up = LatentUp::Split;
    has_whole.then_some(whole)
}

/// The two sets of divisors of longrope, where the file has them. A text cannot change from one to the other while it
/// grows, so the context ends where the first ends.
fn long_rope(
    draft: &mut Draft,
    file: &GgufModel<'_>,
    arch: &Arch,
) -> Result<Option<RopeScaling>, CheckpointError> {
    let short = divisors(file, SHORT_FACTORS, &draft.spec)?;
    let long = divisors(file, LONG_FACTORS, &draft.spec)?;
    let (Some(short), Some(long)) = (short, long) else {
        return Ok(None);
    };
    let key = |it: &str| (file.get)(&format!("{}.rope.scaling.{it}", arch.name));
    let number = |it: &str| key(it)?.as_f64().filter(|it| *it > 0.0);
    let n_ctx = draft.spec.n_ctx as f64;
    let original_ctx = number("original_context_length").unwrap_or(n_ctx);
    let longer = (n_ctx / original_ctx).max(1.0);
    let by_length = (1.0 + longer.ln() / original_ctx.max(2.0).ln()).sqrt();
    let scale = number("attn_factor").unwrap_or(by_length) as f32;
    if original_ctx < n_ctx {
        draft.spec.n_ctx = (original_ctx as usize).max(1);
        draft.notes.push(format!(
            "positions beyond {} need factors of their own (longrope); the context ends there",
            draft.spec.n_ctx
        ));
    }
    Ok(Some(RopeScaling::LongRope {
        short,
        long,
        short_scale: scale,
        long_scale: scale,
        original_ctx: original_ctx as f32,
    }))
}

/// The divisors of the rotation's frequencies, where the file has them: how the converter writes the scaling of
/// Llama 3.
fn stretch(file: &GgufModel<'_>, spec: &ModelSpec) -> Result<Option<RopeScaling>, CheckpointError> {
    let divisors = divisors(file, FREQUENCIES, spec)?;
    let Some(divisors) = divisors else {
        return Ok(None);
    };
    Ok(Some(RopeScaling::LongRope {
        short: divisors.clone(),
        long: divisors,
        short_scale: 1.0,
        long_scale: 1.0,
        original_ctx: spec.n_ctx as f32,
    }))
}

/// A tensor of one divisor for each pair of a head, where the file has it.
fn divisors(
    file: &GgufModel<'_>,
    name: &str,
    spec: &ModelSpec,
) -> Result<Option<Vec<f32>>, CheckpointError> {
    let Some(tensor) = file.tensors.by_name.get(name) else {
        return Ok(None);
    };
    let broken = |what: &str| CheckpointError::Broken {
        what: format!("tensor {name} {what}"),
        path: file.tensors.path_of(tensor),
    };
    let n = spec.layers.iter().map(pairs).max().unwrap_or(0);
    if tensor.shape != [n] {
        return Err(broken(&format!(
            "has shape {:?}, expected [{n}], a divisor for each pair of a head",
            tensor.shape
        )));
    }
    let shard = file.tensors.shards.get(tensor.shard);
    let view = shard
        .zip(tensor.dtype.as_ref().ok())
        .and_then(|(shard, dtype)| WeightView::new(&shard.blob, tensor.bytes.start, *dtype, 1, n));
    let divisors = view.ok_or_else(|| broken("cannot be read"))?.to_f32();
    if divisors.iter().any(|it| !it.is_finite() || *it <= 0.0) {
        return Err(broken(
            "holds a number that is not above 0, expected divisors",
        ));
    }
    Ok(Some(divisors))
}

fn pairs(layer: &LayerSpec) -> usize {
    match &layer.mixer {
        Mixer::Gqa(it) => it.rope.as_ref().map_or(0, |it| it.dim / 2),
        Mixer::Mla(it) => it.rope.as_ref().map_or(0, |it| it.dim / 2),
        _ => 0,
    }
}

/// Routers of layers that turned out to be dense go, and the others move up.
fn keep_used_routers(spec: &mut ModelSpec) {
    let mut routers = Vec::new();
    for layer in &mut spec.layers {
        if let Ffn::Moe(moe) = &mut layer.ffn {
            let Some(router) = spec.routers.get(moe.router.idx()) else {
                continue;
            };
            moe.router = RouterId::new(routers.len());
            routers.push(router.clone());
        }
    }
    spec.routers = routers;
}
