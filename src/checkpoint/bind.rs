//! Tensors to slots: every weight a family needs is there with its exact shape, under one of the names
//! it may have, and every tensor that is there is needed, or is known to be of no use.

use std::{
    collections::{HashMap, HashSet},
    mem,
    path::Path,
};

use crate::spec::{ModelSpec, StackId};

use super::{
    CheckpointError, LayerSlot, Part, Slot, WeightView, Weights,
    container::Tensors,
    family::{self, Draft, NameStem, Names, Prefix, Role, Spelling, TensorSource},
    leftovers::leftovers,
    packed::Scheme,
    quantization::PlaneTensors,
};

/// What came of it.
pub(super) struct Bound {
    /// Every weight.
    pub(super) weights: Weights,
    /// What a person should know.
    pub(super) notes: Vec<String>,
}

/// Fills every slot. Whether the head is the embedding is settled by the tensors, in `spec` too.
///
/// # Errors
/// A tensor that is missing, has another shape or unreadable numbers, is of another kind of layer, is
/// there under two names or belongs to no slot.
pub(super) fn bind(
    names: &'static Names,
    draft: &mut Draft,
    tensors: &Tensors,
    place: &Path,
) -> Result<Bound, CheckpointError> {
    let mut binder = Binder {
        names,
        tensors,
        place,
        views: HashMap::new(),
        used: mem::take(&mut draft.read).into_iter().collect(),
        weights: Weights::default(),
        last: None,
        rows: HashMap::new(),
        n_misaligned: 0,
        misaligned_bytes: 0,
    };
    let mut notes = Vec::new();
    notes.extend(binder.settle_head(&mut draft.spec)?);
    let spec = &draft.spec;
    for role in Role::OUTER {
        binder.fill(*role, spec, 0)?;
    }
    for (l, layer) in spec.layers.iter().enumerate() {
        binder.check_kind(l, family::has_experts(layer))?;
        for role in Role::LAYER {
            binder.fill(*role, spec, l)?;
        }
        binder.views.clear();
    }
    for l in 0..spec.layers_of(StackId::Encoder).len() {
        for role in Role::ENCODER_LAYER {
            binder.fill(*role, spec, l)?;
        }
        binder.views.clear();
    }
    binder.settle_copies();
    notes.extend(leftovers(names, spec, tensors, &binder.used, place)?);
    if binder.n_misaligned > 0 {
        notes.push(format!(
            "{} tensors are not aligned in the file, {}: the CPU computes with a copy of them",
            binder.n_misaligned,
            super::gigabytes(binder.misaligned_bytes)
        ));
    }
    Ok(Bound {
        weights: binder.weights,
        notes,
    })
}

struct Binder<'a> {
    names: &'static Names,
    tensors: &'a Tensors,
    place: &'a Path,
    /// Whole tensors of this layer, so that one that is split is looked at once.
    views: HashMap<String, WeightView>,
    used: HashSet<String>,
    weights: Weights,
    /// How the tensor before was called.
    last: Option<(usize, Prefix)>,
    /// How a role was called the last time, a row of the family's list.
    rows: HashMap<Role, usize>,
    n_misaligned: usize,
    misaligned_bytes: u64,
}

