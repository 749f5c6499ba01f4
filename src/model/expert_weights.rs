//! Experts, their routers and what stands around them, made ready for the operations of one device.

use super::source::{ModelError, WeightSource};
use super::weights::{MoaWeights, Moe, Shared};
use crate::checkpoint::{LayerSlot, Part, Slot, WeightView};
use crate::ops::{Mlp, Ops};
use crate::spec::{
    ModelSpec, MoeSpec, NormSpec, RouterId, RouterInput, RouterSpec, SharedGate, SharedInput,
    SharedSpec,
};

impl<O: Ops> WeightSource<'_, O> {
    /// A number the checkpoint carries; 1 where it does not.
    pub(super) fn number(&self, slot: Slot) -> f32 {
        let found = self.view_of(slot).map(|it| it.to_f32());
        found.and_then(|it| it.first().copied()).unwrap_or(1.0)
    }

    /// Attention with experts.
    pub(super) fn moa(
        &self,
        spec: &ModelSpec,
        router: RouterId,
        at: impl Fn(LayerSlot) -> Slot,
    ) -> Result<MoaWeights<O>, ModelError> {
        let expert = |e, part| at(LayerSlot::AttentionExpert(e, part));
        Ok(MoaWeights {
            router: self.need(at(LayerSlot::AttentionRouter))?,
            experts: self.ops.experts(self.each(spec, router, expert)?)?,
            kv: self.stack(&[at(LayerSlot::K), at(LayerSlot::V)])?,
            bias: self.need(at(LayerSlot::AttentionBias))?,
        })
    }

    /// The networks of all experts of a router.
    fn each(
        &self,
        spec: &ModelSpec,
        router: RouterId,
        slot: impl Fn(u16, Part) -> Slot,
    ) -> Result<Vec<Mlp<WeightView>>, ModelError> {
        let n_experts = spec.router(router).map_or(0, |it| it.n_experts);
        (0..n_experts as u16)
            .map(|e| self.mlp(|part| slot(e, part)))
            .collect()
    }

    /// Experts of a layer, with their router and the shared one.
    pub(super) fn moe(
        &self,
        spec: &ModelSpec,
        norm: Option<NormSpec>,
        moe: &MoeSpec,
        at: impl Fn(LayerSlot) -> Slot,
    ) -> Result<Moe<O>, ModelError> {
        let router = spec
            .router(moe.router)
            .ok_or_else(|| ModelError::Missing("a router".to_owned()))?;
        let expert = |e, part| at(LayerSlot::Expert(e, part));
        let views = self.each(spec, moe.router, expert)?;
        let shared = moe.shared.map(|it| self.shared(&it, norm, moe, &at));
        let behind = |slot| moe.branch_norm.map(|it| self.norm(it, at(slot), at(slot)));
        let latent = moe.latent.map(|_| {
            let (to, back) = (LayerSlot::LatentIn, LayerSlot::LatentOut);
            Ok::<_, ModelError>([self.need(at(to))?, self.need(at(back))?])
        });
        let router_norm = (router.input == RouterInput::RmsScaled)
            .then(|| self.norm_of_router(spec, &at))
            .transpose()?;
        Ok(Moe {
            router: self.need(at(LayerSlot::Router))?,
            router_bias: self.find(at(LayerSlot::RouterBias))?,
            router_out: self.find(at(LayerSlot::RouterOut))?,
            router_norm,
            of_experts: self.of_experts(router, &at)?,
            experts: self.ops.experts(views)?,
            out_bias: self.find(at(LayerSlot::ExpertsBias))?,
            latent: latent.transpose()?,
            norm_behind: behind(LayerSlot::ExpertsPostNorm).transpose()?,
            shared: shared.transpose()?,
        })
    }

    fn shared(
        &self,
        shared: &SharedSpec,
        norm: Option<NormSpec>,
        moe: &MoeSpec,
        at: &impl Fn(LayerSlot) -> Slot,
    ) -> Result<Shared<O>, ModelError> {
        let norm_of = |spec: Option<NormSpec>, slot| {
            let norm = spec.map(|it| self.norm(it, at(slot), at(slot)));
            norm.transpose()
        };
        let gate = shared.gate == SharedGate::SigmoidScalar;
        let gate = gate.then(|| self.need(at(LayerSlot::SharedGate)));
        let own = norm.filter(|_| shared.input == SharedInput::OwnNorm);
        Ok(Shared {
            network: self.network(|part| at(LayerSlot::Shared(part)))?,
            gate: gate.transpose()?,
            norm: norm_of(own, LayerSlot::SharedNorm)?,
            norm_behind: norm_of(moe.branch_norm, LayerSlot::SharedPostNorm)?,
        })
    }

    /// The norm of what a router reads that has one of its own: its weights over the root of the width.
    fn norm_of_router(
        &self,
        spec: &ModelSpec,
        at: &impl Fn(LayerSlot) -> Slot,
    ) -> Result<super::norms::Norm<O>, ModelError> {
        let root = (spec.d_model as f32).sqrt();
        let weights = self.view(at(LayerSlot::RouterNorm))?.to_f32();
        let weights: Vec<f32> = weights.iter().map(|it| it / root).collect();
        Ok(super::norms::Norm {
            weight: self.ops.weight(&[&WeightView::of_numbers(&weights)])?,
            bias: None,
            spec: NormSpec::rms(spec.norm.eps),
        })
    }

    /// The router's bias of selection and its factors on weights, one after the other.
    fn of_experts(
        &self,
        router: &RouterSpec,
        at: &impl Fn(LayerSlot) -> Slot,
    ) -> Result<Option<O::Weight>, ModelError> {
        let slots = [
            (router.select_bias, LayerSlot::SelectBias),
            (router.per_expert_scale, LayerSlot::ExpertScale),
        ];
        let views: Vec<WeightView> = slots
            .into_iter()
            .filter(|it| it.0)
            .map(|it| self.view(at(it.1)))
            .collect::<Result<_, _>>()?;
        if views.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.ops.weight(&views.iter().collect::<Vec<_>>())?))
    }
}
