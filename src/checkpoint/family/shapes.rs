//! The shape that each part of a model must have, whatever it is called.

use crate::spec::{Ffn, GqaSpec, LayerSpec, Mixer, ModelSpec, MoeSpec, QkNorm, SharedGate};

use super::{
    super::{LayerSlot, Part},
    names::Role,
};

/// Rows and columns; a vector is one row.
#[derive(Clone, Copy)]
pub(super) struct Matrix {
    pub(super) rows: usize,
    pub(super) cols: usize,
    /// Stored as `[cols]`.
    pub(super) is_vector: bool,
}

impl Matrix {
    /// Its rows, or the numbers of a vector: what a tensor that holds several has one after the other.
    pub(super) fn length(&self) -> usize {
        if self.is_vector { self.cols } else { self.rows }
    }

    fn new(rows: usize, cols: usize) -> Self {
        Self {
            rows,
            cols,
            is_vector: false,
        }
    }

    fn vector(n: usize) -> Self {
        Self {
            rows: 1,
            cols: n,
            is_vector: true,
        }
    }
}

/// The matrix of a role in a layer (any, for those outside); `None` where the model has no such part.
pub(super) fn matrix_of(role: Role, spec: &ModelSpec, layer: usize) -> Option<Matrix> {
    let (v, h) = (spec.n_vocab, spec.d_model);
    match role {
        Role::Embedding => Some(Matrix::new(v, h)),
        Role::FinalNorm => Some(Matrix::vector(h)),
        Role::Head => (!spec.head.tied).then(|| Matrix::new(v, h)),
        Role::In(slot) => of_layer(slot, spec, spec.layers.get(layer)?),
        Role::Expert(part) => Some(of_network(
            part,
            moe(spec.layers.get(layer)?)?.expert.d_ff,
            h,
        )),
    }
}

/// The experts of a layer; 0 in a dense one.
pub(super) fn n_experts(spec: &ModelSpec, layer: usize) -> usize {
    let moe = spec.layers.get(layer).and_then(moe);
    moe.and_then(|it| spec.router(it.router))
        .map_or(0, |it| it.n_experts)
}

fn moe(layer: &LayerSpec) -> Option<&MoeSpec> {
    match &layer.ffn {
        Ffn::Moe(it) => Some(it),
        Ffn::Dense(_) => None,
    }
}

fn of_network(part: Part, f: usize, h: usize) -> Matrix {
    match part {
        Part::Gate | Part::Up => Matrix::new(f, h),
        Part::Down => Matrix::new(h, f),
    }
}

fn of_layer(slot: LayerSlot, spec: &ModelSpec, layer: &LayerSpec) -> Option<Matrix> {
    let h = spec.d_model;
    let shared = moe(layer).and_then(|it| it.shared);
    let router = moe(layer).and_then(|it| spec.router(it.router));
    match slot {
        LayerSlot::MixerNorm | LayerSlot::FfnNorm => Some(Matrix::vector(h)),
        LayerSlot::Router => router.map(|it| Matrix::new(it.n_experts, h)),
        LayerSlot::SelectBias => router
            .filter(|it| it.select_bias)
            .map(|it| Matrix::vector(it.n_experts)),
        LayerSlot::Shared(part) => shared.map(|it| of_network(part, it.mlp.d_ff, h)),
        LayerSlot::SharedGate => shared
            .filter(|it| it.gate == SharedGate::SigmoidScalar)
            .map(|_| Matrix::new(1, h)),
        LayerSlot::Dense(part) => match &layer.ffn {
            Ffn::Dense(it) => Some(of_network(part, it.d_ff, h)),
            Ffn::Moe(_) => None,
        },
        LayerSlot::Expert(..) => None,
        _ => match &layer.mixer {
            Mixer::Gqa(it) => of_attention(slot, h, it),
            _ => None,
        },
    }
}

fn of_attention(slot: LayerSlot, h: usize, attn: &GqaSpec) -> Option<Matrix> {
    let a = attn.n_heads * attn.head_dim;
    let kv = attn.n_kv_heads * attn.head_dim;
    let bias = |row: usize, n| attn.bias[row].then(|| Matrix::vector(n));
    let norm = |n| match attn.qk_norm {
        QkNorm::None | QkNorm::L2 => None,
        QkNorm::PerHead => Some(Matrix::vector(attn.head_dim)),
        QkNorm::Full => Some(Matrix::vector(n)),
    };
    match slot {
        LayerSlot::Q => Some(Matrix::new(a, h)),
        LayerSlot::K | LayerSlot::V => Some(Matrix::new(kv, h)),
        LayerSlot::O => Some(Matrix::new(h, a)),
        LayerSlot::QBias => bias(0, a),
        LayerSlot::KBias => bias(1, kv),
        LayerSlot::VBias => bias(2, kv),
        LayerSlot::OBias => bias(3, h),
        LayerSlot::QNorm => norm(a),
        LayerSlot::KNorm => norm(kv),
        _ => None,
    }
}
