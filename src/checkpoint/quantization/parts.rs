//! The tensors of a weight: each is there, holds numbers of a kind that its layout has, and has the shape that follows
//! from the config.

use std::path::Path;

use safetensors::Dtype as Raw;

use super::super::{
    BlobPart, CheckpointError,
    container::{Tensor, Tensors},
};
use crate::formats::{Dtype, ScaleType};

/// Kinds of number that scales are stored in.
pub(super) const SCALES: &[Raw] = &[Raw::F32, Raw::F16, Raw::BF16];

/// The tensors of a file, and which of them were used.
pub(in super::super) struct PlaneTensors<'a> {
    tensors: &'a Tensors,
    place: &'a Path,
    /// Their names.
    pub(in super::super) used: Vec<String>,
}

/// The shape of a weight: matrices of one shape, or one.
pub(super) struct Want {
    lead: Vec<usize>,
    pub(super) rows: usize,
    pub(super) cols: usize,
}

/// A tensor that was found.
pub(super) struct PlaneTensor {
    pub(super) bytes: BlobPart,
    /// Its kind of number.
    pub(super) raw: Raw,
    /// Which of the shapes it has.
    pub(super) way: usize,
}

impl Want {
    /// A shape of one matrix, for all of them.
    pub(super) fn shape(&self, of_one: &[usize]) -> Vec<usize> {
        self.lead.iter().chain(of_one).copied().collect()
    }

    /// How many matrices.
    pub(super) fn matrices(&self) -> usize {
        self.lead.iter().product()
    }

    /// The shapes that one number a matrix may have.
    pub(super) fn one_each(&self) -> [Vec<usize>; 3] {
        [&[][..], &[1], &[1, 1]].map(|it| self.shape(it))
    }
}

impl PlaneTensor {
    /// How its numbers are stored, where they are scales.
    pub(super) fn scale(&self) -> ScaleType {
        match self.raw {
            Raw::F16 => ScaleType::F16,
            Raw::BF16 => ScaleType::Bf16,
            Raw::F8_E4M3 => ScaleType::F8E4M3,
            Raw::U8 => ScaleType::E8M0,
            _ => ScaleType::F32,
        }
    }
}

impl<'a> PlaneTensors<'a> {
    /// Nothing is used yet.
    pub(in super::super) fn new(tensors: &'a Tensors, place: &'a Path) -> Self {
        Self {
            tensors,
            place,
            used: Vec::new(),
        }
    }

    /// The shape of a weight.
    ///
    /// # Errors
    /// A vector, which is never in fewer bits.
    pub(super) fn want(&self, shape: &[usize], name: &str) -> Result<Want, CheckpointError> {
        match shape {
            [lead @ .., rows, cols] => Ok(Want {
                lead: lead.to_vec(),
                rows: *rows,
                cols: *cols,
            }),
            _ => Err(CheckpointError::Broken {
                what: format!("the vector {name} is quantised, expected plain numbers"),
                path: self.place.to_owned(),
            }),
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.by_name.contains_key(name)
    }

    /// The shape a tensor has, where it is there.
    pub(super) fn shape_of(&self, name: &str) -> Option<&[usize]> {
        Some(&self.tensors.by_name.get(name)?.shape)
    }

    /// A tensor of one of some kinds of number, and of one of some shapes.
    ///
    /// # Errors
    /// One that is missing or other than that, by name.
    pub(super) fn read(
        &mut self,
        name: &str,
        kinds: &[Raw],
        shapes: &[Vec<usize>],
    ) -> Result<PlaneTensor, CheckpointError> {
        let usual = || shapes.first().cloned().unwrap_or_default();
        let Some(tensor) = self.tensors.by_name.get(name) else {
            return Err(CheckpointError::Missing {
                tensor: name.to_owned(),
                want: usual(),
                path: self.place.to_owned(),
            });
        };
        let wrong_shape = || CheckpointError::Shape {
            tensor: name.to_owned(),
            got: tensor.shape.clone(),
            want: usual(),
            path: self.tensors.path_of(tensor),
        };
        let raw = tensor.raw().filter(|it| kinds.contains(it));
        let raw = raw.ok_or_else(|| self.wrong_kind(name, tensor, kinds))?;
        let way = shapes.iter().position(|it| *it == tensor.shape);
        let way = way.ok_or_else(wrong_shape)?;
        let shard = self.tensors.shards.get(tensor.shard);
        let bytes = shard.and_then(|it| BlobPart::new(&it.blob, tensor.bytes.clone()));
        let bytes = bytes.ok_or_else(wrong_shape)?;
        self.used.push(name.to_owned());
        Ok(PlaneTensor { bytes, raw, way })
    }

    /// A tensor of blocks of the shape.
    ///
    /// # Errors
    /// One that is missing or other than that, by name.
    pub(super) fn blocks(
        &mut self,
        name: &str,
        dtype: Dtype,
        want: &Want,
    ) -> Result<BlobPart, CheckpointError> {
        let shape = want.shape(&[want.rows, want.cols]);
        let Some(tensor) = self.tensors.by_name.get(name) else {
            return Err(CheckpointError::Missing {
                tensor: name.to_owned(),
                want: shape,
                path: self.place.to_owned(),
            });
        };
        let shard = self.tensors.shards.get(tensor.shard);
        let is_it = tensor.dtype.ok() == Some(dtype) && tensor.shape == shape;
        let bytes = shard.filter(|_| is_it);
        let bytes = bytes.and_then(|it| BlobPart::new(&it.blob, tensor.bytes.clone()));
        let bytes = bytes.ok_or_else(|| CheckpointError::Shape {
            tensor: name.to_owned(),
            got: tensor.shape.clone(),
            want: shape,
            path: self.tensors.path_of(tensor),
        })?;
        self.used.push(name.to_owned());
        Ok(bytes)
    }

    fn wrong_kind(&self, name: &str, tensor: &Tensor, kinds: &[Raw]) -> CheckpointError {
        let want: Vec<String> = kinds.iter().map(ToString::to_string).collect();
        CheckpointError::Dtype {
            tensor: name.to_owned(),
            got: tensor.kind(),
            want: want.join(" or "),
            path: self.tensors.path_of(tensor),
        }
    }

    /// The refusal of a weight that this layout cannot hold.
    pub(super) fn broken(&self, what: String) -> CheckpointError {
        CheckpointError::Broken {
            what,
            path: self.place.to_owned(),
        }
    }

    /// A group's columns, from how many groups there are in a row: a whole part of it.
    ///
    /// # Errors
    /// Groups that do not divide the row.
    pub(super) fn group(
        &self,
        name: &str,
        n_groups: usize,
        cols: usize,
    ) -> Result<usize, CheckpointError> {
        let group = cols.checked_div(n_groups).unwrap_or(0);
        if group == 0 || group * n_groups != cols {
            return Err(self.broken(format!(
                "tensor {name} has {n_groups} scales a row, expected a number that divides rows of {cols}"
            )));
        }
        Ok(group)
    }

    /// Whether rows, or columns, are whole words or bytes.
    ///
    /// # Errors
    /// Those that are not.
    pub(super) fn whole(
        &self,
        name: &str,
        what: &str,
        n: usize,
        of: usize,
    ) -> Result<(), CheckpointError> {
        if n.is_multiple_of(of) {
            return Ok(());
        }
        Err(self.broken(format!(
            "the model needs {name} with {n} {what}, but such weights have multiples of {of}"
        )))
    }
}
