//! What a config says of quantised weights: `quantization_config` of Transformers' configs, `compression_config` of
//! older ones, `quantization` of MLX's.

use std::iter;

use serde_json::Value;

use super::super::{
    CheckpointError,
    config::{self, Config},
};

/// `quant_method` of configs, and what people call it.
const METHODS: &[(&str, &str)] = &[
    ("awq", "AWQ"),
    ("fbgemm_fp8", "FP8"),
    ("fp8", "FP8"),
    ("gptq", "GPTQ"),
    ("modelopt", "ModelOpt"),
    ("mxfp4", "MXFP4"),
];

/// The largest side of a block of scales, and group of columns.
const MAX_GROUP: usize = 1 << 20;

/// What a config says.
pub(super) struct Settings {
    /// `quant_method`; `mlx` for MLX's configs.
    pub(super) method: Option<String>,
    section: Option<Config>,
}

impl Settings {
    /// Reads them; a config may say nothing.
    ///
    /// # Errors
    /// A section that is no object.
    pub(super) fn read(config: &Config) -> Result<Self, CheckpointError> {
        let keys = ["quantization_config", "compression_config"];
        // Models with other inputs may say it of their text part.
        let text = config.section("text_config").ok().flatten();
        for at in iter::once(config).chain(&text) {
            for key in keys {
                if let Some(section) = at.section(key)? {
                    return Ok(Self {
                        method: Some(method(&section)?),
                        section: Some(section),
                    });
                }
            }
        }
        let mlx = config.get("quantization").is_some_and(Value::is_object);
        let section = config.section("quantization").ok().flatten();
        let is_mlx = mlx && section.as_ref().is_some_and(|it| it.get("bits").is_some());
        Ok(Self {
            method: is_mlx.then(|| "mlx".to_owned()),
            section: section.filter(|_| is_mlx),
        })
    }

    /// The method as people call it.
    pub(super) fn label(&self) -> Option<String> {
        let method = self.method.as_deref()?;
        let known = METHODS.iter().find(|it| it.0 == method);
        Some(match (method, known) {
            ("mlx", _) => "MLX".to_owned(),
            (_, Some(known)) => known.1.to_owned(),
            (_, None) => config::shorten(method),
        })
    }

    /// Whether it is this one.
    pub(super) fn is(&self, method: &str) -> bool {
        self.method.as_deref() == Some(method)
    }

    /// Whether it is one of these, or none is named.
    pub(super) fn is_of(&self, methods: &[&str]) -> bool {
        let method = self.method.as_deref();
        method.is_none_or(|it| methods.contains(&it))
    }

    /// Whether it says how activations are rounded.
    pub(super) fn scales_activations(&self) -> bool {
        let keys = [
            "activation_scheme",
            "kv_cache_scheme",
            "kv_cache_quant_algo",
        ];
        let section = self.section.as_ref();
        section.is_some_and(|it| keys.iter().any(|key| it.get(key).is_some()))
    }

    /// Rows and columns of a block of FP8: of FP8's own key, of compressed-tensors' structure, or 128 × 128, which
    /// Transformers takes where the key is missing; none where it is null.
    ///
    /// # Errors
    /// What is no two whole numbers above 0.
    pub(super) fn block(&self) -> Result<Option<[usize; 2]>, CheckpointError> {
        const KEY: &str = "weight_block_size";
        let Some(section) = &self.section else {
            return Ok(None);
        };
        if let Some(value) = section.get(KEY) {
            let sides = sides(value);
            return sides
                .map(Some)
                .ok_or_else(|| section.wrong(KEY, "two whole numbers above 0"));
        }
        if self.is("fp8") {
            return Ok((!section.is_null(KEY)).then_some([128, 128]));
        }
        let groups = section.get("config_groups").and_then(Value::as_object);
        let structure = |group: &Value| sides(group.get("weights")?.get("block_structure")?);
        Ok(groups.and_then(|it| it.values().find_map(structure)))
    }

    /// Bits of a number, 4 where the key is missing.
    ///
    /// # Errors
    /// What is no whole number.
    pub(super) fn bits(&self) -> Result<usize, CheckpointError> {
        let whole = |it: &Config| it.whole_of(&["bits", "w_bit"], 1..=16, 4);
        self.section.as_ref().map_or(Ok(4), whole)
    }

    /// Columns of a group; `None` where all are one.
    ///
    /// # Errors
    /// What is neither -1 nor a whole number above 0.
    pub(super) fn group(&self) -> Result<Option<usize>, CheckpointError> {
        let Some(section) = &self.section else {
            return Ok(Some(128));
        };
        let keys = ["group_size", "q_group_size"];
        let given = keys.into_iter().find(|it| section.get(it).is_some());
        let Some(key) = given else {
            return Ok(Some(128));
        };
        if section.get(key).and_then(Value::as_i64) == Some(-1) {
            return Ok(None);
        }
        let group = section.maybe_whole(key, 1..=MAX_GROUP);
        group.map_err(|_| section.wrong(key, "a whole number above 0, or -1"))
    }

    /// Whether all groups of compressed-tensors say that their weights have zero points (`symmetric: false`).
    pub(super) fn is_asymmetric(&self) -> bool {
        let section = self.section.as_ref();
        let groups = section.and_then(|it| it.get("config_groups")?.as_object());
        let says = |it: &Value| it.get("weights")?.get("symmetric")?.as_bool();
        groups.is_some_and(|it| !it.is_empty() && it.values().all(|it| says(it) == Some(false)))
    }

    /// Whether `GPTQModel` says that it wrote it: `meta.quantizer` is its name with a version, or a list with that.
    pub(super) fn is_of_gptqmodel(&self) -> bool {
        let section = self.section.as_ref();
        let quantizer = section.and_then(|it| it.get("meta")?.get("quantizer"));
        let is_name = |it: &Value| it.as_str().is_some_and(|it| it.starts_with("gptqmodel"));
        quantizer.is_some_and(|it| match it.as_array() {
            Some(all) => all.iter().any(is_name),
            None => is_name(it),
        })
    }

    /// A text of the section, in small letters.
    ///
    /// # Errors
    /// What is no text.
    pub(super) fn text(&self, key: &str) -> Result<Option<String>, CheckpointError> {
        let Some(section) = &self.section else {
            return Ok(None);
        };
        Ok(section.text(key)?.map(str::to_lowercase))
    }
}

fn sides(value: &Value) -> Option<[usize; 2]> {
    let side = |it: &Value| {
        let side = usize::try_from(it.as_u64()?).ok()?;
        (1..=MAX_GROUP).contains(&side).then_some(side)
    };
    match value.as_array()?.as_slice() {
        [rows, cols] => Some([side(rows)?, side(cols)?]),
        _ => None,
    }
}

/// The method of a section, which older ones name by what they have.
fn method(section: &Config) -> Result<String, CheckpointError> {
    let has = |keys: &[&str]| keys.iter().any(|it| section.get(it).is_some());
    Ok(match section.text("quant_method")? {
        Some(it) => it.to_lowercase(),
        None if has(&["load_in_4bit", "load_in_8bit"]) => "bitsandbytes".to_owned(),
        None if has(&["config_groups"]) => "compressed-tensors".to_owned(),
        None if has(&["mode", "bits"]) && has(&["group_size"]) => "mlx".to_owned(),
        None => "a method without a name".to_owned(),
    })
}
