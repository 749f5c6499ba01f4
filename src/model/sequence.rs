//! What a model remembers of one sequence: a cache for every layer's mixer.

use super::weights::Model;
use crate::ops::Ops;
use crate::spec::{LayerSpec, Mixer};

/// What one layer's mixer remembers of a sequence.
///
/// Not all of them can be cut anywhere: a state that was folded over the positions read goes back only to where
/// a copy of it was kept. `cut` says where that is.
pub enum MixerCache<O: Ops> {
    /// Keys and values of every position.
    KeysAndValues(O::Cache),
}

impl<O: Ops> MixerCache<O> {
    fn new(model: &Model<O>, layer: &LayerSpec) -> Self {
        let width = match &layer.mixer {
            Mixer::Gqa(it) => it.n_kv_heads * it.head_dim,
            _ => 0,
        };
        Self::KeysAndValues(model.ops.cache(width, model.spec.n_ctx))
    }

    /// The most positions, up to `len`, that can be had of this cache.
    fn cut(&self, len: usize) -> usize {
        match self {
            Self::KeysAndValues(_) => len,
        }
    }

    /// The first `len` positions, which `cut` has named.
    fn fork(&self, ops: &O, len: usize) -> Self {
        match self {
            Self::KeysAndValues(it) => Self::KeysAndValues(ops.fork_cache(it, len)),
        }
    }

    /// The memory it holds, piece by piece: where it lies, and its bytes.
    fn pieces(&self, ops: &O) -> Vec<(u64, u64)> {
        match self {
            Self::KeysAndValues(it) => ops.cache_pieces(it),
        }
    }

    /// Forgets all but the first `len` positions, which `cut` has named.
    fn truncate(&mut self, ops: &O, len: usize) {
        match self {
            Self::KeysAndValues(it) => ops.truncate_cache(it, len),
        }
    }
}

/// The caches of one sequence, and how many positions they hold.
pub struct Sequence<O: Ops> {
    /// `[layers]`.
    pub caches: Vec<MixerCache<O>>,
    /// Positions held.
    pub len: usize,
}

impl<O: Ops> Sequence<O> {
    /// An empty sequence.
    #[must_use]
    pub fn new(model: &Model<O>) -> Self {
        let layers = model.spec.layers.iter();
        Self {
            caches: layers.map(|it| MixerCache::new(model, it)).collect(),
            len: 0,
        }
    }

    /// A sequence that holds the first positions of this one: `len` of them, or as many before that as every layer
    /// can be cut at.
    #[must_use]
    pub fn fork(&self, ops: &O, len: usize) -> Self {
        let len = self.cut(len);
        let caches = self.caches.iter();
        Self {
            caches: caches.map(|it| it.fork(ops, len)).collect(),
            len,
        }
    }

    /// Forgets all but the first `len` positions, or those before that where every layer can be cut; also what a step
    /// that ended half-way left of others in the caches of some layers.
    pub fn truncate(&mut self, ops: &O, len: usize) {
        let len = self.cut(len);
        self.len = len;
        let caches = self.caches.iter_mut();
        caches.for_each(|it| it.truncate(ops, len));
    }

    /// The memory all layers hold, piece by piece: where it lies, the same in every sequence that shares it, and its
    /// bytes.
    pub fn pieces(&self, ops: &O) -> impl Iterator<Item = (u64, u64)> {
        self.caches.iter().flat_map(|it| it.pieces(ops))
    }

    fn cut(&self, len: usize) -> usize {
        let len = len.min(self.len);
        let caches = self.caches.iter();
        caches.fold(len, |len, it| it.cut(len))
    }
}
