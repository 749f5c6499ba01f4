//! The keys of a GGUF file as the settings of a config, each with the name it has in the file, so that a
//! refusal names the key that a person finds there.

use std::{cell::RefCell, collections::HashMap};

use serde_json::{Map, Number, Value, json};

use super::{Arch, GgufModel, Rotated, names::ROUTER};
use crate::checkpoint::{CheckpointError, config::Config, container::Tensor};

/// Settings of every family, what stands behind `ARCH.` in their keys, and whether a file must have them.
const KEYS: &[(&str, &str, bool)] = &[
    ("hidden_size", "embedding_length", true),
    ("num_hidden_layers", "block_count", true),
    ("max_position_embeddings", "context_length", true),
    ("num_attention_heads", "attention.head_count", true),
    ("num_key_value_heads", "attention.head_count_kv", false),
    ("head_dim", "attention.key_length", false),
    ("rope_theta", "rope.freq_base", false),
    ("num_experts", "expert_count", true),
    ("num_experts_per_tok", "expert_used_count", true),
    ("norm_topk_prob", "expert_weights_norm", false),
];

/// Keys of computations that none of the architectures has; each with the values that ask for none.
const NOT_COMPUTED: &[(&str, &[f64])] = &[
    ("expert_group_count", &[0.0, 1.0]),
    ("expert_group_used_count", &[0.0, 1.0]),
    ("attention.sliding_window", &[0.0]),
    ("attn_logit_softcapping", &[0.0]),
    ("final_logit_softcapping", &[0.0]),
    ("attention.causal", &[1.0]),
    ("router_logit_softcapping", &[0.0]),
    ("swin_norm", &[0.0]),
    ("use_parallel_residual", &[0.0]),
];

/// The width of a head of values.
const VALUE_WIDTH: &str = "attention.value_length";

/// Keys that may have a number for each layer: what differs is completed layer by layer.
const BY_LAYER: &[&str] = &[
    "expert_used_count",
    "expert_feed_forward_length",
    "feed_forward_length",
];

const SHARED_DOWN: &str = "ffn_down_shexp.weight";

/// Whether the file says that its model has experts.
pub(super) fn has_experts(file: &GgufModel<'_>, arch: &Arch) -> bool {
    let n = (file.get)(&format!("{}.expert_count", arch.name));
    n.and_then(|it| it.as_f64()).is_some_and(|it| it > 0.0)
        || file.tensors.by_name.keys().any(|it| it.ends_with(ROUTER))
}

/// The settings of a file.
///
/// # Errors
/// A key that is missing or asks for what the architecture does not have.
pub(super) fn read(file: &GgufModel<'_>, arch: &Arch) -> Result<Config, CheckpointError> {
    let mut settings = Settings {
        file,
        arch,
        map: Map::new(),
        keys: HashMap::new(),
        wrong: RefCell::new(None),
    };
    let is_shared = settings.width_of(SHARED_DOWN).is_some();
    let model_type = arch.model_types[usize::from(is_shared)];
    settings.set("model_type", model_type.into());
    for (setting, key, is_needed) in KEYS {
        settings.take(setting, key, *is_needed)?;
    }
    settings.take(arch.eps.0, arch.eps.1, true)?;
    for (setting, key) in arch.keys {
        settings.take(setting, key, false)?;
    }
    settings.defaults()?;
    settings.heads()?;
    settings.rotation()?;
    (arch.more)(&mut settings);
    settings.refuse_others()?;
    if let Some(wrong) = settings.wrong.take() {
        return Err(wrong);
    }
    Ok(Config::of(settings.map, settings.keys, file.path))
}

/// The settings of a file, as they are filled in.
pub(super) struct Settings<'a> {
    file: &'a GgufModel<'a>,
    arch: &'a Arch,
    map: Map<String, Value>,
    /// The key in the file that a setting came from.
    keys: HashMap<String, String>,
    /// A key that was asked for a number and holds none.
    wrong: RefCell<Option<CheckpointError>>,
}

