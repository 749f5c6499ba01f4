//! What a family calls its tensors: one list in the family's file of names, what each tensor holds and how.
//!
//! A [`Slot`] is one weight of one model: the down projection of expert 3 in layer 2. A [`Role`] is that weight without
//! layer and expert, as a list of names has it: the down projection of any expert. A [`Spelling`] is one way to name
//! the tensor that a role is in, with a prefix: `model.layers.{l}.mlp.experts.{e}.down_proj.weight`. A role may have
//! several spellings; the one that counts is the one whose tensor the file has.

mod role;
mod shapes;

use std::ops::Range;

use crate::spec::ModelSpec;

use self::shapes::{Matrix, has_widths, matrix_of, n_experts, n_heads};
use super::super::{Cut, Reading, Slot};

pub(in super::super) use self::role::Role;
pub(in super::super) use super::prefix::Prefix;

/// How the matrices of a tensor lie in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// `[rows, cols]`, one matrix below the other.
    Rows,
    /// `[E, rows, cols]`: the same for every expert.
    Stacked,
    /// `[E, rows, cols]`, the rows of several matrices interleaved: the first row of each, then the second.
    Interleaved,
    /// `[heads, rows, cols]`: one matrix, its rows by head.
    PerHead,
    /// `[E, cols, rows]`: the same for every expert, each matrix transposed.
    Transposed,
    /// The same with interleaved rows before they were transposed.
    TransposedInterleaved,
}

impl Layout {
    fn is_interleaved(self) -> bool {
        matches!(self, Self::Interleaved | Self::TransposedInterleaved)
    }

    fn is_transposed(self) -> bool {
        matches!(self, Self::Transposed | Self::TransposedInterleaved)
    }
}

/// A tensor of a family.
pub(in super::super) struct Tensor {
    /// Its name, where `{body}` and `{head}` stand for what comes before it in some files, `{l}` for the
    /// layer and `{e}` for the expert.
    name: &'static str,
    /// The matrices in it, the first rows first.
    holds: &'static [Role],
    layout: Layout,
    reading: Reading,
}

impl Tensor {
    /// Matrices below each other, or one alone.
    pub(super) const fn rows(name: &'static str, holds: &'static [Role]) -> Self {
        Self {
            name,
            holds,
            layout: Layout::Rows,
            reading: Reading::AsStored,
        }
    }

    /// The same for all experts, the rows of the matrices interleaved.
    pub(super) const fn interleaved(name: &'static str, holds: &'static [Role]) -> Self {
        Self {
            name,
            holds,
            layout: Layout::Interleaved,
            reading: Reading::AsStored,
        }
    }

    /// One matrix, its rows by head of latent attention.
    pub(super) const fn per_head(name: &'static str, holds: &'static [Role]) -> Self {
        Self {
            name,
            holds,
            layout: Layout::PerHead,
            reading: Reading::AsStored,
        }
    }

    /// The same for all experts, each matrix transposed: `[E, in, out]`. Where the tensor is in planes of a
    /// format of few bits it is not: those hold outputs row by row in every family.
    pub(super) const fn transposed(name: &'static str, holds: &'static [Role]) -> Self {
        Self {
            name,
            holds,
            layout: Layout::Transposed,
            reading: Reading::AsStored,
        }
    }

    /// The same with the rows of the matrices interleaved.
    pub(super) const fn transposed_interleaved(name: &'static str, holds: &'static [Role]) -> Self {
        Self {
            name,
            holds,
            layout: Layout::TransposedInterleaved,
            reading: Reading::AsStored,
        }
    }

    /// A vector whose numbers stand for others.
    pub(super) const fn read_as(
        reading: Reading,
        name: &'static str,
        holds: &'static [Role],
    ) -> Self {
        Self {
            name,
            holds,
            layout: Layout::Rows,
            reading,
        }
    }

    /// The same for all experts.
    pub(super) const fn stacked(name: &'static str, holds: &'static [Role]) -> Self {
        Self {
            name,
            holds,
            layout: Layout::Stacked,
            reading: Reading::AsStored,
        }
    }
}

/// What a family calls its tensors.
pub(in super::super) struct Names {
    /// What may stand before them, the usual first.
    pub(super) prefixes: &'static [Prefix],
    /// Every tensor; of one role's, the usual first.
    pub(super) tensors: &'static [&'static [Tensor]],
}

