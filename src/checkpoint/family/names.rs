//! What a family calls its tensors, turned into one source per canonical slot.
//!
//! Sources are made layer by layer and bound as they come, so that a config that claims thousands
//! of layers costs nothing before the first tensor is missed.

use std::ops::Range;

use crate::spec::{
    ExpertId, Ffn, GqaSpec, LayerId, LayerSpec, Mixer, ModelSpec, MoeSpec, QkNorm, SharedGate,
};

use super::super::{LayerSlot, Part, Slot};

/// What a family calls the tensors of an expert layer; the rest has the names of the Llama line.
pub(in super::super) struct Names {
    /// The router's gate, after `model.layers.L.`.
    pub(super) router: &'static str,
    /// The experts.
    pub(super) experts: ExpertNames,
    /// The shared expert.
    pub(super) shared: Option<SharedNames>,
    /// The shared expert's gate.
    pub(super) shared_gate: Option<&'static str>,
}

/// What a family calls its experts.
#[derive(Clone, Copy)]
pub(super) enum ExpertNames {
    /// Three tensors an expert: what stands before and after its number.
    Each {
        /// `[F, H]`.
        gate: (&'static str, &'static str),
        /// `[F, H]`.
        up: (&'static str, &'static str),
        /// `[H, F]`.
        down: (&'static str, &'static str),
    },
    /// Two for all of them.
    Fused {
        /// `[E, 2F, H]`, gate rows first.
        input: &'static str,
        /// `[E, H, F]`.
        output: &'static str,
    },
}

impl ExpertNames {
    /// `mlp.experts.E.gate_proj.weight` and so on.
    pub(super) const PER_EXPERT_MLP: Self = Self::Each {
        gate: ("mlp.experts.", ".gate_proj.weight"),
        up: ("mlp.experts.", ".up_proj.weight"),
        down: ("mlp.experts.", ".down_proj.weight"),
    };
}

/// What a family calls its shared expert.
#[derive(Clone, Copy)]
pub(super) enum SharedNames {
    /// Three tensors.
    Each {
        /// `[F, H]`.
        gate: &'static str,
        /// `[F, H]`.
        up: &'static str,
        /// `[H, F]`.
        down: &'static str,
    },
    /// Two.
    Fused {
        /// `[2F, H]`, gate rows first.
        input: &'static str,
        /// `[H, F]`.
        output: &'static str,
    },
}

/// Where the weight of a slot comes from.
pub(in super::super) struct Source {
    /// The slot.
    pub(in super::super) slot: Slot,
    /// The tensor's name.
    pub(in super::super) tensor: String,
    /// The whole tensor's shape.
    pub(in super::super) shape: Vec<usize>,
    /// The rows of it that are meant, all but the last dimension counted as rows.
    pub(in super::super) rows: Range<usize>,
}

impl Source {
    /// A whole matrix `[rows, cols]`.
    fn matrix(slot: Slot, tensor: String, rows: usize, cols: usize) -> Self {
        Self {
            slot,
            tensor,
            shape: vec![rows, cols],
            rows: 0..rows,
        }
    }

    /// A whole vector: one row.
    fn vector(slot: Slot, tensor: String, n: usize) -> Self {
        Self {
            slot,
            tensor,
            shape: vec![n],
            rows: 0..1,
        }
    }
}

/// The tensor of an untied head.
pub(in super::super) const HEAD: &str = "lm_head.weight";

/// What lies outside of the layers; the head last, absent where the config ties it.
pub(in super::super) fn outer(spec: &ModelSpec) -> Vec<Source> {
    let (v, h) = (spec.n_vocab, spec.d_model);
    let mut sources = vec![
        Source::matrix(
            Slot::Embedding,
            "model.embed_tokens.weight".to_owned(),
            v,
            h,
        ),
        Source::vector(Slot::FinalNorm, "model.norm.weight".to_owned(), h),
    ];
    if !spec.head.tied {
        sources.push(Source::matrix(Slot::Head, HEAD.to_owned(), v, h));
    }
    sources
}

impl Names {
    /// The name that tells an expert layer, and the one that tells a dense layer.
    pub(in super::super) fn telltales(&self, layer: usize) -> (String, String) {
        let name = |it| format!("model.layers.{layer}.{it}");
        (name(self.router), name("mlp.gate_proj.weight"))
    }

    /// The tensors of one layer.
    pub(in super::super) fn layer(
        &self,
        spec: &ModelSpec,
        layer: usize,
        it: &LayerSpec,
    ) -> Vec<Source> {
        let mut list = LayerSources {
            layer,
            d_model: spec.d_model,
            sources: Vec::new(),
        };
        list.vector(LayerSlot::MixerNorm, "input_layernorm.weight", spec.d_model);
        list.vector(
            LayerSlot::FfnNorm,
            "post_attention_layernorm.weight",
            spec.d_model,
        );
        if let Mixer::Gqa(attn) = &it.mixer {
            list.attention(attn);
        }
        match &it.ffn {
            Ffn::Dense(mlp) => list.network(
                LayerSlot::Dense,
                [
                    "mlp.gate_proj.weight",
                    "mlp.up_proj.weight",
                    "mlp.down_proj.weight",
                ],
                mlp.d_ff,
            ),
            Ffn::Moe(moe) => {
                let n_experts = spec.router(moe.router).map_or(0, |it| it.n_experts);
                list.experts(self, moe, n_experts);
            }
        }
        list.sources
    }
}

