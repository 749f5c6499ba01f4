//! Rotary positions as a config writes them, in the published style (`rope_theta`, `rope_scaling`)
//! and the newer one (`rope_parameters`), which wins where both are there.

use serde_json::Value;

use crate::spec::{RopeLayout, RopeScaling, RopeSpec};

use super::{CheckpointError, config::Config};

/// What a config says of positions.
pub(super) struct Rope {
    /// The rotation.
    pub(super) spec: RopeSpec,
    /// The longest context it serves.
    pub(super) n_ctx: usize,
    /// A factor on the scores of latent attention: `(0.1 · mscale_all_dim · ln factor + 1)²` under `YaRN`, 1 otherwise.
    pub(super) score_factor: f32,
    /// What a person should know.
    pub(super) notes: Vec<String>,
}

/// What a family says of the rotation of a layer.
#[derive(Clone, Copy)]
pub(super) struct RopeDefaults {
    /// Width of a head.
    pub(super) head_dim: usize,
    /// The share of a head that rotates where nothing else is said; none where heads of the family rotate whole.
    pub(super) share: Option<f32>,
    /// Base of the frequencies.
    pub(super) theta: f32,
    /// Which object of `rope_parameters` is meant; none where all layers of the family rotate alike.
    pub(super) kind: Option<&'static str>,
}

/// Reads the rotation of a layer.
///
/// # Errors
/// A kind of scaling that is unknown, or a part of it that makes no sense.
pub(super) fn read(
    config: &Config,
    n_ctx: usize,
    defaults: RopeDefaults,
) -> Result<Rope, CheckpointError> {
    let newer = match (config.section("rope_parameters")?, defaults.kind) {
        (Some(it), Some(kind)) if it.get(kind).is_some() => it.section(kind)?,
        (it, _) => it,
    };
    // An empty object says nothing. Where both have something to say the older counts, as in transformers.
    let older = config
        .section("rope_scaling")?
        .filter(|it| !it.is_empty() || newer.is_none());
    let settings = older.as_ref().or(newer.as_ref());
    for kind in ["full_attention", "sliding_attention"] {
        if let Some(it) = settings.filter(|it| it.get(kind).is_some()) {
            return Err(it.wrong(
                kind,
                "absent, because all layers of this family rotate alike",
            ));
        }
    }
    let theta = match settings {
        Some(it) => it.maybe_positive("rope_theta")?,
        None => None,
    };
    let theta = match theta {
        Some(it) => it,
        None => config.positive("rope_theta", defaults.theta)?,
    };
    let dim = rotated(config, settings, defaults)?;
    let mut rope = Rope {
        spec: RopeSpec {
            theta,
            dim,
            layout: RopeLayout::Half,
            scaling: RopeScaling::None,
        },
        n_ctx,
        score_factor: 1.0,
        notes: Vec::new(),
    };
    if older.is_some() && newer.as_ref().is_some_and(|it| !it.is_empty()) {
        rope.notes.push(
            "the config has both rope_scaling and rope_parameters; rope_scaling counts".to_owned(),
        );
    }
    if let Some(settings) = settings {
        if is_proportional(settings) {
            rope.spec.scaling = RopeScaling::Partial { n_pairs: dim / 2 };
            rope.spec.dim = defaults.head_dim;
        } else {
            scale(&mut rope, config, settings)?;
        }
    }
    Ok(rope)
}

/// How many dimensions of a head rotate.
fn rotated(
    config: &Config,
    settings: Option<&Config>,
    RopeDefaults {
        head_dim, share, ..
    }: RopeDefaults,
) -> Result<usize, CheckpointError> {
    const KEY: &str = "partial_rotary_factor";
    let is_in_place = settings.is_some_and(is_proportional);
    let at = settings
        .filter(|it| it.get(KEY).is_some())
        .unwrap_or(config);
    let given = at.positive(KEY, share.unwrap_or(1.0))?;
    if share.is_none() && given.to_bits() != 1.0f32.to_bits() {
        return Err(at.wrong(KEY, "1, because heads of this family rotate whole"));
    }
    // As it is written, so that a share of so many dimensions is so many.
    let written = at.get(KEY).and_then(Value::as_f64);
    let dim = (written.unwrap_or(f64::from(given)) * head_dim as f64) as usize;
    if is_in_place && given <= 1.0 {
        // Pairs that rotate are counted apart; a head is always whole.
        return Ok(dim / 2 * 2);
    }
    if given > 1.0 || dim == 0 || dim % 2 == 1 {
        let want = format!("a share of a head of {head_dim} that is an even number, not 0");
        return Err(at.refuse(KEY, given.to_string(), want));
    }
    Ok(dim)
}