impl Settings<'_> {
    fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.arch.name)
    }

    /// A setting that is there.
    pub(super) fn setting(&self, setting: &str) -> Option<&Value> {
        self.map.get(setting)
    }

    /// Takes a setting out.
    pub(super) fn unset(&mut self, setting: &str) -> Option<Value> {
        self.map.remove(setting)
    }

    /// A setting that follows from a key.
    pub(super) fn set_from(&mut self, setting: &str, key: &str, value: Value) {
        self.keys.insert(setting.to_owned(), self.key(key));
        self.set(setting, value);
    }

    /// Names the key that a setting within another comes from.
    pub(super) fn comes_from(&mut self, setting: &str, key: &str) {
        self.keys.insert(setting.to_owned(), self.key(key));
    }

    /// How many layers there are.
    pub(super) fn n_layers(&self) -> usize {
        let n = self.map.get("num_hidden_layers").and_then(Value::as_u64);
        n.map_or(0, |it| it.min(1 << 16) as usize)
    }

    /// Whether any layer has a tensor of that name.
    pub(super) fn has_tensor(&self, name: &str) -> bool {
        let end = format!(".{name}");
        let mut names = self.file.tensors.by_name.keys();
        names.any(|it| it.starts_with("blk.") && it.ends_with(&end))
    }

    /// Whether there is a tensor of that name outside of the layers.
    pub(super) fn has_outer_tensor(&self, name: &str) -> bool {
        self.file.tensors.by_name.contains_key(name)
    }

    /// The rows of a matrix of that name, in the first layer that has it.
    pub(super) fn rows_of(&self, name: &str) -> Option<usize> {
        let end = format!(".{name}");
        let mut tensors = self.file.tensors.by_name.iter();
        let found = tensors.find(|it| it.0.starts_with("blk.") && it.0.ends_with(&end));
        found?.1.shape.first().copied()
    }

    /// Whether one layer has it.
    pub(super) fn has_tensor_in(&self, layer: usize, name: &str) -> bool {
        let name = format!("blk.{layer}.{name}");
        self.file.tensors.by_name.contains_key(&name)
    }

    /// Rows of a tensor of the first layer.
    pub(super) fn first_rows_of(&self, name: &str) -> Option<usize> {
        let tensors = &self.file.tensors.by_name;
        let found = tensors.get(&format!("blk.0.{name}"))?;
        found.shape.first().copied()
    }

    pub(super) fn set(&mut self, setting: &str, value: Value) {
        self.map.insert(setting.to_owned(), value);
    }

    pub(super) fn get(&self, key: &str) -> Option<Value> {
        (self.file.get)(&self.key(key))
    }

    /// A number that is there, and not 0. What is no number is refused once all keys are read; a list may be a number
    /// for each layer, and is none here.
    pub(super) fn number(&self, key: &str) -> Option<f64> {
        let value = self.get(key)?;
        let got = match &value {
            Value::Null => Some("no finite number".to_owned()),
            Value::String(it) => Some(format!("{it:?}")),
            Value::Bool(it) => Some(it.to_string()),
            _ => None,
        };
        if let Some(got) = got {
            self.wrong.replace(Some(self.refuse(key, got, "a number")));
        }
        value.as_f64().filter(|it| *it != 0.0)
    }

    /// A number that is there, as a whole one.
    fn whole(&self, key: &str) -> Option<u64> {
        let Some(number) = self.number(key) else {
            return self.get(key)?.as_u64();
        };
        if number >= 0.0 && number.fract() == 0.0 {
            return Some(number as u64);
        }
        let wrong = self.refuse(key, number.to_string(), "a whole number");
        self.wrong.replace(Some(wrong));
        None
    }

    pub(super) fn refuse(&self, key: &str, got: String, want: &str) -> CheckpointError {
        CheckpointError::Setting {
            key: self.key(key),
            got,
            want: want.to_owned(),
            path: self.file.path.to_owned(),
        }
    }

    /// A setting from its key. A list of one value for each layer is that value, where all are alike.
    fn take(&mut self, setting: &str, key: &str, is_needed: bool) -> Result<(), CheckpointError> {
        self.keys.insert(setting.to_owned(), self.key(key));
        let value = match self.get(key) {
            None if is_needed => {
                return Err(self.refuse(
                    key,
                    "missing".to_owned(),
                    "there, as in every GGUF model",
                ));
            }
            None => return Ok(()),
            Some(Value::Null) => {
                return Err(self.refuse(key, "no finite number".to_owned(), "a number"));
            }
            Some(Value::Array(all))
                if setting == "num_attention_heads" && self.arch.heads_by_layer =>
            {
                let all: Vec<Value> = all.into_iter().take(self.n_layers()).collect();
                let first = all.first().cloned().unwrap_or(Value::Null);
                self.set_from("num_attention_heads_per_layer", key, all.into());
                first
            }
            Some(Value::Array(all)) => self.of_layers(setting, key, &all).ok_or_else(|| {
                let want = "alike in every layer, because this architecture's layers are alike";
                self.refuse(key, "a list of different values".to_owned(), want)
            })?,
            Some(it) => it,
        };
        // A switch may be written as a number.
        let value = match (setting, value.as_u64()) {
            ("norm_topk_prob", Some(it)) => Value::Bool(it != 0),
            _ => value,
        };
        self.set(setting, value);
        Ok(())
    }

    /// The one value of a list of one for each layer; `None` where they differ. Layers without a part have 0 there, where
    /// an architecture's layers differ.
    fn of_layers(&self, setting: &str, key: &str, all: &[Value]) -> Option<Value> {
        if BY_LAYER.contains(&key) {
            let all = all.iter().take(self.n_layers());
            return all.max_by_key(|it| it.as_u64().unwrap_or(0)).cloned();
        }
        let has_none = |it: &&Value| self.arch.has_kinds && it.as_f64() == Some(0.0);
        let mut all = all.iter().filter(|it| !has_none(it));
        let first = all.next()?;
        if self.arch.by_layer.contains(&setting) {
            return Some(first.clone());
        }
        all.all(|it| it == first).then(|| first.clone())
    }

    /// What a file does not say by a key, and what is better read off its tensors.
    fn defaults(&mut self) -> Result<(), CheckpointError> {
        let tensors = self.file.tensors;
        if !self.map.contains_key("norm_topk_prob") {
            self.set("norm_topk_prob", self.arch.renorm.into());
        }
        if !self.map.contains_key("num_key_value_heads") {
            let heads = self.map["num_attention_heads"].clone();
            self.set("num_key_value_heads", heads);
        }
        if !self.map.contains_key("rope_theta") {
            self.set("rope_theta", json!(10_000.0));
        }
        let n_vocab = ["token_embd.weight", "output.weight"];
        let n_vocab = n_vocab.iter().find_map(|it| tensors.by_name.get(*it));
        if let Some(n) = n_vocab.and_then(|it| it.shape.first()) {
            self.set("vocab_size", json!(n));
        } else {
            self.take("vocab_size", "vocab_size", true)?;
        }
        let is_tied = !tensors.by_name.contains_key("output.weight");
        self.set("tie_word_embeddings", is_tied.into());
        self.layers()?;
        self.widths()
    }

    /// Layers but those that only serve to draft further tokens, which are the last.
    fn layers(&mut self) -> Result<(), CheckpointError> {
        const DRAFTS: &str = "nextn_predict_layers";
        let drafts = self.number(DRAFTS).unwrap_or(0.0);
        let Some(n) = self.map["num_hidden_layers"].as_u64() else {
            return Ok(());
        };
        if drafts < 0.0 || drafts >= n as f64 {
            let want = format!("below block_count, {n}");
            return Err(self.refuse(DRAFTS, drafts.to_string(), &want));
        }
        self.set("num_hidden_layers", json!(n - drafts as u64));
        Ok(())
    }

    /// The inner widths, as the tensors have them.
    fn widths(&mut self) -> Result<(), CheckpointError> {
        let by_key = ["expert_feed_forward_length", "feed_forward_length"];
        let by_key = by_key.iter().find(|it| self.number(it).is_some());
        match (self.width_of("ffn_down_exps.weight"), by_key) {
            (Some(n), _) => self.set(self.arch.expert_width, json!(n)),
            (None, Some(key)) => self.take(self.arch.expert_width, key, true)?,
            (None, None) => self.take(self.arch.expert_width, "feed_forward_length", true)?,
        }
        let shared = self.width_of(SHARED_DOWN);
        for (setting, key) in self.arch.keys {
            if *key == "expert_shared_feed_forward_length" {
                // Without a shared expert the families' own default must not count.
                self.set(setting, json!(shared.unwrap_or(0)));
            }
        }
        Ok(())
    }

    /// The width that a matrix at the end of a network reads, in the first layer that has it: for all experts
    /// in one tensor, or in one each.
    pub(super) fn width_of(&self, name: &str) -> Option<usize> {
        let tensors = &self.file.tensors.by_name;
        let one = name.replace("_exps", ".0");
        let is_it = |it: &str| it.starts_with("blk.") && (it.ends_with(name) || it.ends_with(&one));
        let found: Option<&Tensor> = tensors.iter().find(|it| is_it(it.0)).map(|it| it.1);
        found?.shape.last().copied()
    }

    /// Keys and values of one width, and the factor on their products.
    fn heads(&mut self) -> Result<(), CheckpointError> {
        if self.arch.rotated == Rotated::Apart {
            // Read with all else of the architecture.
            return Ok(());
        }
        let width = self.map.get("head_dim").and_then(Value::as_u64);
        let of_values = self.whole(VALUE_WIDTH);
        let heads = self.map["num_attention_heads"]
            .as_u64()
            .filter(|it| *it > 0);
        let plain = heads.and_then(|it| Some(self.map["hidden_size"].as_u64()? / it));
        let Some(width) = width.or(plain) else {
            return Ok(());
        };
        // Where an architecture's values may be narrower than keys the family reads how wide they are.
        let may_differ = self.arch.keys.iter().any(|it| it.1 == VALUE_WIDTH);
        if let Some(it) = of_values.filter(|it| *it != width && !may_differ) {
            let want = format!("the width of keys, {width}");
            return Err(self.refuse(VALUE_WIDTH, it.to_string(), &want));
        }
        let rotated = self.whole("rope.dimension_count");
        if let (Rotated::Part, Some(it)) = (self.arch.rotated, rotated) {
            // A little more, so that the product with the width is not below the number.
            let share = number(((it as f64 + 0.25) / width as f64).min(1.0));
            self.set_from("partial_rotary_factor", "rope.dimension_count", share);
        }
        let is_odd = |it: &u64| *it != width && self.arch.rotated == Rotated::Whole;
        if let Some(it) = rotated.filter(is_odd) {
            let want = format!("the width of a head, {width}");
            return Err(self.refuse("rope.dimension_count", it.to_string(), &want));
        }
        let scale = self.number("attention.scale");
        let scale = scale.unwrap_or_else(|| 1.0 / f64::from((width as f32).sqrt()));
        self.set("attention_multiplier", json!(scale));
        self.keys.insert(
            "attention_multiplier".to_owned(),
            self.key("attention.scale"),
        );
        Ok(())
    }

    /// How rotations are stretched.
    fn rotation(&mut self) -> Result<(), CheckpointError> {
        const KINDS: &str = "none, linear or yarn";
        let kind = match self.get("rope.scaling.type") {
            None => "linear".to_owned(),
            Some(Value::String(it)) => it,
            Some(it) => return Err(self.refuse("rope.scaling.type", it.to_string(), KINDS)),
        };
        let factor = ["rope.scaling.factor", "rope.scale_linear"];
        let (key, factor) = factor
            .iter()
            .find_map(|it| Some((*it, self.number(it)?)))
            .unwrap_or(("rope.scaling.factor", 1.0));
        let mut scaling = Map::new();
        match kind.as_str() {
            "none" | "default" => return Ok(()),
            "linear" if (factor - 1.0).abs() < f64::EPSILON => return Ok(()),
            "linear" => {}
            "yarn" => self.yarn(&mut scaling, factor),
            other => return Err(self.refuse("rope.scaling.type", other.to_owned(), KINDS)),
        }
        scaling.insert("rope_type".to_owned(), kind.into());
        scaling.insert("factor".to_owned(), number(factor));
        for (setting, key) in [
            ("rope_scaling.factor", key),
            ("rope_scaling.rope_type", "rope.scaling.type"),
            (
                "rope_scaling.original_max_position_embeddings",
                "rope.scaling.original_context_length",
            ),
        ] {
            self.keys.insert(setting.to_owned(), self.key(key));
        }
        self.set("rope_scaling", Value::Object(scaling));
        Ok(())
    }

    /// What `YaRN` takes beside its factor. Cos and sin are multiplied by `attn_factor · (1 + 0.1 ln factor)`.
    fn yarn(&self, scaling: &mut Map<String, Value>, factor: f64) {
        let keys = [
            (
                "original_max_position_embeddings",
                "original_context_length",
            ),
            ("beta_fast", "yarn_beta_fast"),
            ("beta_slow", "yarn_beta_slow"),
        ];
        for (setting, key) in keys {
            if let Some(it) = self.number(&format!("rope.scaling.{key}")) {
                scaling.insert(setting.to_owned(), number(it));
            }
        }
        let by_key = ["yarn_attn_factor", "attn_factor"];
        let by_key = by_key
            .iter()
            .find_map(|it| self.number(&format!("rope.scaling.{it}")));
        if let Some(it) = by_key {
            let scale = it * (1.0 + 0.1 * factor.max(1.0).ln());
            scaling.insert("attention_factor".to_owned(), number(scale));
        }
    }

    /// Computations that the architecture does not have.
    fn refuse_others(&self) -> Result<(), CheckpointError> {
        let gating = [("expert_gating_func", self.arch.gating)];
        for (key, none) in NOT_COMPUTED.iter().chain(&gating) {
            if self.arch.keys.iter().any(|it| it.1 == *key) {
                continue;
            }
            let got = match self.get(key) {
                None => continue,
                Some(Value::Bool(it)) => f64::from(u8::from(it)),
                Some(it) => it.as_f64().unwrap_or(f64::NAN),
            };
            if !none.contains(&got) {
                let want = format!(
                    "{}, because {} has nothing else",
                    none[none.len() - 1],
                    self.arch.name
                );
                return Err(self.refuse(key, got.to_string(), &want));
            }
        }
        Ok(())
    }
}

/// A number; one that is not finite is null, which no setting takes for a number.
fn number(it: f64) -> Value {
    Number::from_f64(it).map_or(Value::Null, Value::Number)
}