/// Where the weight of a slot comes from.
pub(in super::super) struct TensorSource {
    /// The slot.
    pub(in super::super) slot: Slot,
    /// The tensor's name.
    pub(in super::super) tensor: String,
    /// The whole tensor's shape.
    pub(in super::super) shape: Vec<usize>,
    /// The part of it that is meant, all but the last dimension counted as rows.
    pub(in super::super) cut: Cut,
    /// Where the part is stored transposed: the rows of it that are meant once it is transposed back.
    pub(in super::super) transposed: Option<Range<usize>>,
    /// Of the rows of that part, or of the numbers of a vector: the first that is meant, and the distance to the next.
    pub(in super::super) every: (usize, usize),
    /// What its numbers stand for.
    pub(in super::super) reading: Reading,
}

/// One way to name the tensor of a role.
#[derive(Clone, Copy)]
pub(in super::super) struct Spelling {
    tensor: &'static Tensor,
    /// What stands before it.
    pub(in super::super) prefix: Prefix,
    /// Its row in the family's list.
    pub(in super::super) row: usize,
}

/// A tensor's name in one layer, around the number of the expert: `model.layers.2.mlp.experts.` and
/// `.down_proj.weight`; or all of a name without such a number.
pub(in super::super) struct NameStem {
    /// What stands before the expert's number, or the whole name.
    pub(in super::super) before: String,
    /// What stands after it; none where the name has no such number.
    pub(in super::super) after: Option<String>,
}

impl Names {
    /// The ways to name a role's tensor, the usual first.
    pub(in super::super) fn spellings(&self, role: Role) -> impl Iterator<Item = Spelling> {
        let rows = self.tensors.iter().copied().flatten().enumerate();
        let held = rows.filter(move |(_, it)| it.holds.contains(&role));
        held.flat_map(|(row, tensor)| {
            self.prefixes.iter().map(move |prefix| Spelling {
                tensor,
                prefix: *prefix,
                row,
            })
        })
    }

    /// The tensors of a layer, or those outside of all, as they are usually called.
    pub(in super::super) fn usual(
        &self,
        spec: &ModelSpec,
        layer: Option<usize>,
    ) -> Vec<TensorSource> {
        let roles = if layer.is_some() {
            Role::LAYER
        } else {
            Role::OUTER
        };
        roles
            .iter()
            .filter_map(|role| Some((role, self.spellings(*role).next()?)))
            .flat_map(|(role, it)| it.sources(*role, spec, layer.unwrap_or(0), false))
            .collect()
    }

    /// The layer that a name belongs to, where it belongs to one.
    pub(in super::super) fn layer_of(&self, name: &str) -> Option<usize> {
        let mut starts = self.tensors.iter().copied().flatten().filter_map(|it| {
            let (start, _) = it.name.split_once("{l}")?;
            Some(start)
        });
        let start = starts.next()?;
        self.prefixes.iter().find_map(|prefix| {
            let start = start.replace("{body}", prefix.body);
            let (layer, _) = name.strip_prefix(&start)?.split_once('.')?;
            layer.parse().ok()
        })
    }

    /// Whether a name begins as those of the decoder do: there it would have to mean something. Where nothing
    /// stands before the names all of a file is the decoder.
    pub(in super::super) fn is_inside(&self, name: &str) -> bool {
        let mut bodies = self.prefixes.iter().map(|it| it.body);
        self.prefixes == [Prefix::NONE]
            || self.layer_of(name).is_some()
            || bodies.any(|it| !it.is_empty() && name.starts_with(it))
    }
}

impl Spelling {
    /// The name for a layer.
    pub(in super::super) fn stem(&self, layer: usize) -> NameStem {
        let name = self
            .tensor
            .name
            .replace("{body}", self.prefix.body)
            .replace("{head}", self.prefix.head)
            .replace("{l}", &layer.to_string());
        match name.split_once("{e}") {
            Some((before, after)) => NameStem {
                before: before.to_owned(),
                after: Some(after.to_owned()),
            },
            None => NameStem {
                before: name,
                after: None,
            },
        }
    }

