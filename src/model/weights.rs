//! A checkpoint's weights, made ready for the operations of one device.

use super::{
    cross::{Cross, EncoderEnds},
    latent::Latent,
    norms::Norm,
    source::{ModelError, WeightSource},
    support,
};
use crate::checkpoint::{LayerSlot, Part, RecurrentSlot, Slot, WeightView, Weights};
use crate::ops::{Mlp, Ops, RecurrentWeights, SelectionWeights};
use crate::spec::{
    BlockFormat, Ffn, GqaSpec, LayerId, LayerSpec, Mixer, ModelSpec, RecurrentSpec, StackId,
};

/// Attention of one layer.
pub struct Attention<O: Ops> {
    /// q, k and v, stacked; behind them the gates of the output, where it is gated.
    pub qkv: O::Weight,
    /// Biases of these projections, stacked alike.
    pub qkv_bias: Option<O::Weight>,
    /// Output projection, `[H, A]`.
    pub out: O::Weight,
    /// Bias of the output projection, `[H]`.
    pub out_bias: Option<O::Weight>,
    /// Norms of q and k.
    pub norms: [Option<O::Weight>; 2],
    /// `[heads]`, where the model has them.
    pub sinks: Option<O::Weight>,
}

/// A mixer with a state.
pub struct Recurrent<O: Ops> {
    /// All input projections that read the layer's input, stacked.
    pub projections: O::Weight,
    /// Those behind a bottleneck, each with it.
    pub narrow: Vec<[O::Weight; 2]>,
    /// Bias of the stacked projections.
    pub bias: Option<O::Weight>,
    /// What it computes with.
    pub inner: RecurrentWeights<O::Weight>,
    /// The output projection.
    pub out: O::Weight,
    /// Bias of the output projection, `[H]`.
    pub out_bias: Option<O::Weight>,
}

/// What mixes positions in one layer.
pub enum MixerWeights<O: Ops> {
    /// Softmax attention over keys and values.
    Attention(Attention<O>),
    /// Attention over latents.
    Latent(Latent<O>),
    /// Attention with experts.
    Moa(MoaWeights<O>),
    /// Recurrent: positions are folded into a state.
    Recurrent(Recurrent<O>),
    /// Absent: the layer has no such part.
    None,
}

/// The expert every token passes.
pub struct Shared<O: Ops> {
    /// Network of the shared expert.
    pub network: O::Experts,
    /// Its gate `[1, H]`.
    pub gate: Option<O::Weight>,
    /// Before it, where it has one of its own.
    pub norm: Option<Norm<O>>,
    /// Norm of what it puts out.
    pub norm_behind: Option<Norm<O>>,
}

/// Attention with experts.
pub struct MoaWeights<O: Ops> {
    /// Gate of the router, `[E, H]`.
    pub router: O::Weight,
    /// Per expert: query and output projection.
    pub experts: O::Experts,
    /// Keys and values of all, stacked.
    pub kv: O::Weight,
    /// `[H]`, added to the sum of the experts.
    pub bias: O::Weight,
}

/// Experts of one layer.
pub struct Moe<O: Ops> {
    /// Gate of the router, `[E, H]`.
    pub router: O::Weight,
    /// `[E]`, added to the logits.
    pub router_bias: Option<O::Weight>,
    /// `[E, E]`, behind a tanh, where the gate is two matrices.
    pub router_out: Option<O::Weight>,
    /// Of what the router reads, where it has a norm of its own.
    pub router_norm: Option<Norm<O>>,
    /// What is added to the scores before experts are chosen `[E]`, where the checkpoint has it; then factors on the weights
    /// `[E]`, where it has those.
    pub of_experts: Option<O::Weight>,
    /// The routed experts.
    pub experts: O::Experts,
    /// `[H]`, added to their sum.
    pub out_bias: Option<O::Weight>,
    /// To the width they work in, and back, where it is one of their own.
    pub latent: Option<[O::Weight; 2]>,
    /// Norm of the sum of the experts.
    pub norm_behind: Option<Norm<O>>,
    /// The one every token passes.
    pub shared: Option<Shared<O>>,
}

