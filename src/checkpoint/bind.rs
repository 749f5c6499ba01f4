//! Tensors to slots: every weight a family needs is there with its exact shape, and every tensor
//! that is there is needed, or is one that published checkpoints carry and do not use.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use crate::spec::ModelSpec;

use super::{
    CheckpointError, WeightView, Weights,
    container::{Tensor, Tensors},
    family::{self, Family, Source},
    memory,
};

/// What came of it.
pub(super) struct Bound {
    /// Every weight.
    pub(super) weights: Weights,
    /// Bytes that were copied, because they are not aligned in the file.
    pub(super) copied_bytes: u64,
    /// What a person should know.
    pub(super) notes: Vec<String>,
}

/// Fills every slot. A head that is neither tied nor there becomes tied in `spec`.
///
/// # Errors
/// A tensor that is missing, has another shape or unreadable numbers, is of another kind of layer,
/// or belongs to no slot; or more to copy than there is memory.
pub(super) fn bind(
    family: &Family,
    spec: &mut ModelSpec,
    tensors: &Tensors,
    place: &Path,
) -> Result<Bound, CheckpointError> {
    let mut notes = Vec::new();
    if !spec.head.tied && !tensors.by_name.contains_key(family::HEAD) {
        spec.head.tied = true;
        notes.push("there is no lm_head.weight, so the embedding serves as the head".to_owned());
    }
    let spec = &*spec;
    let mut binder = Binder {
        tensors,
        place,
        views: HashMap::new(),
        used: HashSet::new(),
        weights: Weights::default(),
        n_copied: 0,
        copied_bytes: 0,
    };
    for source in family::outer(spec) {
        binder.fill(source)?;
    }
    for (l, layer) in spec.layers.iter().enumerate() {
        binder.check_kind(family, l, family::has_experts(layer))?;
        for source in family.names.layer(spec, l, layer) {
            binder.fill(source)?;
        }
        binder.views.clear();
    }
    notes.extend(leftovers(spec, tensors, &binder.used, place)?);
    if binder.n_copied > 0 {
        notes.push(format!(
            "{} tensors are not aligned in the file and were copied, {}",
            binder.n_copied,
            super::gigabytes(binder.copied_bytes)
        ));
    }
    Ok(Bound {
        weights: binder.weights,
        copied_bytes: binder.copied_bytes,
        notes,
    })
}

struct Binder<'a> {
    tensors: &'a Tensors,
    place: &'a Path,
    /// Whole tensors of this layer, so that one that is split is copied at most once.
    views: HashMap<String, WeightView>,
    used: HashSet<String>,
    weights: Weights,
    n_copied: usize,
    copied_bytes: u64,
}