    /// The sources of a role: one, or one for each expert; none where the model has no such part.
    ///
    /// `is_packed`: whether the tensor is in planes of a format of few bits
    pub(in super::super) fn sources(
        &self,
        role: Role,
        spec: &ModelSpec,
        layer: usize,
        is_packed: bool,
    ) -> Vec<TensorSource> {
        let Some(matrix) = matrix_of(role, spec, layer, 0) else {
            return Vec::new();
        };
        let n_experts = n_experts(role, spec, layer);
        let along = self.along(role, spec, layer, 0);
        let is_transposed = self.tensor.layout.is_transposed() && !is_packed;
        let outer = match self.tensor.layout {
            Layout::Rows => None,
            Layout::PerHead => Some(n_heads(spec, layer)),
            _ => Some(n_experts),
        };
        let shape = self.shape(&matrix, along.total, outer, is_transposed);
        let NameStem { before, after } = self.stem(layer);
        let n_slots = match role {
            Role::Expert(_) | Role::EncoderExpert(_) | Role::AttentionExpert(_) => n_experts,
            _ => 1,
        };
        let is_apart = after.is_some() && spec.layers.get(layer).is_some_and(has_widths);
        let own_shape = |e: usize| match matrix_of(role, spec, layer, e) {
            Some(it) if is_apart => {
                let along = self.along(role, spec, layer, e);
                let shape = self.shape(&it, along.total, outer, is_transposed);
                (shape, self.cut(&it, &along, e, is_transposed))
            }
            _ => (shape.clone(), self.cut(&matrix, &along, e, is_transposed)),
        };
        let source = |e: usize| TensorSource {
            slot: role.slot(layer, e),
            tensor: match &after {
                Some(after) => format!("{before}{e}{after}"),
                None => before.clone(),
            },
            shape: own_shape(e).0,
            cut: own_shape(e).1,
            transposed: is_transposed.then(|| self.span(&along)),
            every: self.every(role),
            reading: self.tensor.reading,
        };
        (0..n_slots).map(source).collect()
    }

    /// Where the rows of a matrix, or the numbers of a vector, are among those of all that the tensor holds.
    fn along(&self, role: Role, spec: &ModelSpec, layer: usize, expert: usize) -> Along {
        let length = |role| matrix_of(role, spec, layer, expert).map_or(0, |it| it.length());
        let holds = self.tensor.holds;
        let at = holds.iter().position(|it| *it == role).unwrap_or(0);
        let first = holds[..at].iter().map(|it| length(*it)).sum();
        Along {
            span: first..first + length(role),
            total: holds.iter().map(|it| length(*it)).sum(),
        }
    }

    fn shape(
        &self,
        matrix: &Matrix,
        total: usize,
        outer: Option<usize>,
        is_transposed: bool,
    ) -> Vec<usize> {
        let total = match (self.tensor.layout, outer) {
            (Layout::PerHead, Some(n)) => total / n.max(1),
            _ => total,
        };
        let cols = (!matrix.is_vector).then_some(matrix.cols);
        let mut shape: Vec<usize> = outer.into_iter().chain([total]).chain(cols).collect();
        if is_transposed {
            shape[1..].reverse();
        }
        shape
    }

    /// Which rows are meant, where those of several matrices are interleaved.
    fn every(&self, role: Role) -> (usize, usize) {
        let holds = self.tensor.holds;
        let at = holds.iter().position(|it| *it == role).unwrap_or(0);
        if self.tensor.layout.is_interleaved() {
            (at, holds.len())
        } else {
            (0, 1)
        }
    }

    /// Rows of one matrix; of all where they are interleaved.
    fn span(&self, along: &Along) -> Range<usize> {
        if self.tensor.layout.is_interleaved() {
            0..along.total
        } else {
            along.span.clone()
        }
    }

    /// Of expert `e`, where the tensor holds all of them; of all matrices whose rows are interleaved or are columns.
    fn cut(&self, matrix: &Matrix, along: &Along, e: usize, is_transposed: bool) -> Cut {
        let e = match self.tensor.layout {
            Layout::Rows | Layout::PerHead => 0,
            _ => e,
        };
        let (span, total) = (self.span(along), along.total);
        if matrix.is_vector {
            return Cut {
                rows: e..e + 1,
                cols: span,
            };
        }
        if is_transposed {
            return Cut {
                rows: e * matrix.cols..(e + 1) * matrix.cols,
                cols: 0..total,
            };
        }
        Cut {
            rows: e * total + span.start..e * total + span.end,
            cols: 0..matrix.cols,
        }
    }
}

/// The rows of one matrix among those of several.
struct Along {
    span: Range<usize>,
    /// Those of all.
    total: usize,
}