/// The sources of one layer as they are listed.
struct LayerSources {
    layer: usize,
    d_model: usize,
    sources: Vec<Source>,
}

impl LayerSources {
    fn slot(&self, slot: LayerSlot) -> Slot {
        Slot::Layer(LayerId::new(self.layer), slot)
    }

    fn name(&self, name: &str) -> String {
        format!("model.layers.{}.{name}", self.layer)
    }

    fn matrix(&mut self, slot: LayerSlot, name: &str, rows: usize, cols: usize) {
        let source = Source::matrix(self.slot(slot), self.name(name), rows, cols);
        self.sources.push(source);
    }

    fn vector(&mut self, slot: LayerSlot, name: &str, n: usize) {
        let source = Source::vector(self.slot(slot), self.name(name), n);
        self.sources.push(source);
    }

    /// Rows of a larger tensor.
    fn part(&mut self, slot: LayerSlot, name: &str, shape: &[usize], rows: Range<usize>) {
        let source = Source {
            slot: self.slot(slot),
            tensor: self.name(name),
            shape: shape.to_vec(),
            rows,
        };
        self.sources.push(source);
    }

    fn attention(&mut self, attn: &GqaSpec) {
        let h = self.d_model;
        let a = attn.n_heads * attn.head_dim;
        let kv = attn.n_kv_heads * attn.head_dim;
        self.matrix(LayerSlot::Q, "self_attn.q_proj.weight", a, h);
        self.matrix(LayerSlot::K, "self_attn.k_proj.weight", kv, h);
        self.matrix(LayerSlot::V, "self_attn.v_proj.weight", kv, h);
        self.matrix(LayerSlot::O, "self_attn.o_proj.weight", h, a);
        let biases = [
            (LayerSlot::QBias, "self_attn.q_proj.bias", a),
            (LayerSlot::KBias, "self_attn.k_proj.bias", kv),
            (LayerSlot::VBias, "self_attn.v_proj.bias", kv),
            (LayerSlot::OBias, "self_attn.o_proj.bias", h),
        ];
        for ((slot, name, n), wanted) in biases.into_iter().zip(attn.bias) {
            if wanted {
                self.vector(slot, name, n);
            }
        }
        let widths = match attn.qk_norm {
            QkNorm::None | QkNorm::L2 => None,
            QkNorm::PerHead => Some((attn.head_dim, attn.head_dim)),
            QkNorm::Full => Some((a, kv)),
        };
        if let Some((q, k)) = widths {
            self.vector(LayerSlot::QNorm, "self_attn.q_norm.weight", q);
            self.vector(LayerSlot::KNorm, "self_attn.k_norm.weight", k);
        }
    }

    /// Gate, up and down of one network.
    fn network(&mut self, slot: impl Fn(Part) -> LayerSlot, names: [&str; 3], f: usize) {
        let h = self.d_model;
        let [gate, up, down] = names;
        self.matrix(slot(Part::Gate), gate, f, h);
        self.matrix(slot(Part::Up), up, f, h);
        self.matrix(slot(Part::Down), down, h, f);
    }

    fn experts(&mut self, names: &Names, moe: &MoeSpec, n_experts: usize) {
        let (h, f) = (self.d_model, moe.expert.d_ff);
        self.matrix(LayerSlot::Router, names.router, n_experts, h);
        for e in 0..n_experts {
            let slot = |part| LayerSlot::Expert(ExpertId::new(e).0, part);
            match names.experts {
                ExpertNames::Each { gate, up, down } => {
                    let [gate, up, down] =
                        [gate, up, down].map(|(head, tail)| format!("{head}{e}{tail}"));
                    self.network(slot, [&gate, &up, &down], f);
                }
                ExpertNames::Fused { input, output } => {
                    let (inner, outer) = ([n_experts, 2 * f, h], [n_experts, h, f]);
                    let row = 2 * f * e;
                    self.part(slot(Part::Gate), input, &inner, row..row + f);
                    self.part(slot(Part::Up), input, &inner, row + f..row + 2 * f);
                    self.part(slot(Part::Down), output, &outer, h * e..h * (e + 1));
                }
            }
        }
        let Some(shared) = moe.shared else { return };
        match names.shared {
            None => {}
            Some(SharedNames::Each { gate, up, down }) => {
                self.network(LayerSlot::Shared, [gate, up, down], shared.mlp.d_ff);
            }
            Some(SharedNames::Fused { input, output }) => {
                let s = shared.mlp.d_ff;
                let shape = [2 * s, h];
                self.part(LayerSlot::Shared(Part::Gate), input, &shape, 0..s);
                self.part(LayerSlot::Shared(Part::Up), input, &shape, s..2 * s);
                self.matrix(LayerSlot::Shared(Part::Down), output, h, s);
            }
        }
        if let (SharedGate::SigmoidScalar, Some(name)) = (shared.gate, names.shared_gate) {
            self.matrix(LayerSlot::SharedGate, name, 1, h);
        }
    }
}