impl Binder<'_> {
    /// Decides whether the head is the embedding, as Transformers does: a pair that the config ties is
    /// two where the file has two that differ, and one of either name serves as both. Returns a note.
    fn settle_head(&mut self, spec: &mut ModelSpec) -> Result<Option<String>, CheckpointError> {
        if !spec.head.horizons.is_empty() {
            return Ok(None);
        }
        let embedding = self.found(Role::Embedding, 0)?;
        let head = self.found(Role::Head, 0)?;
        let was_tied = mem::replace(&mut spec.head.tied, head.is_none());
        let note = match (embedding, head) {
            (_, None) if was_tied => return Ok(None),
            (_, None) => {
                let usual = self.names.spellings(Role::Head).next();
                let name = usual.map_or_else(String::new, |it| it.stem(0).before);
                format!("there is no {name}, so the embedding serves as the head")
            }
            (_, Some(_)) if !was_tied => return Ok(None),
            (None, Some((spelling, head))) => {
                self.embed_by_head(spelling, spec)?;
                spec.head.tied = true;
                format!("the embedding is stored once, as {head}")
            }
            (Some((_, embedding)), Some((_, head)))
                if self.tensors.are_equal(&embedding, &head) =>
            {
                spec.head.tied = true;
                let note = format!("the embedding is stored twice, as {head} too");
                self.used.insert(head);
                note
            }
            (Some(_), Some((_, head))) => format!(
                "the config ties the head to the embedding, but {head} differs from it: the file's head is used"
            ),
        };
        Ok(Some(note))
    }

    /// The embedding under the names that each stack of an encoder–decoder model has for it, where it is the same.
    fn settle_copies(&mut self) {
        const EMBEDDING: &str = "shared.weight";
        for copy in ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight"] {
            if self.used.contains(EMBEDDING)
                && self.tensors.by_name.contains_key(copy)
                && self.tensors.are_equal(EMBEDDING, copy)
            {
                self.used.insert(copy.to_owned());
            }
        }
    }

    /// The one spelling of a role that the file has, with the name it goes by there.
    fn found(
        &self,
        role: Role,
        layer: usize,
    ) -> Result<Option<(Spelling, String)>, CheckpointError> {
        let mut first: Option<(Spelling, String)> = None;
        for spelling in self.names.spellings(role) {
            let NameStem { before, after } = spelling.stem(layer);
            let Some(name) = self.tensors.find(&before, after.as_deref()) else {
                continue;
            };
            match &first {
                None => first = Some((spelling, name.to_owned())),
                Some((_, it)) if it == name => {}
                Some((_, it)) => {
                    return Err(CheckpointError::TwoNames {
                        one: it.clone(),
                        other: name.to_owned(),
                        path: self.place.to_owned(),
                    });
                }
            }
        }
        Ok(first)
    }

    /// Fills the slots of a role, where the model has it.
    fn fill(&mut self, role: Role, spec: &ModelSpec, layer: usize) -> Result<(), CheckpointError> {
        let Some(usual) = self.names.spellings(role).next() else {
            return Ok(());
        };
        let is_filled = role == Role::Embedding && self.weights.get(Slot::Embedding).is_some();
        if usual.sources(role, spec, layer, false).is_empty() || is_filled {
            return Ok(());
        }
        let spelling = match self.found(role, layer)? {
            Some((it, _)) => it,
            None => self.expected(role).unwrap_or(usual),
        };
        let NameStem { before, after } = spelling.stem(layer);
        let packed = self.tensors.packed.get(&before).filter(|_| after.is_none());
        // Blocks of a GGUF file lie as its other tensors do.
        let is_packed = packed.is_some_and(|it| it.scheme != Scheme::NvBlocks);
        for source in spelling.sources(role, spec, layer, is_packed) {
            self.fill_slot(source)?;
        }
        self.last = Some((spelling.row, spelling.prefix));
        self.rows.insert(role, spelling.row);
        Ok(())
    }

    /// Fills the embedding from the head's tensor.
    fn embed_by_head(&mut self, head: Spelling, spec: &ModelSpec) -> Result<(), CheckpointError> {
        for source in head.sources(Role::Head, spec, 0, false) {
            self.fill_slot(TensorSource {
                slot: Slot::Embedding,
                ..source
            })?;
        }
        Ok(())
    }

    /// How a tensor that is missing would be called in this file: as in the layer before, or as the
    /// tensors beside it.
    fn expected(&self, role: Role) -> Option<Spelling> {
        let (last, prefix) = self.last?;
        let spellings = || {
            let all = self.names.spellings(role);
            all.filter(|it| it.prefix == prefix)
        };
        let before = self.rows.get(&role);
        spellings()
            .find(|it| Some(&it.row) == before)
            .or_else(|| spellings().find(|it| it.row >= last))
            .or_else(|| spellings().next())
    }

    fn fill_slot(&mut self, source: TensorSource) -> Result<(), CheckpointError> {
        let whole = match self.views.get(&source.tensor) {
            Some(it) => it.clone(),
            None => self.view(&source)?,
        };
        let part = whole
            .cut(&source.cut)
            .and_then(|it| match &source.transposed {
                Some(rows) => it.transposed()?.rows(rows.clone()),
                None => Some(it),
            })
            .and_then(|it| it.every(source.every))
            .ok_or_else(|| CheckpointError::Shape {
                tensor: source.tensor.clone(),
                got: vec![whole.shape().0, whole.shape().1],
                want: source.shape.clone(),
                path: self.place.to_owned(),
            })?;
        self.weights
            .insert(source.slot, part.read_as(source.reading));
        self.weights.set_tensor(source.slot, &source.tensor);
        self.views.insert(source.tensor.clone(), whole);
        self.used.insert(source.tensor);
        Ok(())
    }

    /// The whole tensor, all but its last dimension as rows.
    fn view(&mut self, source: &TensorSource) -> Result<WeightView, CheckpointError> {
        let name = || source.tensor.clone();
        if let Some(packed) = self.tensors.packed.get(&source.tensor) {
            let mut parts = PlaneTensors::new(self.tensors, self.place);
            let view = packed.view(&source.shape, &mut parts)?;
            self.used.extend(parts.used);
            return Ok(view);
        }
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
        if !is_same_shape(&tensor.shape, &source.shape) {
            return Err(wrong_shape());
        }
        let dtype = tensor.dtype.map_err(|got| CheckpointError::Dtype {
            tensor: name(),
            got: got.to_string(),
            want: "f32, f16 or bf16".to_owned(),
            path: path(),
        })?;
        let (cols, rows) = source.shape.split_last().ok_or_else(wrong_shape)?;
        let rows = rows.iter().product();
        let Some(shard) = self.tensors.shards.get(tensor.shard) else {
            return Err(wrong_shape());
        };
        let view = WeightView::new(&shard.blob, tensor.bytes.start, dtype, rows, *cols)
            .ok_or_else(wrong_shape)?;
        if !view.is_aligned() && source.transposed.is_none() {
            self.n_misaligned += 1;
            self.misaligned_bytes += tensor.bytes.len() as u64;
        }
        Ok(view)
    }

    /// Config and tensors agree whether the layer has experts.
    fn check_kind(&self, layer: usize, has_experts: bool) -> Result<(), CheckpointError> {
        let (kind, other) = if has_experts {
            ("an expert layer", LayerSlot::Dense(Part::Gate))
        } else {
            ("a dense layer", LayerSlot::Router)
        };
        match self.found(Role::In(other), layer)? {
            None => Ok(()),
            Some((_, tensor)) => Err(CheckpointError::LayerKind {
                layer,
                kind,
                tensor,
                path: self.place.to_owned(),
            }),
        }
    }
}

/// Whether a tensor has the shape it needs; dimensions of 1 may be left out or put between, as in one row that is
/// written as a vector, and in the kernels of a depthwise convolution.
fn is_same_shape(got: &[usize], want: &[usize]) -> bool {
    let wide = |it: &&usize| **it != 1;
    // A vector may lie in rows of a group each (the norm of a state space in GGUF).
    let is_in_rows = || match (got, want) {
        ([rows, cols], [n]) => rows.checked_mul(*cols) == Some(*n),
        _ => false,
    };
    // The experts of a layer may be one below the other (DBRX).
    let is_below = || match (got, want) {
        ([all, cols], [n, rows, width]) => cols == width && n.checked_mul(*rows) == Some(*all),
        _ => false,
    };
    got.iter().filter(wide).eq(want.iter().filter(wide)) || is_in_rows() || is_below()
}
