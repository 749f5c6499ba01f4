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
    /// The latent of keys and values of every position, with the key that all heads share; and the indexer's keys,
    /// where there is one.
    Latent(O::Cache, Option<O::Cache>),
    /// What all positions were folded into.
    Folded(O::State),
    /// Nothing: the layer mixes no positions.
    Nothing,
}

impl<O: Ops> MixerCache<O> {
    fn new(model: &Model<O>, layer: &LayerSpec) -> Self {
        match &layer.mixer {
            Mixer::Gqa(it) | Mixer::MoA { attn: it, .. } => {
                let width = it.n_kv_heads * it.head_dim;
                Self::KeysAndValues(model.ops.cache(width, model.spec.n_ctx))
            }
            Mixer::Recurrent(it) => Self::Folded(model.ops.state(it)),
            Mixer::None => Self::Nothing,
            Mixer::Mla(it) => {
                let of_rows = |width| model.ops.latent_cache(width, model.spec.n_ctx);
                let index = it.indexer.as_ref().map(|it| of_rows(it.dim));
                Self::Latent(of_rows(it.width()), index)
            }
        }
    }

    /// Keys and values, where it holds them.
    pub(super) fn keys_and_values(&mut self) -> Option<&mut O::Cache> {
        match self {
            Self::KeysAndValues(it) => Some(it),
            Self::Latent(..) | Self::Folded(_) | Self::Nothing => None,
        }
    }

    /// The latents, and the indexer's keys, where it holds them.
    pub(super) fn latents(&mut self) -> Option<(&mut O::Cache, Option<&mut O::Cache>)> {
        match self {
            Self::Latent(it, index) => Some((it, index.as_mut())),
            Self::KeysAndValues(_) | Self::Folded(_) | Self::Nothing => None,
        }
    }

    /// The state, where it holds one.
    pub(super) fn folded(&mut self) -> Option<&mut O::State> {
        match self {
            Self::Folded(it) => Some(it),
            Self::KeysAndValues(_) | Self::Latent(..) | Self::Nothing => None,
        }
    }

    /// The most positions, up to `len`, that can be had of this cache.
    fn cut(&self, ops: &O, len: usize) -> usize {
        match self {
            Self::KeysAndValues(_) | Self::Latent(..) | Self::Nothing => len,
            Self::Folded(it) => ops.cut_of_state(it, len),
        }
    }

    /// The first `len` positions, which `cut` has named.
    fn fork(&self, ops: &O, len: usize) -> Self {
        match self {
            Self::KeysAndValues(it) => Self::KeysAndValues(ops.fork_cache(it, len)),
            Self::Latent(it, index) => {
                let index = index.as_ref().map(|it| ops.fork_cache(it, len));
                Self::Latent(ops.fork_cache(it, len), index)
            }
            Self::Folded(it) => Self::Folded(ops.fork_state(it, len)),
            Self::Nothing => Self::Nothing,
        }
    }

    /// The memory it holds, piece by piece: where it lies, and its bytes.
    fn pieces(&self, ops: &O) -> Vec<(u64, u64)> {
        match self {
            Self::KeysAndValues(it) | Self::Latent(it, None) => ops.cache_pieces(it),
            Self::Latent(it, Some(index)) => {
                let mut pieces = ops.cache_pieces(it);
                pieces.extend(ops.cache_pieces(index));
                pieces
            }
            Self::Folded(it) => ops.state_pieces(it),
            Self::Nothing => Vec::new(),
        }
    }

    /// Forgets all but the first `len` positions, which `cut` has named.
    fn truncate(&mut self, ops: &O, len: usize) {
        match self {
            Self::KeysAndValues(it) => ops.truncate_cache(it, len),
            Self::Latent(it, index) => {
                ops.truncate_cache(it, len);
                if let Some(it) = index {
                    ops.truncate_cache(it, len);
                }
            }
            Self::Folded(it) => ops.truncate_state(it, len),
            Self::Nothing => {}
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
        let len = self.cut(ops, len);
        let caches = self.caches.iter();
        Self {
            caches: caches.map(|it| it.fork(ops, len)).collect(),
            len,
        }
    }

    /// Forgets all but the first `len` positions, or those before that where every layer can be cut; also what a step
    /// that ended half-way left of others in the caches of some layers.
    pub fn truncate(&mut self, ops: &O, len: usize) {
        let len = self.cut(ops, len);
        self.len = len;
        let caches = self.caches.iter_mut();
        caches.for_each(|it| it.truncate(ops, len));
    }

    /// The memory all layers hold, piece by piece: where it lies, the same in every sequence that shares it, and its
    /// bytes.
    pub fn pieces(&self, ops: &O) -> impl Iterator<Item = (u64, u64)> {
        self.caches.iter().flat_map(|it| it.pieces(ops))
    }

    /// The most positions, up to `len`, that every layer can be cut to. A layer that cannot be cut to what the others
    /// can lowers it for all.
    fn cut(&self, ops: &O, len: usize) -> usize {
        let mut len = len.min(self.len);
        loop {
            let caches = self.caches.iter();
            let cut = caches.fold(len, |len, it| it.cut(ops, len));
            if cut == len {
                return len;
            }
            len = cut;
        }
    }
}