/// Whether the pairs that rotate keep their place in a whole head (Gemma 4).
fn is_proportional(settings: &Config) -> bool {
    let kind = settings.get("rope_type").or_else(|| settings.get("type"));
    kind.and_then(Value::as_str) == Some("proportional")
}

fn scale(rope: &mut Rope, config: &Config, settings: &Config) -> Result<(), CheckpointError> {
    const KINDS: &str = "default, linear, dynamic, yarn, llama3, longrope or proportional";
    let kind = match settings.text("rope_type")? {
        Some(it) => Some(("rope_type", it)),
        None => settings.text("type")?.map(|it| ("type", it)),
    };
    rope.spec.scaling = match kind {
        None if settings.get("factor").is_some() => return Err(settings.wrong("rope_type", KINDS)),
        None | Some((_, "default")) => RopeScaling::None,
        Some((_, "linear")) => RopeScaling::Linear {
            factor: needed(settings, "factor")?,
        },
        Some((_, "dynamic")) => {
            match settings.maybe_positive("alpha")? {
                Some(alpha) => stretch_base(rope, settings, alpha)?,
                None => dynamic(rope, config, settings)?,
            }
            RopeScaling::None
        }
        Some((_, "yarn")) => yarn(rope, config, settings)?,
        Some((_, "llama3")) => llama3(rope, config, settings)?,
        Some((_, "longrope" | "su")) => long_rope(rope, config, settings)?,
        Some((key, _)) => return Err(settings.wrong(key, KINDS)),
    };
    let factor = settings.factor("factor", 1.0)?;
    if rope.spec.scaling != RopeScaling::None {
        rope.score_factor = magnitude(factor, settings.factor("mscale_all_dim", 0.0)?).powi(2);
    }
    Ok(())
}

fn needed(settings: &Config, key: &str) -> Result<f32, CheckpointError> {
    settings
        .maybe_positive(key)?
        .ok_or_else(|| settings.wrong(key, "a number above 0"))
}

/// The context the model was first trained at. Beside the object it wins over inside of it.
fn original_ctx(config: &Config, settings: &Config) -> Result<Option<f32>, CheckpointError> {
    const KEY: &str = "original_max_position_embeddings";
    match config.maybe_positive(KEY)? {
        Some(it) => Ok(Some(it)),
        None => settings.maybe_positive(KEY),
    }
}

/// A base that is larger at every length (Hunyuan): `theta · alpha^(R / (R − 2))`.
fn stretch_base(rope: &mut Rope, settings: &Config, alpha: f32) -> Result<(), CheckpointError> {
    let dim = rope.spec.dim as f64;
    if rope.spec.dim <= 2 {
        return Err(settings.wrong("alpha", "absent where but one pair of a head rotates"));
    }
    let theta = f64::from(rope.spec.theta) * f64::from(alpha).powf(dim / (dim - 2.0));
    if !(theta as f32).is_finite() {
        return Err(settings.wrong("alpha", "small enough that the base is a number"));
    }
    rope.spec.theta = theta as f32;
    Ok(())
}

/// The base of dynamic scaling grows with the text beyond the original context. Up to there it is
/// the plain rotation, so the context is taken to end there.
fn dynamic(rope: &mut Rope, config: &Config, settings: &Config) -> Result<(), CheckpointError> {
    needed(settings, "factor")?;
    if let Some(original) = original_ctx(config, settings)? {
        rope.n_ctx = rope.n_ctx.min(original as usize).max(1);
    }
    rope.notes.push(format!(
        "positions are scaled dynamically only beyond {}; the context ends there",
        rope.n_ctx
    ));
    Ok(())
}