/// What works on each position of one layer.
pub enum FfnWeights<O: Ops> {
    /// One network that every token passes.
    Dense(O::Experts),
    /// Router and experts.
    Moe(Moe<O>),
    /// Absent: the layer has no such part.
    None,
}

/// One layer.
pub struct Layer<O: Ops> {
    /// Before the mixer, behind it, before the FFN, behind it; each where there is one.
    pub norms: [Option<Norm<O>>; 4],
    /// Mixes positions: attention or a state.
    pub mixer: MixerWeights<O>,
    /// Attention to the source, between mixer and FFN.
    pub cross: Option<Cross<O>>,
    /// Feed-forward network or experts.
    pub ffn: FfnWeights<O>,
    /// A factor on the residual stream behind it.
    pub scale: f32,
}

/// A model on a device.
pub struct Model<O: Ops> {
    /// Shape of the model.
    pub spec: ModelSpec,
    /// The operations it runs on.
    pub ops: O,
    /// `[V, H]`; of a time series `[H, 1]`.
    pub embedding: O::Weight,
    /// What a point's embedding is gated by, `[H, 1]`.
    pub embedding_gate: Option<O::Weight>,
    /// The layers that read the source, and what stands around them, where there are any.
    pub encoder: Vec<Layer<O>>,
    /// None where there is no encoder.
    pub encoder_ends: Option<EncoderEnds<O>>,
    /// Layers of the decoder, in order.
    pub layers: Vec<Layer<O>>,
    /// What is added to scores by the distance of query and key.
    pub distances: Option<O::Weight>,
    /// Before the head.
    pub final_norm: Norm<O>,
    /// `[V, H]`, or that of every horizon, row upon row; absent where the embedding serves.
    pub head: Option<O::Weight>,
    /// Bias of the head, `[V]`.
    pub head_bias: Option<O::Weight>,
}

impl<O: Ops> Model<O> {
    /// Uploads or prepares the weights on `ops`.
    ///
    /// # Errors
    /// A part of the spec that is not computed, or a weight that is not there.
    pub fn new(spec: ModelSpec, weights: &Weights, ops: O) -> Result<Self, ModelError> {
        Assembly::new(spec, ops, None)?.finish(weights)
    }
}

/// A model whose weights are being made ready piece by piece, so that whoever waits sees how far it
/// is and can stop between two pieces: the embedding, the head, each layer.
pub struct Assembly<O: Ops> {
    spec: ModelSpec,
    ops: O,
    quantize: Option<BlockFormat>,
    /// With its gate, where it has one.
    embedding: Option<(O::Weight, Option<O::Weight>)>,
    head: Option<Head<O>>,
    encoder: Vec<Layer<O>>,
    layers: Vec<Layer<O>>,
}

/// What stands behind the layers.
struct Head<O: Ops> {
    norm: Norm<O>,
    /// None where the embedding serves.
    matrix: Option<O::Weight>,
    bias: Option<O::Weight>,
}

/// Pieces of a model that are no layer.
const N_ENDS: usize = 2;

impl<O: Ops> Assembly<O> {
    /// Begins; nothing of the weights is touched yet. Matrices are made into blocks where that is
    /// asked for, but for the gates of routers and shared experts: they decide who computes.
    ///
    /// # Errors
    /// A part of the spec that is not computed.
    pub fn new(
        spec: ModelSpec,
        mut ops: O,
        quantize: Option<BlockFormat>,
    ) -> Result<Self, ModelError> {
        support::check(&spec)?;
        for layer in &spec.layers {
            let rope = match &layer.mixer {
                Mixer::Gqa(it) => it.rope.as_ref(),
                Mixer::Mla(it) => it.rope.as_ref(),
                Mixer::MoA { attn, .. } => attn.rope.as_ref(),
                Mixer::Recurrent(_) | Mixer::None => None,
            };
            if let Some(rope) = rope {
                ops.prepare_rope(rope, spec.n_ctx);
            }
            if let Mixer::Mla(mla) = &layer.mixer
                && let Some(rope) = mla.indexer.as_ref().and_then(|it| it.rope.as_ref())
            {
                ops.prepare_rope(rope, spec.n_ctx);
            }
        }
        Ok(Self {
            embedding: None,
            head: None,
            encoder: Vec::new(),
            layers: Vec::with_capacity(spec.layers.len()),
            spec,
            ops,
            quantize,
        })
    }

