//! What a model remembers of one sequence: a cache for every layer's mixer.

use super::weights::Model;
use crate::ops::{Ops, taken_width};
use crate::spec::{Ffn, LayerSpec, Mixer};

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

/// What one layer of the stack that writes remembers of a sequence.
pub(super) struct LayerCache<O: Ops> {
    /// Of its own text.
    pub mixer: MixerCache<O>,
    /// Keys and values of the source, where the layer attends to it.
    pub source: Option<O::Cache>,
    /// Which experts each position chose, where they take only so many tokens.
    pub taken: Option<O::Cache>,
}

impl<O: Ops> LayerCache<O> {
    /// Of a sequence without positions.
    pub fn new(model: &Model<O>, layer: &LayerSpec) -> Self {
        let (ops, n_ctx) = (&model.ops, model.spec.n_ctx);
        let router = match &layer.ffn {
            Ffn::Moe(it) => model.spec.router(it.router),
            Ffn::Dense(_) | Ffn::None => None,
        };
        let limited = router.filter(|it| it.capacity().is_some());
        let source = layer.cross.as_ref().map(|it| {
            let width = it.attn.n_kv_heads * it.attn.head_dim;
            ops.cache(width, n_ctx)
        });
        Self {
            mixer: MixerCache::new(model, layer),
            source,
            taken: limited.map(|it| ops.latent_cache(taken_width(it.n_experts), n_ctx)),
        }
    }

    /// The first `len` positions of the text, and the source of `n_source`.
    fn fork(&self, ops: &O, len: usize, n_source: usize) -> Self {
        let source = self.source.as_ref();
        let taken = self.taken.as_ref();
        Self {
            mixer: self.mixer.fork(ops, len),
            source: source.map(|it| ops.fork_cache(it, n_source)),
            taken: taken.map(|it| ops.fork_cache(it, len)),
        }
    }

    fn truncate(&mut self, ops: &O, len: usize, n_source: usize) {
        self.mixer.truncate(ops, len);
        if let Some(it) = &mut self.source {
            ops.truncate_cache(it, n_source);
        }
        if let Some(it) = &mut self.taken {
            ops.truncate_cache(it, len);
        }
    }

    fn pieces(&self, ops: &O) -> Vec<(u64, u64)> {
        let mut out = self.mixer.pieces(ops);
        let others = self.source.iter().chain(&self.taken);
        out.extend(others.flat_map(|it| ops.cache_pieces(it)));
        out
    }
}

/// The caches of one sequence, and how many positions they hold.
///
/// Of an encoder–decoder model the positions are those of the source, then those of the text that is written. The
/// source is read whole or not at all: a sequence that is cut inside of it holds nothing.
pub struct Sequence<O: Ops> {
    /// `[layers]`.
    pub(super) caches: Vec<LayerCache<O>>,
    /// Number of positions held.
    pub len: usize,
    /// How many of them are the source's; 0 where the model has none, or has not read it.
    pub n_source: usize,
}

impl<O: Ops> Sequence<O> {
    /// An empty sequence.
    #[must_use]
    pub fn new(model: &Model<O>) -> Self {
        let layers = model.spec.layers.iter();
        Self {
            caches: layers.map(|it| LayerCache::new(model, it)).collect(),
            len: 0,
            n_source: 0,
        }
    }

    /// Whether what it reads next is its source.
    #[must_use]
    pub fn wants_source(&self, model: &Model<O>) -> bool {
        model.encoder_ends.is_some() && self.n_source == 0
    }

    /// A sequence that holds the first positions of this one: `len` of them, or as many before that as every layer
    /// can be cut at.
    #[must_use]
    pub fn fork(&self, ops: &O, len: usize) -> Self {
        let (len, n_source) = self.cut(ops, len);
        let caches = self.caches.iter();
        Self {
            caches: caches
                .map(|it| it.fork(ops, len - n_source, n_source))
                .collect(),
            len,
            n_source,
        }
    }

    /// Forgets all but the first `len` positions, or those before that where every layer can be cut; also what a step
    /// that ended half-way left of others in the caches of some layers.
    pub fn truncate(&mut self, ops: &O, len: usize) {
        let (len, n_source) = self.cut(ops, len);
        self.len = len;
        self.n_source = n_source;
        let caches = self.caches.iter_mut();
        caches.for_each(|it| it.truncate(ops, len - n_source, n_source));
    }

    /// The memory all layers hold, piece by piece: where it lies, the same in every sequence that shares it, and its
    /// bytes.
    pub fn pieces(&self, ops: &O) -> impl Iterator<Item = (u64, u64)> {
        self.caches.iter().flat_map(|it| it.pieces(ops))
    }

    /// The most positions, up to `len`, that every layer can be cut to, and how many of them are the source's. A layer
    /// that cannot be cut to what the others can lowers it for all.
    fn cut(&self, ops: &O, len: usize) -> (usize, usize) {
        let len = len.min(self.len);
        if len < self.n_source {
            return (0, 0);
        }
        let mut own = len - self.n_source;
        loop {
            let caches = self.caches.iter();
            let cut = caches.fold(own, |len, it| it.mixer.cut(ops, len));
            if cut == own {
                return (own + self.n_source, self.n_source);
            }
            own = cut;
        }
    }
}