impl Binder<'_> {
    fn fill(&mut self, source: Source) -> Result<(), CheckpointError> {
        let whole = match self.views.get(&source.tensor) {
            Some(it) => it.clone(),
            None => self.view(&source)?,
        };
        let part = whole
            .rows(source.rows.clone())
            .ok_or_else(|| CheckpointError::Shape {
                tensor: source.tensor.clone(),
                got: vec![whole.shape().0, whole.shape().1],
                want: source.shape.clone(),
                path: self.place.to_owned(),
            })?;
        self.weights.insert(source.slot, part);
        self.views.insert(source.tensor.clone(), whole);
        self.used.insert(source.tensor);
        Ok(())
    }

    /// The whole tensor, all but its last dimension as rows.
    fn view(&mut self, source: &Source) -> Result<WeightView, CheckpointError> {
        let name = || source.tensor.clone();
        let Some(tensor) = self.tensors.by_name.get(&source.tensor) else {
            return Err(CheckpointError::Missing {
                tensor: name(),
                want: source.shape.clone(),
                path: self.place.to_owned(),
            });
        };
        let path = || self.tensors.path_of(tensor);
        let wrong_shape = || CheckpointError::Shape {
            tensor: name(),
            got: tensor.shape.clone(),
            want: source.shape.clone(),
            path: path(),
        };
        if tensor.shape != source.shape {
            return Err(wrong_shape());
        }
        let dtype = tensor.dtype.map_err(|got| CheckpointError::Dtype {
            tensor: name(),
            got: got.to_string(),
            path: path(),
        })?;
        let (cols, rows) = source.shape.split_last().ok_or_else(wrong_shape)?;
        let rows = rows.iter().product();
        let Some(shard) = self.tensors.shards.get(tensor.shard) else {
            return Err(wrong_shape());
        };
        let aligned = shard.blob.is_aligned(tensor.bytes.start, dtype);
        if !aligned {
            self.count_copy(tensor)?;
        }
        WeightView::new(&shard.blob, tensor.bytes.start, dtype, rows, *cols).ok_or_else(wrong_shape)
    }

    /// Refuses to copy more than there is memory for.
    fn count_copy(&mut self, tensor: &Tensor) -> Result<(), CheckpointError> {
        self.n_copied += 1;
        self.copied_bytes += tensor.bytes.len() as u64;
        match memory::available() {
            Some(free_bytes) if tensor.bytes.len() as u64 > free_bytes => {
                Err(CheckpointError::Memory {
                    what: "copying tensors that are not aligned in the file",
                    need_bytes: tensor.bytes.len() as u64,
                    free_bytes,
                    name: self.place.display().to_string(),
                })
            }
            _ => Ok(()),
        }
    }

    /// Config and tensors agree whether the layer has experts.
    fn check_kind(
        &self,
        family: &Family,
        layer: usize,
        has_experts: bool,
    ) -> Result<(), CheckpointError> {
        let (router, dense) = family.names.telltales(layer);
        let (kind, tensor) = if has_experts {
            ("an expert layer", dense)
        } else {
            ("a dense layer", router)
        };
        if self.tensors.by_name.contains_key(&tensor) {
            return Err(CheckpointError::LayerKind {
                layer,
                kind,
                tensor,
                path: self.place.to_owned(),
            });
        }
        Ok(())
    }
}

/// Tensors that no slot uses: a note for those known to be carried along, an error for any other.
fn leftovers(
    spec: &ModelSpec,
    tensors: &Tensors,
    used: &HashSet<String>,
    place: &Path,
) -> Result<Vec<String>, CheckpointError> {
    const SHOWN: usize = 3;
    let (known, unknown): (Vec<&String>, Vec<&String>) = tensors
        .by_name
        .keys()
        .filter(|it| !used.contains(*it))
        .partition(|it| is_carried_along(it, spec));
    let list = |names: &[&String]| {
        let mut shown: Vec<&str> = names.iter().take(SHOWN).map(|it| it.as_str()).collect();
        if names.len() > SHOWN {
            shown.push("…");
        }
        shown.join(", ")
    };
    if !unknown.is_empty() {
        return Err(CheckpointError::Leftover {
            n: unknown.len(),
            names: list(&unknown),
            family: spec.family_label.clone(),
            path: place.to_owned(),
        });
    }
    if known.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![format!(
        "{} tensors are in the file and not used: {}",
        known.len(),
        list(&known)
    )])
}

/// Names that published checkpoints are known to carry and not use.
fn is_carried_along(name: &str, spec: &ModelSpec) -> bool {
    let is_beyond = name
        .strip_prefix("model.layers.")
        .and_then(|it| it.split_once('.'))
        .and_then(|(layer, _)| layer.parse::<usize>().ok())
        .is_some_and(|layer| layer >= spec.layers.len());
    let is_mtp = name.split('.').any(|it| it.starts_with("mtp"));
    is_beyond
        || is_mtp
        || (spec.head.tied && name == family::HEAD)
        || name.ends_with("rotary_emb.inv_freq")
        || name.ends_with(".masked_bias")
}