    /// Pieces in all.
    pub fn n_pieces(&self) -> usize {
        self.spec.layers_of(StackId::Encoder).len() + self.spec.layers.len() + N_ENDS
    }

    /// Pieces still to do.
    pub fn n_left(&self) -> usize {
        let n_ends = usize::from(self.embedding.is_some()) + usize::from(self.head.is_some());
        self.n_pieces() - n_ends - self.encoder.len() - self.layers.len()
    }

    /// Makes the next piece ready.
    ///
    /// # Errors
    /// A weight that is not there, or that the device cannot hold.
    pub fn step(&mut self, weights: &Weights) -> Result<(), ModelError> {
        let from = WeightSource {
            weights,
            ops: &self.ops,
            quantize: self.quantize,
        };
        if self.embedding.is_none() {
            let embedding = from.need(Slot::Embedding)?;
            self.embedding = Some((embedding, from.find(Slot::EmbeddingGate)?));
        } else if self.head.is_none() {
            self.head = Some(from.head(&self.spec)?);
        } else if self.encoder.len() < self.spec.layers_of(StackId::Encoder).len() {
            let layer = from.layer(&self.spec, StackId::Encoder, self.encoder.len())?;
            self.encoder.push(layer);
        } else if self.layers.len() < self.spec.layers.len() {
            let layer = from.layer(&self.spec, StackId::Decoder, self.layers.len())?;
            self.layers.push(layer);
        }
        Ok(())
    }

    /// The model, with the pieces that are still to do.
    ///
    /// # Errors
    /// A weight that is not there, or that the device cannot hold.
    pub fn finish(mut self, weights: &Weights) -> Result<Model<O>, ModelError> {
        while self.n_left() > 0 {
            self.step(weights)?;
        }
        let from = WeightSource {
            weights,
            ops: &self.ops,
            quantize: self.quantize,
        };
        let encoder_ends = from.encoder_ends(&self.spec)?;
        let distances = from.distances(&self.spec, StackId::Decoder)?;
        let (Some((embedding, embedding_gate)), Some(head)) = (self.embedding, self.head) else {
            unreachable!("no piece is left to do")
        };
        Ok(Model {
            spec: self.spec,
            ops: self.ops,
            embedding,
            embedding_gate,
            encoder: self.encoder,
            encoder_ends,
            layers: self.layers,
            distances,
            final_norm: head.norm,
            head: head.matrix,
            head_bias: head.bias,
        })
    }
}