fn yarn(rope: &Rope, config: &Config, settings: &Config) -> Result<RopeScaling, CheckpointError> {
    let original_ctx = original_ctx(config, settings)?.unwrap_or(rope.n_ctx as f32);
    let factor = settings.positive("factor", rope.n_ctx as f32 / original_ctx)?;
    let attention_factor = match settings.maybe_positive("attention_factor")? {
        Some(it) => it,
        None => yarn_scale(settings, factor)?,
    };
    let beta = |key, default| match settings.factor(key, default) {
        Ok(it) if it <= 0.0 => Ok(default),
        it => it,
    };
    let (beta_fast, beta_slow) = (beta("beta_fast", 32.0)?, beta("beta_slow", 1.0)?);
    if rope.spec.theta <= 1.0 {
        return Err(config.refuse(
            "rope_theta",
            rope.spec.theta.to_string(),
            "above 1 with yarn scaling",
        ));
    }
    Ok(RopeScaling::Yarn {
        factor,
        original_ctx,
        beta_fast,
        beta_slow,
        attention_factor,
        truncate: settings.flag("truncate", true)?,
    })
}

/// `0.1 · a · ln(factor) + 1`.
fn magnitude(factor: f32, a: f32) -> f32 {
    if factor <= 1.0 {
        1.0
    } else {
        0.1 * a * factor.ln() + 1.0
    }
}

/// The factor on cos and sin where none is given.
fn yarn_scale(settings: &Config, factor: f32) -> Result<f32, CheckpointError> {
    let m = |a| magnitude(factor, a);
    let given = |key| settings.factor(key, 0.0);
    let (one, all) = (given("mscale")?, given("mscale_all_dim")?);
    Ok(if one != 0.0 && all != 0.0 {
        m(one) / m(all)
    } else {
        m(1.0)
    })
}

fn llama3(rope: &Rope, config: &Config, settings: &Config) -> Result<RopeScaling, CheckpointError> {
    let (low, high) = (
        needed(settings, "low_freq_factor")?,
        needed(settings, "high_freq_factor")?,
    );
    if high < low {
        return Err(settings.wrong(
            "high_freq_factor",
            format!("at least low_freq_factor, {low}"),
        ));
    }
    Ok(RopeScaling::Llama3 {
        factor: needed(settings, "factor")?,
        original_ctx: original_ctx(config, settings)?.unwrap_or(rope.n_ctx as f32),
        low,
        high,
    })
}

/// Texts up to the original context have one set of factors, longer ones another for every position
/// of theirs, which a text that grows cannot change to: so the context is taken to end there.
fn long_rope(
    rope: &mut Rope,
    config: &Config,
    settings: &Config,
) -> Result<RopeScaling, CheckpointError> {
    let original_ctx = original_ctx(config, settings)?.unwrap_or(rope.n_ctx as f32);
    let factor = settings.positive("factor", rope.n_ctx as f32 / original_ctx)?;
    let scale = match settings.maybe_positive("attention_factor")? {
        Some(it) => it,
        None if factor <= 1.0 => 1.0,
        None if original_ctx <= 1.0 => {
            return Err(settings.wrong("original_max_position_embeddings", "above 1"));
        }
        None => (1.0 + factor.ln() / original_ctx.ln()).sqrt(),
    };
    if original_ctx < rope.n_ctx as f32 {
        rope.n_ctx = (original_ctx as usize).max(1);
        rope.notes.push(format!(
            "positions beyond {} need factors of their own (longrope); the context ends there",
            rope.n_ctx
        ));
    }
    Ok(RopeScaling::LongRope {
        short: factors(settings, "short_factor", rope.spec.dim / 2)?,
        long: factors(settings, "long_factor", rope.spec.dim / 2)?,
        // Phi-3.5-MoE says both.
        short_scale: settings.positive("short_mscale", scale)?,
        long_scale: settings.positive("long_mscale", scale)?,
        original_ctx,
    })
}

fn factors(settings: &Config, key: &str, n: usize) -> Result<Vec<f32>, CheckpointError> {
    let wrong = || settings.wrong(key, format!("a list of {n} numbers above 0"));
    let list = settings.list(key)?.ok_or_else(wrong)?;
    let numbers: Vec<f32> = list
        .iter()
        .filter_map(Value::as_f64)
        .map(|it| it as f32)
        .filter(|it| it.is_finite() && *it > 0.0)
        .collect();
    if numbers.len() == n && list.len() == n {
        Ok(numbers)
    } else {
        Err(wrong())
    }
}