impl<O: Ops> WeightSource<'_, O> {
    fn head(&self, spec: &ModelSpec) -> Result<Head<O>, ModelError> {
        let n_horizons = spec.head.horizons.len() as u8;
        let matrix = if n_horizons > 0 {
            let all: Vec<Slot> = (0..n_horizons).map(Slot::Horizon).collect();
            Some(self.stack(&all)?)
        } else if spec.head.tied {
            None
        } else {
            self.find(Slot::Head)?
        };
        Ok(Head {
            norm: self.norm(spec.norm, Slot::FinalNorm, Slot::FinalNormBias)?,
            matrix,
            bias: self.find(Slot::HeadBias)?,
        })
    }

    /// The biases of q, k and v where there are any; one that is not there is zero.
    fn qkv_bias(&self, gqa: &GqaSpec, slots: [Slot; 3]) -> Result<Option<O::Weight>, ModelError> {
        let found = slots.map(|it| self.weights.get(it).cloned());
        if found.iter().all(Option::is_none) {
            return Ok(None);
        }
        let mut views: Vec<WeightView> = found
            .into_iter()
            .zip(gqa.widths())
            .map(|(it, n)| it.unwrap_or_else(|| WeightView::zeros(n)))
            .collect();
        if gqa.gate_width() > 0 {
            views.push(WeightView::zeros(gqa.gate_width()));
        }
        Ok(Some(self.ops.weight(&views.iter().collect::<Vec<_>>())?))
    }

    /// q, k and v. Where the output is gated, the gates of all heads, which are stored behind each head's queries, come
    /// last.
    fn qkv(&self, gqa: &GqaSpec, [q, k, v, gate]: [Slot; 4]) -> Result<O::Weight, ModelError> {
        match gqa.out_gate {
            None => return self.stack(&[q, k, v]),
            Some(it) if !it.is_in_q => return self.stack(&[q, k, v, gate]),
            Some(_) => {}
        }
        let both = self.view(q)?;
        let half = |head: usize, half: usize| {
            let first = (2 * head + half) * gqa.head_dim;
            let rows = both.rows(first..first + gqa.head_dim);
            rows.ok_or_else(|| ModelError::Missing(format!("{q:?}, head {head}")))
        };
        let of_heads = |of: usize| (0..gqa.n_heads).map(move |head| (head, of));
        let halves = |of| of_heads(of).map(|(head, of)| half(head, of));
        let mut views: Vec<WeightView> = halves(0).collect::<Result<_, _>>()?;
        views.extend([self.view(k)?, self.view(v)?]);
        views.extend(halves(1).collect::<Result<Vec<_>, _>>()?);
        Ok(self.ops.weight(&views.iter().collect::<Vec<_>>())?)
    }

    fn mixer(
        &self,
        model: &ModelSpec,
        spec: &LayerSpec,
        at: impl Fn(LayerSlot) -> Slot,
    ) -> Result<MixerWeights<O>, ModelError> {
        Ok(match &spec.mixer {
            Mixer::Gqa(it) => MixerWeights::Attention(self.attention(it, at)?),
            Mixer::Recurrent(it) => MixerWeights::Recurrent(self.recurrent(it, at)?),
            Mixer::None => MixerWeights::None,
            Mixer::Mla(it) => MixerWeights::Latent(self.latent(it, at)?),
            Mixer::MoA { router, .. } => MixerWeights::Moa(self.moa(model, *router, at)?),
        })
    }

    fn recurrent(
        &self,
        spec: &RecurrentSpec,
        at: impl Fn(LayerSlot) -> Slot,
    ) -> Result<Recurrent<O>, ModelError> {
        let at = |it| at(LayerSlot::Recurrent(it));
        let n_projections = spec.projections().len();
        let n_direct = spec.bottlenecks().map_or(n_projections, |it| it.0);
        let projections: Vec<Slot> = (0..n_direct)
            .map(|it| at(RecurrentSlot::In(it as u8)))
            .collect();
        let narrow = (n_direct..n_projections).map(|it| {
            let [down, up] = [RecurrentSlot::Down, RecurrentSlot::In].map(|of| at(of(it as u8)));
            Ok([self.need(down)?, self.need(up)?])
        });
        Ok(Recurrent {
            projections: self.stack(&projections)?,
            narrow: narrow.collect::<Result<_, ModelError>>()?,
            bias: self.find(at(RecurrentSlot::InBias))?,
            inner: RecurrentWeights {
                conv: self.convolution(at)?,
                conv_bias: self.find(at(RecurrentSlot::ConvBias))?,
                decay: self.find(at(RecurrentSlot::Decay))?,
                step_bias: self.find(at(RecurrentSlot::StepBias))?,
                skip: self.find(at(RecurrentSlot::Skip))?,
                norm: self.find(at(RecurrentSlot::Norm))?,
                selection: self.selection(at)?,
            },
            out: self.need(at(RecurrentSlot::Out))?,
            out_bias: self.find(at(RecurrentSlot::OutBias))?,
        })
    }

    /// What a state space whose channels each have a step reads of them; none in other mixers.
    fn selection(
        &self,
        at: impl Fn(RecurrentSlot) -> Slot,
    ) -> Result<Option<SelectionWeights<O::Weight>>, ModelError> {
        let Some(read) = self.find(at(RecurrentSlot::Selection))? else {
            return Ok(None);
        };
        let norms = (0..3).map(|it| self.view(at(RecurrentSlot::SelectionNorm(it))));
        let norms = norms.collect::<Result<Vec<WeightView>, ModelError>>()?;
        Ok(Some(SelectionWeights {
            read,
            norms: self.ops.weight(&norms.iter().collect::<Vec<_>>())?,
            steps: self.need(at(RecurrentSlot::Steps))?,
        }))
    }

    /// The taps of all channels, from one tensor or from those of queries, keys and values.
    fn convolution(&self, at: impl Fn(RecurrentSlot) -> Slot) -> Result<O::Weight, ModelError> {
        if self.weights.get(at(RecurrentSlot::ConvOf(0))).is_none() {
            let all = self.view(at(RecurrentSlot::Conv))?.flat();
            return Ok(self.ops.weight(&[&all])?);
        }
        let parts = (0..3).map(|it| Ok(self.view(at(RecurrentSlot::ConvOf(it)))?.flat()));
        let parts = parts.collect::<Result<Vec<WeightView>, ModelError>>()?;
        Ok(self.ops.weight(&parts.iter().collect::<Vec<_>>())?)
    }

    fn attention(
        &self,
        gqa: &GqaSpec,
        at: impl Fn(LayerSlot) -> Slot,
    ) -> Result<Attention<O>, ModelError> {
        let biases = [LayerSlot::QBias, LayerSlot::KBias, LayerSlot::VBias];
        let projections = [LayerSlot::Q, LayerSlot::K, LayerSlot::V, LayerSlot::OutGate];
        let at_of = |it: LayerSlot| match it {
            LayerSlot::V if gqa.k_is_v => at(LayerSlot::K),
            it => at(it),
        };
        Ok(Attention {
            qkv: self.qkv(gqa, projections.map(at_of))?,
            qkv_bias: self.qkv_bias(gqa, biases.map(&at))?,
            out: self.need(at(LayerSlot::O))?,
            out_bias: self.find(at(LayerSlot::OBias))?,
            norms: [
                self.find(at(LayerSlot::QNorm))?,
                self.find(at(LayerSlot::KNorm))?,
            ],
            sinks: self.find(at(LayerSlot::Sinks))?,
        })
    }

    fn layer(&self, spec: &ModelSpec, stack: StackId, row: usize) -> Result<Layer<O>, ModelError> {
        let at = |slot| Slot::in_stack(stack, LayerId::new(row), slot);
        let layer = &spec.layers_of(stack)[row];
        let ffn = match &layer.ffn {
            Ffn::None => FfnWeights::None,
            Ffn::Dense(_) => FfnWeights::Dense(self.network(|part| at(LayerSlot::Dense(part)))?),
            Ffn::Moe(moe) => {
                let norm = layer.norms[2];
                FfnWeights::Moe(self.moe(spec, norm, moe, at)?)
            }
        };
        Ok(Layer {
            norms: self.norms(layer, at)?,
            mixer: self.mixer(spec, layer, at)?,
            cross: self.cross(layer, at)?,
            ffn,
            scale: self.number(at(LayerSlot::LayerScale)),
        })
    }

    pub(super) fn mlp(&self, slot: impl Fn(Part) -> Slot) -> Result<Mlp<WeightView>, ModelError> {
        Ok(Mlp {
            gate: self.view_of(slot(Part::Gate)),
            up: self.view(slot(Part::Up))?,
            down: self.view(slot(Part::Down))?,
            gate_bias: self.view_of(slot(Part::GateBias)),
            up_bias: self.view_of(slot(Part::UpBias)),
            down_bias: self.view_of(slot(Part::DownBias)),
        })
    }

    pub(super) fn network(&self, slot: impl Fn(Part) -> Slot) -> Result<O::Experts, ModelError> {
        Ok(self.ops.experts(vec![self.mlp(slot)?])?)
    }
}
